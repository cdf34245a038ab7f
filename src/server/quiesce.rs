//! The time between the order to stop and the stop, for a member of a replica set: drivers are told,
//! and are served until they have turned to other members (mongod's quiesce mode).

use std::time::Duration;

use crate::command::handshake::hello::Hello;
use crate::command::services::Services;
use crate::command::spec::Command as _;

/// Nobody is left once nothing but `hello` was answered for that long.
const QUIET: Duration = Duration::from_millis(500);

/// Returns at once on a standalone, and on a member to which there is no alternative; else when nobody
/// asks for anything any more, or after `shutdownTimeoutMillisForSignaledShutdown`.
pub(super) async fn quiesce(services: &Services) {
    let limit = services.parameters.quiesce_timeout();
    if limit.is_zero() {
        return;
    }
    let Some(replica_set) = &services.replica_set else {
        return;
    };
    let until_quiet = async {
        let has_alternative = replica_set.quiesce(limit).await;
        if has_alternative {
            wait_until_quiet(services).await;
        }
    };
    // Whoever is still there then is not going to turn to others.
    let _ = tokio::time::timeout(limit, until_quiet).await;
}

async fn wait_until_quiet(services: &Services) {
    let mut before = None;
    loop {
        let now = Some(answered(services));
        if now == before {
            return;
        }
        before = now;
        tokio::time::sleep(QUIET).await;
    }
}

/// Commands that were answered so far, but for those by which drivers look for members.
fn answered(services: &Services) -> i64 {
    let commands = services.metrics.commands();
    let others = commands.filter(|(name, _)| *name != Hello::SPEC.name);
    others.map(|(_, counters)| counters.total.get()).sum()
}
