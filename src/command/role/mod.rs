//! Commands about roles.

use crate::catalog::builtin;
use crate::error::{CommandError, ErrorCode};
use crate::model::names::{DbName, RoleName};

pub mod create_role;
pub mod drop_all_roles_from_database;
pub mod drop_role;
pub mod grant_privileges_to_role;
pub mod grant_roles_to_role;
pub mod invalidate_user_cache;
pub mod revoke_privileges_from_role;
pub mod revoke_roles_from_role;
pub mod roles_info;
pub(in crate::command) mod roles_info_shape;
pub mod update_role;

/// The role to look up; an empty name is that of a role that is not there.
fn role_name(role: &str, db: &DbName) -> Result<RoleName, CommandError> {
    RoleName::new(role, db.clone()).map_err(|_| {
        let text = format!("Could not find role: {role}@{db}");
        CommandError::new(ErrorCode::ROLE_NOT_FOUND, text)
    })
}

/// The role to grant to or revoke from, which mongod does not look up before it writes: that nobody
/// has an empty name is said as for any other role that turns out not to be there.
fn changed_role_name(role: &str, db: &DbName) -> Result<RoleName, CommandError> {
    RoleName::new(role, db.clone()).map_err(|_| {
        let text = format!("Role {role}@{db} not found");
        CommandError::new(ErrorCode::ROLE_NOT_FOUND, text)
    })
}

/// Said before anything else about the role, and again when the change is planned.
fn refuse_built_in(role: &RoleName) -> Result<(), CommandError> {
    if builtin::is_builtin(role) {
        Err(CommandError::role_is_built_in(role))
    } else {
        Ok(())
    }
}
