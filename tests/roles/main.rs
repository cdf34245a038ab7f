//! Roles that administrators make: the commands that change them, and what they do to those who hold
//! them.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // also in the helpers of tests
#![allow(unreachable_pub, missing_docs)] // nobody uses a test binary as a library

mod common;
#[path = "../support/mod.rs"]
mod support;
#[path = "../commands/table.rs"]
mod table;

mod answers;
mod dropping;
mod inheritance;
mod races;
mod restart;
mod restrictions;
mod stopping;
mod strangers;
mod tables;
