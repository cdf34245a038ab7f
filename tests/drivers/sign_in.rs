//! Signing in by the Rust driver.

use bson::{Document, doc};
use mongodb::options::AuthMechanism;

use crate::support::{ADMIN, TestServer};
use crate::{code_of, create};

const SHA_1: AuthMechanism = AuthMechanism::ScramSha1;
const SHA_256: AuthMechanism = AuthMechanism::ScramSha256;

/// Signs in; the server's code if it refuses.
async fn sign_in(
    server: &TestServer,
    (db, user): (&str, &str),
    password: &str,
    mechanism: Option<AuthMechanism>,
) -> Result<Document, i32> {
    let client = server.driver_as(db, user, password, mechanism).await;
    let status = client
        .database(db)
        .run_command(doc! { "connectionStatus": 1 })
        .await;
    let status = status.map_err(|error| code_of(&error))?;
    let users = status
        .get_document("authInfo")
        .unwrap()
        .get_array("authenticatedUsers")
        .unwrap();
    Ok(users[0].as_document().unwrap().clone())
}

/// On `admin`, because the driver negotiates for a user of `admin` whatever `source` says.
#[tokio::test]
async fn with_either_mechanism_and_with_what_is_negotiated() {
    let server = TestServer::with_admin();
    let mut admin = server.admin();
    for (user, mechanisms) in [
        ("both", vec!["SCRAM-SHA-1", "SCRAM-SHA-256"]),
        ("one", vec!["SCRAM-SHA-1"]),
        ("two", vec!["SCRAM-SHA-256"]),
    ] {
        let create =
            doc! { "createUser": user, "pwd": "secret", "roles": [], "mechanisms": mechanisms };
        assert_eq!(admin.run("admin", create), doc! { "ok": 1.0 });
    }
    for (user, mechanism, refusal) in [
        ("both", None, None),
        ("both", Some(SHA_1), None),
        ("both", Some(SHA_256), None),
        ("one", None, None),
        ("one", Some(SHA_1), None),
        ("one", Some(SHA_256), Some(18)),
        ("two", None, None),
        ("two", Some(SHA_1), Some(18)),
        ("two", Some(SHA_256), None),
    ] {
        let signed_in = sign_in(&server, ("admin", user), "secret", mechanism.clone()).await;
        let expected = match refusal {
            None => Ok(doc! { "user": user, "db": "admin" }),
            Some(code) => Err(code),
        };
        assert_eq!(signed_in, expected, "{user} by {mechanism:?}");
    }
}

#[tokio::test]
async fn not_with_a_wrong_password_or_name_or_database() {
    let server = TestServer::with_admin();
    let admin = server.driver_as("admin", ADMIN.0, ADMIN.1, None).await;
    create(&admin, "ann", doc! {}).await;
    for mechanism in [None, Some(SHA_1), Some(SHA_256)] {
        for (user, password) in [("ann", "wrong"), ("nobody", "secret"), ADMIN] {
            let refused = sign_in(&server, ("products", user), password, mechanism.clone()).await;
            assert_eq!(refused, Err(18), "{user} by {mechanism:?}");
        }
    }
}

#[tokio::test]
async fn from_and_to_the_right_address_only() {
    let server = TestServer::with_admin();
    let admin = server.driver_as("admin", ADMIN.0, ADMIN.1, None).await;
    for (user, restriction, refusal) in [
        ("here", doc! { "clientSource": ["127.0.0.0/8"] }, None),
        (
            "elsewhere",
            doc! { "clientSource": ["192.0.2.0/24"] },
            Some(18),
        ),
        ("to_here", doc! { "serverAddress": ["127.0.0.1"] }, None),
        (
            "to_elsewhere",
            doc! { "serverAddress": ["127.0.0.2"] },
            Some(18),
        ),
    ] {
        create(
            &admin,
            user,
            doc! { "authenticationRestrictions": [restriction] },
        )
        .await;
        for mechanism in [SHA_1, SHA_256] {
            let signed_in = sign_in(&server, ("products", user), "secret", Some(mechanism)).await;
            assert_eq!(signed_in.err(), refusal, "{user}");
        }
    }
}
