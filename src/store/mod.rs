//! Keeps changes.
//!
//! A store does two things: it commits batches of [`Change`]s, and it replays everything it has so
//! that the catalog can be rebuilt. It answers no questions: the catalog in memory serves every read.
//!
//! `docs/journal.md` says byte by byte what is kept; `tests/store` is the suite every store passes.

mod acknowledged;
mod change;
mod error;
mod folder;
mod memory;
pub mod record;
mod redb;

use std::fmt;

pub use change::{Change, Setting};
pub use error::StoreError;
pub use memory::MemoryStore;
pub use redb::RedbStore;

/// The position of a commit. Grows by one with every batch that changed something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Sequence(pub u64);

impl fmt::Display for Sequence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// Where changes are kept.
///
/// Calls block; the writer thread of `ops` makes them.
pub trait Store: fmt::Debug + Send + Sync {
    /// Keeps all of `batch` or nothing. When it returns, the batch survives a crash of the process
    /// and of the machine, if [`Store::is_durable`]. Later changes to the same name win.
    ///
    /// An empty batch changes nothing and returns the present sequence. After a failed commit it is
    /// open whether the batch was kept, so every later one answers [`StoreError::Poisoned`] until the
    /// store is opened again.
    fn commit(&self, batch: &[Change]) -> Result<Sequence, StoreError>;

    /// Hands everything kept to `sink` as `Put` changes: settings, then roles, then users; the
    /// order within a kind is the store's. Returns the sequence of the last commit; a new store has 0.
    fn replay(&self, sink: &mut dyn FnMut(Change)) -> Result<Sequence, StoreError>;

    /// Whether what is committed outlives the process. If not, `j: true` is refused.
    fn is_durable(&self) -> bool;

    /// The name for logs and `serverStatus`.
    fn name(&self) -> &'static str;

    /// Whether what is committed reaches the catalog on its own way before the commit returns, as with
    /// a store that others write to as well.
    fn applies_by_itself(&self) -> bool {
        false
    }

    /// Whether a commit may be tried now; asked before a batch is planned.
    fn check_writable(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// How many jobs make one batch at most, so that it fits where it has to.
    fn jobs_per_batch_max(&self) -> usize {
        1024
    }

    /// Bytes a record may have here.
    fn record_bytes_max(&self) -> usize {
        record::RECORD_BYTES_MAX
    }
}
