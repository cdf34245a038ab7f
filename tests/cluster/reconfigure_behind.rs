//! `replSetReconfig` rests on what everybody has acknowledged, whatever the member that is asked has seen
//! of it.

use std::time::Duration;

use bson::{Document, doc};

use crate::common::{config, done, reconfigure, under_steady_writes, with_w};
use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions, SET_NAME};
use crate::support::{RawClient, error_of, waiting};

/// Longer than a command takes, and shorter than members wait for etcd.
const HEARS_LATE: Duration = Duration::from_millis(200);

/// Longer than a primary takes from one commit to the next.
const SLOW: Duration = Duration::from_millis(200);

fn pair() -> ReplicaSet {
    ReplicaSet::start(&ReplicaSetOptions {
        nodes: 2,
        tags: vec!["dc:east", "dc:west"],
        ..ReplicaSetOptions::default()
    })
}

fn hear_late(set: &ReplicaSet, node: usize) {
    for link in set.links(node) {
        link.delay(HEARS_LATE);
    }
}

/// The configuration, of the next version and with these modes.
fn with_modes(mut config: Document, modes: Document) -> Document {
    let version = config.get_i32("version").unwrap();
    config.insert("version", version + 1);
    let settings = config.get_document_mut("settings").unwrap();
    settings.insert("getLastErrorModes", modes);
    config
}

fn forced(config: Document) -> Document {
    doc! { "replSetReconfig": config, "force": true }
}

#[test]
fn who_was_dropped_elsewhere_writes_no_configuration() {
    let set = pair();
    let nodes = set.primary_and_secondaries();
    let mut admin = set.admin(nodes[0]);
    let operator = doc! { "createUser": "operator", "pwd": "secret", "roles": ["clusterManager"] };
    done(&mut admin, "admin", with_w(operator, 2));
    let mut operator = set.raw(nodes[1]);
    operator.sign_in("admin", "operator", "secret").unwrap();
    let before = config(&mut admin);
    hear_late(&set, nodes[1]);
    let dropping = doc! { "dropUser": "operator", "writeConcern": { "w": 1 } };
    done(&mut admin, "admin", dropping);
    let new = with_modes(before.clone(), doc! { "far": { "dc": 2 } });
    let refused = operator.run("admin", forced(new));
    assert_eq!(error_of(&refused).0, 13, "{refused}");
    assert_eq!(config(&mut admin), before);
}

#[test]
fn a_mode_that_became_the_default_elsewhere_stays() {
    let set = pair();
    let nodes = set.primary_and_secondaries();
    let mut admin = set.admin(nodes[0]);
    let with_mode = with_modes(config(&mut admin), doc! { "far": { "dc": 2 } });
    done(&mut admin, "admin", doc! { "replSetReconfig": with_mode });
    set.wait_until_all_have_everything();
    let mut elsewhere = set.admin(nodes[1]);
    waiting::until("the configuration is everywhere", || {
        config(&mut elsewhere) == config(&mut admin)
    });
    hear_late(&set, nodes[1]);
    let default = doc! {
        "setDefaultRWConcern": 1, "defaultWriteConcern": { "w": "far" },
        "writeConcern": { "w": 1 },
    };
    done(&mut admin, "admin", default);
    let present = config(&mut admin);
    let without = with_modes(present.clone(), doc! {});
    let refused = elsewhere.run("admin", forced(without));
    let (code, text) = error_of(&refused);
    assert_eq!(code, 103, "{refused}");
    assert!(
        text.contains("in use as the default write concern"),
        "{text}"
    );
    assert_eq!(config(&mut admin), present);
}

#[test]
fn a_member_that_is_damaged_writes_no_configuration() {
    let set = pair();
    let mut admin = set.admin(set.secondary());
    let before = config(&mut admin);
    let stranger = format!("/portcullis/{SET_NAME}/members/stranger:1");
    set.etcd.control(&["put", &stranger, "no document"]);
    let state = |admin: &mut RawClient| {
        let status = admin.run("admin", doc! { "replSetGetStatus": 1 });
        status.get_i32("myState").unwrap()
    };
    waiting::until("it is noticed", || state(&mut admin) == 3);
    let refused = reconfigure(&mut admin, true, |_| {});
    assert_eq!(
        error_of(&refused),
        (13_436, "node is recovering".to_owned())
    );
    assert_eq!(config(&mut admin), before);
    set.etcd.control(&["del", &stranger]);
    waiting::until("it is repaired", || state(&mut admin) != 3);
    let reply = reconfigure(&mut admin, true, |_| {});
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
}

#[test]
fn changes_without_end_keep_nobody_from_it() {
    let set = pair();
    let nodes = set.primary_and_secondaries();
    let replies = under_steady_writes(&set, nodes[0], || {
        let mut replies = vec![reconfigure(&mut set.admin(nodes[1]), true, |_| {})];
        // From now on a commit of the primary is always on its way.
        for link in set.links(nodes[0]) {
            link.delay(SLOW);
        }
        for force in [false, true] {
            replies.push(reconfigure(&mut set.admin(nodes[0]), force, |_| {}));
        }
        replies
    });
    for reply in replies {
        assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
    }
}
