//! What `grantRolesToUser` and `revokeRolesFromUser` share.

use crate::command::context::Context;
use crate::command::names::RoleArgument;
use crate::error::{CommandError, ErrorCode};
use crate::model::names::{RoleName, UserName};
use crate::ops::OpsError;

/// The user and the roles of a command that changes which roles a user holds.
pub(super) fn user_and_roles(
    context: &Context<'_>,
    command: &str,
    user: &str,
    roles: &[RoleArgument],
) -> Result<(UserName, Vec<RoleName>), CommandError> {
    if roles.is_empty() {
        return Err(CommandError::bad_value(format!(
            "{command} command requires a non-empty \"roles\" array"
        )));
    }
    let db = &context.generic.db;
    let name = UserName::new(user, db.clone()).map_err(|_| could_not_find(user, db.as_str()))?;
    // A user that is not there comes before roles that cannot be.
    if context.services.directory.catalog().user(&name).is_none() {
        return Err(could_not_find(user, db.as_str()));
    }
    Ok((name, RoleArgument::resolve_all(roles, db)?))
}

/// The error of a change that was refused.
pub(super) fn refused(context: &Context<'_>, name: &UserName, error: OpsError) -> CommandError {
    if error.is_user_not_found() {
        could_not_find(name.user(), name.db().as_str())
    } else {
        context.services.ops_error(error)
    }
}

fn could_not_find(user: &str, db: &str) -> CommandError {
    CommandError::new(
        ErrorCode::USER_NOT_FOUND,
        format!("Could not find user \"{user}\" for db \"{db}\""),
    )
}
