//! Users and roles from one server into another, as mongodump and mongorestore carry them.

use bson::{Bson, Document, doc};
use mongodb::options::AuthMechanism;

use crate::common::{batch, create_and_sign_in, succeed};
use crate::support::{ADMIN, Options, RawClient, TestServer, error_of};
use crate::table::{FEW_ROUNDS, server};

/// A server with a role that includes another and a user `ann` of `shop` who has both kinds of keys.
fn source() -> TestServer {
    let server = server();
    let mut admin = server.admin();
    let find = doc! { "resource": { "db": "shop", "collection": "c" }, "actions": ["find"] };
    for command in [
        doc! { "createRole": "z", "privileges": [find], "roles": [] },
        doc! { "createRole": "a", "privileges": [], "roles": ["z"] },
        doc! {
            "createUser": "ann", "pwd": "ann's password", "roles": ["a"],
            "customData": { "n": 1 },
            "authenticationRestrictions": [{ "clientSource": ["127.0.0.0/8"] }],
        },
        doc! { "createUser": "bob", "pwd": "bob's password", "roles": ["read"] },
    ] {
        succeed(&mut admin, "shop", command);
    }
    server
}

/// All documents of a collection on `admin`.
fn dump(client: &mut RawClient, collection: &str) -> Vec<Document> {
    let (documents, id, _) = batch(&succeed(client, "admin", doc! { "find": collection }));
    assert_eq!(id, 0);
    documents
}

/// Inserts as a document sequence, as drivers do.
fn insert(client: &mut RawClient, collection: &str, documents: Vec<Document>) -> Document {
    let documents: Vec<_> = documents.into_iter().map(Bson::Document).collect();
    let command = doc! { "insert": collection, "ordered": false };
    client.run_with_sequences("admin", command, &doc! { "documents": documents })
}

/// Brings users and roles of a dump in.
fn restore(client: &mut RawClient, users: Vec<Document>, roles: Vec<Document>, options: Document) {
    let counts = [users.len(), roles.len()].map(|count| i32::try_from(count).unwrap());
    for (collection, documents, count) in [
        ("tempusers", users, counts[0]),
        ("temproles", roles, counts[1]),
    ] {
        succeed(client, "admin", doc! { "drop": collection });
        let inserted = insert(client, collection, documents);
        assert_eq!(inserted, doc! { "n": count, "ok": 1.0 });
    }
    let mut command = doc! {
        "_mergeAuthzCollections": 1,
        "tempUsersCollection": "admin.tempusers",
        "tempRolesCollection": "admin.temproles",
    };
    command.extend(options);
    succeed(client, "admin", command);
}

#[tokio::test]
async fn who_is_restored_signs_in_with_the_old_password() {
    let from = source();
    let (users, roles) = {
        let mut admin = from.admin();
        (
            dump(&mut admin, "system.users"),
            dump(&mut admin, "system.roles"),
        )
    };
    assert_eq!((users.len(), roles.len()), (3, 2));
    let to = server();
    let mut keeper = create_and_sign_in(&to, "keeper", &["restore"]);
    restore(&mut keeper, users.clone(), roles.clone(), doc! { "db": "" });
    for mechanism in [AuthMechanism::ScramSha1, AuthMechanism::ScramSha256] {
        let ann = to
            .driver_as("shop", "ann", "ann's password", Some(mechanism))
            .await;
        let status = doc! { "connectionStatus": 1 };
        let status = ann.database("shop").run_command(status).await.unwrap();
        let info = status.get_document("authInfo").unwrap();
        assert_eq!(info.get_array("authenticatedUserRoles").unwrap().len(), 2);
    }
    let mut admin = to.admin();
    let mut restored = dump(&mut admin, "system.users");
    restored.retain(|user| user.get_str("user").is_ok_and(|name| name != "keeper"));
    // The administrator was there before and stays.
    let not_admin = |user: &&Document| user.get_str("user").is_ok_and(|name| name != ADMIN.0);
    let restored: Vec<_> = restored.iter().filter(not_admin).collect();
    assert_eq!(restored, users.iter().filter(not_admin).collect::<Vec<_>>());
    assert_eq!(dump(&mut admin, "system.roles"), roles);
}

#[test]
fn without_drop_nobody_who_is_there_changes() {
    let from = source();
    let users = dump(&mut from.admin(), "system.users");
    let to = server();
    let mut admin = to.admin();
    let other = doc! { "createUser": "ann", "pwd": "new password", "roles": [] };
    succeed(&mut admin, "shop", other);
    let before = dump(&mut admin, "system.users");
    restore(
        &mut admin,
        users,
        vec![doc! {}],
        doc! { "db": "shop", "drop": false },
    );
    let after = dump(&mut admin, "system.users");
    assert_eq!(after.len(), before.len() + 1);
    for user in &before {
        assert!(after.contains(user), "{user}");
    }
    let mut ann = to.raw();
    assert!(ann.sign_in("shop", "ann", "ann's password").is_err());
    to.raw().sign_in("shop", "ann", "new password").unwrap();
    to.raw().sign_in("shop", "bob", "bob's password").unwrap();
}

#[test]
fn with_drop_the_database_is_as_it_was() {
    let from = source();
    let (users, roles) = {
        let mut admin = from.admin();
        (
            dump(&mut admin, "system.users"),
            dump(&mut admin, "system.roles"),
        )
    };
    let to = server();
    let mut admin = to.admin();
    for command in [
        doc! { "createRole": "gone", "privileges": [], "roles": [] },
        doc! { "createUser": "ann", "pwd": "new password", "roles": ["gone"] },
        doc! { "createUser": "eve", "pwd": "secret", "roles": [] },
    ] {
        succeed(&mut admin, "shop", command);
    }
    let holder = doc! {
        "createUser": "holder", "pwd": "secret", "roles": [{ "role": "gone", "db": "shop" }],
    };
    succeed(&mut admin, "other", holder);
    let mut ann = to.raw();
    ann.sign_in("shop", "ann", "new password").unwrap();
    restore(
        &mut admin,
        users,
        roles.clone(),
        doc! { "db": "shop", "drop": true },
    );
    let names: Vec<_> = dump(&mut admin, "system.users")
        .iter()
        .map(|user| user.get_str("_id").unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        ["admin.admin", "shop.ann", "shop.bob", "other.holder"]
    );
    assert_eq!(dump(&mut admin, "system.roles"), roles);
    let shown = succeed(&mut admin, "other", doc! { "usersInfo": "holder" });
    let shown = shown.get_array("users").unwrap()[0].as_document().unwrap();
    assert!(shown.get_array("roles").unwrap().is_empty());
    // She is another one now: her connection is nobody's.
    let (code, _) = error_of(&ann.run("shop", doc! { "usersInfo": "ann" }));
    assert_eq!(code, 13);
    assert!(to.raw().sign_in("shop", "ann", "new password").is_err());
    to.raw().sign_in("shop", "ann", "ann's password").unwrap();
}

#[test]
fn what_cannot_be_read_is_logged_and_left_out() {
    let from = source();
    let mut users = dump(&mut from.admin(), "system.users");
    let ann = users
        .iter_mut()
        .find(|user| user.get_str("user").is_ok_and(|name| name == "ann"))
        .unwrap();
    let salt = "c2VjcmV0";
    let credentials = ann.get_document_mut("credentials").unwrap();
    credentials
        .get_document_mut("SCRAM-SHA-256")
        .unwrap()
        .insert("salt", salt);
    let to = server();
    let mut admin = to.admin();
    restore(&mut admin, users, vec![doc! {}], doc! { "db": "" });
    assert!(to.raw().sign_in("shop", "ann", "ann's password").is_err());
    to.raw().sign_in("shop", "bob", "bob's password").unwrap();
    let (_, log) = to.stop();
    let lines: Vec<_> = log
        .lines()
        .filter(|line| line.contains("Not restored from the dump"))
        .collect();
    assert_eq!(lines.len(), 3, "{log}");
    assert!(log.contains("user ann@shop") && log.contains("is not 28 bytes in base64"));
    assert!(log.contains("role in document 0") && log.contains("it exists"));
    assert!(!log.contains(salt));
}

#[test]
fn what_does_not_fit_is_not_merged_in_part() {
    let server = server();
    let mut admin = server.admin();
    let many = |from: i32, count: i32| (from..from + count).map(|id| doc! { "_id": id }).collect();
    let inserted = insert(&mut admin, "tempusers", many(0, 100_000));
    assert_eq!(inserted, doc! { "n": 100_000, "ok": 1.0 });
    let (code, text) = error_of(&insert(&mut admin, "tempusers", many(100_000, 1)));
    assert_eq!(code, 146);
    let merge = doc! {
        "_mergeAuthzCollections": 1, "tempUsersCollection": "admin.tempusers", "db": "", "drop": true,
    };
    assert_eq!(error_of(&admin.run("admin", merge)), (146, text));
    succeed(&mut admin, "admin", doc! { "drop": "tempusers" });
    let inserted = insert(&mut admin, "tempusers", many(0, 1));
    assert_eq!(inserted, doc! { "n": 1, "ok": 1.0 });
}

#[test]
fn nobody_restores_without_the_privileges() {
    let server = server();
    let mut admin = server.admin();
    insert(&mut admin, "tempusers", vec![doc! {}]);
    let merge = || {
        doc! {
            "_mergeAuthzCollections": 1, "tempUsersCollection": "admin.tempusers", "db": "", "drop": true,
        }
    };
    for roles in [
        &["userAdminAnyDatabase"][..],
        &["readWriteAnyDatabase"],
        &[],
    ] {
        let name = format!("{roles:?}");
        let mut client = create_and_sign_in(&server, &name, roles);
        assert_eq!(error_of(&client.run("admin", merge())).0, 13, "{roles:?}");
    }
    let mut nothing = create_and_sign_in(&server, "nothing", &["userAdminAnyDatabase"]);
    assert_eq!(
        error_of(&insert(&mut nothing, "tempusers", vec![doc! {}])).0,
        13
    );
    let dropped = nothing.run("admin", doc! { "drop": "tempusers" });
    assert_eq!(error_of(&dropped).0, 13);
    let mut keeper = create_and_sign_in(&server, "keeper", &["restore"]);
    let everybody = dump(&mut admin, "system.users");
    // A dump of nobody's would have removed all.
    let mut without_drop = merge();
    without_drop.insert("drop", false);
    succeed(&mut keeper, "admin", without_drop);
    assert_eq!(dump(&mut admin, "system.users"), everybody);
}

/// A merge by which nobody stays who was not inserted.
fn merge_with_drop(collections: &[(&str, &str)]) -> Document {
    let mut command = doc! { "_mergeAuthzCollections": 1, "db": "", "drop": true };
    command.extend(
        collections
            .iter()
            .map(|(field, name)| ((*field).to_owned(), format!("admin.{name}").into())),
    );
    command
}

/// The temporary collections that `listCollections` shows.
fn listed(client: &mut RawClient) -> Vec<String> {
    let command = doc! {
        "listCollections": 1, "nameOnly": true, "filter": { "name": { "$regex": "^temp" } },
    };
    let (documents, ..) = batch(&succeed(client, "admin", command));
    let names = documents.iter();
    names
        .map(|one| one.get_str("name").unwrap().to_owned())
        .collect()
}

#[test]
fn a_restoration_cut_in_two_by_a_restart_loses_nobody() {
    let server = source();
    let mut admin = server.admin();
    let users = dump(&mut admin, "system.users");
    let roles = dump(&mut admin, "system.roles");
    let (part, rest) = users.split_at(2);
    assert_eq!(
        insert(&mut admin, "tempusers", part.to_vec()),
        doc! { "n": 2, "ok": 1.0 }
    );
    drop(admin);

    let server = Options::in_folder(server.kill())
        .arguments(&FEW_ROUNDS)
        .start();
    let mut admin = server.admin();
    assert_eq!(listed(&mut admin), ["tempusers"]);
    insert(&mut admin, "temproles", roles.clone());
    let of_users = ("tempUsersCollection", "tempusers");
    let of_roles = ("tempRolesCollection", "temproles");
    let refused = doc! {
        "ok": 0.0,
        "errmsg": "admin.tempusers was begun at another primary, before a restart or too long ago, and \
                   not all of it is here; drop it and insert everything again",
        "code": 96,
        "codeName": "OperationFailed",
    };
    let mut without_drop = merge_with_drop(&[of_users]);
    without_drop.insert("drop", false);
    let one = doc! { "insert": "tempusers", "documents": [rest[0].clone()] };
    for command in [
        one,
        merge_with_drop(&[of_users]),
        merge_with_drop(&[of_users, of_roles]),
        without_drop,
    ] {
        assert_eq!(admin.run("admin", command.clone()), refused, "{command}");
    }
    assert_eq!(insert(&mut admin, "tempusers", rest.to_vec()), refused);
    assert_eq!(dump(&mut admin, "system.users"), users);

    // As mongorestore does when it is run again.
    for collection in listed(&mut admin) {
        let dropped = succeed(&mut admin, "admin", doc! { "drop": &collection });
        let ns = format!("admin.{collection}");
        assert_eq!(dropped, doc! { "nIndexesWas": 1, "ns": ns, "ok": 1.0 });
    }
    insert(&mut admin, "tempusers", users.clone());
    insert(&mut admin, "temproles", roles.clone());
    succeed(&mut admin, "admin", merge_with_drop(&[of_users, of_roles]));
    assert_eq!(dump(&mut admin, "system.users"), users);
    assert_eq!(dump(&mut admin, "system.roles"), roles);
    for collection in ["tempusers", "temproles"] {
        succeed(&mut admin, "admin", doc! { "drop": collection });
    }
    drop(admin);

    let server = Options::in_folder(server.kill())
        .arguments(&FEW_ROUNDS)
        .start();
    let mut admin = server.admin();
    assert_eq!(listed(&mut admin), [] as [&str; 0]);
    let (code, text) = error_of(&admin.run("admin", merge_with_drop(&[of_users])));
    assert_eq!(
        (code, &text[..]),
        (2, "Collection admin.tempusers does not exist")
    );
}
