//! Commands a driver sends before its user does anything.

pub mod build_info;
mod client_metadata;
pub mod connection_status;
pub mod hello;
mod hello_sign_in;
pub mod ping;
pub mod replica_set_hello;
pub mod topology;
pub mod whatsmyuri;
