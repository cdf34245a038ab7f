//! Members of etcd are cut off from each other, and clients still reach them all.

use bson::{Document, doc};

use crate::common::{
    DB, RETRIABLE, acknowledged, create_user, done, from_any, user_names, with_w, written,
};
use crate::support::etcd::{Etcd, EtcdOptions};
use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions, SET_NAME, SHORT_LEASE_TTL_SECS};
use crate::support::{RawClient, error_of, waiting};

/// Members who can be cut off from each other.
const PARTED: EtcdOptions = EtcdOptions {
    members: 3,
    with_tls: false,
    with_user: false,
    with_peers_apart: true,
    request_bytes_max: None,
    quota_bytes: None,
};
/// However long it waits, nobody without a majority can answer.
const BRIEFLY: &str = "--command-timeout=1s";

/// What the key is, as far as the member knows by itself.
fn known(etcd: &Etcd, member: usize) -> String {
    let get = ["get", "key", "--consistency=s", "--print-value-only"];
    etcd.try_control_by(member, &get).unwrap().trim().to_owned()
}

fn assert_is_cut_off_and_heals(etcd: &Etcd, cut_off: usize) {
    let others: Vec<usize> = (0..etcd.members()).filter(|it| *it != cut_off).collect();
    etcd.control(&["put", "key", "before"]);
    waiting::until("it knows", || known(etcd, cut_off) == "before");
    etcd.cut_off(cut_off);
    // It lives, and has no majority.
    assert_eq!(known(etcd, cut_off), "before");
    for try_it in [
        ["get", "key", BRIEFLY, "-w=json"],
        // Nobody was told that it is lost: what was on its way may arrive once the link is whole.
        ["put", "other", "late", BRIEFLY],
    ] {
        let answer = etcd.try_control_by(cut_off, &try_it);
        assert!(answer.is_err(), "{answer:?}");
    }
    // The others have.
    for (number, member) in others.into_iter().enumerate() {
        let value = format!("meanwhile-{number}");
        waiting::until("the others go on", || {
            etcd.try_control_by(member, &["put", "key", &value]).is_ok()
        });
    }
    assert_eq!(known(etcd, cut_off), "before");
    etcd.heal(cut_off);
    waiting::until("it has heard of it", || {
        let get = ["get", "key", "--print-value-only"];
        let answer = etcd.try_control_by(cut_off, &get);
        answer.is_ok_and(|value| value.trim() == "meanwhile-1")
    });
}

/// The harness itself.
#[test]
fn a_member_of_etcd_that_is_cut_off_has_no_majority_until_it_heals() {
    let etcd = Etcd::start(PARTED);
    let leader = etcd.leader();
    assert_is_cut_off_and_heals(&etcd, leader);
    let follower = (etcd.leader() + 1) % etcd.members();
    assert_is_cut_off_and_heals(&etcd, follower);
}

/// A set in which everybody knows ann.
fn with_ann(lease_ttl_secs: u64) -> ReplicaSet {
    let set = ReplicaSet::start(&ReplicaSetOptions {
        etcd: PARTED,
        lease_ttl_secs,
        ..ReplicaSetOptions::default()
    });
    let mut admin = set.admin(set.primary());
    acknowledged(&mut admin, DB, with_w(create_user("ann", &["read"]), 3));
    set
}

/// From here on the node reaches only that member of etcd, and that no other.
fn strand(set: &ReplicaSet, node: usize, member: usize) {
    set.etcd.cut_off(member);
    let links = set.links(node).iter().enumerate();
    let others = links.filter(|(to, _)| *to != member);
    others.for_each(|(_, link)| link.cut());
}

/// Is refused so that drivers try again.
fn assert_fails(client: &mut RawClient, db: &str, command: Document) -> i32 {
    let reply = client.run(db, command.clone());
    let (code, text) = error_of(&reply);
    assert!(RETRIABLE.contains(&code), "{command}: {code}: {text}");
    code
}

fn linearizable(user: &str) -> Document {
    from_any(doc! {
        "find": "system.users", "filter": { "user": user },
        "readConcern": { "level": "linearizable" },
    })
}

/// The primary reaches only a member of etcd that reaches no other: while the others know better, it neither
/// writes nor says anything for sure.
fn assert_gives_way(leads: bool) {
    let set = with_ann(SHORT_LEASE_TTL_SECS);
    let old = set.primary();
    let mut admin = set.admin(old);
    let leader = set.etcd.leader();
    let only = if leads {
        leader
    } else {
        (leader + 1) % set.etcd.members()
    };
    strand(&set, old, only);
    assert_fails(&mut admin, DB, create_user("nobody", &[]));
    let new = set.primary_but(Some(old));
    set.wait_until(old, |hello| !hello.get_bool("isWritablePrimary").unwrap());
    acknowledged(
        &mut set.admin(new),
        DB,
        with_w(create_user("bob", &["read"]), 2),
    );
    // It goes on from memory, as with no etcd at all.
    assert_eq!(set.raw(old).sign_in(DB, "ann", "secret"), Ok(()));
    assert_eq!(user_names(&mut admin), ["ann"]);
    assert_eq!(
        assert_fails(&mut admin, "admin", linearizable("bob")),
        10_107
    );
    assert_eq!(
        assert_fails(&mut admin, DB, create_user("late", &[])),
        10_107
    );

    set.etcd.heal(only);
    set.heal(old);
    written(&set, with_w(create_user("cid", &["read"]), 3));
    assert_eq!(user_names(&mut admin), ["ann", "bob", "cid"]);
}

#[test]
fn a_primary_that_reaches_only_a_lonely_follower_gives_way() {
    assert_gives_way(false);
}

#[test]
fn a_primary_that_reaches_only_a_lonely_leader_gives_way() {
    assert_gives_way(true);
}

/// It is primary and nobody else can be: its lease holds. Yet only a majority can tell.
#[test]
fn a_primary_that_reaches_only_a_lonely_leader_acknowledges_nothing() {
    let set = with_ann(120);
    let primary = set.primary();
    let mut admin = set.admin(primary);
    done(&mut admin, "admin", linearizable("ann"));
    let leader = set.etcd.leader();
    strand(&set, primary, leader);
    let again = doc! { "grantRolesToUser": "ann", "roles": ["read"] };
    assert_fails(&mut admin, "admin", linearizable("ann"));
    assert_fails(&mut admin, DB, again.clone());
    assert_fails(&mut admin, DB, create_user("nobody", &[]));
    assert_eq!(user_names(&mut admin), ["ann"]);
    set.etcd.heal(leader);
    set.heal(primary);
    written(&set, with_w(again, 3));
    done(&mut set.admin(set.primary()), "admin", linearizable("ann"));
    // If the member still led when it was healed, it has told the others what it had been asked for.
    let names = user_names(&mut admin);
    assert!(names == ["ann"] || names == ["ann", "nobody"], "{names:?}");
}

/// The field of an answer of etcdctl, if it answered.
fn field(etcd: &Etcd, member: usize, asked: &[&str], name: &str) -> Option<i64> {
    let asked = [asked, &[BRIEFLY, "-w=fields"]].concat();
    let answer = etcd.try_control_by(member, &asked).ok()?;
    let mut lines = answer.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(" : "));
    Some(value?.parse().unwrap())
}

/// The lease of the primary.
fn lease(etcd: &Etcd) -> String {
    let primary = format!("/portcullis/{SET_NAME}/primary");
    let asked = ["get", &primary];
    let mut lease = None;
    waiting::until("etcd tells", || {
        lease = field(etcd, 0, &asked, "\"Lease\"");
        lease.is_some()
    });
    format!("{:x}", lease.unwrap())
}

/// A leader of etcd that stood still, and finds the others gone, renews leases until it notices that; the
/// others count since they have another leader.
#[test]
fn a_lease_is_not_renewed_by_a_leader_that_has_been_replaced() {
    const TTL_SECS: u64 = 12;
    const LEFT_SECS: i64 = 8;
    let set = with_ann(TTL_SECS);
    let old = set.primary();
    let leader = set.etcd.leader();
    let other = (leader + 1) % set.etcd.members();
    let lease = lease(&set.etcd);
    strand(&set, old, leader);
    set.etcd.pause(leader);
    // They count anew, and are ahead of whoever does so later.
    waiting::until("the others count", || {
        let asked = ["lease", "timetolive", &lease];
        field(&set.etcd, other, &asked, "\"TTL\"").is_some_and(|left| left <= LEFT_SECS)
    });
    set.etcd.resume(leader);
    set.primary_but(Some(old));
    let hello = set.hello(old);
    assert_eq!(
        hello.get_bool("isWritablePrimary").ok(),
        Some(false),
        "{hello}"
    );
    set.etcd.heal(leader);
    set.heal(old);
    written(&set, with_w(create_user("bob", &["read"]), 3));
}
