//! Several servers as a replica set over etcd.

#![allow(clippy::unwrap_used)] // in helpers of tests too

#[path = "../support/mod.rs"]
mod support;

mod causal;
mod history;
mod house;
mod write_concern;
