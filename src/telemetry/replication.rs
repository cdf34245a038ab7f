//! The events of a replica set that are logged, one function each; see [`super::events`].

use std::fmt::Display;
use std::time::Duration;

use tracing::{error, info, warn};

const REPL: &str = "REPL";
const ELECTION: &str = "ELECTION";

/// This member is something else now.
pub fn state_changed(state: &str, term: i64) {
    info!(target: REPL, id = 21_358_u64, state, term, "Replica set state transition");
}

/// This member can no longer be read from.
pub fn state_is_recovering() {
    warn!(target: REPL, id = 9_900_101_u64, "Not fresh enough to be read from, or damaged");
}

/// Another member is primary, or none.
pub fn primary_changed(primary: &str, term: i64) {
    info!(target: REPL, id = 21_216_u64, primary, term, "Member is in new state");
}

/// Everything was read from etcd.
pub fn snapshot_loaded(revision: i64, users: usize, roles: usize, took: Duration) {
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    info!(target: REPL, id = 9_900_102_u64, revision, users, roles, duration_ms, "Snapshot loaded");
}

/// etcd does not answer.
pub fn etcd_missed(reason: &dyn Display) {
    warn!(target: REPL, id = 9_900_103_u64, %reason, "Cannot reach etcd");
}

/// etcd answers again.
pub fn etcd_reached(away: Duration) {
    let away_ms = u64::try_from(away.as_millis()).unwrap_or(u64::MAX);
    info!(target: REPL, id = 9_900_104_u64, away_ms, "etcd is reached again");
}

/// etcd says no.
pub fn etcd_refused(doing: &str, reason: &dyn Display) {
    error!(target: REPL, id = 9_900_105_u64, doing, %reason, "etcd refuses");
}

/// What is in etcd cannot be used.
pub fn cannot_follow(reason: &dyn Display) {
    error!(target: REPL, id = 9_900_106_u64, %reason, "Cannot follow what is in etcd");
}

/// etcd has forgotten what happened since; everything is read anew.
pub fn history_compacted(revision: i64) {
    info!(target: REPL, id = 9_900_107_u64, revision, "History is compacted, loading a snapshot");
}

/// This member won.
pub fn elected(term: i64) {
    info!(target: ELECTION, id = 21_450_u64, term, "Election succeeded, assuming primary role");
}

/// This member won and could not begin.
pub fn take_over_failed(reason: &dyn Display) {
    warn!(target: ELECTION, id = 9_900_108_u64, %reason, "Cannot take over as primary");
}

/// This member is primary no more.
pub fn stepped_down(reason: &str) {
    info!(target: ELECTION, id = 9_900_109_u64, reason, "Stepping down");
}

/// This member is told to stop, and serves on while clients turn to others.
pub fn quiescing(limit: Duration) {
    let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    info!(target: REPL, id = 9_900_112_u64, limit_ms, "Clients are told to turn to other members");
}

/// The lease has run out: others may take this member for gone.
pub fn lease_lost(reason: &dyn Display) {
    warn!(target: REPL, id = 9_900_110_u64, %reason, "Lease lost");
}

/// The member's key is held by a lease that is not this process's.
pub fn name_taken(host: &str) {
    warn!(
        target: REPL, id = 9_900_111_u64, host,
        "Waiting until the lease of another process with the name of this member has run out"
    );
}

/// The administrator that the environment names cannot be created for now.
pub fn first_admin_delayed(reason: &dyn Display) {
    warn!(
        target: REPL, id = 9_900_113_u64, %reason,
        "Cannot create the first administrator yet"
    );
}
