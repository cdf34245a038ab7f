//! `$clusterTime`, `operationTime` and what reads ask for by them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, Document, Timestamp, doc};

use crate::common::create_external;
use crate::support::replica_set::ReplicaSet;
use crate::support::{RawClient, error_of};

fn operation_time(reply: &Document) -> Timestamp {
    reply.get_timestamp("operationTime").unwrap()
}

fn cluster_time(reply: &Document) -> &Document {
    reply.get_document("$clusterTime").unwrap()
}

/// Reads from a secondary what was written before `after`.
fn read(client: &mut RawClient, name: &str, gossip: &Document, after: Timestamp) -> Document {
    client.run(
        "shop",
        doc! {
            "rolesInfo": name,
            "$readPreference": { "mode": "secondary" },
            "$clusterTime": gossip.clone(),
            "readConcern": { "afterClusterTime": after },
        },
    )
}

#[test]
fn a_secondary_shows_what_its_reader_has_seen() {
    let set = ReplicaSet::three();
    let nodes = set.primary_and_secondaries();
    let mut primary = set.admin(nodes[0]);
    let mut secondaries = [set.admin(nodes[1]), set.admin(nodes[2])];
    for round in 0..50 {
        let name = format!("r{round}");
        let written = primary.run(
            "shop",
            doc! {
                "createRole": &name, "privileges": [], "roles": [], "writeConcern": { "w": 1 },
            },
        );
        let after = operation_time(&written);
        for secondary in &mut secondaries {
            let reply = read(secondary, &name, cluster_time(&written), after);
            assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
            assert_eq!(reply.get_array("roles").unwrap().len(), 1, "{name}");
            assert!(operation_time(&reply) >= after);
        }
    }
}

#[test]
fn every_answer_tells_the_time() {
    let set = ReplicaSet::three();
    let mut stranger = set.raw(set.secondary());
    for (command, code) in [
        (doc! { "hello": 1 }, 0),
        (doc! { "ping": 1 }, 0),
        (doc! { "usersInfo": 1 }, 13),
        (doc! { "nope": 1 }, 59),
    ] {
        let reply = stranger.run("admin", command);
        assert_eq!(reply.get_i32("code").unwrap_or(0), code, "{reply}");
        let keys: Vec<_> = reply.keys().map(String::as_str).collect();
        assert!(
            keys.ends_with(&["$clusterTime", "operationTime"]),
            "{reply}"
        );
        let told = cluster_time(&reply);
        let signature = told.get_document("signature").unwrap();
        assert_eq!(signature.get_binary_generic("hash").unwrap().len(), 20);
        assert!(signature.get_i64("keyId").unwrap() > 0);
        assert!(told.get_timestamp("clusterTime").unwrap() >= operation_time(&reply));
    }
}

#[test]
fn only_times_of_the_set_are_believed() {
    let set = ReplicaSet::three();
    let primary = set.primary();
    let mut admin = set.admin(primary);
    let created = admin.run(
        "admin",
        doc! { "createUser": "ann", "pwd": "ann's password", "roles": ["read"] },
    );
    let now = cluster_time(&created).clone();
    let mut ann = set.raw(primary);
    ann.sign_in("admin", "ann", "ann's password").unwrap();
    let seen = now.get_timestamp("clusterTime").unwrap();
    let later = Timestamp {
        time: seen.time + 1_000,
        increment: 1,
    };
    let mut ping = |gossip: Document| ann.run("admin", doc! { "ping": 1, "$clusterTime": gossip });
    assert_eq!(ping(now.clone()).get_f64("ok").ok(), Some(1.0));
    let mut forged = now.clone();
    forged.insert("clusterTime", later);
    let (code, text) = error_of(&ping(forged.clone()));
    assert_eq!(
        (code, text.as_str()),
        (204, "Proof does not match the cluster time")
    );
    let mut unsigned = forged.clone();
    let hash = Bson::Binary(Binary {
        subtype: BinarySubtype::Generic,
        bytes: vec![0; 20],
    });
    unsigned.insert("signature", doc! { "hash": hash, "keyId": 0_i64 });
    assert_eq!(error_of(&ping(unsigned.clone())).0, 211);
    assert_eq!(error_of(&ping(doc! {})).0, 4);
    // A stranger's is passed over, and moves nothing.
    let mut stranger = set.raw(primary);
    let reply = stranger.run("admin", doc! { "hello": 1, "$clusterTime": unsigned });
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
    let told = cluster_time(&reply).get_timestamp("clusterTime").unwrap();
    assert!(told < later);
    // Nobody may ask for what has yet to happen.
    let refused = admin.run(
        "admin",
        doc! { "usersInfo": 1, "readConcern": { "afterClusterTime": later } },
    );
    let (code, text) = error_of(&refused);
    assert_eq!(code, 72);
    let start = "readConcern afterClusterTime value must not be greater than the current \
                 clusterTime. Requested clusterTime: { ts: Timestamp(";
    assert!(text.starts_with(start), "{text}");
}

#[test]
fn a_member_that_is_behind_is_waited_for() {
    let set = ReplicaSet::three();
    let nodes = set.primary_and_secondaries();
    let mut primary = set.admin(nodes[0]);
    let mut behind = set.admin(nodes[1]);
    set.stall(nodes[1]);
    let written = primary.run(
        "shop",
        doc! { "createRole": "a", "privileges": [], "roles": [], "writeConcern": { "w": 1 } },
    );
    let after = operation_time(&written);
    let command = doc! {
        "rolesInfo": "a",
        "$readPreference": { "mode": "secondary" },
        "$clusterTime": cluster_time(&written).clone(),
        "readConcern": { "afterClusterTime": after },
    };
    let mut limited = command.clone();
    limited.insert("maxTimeMS", 300);
    assert_eq!(error_of(&behind.run("shop", limited)).0, 50);
    behind.send_command("shop", command);
    set.heal(nodes[1]);
    let reply = behind.receive_reply();
    assert_eq!(reply.get_array("roles").unwrap().len(), 1, "{reply}");
}

/// What a reader has waited for may be that it may not read.
#[test]
fn who_is_demoted_reads_nothing_as_of_then() {
    let set = ReplicaSet::three();
    let nodes = set.primary_and_secondaries();
    let mut primary = set.admin(nodes[0]);
    let create = doc! {
        "createUser": "ann", "pwd": "secret", "roles": ["userAdmin"], "writeConcern": { "w": 3 },
    };
    assert_eq!(primary.run("shop", create).get_f64("ok").ok(), Some(1.0));
    let mut behind = set.raw(nodes[1]);
    behind.sign_in("shop", "ann", "secret").unwrap();
    set.stall(nodes[1]);
    let demote = doc! {
        "revokeRolesFromUser": "ann", "roles": ["userAdmin"], "writeConcern": { "w": 1 },
    };
    let demoted = primary.run("shop", demote);
    let mut read = doc! {
        "rolesInfo": 1,
        "$readPreference": { "mode": "secondary" },
        "$clusterTime": cluster_time(&demoted).clone(),
    };
    // Nobody there knows yet.
    let reply = behind.run("shop", read.clone());
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
    read.insert(
        "readConcern",
        doc! { "afterClusterTime": operation_time(&demoted) },
    );
    behind.send_command("shop", read);
    set.heal(nodes[1]);
    let refused = behind.receive_reply();
    assert_eq!(error_of(&refused).0, 13, "{refused}");
}

#[test]
fn levels_of_reads() {
    let set = ReplicaSet::three();
    let nodes = set.primary_and_secondaries();
    let mut primary = set.admin(nodes[0]);
    let mut secondary = set.admin(nodes[1]);
    let find = |level: &str| {
        doc! {
            "find": "system.users", "readConcern": { "level": level },
            "$readPreference": { "mode": "secondaryPreferred" },
        }
    };
    for (level, at_primary, at_secondary) in [
        ("local", 0, 0),
        ("available", 0, 0),
        ("majority", 0, 0),
        ("linearizable", 0, 10_107),
        ("snapshot", 72, 72),
    ] {
        let code = |reply: Document| reply.get_i32("code").unwrap_or(0);
        assert_eq!(
            code(primary.run("admin", find(level))),
            at_primary,
            "{level}"
        );
        let reply = secondary.run("admin", find(level));
        assert_eq!(code(reply), at_secondary, "{level}");
    }
}

#[test]
fn an_insert_may_be_repeated() {
    let set = ReplicaSet::three();
    let mut client = set.admin(set.primary());
    let id = Bson::Binary(Binary {
        subtype: BinarySubtype::Uuid,
        bytes: vec![7; 16],
    });
    let mut insert = |number: i64| {
        client.run(
            "admin",
            doc! {
                "insert": "tempusers", "documents": [{ "_id": "a" }, { "_id": "b" }],
                "lsid": { "id": id.clone() }, "txnNumber": number,
                "writeConcern": { "w": "majority" },
            },
        )
    };
    let first = insert(4);
    assert_eq!(first.get_i32("n").ok(), Some(2), "{first}");
    assert!(!first.contains_key("retriedStmtIds"), "{first}");
    let second = insert(4);
    assert_eq!(second.get_i32("n").ok(), Some(2), "{second}");
    assert_eq!(
        second.get_array("retriedStmtIds").unwrap(),
        &[Bson::Int32(0), Bson::Int32(1)]
    );
    assert!(!second.contains_key("writeErrors"), "{second}");
    let other = insert(5);
    assert_eq!(other.get_i32("n").ok(), Some(0), "{other}");
    assert_eq!(other.get_array("writeErrors").unwrap().len(), 1);
    assert_eq!(error_of(&insert(4)).0, 225);
    let session = || doc! { "id": id.clone() };
    for (fields, code) in [
        (doc! { "txnNumber": 1_i64 }, 72),
        (doc! { "lsid": session(), "txnNumber": -1_i64 }, 72),
        (doc! { "lsid": session(), "txnNumber": 1_i64 }, 50_768),
        (doc! { "lsid": session(), "autocommit": false }, 72),
        (
            doc! { "lsid": session(), "txnNumber": 1_i64, "autocommit": false },
            263,
        ),
    ] {
        let mut command = doc! { "usersInfo": 1 };
        command.extend(fields);
        let reply = set.admin(set.primary()).run("admin", command);
        assert_eq!(error_of(&reply).0, code, "{reply}");
    }
}

/// Whoever has seen a change can ask another member for it by the time that came along.
#[test]
fn no_change_is_seen_before_its_time() {
    let set = ReplicaSet::three();
    let mut compared = 0;
    // A round in which etcd is too slow to do it at once proves nothing.
    for _ in 0..20 {
        let mut primary = set.admin(set.primary());
        for number in 0..120 {
            create_external(&mut primary, &format!("u{number}"), "read", || {
                set.admin(set.primary())
            });
        }
        set.wait_until_all_have_everything();
        let is_over = AtomicBool::new(false);
        let (dropped, seen) = thread::scope(|scope| {
            let reading: Vec<_> = (0..set.nodes())
                .map(|node| {
                    let (mut client, is_over) = (set.admin(node), &is_over);
                    scope.spawn(move || first_without(&mut client, "u0", is_over))
                })
                .collect();
            let command = doc! { "dropAllUsersFromDatabase": 1, "writeConcern": { "w": 3 } };
            let dropped = set.admin(set.primary()).run("$external", command);
            is_over.store(true, Ordering::Relaxed);
            let seen = reading.into_iter().map(|reader| reader.join().unwrap());
            (dropped, seen.collect::<Vec<_>>())
        });
        if dropped.contains_key("code") || dropped.contains_key("writeConcernError") {
            continue;
        }
        let dropped = operation_time(&dropped);
        for seen in seen {
            let seen = seen.expect("whoever acknowledged it knows it");
            assert!(seen >= dropped, "seen at {seen}, dropped at {dropped}");
        }
        compared += 1;
        if compared == 5 {
            return;
        }
    }
    panic!("{compared} rounds were compared");
}

/// The time that the first answer tells in which the user is not, if there is one before it is over.
fn first_without(client: &mut RawClient, user: &str, is_over: &AtomicBool) -> Option<Timestamp> {
    let command = doc! { "usersInfo": user, "$readPreference": { "mode": "primaryPreferred" } };
    loop {
        // Looked at before: one more look is taken after the change.
        let was_over = is_over.load(Ordering::Relaxed);
        let reply = client.run("$external", command.clone());
        if reply.get_array("users").unwrap().is_empty() {
            return Some(operation_time(&reply));
        }
        if was_over {
            return None;
        }
    }
}
