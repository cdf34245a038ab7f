//! Restorations during which the primary changes.

use bson::{Bson, Document, doc};

use crate::common::{acknowledged, create_user, done, from_any, names, with_w};
use crate::support::RawClient;
use crate::support::replica_set::ReplicaSet;

/// Some users, and all there are as mongodump has them.
fn users_of(admin: &mut RawClient) -> Vec<Bson> {
    for user in ["ann", "bob", "eve"] {
        acknowledged(admin, "shop", with_w(create_user(user, &["read"]), 3));
    }
    dump(admin)
}

fn dump(admin: &mut RawClient) -> Vec<Bson> {
    let found = done(admin, "admin", from_any(doc! { "find": "system.users" }));
    let cursor = found.get_document("cursor").unwrap();
    cursor.get_array("firstBatch").unwrap().clone()
}

fn insert(users: &[Bson]) -> Document {
    doc! { "insert": "tempusers", "documents": users.to_vec() }
}

/// Nobody stays who was not inserted.
fn merge() -> Document {
    doc! {
        "_mergeAuthzCollections": 1, "tempUsersCollection": "admin.tempusers", "db": "", "drop": true,
        "writeConcern": { "w": "majority" },
    }
}

fn listed(client: &mut RawClient) -> Vec<String> {
    let command = doc! {
        "listCollections": 1, "nameOnly": true, "filter": { "name": { "$regex": "^temp" } },
    };
    let reply = done(client, "admin", from_any(command));
    names(reply.get_document("cursor").unwrap(), "firstBatch", "name")
}

#[test]
fn a_restoration_cut_in_two_by_a_step_down_loses_nobody() {
    let set = ReplicaSet::three();
    let first = set.primary();
    let mut admin = set.admin(first);
    let users = users_of(&mut admin);
    let (part, rest) = users.split_at(2);
    acknowledged(&mut admin, "admin", with_w(insert(part), 3));
    for node in 0..3 {
        assert_eq!(listed(&mut set.admin(node)), ["tempusers"], "node {node}");
    }
    done(&mut admin, "admin", doc! { "replSetStepDown": 60 });

    let next = set.primary_but(Some(first));
    let mut other = set.admin(next);
    let refused = |reply: &Document| {
        let text = "admin.tempusers was begun at another primary, before a restart or too long ago, \
                    and not all of it is here; drop it and insert everything again";
        assert_eq!(reply.get_i32("code").ok(), Some(96), "{reply}");
        assert_eq!(reply.get_str("codeName").ok(), Some("OperationFailed"));
        assert_eq!(reply.get_str("errmsg").ok(), Some(text));
        assert!(!reply.contains_key("errorLabels"), "{reply}");
    };
    refused(&other.run("admin", insert(rest)));
    refused(&other.run("admin", merge()));
    assert_eq!(dump(&mut other), users);

    // As mongorestore does when it is run again.
    acknowledged(&mut other, "admin", with_w(doc! { "drop": "tempusers" }, 3));
    for node in 0..3 {
        assert_eq!(listed(&mut set.admin(node)), [] as [&str; 0], "node {node}");
    }
    acknowledged(&mut other, "admin", insert(&users));
    acknowledged(&mut other, "admin", merge());
    set.wait_until_all_have_everything();
    for node in 0..3 {
        let ids = names(
            &doc! { "users": dump(&mut set.admin(node)) },
            "users",
            "_id",
        );
        assert_eq!(
            ids,
            ["admin.admin", "shop.ann", "shop.bob", "shop.eve"],
            "node {node}"
        );
    }
}

/// Whether the node may become primary; not asked of a primary.
fn freeze(set: &ReplicaSet, node: usize, is_frozen: bool) {
    let seconds = if is_frozen { 60 } else { 0 };
    let mut admin = set.admin(node);
    done(&mut admin, "admin", doc! { "replSetFreeze": seconds });
}

#[test]
fn a_primary_that_was_none_for_a_while_goes_on_with_what_it_has() {
    let set = ReplicaSet::three();
    let first = set.primary();
    let others: Vec<usize> = (0..3).filter(|node| *node != first).collect();
    let mut admin = set.admin(first);
    let users = users_of(&mut admin);
    let (part, rest) = users.split_at(2);
    acknowledged(&mut admin, "admin", with_w(insert(part), 3));
    for node in &others {
        freeze(&set, *node, true);
    }
    let step_down = |seconds: i32| doc! { "replSetStepDown": seconds, "force": true };
    done(&mut admin, "admin", step_down(1));
    set.wait_until(first, is_primary);
    acknowledged(&mut admin, "admin", insert(rest));
    acknowledged(&mut admin, "admin", merge());
    assert_eq!(dump(&mut admin), users);

    // What it has counts no more once somebody else has dropped it.
    for node in &others {
        freeze(&set, *node, false);
    }
    done(&mut admin, "admin", step_down(60));
    let next = set.primary_but(Some(first));
    let drop = with_w(doc! { "drop": "tempusers" }, 3);
    acknowledged(&mut set.admin(next), "admin", drop);
    freeze(&set, first, false);
    for node in others.iter().filter(|node| **node != next) {
        freeze(&set, *node, true);
    }
    done(&mut set.admin(next), "admin", step_down(60));
    set.wait_until(first, is_primary);
    let missing = admin.run("admin", merge());
    assert_eq!(missing.get_i32("code").ok(), Some(2), "{missing}");
    // It would be there twice if this went on with the old one.
    let inserted = done(&mut admin, "admin", insert(part));
    assert_eq!(inserted.get_i32("n").ok(), Some(2), "{inserted}");
}

fn is_primary(hello: &Document) -> bool {
    hello.get_bool("isWritablePrimary").ok() == Some(true)
}
