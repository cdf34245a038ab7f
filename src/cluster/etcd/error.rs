//! What can go wrong with etcd.

use tonic::{Code, Status};

/// A failure of a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::cluster) enum EtcdError {
    /// The configuration names something that cannot be used.
    #[error("cannot use {0}")]
    Unusable(String),
    /// No answer, or none that counts; whether anything was done is open.
    #[error("{0}")]
    Unreachable(String),
    /// etcd has forgotten the token, or the user's rights have changed.
    #[error("the token has expired")]
    TokenExpired,
    /// The revision asked for is no longer kept.
    #[error("revisions before {0} are compacted")]
    Compacted(i64),
    /// etcd is full. What was asked for may nevertheless have been done: it looks at its size first,
    /// does it, and then says so.
    #[error("{0}")]
    NoSpace(String),
    /// etcd answered that it will not.
    #[error("etcd refuses: {0}")]
    Refused(String),
}

impl From<Status> for EtcdError {
    fn from(status: Status) -> Self {
        let text = status.message();
        match status.code() {
            Code::Unauthenticated | Code::InvalidArgument if is_about_token(text) => {
                Self::TokenExpired
            }
            Code::ResourceExhausted if text.contains("space exceeded") => {
                Self::NoSpace(text.to_owned())
            }
            Code::OutOfRange if text.contains("compacted") => Self::Compacted(0),
            // A message that is too large is so the next time; "too many requests" passes.
            Code::ResourceExhausted if !text.contains("larger than max") => {
                Self::Unreachable(describe(&status))
            }
            Code::Unavailable
            | Code::DeadlineExceeded
            | Code::Cancelled
            | Code::Aborted
            | Code::Internal
            | Code::Unknown => Self::Unreachable(describe(&status)),
            _ => Self::Refused(text.to_owned()),
        }
    }
}

impl EtcdError {
    /// etcd has ended a watch for this reason.
    pub(super) fn canceled(reason: String) -> Self {
        if is_about_token(&reason) {
            Self::TokenExpired
        } else {
            Self::Unreachable(reason)
        }
    }
}

/// Whether etcd does not know the token, or the user was changed after it was made.
fn is_about_token(text: &str) -> bool {
    text.contains("invalid auth token") || text.contains("revision of auth store is old")
}

/// The message, and the transport's reason where there is one.
fn describe(status: &Status) -> String {
    let mut text = status.message().to_owned();
    let mut source = std::error::Error::source(status);
    while let Some(error) = source {
        let reason = error.to_string();
        if !text.contains(&reason) {
            text = format!("{text}: {reason}");
        }
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_would_be_refused_again_is_refused() {
        let unreachable = EtcdError::Unreachable as fn(String) -> EtcdError;
        let table = [
            (
                Code::ResourceExhausted,
                "etcdserver: too many requests",
                unreachable,
            ),
            (
                Code::ResourceExhausted,
                "etcdserver: mvcc: database space exceeded",
                EtcdError::NoSpace,
            ),
            (
                Code::ResourceExhausted,
                "grpc: received message larger than max (9 vs. 8)",
                EtcdError::Refused,
            ),
            (
                Code::InvalidArgument,
                "etcdserver: request is too large",
                EtcdError::Refused,
            ),
            (
                Code::PermissionDenied,
                "etcdserver: permission denied",
                EtcdError::Refused,
            ),
            (
                Code::Unavailable,
                "etcdserver: leader changed",
                EtcdError::Unreachable,
            ),
        ];
        for (code, text, expected) in table {
            let error = EtcdError::from(Status::new(code, text));
            assert_eq!(error, expected(text.to_owned()));
        }
    }
}
