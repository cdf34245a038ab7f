//! What Milvus clients change beside what MongoDB's do.

use super::directory::{Directory, OpsError, Written};
use super::order::Order;
use crate::catalog::View;
use crate::catalog::plan::milvus as plan;
use crate::model::milvus::MilvusGrant;
use crate::model::names::RoleName;
use crate::model::role::Role;
use crate::model::user::User;

impl Directory {
    /// Whether [`Self::create_milvus_user`] would be refused now, without doing it.
    pub fn check_create_milvus_user(&self, user: &User, users_max: usize) -> Result<(), OpsError> {
        plan::create_milvus_user(&View::new(self.catalog()), user.clone(), users_max)?;
        Ok(())
    }

    /// `CreateCredential`: refused if the user exists or there are `users_max` on `milvus`.
    pub async fn create_milvus_user(
        &self,
        order: Order,
        user: User,
        users_max: usize,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| {
            plan::create_milvus_user(view, user, users_max)
        })
        .await
    }

    /// `CreateRole`: refused if the role exists or there are `roles_max` on `milvus`.
    pub async fn create_milvus_role(
        &self,
        order: Order,
        role: Role,
        roles_max: usize,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| {
            plan::create_milvus_role(view, role, roles_max)
        })
        .await
    }

    /// `DropRole`: also from every user that has it; refused if it has grants, unless forced.
    pub async fn drop_milvus_role(
        &self,
        order: Order,
        name: RoleName,
        is_forced: bool,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| {
            plan::drop_milvus_role(view, &name, is_forced)
        })
        .await
    }

    /// Adds to what a role allows; what it allows already stays.
    pub async fn add_milvus_grants(
        &self,
        order: Order,
        name: RoleName,
        grants: Vec<MilvusGrant>,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| {
            plan::add_milvus_grants(view, &name, &grants)
        })
        .await
    }

    /// Takes from what a role allows; what it does not allow is passed over.
    pub async fn remove_milvus_grants(
        &self,
        order: Order,
        name: RoleName,
        grants: Vec<MilvusGrant>,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| {
            plan::remove_milvus_grants(view, &name, &grants)
        })
        .await
    }
}
