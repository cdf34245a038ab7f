//! The `scram` crate as a client that shares no code with the server, over a raw connection.

use bson::{RawDocumentBuf, doc};

use crate::support::{TestServer, binary, error_of};

const FAILED: (i32, &str) = (18, "Authentication failed.");

#[test]
fn it_signs_in_and_believes_the_server() {
    let server = TestServer::with_admin();
    let create = doc! { "createUser": "ann", "pwd": "secret", "roles": [] };
    server.admin().run("products", create);
    let mut client = server.raw();
    client.sign_in("products", "ann", "secret").unwrap();
    let status = client.run("products", doc! { "connectionStatus": 1 });
    let users = status
        .get_document("authInfo")
        .unwrap()
        .get_array("authenticatedUsers")
        .unwrap();
    assert_eq!(users, &[doc! { "user": "ann", "db": "products" }.into()]);
}

#[test]
fn it_is_refused_with_one_text_for_all_reasons() {
    let server = TestServer::with_admin();
    let mut admin = server.admin();
    let create = doc! { "createUser": "ann", "pwd": "secret", "roles": [] };
    admin.run("products", create);
    let create = doc! {
        "createUser": "elsewhere", "pwd": "secret", "roles": [],
        "authenticationRestrictions": [{ "clientSource": ["127.0.0.7"] }],
    };
    assert_eq!(admin.run("products", create), doc! { "ok": 1.0 });
    for (user, password) in [
        ("ann", "wrong"),
        ("nobody", "secret"),
        ("elsewhere", "secret"),
    ] {
        let refused = server
            .raw()
            .sign_in("products", user, password)
            .unwrap_err();
        assert_eq!(
            error_of(&refused),
            (FAILED.0, FAILED.1.to_owned()),
            "{user}"
        );
    }
    // All of 127.0.0.0/8 is this machine.
    let mut from_there = server.raw_between("127.0.0.7", "127.0.0.1");
    from_there
        .sign_in("products", "elsewhere", "secret")
        .unwrap();
}

/// PyMongo negotiates and begins to sign in at once by SCRAM-SHA-256; where the list says that the
/// user has only SCRAM-SHA-1, it takes whatever was begun for SCRAM-SHA-1.
#[test]
fn nothing_is_begun_by_a_mechanism_that_the_same_reply_does_not_offer() {
    let server = TestServer::with_admin();
    let create = doc! {
        "createUser": "one", "pwd": "secret", "roles": [], "mechanisms": ["SCRAM-SHA-1"],
    };
    assert_eq!(server.admin().run("products", create), doc! { "ok": 1.0 });
    for (user, offered, is_begun) in [
        ("one", vec!["SCRAM-SHA-1"], false),
        ("nobody", vec!["SCRAM-SHA-256", "SCRAM-SHA-1"], true),
    ] {
        let first = format!("n,,n={user},r=rOprNGfwEbeRWgbNEkqO");
        let hello = doc! {
            "hello": 1,
            "saslSupportedMechs": format!("products.{user}"),
            "speculativeAuthenticate": {
                "saslStart": 1, "mechanism": "SCRAM-SHA-256", "db": "products",
                "payload": binary(first.as_bytes()),
            },
            "$db": "admin",
        };
        let reply = server
            .raw()
            .run_raw(&RawDocumentBuf::try_from(&hello).unwrap());
        let listed = reply.get_array("saslSupportedMechs").unwrap();
        assert_eq!(
            listed,
            &offered.into_iter().map(Into::into).collect::<Vec<_>>()
        );
        assert_eq!(
            reply.contains_key("speculativeAuthenticate"),
            is_begun,
            "{user}"
        );
    }
}
