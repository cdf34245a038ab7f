//! What clients call first.

mod check_health;
mod connect;
mod describe_database;
mod get_version;
mod list_databases;

/// The version of Milvus whose answers these are.
const VERSION: &str = "v2.6.0";

/// The id that Milvus gives the first database.
const DEFAULT_DATABASE_ID: i64 = 1;
