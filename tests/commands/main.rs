//! Every command over a socket: documents in, replies out.

#[path = "../support/mod.rs"]
mod support;
mod table;

mod user_tables;
mod users_info;
