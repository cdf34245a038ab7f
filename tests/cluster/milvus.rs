//! Milvus clients at the members of a replica set.

use std::time::{Duration, Instant};

use bson::{Document, doc};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis::milvus::proto::common::Status;
use portcullis::milvus::proto::milvus::{
    CreateRoleRequest, DropRoleRequest, ListCredUsersRequest, ListCredUsersResponse, RoleEntity,
};
use prost::Message;
use tokio::net::TcpStream;
use tonic::Code;

use crate::common::{done, from_any, host_of, names, reconfigure};
use crate::member_state::milvus_port;
use crate::milvus_client::{Client, Told, encoded, told};
use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions, SHORT_LEASE_TTL_SECS};
use crate::support::{PATIENCE, RawClient};

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

pub(crate) async fn root_of(set: &ReplicaSet, node: usize) -> Client {
    let port = milvus_port(set.server(node));
    let mut client = Client::connect(port).await.unwrap();
    client.sign("root", "root's own");
    client
}

pub(crate) async fn users(client: &mut Client) -> Option<Vec<String>> {
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
    let started = Instant::now();
    let users = doc! { "usersInfo": "root" };
    while done(&mut set.admin(set.primary()), "milvus", users.clone())
        .get_array("users")
        .unwrap()
        .is_empty()
    {
        assert!(started.elapsed() < PATIENCE, "there is no root");
    }
}

const NOT_ENOUGH: &str =
    "the change is written, but not acknowledged by as many members as it should be: ";

/// Two members: only both are a majority.
pub(crate) fn pair() -> ReplicaSet {
    ReplicaSet::start(&pair_options())
}

/// The same for tests in which a member that is gone is replaced.
pub(crate) fn pair_with_short_leases() -> ReplicaSet {
    ReplicaSet::start(&ReplicaSetOptions {
        lease_ttl_secs: SHORT_LEASE_TTL_SECS,
        ..pair_options()
    })
}

fn pair_options() -> ReplicaSetOptions {
    ReplicaSetOptions {
        nodes: 2,
        arguments: [ENABLED, PORT, PASSWORD].map(str::to_owned).to_vec(),
        ..ReplicaSetOptions::default()
    }
}

/// Root at the primary, once there is one.
pub(crate) async fn root_of_primary(set: &ReplicaSet) -> Client {
    let mut root = root_of(set, set.primary()).await;
    let started = Instant::now();
    while users(&mut root).await.is_none() {
        assert!(started.elapsed() < PATIENCE, "there is no root");
    }
    root
}

fn new_role(name: &str) -> CreateRoleRequest {
    let entity = Some(RoleEntity {
        name: name.to_owned(),
        description: String::new(),
    });
    CreateRoleRequest { entity }
}

async fn create_role(root: &mut Client, name: &str) -> Result<Told, (Code, String)> {
    let answer: Result<Status, _> = root.call("CreateRole", new_role(name)).await;
    match answer {
        Ok(status) => Ok(told(Some(status))),
        Err(status) => Err((status.code(), status.message().to_owned())),
    }
}

fn has_role(admin: &mut RawClient, name: &str) -> bool {
    let reply = done(admin, "milvus", from_any(doc! { "rolesInfo": name }));
    !reply.get_array("roles").unwrap().is_empty()
}

fn set_default(set: &ReplicaSet, write_concern: Document) {
    let command = doc! { "setDefaultRWConcern": 1, "defaultWriteConcern": write_concern };
    done(&mut set.admin(set.primary()), "admin", command);
}

#[tokio::test]
async fn what_is_answered_is_known_to_a_majority() {
    let set = pair();
    let mut root = root_of_primary(&set).await;
    let mut secondary = set.admin(set.secondary());
    for _ in 0..30 {
        assert_eq!(create_role(&mut root, "reader").await, Ok(Ok(())));
        assert!(has_role(&mut secondary, "reader"));
        let drop = DropRoleRequest {
            role_name: "reader".to_owned(),
            force_drop: false,
        };
        assert_eq!(root.change("DropRole", drop).await, Ok(()));
        assert!(!has_role(&mut secondary, "reader"));
    }
}

#[tokio::test]
async fn what_others_do_not_have_in_time_is_not_told_to_be_done() {
    let mut set = pair();
    let mut root = root_of_primary(&set).await;
    let mut admin = set.admin(set.primary());
    set_default(&set, doc! { "w": 2, "wtimeout": 300 });
    set.pause(set.secondary());
    let answer = create_role(&mut root, "late").await;
    let text = format!("{NOT_ENOUGH}waiting for replication timed out");
    assert_eq!(answer, Err((Code::DeadlineExceeded, text)));
    assert!(has_role(&mut admin, "late"), "the change stays");
    // A refusal is one, whoever else knows the reason.
    let again = create_role(&mut root, "late").await.unwrap();
    assert_eq!(again.unwrap_err().0, 65_535);
    // What writes nothing waits for nobody.
    assert_eq!(users(&mut root).await.unwrap(), ["root"]);
    set_default(&set, doc! { "w": 1 });
    assert_eq!(create_role(&mut root, "soon").await, Ok(Ok(())));
}

/// `grpc-status` and `grpc-message` of `CreateRole` by root, who waits for `timeout` by the header alone.
async fn status_within(port: u16, role: &str, timeout: &str) -> (String, String) {
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let message = new_role(role).encode_to_vec();
    let length = u8::try_from(message.len()).unwrap();
    let frame = [&[0, 0, 0, 0, length][..], &message].concat();
    let uri = "http://localhost/milvus.proto.milvus.MilvusService/CreateRole";
    let request = hyper::Request::post(uri)
        .header("content-type", "application/grpc")
        .header("authorization", encoded("root:root's own"))
        .header("grpc-timeout", timeout)
        .body(String::from_utf8(frame).unwrap())
        .unwrap();
    let response = sender.send_request(request).await.unwrap();
    let header = |name: &str| {
        let value = response.headers().get(name).unwrap();
        value.to_str().unwrap().replace("%20", " ")
    };
    (header("grpc-status"), header("grpc-message"))
}

#[tokio::test]
async fn a_call_waits_as_long_as_it_says_and_no_longer_than_its_client() {
    let mut set = pair();
    let mut root = root_of_primary(&set).await;
    let primary = set.primary();
    let mut admin = set.admin(primary);
    let secondary = set.secondary();
    set.pause(secondary);
    // Nothing that another member could have is the reason for this.
    let refused = tokio::time::timeout(PATIENCE, create_role(&mut root, "read"));
    let (code, ..) = refused.await.unwrap().unwrap().unwrap_err();
    assert_eq!(code, 65_535);
    let port = milvus_port(set.server(primary));
    let (code, text) = status_within(port, "limited", "400m").await;
    assert_eq!(code, (Code::DeadlineExceeded as i32).to_string());
    let expected = format!("{NOT_ENOUGH}operation exceeded time limit");
    assert_eq!(text, expected);
    assert!(has_role(&mut admin, "limited"));
    // Without a limit it waits until its client leaves, and the change stays.
    let waiting = tokio::spawn(async move { create_role(&mut root, "patient").await });
    let started = Instant::now();
    while !has_role(&mut admin, "patient") {
        assert!(started.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(!waiting.is_finished());
    waiting.abort();
    set.resume(secondary);
    let mut secondary = set.admin(secondary);
    while !has_role(&mut secondary, "patient") {
        assert!(started.elapsed() < PATIENCE);
    }
}

/// pymilvus repeats UNAVAILABLE by itself, and a role that was made after all would only be in its way.
#[tokio::test]
async fn what_nobody_knows_the_end_of_is_not_to_be_repeated() {
    let set = pair_with_short_leases();
    let mut root = root_of_primary(&set).await;
    assert_eq!(create_role(&mut root, "known").await, Ok(Ok(())));
    let primary = set.primary();
    set.stall(primary);
    let answer = create_role(&mut root, "open").await;
    let text = "it is not known whether it was written: etcd did not answer".to_owned();
    assert_eq!(answer, Err((Code::DeadlineExceeded, text)));
    set.heal(primary);
}

#[tokio::test]
async fn a_member_that_is_removed_answers_no_calls() {
    let set = pair();
    let mut root = root_of_primary(&set).await;
    let secondary = set.secondary();
    let mut elsewhere = root_of(&set, secondary).await;
    assert_eq!(users(&mut elsewhere).await.unwrap(), ["root"]);
    let reply = reconfigure(&mut set.admin(set.primary()), false, |members| {
        members.retain(|member| host_of(member) != set.host(secondary));
    });
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
    set.wait_until(secondary, |hello| !hello.contains_key("setName"));
    let listed: Result<ListCredUsersResponse, _> = elsewhere
        .call("ListCredUsers", ListCredUsersRequest {})
        .await;
    assert_eq!(listed.unwrap_err().code(), Code::Unavailable);
    assert_eq!(users(&mut root).await.unwrap(), ["root"]);
}
