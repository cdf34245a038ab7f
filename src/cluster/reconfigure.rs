//! Replacing the configuration of the set.
//!
//! At every revision of etcd, who holds the key `primary` may be primary by the configuration of that
//! revision: the transaction that writes a configuration in which the holder may not be deletes the
//! key, and an election is guarded by the revision of the configuration. So who was removed writes
//! nothing any more, before it has heard of it.
//!
//! Who may replace it, and by what, depends on users, roles and settings, so the transaction is guarded by
//! `head` as well. A primary makes no commits of its own meanwhile; elsewhere it is tried again when a
//! commit came between.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::config::{Member, ReplicaSetConfig};
use super::etcd::proto::response_op::Response;
use super::etcd::proto::{KeyValue, TxnResponse};
use super::etcd::{
    EtcdError, create_revision_is, delete, get, is_absent, mod_revision_is, put, txn,
};
use super::guarded::{not_written, out_of_reach};
use super::head::bytes_of;
use super::replica_set::ReconfigureError;
use super::shared::Shared;
use super::state::{Leader, State};
use crate::store::StoreError;

/// How long to try while others change something each time.
const FOLLOW_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait before trying again.
const PAUSE: Duration = Duration::from_millis(20);

/// What this member knew when it was asked.
struct Base {
    present: Arc<ReplicaSetConfig>,
    config_revision: i64,
    leader: Option<Leader>,
    head_revision: i64,
    term: i64,
}

/// What came of one try.
enum Outcome {
    Written,
    /// This member knows the configuration, but not who is primary or what was committed: `head` was
    /// written last at that revision.
    Behind(i64),
}

/// Writes `config` in the place of the present one, if `check` allows it. Without `force` only the primary
/// does.
pub(super) async fn replace<R>(
    shared: &Shared,
    mut config: ReplicaSetConfig,
    force: bool,
    check: impl Fn(&ReplicaSetConfig) -> Result<(), R>,
) -> Result<(), ReconfigureError<R>> {
    let begun = Instant::now();
    loop {
        let tried = {
            let _turn = shared.turn.lock().await;
            // First: what is checked must not be older.
            let base = find_base(&shared.state(), force)?;
            check(&config).map_err(ReconfigureError::Refused)?;
            config.term = base.term;
            config.check_follows(&base.present)?;
            try_once(shared, &base, &config).await?
        };
        let Outcome::Behind(head_revision) = tried else {
            return Ok(());
        };
        let left = FOLLOW_TIMEOUT.saturating_sub(begun.elapsed());
        if left.is_zero() || !shared.wait_until_applied(head_revision, left).await {
            return Err(ReconfigureError::Behind);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn find_base<R>(state: &State, force: bool) -> Result<Base, ReconfigureError<R>> {
    if !force && !state.is_leader() {
        return Err(ReconfigureError::NotPrimary);
    }
    if state.is_damaged {
        return Err(ReconfigureError::Damaged);
    }
    if let Some(since) = state.unreachable_since {
        return Err(out_of_reach(since).into());
    }
    Ok(Base {
        present: Arc::clone(&state.config),
        config_revision: state.config_revision,
        leader: state.leader.clone(),
        head_revision: state.applied.head_revision,
        term: state.applied.last.op_time.term,
    })
}

async fn try_once<R>(
    shared: &Shared,
    base: &Base,
    config: &ReplicaSetConfig,
) -> Result<Outcome, ReconfigureError<R>> {
    let (key, primary) = (shared.keys.config(), shared.keys.primary());
    let head = shared.keys.head();
    let mut guards = vec![
        mod_revision_is(key.clone(), base.config_revision),
        mod_revision_is(head.clone(), base.head_revision),
    ];
    let new = bytes_of(&config.to_document());
    let mut operations = vec![put(key.clone(), new.clone(), 0)];
    match &base.leader {
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
    let request = txn(guards, operations, vec![get(key), get(head)]);
    match shared.etcd.txn(request).await {
        Ok(answer) if answer.succeeded => Ok(Outcome::Written),
        Ok(answer) => {
            let [config_revision, head_revision] = revisions(answer);
            if config_revision != base.config_revision {
                return Err(ReconfigureError::Changed);
            }
            Ok(Outcome::Behind(head_revision))
        }
        Err(error @ EtcdError::NoSpace(_)) => {
            let written = look_for(shared, &new, base.config_revision, &error).await;
            Ok(written.map(|()| Outcome::Written)?)
        }
        // It may have reached etcd, or reach it yet.
        Err(error @ EtcdError::Unreachable(_)) => {
            shared.missed(&error);
            Err(unknown(&error).into())
        }
        Err(error) => Err(not_written(&error).into()),
    }
}

/// When each of the two keys was written last; 0 for one that is not there.
fn revisions(answer: TxnResponse) -> [i64; 2] {
    let mut responses = answer.responses.into_iter();
    [(); 2].map(|()| {
        let entry = responses.next().and_then(|answer| match answer.response {
            Some(Response::ResponseRange(range)) => range.kvs.into_iter().next(),
            _ => None,
        });
        entry.map_or(0, |entry: KeyValue| entry.mod_revision)
    })
}

/// etcd is full and has said so after it had written `new`, or before it began; the one before is of
/// `revision`.
async fn look_for(
    shared: &Shared,
    new: &[u8],
    revision: i64,
    error: &EtcdError,
) -> Result<(), StoreError> {
    match shared.etcd.get(shared.keys.config()).await {
        Ok(Some(entry)) if entry.value == new => Ok(()),
        Ok(Some(entry)) if entry.mod_revision == revision => Err(not_written(error)),
        Ok(_) => Err(unknown(error)),
        Err(error) => Err(unknown(&error)),
    }
}

fn unknown(error: &EtcdError) -> StoreError {
    StoreError::OutcomeUnknown {
        reason: error.to_string(),
    }
}
