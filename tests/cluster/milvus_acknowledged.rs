//! Which other members have heard of what a Milvus client is told.

use std::time::{Duration, Instant};

use bson::{Document, doc};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use portcullis::milvus::proto::common::Status;
use portcullis::milvus::proto::milvus::{
    CreateCredentialRequest, CreateRoleRequest, DropRoleRequest, GetVersionResponse, RoleEntity,
    UpdateCredentialRequest,
};
use prost::Message;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::Code;

use crate::common::{done, from_any};
use crate::member_state::milvus_port;
use crate::milvus::{pair, pair_with_short_leases, root_of, root_of_primary, users};
use crate::milvus_client::{Client, Told, encoded, told};
use crate::support::replica_set::ReplicaSet;
use crate::support::{PATIENCE, RawClient};

const NOT_ENOUGH: &str =
    "the change is written, but not acknowledged by as many members as it should be: ";

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

/// `grpc-status` and `grpc-message` of `CreateRole` by root, who waits for `timeout` by the header alone;
/// `None` where a reply comes instead.
async fn status_within(port: u16, role: &str, timeout: &str) -> Option<(String, String)> {
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
        let value = response.headers().get(name)?;
        Some(value.to_str().unwrap().replace("%20", " "))
    };
    header("grpc-status").zip(header("grpc-message"))
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
    let refused = timeout(PATIENCE, create_role(&mut root, "read"));
    let (code, ..) = refused.await.unwrap().unwrap().unwrap_err();
    assert_eq!(code, 65_535);
    let port = milvus_port(set.server(primary));
    let (code, text) = status_within(port, "limited", "400m").await.unwrap();
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

/// The one that is told may look at another member next, which may not know the reason yet. That is no
/// reason to tell nothing.
#[tokio::test]
async fn a_refusal_is_heard_though_the_others_do_not_know_its_reason() {
    let mut set = pair();
    let mut root = root_of_primary(&set).await;
    let port = milvus_port(set.server(set.primary()));
    set.pause(set.secondary());
    assert!(status_within(port, "limited", "400m").await.is_some());
    let told = timeout(PATIENCE, create_role(&mut root, "limited")).await;
    let (code, error_code, _) = told.unwrap().unwrap().unwrap_err();
    assert_eq!((code, error_code), (65_535, 35));
    // Before the client gives up.
    let told = timeout(
        Duration::from_secs(10),
        status_within(port, "limited", "10S"),
    );
    assert_eq!(told.await.unwrap(), None);
}

async fn is_let_in(client: &mut Client) -> bool {
    let called: Result<GetVersionResponse, _> = client.call("GetVersion", ()).await;
    match called {
        Ok(_) => true,
        Err(status) => {
            assert_eq!(status.code(), Code::Unauthenticated);
            false
        }
    }
}

#[tokio::test]
async fn a_password_that_a_secondary_remembers_ends_there_when_it_is_changed() {
    let set = pair();
    let mut root = root_of_primary(&set).await;
    let create = CreateCredentialRequest {
        username: "ann".to_owned(),
        password: encoded("secret 0"),
        description: None,
    };
    assert_eq!(root.change("CreateCredential", create).await, Ok(()));
    let mut ann = root_of(&set, set.secondary()).await;
    for round in 1..=5 {
        let (old, new) = (format!("secret {}", round - 1), format!("secret {round}"));
        ann.sign("ann", &old);
        // The second time it is remembered.
        assert!(is_let_in(&mut ann).await);
        assert!(is_let_in(&mut ann).await);
        let update = UpdateCredentialRequest {
            username: "ann".to_owned(),
            old_password: encoded(&old),
            new_password: encoded(&new),
            description: None,
        };
        assert_eq!(root.change("UpdateCredential", update).await, Ok(()));
        assert!(!is_let_in(&mut ann).await, "round {round}");
        ann.sign("ann", &new);
        assert!(is_let_in(&mut ann).await, "round {round}");
    }
}
