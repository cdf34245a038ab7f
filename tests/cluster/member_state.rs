//! What members refuse in which state, and what their errors carry.

use std::time::Instant;

use bson::{Document, doc};
use portcullis::milvus::proto::milvus::{ListCredUsersRequest, ListCredUsersResponse};
use tonic::Code;

use crate::milvus_client::Client;
use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions};
use crate::support::{PATIENCE, RawClient, TestServer, error_of, waiting};

/// A connection signed in as the administrator that has said that it knows `hello`.
fn modern(set: &ReplicaSet, node: usize) -> RawClient {
    let mut client = set.admin(node);
    let hello = client.run("admin", doc! { "isMaster": 1, "helloOk": true });
    assert!(hello.get_bool("helloOk").unwrap());
    client
}

fn with(mut command: Document, name: &str, value: Document) -> Document {
    command.insert(name, value);
    command
}

fn secondary_preferred() -> Document {
    doc! { "mode": "secondaryPreferred" }
}

fn labels(reply: &Document) -> Vec<&str> {
    let labels = reply.get_array("errorLabels");
    labels.map_or(Vec::new(), |labels| {
        labels.iter().map(|label| label.as_str().unwrap()).collect()
    })
}

fn is_ok(reply: &Document) -> bool {
    reply.get_f64("ok").ok() == Some(1.0)
}

#[test]
fn secondaries_refuse_writes_and_reads_that_do_not_allow_them() {
    let set = ReplicaSet::three();
    let secondary = set.secondary();
    let mut client = modern(&set, secondary);
    let mut legacy = set.admin(secondary);
    let process = set.hello(secondary);
    let process = process.get_document("topologyVersion").unwrap();
    let refused = |reply: &Document, code: i32, text: &str| {
        assert_eq!(error_of(reply), (code, text.to_owned()), "{reply}");
        let version = reply.get_document("topologyVersion").unwrap();
        assert_eq!(version.get("processId"), process.get("processId"));
    };
    let writes = [
        doc! { "createUser": "x", "pwd": "x", "roles": [], "writeConcern": { "w": -1 } },
        doc! { "dropRole": "x", "$readPreference": secondary_preferred() },
        doc! { "update": "c", "updates": [{ "q": {}, "u": { "$set": { "a": 1 } } }] },
        doc! { "createIndexes": "c", "indexes": [] },
    ];
    for write in writes {
        let reply = client.run("shop", write.clone());
        refused(&reply, 10_107, "not primary");
        assert_eq!(
            labels(&reply),
            ["RetryableWriteError", "NoWritesPerformed"],
            "{write}"
        );
        refused(&legacy.run("shop", write), 10_107, "not master");
    }
    let reads = [
        ("shop", doc! { "usersInfo": 1 }),
        ("shop", doc! { "rolesInfo": 1 }),
        ("admin", doc! { "find": "system.users" }),
        ("admin", doc! { "count": "system.users" }),
        ("admin", doc! { "distinct": "system.users", "key": "db" }),
        (
            "admin",
            doc! { "aggregate": "system.users", "pipeline": [], "cursor": {} },
        ),
        ("shop", doc! { "listCollections": 1 }),
        ("admin", doc! { "listIndexes": "system.users" }),
        ("admin", doc! { "listDatabases": 1 }),
    ];
    for (db, read) in reads {
        let reply = client.run(db, read.clone());
        refused(&reply, 13_435, "not primary and secondaryOk=false");
        assert!(labels(&reply).is_empty());
        let reply = legacy.run(db, read.clone());
        refused(&reply, 13_435, "not master and slaveOk=false");
        let primary = with(read.clone(), "$readPreference", doc! { "mode": "primary" });
        assert_eq!(error_of(&client.run(db, primary)).0, 13_435);
        let allowed = with(read, "$readPreference", secondary_preferred());
        let reply = client.run(db, allowed);
        assert!(is_ok(&reply), "{reply}");
    }
    // A command without an engine, read by a secondary only if asked.
    let stats = doc! { "dbStats": 1 };
    let reply = client.run("shop", stats.clone());
    refused(&reply, 13_435, "not primary and secondaryOk=false");
    let allowed = with(stats, "$readPreference", secondary_preferred());
    assert_eq!(error_of(&client.run("shop", allowed)).0, 115);
    assert_eq!(
        error_of(&client.run("admin", doc! { "currentOp": 1 })).0,
        115
    );
    let everywhere = [
        doc! { "ping": 1 },
        doc! { "connectionStatus": 1 },
        doc! { "serverStatus": 1 },
        doc! { "getParameter": "*" },
        doc! { "getCmdLineOpts": 1 },
        doc! { "invalidateUserCache": 1 },
    ];
    for command in everywhere {
        assert!(is_ok(&client.run("admin", command)));
    }
}

#[test]
fn privileges_come_before_the_state() {
    let set = ReplicaSet::three();
    let nodes = set.primary_and_secondaries();
    let user =
        doc! { "createUser": "eve", "pwd": "secret", "roles": [], "writeConcern": { "w": 3 } };
    let created = set.admin(nodes[0]).run("shop", user);
    assert!(is_ok(&created), "{created}");
    let mut eve = set.raw(nodes[1]);
    eve.sign_in("shop", "eve", "secret").unwrap();
    for command in [
        doc! { "createUser": "x", "pwd": "x", "roles": [] },
        doc! { "usersInfo": 1 },
        doc! { "insert": "c", "documents": [{}] },
    ] {
        assert_eq!(error_of(&eve.run("shop", command)).0, 13);
    }
    let mut stranger = set.raw(nodes[1]);
    let reply = stranger.run("shop", doc! { "usersInfo": 1 });
    assert_eq!(
        error_of(&reply),
        (13, "Command usersInfo requires authentication".into())
    );
    // The localhost exception is not for a member of a set with users.
    let own = with(
        doc! { "usersInfo": "eve" },
        "$readPreference",
        secondary_preferred(),
    );
    assert!(is_ok(&eve.run("shop", own)));
}

#[test]
fn a_member_out_of_touch_signs_nobody_in_and_answers_no_reads() {
    let set = ReplicaSet::start(&ReplicaSetOptions {
        arguments: vec!["--etcd.maxStalenessSecs=8".into()],
        ..ReplicaSetOptions::default()
    });
    let node = set.secondary();
    let mut client = modern(&set, node);
    let read = || {
        with(
            doc! { "usersInfo": 1 },
            "$readPreference",
            secondary_preferred(),
        )
    };
    assert!(is_ok(&client.run("admin", read())));
    set.cut(node);
    let hello = set.wait_until(node, |hello| !hello.get_bool("secondary").unwrap());
    assert!(!hello.get_bool("isWritablePrimary").unwrap());
    assert_eq!(hello.get_str("setName").unwrap(), "rs0");
    let reply = client.run("admin", read());
    assert_eq!(error_of(&reply), (13_436, "node is recovering".into()));
    assert!(reply.contains_key("topologyVersion"));
    let status = client.run("admin", doc! { "replSetGetStatus": 1 });
    assert_eq!(status.get_i32("myState").ok(), Some(3), "{status}");
    let (user, password) = crate::support::ADMIN;
    let refused = set.raw(node).sign_in("admin", user, password).unwrap_err();
    assert_eq!(error_of(&refused), (13_436, "node is recovering".into()));
    set.heal(node);
    set.wait_until(node, |hello| hello.get_bool("secondary").unwrap());
    assert!(is_ok(&client.run("admin", read())));
    set.raw(node).sign_in("admin", user, password).unwrap();
}

#[test]
fn without_etcd_reads_and_sign_ins_go_on_and_writes_fail_at_once() {
    let set = ReplicaSet::three_with_short_leases();
    let node = set.primary();
    let mut client = modern(&set, node);
    set.cut(node);
    waiting::until("it is noticed", || {
        set.server(node).logs().contains("Cannot reach etcd")
    });
    let write = || doc! { "createUser": "x", "pwd": "x", "roles": [] };
    let reply = client.run("shop", write());
    let (code, text) = error_of(&reply);
    // Certainly not written; 11602 would be a change that was on its way when the link was cut.
    assert_eq!((code, labels(&reply).len()), (6, 2), "{reply}");
    assert_eq!(text, "nothing was written, because etcd cannot be reached");
    assert!(reply.contains_key("topologyVersion"));
    // The lease runs out: another one may be primary now.
    set.wait_until(node, |hello| !hello.get_bool("isWritablePrimary").unwrap());
    let reply = client.run("shop", write());
    let text = "not primary, and etcd cannot be reached";
    assert_eq!(error_of(&reply), (10_107, text.to_owned()));
    let (user, password) = crate::support::ADMIN;
    set.raw(node).sign_in("admin", user, password).unwrap();
    let read = with(
        doc! { "usersInfo": 1 },
        "$readPreference",
        secondary_preferred(),
    );
    assert!(is_ok(&client.run("admin", read)));
    set.heal(node);
    let primary = set.primary();
    assert!(is_ok(&set.admin(primary).run("shop", write())));
}

/// The port of the face for Milvus clients, which the system has chosen.
pub(crate) fn milvus_port(server: &TestServer) -> u16 {
    let begun = Instant::now();
    loop {
        // What the server has written need not have been read yet.
        let logs = server.logs();
        let mut lines = logs.lines();
        if let Some(line) = lines.find(|line| line.contains("Waiting for Milvus clients")) {
            let (_, rest) = line.split_once("addresses=\"127.0.0.1:").unwrap();
            return rest.split('"').next().unwrap().parse().unwrap();
        }
        assert!(begun.elapsed() < PATIENCE, "{logs}");
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn a_member_out_of_touch_knows_no_milvus_users_either() {
    let arguments = [
        "--etcd.maxStalenessSecs=8",
        "--milvus.enabled",
        "--milvus.port=0",
        "--milvus.defaultRootPassword=root's own",
    ];
    let set = ReplicaSet::start(&ReplicaSetOptions {
        nodes: 1,
        arguments: arguments.map(str::to_owned).to_vec(),
        ..ReplicaSetOptions::default()
    });
    let mut client = Client::connect(milvus_port(set.server(0))).await.unwrap();
    client.sign("root", "root's own");
    let list = async |client: &mut Client| {
        let listed: Result<ListCredUsersResponse, _> =
            client.call("ListCredUsers", ListCredUsersRequest {}).await;
        listed.map(|listed| listed.usernames)
    };
    assert_eq!(list(&mut client).await.unwrap(), ["root"]);
    set.cut(0);
    set.wait_until(0, |hello| {
        !hello.get_bool("secondary").unwrap() && !hello.get_bool("isWritablePrimary").unwrap()
    });
    // The right password of a moment ago is not remembered here.
    let refused = list(&mut client).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    set.heal(0);
    set.wait_until(0, |hello| hello.get_bool("isWritablePrimary").unwrap());
    assert_eq!(list(&mut client).await.unwrap(), ["root"]);
}
