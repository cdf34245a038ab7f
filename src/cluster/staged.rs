//! Batches that are too large for one transaction of etcd (128 operations, 1.5 MiB by default).
//!
//! Their changes are first put aside in parts, where nobody takes them for anything. The transaction
//! that writes `head` and names the batch makes them count, all at once: whoever follows reads the
//! parts. Afterwards the primary brings the records themselves up to date, step by step, and removes
//! the parts with the last step. One that dies on the way leaves that to the next primary.

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, Document, doc};
use uuid::Uuid;

use super::error::FollowError;
use super::head::{Damaged, bytes_of, parse};
use super::shared::Shared;
use super::snapshot::Pages;
use crate::store::record::{Table, Write};

/// Bytes of writes in one part, and in one transaction.
pub(super) const PART_BYTES_MAX: usize = 768 * 1024;
/// Writes in one part, and in one transaction: etcd takes 128 operations.
pub(super) const PART_WRITES_MAX: usize = 100;

/// Cuts writes into parts that each fit in a transaction; a single write may be as large as it is.
pub(super) fn parts(writes: &[Write]) -> Vec<&[Write]> {
    let mut parts = Vec::new();
    let mut rest = writes;
    while !rest.is_empty() {
        let mut bytes = 0;
        let fitting = rest.iter().take(PART_WRITES_MAX).take_while(|write| {
            bytes += bytes_in(write);
            bytes <= PART_BYTES_MAX
        });
        let (part, others) = rest.split_at(fitting.count().max(1));
        parts.push(part);
        rest = others;
    }
    parts
}

fn bytes_in(write: &Write) -> usize {
    // Names, types and lengths around them.
    write.key.len() + write.record.as_ref().map_or(0, Vec::len) + 256
}

/// The value of a part.
pub(super) fn encode(part: &[Write]) -> Vec<u8> {
    let writes: Vec<Bson> = part.iter().map(write_document).collect();
    bytes_of(&doc! { "writes": writes })
}

fn write_document(write: &Write) -> Bson {
    let mut document = doc! { "table": write.table.name(), "key": binary(&write.key) };
    if let Some(record) = &write.record {
        document.insert("record", binary(record));
    }
    Bson::Document(document)
}

fn binary(bytes: &[u8]) -> Binary {
    Binary {
        subtype: BinarySubtype::Generic,
        bytes: bytes.to_vec(),
    }
}

/// The writes of a batch, as they were at `revision`; 0 for now.
pub(super) async fn read(
    shared: &Shared,
    batch: Uuid,
    revision: i64,
) -> Result<Vec<Write>, FollowError> {
    let mut writes = Vec::new();
    let mut pages = Pages::at(&shared.keys.staged_batch(batch), revision);
    while let Some(page) = pages.next(shared).await? {
        for kv in page {
            writes.extend(decode(&kv.value)?);
        }
    }
    Ok(writes)
}

fn decode(part: &[u8]) -> Result<Vec<Write>, Damaged> {
    let damaged = |reason: String| Damaged::new("staged", reason);
    let document = parse(part).map_err(damaged)?;
    let writes = document.get_array("writes");
    let writes = writes.map_err(|error| damaged(error.to_string()))?;
    let write = |write: &Bson| {
        let write = write.as_document().and_then(write_of);
        write.ok_or_else(|| damaged("a write is malformed".into()))
    };
    writes.iter().map(write).collect()
}

fn write_of(document: &Document) -> Option<Write> {
    let tables = [Table::Settings, Table::Roles, Table::Users];
    let name = document.get_str("table").ok()?;
    Some(Write {
        table: tables.into_iter().find(|table| table.name() == name)?,
        key: document.get_binary_generic("key").ok()?.clone(),
        record: document.get_binary_generic("record").ok().cloned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(bytes: usize) -> Write {
        Write {
            table: Table::Users,
            key: b"db\0name".to_vec(),
            record: Some(vec![7; bytes]),
        }
    }

    #[test]
    fn parts_are_read_as_written() {
        let removal = Write {
            record: None,
            ..write(0)
        };
        let part = [write(3), removal];
        assert_eq!(decode(&encode(&part)).unwrap(), part);
        assert!(decode(b"").is_err());
        assert!(decode(&bytes_of(&doc! { "writes": [1] })).is_err());
    }

    #[test]
    fn parts_keep_to_the_limits() {
        let many: Vec<_> = (0..250).map(|_| write(10)).collect();
        let lengths: Vec<_> = parts(&many).iter().map(|part| part.len()).collect();
        assert_eq!(lengths, [100, 100, 50]);
        let large: Vec<_> = (0..3).map(|_| write(PART_BYTES_MAX / 2)).collect();
        let lengths: Vec<_> = parts(&large).iter().map(|part| part.len()).collect();
        assert_eq!(lengths, [1, 1, 1]);
        assert_eq!(parts(&[write(PART_BYTES_MAX * 2)]).len(), 1);
        assert!(parts(&[]).is_empty());
    }
}
