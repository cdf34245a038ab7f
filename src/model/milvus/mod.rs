//! What Milvus knows of privileges: objects, the privileges on each, groups of them, and grants.
//!
//! Names are those of the Milvus API, without the prefix `Privilege`. They are case-sensitive.

mod description;
mod grant;
mod group;
mod own_group;
mod privilege;

pub use description::{described, description_of};
pub use grant::{ANY, DEFAULT_DATABASE, MilvusGrant};
pub use group::{BUILT_IN_GROUPS, BuiltInGroup, Level, built_in_group};
pub use own_group::{PrivilegeGroup, PrivilegeGroups, is_predefined, privilege_level};
pub use privilege::{ALL, MilvusObject, MilvusPrivilege, PRIVILEGES, object_of};
