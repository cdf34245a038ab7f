//! Several servers as a replica set over etcd.

#![allow(clippy::unwrap_used)] // in helpers of tests too

#[path = "../support/mod.rs"]
mod support;

mod causal;
mod commands;
mod hello;
mod history;
mod house;
mod member_state;
#[allow(dead_code, unreachable_pub)] // not all of it is needed here
#[path = "../milvus/client.rs"]
mod milvus_client;
mod write_concern;
