//! Copies of a running server, and servers made of them.

#![allow(clippy::unwrap_used)] // also in the helpers of tests
#![allow(unreachable_pub, missing_docs)] // nobody uses a test binary as a library

mod common;
#[path = "../support/mod.rs"]
mod support;

mod broken;
mod command;
mod copying;
mod lying_server;
mod refusals;
mod restoring;
