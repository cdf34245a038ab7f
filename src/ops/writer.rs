//! One thread that writes.
//!
//! It takes all jobs that wait, plans each against the catalog and what the jobs before it decided,
//! commits everything with one [`Store::commit`], applies it to the catalog and answers. So one sync
//! serves all who wait, decisions never race, and nothing is visible before it is durable.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot, watch};

use super::OpsError;
use super::order::{Audited, CommitNote, Dropped, Order};
use crate::authz::Pass;
use crate::catalog::{Catalog, PlanError, View};
use crate::store::record::{RECORD_BYTES_MAX, check_size};
use crate::store::{Change, Sequence, Store, StoreError};

/// Jobs that may wait; who comes later waits for a place.
const QUEUE_JOBS_MAX: usize = 1024;
/// Decides the changes of one command.
type Plan = Box<dyn FnOnce(&View<'_>) -> Result<Vec<Change>, PlanError> + Send>;

/// What came of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    /// What it dropped.
    pub(super) dropped: Dropped,
    /// The commit that made it last, or the last one before it if there was nothing to change.
    pub(super) sequence: Sequence,
}

struct Job {
    order: Order,
    plan: Plan,
    answer: oneshot::Sender<Result<Outcome, OpsError>>,
}

/// The handle on the writer thread.
#[derive(Debug)]
pub(super) struct Writer {
    /// `None` once closed.
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    /// Ends when the thread has done its last job.
    done: watch::Receiver<()>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread; `sequence` is that of the last commit.
    pub(super) fn start(
        catalog: Arc<Catalog>,
        store: Arc<dyn Store>,
        sequence: Sequence,
    ) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(QUEUE_JOBS_MAX);
        let (running, done) = watch::channel(());
        let thread = thread::Builder::new()
            .name("writer".into())
            .spawn(move || {
                write_until_closed(&catalog, store.as_ref(), sequence, jobs);
                drop(running);
            })?;
        Ok(Self {
            queue: Mutex::new(Some(queue)),
            done,
            thread: Some(thread),
        })
    }

    /// Queues a job and waits for its answer.
    ///
    /// A caller that stops waiting takes the job back only if it was not queued yet; else it is done
    /// whole and the answer goes nowhere.
    pub(super) async fn write(&self, order: Order, plan: Plan) -> Result<Outcome, OpsError> {
        let queue = self.queue().clone().ok_or(OpsError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let job = Job {
            order,
            plan,
            answer,
        };
        queue.send(job).await.map_err(|_| OpsError::Closed)?;
        drop(queue);
        answered.await.unwrap_or(Err(OpsError::Closed))
    }

    /// Refuses new jobs and waits until those in the queue are done.
    pub(super) async fn close(&self) {
        self.refuse();
        // Nothing is ever sent: the error says that the thread has ended.
        let _ = self.done.clone().changed().await;
    }

    fn refuse(&self) {
        drop(self.queue().take());
    }

    fn queue(&self) -> MutexGuard<'_, Option<mpsc::Sender<Job>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Writer {
    /// Does what is queued, so that nothing writes after the drop. Blocks until then.
    fn drop(&mut self) {
        self.refuse();
        if let Some(thread) = self.thread.take() {
            // A panic there was reported by the panic hook and every caller has seen `Closed`.
            let _ = thread.join();
        }
    }
}

fn write_until_closed(
    catalog: &Catalog,
    store: &dyn Store,
    mut sequence: Sequence,
    mut jobs: mpsc::Receiver<Job>,
) {
    let mut batch = Vec::new();
    let jobs_max = store.jobs_per_batch_max();
    while jobs.blocking_recv_many(&mut batch, jobs_max) > 0 {
        match write_batch(catalog, store, sequence, batch.drain(..)) {
            Ok(last) => sequence = last,
            // Nothing is wrong with the store.
            Err(OpsError::Storage(StoreError::NotPrimary)) => {}
            Err(OpsError::Storage(error)) => {
                tracing::error!(store = store.name(), %error, "cannot commit");
            }
            // The audit log says itself that it fails.
            Err(_) => {}
        }
    }
}

/// A job that is planned, and what came of that.
struct Planned {
    answer: oneshot::Sender<Result<Outcome, OpsError>>,
    audited: Option<Audited>,
    follow_up: Option<Box<dyn FnOnce(Dropped) + Send>>,
    note: Option<CommitNote>,
    decided: Result<Dropped, OpsError>,
}

/// Nobody is answered before the commit, also not who is refused: a refusal may rest on what an
/// earlier job of the batch decided, and that has not happened until it is committed.
fn write_batch(
    catalog: &Catalog,
    store: &dyn Store,
    sequence: Sequence,
    jobs: impl Iterator<Item = Job>,
) -> Result<Sequence, OpsError> {
    // First, because the commit rests on this moment: what the view copies must not be older.
    let writable = store.check_writable().map_err(OpsError::Storage);
    let mut view = View::new(catalog);
    let mut changes = Vec::new();
    let mut batch = Vec::new();
    let record_bytes_max = store.record_bytes_max();
    for Job {
        order,
        plan,
        answer,
    } in jobs
    {
        let decided = writable.clone().and_then(|()| {
            let planned = decide(&view, &order.pass, plan)?;
            check_sizes(&planned, record_bytes_max)?;
            Ok(planned)
        });
        let decided = decided.map(|planned| {
            view.lay_over(&planned);
            let dropped = dropped_by(&planned);
            changes.extend(planned);
            dropped
        });
        batch.push(Planned {
            answer,
            audited: order.audited,
            follow_up: order.follow_up,
            note: order.note,
            decided,
        });
    }
    let committed = record(&batch).and_then(|()| {
        if changes.is_empty() && !store.applies_by_itself() {
            return Ok(sequence);
        }
        let committed = commit(store, &changes).map_err(OpsError::Storage);
        record_failure(&batch, committed.as_ref().err());
        committed
    });
    // Without changes the generation stays, and with it all that was derived from the catalog.
    if committed.is_ok() && !changes.is_empty() && !store.applies_by_itself() {
        catalog.apply(changes);
    }
    for planned in batch {
        planned.answer(&committed);
    }
    committed
}

impl Planned {
    fn answer(self, committed: &Result<Sequence, OpsError>) {
        let rests_on_state = matches!(self.decided, Ok(_) | Err(OpsError::Plan(_)));
        if let (Ok(sequence), Some(note), true) = (committed, &self.note, rests_on_state) {
            note.reach(*sequence);
        }
        let outcome = match (committed, self.decided) {
            (Ok(sequence), Ok(dropped)) => {
                if let Some(follow_up) = self.follow_up {
                    follow_up(dropped);
                }
                Ok(Outcome {
                    dropped,
                    sequence: *sequence,
                })
            }
            (Ok(_), Err(refusal)) => Err(refusal),
            (Err(error), _) => Err(error.clone()),
        };
        // The caller may have stopped waiting.
        let _ = self.answer.send(outcome);
    }
}

/// Tells the audit log what will be done and what is refused, before anything is. One that cannot be
/// told stops the whole batch: a plan may rest on the one before it.
fn record(batch: &[Planned]) -> Result<(), OpsError> {
    let audited = batch.iter().filter_map(|planned| {
        let audited = planned.audited.as_ref()?;
        Some((audited, planned.decided.as_ref().err()))
    });
    Ok(Audited::record_all(audited)?)
}

/// Says in further events that what was announced was not committed, or with 11602 that nobody knows.
fn record_failure(batch: &[Planned], failure: Option<&OpsError>) {
    if failure.is_none() {
        return;
    }
    let audited = batch.iter().filter_map(|planned| {
        let audited = planned.audited.as_ref()?;
        planned.decided.is_ok().then_some((audited, failure))
    });
    // It is over, done or not, so there is nothing left to refuse.
    let _ = Audited::record_all(audited);
}

/// What a job changes, if whoever wants it still may. A plan that panics is refused alone: the thread
/// lives for the others.
fn decide(view: &View<'_>, pass: &Pass, plan: Plan) -> Result<Vec<Change>, OpsError> {
    let decided = catch_unwind(AssertUnwindSafe(|| {
        if pass.still_holds(view) {
            plan(view).map_err(OpsError::Plan)
        } else {
            Err(OpsError::PassWithdrawn)
        }
    }));
    decided.unwrap_or(Err(OpsError::Panicked))
}

/// The thread outlives a store that panics, to say so to everybody who comes later.
fn commit(store: &dyn Store, changes: &[Change]) -> Result<Sequence, StoreError> {
    catch_unwind(AssertUnwindSafe(|| store.commit(changes)))
        .unwrap_or_else(|_| Err(StoreError::Unsettled(Box::new(StoreError::Panicked))))
}

/// Refuses what the store could not take, before the rest of the batch rests on it. The plan has
/// refused what no store takes.
fn check_sizes(changes: &[Change], record_bytes_max: usize) -> Result<(), OpsError> {
    if record_bytes_max >= RECORD_BYTES_MAX {
        return Ok(());
    }
    let checked = changes
        .iter()
        .try_for_each(|change| check_size(change, record_bytes_max));
    Ok(checked.map_err(PlanError::from)?)
}

fn dropped_by(changes: &[Change]) -> Dropped {
    let count = |is: fn(&Change) -> bool| changes.iter().filter(|change| is(change)).count();
    Dropped {
        users: count(|change| matches!(change, Change::DropUser(_))),
        roles: count(|change| matches!(change, Change::DropRole(_))),
    }
}
