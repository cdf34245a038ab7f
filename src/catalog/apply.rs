//! The only mutation of the catalog.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

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
            let _whole = self.whole.read().unwrap_or_else(PoisonError::into_inner);
            changes.for_each(|change| self.apply_one(change));
        } else {
            let _whole = self.whole.write().unwrap_or_else(PoisonError::into_inner);
            changes.for_each(|change| self.apply_one(change));
        }
        self.generation.fetch_add(1, Ordering::Release);
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
                let mut kept = self
                    .default_read_write_concern
                    .write()
                    .unwrap_or_else(PoisonError::into_inner);
                *kept = Some(value);
            }
            Setting::DeploymentSecret(secret) => {
                let mut kept = self
                    .deployment_secret
                    .write()
                    .unwrap_or_else(PoisonError::into_inner);
                *kept = Some(secret);
            }
            Setting::PrivilegeGroups(groups) => {
                let mut kept = self
                    .privilege_groups
                    .write()
                    .unwrap_or_else(PoisonError::into_inner);
                *kept = groups;
            }
            Setting::TransientCollections(ids) => {
                let mut kept = self
                    .transient_ids
                    .write()
                    .unwrap_or_else(PoisonError::into_inner);
                *kept = ids;
            }
        }
    }
}
