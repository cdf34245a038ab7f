//! Changes of thousands of users are seen whole or not at all, on every node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use bson::doc;

use crate::common::{DB, acknowledged, create_externals, done, from_any, with_w};
use crate::support::etcd::EtcdOptions;
use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions, SET_NAME};
use crate::support::{RawClient, TestServer, error_of};

const MANY: usize = 3_000;
const HOLDERS: usize = 2_000;

/// Counts on a node until told to stop; every count there was, without repetitions.
fn count_all_the_time(
    mut client: RawClient,
    is_over: &Arc<AtomicBool>,
    count: fn(&mut RawClient) -> usize,
) -> JoinHandle<Vec<usize>> {
    let is_over = Arc::clone(is_over);
    thread::spawn(move || {
        let mut counts = vec![count(&mut client)];
        while !is_over.load(Ordering::Relaxed) {
            let now = count(&mut client);
            if counts.last() != Some(&now) {
                counts.push(now);
            }
        }
        counts
    })
}

fn users(client: &mut RawClient) -> usize {
    let reply = done(client, "$external", from_any(doc! { "usersInfo": 1 }));
    reply.get_array("users").unwrap().len()
}

/// The first and the last of them, by name.
fn two_of_many(client: &mut RawClient) -> usize {
    let names = ["user-0".to_owned(), format!("user-{}", MANY - 1)];
    let command = from_any(doc! { "usersInfo": names.to_vec() });
    let reply = done(client, "$external", command);
    reply.get_array("users").unwrap().len()
}

fn holders(client: &mut RawClient) -> usize {
    let reply = done(client, "$external", from_any(doc! { "usersInfo": 1 }));
    let users = reply.get_array("users").unwrap().iter();
    let holds = |user: &bson::Bson| {
        let roles = user.as_document().unwrap().get_array("roles");
        !roles.unwrap().is_empty()
    };
    users.filter(|user| holds(user)).count()
}

#[test]
fn dropping_all_users_of_a_database_is_never_half_seen() {
    let set = ReplicaSet::three();
    create_externals(MANY, "read", || set.admin(set.primary()));
    set.wait_until_all_have_everything();
    let is_over = Arc::new(AtomicBool::new(false));
    let counting: Vec<_> = (0..3)
        .map(|node| count_all_the_time(set.admin(node), &is_over, users))
        .collect();
    let named: Vec<_> = (0..3)
        .map(|node| count_all_the_time(set.admin(node), &is_over, two_of_many))
        .collect();
    let mut admin = set.admin(set.primary());
    let dropping = with_w(doc! { "dropAllUsersFromDatabase": 1 }, 3);
    let reply = done(&mut admin, "$external", dropping);
    assert_eq!(reply.get_i32("n").unwrap(), i32::try_from(MANY).unwrap());
    for node in 0..3 {
        assert_eq!(users(&mut set.admin(node)), 0, "node {node}");
    }
    is_over.store(true, Ordering::Relaxed);
    for (node, counts) in counting.into_iter().enumerate() {
        let counts = counts.join().unwrap();
        assert!(
            [vec![MANY], vec![MANY, 0]].contains(&counts),
            "node {node}: {counts:?}"
        );
    }
    for (node, counts) in named.into_iter().enumerate() {
        let counts = counts.join().unwrap();
        assert!(
            [vec![2], vec![2, 0]].contains(&counts),
            "node {node}: {counts:?}"
        );
    }
}

#[test]
fn dropping_a_role_that_many_hold_is_never_half_seen() {
    let set = ReplicaSet::three();
    let mut admin = set.admin(set.primary());
    let role = doc! { "createRole": "clerk", "privileges": [], "roles": ["read"] };
    acknowledged(&mut admin, DB, with_w(role, 3));
    create_externals(HOLDERS, "clerk", || set.admin(set.primary()));
    set.wait_until_all_have_everything();
    let is_over = Arc::new(AtomicBool::new(false));
    let counting: Vec<_> = (0..3)
        .map(|node| count_all_the_time(set.admin(node), &is_over, holders))
        .collect();
    acknowledged(&mut admin, DB, with_w(doc! { "dropRole": "clerk" }, 3));
    for node in 0..3 {
        assert_eq!(holders(&mut set.admin(node)), 0, "node {node}");
    }
    is_over.store(true, Ordering::Relaxed);
    for (node, counts) in counting.into_iter().enumerate() {
        let counts = counts.join().unwrap();
        assert!(
            [vec![HOLDERS], vec![HOLDERS, 0]].contains(&counts),
            "node {node}: {counts:?}"
        );
    }
}

/// The keys of parts that etcd has.
fn parts(set: &ReplicaSet) -> String {
    let prefix = format!("/portcullis/{SET_NAME}/staged/");
    let keys = ["get", &prefix, "--prefix", "--keys-only"];
    set.etcd.control(&keys).trim().to_owned()
}

#[test]
fn parts_of_a_batch_that_is_refused_half_way_do_not_stay_in_etcd() {
    let set = ReplicaSet::start(&ReplicaSetOptions {
        nodes: 1,
        etcd: EtcdOptions {
            members: 1,
            request_bytes_max: Some(64 * 1024),
            ..EtcdOptions::default()
        },
        ..ReplicaSetOptions::default()
    });
    let mut admin = set.admin(set.primary());
    let role = doc! { "createRole": "clerk", "privileges": [], "roles": ["read"] };
    done(&mut admin, DB, role);
    // The first hundred fit in a request, and the others do not.
    create_externals(100, "clerk", || set.admin(set.primary()));
    for number in 0..20 {
        let large = doc! {
            "createUser": format!("user-after-{number}"),
            "roles": [{ "role": "clerk", "db": DB }],
            "customData": { "text": "x".repeat(8_000) },
        };
        done(&mut admin, "$external", large);
    }
    for _ in 0..3 {
        let before = set.etcd.revision();
        let refused = admin.run(DB, doc! { "dropRole": "clerk" });
        let text = "nothing was written, because etcd refuses it".to_owned();
        assert_eq!(error_of(&refused), (1, text), "{refused}");
        // The first part was put aside.
        assert!(set.etcd.revision() > before);
        assert_eq!(parts(&set), "");
    }
    // What could not be removed at once goes before the next such batch.
    let left = format!(
        "/portcullis/{SET_NAME}/staged/{}/00000000",
        uuid::Uuid::new_v4()
    );
    set.etcd.control(&["put", &left, "part"]);
    for number in 0..20 {
        let drop = doc! { "dropUser": format!("user-after-{number}") };
        done(&mut admin, "$external", drop);
    }
    assert_eq!(parts(&set), left);
    done(&mut admin, DB, doc! { "dropRole": "clerk" });
    assert_eq!(parts(&set), "");
    assert_eq!(holders(&mut admin), 0);
}

#[test]
fn nor_on_a_server_alone() {
    let server = TestServer::with_admin();
    create_externals(MANY, "read", || server.admin());
    let is_over = Arc::new(AtomicBool::new(false));
    let counting = count_all_the_time(server.admin(), &is_over, users);
    let dropping = doc! { "dropAllUsersFromDatabase": 1 };
    done(&mut server.admin(), "$external", dropping);
    is_over.store(true, Ordering::Relaxed);
    let counts = counting.join().unwrap();
    assert!([vec![MANY], vec![MANY, 0]].contains(&counts), "{counts:?}");
}

/// etcd would refuse it, with all that is written at the same time.
#[test]
fn a_name_too_long_for_etcd_is_refused_before_etcd_is_asked() {
    let set = ReplicaSet::three();
    let mut admin = set.admin(set.primary());
    let long = "x".repeat(1_200_000);
    for command in [
        doc! { "createUser": &long, "roles": [] },
        doc! { "createRole": &long, "privileges": [], "roles": [] },
    ] {
        let db = if command.contains_key("createUser") {
            "$external"
        } else {
            DB
        };
        let refused = admin.run(db, command);
        assert_eq!(error_of(&refused).0, 10_334);
    }
    acknowledged(
        &mut admin,
        "$external",
        doc! { "createUser": "x", "roles": [] },
    );
}
