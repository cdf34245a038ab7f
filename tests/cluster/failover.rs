//! Another node becomes primary: after a kill, a step-down, a stop.

use std::time::Duration;

use bson::doc;

use crate::common::{DB, acknowledged, create_user, done, from_any, user_names, with_w, written};
use crate::support::error_of;
use crate::support::replica_set::{ReplicaSet, timed};

/// What a user may have to wait for writes after the primary was killed.
const FAILOVER_MAX: Duration = Duration::from_secs(15);

#[test]
fn another_node_takes_over_within_15_s_of_kill_9() {
    let mut set = ReplicaSet::three_with_short_leases();
    let primary = set.primary();
    let mut admin = set.admin(primary);
    acknowledged(&mut admin, DB, with_w(create_user("ann", &["read"]), 2));
    let old_election = election(&set, primary);
    let ((), took) = timed(|| {
        set.kill(primary);
        written(&set, with_w(create_user("bob", &["read"]), 2));
    });
    assert!(took < FAILOVER_MAX, "{took:?}");
    println!("writes again {took:?} after kill -9");
    let new = set.primary();
    assert!(election(&set, new) > old_election);
    assert_eq!(user_names(&mut set.admin(new)), ["ann", "bob"]);
    set.start_node(primary);
    set.wait_until(primary, |hello| {
        hello.get_bool("secondary").ok() == Some(true)
    });
    set.wait_until_all_have_everything();
    assert_eq!(user_names(&mut set.admin(primary)), ["ann", "bob"]);
}

/// `(setVersion, electionId)`, by which drivers tell primaries apart.
fn election(set: &ReplicaSet, primary: usize) -> bson::oid::ObjectId {
    set.hello(primary).get_object_id("electionId").unwrap()
}

#[test]
fn a_step_down_closes_nothing_but_writes() {
    let set = ReplicaSet::three();
    let primary = set.primary();
    let mut admin = set.admin(primary);
    acknowledged(&mut admin, DB, with_w(create_user("ann", &["read"]), 3));
    let mut reader = set.admin(primary);
    let mut watcher = set.raw(primary);
    let hello = done(&mut watcher, "admin", doc! { "hello": 1 });
    let version = hello.get_document("topologyVersion").unwrap();
    watcher.send_command(
        "admin",
        doc! { "hello": 1, "topologyVersion": version, "maxAwaitTimeMS": 60_000 },
    );
    done(&mut admin, "admin", doc! { "replSetStepDown": 60 });
    // Who waits for a change is told at once.
    let told = watcher.receive_reply();
    assert_eq!(
        told.get_bool("isWritablePrimary").ok(),
        Some(false),
        "{told}"
    );
    let refused = admin.run(DB, create_user("bob", &[]));
    assert_eq!(error_of(&refused).0, 10107);
    assert_eq!(user_names(&mut reader), ["ann"]);
    let new = set.primary_but(Some(primary));
    assert_ne!(new, primary);
    acknowledged(&mut set.admin(new), DB, with_w(create_user("bob", &[]), 3));
    assert_eq!(user_names(&mut reader), ["ann", "bob"]);
    assert_eq!(user_names(&mut admin), ["ann", "bob"]);
}

#[test]
fn a_primary_that_stops_hands_over_at_once() {
    let mut set = ReplicaSet::three();
    let primary = set.primary();
    let ((), took) = timed(|| {
        set.stop(primary);
        written(&set, with_w(create_user("ann", &["read"]), 2));
    });
    println!("writes again {took:?} after SIGTERM");
    assert!(took < FAILOVER_MAX, "{took:?}");
}

#[test]
fn a_primary_that_was_paused_for_longer_than_its_lease_writes_nothing() {
    let mut set = ReplicaSet::three_with_short_leases();
    let primary = set.primary();
    let mut admin = set.admin(primary);
    acknowledged(&mut admin, DB, with_w(create_user("ann", &["read"]), 3));
    set.pause(primary);
    admin.send_command(DB, doc! { "dropUser": "ann" });
    let new = set.primary_but(Some(primary));
    let mut other = set.admin(new);
    acknowledged(&mut other, DB, with_w(create_user("bob", &["read"]), 2));
    set.resume(primary);
    let reply = admin.receive_reply();
    assert_eq!(error_of(&reply).0, 10107, "{reply}");
    set.wait_until(primary, |hello| {
        hello.get_bool("secondary").ok() == Some(true)
    });
    set.wait_until_all_have_everything();
    for node in 0..3 {
        assert_eq!(user_names(&mut set.admin(node)), ["ann", "bob"]);
    }
}

#[test]
fn every_node_is_restarted_one_by_one_and_nothing_is_lost() {
    let mut set = ReplicaSet::three();
    let mut created = Vec::new();
    for round in 0..2 {
        for node in 0..3 {
            set.stop(node);
            for when in ["down", "back"] {
                let name = format!("while-{round}-{node}-is-{when}");
                written(&set, with_w(create_user(&name, &["read"]), 2));
                created.push(name);
                if when == "down" {
                    set.start_node(node);
                }
            }
        }
    }
    created.sort();
    set.wait_until_all_have_everything();
    for node in 0..3 {
        assert_eq!(user_names(&mut set.admin(node)), created, "node {node}");
    }
}

#[test]
fn a_node_that_is_frozen_does_not_become_primary() {
    let mut set = ReplicaSet::three_with_short_leases();
    let [primary, first, second] = set.primary_and_secondaries()[..] else {
        panic!("three nodes are awake");
    };
    done(&mut set.admin(first), "admin", doc! { "replSetFreeze": 60 });
    set.kill(primary);
    assert_eq!(set.primary(), second);
    done(&mut set.admin(first), "admin", doc! { "replSetFreeze": 0 });
    done(
        &mut set.admin(second),
        "admin",
        doc! { "replSetStepDown": 60, "force": true },
    );
    assert_eq!(set.primary_but(Some(second)), first);
    done(
        &mut set.admin(first),
        "admin",
        from_any(doc! { "usersInfo": 1 }),
    );
}
