//! The only mutation of the catalog.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, RwLock};

use super::{Catalog, builtin};
use crate::model::names::DbName;
use crate::store::{Change, Setting};

impl Catalog {
    /// Makes committed changes visible, in order, then moves the generation.
    ///
    /// For the one writer, after the store committed them, and for replay.
    pub fn apply(&self, changes: impl IntoIterator<Item = Change>) {
        let changes = changes.into_iter();
        if changes.size_hint() == (1, Some(1)) {
            // One change alone is seen whole anyway: long listings need not hold it up.
            let _hold = self.hold();
            changes.for_each(|change| self.apply_one(change));
            self.generation.fetch_add(1, Ordering::Release);
        } else {
            let _whole = self.whole.write().unwrap_or_else(PoisonError::into_inner);
            changes.for_each(|change| self.apply_one(change));
            self.generation.fetch_add(1, Ordering::Release);
        }
    }

    /// Makes this catalog what `other` is, then moves the generation: what the other does not have is gone.
    ///
    /// For who has read everything anew, and cannot tell what has changed since.
    pub fn replace(&self, other: &Self) {
        let _whole = self.whole.write().unwrap_or_else(PoisonError::into_inner);
        let users = self.users.iter();
        let gone_users = users.filter(|user| !other.users.contains_key(user.key()));
        let gone_users = gone_users.map(|user| Change::DropUser(user.key().clone()));
        let roles = self.roles.iter();
        let gone_roles = roles.filter(|role| !other.roles.contains_key(role.key()));
        let gone_roles = gone_roles.map(|role| Change::DropRole(role.key().clone()));
        let gone: Vec<Change> = gone_users.chain(gone_roles).collect();
        let roles = other.roles.iter();
        let roles = roles.map(|role| Change::PutRole(Arc::clone(role.value())));
        let users = other.users.iter();
        let users = users.map(|user| Change::PutUser(Arc::clone(user.value())));
        for change in roles.chain(users).chain(gone) {
            self.apply_one(change);
        }
        self.replace_settings(other);
        self.generation.fetch_add(1, Ordering::Release);
    }

    fn replace_settings(&self, other: &Self) {
        let has_auth_schema = other.has_auth_schema();
        self.has_auth_schema
            .store(has_auth_schema, Ordering::Release);
        keep(
            &self.default_read_write_concern,
            other.default_read_write_concern(),
        );
        keep(&self.deployment_secret, other.deployment_secret());
        keep(&self.privilege_groups, other.privilege_groups());
        keep(&self.transient_ids, other.transient_ids());
    }

    /// Whether it puts a user or role that is more than one of Milvus clients: on another database, or
    /// by what MongoDB gives it. A stored role that users of Milvus may have has been asked about when
    /// it was put.
    pub(super) fn is_beyond_milvus(&self, change: &Change) -> bool {
        let is_elsewhere = |db: &DbName| *db != self.milvus_db;
        match change {
            Change::PutUser(user) => {
                is_elsewhere(user.name.db())
                    || user
                        .roles
                        .iter()
                        .any(|role| is_elsewhere(role.db()) || builtin::is_builtin(role))
            }
            Change::PutRole(role) => {
                is_elsewhere(role.name.db())
                    || !role.privileges.is_empty()
                    || !role.roles.is_empty()
            }
            Change::DropUser(_) | Change::DropRole(_) | Change::PutSetting(_) => false,
        }
    }

    fn apply_one(&self, change: Change) {
        if self.is_beyond_milvus(&change) {
            self.had_users_or_roles.store(true, Ordering::Release);
        }
        match change {
            Change::PutUser(user) => {
                let is_milvus = *user.name.db() == self.milvus_db;
                let is_new = self.users.insert(user.name.clone(), user).is_none();
                if is_milvus && is_new {
                    self.milvus_users.fetch_add(1, Ordering::Relaxed);
                }
            }
            Change::DropUser(name) => {
                if self.users.remove(&name).is_some() && *name.db() == self.milvus_db {
                    self.milvus_users.fetch_sub(1, Ordering::Relaxed);
                }
            }
            Change::PutRole(role) => {
                let is_milvus = *role.name.db() == self.milvus_db;
                let is_new = self.roles.insert(role.name.clone(), role).is_none();
                if is_milvus && is_new {
                    self.milvus_roles.fetch_add(1, Ordering::Relaxed);
                }
            }
            Change::DropRole(name) => {
                if self.roles.remove(&name).is_some() && *name.db() == self.milvus_db {
                    self.milvus_roles.fetch_sub(1, Ordering::Relaxed);
                }
            }
            Change::PutSetting(setting) => self.apply_setting(setting),
        }
    }

    fn apply_setting(&self, setting: Setting) {
        match setting {
            Setting::AuthSchema => self.has_auth_schema.store(true, Ordering::Release),
            Setting::DefaultReadWriteConcern(value) => {
                keep(&self.default_read_write_concern, Some(value));
            }
            Setting::DeploymentSecret(secret) => keep(&self.deployment_secret, Some(secret)),
            Setting::PrivilegeGroups(groups) => keep(&self.privilege_groups, groups),
            Setting::TransientCollections(ids) => keep(&self.transient_ids, ids),
        }
    }
}

fn keep<T>(setting: &RwLock<T>, value: T) {
    *setting.write().unwrap_or_else(PoisonError::into_inner) = value;
}
