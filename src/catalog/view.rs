//! The catalog as it will be once the changes decided so far are committed.

use std::collections::HashMap;
use std::sync::Arc;

use bson::RawDocumentBuf;

use super::{Catalog, builtin, sorted_roles, sorted_users};
use crate::model::milvus::PrivilegeGroups;
use crate::model::names::{DbName, RoleName, UserName};
use crate::model::role::Role;
use crate::model::transient::TransientIds;
use crate::model::user::User;
use crate::store::{Change, Setting};

/// The catalog with the changes of the current batch laid over it. The plans read this, so each
/// sees what the ones before it in the batch decided.
#[derive(Debug, Clone)]
pub struct View<'a> {
    catalog: &'a Catalog,
    /// `None`: dropped in this batch.
    users: HashMap<UserName, Option<Arc<User>>>,
    roles: HashMap<RoleName, Option<Arc<Role>>>,
    default_read_write_concern: Option<Arc<RawDocumentBuf>>,
    privilege_groups: Option<PrivilegeGroups>,
    transient_ids: TransientIds,
    had_users_or_roles: bool,
    has_auth_schema: bool,
}

impl<'a> View<'a> {
    /// The catalog as it is.
    pub fn new(catalog: &'a Catalog) -> Self {
        Self {
            catalog,
            users: HashMap::new(),
            roles: HashMap::new(),
            default_read_write_concern: catalog.default_read_write_concern(),
            privilege_groups: None,
            transient_ids: catalog.transient_ids(),
            had_users_or_roles: catalog.had_users_or_roles(),
            has_auth_schema: catalog.has_auth_schema(),
        }
    }

    /// Lays changes over what the view shows.
    pub fn lay_over(&mut self, changes: &[Change]) {
        for change in changes {
            self.had_users_or_roles |= self.catalog.is_beyond_milvus(change);
            match change {
                Change::PutUser(user) => {
                    self.users.insert(user.name.clone(), Some(Arc::clone(user)));
                }
                Change::DropUser(name) => {
                    self.users.insert(name.clone(), None);
                }
                Change::PutRole(role) => {
                    self.roles.insert(role.name.clone(), Some(Arc::clone(role)));
                }
                Change::DropRole(name) => {
                    self.roles.insert(name.clone(), None);
                }
                Change::PutSetting(Setting::AuthSchema) => self.has_auth_schema = true,
                Change::PutSetting(Setting::PrivilegeGroups(groups)) => {
                    self.privilege_groups = Some(groups.clone());
                }
                Change::PutSetting(Setting::TransientCollections(ids)) => self.transient_ids = *ids,
                Change::PutSetting(Setting::DefaultReadWriteConcern(defaults)) => {
                    self.default_read_write_concern = Some(Arc::clone(defaults));
                }
                Change::PutSetting(Setting::DeploymentSecret(_)) => {}
            }
        }
    }

    /// The user of that name.
    pub fn user(&self, name: &UserName) -> Option<Arc<User>> {
        match self.users.get(name) {
            Some(laid_over) => laid_over.clone(),
            None => self.catalog.user(name),
        }
    }

    /// The stored role of that name.
    pub fn role(&self, name: &RoleName) -> Option<Arc<Role>> {
        match self.roles.get(name) {
            Some(laid_over) => laid_over.clone(),
            None => self.catalog.role(name),
        }
    }

    /// Whether there is such a role, built in or stored.
    pub fn role_exists(&self, name: &RoleName) -> bool {
        builtin::is_builtin(name) || self.role(name).is_some()
    }

    /// Every user that `matches`, sorted by name, then database.
    pub fn users_where(&self, matches: impl Fn(&User) -> bool) -> Vec<Arc<User>> {
        let mut users = self
            .catalog
            .users_where(|user| matches(user) && !self.users.contains_key(&user.name));
        let laid_over = self.users.values().flatten();
        users.extend(laid_over.filter(|user| matches(user)).cloned());
        sorted_users(users)
    }

    /// Every stored role that `matches`, sorted by name, then database.
    pub fn roles_where(&self, matches: impl Fn(&Role) -> bool) -> Vec<Arc<Role>> {
        let mut roles = self
            .catalog
            .roles_where(|role| matches(role) && !self.roles.contains_key(&role.name));
        let laid_over = self.roles.values().flatten();
        roles.extend(laid_over.filter(|role| matches(role)).cloned());
        sorted_roles(roles)
    }

    /// The users of one database, sorted by name.
    pub fn users_on(&self, db: &DbName) -> Vec<Arc<User>> {
        self.users_where(|user| user.name.db() == db)
    }

    /// Where users and roles of Milvus clients are.
    pub fn milvus_db(&self) -> &'a DbName {
        self.catalog.milvus_db()
    }

    /// The default read and write concern, if one was ever set.
    pub fn default_read_write_concern(&self) -> Option<&RawDocumentBuf> {
        self.default_read_write_concern.as_deref()
    }

    /// The groups of privileges that administrators made for Milvus clients.
    pub fn privilege_groups(&self) -> PrivilegeGroups {
        let laid_over = self.privilege_groups.clone();
        laid_over.unwrap_or_else(|| self.catalog.privilege_groups())
    }

    /// Which collections of a restoration there are.
    pub fn transient_ids(&self) -> TransientIds {
        self.transient_ids
    }

    /// How many users there are on the database of Milvus clients. Looks only at those of the batch.
    pub fn milvus_user_count(&self) -> usize {
        let laid_over = self
            .users
            .iter()
            .filter(|(name, _)| name.db() == self.milvus_db());
        laid_over.fold(self.catalog.milvus_user_count(), |count, (name, user)| {
            counted(count, self.catalog.user(name).is_some(), user.is_some())
        })
    }

    /// How many roles there are on the database of Milvus clients. Looks only at those of the batch.
    pub fn milvus_role_count(&self) -> usize {
        let laid_over = self
            .roles
            .iter()
            .filter(|(name, _)| name.db() == self.milvus_db());
        laid_over.fold(self.catalog.milvus_role_count(), |count, (name, role)| {
            counted(count, self.catalog.role(name).is_some(), role.is_some())
        })
    }

    /// Whether there was a user or role at any time since the start that is more than one of Milvus
    /// clients.
    pub fn had_users_or_roles(&self) -> bool {
        self.had_users_or_roles
    }

    /// Whether the store says which schema its users and roles have.
    pub fn has_auth_schema(&self) -> bool {
        self.has_auth_schema
    }
}

/// A count after one name has changed.
fn counted(count: usize, was_there: bool, is_there: bool) -> usize {
    count
        .saturating_add(usize::from(is_there))
        .saturating_sub(usize::from(was_there))
}
