//! Decides what changes: pure functions from a [`View`] and a wish to changes or a refusal.
//!
//! Each returns the changes of one command, all or none of which will happen. The order of the
//! checks is the server's, so that the first refusal is the one a client of MongoDB would see. A
//! wish that is met already gives no changes.

use std::collections::HashSet;
use std::sync::Arc;

use bson::RawDocumentBuf;

use super::View;
use crate::model::mechanism::Mechanism;
use crate::model::names::{DbName, RoleName, UserName};
use crate::model::restriction::Restrictions;
use crate::model::transient::TransientCollection;
use crate::model::user::{Credentials, User};
use crate::store::record::{self, RecordTooLarge};
use crate::store::{Change, Setting};

/// Why a wish is refused. The command layer words it for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The user exists (51003).
    #[error("user {0} exists")]
    UserExists(UserName),
    /// The user does not exist (11).
    #[error("user {0} not found")]
    UserNotFound(UserName),
    /// These roles do not exist (31); never empty, in the order asked for, without duplicates.
    #[error("roles not found: {0:?}")]
    RolesNotFound(Vec<RoleName>),
    /// A mechanism to keep is not among those the user has (2).
    #[error("mechanisms are no subset of those of the user")]
    MechanismsNotSubset,
    /// No mechanism would be left (2).
    #[error("no mechanism would be left")]
    NoMechanismKept,
    /// The default write concern cannot be unset any more (20).
    #[error("the default write concern is set")]
    WriteConcernDefaultStays,
    /// An update without anything in it (2).
    #[error("nothing to update")]
    NothingToUpdate,
    /// The role exists (51002).
    #[error("role {0} exists")]
    RoleExists(RoleName),
    /// The role to be changed does not exist (31).
    #[error("role {0} not found")]
    RoleNotFound(RoleName),
    /// Built-in roles cannot be changed (2).
    #[error("role {0} is built in")]
    RoleIsBuiltIn(RoleName),
    /// A role would include itself (49).
    #[error("role {0} would include itself")]
    RoleGrantedToItself(RoleName),
    /// A role on a database other than `admin` would include one of yet another (49).
    #[error("a role on {0} would include a role of another database")]
    RoleOfOtherDatabase(DbName),
    /// Roles to include do not exist (31).
    #[error("roles to grant to {to} not found: {missing:?}")]
    GrantedRolesNotFound {
        /// The role they were meant for.
        to: RoleName,
        /// Never empty, without duplicates.
        missing: Vec<RoleName>,
    },
    /// A role would include itself by way of others (49).
    #[error("a cycle of roles through {0}")]
    RoleCycle(RoleName),
    /// A role on a database other than `admin` would reach beyond it (49).
    #[error("a role on {0} would have a privilege beyond it")]
    PrivilegeOfOtherDatabase(DbName),
    /// As many users of Milvus clients as there may be.
    #[error("the number of users on milvus has reached the limit")]
    MilvusUsersFull,
    /// As many roles of Milvus clients as there may be.
    #[error("the number of roles on milvus has reached the limit")]
    MilvusRolesFull,
    /// A role of Milvus is not dropped while it allows anything.
    #[error("role {0} has grants")]
    MilvusRoleHasGrants(RoleName),
    /// The password that was checked is not the user's any more (18).
    #[error("the password of user {0} was changed meanwhile")]
    MilvusPasswordChanged(UserName),
    /// What is wanted of a group of privileges cannot be.
    #[error(transparent)]
    PrivilegeGroup(#[from] PrivilegeGroupError),
    /// Documents of a restoration are where it was begun, and that is not here (96).
    #[error(
        "admin.{} was begun at another primary, before a restart or too long ago, and not all of it is \
         here; drop it and insert everything again",
        .0.name()
    )]
    TransientNotHere(TransientCollection),
    /// The user, role or setting would be larger than a stored document may be (10334).
    #[error(transparent)]
    TooLarge(#[from] RecordTooLarge),
}

/// What `updateUser` changes; `None` leaves a field as it is.
#[derive(Debug, Clone, Default)]
pub struct UserUpdate {
    /// `pwd` and `mechanisms`.
    pub credentials: CredentialsUpdate,
    /// Replaces the roles; may be empty.
    pub roles: Option<Vec<RoleName>>,
    /// Replaces the document.
    pub custom_data: Option<Box<RawDocumentBuf>>,
    /// Replaces the restrictions; empty removes them.
    pub restrictions: Option<Restrictions>,
}

/// What `updateUser` does to the credentials.
#[derive(Debug, Clone, Default)]
pub enum CredentialsUpdate {
    /// Neither `pwd` nor `mechanisms` given.
    #[default]
    Keep,
    /// `pwd` given: these take the place of all there were.
    Replace(Credentials),
    /// `mechanisms` without `pwd`: only these stay, as named by the client.
    Trim(Vec<String>),
}

impl UserUpdate {
    /// Whether it changes nothing.
    pub fn is_empty(&self) -> bool {
        matches!(self.credentials, CredentialsUpdate::Keep)
            && self.roles.is_none()
            && self.custom_data.is_none()
            && self.restrictions.is_none()
    }
}

/// `createUser`. Unknown roles are found before the user that exists already.
pub fn create_user(view: &View<'_>, mut user: User) -> Result<Vec<Change>, PlanError> {
    user.roles = without_duplicates(user.roles.into_vec()).into_boxed_slice();
    check_roles_exist(view, &user.roles)?;
    if view.user(&user.name).is_some() {
        return Err(PlanError::UserExists(user.name));
    }
    let mut changes = first_of_all(view);
    changes.push(put_user(user)?);
    Ok(changes)
}

/// `updateUser`. A trim looks for the user before anything else, the rest after the roles.
pub fn update_user(
    view: &View<'_>,
    name: &UserName,
    update: UserUpdate,
) -> Result<Vec<Change>, PlanError> {
    let not_found = || PlanError::UserNotFound(name.clone());
    let user = view.user(name);
    let credentials = match &update.credentials {
        CredentialsUpdate::Keep => None,
        CredentialsUpdate::Replace(credentials) => Some(credentials.clone()),
        CredentialsUpdate::Trim(mechanisms) => {
            let user = user.as_ref().ok_or_else(not_found)?;
            Some(trim_credentials(&user.credentials, mechanisms)?)
        }
    };
    if update.is_empty() {
        return Err(PlanError::NothingToUpdate);
    }
    let roles = update.roles.map(without_duplicates);
    check_roles_exist(view, roles.as_deref().unwrap_or_default())?;
    let user = user.ok_or_else(not_found)?;
    let updated = User {
        name: user.name.clone(),
        user_id: user.user_id,
        credentials: credentials.unwrap_or_else(|| user.credentials.clone()),
        restrictions: update
            .restrictions
            .unwrap_or_else(|| user.restrictions.clone()),
        custom_data: update.custom_data.or_else(|| user.custom_data.clone()),
        roles: roles.map_or_else(|| user.roles.clone(), Vec::into_boxed_slice),
    };
    Ok(vec![put_user(updated)?])
}

/// `dropUser`.
pub fn drop_user(view: &View<'_>, name: &UserName) -> Result<Vec<Change>, PlanError> {
    find_user(view, name)?;
    Ok(vec![Change::DropUser(name.clone())])
}

/// `dropAllUsersFromDatabase`: one change for each user dropped.
pub fn drop_all_users_from_database(view: &View<'_>, db: &DbName) -> Vec<Change> {
    let users = view.users_on(db);
    users
        .iter()
        .map(|user| Change::DropUser(user.name.clone()))
        .collect()
}

/// `grantRolesToUser`. Roles that the user has stay where they are; new ones go to the end.
pub fn grant_roles_to_user(
    view: &View<'_>,
    name: &UserName,
    roles: &[RoleName],
) -> Result<Vec<Change>, PlanError> {
    let user = find_user(view, name)?;
    check_roles_exist(view, roles)?;
    let granted = without_duplicates([&user.roles, roles].concat());
    replace_roles(&user, granted)
}

/// `revokeRolesFromUser`. The roles must exist; the user need not have them.
pub fn revoke_roles_from_user(
    view: &View<'_>,
    name: &UserName,
    roles: &[RoleName],
) -> Result<Vec<Change>, PlanError> {
    let user = find_user(view, name)?;
    check_roles_exist(view, roles)?;
    let revoked: HashSet<&RoleName> = roles.iter().collect();
    let kept = user.roles.iter().filter(|role| !revoked.contains(role));
    replace_roles(&user, kept.cloned().collect())
}

/// Puts a setting, whatever it was before.
pub fn set_setting(setting: Setting) -> Result<Vec<Change>, PlanError> {
    Ok(vec![check_size(Change::PutSetting(setting))?])
}

fn find_user(view: &View<'_>, name: &UserName) -> Result<Arc<User>, PlanError> {
    view.user(name)
        .ok_or_else(|| PlanError::UserNotFound(name.clone()))
}

fn replace_roles(user: &User, roles: Vec<RoleName>) -> Result<Vec<Change>, PlanError> {
    if *roles == *user.roles {
        return Ok(Vec::new());
    }
    let changed = User {
        roles: roles.into_boxed_slice(),
        ..user.clone()
    };
    Ok(vec![put_user(changed)?])
}

/// The marker that some user or role was created, unless it is there already.
fn first_of_all(view: &View<'_>) -> Vec<Change> {
    if view.has_auth_schema() {
        Vec::new()
    } else {
        vec![Change::PutSetting(Setting::AuthSchema)]
    }
}

fn put_user(user: User) -> Result<Change, PlanError> {
    check_size(Change::PutUser(Arc::new(user)))
}

/// Here and not at the commit: one change too large must not fail the batch it is in.
fn check_size(change: Change) -> Result<Change, PlanError> {
    record::encode(&change)?;
    Ok(change)
}

fn check_roles_exist(view: &View<'_>, roles: &[RoleName]) -> Result<(), PlanError> {
    let missing = roles.iter().filter(|role| !view.role_exists(role));
    let missing = without_duplicates(missing.cloned().collect());
    if missing.is_empty() {
        Ok(())
    } else {
        Err(PlanError::RolesNotFound(missing))
    }
}

fn without_duplicates(mut roles: Vec<RoleName>) -> Vec<RoleName> {
    let mut seen = HashSet::with_capacity(roles.len());
    roles.retain(|role| seen.insert(role.clone()));
    roles
}

fn trim_credentials(
    credentials: &Credentials,
    mechanisms: &[String],
) -> Result<Credentials, PlanError> {
    let Credentials::Stored {
        sha_1,
        sha_256,
        plain,
    } = credentials
    else {
        // The stored field of such a user is called "external".
        let subset = mechanisms.iter().all(|mechanism| mechanism == "external");
        return Err(if subset {
            PlanError::NoMechanismKept
        } else {
            PlanError::MechanismsNotSubset
        });
    };
    let mut kept = HashSet::new();
    for name in mechanisms {
        let mechanism = Mechanism::from_name(name).filter(|mechanism| credentials.has(*mechanism));
        kept.insert(mechanism.ok_or(PlanError::MechanismsNotSubset)?);
    }
    if kept.is_empty() {
        return Err(PlanError::NoMechanismKept);
    }
    let keeps = |mechanism: Mechanism| kept.contains(&mechanism);
    Ok(Credentials::Stored {
        sha_1: sha_1.clone().filter(|_| keeps(Mechanism::ScramSha1)),
        sha_256: sha_256.clone().filter(|_| keeps(Mechanism::ScramSha256)),
        plain: plain.clone().filter(|_| keeps(Mechanism::Plain)),
    })
}

mod merge;
pub mod milvus;
mod roles;
mod transient;

pub use merge::{Dump, Dumped, LeftOut, Merged, merge};
pub use milvus::PrivilegeGroupError;
pub use roles::{
    RoleUpdate, create_role, drop_all_roles_from_database, drop_role, grant_privileges_to_role,
    grant_roles_to_role, revoke_privileges_from_role, revoke_roles_from_role, update_role,
};
pub use transient::{begin_transient, drop_transient};

#[cfg(test)]
mod tests;
