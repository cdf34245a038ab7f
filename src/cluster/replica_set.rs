//! The handle that the rooms above hold.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bson::{DateTime, Timestamp};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::commit::EtcdStore;
use super::error::JoinError;
use super::shared::Shared;
use super::state::Reign;
use super::{InvalidConfig, LastWrite, Progress, ReplicaSetConfig, Topology};
use super::{election, follow, join, lease, reconfigure};
use crate::catalog::Catalog;
use crate::config::{HostAndPort, ReplicationConfig};
use crate::store::{Setting, StoreError};
use crate::telemetry::replication as events;

/// How often the passing of time alone may change the topology.
const TICK: Duration = Duration::from_millis(100);
/// How long leaving may take.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long what was written may take to be followed here before nobody waits for it any more.
const SEEN_TIMEOUT: Duration = Duration::from_secs(2);

/// This server as a member of a replica set. Cheap to clone; its tasks end with the last clone.
#[derive(Clone)]
pub struct ReplicaSet {
    shared: Arc<Shared>,
    tasks: Arc<Mutex<JoinSet<()>>>,
}

/// An election that this member has won; no two are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Election(Reign);

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
    NobodyCaughtUp(DateTime),
}

/// Why the configuration stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReconfigureError<R> {
    /// This member is not the primary.
    #[error("replSetReconfig should only be run on a writable PRIMARY")]
    NotPrimary,
    /// The new one cannot follow the present one.
    #[error(transparent)]
    Invalid(#[from] InvalidConfig),
    /// Somebody else has changed it.
    #[error("the configuration has changed meanwhile")]
    Changed,
    /// Others have changed users, roles or settings, and this member has not seen it in time.
    #[error("this member has not followed what others have changed in time")]
    Behind,
    /// What this member has followed cannot be read.
    #[error("this member cannot follow what is in etcd")]
    Damaged,
    /// As users, roles and settings are, it may not be changed so.
    #[error("{0}")]
    Refused(R),
    /// etcd cannot be reached, refuses it, or has not said whether it was changed.
    #[error(transparent)]
    Storage(#[from] StoreError),
}

/// This member does not take writes now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not primary")]
pub struct NotPrimary;

/// Why it is not sure that this member is primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnconfirmedError {
    /// It is not.
    #[error(transparent)]
    NotPrimary(#[from] NotPrimary),
    /// etcd does not tell.
    #[error("etcd cannot be reached")]
    Unreachable,
}

/// This member is primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("cannot freeze node when primary or running for election. state: Primary")]
pub struct NotSecondary;

impl ReplicaSet {
    /// Reads everything that the set has into `catalog`, and follows from then on. If there is no such
    /// set yet, it is made, with `secret` as the secret of the deployment. It is no member before
    /// [`Self::join`]. The store writes while this member is primary.
    pub async fn open(
        options: ReplicationConfig,
        catalog: Arc<Catalog>,
        secret: Setting,
    ) -> Result<(Self, EtcdStore), JoinError> {
        let shared = join::load(options, catalog, secret).await?;
        let mut tasks = JoinSet::new();
        tasks.spawn(follow::follow(Arc::clone(&shared)));
        tasks.spawn(follow::compare(Arc::clone(&shared)));
        tasks.spawn(tick(Arc::clone(&shared)));
        let store = EtcdStore::new(Arc::clone(&shared));
        let tasks = Arc::new(Mutex::new(tasks));
        Ok((Self { shared, tasks }, store))
    }

    /// Becomes a member under the name `name`, and stands for election when there is no primary.
    pub async fn join(&self, name: &HostAndPort) -> Result<(), JoinError> {
        let host: Arc<str> = name.clone().into();
        join::claim(&self.shared, &host).await?;
        if let Err(error) = join::enlist(&self.shared, name).await {
            self.leave().await;
            return Err(error);
        }
        let mut topologies = self.topologies();
        let listed = topologies.wait_for(|topology| topology.config.member(name).is_some());
        // What was seen is let go of at once: it holds a lock.
        drop(tokio::time::timeout(SEEN_TIMEOUT, listed).await);
        self.shared
            .update(|state| state.me = Some(Arc::clone(&host)));
        let shared = || Arc::clone(&self.shared);
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        tasks.spawn(lease::hold(shared(), Arc::clone(&host)));
        tasks.spawn(lease::report(shared(), Arc::clone(&host)));
        tasks.spawn(election::stand(shared(), host));
        Ok(())
    }

    /// Takes no more writes and lets others know that this member goes, so that they need not wait for
    /// its lease to run out. It stays listed.
    pub async fn leave(&self) {
        let lease = self.shared.update(|state| {
            state.reign = None;
            state.lease.take()
        });
        self.tasks
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .abort_all();
        if let Some(lease) = lease {
            let revoked = self.shared.etcd.revoke(lease.id);
            // If etcd does not hear it, the lease runs out.
            let _ = tokio::time::timeout(LEAVE_TIMEOUT, revoked).await;
        }
    }

    /// Lets clients know that this member is about to stop, within `limit`, if there is another member to
    /// whom they can turn; returns whether there is. From then on it is not primary; everything
    /// but writes goes on.
    pub async fn quiesce(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let (has_company, was_primary) = self.shared.update(|state| {
            let has_company = state.has_company();
            if has_company {
                state.quiesces_until = Some(until);
            }
            (has_company, has_company && state.reign.take().is_some())
        });
        if has_company {
            events::quiescing(limit);
        }
        if was_primary {
            events::stepped_down("it stops");
            // If etcd does not hear it, the task that stands for election goes on trying.
            let _ = tokio::time::timeout(LEAVE_TIMEOUT, election::resign(&self.shared)).await;
        }
        has_company
    }

    /// The set as it is known now.
    pub fn topology(&self) -> Arc<Topology> {
        Arc::clone(&self.shared.topology.borrow())
    }

    /// Tells of each new topology.
    pub fn topologies(&self) -> watch::Receiver<Arc<Topology>> {
        self.shared.topology.subscribe()
    }

    /// Whether this member may take a write at this moment: it is primary, and its lease cannot have
    /// been given to another.
    pub fn check_writable(&self) -> Result<(), NotPrimary> {
        let reign = self.shared.state().reign(Instant::now());
        reign.map(|_| ()).ok_or(NotPrimary)
    }

    /// The election by which this member is primary at this moment.
    pub fn election(&self) -> Result<Election, NotPrimary> {
        let reign = self.shared.state().reign(Instant::now());
        reign.map(Election).ok_or(NotPrimary)
    }

    /// Asks etcd whether this member has been primary from that election up to now. Its own clock does not
    /// tell: it stands still while the machine is suspended, and others may have been elected meanwhile,
    /// and this one again after them.
    pub async fn confirm_primary(&self, election: Election) -> Result<(), UnconfirmedError> {
        if self.election()? != election {
            return Err(NotPrimary.into());
        }
        let Election(reign) = election;
        let key = self.shared.etcd.get(self.shared.keys.primary()).await;
        let key = key.map_err(|error| {
            self.shared.missed(&error);
            UnconfirmedError::Unreachable
        })?;
        let is_same = key.is_some_and(|key| key.create_revision == reign.create_revision);
        if is_same {
            Ok(())
        } else {
            Err(NotPrimary.into())
        }
    }

    /// The last change applied here.
    pub fn last_write(&self) -> LastWrite {
        self.shared.applied.borrow().last
    }

    /// The last change of which anything can have been read here: it may still be being applied.
    pub fn last_visible(&self) -> LastWrite {
        *self.shared.visible.borrow()
    }

    /// Waits until a change of that time or a later one is applied here.
    pub async fn wait_until_applied(&self, time: Timestamp) {
        let mut applied = self.shared.applied.subscribe();
        let is_here = applied.wait_for(|applied| applied.last.op_time.timestamp >= time);
        // Who tells of it is held here and does not go away.
        let _ = is_here.await;
    }

    /// How far each live member has come, as far as is known here; only the primary knows of all at
    /// once.
    pub fn progress(&self) -> watch::Receiver<Arc<Progress>> {
        self.shared.progress.subscribe()
    }

    /// Since when etcd has not been heard of; `None` while it is.
    pub fn unreachable_since(&self) -> Option<Instant> {
        self.shared.state().unreachable_since
    }

    /// When this process was elected, if it is primary.
    pub fn elected_at(&self) -> Option<DateTime> {
        let reign = self.shared.state().reign(Instant::now());
        reign.map(|reign| reign.elected_at)
    }

    /// Gives up being primary, once a secondary that may take over has everything. Connections stay.
    pub async fn step_down(&self, how: StepDown) -> Result<(), StepDownError> {
        self.check_writable()
            .map_err(|NotPrimary| StepDownError::NotPrimary)?;
        let mut progress = self.progress();
        let caught_up = progress.wait_for(|progress| self.can_be_replaced(progress));
        // What was seen is let go of at once: it holds a lock.
        let caught_up = tokio::time::timeout(how.catch_up, caught_up)
            .await
            .is_ok_and(|seen| seen.is_ok());
        if !caught_up && !how.force {
            return Err(StepDownError::NobodyCaughtUp(DateTime::now()));
        }
        let was_primary = self.shared.update(|state| {
            let was_primary = state.reign.take().is_some();
            if was_primary {
                state.frozen_until = Instant::now().checked_add(how.for_at_least);
            }
            was_primary
        });
        if !was_primary {
            return Err(StepDownError::NotPrimary);
        }
        events::stepped_down("asked to");
        if let Err(error) = election::resign(&self.shared).await {
            // The task that stands for election goes on trying.
            self.shared.missed(&error);
        }
        Ok(())
    }

    fn can_be_replaced(&self, progress: &Progress) -> bool {
        let topology = self.topology();
        let me = topology.my_member().map(|member| member.id);
        let sequence = self.last_write().sequence;
        let mut members = topology.config.members.iter();
        members.any(|member| {
            let reached = progress.members.get(&member.id);
            Some(member.id) != me
                && member.is_electable()
                && reached.is_some_and(|reached| reached.sequence >= sequence)
        })
    }

    /// Does not stand for election for that long; zero ends it.
    pub fn freeze(&self, time: Duration) -> Result<(), NotSecondary> {
        self.shared.update(|state| {
            if state.reign(Instant::now()).is_some() {
                return Err(NotSecondary);
            }
            state.frozen_until = Instant::now().checked_add(time);
            Ok(())
        })
    }

    /// Replaces the configuration; its version must be higher than the present one. With `force` this
    /// member need not be primary. `check` says whether it may, as users, roles and settings are here: it
    /// is asked until nothing that is committed is missing here when the configuration is written.
    pub async fn reconfigure<R>(
        &self,
        config: ReplicaSetConfig,
        force: bool,
        check: impl Fn(&ReplicaSetConfig) -> Result<(), R>,
    ) -> Result<(), ReconfigureError<R>> {
        if !force {
            self.check_writable()
                .map_err(|NotPrimary| ReconfigureError::NotPrimary)?;
        }
        let version = config.version;
        reconfigure::replace(&self.shared, config, force, check).await?;
        // Whoever asks next gets the new one.
        let mut topologies = self.topologies();
        let seen = topologies.wait_for(|topology| topology.config.version >= version);
        let _ = tokio::time::timeout(SEEN_TIMEOUT, seen).await;
        Ok(())
    }
}

impl fmt::Debug for ReplicaSet {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ReplicaSet")
            .field("topology", &self.topology())
            .finish_non_exhaustive()
    }
}

async fn tick(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        shared.tick();
    }
}
