//! The commands by which administrators look at a set and change it.

use std::thread;

use bson::{Document, doc};

use crate::common::{done, with_w};
use crate::support::error_of;
use crate::support::replica_set::{ReplicaSet, SET_NAME};

fn status(set: &ReplicaSet, node: usize) -> Document {
    let status = set.admin(node).run("admin", doc! { "replSetGetStatus": 1 });
    assert_eq!(status.get_f64("ok").ok(), Some(1.0), "{status}");
    status
}

fn config(set: &ReplicaSet, node: usize) -> Document {
    let reply = set.admin(node).run("admin", doc! { "replSetGetConfig": 1 });
    reply.get_document("config").unwrap().clone()
}

/// What `status` says of the member called `host`.
fn member(status: &Document, host: &str) -> Document {
    let mut members = status.get_array("members").unwrap().iter();
    let found = members.find_map(|member| {
        let member = member.as_document()?;
        (member.get_str("name").ok() == Some(host)).then(|| member.clone())
    });
    found.unwrap()
}

#[test]
fn the_status_tells_who_is_what() {
    let mut set = ReplicaSet::three_with_short_leases();
    set.wait_until_all_have_everything();
    let nodes = set.primary_and_secondaries();
    for node in nodes.clone() {
        let status = status(&set, node);
        assert_eq!(status.get_str("set").unwrap(), SET_NAME);
        let state = if node == nodes[0] { 1 } else { 2 };
        assert_eq!(status.get_i32("myState").unwrap(), state);
        assert_eq!(status.get_i32("majorityVoteCount").unwrap(), 2);
        let primary = member(&status, &set.host(nodes[0]));
        assert_eq!(primary.get_str("stateStr").unwrap(), "PRIMARY");
        assert_eq!(primary.contains_key("electionDate"), node == nodes[0]);
        for other in &nodes[1..] {
            let secondary = member(&status, &set.host(*other));
            assert_eq!(secondary.get_str("stateStr").unwrap(), "SECONDARY");
            assert!(secondary.get_f64("health").unwrap() > 0.5);
            assert_eq!(secondary.contains_key("self"), *other == node);
        }
    }
    set.kill(nodes[2]);
    let host = set.host(nodes[2]);
    // The lease has to run out first; the change of another member's state is no topology.
    let started = std::time::Instant::now();
    loop {
        let gone = member(&status(&set, nodes[0]), &host);
        if gone.get_i32("state").unwrap() == 8 {
            assert!(gone.get_f64("health").unwrap().abs() < f64::EPSILON);
            break;
        }
        assert!(
            started.elapsed() < std::time::Duration::from_mins(1),
            "{gone}"
        );
    }
}

#[test]
fn the_configuration_is_replaced_by_the_primary_alone() {
    let set = ReplicaSet::three();
    let nodes = set.primary_and_secondaries();
    let (primary, secondary) = (nodes[0], nodes[1]);
    let present = config(&set, primary);
    assert_eq!(present, config(&set, secondary));
    assert_eq!(present.get_str("_id").unwrap(), SET_NAME);
    let mut admin = set.admin(primary);
    let mut reconfigure =
        |config: &Document| admin.run("admin", doc! { "replSetReconfig": config });
    let refused = error_of(&reconfigure(&present));
    assert_eq!(refused.0, 103, "{}", refused.1);
    assert!(refused.1.starts_with(
        "New replica set configuration version and term must be greater than old, but {version: "
    ));
    let mut new = present.clone();
    let version = present.get_i32("version").unwrap() + 1;
    new.insert("version", version);
    new.insert("_id", "other");
    assert_eq!(error_of(&reconfigure(&new)).0, 93);
    new.insert("_id", SET_NAME);
    new.insert("members", 1);
    assert_eq!(error_of(&reconfigure(&new)).0, 93);
    new.insert("members", present.get_array("members").unwrap());
    let members = new.get_array_mut("members").unwrap();
    for (place, member) in members.iter_mut().enumerate() {
        let member = member.as_document_mut().unwrap();
        member.insert("tags", doc! { "place": place.to_string() });
    }
    let mut elsewhere = set.admin(secondary);
    let reply = elsewhere.run("admin", doc! { "replSetReconfig": &new });
    let text = "New config is rejected :: caused by :: replSetReconfig should only be run on a \
                writable PRIMARY. Current state SECONDARY;";
    assert_eq!(error_of(&reply), (10_107, text.to_owned()));
    assert!(reply.contains_key("topologyVersion"));
    let reply = reconfigure(&new);
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
    for node in nodes {
        let hello = set.wait_until(node, |hello| {
            hello.get_i32("setVersion").unwrap() == version
        });
        assert!(hello.get_document("tags").unwrap().contains_key("place"));
        assert_eq!(config(&set, node).get_i32("version").unwrap(), version);
    }
    assert_eq!(
        error_of(&elsewhere.run("admin", doc! { "replSetInitiate": {} })).0,
        23
    );
}

#[test]
fn defaults_that_are_set_at_the_same_time_are_both_set() {
    let set = ReplicaSet::three();
    let mut admin = set.admin(set.primary());
    for round in 0..20 {
        let level = ["local", "majority"][round % 2];
        let reading = doc! { "defaultReadConcern": { "level": level } };
        let writing =
            doc! { "defaultWriteConcern": { "w": 1 + i32::try_from(round % 3).unwrap() } };
        thread::scope(|scope| {
            for defaults in [&reading, &writing] {
                let mut client = set.admin(set.primary());
                scope.spawn(move || {
                    let mut setting = doc! { "setDefaultRWConcern": 1 };
                    setting.extend(defaults.clone());
                    done(&mut client, "admin", with_w(setting, 1));
                });
            }
        });
        let told = done(&mut admin, "admin", doc! { "getDefaultRWConcern": 1 });
        let found = told.get_document("defaultReadConcern").unwrap();
        assert_eq!(found.get_str("level").unwrap(), level, "{told}");
        let found = told.get_document("defaultWriteConcern").unwrap();
        let expected = writing.get_document("defaultWriteConcern").unwrap();
        assert_eq!(found.get("w"), expected.get("w"), "{told}");
    }
}

#[test]
fn a_server_that_was_removed_knows_it() {
    let set = ReplicaSet::three();
    let nodes = set.primary_and_secondaries();
    let removed = set.host(nodes[2]);
    let mut config = config(&set, nodes[0]);
    let members = config.get_array_mut("members").unwrap();
    members.retain(|member| member.as_document().unwrap().get_str("host").unwrap() != removed);
    let version = config.get_i32("version").unwrap() + 1;
    config.insert("version", version);
    let mut admin = set.admin(nodes[0]);
    let reply = admin.run("admin", doc! { "replSetReconfig": config });
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
    let hello = set.wait_until(nodes[2], |hello| !hello.contains_key("setName"));
    assert!(hello.get_bool("isreplicaset").unwrap());
    let mut gone = set.admin(nodes[2]);
    let text = "Our replica set config is invalid or we are not a member of it";
    let reply = gone.run("admin", doc! { "replSetGetStatus": 1 });
    assert_eq!(error_of(&reply), (93, text.to_owned()));
    let hello = set.wait_until(nodes[0], |hello| {
        hello.get_array("hosts").unwrap().len() == 2
    });
    assert_eq!(hello.get_i32("setVersion").unwrap(), version);
}

#[test]
fn stepping_down_and_freezing_have_their_conditions() {
    let set = ReplicaSet::three();
    let nodes = set.primary_and_secondaries();
    let mut primary = set.admin(nodes[0]);
    let mut secondary = set.admin(nodes[1]);
    let step_down = |seconds: i32| doc! { "replSetStepDown": seconds };
    let reply = secondary.run("admin", step_down(20));
    let text = "not primary so can't step down";
    assert_eq!(error_of(&reply), (10_107, text.to_owned()));
    let too_short = "stepdown period must be longer than secondaryCatchUpPeriodSecs";
    for client in [&mut primary, &mut secondary] {
        let reply = client.run("admin", step_down(1));
        assert_eq!(error_of(&reply), (2, too_short.to_owned()));
    }
    let reply = primary.run("admin", doc! { "replSetFreeze": 10 });
    let text = "cannot freeze node when primary or running for election. state: Primary";
    assert_eq!(error_of(&reply), (95, text.to_owned()));
    let mut freeze = |seconds: i32| secondary.run("admin", doc! { "replSetFreeze": seconds });
    assert_eq!(freeze(100).get_f64("ok").ok(), Some(1.0));
    let warned = freeze(1);
    let text = "you really want to freeze for only 1 second?";
    assert_eq!(warned.get_str("warning").unwrap(), text);
    assert_eq!(freeze(0).get_str("info").unwrap(), "unfreezing");
}

#[test]
fn who_steps_down_waits_for_somebody_who_has_everything() {
    let mut set = ReplicaSet::three();
    let nodes = set.primary_and_secondaries();
    let mut primary = set.admin(nodes[0]);
    for node in &nodes[1..] {
        set.pause(*node);
    }
    let write = doc! {
        "createUser": "late", "pwd": "x", "roles": [], "writeConcern": { "w": 1 },
    };
    let written = primary.run("shop", write);
    assert_eq!(written.get_f64("ok").ok(), Some(1.0), "{written}");
    let step_down = doc! { "replSetStepDown": 60, "secondaryCatchUpPeriodSecs": 1 };
    let reply = primary.run("admin", step_down.clone());
    let (code, text) = error_of(&reply);
    assert_eq!(code, 262, "{text}");
    assert!(
        text.starts_with("No electable secondaries caught up as of "),
        "{text}"
    );
    assert!(set.hello(nodes[0]).get_bool("isWritablePrimary").unwrap());
    for node in &nodes[1..] {
        set.resume(*node);
    }
    set.wait_until_all_have_everything();
    let reply = primary.run("admin", step_down);
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
    let new = set.primary();
    assert_ne!(new, nodes[0]);
    let mut client = set.admin(new);
    let found = client.run("shop", doc! { "usersInfo": "late" });
    assert_eq!(found.get_array("users").unwrap().len(), 1);
}

/// mongosh asks this way whether it is connected to a set.
#[test]
fn the_configuration_is_a_document_of_local() {
    let set = ReplicaSet::three();
    let nodes = set.primary_and_secondaries();
    let mut admin = set.admin(nodes[0]);
    let create = |user: &str, role: &str| {
        doc! {
            "createUser": user, "pwd": "secret", "roles": [{ "role": role, "db": "admin" }],
            "writeConcern": { "w": 3 },
        }
    };
    for (user, role) in [("watcher", "clusterMonitor"), ("keeper", "userAdmin")] {
        let reply = admin.run("admin", create(user, role));
        assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
    }
    for node in nodes {
        let expected = config(&set, node);
        let mut watcher = set.raw(node);
        watcher.sign_in("admin", "watcher", "secret").unwrap();
        let mut local = |mut command: Document| {
            command.insert("$readPreference", doc! { "mode": "primaryPreferred" });
            watcher.run("local", command)
        };
        let found = local(doc! { "find": "system.replset" });
        let cursor = found.get_document("cursor").unwrap();
        assert_eq!(cursor.get_str("ns").unwrap(), "local.system.replset");
        let batch = cursor.get_array("firstBatch").unwrap();
        assert_eq!(batch, &[expected.into()]);
        let pipeline = [
            doc! { "$match": {} },
            doc! { "$group": { "_id": 1, "n": { "$sum": 1 } } },
        ];
        let counted = local(doc! {
            "aggregate": "system.replset", "pipeline": pipeline.to_vec(), "cursor": {},
        });
        let batch = counted.get_document("cursor").unwrap();
        let batch = batch.get_array("firstBatch").unwrap();
        assert_eq!(batch, &[doc! { "_id": 1, "n": 1 }.into()]);
        assert_eq!(
            local(doc! { "count": "system.replset" })
                .get_i32("n")
                .unwrap(),
            1
        );
        let ids = local(doc! { "distinct": "system.replset", "key": "_id" });
        assert_eq!(ids.get_array("values").unwrap(), &[SET_NAME.into()]);
        let listed = local(doc! { "listCollections": 1, "nameOnly": true });
        let listed = listed.get_document("cursor").unwrap();
        assert_eq!(
            listed.get_array("firstBatch").unwrap(),
            &[doc! { "name": "system.replset", "type": "collection" }.into()]
        );
    }
    let mut keeper = set.raw(set.primary());
    keeper.sign_in("admin", "keeper", "secret").unwrap();
    let refused = keeper.run("local", doc! { "find": "system.replset" });
    assert_eq!(error_of(&refused).0, 13, "{refused}");
}
