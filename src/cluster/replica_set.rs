//! The handle that the rooms above hold.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::{InvalidConfig, LastWrite, Progress, ReplicaSetConfig, Topology};

/// This server as a member of a replica set. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ReplicaSet {
    topology: watch::Receiver<Arc<Topology>>,
    progress: watch::Receiver<Arc<Progress>>,
    last_write: watch::Receiver<LastWrite>,
}

/// How to step down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepDown {
    /// How long not to stand again.
    pub for_at_least: Duration,
    /// How long a secondary may take to catch up.
    pub catch_up: Duration,
    /// Whether to do it though none has.
    pub force: bool,
}

/// Why this member did not step down.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepDownError {
    /// It is not the primary.
    #[error("not primary so can't step down")]
    NotPrimary,
    /// Nobody who could take over has everything in time.
    #[error("No electable secondaries caught up as of {0}")]
    NobodyCaughtUp(bson::DateTime),
    /// etcd cannot be reached.
    #[error("cannot reach etcd: {0}")]
    Unreachable(String),
}

/// Why the configuration stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReconfigureError {
    /// This member is not the primary.
    #[error("replSetReconfig should only be run on a writable PRIMARY")]
    NotPrimary,
    /// The new one is none.
    #[error(transparent)]
    Invalid(#[from] InvalidConfig),
    /// Somebody else has changed it.
    #[error("the configuration has changed meanwhile")]
    Changed,
    /// etcd cannot be reached.
    #[error("cannot reach etcd: {0}")]
    Unreachable(String),
}

/// This member does not take writes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not primary")]
pub struct NotPrimary;

impl ReplicaSet {
    /// The set as it is known now.
    pub fn topology(&self) -> Arc<Topology> {
        Arc::clone(&self.topology.borrow())
    }

    /// Tells of each new topology.
    pub fn topologies(&self) -> watch::Receiver<Arc<Topology>> {
        self.topology.clone()
    }

    /// Whether this member may take a write at this moment: it is primary, and its lease cannot have
    /// been given to another.
    pub fn check_writable(&self) -> Result<(), NotPrimary> {
        Err(NotPrimary)
    }

    /// The last change applied here.
    pub fn last_write(&self) -> LastWrite {
        *self.last_write.borrow()
    }

    /// Tells of each change applied here.
    pub fn last_writes(&self) -> watch::Receiver<LastWrite> {
        self.last_write.clone()
    }

    /// How far each live member has come, as far as is known here; only the primary knows of all at
    /// once.
    pub fn progress(&self) -> watch::Receiver<Arc<Progress>> {
        self.progress.clone()
    }

    /// Since when etcd has not been heard of; `None` while it is.
    pub fn unreachable_since(&self) -> Option<Instant> {
        None
    }

    /// When this process was elected, if it is primary.
    pub fn elected_at(&self) -> Option<bson::DateTime> {
        None
    }

    /// Gives up being primary, once a secondary has everything.
    pub async fn step_down(&self, _how: StepDown) -> Result<(), StepDownError> {
        Err(StepDownError::NotPrimary)
    }

    /// Does not stand for election for that long; zero ends it. Refused for a primary.
    pub fn freeze(&self, _time: Duration) -> Result<(), NotSecondary> {
        Ok(())
    }

    /// Replaces the configuration; its version must be higher than the present one unless `force`.
    pub async fn reconfigure(
        &self,
        _config: ReplicaSetConfig,
        _force: bool,
    ) -> Result<(), ReconfigureError> {
        Err(ReconfigureError::NotPrimary)
    }
}

/// This member is primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot freeze node when primary or running for election. state: Primary")]
pub struct NotSecondary;
