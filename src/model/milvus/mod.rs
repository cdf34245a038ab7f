//! What Milvus knows of privileges: objects, the privileges on each, groups of them, and grants.
//!
//! Names are those of the Milvus API, without the prefix `Privilege`. They are case-sensitive.

mod grant;
mod group;
mod privilege;

pub use grant::{ANY, DEFAULT_DATABASE, MilvusGrant};
pub use group::{BUILT_IN_GROUPS, BuiltInGroup, Level, built_in_group};
pub use privilege::{ALL, MilvusObject, MilvusPrivilege, PRIVILEGES, object_of};
