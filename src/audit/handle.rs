//! The thread that writes events, and the handle on it.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::event::Event;
use super::filter;
use super::hide::HidingKey;
use super::sink::{Encoding, Sink};
use crate::config::{AuditConfig, AuditDestination, OnAuditFailure};
use crate::error::{CommandError, ErrorCode};
use crate::query::Filter;
use crate::secret::Secret;
use crate::telemetry::events;

/// Requests that may wait for the thread; who comes later waits for a place.
const QUEUE_JOBS_MAX: usize = 256;
/// Events of those who cannot wait that may wait for a place all the same, besides the queue: when a
/// server stops, or a network fails, all its connections end at once.
const LATE_EVENTS_MAX: usize = 16 * 1024;
/// Requests that are written at once.
const BATCH_JOBS_MAX: usize = 256;
/// Bytes of an event's `param` that goes to syslog: a datagram has to hold it.
const SYSLOG_PARAM_BYTES_MAX: usize = 32 * 1024;

/// Why an event was not written, and therefore what it tells of was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuditError {
    /// There is no room for it.
    #[error("no space left for the audit log")]
    DiskFull,
    /// The system refused it; the reason is for the log.
    #[error("the audit log cannot be written: {0}")]
    Failed(String),
    /// The server is stopping.
    #[error("the audit log is closed")]
    Closed,
}

impl AuditError {
    /// 14031 for a full disk, else 96; without paths and reasons.
    pub fn to_command_error(&self) -> CommandError {
        let (code, message) = match self {
            Self::DiskFull => (
                ErrorCode::OUT_OF_DISK_SPACE,
                "no space left for the audit log, so nothing was done",
            ),
            Self::Failed(_) | Self::Closed => (
                ErrorCode::OPERATION_FAILED,
                "the audit log cannot be written, so nothing was done",
            ),
        };
        CommandError::new(code, message)
    }
}

impl From<io::Error> for AuditError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Why auditing cannot start. One sentence each.
#[derive(Debug, thiserror::Error)]
pub enum AuditStartError {
    /// The filter is none.
    #[error("auditLog.filter is not a filter: {0}")]
    Filter(String),
    /// The destination cannot be opened.
    #[error("cannot open the audit log {destination}: {reason}")]
    Open {
        /// The file, or the kind of destination.
        destination: String,
        /// The system's words.
        reason: io::Error,
    },
    /// The system gave no thread.
    #[error("cannot start the audit log: {0}")]
    Thread(io::Error),
}

/// The audit log; cheap to clone. Off unless a destination is configured, and then every question is
/// one branch.
#[derive(Clone, Default)]
pub struct Audit(Option<Arc<Running>>);

struct Running {
    key: HidingKey,
    filter: Option<Filter>,
    encoding: Encoding,
    param_bytes_max: usize,
    on_failure: OnAuditFailure,
    counters: Arc<Counters>,
    /// `None` once closed.
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    /// Room for [`Audit::record_later`] beyond the queue.
    late: Arc<Semaphore>,
    /// Ends when the thread has written its last event.
    done: watch::Receiver<()>,
}

#[derive(Debug, Default)]
struct Counters {
    events: AtomicU64,
    failures: AtomicU64,
}

enum Job {
    Write {
        events: Vec<Vec<u8>>,
        answer: Option<oneshot::Sender<Result<(), AuditError>>>,
    },
    Reopen,
}

impl Job {
    fn answered(events: Vec<Vec<u8>>) -> (Self, oneshot::Receiver<Result<(), AuditError>>) {
        let (answer, written) = oneshot::channel();
        let answer = Some(answer);
        (Self::Write { events, answer }, written)
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Audit").field(&self.is_on()).finish()
    }
}

impl Audit {
    /// Opens the destination and starts the thread; `None` is off. Blocks.
    pub fn start(
        config: Option<&AuditConfig>,
        deployment_secret: &Secret<[u8; 32]>,
    ) -> Result<Self, AuditStartError> {
        let Some(config) = config else {
            return Ok(Self(None));
        };
        let filter = config.filter.as_deref().map(filter::parse).transpose();
        let filter = filter.map_err(AuditStartError::Filter)?;
        let destination = &config.destination;
        let sink = Sink::open(destination).map_err(|reason| AuditStartError::Open {
            destination: destination.to_string(),
            reason,
        })?;
        let counters = Arc::new(Counters::default());
        let (queue, jobs) = mpsc::channel(QUEUE_JOBS_MAX);
        let (running, done) = watch::channel(());
        let counted = Arc::clone(&counters);
        thread::Builder::new()
            .name("audit".into())
            .spawn(move || {
                write_until_closed(sink, &counted, jobs);
                drop(running);
            })
            .map_err(AuditStartError::Thread)?;
        Ok(Self(Some(Arc::new(Running {
            key: HidingKey::new(deployment_secret),
            filter,
            encoding: Encoding::of(destination),
            param_bytes_max: match destination {
                AuditDestination::Syslog => SYSLOG_PARAM_BYTES_MAX,
                _ => usize::MAX,
            },
            on_failure: config.on_failure,
            counters,
            queue: Mutex::new(Some(queue)),
            late: Arc::new(Semaphore::new(LATE_EVENTS_MAX)),
            done,
        }))))
    }

    /// Whether events are wanted at all.
    pub fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// Writes an event and waits until it is written. An error means that what it tells of must not
    /// be done; `auditLog.onFailure: continue` leaves none.
    pub async fn record(&self, event: Event) -> Result<(), AuditError> {
        let Some((running, events)) = self.encoded(std::slice::from_ref(&event)) else {
            return Ok(());
        };
        running.on_failure(running.write(events).await)
    }

    /// Like [`Self::record`], for several events that are written all or not at all, on a thread that
    /// may block.
    pub fn record_blocking(&self, events: &[Event]) -> Result<(), AuditError> {
        let Some((running, events)) = self.encoded(events) else {
            return Ok(());
        };
        running.on_failure(running.write_blocking(events))
    }

    /// Writes an event soon, for those who cannot wait. One for which there is no place counts as
    /// failed.
    pub fn record_later(&self, event: &Event) {
        let Some((running, events)) = self.encoded(std::slice::from_ref(event)) else {
            return;
        };
        if !running.write_later(events) {
            running.counters.failures.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Opens the file anew, for whoever has moved it away.
    pub async fn reopen(&self) {
        let queue = self.0.as_ref().and_then(|running| running.queue().clone());
        if let Some(queue) = queue {
            // An error means that the server is stopping.
            let _ = queue.send(Job::Reopen).await;
        }
    }

    /// Events written and events that could not be; `None` when off.
    pub fn counters(&self) -> Option<(u64, u64)> {
        let counters = &self.0.as_ref()?.counters;
        Some((
            counters.events.load(Ordering::Relaxed),
            counters.failures.load(Ordering::Relaxed),
        ))
    }

    /// Writes what waits, and nothing after it.
    pub async fn close(&self) {
        if let Some(running) = &self.0 {
            drop(running.queue().take());
            // Nothing is ever sent: the error says that the thread has ended.
            let _ = running.done.clone().changed().await;
        }
    }

    /// The bytes of the events that pass the filter; `None` if there are none.
    fn encoded(&self, events: &[Event]) -> Option<(&Running, Vec<Vec<u8>>)> {
        let running = self.0.as_deref()?;
        let encoded: Vec<_> = events.iter().filter_map(|it| running.encode(it)).collect();
        (!encoded.is_empty()).then_some((running, encoded))
    }
}

impl Running {
    fn encode(&self, event: &Event) -> Option<Vec<u8>> {
        let bytes_max = event.param_bytes_max.min(self.param_bytes_max);
        let param = self.key.hide(&event.param, &event.sensitive, bytes_max);
        let document = event.to_document(param);
        let is_wanted = |filter: &Filter| filter::lets_pass(filter, &document);
        let passes = self.filter.as_ref().is_none_or(is_wanted);
        passes.then(|| self.encoding.encode(&document))
    }

    async fn write(&self, events: Vec<Vec<u8>>) -> Result<(), AuditError> {
        let queue = self.queue().clone().ok_or(AuditError::Closed)?;
        let (job, written) = Job::answered(events);
        queue.send(job).await.map_err(|_| AuditError::Closed)?;
        drop(queue);
        written.await.unwrap_or(Err(AuditError::Closed))
    }

    fn write_blocking(&self, events: Vec<Vec<u8>>) -> Result<(), AuditError> {
        let queue = self.queue().clone().ok_or(AuditError::Closed)?;
        let (job, written) = Job::answered(events);
        queue.blocking_send(job).map_err(|_| AuditError::Closed)?;
        drop(queue);
        written.blocking_recv().unwrap_or(Err(AuditError::Closed))
    }

    /// Whether there is a place.
    fn write_later(&self, events: Vec<Vec<u8>>) -> bool {
        let Some(queue) = self.queue().clone() else {
            return false;
        };
        let answer = None;
        match queue.try_send(Job::Write { events, answer }) {
            Ok(()) => true,
            Err(TrySendError::Closed(_)) => false,
            Err(TrySendError::Full(job)) => {
                let place = Arc::clone(&self.late).try_acquire_owned();
                let (Ok(place), Ok(runtime)) = (place, Handle::try_current()) else {
                    return false;
                };
                runtime.spawn(async move {
                    // An error means that the thread has ended, which is in the log.
                    let _ = queue.send(job).await;
                    drop(place);
                });
                true
            }
        }
    }

    fn on_failure(&self, written: Result<(), AuditError>) -> Result<(), AuditError> {
        match self.on_failure {
            OnAuditFailure::Refuse => written,
            OnAuditFailure::Continue => Ok(()),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Option<mpsc::Sender<Job>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_until_closed(mut sink: Sink, counters: &Counters, mut jobs: mpsc::Receiver<Job>) {
    let mut batch = Vec::new();
    let mut lost = 0;
    while jobs.blocking_recv_many(&mut batch, BATCH_JOBS_MAX) > 0 {
        let mut all = Vec::new();
        let mut answers = Vec::new();
        for job in batch.drain(..) {
            match job {
                // Events before it may go to the new file: they are newer than the move.
                Job::Reopen => sink.reopen(),
                Job::Write { events, answer } => {
                    all.extend(events);
                    answers.extend(answer);
                }
            }
        }
        let written = write(&mut sink, counters, &mut lost, &all);
        for answer in answers {
            // Whoever waited may have gone.
            let _ = answer.send(written.clone());
        }
    }
}

/// Writes, counts, and says in the log when it stops and when it begins again to work.
fn write(
    sink: &mut Sink,
    counters: &Counters,
    lost: &mut u64,
    events: &[Vec<u8>],
) -> Result<(), AuditError> {
    let count = u64::try_from(events.len()).unwrap_or(u64::MAX);
    match sink.write(events) {
        Ok(()) => {
            counters.events.fetch_add(count, Ordering::Relaxed);
            if *lost > 0 {
                events::audit_recovered(std::mem::take(lost));
            }
            Ok(())
        }
        Err(error) => {
            counters.failures.fetch_add(count, Ordering::Relaxed);
            if *lost == 0 {
                events::audit_failed(&error);
            }
            *lost += count;
            Err(error.into())
        }
    }
}

#[cfg(test)]
mod tests;
