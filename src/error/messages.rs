//! Constructors for the errors that several places answer with, each text written once.

use super::{CommandError, ErrorCode};
use crate::model::names::{DbName, RoleName, UserName};

impl CommandError {
    /// Every failed sign-in, whatever the reason: the reason is only in the log.
    pub fn authentication_failed() -> Self {
        Self::new(ErrorCode::AUTHENTICATION_FAILED, "Authentication failed.")
    }

    /// Nobody is signed in and the command needs somebody.
    pub fn requires_authentication(command: &str) -> Self {
        Self::new(
            ErrorCode::UNAUTHORIZED,
            format!("Command {command} requires authentication"),
        )
    }

    /// A name no server knows.
    pub fn command_not_found(name: &str) -> Self {
        Self::new(
            ErrorCode::COMMAND_NOT_FOUND,
            format!("no such command: '{name}'"),
        )
    }

    /// A command that is allowed, on data that are not kept here.
    pub fn no_engine(command: &str) -> Self {
        Self::new(
            ErrorCode::COMMAND_NOT_SUPPORTED,
            format!("{command} is allowed, but no engine stands behind this gate"),
        )
    }

    /// A stage that needs all documents at once, and more memory for them than there is.
    pub fn memory_exceeded(stage: &str) -> Self {
        Self::new(
            ErrorCode::QUERY_EXCEEDED_MEMORY_LIMIT_NO_DISK_USE_ALLOWED,
            format!("{stage} exceeded its memory limit, and there is no disk to use instead"),
        )
    }

    /// A write at a member that takes none.
    pub fn not_writable_primary() -> Self {
        Self::new(ErrorCode::NOT_WRITABLE_PRIMARY, "not primary").before_any_write()
    }

    /// A member that cannot follow what is in etcd, or is out of touch with it for too long.
    pub fn recovering() -> Self {
        Self::new(ErrorCode::NOT_PRIMARY_OR_SECONDARY, "node is recovering")
    }

    /// `apiStrict: true` and a command outside API version 1.
    pub fn api_strict(command: &str) -> Self {
        Self::new(
            ErrorCode::API_STRICT_ERROR,
            format!(
                "Provided apiStrict:true, but the command {command} is not in API Version 1. \
                 Information on supported commands and migrations in API Version 1 can be found at \
                 https://dochub.mongodb.org/core/manual-versioned-api"
            ),
        )
    }

    /// The server's own fault; `id` is in the log beside the details.
    pub fn internal(id: &str) -> Self {
        Self::new(
            ErrorCode::INTERNAL_ERROR,
            format!("Internal error; the server's log has the details under id {id}"),
        )
    }

    /// `createUser` for a user that is there.
    pub fn user_exists(user: &UserName) -> Self {
        Self::new(ErrorCode(51003), format!("User \"{user}\" already exists"))
    }

    /// A user that is not there.
    pub fn user_not_found(user: &str, db: &DbName) -> Self {
        Self::new(
            ErrorCode::USER_NOT_FOUND,
            format!("Could not find user \"{user}\" for db \"{db}\""),
        )
    }

    /// A change of a role that cannot change.
    pub fn role_is_built_in(role: &RoleName) -> Self {
        Self::bad_value(format!("{role} is a built-in role and cannot be modified"))
    }

    /// One or more roles are not there.
    pub fn roles_not_found(roles: &[RoleName]) -> Self {
        let names: Vec<_> = roles.iter().map(ToString::to_string).collect();
        let noun = if roles.len() == 1 { "role" } else { "roles" };
        Self::new(
            ErrorCode::ROLE_NOT_FOUND,
            format!("Could not find {noun}: {}", names.join(", ")),
        )
    }
}
