//! A name is one process's: the second one with it is refused, and one that comes back after kill -9 is
//! not.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::Instant;

use bson::doc;

use crate::common::{DB, acknowledged, config, create_user, user_names, with_w, written};
use crate::support::etcd::endpoints;
use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions, SET_NAME, SHORT_LEASE_TTL_SECS};
use crate::support::{Options, PATIENCE, signal};

/// What a server says that waits for the lease of another.
const WAITS: &str = "Waiting until the lease of another process";

/// Long enough for a process to be back before it has run out.
const LEASE_SECS: u64 = 6;

/// A server of its own that takes itself for `node`.
fn namesake(set: &ReplicaSet, node: usize, lease_secs: u64) -> Options {
    let ports = set.etcd.ports();
    Options::default()
        .arguments(&["--storageEngine=etcd", "--replSet", SET_NAME])
        .argument(format!("--replication.host={}", set.host(node)))
        .argument(format!(
            "--etcd.endpoints={}",
            endpoints(set.etcd.scheme(), &ports)
        ))
        .argument(format!("--etcd.leaseTtlSecs={lease_secs}"))
}

fn pair() -> ReplicaSet {
    ReplicaSet::start(&ReplicaSetOptions {
        nodes: 2,
        lease_ttl_secs: LEASE_SECS,
        ..ReplicaSetOptions::default()
    })
}

#[test]
fn a_second_process_with_the_name_of_one_that_lives_is_refused() {
    let set = pair();
    let nodes = set.primary_and_secondaries();
    let before = set.hello(nodes[0]);
    // Both at the same time: each waits for twice the lease.
    let started = nodes.iter().map(|node| {
        let mut command = namesake(&set, *node, LEASE_SECS).command();
        std::thread::spawn(move || command.output().unwrap())
    });
    let started: Vec<_> = started.collect();
    for (node, namesake) in nodes.iter().zip(started) {
        let refused = namesake.join().unwrap();
        assert_eq!(refused.status.code(), Some(1));
        let log = String::from_utf8(refused.stderr).unwrap();
        let expected = format!(
            "portcullis: cannot join the replica set: another process that is running is its \
             member {}: give each server a --replication.host of its own",
            set.host(*node)
        );
        assert_eq!(log.lines().last(), Some(expected.as_str()), "{log}");
        assert!(log.contains(WAITS), "{log}");
    }
    // Nobody has noticed.
    let after = set.hello(nodes[0]);
    for field in ["setVersion", "electionId", "hosts"] {
        assert_eq!(after.get(field), before.get(field), "{field}");
    }
    let mut admin = set.admin(nodes[0]);
    acknowledged(&mut admin, DB, with_w(create_user("ann", &[]), 2));
}

#[test]
fn a_process_that_comes_back_before_its_lease_has_run_out_gets_in() {
    let mut set = pair();
    for node in set.primary_and_secondaries() {
        set.kill(node);
        set.start_node(node);
        let log = set.server(node).logs();
        assert!(log.contains(WAITS), "{log}");
        // It counts again.
        let name = format!("after-{node}");
        written(&set, with_w(create_user(&name, &[]), 2));
    }
}

/// Longer than twice the lease of whoever waits.
const LONG_LEASE_SECS: u64 = 13;

#[test]
fn a_process_that_comes_back_with_a_shorter_lease_waits_for_the_longer_one() {
    let mut set = ReplicaSet::start(&ReplicaSetOptions {
        nodes: 1,
        lease_ttl_secs: LONG_LEASE_SECS,
        ..ReplicaSetOptions::default()
    });
    set.kill(0);
    let server = namesake(&set, 0, SHORT_LEASE_TTL_SECS).start();
    assert!(server.logs().contains(WAITS), "{}", server.logs());
}

#[test]
fn a_process_whose_name_was_taken_while_it_was_paused_leaves_it_to_the_other() {
    let mut set = pair();
    let nodes = set.primary_and_secondaries();
    set.pause(nodes[1]);
    // Starts as soon as the lease has run out.
    let namesake = namesake(&set, nodes[1], LEASE_SECS).start();
    let mut admin = set.admin(nodes[0]);
    acknowledged(&mut admin, DB, with_w(create_user("ann", &[]), 2));
    set.resume(nodes[1]);
    set.wait_until_all_have_everything();
    let mut paused = set.admin(nodes[1]);
    assert_eq!(user_names(&mut paused), ["ann"]);
    // It knows whose the name is.
    let started = Instant::now();
    while !set.server(nodes[1]).logs().contains(WAITS) {
        assert!(started.elapsed() < PATIENCE);
        paused.run("admin", doc! { "ping": 1 });
    }
    let (status, log) = namesake.stop();
    assert!(status.success(), "{log}");
    acknowledged(&mut admin, DB, with_w(create_user("bob", &[]), 2));
    assert_eq!(user_names(&mut paused), ["ann", "bob"]);
}

/// What waits for the lease of another can be told to stop, like everything else.
#[test]
fn a_start_can_be_broken_off() {
    let set = pair();
    let mut waiting = namesake(&set, 0, LEASE_SECS).command();
    let mut waiting = waiting.stderr(Stdio::piped()).spawn().unwrap();
    let mut log = BufReader::new(waiting.stderr.take().unwrap()).lines();
    assert!(log.any(|line| line.unwrap().contains(WAITS)));
    signal(waiting.id(), "TERM");
    let rest: Vec<String> = log.map(Result::unwrap).collect();
    // Else it would be refused in the end.
    assert_eq!(waiting.wait().unwrap().code(), Some(0), "{rest:?}");
}

/// Drivers elsewhere would look for it on their own machine.
#[test]
fn local_names_and_others_do_not_go_together() {
    let set = pair();
    let stranger = Options::default()
        .arguments(&["--storageEngine=etcd", "--replSet", SET_NAME])
        .argument("--replication.host=db.example.net:27017")
        .argument(format!(
            "--etcd.endpoints={}",
            endpoints(set.etcd.scheme(), &set.etcd.ports())
        ));
    let refused = stranger.command().output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    let log = String::from_utf8(refused.stderr).unwrap();
    let expected = "portcullis: cannot join the replica set: Either all host names in a replica set \
                    configuration must be localhost references, or none must be; found 2 out of 3";
    assert_eq!(log.lines().last(), Some(expected), "{log}");
    assert_eq!(
        config(&mut set.admin(0))
            .get_array("members")
            .unwrap()
            .len(),
        2
    );
}
