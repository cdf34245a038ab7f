//! Requests in short.

use bytes::Bytes;

use super::proto::compare::{CompareResult, CompareTarget, TargetUnion};
use super::proto::request_op::Request;
use super::proto::{Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest};

/// The first key after all that begin with `prefix`.
pub(in crate::cluster) fn prefix_end(prefix: &[u8]) -> Bytes {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < u8::MAX {
            end.push(last + 1);
            return end.into();
        }
    }
    // etcd's word for "to the end".
    Bytes::from_static(b"\0")
}

/// Reads all keys that begin with `prefix`.
pub(in crate::cluster) fn range_of(prefix: &[u8]) -> RangeRequest {
    RangeRequest {
        key: Bytes::copy_from_slice(prefix),
        range_end: prefix_end(prefix),
        ..RangeRequest::default()
    }
}

/// `success` if all of `compare` hold, else `failure`.
pub(in crate::cluster) fn txn(
    compare: Vec<Compare>,
    success: Vec<RequestOp>,
    failure: Vec<RequestOp>,
) -> TxnRequest {
    TxnRequest {
        compare,
        success,
        failure,
    }
}

/// Reads one key.
pub(in crate::cluster) fn get(key: impl Into<Bytes>) -> RequestOp {
    operation(Request::RequestRange(RangeRequest {
        key: key.into(),
        ..RangeRequest::default()
    }))
}

/// Writes one key; `lease` 0 keeps it.
pub(in crate::cluster) fn put(
    key: impl Into<Bytes>,
    value: impl Into<Bytes>,
    lease: i64,
) -> RequestOp {
    operation(Request::RequestPut(PutRequest {
        key: key.into(),
        value: value.into(),
        lease,
    }))
}

/// Removes one key.
pub(in crate::cluster) fn delete(key: impl Into<Bytes>) -> RequestOp {
    operation(Request::RequestDeleteRange(DeleteRangeRequest {
        key: key.into(),
        range_end: Bytes::new(),
    }))
}

/// All keys that begin with `prefix`, to be removed.
pub(in crate::cluster) fn all_of(prefix: &[u8]) -> DeleteRangeRequest {
    DeleteRangeRequest {
        key: Bytes::copy_from_slice(prefix),
        range_end: prefix_end(prefix),
    }
}

/// Removes all keys that begin with `prefix`.
pub(in crate::cluster) fn delete_prefix(prefix: &[u8]) -> RequestOp {
    operation(Request::RequestDeleteRange(all_of(prefix)))
}

/// Whether the key was last written at that revision.
pub(in crate::cluster) fn mod_revision_is(key: impl Into<Bytes>, revision: i64) -> Compare {
    compare(key, CompareTarget::Mod, TargetUnion::ModRevision(revision))
}

/// Whether the key was made at that revision.
pub(in crate::cluster) fn create_revision_is(key: impl Into<Bytes>, revision: i64) -> Compare {
    compare(
        key,
        CompareTarget::Create,
        TargetUnion::CreateRevision(revision),
    )
}

/// Whether there is no such key.
pub(in crate::cluster) fn is_absent(key: impl Into<Bytes>) -> Compare {
    create_revision_is(key, 0)
}

fn compare(key: impl Into<Bytes>, target: CompareTarget, value: TargetUnion) -> Compare {
    Compare {
        result: CompareResult::Equal.into(),
        target: target.into(),
        key: key.into(),
        target_union: Some(value),
    }
}

fn operation(request: Request) -> RequestOp {
    RequestOp {
        request: Some(request),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_prefix_is_after_all_its_keys() {
        assert_eq!(prefix_end(b"/a/"), Bytes::from_static(b"/a0"));
        assert_eq!(prefix_end(b"a\xff\xff"), Bytes::from_static(b"b"));
        assert_eq!(prefix_end(b"\xff"), Bytes::from_static(b"\0"));
        assert_eq!(prefix_end(b""), Bytes::from_static(b"\0"));
    }
}
