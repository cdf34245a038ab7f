//! Plans of Milvus clients: those of MongoDB's with the limits of Milvus, grants, and groups of
//! privileges.

mod groups;
mod restore;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use groups::{
    PRIVILEGE_GROUPS_MAX, PrivilegeGroupError, add_privileges_to_group, check_known,
    create_privilege_group, drop_privilege_group, remove_privileges_from_group,
};
pub use restore::{RbacBackup, restore_rbac};

use super::roles::{find_role, put_role};
use super::{
    CredentialsUpdate, PlanError, UserUpdate, create_role, create_user, drop_role, find_user,
    update_user,
};
use crate::catalog::View;
use crate::model::milvus::{ANY, MilvusGrant, described};
use crate::model::names::{RoleName, UserName};
use crate::model::role::Role;
use crate::model::user::{Credentials, User};
use crate::store::Change;

/// `CreateCredential`: at most `users_max` of Milvus clients. A name that exists is found first.
pub fn create_milvus_user(
    view: &View<'_>,
    user: User,
    users_max: usize,
) -> Result<Vec<Change>, PlanError> {
    let changes = create_user(view, user)?;
    if view.milvus_user_count() >= users_max {
        return Err(PlanError::MilvusUsersFull);
    }
    Ok(changes)
}

/// What `UpdateCredential` replaces. Everything else of the user stays as it is by then.
#[derive(Debug, Clone, Default)]
pub struct MilvusUserUpdate {
    /// What takes the place of all credentials.
    pub credentials: Option<Credentials>,
    /// Those that the old password was right for; they must still be there.
    pub verified: Option<Credentials>,
    /// What is said about the user; the rest of `customData` stays.
    pub description: Option<String>,
}

/// `UpdateCredential`: refused if the password was set by somebody else since it was checked.
pub fn update_milvus_user(
    view: &View<'_>,
    name: &UserName,
    update: MilvusUserUpdate,
) -> Result<Vec<Change>, PlanError> {
    let user = find_user(view, name)?;
    let MilvusUserUpdate {
        credentials,
        verified,
        description,
    } = update;
    if verified.is_some_and(|verified| verified != user.credentials) {
        return Err(PlanError::MilvusPasswordChanged(name.clone()));
    }
    let custom_data = user.custom_data.as_deref();
    let update = UserUpdate {
        credentials: credentials.map_or(CredentialsUpdate::Keep, CredentialsUpdate::Replace),
        custom_data: description.map(|text| Box::new(described(custom_data, &text))),
        ..UserUpdate::default()
    };
    update_user(view, name, update)
}

/// `CreateRole`: at most `roles_max` of Milvus clients. A name that exists is found first.
pub fn create_milvus_role(
    view: &View<'_>,
    role: Role,
    roles_max: usize,
) -> Result<Vec<Change>, PlanError> {
    let changes = create_role(view, role)?;
    if view.milvus_role_count() >= roles_max {
        return Err(PlanError::MilvusRolesFull);
    }
    Ok(changes)
}

/// `DropRole`: with its grants only if forced to.
pub fn drop_milvus_role(
    view: &View<'_>,
    name: &RoleName,
    is_forced: bool,
) -> Result<Vec<Change>, PlanError> {
    let role = find_role(view, name)?;
    if !is_forced && !role.milvus_grants.is_empty() {
        return Err(PlanError::MilvusRoleHasGrants(name.clone()));
    }
    drop_role(view, name)
}

/// Adds grants to a role; those it has already stay as they are, with who granted them.
pub fn add_milvus_grants(
    view: &View<'_>,
    name: &RoleName,
    added: &[MilvusGrant],
) -> Result<Vec<Change>, PlanError> {
    let role = find_role(view, name)?;
    let groups = view.privilege_groups();
    let is_known =
        |grant: &&MilvusGrant| grant.privilege == ANY || groups.is_name(&grant.privilege);
    if let Some(unknown) = added.iter().find(|grant| !is_known(grant)) {
        return Err(PrivilegeGroupError::UnknownPrivilege(unknown.privilege.clone()).into());
    }
    // The sort is stable: of two that are the same, the present one or the first added stays.
    let mut grants = [&role.milvus_grants, added].concat();
    grants.sort_by(MilvusGrant::order);
    grants.dedup_by(|later, earlier| later.is_same(earlier));
    replace_grants(&role, grants)
}

/// Takes grants from a role; those it does not have are passed over.
pub fn remove_milvus_grants(
    view: &View<'_>,
    name: &RoleName,
    removed: &[MilvusGrant],
) -> Result<Vec<Change>, PlanError> {
    let role = find_role(view, name)?;
    let mut grants = role.milvus_grants.to_vec();
    grants.retain(|grant| !removed.iter().any(|removed| removed.is_same(grant)));
    replace_grants(&role, grants)
}

/// `AlterRole`: what is said about a role.
pub fn describe_milvus_role(
    view: &View<'_>,
    name: &RoleName,
    description: &str,
) -> Result<Vec<Change>, PlanError> {
    let role = find_role(view, name)?;
    if &*role.milvus_description == description {
        return Ok(Vec::new());
    }
    let changed = Role {
        milvus_description: description.into(),
        ..(*role).clone()
    };
    Ok(vec![put_role(changed)?])
}

fn replace_grants(role: &Arc<Role>, grants: Vec<MilvusGrant>) -> Result<Vec<Change>, PlanError> {
    if grants.len() == role.milvus_grants.len() {
        return Ok(Vec::new());
    }
    let changed = Role {
        milvus_grants: grants.into_boxed_slice(),
        ..(**role).clone()
    };
    Ok(vec![put_role(changed)?])
}
