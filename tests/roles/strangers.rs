//! What those who have not signed in, or have no rights, can cost and learn.

use std::time::{Duration, Instant};

use bson::{Document, RawDocumentBuf, doc, rawdoc};

use crate::common::create_and_sign_in;
use crate::support::{Options, RawClient, TestServer, binary, error_of};
use crate::table::{FEW_ROUNDS, server};

/// `ping` in a message of a little more than `bytes`.
fn ping_of(bytes: usize) -> RawDocumentBuf {
    rawdoc! { "ping": 1, "comment": "x".repeat(bytes), "$db": "admin" }
}

#[test]
fn a_strangers_long_message_ends_the_connection() {
    let server = server();
    let mut stranger = server.raw();
    assert_eq!(stranger.run_raw(&ping_of(63 * 1024)), doc! { "ok": 1.0 });
    let mut body = vec![0, 0, 0, 0, 0];
    body.extend_from_slice(ping_of(65 * 1024).as_bytes());
    stranger.send(2013, &body);
    assert!(stranger.is_closed());

    let mut admin = server.admin();
    assert_eq!(admin.run_raw(&ping_of(10_000_000)), doc! { "ok": 1.0 });
    assert_eq!(admin.run("admin", doc! { "logout": 1 }), doc! { "ok": 1.0 });
    admin.send(2013, &body);
    assert!(admin.is_closed(), "who signs out is a stranger again");
}

#[test]
fn a_stranger_is_told_to_sign_in_and_nothing_else() {
    let server = server();
    let mut stranger = server.raw();
    for (field, value) in [
        ("lsid", bson::Bson::Int32(5)),
        ("lsid", doc! { "id": "no UUID" }.into()),
        ("lsid", doc! {}.into()),
        ("maxTimeMS", "soon".into()),
        ("txnNumber", (-1).into()),
        ("readConcern", 1.into()),
        ("writeConcern", 1.into()),
    ] {
        let mut find = doc! { "find": "carts" };
        find.insert(field, value);
        assert_eq!(
            error_of(&stranger.run("shop", find.clone())),
            (13, "Command find requires authentication".into()),
            "{find}"
        );
    }
    let create = doc! { "createRole": 1, "unknown": 1, "writeConcern": 1 };
    assert_eq!(
        error_of(&stranger.run("shop", create)),
        (13, "Command createRole requires authentication".into())
    );
}

#[test]
fn secrets_are_not_repeated_to_who_may_not() {
    let server = server();
    let mut eve = create_and_sign_in(&server, "eve", vec![]);
    let secrets = doc! { "pwd": "hunter2", "payload": binary(b"hunter2") };
    let mut beside = doc! { "update": "users", "updates": [] };
    beside.extend(secrets.clone());
    for command in [
        doc! { "insert": "users", "documents": [secrets.clone()] },
        doc! { "find": "users", "filter": secrets },
        beside,
    ] {
        let (code, message) = error_of(&eve.run("shop", command));
        assert_eq!(code, 13);
        assert!(
            message.contains("pwd: \"xxx\"") && message.contains("payload: \"xxx\""),
            "{message}"
        );
        assert!(
            !message.contains("hunter2") && !message.contains("aHVudGVyMg"),
            "{message}"
        );
    }
    // It has all of its log out when it has ended.
    let (_, logs) = server.stop();
    assert!(!logs.contains("hunter2"), "{logs}");
}

#[test]
fn max_time_does_not_shorten_the_delay_of_a_failed_sign_in() {
    const DELAY: Duration = Duration::from_millis(1200);
    let delay = ["--setParameter", "authFailedDelayMs=1200"];
    let options = Options::default().arguments(&FEW_ROUNDS).arguments(&delay);
    let server = TestServer::with_admin_and(options);
    let mut client = server.raw();
    let start = doc! {
        "saslStart": 1, "mechanism": "SCRAM-SHA-256", "payload": binary(b"n,,n=admin,r=abcdefgh"),
        "maxTimeMS": 1,
    };
    let started = client.run("admin", start);
    let first = started.get_binary_generic("payload");
    let first = String::from_utf8(first.unwrap().clone()).unwrap();
    let nonce = first.split(',').next().unwrap();
    let last = format!("c=biws,{nonce},p={}=", "A".repeat(43));
    let proof = doc! {
        "saslContinue": 1, "conversationId": 1, "payload": binary(last.as_bytes()),
        "maxTimeMS": 1,
    };
    assert!(took(&mut client, &proof) >= DELAY);
}

/// How long a sign-in takes to fail.
fn took(client: &mut RawClient, command: &Document) -> Duration {
    let since = Instant::now();
    let reply = client.run("admin", command.clone());
    let error = error_of(&reply);
    assert_eq!(error.1, "Authentication failed.", "{command}");
    since.elapsed()
}
