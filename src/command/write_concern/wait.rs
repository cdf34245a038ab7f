//! Waiting until enough members have applied a change.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::WriteConcern;
use super::count::is_met;
use super::miss::WriteConcernError;
use crate::cluster::{MemberState, Progress, ReplicaSet, Topology};
use crate::net::StopSignal;
use crate::store::Sequence;

/// What tells how far a change has come.
#[derive(Debug)]
pub(super) struct Replication {
    pub(super) topology: watch::Receiver<Arc<Topology>>,
    pub(super) progress: watch::Receiver<Arc<Progress>>,
}

/// The change that is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Change {
    /// The batch it came in.
    pub(super) sequence: Sequence,
    /// The term this member was primary in when it was asked for.
    pub(super) term: i64,
}

/// What ends the wait besides.
#[derive(Debug)]
pub(super) struct Limits<'a> {
    /// When `maxTimeMS` is over.
    pub(super) deadline: Option<Instant>,
    /// The server stops.
    pub(super) stop: &'a StopSignal,
}

impl From<&ReplicaSet> for Replication {
    fn from(set: &ReplicaSet) -> Self {
        Self {
            topology: set.topologies(),
            progress: set.progress(),
        }
    }
}

impl Replication {
    /// Waits until `concern` is fulfilled for `change`, which this member has applied.
    pub(super) async fn wait(
        &mut self,
        change: Change,
        concern: &WriteConcern,
        limits: Limits<'_>,
    ) -> Result<(), WriteConcernError> {
        let timeout = u64::try_from(concern.timeout_ms).ok().filter(|ms| *ms > 0);
        let timeout = timeout.map(|ms| Instant::now() + Duration::from_millis(ms));
        let mut stopped = std::pin::pin!(limits.stop.stopped());
        // Who had it once keeps it: a member that goes down meanwhile still counts.
        let mut having = BTreeSet::new();
        while !self.is_fulfilled(change, concern, &mut having)? {
            tokio::select! {
                biased;
                () = &mut stopped => return Err(WriteConcernError::shutting_down()),
                changed = self.topology.changed() => ended_if(changed.is_err())?,
                changed = self.progress.changed() => ended_if(changed.is_err())?,
                miss = until(timeout, limits.deadline) => return Err(miss),
            }
        }
        Ok(())
    }

    fn is_fulfilled(
        &mut self,
        change: Change,
        concern: &WriteConcern,
        having: &mut BTreeSet<i32>,
    ) -> Result<bool, WriteConcernError> {
        let topology = Arc::clone(&self.topology.borrow_and_update());
        if topology.state != MemberState::Primary {
            return Err(WriteConcernError::stepped_down());
        }
        if topology.term != change.term {
            let (from, to) = (change.term, topology.term);
            return Err(WriteConcernError::term_changed(from, to));
        }
        having.extend(topology.my_member().map(|member| member.id));
        having.extend(self.progress.borrow_and_update().having(change.sequence));
        is_met(&concern.w, &topology.config, having)
    }
}

/// Nobody tells any more how far anything has come.
fn ended_if(has_ended: bool) -> Result<(), WriteConcernError> {
    if has_ended {
        return Err(WriteConcernError::shutting_down());
    }
    Ok(())
}

/// Waits until the first of the two limits, if there is one, and says which it was.
async fn until(timeout: Option<Instant>, deadline: Option<Instant>) -> WriteConcernError {
    let limits = [
        timeout.map(|at| (at, WriteConcernError::timed_out as fn() -> _)),
        deadline.map(|at| (at, WriteConcernError::out_of_time as fn() -> _)),
    ];
    // The first of equal ones, as mongod answers when both are over at once.
    match limits.into_iter().flatten().min_by_key(|(at, _)| *at) {
        Some((at, miss)) => {
            sleep_until(at).await;
            miss()
        }
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
