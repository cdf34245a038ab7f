//! How many members have a change when its answer comes, and what is said if they do not.

use std::time::{Duration, Instant};

use bson::{Document, doc};

use crate::support::RawClient;
use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions};

/// Long enough for everything that happens at all.
const LONG_MS: i32 = 60_000;

/// Makes a role of that name with this write concern.
fn create(client: &mut RawClient, name: &str, write_concern: Document) -> Document {
    let mut command = doc! { "createRole": name, "privileges": [], "roles": [] };
    if !write_concern.is_empty() {
        command.insert("writeConcern", write_concern);
    }
    client.run("shop", command)
}

/// Whether the node knows the role.
fn knows(client: &mut RawClient, name: &str) -> bool {
    let command = doc! {
        "rolesInfo": name, "$readPreference": { "mode": "secondaryPreferred" },
    };
    let reply = client.run("shop", command);
    !reply.get_array("roles").unwrap().is_empty()
}

/// Code, name and text of the write concern's error, and its details.
fn miss(reply: &Document) -> (i32, &str, &str, &Document) {
    let error = reply.get_document("writeConcernError");
    let error = error.unwrap_or_else(|_| panic!("{reply}"));
    (
        error.get_i32("code").unwrap(),
        error.get_str("codeName").unwrap(),
        error.get_str("errmsg").unwrap(),
        error.get_document("errInfo").unwrap(),
    )
}

fn assert_fulfilled(reply: &Document) {
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
    assert!(!reply.contains_key("writeConcernError"), "{reply}");
}

/// Three nodes on two sites.
fn on_two_sites() -> ReplicaSet {
    ReplicaSet::start(&ReplicaSetOptions {
        tags: vec!["dc:east,rack:1", "dc:east,rack:2", "dc:west,rack:3"],
        ..ReplicaSetOptions::default()
    })
}

#[test]
fn what_is_acknowledged_by_all_is_known_to_all() {
    let set = ReplicaSet::three();
    let nodes = set.primary_and_secondaries();
    let mut clients: Vec<_> = nodes.iter().map(|node| set.admin(*node)).collect();
    for round in 0..30 {
        let name = format!("r{round}");
        let concern = doc! { "w": 3, "wtimeout": LONG_MS };
        assert_fulfilled(&create(&mut clients[0], &name, concern));
        for client in &mut clients {
            assert!(knows(client, &name), "{name}");
        }
    }
    // Every command that writes, also one that changes nothing or is refused.
    let concern = doc! { "w": 3, "wtimeout": LONG_MS };
    for (command, code) in [
        (doc! { "createUser": "u", "pwd": "pwd", "roles": ["r1"] }, 0),
        (
            doc! { "createUser": "u", "pwd": "pwd", "roles": ["r1"] },
            51_003,
        ),
        (doc! { "grantRolesToUser": "u", "roles": ["r1"] }, 0),
        (doc! { "updateUser": "u", "customData": {} }, 0),
        (doc! { "dropRole": "r1" }, 0),
        (doc! { "dropRole": "r1" }, 31),
        (doc! { "dropAllRolesFromDatabase": 1 }, 0),
        (doc! { "dropAllUsersFromDatabase": 1 }, 0),
    ] {
        let mut command = command;
        command.insert("writeConcern", concern.clone());
        let reply = clients[0].run("shop", command);
        assert_eq!(reply.get_i32("code").unwrap_or(0), code, "{reply}");
        assert!(!reply.contains_key("writeConcernError"), "{reply}");
    }
    for client in &mut clients {
        assert!(!knows(client, "r2"));
    }
}

#[test]
fn numbers_majority_and_timeouts() {
    let mut set = ReplicaSet::three();
    let nodes = set.primary_and_secondaries();
    let mut primary = set.admin(nodes[0]);
    set.pause(nodes[2]);
    let concerns = [
        doc! { "w": 0 },
        doc! { "w": 1 },
        doc! { "w": 2, "wtimeout": LONG_MS },
        doc! { "w": "majority", "wtimeout": LONG_MS, "j": true },
        doc! {},
    ];
    for (number, concern) in concerns.into_iter().enumerate() {
        assert_fulfilled(&create(&mut primary, &format!("r{number}"), concern));
    }
    let started = Instant::now();
    let reply = create(
        &mut primary,
        "late",
        doc! { "w": 3, "j": true, "wtimeout": 300 },
    );
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
    let (code, name, text, info) = miss(&reply);
    assert_eq!(
        (code, name, text),
        (
            64,
            "WriteConcernFailed",
            "waiting for replication timed out"
        )
    );
    let concern = doc! { "w": 3, "j": true, "wtimeout": 300, "provenance": "clientSupplied" };
    assert_eq!(*info, doc! { "wtimeout": true, "writeConcern": concern });
    let keys: Vec<_> = reply.keys().map(String::as_str).collect();
    let expected = ["writeConcernError", "ok", "$clusterTime", "operationTime"];
    assert_eq!(keys, expected);
    assert!(knows(&mut primary, "late"), "the change stays");
    // A refusal that rests on a change which not all have is told with it.
    let again = create(&mut primary, "late", doc! { "w": 3, "wtimeout": 1 });
    assert_eq!(again.get_i32("code").ok(), Some(51_002), "{again}");
    assert_eq!(miss(&again).0, 64);
    // maxTimeMS is over sooner.
    let reply = primary.run(
        "shop",
        doc! { "dropRole": "late", "writeConcern": { "w": 3 }, "maxTimeMS": 200 },
    );
    assert_eq!(miss(&reply).0, 50, "{reply}");
    assert!(!knows(&mut primary, "late"));
    // As soon as the third goes on, it is fulfilled.
    primary.send_command(
        "shop",
        doc! {
            "createRole": "waits", "privileges": [], "roles": [],
            "writeConcern": { "w": 3, "wtimeout": LONG_MS },
        },
    );
    set.resume(nodes[2]);
    assert_fulfilled(&primary.receive_reply());
    assert!(knows(&mut set.admin(nodes[2]), "waits"));
}

#[test]
fn a_majority_that_is_not_there_is_waited_for() {
    let mut set = ReplicaSet::three();
    let nodes = set.primary_and_secondaries();
    let mut primary = set.admin(nodes[0]);
    set.kill(nodes[1]);
    set.kill(nodes[2]);
    let reply = create(&mut primary, "a", doc! { "wtimeout": 300 });
    let (code, _, _, info) = miss(&reply);
    assert_eq!(code, 64);
    let concern = doc! { "w": "majority", "wtimeout": 300, "provenance": "implicitDefault" };
    assert_eq!(*info, doc! { "wtimeout": true, "writeConcern": concern });
    assert_fulfilled(&create(&mut primary, "b", doc! { "w": 1 }));
    // It does not hold up a server that stops; the others may not be known to be gone yet.
    let at_once = doc! { "setParameter": 1, "shutdownTimeoutMillisForSignaledShutdown": 0 };
    assert_fulfilled(&primary.run("admin", at_once));
    let mut waiting = set.admin(nodes[0]);
    waiting.send_command(
        "shop",
        doc! { "createRole": "c", "privileges": [], "roles": [] },
    );
    while !knows(&mut primary, "c") {}
    set.stop(nodes[0]);
    let reply = waiting.receive_reply();
    assert_eq!(miss(&reply).0, 91, "{reply}");
    assert!(reply.contains_key("topologyVersion"), "{reply}");
}

#[test]
fn a_primary_that_steps_down_says_so_to_who_waits() {
    let mut set = ReplicaSet::three();
    let nodes = set.primary_and_secondaries();
    let mut primary = set.admin(nodes[0]);
    set.pause(nodes[2]);
    let mut waiting = set.admin(nodes[0]);
    waiting.send_command(
        "shop",
        doc! {
            "createRole": "a", "privileges": [], "roles": [], "writeConcern": { "w": 3 },
        },
    );
    while !knows(&mut primary, "a") {}
    let stepped = primary.run("admin", doc! { "replSetStepDown": 30, "force": true });
    assert_eq!(stepped.get_f64("ok").ok(), Some(1.0), "{stepped}");
    let reply = waiting.receive_reply();
    let (code, name, _, info) = miss(&reply);
    assert_eq!((code, name), (189, "PrimarySteppedDown"), "{reply}");
    assert!(!info.contains_key("wtimeout"));
    assert!(reply.contains_key("topologyVersion"), "{reply}");
}

#[test]
fn who_leaves_is_not_waited_for() {
    let mut set = ReplicaSet::three();
    let nodes = set.primary_and_secondaries();
    let mut primary = set.admin(nodes[0]);
    let connections = |client: &mut RawClient| {
        let status = client.run("admin", doc! { "serverStatus": 1 });
        let connections = status.get_document("connections").unwrap();
        connections.get_i32("current").unwrap()
    };
    set.pause(nodes[2]);
    let mut leaving = set.admin(nodes[0]);
    let with_it = connections(&mut primary);
    leaving.send_command(
        "shop",
        doc! {
            "createRole": "a", "privileges": [], "roles": [], "writeConcern": { "w": 3 },
        },
    );
    while !knows(&mut primary, "a") {}
    assert_eq!(connections(&mut primary), with_it);
    drop(leaving);
    let started = Instant::now();
    while connections(&mut primary) >= with_it {
        assert!(started.elapsed() < Duration::from_mins(1), "it stays");
    }
}

#[test]
fn tags_and_modes() {
    let mut set = on_two_sites();
    let primary = set.primary();
    let mut client = set.admin(primary);
    let reply = client.run("admin", doc! { "replSetGetConfig": 1 });
    let mut config = reply.get_document("config").unwrap().clone();
    let version = config.get_i32("version").unwrap();
    config.insert("version", version + 1);
    let settings = config.get_document_mut("settings").unwrap();
    let modes = doc! { "bothSites": { "dc": 2 }, "threeSites": { "dc": 3 } };
    settings.insert("getLastErrorModes", modes);
    let reply = client.run("admin", doc! { "replSetReconfig": config });
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
    let long = |w: bson::Bson| doc! { "w": w, "wtimeout": LONG_MS };
    for (name, w) in [
        ("a", doc! { "dc": 2 }.into()),
        ("b", doc! { "dc": 2, "rack": 3 }.into()),
        ("c", "bothSites".into()),
    ] {
        assert_fulfilled(&create(&mut client, name, long(w)));
    }
    for (name, w, code, text) in [
        (
            "d",
            bson::Bson::from("threeSites"),
            100,
            "Not enough nodes match write concern mode \"threeSites\"",
        ),
        (
            "e",
            "nowhere".into(),
            79,
            "No write concern mode named 'nowhere' found in replica set configuration",
        ),
        ("f", 4.into(), 100, "Not enough data-bearing nodes"),
        (
            "g",
            doc! { "floor": 1 }.into(),
            4,
            "No replica set tag key floor in config",
        ),
    ] {
        let reply = create(&mut client, name, long(w));
        assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
        let (found, _, message, _) = miss(&reply);
        assert_eq!((found, message), (code, text));
        assert!(knows(&mut client, name), "the change stays");
    }
    // One of each site is enough; two of one are not.
    let west = 2;
    let (paused, reply) = if primary == west {
        set.pause(0);
        set.pause(1);
        (
            vec![0, 1],
            create(&mut client, "h", doc! { "w": "bothSites", "wtimeout": 300 }),
        )
    } else {
        set.pause(west);
        (
            vec![west],
            create(&mut client, "h", doc! { "w": "bothSites", "wtimeout": 300 }),
        )
    };
    assert_eq!(miss(&reply).0, 64, "{reply}");
    for node in paused {
        set.resume(node);
    }
}

#[test]
fn the_default_of_the_deployment() {
    let mut set = ReplicaSet::three_with_short_leases();
    let nodes = set.primary_and_secondaries();
    let mut primary = set.admin(nodes[0]);
    let shown = |client: &mut RawClient| {
        let command = doc! {
            "getDefaultRWConcern": 1, "inMemory": true,
            "$readPreference": { "mode": "nearest" },
        };
        client.run("admin", command)
    };
    let before = shown(&mut primary);
    let implicit = doc! { "w": "majority", "wtimeout": 0 };
    assert_eq!(
        before.get_document("defaultWriteConcern").unwrap(),
        &implicit
    );
    assert_eq!(
        before.get_str("defaultWriteConcernSource").ok(),
        Some("implicit")
    );
    let set_default = doc! {
        "setDefaultRWConcern": 1,
        "defaultWriteConcern": { "w": 3, "wtimeout": 250 },
        "defaultReadConcern": { "level": "majority" },
        "writeConcern": { "w": 3, "wtimeout": LONG_MS },
    };
    let reply = primary.run("admin", set_default);
    assert_fulfilled(&reply);
    for node in &nodes {
        let reply = shown(&mut set.admin(*node));
        let keys: Vec<_> = reply.keys().map(String::as_str).collect();
        let expected = [
            "defaultReadConcern",
            "defaultWriteConcern",
            "updateOpTime",
            "updateWallClockTime",
            "defaultWriteConcernSource",
            "defaultReadConcernSource",
            "localUpdateWallClockTime",
            "inMemory",
            "ok",
            "$clusterTime",
            "operationTime",
        ];
        assert_eq!(keys, expected);
        let concern = doc! { "w": 3, "wtimeout": 250 };
        assert_eq!(reply.get_document("defaultWriteConcern").unwrap(), &concern);
        assert_eq!(
            reply.get_str("defaultWriteConcernSource").ok(),
            Some("global")
        );
    }
    let unset = doc! { "setDefaultRWConcern": 1, "defaultWriteConcern": {} };
    let refused = primary.run("admin", unset);
    assert_eq!(refused.get_i32("code").ok(), Some(20), "{refused}");
    set.pause(nodes[2]);
    let reply = create(&mut primary, "a", doc! {});
    let (code, _, _, info) = miss(&reply);
    assert_eq!(code, 64);
    let concern = doc! { "w": 3, "wtimeout": 250, "provenance": "customDefault" };
    assert_eq!(info.get_document("writeConcern").unwrap(), &concern);
    // Kept over a restart of everybody.
    set.resume(nodes[2]);
    for node in &nodes {
        set.kill(*node);
    }
    for node in &nodes {
        set.start_node(*node);
    }
    let primary = set.primary();
    let concern = doc! { "w": 3, "wtimeout": 250 };
    let reply = shown(&mut set.admin(primary));
    assert_eq!(reply.get_document("defaultWriteConcern").unwrap(), &concern);
}
