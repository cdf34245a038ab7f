//! What `grantRolesToUser` and `revokeRolesFromUser` share.

use crate::command::arguments::non_empty;
use crate::command::context::Context;
use crate::command::names::RoleArgument;
use crate::error::CommandError;
use crate::model::names::{RoleName, UserName};
use crate::ops::OpsError;

/// The user and the roles of a command that changes which roles a user holds.
pub(super) fn user_and_roles(
    context: &Context<'_>,
    command: &str,
    user: &str,
    roles: &[RoleArgument],
) -> Result<(UserName, Vec<RoleName>), CommandError> {
    non_empty(roles, command, "roles")?;
    let db = &context.generic.db;
    let name =
        UserName::new(user, db.clone()).map_err(|_| CommandError::user_not_found(user, db))?;
    // A user that is not there comes before roles that cannot be. In a replica set only the writer can tell.
    let services = context.services;
    if services.replica_set.is_none() && services.directory.catalog().user(&name).is_none() {
        return Err(CommandError::user_not_found(user, db));
    }
    Ok((name, RoleArgument::resolve_all(roles, db)?))
}

/// The error of a change that was refused.
pub(super) fn refused(context: &Context<'_>, name: &UserName, error: OpsError) -> CommandError {
    if error.is_user_not_found() {
        CommandError::user_not_found(name.user(), name.db())
    } else {
        context.services.ops_error(error)
    }
}
