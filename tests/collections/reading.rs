//! What is read is what is there.

use bson::{Document, doc};

use crate::common::{batch, create, succeed};
use crate::support::{RawClient, error_of};
use crate::table::server;

fn find(client: &mut RawClient, command: Document) -> Vec<Document> {
    let (documents, id, _) = batch(&succeed(client, "admin", command));
    assert_eq!(id, 0);
    documents
}

#[test]
fn a_user_is_stored_with_its_keys_and_in_mongods_order() {
    let server = server();
    let mut admin = server.admin();
    let command = doc! {
        "createUser": "ann", "pwd": "secret", "customData": { "b": 1, "a": [2] },
        "roles": ["read", { "role": "root", "db": "admin" }],
        "authenticationRestrictions": [{ "clientSource": ["127.0.0.1"], "serverAddress": ["::1"] }],
    };
    succeed(&mut admin, "shop", command);
    let filter = doc! { "user": "ann" };
    let found = find(
        &mut admin,
        doc! { "find": "system.users", "filter": filter },
    );
    let [user] = found.as_slice() else {
        panic!("{found:?}")
    };
    let names: Vec<&str> = user.keys().map(String::as_str).collect();
    let expected = [
        "_id",
        "userId",
        "user",
        "db",
        "credentials",
        "authenticationRestrictions",
        "customData",
        "roles",
    ];
    assert_eq!(names, expected);
    assert_eq!(user.get_str("_id").unwrap(), "shop.ann");
    let restriction = doc! { "clientSource": ["127.0.0.1"], "serverAddress": ["::1"] };
    assert_eq!(
        user.get_array("authenticationRestrictions").unwrap(),
        &[restriction.into()]
    );
    assert_eq!(
        user.get("customData").unwrap().to_string(),
        r#"{ "b": 1, "a": [2] }"#
    );
    let roles: Vec<String> = user
        .get_array("roles")
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        roles,
        [
            r#"{ "role": "read", "db": "shop" }"#,
            r#"{ "role": "root", "db": "admin" }"#,
        ]
    );
    let shown = succeed(
        &mut admin,
        "shop",
        doc! { "usersInfo": "ann", "showCredentials": true },
    );
    let shown = shown.get_array("users").unwrap()[0].as_document().unwrap();
    for field in [
        "_id",
        "userId",
        "user",
        "db",
        "credentials",
        "customData",
        "roles",
    ] {
        let (stored, shown) = (user.get(field).unwrap(), shown.get(field).unwrap());
        assert_eq!(stored.to_string(), shown.to_string());
    }
    let keys = user.get_document("credentials").unwrap();
    assert_eq!(
        keys.keys().collect::<Vec<_>>(),
        ["SCRAM-SHA-1", "SCRAM-SHA-256"]
    );
    let keys = keys.get_document("SCRAM-SHA-256").unwrap();
    let expected = ["iterationCount", "salt", "storedKey", "serverKey"];
    assert_eq!(keys.keys().collect::<Vec<_>>(), expected);
}

#[test]
fn an_external_user_has_no_keys() {
    let server = server();
    let mut admin = server.admin();
    succeed(
        &mut admin,
        "$external",
        doc! { "createUser": "CN=ann", "roles": [] },
    );
    let filter = doc! { "db": "$external" };
    let mut found = find(
        &mut admin,
        doc! { "find": "system.users", "filter": filter },
    );
    assert!(found[0].remove("userId").is_some());
    let expected = doc! {
        "_id": "$external.CN=ann", "user": "CN=ann", "db": "$external",
        "credentials": { "external": true }, "roles": [],
    };
    assert_eq!(found, [expected]);
}

#[test]
fn changes_are_seen_by_the_next_question() {
    let server = server();
    let mut admin = server.admin();
    let count = |admin: &mut RawClient| {
        let reply = succeed(
            admin,
            "admin",
            doc! { "count": "system.users", "query": { "db": "shop" } },
        );
        reply.get_i32("n").unwrap()
    };
    assert_eq!(count(&mut admin), 0);
    create(&server, "ann", &[]);
    create(&server, "bob", &["read"]);
    assert_eq!(count(&mut admin), 2);
    let roles = doc! { "distinct": "system.users", "key": "roles.role" };
    let roles = succeed(&mut admin, "admin", roles);
    assert_eq!(
        roles.get_array("values").unwrap(),
        &["root".into(), "read".into()]
    );
    succeed(&mut admin, "shop", doc! { "dropUser": "ann" });
    assert_eq!(count(&mut admin), 1);
}

#[test]
fn users_are_grouped() {
    let server = server();
    let mut admin = server.admin();
    create(&server, "ann", &["read"]);
    create(&server, "bob", &["read", "clusterMonitor"]);
    let pipeline = vec![
        doc! { "$match": { "user": { "$ne": "nobody" } } },
        doc! { "$group": {
            "_id": { "db": "$db" }, "n": { "$sum": 1 }, "users": { "$push": "$user" },
            "roles": { "$addToSet": "$roles.role" },
        } },
        doc! { "$sort": { "n": -1 } },
    ];
    let command = doc! { "aggregate": "system.users", "pipeline": pipeline, "cursor": {} };
    let expected = [
        doc! {
            "_id": { "db": "shop" }, "n": 2, "users": ["ann", "bob"],
            "roles": [["read"], ["read", "clusterMonitor"]],
        },
        doc! { "_id": { "db": "admin" }, "n": 1, "users": ["admin"], "roles": [["root"]] },
    ];
    assert_eq!(find(&mut admin, command), expected);
}

#[test]
fn without_authorization_everybody_reads() {
    let options = crate::support::Options::default().argument("--noauth");
    let server = options.start();
    let mut client = server.raw();
    assert!(find(&mut client, doc! { "find": "system.users" }).is_empty());
    let schema = doc! { "_id": "featureCompatibilityVersion", "version": "8.0" };
    assert_eq!(
        find(&mut client, doc! { "find": "system.version" }),
        [schema]
    );
    let names = doc! { "listCollections": 1, "nameOnly": true, "authorizedCollections": true };
    let expected = doc! { "name": "system.version", "type": "collection" };
    assert_eq!(find(&mut client, names), [expected]);
    let missing = client.run("admin", doc! { "listIndexes": "system.users" });
    assert_eq!(
        error_of(&missing),
        (26, "ns does not exist: admin.system.users".into())
    );
}

#[test]
fn documents_are_not_written() {
    let server = server();
    let mut admin = server.admin();
    succeed(
        &mut admin,
        "admin",
        doc! {
            "createRole": "writer", "roles": [], "privileges": [{
                "resource": { "db": "admin", "collection": "system.users" },
                "actions": ["insert", "update", "remove"],
            }],
        },
    );
    let roles = vec!["writer"];
    succeed(
        &mut admin,
        "admin",
        doc! { "grantRolesToUser": "admin", "roles": roles },
    );
    for (command, name) in [
        (
            doc! { "insert": "system.users", "documents": [{ "_id": 1 }] },
            "insert",
        ),
        (
            doc! { "update": "system.users", "updates": [{ "q": {}, "u": { "$set": { "a": 1 } } }] },
            "update",
        ),
        (
            doc! { "delete": "system.users", "deletes": [{ "q": {}, "limit": 0 }] },
            "delete",
        ),
    ] {
        let text = format!("{name} is allowed, but no engine stands behind this gate");
        assert_eq!(error_of(&admin.run("admin", command)), (115, text));
    }
}
