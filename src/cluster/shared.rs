//! What the tasks of a member share: the state, and everybody who waits for it to change.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::etcd::{Etcd, EtcdError};
use super::freshness::Freshness;
use super::keys::Keys;
use super::state::{Applied, State};
use super::{LastWrite, MemberState, Progress, ReplicaSetConfig, Topology};
use crate::catalog::Catalog;
use crate::config::ReplicationConfig;
use crate::telemetry::replication as events;

/// What all tasks of a member share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) options: ReplicationConfig,
    pub(super) keys: Keys,
    pub(super) etcd: Arc<Etcd>,
    pub(super) catalog: Arc<Catalog>,
    state: Mutex<State>,
    /// Held by whoever moves `head` as a primary, and by whoever writes something that holds only as long
    /// as it stays where it is.
    pub(super) turn: tokio::sync::Mutex<()>,
    pub(super) topology: watch::Sender<Arc<Topology>>,
    pub(super) progress: watch::Sender<Arc<Progress>>,
    pub(super) applied: watch::Sender<Applied>,
    /// The change of which readers may see something: ahead of `applied` while it is being applied.
    pub(super) visible: watch::Sender<LastWrite>,
}

impl Shared {
    pub(super) fn new(options: ReplicationConfig, etcd: Arc<Etcd>, catalog: Arc<Catalog>) -> Self {
        let applied = Applied {
            last: LastWrite::NONE,
            batch: uuid::Uuid::nil(),
            head_revision: 0,
        };
        let state = State {
            config: Arc::new(ReplicaSetConfig::new(&options.set_name)),
            config_revision: 0,
            me: None,
            lease: None,
            leader: None,
            reign: None,
            applied,
            followed: 0,
            present: 0,
            term_seen: 0,
            live: std::collections::BTreeMap::new(),
            frozen_until: None,
            quiesces_until: None,
            freshness: Freshness::since(Instant::now()),
            unreachable_since: None,
            is_damaged: false,
            staleness_max: options.etcd.staleness_max,
        };
        let topology = Arc::new(state.topology(Instant::now(), 0));
        Self {
            keys: Keys::new(&options.etcd.prefix, &options.set_name),
            etcd,
            catalog,
            topology: watch::Sender::new(topology),
            progress: watch::Sender::new(Arc::default()),
            applied: watch::Sender::new(applied),
            visible: watch::Sender::new(LastWrite::NONE),
            state: Mutex::new(state),
            turn: tokio::sync::Mutex::default(),
            options,
        }
    }

    /// Looks at the state.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state and tells everybody what follows from it.
    pub(super) fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.state();
        let result = change(&mut state);
        self.publish(&state);
        result
    }

    /// Time has passed.
    pub(super) fn tick(&self) {
        self.publish(&self.state());
    }

    /// Done under the lock of the state, so that nobody hears of changes in another order.
    fn publish(&self, state: &State) {
        let now = Instant::now();
        let applied = state.applied;
        let progress = state.progress();
        self.progress.send_if_modified(|kept| {
            let is_new = **kept != progress;
            if is_new {
                *kept = Arc::new(progress);
            }
            is_new
        });
        let mut changed = None;
        self.topology.send_if_modified(|kept| {
            let mut topology = state.topology(now, kept.counter);
            let is_new = **kept != topology;
            if is_new {
                topology.counter += 1;
                changed = Some((kept.state, kept.primary.clone()));
                *kept = Arc::new(topology);
            }
            is_new
        });
        // Last: whoever has waited for a commit finds all that follows from it.
        self.applied.send_if_modified(|kept| {
            let is_new = *kept != applied;
            *kept = applied;
            is_new
        });
        if let Some((state_before, primary_before)) = changed {
            let topology = Arc::clone(&self.topology.borrow());
            if topology.state != state_before {
                log_state(&topology);
            }
            if topology.primary != primary_before {
                let primary = topology.primary.as_deref().unwrap_or("none");
                events::primary_changed(primary, topology.term);
            }
        }
    }

    /// etcd has answered.
    pub(super) fn reached(&self) {
        let away = self.state().unreachable_since.take();
        if let Some(since) = away {
            events::etcd_reached(since.elapsed());
        }
    }

    /// etcd has not answered.
    pub(super) fn missed(&self, error: &EtcdError) {
        let is_news = {
            let mut state = self.state();
            let is_news = state.unreachable_since.is_none();
            state.unreachable_since.get_or_insert_with(Instant::now);
            is_news
        };
        if is_news {
            events::etcd_missed(error);
        }
    }

    /// A quarter of the lease: how often to ask, so that one answer may be lost.
    pub(super) fn beat(&self) -> Duration {
        self.options.etcd.lease_ttl / 4
    }

    /// Waits until everything up to the write of `head` at `revision` is applied here.
    pub(super) async fn wait_until_applied(&self, revision: i64, limit: Duration) -> bool {
        let mut applied = self.applied.subscribe();
        let waited = applied.wait_for(|applied| applied.head_revision >= revision);
        matches!(tokio::time::timeout(limit, waited).await, Ok(Ok(_)))
    }
}

fn log_state(topology: &Topology) {
    let (state, term) = (topology.state.name(), topology.term);
    match topology.state {
        MemberState::Recovering => events::state_is_recovering(),
        _ => events::state_changed(state, term),
    }
}
