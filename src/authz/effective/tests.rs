//! Every row of the table of what covers what.

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::model::action::Action;
use crate::model::privilege::Privilege;
use crate::model::restriction::Restrictions;
use crate::model::role::Role;

fn db(name: &str) -> DbName {
    DbName::parse(name).unwrap()
}

fn ns(db_name: &str, collection: &str) -> Resource {
    Resource::Namespace(db(db_name), collection.into())
}

fn of_role(name: &str, on: &str) -> EffectivePrivileges {
    let role = RoleName::new(name, db(on)).unwrap();
    EffectivePrivileges::of(&Resolved::of(&[role], &|_: &RoleName| None))
}

fn of_privileges(privileges: Vec<Privilege>) -> EffectivePrivileges {
    let name = RoleName::new("custom", DbName::ADMIN).unwrap();
    let role = Arc::new(Role {
        name: name.clone(),
        privileges: privileges.into(),
        roles: [].into(),
        restrictions: Restrictions::NONE,
        milvus_grants: [].into(),
    });
    EffectivePrivileges::of(&Resolved::of(&[name], &move |_: &RoleName| {
        Some(Arc::clone(&role))
    }))
}

fn find_on(resource: Resource) -> EffectivePrivileges {
    of_privileges(vec![Privilege {
        resource,
        actions: Action::Find.into(),
    }])
}

/// The table of what covers what, written down a second time and naively.
fn covering(asked: &Resource) -> Vec<Resource> {
    use Resource::*;
    let open = |db: &DbName| !["local", "config"].contains(&db.as_str());
    let mut found = vec![AnyResource, asked.clone()];
    match asked {
        Database(db) if open(db) => found.push(AnyNormal),
        SystemBuckets(db, of) => {
            found = covering(&Namespace(
                db.clone(),
                format!("system.buckets.{of}").into(),
            ));
        }
        Namespace(db, collection) => {
            found.push(CollectionInAnyDatabase(collection.clone()));
            if let Some(of) = collection.strip_prefix("system.buckets.") {
                found.extend([
                    SystemBuckets(db.clone(), of.into()),
                    AnySystemBuckets,
                    SystemBucketsInDatabase(db.clone()),
                    SystemBucketsInAnyDatabase(of.into()),
                ]);
            } else if collection.starts_with("system.") {
                // Nothing more covers the other system collections.
            } else if db.as_str() != "local" || !collection.starts_with("replset.") {
                found.push(Database(db.clone()));
                found.extend(open(db).then_some(AnyNormal));
            }
        }
        _ => {}
    }
    found
}

fn all_resources() -> Vec<Resource> {
    let collections = [
        "c",
        "d",
        "system.js",
        "system.buckets.c",
        "replset.minvalid",
    ];
    let mut all = vec![
        Resource::Cluster,
        Resource::AnyResource,
        Resource::AnyNormal,
        Resource::AnySystemBuckets,
    ];
    for name in collections {
        all.push(Resource::CollectionInAnyDatabase(name.into()));
        all.push(Resource::SystemBucketsInAnyDatabase(name.into()));
    }
    for on in ["x", "admin", "local", "config"] {
        all.push(Resource::Database(db(on)));
        all.push(Resource::SystemBucketsInDatabase(db(on)));
        all.extend(collections.map(|name| ns(on, name)));
        all.extend(collections.map(|name| Resource::SystemBuckets(db(on), name.into())));
    }
    all
}

/// Rows of the table: what is asked, and all that covers it. Everything else must not.
#[test]
fn each_resource_is_covered_by_exactly_what_the_table_says() {
    let c = || Resource::CollectionInAnyDatabase("c".into());
    let any = || Resource::AnyResource;
    let normal = || Resource::AnyNormal;
    let rows = [
        (Resource::Cluster, vec![any(), Resource::Cluster]),
        (any(), vec![any()]),
        (normal(), vec![any(), normal()]),
        (
            Resource::Database(db("x")),
            vec![any(), normal(), Resource::Database(db("x"))],
        ),
        (
            Resource::Database(db("local")),
            vec![any(), Resource::Database(db("local"))],
        ),
        (
            Resource::Database(db("config")),
            vec![any(), Resource::Database(db("config"))],
        ),
        (
            Resource::Database(db("admin")),
            vec![any(), normal(), Resource::Database(DbName::ADMIN)],
        ),
        (
            ns("x", "c"),
            vec![
                any(),
                normal(),
                Resource::Database(db("x")),
                c(),
                ns("x", "c"),
            ],
        ),
        (
            ns("local", "c"),
            vec![
                any(),
                Resource::Database(db("local")),
                c(),
                ns("local", "c"),
            ],
        ),
        (
            ns("config", "c"),
            vec![
                any(),
                Resource::Database(db("config")),
                c(),
                ns("config", "c"),
            ],
        ),
        (
            ns("local", "replset.minvalid"),
            vec![
                any(),
                Resource::CollectionInAnyDatabase("replset.minvalid".into()),
                ns("local", "replset.minvalid"),
            ],
        ),
        (
            ns("x", "system.buckets.c"),
            vec![
                any(),
                Resource::SystemBuckets(db("x"), "c".into()),
                Resource::AnySystemBuckets,
                Resource::SystemBucketsInDatabase(db("x")),
                Resource::SystemBucketsInAnyDatabase("c".into()),
                Resource::CollectionInAnyDatabase("system.buckets.c".into()),
                ns("x", "system.buckets.c"),
            ],
        ),
        (
            ns("x", "system.js"),
            vec![
                any(),
                Resource::CollectionInAnyDatabase("system.js".into()),
                ns("x", "system.js"),
            ],
        ),
    ];
    for (asked, covered_by) in rows {
        for held in all_resources() {
            let allowed = find_on(held.clone()).allows(&asked, &Action::Find.into());
            assert_eq!(allowed, covered_by.contains(&held), "{asked:?} by {held:?}");
        }
    }
}

#[test]
fn anything_in_a_database_counts() {
    let any_where = [
        Resource::AnyResource,
        Resource::AnySystemBuckets,
        Resource::CollectionInAnyDatabase("c".into()),
        Resource::SystemBucketsInAnyDatabase("c".into()),
    ];
    for held in any_where {
        for on in ["x", "local", "config", "admin"] {
            assert!(
                find_on(held.clone()).allows_any_action_in(&db(on)),
                "{held:?} {on}"
            );
        }
    }
    let in_x = [
        Resource::Database(db("x")),
        Resource::SystemBucketsInDatabase(db("x")),
        ns("x", "c"),
        ns("x", "system.js"),
        Resource::SystemBuckets(db("x"), "c".into()),
    ];
    for held in in_x {
        assert!(
            find_on(held.clone()).allows_any_action_in(&db("x")),
            "{held:?}"
        );
        assert!(
            !find_on(held.clone()).allows_any_action_in(&db("y")),
            "{held:?}"
        );
    }
    let normal = find_on(Resource::AnyNormal);
    assert!(normal.allows_any_action_in(&db("x")) && normal.allows_any_action_in(&db("admin")));
    assert!(!normal.allows_any_action_in(&db("local")));
    assert!(!normal.allows_any_action_in(&db("config")));
    assert!(!find_on(Resource::Cluster).allows_any_action_in(&db("x")));
    let nothing = Privilege {
        resource: Resource::AnyResource,
        actions: ActionSet::EMPTY,
    };
    assert!(!of_privileges(vec![nothing]).allows_any_action_in(&db("x")));
}

#[test]
fn actions_may_come_from_different_privileges() {
    let both: ActionSet = [Action::Find, Action::Insert].into_iter().collect();
    let find = Privilege {
        resource: Resource::AnyNormal,
        actions: Action::Find.into(),
    };
    let insert = Privilege {
        resource: ns("x", "c"),
        actions: Action::Insert.into(),
    };
    let held = of_privileges(vec![find, insert]);
    assert!(held.allows(&ns("x", "c"), &both));
    assert!(!held.allows(&ns("x", "d"), &both));
    assert!(!held.allows(&ns("x", "c"), &Action::AnyAction.into()));
    assert!(held.allows(&Resource::Cluster, &ActionSet::EMPTY));
}

#[test]
fn built_in_roles_allow_what_they_are_known_for() {
    let may = |role: &str, on: &str, action: Action, resource: Resource| {
        of_role(role, on).allows(&resource, &action.into())
    };
    assert!(may("read", "x", Action::Find, ns("x", "c")));
    assert!(!may("read", "x", Action::Insert, ns("x", "c")));
    assert!(!may("read", "x", Action::Find, ns("y", "c")));
    assert!(may("readWrite", "x", Action::Insert, ns("x", "c")));
    assert!(may(
        "userAdmin",
        "x",
        Action::CreateUser,
        Resource::Database(db("x"))
    ));
    assert!(!may(
        "userAdmin",
        "x",
        Action::CreateUser,
        Resource::Database(db("y"))
    ));
    let admin = || ns("admin", "system.users");
    assert!(may("userAdminAnyDatabase", "admin", Action::Find, admin()));
    assert!(!may("readAnyDatabase", "admin", Action::Find, admin()));
    assert!(!may(
        "readAnyDatabase",
        "admin",
        Action::Find,
        ns("local", "oplog.rs")
    ));
    assert!(may(
        "clusterMonitor",
        "admin",
        Action::ServerStatus,
        Resource::Cluster
    ));
    assert!(may(
        "root",
        "admin",
        Action::CreateRole,
        Resource::Database(db("x"))
    ));
    assert!(!may("root", "admin", Action::Internal, Resource::Cluster));
    assert!(may(
        "__system",
        "admin",
        Action::Internal,
        Resource::Cluster
    ));
    assert!(!may("root", "x", Action::Find, ns("x", "c")));
}

fn privilege() -> impl Strategy<Value = Privilege> {
    let actions = proptest::collection::vec(action(), 1..4);
    (select(all_resources()), actions).prop_map(|(resource, actions)| {
        let actions = actions.into_iter().collect();
        Privilege { resource, actions }
    })
}

fn action() -> impl Strategy<Value = Action> {
    let few = [
        Action::Find,
        Action::Insert,
        Action::Remove,
        Action::GetChangeStreamState,
    ];
    prop_oneof![9 => select(few.to_vec()), 1 => Just(Action::AnyAction)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_check_equals_reading_the_table(
        privileges in proptest::collection::vec(privilege(), 0..12),
        roles in proptest::collection::vec(select(builtin::admin_only()), 0..2),
        asked in select(all_resources()),
        actions in proptest::collection::vec(action(), 1..3),
    ) {
        let asked_actions: ActionSet = actions.into_iter().collect();
        let covering = covering(&asked);
        let own = builtin::privileges(&RoleName::new("read", db("x")).unwrap()).unwrap();
        let shared = roles.iter().flat_map(|role| builtin::privileges(role).unwrap().to_vec());
        let listed: Vec<_> =
            privileges.iter().cloned().chain(own.to_vec()).chain(shared).collect();
        let each = |set: &ActionSet| -> HashSet<Action> {
            let set = *set;
            Action::ALL.iter().copied()
                .filter(move |it| *it != Action::AnyAction && set.contains(*it)).collect()
        };
        let granted: HashSet<Action> = listed.iter()
            .filter(|held| covering.contains(&held.resource))
            .flat_map(|held| each(&held.actions))
            .collect();
        let expected = each(&asked_actions).is_subset(&granted);

        let custom = RoleName::new("custom", DbName::ADMIN).unwrap();
        let role = Arc::new(Role {
            name: custom.clone(),
            privileges: privileges.into(),
            roles: roles.into(),
            restrictions: Restrictions::NONE,
            milvus_grants: [].into(),
        });
        let direct = [custom, RoleName::new("read", db("x")).unwrap()];
        let resolved = Resolved::of(&direct, &move |_: &RoleName| Some(Arc::clone(&role)));
        let effective = EffectivePrivileges::of(&resolved);
        prop_assert_eq!(effective.allows(&asked, &asked_actions), expected);
    }
}
