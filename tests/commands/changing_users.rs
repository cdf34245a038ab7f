//! What `createUser` and its relatives leave behind, and the sizes they take.

use bson::{Bson, Document, doc};

use crate::support::scram_client::{MECHANISMS, password_digest};
use crate::support::{RawClient, TestServer, error_of};
use crate::table::server;

fn ok(client: &mut RawClient, db: &str, command: Document) {
    let text = command.keys().next().unwrap().clone();
    assert_eq!(client.run(db, command), doc! { "ok": 1.0 }, "{text}");
}

fn user(client: &mut RawClient, name: &str) -> Document {
    let command = doc! { "usersInfo": name, "showCredentials": true };
    let reply = client.run("shop", command);
    reply.get_array("users").unwrap()[0]
        .as_document()
        .unwrap()
        .clone()
}

/// The mechanisms that let `user` in with `password`.
fn ways_in(server: &TestServer, user: &str, password: &str) -> Vec<&'static str> {
    let lets_in = |mechanism: &&str| {
        server
            .raw()
            .sign_in_by(mechanism, "shop", user, password)
            .is_ok()
    };
    MECHANISMS.into_iter().filter(lets_in).collect()
}

#[test]
fn mechanisms_decide_who_gets_in_how() {
    let server = server();
    let mut admin = server.admin();
    for (mechanisms, expected) in [
        (Bson::Null, vec!["SCRAM-SHA-1", "SCRAM-SHA-256"]),
        (
            vec!["SCRAM-SHA-256", "SCRAM-SHA-1"].into(),
            vec!["SCRAM-SHA-1", "SCRAM-SHA-256"],
        ),
        (vec!["SCRAM-SHA-1"].into(), vec!["SCRAM-SHA-1"]),
        (vec!["SCRAM-SHA-256"].into(), vec!["SCRAM-SHA-256"]),
    ] {
        let create = doc! {
            "createUser": "ann", "pwd": "secret", "roles": [], "mechanisms": mechanisms,
        };
        ok(&mut admin, "shop", create);
        assert_eq!(ways_in(&server, "ann", "secret"), expected);
        let listed = user(&mut admin, "ann");
        let expected: Vec<_> = expected.into_iter().map(Bson::from).collect();
        assert_eq!(listed.get_array("mechanisms").unwrap(), &expected);
        ok(&mut admin, "shop", doc! { "dropUser": "ann" });
        assert!(ways_in(&server, "ann", "secret").is_empty());
    }
}

#[test]
fn a_password_digested_by_the_client_is_taken_as_it_is() {
    let server = server();
    let mut admin = server.admin();
    let create = |pwd: &str| {
        doc! {
            "createUser": "ann", "pwd": pwd, "roles": [],
            "digestPassword": false, "mechanisms": ["SCRAM-SHA-1"],
        }
    };
    ok(
        &mut admin,
        "shop",
        create(&password_digest("ann", "secret")),
    );
    assert_eq!(ways_in(&server, "ann", "secret"), ["SCRAM-SHA-1"]);
    // mongod does not look whether it is a digest.
    ok(&mut admin, "shop", doc! { "dropUser": "ann" });
    ok(&mut admin, "shop", create("no digest"));
    assert!(ways_in(&server, "ann", "no digest").is_empty());
}

#[test]
fn a_password_that_cannot_be_prepared_is_refused() {
    let server = server();
    let mut admin = server.admin();
    let mut create = |pwd: &str, mechanisms: Bson| {
        admin.run(
            "shop",
            doc! {
                "createUser": "ann", "pwd": pwd, "roles": [], "mechanisms": mechanisms,
            },
        )
    };
    for password in ["bell\u{7}", "\u{627}1", "\u{221}", "\u{ad}"] {
        let (code, message) = error_of(&create(password, Bson::Null));
        assert_eq!(code, 2);
        assert!(!message.contains(password), "{message}");
    }
    // SCRAM-SHA-1 does not prepare passwords.
    assert_eq!(
        create("bell\u{7}", vec!["SCRAM-SHA-1"].into()),
        doc! { "ok": 1.0 }
    );
    assert_eq!(ways_in(&server, "ann", "bell\u{7}"), ["SCRAM-SHA-1"]);
}

#[test]
fn what_is_large_fits_and_what_is_too_large_does_not() {
    let server = server();
    let mut admin = server.admin();
    // A name has no limit of its own.
    let name = "n".repeat(1024 * 1024);
    let create = doc! {
        "createUser": &name, "pwd": "secret", "roles": [], "mechanisms": ["SCRAM-SHA-256"],
    };
    ok(&mut admin, "shop", create.clone());
    assert_eq!(user(&mut admin, &name).get_str("user").unwrap(), name);
    let (code, message) = error_of(&admin.run("shop", create));
    assert_eq!(code, 51003);
    assert!(message.starts_with("User \"nnn"), "{}", &message[..20]);
    ok(&mut admin, "shop", doc! { "dropUser": &name });

    let with_data = |bytes: usize| {
        let data = doc! { "data": "d".repeat(bytes) };
        doc! { "createUser": "ann", "pwd": "secret", "roles": [], "customData": data }
    };
    let kibibyte = 1024;
    ok(&mut admin, "shop", with_data(15 * kibibyte * kibibyte));
    let shown = admin.run("shop", doc! { "usersInfo": "ann" });
    assert_eq!(shown.get_f64("ok").ok(), Some(1.0));
    ok(&mut admin, "shop", doc! { "dropUser": "ann" });
    // The largest command there can be; the keys of the user come on top of it.
    let mut largest = with_data(0);
    largest.insert("$db", "shop");
    let empty_bytes = bson::RawDocumentBuf::try_from(&largest)
        .unwrap()
        .as_bytes()
        .len();
    let document_bytes_max = 16 * kibibyte * kibibyte + 16 * kibibyte;
    let too_large = admin.run("shop", with_data(document_bytes_max - empty_bytes));
    assert_eq!(
        error_of(&too_large).0,
        10334,
        "{:.200}",
        too_large.to_string()
    );
    assert_eq!(too_large.get_str("codeName").unwrap(), "BSONObjectTooLarge");
    assert!(
        admin
            .run("shop", doc! { "usersInfo": "ann" })
            .get_array("users")
            .unwrap()
            .is_empty()
    );
}

#[test]
fn every_user_is_new() {
    let server = server();
    let mut admin = server.admin();
    let create = doc! { "createUser": "ann", "pwd": "secret", "roles": [] };
    let mut seen = Vec::new();
    for _ in 0..2 {
        ok(&mut admin, "shop", create.clone());
        let ann = user(&mut admin, "ann");
        let credentials = ann.get_document("credentials").unwrap();
        for mechanism in MECHANISMS {
            seen.push(
                credentials
                    .get_document(mechanism)
                    .unwrap()
                    .get("salt")
                    .unwrap()
                    .clone(),
            );
        }
        seen.push(ann.get("userId").unwrap().clone());
        ok(&mut admin, "shop", doc! { "dropUser": "ann" });
    }
    for (place, one) in seen.iter().enumerate() {
        assert!(!seen[..place].contains(one), "{one} again");
    }
}

#[test]
fn an_update_changes_what_it_names_and_nothing_else() {
    let server = server();
    let mut admin = server.admin();
    ok(
        &mut admin,
        "shop",
        doc! {
            "createUser": "ann", "pwd": "secret", "roles": ["read"], "customData": { "a": 1, "b": 2 },
            "authenticationRestrictions": [{ "clientSource": ["127.0.0.1"] }],
        },
    );
    let before = user(&mut admin, "ann");
    let mut update = |fields: Document| {
        let mut command = doc! { "updateUser": "ann" };
        command.extend(fields);
        ok(&mut admin, "shop", command);
        user(&mut admin, "ann")
    };
    let mut expected = before;
    let after = update(doc! { "customData": { "c": 3 } });
    expected.insert("customData", doc! { "c": 3 });
    assert_eq!(after, expected, "replaced, not merged");
    let after = update(doc! { "roles": ["dbAdmin", "dbAdmin"] });
    expected.insert("roles", vec![doc! { "role": "dbAdmin", "db": "shop" }]);
    assert_eq!(after, expected);
    assert_eq!(update(doc! { "authenticationRestrictions": [] }), expected);
    let after = update(doc! { "pwd": "other" });
    assert_ne!(after.get("credentials"), expected.get("credentials"));
    assert_eq!(after.get("userId"), expected.get("userId"));
    assert_eq!(after.get("roles"), expected.get("roles"));
    assert!(ways_in(&server, "ann", "secret").is_empty());
    assert_eq!(ways_in(&server, "ann", "other"), MECHANISMS);
}

#[test]
fn restrictions_can_be_set_and_taken_away() {
    let server = server();
    let mut admin = server.admin();
    let create = doc! { "createUser": "ann", "pwd": "secret", "roles": [] };
    ok(&mut admin, "shop", create);
    let mut restrictions = |new: Bson| {
        ok(
            &mut admin,
            "shop",
            doc! { "updateUser": "ann", "authenticationRestrictions": new },
        );
        let command = doc! { "usersInfo": "ann", "showAuthenticationRestrictions": true };
        let reply = admin.run("shop", command);
        let ann = reply.get_array("users").unwrap()[0]
            .as_document()
            .unwrap()
            .clone();
        ann.get_array("authenticationRestrictions").unwrap().clone()
    };
    let some = Bson::from(doc! { "clientSource": ["10.0.0.0/8"], "serverAddress": ["::1"] });
    assert_eq!(restrictions(vec![some.clone()].into()), vec![some]);
    assert_eq!(restrictions(Bson::Array(Vec::new())), Vec::new());
}

#[test]
fn a_new_password_makes_all_mechanisms_anew() {
    let server = server();
    let mut admin = server.admin();
    let create = doc! {
        "createUser": "ann", "pwd": "one", "roles": [], "mechanisms": ["SCRAM-SHA-1"],
    };
    ok(&mut admin, "shop", create);
    ok(
        &mut admin,
        "shop",
        doc! { "updateUser": "ann", "pwd": "two" },
    );
    assert_eq!(
        ways_in(&server, "ann", "two"),
        MECHANISMS,
        "it gains the second one"
    );
    let only = doc! { "updateUser": "ann", "pwd": "three", "mechanisms": ["SCRAM-SHA-256"] };
    ok(&mut admin, "shop", only);
    assert_eq!(
        ways_in(&server, "ann", "three"),
        ["SCRAM-SHA-256"],
        "it loses the first one"
    );
}

#[test]
fn a_trim_keeps_the_keys_it_names() {
    let server = server();
    let mut admin = server.admin();
    ok(
        &mut admin,
        "shop",
        doc! { "createUser": "ann", "pwd": "secret", "roles": [] },
    );
    let before = user(&mut admin, "ann");
    ok(
        &mut admin,
        "shop",
        doc! { "updateUser": "ann", "mechanisms": ["SCRAM-SHA-1"] },
    );
    let after = user(&mut admin, "ann");
    let keys = |user: &Document| {
        user.get_document("credentials")
            .unwrap()
            .get("SCRAM-SHA-1")
            .unwrap()
            .clone()
    };
    assert_eq!(keys(&before), keys(&after));
    assert_eq!(ways_in(&server, "ann", "secret"), ["SCRAM-SHA-1"]);
}

#[test]
fn roles_are_granted_and_revoked() {
    let server = server();
    let mut admin = server.admin();
    ok(
        &mut admin,
        "shop",
        doc! { "createUser": "ann", "pwd": "secret", "roles": ["read"] },
    );
    let mut change = |command: &str, roles: Vec<Bson>| {
        ok(&mut admin, "shop", doc! { command: "ann", "roles": roles });
        let roles = user(&mut admin, "ann").get_array("roles").unwrap().clone();
        let name = |role: &Bson| {
            let role = role.as_document().unwrap();
            format!(
                "{}@{}",
                role.get_str("role").unwrap(),
                role.get_str("db").unwrap()
            )
        };
        let mut names: Vec<String> = roles.iter().map(name).collect();
        names.sort();
        names
    };
    let on = |role: &str, db: &str| Bson::from(doc! { "role": role, "db": db });
    assert_eq!(
        change(
            "grantRolesToUser",
            vec!["dbAdmin".into(), on("read", "other"), "read".into()]
        ),
        ["dbAdmin@shop", "read@other", "read@shop"]
    );
    assert_eq!(
        change(
            "revokeRolesFromUser",
            vec![on("read", "shop"), "dbOwner".into()]
        ),
        ["dbAdmin@shop", "read@other"]
    );
    assert!(
        change(
            "revokeRolesFromUser",
            vec!["dbAdmin".into(), on("read", "other")]
        )
        .is_empty()
    );
}

#[test]
fn dropping_all_users_of_a_database_leaves_the_others() {
    let server = server();
    let mut admin = server.admin();
    let create = |name: &str| {
        doc! { "createUser": name, "pwd": "x", "roles": [], "mechanisms": ["SCRAM-SHA-1"] }
    };
    for (db, name) in [("shop", "ann"), ("shop", "bob"), ("other", "ann")] {
        ok(&mut admin, db, create(name));
    }
    let dropped = admin.run("shop", doc! { "dropAllUsersFromDatabase": 1 });
    assert_eq!(dropped, doc! { "n": 2, "ok": 1.0 });
    assert_eq!(dropped.keys().collect::<Vec<_>>(), ["n", "ok"]);
    let left = admin.run("admin", doc! { "usersInfo": { "forAllDBs": true } });
    assert_eq!(left.get_array("users").unwrap().len(), 2);
}
