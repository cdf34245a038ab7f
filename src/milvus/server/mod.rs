//! What clients call first.

mod check_health;
mod connect;
mod get_version;
mod list_databases;

/// The version of Milvus whose answers these are.
const VERSION: &str = "v2.6.0";
