//! The only path that writes: plan, commit, apply, answer.

mod directory;
mod milvus;
mod order;
mod writer;

pub use directory::{Directory, OpsError, Written};
pub use order::{CommitNote, Dropped, Order};
