//! The face for Milvus clients, through sockets: a gRPC client and MongoDB's driver against one server.

#![allow(clippy::unwrap_used)] // in helpers of tests too

#[path = "../support/mod.rs"]
mod support;

mod client;
mod generated;
mod metadata;
mod refusals;
mod two_faces;
