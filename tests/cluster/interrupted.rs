//! A change of a thousand users takes many transactions of etcd. Whatever comes between them, it is done
//! whole or not at all, the same on every node.

use std::thread;
use std::time::Duration;

use bson::{Document, doc};

use crate::common::{DB, acknowledged, create_externals, create_user, done, from_any};
use crate::support::replica_set::ReplicaSet;
use crate::support::{PATIENCE, RawClient};

const USERS: usize = 600;

fn create_users(set: &ReplicaSet) {
    create_externals(USERS, "read", || set.admin(set.primary()));
}

fn count(set: &ReplicaSet, node: usize) -> usize {
    let command = from_any(doc! { "usersInfo": 1 });
    let reply = done(&mut set.admin(node), "$external", command);
    reply.get_array("users").unwrap().len()
}

/// Starts dropping all of them; the answer, if there is one.
fn dropping(set: &ReplicaSet) -> thread::JoinHandle<Option<Document>> {
    let mut admin = RawClient::try_connect(set.address(set.primary()), PATIENCE).unwrap();
    let (user, password) = crate::support::ADMIN;
    admin.sign_in("admin", user, password).unwrap();
    let command = doc! { "dropAllUsersFromDatabase": 1, "writeConcern": { "w": 1 } };
    thread::spawn(move || admin.try_run("$external", command).ok())
}

/// All or none are left on every node; none if that was acknowledged, all if it was refused.
fn assert_whole(set: &ReplicaSet, reply: Option<&Document>, what: &str) {
    set.wait_until_all_have_everything();
    let left = count(set, 0);
    for node in 1..set.nodes() {
        assert_eq!(count(set, node), left, "{what}: node {node}, {reply:?}");
    }
    assert!(
        [0, USERS].contains(&left),
        "{what}: {left} are left, {reply:?}"
    );
    let Some(reply) = reply else { return };
    if reply.get_f64("ok").ok() == Some(1.0) {
        assert_eq!(left, 0, "{what}: {reply}");
    } else if reply.get_i32("code").ok() == Some(10107) {
        assert_eq!(left, USERS, "{what}: {reply}");
    }
}

#[test]
fn by_a_kill_of_the_primary() {
    let mut set = ReplicaSet::three_with_short_leases();
    for after_ms in [20, 60, 120, 200] {
        create_users(&set);
        let primary = set.primary();
        let dropping = dropping(&set);
        // Not to wait for anything: the moment is what matters.
        thread::sleep(Duration::from_millis(after_ms));
        set.kill(primary);
        let reply = dropping.join().unwrap();
        set.start_node(primary);
        assert_whole(&set, reply.as_ref(), &format!("killed after {after_ms} ms"));
    }
}

#[test]
fn by_a_link_that_is_cut_for_a_moment() {
    let mut set = ReplicaSet::three_with_short_leases();
    // Some before the change counts, some while it is being brought to an end.
    for after_ms in [300, 700, 1_000, 1_200, 1_500] {
        create_users(&set);
        let primary = set.primary();
        let slow = |link: &crate::support::proxy::Proxy| link.delay(Duration::from_millis(40));
        set.links(primary).iter().for_each(slow);
        let dropping = dropping(&set);
        thread::sleep(Duration::from_millis(after_ms));
        set.cut(primary);
        set.heal(primary);
        let reply = dropping.join().unwrap();
        let what = format!("cut after {after_ms} ms");
        // The next change must not cover up what the last one has left undone.
        create_something(&set, after_ms);
        for node in 0..set.nodes() {
            set.kill(node);
        }
        for node in 0..set.nodes() {
            set.start_node(node);
        }
        assert_whole(&set, reply.as_ref(), &what);
    }
}

/// At whoever is primary by then.
fn create_something(set: &ReplicaSet, number: u64) {
    let name = format!("after-{number}");
    loop {
        let mut admin = set.admin(set.primary());
        let reply = admin.run(DB, create_user(&name, &[]));
        if reply.get_f64("ok").ok() == Some(1.0) || reply.get_i32("code").ok() == Some(51003) {
            acknowledged(&mut admin, DB, doc! { "dropUser": &name });
            return;
        }
    }
}
