//! Portcullis: users, roles and sign-in over MongoDB's wire protocol.
//!
//! The rooms, from the ground up; none imports one above it (`tests/meta` checks):
//!
//! - [`secret`]: the one type for secrets. [`model`]: what users, roles and privileges are.
//! - [`query`]: MongoDB's filters over BSON documents, and its order of BSON values.
//! - [`wire`]: bytes to messages and back. [`net`]: sockets, limits, stopping.
//! - [`store`]: keeps changes. [`catalog`]: all users and roles in memory, and what may change.
//! - [`cluster`]: several servers as one replica set over etcd.
//! - [`authz`]: who may do what. [`auth`]: who is it. [`ops`]: the only path that writes.
//! - [`error`]: what a client is told. [`command`]: one file per command.
//! - [`milvus`]: the same users and roles for Milvus clients.
//! - [`config`], [`telemetry`]: options and logs. [`audit`]: who did what. [`server`]: puts it all
//!   together.
//!
//! `docs/architecture.md` is the long form of this map.

pub mod audit;
pub mod auth;
pub mod authz;
pub mod catalog;
pub mod cluster;
pub mod command;
pub mod config;
pub mod error;
pub mod milvus;
pub mod model;
pub mod net;
pub mod ops;
pub mod query;
pub mod secret;
pub mod server;
pub mod store;
pub mod telemetry;
pub mod wire;
