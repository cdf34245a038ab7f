//! A primary that is none any more and does not know it: as far as it can tell, its lease has yet to run
//! out. So it is for one whose clock has stood still, because its machine was suspended.

use bson::{Document, doc};

use crate::common::{DB, acknowledged, create_user, done, with_w};
use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions, SET_NAME};
use crate::support::{RawClient, error_of};

/// It renews its lease, and so would hear of it, long after the test is over.
fn three_with_long_leases() -> ReplicaSet {
    ReplicaSet::start(&ReplicaSetOptions {
        lease_ttl_secs: 120,
        ..ReplicaSetOptions::default()
    })
}

/// Cuts the primary off and has another elected; a client of that.
fn depose(set: &ReplicaSet) -> RawClient {
    let old = set.primary();
    set.stall(old);
    let primary = format!("/portcullis/{SET_NAME}/primary");
    let fields = set.etcd.control(&["get", &primary, "-w", "fields"]);
    let mut lines = fields.lines();
    let lease = lines
        .find_map(|line| line.strip_prefix("\"Lease\" : "))
        .unwrap();
    let lease = format!("{:x}", lease.parse::<i64>().unwrap());
    set.etcd.control(&["lease", "revoke", &lease]);
    set.admin(set.primary_but(Some(old)))
}

fn assert_not_primary(reply: &Document) {
    let (code, text) = error_of(reply);
    assert!([6, 10_107].contains(&code), "{text}");
    assert!(reply.contains_key("topologyVersion"), "{reply}");
}

#[test]
fn it_does_not_answer_a_linearizable_read() {
    let set = three_with_long_leases();
    let mut client = set.admin(set.primary());
    let find = doc! {
        "find": "system.users", "filter": { "user": "ann" },
        "readConcern": { "level": "linearizable" },
    };
    done(&mut client, "admin", find.clone());
    let mut new = depose(&set);
    acknowledged(&mut new, DB, with_w(create_user("ann", &[]), 2));
    let mut find_later = find;
    find_later.insert("batchSize", 0);
    assert_not_primary(&client.run("admin", find_later));
    // Nobody knows the id of its cursor.
    let status = client.run("admin", doc! { "serverStatus": 1 });
    let cursors = status.get_document("metrics").unwrap();
    let cursors = cursors.get_document("cursor").unwrap();
    let open = cursors.get_document("open").unwrap();
    assert_eq!(open.get_i64("total").ok(), Some(0), "{cursors}");
}

/// A set in which the old primary takes itself for one, and has yet to see that ann lost her role, that
/// bob exists, and that cid does not; a client of it.
fn behind_the_times() -> (ReplicaSet, RawClient) {
    let set = three_with_long_leases();
    let mut client = set.admin(set.primary());
    for user in ["ann", "cid"] {
        acknowledged(&mut client, DB, with_w(create_user(user, &["read"]), 3));
    }
    let mut new = depose(&set);
    let revoke = doc! { "revokeRolesFromUser": "ann", "roles": ["read"] };
    for change in [revoke, create_user("bob", &[]), doc! { "dropUser": "cid" }] {
        acknowledged(&mut new, DB, with_w(change, 2));
    }
    (set, client)
}

/// What would change nothing, as far as it knows, is not acknowledged: it would change something.
#[test]
fn it_does_not_say_that_something_is_so_already() {
    let (_set, mut client) = behind_the_times();
    let grant = doc! { "grantRolesToUser": "ann", "roles": ["read"], "writeConcern": { "w": 1 } };
    assert_not_primary(&client.run(DB, grant));
}

/// Nor are refusals believed that rest on what it knows.
#[test]
fn it_does_not_say_who_is_there_and_who_is_not() {
    for refused in [
        doc! { "grantRolesToUser": "bob", "roles": ["read"] },
        doc! { "dropUser": "bob" },
        create_user("cid", &[]),
    ] {
        let (_set, mut client) = behind_the_times();
        assert_not_primary(&client.run(DB, refused));
    }
}
