//! What a user may do, made quick to ask.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use super::closure::{Resolved, ResolvedRole};
use super::index::PrivilegeIndex;
use crate::catalog::builtin;
use crate::model::action::ActionSet;
use crate::model::names::{DbName, RoleName};
use crate::model::resource::Resource;

/// The privileges of all roles of one user, as of the moment they were resolved.
///
/// The long lists of the built-in roles of `admin` are shared between all users; everything else is
/// short or the user's own and is kept in one index. So a sign-in copies little, and a check looks
/// into at most a dozen of indexes.
#[derive(Debug, Clone, Default)]
pub struct EffectivePrivileges {
    indexes: Vec<Arc<PrivilegeIndex>>,
}

impl EffectivePrivileges {
    /// Collects the privileges of all the roles.
    pub fn of(resolved: &Resolved) -> Self {
        let mut indexes = Vec::new();
        let mut own: Option<PrivilegeIndex> = None;
        for role in resolved.roles() {
            match role {
                ResolvedRole::BuiltIn(name) => {
                    if let Some(shared) = SHARED.get(name) {
                        indexes.push(Arc::clone(shared));
                    } else if let Some(privileges) = builtin::privileges(name) {
                        let own = own.get_or_insert_default();
                        privileges.iter().for_each(|privilege| own.add(privilege));
                    }
                }
                ResolvedRole::Custom(role) => {
                    let own = own.get_or_insert_default();
                    role.privileges
                        .iter()
                        .for_each(|privilege| own.add(privilege));
                }
                ResolvedRole::Missing(_) => {}
            }
        }
        indexes.extend(own.map(Arc::new));
        Self { indexes }
    }

    /// Whether all of `actions` may be done on `resource`. They may come from different privileges:
    /// on the resource itself and on whatever covers it. No action at all is always allowed.
    pub fn allows(&self, resource: &Resource, actions: &ActionSet) -> bool {
        let mut missing = *actions;
        for index in &self.indexes {
            index.take_allowed(resource, &mut missing);
            if missing.is_empty() {
                return true;
            }
        }
        missing.is_empty()
    }

    /// Whether there is any action that may be done on anything in `db`; decides which databases
    /// `listDatabases` shows.
    pub fn allows_any_action_in(&self, db: &DbName) -> bool {
        self.indexes
            .iter()
            .any(|index| index.allows_any_action_in(db))
    }
}

static SHARED: LazyLock<HashMap<RoleName, Arc<PrivilegeIndex>>> = LazyLock::new(|| {
    let indexed = |role: RoleName| {
        let mut index = PrivilegeIndex::default();
        let privileges = builtin::privileges(&role);
        privileges
            .iter()
            .flat_map(|it| it.iter())
            .for_each(|privilege| index.add(privilege));
        (role, Arc::new(index))
    };
    builtin::admin_only().into_iter().map(indexed).collect()
});

#[cfg(test)]
mod tests;
