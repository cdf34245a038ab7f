//! Replacing the configuration of the set.
//!
//! At every revision of etcd, who holds the key `primary` may be primary by the configuration of that
//! revision: the transaction that writes a configuration in which the holder may not be deletes the
//! key, and an election is guarded by the revision of the configuration. So who was removed writes
//! nothing any more, before it has heard of it.

use std::sync::Arc;

use super::config::{Member, ReplicaSetConfig};
use super::etcd::{create_revision_is, delete, is_absent, mod_revision_is, put, txn};
use super::head::bytes_of;
use super::replica_set::ReconfigureError;
use super::shared::Shared;

/// Writes `config` in the place of the present one. Without `force` only the primary does.
pub(super) async fn replace(
    shared: &Shared,
    config: &ReplicaSetConfig,
    force: bool,
) -> Result<(), ReconfigureError> {
    let (present, revision, leader, is_leader) = {
        let state = shared.state();
        let config = Arc::clone(&state.config);
        let leader = state.leader.clone();
        (config, state.config_revision, leader, state.is_leader())
    };
    if !force && !is_leader {
        return Err(ReconfigureError::NotPrimary);
    }
    config.check_follows(&present)?;
    let (key, primary) = (shared.keys.config(), shared.keys.primary());
    let mut guards = vec![mod_revision_is(key.clone(), revision)];
    let mut operations = vec![put(key, bytes_of(&config.to_document()), 0)];
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
        Err(error) => Err(ReconfigureError::Unreachable(error.to_string())),
    }
}
