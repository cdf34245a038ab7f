//! Why a member cannot do its part.

use std::sync::Arc;

use super::config::InvalidConfig;
use super::etcd::EtcdError;
use super::head::Damaged;

/// Why a member cannot follow for now.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum FollowError {
    /// For want of etcd.
    #[error(transparent)]
    Etcd(#[from] EtcdError),
    /// For what is in it.
    #[error(transparent)]
    Damaged(#[from] Damaged),
}

/// Why a server cannot become a member. One sentence each.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The configuration names something that cannot be used.
    #[error("{0}")]
    Unusable(String),
    /// etcd does not answer.
    #[error("cannot reach etcd: {0}")]
    Unreachable(String),
    /// What is in etcd was not written by this program, or is damaged.
    #[error("cannot use what is in etcd: {0}")]
    Damaged(String),
    /// A newer program wrote it.
    #[error(
        "etcd has format version {found}, this program knows versions up to {known}: start the newer \
         program that wrote it"
    )]
    NewerFormat {
        /// The version found.
        found: u64,
        /// The newest one known.
        known: u64,
    },
    /// Another process is the member of that `host:port`.
    #[error(
        "cannot join the replica set: another process that is running is its member {0}: give each \
         server a --replication.host of its own"
    )]
    NameTaken(Arc<str>),
    /// The set cannot have this member.
    #[error("cannot join the replica set: {0}")]
    Refused(#[from] InvalidConfig),
}

impl From<EtcdError> for JoinError {
    fn from(error: EtcdError) -> Self {
        match error {
            // The next try reads a later state.
            EtcdError::Unreachable(_) | EtcdError::Compacted(_) => {
                Self::Unreachable(error.to_string())
            }
            error => Self::Unusable(error.to_string()),
        }
    }
}

impl From<FollowError> for JoinError {
    fn from(error: FollowError) -> Self {
        match error {
            FollowError::Etcd(error) => error.into(),
            FollowError::Damaged(damaged) => damaged.into(),
        }
    }
}

impl From<Damaged> for JoinError {
    fn from(damaged: Damaged) -> Self {
        Self::Damaged(damaged.to_string())
    }
}
