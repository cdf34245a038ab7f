//! Milvus clients at the members of a replica set.

use std::time::Instant;

use bson::doc;
use portcullis::milvus::proto::common::Status;
use portcullis::milvus::proto::milvus::{
    CreateCredentialRequest, ListCredUsersRequest, ListCredUsersResponse, UpdateCredentialRequest,
};
use tonic::Code;

use crate::common::{done, from_any, names};
use crate::member_state::milvus_port;
use crate::milvus_client::{Client, encoded};
use crate::support::PATIENCE;
use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions};

const ENABLED: &str = "--milvus.enabled";
const PORT: &str = "--milvus.port=0";
const PASSWORD: &str = "--milvus.defaultRootPassword=root's own";

/// Restarts one node after the other with further arguments, the primary last.
fn restart_all_with(set: &mut ReplicaSet, arguments: &[&str]) {
    let mut nodes = set.primary_and_secondaries();
    nodes.reverse();
    for node in nodes {
        set.restart_with(node, arguments);
        // Else the first one to be restarted could be the only one that is there.
        set.wait_until(node, |hello| hello.contains_key("primary"));
    }
}

async fn root_of(set: &ReplicaSet, node: usize) -> Client {
    let port = milvus_port(&set.server(node).logs());
    let mut client = Client::connect(port).await.unwrap();
    client.sign("root", "root's own");
    client
}

async fn users(client: &mut Client) -> Option<Vec<String>> {
    let listed: Result<ListCredUsersResponse, _> =
        client.call("ListCredUsers", ListCredUsersRequest {}).await;
    listed.ok().map(|listed| listed.usernames)
}

#[tokio::test]
async fn a_running_set_gets_milvus_by_restarts_one_after_the_other() {
    let mut set = ReplicaSet::three();
    restart_all_with(&mut set, &[ENABLED, PORT, PASSWORD]);
    for node in 0..set.nodes() {
        let started = Instant::now();
        let mut root = root_of(&set, node).await;
        while users(&mut root).await.is_none() {
            assert!(started.elapsed() < PATIENCE, "node {node} has no root");
        }
        assert_eq!(users(&mut root).await.unwrap(), ["root"]);
    }
    let mut admin = set.admin(set.primary());
    let roles = done(&mut admin, "milvus", from_any(doc! { "rolesInfo": 1 }));
    assert_eq!(names(&roles, "roles", "role"), ["admin", "public"]);
}

#[test]
fn a_password_is_not_made_up_where_nobody_is_shown_it() {
    let mut set = ReplicaSet::three();
    restart_all_with(&mut set, &[ENABLED, PORT]);
    let started = Instant::now();
    let warning = "restart the members with --milvus.defaultRootPassword";
    let warned = |set: &ReplicaSet| {
        let mut nodes = 0..set.nodes();
        nodes.any(|node| set.server(node).logs().contains(warning))
    };
    while !warned(&set) {
        assert!(started.elapsed() < PATIENCE, "nobody says so");
        std::thread::yield_now();
    }
    let mut admin = set.admin(set.primary());
    let roles = done(&mut admin, "milvus", from_any(doc! { "rolesInfo": 1 }));
    assert_eq!(names(&roles, "roles", "role"), ["admin", "public"]);
    let users = done(&mut admin, "milvus", from_any(doc! { "usersInfo": 1 }));
    assert!(users.get_array("users").unwrap().is_empty(), "{users}");
    // Who does as told has root.
    restart_all_with(&mut set, &[PASSWORD]);
    let users = doc! { "usersInfo": "root" };
    while done(&mut set.admin(set.primary()), "milvus", users.clone())
        .get_array("users")
        .unwrap()
        .is_empty()
    {
        assert!(started.elapsed() < PATIENCE, "there is no root");
    }
}

/// Before it looks at names and passwords, and so before it hashes any.
#[tokio::test]
async fn a_secondary_refuses_passwords_before_anything_else() {
    let set = ReplicaSet::start(&ReplicaSetOptions {
        nodes: 2,
        arguments: [ENABLED, PORT, PASSWORD].map(str::to_owned).to_vec(),
        ..ReplicaSetOptions::default()
    });
    let create = CreateCredentialRequest {
        username: "root".to_owned(),
        password: encoded("another"),
        description: None,
    };
    let update = UpdateCredentialRequest {
        username: "root".to_owned(),
        old_password: encoded("wrong"),
        new_password: encoded("another"),
        description: None,
    };
    for (node, is_primary) in [(set.primary(), true), (set.secondary(), false)] {
        let mut root = root_of(&set, node).await;
        let started = Instant::now();
        while users(&mut root).await.is_none() {
            assert!(started.elapsed() < PATIENCE, "node {node} has no root");
        }
        let created: Result<Status, _> = root.call("CreateCredential", create.clone()).await;
        let updated: Result<Status, _> = root.call("UpdateCredential", update.clone()).await;
        for (answer, refusal) in [(created, 65535), (updated, 1400)] {
            match answer {
                Ok(status) => assert!(is_primary && status.code == refusal, "{status:?}"),
                Err(status) => {
                    assert_eq!((status.code(), is_primary), (Code::Unavailable, false));
                    assert_eq!(status.message(), "not primary");
                }
            }
        }
    }
}
