//! Calls about roles and who has them.

mod alter_role;
mod create_role;
mod drop_role;
mod operate_user_role;
mod select_role;

use super::proto::milvus::RoleEntity;
use crate::model::role::Role;

/// A role as replies show it.
pub(super) fn role_entity(role: &Role) -> RoleEntity {
    RoleEntity {
        name: role.name.role().to_owned(),
        description: role.milvus_description.to_string(),
    }
}
