//! `BackupRBAC`: everything that administrators made.
//!
//! A password is kept as it is stored, a PHC string of Argon2id where Milvus has one of bcrypt. Users
//! who cannot sign in by it are left out: they are no users of Milvus clients. So are keys of SCRAM.

use std::sync::Arc;

use compact_str::CompactString;

use super::check_privacy;
use crate::authz::milvus::{ADMIN_ROLE, PUBLIC_ROLE, ROOT};
use crate::authz::{MilvusNeed, Pass};
use crate::catalog::Catalog;
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::grant::entity_of;
use crate::milvus::group::group_info;
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::{
    BackupRbacMetaRequest, BackupRbacMetaResponse, RbacMeta, RoleEntity, UserInfo,
};
use crate::milvus::role::role_entity;
use crate::model::milvus::ANY;
use crate::model::role::Role;
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
        let scan = context.services().scan(|catalog, _| {
            let mut meta = read(catalog);
            for _ in 1..READS_MAX {
                let generation = catalog.generation();
                meta = read(catalog);
                if catalog.generation() == generation {
                    break;
                }
            }
            meta
        });
        let failed = |error| Failure::of_command(ErrorCode::UnexpectedError, error);
        Ok(BackupRbacMetaResponse {
            status: Some(Status::default()),
            rbac_meta: Some(scan.await.map_err(failed)?),
        })
    }
}

/// What nothing of it needs is read first, so that all of it can be restored.
fn read(catalog: &Catalog) -> RbacMeta {
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
    RbacMeta {
        users: users
            .filter_map(|user| user_info(user, &roles, catalog))
            .collect(),
        grants: grants.collect(),
        privilege_groups: groups
            .as_slice()
            .iter()
            .map(|group| {
                let privileges = group.privileges.iter().map(CompactString::as_str);
                group_info(&group.name, privileges)
            })
            .collect(),
        roles: roles.iter().map(|role| role_entity(role)).collect(),
    }
}

/// A user with those of its roles that Milvus knows.
fn user_info(user: &User, roles: &[Arc<Role>], catalog: &Catalog) -> Option<UserInfo> {
    let password = user.credentials.plain()?.phc().to_owned();
    let is_default = |name: &str| [ADMIN_ROLE, PUBLIC_ROLE].contains(&name);
    let held = user.roles.iter().filter(|held| {
        held.db() == catalog.milvus_db()
            && (is_default(held.role()) || roles.iter().any(|role| role.name == **held))
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
