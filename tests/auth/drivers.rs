//! The official Rust driver signs in (driver authentication specification, "Test Plan").

use bson::{Bson, doc};
use mongodb::error::ErrorKind;
use mongodb::options::AuthMechanism::{self, ScramSha1, ScramSha256};

use crate::common::{ok, server};
use crate::support::{TestServer, fixture};

/// The code of a refused sign-in, or the name of the user.
async fn try_sign_in(
    server: &TestServer,
    user: &str,
    password: &str,
    mechanism: Option<AuthMechanism>,
) -> Result<String, i32> {
    let client = server.driver_as("shop", user, password, mechanism).await;
    match client
        .database("admin")
        .run_command(doc! { "connectionStatus": 1 })
        .await
    {
        Ok(status) => {
            let info = status.get_document("authInfo").unwrap();
            let users = info.get_array("authenticatedUsers").unwrap();
            Ok(users[0]
                .as_document()
                .unwrap()
                .get_str("user")
                .unwrap()
                .to_owned())
        }
        Err(error) => match error.kind.as_ref() {
            ErrorKind::Authentication { .. } => {
                use std::error::Error;
                let source = error.source().map(ToString::to_string).unwrap_or_default();
                let text = format!("{error} {source}");
                Err(
                    if text.contains("18") || text.contains("Authentication failed") {
                        18
                    } else {
                        0
                    },
                )
            }
            other => panic!("{other}"),
        },
    }
}

#[tokio::test]
async fn every_mechanism_and_none() {
    let server = server();
    let mut admin = server.admin();
    for (user, mechanisms) in [
        ("sha1", vec!["SCRAM-SHA-1"]),
        ("sha256", vec!["SCRAM-SHA-256"]),
        ("both", vec!["SCRAM-SHA-1", "SCRAM-SHA-256"]),
    ] {
        let create = doc! {
            "createUser": user, "pwd": user, "roles": [], "mechanisms": mechanisms,
        };
        ok(&mut admin, "shop", create);
    }
    for (user, mechanism, gets_in) in [
        ("sha1", Some(ScramSha1), true),
        ("sha1", Some(ScramSha256), false),
        ("sha1", None, true),
        ("sha256", Some(ScramSha1), false),
        ("sha256", Some(ScramSha256), true),
        ("sha256", None, true),
        ("both", Some(ScramSha1), true),
        ("both", Some(ScramSha256), true),
        ("both", None, true),
        ("nobody", None, false),
        ("nobody", Some(ScramSha1), false),
        ("nobody", Some(ScramSha256), false),
    ] {
        let expected = if gets_in {
            Ok(user.to_owned())
        } else {
            Err(18)
        };
        let found = try_sign_in(&server, user, user, mechanism.clone()).await;
        assert_eq!(found, expected, "{user} by {mechanism:?}");
        let wrong = try_sign_in(&server, user, "wrong", mechanism.clone()).await;
        assert_eq!(
            wrong,
            Err(18),
            "{user} by {mechanism:?} with a wrong password"
        );
    }
}

#[tokio::test]
async fn names_and_passwords_that_need_care() {
    let server = server();
    let mut admin = server.admin();
    for (user, password) in [
        ("a=b,c", "x=y,z"),
        ("=2C=3D", "=2C"),
        ("na\u{ef}ve", "p\u{e4}ssw\u{f6}rd"),
        ("mit space", " lead and trail "),
        ("quote\"'", "%40:@/?#"),
        ("\u{2168}", "\u{2168}"),
        ("shop.ann", "dots"),
    ] {
        ok(
            &mut admin,
            "shop",
            doc! { "createUser": user, "pwd": password, "roles": [] },
        );
        for mechanism in [Some(ScramSha1), Some(ScramSha256), None] {
            let found = try_sign_in(&server, user, password, mechanism).await;
            assert_eq!(found.as_deref(), Ok(user));
        }
    }
    // A user name is not prepared: this is another one.
    assert_eq!(try_sign_in(&server, "IX", "\u{2168}", None).await, Err(18));
}

/// The specification's users, who sign in with either form of their password.
#[tokio::test]
async fn passwords_are_prepared() {
    let server = server();
    let mut admin = server.admin();
    for (user, password) in [("IX", "IX"), ("\u{2168}", "\u{2163}")] {
        let create = doc! {
            "createUser": user, "pwd": password, "roles": [], "mechanisms": ["SCRAM-SHA-256"],
        };
        ok(&mut admin, "shop", create);
    }
    for (user, password) in [
        ("IX", "IX"),
        ("IX", "I\u{ad}X"),
        ("IX", "\u{2168}"),
        ("\u{2168}", "IV"),
        ("\u{2168}", "I\u{ad}V"),
        ("\u{2168}", "\u{2163}"),
    ] {
        for mechanism in [Some(ScramSha256), None] {
            let found = try_sign_in(&server, user, password, mechanism).await;
            assert_eq!(found.as_deref(), Ok(user), "{password:?}");
        }
    }
}

/// What the server prepares and what a driver prepares must be the same.
#[tokio::test]
async fn every_pair_of_the_preparation_table_signs_in() {
    let server = server();
    let mut admin = server.admin();
    let pairs = std::fs::read_to_string(fixture("scram/saslprep.json")).unwrap();
    let pairs: Vec<bson::Document> = serde_json::from_str(&pairs).unwrap();
    for (number, pair) in pairs.iter().enumerate() {
        let Some(Bson::String(prepared)) = pair.get("prepared") else {
            continue;
        };
        let (user, password) = (format!("user{number}"), pair.get_str("password").unwrap());
        let create = doc! {
            "createUser": &user, "pwd": password, "roles": [], "mechanisms": ["SCRAM-SHA-256"],
        };
        ok(&mut admin, "shop", create);
        for form in [password, prepared] {
            let found = try_sign_in(&server, &user, form, Some(ScramSha256)).await;
            assert_eq!(found.as_deref(), Ok(user.as_str()), "{form:?}");
        }
        server
            .raw()
            .sign_in_by("SCRAM-SHA-256", "shop", &user, prepared)
            .unwrap();
    }
}

#[tokio::test]
async fn the_database_is_part_of_the_name() {
    let server = server();
    let mut admin = server.admin();
    for (db, password) in [("shop", "one"), ("other", "two")] {
        ok(
            &mut admin,
            db,
            doc! { "createUser": "ann", "pwd": password, "roles": [] },
        );
    }
    assert_eq!(
        try_sign_in(&server, "ann", "one", None).await.as_deref(),
        Ok("ann")
    );
    assert_eq!(try_sign_in(&server, "ann", "two", None).await, Err(18));
    let client = server.driver_as("other", "ann", "two", None).await;
    client
        .database("admin")
        .run_command(doc! { "ping": 1 })
        .await
        .unwrap();
}
