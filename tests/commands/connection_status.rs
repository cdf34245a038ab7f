//! `connectionStatus` and `logout`: who is signed in, and how that ends.

use bson::{Bson, doc};

use crate::support::error_of;
use crate::table::server;

#[test]
fn nobody_is_signed_in_at_first() {
    let server = server();
    let mut stranger = server.raw();
    let empty =
        doc! { "authInfo": { "authenticatedUsers": [], "authenticatedUserRoles": [] }, "ok": 1.0 };
    assert_eq!(stranger.run("shop", doc! { "connectionStatus": 1 }), empty);
    let shown = stranger.run(
        "shop",
        doc! { "connectionStatus": "x", "showPrivileges": 1 },
    );
    let info = shown.get_document("authInfo").unwrap();
    let order = [
        "authenticatedUsers",
        "authenticatedUserRoles",
        "authenticatedUserPrivileges",
    ];
    assert_eq!(info.keys().collect::<Vec<_>>(), order);
    assert!(
        info.values()
            .all(|value| value.as_array().unwrap().is_empty())
    );
    let wrong = stranger.run(
        "shop",
        doc! { "connectionStatus": 1, "showPrivileges": "yes" },
    );
    assert_eq!(error_of(&wrong).0, 14);
    let unknown = stranger.run("shop", doc! { "connectionStatus": 1, "user": "ann" });
    let text = "BSON field 'connectionStatus.user' is an unknown field.";
    assert_eq!(error_of(&unknown), (40415, text.into()));
}

#[test]
fn the_user_its_roles_and_its_privileges_are_shown() {
    let server = server();
    let mut admin = server.admin();
    let roles = vec![
        Bson::from("userAdmin"),
        doc! { "role": "userAdmin", "db": "other" }.into(),
    ];
    let create = doc! { "createUser": "ann", "pwd": "secret", "roles": roles };
    assert_eq!(admin.run("shop", create), doc! { "ok": 1.0 });
    let mut ann = server.raw();
    ann.sign_in("shop", "ann", "secret").unwrap();
    let info = doc! {
        "authenticatedUsers": [{ "user": "ann", "db": "shop" }],
        "authenticatedUserRoles": [
            { "role": "userAdmin", "db": "shop" }, { "role": "userAdmin", "db": "other" },
        ],
    };
    let plain = ann.run("admin", doc! { "connectionStatus": 1 });
    assert_eq!(plain, doc! { "authInfo": &info, "ok": 1.0 });
    let user = plain
        .get_document("authInfo")
        .unwrap()
        .get_array("authenticatedUsers")
        .unwrap();
    assert_eq!(
        user[0].as_document().unwrap().keys().collect::<Vec<_>>(),
        ["user", "db"]
    );
    let shown = ann.run(
        "admin",
        doc! { "connectionStatus": 1, "showPrivileges": true },
    );
    let privileges = shown.get_document("authInfo").unwrap();
    let privileges = privileges.get_array("authenticatedUserPrivileges").unwrap();
    let resources: Vec<_> = privileges
        .iter()
        .map(|privilege| {
            privilege
                .as_document()
                .unwrap()
                .get_document("resource")
                .unwrap()
        })
        .collect();
    assert_eq!(
        resources,
        [
            &doc! { "db": "shop", "collection": "" },
            &doc! { "db": "other", "collection": "" }
        ]
    );
}

#[test]
fn signing_out_works_on_the_users_database_only() {
    let server = server();
    let mut admin = server.admin();
    assert_eq!(admin.run("shop", doc! { "logout": 1 }), doc! { "ok": 1.0 });
    assert_eq!(admin.signed_in_user().as_deref(), Some("admin@admin"));
    let sign_out = doc! { "logout": null, "anything": "goes" };
    assert_eq!(admin.run("admin", sign_out), doc! { "ok": 1.0 });
    assert_eq!(admin.signed_in_user(), None);
    let refused = error_of(&admin.run("admin", doc! { "usersInfo": 1 }));
    assert_eq!(
        refused,
        (13, "Command usersInfo requires authentication".into())
    );
    let again = error_of(&admin.run("admin", doc! { "logout": 1 }));
    assert_eq!(again, (13, "Command logout requires authentication".into()));
}
