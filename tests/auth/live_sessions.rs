//! What happens to those who are signed in when their users change.

use std::sync::atomic::{AtomicBool, Ordering};

use bson::{Bson, doc};

use crate::common::{create, ok, server, signed_in};
use crate::support::{RawClient, TestServer, error_of};

fn user_admin() -> Vec<Bson> {
    vec!["userAdmin".into()]
}

/// What the next command of a client says that needs `viewUser`.
fn list(client: &mut RawClient) -> Result<(), String> {
    let reply = client.run("shop", doc! { "usersInfo": 1 });
    if reply.get_f64("ok").ok() == Some(1.0) {
        return Ok(());
    }
    let (code, message) = error_of(&reply);
    assert_eq!(code, 13);
    Err(message)
}

fn signed_out() -> Result<(), String> {
    Err("Command usersInfo requires authentication".into())
}

fn not_authorized() -> Result<(), String> {
    Err("not authorized on shop to execute command { usersInfo: 1, $db: \"shop\" }".into())
}

fn with_ann() -> (TestServer, RawClient, RawClient) {
    let server = server();
    let mut admin = server.admin();
    create(&mut admin, "ann", user_admin());
    let mut ann = signed_in(&server, "ann");
    assert_eq!(list(&mut ann), Ok(()));
    (server, admin, ann)
}

#[test]
fn a_new_password_signs_nobody_out() {
    let (server, mut admin, mut ann) = with_ann();
    ok(
        &mut admin,
        "shop",
        doc! { "updateUser": "ann", "pwd": "other" },
    );
    assert_eq!(list(&mut ann), Ok(()));
    ok(
        &mut admin,
        "shop",
        doc! { "updateUser": "ann", "mechanisms": ["SCRAM-SHA-1"] },
    );
    assert_eq!(list(&mut ann), Ok(()));
    let old = server
        .raw()
        .sign_in_by("SCRAM-SHA-1", "shop", "ann", "secret");
    assert_eq!(error_of(&old.unwrap_err()).0, 18);
    server
        .raw()
        .sign_in_by("SCRAM-SHA-1", "shop", "ann", "other")
        .unwrap();
}

#[test]
fn a_user_that_is_dropped_is_out_at_its_next_command() {
    let (_server, mut admin, mut ann) = with_ann();
    ok(&mut admin, "shop", doc! { "dropUser": "ann" });
    assert_eq!(list(&mut ann), signed_out());
    assert_eq!(ann.signed_in_user(), None);
    create(&mut admin, "ann", user_admin());
    assert_eq!(list(&mut ann), signed_out(), "it has to sign in again");
    ann.sign_in("shop", "ann", "secret").unwrap();
    assert_eq!(list(&mut ann), Ok(()));
    let dropped = admin.run("shop", doc! { "dropAllUsersFromDatabase": 1 });
    assert_eq!(dropped, doc! { "n": 1, "ok": 1.0 });
    assert_eq!(list(&mut ann), signed_out());
}

#[test]
fn a_user_that_is_made_anew_is_another_one() {
    let (_server, mut admin, mut ann) = with_ann();
    ok(&mut admin, "shop", doc! { "dropUser": "ann" });
    create(&mut admin, "ann", user_admin());
    assert_eq!(list(&mut ann), signed_out());
}

#[test]
fn a_user_may_drop_itself() {
    let (_server, _admin, mut ann) = with_ann();
    ok(&mut ann, "shop", doc! { "dropUser": "ann" });
    assert_eq!(list(&mut ann), signed_out());
}

#[test]
fn other_users_are_not_touched() {
    let (server, mut admin, mut ann) = with_ann();
    create(&mut admin, "bob", vec![]);
    let mut bob = signed_in(&server, "bob");
    ok(&mut admin, "shop", doc! { "dropUser": "ann" });
    assert_eq!(list(&mut ann), signed_out());
    assert_eq!(bob.signed_in_user().as_deref(), Some("bob@shop"));
    assert_eq!(admin.signed_in_user().as_deref(), Some("admin@admin"));
}

#[test]
fn roles_change_at_the_next_command() {
    let (_server, mut admin, mut ann) = with_ann();
    for _ in 0..3 {
        ok(
            &mut admin,
            "shop",
            doc! { "revokeRolesFromUser": "ann", "roles": user_admin() },
        );
        assert_eq!(list(&mut ann), not_authorized());
        ok(
            &mut admin,
            "shop",
            doc! { "grantRolesToUser": "ann", "roles": user_admin() },
        );
        assert_eq!(list(&mut ann), Ok(()));
        ok(
            &mut admin,
            "shop",
            doc! { "updateUser": "ann", "roles": ["read"] },
        );
        assert_eq!(list(&mut ann), not_authorized());
        let status = ann.run("shop", doc! { "connectionStatus": 1 });
        let roles = status
            .get_document("authInfo")
            .unwrap()
            .get_array("authenticatedUserRoles");
        assert_eq!(
            roles.unwrap(),
            &vec![Bson::from(doc! { "role": "read", "db": "shop" })]
        );
        ok(
            &mut admin,
            "shop",
            doc! { "updateUser": "ann", "roles": user_admin() },
        );
    }
}

/// No command that begins after a revoke was acknowledged may still be allowed, however busy the
/// server is.
#[test]
fn a_demoted_user_is_refused_at_once_under_load() {
    const ROUNDS: usize = 200;
    let (server, mut admin, mut ann) = with_ann();
    for user in ["one", "two", "three"] {
        create(&mut admin, user, user_admin());
    }
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for user in ["one", "two", "three"] {
            let (server, is_over) = (&server, &is_over);
            scope.spawn(move || {
                let (mut reader, mut writer) = (signed_in(server, user), signed_in(server, user));
                while !is_over.load(Ordering::Relaxed) {
                    list(&mut reader).unwrap();
                    let command = doc! { "grantRolesToUser": user, "roles": ["read"] };
                    ok(&mut writer, "shop", command);
                    let command = doc! { "revokeRolesFromUser": user, "roles": ["read"] };
                    ok(&mut writer, "shop", command);
                }
            });
        }
        let change = |admin: &mut RawClient, command: &str| {
            admin.run("shop", doc! { command: "ann", "roles": user_admin() })
        };
        let mut late = 0;
        for _ in 0..ROUNDS {
            assert_eq!(
                change(&mut admin, "revokeRolesFromUser"),
                doc! { "ok": 1.0 }
            );
            late += usize::from(list(&mut ann) != not_authorized());
            assert_eq!(change(&mut admin, "grantRolesToUser"), doc! { "ok": 1.0 });
            late += usize::from(list(&mut ann) != Ok(()));
        }
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(late, 0, "of {ROUNDS} rounds");
    });
}

#[test]
fn a_refusal_depends_on_what_is_asked_and_where() {
    let (_server, _admin, mut ann) = with_ann();
    let elsewhere = ann.run("other", doc! { "usersInfo": 1 });
    let text = "not authorized on other to execute command { usersInfo: 1, $db: \"other\" }";
    assert_eq!(error_of(&elsewhere), (13, text.into()));
    // A role on another database cannot be given away by whoever administers this one.
    let create = doc! {
        "createUser": "eve", "pwd": "hidden!", "roles": [{ "role": "root", "db": "admin" }],
    };
    let (code, message) = error_of(&ann.run("shop", create));
    assert_eq!(code, 13);
    assert!(
        !message.contains("hidden!") && message.contains("pwd: \"xxx\""),
        "{message}"
    );
    let own = doc! { "createUser": "eve", "pwd": "x", "roles": ["read", "dbOwner"] };
    ok(&mut ann, "shop", own);
}
