//! The door: who may come in, as whom, and how often they may knock.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // also in the helpers of tests
#![allow(unreachable_pub, missing_docs)] // nobody uses a test binary as a library

#[path = "../support/mod.rs"]
mod support;

mod allowlist;
mod common;
mod failed_sign_ins;
mod half_open;
mod hashing;
mod logs;
mod proxy;
mod unauthenticated;
