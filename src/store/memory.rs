//! A store that forgets when the process ends (`--storageEngine ephemeralForTest`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Change, Sequence, Setting, Store, StoreError};
use crate::model::names::{RoleName, UserName};
use crate::model::role::Role;
use crate::model::user::User;

/// Keeps changes in memory only.
#[derive(Debug, Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    sequence: Sequence,
    settings: BTreeMap<&'static str, Setting>,
    roles: BTreeMap<RoleName, Arc<Role>>,
    users: BTreeMap<UserName, Arc<User>>,
}

impl MemoryStore {
    /// A store with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    // A panic between two inserts is impossible short of running out of memory, so the state of a
    // poisoned lock is whole.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn commit(&self, batch: &[Change]) -> Result<Sequence, StoreError> {
        let mut state = self.state();
        for change in batch {
            state.keep(change.clone());
        }
        if !batch.is_empty() {
            state.sequence.0 += 1;
        }
        Ok(state.sequence)
    }

    fn replay(&self, sink: &mut dyn FnMut(Change)) -> Result<Sequence, StoreError> {
        let state = self.state();
        for setting in state.settings.values() {
            sink(Change::PutSetting(setting.clone()));
        }
        for role in state.roles.values() {
            sink(Change::PutRole(Arc::clone(role)));
        }
        for user in state.users.values() {
            sink(Change::PutUser(Arc::clone(user)));
        }
        Ok(state.sequence)
    }

    fn is_durable(&self) -> bool {
        false
    }

    fn name(&self) -> &'static str {
        "memory"
    }
}

impl State {
    fn keep(&mut self, change: Change) {
        match change {
            Change::PutUser(user) => {
                self.users.insert(user.name.clone(), user);
            }
            Change::DropUser(name) => {
                self.users.remove(&name);
            }
            Change::PutRole(role) => {
                self.roles.insert(role.name.clone(), role);
            }
            Change::DropRole(name) => {
                self.roles.remove(&name);
            }
            Change::PutSetting(setting) => {
                self.settings.insert(setting.key(), setting);
            }
        }
    }
}
