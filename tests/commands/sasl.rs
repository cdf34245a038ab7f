//! `saslStart` and `saslContinue`: their shapes and the errors that are not about passwords. Signing
//! in itself is tested in `tests/auth`.

use bson::{Bson, Document, doc};

use crate::support::scram_client::{Exchange, MECHANISMS, payload, to_base64};
use crate::support::{Options, RawClient, TestServer, binary, error_of};
use crate::table::{FEW_ROUNDS, check, server};

fn start(client: &mut RawClient, payload: Bson) -> Document {
    let command = doc! { "saslStart": 1, "mechanism": "SCRAM-SHA-256", "payload": payload };
    client.run("admin", command)
}

fn proceed(client: &mut RawClient, payload: Bson) -> Document {
    client.run(
        "admin",
        doc! { "saslContinue": 1, "conversationId": 1, "payload": payload },
    )
}

#[test]
fn requests_that_are_refused() {
    check(&server(), "saslStart");
    check(&server(), "saslContinue");
    check(&server(), "authenticate");
}

#[test]
fn passwords_in_clear() {
    let options = Options::default().arguments(&FEW_ROUNDS).arguments(&[
        "--setParameter",
        "authenticationMechanisms=SCRAM-SHA-1,SCRAM-SHA-256,PLAIN",
        "--setParameter",
        "allowPlainWithoutTLS=true",
        "--setParameter",
        "argon2MemoryKiB=7168",
        "--setParameter",
        "argon2Iterations=1",
    ]);
    check(&TestServer::with_admin_and(options), "plain");
}

#[test]
fn without_options_there_is_a_third_empty_message() {
    let server = server();
    for mechanism in MECHANISMS {
        let mut client = server.raw();
        let exchange = Exchange::new(mechanism, "admin", crate::support::ADMIN.1);
        let first = binary(exchange.first().as_bytes());
        let started = client.run(
            "admin",
            doc! {
                "saslStart": 1, "mechanism": mechanism, "payload": first, "autoAuthorize": 1,
            },
        );
        assert_eq!(
            started.keys().collect::<Vec<_>>(),
            ["conversationId", "done", "payload", "ok"]
        );
        assert_eq!(started.get("conversationId"), Some(&Bson::Int32(1)));
        assert_eq!(started.get_bool("done").ok(), Some(false));
        let last = exchange.last(&payload(&started));
        assert_eq!(last.iterations, 5000);
        let proved = proceed(&mut client, binary(last.message.as_bytes()));
        let expected = doc! {
            "conversationId": 1, "done": false, "payload": binary(last.answer.as_bytes()), "ok": 1.0,
        };
        assert_eq!(proved, expected);
        assert_eq!(client.signed_in_user(), None, "not before the last message");
        let finished = proceed(&mut client, binary(b""));
        let expected =
            doc! { "conversationId": 1, "done": true, "payload": binary(b""), "ok": 1.0 };
        assert_eq!(finished, expected);
        assert_eq!(client.signed_in_user().as_deref(), Some("admin@admin"));
    }
}

#[test]
fn the_third_message_must_be_empty() {
    let server = server();
    let mut client = server.raw();
    let exchange = Exchange::new("SCRAM-SHA-256", "admin", crate::support::ADMIN.1);
    let started = start(&mut client, binary(exchange.first().as_bytes()));
    let last = exchange.last(&payload(&started));
    proceed(&mut client, binary(last.message.as_bytes()));
    let refused = error_of(&proceed(&mut client, binary(b"x")));
    assert_eq!(refused, (18, "Authentication failed.".into()));
    assert_eq!(client.signed_in_user(), None);
}

#[test]
fn a_payload_in_base64_is_answered_in_base64() {
    let server = server();
    let mut client = server.raw();
    let exchange = Exchange::new("SCRAM-SHA-256", "admin", crate::support::ADMIN.1);
    let started = client.run("admin", doc! {
        "saslStart": 1, "mechanism": "SCRAM-SHA-256", "payload": to_base64(exchange.first().as_bytes()),
        "options": { "skipEmptyExchange": true, "unknown": 1 },
    });
    assert!(
        matches!(started.get("payload"), Some(Bson::String(_))),
        "{started}"
    );
    let last = exchange.last(&payload(&started));
    let done = proceed(&mut client, to_base64(last.message.as_bytes()).into());
    let answer = to_base64(last.answer.as_bytes());
    assert_eq!(
        done,
        doc! { "conversationId": 1, "done": true, "payload": answer, "ok": 1.0 }
    );
}

#[test]
fn a_conversation_is_over_after_any_failure() {
    let server = server();
    let mut client = server.raw();
    let none = (17, "No SASL session state found".to_owned());
    assert_eq!(error_of(&proceed(&mut client, binary(b"x"))), none);
    let first = || {
        binary(
            Exchange::new("SCRAM-SHA-256", "admin", "wrong")
                .first()
                .as_bytes(),
        )
    };

    start(&mut client, first());
    let wrong_id = doc! { "saslContinue": 1, "conversationId": 2, "payload": binary(b"x") };
    let refused = error_of(&client.run("admin", wrong_id));
    assert_eq!(refused, (17, "sasl: Mismatched conversation id".into()));
    assert_eq!(error_of(&proceed(&mut client, binary(b"x"))), none);

    start(&mut client, first());
    let failed = (18, "Authentication failed.".to_owned());
    assert_eq!(error_of(&proceed(&mut client, binary(b"x"))), failed);
    assert_eq!(error_of(&proceed(&mut client, binary(b"x"))), none);

    assert_eq!(error_of(&start(&mut client, binary(b"no scram"))), failed);
    assert_eq!(error_of(&proceed(&mut client, binary(b"x"))), none);

    client
        .sign_in("admin", "admin", crate::support::ADMIN.1)
        .unwrap();
    assert_eq!(error_of(&proceed(&mut client, binary(b""))), none);
}

#[test]
fn a_new_start_replaces_the_open_conversation() {
    let server = server();
    let mut client = server.raw();
    let abandoned = Exchange::new("SCRAM-SHA-256", "admin", crate::support::ADMIN.1);
    let started = client.sasl_start("admin", "SCRAM-SHA-256", &abandoned.first());
    let stale = abandoned.last(&payload(&started));
    let exchange = Exchange::new("SCRAM-SHA-256", "admin", crate::support::ADMIN.1);
    client.sasl_start("admin", "SCRAM-SHA-256", &exchange.first());
    let refused = error_of(&client.sasl_continue("admin", &stale.message));
    assert_eq!(refused, (18, "Authentication failed.".into()));
    client
        .sign_in("admin", "admin", crate::support::ADMIN.1)
        .unwrap();
}

#[test]
fn after_asking_for_mechanisms_a_start_is_expected() {
    let server = server();
    let mut client = server.raw();
    client.run(
        "admin",
        doc! { "hello": 1, "saslSupportedMechs": "admin.admin" },
    );
    let refused = error_of(&proceed(&mut client, binary(b"x")));
    assert_eq!(refused, (17, "saslContinue must follow saslStart".into()));
    let refused = error_of(&proceed(&mut client, binary(b"x")));
    assert_eq!(refused, (17, "No SASL session state found".into()));
}

#[test]
fn malformed_messages_fail_like_wrong_passwords() {
    let server = server();
    let nonce = "r=0123456789abcdef";
    let firsts = [
        String::new(),
        "n,,".into(),
        format!("n,,n=,{nonce}"),
        "n,,n=admin".into(),
        "n,,n=admin,r=abc".into(),
        format!("n,,{nonce},n=admin"),
        format!("p=tls-unique,,n=admin,{nonce}"),
        format!("x,,n=admin,{nonce}"),
        format!("n,a=bob,n=admin,{nonce}"),
        format!("n,b=admin,n=admin,{nonce}"),
        format!("n,,m=ext,n=admin,{nonce}"),
        "\u{0}".into(),
    ];
    for first in firsts {
        let reply = start(&mut server.raw(), binary(first.as_bytes()));
        assert_eq!(
            error_of(&reply),
            (18, "Authentication failed.".into()),
            "{first:?}"
        );
        assert_eq!(reply.get_str("codeName").unwrap(), "AuthenticationFailed");
    }
    let not_utf_8 = start(&mut server.raw(), binary(b"n,,n=\xff,r=0123456789"));
    assert_eq!(error_of(&not_utf_8).0, 18);
    for first in [
        format!("y,,n=admin,{nonce}"),
        format!("n,a=admin,n=admin,{nonce},x=later"),
    ] {
        let reply = start(&mut server.raw(), binary(first.as_bytes()));
        assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{first}");
    }
    let break_last: [fn(&str) -> String; 7] = [
        |_| String::new(),
        |last| last.replace("c=biws", "c="),
        |last| last.replace("r=", "r=x"),
        |last| last.rsplit_once(",p=").unwrap().0.to_owned(),
        |last| format!("{},p=AAAA", last.rsplit_once(",p=").unwrap().0),
        |last| format!("{},p=!", last.rsplit_once(",p=").unwrap().0),
        |last| format!("{last},x=1"),
    ];
    for (number, broken) in break_last.iter().enumerate() {
        let mut client = server.raw();
        let exchange = Exchange::new("SCRAM-SHA-256", "admin", crate::support::ADMIN.1);
        let started = client.sasl_start("admin", "SCRAM-SHA-256", &exchange.first());
        let last = broken(&exchange.last(&payload(&started)).message);
        let refused = error_of(&client.sasl_continue("admin", &last));
        assert_eq!(refused, (18, "Authentication failed.".into()), "{number}");
    }
}
