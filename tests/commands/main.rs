//! Every command over a socket: documents in, replies out.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // also in the helpers of tests
#![allow(unreachable_pub, missing_docs)] // nobody uses a test binary as a library

#[path = "../support/mod.rs"]
mod support;
mod table;

mod changing_users;
mod connection_status;
mod diagnostic;
mod generic_arguments;
mod hello;
mod hello_awaitable;
mod hello_sign_in;
mod legacy;
mod replication;
mod roles_info;
mod sasl;
mod sessions;
mod user_tables;
mod users_info;
mod users_info_details;
