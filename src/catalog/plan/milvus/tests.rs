use super::*;
use crate::catalog::Catalog;
use crate::model::milvus::{MilvusObject, PrivilegeGroup, PrivilegeGroups};
use crate::model::names::{DbName, UserName};
use crate::model::restriction::Restrictions;
use crate::model::user::Credentials;
use crate::store::Setting;

fn catalog() -> Catalog {
    Catalog::with_milvus_on(DbName::parse("vectors").unwrap())
}

fn role_name(name: &str) -> RoleName {
    RoleName::new(name, DbName::parse("vectors").unwrap()).unwrap()
}

fn role(name: &str) -> Role {
    Role {
        name: role_name(name),
        privileges: [].into(),
        roles: [].into(),
        restrictions: Restrictions::NONE,
        milvus_grants: [].into(),
        milvus_description: "".into(),
    }
}

fn user(name: &str, roles: &[&str]) -> User {
    User {
        name: UserName::new(name, DbName::parse("vectors").unwrap()).unwrap(),
        user_id: uuid::Uuid::nil(),
        credentials: Credentials::External,
        restrictions: Restrictions::NONE,
        custom_data: None,
        roles: roles.iter().map(|role| role_name(role)).collect(),
    }
}

fn grant(privilege: &str) -> MilvusGrant {
    MilvusGrant {
        object: MilvusObject::Global,
        object_name: ANY.into(),
        db: ANY.into(),
        privilege: privilege.into(),
        grantor: "root".into(),
    }
}

/// The text of a refusal; empty if it is done.
fn done(
    catalog: &Catalog,
    plan: impl FnOnce(&View<'_>) -> Result<Vec<Change>, PlanError>,
) -> String {
    match plan(&View::new(catalog)) {
        Ok(changes) => {
            catalog.apply(changes);
            String::new()
        }
        Err(refusal) => refusal.to_string(),
    }
}

fn add(catalog: &Catalog, group: &str, privileges: &[&str]) -> String {
    let privileges: Vec<_> = privileges.iter().copied().map(Into::into).collect();
    done(catalog, |view| {
        add_privileges_to_group(view, group, &privileges)
    })
}

fn create(catalog: &Catalog, group: &str) -> String {
    done(catalog, |view| create_privilege_group(view, group.into()))
}

fn drop_group(catalog: &Catalog, group: &str) -> String {
    done(catalog, |view| drop_privilege_group(view, group))
}

#[test]
fn a_group_lives_as_long_as_no_role_has_it() {
    let catalog = catalog();
    assert_eq!(create(&catalog, "readers"), "");
    assert_eq!(
        create(&catalog, "readers"),
        "privilege group name [readers] is defined by users"
    );
    for taken in ["Query", "ClusterAdmin"] {
        assert!(create(&catalog, taken).contains("built in privileges"));
    }
    assert_eq!(add(&catalog, "readers", &["Search", "Query", "Search"]), "");
    let privileges = catalog
        .privilege_groups()
        .find("readers")
        .unwrap()
        .privileges
        .clone();
    assert_eq!(*privileges, ["Query", "Search"]);
    assert_eq!(done(&catalog, |view| create_role(view, role("clerk"))), "");
    let to_clerk = |privilege: &str| {
        done(&catalog, |view| {
            add_milvus_grants(view, &role_name("clerk"), &[grant(privilege)])
        })
    };
    assert_eq!(to_clerk("readers"), "");
    assert!(to_clerk("writers").contains("[writers]"));
    assert!(drop_group(&catalog, "readers").contains("is used by role [clerk]"));
    let revoked = done(&catalog, |view| {
        remove_milvus_grants(view, &role_name("clerk"), &[grant("readers")])
    });
    assert_eq!(
        (revoked, drop_group(&catalog, "readers")),
        (String::new(), String::new())
    );
    assert_eq!(drop_group(&catalog, "readers"), "");
    assert!(catalog.privilege_groups().as_slice().is_empty());
}

#[test]
fn a_group_holds_what_there_is_of_one_level() {
    let catalog = catalog();
    assert_eq!(create(&catalog, "readers"), "");
    let mixed = "privileges are not the same privilege level";
    for (group, privileges, refusal) in [
        (
            "none",
            &["Query"][..],
            "there is no privilege group name [none]",
        ),
        (
            "ClusterAdmin",
            &["Query"],
            "there is no privilege group name [ClusterAdmin]",
        ),
        ("readers", &[], "privileges is empty"),
        (
            "readers",
            &["query"],
            "there is no privilege name or privilege group name [query]",
        ),
        ("readers", &["Query", "FlushAll"], mixed),
        ("readers", &["Query", "CollectionReadOnly"], mixed),
        ("readers", &["Query"], ""),
        ("readers", &["CollectionReadOnly"], mixed),
        ("readers", &["ShowCollections"], mixed),
        ("readers", &["Search"], ""),
    ] {
        let refused = add(&catalog, group, privileges);
        assert!(refused.starts_with(refusal), "{refused}");
        assert_eq!(refused.is_empty(), refusal.is_empty(), "{refused}");
    }
    let removed = done(&catalog, |view| {
        remove_privileges_from_group(view, "readers", &["Query".into(), "Insert".into()])
    });
    assert_eq!(removed, "");
    let groups = catalog.privilege_groups();
    assert_eq!(*groups.find("readers").unwrap().privileges, ["Search"]);
    assert_eq!(create(&catalog, "all"), "");
    assert_eq!(add(&catalog, "all", &["readers", "ClusterAdmin"]), "");
}

/// Catalogs of before have names of groups that were dropped, and groups beside privileges.
#[test]
fn what_is_in_a_group_can_be_removed_and_does_not_keep_others_out() {
    let group = |name: &str, privileges: &[&str]| PrivilegeGroup {
        name: name.into(),
        privileges: privileges.iter().copied().map(Into::into).collect(),
    };
    let groups = PrivilegeGroups::default()
        .with(group("outer", &["Insert", "gone", "inner"]))
        .with(group("inner", &["Query"]));
    let catalog = catalog();
    catalog.apply([Change::PutSetting(Setting::PrivilegeGroups(groups.clone()))]);
    let outer = || {
        let groups = catalog.privilege_groups();
        groups.find("outer").unwrap().privileges.to_vec()
    };
    let remove = |name: &str| {
        done(&catalog, |view| {
            remove_privileges_from_group(view, "outer", &[name.into()])
        })
    };
    assert!(add(&catalog, "outer", &["gone"]).contains("[gone]"));
    assert_eq!(
        (remove("inner"), remove("gone")),
        (String::new(), String::new())
    );
    assert!(remove("gone").contains("[gone]"));
    assert_eq!(outer(), ["Insert"]);

    catalog.apply([Change::PutSetting(Setting::PrivilegeGroups(groups.clone()))]);
    assert_eq!(create(&catalog, "gone"), "");
    assert_eq!(outer(), ["Insert", "inner"]);

    catalog.apply([Change::PutSetting(Setting::PrivilegeGroups(groups))]);
    assert_eq!(remove("inner"), "");
    assert_eq!(add(&catalog, "outer", &["Upsert"]), "");
    assert_eq!(outer(), ["Insert", "Upsert"]);
}

#[test]
fn the_number_of_groups_is_bounded() {
    let catalog = catalog();
    let groups = (0..1_000).map(|number| PrivilegeGroup {
        name: format!("g{number:03}").into(),
        privileges: [].into(),
    });
    let restored = done(&catalog, |view| groups::create_all(view, groups.collect()));
    assert_eq!(restored, "");
    assert!(create(&catalog, "more").ends_with("has reached the limit"));
}

fn backup() -> RbacBackup {
    RbacBackup {
        users: vec![user("ann", &["clerk"])],
        roles: vec![role("clerk")],
        grants: vec![(role_name("clerk"), vec![grant("b"), grant("FlushAll")])],
        groups: ["a", "b"]
            .map(|name| PrivilegeGroup {
                name: name.into(),
                privileges: ["b".into(), "Query".into()].into(),
            })
            .into(),
        root: user("root", &[]).name,
        users_max: 1,
        roles_max: 1,
    }
}

#[test]
fn what_is_restored_is_there_whole() {
    let catalog = catalog();
    assert_eq!(done(&catalog, |view| restore_rbac(view, backup())), "");
    assert_eq!(
        catalog
            .role(&role_name("clerk"))
            .unwrap()
            .milvus_grants
            .len(),
        2
    );
    assert_eq!(catalog.milvus_user_count(), 1);
    assert!(!catalog.had_users_or_roles());
    assert!(catalog.privilege_groups().has("a", "Query"));
    assert!(done(&catalog, |view| restore_rbac(view, backup())).contains("clerk"));
}

#[test]
fn what_cannot_be_restored_whole_is_not_restored() {
    type Spoil = fn(&mut RbacBackup);
    let rows: [(Spoil, &str); 8] = [
        (
            |it| it.users_max = 0,
            "the number of users on milvus has reached the limit",
        ),
        (
            |it| it.roles_max = 0,
            "the number of roles on milvus has reached the limit",
        ),
        (
            |it| it.users.push(user("ann", &[])),
            "user ann@vectors exists",
        ),
        // Who is not there: it may do everything, and is nobody's to bring along.
        (
            |it| it.users[0] = user("root", &[]),
            "user root@vectors exists",
        ),
        (
            |it| it.users[0].roles = [role_name("gone")].into(),
            "roles not found",
        ),
        (
            |it| it.grants[0].0 = role_name("gone"),
            "role gone@vectors not found",
        ),
        (
            |it| it.grants[0].1[0] = grant("gone"),
            "there is no privilege name",
        ),
        (
            |it| it.groups[0].privileges = ["gone".into()].into(),
            "there is no privilege name",
        ),
    ];
    for (spoil, refusal) in rows {
        let catalog = catalog();
        let mut backup = backup();
        spoil(&mut backup);
        let refused = done(&catalog, |view| restore_rbac(view, backup));
        assert!(refused.starts_with(refusal), "{refused}");
        assert_eq!(catalog.generation(), 0);
    }
}

/// What comes of it. All other writes wait meanwhile: with as much as this, looking at everything again
/// for each thing would take many minutes.
fn soon_restored(backup: RbacBackup) -> String {
    done(&catalog(), |view| restore_rbac(view, backup))
}

fn empty_backup() -> RbacBackup {
    RbacBackup {
        users: vec![],
        roles: vec![],
        grants: vec![],
        groups: vec![],
        root: user("root", &[]).name,
        users_max: 100_000,
        roles_max: 1,
    }
}

#[test]
fn many_users_are_restored_soon() {
    let users = (0..100_000).map(|number| user(&format!("u{number}"), &[]));
    let refusal = soon_restored(RbacBackup {
        users: users.collect(),
        ..empty_backup()
    });
    assert_eq!(refusal, "");
}

#[test]
fn grants_too_many_for_a_role_are_refused_soon() {
    let grants = (0..300_000).rev().map(|number| MilvusGrant {
        object_name: format!("c{number:06}").into(),
        ..grant("Query")
    });
    let refusal = soon_restored(RbacBackup {
        roles: vec![role("clerk")],
        grants: vec![(role_name("clerk"), grants.collect())],
        ..empty_backup()
    });
    assert!(refusal.contains("the limit is 16793600"), "{refusal}");
}

#[test]
fn groups_in_groups_are_restored_soon() {
    let names: Vec<_> = (0..200).map(|number| format!("g{number}").into()).collect();
    let groups = names
        .iter()
        .map(|name: &compact_str::CompactString| PrivilegeGroup {
            name: name.clone(),
            privileges: names.clone().into(),
        });
    let refusal = soon_restored(RbacBackup {
        groups: groups.collect(),
        ..empty_backup()
    });
    assert_eq!(refusal, "");
}

#[test]
fn of_grants_that_are_the_same_the_first_stays() {
    let catalog = catalog();
    assert_eq!(done(&catalog, |view| create_role(view, role("clerk"))), "");
    let by = |grantor: &str| MilvusGrant {
        grantor: grantor.into(),
        ..grant("Query")
    };
    for grants in [vec![by("ann"), by("bob")], vec![by("eve"), grant("Insert")]] {
        let added = done(&catalog, |view| {
            add_milvus_grants(view, &role_name("clerk"), &grants)
        });
        assert_eq!(added, "");
    }
    let clerk = catalog.role(&role_name("clerk")).unwrap();
    assert_eq!(*clerk.milvus_grants, [grant("Insert"), by("ann")]);
}
