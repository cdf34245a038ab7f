//! What this member knows, and what follows from it. No input or output here.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bson::DateTime;
use uuid::Uuid;

use super::freshness::Freshness;
use super::head::Head;
use super::{LastWrite, Member, MemberProgress, MemberState, Progress, ReplicaSetConfig, Topology};

/// The lease that says that this member is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lease {
    /// Its number in etcd.
    pub(super) id: i64,
    /// From then on another may have what was this member's.
    pub(super) until: Instant,
}

/// Who holds `primary` in etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leader {
    pub(super) host: Arc<str>,
    /// When the key was made: no two elections have the same.
    pub(super) create_revision: i64,
    /// Under which lease.
    pub(super) lease: i64,
}

/// This member is primary and has said so in the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reign {
    /// Of the key `primary`.
    pub(super) create_revision: i64,
    pub(super) term: i64,
    pub(super) elected_at: DateTime,
}

/// How far this member has followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Applied {
    pub(super) last: LastWrite,
    /// Which batch that was.
    pub(super) batch: Uuid,
    /// When `head` was last written, as far as was followed.
    pub(super) head_revision: i64,
}

impl Applied {
    /// All that `head` says is done; it was written at `head_revision`.
    pub(super) fn of(head: &Head, head_revision: i64) -> Self {
        Self {
            last: head.last,
            batch: head.batch,
            head_revision,
        }
    }
}

/// Everything a member knows besides the catalog.
#[derive(Debug)]
pub(super) struct State {
    pub(super) config: Arc<ReplicaSetConfig>,
    /// When it was last written.
    pub(super) config_revision: i64,
    pub(super) me: Option<Arc<str>>,
    pub(super) lease: Option<Lease>,
    pub(super) leader: Option<Leader>,
    pub(super) reign: Option<Reign>,
    pub(super) applied: Applied,
    /// Everything up to this revision has been followed.
    pub(super) followed: i64,
    /// The revision that etcd was at when it was last asked.
    pub(super) present: i64,
    /// The highest term seen: an older backup of etcd may go back behind it, and drivers do not.
    pub(super) term_seen: i64,
    /// Members that are there, by host, and how far they say they have come.
    pub(super) live: BTreeMap<Arc<str>, MemberProgress>,
    pub(super) frozen_until: Option<Instant>,
    /// It is about to stop, then at the latest.
    pub(super) quiesces_until: Option<Instant>,
    pub(super) freshness: Freshness,
    /// Since when etcd has not answered.
    pub(super) unreachable_since: Option<Instant>,
    /// What was followed could not be read; nothing here can be trusted until it is.
    pub(super) is_damaged: bool,
    /// How long to be read from without being fresh.
    pub(super) staleness_max: Option<Duration>,
}

impl State {
    /// It has followed to there.
    pub(super) fn follow_to(&mut self, applied: Applied) {
        self.applied = applied;
        self.freshness.apply(applied.head_revision);
        self.term_seen = self.term_seen.max(applied.last.op_time.term);
    }

    /// The configuration is this one now. Who may not be primary with it is not from now on; that it
    /// cannot write any more is seen to by whoever wrote the configuration.
    pub(super) fn set_config(&mut self, config: Arc<ReplicaSetConfig>, revision: i64) {
        self.config = config;
        self.config_revision = revision;
        if !self.is_electable() {
            self.reign = None;
        }
    }

    /// Whether the configuration lets this member become primary.
    fn is_electable(&self) -> bool {
        let me = self.me.as_deref().and_then(|me| self.config.member(me));
        me.is_some_and(Member::is_electable)
    }

    /// The key `primary` is this one now. A reign that began with another is over.
    pub(super) fn set_leader(&mut self, leader: Option<Leader>) {
        let key = leader.as_ref().map(|leader| leader.create_revision);
        self.reign = self
            .reign
            .filter(|reign| Some(reign.create_revision) == key);
        self.leader = leader;
    }

    /// Whether the lease holds at this moment.
    pub(super) fn has_lease(&self, now: Instant) -> bool {
        self.lease.is_some_and(|lease| now < lease.until)
    }

    /// The reign, if nobody else can have begun one.
    pub(super) fn reign(&self, now: Instant) -> Option<Reign> {
        self.reign.filter(|_| self.has_lease(now))
    }

    /// Whether the key `primary` is this member's own, put under the lease that it has now.
    pub(super) fn is_leader(&self) -> bool {
        match (&self.leader, &self.me, self.lease) {
            (Some(leader), Some(me), Some(lease)) => leader.host == *me && leader.lease == lease.id,
            _ => false,
        }
    }

    /// Whether it should try to become primary now.
    pub(super) fn may_stand(&self, now: Instant) -> bool {
        let is_frozen = self.frozen_until.is_some_and(|until| now < until);
        self.is_electable()
            && !is_frozen
            && self.quiesces_until.is_none()
            && !self.is_damaged
            && self.reign.is_none()
            && self.has_lease(now)
            && (self.leader.is_none() || self.is_leader())
    }

    pub(super) fn member_state(&self, now: Instant) -> MemberState {
        let is_stale = self
            .staleness_max
            .is_some_and(|max| self.freshness.age(now) > max);
        let Some(me) = self.me.as_deref() else {
            return MemberState::Startup;
        };
        if self.is_damaged || is_stale {
            MemberState::Recovering
        } else if self.config.member(me).is_none() {
            MemberState::Removed
        } else if self.reign(now).is_some() {
            MemberState::Primary
        } else {
            MemberState::Secondary
        }
    }

    /// The topology as it is now, with the counter of the one before.
    pub(super) fn topology(&self, now: Instant, counter: i64) -> Topology {
        let state = self.member_state(now);
        let leader = self.leader.as_ref().map(|leader| &leader.host);
        // Who once was primary and is not says nothing about who is.
        let primary =
            leader.filter(|host| state == MemberState::Primary || self.me.as_ref() != Some(host));
        Topology {
            counter,
            config: Arc::clone(&self.config),
            me: self.me.clone(),
            state,
            primary: primary.cloned(),
            term: self.applied.last.op_time.term,
            quiesces_until: self.quiesces_until,
        }
    }

    /// Whether another member is there, to whom clients can turn.
    pub(super) fn has_company(&self) -> bool {
        let hosts = self.config.members.iter().map(|member| &*member.host);
        let mut others = hosts.filter(|host| self.me.as_deref() != Some(host));
        others.any(|host| self.live.contains_key(host))
    }

    /// How far each member has come.
    pub(super) fn progress(&self) -> Progress {
        let mine = MemberProgress::from(self.applied.last);
        let mut members = BTreeMap::new();
        for member in &self.config.members {
            let host = &*member.host;
            let progress = if self.me.as_deref() == Some(host) {
                Some(mine)
            } else if self
                .leader
                .as_ref()
                .is_some_and(|leader| *leader.host == *host)
            {
                // It applies before it tells anybody.
                self.live.get(host).map(|_| mine)
            } else {
                self.live.get(host).copied()
            };
            if let Some(progress) = progress {
                members.insert(member.id, progress);
            }
        }
        Progress { members }
    }
}
