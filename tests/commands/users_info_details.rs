//! The detailed answers of `usersInfo`, whose fields come in an order of their own.

use bson::{Bson, Document, doc};

use crate::users_info::{fields, names, populated, users};

#[test]
fn details_with_custom_data() {
    let (_server, mut admin) = populated();
    let mut ask = |user: &str, options: Document| {
        let mut command = doc! { "usersInfo": user };
        command.extend(options);
        users(&mut admin, "shop", command).remove(0)
    };
    let inherited = [
        "inheritedRoles",
        "inheritedPrivileges",
        "inheritedAuthenticationRestrictions",
    ];
    let ann = ask("ann", doc! { "showPrivileges": true });
    let order = [
        "_id",
        "userId",
        "user",
        "db",
        "mechanisms",
        "customData",
        "roles",
    ];
    assert_eq!(fields(&ann), [&order[..], &inherited].concat());
    assert_eq!(
        ann.get_array("inheritedRoles").unwrap(),
        &vec![
            Bson::from(doc! { "role": "read", "db": "shop" }),
            doc! { "role": "dbAdmin", "db": "other" }.into(),
        ]
    );
    let privileges = ann.get_array("inheritedPrivileges").unwrap();
    let first = privileges[0].as_document().unwrap();
    assert_eq!(fields(first), ["resource", "actions"]);
    assert_eq!(
        first.get_document("resource").unwrap(),
        &doc! { "db": "shop", "collection": "" }
    );
    assert_eq!(
        ann.get_array("inheritedAuthenticationRestrictions")
            .unwrap(),
        &Vec::new()
    );

    let everything = doc! {
        "showPrivileges": true, "showCredentials": true, "showAuthenticationRestrictions": true,
    };
    let ann = ask("ann", everything.clone());
    let order = [
        "_id",
        "userId",
        "user",
        "db",
        "mechanisms",
        "credentials",
        "authenticationRestrictions",
        "customData",
        "roles",
    ];
    assert_eq!(fields(&ann), [&order[..], &inherited].concat());
    assert_eq!(
        ann.get_array("authenticationRestrictions").unwrap(),
        &vec![Bson::from(
            doc! { "clientSource": ["127.0.0.1", "10.0.0.0/8"] }
        )],
        "as they were given"
    );
    // Who has none gets an empty array, after the roles.
    let bob = ask("bob", everything);
    let order = [
        "_id",
        "userId",
        "user",
        "db",
        "mechanisms",
        "credentials",
        "roles",
        "authenticationRestrictions",
    ];
    assert_eq!(fields(&bob), [&order[..], &inherited].concat());
    assert_eq!(
        bob.get_array("authenticationRestrictions").unwrap(),
        &Vec::new()
    );
}

#[test]
fn details_without_custom_data() {
    let (_server, mut admin) = populated();
    let mut ask = |user: &str, options: Document| {
        let mut command = doc! { "usersInfo": user, "showCustomData": false };
        command.extend(options);
        users(&mut admin, "shop", command).remove(0)
    };
    let start = ["_id", "userId", "user", "db", "mechanisms", "roles"];
    let inherited = [
        "inheritedRoles",
        "inheritedPrivileges",
        "inheritedAuthenticationRestrictions",
    ];
    let ann = ask("ann", doc! { "showPrivileges": true });
    assert_eq!(fields(&ann), [&start[..], &inherited].concat());
    let everything = doc! { "showCredentials": 1, "showAuthenticationRestrictions": 1 };
    let ann = ask("ann", everything.clone());
    let rest = [
        &["credentials"][..],
        &inherited,
        &["authenticationRestrictions"],
    ]
    .concat();
    assert_eq!(fields(&ann), [&start[..], &rest].concat());
    assert_eq!(
        ann.get_array("authenticationRestrictions").unwrap(),
        &vec![Bson::from(
            doc! { "clientSource": ["127.0.0.1/32", "10.0.0.0/8"] }
        )],
        "every range with its length"
    );
}

#[test]
fn details_of_several_users() {
    let (_server, mut admin) = populated();
    let command = doc! { "usersInfo": ["bob", "nobody", "ann"], "showPrivileges": true };
    let mut found = names(&users(&mut admin, "shop", command));
    found.sort();
    assert_eq!(found, ["shop.ann", "shop.bob"]);
    assert!(
        users(
            &mut admin,
            "shop",
            doc! { "usersInfo": [], "showPrivileges": true }
        )
        .is_empty()
    );
}
