//! Users, roles and the version of their schema, read as the collections in which mongod keeps them.
//!
//! `admin.system.users`, `admin.system.roles` and `admin.system.version` have no data of their own:
//! `system_collection` makes their documents from the catalog as they are read, and that of
//! `local.system.replset` from the configuration of the replica set. What a command
//! answers over several batches stays in [`cursors`]. Commands on any other collection are
//! authorized and then refused with 115.

pub mod aggregate;
mod aggregate_stages;
mod batch;
pub mod count;
pub mod cursors;
pub mod distinct;
pub mod find;
pub mod get_more;
pub mod kill_cursors;
pub mod list_collections;
pub mod list_indexes;
pub(in crate::command) mod options;
pub mod portcullis_backup;
mod rows;
mod system_collection;
