//! `RestoreRBAC`: what was backed up comes back whole, or not at all where any of it is there already.

use std::sync::Arc;

use bytes::Bytes;

use super::check_privacy;
use super::entries::Entries;
use super::reading::Reading;
use crate::authz::{MilvusNeed, Pass};
use crate::catalog::plan::milvus::PRIVILEGE_GROUPS_MAX;
use crate::catalog::{PlanError, PrivilegeGroupError};
use crate::config::MilvusConfig;
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::model::names::RoleName;
use crate::ops::OpsError;

/// Bytes of a backup, for a hundred thousand users.
const BACKUP_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Users in a backup. A password alone has about a hundred bytes.
const BACKUP_USERS_MAX: usize = 200_000;
/// Roles of all users of a backup.
const BACKUP_USER_ROLES_MAX: usize = 400_000;
/// Roles in a backup.
const BACKUP_ROLES_MAX: usize = 100_000;
/// Grants in a backup.
const BACKUP_GRANTS_MAX: usize = 100_000;
/// Privileges in all groups of a backup, counting each time one comes.
const GROUP_PRIVILEGES_MAX: usize = 100_000;

pub(super) const OPERATION: ErrorCode = ErrorCode::OperatePrivilegeFailure;

/// `RestoreRBACMetaRequest` as it comes, with what is to be restored still as bytes: it is counted before
/// it is decoded, which is done once and where it holds up nobody. Of two the last one counts.
#[derive(Clone, PartialEq, Eq, Hash, prost::Message)]
pub(in crate::milvus) struct Restore {
    #[prost(bytes = "bytes", optional, tag = "2")]
    rbac_meta: Option<Bytes>,
}

impl Call for Restore {
    const METHOD: &'static str = "RestoreRBAC";
    const LONGEST_REQUEST: usize = BACKUP_BYTES_MAX;
    type Reply = Status;

    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        Some(context.global_need("RestoreRBAC"))
    }

    async fn run(self, context: &Context<'_>, pass: Pass) -> Result<Status, Failure> {
        context.check_writable()?;
        check_privacy::<Self>(context)?;
        let services = context.services();
        let meta = self.rbac_meta.unwrap_or_default();
        let settings = Arc::clone(&context.connection.milvus.settings);
        let parameters = Arc::clone(&services.parameters);
        let read = services.scan(move |catalog, interrupt| {
            let entries = Entries::of(&meta);
            check_counts(&entries, &settings)?;
            if entries.is_empty() {
                return Ok(None);
            }
            let reading = Reading {
                settings: &settings,
                parameters: &parameters,
                interrupt,
            };
            reading.read(meta, &catalog.privilege_groups()).map(Some)
        });
        let failed = |error| Failure::of_command(OPERATION, error);
        // Milvus says that all of nothing is restored.
        let Some((backup, changes)) = read.await.map_err(failed)?? else {
            return Ok(Status::default());
        };
        let order = context.order_of_all(pass, changes);
        let restored = services.directory.restore_rbac(order, backup).await;
        restored.map_err(|error| match error {
            OpsError::Plan(refusal) => refused(reason(&refusal)),
            error => Failure::of_write(OPERATION, error, services),
        })?;
        Ok(Status::default())
    }
}

/// Before anything is made of it: what there is too much of would be made for nothing.
fn check_counts(entries: &Entries, settings: &MilvusConfig) -> Result<(), Failure> {
    let full = if entries.roles > settings.roles_max {
        PlanError::MilvusRolesFull
    } else if entries.groups > PRIVILEGE_GROUPS_MAX {
        PrivilegeGroupError::Full.into()
    } else if entries.users > settings.users_max {
        PlanError::MilvusUsersFull
    } else {
        let limits = [
            (entries.users, BACKUP_USERS_MAX, "users"),
            (entries.user_roles, BACKUP_USER_ROLES_MAX, "roles of users"),
            (entries.roles, BACKUP_ROLES_MAX, "roles"),
            (entries.grants, BACKUP_GRANTS_MAX, "grants"),
            (
                entries.group_privileges,
                GROUP_PRIVILEGES_MAX,
                "privileges of groups",
            ),
        ];
        return match limits.into_iter().find(|(count, max, _)| count > max) {
            Some((_, max, what)) => Err(refused(format!("more than {max} {what}"))),
            None => Ok(()),
        };
    };
    Err(refused(reason(&full)))
}

pub(super) fn refused(reason: impl std::fmt::Display) -> Failure {
    Failure::of(
        OPERATION,
        format!("failed to check if rbac restorable: {reason}"),
    )
}

/// In the words of Milvus.
pub(super) fn reason(refusal: &PlanError) -> String {
    match refusal {
        PlanError::RoleExists(role) => format!("role [{}] already exists", role.role()),
        PlanError::RoleNotFound(role) => format!("role [{}] does not exist", role.role()),
        PlanError::RolesNotFound(roles) => {
            let role = roles.first().map_or("", RoleName::role);
            format!("role [{role}] does not exist")
        }
        PlanError::UserExists(user) => format!("user [{}] already exists", user.user()),
        PlanError::PrivilegeGroup(PrivilegeGroupError::Exists(group)) => {
            format!("privilege group [{group}] already exists")
        }
        PlanError::PrivilegeGroup(PrivilegeGroupError::UnknownPrivilege(name)) => {
            format!("privilege [{name}] does not exist")
        }
        refusal => refusal.to_string(),
    }
}
