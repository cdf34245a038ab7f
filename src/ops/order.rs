//! What comes with a wish to write: the permission, and what follows the commit.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::OpsError;
use crate::audit::{Audit, AuditError, Event};
use crate::authz::Pass;
use crate::store::Sequence;

/// How many names a write dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Dropped {
    /// Users.
    pub users: usize,
    /// Roles.
    pub roles: usize,
}

/// Where the writer notes the commit that the outcome of an order rests on, for whoever waits until
/// others have it as well.
#[derive(Debug, Clone, Default)]
pub struct CommitNote(Arc<AtomicU64>);

impl CommitNote {
    /// Notes a commit. The last one counts.
    pub fn reach(&self, sequence: Sequence) {
        self.0.fetch_max(sequence.0, Ordering::Relaxed);
    }

    /// The last commit; `None` if nothing was tried, or nothing was ever committed.
    pub fn sequence(&self) -> Option<Sequence> {
        let sequence = self.0.load(Ordering::Relaxed);
        (sequence > 0).then_some(Sequence(sequence))
    }
}

/// Leave to write. The writer asks the pass again against the state it changes, and does what
/// [`Order::once_written`] names even if whoever waits for the answer has gone: a change without its
/// line in the log must not be.
pub struct Order {
    pub(super) pass: Pass,
    pub(super) audited: Option<Audited>,
    pub(super) follow_up: Option<Box<dyn FnOnce(Dropped) + Send>>,
    pub(super) note: Option<CommitNote>,
}

/// What the audit log is told of an order, which depends on what comes of it.
pub(super) struct Audited {
    audit: Audit,
    events: ToEvents,
}

/// Makes the events of an order that is done, or refused for this reason.
type ToEvents = Box<dyn Fn(Option<&OpsError>) -> Vec<Event> + Send>;

impl Order {
    /// Nothing follows.
    pub fn new(pass: Pass) -> Self {
        Self {
            pass,
            audited: None,
            follow_up: None,
            note: None,
        }
    }

    /// Is written to the audit log before the commit, with the refusal if it is refused; what cannot
    /// be written there is not committed.
    #[must_use]
    pub fn audited(
        self,
        audit: Audit,
        event: impl Fn(Option<&OpsError>) -> Event + Send + 'static,
    ) -> Self {
        self.audited_as(audit, move |refusal| vec![event(refusal)])
    }

    /// The same for an order that is several changes: `events` is asked once it is planned.
    #[must_use]
    pub fn audited_as(
        self,
        audit: Audit,
        events: impl Fn(Option<&OpsError>) -> Vec<Event> + Send + 'static,
    ) -> Self {
        let events = Box::new(events);
        Self {
            audited: Some(Audited { audit, events }),
            ..self
        }
    }

    /// Has its commit noted there, or the last one if it is refused or changes nothing.
    #[must_use]
    pub fn noted_in(self, note: Option<CommitNote>) -> Self {
        Self { note, ..self }
    }

    /// Runs on the writer thread after the commit and before the answer: it must be short.
    #[must_use]
    pub fn once_written(self, follow_up: impl FnOnce(Dropped) + Send + 'static) -> Self {
        Self {
            follow_up: Some(Box::new(follow_up)),
            ..self
        }
    }
}

impl Audited {
    /// Writes what came of a batch: all of it or, with an error, nothing. Blocks.
    pub(super) fn record_all<'a>(
        batch: impl Iterator<Item = (&'a Self, Option<&'a OpsError>)>,
    ) -> Result<(), AuditError> {
        let mut audit = None;
        let mut events = Vec::new();
        for (audited, refusal) in batch {
            // There is one audit log.
            audit = Some(&audited.audit);
            events.extend((audited.events)(refusal));
        }
        audit.map_or(Ok(()), |audit| audit.record_blocking(&events))
    }
}

impl fmt::Debug for Order {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Order")
            .field("pass", &self.pass)
            .finish_non_exhaustive()
    }
}
