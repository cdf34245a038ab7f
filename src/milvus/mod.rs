//! The face for Milvus clients: users, roles and privileges by gRPC, from the same catalog.
//!
//! Users and roles that pymilvus makes are those of the database `milvus`. A call travels so:
//! `connection` speaks HTTP/2, `dispatch` finds the method among `calls` and makes the checks in
//! the order of Milvus, `authentication` says who calls, `call` is what each call declares,
//! `acknowledgement` waits until other members have what it changed, and `failure` is how it fails.
//! `docs/decisions/0014-milvus-face.md` says why it is as it is.

pub mod proto;

mod acknowledgement;
mod auditing;
mod authentication;
mod bootstrap;
mod call;
mod calls;
mod connection;
mod dispatch;
mod failure;
mod grant;
mod group;
mod names;
mod password;
mod rbac;
mod role;
mod server;
mod stranger_bytes;
mod timed_body;
mod user;

use std::sync::Arc;

use stranger_bytes::StrangerBytes;

use crate::command::services::Services;
use crate::config::MilvusConfig;

pub use bootstrap::{BootstrapError, Root, ShowPassword, bootstrap};

/// Serves Milvus' calls to every connection.
#[derive(Clone)]
pub struct Milvus {
    services: Arc<Services>,
    settings: Arc<MilvusConfig>,
    stranger_bytes: Arc<StrangerBytes>,
}

impl Milvus {
    /// On the users and roles of `services`.
    pub fn new(services: Arc<Services>, settings: Arc<MilvusConfig>) -> Self {
        Self {
            services,
            settings,
            stranger_bytes: Arc::default(),
        }
    }
}
