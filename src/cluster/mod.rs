//! Several servers as one replica set over etcd.
//!
//! etcd keeps users, roles and settings as versioned keys, orders every change and says who is
//! primary; the servers hold the catalog in memory and follow by watch. There is no consensus of our
//! own: a change is one etcd transaction that only the primary's guard lets through.
//!
//! To clients it looks like MongoDB's replica set (manual, "Replication"): a [`Topology`] with members,
//! a primary and terms, [`OpTime`]s, and members that have [`Progress`]ed to one. [`ReplicaSet`] is the
//! handle for all rooms above. `docs/cluster.md` describes keys and protocols.

mod commit;
mod config;
mod election;
mod error;
mod etcd;
mod follow;
mod freshness;
mod guarded;
mod head;
mod join;
mod keys;
mod lease;
mod op_time;
mod progress;
mod reconfigure;
mod replica_set;
mod shared;
mod snapshot;
mod staged;
mod state;
mod topology;

pub use commit::EtcdStore;
pub use config::{InvalidConfig, Member, ReplicaSetConfig};
pub use error::JoinError;
pub use op_time::{LastWrite, OpTime};
pub use progress::{MemberProgress, Progress};
pub use replica_set::{
    Election, NotPrimary, NotSecondary, ReconfigureError, ReplicaSet, StepDown, StepDownError,
    UnconfirmedError,
};
pub use topology::{MemberState, Topology};
