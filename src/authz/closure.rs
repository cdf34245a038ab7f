//! From the roles a user was granted to all the roles it holds.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use crate::catalog::{Catalog, builtin};
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

impl RoleSource for Catalog {
    fn role(&self, name: &RoleName) -> Option<Arc<Role>> {
        Self::role(self, name)
    }
}

/// Some roles and all that they include, directly or not.
///
/// The order is breadth first: the roles started from as given, then those they include, and so on;
/// each role once. Roles that include each other in a circle, and names of roles that are gone, do
/// no harm: the latter are listed, as a server lists them, and give nothing.
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

    /// The roles among them that administrators made.
    pub(super) fn custom(&self) -> impl Iterator<Item = &Role> {
        self.roles.iter().filter_map(|role| match role {
            ResolvedRole::Custom(role) => Some(&**role),
            _ => None,
        })
    }

    pub(super) fn roles(&self) -> &[ResolvedRole] {
        &self.roles
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;
    use crate::model::action::Action;
    use crate::model::names::DbName;
    use crate::model::resource::Resource;
    use crate::model::restriction::AddressRestriction;

    fn name(role: &str) -> RoleName {
        let (role, db) = role.split_once('@').unwrap_or((role, "admin"));
        RoleName::new(role, DbName::parse(db).unwrap()).unwrap()
    }

    fn role(own: &str, included: &[&str], privileges: &[Privilege]) -> Role {
        Role {
            name: name(own),
            privileges: privileges.into(),
            roles: included.iter().copied().map(name).collect(),
            restrictions: Restrictions::NONE,
            milvus_grants: [].into(),
        }
    }

    fn source(roles: Vec<Role>) -> impl RoleSource {
        let roles: HashMap<_, _> = roles
            .into_iter()
            .map(|role| (role.name.clone(), Arc::new(role)))
            .collect();
        move |name: &RoleName| roles.get(name).cloned()
    }

    fn names(resolved: &Resolved) -> Vec<String> {
        resolved.names().map(ToString::to_string).collect()
    }

    fn may(action: Action, resource: Resource) -> Privilege {
        Privilege {
            resource,
            actions: action.into(),
        }
    }

    #[test]
    fn a_diamond_is_walked_breadth_first_and_once() {
        let source = source(vec![
            role("top", &["left", "right"], &[]),
            role("left", &["bottom"], &[]),
            role("right", &["bottom", "read@x"], &[]),
            role("bottom", &[], &[]),
        ]);
        let resolved = Resolved::of(&[name("top"), name("top"), name("bottom")], &source);
        assert_eq!(
            names(&resolved),
            [
                "top@admin",
                "bottom@admin",
                "left@admin",
                "right@admin",
                "read@x"
            ]
        );
    }

    #[test]
    fn circles_end() {
        let source = source(vec![
            role("a", &["b"], &[may(Action::Find, Resource::Cluster)]),
            role("b", &["c"], &[]),
            role("c", &["a", "c"], &[may(Action::Insert, Resource::Cluster)]),
        ]);
        let resolved = Resolved::of(&[name("b")], &source);
        assert_eq!(names(&resolved), ["b@admin", "c@admin", "a@admin"]);
        let both = [Action::Find, Action::Insert].into_iter().collect();
        assert_eq!(
            resolved.privileges(),
            [Privilege {
                resource: Resource::Cluster,
                actions: both
            }]
        );
    }

    #[test]
    fn roles_that_are_gone_are_listed_and_give_nothing() {
        let source = source(vec![role("a", &["gone", "read@x"], &[])]);
        let resolved = Resolved::of(&[name("lost"), name("a")], &source);
        assert_eq!(
            names(&resolved),
            ["lost@admin", "a@admin", "gone@admin", "read@x"]
        );
        let missing: Vec<_> = resolved.missing().cloned().collect();
        assert_eq!(missing, [name("lost"), name("gone")]);
        assert_eq!(
            resolved.privileges(),
            *builtin::privileges(&name("read@x")).unwrap()
        );
    }

    #[test]
    fn privileges_are_merged_over_roles_in_their_order() {
        let db = || Resource::Database(DbName::parse("x").unwrap());
        let source = source(vec![role(
            "a",
            &["read@x"],
            &[
                may(Action::Insert, Resource::AnyNormal),
                may(Action::Insert, db()),
            ],
        )]);
        let privileges = Resolved::of(&[name("a")], &source).privileges();
        let read = builtin::privileges(&name("read@x")).unwrap();
        let mut of_db = read[0].actions;
        of_db.insert(Action::Insert);
        assert_eq!(
            privileges,
            [
                may(Action::Insert, Resource::AnyNormal),
                Privilege {
                    resource: db(),
                    actions: of_db
                },
                read[1].clone(),
            ]
        );
    }

    #[test]
    fn a_stored_role_cannot_stand_in_for_a_built_in_one() {
        let source = source(vec![role("read@x", &["root"], &[])]);
        assert_eq!(names(&Resolved::of(&[name("read@x")], &source)), ["read@x"]);
    }

    #[test]
    fn only_roles_with_restrictions_restrict() {
        let here = AddressRestriction {
            client_source: Some(["127.0.0.1".parse().unwrap()].into()),
            server_address: None,
        };
        let mut restricted = role("restricted", &[], &[]);
        restricted.restrictions = Restrictions::new(vec![here]);
        let expected = restricted.restrictions.clone();
        let source = source(vec![role("a", &["restricted"], &[]), restricted]);
        let resolved = Resolved::of(&[name("a"), name("root")], &source);
        assert_eq!(resolved.restrictions().collect::<Vec<_>>(), [&expected]);
    }

    proptest! {
        /// Any graph of ten roles: the walk ends and finds what a search for a fixed point finds.
        #[test]
        fn the_closure_is_the_fixed_point(
            edges in proptest::collection::vec((0..10_usize, 0..10_usize), 0..40),
            direct in proptest::collection::vec(0..10_usize, 0..4),
        ) {
            let label = |number: usize| format!("r{number}");
            let roles = (0..8).map(|number| {
                let included: Vec<_> = edges.iter()
                    .filter(|(from, _)| *from == number)
                    .map(|(_, to)| label(*to))
                    .collect();
                let included: Vec<_> = included.iter().map(String::as_str).collect();
                role(&label(number), &included, &[])
            });
            let direct_names: Vec<_> = direct.iter().map(|number| name(&label(*number))).collect();
            let resolved = Resolved::of(&direct_names, &source(roles.collect()));
            let mut expected: std::collections::BTreeSet<usize> = direct.into_iter().collect();
            loop {
                let more: Vec<_> = edges.iter()
                    .filter(|(from, _)| *from < 8 && expected.contains(from))
                    .filter(|(_, to)| !expected.contains(to))
                    .map(|(_, to)| *to)
                    .collect();
                if more.is_empty() {
                    break;
                }
                expected.extend(more);
            }
            let mut found = names(&resolved);
            found.sort();
            let expected: Vec<_> =
                expected.into_iter().map(|number| format!("{}@admin", label(number))).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
