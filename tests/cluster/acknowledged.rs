//! A write concern counts nodes that have the change, for every command, and its default is kept.

use std::time::Duration;

use bson::{Bson, Document, doc};

use crate::common::{DB, acknowledged, create_user, done, user_names, with_w};
use crate::support::RawClient;
use crate::support::replica_set::{ReplicaSet, timed};

/// Creates a user with this write concern.
fn create(admin: &mut RawClient, name: &str, write_concern: impl Into<Bson>) -> Document {
    let mut command = create_user(name, &["read"]);
    command.insert("writeConcern", write_concern);
    done(admin, DB, command)
}

/// `(code, codeName, errmsg)` of a `writeConcernError`.
fn wrong(reply: &Document) -> (i32, String, String) {
    let error = reply
        .get_document("writeConcernError")
        .unwrap_or_else(|_| panic!("no writeConcernError in {reply}"));
    (
        error.get_i32("code").unwrap(),
        error.get_str("codeName").unwrap().to_owned(),
        error.get_str("errmsg").unwrap().to_owned(),
    )
}

fn timed_out() -> (i32, String, String) {
    (
        64,
        "WriteConcernFailed".into(),
        "waiting for replication timed out".into(),
    )
}

#[test]
fn every_node_that_is_asked_for_has_it_when_the_reply_comes() {
    let set = ReplicaSet::three();
    let order = set.primary_and_secondaries();
    let mut admins: Vec<_> = order.iter().map(|node| set.admin(*node)).collect();
    for round in 0..20 {
        for (w, having) in [
            (Bson::from(1), 1),
            (2.into(), 2),
            (3.into(), 3),
            ("majority".into(), 2),
        ] {
            let name = format!("user-{round}-{w}");
            let reply = create(&mut admins[0], &name, doc! { "w": &w, "wtimeout": 60_000 });
            assert_eq!(reply.get("writeConcernError"), None, "{w}: {reply}");
            let has = |admin: &mut RawClient| user_names(admin).contains(&name);
            let found = admins.iter_mut().map(has).filter(|has| *has).count();
            assert!(found >= having, "w: {w}: {found} nodes have it");
            assert!(has(&mut admins[0]));
        }
    }
    // Nobody waits, but somebody answers.
    let reply = create(&mut admins[0], "unasked", doc! { "w": 0 });
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0));
}

#[test]
fn what_a_paused_node_keeps_from_being_acknowledged_stays() {
    let mut set = ReplicaSet::three();
    let secondary = set.secondary();
    let mut admin = set.admin(set.primary());
    set.pause(secondary);
    let (reply, took) = timed(|| create(&mut admin, "three", doc! { "w": 3, "wtimeout": 300 }));
    assert_eq!(wrong(&reply), timed_out());
    assert!(took >= Duration::from_millis(300), "{took:?}");
    let info = reply
        .get_document("writeConcernError")
        .unwrap()
        .get_document("errInfo");
    let concern = doc! { "w": 3, "wtimeout": 300, "provenance": "clientSupplied" };
    assert_eq!(
        *info.unwrap(),
        doc! { "wtimeout": true, "writeConcern": concern }
    );
    for w in [Bson::from("majority"), 2.into(), 1.into()] {
        let reply = create(
            &mut admin,
            &format!("w-{w}"),
            doc! { "w": &w, "wtimeout": 60_000 },
        );
        assert_eq!(reply.get("writeConcernError"), None, "{w}: {reply}");
    }
    assert!(user_names(&mut admin).contains(&"three".to_owned()));
    // Every command that changes something says so.
    for mut command in [
        doc! { "updateUser": "three", "pwd": "x" },
        doc! { "grantRolesToUser": "three", "roles": ["readWrite"] },
        doc! { "revokeRolesFromUser": "three", "roles": ["readWrite"] },
        doc! { "createRole": "clerk", "privileges": [], "roles": [] },
        doc! { "updateRole": "clerk", "roles": ["read"] },
        doc! { "grantRolesToRole": "clerk", "roles": ["readWrite"] },
        doc! { "revokeRolesFromRole": "clerk", "roles": ["readWrite"] },
        doc! { "dropRole": "clerk" },
        doc! { "dropUser": "three" },
        doc! { "dropAllUsersFromDatabase": 1 },
    ] {
        command.insert("writeConcern", doc! { "w": 3, "wtimeout": 100 });
        let reply = done(&mut admin, DB, command.clone());
        assert_eq!(wrong(&reply), timed_out(), "{command}");
    }
    set.resume(secondary);
    set.wait_until_all_have_everything();
    assert!(user_names(&mut set.admin(secondary)).is_empty());
}

#[test]
fn the_default_is_kept_over_a_restart_of_all() {
    let mut set = ReplicaSet::three();
    let mut admin = set.admin(set.primary());
    let default = doc! { "w": 3, "wtimeout": 300 };
    let told = done(
        &mut admin,
        "admin",
        doc! {
            "setDefaultRWConcern": 1, "defaultWriteConcern": default.clone(),
            "writeConcern": { "w": 3, "wtimeout": 60_000 },
        },
    );
    assert_eq!(told.get_document("defaultWriteConcern").unwrap(), &default);
    for node in 0..3 {
        set.stop(node);
    }
    for node in 0..3 {
        set.start_node(node);
    }
    let order = set.primary_and_secondaries();
    let mut admin = set.admin(order[0]);
    let told = done(&mut admin, "admin", doc! { "getDefaultRWConcern": 1 });
    assert_eq!(told.get_document("defaultWriteConcern").unwrap(), &default);
    set.wait_until_all_have_everything();
    acknowledged(&mut admin, DB, with_w(create_user("ann", &[]), 3));
    set.pause(order[1]);
    let reply = done(&mut admin, DB, create_user("bob", &[]));
    assert_eq!(wrong(&reply), timed_out());
    let error = reply.get_document("writeConcernError").unwrap();
    let concern = error.get_document("errInfo").unwrap();
    let concern = concern.get_document("writeConcern").unwrap();
    assert_eq!(concern.get_str("provenance").unwrap(), "customDefault");
    acknowledged(&mut admin, DB, with_w(create_user("cid", &[]), 2));
    set.resume(order[1]);
}
