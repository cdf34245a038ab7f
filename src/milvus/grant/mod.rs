//! Calls about what roles allow.

mod operate_privilege;
mod operate_privilege_v2;
mod select_grant;

pub(super) use select_grant::entity_of;

use compact_str::CompactString;

use super::call::Context;
use super::failure::{Failure, ROLE_NOT_FOUND};
use super::proto::common::{ErrorCode, Status};
use super::proto::milvus::OperatePrivilegeType;
use crate::authz::Pass;
use crate::catalog::PlanError;
use crate::error::ErrorCode as Code;
use crate::model::directory_change::{ChangeKind, DirectoryChange};
use crate::model::milvus::MilvusGrant;
use crate::model::names::RoleName;
use crate::ops::OpsError;

const OPERATION: ErrorCode = ErrorCode::OperatePrivilegeFailure;

/// Privileges that come and go with another one.
const COMPANIONS: [(&str, &[&str]); 2] = [
    ("Load", &["GetLoadState", "GetLoadingProgress"]),
    ("Flush", &["GetFlushState"]),
];

/// Grants or revokes, together with the companions of the privilege.
async fn operate(
    context: &Context<'_>,
    pass: Pass,
    (role, operation): (RoleName, OperatePrivilegeType),
    grant: MilvusGrant,
) -> Result<Status, Failure> {
    let services = context.services();
    let mut grants = vec![grant.clone()];
    let companions = COMPANIONS
        .iter()
        .filter(|(name, _)| *name == grant.privilege);
    for companion in companions.flat_map(|(_, companions)| *companions) {
        grants.push(MilvusGrant {
            privilege: CompactString::const_new(companion),
            ..grant.clone()
        });
    }
    let order = context.order(pass, change(&role, operation, &grants));
    let directory = &services.directory;
    let done = match operation {
        OperatePrivilegeType::Grant => directory.add_milvus_grants(order, role, grants).await,
        OperatePrivilegeType::Revoke => directory.remove_milvus_grants(order, role, grants).await,
    };
    done.map_err(|error| match error {
        OpsError::Plan(PlanError::RoleNotFound(_)) => refused(ROLE_NOT_FOUND),
        error => Failure::of_write(OPERATION, error, services),
    })?;
    Ok(Status::default())
}

/// By what the coordinator of Milvus checks for both forms, before it looks at the privilege.
fn refused(reason: impl std::fmt::Display) -> Failure {
    let reason = format!("failed to operate privilege common check: {reason}");
    Failure::of(OPERATION, reason)
}

/// Refuses a change of a role that is not there.
async fn check_role(
    context: &Context<'_>,
    role: &RoleName,
    operation: OperatePrivilegeType,
    grant: &MilvusGrant,
) -> Result<(), Failure> {
    if context.services().directory.catalog().role(role).is_some() {
        return Ok(());
    }
    let change = change(role, operation, std::slice::from_ref(grant));
    let refusal = refused(ROLE_NOT_FOUND);
    Err(context
        .refused_by_state(&change, Code::ROLE_NOT_FOUND, refusal)
        .await)
}

/// Named as the commands for MongoDB's privileges: what is granted tells the two apart.
fn change(
    role: &RoleName,
    operation: OperatePrivilegeType,
    grants: &[MilvusGrant],
) -> DirectoryChange {
    let command = match operation {
        OperatePrivilegeType::Grant => "grantPrivilegesToRole",
        OperatePrivilegeType::Revoke => "revokePrivilegesFromRole",
    };
    DirectoryChange {
        milvus_grants: Some(grants.into()),
        ..DirectoryChange::of_role(command, ChangeKind::Updated, role)
    }
}

/// The database that a grant is about: without a name, the one that the call is about.
fn database_meant<'a>(named: &'a str, context: &'a Context<'_>) -> &'a str {
    if named.is_empty() { &context.db } else { named }
}
