//! Committing batches: the store of a primary.
//!
//! A batch is one transaction that writes `head`, guarded by two comparisons: `head` was last written
//! where this member has followed to, and the key `primary` is still the one it was elected with. So
//! of two writers one wins, and one that lost its lease writes nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use bson::DateTime;
use tokio::runtime::Handle;
use uuid::Uuid;

use super::etcd::{EtcdError, all_of, delete_prefix, put};
use super::guarded::{Guarded, out_of_reach, records};
use super::head::{Head, following};
use super::shared::Shared;
use super::staged::{self, PART_BYTES_MAX, PART_WRITES_MAX};
use super::state::{Applied, Reign};
use crate::store::record::{self, Write};
use crate::store::{Change, Sequence, Store, StoreError};
use crate::telemetry::replication as events;

/// Largest record: etcd takes requests of 1.5 MiB by default.
const RECORD_BYTES_MAX: usize = 1024 * 1024;

/// Keeps changes in etcd while this member is primary. What is committed is visible when the commit
/// returns: the member follows itself.
#[derive(Debug)]
pub struct EtcdStore {
    shared: Arc<Shared>,
    runtime: Handle,
    /// What the next commit rests on: where this member was when it was planned.
    base: Mutex<Option<Base>>,
}

/// Where this member was at one moment as a primary.
#[derive(Debug, Clone, Copy)]
struct Base {
    reign: Reign,
    applied: Applied,
}

impl EtcdStore {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            runtime: Handle::current(),
            base: Mutex::new(None),
        }
    }
}

impl Store for EtcdStore {
    /// Blocks; not for the threads of the runtime.
    fn commit(&self, batch: &[Change]) -> Result<Sequence, StoreError> {
        let mut base = self.base.lock().unwrap_or_else(PoisonError::into_inner);
        let base = base.take().map_or_else(|| find_base(&self.shared), Ok)?;
        if batch.is_empty() {
            self.runtime.block_on(confirm(&self.shared, base))
        } else {
            self.runtime.block_on(async {
                let _turn = self.shared.turn.lock().await;
                commit(&self.shared, base, batch).await
            })
        }
    }

    /// Nothing: a member has followed before its directory is opened.
    fn replay(&self, _: &mut dyn FnMut(Change)) -> Result<Sequence, StoreError> {
        Ok(self.shared.state().applied.last.sequence)
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn name(&self) -> &'static str {
        "etcd"
    }

    fn applies_by_itself(&self) -> bool {
        true
    }

    /// The next commit fails if anybody else writes after this.
    fn check_writable(&self) -> Result<(), StoreError> {
        let found = find_base(&self.shared)?;
        let mut base = self.base.lock().unwrap_or_else(PoisonError::into_inner);
        *base = Some(found);
        Ok(())
    }

    fn jobs_per_batch_max(&self) -> usize {
        // Most are one write: so many fit in one transaction.
        PART_WRITES_MAX / 2
    }

    fn record_bytes_max(&self) -> usize {
        RECORD_BYTES_MAX
    }
}

/// Where a write would begin, if one could be made now.
fn find_base(shared: &Shared) -> Result<Base, StoreError> {
    let state = shared.state();
    let reign = state.reign(Instant::now()).ok_or(StoreError::NotPrimary)?;
    if let Some(since) = state.unreachable_since {
        return Err(out_of_reach(since));
    }
    Ok(Base {
        reign,
        applied: state.applied,
    })
}

/// Nothing is to be written: what was asked for is so already, or is refused. Both rest on what this member
/// has seen, so etcd is asked whether that is still all, as it is for a commit.
async fn confirm(shared: &Shared, base: Base) -> Result<Sequence, StoreError> {
    let Base { reign, applied } = base;
    let guarded = Guarded {
        shared,
        reign,
        head_revision: applied.head_revision,
    };
    guarded.try_once(Vec::new()).await?;
    Ok(applied.last.sequence)
}

async fn commit(shared: &Shared, base: Base, batch: &[Change]) -> Result<Sequence, StoreError> {
    let Base { reign, applied } = base;
    let writes = last_writes(batch)?;
    let mut head = Head {
        last: following(applied.last, reign.term, DateTime::now()),
        batch: Uuid::new_v4(),
        is_staged: false,
    };
    let mut guarded = Guarded {
        shared,
        reign,
        head_revision: applied.head_revision,
    };
    let parts = staged::parts(&writes);
    if let [part] = parts.as_slice() {
        guarded.write_head(&head, records(shared, part)).await?;
        return Ok(head.last.sequence);
    }
    head.is_staged = true;
    if let Err(error) = stage(&mut guarded, &head, &parts).await {
        forget_parts(shared, &head, &error).await;
        return Err(error);
    }
    // From here on the batch counts, whatever follows.
    if guarded.bring_up_to_date(&head, &writes).await.is_err() {
        guarded.end_reign("a large batch is left for the next primary to bring up to date");
    }
    Ok(head.last.sequence)
}

/// Puts a batch aside in parts, and makes them count.
async fn stage(
    guarded: &mut Guarded<'_>,
    head: &Head,
    parts: &[&[Write]],
) -> Result<(), StoreError> {
    let keys = &guarded.shared.keys;
    // Of batches that came to nothing, where it failed to remove them then.
    let leftovers = delete_prefix(&keys.staged());
    guarded.try_once(vec![leftovers]).await?;
    for (number, part) in parts.iter().enumerate() {
        let key = keys.staged_part(head.batch, number);
        let part = put(key, staged::encode(part), 0);
        guarded.try_once(vec![part]).await?;
    }
    guarded.write_head(head, Vec::new()).await
}

/// Removes the parts of a batch that failed, so that it takes no room: etcd may be full because of them.
/// Whatever comes too late for that, or fails, is left for the next such batch or the next election.
async fn forget_parts(shared: &Shared, head: &Head, error: &StoreError) {
    match error {
        // It may count yet; or whoever was elected next has removed them.
        StoreError::OutcomeUnknown { .. } | StoreError::NotPrimary => return,
        _ => {}
    }
    let parts = all_of(&shared.keys.staged_batch(head.batch));
    match shared.etcd.delete(parts).await {
        Ok(_) => {}
        Err(error @ (EtcdError::Refused(_) | EtcdError::NoSpace(_))) => {
            events::etcd_refused("removing what is left of a commit", &error);
        }
        Err(error) => shared.missed(&error),
    }
}

/// Takes over: brings to an end what the last primary began, and begins a new term.
pub(super) async fn begin_term(shared: &Shared, create_revision: i64) -> Result<Reign, StoreError> {
    let applied = shared.state().applied;
    let mut reign = Reign {
        create_revision,
        term: applied.last.op_time.term,
        elected_at: DateTime::now(),
    };
    let mut guarded = Guarded {
        shared,
        reign,
        head_revision: applied.head_revision,
    };
    let head = guarded.read_head().await?;
    if head.is_staged {
        let writes = staged::read(shared, head.batch, 0).await;
        let writes = writes.map_err(|error| StoreError::Unreachable {
            reason: error.to_string(),
        })?;
        guarded.bring_up_to_date(&head, &writes).await?;
    }
    let term_seen = shared.state().term_seen.max(head.last.op_time.term);
    reign.term = term_seen.saturating_add(1);
    let head = Head {
        last: following(head.last, reign.term, reign.elected_at),
        batch: Uuid::new_v4(),
        is_staged: false,
    };
    // Parts that nothing names any more.
    let leftovers = delete_prefix(&shared.keys.staged());
    guarded.write_head(&head, vec![leftovers]).await?;
    Ok(reign)
}

/// One write for each key, because etcd takes no more: the last one.
fn last_writes(batch: &[Change]) -> Result<Vec<Write>, StoreError> {
    let mut writes: Vec<Write> = Vec::with_capacity(batch.len());
    let mut places = HashMap::new();
    for change in batch {
        let write = record::encode(change)?;
        let place = places.entry((write.table, write.key.clone()));
        let place = *place.or_insert(writes.len());
        match writes.get_mut(place) {
            Some(earlier) => *earlier = write,
            None => writes.push(write),
        }
    }
    Ok(writes)
}

// A part with its guards and the head fits in a transaction of 128 operations, and in a request.
const _: () =
    assert!(PART_WRITES_MAX + 2 < 128 && PART_BYTES_MAX + RECORD_BYTES_MAX < 2 * 1024 * 1024);
