use std::collections::HashMap;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::catalog::plan::grant_roles_to_user;
use crate::catalog::testing::{catalog, role_name, user, user_name};
use crate::catalog::{Catalog, View};
use crate::model::action::Action;

fn role(name: &RoleName, roles: &[RoleName], privileges: Vec<Privilege>) -> Role {
    Role {
        name: name.clone(),
        privileges: privileges.into(),
        roles: roles.into(),
        restrictions: Restrictions::NONE,
        milvus_grants: [].into(),
        milvus_description: "".into(),
    }
}

fn on_database(db: &DbName, actions: &[Action]) -> Privilege {
    Privilege {
        resource: Resource::Database(db.clone()),
        actions: actions.iter().copied().collect(),
    }
}

#[test]
fn plans_of_one_batch_see_each_other() {
    let catalog = catalog(vec![]);
    let mut view = View::new(&catalog);
    let (a, b, c) = (role_name("a"), role_name("b"), role_name("c"));
    view.lay_over(&grant_roles_to_role(&view, &a, std::slice::from_ref(&b)).unwrap());
    view.lay_over(&grant_roles_to_role(&view, &b, std::slice::from_ref(&c)).unwrap());
    assert_eq!(
        grant_roles_to_role(&view, &c, std::slice::from_ref(&a)).unwrap_err(),
        PlanError::RoleCycle(c.clone())
    );
    view.lay_over(&drop_role(&view, &b).unwrap());
    assert!(grant_roles_to_role(&view, &c, std::slice::from_ref(&a)).is_ok());
    assert!(grant_roles_to_role(&View::new(&catalog), &c, &[a, b]).is_ok());
}

#[test]
fn a_wish_that_is_met_already_changes_nothing() {
    let catalog = catalog(vec![]);
    let (a, b) = (role_name("a"), role_name("b"));
    let find = on_database(a.db(), &[Action::Find]);
    let privileges = std::slice::from_ref(&find);
    let view = View::new(&catalog);
    catalog.apply(grant_privileges_to_role(&view, &a, privileges).unwrap());
    catalog.apply(grant_roles_to_role(&view, &a, std::slice::from_ref(&b)).unwrap());
    let view = View::new(&catalog);
    let insert = on_database(a.db(), &[Action::Insert]);
    for changes in [
        grant_privileges_to_role(&view, &a, privileges),
        grant_roles_to_role(&view, &a, std::slice::from_ref(&b)),
        revoke_privileges_from_role(&view, &a, &[insert]),
        revoke_roles_from_role(&view, &a, &[role_name("c"), role_name("nobody")]),
        drop_all_roles_from_database(&view, &DbName::parse("other").unwrap()),
    ] {
        assert!(changes.unwrap().is_empty());
    }
}

#[test]
fn what_is_dropped_with_its_database_is_not_changed_first() {
    let catalog = catalog(vec![user("ann", &["a", "c"])]);
    let (a, b) = (role_name("a"), role_name("b"));
    let view = View::new(&catalog);
    catalog.apply(grant_roles_to_role(&view, &a, std::slice::from_ref(&b)).unwrap());
    let changes = drop_all_roles_from_database(&View::new(&catalog), a.db()).unwrap();
    let (puts, drops): (Vec<_>, Vec<_>) = changes
        .iter()
        .partition(|change| matches!(change, Change::PutUser(_) | Change::PutRole(_)));
    let [Change::PutUser(ann)] = puts.as_slice() else {
        panic!("not one user: {puts:?}")
    };
    assert!(ann.roles.is_empty());
    assert_eq!(drops.len(), 3);
}

/// A command about roles, with whatever arguments.
#[derive(Debug, Clone)]
enum Step {
    Create(RoleName, Vec<RoleName>, Vec<Privilege>),
    Update(RoleName, Option<Vec<RoleName>>, Option<Vec<Privilege>>),
    GrantRoles(RoleName, Vec<RoleName>),
    RevokeRoles(RoleName, Vec<RoleName>),
    GrantPrivileges(RoleName, Vec<Privilege>),
    RevokePrivileges(RoleName, Vec<Privilege>),
    Drop(RoleName),
    DropAll(DbName),
    GrantToUser(Vec<RoleName>),
}

impl Step {
    fn plan(self, view: &View<'_>) -> Result<Vec<Change>, PlanError> {
        match self {
            Self::Create(name, roles, privileges) => {
                create_role(view, role(&name, &roles, privileges))
            }
            Self::Update(name, roles, privileges) => {
                let update = RoleUpdate {
                    privileges,
                    roles,
                    restrictions: None,
                };
                update_role(view, &name, update)
            }
            Self::GrantRoles(name, roles) => grant_roles_to_role(view, &name, &roles),
            Self::RevokeRoles(name, roles) => revoke_roles_from_role(view, &name, &roles),
            Self::GrantPrivileges(name, privileges) => {
                grant_privileges_to_role(view, &name, &privileges)
            }
            Self::RevokePrivileges(name, privileges) => {
                revoke_privileges_from_role(view, &name, &privileges)
            }
            Self::Drop(name) => drop_role(view, &name),
            Self::DropAll(db) => drop_all_roles_from_database(view, &db),
            Self::GrantToUser(roles) => grant_roles_to_user(view, &user_name("ann"), &roles),
        }
    }
}

fn databases() -> impl Strategy<Value = DbName> {
    // Mostly one, so that roles meet.
    select(vec!["products", "products", "products", "admin", "other"])
        .prop_map(|db| DbName::parse(db).unwrap())
}

fn names() -> impl Strategy<Value = RoleName> {
    let names = vec!["a", "b", "c", "d", "e", "read", "nobody"];
    (select(names), databases()).prop_map(|(name, db)| RoleName::new(name, db).unwrap())
}

fn role_lists() -> impl Strategy<Value = Vec<RoleName>> {
    proptest::collection::vec(names(), 0..3)
}

fn privilege_lists() -> impl Strategy<Value = Vec<Privilege>> {
    let actions = vec![
        Action::Find,
        Action::Insert,
        Action::Remove,
        Action::AnyAction,
    ];
    // The command layer lets no empty list of actions through.
    let actions = proptest::collection::vec(select(actions), 1..4);
    let resource = (databases(), 0..3_u8).prop_map(|(db, kind)| match kind {
        0 => Resource::Database(db),
        1 => Resource::Namespace(db, "carts".into()),
        _ => Resource::Cluster,
    });
    let privilege = (resource, actions).prop_map(|(resource, actions)| Privilege {
        resource,
        actions: actions.into_iter().collect(),
    });
    proptest::collection::vec(privilege, 0..3)
}

fn steps() -> impl Strategy<Value = Step> {
    let maybe_roles = proptest::option::of(role_lists());
    let maybe_privileges = proptest::option::of(privilege_lists());
    prop_oneof![
        4 => (names(), role_lists(), privilege_lists())
            .prop_map(|(name, roles, privileges)| Step::Create(name, roles, privileges)),
        3 => (names(), maybe_roles, maybe_privileges)
            .prop_map(|(name, roles, privileges)| Step::Update(name, roles, privileges)),
        6 => (names(), role_lists()).prop_map(|(name, roles)| Step::GrantRoles(name, roles)),
        2 => (names(), role_lists()).prop_map(|(name, roles)| Step::RevokeRoles(name, roles)),
        2 => (names(), privilege_lists())
            .prop_map(|(name, privileges)| Step::GrantPrivileges(name, privileges)),
        3 => (names(), privilege_lists())
            .prop_map(|(name, privileges)| Step::RevokePrivileges(name, privileges)),
        2 => names().prop_map(Step::Drop),
        1 => databases().prop_map(Step::DropAll),
        2 => role_lists().prop_map(Step::GrantToUser),
    ]
}

fn is_there(catalog: &Catalog, name: &RoleName) -> bool {
    builtin::is_builtin(name) || catalog.role(name).is_some()
}

fn includes_itself(roles: &HashMap<RoleName, Arc<Role>>, start: &RoleName) -> bool {
    let mut seen = HashSet::new();
    let mut waiting = vec![start];
    while let Some(name) = waiting.pop() {
        for included in roles.get(name).iter().flat_map(|role| role.roles.iter()) {
            if included == start {
                return true;
            }
            if seen.insert(included) {
                waiting.push(included);
            }
        }
    }
    false
}

/// What holds of every catalog, whatever was asked of it.
fn check(catalog: &Catalog) {
    let roles: HashMap<_, _> = catalog
        .all_roles()
        .into_iter()
        .map(|role| (role.name.clone(), role))
        .collect();
    for user in catalog.all_users() {
        assert!(
            user.roles.iter().all(|name| is_there(catalog, name)),
            "a dangling name: {user:?}"
        );
    }
    for (name, role) in &roles {
        let db = name.db();
        assert!(!builtin::is_builtin(name), "{name} shadows a built-in role");
        assert!(!includes_itself(&roles, name), "{name} includes itself");
        let distinct: HashSet<_> = role.roles.iter().collect();
        assert_eq!(distinct.len(), role.roles.len(), "twice: {role:?}");
        for included in &role.roles {
            assert!(is_there(catalog, included), "a dangling name: {role:?}");
            assert!(db.is_admin() || included.db() == db, "{role:?}");
        }
        let resources: HashSet<_> = role.privileges.iter().map(|it| &it.resource).collect();
        assert_eq!(resources.len(), role.privileges.len(), "twice: {role:?}");
        for privilege in &role.privileges {
            assert!(!privilege.actions.is_empty(), "no action: {role:?}");
            assert!(db.is_admin() || privilege.resource.owning_db() == Some(db));
        }
    }
}

proptest! {
    /// Batches of commands, each batch applied as a whole like the writer does it.
    #[test]
    fn no_sequence_of_plans_breaks_the_graph(
        batches in proptest::collection::vec(proptest::collection::vec(steps(), 1..4), 1..25)
    ) {
        let catalog = catalog(vec![user("ann", &[])]);
        for batch in batches {
            let mut view = View::new(&catalog);
            let mut decided = Vec::new();
            for step in batch {
                if let Ok(changes) = step.plan(&view) {
                    view.lay_over(&changes);
                    decided.extend(changes);
                }
            }
            catalog.apply(decided);
            check(&catalog);
        }
    }
}
