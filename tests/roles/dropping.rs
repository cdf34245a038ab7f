//! A role that is dropped leaves everybody who held it at once.

use bson::{Bson, Document, doc};

use crate::common::{create_and_sign_in, create_role, documents, ok, on_shop};
use crate::support::{Options, RawClient, error_of};
use crate::table::server;

/// The direct roles of a user or role document.
fn roles(document: &Document) -> Vec<Document> {
    let roles = document.get_array("roles").unwrap().iter();
    roles
        .map(|role| role.as_document().unwrap().clone())
        .collect()
}

fn user_roles(admin: &mut RawClient, db: &str, user: &str) -> Vec<Document> {
    roles(&documents(admin.run(db, doc! { "usersInfo": user }), "users")[0])
}

fn role_roles(admin: &mut RawClient, db: &str, role: &str) -> Vec<Document> {
    roles(&documents(admin.run(db, doc! { "rolesInfo": role }), "roles")[0])
}

#[test]
fn drop_role_takes_it_from_users_and_roles_of_every_database() {
    let server = server();
    let mut admin = server.admin();
    create_role(&mut admin, "clerk", &["find"], &[]);
    create_role(&mut admin, "head", &[], &["read", "clerk"]);
    let chief = doc! { "createRole": "chief", "privileges": [], "roles": [
        on_shop("clerk"), on_shop("head"), "read",
    ] };
    ok(&mut admin, "admin", chief);
    ok(
        &mut admin,
        "other",
        doc! { "createRole": "clerk", "privileges": [], "roles": [] },
    );
    let other_clerk = doc! { "role": "clerk", "db": "other" };
    let bob = doc! { "createUser": "bob", "roles": [on_shop("clerk"), other_clerk.clone()] };
    ok(&mut admin, "$external", bob);
    let mut ann = create_and_sign_in(&server, "ann", vec!["clerk".into(), "read".into()]);

    ok(&mut admin, "shop", doc! { "dropRole": "clerk" });
    assert_eq!(user_roles(&mut admin, "shop", "ann"), [on_shop("read")]);
    assert_eq!(user_roles(&mut admin, "$external", "bob"), [other_clerk]);
    assert_eq!(role_roles(&mut admin, "shop", "head"), [on_shop("read")]);
    assert_eq!(
        role_roles(&mut admin, "admin", "chief"),
        [on_shop("head"), doc! { "role": "read", "db": "admin" }]
    );
    // A role made anew under the old name is held by nobody.
    create_role(&mut admin, "clerk", &["insert"], &[]);
    let refused = ann.run("shop", doc! { "insert": "carts" });
    assert_eq!(error_of(&refused).0, 13);
}

#[test]
fn drop_all_takes_built_in_roles_of_the_database_too() {
    let server = server();
    let mut admin = server.admin();
    create_role(&mut admin, "clerk", &["find"], &["read"]);
    create_role(&mut admin, "head", &[], &["clerk", "readWrite"]);
    let read_other = doc! { "role": "read", "db": "other" };
    let chief = doc! { "createRole": "chief", "privileges": [], "roles": [
        on_shop("head"), on_shop("dbAdmin"), read_other.clone(),
    ] };
    ok(&mut admin, "admin", chief);
    let held: Vec<Bson> = vec![
        "clerk".into(),
        "read".into(),
        read_other.clone().into(),
        "userAdmin".into(),
    ];
    let mut ann = create_and_sign_in(&server, "ann", held);
    assert_eq!(error_of(&ann.run("shop", doc! { "find": "carts" })).0, 115);

    let dropped = admin.run("shop", doc! { "dropAllRolesFromDatabase": 1 });
    assert_eq!(dropped, doc! { "n": 2, "ok": 1.0 });
    assert_eq!(
        user_roles(&mut admin, "shop", "ann"),
        std::slice::from_ref(&read_other)
    );
    assert_eq!(role_roles(&mut admin, "admin", "chief"), [read_other]);
    assert_eq!(error_of(&ann.run("shop", doc! { "find": "carts" })).0, 13);
    assert_eq!(
        error_of(&ann.run("shop", doc! { "usersInfo": 1 })).0,
        13,
        "userAdmin is gone as well"
    );
    assert_eq!(error_of(&ann.run("other", doc! { "find": "carts" })).0, 115);
    let shown = documents(admin.run("shop", doc! { "rolesInfo": 1 }), "roles");
    assert!(shown.is_empty(), "{shown:?}");
}

/// Whenever the process dies, everybody has lost the role or nobody has.
#[test]
fn a_crash_leaves_no_drop_half_done() {
    const USERS: usize = 60;
    let mut seen = [0, 0];
    for pings in 0..6 {
        let server = server();
        let mut admin = server.admin();
        create_role(&mut admin, "clerk", &["find"], &[]);
        create_role(&mut admin, "head", &[], &["clerk"]);
        for number in 0..USERS {
            let command = doc! {
                "createUser": format!("user{number}"), "roles": [on_shop("clerk")],
            };
            ok(&mut admin, "$external", command);
        }
        let mut witness = server.raw();
        admin.send_command("shop", doc! { "dropRole": "clerk" });
        for _ in 0..pings {
            ok(&mut witness, "admin", doc! { "ping": 1 });
        }
        let server = Options::in_folder(server.kill()).start();
        let mut admin = server.admin();
        let users = documents(admin.run("$external", doc! { "usersInfo": 1 }), "users");
        let holders = users.iter().filter(|user| !roles(user).is_empty()).count();
        let clerk = documents(admin.run("shop", doc! { "rolesInfo": "clerk" }), "roles");
        let in_head = role_roles(&mut admin, "shop", "head");
        let found = (holders, clerk.len(), in_head.len());
        assert!(
            found == (USERS, 1, 1) || found == (0, 0, 0),
            "half: {found:?}"
        );
        seen[clerk.len()] += 1;
    }
    eprintln!("dropped {}, not dropped {}", seen[0], seen[1]);
}
