//! `authenticationRestrictions`: from where a user may sign in, and to which address.

use bson::{Bson, Document, doc};

use crate::common::{failed, ok, options, server};
use crate::support::scram_client::{Exchange, MECHANISMS, payload};
use crate::support::{RawClient, TestServer, binary, error_of};

fn restrict(admin: &mut RawClient, user: &str, restrictions: Vec<Document>) {
    let command = doc! {
        "createUser": user, "pwd": "secret", "roles": [],
        "authenticationRestrictions": restrictions,
    };
    ok(admin, "shop", command);
}

fn gets_in(mut client: RawClient, user: &str) -> bool {
    match client.sign_in("shop", user, "secret") {
        Ok(()) => {
            assert_eq!(client.signed_in_user(), Some(format!("{user}@shop")));
            true
        }
        Err(reply) => {
            assert_eq!(error_of(&reply), failed(), "like a wrong password");
            assert_eq!(client.signed_in_user(), None);
            false
        }
    }
}

#[test]
fn the_clients_address() {
    let server = server();
    let mut admin = server.admin();
    let source = |ranges: &[&str]| doc! { "clientSource": ranges.to_vec() };
    restrict(&mut admin, "one", vec![source(&["127.0.0.2"])]);
    restrict(
        &mut admin,
        "two",
        vec![source(&["10.0.0.0/8", "127.0.0.2/31"])],
    );
    restrict(
        &mut admin,
        "either",
        vec![source(&["127.0.0.2"]), source(&["127.0.0.3"])],
    );
    restrict(&mut admin, "elsewhere", vec![source(&["10.0.0.0/8"])]);
    restrict(&mut admin, "nowhere", vec![doc! { "clientSource": [] }]);
    restrict(
        &mut admin,
        "six",
        vec![source(&["::1", "::/0", "::ffff:127.0.0.1"])],
    );
    restrict(&mut admin, "all", vec![source(&["0.0.0.0/0"])]);
    restrict(&mut admin, "free", vec![]);
    for (user, expected) in [
        ("one", [false, true, false, false]),
        ("two", [false, true, true, false]),
        ("either", [false, true, true, false]),
        ("elsewhere", [false; 4]),
        ("nowhere", [false; 4]),
        ("six", [false; 4]),
        ("all", [true; 4]),
        ("free", [true; 4]),
    ] {
        let found = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"]
            .map(|from| gets_in(server.raw_between(from, "127.0.0.1"), user));
        assert_eq!(found, expected, "{user}");
    }
}

#[test]
fn the_servers_address() {
    let addresses = ["--bind_ip", "127.0.0.1,127.0.0.3"];
    let server = TestServer::with_admin_and(options().arguments(&addresses));
    let mut admin = server.admin();
    restrict(
        &mut admin,
        "third",
        vec![doc! { "serverAddress": ["127.0.0.3"] }],
    );
    // Within an entry both must hold, of the entries one.
    let both = doc! { "clientSource": ["127.0.0.2"], "serverAddress": ["127.0.0.3"] };
    restrict(&mut admin, "both", vec![both.clone()]);
    restrict(
        &mut admin,
        "or",
        vec![both, doc! { "clientSource": ["127.0.0.4"] }],
    );
    for (user, expected) in [
        ("third", [false, true, false, true, false]),
        ("both", [false, false, false, true, false]),
        ("or", [false, false, false, true, true]),
    ] {
        let found = [
            ("127.0.0.1", "127.0.0.1"),
            ("127.0.0.1", "127.0.0.3"),
            ("127.0.0.2", "127.0.0.1"),
            ("127.0.0.2", "127.0.0.3"),
            ("127.0.0.4", "127.0.0.1"),
        ]
        .map(|(from, to)| gets_in(server.raw_between(from, to), user));
        assert_eq!(found, expected, "{user}");
    }
}

#[test]
fn ipv6_is_another_family() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        eprintln!("skipped: this machine has no IPv6");
        return;
    }
    let server = TestServer::with_admin_and(options().argument("--ipv6"));
    let mut admin = server.admin();
    restrict(&mut admin, "six", vec![doc! { "clientSource": ["::1"] }]);
    restrict(
        &mut admin,
        "four",
        vec![doc! { "clientSource": ["127.0.0.0/8"] }],
    );
    for (user, expected) in [("six", [false, true]), ("four", [true, false])] {
        let found = ["127.0.0.1", "::1"].map(|here| gets_in(server.raw_between(here, here), user));
        assert_eq!(found, expected, "{user}");
    }
}

#[test]
fn a_unix_socket_has_no_address() {
    let server = TestServer::with_admin_and(options().unix_socket());
    let mut admin = server.admin();
    restrict(
        &mut admin,
        "source",
        vec![doc! { "clientSource": ["0.0.0.0/0", "::/0"] }],
    );
    restrict(
        &mut admin,
        "address",
        vec![doc! { "serverAddress": ["0.0.0.0/0", "::/0"] }],
    );
    restrict(&mut admin, "free", vec![]);
    let found = ["source", "address", "free"].map(|user| gets_in(server.raw_unix(), user));
    assert_eq!(found, [false, false, true]);
    assert!(gets_in(server.raw(), "source"));
}

#[test]
fn restrictions_hold_for_both_mechanisms_and_are_looked_at_after_the_proof() {
    let server = server();
    let mut admin = server.admin();
    restrict(
        &mut admin,
        "ann",
        vec![doc! { "clientSource": ["10.0.0.1"] }],
    );
    for mechanism in MECHANISMS {
        for password in ["secret", "wrong"] {
            let mut client = server.raw();
            let refused = client
                .sign_in_by(mechanism, "shop", "ann", password)
                .unwrap_err();
            assert_eq!(error_of(&refused), failed());
        }
    }
}

#[test]
fn a_change_reaches_those_who_are_signed_in() {
    let server = server();
    let mut admin = server.admin();
    restrict(
        &mut admin,
        "ann",
        vec![doc! { "clientSource": ["127.0.0.2", "127.0.0.3"] }],
    );
    let mut second = server.raw_between("127.0.0.2", "127.0.0.1");
    let mut third = server.raw_between("127.0.0.3", "127.0.0.1");
    for client in [&mut second, &mut third] {
        client.sign_in("shop", "ann", "secret").unwrap();
    }
    let mut update = |restrictions: Bson| {
        let command = doc! { "updateUser": "ann", "authenticationRestrictions": restrictions };
        ok(&mut admin, "shop", command);
    };
    update(vec![doc! { "clientSource": ["127.0.0.3"] }].into());
    let refused = second.run("shop", doc! { "usersInfo": "ann" });
    assert_eq!(
        error_of(&refused),
        (13, "Command usersInfo requires authentication".into())
    );
    assert_eq!(third.signed_in_user().as_deref(), Some("ann@shop"));
    assert_eq!(
        error_of(&second.sign_in("shop", "ann", "secret").unwrap_err()),
        failed()
    );
    update(Bson::Array(Vec::new()));
    assert_eq!(second.signed_in_user(), None, "it has to sign in again");
    second.sign_in("shop", "ann", "secret").unwrap();
    assert_eq!(third.signed_in_user().as_deref(), Some("ann@shop"));
}

#[test]
fn a_right_password_from_elsewhere_is_answered_like_a_wrong_one_at_once() {
    let server = server();
    let source = doc! { "clientSource": ["10.0.0.0/8"] };
    restrict(&mut server.admin(), "elsewhere", vec![source]);
    let mut client = server.raw();
    for password in ["secret", "wrong"] {
        let exchange = Exchange::new(MECHANISMS[1], "elsewhere", password);
        // Without `skipEmptyExchange`: the server's signature would come before the last message.
        let start = doc! {
            "saslStart": 1, "mechanism": MECHANISMS[1],
            "payload": binary(exchange.first().as_bytes()),
        };
        let started = client.run("shop", start);
        let last = exchange.last(&payload(&started));
        let continued = client.sasl_continue("shop", &last.message);
        assert_eq!(error_of(&continued), failed(), "{password}");
    }
}
