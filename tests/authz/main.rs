//! Who may do what, and what of it is written where.

// A helper that fails fails its test.
#![allow(clippy::unwrap_used, clippy::expect_used, unreachable_pub)]

#[path = "../support/mod.rs"]
mod support;

mod log_leaks;
mod matrix;
mod own_account;
mod privileges;
