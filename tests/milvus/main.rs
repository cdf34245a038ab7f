//! The face for Milvus clients, through sockets: a gRPC client and MongoDB's driver against one server.

#![allow(clippy::unwrap_used)] // in helpers of tests too

#[path = "../support/mod.rs"]
mod support;

#[allow(dead_code, unreachable_pub)] // not all of it is needed here
#[path = "../audit/common.rs"]
mod audit_log;
mod auditing;
mod client;
mod connect;
mod generated;
mod grants;
mod groups;
mod keeper;
mod lists;
mod meanwhile;
mod metadata;
mod rbac;
mod rbac_whole;
mod refusals;
mod settings;
mod storm;
mod strangers;
mod tls;
mod two_faces;
