//! Every command over a socket: documents in, replies out.

#[path = "../support/mod.rs"]
mod support;

mod create_user;
