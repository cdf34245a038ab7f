//! Signing in: who gets in, who does not, and what each of them is told.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // also in the helpers of tests
#![allow(unreachable_pub, missing_docs)] // nobody uses a test binary as a library

mod common;
#[path = "../support/mod.rs"]
mod support;

mod drivers;
mod failures;
mod first_admin;
mod live_sessions;
mod localhost_exception;
mod one_user;
mod plain;
mod races;
mod restrictions;
mod withdrawn;
mod x509;
