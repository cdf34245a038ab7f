//! A permission that is gone by the time its change would be written is worth nothing.
//!
//! Hashing takes long here, so that everything else happens while a command waits for its hash.

use bson::{Document, doc};

use crate::support::{Options, RawClient, TestServer, error_of};

/// Rounds of PBKDF2 that take long compared with any other command.
const SLOW: &str = "scramSHA256IterationCount=400000";

fn slow_server() -> TestServer {
    let options = Options::default().arguments(&["--setParameter", SLOW]);
    // The administrator is made quickly.
    let server = options.start();
    let created = server.raw().run(
        "admin",
        doc! {
            "createUser": "admin", "pwd": "s", "roles": ["root"], "mechanisms": ["SCRAM-SHA-1"],
        },
    );
    assert_eq!(created, doc! { "ok": 1.0 });
    server
}

fn root(server: &TestServer) -> RawClient {
    let mut client = server.raw();
    client
        .sign_in_by("SCRAM-SHA-1", "admin", "admin", "s")
        .unwrap();
    client
}

fn create(user: &str, mechanism: &str) -> Document {
    doc! { "createUser": user, "pwd": "s", "roles": ["root"], "mechanisms": [mechanism] }
}

fn exists(client: &mut RawClient, user: &str) -> bool {
    let info = client.run("admin", doc! { "usersInfo": user });
    !info.get_array("users").unwrap().is_empty()
}

#[test]
fn what_a_dropped_administrator_has_under_way_is_not_written() {
    let server = slow_server();
    let mut admin = root(&server);
    admin.run("admin", create("eve", "SCRAM-SHA-1"));
    let mut eve = server.raw();
    eve.sign_in_by("SCRAM-SHA-1", "admin", "eve", "s").unwrap();
    eve.send_command("admin", create("backdoor", "SCRAM-SHA-256"));
    assert_eq!(
        admin.run("admin", doc! { "dropUser": "eve" }),
        doc! { "ok": 1.0 }
    );
    let (code, _) = error_of(&eve.receive_reply());
    assert_eq!(code, 13);
    assert!(!exists(&mut admin, "backdoor"));
}

#[test]
fn what_a_demoted_administrator_has_under_way_is_not_written() {
    let server = slow_server();
    let mut admin = root(&server);
    admin.run("admin", create("eve", "SCRAM-SHA-1"));
    let mut eve = server.raw();
    eve.sign_in_by("SCRAM-SHA-1", "admin", "eve", "s").unwrap();
    eve.send_command("admin", create("backdoor", "SCRAM-SHA-256"));
    admin.run("admin", doc! { "updateUser": "eve", "roles": ["read"] });
    let (code, _) = error_of(&eve.receive_reply());
    assert_eq!(code, 13);
    assert!(!exists(&mut admin, "backdoor"));
}

#[test]
fn a_password_under_way_does_not_land_on_a_user_made_anew() {
    let server = slow_server();
    let mut admin = root(&server);
    let first = doc! {
        "createUser": "ann", "pwd": "s", "mechanisms": ["SCRAM-SHA-1"],
        "roles": [{ "role": "userAdmin", "db": "admin" }],
    };
    admin.run("admin", first);
    let mut ann = server.raw();
    ann.sign_in_by("SCRAM-SHA-1", "admin", "ann", "s").unwrap();
    ann.send_command(
        "admin",
        doc! {
            "updateUser": "ann", "pwd": "evil", "mechanisms": ["SCRAM-SHA-256"],
        },
    );
    admin.run("admin", doc! { "dropUser": "ann" });
    assert_eq!(
        admin.run("admin", create("ann", "SCRAM-SHA-1")),
        doc! { "ok": 1.0 }
    );
    let (code, _) = error_of(&ann.receive_reply());
    assert_eq!(code, 13);
    assert!(server.raw().sign_in("admin", "ann", "evil").is_err());
    server
        .raw()
        .sign_in_by("SCRAM-SHA-1", "admin", "ann", "s")
        .unwrap();
}

#[test]
fn the_localhost_exception_makes_one_user_however_many_ask_at_once() {
    let server = Options::default()
        .arguments(&["--setParameter", SLOW])
        .start();
    let mut clients: Vec<_> = (0..4).map(|_| server.raw()).collect();
    for (number, client) in clients.iter_mut().enumerate() {
        client.send_command("admin", create(&format!("root{number}"), "SCRAM-SHA-256"));
    }
    let replies: Vec<_> = clients.iter_mut().map(RawClient::receive_reply).collect();
    let made = replies
        .iter()
        .filter(|reply| **reply == doc! { "ok": 1.0 })
        .count();
    assert_eq!(made, 1, "{replies:?}");
    let refused = replies
        .iter()
        .filter(|reply| reply.get_i32("code").ok() == Some(13))
        .count();
    assert_eq!(refused, 3, "{replies:?}");
}

#[test]
fn a_change_nobody_waits_for_is_in_the_log() {
    let server = TestServer::with_admin();
    let mut admin = server.admin();
    for number in 0..10 {
        let user = format!("gone{number}");
        let mut client = server.admin();
        client.send_command("$external", doc! { "createUser": &user, "roles": [] });
        drop(client);
    }
    // Each of the ten is written sooner or later; a stopping server finishes what it has taken.
    let present: Vec<String> = (0..10).map(|number| format!("gone{number}")).collect();
    let info = admin.run("$external", doc! { "usersInfo": 1 });
    let written = info.get_array("users").unwrap().len();
    let (_, log) = server.stop();
    let logged = present
        .iter()
        .filter(|user| log.contains(&format!("user=\"{user}@$external\"")))
        .count();
    assert!(
        logged >= written,
        "{logged} of {written} are in the log:\n{log}"
    );
}
