//! etcd is full: it lets everybody read, and nobody write or have a new lease.

use bson::doc;

use crate::common::{DB, acknowledged, config, create_user, done, reconfigure, user_names, with_w};
use crate::support::error_of;
use crate::support::etcd::{Etcd, EtcdOptions};
use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions, SET_NAME, SHORT_LEASE_TTL_SECS};

const QUOTA_BYTES: u32 = 4 * 1024 * 1024;
/// Of each value that fills it.
const VALUE_BYTES: usize = 100_000;
/// Users who have as much.
const LARGE_USERS: usize = 50;

/// Writes something else until there is no room.
fn fill(etcd: &Etcd, folder: &str) {
    let value = "x".repeat(VALUE_BYTES);
    for number in 0_u32.. {
        let key = format!("{folder}/{number}");
        if let Err(error) = etcd.try_control(&["put", &key, &value]) {
            assert!(error.contains("space exceeded"), "{error}");
            return;
        }
    }
}

/// What whoever runs an etcd that is full does (etcd documentation, "Maintenance").
fn make_room(etcd: &Etcd) {
    etcd.control(&["del", "/others/", "--prefix"]);
    end_alarm(etcd);
}

fn end_alarm(etcd: &Etcd) {
    etcd.compact();
    etcd.control(&["defrag"]);
    etcd.control(&["alarm", "disarm"]);
}

#[test]
fn members_can_be_restarted_while_etcd_is_full_and_take_part_again_once_it_is_not() {
    let mut set = ReplicaSet::start(&ReplicaSetOptions {
        nodes: 2,
        etcd: EtcdOptions {
            members: 1,
            quota_bytes: Some(QUOTA_BYTES),
            ..EtcdOptions::default()
        },
        lease_ttl_secs: SHORT_LEASE_TTL_SECS,
        ..ReplicaSetOptions::default()
    });
    let nodes = set.primary_and_secondaries();
    let mut admin = set.admin(nodes[0]);
    acknowledged(&mut admin, DB, with_w(create_user("ann", &["read"]), 2));
    fill(&set.etcd, "/others");
    let full = (14_031, "no space left on the disk".to_owned());
    let refused = admin.run(DB, create_user("bob", &[]));
    assert_eq!(error_of(&refused), full, "{refused}");
    let before = config(&mut admin);
    let refused = reconfigure(&mut admin, false, |_| {});
    assert_eq!(error_of(&refused), full, "{refused}");
    assert_eq!(config(&mut admin), before);
    // From the first kill on nobody is primary, nor can be elected.
    for node in nodes.clone() {
        set.kill(node);
        set.start_node(node);
        assert_eq!(set.raw(node).sign_in(DB, "ann", "secret"), Ok(()));
        let mut admin = set.admin(node);
        assert_eq!(user_names(&mut admin), ["ann"]);
        let refused = admin.run(DB, create_user("bob", &[]));
        let (code, text) = error_of(&refused);
        assert_eq!(code, 10_107, "{refused}");
        // It can be reached.
        assert!(!text.contains("etcd"), "{text}");
        let status = admin.run("admin", doc! { "replSetGetStatus": 1 });
        assert_eq!(status.get_i32("myState").ok(), Some(2), "{status}");
    }
    make_room(&set.etcd);
    let mut admin = set.admin(set.primary());
    acknowledged(&mut admin, DB, with_w(create_user("bob", &["read"]), 2));
    for node in nodes {
        assert_eq!(user_names(&mut set.admin(node)), ["ann", "bob"]);
        let log = set.server(node).logs();
        let lines = |what: &str| log.lines().filter(|line| line.contains(what)).count();
        assert_eq!(lines("space exceeded"), 1, "{log}");
    }
}

/// A batch that does not fit, because etcd becomes full while it is put aside, takes no room away: etcd
/// need only be compacted and defragmented.
#[test]
fn a_batch_that_fills_etcd_takes_no_room_away() {
    let set = ReplicaSet::start(&ReplicaSetOptions {
        nodes: 1,
        etcd: EtcdOptions {
            members: 1,
            quota_bytes: Some(4 * QUOTA_BYTES),
            ..EtcdOptions::default()
        },
        ..ReplicaSetOptions::default()
    });
    let mut admin = set.admin(set.primary());
    done(
        &mut admin,
        DB,
        doc! { "createRole": "clerk", "privileges": [], "roles": [] },
    );
    for number in 0..LARGE_USERS {
        let large = doc! {
            "createUser": format!("user-{number}"),
            "roles": [{ "role": "clerk", "db": DB }],
            "customData": { "text": "x".repeat(VALUE_BYTES) },
        };
        done(&mut admin, "$external", large);
    }
    // Defragmenting it makes room once more.
    for round in 0..3 {
        fill(&set.etcd, &format!("/others/{round}"));
        // Else there may be nothing new to compact.
        set.etcd.control(&["del", &format!("/others/0/{round}")]);
        end_alarm(&set.etcd);
    }
    // Room for two parts, and there are many more.
    for number in 10..30 {
        set.etcd.control(&["del", &format!("/others/0/{number}")]);
    }
    end_alarm(&set.etcd);
    let before = set.etcd.revision();
    let refused = admin.run(DB, doc! { "dropRole": "clerk" });
    let full = (14_031, "no space left on the disk".to_owned());
    assert_eq!(error_of(&refused), full, "{refused}");
    // Parts were put aside.
    assert!(set.etcd.revision() > before);
    let parts = format!("/portcullis/{SET_NAME}/staged/");
    let parts = ["get", &parts, "--prefix", "--keys-only"];
    assert_eq!(set.etcd.control(&parts).trim(), "");
    end_alarm(&set.etcd);
    done(&mut admin, DB, create_user("ann", &["read"]));
    assert_eq!(user_names(&mut admin), ["ann"]);
}
