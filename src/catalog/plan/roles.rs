//! Plans about roles.
//!
//! A role that is dropped leaves every user and role that held it in the same commit, so no name of
//! a role ever dangles.

use std::collections::HashSet;
use std::sync::Arc;

use super::{PlanError, check_size, first_of_all, put_user, without_duplicates};
use crate::catalog::{View, builtin};
use crate::model::names::{DbName, RoleName};
use crate::model::privilege::{MergedPrivileges, Privilege};
use crate::model::resource::Resource;
use crate::model::restriction::Restrictions;
use crate::model::role::Role;
use crate::model::user::User;
use crate::store::Change;

/// What `updateRole` changes; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct RoleUpdate {
    /// Replaces the role's own privileges; may be empty.
    pub privileges: Option<Vec<Privilege>>,
    /// Replaces the included roles; may be empty.
    pub roles: Option<Vec<RoleName>>,
    /// Replaces the restrictions; empty removes them.
    pub restrictions: Option<Restrictions>,
}

/// `createRole`. What it may include is checked before whether it exists.
pub fn create_role(view: &View<'_>, role: Role) -> Result<Vec<Change>, PlanError> {
    let role = Role {
        roles: without_duplicates(role.roles.into_vec()).into_boxed_slice(),
        privileges: merged(&role.privileges),
        ..role
    };
    check_grantable(view, &role.name, &role.roles)?;
    check_targets(&role.name, &role.privileges)?;
    // Whoever has one of a built-in role's name would have what the built-in one allows.
    if view.role_exists(&role.name) {
        return Err(PlanError::RoleExists(role.name));
    }
    let mut changes = first_of_all(view);
    changes.push(put_role(role)?);
    Ok(changes)
}

/// `updateRole`. A built-in role is there to be looked up and not there to be written, as in mongod.
pub fn update_role(
    view: &View<'_>,
    name: &RoleName,
    update: RoleUpdate,
) -> Result<Vec<Change>, PlanError> {
    if !view.role_exists(name) {
        return Err(PlanError::RolesNotFound(vec![name.clone()]));
    }
    let roles = update.roles.map(without_duplicates);
    let privileges = update.privileges.as_deref().map(merged);
    check_grantable(view, name, roles.as_deref().unwrap_or_default())?;
    check_targets(name, privileges.as_deref().unwrap_or_default())?;
    let role = find_role(view, name)?;
    let updated = Role {
        name: role.name.clone(),
        privileges: privileges.unwrap_or_else(|| role.privileges.clone()),
        roles: roles.map_or_else(|| role.roles.clone(), Vec::into_boxed_slice),
        restrictions: update
            .restrictions
            .unwrap_or_else(|| role.restrictions.clone()),
        milvus_grants: role.milvus_grants.clone(),
        milvus_description: role.milvus_description.clone(),
    };
    Ok(vec![put_role(updated)?])
}

/// `grantPrivilegesToRole`: actions join those on the same resource.
pub fn grant_privileges_to_role(
    view: &View<'_>,
    name: &RoleName,
    privileges: &[Privilege],
) -> Result<Vec<Change>, PlanError> {
    refuse_built_in(name)?;
    check_targets(name, privileges)?;
    let role = find_role(view, name)?;
    let privileges = merged(&[&role.privileges, privileges].concat());
    replace_role(
        &role,
        Role {
            privileges,
            ..(*role).clone()
        },
    )
}

/// `revokePrivilegesFromRole`: takes actions from privileges on exactly the same resource; what the
/// role does not have is passed over.
pub fn revoke_privileges_from_role(
    view: &View<'_>,
    name: &RoleName,
    privileges: &[Privilege],
) -> Result<Vec<Change>, PlanError> {
    refuse_built_in(name)?;
    let role = find_role(view, name)?;
    let mut kept = role.privileges.to_vec();
    for revoked in privileges {
        for privilege in kept
            .iter_mut()
            .filter(|kept| kept.resource == revoked.resource)
        {
            privilege.actions.remove_all(&revoked.actions);
        }
    }
    kept.retain(|privilege| !privilege.actions.is_empty());
    replace_role(
        &role,
        Role {
            privileges: kept.into_boxed_slice(),
            ..(*role).clone()
        },
    )
}

/// `grantRolesToRole`.
pub fn grant_roles_to_role(
    view: &View<'_>,
    name: &RoleName,
    roles: &[RoleName],
) -> Result<Vec<Change>, PlanError> {
    refuse_built_in(name)?;
    check_grantable(view, name, roles)?;
    let role = find_role(view, name)?;
    let granted = without_duplicates([&role.roles, roles].concat()).into_boxed_slice();
    replace_role(
        &role,
        Role {
            roles: granted,
            ..(*role).clone()
        },
    )
}

/// `revokeRolesFromRole`: roles that are not included are passed over.
pub fn revoke_roles_from_role(
    view: &View<'_>,
    name: &RoleName,
    roles: &[RoleName],
) -> Result<Vec<Change>, PlanError> {
    refuse_built_in(name)?;
    let role = find_role(view, name)?;
    let revoked: HashSet<&RoleName> = roles.iter().collect();
    let kept = role
        .roles
        .iter()
        .filter(|role| !revoked.contains(role))
        .cloned()
        .collect();
    replace_role(
        &role,
        Role {
            roles: kept,
            ..(*role).clone()
        },
    )
}

/// `dropRole`: the role is taken from every user and role, then it goes.
pub fn drop_role(view: &View<'_>, name: &RoleName) -> Result<Vec<Change>, PlanError> {
    refuse_built_in(name)?;
    if view.role(name).is_none() {
        return Err(PlanError::RolesNotFound(vec![name.clone()]));
    }
    let mut changes = take_from_all(view, |role| role == name)?;
    changes.push(Change::DropRole(name.clone()));
    Ok(changes)
}

/// `dropAllRolesFromDatabase`. Also built-in roles of the database are taken from users and roles:
/// mongod goes by the database alone.
pub fn drop_all_roles_from_database(
    view: &View<'_>,
    db: &DbName,
) -> Result<Vec<Change>, PlanError> {
    let dropped = view.roles_where(|role| role.name.db() == db);
    let mut changes = take_from_all(view, |role| role.db() == db)?;
    // What is dropped need not be changed first.
    changes.retain(|change| !matches!(change, Change::PutRole(role) if role.name.db() == db));
    changes.extend(
        dropped
            .iter()
            .map(|role| Change::DropRole(role.name.clone())),
    );
    Ok(changes)
}

/// Takes the roles that are `gone` from every user and role that holds them directly.
pub(super) fn take_from_all(
    view: &View<'_>,
    gone: impl Fn(&RoleName) -> bool,
) -> Result<Vec<Change>, PlanError> {
    let without = |roles: &[RoleName]| roles.iter().filter(|role| !gone(role)).cloned().collect();
    let mut changes = Vec::new();
    for user in view.users_where(|user| user.roles.iter().any(&gone)) {
        changes.push(put_user(User {
            roles: without(&user.roles),
            ..(*user).clone()
        })?);
    }
    for role in view.roles_where(|role| role.roles.iter().any(&gone)) {
        changes.push(put_role(Role {
            roles: without(&role.roles),
            ..(*role).clone()
        })?);
    }
    Ok(changes)
}

fn refuse_built_in(name: &RoleName) -> Result<(), PlanError> {
    if builtin::is_builtin(name) {
        Err(PlanError::RoleIsBuiltIn(name.clone()))
    } else {
        Ok(())
    }
}

pub(super) fn find_role(view: &View<'_>, name: &RoleName) -> Result<Arc<Role>, PlanError> {
    view.role(name)
        .ok_or_else(|| PlanError::RoleNotFound(name.clone()))
}

fn replace_role(present: &Role, changed: Role) -> Result<Vec<Change>, PlanError> {
    if *present == changed {
        Ok(Vec::new())
    } else {
        Ok(vec![put_role(changed)?])
    }
}

pub(super) fn put_role(role: Role) -> Result<Change, PlanError> {
    check_size(Change::PutRole(Arc::new(role)))
}

pub(super) fn merged(privileges: &[Privilege]) -> Box<[Privilege]> {
    privileges
        .iter()
        .collect::<MergedPrivileges>()
        .into_vec()
        .into_boxed_slice()
}

/// Whether `name` may include `roles`: not itself, from its own database unless it is on `admin`,
/// all of them there, and none of them including `name`.
fn check_grantable(view: &View<'_>, name: &RoleName, roles: &[RoleName]) -> Result<(), PlanError> {
    for role in roles {
        if role == name {
            return Err(PlanError::RoleGrantedToItself(name.clone()));
        }
        if !name.db().is_admin() && role.db() != name.db() {
            return Err(PlanError::RoleOfOtherDatabase(name.db().clone()));
        }
    }
    let missing: Vec<_> = roles
        .iter()
        .filter(|role| !view.role_exists(role))
        .cloned()
        .collect();
    if !missing.is_empty() {
        return Err(PlanError::GrantedRolesNotFound {
            to: name.clone(),
            missing: without_duplicates(missing),
        });
    }
    if includes(view, roles, name) {
        return Err(PlanError::RoleCycle(name.clone()));
    }
    Ok(())
}

/// Whether any of `roles` includes `sought`, directly or not.
fn includes(view: &View<'_>, roles: &[RoleName], sought: &RoleName) -> bool {
    let mut seen: HashSet<RoleName> = HashSet::new();
    let mut waiting = roles.to_vec();
    while let Some(name) = waiting.pop() {
        if name == *sought {
            return true;
        }
        if let Some(role) = view.role(&name)
            && seen.insert(name)
        {
            waiting.extend(role.roles.iter().cloned());
        }
    }
    false
}

/// Only roles on `admin` may be about something outside their own database.
pub(super) fn check_targets(name: &RoleName, privileges: &[Privilege]) -> Result<(), PlanError> {
    let db = name.db();
    let is_own = |privilege: &Privilege| match &privilege.resource {
        Resource::Database(target) | Resource::Namespace(target, _) => target == db,
        _ => false,
    };
    if db.is_admin() || privileges.iter().all(is_own) {
        Ok(())
    } else {
        Err(PlanError::PrivilegeOfOtherDatabase(db.clone()))
    }
}

#[cfg(test)]
mod tests;
