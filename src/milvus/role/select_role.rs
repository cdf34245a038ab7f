//! `SelectRole`, pymilvus' `list_roles`.

use std::collections::HashMap;
use std::sync::Arc;

use crate::authz::{MilvusNeed, Pass};
use crate::catalog::Catalog;
use crate::command::services::Interrupt;
use crate::error::CommandError;
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::names;
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::{RoleResult, SelectRoleRequest, SelectRoleResponse, UserEntity};
use crate::milvus::role::role_entity;
use crate::model::names::RoleName;
use crate::model::role::Role;

impl Call for SelectRoleRequest {
    const METHOD: &'static str = "SelectRole";
    type Reply = SelectRoleResponse;

    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        Some(context.global_need("SelectOwnership"))
    }

    async fn run(self, context: &Context<'_>, _: Pass) -> Result<SelectRoleResponse, Failure> {
        let wanted = self
            .role
            .map(|role| names::role_name(&role.name, context.settings()))
            .transpose()?;
        let with_users = self.include_user_info;
        let scan = context.services().scan(move |catalog, interrupt| {
            let roles = match &wanted {
                Some(name) => catalog.role(name).into_iter().collect(),
                None => catalog.roles_on(catalog.milvus_db()),
            };
            results(&roles, with_users, catalog, interrupt)
        });
        let failed = |error| Failure::of_command(ErrorCode::SelectRoleFailure, error);
        Ok(SelectRoleResponse {
            status: Some(Status::default()),
            results: scan.await.flatten().map_err(failed)?,
        })
    }
}

/// In byte order, and so are the users of each.
fn results(
    roles: &[Arc<Role>],
    with_users: bool,
    catalog: &Catalog,
    interrupt: &Interrupt,
) -> Result<Vec<RoleResult>, CommandError> {
    let mut users_of: HashMap<&RoleName, Vec<UserEntity>> = HashMap::new();
    if with_users {
        users_of.extend(roles.iter().map(|role| (&role.name, Vec::new())));
        for user in catalog.users_on(catalog.milvus_db()) {
            interrupt.check()?;
            for role in &user.roles {
                if let Some(users) = users_of.get_mut(role) {
                    let name = user.name.user().to_owned();
                    users.push(UserEntity { name });
                }
            }
        }
    }
    let result = |role: &Arc<Role>| {
        interrupt.check()?;
        Ok(RoleResult {
            role: Some(role_entity(role)),
            users: users_of.remove(&role.name).unwrap_or_default(),
        })
    };
    roles.iter().map(result).collect()
}
