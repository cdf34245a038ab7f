//! Users and roles read as collections: queries, cursors, and who may do what.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // also in the helpers of tests
#![allow(unreachable_pub, missing_docs)] // nobody uses a test binary as a library

mod common;
#[path = "../support/mod.rs"]
mod support;
#[path = "../commands/table.rs"]
mod table;

mod cursors;
mod privileges;
mod reading;
mod restore;
mod tables;
