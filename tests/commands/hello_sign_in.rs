//! The parts of `hello` that save a round trip of signing in: `saslSupportedMechs` and
//! `speculativeAuthenticate`.

use bson::{Bson, Document, doc};

use crate::hello::{SERVER, fields, hello, metadata};
use crate::support::scram_client::{Exchange, MECHANISMS, payload, to_base64};
use crate::support::{ADMIN, Options, TestServer, binary, error_of};
use crate::table::{FEW_ROUNDS, server};

#[test]
fn mechanisms_of_a_user() {
    let server = server();
    let mut admin = server.admin();
    for (name, mechanism) in [
        ("one", "SCRAM-SHA-1"),
        ("two", "SCRAM-SHA-256"),
        ("a.b", "SCRAM-SHA-1"),
    ] {
        let create =
            doc! { "createUser": name, "pwd": "secret", "roles": [], "mechanisms": [mechanism] };
        assert_eq!(admin.run("shop", create), doc! { "ok": 1.0 });
    }
    admin.run("$external", doc! { "createUser": "ann", "roles": [] });
    let mechanisms = |of: Bson| {
        let reply = hello(&server, doc! { "saslSupportedMechs": of });
        let listed = reply.get_array("saslSupportedMechs").ok()?;
        let mut names: Vec<_> = listed
            .iter()
            .map(|name| name.as_str().unwrap().to_owned())
            .collect();
        names.sort();
        Some(names.join(","))
    };
    let some = |names: &str| Some(names.to_owned());
    assert_eq!(
        mechanisms("admin.admin".into()),
        some("SCRAM-SHA-1,SCRAM-SHA-256")
    );
    assert_eq!(mechanisms("shop.one".into()), some("SCRAM-SHA-1"));
    assert_eq!(mechanisms("shop.two".into()), some("SCRAM-SHA-256"));
    assert_eq!(
        mechanisms("shop.a.b".into()),
        some("SCRAM-SHA-1"),
        "the first dot ends the database"
    );
    assert_eq!(
        mechanisms(doc! { "user": "one", "db": "shop" }.into()),
        some("SCRAM-SHA-1")
    );
    // Unlike mongod, which leaves the field out: nothing tells who exists.
    for unknown in ["shop.nobody", "nowhere.one", "shop.", "a b.c", ".x"] {
        assert_eq!(
            mechanisms(unknown.into()),
            some("SCRAM-SHA-1,SCRAM-SHA-256"),
            "{unknown}"
        );
    }
    assert_eq!(mechanisms("$external.ann".into()), None);
    assert_eq!(mechanisms("$external.nobody".into()), None);
    let refused = error_of(&hello(&server, doc! { "saslSupportedMechs": "admin" }));
    assert_eq!(
        refused,
        (
            2,
            "UserName must contain a '.' separated database.user pair".into()
        )
    );
    for wrong in [
        Bson::from(1),
        vec!["admin.admin"].into(),
        doc! { "user": 1, "db": "x" }.into(),
    ] {
        assert_eq!(
            error_of(&hello(&server, doc! { "saslSupportedMechs": wrong })).0,
            14
        );
    }
}

#[test]
fn only_enabled_mechanisms_are_listed() {
    let options = Options::default().arguments(&FEW_ROUNDS);
    let enabled = ["--setParameter", "authenticationMechanisms=SCRAM-SHA-256"];
    let server = TestServer::with_admin_and(options.arguments(&enabled));
    for user in ["admin.admin", "admin.nobody"] {
        let reply = hello(&server, doc! { "saslSupportedMechs": user });
        let listed = reply.get_array("saslSupportedMechs").unwrap();
        assert_eq!(listed, &vec![Bson::from("SCRAM-SHA-256")]);
    }
    let mut admin = server.admin();
    let create = doc! { "createUser": "a", "pwd": "x", "roles": [], "mechanisms": ["SCRAM-SHA-1"] };
    let refused = error_of(&admin.run("shop", create));
    assert_eq!(
        refused,
        (2, "SCRAM-SHA-1 not supported in authMechanisms".into())
    );
    let exchange = Exchange::new("SCRAM-SHA-1", "admin", ADMIN.1);
    let refused = server
        .raw()
        .sasl_start("admin", "SCRAM-SHA-1", &exchange.first());
    assert_eq!(error_of(&refused), (18, "Authentication failed.".into()));
}

/// A `speculativeAuthenticate` that begins an exchange of the administrator.
fn speculative(exchange: &Exchange, mechanism: &str) -> Document {
    doc! {
        "saslStart": 1, "mechanism": mechanism, "payload": binary(exchange.first().as_bytes()),
        "autoAuthorize": 1, "options": { "skipEmptyExchange": true }, "db": "admin",
    }
}

#[test]
fn signing_in_may_begin_in_the_hello() {
    let server = server();
    for mechanism in MECHANISMS {
        let mut client = server.raw();
        let exchange = Exchange::new(mechanism, ADMIN.0, ADMIN.1);
        let reply = client.run(
            "admin",
            doc! {
                "hello": 1, "helloOk": true, "client": metadata(), "compression": ["zlib"],
                "saslSupportedMechs": "admin.admin",
                "speculativeAuthenticate": speculative(&exchange, mechanism),
            },
        );
        let asked_for = [
            "compression",
            "saslSupportedMechs",
            "speculativeAuthenticate",
            "ok",
        ];
        assert_eq!(
            fields(&reply),
            [&["helloOk"], &SERVER[..], &asked_for].concat()
        );
        let started = reply.get_document("speculativeAuthenticate").unwrap();
        assert_eq!(
            fields(started),
            ["conversationId", "done", "payload"],
            "no ok of its own"
        );
        assert_eq!(started.get("conversationId"), Some(&Bson::Int32(1)));
        assert_eq!(started.get_bool("done").ok(), Some(false));
        let last = exchange.last(&payload(started));
        let done = client.sasl_continue("admin", &last.message);
        assert_eq!(payload(&done), last.answer);
        assert_eq!(client.signed_in_user().as_deref(), Some("admin@admin"));
    }
}

#[test]
fn what_goes_wrong_in_a_speculative_start_is_left_out() {
    let server = server();
    let good = || {
        speculative(
            &Exchange::new("SCRAM-SHA-256", ADMIN.0, ADMIN.1),
            "SCRAM-SHA-256",
        )
    };
    let with = |field: &str, value: Bson| {
        let mut start = good();
        start.insert(field, value);
        start
    };
    let mut without_db = good();
    without_db.remove("db");
    let rows = [
        without_db,
        with("db", 1.into()),
        with("db", "a b".into()),
        with("db", "$external".into()),
        with("mechanism", "SCRAM-SHA-512".into()),
        with("mechanism", "PLAIN".into()),
        with("mechanism", 1.into()),
        with("payload", binary(b"no scram")),
        with("payload", 1.into()),
        with("options", doc! { "skipEmptyExchange": 1 }.into()),
        doc! { "saslStart": 1 },
        doc! { "authenticate": 1, "mechanism": "MONGODB-X509", "db": "$external" },
        doc! { "authenticate": 1 },
    ];
    for start in rows {
        let mut client = server.raw();
        let reply = client.run(
            "admin",
            doc! { "hello": 1, "speculativeAuthenticate": start.clone() },
        );
        assert_eq!(fields(&reply), [&SERVER[..], &["ok"]].concat(), "{start}");
        let continued = client.sasl_continue("admin", "x");
        assert_eq!(error_of(&continued).0, 17, "nothing was begun by {start}");
        client.sign_in("admin", ADMIN.0, ADMIN.1).unwrap();
    }
    // Unlike mongod, which leaves it out for users it does not know.
    let nobody = speculative(
        &Exchange::new("SCRAM-SHA-256", "nobody", "x"),
        "SCRAM-SHA-256",
    );
    let reply = hello(&server, doc! { "speculativeAuthenticate": nobody });
    assert!(reply.get_document("speculativeAuthenticate").is_ok());
    let mut base64 = good();
    let first = Exchange::new("SCRAM-SHA-256", ADMIN.0, ADMIN.1).first();
    base64.insert("payload", to_base64(first.as_bytes()));
    let reply = hello(&server, doc! { "speculativeAuthenticate": base64 });
    assert!(
        reply
            .get_document("speculativeAuthenticate")
            .unwrap()
            .get_str("payload")
            .is_ok()
    );
}

#[test]
fn some_faults_of_a_speculative_start_are_told() {
    let server = server();
    let empty = hello(&server, doc! { "speculativeAuthenticate": {} });
    let text = "hello.speculativeAuthenticate must be a non-empty Object";
    assert_eq!(error_of(&empty), (2, text.into()));
    let unknown = hello(&server, doc! { "speculativeAuthenticate": { "find": 1 } });
    let text = "hello.speculativeAuthenticate unknown command: find";
    assert_eq!(error_of(&unknown), (51769, text.into()));
    assert_eq!(
        error_of(&hello(&server, doc! { "speculativeAuthenticate": "x" })).0,
        14
    );
}
