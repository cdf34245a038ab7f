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
                self.had_users_or_roles.store(true, Ordering::Release);
                self.users.insert(user.name.clone(), user);
            }
            Change::DropUser(name) => {
                self.users.remove(&name);
            }
            Change::PutRole(role) => {
                self.had_users_or_roles.store(true, Ordering::Release);
                self.roles.insert(role.name.clone(), role);
            }
            Change::DropRole(name) => {
                self.roles.remove(&name);
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
        }
    }
}
