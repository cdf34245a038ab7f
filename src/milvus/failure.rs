//! How a call fails: mostly by a status in the reply, now and then by a status of gRPC.
//!
//! pymilvus repeats a call for minutes after INTERNAL and UNKNOWN, so no mistake of a caller is told
//! that way, and no fault of ours that would be there again. UNAVAILABLE is for what passes and has
//! changed nothing; what may be written is `DEADLINE_EXCEEDED`, which is repeated by no version of it.

use super::proto::common::{ErrorCode, Status};
use crate::catalog::PlanError;
use crate::command::services::{Services, ops_error_code};
use crate::error::{CommandError, ErrorCode as CommandErrorCode};
use crate::ops::OpsError;

/// Codes of Milvus.
const INVALID_PARAMETER: i32 = 1100;
const NOT_AUTHENTICATED: i32 = 1400;
const NOT_PERMITTED: i32 = 1401;
const INVALID_GROUP_NAME: i32 = 1402;
const DATABASE_NOT_FOUND: i32 = 800;
const ANYTHING_ELSE: i32 = 65_535;

/// Why a call has failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// Told in the reply.
    Status(Status),
    /// Told instead of a reply.
    Rpc(tonic::Status),
}

impl Failure {
    /// 1100: the request is wrong. The text ends as all of these do in Milvus.
    pub(super) fn invalid(reason: impl std::fmt::Display) -> Self {
        let reason = format!("{reason}: invalid parameter");
        Self::input(INVALID_PARAMETER, ErrorCode::IllegalArgument, reason)
    }

    /// 1100 about one value: `invalid parameter[<what>]`.
    pub(super) fn invalid_value(reason: &str, what: impl std::fmt::Display) -> Self {
        let reason = format!("{reason}: invalid parameter[{what}]");
        Self::input(INVALID_PARAMETER, ErrorCode::IllegalArgument, reason)
    }

    /// 1100 with the code of an operation.
    pub(super) fn invalid_for(operation: ErrorCode, reason: impl std::fmt::Display) -> Self {
        Self::input(
            INVALID_PARAMETER,
            operation,
            format!("{reason}: invalid parameter"),
        )
    }

    /// 1402: no group of privileges can be called so.
    pub(super) fn invalid_group_name(reason: impl std::fmt::Display) -> Self {
        let reason = format!("{reason}: invalid privilege group name");
        Self::input(INVALID_GROUP_NAME, ErrorCode::UnexpectedError, reason)
    }

    /// 1400: a password is wrong.
    pub(super) fn not_authenticated(reason: &str) -> Self {
        let reason = format!("{reason}: not authenticated");
        Self::input(NOT_AUTHENTICATED, ErrorCode::UnexpectedError, reason)
    }

    /// 1401: nobody may do that.
    pub(super) fn not_permitted(reason: &str) -> Self {
        let reason = format!("{reason}: privilege not permitted");
        Self::input(NOT_PERMITTED, ErrorCode::UnexpectedError, reason)
    }

    /// 800: there is no such database in Milvus.
    pub(super) fn database_not_found(db: &str) -> Self {
        let reason = format!("database not found[database={db}]");
        Self::input(DATABASE_NOT_FOUND, ErrorCode::UnexpectedError, reason)
    }

    /// 65535 with the code of an operation.
    pub(super) fn of(operation: ErrorCode, reason: impl Into<String>) -> Self {
        Self::Status(Status {
            error_code: operation.into(),
            code: ANYTHING_ELSE,
            reason: reason.into(),
            ..Status::default()
        })
    }

    /// A change that did not happen; the refusals of an operation's own are worded by it before.
    pub(super) fn of_write(operation: ErrorCode, error: OpsError, services: &Services) -> Self {
        match error {
            OpsError::Plan(PlanError::UserNotFound(_)) => Self::user_not_found(operation),
            OpsError::Plan(PlanError::PrivilegeGroup(refusal)) => {
                Self::invalid_for(operation, refusal)
            }
            OpsError::Plan(PlanError::RoleNotFound(_) | PlanError::RolesNotFound(_)) => {
                Self::role_not_found(operation)
            }
            OpsError::PassWithdrawn => Self::Rpc(tonic::Status::permission_denied(
                "the permission was withdrawn before the change was made",
            )),
            OpsError::Closed => Self::stopping(),
            error if error.is_open() => Self::open(services.ops_error(error).message),
            // Not of the kind that passes, which clients are told to repeat.
            OpsError::Audit(failure) => Self::of(operation, failure.to_command_error().message),
            error if is_lasting(&error) => Self::of_command(operation, services.ops_error(error)),
            // Somebody else may write, or this server later.
            error => Self::Rpc(tonic::Status::unavailable(
                services.ops_error(error).message,
            )),
        }
    }

    /// An error as the other face would tell it.
    pub(super) fn of_command(operation: ErrorCode, error: CommandError) -> Self {
        match error.code {
            CommandErrorCode::SHUTDOWN_IN_PROGRESS => Self::stopping(),
            // The hashing pool is full: it will not be for long.
            CommandErrorCode::OPERATION_FAILED => {
                Self::Rpc(tonic::Status::unavailable(error.message))
            }
            _ => Self::of(operation, error.message),
        }
    }

    /// A user that is needed does not exist.
    pub(super) fn user_not_found(operation: ErrorCode) -> Self {
        Self::of(
            operation,
            "not found the user, maybe the user isn't existed or internal system error",
        )
    }

    /// A role that is needed does not exist.
    pub(super) fn role_not_found(operation: ErrorCode) -> Self {
        Self::of(
            operation,
            "not found the role, maybe the role isn't existed or internal system error",
        )
    }

    /// Nobody can say yet what came of a change, or whether it stays. gRPC has this status for calls that
    /// may have done what they were to do, and clients do not repeat it by themselves: a second
    /// `create_user` would only find what the first one made.
    pub(super) fn open(reason: impl Into<String>) -> Self {
        Self::Rpc(tonic::Status::deadline_exceeded(reason))
    }

    fn stopping() -> Self {
        Self::Rpc(tonic::Status::unavailable("the server is shutting down"))
    }

    fn input(code: i32, error_code: ErrorCode, reason: String) -> Self {
        Self::Status(Status {
            error_code: error_code.into(),
            code,
            detail: reason.clone(),
            reason,
            extra_info: [("is_input_error".to_owned(), "true".to_owned())].into(),
            ..Status::default()
        })
    }
}

/// Whether the same write would be refused again.
fn is_lasting(error: &OpsError) -> bool {
    let lasting = [
        CommandErrorCode::INTERNAL_ERROR,
        CommandErrorCode::OUT_OF_DISK_SPACE,
    ];
    matches!(error, OpsError::Plan(_)) || lasting.contains(&ops_error_code(error))
}
