//! What users may do to their own account.

use bson::{Bson, Document, doc};

use crate::support::scram_client::MECHANISMS;
use crate::support::{RawClient, TestServer, error_of};

/// `ann@shop`, who may do `actions` on the database `on`, and `bob@shop`.
fn with_ann(on: &str, actions: &[&str]) -> (TestServer, RawClient) {
    let server = TestServer::with_admin();
    let mut admin = server.admin();
    let mut ok = |db: &str, command: Document| {
        let reply = admin.run(db, command);
        assert_eq!(reply, doc! { "ok": 1.0 });
    };
    let privilege =
        doc! { "resource": { "db": on, "collection": "" }, "actions": actions.to_vec() };
    ok(
        "admin",
        doc! { "createRole": "self", "privileges": [privilege], "roles": [] },
    );
    let role = || vec![Bson::from(doc! { "role": "self", "db": "admin" })];
    for (db, user) in [("shop", "ann"), ("shop", "bob"), ("other", "ann")] {
        ok(
            db,
            doc! {
                "createUser": user, "pwd": "secret", "roles": role(), "mechanisms": [MECHANISMS[0]],
            },
        );
    }
    let mut ann = server.raw();
    ann.sign_in_by(MECHANISMS[0], "shop", "ann", "secret")
        .unwrap();
    (server, ann)
}

fn is_allowed(client: &mut RawClient, db: &str, fields: Document, user: &str) -> bool {
    let mut command = doc! { "updateUser": user };
    command.extend(fields);
    let reply = client.run(db, command);
    if reply == (doc! { "ok": 1.0 }) {
        return true;
    }
    assert_eq!(error_of(&reply).0, 13, "{reply}");
    false
}

#[test]
fn changing_ones_own_password_and_data() {
    let password = || doc! { "pwd": "secret" };
    let data = || doc! { "customData": { "a": 1 } };
    let both = || doc! { "pwd": "secret", "customData": { "a": 1 } };
    for (actions, may) in [
        (["changeOwnPassword"].as_slice(), [true, false, false]),
        (&["changeOwnCustomData"], [false, true, false]),
        (
            &["changeOwnPassword", "changeOwnCustomData"],
            [true, true, true],
        ),
        (&["find"], [false, false, false]),
    ] {
        let (_server, mut ann) = with_ann("shop", actions);
        let found =
            [password(), data(), both()].map(|fields| is_allowed(&mut ann, "shop", fields, "ann"));
        assert_eq!(found, may, "{actions:?}");
        // Nobody else's: not another user's, not the one of the same name elsewhere.
        for fields in [password(), data()] {
            assert!(!is_allowed(&mut ann, "shop", fields.clone(), "bob"));
            assert!(!is_allowed(&mut ann, "shop", fields.clone(), "nobody"));
            assert!(!is_allowed(&mut ann, "other", fields, "ann"));
        }
        assert!(!is_allowed(&mut ann, "shop", doc! { "roles": [] }, "ann"));
        let restrictions = doc! { "authenticationRestrictions": [] };
        assert!(!is_allowed(&mut ann, "shop", restrictions, "ann"));
    }
}

#[test]
fn ones_own_mechanisms_are_part_of_the_password() {
    let trim = || doc! { "mechanisms": ["SCRAM-SHA-1"] };
    let (_server, mut ann) = with_ann("shop", &["changeOwnPassword"]);
    assert!(is_allowed(&mut ann, "shop", trim(), "ann"));
    assert!(!is_allowed(&mut ann, "shop", trim(), "bob"));
}

#[test]
fn the_privilege_must_be_on_the_users_database() {
    let (_server, mut ann) = with_ann("other", &["changeOwnPassword"]);
    assert!(!is_allowed(
        &mut ann,
        "shop",
        doc! { "pwd": "secret" },
        "ann"
    ));
    assert!(!is_allowed(
        &mut ann,
        "other",
        doc! { "pwd": "secret" },
        "ann"
    ));
}
