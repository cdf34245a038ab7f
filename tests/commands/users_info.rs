//! `usersInfo`: what it shows, field by field in order, and to whom.

use bson::{Bson, Document, doc};

use crate::support::scram_client::{Exchange, MECHANISMS, payload, to_base64};
use crate::support::{RawClient, TestServer, error_of};
use crate::table::{check, server};

/// The names of a document's fields, in order.
pub fn fields(document: &Document) -> Vec<&str> {
    document.keys().map(String::as_str).collect()
}

pub fn users(client: &mut RawClient, db: &str, command: Document) -> Vec<Document> {
    let reply = client.run(db, command);
    assert_eq!(fields(&reply), ["users", "ok"], "{reply}");
    let users = reply.get_array("users").unwrap();
    users
        .iter()
        .map(|user| user.as_document().unwrap().clone())
        .collect()
}

pub fn names(users: &[Document]) -> Vec<String> {
    users
        .iter()
        .map(|user| user.get_str("_id").unwrap().to_owned())
        .collect()
}

/// Users: `ann@shop` with everything, `bob@shop` with nothing, `ann@other`, `CN=x@$external`.
pub fn populated() -> (TestServer, RawClient) {
    let server = server();
    let mut admin = server.admin();
    let rich = doc! {
        "createUser": "ann", "pwd": "secret", "customData": { "team": "a" },
        "roles": ["read", { "role": "dbAdmin", "db": "other" }],
        "authenticationRestrictions": [{ "clientSource": ["127.0.0.1", "10.0.0.0/8"] }],
    };
    let plain = |name: &str| doc! { "createUser": name, "pwd": "secret", "roles": [] };
    let mut sha_1 = plain("ann");
    sha_1.insert("mechanisms", vec!["SCRAM-SHA-1"]);
    let external = doc! { "createUser": "CN=x", "roles": [] };
    for (db, command) in [
        ("shop", plain("bob")),
        ("shop", rich),
        ("other", sha_1),
        ("$external", external),
    ] {
        assert_eq!(admin.run(db, command), doc! { "ok": 1.0 });
    }
    (server, admin)
}

#[test]
fn requests_that_are_refused() {
    check(&server(), "usersInfo");
}

#[test]
fn the_plain_answer_is_the_stored_document() {
    let (_server, mut admin) = populated();
    let mut found = users(&mut admin, "shop", doc! { "usersInfo": "ann" });
    let mut ann = found.pop().unwrap();
    assert!(found.is_empty());
    assert_eq!(
        fields(&ann),
        [
            "_id",
            "userId",
            "user",
            "db",
            "customData",
            "roles",
            "mechanisms"
        ]
    );
    let Some(Bson::Binary(user_id)) = ann.remove("userId") else {
        panic!("{ann}")
    };
    assert_eq!(user_id.subtype, bson::spec::BinarySubtype::Uuid);
    assert_eq!(user_id.bytes.len(), 16);
    assert_eq!(user_id.bytes[6] >> 4, 4, "a random UUID");
    assert_eq!(
        ann,
        doc! {
            "_id": "shop.ann", "user": "ann", "db": "shop", "customData": { "team": "a" },
            "roles": [{ "role": "read", "db": "shop" }, { "role": "dbAdmin", "db": "other" }],
            "mechanisms": ["SCRAM-SHA-1", "SCRAM-SHA-256"],
        }
    );
}

#[test]
fn credentials_and_custom_data_come_and_go() {
    let (_server, mut admin) = populated();
    let shown = doc! { "usersInfo": "ann", "showCredentials": true, "showCustomData": 0 };
    let ann = users(&mut admin, "shop", shown).remove(0);
    let order = [
        "_id",
        "userId",
        "user",
        "db",
        "credentials",
        "roles",
        "mechanisms",
    ];
    assert_eq!(fields(&ann), order);
    let credentials = ann.get_document("credentials").unwrap();
    assert_eq!(fields(credentials), ["SCRAM-SHA-1", "SCRAM-SHA-256"]);
    for (mechanism, salt_bytes, key_bytes) in [("SCRAM-SHA-1", 16, 20), ("SCRAM-SHA-256", 28, 32)] {
        let keys = credentials.get_document(mechanism).unwrap();
        assert_eq!(
            fields(keys),
            ["iterationCount", "salt", "storedKey", "serverKey"]
        );
        assert_eq!(keys.get("iterationCount"), Some(&Bson::Int32(5000)));
        let bytes = |name: &str| {
            crate::support::scram_client::from_base64(keys.get_str(name).unwrap()).len()
        };
        assert_eq!(
            [bytes("salt"), bytes("storedKey"), bytes("serverKey")],
            [salt_bytes, key_bytes, key_bytes]
        );
    }
    let external = doc! { "usersInfo": "CN=x", "showCredentials": true };
    let external = users(&mut admin, "$external", external).remove(0);
    assert_eq!(fields(&external), order);
    assert_eq!(
        external.get_document("credentials").unwrap(),
        &doc! { "external": true }
    );
    assert_eq!(
        external.get_array("mechanisms").unwrap(),
        &vec![Bson::from("external")]
    );
}

#[test]
fn stored_keys_are_those_of_the_password() {
    let (server, mut admin) = populated();
    let shown = doc! { "usersInfo": "ann", "showCredentials": true };
    let ann = users(&mut admin, "shop", shown).remove(0);
    for mechanism in MECHANISMS {
        let keys = ann
            .get_document("credentials")
            .unwrap()
            .get_document(mechanism)
            .unwrap();
        let exchange = Exchange::new(mechanism, "ann", "secret");
        let started = server
            .raw()
            .sasl_start("shop", mechanism, &exchange.first());
        let last = exchange.last(&payload(&started));
        assert_eq!(keys.get_str("salt").unwrap(), last.salt);
        assert_eq!(
            keys.get_str("storedKey").unwrap(),
            to_base64(&last.stored_key)
        );
        assert_eq!(
            keys.get_str("serverKey").unwrap(),
            to_base64(&last.server_key)
        );
    }
}

#[test]
fn which_users_are_shown_and_in_which_order() {
    let (_server, mut admin) = populated();
    let mut ask =
        |db: &str, target: Bson| names(&users(&mut admin, db, doc! { "usersInfo": target }));
    assert_eq!(ask("shop", 1.into()), ["shop.ann", "shop.bob"]);
    assert_eq!(ask("shop", 1.0.into()), ["shop.ann", "shop.bob"]);
    assert_eq!(ask("shop", Bson::Int64(1)), ["shop.ann", "shop.bob"]);
    assert_eq!(ask("empty", 1.into()), Vec::<String>::new());
    assert_eq!(
        ask("shop", doc! { "forAllDBs": true }.into()),
        [
            "$external.CN=x",
            "admin.admin",
            "other.ann",
            "shop.ann",
            "shop.bob"
        ]
    );
    assert_eq!(ask("shop", doc! { "forAllDBs": 1 }.into()).len(), 5);
    assert_eq!(ask("shop", "bob".into()), ["shop.bob"]);
    assert_eq!(ask("shop", "shop.bob".into()), Vec::<String>::new());
    assert_eq!(
        ask("shop", doc! { "user": "ann", "db": "other" }.into()),
        ["other.ann"]
    );
    assert_eq!(
        ask("shop", doc! { "user": "nobody", "db": "shop" }.into()),
        Vec::<String>::new()
    );
    let several = vec![
        Bson::from("bob"),
        doc! { "user": "ann", "db": "shop" }.into(),
        doc! { "user": "ann", "db": "other" }.into(),
        "bob".into(),
        "nobody".into(),
    ];
    assert_eq!(
        ask("shop", several.into()),
        ["other.ann", "shop.ann", "shop.bob"]
    );
}

#[test]
fn a_filter_sees_what_is_shown() {
    let (_server, mut admin) = populated();
    let mut ask = |target: Bson, filter: Document, options: Document| {
        let mut command = doc! { "usersInfo": target, "filter": filter };
        command.extend(options);
        names(&users(&mut admin, "shop", command))
    };
    let all = || Bson::from(doc! { "forAllDBs": true });
    assert_eq!(ask(1.into(), doc! { "user": "ann" }, doc! {}), ["shop.ann"]);
    assert_eq!(ask(1.into(), doc! {}, doc! {}), ["shop.ann", "shop.bob"]);
    assert_eq!(
        ask(all(), doc! { "user": "ann" }, doc! {}),
        ["other.ann", "shop.ann"]
    );
    let sha_1_only = doc! { "mechanisms": ["SCRAM-SHA-1"] };
    assert_eq!(ask(all(), sha_1_only, doc! {}), ["other.ann"]);
    let role = doc! { "roles": { "role": "read", "db": "shop" } };
    assert_eq!(ask(1.into(), role, doc! {}), ["shop.ann"]);
    let team = || doc! { "customData.team": "a" };
    assert_eq!(ask(1.into(), team(), doc! {}), ["shop.ann"]);
    assert!(ask(1.into(), team(), doc! { "showCustomData": false }).is_empty());
    assert_eq!(
        ask("ann".into(), doc! { "user": "bob" }, doc! {}),
        Vec::<String>::new()
    );
    let hidden = || doc! { "credentials": { "$exists": true } };
    assert!(ask(1.into(), hidden(), doc! {}).is_empty());
    assert_eq!(
        ask(1.into(), hidden(), doc! { "showCredentials": true }).len(),
        2
    );
    assert!(
        ask(
            1.into(),
            doc! { "authenticationRestrictions": { "$exists": true } },
            doc! {}
        )
        .is_empty()
    );
}

#[test]
fn everybody_may_look_at_oneself_and_nobody_else() {
    let (server, _admin) = populated();
    let mut bob = server.raw();
    bob.sign_in("shop", "bob", "secret").unwrap();
    assert_eq!(
        names(&users(&mut bob, "shop", doc! { "usersInfo": "bob" })),
        ["shop.bob"]
    );
    let by_document = doc! { "usersInfo": { "user": "bob", "db": "shop" } };
    assert_eq!(names(&users(&mut bob, "admin", by_document)), ["shop.bob"]);
    let shown = doc! { "usersInfo": "bob", "showCredentials": true, "showPrivileges": true };
    assert_eq!(users(&mut bob, "shop", shown).len(), 1);
    for target in [
        Bson::from("ann"),
        1.into(),
        doc! { "forAllDBs": true }.into(),
        vec![Bson::from("bob"), "ann".into()].into(),
        doc! { "user": "bob", "db": "other" }.into(),
    ] {
        let (code, message) = error_of(&bob.run("shop", doc! { "usersInfo": target }));
        assert_eq!(code, 13);
        assert!(message.starts_with("not authorized on shop to execute command { usersInfo: "));
    }
}
