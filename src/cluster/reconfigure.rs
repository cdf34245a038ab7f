//! Replacing the configuration of the set.
//!
//! At every revision of etcd, who holds the key `primary` may be primary by the configuration of that
//! revision: the transaction that writes a configuration in which the holder may not be deletes the
//! key, and an election is guarded by the revision of the configuration. So who was removed writes
//! nothing any more, before it has heard of it.

use std::sync::Arc;

use super::config::{Member, ReplicaSetConfig};
use super::etcd::{EtcdError, create_revision_is, delete, is_absent, mod_revision_is, put, txn};
use super::guarded::{not_written, out_of_reach};
use super::head::bytes_of;
use super::replica_set::ReconfigureError;
use super::shared::Shared;
use crate::store::StoreError;

/// Writes `config` in the place of the present one. Without `force` only the primary does.
pub(super) async fn replace(
    shared: &Shared,
    config: &ReplicaSetConfig,
    force: bool,
) -> Result<(), ReconfigureError> {
    let (present, revision, leader) = {
        let state = shared.state();
        if !force && !state.is_leader() {
            return Err(ReconfigureError::NotPrimary);
        }
        if let Some(since) = state.unreachable_since {
            return Err(out_of_reach(since).into());
        }
        let config = Arc::clone(&state.config);
        (config, state.config_revision, state.leader.clone())
    };
    config.check_follows(&present)?;
    let (key, primary) = (shared.keys.config(), shared.keys.primary());
    let mut guards = vec![mod_revision_is(key.clone(), revision)];
    let new = bytes_of(&config.to_document());
    let mut operations = vec![put(key, new.clone(), 0)];
    match leader {
        Some(leader) => {
            guards.push(create_revision_is(primary.clone(), leader.create_revision));
            if !config
                .member(&leader.host)
                .is_some_and(Member::is_electable)
            {
                operations.push(delete(primary));
            }
        }
        None => guards.push(is_absent(primary)),
    }
    match shared.etcd.txn(txn(guards, operations, Vec::new())).await {
        Ok(answer) if answer.succeeded => Ok(()),
        Ok(_) => Err(ReconfigureError::Changed),
        Err(error @ EtcdError::NoSpace(_)) => look_for(shared, &new, revision, &error).await,
        // It may have reached etcd, or reach it yet.
        Err(error @ EtcdError::Unreachable(_)) => {
            shared.missed(&error);
            Err(unknown(&error).into())
        }
        Err(error) => Err(not_written(&error).into()),
    }
}

/// etcd is full and has said so after it had written `new`, or before it began; the one before is of
/// `revision`.
async fn look_for(
    shared: &Shared,
    new: &[u8],
    revision: i64,
    error: &EtcdError,
) -> Result<(), ReconfigureError> {
    let failure = match shared.etcd.get(shared.keys.config()).await {
        Ok(Some(entry)) if entry.value == new => return Ok(()),
        Ok(Some(entry)) if entry.mod_revision == revision => not_written(error),
        Ok(_) => unknown(error),
        Err(error) => unknown(&error),
    };
    Err(failure.into())
}

fn unknown(error: &EtcdError) -> StoreError {
    StoreError::OutcomeUnknown {
        reason: error.to_string(),
    }
}
