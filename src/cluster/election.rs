//! Becoming primary: who makes the key `primary` under its lease first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::commit::begin_term;
use super::etcd::{EtcdError, create_revision_is, delete, is_absent, mod_revision_is, put, txn};
use super::head::encode_primary;
use super::shared::Shared;
use crate::store::StoreError;
use crate::telemetry::replication as events;

/// How long to wait before trying again.
const PAUSE: Duration = Duration::from_millis(50);
/// How long one that has won may take to catch up; then it lets others try.
const CATCH_UP_TIMEOUT: Duration = Duration::from_secs(10);

/// Stands for election whenever there is no primary, for ever.
pub(super) async fn stand(shared: Arc<Shared>, host: Arc<str>) {
    let mut topologies = shared.topology.subscribe();
    let mut is_known_full = false;
    loop {
        let (may_stand, must_resign) = {
            let state = shared.state();
            let may_stand = state.may_stand(Instant::now());
            let is_idle_leader = state.is_leader() && state.reign.is_none();
            (may_stand, is_idle_leader && !may_stand)
        };
        if must_resign && let Err(error) = resign(&shared).await {
            shared.missed(&error);
        }
        if !may_stand {
            // Freezing ends without anything else happening.
            let _ = tokio::time::timeout(PAUSE * 4, topologies.changed()).await;
            continue;
        }
        match stand_once(&shared, &host).await {
            Ok(()) | Err(Lost::Taken) => is_known_full = false,
            Err(Lost::Etcd(error @ EtcdError::NoSpace(_))) => {
                if !std::mem::replace(&mut is_known_full, true) {
                    events::etcd_refused("an election", &error);
                }
                // Each try raises the alarm anew.
                tokio::time::sleep(shared.beat()).await;
            }
            Err(Lost::Etcd(error)) => shared.missed(&error),
            Err(Lost::TakeOver(error)) => {
                events::take_over_failed(&error);
                let _ = resign(&shared).await;
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Why an election did not make a primary of this member.
enum Lost {
    Etcd(EtcdError),
    Taken,
    TakeOver(StoreError),
}

async fn stand_once(shared: &Shared, host: &Arc<str>) -> Result<(), Lost> {
    let (is_leader, lease, create_revision, config_revision) = {
        let state = shared.state();
        let lease = state.lease.filter(|_| state.may_stand(Instant::now()));
        let made_at = state.leader.as_ref().map(|leader| leader.create_revision);
        (state.is_leader(), lease, made_at, state.config_revision)
    };
    let lease = lease.ok_or(Lost::Taken)?;
    let create_revision = match create_revision {
        // Won earlier, and what followed has failed.
        Some(revision) if is_leader => revision,
        _ => {
            let key = shared.keys.primary();
            let request = txn(
                // Nobody is elected who may not be, however far behind it has followed.
                vec![
                    is_absent(key.clone()),
                    mod_revision_is(shared.keys.config(), config_revision),
                ],
                vec![put(key, encode_primary(host), lease.id)],
                Vec::new(),
            );
            let answer = shared.etcd.txn(request).await.map_err(Lost::Etcd)?;
            if !answer.succeeded {
                return Err(Lost::Taken);
            }
            answer.header.map_or(0, |header| header.revision)
        }
    };
    let is_followed = wait_until_followed(shared, create_revision).await;
    if !is_followed {
        let reason = "it could not catch up in time".to_owned();
        return Err(Lost::TakeOver(StoreError::Unreachable { reason }));
    }
    let reign = begin_term(shared, create_revision).await;
    let reign = reign.map_err(Lost::TakeOver)?;
    let is_elected = shared.update(|state| {
        // Meanwhile the lease may have been lost, or somebody have asked to stay away.
        let is_elected = state.may_stand(Instant::now()) && state.is_leader();
        if is_elected {
            state.reign = Some(reign);
        }
        is_elected
    });
    if is_elected {
        events::elected(reign.term);
    }
    Ok(())
}

/// Waits until everything that was written before the election has been followed: it comes before the
/// election in the watch.
async fn wait_until_followed(shared: &Shared, create_revision: i64) -> bool {
    let begun = Instant::now();
    let mut topologies = shared.topology.subscribe();
    while begun.elapsed() < CATCH_UP_TIMEOUT {
        let is_followed = {
            let state = shared.state();
            let leader = state.leader.as_ref();
            leader.is_some_and(|leader| leader.create_revision == create_revision)
        };
        if is_followed {
            return true;
        }
        let _ = tokio::time::timeout(PAUSE, topologies.changed()).await;
    }
    false
}

/// Removes the key `primary` if it is this member's.
pub(super) async fn resign(shared: &Shared) -> Result<(), EtcdError> {
    let create_revision = {
        let state = shared.state();
        let leader = state.leader.as_ref().filter(|_| state.is_leader());
        leader.map(|leader| leader.create_revision)
    };
    let Some(create_revision) = create_revision else {
        return Ok(());
    };
    let key = shared.keys.primary();
    let guard = create_revision_is(key.clone(), create_revision);
    let request = txn(vec![guard], vec![delete(key)], Vec::new());
    shared.etcd.txn(request).await.map(|_| ())
}
