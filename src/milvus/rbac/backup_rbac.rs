//! `BackupRBAC`: everything that administrators made.
//!
//! A password is kept as it is stored, a PHC string of Argon2id where Milvus has one of bcrypt. Users
//! who cannot sign in by it are left out: they are no users of Milvus clients. So are keys of SCRAM.

use std::collections::HashSet;
use std::sync::Arc;

use compact_str::CompactString;

use super::check_privacy;
use crate::authz::milvus::{ADMIN_ROLE, PUBLIC_ROLE, ROOT};
use crate::authz::{MilvusNeed, Pass, Resolved};
use crate::catalog::Catalog;
use crate::command::services::Interrupt;
use crate::error::CommandError;
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::grant::entity_of;
use crate::milvus::group::group_info;
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::{
    BackupRbacMetaRequest, BackupRbacMetaResponse, PrivilegeGroupInfo, RbacMeta, RoleEntity,
    UserInfo,
};
use crate::milvus::role::role_entity;
use crate::model::milvus::{ANY, PrivilegeGroup, PrivilegeGroups};
use crate::model::names::RoleName;
use crate::model::user::User;

/// How often what changed meanwhile is read again; then it is what it is.
const READS_MAX: usize = 10;

impl Call for BackupRbacMetaRequest {
    const METHOD: &'static str = "BackupRBAC";
    type Reply = BackupRbacMetaResponse;

    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        Some(context.global_need("BackupRBAC"))
    }

    async fn run(self, context: &Context<'_>, _: Pass) -> Result<BackupRbacMetaResponse, Failure> {
        check_privacy::<Self>(context)?;
        let scan = context.services().scan(|catalog, interrupt| {
            let mut reads = 0;
            loop {
                let generation = catalog.generation();
                let meta = read(catalog, interrupt)?;
                reads += 1;
                if catalog.generation() == generation || reads == READS_MAX {
                    return Ok(meta);
                }
            }
        });
        let failed = |error| Failure::of_command(ErrorCode::UnexpectedError, error);
        Ok(BackupRbacMetaResponse {
            status: Some(Status::default()),
            rbac_meta: Some(scan.await.flatten().map_err(failed)?),
        })
    }
}

/// What nothing of it needs is read first, so that all of it can be restored.
fn read(catalog: &Catalog, interrupt: &Interrupt) -> Result<RbacMeta, CommandError> {
    let groups = catalog.privilege_groups();
    let mut roles = catalog.roles_on(catalog.milvus_db());
    roles.retain(|role| ![ADMIN_ROLE, PUBLIC_ROLE].contains(&role.name.role()));
    let grants = roles.iter().flat_map(|role| {
        let grants = role.milvus_grants.iter();
        let known = grants.filter(|it| it.privilege == ANY || groups.is_name(&it.privilege));
        known.map(|grant| entity_of(role, grant))
    });
    let users = catalog.users_on(catalog.milvus_db());
    let users = users.iter().filter(|user| user.name.user() != ROOT);
    let known: HashSet<&RoleName> = roles.iter().map(|role| &role.name).collect();
    let user_info = |user: &Arc<User>| {
        let checked = interrupt.check().map(|()| user_info(user, &known, catalog));
        checked.transpose()
    };
    Ok(RbacMeta {
        users: users.filter_map(user_info).collect::<Result<_, _>>()?,
        grants: grants.collect(),
        privilege_groups: group_infos(&groups),
        roles: roles.iter().map(|role| role_entity(role)).collect(),
    })
}

/// Without the names of dropped groups that a catalog of before has.
fn group_infos(groups: &PrivilegeGroups) -> Vec<PrivilegeGroupInfo> {
    let info = |group: &PrivilegeGroup| {
        let names = group.privileges.iter().map(CompactString::as_str);
        group_info(&group.name, names.filter(|name| groups.is_name(name)))
    };
    groups.as_slice().iter().map(info).collect()
}

/// A user with those of its roles that Milvus knows.
fn user_info(user: &User, roles: &HashSet<&RoleName>, catalog: &Catalog) -> Option<UserInfo> {
    // There is no place for restrictions: without them the user could come from everywhere.
    let resolved = Resolved::of(&user.roles, catalog);
    if !user.restrictions.is_empty() || resolved.restrictions().next().is_some() {
        return None;
    }
    let password = user.credentials.plain()?.phc().to_owned();
    let is_default = |name: &str| [ADMIN_ROLE, PUBLIC_ROLE].contains(&name);
    let held = user.roles.iter().filter(|held| {
        held.db() == catalog.milvus_db() && (is_default(held.role()) || roles.contains(held))
    });
    Some(UserInfo {
        user: user.name.user().to_owned(),
        password,
        roles: held
            .map(|role| RoleEntity {
                name: role.role().to_owned(),
                description: String::new(),
            })
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_kept_without_what_is_gone() {
        let groups = PrivilegeGroups::new(vec![
            PrivilegeGroup {
                name: "inner".into(),
                privileges: [].into(),
            },
            PrivilegeGroup {
                name: "outer".into(),
                privileges: ["ClusterAdmin", "gone", "inner"].map(Into::into).into(),
            },
        ]);
        let infos = group_infos(&groups.unwrap());
        let kept = ["ClusterAdmin", "inner"].into_iter();
        let nothing = std::iter::empty();
        let expected = [group_info("inner", nothing), group_info("outer", kept)];
        assert_eq!(infos, expected);
    }
}
