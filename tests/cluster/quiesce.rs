//! A member that is told to stop: its clients are told first, and are served until they have gone.

use std::time::{Duration, Instant};

use bson::{Document, doc};

use crate::common::{DB, acknowledged, create_user, done, from_any, user_names, with_w};
use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions};
use crate::support::{PATIENCE, RawClient, error_of};

const STOPS: (i32, &str) = (91, "The server is in quiesce mode and will shut down");
/// What a member writes into its log who has somebody to send its clients to.
const TOLD: &str = "Clients are told to turn to other members";
/// Several times as long as a member waits for clients that ask for nothing.
const BUSY: Duration = Duration::from_secs(2);

/// Begins to wait for a change of the topology; returns the one that is known.
fn watch(watcher: &mut RawClient) -> i64 {
    let hello = done(watcher, "admin", doc! { "hello": 1 });
    let version = hello.get_document("topologyVersion").unwrap();
    let wait = doc! { "hello": 1, "topologyVersion": version, "maxAwaitTimeMS": 60_000 };
    watcher.send_command("admin", wait);
    counter(&hello)
}

fn counter(hello: &Document) -> i64 {
    let version = hello.get_document("topologyVersion").unwrap();
    version.get_i64("counter").unwrap()
}

/// What drivers are told by a member that stops within so many milliseconds.
fn assert_stops(hello: &Document, limit_ms: i64) {
    let (code, text) = error_of(hello);
    assert_eq!((code, text.as_str()), STOPS, "{hello}");
    let left = hello.get_i64("remainingQuiesceTimeMillis").unwrap();
    assert!((0..=limit_ms).contains(&left), "{hello}");
}

/// Works with a node that stops; a client who comes anew is served, too, and told.
fn is_busy_with(set: &ReplicaSet, node: usize, admin: &mut RawClient, users: &[&str]) {
    let started = Instant::now();
    while started.elapsed() < BUSY {
        assert_eq!(user_names(admin), users);
        assert_eq!(user_names(&mut set.admin(node)), users);
        assert_stops(&set.hello(node), 15_000);
    }
}

#[test]
fn who_asks_for_something_is_served_until_they_have_gone() {
    let mut set = ReplicaSet::three();
    let secondary = set.secondary();
    acknowledged(
        &mut set.admin(set.primary()),
        DB,
        with_w(create_user("ann", &["read"]), 3),
    );
    let mut admin = set.admin(secondary);
    let mut watcher = set.raw(secondary);
    let known = watch(&mut watcher);
    set.terminate(secondary);
    let told = watcher.receive_reply();
    assert_stops(&told, 15_000);
    assert!(counter(&told) > known, "{told}");
    is_busy_with(&set, secondary, &mut admin, &["ann"]);
    // It is still one of those who have to know.
    acknowledged(
        &mut set.admin(set.primary()),
        DB,
        with_w(create_user("bob", &["read"]), 3),
    );
    assert_eq!(user_names(&mut admin), ["ann", "bob"]);
    let log = set.wait_for_end(secondary);
    assert!(log.contains(TOLD), "{log}");
    assert!(admin.is_closed());
}

#[test]
fn a_primary_hands_over_first() {
    let mut set = ReplicaSet::three();
    let old = set.primary();
    let mut admin = set.admin(old);
    acknowledged(&mut admin, DB, with_w(create_user("ann", &["read"]), 3));
    let mut watcher = set.raw(old);
    watch(&mut watcher);
    set.terminate(old);
    assert_stops(&watcher.receive_reply(), 15_000);
    let refused = admin.run(DB, create_user("bob", &["read"]));
    assert_eq!(error_of(&refused).0, 10107, "{refused}");
    is_busy_with(&set, old, &mut admin, &["ann"]);
    let new = set.primary_but(Some(old));
    acknowledged(
        &mut set.admin(new),
        DB,
        with_w(create_user("bob", &["read"]), 3),
    );
    assert_eq!(user_names(&mut admin), ["ann", "bob"]);
    set.wait_for_end(old);
    set.start_node(old);
    set.wait_until(old, |hello| hello.get_bool("secondary").ok() == Some(true));
}

#[test]
fn who_does_not_go_is_not_served_for_ever() {
    let arguments = [
        "--setParameter",
        "shutdownTimeoutMillisForSignaledShutdown=1000",
    ];
    let mut set = ReplicaSet::start(&ReplicaSetOptions {
        nodes: 2,
        arguments: arguments.map(str::to_owned).to_vec(),
        ..ReplicaSetOptions::default()
    });
    let secondary = set.secondary();
    let mut admin = set.admin(secondary);
    let mut watcher = set.raw(secondary);
    watch(&mut watcher);
    set.terminate(secondary);
    assert_stops(&watcher.receive_reply(), 1000);
    let started = Instant::now();
    while admin.try_run(DB, from_any(doc! { "usersInfo": 1 })).is_ok() {
        assert!(started.elapsed() < PATIENCE, "it serves on");
    }
    set.wait_for_end(secondary);
    // Nobody is left to whom clients could turn.
    let alone = set.primary();
    let log = set.stop(alone);
    assert!(!log.contains(TOLD), "{log}");
}
