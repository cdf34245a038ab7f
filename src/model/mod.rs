//! The vocabulary: what users, roles, privileges and restrictions are.
//!
//! Types here exist only if valid and do nothing: no storage, no sockets, no commands. Every other
//! room may use them.

pub mod action;
pub mod directory_change;
pub mod mechanism;
pub mod milvus;
pub mod names;
pub mod plain_credential;
pub mod privilege;
pub mod resource;
pub mod restriction;
pub mod role;
pub mod transient;
pub mod user;
