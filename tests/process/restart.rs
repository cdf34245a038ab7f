//! What a restart keeps: everything.

use bson::doc;

use crate::support::{Options, TestServer};
use crate::{all_users, create_user};

#[test]
fn a_restart_keeps_ids_credentials_and_everything_else() {
    let server = TestServer::with_admin();
    let mut admin = server.admin();
    let mut rich = create_user("rich");
    rich.extend(doc! {
        "customData": { "employeeId": 12345, "tags": ["a", 1_i64, { "b": null }] },
        "roles": [{ "role": "clusterAdmin", "db": "admin" }, "readWrite"],
        "authenticationRestrictions": [{ "clientSource": ["127.0.0.0/8", "::1"] }],
    });
    let mut one = create_user("\u{2168} \u{1F511} \"'\\");
    one.insert("mechanisms", vec!["SCRAM-SHA-1"]);
    for user in [rich, one, create_user("plain")] {
        assert_eq!(admin.run("products", user), doc! { "ok": 1.0 });
    }
    let finder = doc! {
        "createRole": "finder", "roles": ["read"],
        "privileges": [{ "resource": { "db": "products", "collection": "c" }, "actions": ["find"] }],
    };
    assert_eq!(admin.run("products", finder), doc! { "ok": 1.0 });
    let roles = doc! { "rolesInfo": 1, "showPrivileges": true };
    let (users, roles_before) = (all_users(&mut admin), admin.run("products", roles.clone()));
    assert_eq!(users.len(), 4);
    drop(admin);

    let folder = server.folder();
    let (status, _) = server.stop();
    assert!(status.success());
    for is_killed in [true, false] {
        let server = Options::in_folder(folder.clone()).start();
        let mut admin = server.admin();
        let after = all_users(&mut admin);
        // The bytes, not only the values: types and the order of fields count.
        for (before, after) in users.iter().zip(&after) {
            assert_eq!(
                before.to_vec().unwrap(),
                after.to_vec().unwrap(),
                "{before}"
            );
        }
        assert_eq!(after.len(), users.len());
        assert_eq!(admin.run("products", roles.clone()), roles_before);
        server.raw().sign_in("products", "rich", "secret").unwrap();
        if is_killed {
            server.kill();
        } else {
            assert!(server.stop().0.success());
        }
    }
}

#[test]
fn the_localhost_exception_stays_closed_after_a_restart() {
    let server = TestServer::with_admin();
    let server = Options::in_folder(server.kill()).start();
    let mut anyone = server.raw();
    let root = doc! { "createUser": "eve", "pwd": "secret", "roles": ["root"] };
    assert_eq!(anyone.run("admin", root).get_i32("code").unwrap(), 13);
}

#[test]
fn the_decoy_of_an_unknown_user_stays_the_same() {
    let server = TestServer::with_admin();
    let salt_before = salt_of_unknown_user(&server);
    let server = Options::in_folder(server.kill()).start();
    assert_eq!(salt_of_unknown_user(&server), salt_before);
    assert_ne!(salt_of_unknown_user(&TestServer::with_admin()), salt_before);
}

/// The salt and iterations that somebody who does not exist is asked to use.
fn salt_of_unknown_user(server: &TestServer) -> String {
    let started = server.raw().run(
        "products",
        doc! {
            "saslStart": 1, "mechanism": "SCRAM-SHA-256",
            "payload": crate::support::binary(b"n,,n=nobody,r=rOprNGfwEbeRWgbNEkqO"),
        },
    );
    let payload = started.get_binary_generic("payload").unwrap();
    let text = std::str::from_utf8(payload).unwrap();
    text.split_once(",s=").unwrap().1.to_owned()
}
