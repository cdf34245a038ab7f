//! `writeConcern` counts the nodes that have the change (facts of MongoDB 8.0: manual, "Write Concern").

use std::time::Duration;

use bson::{Bson, Document, doc};

use crate::common::{DB, acknowledged, create_user, done, user_names, with_w};
use crate::support::RawClient;
use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions, timed};

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

/// Two in the east and one in the west, each in a rack of its own.
fn with_tags() -> ReplicaSet {
    ReplicaSet::start(&ReplicaSetOptions {
        tags: vec!["dc:east,rack:1", "dc:east,rack:2", "dc:west,rack:3"],
        ..ReplicaSetOptions::default()
    })
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
fn a_majority_that_is_not_there_times_out() {
    let mut set = ReplicaSet::three();
    let order = set.primary_and_secondaries();
    let mut admin = set.admin(order[0]);
    set.pause(order[1]);
    set.pause(order[2]);
    let reply = create(&mut admin, "ann", doc! { "w": "majority", "wtimeout": 300 });
    assert_eq!(wrong(&reply), timed_out());
    let reply = create(&mut admin, "bob", doc! { "w": 1 });
    assert_eq!(reply.get("writeConcernError"), None);
    set.resume(order[1]);
    let reply = create(
        &mut admin,
        "cid",
        doc! { "w": "majority", "wtimeout": 60_000 },
    );
    assert_eq!(reply.get("writeConcernError"), None);
    assert_eq!(user_names(&mut admin), ["ann", "bob", "cid"]);
}

#[test]
fn what_cannot_be_is_said_after_the_change() {
    let set = ReplicaSet::three();
    let mut admin = set.admin(set.primary());
    let reply = create(&mut admin, "four", doc! { "w": 4 });
    let text = "Not enough data-bearing nodes".to_owned();
    assert_eq!(
        wrong(&reply),
        (100, "UnsatisfiableWriteConcern".into(), text)
    );
    let reply = create(&mut admin, "mode", doc! { "w": "everywhere" });
    let text = "No write concern mode named 'everywhere' found in replica set configuration";
    assert_eq!(
        wrong(&reply),
        (79, "UnknownReplWriteConcern".into(), text.into())
    );
    assert_eq!(user_names(&mut admin), ["four", "mode"]);
}

#[test]
fn tags_and_modes_count_different_places() {
    let mut set = with_tags();
    let west = 2;
    if set.primary() == west {
        let step_down = doc! { "replSetStepDown": 600, "force": true };
        done(&mut set.admin(west), "admin", step_down);
    }
    let primary = set.primary_but(Some(west));
    let mut admin = set.admin(primary);
    let mut config = done(&mut admin, "admin", doc! { "replSetGetConfig": 1 })
        .get_document("config")
        .unwrap()
        .clone();
    let version = config.get_i32("version").unwrap();
    config.insert("version", version + 1);
    let settings = config.get_document_mut("settings").unwrap();
    settings.insert(
        "getLastErrorModes",
        doc! { "bothSides": { "dc": 2 }, "racks": { "rack": 3 } },
    );
    done(&mut admin, "admin", doc! { "replSetReconfig": config });
    for w in [
        Bson::from(doc! { "dc": 2 }),
        doc! { "rack": 3 }.into(),
        doc! { "dc": 1, "rack": 2 }.into(),
        "bothSides".into(),
        "racks".into(),
    ] {
        let name = format!("user {w}");
        let reply = create(&mut admin, &name, doc! { "w": &w, "wtimeout": 60_000 });
        assert_eq!(reply.get("writeConcernError"), None, "{w}: {reply}");
    }
    for (w, code) in [(doc! { "dc": 3 }, 100), (doc! { "planet": 1 }, 4)] {
        let write_concern = doc! { "w": &w, "wtimeout": 60_000 };
        let reply = create(&mut admin, &format!("user {w}"), write_concern);
        assert_eq!(wrong(&reply).0, code, "{w}");
    }
    set.pause(west);
    for w in [
        Bson::from(doc! { "dc": 2 }),
        doc! { "rack": 3 }.into(),
        "bothSides".into(),
        "racks".into(),
    ] {
        let reply = create(
            &mut admin,
            &format!("late {w}"),
            doc! { "w": &w, "wtimeout": 200 },
        );
        assert_eq!(wrong(&reply), timed_out(), "{w}");
    }
    for w in [Bson::from(doc! { "dc": 1 }), doc! { "rack": 2 }.into()] {
        let reply = create(
            &mut admin,
            &format!("here {w}"),
            doc! { "w": &w, "wtimeout": 60_000 },
        );
        assert_eq!(reply.get("writeConcernError"), None, "{w}: {reply}");
    }
    set.resume(west);
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
    acknowledged(&mut admin, DB, create_user("ann", &[]));
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
