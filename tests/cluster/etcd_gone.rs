//! etcd, or the way to it, is gone.

use std::time::{Duration, Instant};

use bson::doc;

use crate::common::{
    DB, RETRIABLE, acknowledged, create_user, done, under_steady_writes, user_names, with_w,
    written,
};
use crate::support::etcd::EtcdOptions;
use crate::support::replica_set::{
    ReplicaSet, ReplicaSetOptions, SET_NAME, SHORT_LEASE_TTL_SECS, timed,
};
use crate::support::{RawClient, error_of, waiting};

/// "At once": sooner than a driver gives up or a user does.
const AT_ONCE: Duration = Duration::from_secs(10);

/// The write is refused, at once and so that drivers try again.
fn assert_write_fails(admin: &mut RawClient) {
    let (reply, took) = timed(|| admin.run(DB, create_user("nobody", &[])));
    let (code, text) = error_of(&reply);
    assert!(RETRIABLE.contains(&code), "{code}: {text}");
    assert!(took < AT_ONCE, "{took:?}: {text}");
}

#[test]
fn without_etcd_people_sign_in_and_read_and_nobody_writes() {
    let mut set = ReplicaSet::three_with_short_leases();
    let primary = set.primary();
    let mut admin = set.admin(primary);
    acknowledged(&mut admin, DB, with_w(create_user("ann", &["read"]), 3));
    set.etcd.kill(0);
    for _ in 0..3 {
        assert_write_fails(&mut admin);
    }
    for node in 0..3 {
        assert_eq!(set.raw(node).sign_in(DB, "ann", "secret"), Ok(()));
        let mut admin = set.admin(node);
        assert_eq!(user_names(&mut admin), ["ann"]);
        assert_write_fails(&mut admin);
    }
    // The lease is over.
    set.wait_until(primary, |hello| {
        hello.get_bool("isWritablePrimary").ok() == Some(false)
    });
    assert_write_fails(&mut admin);
    set.etcd.restart(0);
    set.etcd.wait_until_healthy(0);
    let names = user_names(&mut set.admin(set.primary()));
    assert!(names == ["ann"] || names == ["ann", "nobody"], "{names:?}");
    written(&set, with_w(create_user("bob", &["read"]), 3));
}

#[test]
fn with_etcd_stuck_nobody_waits_for_long() {
    let set = ReplicaSet::three_with_short_leases();
    let mut admin = set.admin(set.primary());
    acknowledged(&mut admin, DB, with_w(create_user("ann", &["read"]), 3));
    set.etcd.pause(0);
    assert_write_fails(&mut admin);
    for node in 0..3 {
        assert_eq!(set.raw(node).sign_in(DB, "ann", "secret"), Ok(()));
        assert_eq!(user_names(&mut set.admin(node)), ["ann"]);
    }
    set.etcd.resume(0);
    written(&set, with_w(create_user("bob", &["read"]), 3));
}

/// A set over three members of etcd.
fn over_three(nodes: usize, lease_ttl_secs: u64) -> ReplicaSet {
    ReplicaSet::start(&ReplicaSetOptions {
        nodes,
        etcd: EtcdOptions {
            members: 3,
            ..EtcdOptions::default()
        },
        lease_ttl_secs,
        ..ReplicaSetOptions::default()
    })
}

#[test]
fn an_endpoint_that_keeps_silent_is_passed_over() {
    // So that nobody notices by renewing the lease.
    let set = over_three(1, 40);
    let mut admin = set.admin(set.primary());
    // One of them is the one that is asked.
    for (number, link) in set.links(0).iter().enumerate() {
        link.stall();
        let user = create_user(&format!("user-{number}"), &["read"]);
        let ((), took) = timed(|| acknowledged(&mut admin, DB, user));
        assert!(took < AT_ONCE, "{took:?}");
        link.heal();
    }
    assert_eq!(user_names(&mut admin).len(), 3);
}

#[test]
fn without_a_majority_of_etcd_people_sign_in_and_nobody_writes() {
    let set = over_three(3, SHORT_LEASE_TTL_SECS);
    let nodes = set.primary_and_secondaries();
    let mut admin = set.admin(nodes[0]);
    acknowledged(&mut admin, DB, with_w(create_user("ann", &["read"]), 3));
    set.etcd.pause(0);
    set.etcd.pause(1);
    // On its way meanwhile, or nothing was written.
    let (reply, took) = timed(|| admin.run(DB, create_user("nobody", &[])));
    let (code, text) = error_of(&reply);
    assert!([6, 11_602, 10_107].contains(&code), "{code}: {text}");
    assert!(text.contains("etcd"), "{text}");
    assert!(took < AT_ONCE, "{took:?}: {text}");
    set.wait_until(nodes[0], |hello| {
        !hello.get_bool("isWritablePrimary").unwrap()
    });
    for node in nodes {
        let mut admin = set.admin(node);
        let hello = admin.run("admin", doc! { "isMaster": 1, "helloOk": true });
        assert!(hello.get_bool("helloOk").unwrap());
        // Whoever only watches needs a moment to notice.
        let text = "not primary, and etcd cannot be reached";
        waiting::until("it is noticed", || {
            let (reply, took) = timed(|| admin.run(DB, create_user("late", &[])));
            assert_eq!(error_of(&reply).0, 10_107, "{reply}");
            assert!(took < AT_ONCE, "{took:?}");
            error_of(&reply).1 == text
        });
        assert_eq!(set.raw(node).sign_in(DB, "ann", "secret"), Ok(()));
        assert_eq!(user_names(&mut admin), ["ann"]);
    }
    set.etcd.resume(0);
    set.etcd.resume(1);
    written(&set, with_w(create_user("bob", &["read"]), 3));
}

fn a_primary_without_etcd_is_primary_no_more(break_it: impl Fn(&ReplicaSet, usize)) {
    // A tenth of the lease is what lies between.
    let set = ReplicaSet::start(&ReplicaSetOptions {
        lease_ttl_secs: 10,
        ..ReplicaSetOptions::default()
    });
    let primary = set.primary();
    let mut admin = set.admin(primary);
    acknowledged(&mut admin, DB, with_w(create_user("ann", &["read"]), 3));
    break_it(&set, primary);
    set.primary_but(Some(primary));
    // It stepped down before.
    let hello = set.hello(primary);
    assert_eq!(
        hello.get_bool("isWritablePrimary").ok(),
        Some(false),
        "{hello}"
    );
    assert_write_fails(&mut admin);
    written(&set, with_w(create_user("bob", &["read"]), 2));
    assert_eq!(user_names(&mut admin), ["ann"]);
    set.heal(primary);
    set.wait_until_all_have_everything();
    assert_eq!(user_names(&mut admin), ["ann", "bob"]);
}

#[test]
fn a_primary_cut_off_from_etcd_steps_down() {
    a_primary_without_etcd_is_primary_no_more(ReplicaSet::cut);
}

#[test]
fn a_primary_whose_link_to_etcd_is_stuck_steps_down() {
    a_primary_without_etcd_is_primary_no_more(ReplicaSet::stall);
}

#[test]
fn a_node_that_missed_what_etcd_has_forgotten_catches_up() {
    let set = ReplicaSet::three();
    let secondary = set.secondary();
    let mut admin = set.admin(set.primary());
    acknowledged(&mut admin, DB, with_w(create_user("ann", &["read"]), 3));
    acknowledged(&mut admin, DB, with_w(create_user("bob", &["read"]), 3));
    set.cut(secondary);
    for number in 0..20 {
        let user = create_user(&format!("user-{number:02}"), &["read"]);
        acknowledged(&mut admin, DB, with_w(user, 2));
    }
    acknowledged(&mut admin, DB, with_w(doc! { "dropUser": "ann" }, 2));
    let grant = doc! { "grantRolesToUser": "bob", "roles": ["readWrite"] };
    acknowledged(&mut admin, DB, with_w(grant, 2));
    set.etcd.compact();
    let mut behind = set.admin(secondary);
    assert_eq!(user_names(&mut behind), ["ann", "bob"]);
    set.heal(secondary);
    set.wait_until_all_have_everything();
    let names = user_names(&mut behind);
    assert_eq!(names.len(), 21, "{names:?}");
    assert_eq!(names, user_names(&mut admin));
    assert!(set.raw(secondary).sign_in(DB, "ann", "secret").is_err());
    // And follows from there on.
    acknowledged(&mut admin, DB, with_w(doc! { "dropUser": "bob" }, 3));
    assert_eq!(user_names(&mut behind).len(), 20);
    done(&mut behind, "admin", doc! { "ping": 1 });
}

/// When a member has told etcd something last.
fn told_at(set: &ReplicaSet) -> i64 {
    let members = format!("/portcullis/{SET_NAME}/members/");
    let answer = set
        .etcd
        .control(&["get", &members, "--prefix", "-w", "fields"]);
    let revisions = answer.lines().filter_map(|line| {
        let revision = line.strip_prefix("\"ModRevision\" : ")?;
        revision.parse::<i64>().ok()
    });
    revisions.max().unwrap()
}

#[test]
fn what_others_write_to_etcd_and_make_it_forget_costs_nothing() {
    for nodes in [1, 2] {
        let set = ReplicaSet::start(&ReplicaSetOptions {
            nodes,
            ..ReplicaSetOptions::default()
        });
        let mut admin = set.admin(set.primary());
        acknowledged(&mut admin, DB, create_user("ann", &[]));
        let before = set.etcd.revision();
        for _ in 0..150 {
            set.etcd.control(&["put", "/others/key", "value"]);
        }
        waiting::until("members tell how far they have come", || {
            set.etcd.control(&["put", "/others/key", "value"]);
            told_at(&set) >= before + 100
        });
        let forgotten = (before + 100).to_string();
        set.etcd.control(&["compact", &forgotten, "--physical"]);
        for node in 0..nodes {
            set.cut(node);
            set.heal(node);
        }
        set.wait_until_all_have_everything();
        for node in 0..nodes {
            let log = set.server(node).logs();
            assert!(!log.contains("History is compacted"), "{log}");
        }
    }
}

/// What would be refused again is told as no passing fault: drivers would only repeat it.
#[test]
fn what_etcd_refuses_is_not_to_be_tried_again() {
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
    let mut large = create_user("large", &[]);
    large.insert("customData", doc! { "text": "x".repeat(100_000) });
    let reply = admin.run(DB, large);
    let (code, text) = error_of(&reply);
    assert_eq!(
        (code, text.as_str()),
        (1, "nothing was written, because etcd refuses it")
    );
    assert!(reply.get_array("errorLabels").is_err(), "{reply}");
    done(&mut admin, DB, create_user("ann", &[]));
    assert_eq!(user_names(&mut admin), ["ann"]);
}

#[test]
fn a_short_limit_of_staleness_is_no_fault_of_a_healthy_member() {
    let set = ReplicaSet::start(&ReplicaSetOptions {
        nodes: 2,
        lease_ttl_secs: 24,
        // Less than a beat.
        arguments: vec!["--etcd.maxStalenessSecs=4".to_owned()],
        ..ReplicaSetOptions::default()
    });
    let mut secondary = set.raw(set.secondary());
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(8) {
        let hello = secondary.run("admin", doc! { "hello": 1 });
        let is_readable = hello.get_bool("secondary").unwrap();
        assert!(is_readable, "{:?}", begun.elapsed());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// It hears of etcd all the time, and each time of a change that it is about to apply.
#[test]
fn a_follower_that_is_always_a_change_behind_is_in_touch() {
    let set = ReplicaSet::start(&ReplicaSetOptions {
        nodes: 2,
        lease_ttl_secs: 24,
        arguments: vec!["--etcd.maxStalenessSecs=4".to_owned()],
        ..ReplicaSetOptions::default()
    });
    let nodes = set.primary_and_secondaries();
    for link in set.links(nodes[1]) {
        link.delay(Duration::from_millis(200));
    }
    let stale = under_steady_writes(&set, nodes[0], || {
        let mut secondary = set.raw(nodes[1]);
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(12) {
            let hello = secondary.run("admin", doc! { "hello": 1 });
            if !hello.get_bool("secondary").unwrap() {
                return Some(begun.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        None
    });
    assert_eq!(stale, None);
}
