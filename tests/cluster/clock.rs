//! Wall clocks that jump, with a real process whose clock is turned.

use std::time::{SystemTime, UNIX_EPOCH};

use bson::{Document, Timestamp, doc};

use crate::common::{DB, acknowledged, create_user, done, from_any, user_names, with_w};
use crate::support::RawClient;
use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions};

const DAY_SECS: i64 = 24 * 60 * 60;
/// By how much a clock may differ from what it was turned to.
const TOLERANCE_SECS: i64 = 60 * 60;

fn three_with_clocks() -> ReplicaSet {
    ReplicaSet::start(&ReplicaSetOptions {
        with_clocks: true,
        // A machine that is slow for a moment must not end a term.
        lease_ttl_secs: 30,
        ..ReplicaSetOptions::default()
    })
}

/// Turns the clock of a node, and sees that the node's answers follow it.
fn turn(set: &ReplicaSet, node: usize, ahead_secs: i64) {
    set.turn_clock(node, ahead_secs);
    let hello = set.hello(node);
    let shown = hello.get_datetime("localTime").unwrap().timestamp_millis() / 1_000;
    let real = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let ahead = shown - i64::try_from(real.as_secs()).unwrap();
    assert!((ahead - ahead_secs).abs() < TOLERANCE_SECS, "{hello}");
}

fn term(set: &ReplicaSet, primary: usize) -> Document {
    let hello = set.hello(primary);
    assert_eq!(hello.get_bool("isWritablePrimary").ok(), Some(true));
    doc! { "electionId": hello.get_object_id("electionId").unwrap() }
}

/// Creates a user, which every member has to acknowledge; the op time.
fn write(client: &mut RawClient, name: &str) -> Timestamp {
    let reply = done(client, DB, with_w(create_user(name, &["read"]), 3));
    assert!(!reply.contains_key("writeConcernError"), "{reply}");
    reply.get_timestamp("operationTime").unwrap()
}

#[test]
fn a_wall_clock_that_jumps_ends_no_term_and_turns_no_op_time_back() {
    let set = three_with_clocks();
    let nodes = set.primary_and_secondaries();
    let before = term(&set, nodes[0]);
    let mut clients: Vec<RawClient> = nodes.iter().map(|node| set.admin(*node)).collect();
    let mut last = write(&mut clients[0], "first");
    let mut written = 1;
    for ahead_secs in [DAY_SECS, -DAY_SECS, 400 * DAY_SECS, 0] {
        for node in &nodes {
            turn(&set, *node, ahead_secs);
            let time = write(&mut clients[0], &format!("user{written}"));
            written += 1;
            assert!(time > last, "{time} after {last}");
            last = time;
            for client in &mut clients {
                let causal = doc! {
                    "usersInfo": 1, "readConcern": { "afterClusterTime": time },
                };
                let reply = done(client, DB, from_any(causal));
                assert_eq!(reply.get_array("users").unwrap().len(), written, "{reply}");
            }
        }
    }
    assert_eq!(term(&set, nodes[0]), before);
}

#[test]
fn op_times_go_on_from_those_of_a_primary_whose_clock_was_ahead() {
    let set = three_with_clocks();
    let old = set.primary();
    let mut client = set.admin(old);
    write(&mut client, "before");
    turn(&set, old, DAY_SECS);
    let ahead = write(&mut client, "ahead");
    done(
        &mut client,
        "admin",
        doc! { "replSetStepDown": 60, "force": true },
    );
    let new = set.primary_but(Some(old));
    let mut client = set.admin(new);
    let after = write(&mut client, "after");
    assert!(after > ahead, "{after} after {ahead}");
    assert_eq!(user_names(&mut set.admin(old)).len(), 3);
}

#[test]
fn what_is_waited_for_is_measured_by_another_clock() {
    let set = three_with_clocks();
    let nodes = set.primary_and_secondaries();
    let mut client = set.admin(nodes[0]);
    set.stall(nodes[2]);
    let command = with_w(create_user("ann", &[]), 3);
    client.send_command(DB, command);
    // The others have it, and the primary still waits.
    acknowledged(
        &mut set.admin(nodes[0]),
        DB,
        with_w(create_user("bob", &[]), 2),
    );
    turn(&set, nodes[0], DAY_SECS);
    turn(&set, nodes[0], -DAY_SECS);
    set.heal(nodes[2]);
    let reply = client.receive_reply();
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
    assert!(!reply.contains_key("writeConcernError"), "{reply}");
}

#[test]
fn who_stepped_down_for_long_stands_no_sooner() {
    let set = three_with_clocks();
    let nodes = set.primary_and_secondaries();
    for node in &nodes[1..] {
        let freeze = doc! { "replSetFreeze": 3_600 };
        done(&mut set.admin(*node), "admin", freeze);
    }
    let step_down = doc! { "replSetStepDown": 3_600, "force": true };
    done(&mut set.admin(nodes[0]), "admin", step_down);
    for node in &nodes {
        turn(&set, *node, DAY_SECS);
    }
    for node in &nodes {
        // Answered when the topology changes, or at the end.
        let hello = set.hello(*node);
        let version = hello.get_document("topologyVersion").unwrap();
        let wait = doc! { "hello": 1, "topologyVersion": version, "maxAwaitTimeMS": 700 };
        let hello = set.raw(*node).run("admin", wait);
        assert!(!hello.contains_key("primary"), "{hello}");
    }
    let thaw = doc! { "replSetFreeze": 0 };
    done(&mut set.admin(nodes[1]), "admin", thaw);
    set.wait_until(nodes[1], |hello| {
        hello.get_bool("isWritablePrimary").ok() == Some(true)
    });
}
