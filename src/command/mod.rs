//! Commands: what a client can ask for.
//!
//! One file a command, in a folder by purpose; [`registry`] lists them all. A request goes through
//! [`dispatch`] (which command, on which database, for whom) and [`execute`] (arguments, privileges,
//! write concern) into the command's own `run`, whose [`reply::Reply`] becomes the answer.
//!
//! To add a command: write its file after the pattern of `handshake/ping.rs` and add its line to
//! `registry.rs`.

pub mod arguments;
pub mod auditing;
pub mod cluster_time;
pub mod collection;
pub mod context;
pub mod diagnostic;
pub mod dispatch;
pub mod execute;
pub mod field_types;
pub mod generic;
pub mod handshake;
pub mod member;
pub mod metrics;
pub mod names;
pub mod privileges;
pub mod read_concern;
pub mod read_preference;
mod reference;
pub mod registry;
pub mod replication;
pub mod reply;
pub mod restore;
pub mod restrictions;
pub mod role;
pub mod roles_array;
pub mod sasl;
pub mod services;
pub mod session;
pub mod spec;
pub mod unserved;
pub mod user;
pub mod write_concern;

pub use reference::commands_reference;
