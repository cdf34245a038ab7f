//! `SelectUser`, pymilvus' `list_user`, `list_users` and `describe_user`.

use std::sync::Arc;

use crate::authz::{MilvusNeed, Pass};
use crate::catalog::Catalog;
use crate::milvus::call::{Call, Context};
use crate::milvus::failure::Failure;
use crate::milvus::proto::common::{ErrorCode, Status};
use crate::milvus::proto::milvus::{SelectUserRequest, SelectUserResponse, UserEntity, UserResult};
use crate::milvus::role::role_entity;
use crate::model::milvus::{ANY, MilvusObject, description_of};
use crate::model::user::User;

impl Call for SelectUserRequest {
    const METHOD: &'static str = "SelectUser";
    type Reply = SelectUserResponse;

    /// None to look at oneself. Whoever is called `*` on the other face is not everybody.
    fn need(&self, context: &Context<'_>) -> Option<MilvusNeed> {
        let name = self.user.as_ref().map(|user| user.name.trim());
        let is_own = name.is_some_and(|name| context.is_caller(name));
        let name = name.unwrap_or(ANY);
        (!is_own).then(|| context.need("SelectUser", MilvusObject::User, name))
    }

    async fn run(self, context: &Context<'_>, _: Pass) -> Result<SelectUserResponse, Failure> {
        let services = context.services();
        let with_roles = self.include_role_info;
        let results = if let Some(user) = self.user {
            let name = context.user_name(&user.name)?;
            let catalog = services.directory.catalog();
            let found = catalog.user(&name);
            found
                .iter()
                .map(|user| result(user, with_roles, catalog))
                .collect()
        } else {
            let scan = services.scan(move |catalog, interrupt| {
                let users = catalog.users_on(catalog.milvus_db());
                let result = |user: &Arc<User>| {
                    interrupt.check()?;
                    Ok(result(user, with_roles, catalog))
                };
                users.iter().map(result).collect()
            });
            let failed = |error| Failure::of_command(ErrorCode::SelectUserFailure, error);
            scan.await.flatten().map_err(failed)?
        };
        Ok(SelectUserResponse {
            status: Some(Status::default()),
            results,
        })
    }
}

/// Roles in byte order; those of other databases are none of Milvus'.
fn result(user: &Arc<User>, with_roles: bool, catalog: &Catalog) -> UserResult {
    let held = user.roles.iter();
    let of_milvus = held.filter(|role| with_roles && role.db() == catalog.milvus_db());
    let mut roles: Vec<_> = of_milvus
        .filter_map(|role| catalog.role(role))
        .map(|role| role_entity(&role))
        .collect();
    roles.sort_unstable_by(|left, right| left.name.cmp(&right.name));
    UserResult {
        user: Some(UserEntity {
            name: user.name.user().to_owned(),
        }),
        roles,
        description: description_of(user).to_owned(),
    }
}
