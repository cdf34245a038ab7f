//! The audit log: what is in it, what is not, and what happens when it cannot be written.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // also in the helpers of tests
#![allow(unreachable_pub, missing_docs)] // nobody uses a test binary as a library

#[path = "../support/mod.rs"]
mod support;

mod access;
mod changes;
mod common;
mod failures;
mod files;
mod hidden;
mod restore;
