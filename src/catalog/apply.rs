//! The only mutation of the catalog.

use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use super::Catalog;
use crate::store::{Change, Setting};

impl Catalog {
    /// Makes committed changes visible, in order, then moves the generation.
    ///
    /// For the one writer, after the store committed them, and for replay.
    pub fn apply(&self, changes: impl IntoIterator<Item = Change>) {
        let changes = changes.into_iter();
        // One change alone is seen whole anyway: long listings need not hold it up.
        let is_single = changes.size_hint() == (1, Some(1));
        let lock = || self.whole.write().unwrap_or_else(PoisonError::into_inner);
        let whole = (!is_single).then(lock);
        for change in changes {
            self.apply_one(change);
        }
        drop(whole);
        self.generation.fetch_add(1, Ordering::Release);
    }

    fn apply_one(&self, change: Change) {
        match change {
            Change::PutUser(user) => {
                let is_milvus = *user.name.db() == self.milvus_db;
                self.note_user_or_role(is_milvus);
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
                self.note_user_or_role(is_milvus);
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

    /// Those of Milvus do not count: none of them could administer anything but Milvus.
    fn note_user_or_role(&self, is_milvus: bool) {
        if !is_milvus {
            self.had_users_or_roles.store(true, Ordering::Release);
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
        }
    }
}
