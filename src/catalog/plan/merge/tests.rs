use super::super::begin_transient;
use super::*;
use crate::catalog::Catalog;
use crate::catalog::testing::{catalog, role_name, user, user_name};
use crate::model::action::Action;
use crate::model::privilege::Privilege;
use crate::model::resource::Resource;
use crate::model::transient::TransientCollection;

fn role(name: &str, roles: &[&str]) -> Role {
    Role {
        name: role_name(name),
        privileges: [].into(),
        roles: roles.iter().map(|role| role_name(role)).collect(),
        restrictions: Restrictions::NONE,
        milvus_grants: [].into(),
        milvus_description: "".into(),
    }
}

fn dump(users: Vec<User>, roles: Vec<Role>, replaces: bool) -> Dump {
    Dump {
        users: Some(Dumped {
            entries: users,
            unreadable: Vec::new(),
        }),
        roles: Some(Dumped {
            entries: roles,
            unreadable: Vec::new(),
        }),
        db: None,
        replaces,
        read_from: TransientIds::default(),
    }
}

/// What is done, what is left out, and the catalog afterwards.
fn apply(catalog: &Catalog, dump: Dump) -> (Vec<String>, Vec<String>) {
    let (changes, merged) = merge(&View::new(catalog), dump).unwrap();
    catalog.apply(changes);
    let done = merged.changed.iter().map(|change| {
        let subject = format!("{:?}", change.subject);
        format!("{} {subject}", change.command)
    });
    let left_out = merged.left_out.iter();
    let left_out = left_out.map(|LeftOut { what, reason }| format!("{what}: {reason}"));
    (done.collect(), left_out.collect())
}

fn roles_of(catalog: &Catalog, name: &str) -> Vec<String> {
    let role = catalog.role(&role_name(name)).unwrap();
    role.roles
        .iter()
        .map(|role| role.role().to_owned())
        .collect()
}

fn names(catalog: &Catalog) -> (Vec<String>, Vec<String>) {
    let users = catalog
        .all_users()
        .into_iter()
        .map(|user| user.name.to_string());
    let roles = catalog
        .all_roles()
        .into_iter()
        .map(|role| role.name.role().to_owned());
    (users.collect(), roles.collect())
}

#[test]
fn without_drop_only_what_is_new_comes_in() {
    let catalog = catalog(vec![user("ann", &["a"]), user("eve", &["a"])]);
    let users = vec![user("ann", &["b"]), user("bob", &["d", "b", "b"])];
    let roles = vec![role("a", &["b"]), role("d", &["e"]), role("e", &["c"])];
    let (done, left_out) = apply(&catalog, dump(users, roles, false));
    assert_eq!(
        done,
        [
            "createRole Role(d@products)",
            "createRole Role(e@products)",
            "createUser User(bob@admin)"
        ]
    );
    assert_eq!(
        left_out,
        ["role a@products: it exists", "user ann@admin: it exists"]
    );
    assert_eq!(
        *catalog.user(&user_name("ann")).unwrap().roles,
        [role_name("a")]
    );
    assert_eq!(
        *catalog.user(&user_name("bob")).unwrap().roles,
        [role_name("d"), role_name("b")]
    );
    assert_eq!(roles_of(&catalog, "d"), ["e"]);
    assert!(catalog.has_auth_schema());
}

#[test]
fn with_drop_the_dump_is_all_there_is() {
    let catalog = catalog(vec![user("ann", &["a", "b"]), user("eve", &["a"])]);
    let users = vec![user("ann", &["a", "b"])];
    let (done, left_out) = apply(&catalog, dump(users, vec![role("a", &["c"])], true));
    assert_eq!(
        done,
        [
            "updateRole Role(a@products)",
            "dropRole Role(b@products)",
            "dropRole Role(c@products)",
            "updateUser User(ann@admin)",
            "dropUser User(eve@admin)"
        ]
    );
    assert_eq!(
        left_out,
        [
            "role a@products: its role c@products does not exist",
            "user ann@admin: its role b@products does not exist"
        ]
    );
    let expected = (vec!["ann@admin".to_owned()], vec!["a".to_owned()]);
    assert_eq!(names(&catalog), expected);
}

#[test]
fn roles_that_go_are_taken_from_those_who_stay() {
    let catalog = catalog(vec![user("ann", &["a", "b"])]);
    let roles_only = Dump {
        users: None,
        ..dump(Vec::new(), vec![role("a", &[])], true)
    };
    apply(&catalog, roles_only);
    assert_eq!(
        *catalog.user(&user_name("ann")).unwrap().roles,
        [role_name("a")]
    );
}

#[test]
fn other_databases_are_not_looked_at() {
    let catalog = catalog(vec![user("ann", &["a"])]);
    let dump = Dump {
        db: Some(role_name("a").db().clone()),
        ..dump(vec![user("bob", &[])], vec![role("a", &[])], true)
    };
    let (done, left_out) = apply(&catalog, dump);
    assert_eq!(done.len(), 3, "{done:?}");
    assert_eq!(left_out, [] as [&str; 0]);
    let expected = (vec!["ann@admin".to_owned()], vec!["a".to_owned()]);
    assert_eq!(names(&catalog), expected);
}

#[test]
fn who_cannot_be_read_stays() {
    let catalog = catalog(vec![user("ann", &["a"]), user("eve", &[])]);
    let mut dump = dump(
        vec![user("bob", &["b"])],
        vec![role("b", &["a", "b"])],
        true,
    );
    dump.users.as_mut().unwrap().unreadable = vec![user_name("ann")];
    dump.roles.as_mut().unwrap().unreadable = vec![role_name("a")];
    let (_, left_out) = apply(&catalog, dump);
    assert_eq!(
        left_out,
        ["role b@products: its role b@products includes it"]
    );
    let (users, roles) = names(&catalog);
    assert_eq!(users, ["ann@admin", "bob@admin"]);
    assert_eq!(roles, ["a", "b"]);
}

#[test]
fn no_role_includes_itself_also_by_one_that_stays() {
    let catalog = catalog(vec![]);
    catalog.apply([Change::PutRole(Arc::new(role("a", &["b"])))]);
    let roles = vec![role("b", &["c"]), role("c", &["d"]), role("d", &["b", "a"])];
    let mut dump = dump(Vec::new(), roles, true);
    dump.roles.as_mut().unwrap().unreadable = vec![role_name("a")];
    let (_, left_out) = apply(&catalog, dump);
    assert_eq!(left_out.len(), 2, "{left_out:?}");
    for start in ["a", "b", "c", "d"] {
        let mut waiting = roles_of(&catalog, start);
        let mut steps = 0;
        while let Some(name) = waiting.pop() {
            assert_ne!(name, start);
            waiting.extend(roles_of(&catalog, &name));
            steps += 1;
            assert!(steps < 100);
        }
    }
}

#[test]
fn roles_that_cannot_be_are_left_out() {
    let catalog = catalog(vec![]);
    let named = |name: RoleName| Role {
        name,
        ..role("x", &[])
    };
    let elsewhere = Privilege {
        resource: Resource::Cluster,
        actions: [Action::Find].into_iter().collect(),
    };
    let roles = vec![
        named(role_name("read")),
        Role {
            roles: [RoleName::new("root", DbName::ADMIN).unwrap()].into(),
            ..role("x", &[])
        },
        Role {
            privileges: [elsewhere].into(),
            ..role("y", &[])
        },
        role("z", &[]),
        role("z", &["a"]),
    ];
    let (done, left_out) = apply(&catalog, dump(vec![user("ann", &["x", "z"])], roles, false));
    assert_eq!(
        done,
        ["createRole Role(z@products)", "createUser User(ann@admin)"]
    );
    assert_eq!(
        left_out,
        [
            "role read@products: it is built in",
            "role x@products: it includes a role of another database",
            "role y@products: a role on products would have a privilege beyond it",
            "role z@products: it is there twice",
            "user ann@admin: its role x@products does not exist",
        ]
    );
}

#[test]
fn a_long_chain_of_roles_is_walked_once() {
    let catalog = Catalog::new();
    let name = |number: usize| format!("r{number}");
    let roles: Vec<_> = (0..20_000)
        .map(|number| role(&name(number), &[&name((number + 1) % 20_000)]))
        .collect();
    let (done, left_out) = apply(&catalog, dump(Vec::new(), roles, false));
    assert_eq!((done.len(), left_out.len()), (20_000, 1));
}

#[test]
fn what_was_read_is_what_there_is() {
    let users = TransientCollection::Users;
    let id = uuid::Uuid::from_u128;
    let catalog = catalog(vec![user("ann", &[])]);
    let merge = |number| {
        let read_from = TransientIds::default().with(users, Some(id(number)));
        let dump = Dump {
            read_from,
            ..dump(Vec::new(), Vec::new(), true)
        };
        merge(&View::new(&catalog), dump).map(|_| ())
    };
    let refused = Err(PlanError::TransientNotHere(users));
    assert_eq!(merge(1), refused, "it was dropped");
    let begun = begin_transient(&View::new(&catalog), users, id(2)).unwrap();
    catalog.apply(begun);
    assert_eq!(merge(1), refused, "it was begun anew");
    assert_eq!(merge(2), Ok(()));
}
