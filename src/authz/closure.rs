//! From the roles a user was granted to all the roles it holds.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crate::catalog::builtin;
use crate::model::names::RoleName;
use crate::model::privilege::{MergedPrivileges, Privilege};
use crate::model::restriction::Restrictions;
use crate::model::role::Role;

/// Where roles made by administrators are found. Built-in roles are not asked for.
pub trait RoleSource {
    /// The role of that name, if there is one now.
    fn role(&self, name: &RoleName) -> Option<Arc<Role>>;
}

impl<F: Fn(&RoleName) -> Option<Arc<Role>>> RoleSource for F {
    fn role(&self, name: &RoleName) -> Option<Arc<Role>> {
        self(name)
    }
}

/// Some roles and all that they include, directly or not.
///
/// The order is breadth first: the roles started from as given, then those they include, and so on;
/// each role once. Roles that include each other in a circle, and names of roles that are gone, do no
/// harm: the latter are listed, as a server lists them, and give nothing.
#[derive(Debug, Clone, Default)]
pub struct Resolved {
    roles: Vec<ResolvedRole>,
}

/// What a name of a role stood for.
#[derive(Debug, Clone)]
pub(super) enum ResolvedRole {
    BuiltIn(RoleName),
    Custom(Arc<Role>),
    Missing(RoleName),
}

impl Resolved {
    /// Follows `direct` to everything included. A built-in role includes nothing.
    pub fn of(direct: &[RoleName], source: &impl RoleSource) -> Self {
        let mut seen: HashSet<RoleName> = HashSet::with_capacity(direct.len());
        let mut waiting: VecDeque<RoleName> = VecDeque::with_capacity(direct.len());
        let mut roles = Vec::with_capacity(direct.len());
        for name in direct {
            if seen.insert(name.clone()) {
                waiting.push_back(name.clone());
            }
        }
        while let Some(name) = waiting.pop_front() {
            if builtin::is_builtin(&name) {
                roles.push(ResolvedRole::BuiltIn(name));
            } else if let Some(role) = source.role(&name) {
                for included in &role.roles {
                    if seen.insert(included.clone()) {
                        waiting.push_back(included.clone());
                    }
                }
                roles.push(ResolvedRole::Custom(role));
            } else {
                roles.push(ResolvedRole::Missing(name));
            }
        }
        Self { roles }
    }

    /// The names of all the roles (`inheritedRoles` of `usersInfo`).
    pub fn names(&self) -> impl ExactSizeIterator<Item = &RoleName> {
        self.roles.iter().map(|role| match role {
            ResolvedRole::Custom(role) => &role.name,
            ResolvedRole::BuiltIn(name) | ResolvedRole::Missing(name) => name,
        })
    }

    /// The names of roles that do not exist; worth a line in the log.
    pub fn missing(&self) -> impl Iterator<Item = &RoleName> {
        self.roles.iter().filter_map(|role| match role {
            ResolvedRole::Missing(name) => Some(name),
            _ => None,
        })
    }

    /// The privileges of all the roles, merged (`inheritedPrivileges` of `usersInfo`). A list to
    /// print; to check, ask [`EffectivePrivileges`](super::EffectivePrivileges).
    pub fn privileges(&self) -> Vec<Privilege> {
        let mut merged = MergedPrivileges::default();
        for role in &self.roles {
            match role {
                ResolvedRole::BuiltIn(name) => {
                    let privileges = builtin::privileges(name);
                    privileges
                        .iter()
                        .flat_map(|it| it.iter())
                        .for_each(|it| merged.add(it));
                }
                ResolvedRole::Custom(role) => role.privileges.iter().for_each(|it| merged.add(it)),
                ResolvedRole::Missing(_) => {}
            }
        }
        merged.into_vec()
    }

    /// The restrictions of each role that has any. All of them must be met.
    pub fn restrictions(&self) -> impl Iterator<Item = &Restrictions> {
        self.roles.iter().filter_map(|role| match role {
            ResolvedRole::Custom(role) if !role.restrictions.is_empty() => Some(&role.restrictions),
            _ => None,
        })
    }

    pub(super) fn roles(&self) -> &[ResolvedRole] {
        &self.roles
    }
}
