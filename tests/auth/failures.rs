//! Every failed sign-in looks the same: who exists and what exactly was wrong is told to nobody.

use std::time::{Duration, Instant};

use bson::{Document, doc};

use crate::common::{create, failed, ok, options, server};
use crate::support::scram_client::{Exchange, MECHANISMS, from_base64, payload};
use crate::support::{ADMIN, Options, RawClient, TestServer, binary, error_of};

/// A way to fail: user and password, to be tried by every mechanism.
const ATTEMPTS: [(&str, &str); 7] = [
    ("both", "wrong"),
    ("sha1", "wrong"),
    ("sha256", "wrong"),
    ("sha1", "secret"),   // by SCRAM-SHA-256, for which it has no keys
    ("sha256", "secret"), // by SCRAM-SHA-1, likewise
    ("nobody", "secret"),
    ("Both", "secret"),
];

fn populated() -> TestServer {
    let server = server();
    let mut admin = server.admin();
    create(&mut admin, "both", vec![]);
    for (user, mechanism) in [("sha1", MECHANISMS[0]), ("sha256", MECHANISMS[1])] {
        let command = doc! {
            "createUser": user, "pwd": "secret", "roles": [], "mechanisms": [mechanism],
        };
        ok(&mut admin, "shop", command);
    }
    server
}

/// Whether the attempt fails at all.
fn gets_in(user: &str, mechanism: &str) -> bool {
    matches!(
        (user, mechanism),
        ("sha1", "SCRAM-SHA-1") | ("sha256", "SCRAM-SHA-256")
    )
}

/// An answer without what differs each time: types, sizes and the order of everything.
fn shape(started: &Document) -> String {
    let text = payload(started);
    let fields: Vec<_> = text.split(',').collect();
    let [nonce, salt, iterations] = fields.as_slice() else {
        panic!("{text}")
    };
    let salt = from_base64(salt.strip_prefix("s=").unwrap());
    let mut blank = started.clone();
    blank.insert(
        "payload",
        format!("r:{} s:{} {iterations}", nonce.len(), salt.len()),
    );
    blank.to_string()
}

fn salt(client: &mut RawClient, mechanism: &str, user: &str) -> String {
    let exchange = Exchange::new(mechanism, user, "x");
    let started = client.sasl_start("shop", mechanism, &exchange.first());
    exchange.last(&payload(&started)).salt
}

#[test]
fn all_fail_at_the_same_step_with_the_same_words() {
    let server = populated();
    for mechanism in MECHANISMS {
        let mut shapes = Vec::new();
        let mut refusals = Vec::new();
        for (user, password) in ATTEMPTS {
            if password == "secret" && gets_in(user, mechanism) {
                continue;
            }
            let mut client = server.raw();
            let exchange = Exchange::new(mechanism, user, password);
            let started = client.sasl_start("shop", mechanism, &exchange.first());
            shapes.push(shape(&started));
            let last = exchange.last(&payload(&started));
            refusals.push(client.sasl_continue("shop", &last.message).to_string());
            assert_eq!(client.signed_in_user(), None);
        }
        shapes.dedup();
        refusals.dedup();
        let [shape] = shapes.as_slice() else {
            panic!("{shapes:?}")
        };
        assert!(shape.contains(if mechanism == "SCRAM-SHA-1" {
            "s:16 i=5000"
        } else {
            "s:28 i=5000"
        }));
        let expected = doc! {
            "ok": 0.0, "errmsg": "Authentication failed.", "code": 18,
            "codeName": "AuthenticationFailed",
        };
        assert_eq!(refusals, [expected.to_string()]);
    }
}

#[test]
fn speculative_starts_look_the_same_too() {
    let server = populated();
    for mechanism in MECHANISMS {
        let mut shapes = Vec::new();
        let known = if mechanism == "SCRAM-SHA-1" {
            "sha1"
        } else {
            "sha256"
        };
        for user in ["both", known, "nobody", "somebody"] {
            let mut client = server.raw();
            let exchange = Exchange::new(mechanism, user, "wrong");
            let reply = client.run(
                "admin",
                doc! { "hello": 1, "speculativeAuthenticate": {
                    "saslStart": 1, "mechanism": mechanism, "db": "shop",
                    "payload": binary(exchange.first().as_bytes()),
                    "options": { "skipEmptyExchange": true },
                } },
            );
            let started = reply.get_document("speculativeAuthenticate").unwrap();
            shapes.push(shape(started));
            let last = exchange.last(&payload(started));
            assert_eq!(
                error_of(&client.sasl_continue("shop", &last.message)),
                failed()
            );
        }
        shapes.dedup();
        assert_eq!(shapes.len(), 1, "{shapes:?}");
    }
}

/// A driver that does not know a user's mechanisms begins with SCRAM-SHA-256 and goes on with it if
/// it is answered. `saslSupportedMechs` tells as much about these users.
#[test]
fn a_speculative_start_without_credentials_is_not_answered() {
    let server = populated();
    let [sha_1, sha_256] = MECHANISMS;
    for (user, has, mechanism) in [("sha1", sha_1, sha_256), ("sha256", sha_256, sha_1)] {
        let mut client = server.raw();
        let first = binary(Exchange::new(mechanism, user, "secret").first().as_bytes());
        let reply = client.run(
            "admin",
            doc! { "hello": 1, "speculativeAuthenticate": {
                "saslStart": 1, "mechanism": mechanism, "db": "shop", "payload": first,
            } },
        );
        assert_eq!(reply.get_f64("ok").ok(), Some(1.0));
        assert!(!reply.contains_key("speculativeAuthenticate"), "{user}");
        client.sign_in_by(has, "shop", user, "secret").unwrap();
    }
}

#[test]
fn made_up_salts_stay_the_same() {
    let server = populated();
    let users = ["nobody", "somebody", "sha1", "sha256"];
    let salts = |server: &TestServer| -> Vec<String> {
        let pairs = users
            .iter()
            .flat_map(|user| MECHANISMS.map(|mechanism| (mechanism, *user)));
        pairs
            .map(|(mechanism, user)| salt(&mut server.raw(), mechanism, user))
            .collect()
    };
    let first = salts(&server);
    assert_eq!(salts(&server), first, "from one connection to the next");
    for (place, salt) in first.iter().enumerate() {
        assert!(!first[..place].contains(salt), "every user has its own");
    }
    let folder = server.folder();
    server.stop();
    let again = Options::in_folder(folder).start();
    assert_eq!(salts(&again), first, "from one start to the next");
    // Another deployment makes up others.
    let other = populated();
    assert_ne!(salt(&mut other.raw(), MECHANISMS[1], "nobody"), first[1]);
}

#[test]
fn a_user_keeps_its_looks_when_it_comes_and_goes() {
    let server = server();
    let mut admin = server.admin();
    let mechanism = MECHANISMS[1];
    let made_up = salt(&mut server.raw(), mechanism, "ann");
    create(&mut admin, "ann", vec![]);
    let real = salt(&mut server.raw(), mechanism, "ann");
    assert_ne!(real, made_up);
    ok(&mut admin, "shop", doc! { "dropUser": "ann" });
    assert_eq!(salt(&mut server.raw(), mechanism, "ann"), made_up);
}

#[test]
fn an_exchange_does_not_outlive_its_user() {
    let server = server();
    let mut admin = server.admin();
    create(&mut admin, "ann", vec![]);
    let mechanism = MECHANISMS[1];
    let begin = || {
        let mut client = server.raw();
        let exchange = Exchange::new(mechanism, "ann", "secret");
        let started = client.sasl_start("shop", mechanism, &exchange.first());
        (client, exchange.last(&payload(&started)).message)
    };
    let (mut client, last) = begin();
    ok(
        &mut admin,
        "shop",
        doc! { "updateUser": "ann", "pwd": "other" },
    );
    assert_eq!(
        error_of(&client.sasl_continue("shop", &last)),
        failed(),
        "of the old password"
    );
    ok(
        &mut admin,
        "shop",
        doc! { "updateUser": "ann", "pwd": "secret" },
    );
    let (mut client, last) = begin();
    ok(&mut admin, "shop", doc! { "dropUser": "ann" });
    let gone = (11, "Could not find user \"ann\" for db \"shop\"".to_owned());
    assert_eq!(
        error_of(&client.sasl_continue("shop", &last)),
        gone,
        "it was there a moment ago"
    );
    create(&mut admin, "ann", vec![]);
    let (mut client, last) = begin();
    ok(&mut admin, "shop", doc! { "dropUser": "ann" });
    create(&mut admin, "ann", vec![]);
    assert_eq!(
        error_of(&client.sasl_continue("shop", &last)),
        gone,
        "another one by that name"
    );
    assert_eq!(client.signed_in_user(), None);
}

#[test]
fn a_wrong_password_costs_time_if_so_configured() {
    const DELAY: Duration = Duration::from_millis(400);
    let delay = ["--setParameter", "authFailedDelayMs=400"];
    let server = TestServer::with_admin_and(options().arguments(&delay));
    for user in [ADMIN.0, "nobody"] {
        let mut client = server.raw();
        let exchange = Exchange::new(MECHANISMS[1], user, "wrong");
        let started = client.sasl_start("admin", MECHANISMS[1], &exchange.first());
        let last = exchange.last(&payload(&started));
        let begun = Instant::now();
        assert_eq!(
            error_of(&client.sasl_continue("admin", &last.message)),
            failed()
        );
        assert!(begun.elapsed() >= DELAY, "{user}: {:?}", begun.elapsed());
    }
    let begun = Instant::now();
    let refused = server.raw().sasl_start("admin", MECHANISMS[1], "no scram");
    assert_eq!(error_of(&refused), failed());
    assert!(begun.elapsed() >= DELAY);
}
