//! What Milvus clients change beside what MongoDB's do.

use compact_str::CompactString;

use super::directory::{Directory, OpsError, Written};
use super::order::Order;
use crate::catalog::plan::milvus::{self as plan, MilvusUserUpdate, RbacBackup};
use crate::model::milvus::MilvusGrant;
use crate::model::names::{RoleName, UserName};
use crate::model::role::Role;
use crate::model::user::User;

impl Directory {
    /// Whether [`Self::create_milvus_user`] would be refused now, without doing it. In a replica set only
    /// the writer can tell, as with [`Self::check_create_user`].
    pub fn check_create_milvus_user(&self, user: &User, users_max: usize) -> Result<(), OpsError> {
        self.check(|view| plan::create_milvus_user(view, user.clone(), users_max))
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

    /// `UpdateCredential`: refused if the password was set since the old one was checked.
    pub async fn update_milvus_user(
        &self,
        order: Order,
        name: UserName,
        update: MilvusUserUpdate,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| {
            plan::update_milvus_user(view, &name, update)
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

    /// `AlterRole`: replaces what is said about a role.
    pub async fn describe_milvus_role(
        &self,
        order: Order,
        name: RoleName,
        description: String,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| {
            plan::describe_milvus_role(view, &name, &description)
        })
        .await
    }

    /// `CreatePrivilegeGroup`: one without privileges.
    pub async fn create_privilege_group(
        &self,
        order: Order,
        name: CompactString,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| plan::create_privilege_group(view, name))
            .await
    }

    /// `DropPrivilegeGroup`: refused while a role has it; nothing happens if there is none.
    pub async fn drop_privilege_group(
        &self,
        order: Order,
        name: CompactString,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| plan::drop_privilege_group(view, &name))
            .await
    }

    /// `OperatePrivilegeGroup`, adding.
    pub async fn add_privileges_to_group(
        &self,
        order: Order,
        name: CompactString,
        privileges: Box<[CompactString]>,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| {
            plan::add_privileges_to_group(view, &name, &privileges)
        })
        .await
    }

    /// `OperatePrivilegeGroup`, removing.
    pub async fn remove_privileges_from_group(
        &self,
        order: Order,
        name: CompactString,
        privileges: Box<[CompactString]>,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| {
            plan::remove_privileges_from_group(view, &name, &privileges)
        })
        .await
    }

    /// `RestoreRBAC`: everything in one commit, or nothing.
    pub async fn restore_rbac(
        &self,
        order: Order,
        backup: RbacBackup,
    ) -> Result<Written<()>, OpsError> {
        self.write(order, move |view| plan::restore_rbac(view, backup))
            .await
    }
}
