//! The official Rust driver signs in (driver authentication specification, "Test Plan").

use bson::{Bson, doc};
use mongodb::error::ErrorKind;
use mongodb::options::AuthMechanism::{self, ScramSha1, ScramSha256};

use crate::common::{ok, server};
use crate::support::{TestServer, fixture};

/// The driver keeps the server's code to itself.
#[derive(Debug, PartialEq)]
struct Refused;

/// The name of the user that signed in.
async fn try_sign_in(
    server: &TestServer,
    db: &str,
    user: &str,
    password: &str,
    mechanism: Option<AuthMechanism>,
) -> Result<String, Refused> {
    let client = server.driver_as(db, user, password, mechanism).await;
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
            ErrorKind::Authentication { .. } => Err(Refused),
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
        ok(&mut admin, "admin", create);
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
            Err(Refused)
        };
        let found = try_sign_in(&server, "admin", user, user, mechanism.clone()).await;
        assert_eq!(found, expected, "{user} by {mechanism:?}");
        let wrong = try_sign_in(&server, "admin", user, "wrong", mechanism.clone()).await;
        assert_eq!(
            wrong,
            Err(Refused),
            "{user} by {mechanism:?} with a wrong password"
        );
    }
}

/// A gap: without a mechanism this driver asks for those of `admin.<user>`, whatever the user's
/// database is. mongod leaves the field out for a user it does not know, and the driver falls back
/// to SCRAM-SHA-1; here every unknown user seems to have SCRAM-SHA-256 too, so the driver takes it.
#[tokio::test]
async fn a_user_with_sha_1_alone_outside_admin_has_to_name_it() {
    let server = server();
    let create = doc! {
        "createUser": "sha1", "pwd": "sha1", "roles": [], "mechanisms": ["SCRAM-SHA-1"],
    };
    ok(&mut server.admin(), "shop", create);
    let sign_in = |mechanism| try_sign_in(&server, "shop", "sha1", "sha1", mechanism);
    assert_eq!(sign_in(Some(ScramSha1)).await, Ok("sha1".into()));
    assert_eq!(sign_in(None).await, Err(Refused));
}

#[tokio::test]
async fn names_and_passwords_that_need_care() {
    let server = server();
    let mut admin = server.admin();
    for (user, password) in [
        ("equals", "x=y,z=2C"),
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
            let found = try_sign_in(&server, "shop", user, password, mechanism).await;
            assert_eq!(found, Ok(user.to_owned()));
        }
    }
    // A user name is not prepared: this is another one.
    assert_eq!(
        try_sign_in(&server, "shop", "IX", "\u{2168}", None).await,
        Err(Refused)
    );
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
            let found = try_sign_in(&server, "shop", user, password, mechanism).await;
            assert_eq!(found, Ok(user.to_owned()), "{password:?}");
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
            let found = try_sign_in(&server, "shop", &user, form, Some(ScramSha256)).await;
            assert_eq!(found, Ok(user.clone()), "{form:?}");
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
        try_sign_in(&server, "shop", "ann", "one", None).await,
        Ok("ann".into())
    );
    assert_eq!(
        try_sign_in(&server, "shop", "ann", "two", None).await,
        Err(Refused)
    );
    let client = server.driver_as("other", "ann", "two", None).await;
    client
        .database("admin")
        .run_command(doc! { "ping": 1 })
        .await
        .unwrap();
}
