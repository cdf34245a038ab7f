use super::*;
use crate::catalog::testing::{both_scrams, catalog, role_name, user, user_name};
use crate::catalog::{Catalog, View};
use crate::model::restriction::AddressRestriction;

fn roles(names: &[&str]) -> Vec<RoleName> {
    names.iter().map(|name| role_name(name)).collect()
}

/// The one user that `changes` put.
fn put(changes: Result<Vec<Change>, PlanError>) -> User {
    match changes.unwrap().as_slice() {
        [Change::PutUser(user)] => User::clone(user),
        other => panic!("not one user: {other:?}"),
    }
}

fn update(catalog: &Catalog, update: UserUpdate) -> Result<Vec<Change>, PlanError> {
    update_user(&View::new(catalog), &user_name("ann"), update)
}

#[test]
fn the_first_user_leaves_the_mark() {
    let catalog = catalog(vec![]);
    let first = create_user(&View::new(&catalog), user("ann", &[])).unwrap();
    assert!(matches!(
        first.as_slice(),
        [Change::PutSetting(Setting::AuthSchema), Change::PutUser(_)]
    ));
    assert!(!catalog.has_auth_schema());
    catalog.apply(first);
    assert!(catalog.has_auth_schema() && catalog.had_users_or_roles());
    put(create_user(&View::new(&catalog), user("bob", &[])));
    catalog.apply(drop_user(&View::new(&catalog), &user_name("ann")).unwrap());
    assert!(catalog.had_users_or_roles());
}

#[test]
fn two_in_one_batch_leave_one_mark_and_see_each_other() {
    let catalog = catalog(vec![]);
    let mut view = View::new(&catalog);
    view.lay_over(&create_user(&view, user("ann", &[])).unwrap());
    put(create_user(&view, user("bob", &[])));
    assert_eq!(
        create_user(&view, user("ann", &[])).unwrap_err(),
        PlanError::UserExists(user_name("ann"))
    );
    view.lay_over(&drop_user(&view, &user_name("ann")).unwrap());
    put(create_user(&view, user("ann", &[])));
    assert_eq!(catalog.user_count(), 0);
}

#[test]
fn unknown_roles_win_over_an_existing_user() {
    let catalog = catalog(vec![user("ann", &[])]);
    let refused = create_user(&View::new(&catalog), user("ann", &["x", "a", "y", "x"]));
    assert_eq!(
        refused.unwrap_err(),
        PlanError::RolesNotFound(roles(&["x", "y"]))
    );
    let refused = create_user(&View::new(&catalog), user("ann", &["a"]));
    assert_eq!(
        refused.unwrap_err(),
        PlanError::UserExists(user_name("ann"))
    );
}

#[test]
fn stored_roles_have_no_duplicates_and_keep_their_order() {
    let catalog = catalog(vec![user("old", &[])]);
    catalog.apply([Change::PutSetting(Setting::AuthSchema)]);
    let made = put(create_user(
        &View::new(&catalog),
        user("ann", &["c", "a", "c", "b", "a"]),
    ));
    assert_eq!(*made.roles, roles(&["c", "a", "b"]));
}

#[test]
fn the_same_name_on_another_database_is_another_user() {
    let catalog = catalog(vec![user("ann", &[])]);
    let mut other = user("ann", &[]);
    other.name = UserName::new("ann", DbName::parse("products").unwrap()).unwrap();
    assert!(create_user(&View::new(&catalog), other).is_ok());
}

#[test]
fn an_update_changes_what_it_names_and_keeps_the_rest() {
    let mut ann = user("ann", &["a"]);
    ann.custom_data = Some(Box::new(RawDocumentBuf::new()));
    ann.restrictions = Restrictions::new(vec![AddressRestriction {
        client_source: Some(["127.0.0.1".parse().unwrap()].into()),
        server_address: None,
    }]);
    let catalog = catalog(vec![ann.clone()]);

    let changed = put(update(
        &catalog,
        UserUpdate {
            roles: Some(roles(&["b", "b"])),
            ..UserUpdate::default()
        },
    ));
    let wanted = User {
        roles: roles(&["b"]).into(),
        ..ann.clone()
    };
    assert_eq!(changed, wanted);

    let changed = put(update(
        &catalog,
        UserUpdate {
            credentials: CredentialsUpdate::Replace(both_scrams(9)),
            restrictions: Some(Restrictions::NONE),
            ..UserUpdate::default()
        },
    ));
    let wanted = User {
        credentials: both_scrams(9),
        restrictions: Restrictions::NONE,
        ..ann.clone()
    };
    assert_eq!(changed, wanted);

    let mut data = RawDocumentBuf::new();
    data.append(bson::raw::cstr!("x"), 1);
    let changed = put(update(
        &catalog,
        UserUpdate {
            custom_data: Some(Box::new(data.clone())),
            ..UserUpdate::default()
        },
    ));
    let wanted = User {
        custom_data: Some(Box::new(data)),
        ..ann
    };
    assert_eq!(changed, wanted);
}

#[test]
fn refusals_of_an_update_come_in_the_order_of_the_server() {
    let nobody = catalog(vec![]);
    let with = |credentials, roles_wanted: Option<&[&str]>| UserUpdate {
        credentials,
        roles: roles_wanted.map(roles),
        ..UserUpdate::default()
    };
    let not_found = PlanError::UserNotFound(user_name("ann"));
    let trim = CredentialsUpdate::Trim(vec!["SCRAM-SHA-1".into()]);
    let replace = CredentialsUpdate::Replace(both_scrams(2));
    assert_eq!(
        update(&nobody, with(trim, Some(&["x"]))).unwrap_err(),
        not_found
    );
    assert_eq!(
        update(&nobody, UserUpdate::default()).unwrap_err(),
        PlanError::NothingToUpdate
    );
    assert_eq!(
        update(&nobody, with(replace.clone(), Some(&["x"]))).unwrap_err(),
        PlanError::RolesNotFound(roles(&["x"]))
    );
    assert_eq!(
        update(&nobody, with(replace, Some(&["a"]))).unwrap_err(),
        not_found
    );
}

#[test]
fn a_trim_keeps_a_subset() {
    let catalog = catalog(vec![user("ann", &[])]);
    let trim = |mechanisms: &[&str]| {
        update(
            &catalog,
            UserUpdate {
                credentials: CredentialsUpdate::Trim(
                    mechanisms.iter().map(ToString::to_string).collect(),
                ),
                ..UserUpdate::default()
            },
        )
    };
    let Credentials::Stored { sha_1, sha_256, .. } = both_scrams(1) else {
        panic!("not SCRAM")
    };
    let only_sha_256 = Credentials::Stored {
        sha_1: None,
        sha_256,
        plain: None,
    };
    let only_sha_1 = Credentials::Stored {
        sha_1,
        sha_256: None,
        plain: None,
    };
    assert_eq!(put(trim(&["SCRAM-SHA-256"])).credentials, only_sha_256);
    assert_eq!(put(trim(&["SCRAM-SHA-1"])).credentials, only_sha_1);
    assert_eq!(
        put(trim(&["SCRAM-SHA-1", "SCRAM-SHA-256"])).credentials,
        both_scrams(1)
    );
    assert_eq!(trim(&[]).unwrap_err(), PlanError::NoMechanismKept);
    for bad in [&["PLAIN"][..], &["SCRAM-SHA-1", "scram-sha-256"]] {
        assert_eq!(trim(bad).unwrap_err(), PlanError::MechanismsNotSubset);
    }
    catalog.apply(trim(&["SCRAM-SHA-1"]).unwrap());
    assert_eq!(
        trim(&["SCRAM-SHA-256"]).unwrap_err(),
        PlanError::MechanismsNotSubset
    );
}

#[test]
fn an_external_user_has_nothing_to_trim() {
    let mut external = user("ann", &[]);
    external.credentials = Credentials::External;
    let catalog = catalog(vec![external]);
    let trim = |mechanism: &str| {
        let credentials = CredentialsUpdate::Trim(vec![mechanism.into()]);
        update(
            &catalog,
            UserUpdate {
                credentials,
                ..UserUpdate::default()
            },
        )
        .unwrap_err()
    };
    assert_eq!(trim("SCRAM-SHA-1"), PlanError::MechanismsNotSubset);
    assert_eq!(trim("external"), PlanError::NoMechanismKept);
}

#[test]
fn roles_are_granted_and_revoked() {
    let catalog = catalog(vec![user("ann", &["b", "a"])]);
    let view = View::new(&catalog);
    let ann = user_name("ann");
    let granted = put(grant_roles_to_user(&view, &ann, &roles(&["c", "a", "c"])));
    assert_eq!(*granted.roles, roles(&["b", "a", "c"]));
    let revoked = put(revoke_roles_from_user(&view, &ann, &roles(&["b", "c"])));
    assert_eq!(*revoked.roles, roles(&["a"]));
    let nothing = [
        grant_roles_to_user(&view, &ann, &roles(&["a"])),
        revoke_roles_from_user(&view, &ann, &roles(&["c"])),
    ];
    assert!(
        nothing
            .iter()
            .all(|changes| changes.as_ref().unwrap().is_empty())
    );
}

#[test]
fn grant_and_revoke_look_for_the_user_then_for_the_roles() {
    let catalog = catalog(vec![user("ann", &["a"])]);
    let view = View::new(&catalog);
    for plan in [grant_roles_to_user, revoke_roles_from_user] {
        assert_eq!(
            plan(&view, &user_name("bob"), &roles(&["x"])).unwrap_err(),
            PlanError::UserNotFound(user_name("bob"))
        );
        assert_eq!(
            plan(&view, &user_name("ann"), &roles(&["a", "x"])).unwrap_err(),
            PlanError::RolesNotFound(roles(&["x"]))
        );
    }
}

#[test]
fn drops_find_their_users_also_in_the_batch() {
    let catalog = catalog(vec![user("ann", &[]), user("bob", &[])]);
    let mut view = View::new(&catalog);
    assert_eq!(
        drop_user(&view, &user_name("eve")).unwrap_err(),
        PlanError::UserNotFound(user_name("eve"))
    );
    view.lay_over(&drop_user(&view, &user_name("bob")).unwrap());
    view.lay_over(&create_user(&view, user("eve", &[])).unwrap());
    let dropped = drop_all_users_from_database(&view, &DbName::ADMIN);
    let dropped: Vec<_> = dropped
        .iter()
        .map(|change| match change {
            Change::DropUser(name) => name.user().to_owned(),
            other => panic!("not a drop: {other:?}"),
        })
        .collect();
    assert_eq!(dropped, ["ann", "eve"]);
    assert!(drop_all_users_from_database(&view, &DbName::EXTERNAL).is_empty());
}

#[test]
fn what_no_record_can_hold_is_refused() {
    let catalog = catalog(vec![]);
    let mut data = RawDocumentBuf::new();
    data.append(bson::raw::cstr!("x"), "y".repeat(record::RECORD_BYTES_MAX));
    let mut ann = user("ann", &[]);
    ann.custom_data = Some(Box::new(data.clone()));
    let refused = create_user(&View::new(&catalog), ann).unwrap_err();
    assert!(matches!(refused, PlanError::TooLarge(_)));
    let refused = set_setting(Setting::DefaultReadWriteConcern(Arc::new(data))).unwrap_err();
    assert!(matches!(refused, PlanError::TooLarge(_)));
}
