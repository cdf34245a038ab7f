//! Milvus clients at the members of a replica set.

use std::time::Instant;

use bson::doc;
use portcullis::milvus::proto::common::Status;
use portcullis::milvus::proto::milvus::{
    CreateCredentialRequest, GrantEntity, GrantorEntity, ListCredUsersRequest,
    ListCredUsersResponse, ObjectEntity, OperatePrivilegeRequest, OperateUserRoleRequest,
    PrivilegeEntity, RoleEntity, UpdateCredentialRequest,
};
use tonic::Code;

use crate::common::{done, from_any, host_of, names, reconfigure};
use crate::member_state::milvus_port;
use crate::milvus_client::{Client, encoded};
use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions, SHORT_LEASE_TTL_SECS};
use crate::support::{PATIENCE, waiting};

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

/// Before it looks at names and passwords, and so before it hashes any.
fn grant_of(role: &str) -> GrantEntity {
    GrantEntity {
        role: Some(RoleEntity {
            name: role.to_owned(),
            description: String::new(),
        }),
        object: Some(ObjectEntity {
            name: "Collection".to_owned(),
        }),
        object_name: "*".to_owned(),
        grantor: Some(GrantorEntity {
            user: None,
            privilege: Some(PrivilegeEntity {
                name: "Query".to_owned(),
            }),
        }),
        db_name: String::new(),
    }
}

#[tokio::test]
async fn a_secondary_refuses_changes_before_anything_else() {
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
    // It may be there soon.
    let bind = OperateUserRoleRequest {
        username: "root".to_owned(),
        role_name: "nowhere".to_owned(),
        r#type: 0,
    };
    let grant = OperatePrivilegeRequest {
        entity: Some(grant_of("nowhere")),
        ..OperatePrivilegeRequest::default()
    };
    for (node, is_primary) in [(set.primary(), true), (set.secondary(), false)] {
        let mut root = root_of(&set, node).await;
        let started = Instant::now();
        while users(&mut root).await.is_none() {
            assert!(started.elapsed() < PATIENCE, "node {node} has no root");
        }
        let created: Result<Status, _> = root.call("CreateCredential", create.clone()).await;
        let updated: Result<Status, _> = root.call("UpdateCredential", update.clone()).await;
        let bound: Result<Status, _> = root.call("OperateUserRole", bind.clone()).await;
        let granted: Result<Status, _> = root.call("OperatePrivilege", grant.clone()).await;
        for (answer, refusal) in [
            (created, 65535),
            (updated, 1400),
            (bound, 65535),
            (granted, 65535),
        ] {
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

pub(crate) fn pair_options() -> ReplicaSetOptions {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nor_calls_that_waited_while_it_was_removed() {
    // Longer than it takes to be removed.
    let parameters = [
        "failedSignInLimitsOnLoopback=true",
        "failedSignInsPerUserFree=1",
        "failedSignInsPerAddressFree=0",
        "failedSignInDelayMs=20000",
        "failedSignInDelayMaxMs=20000",
    ];
    let mut options = pair_options();
    let parameters = parameters.map(|set| format!("--setParameter={set}"));
    options.arguments.extend(parameters);
    let set = ReplicaSet::start(&options);
    root_of_primary(&set).await;
    let secondary = set.secondary();
    let mut root = root_of(&set, secondary).await;
    root.sign("root", "wrong");
    assert_eq!(users(&mut root).await, None);
    let mut admin = set.admin(secondary);
    let mut delayed = || {
        let status = done(&mut admin, "admin", from_any(doc! { "serverStatus": 1 }));
        let own = status.get_document("portcullis").unwrap();
        own.get_document("signIns").unwrap().get_i64("delayed")
    };
    let before = delayed().unwrap();
    root.sign("root", "root's own");
    let call = tokio::spawn(async move {
        let listed: Result<ListCredUsersResponse, _> =
            root.call("ListCredUsers", ListCredUsersRequest {}).await;
        listed.map_err(|status| status.code())
    });
    waiting::until("the call waits", || delayed().unwrap() == before + 1);
    let reply = reconfigure(&mut set.admin(set.primary()), false, |members| {
        members.retain(|member| host_of(member) != set.host(secondary));
    });
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
    set.wait_until(secondary, |hello| !hello.contains_key("setName"));
    assert!(!call.is_finished(), "too late");
    assert_eq!(call.await.unwrap(), Err(Code::Unavailable));
}
