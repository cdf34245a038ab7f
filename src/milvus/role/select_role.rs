//! `SelectRole`, pymilvus' `list_roles`.

use std::sync::Arc;

use crate::authz::{MilvusNeed, Pass};
use crate::catalog::Catalog;
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
        let scan = context
            .services()
            .scan(move |catalog, _| results(wanted.as_ref(), with_users, catalog));
        let failed = |error| Failure::of_command(ErrorCode::SelectRoleFailure, error);
        Ok(SelectRoleResponse {
            status: Some(Status::default()),
            results: scan.await.map_err(failed)?,
        })
    }
}

/// In byte order.
fn results(wanted: Option<&RoleName>, with_users: bool, catalog: &Catalog) -> Vec<RoleResult> {
    let roles = match wanted {
        Some(name) => catalog.role(name).into_iter().collect(),
        None => catalog.roles_on(catalog.milvus_db()),
    };
    let users = if with_users {
        catalog.users_on(catalog.milvus_db())
    } else {
        Vec::new()
    };
    let result = |role: &Arc<Role>| RoleResult {
        role: Some(role_entity(role)),
        users: users
            .iter()
            .filter(|user| user.roles.contains(&role.name))
            .map(|user| UserEntity {
                name: user.name.user().to_owned(),
            })
            .collect(),
    };
    roles.iter().map(result).collect()
}
