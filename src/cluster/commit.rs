//! Committing batches: the store of a primary.
//!
//! A batch is one transaction that writes `head`, guarded by two comparisons: `head` was last written
//! where this member has followed to, and the key `primary` is still the one it was elected with. So
//! of two writers one wins, and one that lost its lease writes nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use uuid::Uuid;

use super::etcd::proto::response_op::Response;
use super::etcd::proto::{Compare, KeyValue, RequestOp, TxnResponse};
use super::etcd::{
    EtcdError, create_revision_is, delete, delete_prefix, get, mod_revision_is, put, txn,
};
use super::head::{Head, following};
use super::shared::Shared;
use super::staged::{self, PART_BYTES_MAX, PART_WRITES_MAX};
use super::state::{Applied, Reign};
use crate::store::record::{self, Write};
use crate::store::{Change, Sequence, Store, StoreError};
use crate::telemetry::replication as events;

/// Largest record: etcd takes requests of 1.5 MiB by default.
const RECORD_BYTES_MAX: usize = 1024 * 1024;
/// How long to try to learn whether a transaction happened, before stepping down over it.
const OUTCOME_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a committed batch may take to come back by the watch.
const APPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_millis(20);

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
        if batch.is_empty() {
            return Ok(self.shared.state().applied.last.sequence);
        }
        let mut base = self.base.lock().unwrap_or_else(PoisonError::into_inner);
        let base = base.take().map_or_else(|| find_base(&self.shared), Ok)?;
        self.runtime.block_on(commit(&self.shared, base, batch))
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
        return Err(StoreError::Unreachable {
            reason: format!("it has not answered for {} ms", since.elapsed().as_millis()),
        });
    }
    Ok(Base {
        reign,
        applied: state.applied,
    })
}

async fn commit(shared: &Shared, base: Base, batch: &[Change]) -> Result<Sequence, StoreError> {
    let Base { reign, applied } = base;
    let writes = last_writes(batch)?;
    let mut head = Head {
        last: following(applied.last, reign.term),
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
    for (number, part) in parts.iter().enumerate() {
        let key = shared.keys.staged_part(head.batch, number);
        guarded
            .try_once(vec![put(key, staged::encode(part), 0)])
            .await?;
    }
    head.is_staged = true;
    guarded.write_head(&head, Vec::new()).await?;
    // From here on the batch counts, whatever follows.
    if guarded.bring_up_to_date(&head, &writes).await.is_err() {
        guarded.end_reign("a large batch is left for the next primary to bring up to date");
    }
    Ok(head.last.sequence)
}

/// Takes over: brings to an end what the last primary began, and begins a new term.
pub(super) async fn begin_term(shared: &Shared, create_revision: i64) -> Result<Reign, StoreError> {
    let applied = shared.state().applied;
    let mut reign = Reign {
        create_revision,
        term: applied.last.op_time.term,
        elected_at: bson::DateTime::now(),
    };
    let mut guarded = Guarded {
        shared,
        reign,
        head_revision: applied.head_revision,
    };
    let head = guarded.read_head().await?;
    if head.is_staged {
        let writes = staged::read(shared, head.batch, 0).await;
        let writes = writes.map_err(|error| unreachable(error.to_string()))?;
        guarded.bring_up_to_date(&head, &writes).await?;
    }
    reign.term = head.last.op_time.term.saturating_add(1);
    let head = Head {
        last: following(head.last, reign.term),
        batch: Uuid::new_v4(),
        is_staged: false,
    };
    // Parts that nothing names any more.
    let leftovers = delete_prefix(&shared.keys.staged());
    guarded.write_head(&head, vec![leftovers]).await?;
    Ok(reign)
}

/// Writes that happen only while nobody else writes.
struct Guarded<'a> {
    shared: &'a Shared,
    reign: Reign,
    head_revision: i64,
}

impl Guarded<'_> {
    fn guards(&self) -> Vec<Compare> {
        let keys = &self.shared.keys;
        vec![
            mod_revision_is(keys.head(), self.head_revision),
            create_revision_is(keys.primary(), self.reign.create_revision),
        ]
    }

    /// The head as it is, if it is where this member has followed to.
    async fn read_head(&self) -> Result<Head, StoreError> {
        let read = vec![get(self.shared.keys.head())];
        let answer = self
            .shared
            .etcd
            .txn(txn(self.guards(), read, Vec::new()))
            .await;
        let answer = answer.map_err(|error| unreachable(error.to_string()))?;
        let entry = first_entry(answer).ok_or(StoreError::NotPrimary)?;
        Head::decode(&entry.value).map_err(|damaged| unreachable(damaged.to_string()))
    }

    /// Writes something that does no harm if it is written and then nothing follows.
    async fn try_once(&self, operations: Vec<RequestOp>) -> Result<(), StoreError> {
        let answer = self
            .shared
            .etcd
            .txn(txn(self.guards(), operations, Vec::new()))
            .await;
        match answer {
            Ok(answer) if answer.succeeded => Ok(()),
            Ok(_) => Err(self.lost()),
            Err(error) => {
                self.shared.missed(&error);
                Err(unreachable(error.to_string()))
            }
        }
    }

    /// Writes `head` and what belongs to it, learns whether that happened, and waits until this member
    /// has followed.
    async fn write_head(
        &mut self,
        head: &Head,
        mut operations: Vec<RequestOp>,
    ) -> Result<(), StoreError> {
        let key = self.shared.keys.head();
        operations.push(put(key.clone(), head.encode(), 0));
        let request = txn(self.guards(), operations, vec![get(key)]);
        let begun = Instant::now();
        // Why it is open whether an earlier try has made it.
        let mut is_open: Option<String> = None;
        loop {
            match self.shared.etcd.txn(request.clone()).await {
                Ok(answer) if answer.succeeded => {
                    let revision = answer.header.map_or(0, |header| header.revision);
                    return self.written_at(revision).await;
                }
                Ok(answer) => match (first_entry(answer), is_open) {
                    // An earlier try has made it, though its answer was lost.
                    (Some(entry), Some(_)) if is_batch(&entry, head) => {
                        return self.written_at(entry.mod_revision).await;
                    }
                    // It may have made it before somebody else wrote.
                    (_, Some(reason)) => return Err(self.unknown(reason)),
                    (_, None) => return Err(self.lost()),
                },
                Err(EtcdError::Refused(reason)) if is_open.is_none() => {
                    events::etcd_refused("a commit", &reason);
                    return Err(unreachable(reason));
                }
                Err(error) => {
                    self.shared.missed(&error);
                    is_open = Some(error.to_string());
                }
            }
            let gives_up =
                begun.elapsed() > OUTCOME_TIMEOUT || !self.shared.state().has_lease(Instant::now());
            if let (true, Some(reason)) = (gives_up, is_open.take()) {
                return Err(self.unknown(reason));
            }
            is_open.get_or_insert_default();
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn written_at(&mut self, revision: i64) -> Result<(), StoreError> {
        self.head_revision = revision;
        if self
            .shared
            .wait_until_applied(revision, APPLY_TIMEOUT)
            .await
        {
            return Ok(());
        }
        Err(self.unknown("it was not seen again in time".to_owned()))
    }

    /// Writes what a staged batch says into the records, and ends with removing its parts.
    async fn bring_up_to_date(&mut self, head: &Head, writes: &[Write]) -> Result<(), StoreError> {
        for part in staged::parts(writes) {
            self.try_once(records(self.shared, part)).await?;
        }
        let head = Head {
            is_staged: false,
            ..*head
        };
        let parts = delete_prefix(&self.shared.keys.staged_batch(head.batch));
        self.write_head(&head, vec![parts]).await
    }

    /// Somebody else writes.
    fn lost(&self) -> StoreError {
        self.end_reign("another member has taken over");
        StoreError::NotPrimary
    }

    fn unknown(&self, reason: String) -> StoreError {
        self.end_reign("it is not known whether a change was written");
        StoreError::OutcomeUnknown { reason }
    }

    /// The next election, which this member may win, brings certainty.
    fn end_reign(&self, reason: &str) {
        let create_revision = self.reign.create_revision;
        let was_primary = self.shared.update(|state| {
            let of_this = |reign: &mut Reign| reign.create_revision == create_revision;
            state.reign.take_if(of_this).is_some()
        });
        if was_primary {
            events::stepped_down(reason);
        }
    }
}

fn is_batch(entry: &KeyValue, head: &Head) -> bool {
    Head::decode(&entry.value).is_ok_and(|found| found == *head)
}

fn first_entry(answer: TxnResponse) -> Option<KeyValue> {
    let first = answer.responses.into_iter().next()?;
    match first.response {
        Some(Response::ResponseRange(range)) => range.kvs.into_iter().next(),
        _ => None,
    }
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

fn records(shared: &Shared, writes: &[Write]) -> Vec<RequestOp> {
    let operation = |write: &Write| {
        let key = shared.keys.record(write.table, &write.key);
        match &write.record {
            Some(record) => put(key, record.clone(), 0),
            None => delete(key),
        }
    };
    writes.iter().map(operation).collect()
}

fn unreachable(reason: String) -> StoreError {
    StoreError::Unreachable { reason }
}

// A part with its guards and the head fits in a transaction of 128 operations, and in a request.
const _: () =
    assert!(PART_WRITES_MAX + 2 < 128 && PART_BYTES_MAX + RECORD_BYTES_MAX < 2 * 1024 * 1024);
