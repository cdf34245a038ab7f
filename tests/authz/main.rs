//! Who may do what, and what of it is written where.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // also in the helpers of tests
#![allow(unreachable_pub, missing_docs)] // nobody uses a test binary as a library

#[path = "../support/mod.rs"]
mod support;

mod log_leaks;
mod matrix;
mod own_account;
mod privileges;
mod unserved;
