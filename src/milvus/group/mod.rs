//! Calls about groups of privileges that administrators make.

mod create_privilege_group;
mod drop_privilege_group;
mod list_privilege_groups;
mod operate_privilege_group;

use compact_str::CompactString;

use super::failure::Failure;
use super::proto::common::ErrorCode;
use super::proto::milvus::{PrivilegeEntity, PrivilegeGroupInfo};
use crate::catalog::{PlanError, PrivilegeGroupError};
use crate::command::services::Services;
use crate::model::directory_change::{ChangeKind, DirectoryChange, Subject};
use crate::ops::OpsError;

/// A group as replies show it.
pub(super) fn group_info<'a>(
    name: &str,
    privileges: impl Iterator<Item = &'a str>,
) -> PrivilegeGroupInfo {
    PrivilegeGroupInfo {
        group_name: name.to_owned(),
        privileges: privileges
            .map(|name| PrivilegeEntity {
                name: name.to_owned(),
            })
            .collect(),
    }
}

pub(super) fn change(
    command: &'static str,
    kind: ChangeKind,
    group: &CompactString,
) -> DirectoryChange {
    DirectoryChange::new(command, kind, Subject::PrivilegeGroup(group.clone()))
}

/// `doing` is what Milvus says it checked.
fn failed(
    operation: ErrorCode,
    doing: &str,
    services: &Services,
) -> impl FnOnce(OpsError) -> Failure {
    move |error| match error {
        OpsError::Plan(PlanError::PrivilegeGroup(refusal)) => {
            let reason = format!("failed to check if privilege group {doing}: {refusal}");
            match refusal {
                PrivilegeGroupError::InUse { .. } | PrivilegeGroupError::Full => {
                    Failure::of(operation, reason)
                }
                _ => Failure::invalid_for(operation, reason),
            }
        }
        error => Failure::of_write(operation, error, services),
    }
}
