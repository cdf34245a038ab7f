//! The only path that writes: plan, commit, apply, answer.

mod directory;
mod writer;

pub use directory::{Directory, OpsError, Written};
