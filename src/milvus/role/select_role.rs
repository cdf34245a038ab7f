//! `SelectRole`, pymilvus' `list_roles`.

use crate::authz::{MilvusNeed, Pass};
use crate::catalog::Catalog;
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::names;
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::{
    RoleEntity, RoleResult, SelectRoleRequest, SelectRoleResponse, UserEntity,
};
use crate::model::names::{DbName, RoleName};

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
        None => catalog.roles_on(&DbName::MILVUS),
    };
    let users = if with_users {
        catalog.users_on(&DbName::MILVUS)
    } else {
        Vec::new()
    };
    let result = |role: &RoleName| RoleResult {
        role: Some(RoleEntity {
            name: role.role().to_owned(),
            description: String::new(),
        }),
        users: users
            .iter()
            .filter(|user| user.roles.contains(role))
            .map(|user| UserEntity {
                name: user.name.user().to_owned(),
            })
            .collect(),
    };
    roles.iter().map(|role| result(&role.name)).collect()
}
