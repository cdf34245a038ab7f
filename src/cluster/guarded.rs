//! Writing to etcd as a primary: only while nobody else writes, and never without knowing whether it was
//! done.

use std::time::{Duration, Instant};

use super::etcd::proto::response_op::Response;
use super::etcd::proto::{Compare, KeyValue, RequestOp, TxnResponse};
use super::etcd::{
    EtcdError, create_revision_is, delete, delete_prefix, get, mod_revision_is, put, txn,
};
use super::head::Head;
use super::shared::Shared;
use super::staged;
use super::state::Reign;
use crate::store::StoreError;
use crate::store::record::Write;
use crate::telemetry::replication as events;

/// How long to try to learn whether a transaction happened, before stepping down over it.
const OUTCOME_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a committed batch may take to come back by the watch.
const APPLY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long to wait before asking again.
const PAUSE: Duration = Duration::from_millis(20);

/// Writes that happen only while nobody else writes.
pub(super) struct Guarded<'a> {
    pub(super) shared: &'a Shared,
    pub(super) reign: Reign,
    /// When `head` was written last.
    pub(super) head_revision: i64,
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
    pub(super) async fn read_head(&self) -> Result<Head, StoreError> {
        let read = vec![get(self.shared.keys.head())];
        let answer = self
            .shared
            .etcd
            .txn(txn(self.guards(), read, Vec::new()))
            .await;
        let answer = answer.map_err(|error| not_written(&error))?;
        let entry = first_entry(answer).ok_or(StoreError::NotPrimary)?;
        Head::decode(&entry.value).map_err(|damaged| StoreError::Unreachable {
            reason: damaged.to_string(),
        })
    }

    /// Writes something that does no harm if it is written and then nothing follows.
    pub(super) async fn try_once(&self, operations: Vec<RequestOp>) -> Result<(), StoreError> {
        let answer = self
            .shared
            .etcd
            .txn(txn(self.guards(), operations, Vec::new()))
            .await;
        match answer {
            Ok(answer) if answer.succeeded => Ok(()),
            Ok(_) => Err(self.lost()),
            Err(error) => {
                // Of the others etcd has answered.
                if let EtcdError::Unreachable(_) | EtcdError::TokenExpired = error {
                    self.shared.missed(&error);
                }
                Err(not_written(&error))
            }
        }
    }

    /// Writes `head` and what belongs to it, learns whether that happened, and waits until this member
    /// has followed.
    pub(super) async fn write_head(
        &mut self,
        head: &Head,
        mut operations: Vec<RequestOp>,
    ) -> Result<(), StoreError> {
        let key = self.shared.keys.head();
        operations.push(put(key.clone(), head.encode(), 0));
        let request = txn(self.guards(), operations, vec![get(key)]);
        let begun = Instant::now();
        // Why it is open whether an earlier try has made it.
        let mut open: Option<String> = None;
        loop {
            let reason = match self.shared.etcd.txn(request.clone()).await {
                Ok(answer) if answer.succeeded => {
                    let revision = answer.header.map_or(0, |header| header.revision);
                    return self.written_at(revision).await;
                }
                Ok(answer) => match (first_entry(answer), open) {
                    // An earlier try has made it, though its answer was lost.
                    (Some(entry), Some(_)) if is_batch(&entry, head) => {
                        return self.written_at(entry.mod_revision).await;
                    }
                    // It may have made it before somebody else wrote.
                    (_, Some(reason)) => return Err(self.unknown(reason)),
                    (_, None) => return Err(self.lost()),
                },
                Err(error @ EtcdError::Refused(_)) if open.is_none() => {
                    events::etcd_refused("a commit", &error);
                    return Err(not_written(&error));
                }
                Err(error @ EtcdError::NoSpace(_)) if open.is_none() => {
                    return self.look_for(head, &error).await;
                }
                Err(error) => {
                    self.shared.missed(&error);
                    error.to_string()
                }
            };
            let has_lease = self.shared.state().has_lease(Instant::now());
            if begun.elapsed() > OUTCOME_TIMEOUT || !has_lease {
                return Err(self.unknown(reason));
            }
            open = Some(reason);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// etcd is full and has said so after it had done what was asked, or before it began: nothing of it
    /// is still to come, so one look tells.
    async fn look_for(&mut self, head: &Head, error: &EtcdError) -> Result<(), StoreError> {
        match self.shared.etcd.get(self.shared.keys.head()).await {
            Ok(Some(entry)) if is_batch(&entry, head) => self.written_at(entry.mod_revision).await,
            Ok(Some(entry)) if entry.mod_revision == self.head_revision => Err(not_written(error)),
            Ok(_) => Err(self.unknown(error.to_string())),
            Err(error) => Err(self.unknown(error.to_string())),
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
    pub(super) async fn bring_up_to_date(
        &mut self,
        head: &Head,
        writes: &[Write],
    ) -> Result<(), StoreError> {
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
    pub(super) fn end_reign(&self, reason: &str) {
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

/// The operations that these writes are.
pub(super) fn records(shared: &Shared, writes: &[Write]) -> Vec<RequestOp> {
    let operation = |write: &Write| {
        let key = shared.keys.record(write.table, &write.key);
        match &write.record {
            Some(record) => put(key, record.clone(), 0),
            None => delete(key),
        }
    };
    writes.iter().map(operation).collect()
}

/// Nothing was written, because etcd has not answered since then.
pub(super) fn out_of_reach(since: Instant) -> StoreError {
    let waited = since.elapsed().as_millis();
    StoreError::Unreachable {
        reason: format!("etcd has not answered for {waited} ms"),
    }
}

/// Nothing was written, for this reason.
pub(super) fn not_written(error: &EtcdError) -> StoreError {
    match error {
        EtcdError::NoSpace(_) => StoreError::DiskFull {
            path: "etcd".into(),
        },
        EtcdError::Refused(_) => StoreError::Refused {
            reason: error.to_string(),
        },
        error => StoreError::Unreachable {
            reason: format!("etcd cannot be reached: {error}"),
        },
    }
}
