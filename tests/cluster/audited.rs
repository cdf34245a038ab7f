//! The configuration of the set is not changed without an event in the audit log.

use std::os::unix::fs::symlink;
use std::path::Path;

use bson::{Document, doc};
use serde_json::{Value, json};

use crate::common::{config, done};
use crate::support::error_of;
use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions, SET_NAME};

fn events(log: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(log).unwrap();
    let parsed = text.lines().map(|line| serde_json::from_str(line).unwrap());
    parsed.collect()
}

/// With the tag `place` and the version raised by `step`.
fn tagged(mut config: Document, place: &str, step: i32) -> Document {
    let version = config.get_i32("version").unwrap();
    config.insert("version", version + step);
    let member = &mut config.get_array_mut("members").unwrap()[0];
    let tags = doc! { "place": place };
    member.as_document_mut().unwrap().insert("tags", tags);
    config
}

fn set_writing_to(log: &Path) -> ReplicaSet {
    let arguments = [
        "--auditDestination=file",
        "--auditFormat=JSON",
        "--auditFilter={\"atype\": \"replSetReconfig\"}",
    ];
    let path = format!("--auditPath={}", log.display());
    let arguments = arguments.iter().map(ToString::to_string);
    ReplicaSet::start(&ReplicaSetOptions {
        nodes: 1,
        arguments: arguments.chain([path]).collect(),
        ..ReplicaSetOptions::default()
    })
}

#[test]
fn a_configuration_of_which_etcd_does_not_tell_whether_it_counts_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    let set = set_writing_to(&log);
    let mut admin = set.admin(0);
    let new = tagged(config(&mut admin), "here", 1);
    let version = new.get_i32("version").unwrap();
    set.links(0).iter().for_each(|link| link.mute());
    let open = admin.run("admin", doc! { "replSetReconfig": new });
    let text = "it is not known whether it was written: etcd did not answer";
    assert_eq!(error_of(&open), (11_602, text.to_owned()), "{open}");
    set.heal(0);
    // This time it was.
    set.wait_until(0, |hello| hello.get_i32("setVersion").ok() == Some(version));
    let results: Vec<Value> = events(&log)
        .iter()
        .map(|event| event["result"].clone())
        .collect();
    assert_eq!(results, [0, 11_602]);
}

#[test]
fn a_new_configuration_is_audited_with_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("audit.log");
    symlink("/dev/full", &log).unwrap();
    let set = set_writing_to(&log);
    let mut admin = set.admin(0);
    let old = config(&mut admin);
    let new = tagged(old.clone(), "here", 1);
    let reconfigure = |config: &Document| doc! { "replSetReconfig": config };
    let refused = admin.run("admin", reconfigure(&new));
    assert_eq!(error_of(&refused).0, 14031, "{refused}");
    assert_eq!(config(&mut admin), old);

    std::fs::remove_file(&log).unwrap();
    symlink(folder.path().join("real.log"), &log).unwrap();
    done(&mut admin, "admin", reconfigure(&new));
    let stale = admin.run("admin", reconfigure(&tagged(new.clone(), "there", 0)));
    assert_eq!(error_of(&stale).0, 103, "{stale}");
    let mut forced = reconfigure(&tagged(new, "there", 0));
    forced.insert("force", true);
    done(&mut admin, "admin", forced);

    let events = events(&log);
    let version = old.get_i32("version").unwrap();
    let host = set.host(0);
    let seen: Vec<Value> = events.iter().map(essence).collect();
    let shown = |version: i32, tags: Value| json!([SET_NAME, version, host, tags]);
    assert_eq!(
        seen,
        [
            json!([
                0,
                shown(version, json!({})),
                shown(version + 1, json!({ "place": "here" }))
            ]),
            json!([
                103,
                shown(version + 1, json!({ "place": "here" })),
                shown(version + 1, json!({ "place": "there" }))
            ]),
            json!([
                0,
                shown(version + 1, json!({ "place": "here" })),
                shown(version + 2, json!({ "place": "there" }))
            ]),
        ]
    );
    assert_eq!(config(&mut admin).get_i32("version").unwrap(), version + 2);
}

/// `[result, old, new]`, of each the name of the set, the version, and of its member host and tags.
fn essence(event: &Value) -> Value {
    assert_eq!(event["atype"], "replSetReconfig");
    assert_eq!(event["users"], json!([{ "user": "admin", "db": "admin" }]));
    let essence = |config: &Value| {
        let member = &config["members"][0];
        json!([
            config["_id"],
            config["version"],
            member["host"],
            member["tags"]
        ])
    };
    let param = &event["param"];
    json!([
        event["result"],
        essence(&param["old"]),
        essence(&param["new"])
    ])
}
