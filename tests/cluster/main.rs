//! Several servers as a replica set over etcd.

// In helpers of tests too; commands are handed over as they are written.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

#[path = "../support/mod.rs"]
mod support;

mod acknowledged;
mod audited;
mod batches;
mod causal;
mod clock;
mod commands;
mod common;
mod consistency;
mod deposed;
mod driver;
mod etcd_full;
mod etcd_gone;
mod etcd_parted;
mod etcd_restored;
mod etcd_secured;
mod failover;
mod first_admin;
mod hello;
mod history;
mod house;
mod interrupted;
mod kill;
mod member_state;
mod milvus;
mod milvus_acknowledged;
#[allow(dead_code, unreachable_pub)] // not all of it is needed here
#[path = "../milvus/client.rs"]
mod milvus_client;
mod milvus_secondary;
mod names;
mod quiesce;
mod random;
mod reconfigure;
mod reconfigure_behind;
mod removed;
mod replication;
mod restore;
mod server_status;
mod write_concern;
