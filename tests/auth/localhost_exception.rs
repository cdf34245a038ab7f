//! The localhost exception: how the first user comes to be, and how that door closes.

use bson::{Bson, Document, doc};

use crate::common::{ok, options};
use crate::support::{ADMIN, Options, RawClient, TestServer, error_of};

fn create_admin() -> Document {
    doc! { "createUser": ADMIN.0, "pwd": ADMIN.1, "roles": ["root"] }
}

fn refusal(client: &mut RawClient, db: &str, command: Document) -> String {
    let (code, message) = error_of(&client.run(db, command));
    assert_eq!(code, 13, "{message}");
    message
}

#[test]
fn the_first_user_may_be_made_and_nothing_else() {
    let server = options().start();
    let mut client = server.raw();
    let on = |role: &str, db: &str| Bson::from(doc! { "role": role, "db": db });
    let create = |roles: Vec<Bson>| doc! { "createUser": "a", "pwd": "x", "roles": roles };
    let mut restricted = create(vec![]);
    restricted.insert("authenticationRestrictions", Bson::Array(Vec::new()));
    for (db, command) in [
        ("shop", create(vec![])),
        ("admin", create(vec![on("read", "shop")])),
        ("admin", create(vec!["root".into(), on("read", "shop")])),
        ("admin", restricted),
        (
            "$external",
            doc! { "createUser": "a", "roles": [on("read", "shop")] },
        ),
        ("admin", doc! { "usersInfo": 1 }),
        ("admin", doc! { "rolesInfo": 1 }),
        ("admin", doc! { "dropUser": "a" }),
        ("admin", doc! { "updateUser": "a", "pwd": "x" }),
        ("admin", doc! { "dropAllUsersFromDatabase": 1 }),
        (
            "admin",
            doc! { "revokeRolesFromUser": "a", "roles": ["root"] },
        ),
        ("admin", doc! { "find": "system.users" }),
        ("shop", doc! { "find": "c" }),
        ("shop", doc! { "insert": "c" }),
        ("shop", doc! { "dropDatabase": 1 }),
        ("admin", doc! { "shutdown": 1 }),
    ] {
        let message = refusal(&mut client, db, command);
        let expected = format!("not authorized on {db} to execute command {{ ");
        assert!(message.starts_with(&expected), "{message}");
    }
    let allowed = error_of(&client.run("admin", doc! { "replSetGetStatus": 1 }));
    assert_ne!(allowed.0, 13);
    ok(&mut client, "admin", create_admin());
}

#[test]
fn the_door_closes_behind_the_first_user() {
    let server = options().start();
    let mut other = server.raw();
    ok(&mut other, "admin", doc! { "ping": 1 });
    let mut client = server.raw();
    ok(&mut client, "admin", create_admin());
    let second = || doc! { "createUser": "second", "pwd": "x", "roles": [] };
    for client in [&mut client, &mut other, &mut server.raw()] {
        let message = refusal(client, "admin", second());
        assert_eq!(message, "Command createUser requires authentication");
    }
    client.sign_in("admin", ADMIN.0, ADMIN.1).unwrap();
    ok(&mut client, "admin", second());
}

#[test]
fn the_door_stays_closed_when_everybody_is_gone() {
    let server = options().start();
    let mut client = server.raw();
    ok(&mut client, "admin", create_admin());
    client.sign_in("admin", ADMIN.0, ADMIN.1).unwrap();
    ok(&mut client, "admin", doc! { "dropUser": ADMIN.0 });
    for client in [&mut client, &mut server.raw()] {
        let message = refusal(client, "admin", create_admin());
        assert_eq!(message, "Command createUser requires authentication");
    }
}

#[test]
fn a_failed_creation_leaves_the_door_open() {
    let server = options().start();
    let mut client = server.raw();
    let faulty = doc! { "createUser": "a", "pwd": "x", "roles": ["nosuch"] };
    assert_eq!(error_of(&client.run("admin", faulty)).0, 31);
    let without_password = doc! { "createUser": "a", "roles": ["root"] };
    assert_eq!(error_of(&client.run("admin", without_password)).0, 2);
    ok(&mut client, "admin", create_admin());
}

#[test]
fn the_first_user_may_be_external() {
    let server = options().start();
    let mut client = server.raw();
    let roles = vec![doc! { "role": "root", "db": "admin" }];
    ok(
        &mut client,
        "$external",
        doc! { "createUser": "CN=admin", "roles": roles },
    );
    let message = refusal(&mut client, "admin", create_admin());
    assert_eq!(message, "Command createUser requires authentication");
}

#[test]
fn every_way_to_this_machine_counts() {
    let ways: [fn(&TestServer) -> RawClient; 2] = [
        |server| server.raw_between("127.0.0.2", "127.0.0.1"),
        TestServer::raw_unix,
    ];
    for connect in ways {
        let server = options().unix_socket().start();
        ok(&mut connect(&server), "admin", create_admin());
        let message = refusal(&mut connect(&server), "admin", create_admin());
        assert_eq!(message, "Command createUser requires authentication");
    }
}

#[test]
fn the_door_can_be_locked_from_the_start() {
    let locked = ["--setParameter", "enableLocalhostAuthBypass=false"];
    let server = options().arguments(&locked).start();
    let message = refusal(&mut server.raw(), "admin", create_admin());
    assert_eq!(message, "Command createUser requires authentication");
    ok(&mut server.raw(), "admin", doc! { "ping": 1 });
}

#[test]
fn the_door_is_closed_after_a_restart_with_users() {
    let server = options().start();
    ok(&mut server.raw(), "admin", create_admin());
    let folder = server.kill();
    let server = Options::in_folder(folder).start();
    let message = refusal(&mut server.raw(), "admin", doc! { "usersInfo": 1 });
    assert_eq!(message, "Command usersInfo requires authentication");
    server.admin();
}

/// Whether the first administrator can still be made, after a restart, once these were run without
/// authorization on the database of Milvus clients.
fn is_open_after(commands: Vec<Document>) -> bool {
    let server = options().argument("--noauth").start();
    let mut client = server.raw();
    for command in commands {
        ok(&mut client, "milvus", command);
    }
    let server = Options::in_folder(server.kill()).start();
    let reply = server.raw().run("admin", create_admin());
    let is_open = reply.get_f64("ok").is_ok_and(|ok| ok > 0.5);
    assert!(is_open || error_of(&reply).0 == 13, "{reply}");
    is_open
}

#[test]
fn who_is_only_for_milvus_leaves_the_door_open() {
    let user = |roles: Vec<Bson>| doc! { "createUser": "ann", "pwd": "x", "roles": roles };
    let role = |name: &str, privileges: Vec<Bson>, roles: Vec<Bson>| {
        doc! { "createRole": name, "privileges": privileges, "roles": roles }
    };
    let plain = || role("clerk", vec![], vec![]);
    let root = || Bson::from(doc! { "role": "root", "db": "admin" });
    let privilege = doc! {
        "resource": { "db": "milvus", "collection": "" }, "actions": ["changePassword"],
    };
    let grant = doc! { "grantRolesToUser": "ann", "roles": [root()] };
    for (commands, is_open) in [
        (vec![plain(), user(vec!["clerk".into()])], true),
        (vec![user(vec![root()])], false),
        (vec![user(vec!["userAdmin".into()])], false),
        (vec![user(vec![]), grant], false),
        (vec![role("clerk", vec![privilege.into()], vec![])], false),
        (
            vec![plain(), role("boss", vec![], vec!["clerk".into()])],
            false,
        ),
    ] {
        let text = format!("{commands:?}");
        assert_eq!(is_open_after(commands), is_open, "{text}");
    }
}

#[test]
fn without_auth_nothing_is_checked() {
    let server = options().argument("--noauth").start();
    let mut client = server.raw();
    let create = doc! { "createUser": "ann", "pwd": "secret", "roles": ["read"] };
    ok(&mut client, "shop", create.clone());
    let listed = client.run("shop", doc! { "usersInfo": { "forAllDBs": true } });
    assert_eq!(listed.get_array("users").unwrap().len(), 1);
    ok(&mut client, "shop", doc! { "logout": 1 });
    assert_eq!(error_of(&client.run("shop", doc! { "find": "c" })).0, 115);
    assert_eq!(error_of(&client.run("shop", create)).0, 51003);
    // Signing in still works, and still fails.
    client.sign_in("shop", "ann", "secret").unwrap();
    assert_eq!(client.signed_in_user().as_deref(), Some("ann@shop"));
    ok(
        &mut client,
        "other",
        doc! { "createUser": "bob", "pwd": "x", "roles": [] },
    );
    let wrong = server.raw().sign_in("shop", "ann", "wrong").unwrap_err();
    assert_eq!(error_of(&wrong).0, 18);
    ok(&mut client, "shop", doc! { "dropUser": "ann" });
    let unknown = error_of(&client.run("shop", doc! { "nope": 1 }));
    assert_eq!(unknown.0, 59);
}

#[test]
fn the_door_opens_again_after_a_restart_without_users() {
    let server = TestServer::with_admin();
    ok(&mut server.admin(), "admin", doc! { "dropUser": ADMIN.0 });
    let folder = server.folder();
    drop(server.stop());
    let server = Options::in_folder(folder).start();
    ok(
        &mut server.raw(),
        "admin",
        doc! { "createUser": "next", "pwd": "secret", "roles": ["root"] },
    );
    server.raw().sign_in("admin", "next", "secret").unwrap();
}
