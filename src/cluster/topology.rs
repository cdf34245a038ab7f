//! What this member knows of the set right now.

use std::sync::Arc;
use std::time::Instant;

use bson::oid::ObjectId;

use super::config::{Member, ReplicaSetConfig};

/// A member's state, with MongoDB's numbers (manual, "Replica Set Member States").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberState {
    /// Has not joined yet.
    Startup,
    /// Takes writes.
    Primary,
    /// Follows.
    Secondary,
    /// Has been out of touch for too long to be read from.
    Recovering,
    /// Is not there.
    Down,
    /// Follows, and is not in the configuration.
    Removed,
}

impl MemberState {
    /// The number in `myState`.
    pub fn number(self) -> i32 {
        match self {
            Self::Startup => 0,
            Self::Primary => 1,
            Self::Secondary => 2,
            Self::Recovering => 3,
            Self::Down => 8,
            Self::Removed => 10,
        }
    }

    /// The word in `stateStr`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Startup => "STARTUP",
            Self::Primary => "PRIMARY",
            Self::Secondary => "SECONDARY",
            Self::Recovering => "RECOVERING",
            Self::Down => "(not reachable/healthy)",
            Self::Removed => "REMOVED",
        }
    }
}

/// The set as this member sees it. Whatever changes in it is a change of topology that clients who
/// wait in `hello` are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// Counts the changes since the process began: `topologyVersion.counter`.
    pub counter: i64,
    /// Members and modes.
    pub config: Arc<ReplicaSetConfig>,
    /// `host:port` of this member, once it has joined.
    pub me: Option<Arc<str>>,
    /// What this member is.
    pub state: MemberState,
    /// `host:port` of the primary if there is one.
    pub primary: Option<Arc<str>>,
    /// The latest term known.
    pub term: i64,
    /// This member is about to stop, then at the latest; clients turn to others.
    pub quiesces_until: Option<Instant>,
}

impl Topology {
    /// This member's entry in the configuration.
    pub fn my_member(&self) -> Option<&Member> {
        self.config.member(self.me.as_deref()?)
    }

    /// `electionId`: grows with every term, as drivers compare it.
    pub fn election_id(&self) -> ObjectId {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&0x7fff_ffff_u32.to_be_bytes());
        bytes[4..].copy_from_slice(&self.term.to_be_bytes());
        ObjectId::from_bytes(bytes)
    }
}
