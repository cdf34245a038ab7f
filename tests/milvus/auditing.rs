//! The audit log: nothing that this face changes goes without its event.

use std::os::unix::fs::symlink;
use std::sync::Arc;
use std::time::Instant;

use portcullis::milvus::proto::common;
use portcullis::milvus::proto::milvus::{
    CreateCredentialRequest, CreateRoleRequest, DeleteCredentialRequest, DropRoleRequest,
    GetVersionResponse, GrantorEntity, ListCredUsersRequest, ListCredUsersResponse,
    OperatePrivilegeV2Request, OperateUserRoleRequest, PrivilegeEntity, RestoreRbacMetaRequest,
    RoleEntity, UpdateCredentialRequest,
};
use serde_json::{Value, json};
use tonic::Code;

use crate::audit_log::{AuditLog, StrangerLines, essence, of_type};
use crate::client::{Client, ROOT_PASSWORD, Server, encoded};
use crate::support::Options;

const NO_SPACE: &str = "no space left for the audit log, so nothing was done";
/// Every call under this name is refused by the checks of Milvus.
const FORBIDDEN: i32 = 1401;

fn audited(log: &AuditLog) -> Options {
    log.options_with(Server::options())
}

fn new_user(name: &str) -> CreateCredentialRequest {
    CreateCredentialRequest {
        username: name.to_owned(),
        password: encoded("ann's secret"),
        description: None,
    }
}

fn update(old: &str, new: &str) -> UpdateCredentialRequest {
    UpdateCredentialRequest {
        username: "ann".to_owned(),
        old_password: encoded(old),
        new_password: encoded(new),
        description: None,
    }
}

fn bind(role: &str, operation: i32) -> OperateUserRoleRequest {
    OperateUserRoleRequest {
        username: "ann".to_owned(),
        role_name: role.to_owned(),
        r#type: operation,
    }
}

fn grant(role: &str, operation: i32) -> OperatePrivilegeV2Request {
    OperatePrivilegeV2Request {
        role: Some(named(role)),
        grantor: Some(GrantorEntity {
            user: None,
            privilege: Some(PrivilegeEntity {
                name: "Insert".to_owned(),
            }),
        }),
        r#type: operation,
        db_name: "shop".to_owned(),
        collection_name: "books".to_owned(),
    }
}

fn named(role: &str) -> RoleEntity {
    RoleEntity {
        name: role.to_owned(),
        description: String::new(),
    }
}

/// An event of root, or of nobody with an empty `by`.
fn event(by: &str, atype: &str, param: &Value, result: i32) -> Value {
    let users = match by {
        "" => json!([]),
        by => json!([{ "user": by, "db": "milvus" }]),
    };
    json!({ "atype": atype, "users": users, "roles": [], "param": param, "result": result })
}

fn sign_in(user: &str) -> Value {
    json!({ "user": user, "db": "milvus", "mechanism": "MILVUS" })
}

async fn users(client: &mut Client) -> Result<Vec<String>, Code> {
    let listed: Result<ListCredUsersResponse, _> =
        client.call("ListCredUsers", ListCredUsersRequest {}).await;
    listed
        .map(|listed| listed.usernames)
        .map_err(|status| status.code())
}

#[tokio::test]
async fn what_is_there_from_the_start_is_audited() {
    let log = AuditLog::new("JSON");
    let _server = Server::of(audited(&log));
    let events = log.events();
    let created = of_type(&events, "createRole");
    let subjects: Vec<_> = created
        .iter()
        .map(|it| (&it["param"]["role"], &it["result"]))
        .collect();
    assert_eq!(
        subjects,
        [(&json!("admin"), &json!(0)), (&json!("public"), &json!(0))]
    );
    let granted = created[1]["param"]["milvusGrants"].as_array().unwrap();
    assert_eq!(granted.len(), 3);
    let root = essence(of_type(&events, "createUser")[0]);
    assert_eq!(root["param"], json!({ "user": "root", "db": "milvus" }));
    assert_eq!(
        root["users"],
        json!([{ "user": "__system", "db": "local" }])
    );
}

#[tokio::test]
async fn every_change_is_in_the_file_when_it_is_answered() {
    let mut log = AuditLog::new("JSON");
    let server = Server::of(audited(&log));
    let mut root = server.root().await;
    assert_eq!(users(&mut root).await.unwrap(), ["root"]);
    let newest = essence(log.new_events().last().unwrap());
    assert_eq!(newest, event("root", "authenticate", &sign_in("root"), 0));

    let ann = json!({ "user": "ann", "db": "milvus" });
    let with = |subject: &Value, name: &str, value: Value| {
        let mut param = subject.clone();
        param[name] = value;
        param
    };
    let reader = json!({ "role": "reader", "db": "milvus" });
    let grants = with(
        &reader,
        "milvusGrants",
        json!([{
            "object": "Collection", "objectName": "books", "db": "shop",
            "privilege": "Insert", "grantor": "root",
        }]),
    );
    let changed = with(&ann, "passwordChanged", json!(true));
    let role_of = |role: &str| with(&ann, "roles", json!([{ "role": role, "db": "milvus" }]));
    let drop_user = |name: &str| DeleteCredentialRequest {
        username: name.to_owned(),
    };
    let drop_role = |name: &str| DropRoleRequest {
        role_name: name.to_owned(),
        force_drop: false,
    };
    let create_role = |name: &str| CreateRoleRequest {
        entity: Some(named(name)),
    };
    let of_role = |role: &str| json!({ "role": role, "db": "milvus" });
    let missing = with(
        &of_role("none"),
        "milvusGrants",
        grants["milvusGrants"].clone(),
    );

    macro_rules! calls {
        ($($method:literal, $message:expr => $told:expr, $atype:literal, $param:expr, $result:expr;)*) => {
            $(
                let answer = root.change($method, $message).await;
                assert_eq!(answer.map_err(|refusal| refusal.0), $told, $method);
                assert_eq!(log.new_event(), event("root", $atype, &$param, $result), $method);
            )*
        };
    }
    calls! {
        "CreateCredential", new_user("ann") => Ok(()), "createUser", ann, 0;
        "CreateCredential", new_user("ann") => Err(65_535), "createUser", ann, 51_003;
        "UpdateCredential", update("ann's secret", "ann's other") => Ok(()),
            "updateUser", changed, 0;
        "UpdateCredential", update("wrong", "ann's third") => Err(1400),
            "updateUser", changed, 18;
        "CreateRole", create_role("reader") => Ok(()), "createRole", reader, 0;
        "CreateRole", create_role("reader") => Err(65_535), "createRole", reader, 51_002;
        "CreateRole", create_role("read") => Err(65_535), "createRole", of_role("read"), 2;
        "OperateUserRole", bind("reader", 0) => Ok(()), "grantRolesToUser", role_of("reader"), 0;
        "OperateUserRole", bind("none", 0) => Err(65_535), "grantRolesToUser", role_of("none"), 31;
        "OperateUserRole", bind("reader", 1) => Ok(()), "revokeRolesFromUser", role_of("reader"), 0;
        "OperatePrivilegeV2", grant("reader", 0) => Ok(()),
            "grantPrivilegesToRole", grants, 0;
        "OperatePrivilegeV2", grant("none", 0) => Err(65_535),
            "grantPrivilegesToRole", missing, 31;
        "DropRole", drop_role("reader") => Err(65_535), "dropRole", reader, 2;
        "OperatePrivilegeV2", grant("reader", 1) => Ok(()),
            "revokePrivilegesFromRole", grants, 0;
        "DropRole", drop_role("reader") => Ok(()), "dropRole", reader, 0;
        "DropRole", drop_role("public") => Err(FORBIDDEN), "dropRole", of_role("public"), 2;
        "DeleteCredential", drop_user("ann") => Ok(()), "dropUser", ann, 0;
        "DeleteCredential", drop_user("ann") => Ok(()), "dropUser", ann, 11;
        "DeleteCredential", drop_user("root") => Err(FORBIDDEN),
            "dropUser", json!({ "user": "root", "db": "milvus" }), 2;
    }
    let text = log.text();
    for secret in ["secret", "ann's", ROOT_PASSWORD, "wrong"] {
        assert!(
            !text.contains(secret) && !text.contains(&encoded(secret)),
            "{secret}"
        );
    }
}

#[tokio::test]
async fn who_is_refused_is_audited() {
    let mut log = AuditLog::new("JSON");
    let server = Server::of(audited(&log));
    let mut root = server.root().await;
    root.change("CreateCredential", new_user("ann"))
        .await
        .unwrap();
    log.new_events();
    for (user, password) in [("ann", "wrong"), ("nobody", "secret")] {
        let mut client = server.client_as(user, password).await;
        assert_eq!(users(&mut client).await, Err(Code::Unauthenticated));
        let expected = event("", "authenticate", &sign_in(user), 18);
        assert_eq!(log.new_event(), expected);
    }
    let mut nobody = server.client().await;
    assert_eq!(users(&mut nobody).await, Err(Code::Unauthenticated));
    let expected = event("", "authenticate", &sign_in(""), 18);
    assert_eq!(log.new_event(), expected);

    let mut ann = server.client_as("ann", "ann's secret").await;
    assert_eq!(users(&mut ann).await, Err(Code::PermissionDenied));
    let events = log.new_events();
    assert_eq!(events.len(), 2, "{events:#?}");
    let expected = event("ann", "authenticate", &sign_in("ann"), 0);
    assert_eq!(essence(&events[0]), expected);
    let param = |command: &str, object: &str, privilege: &str| {
        let need = json!({
            "object": object, "objectName": "*", "db": "default", "privilege": privilege,
        });
        json!({ "command": command, "ns": "milvus", "args": { "milvusNeed": need } })
    };
    let needed = param("ListCredUsers", "Global", "SelectOwnership");
    assert_eq!(essence(&events[1]), event("ann", "authCheck", &needed, 13));
    // Once for each connection; and also what is not served is refused.
    let refused: Result<common::Status, _> = ann.call("CreateCollection", ()).await;
    assert_eq!(refused.unwrap_err().code(), Code::PermissionDenied);
    let needed = param("CreateCollection", "Global", "CreateCollection");
    assert_eq!(log.new_event(), event("ann", "authCheck", &needed, 13));
    // Another one may come by the same connection.
    assert!(users(&mut root).await.is_ok());
    assert_eq!(log.new_events().len(), 0);
}

#[tokio::test]
async fn allowed_calls_are_audited_if_that_is_wanted() {
    let mut log = AuditLog::new("JSON");
    let options = audited(&log).argument("--setParameter=auditAuthorizationSuccess=true");
    let server = Server::of(options);
    let mut root = server.root().await;
    let _: GetVersionResponse = root.call("GetVersion", ()).await.unwrap();
    let events = log.new_events();
    let allowed = essence(events.last().unwrap());
    let param = json!({ "command": "GetVersion", "ns": "milvus", "args": {} });
    assert_eq!(allowed, event("root", "authCheck", &param, 0));
    // One whose caller is asked for before the message is read.
    let restore = RestoreRbacMetaRequest::default();
    assert_eq!(root.change("RestoreRBAC", restore).await, Ok(()));
    assert_eq!(of_type(&log.new_events(), "authCheck").len(), 1);
}

/// With the data of `folder`, into a log that cannot be written.
fn full(log: &AuditLog, folder: &Arc<tempfile::TempDir>, argument: &str) -> Server {
    let _ = std::fs::remove_file(log.path());
    symlink("/dev/full", log.path()).unwrap();
    let options = Options::in_folder(Arc::clone(folder)).argument(argument);
    Server::without_admin(log.options_with(Server::face(options)))
}

#[tokio::test]
async fn a_full_disk_refuses_changes_and_lets_nobody_in() {
    let server = Server::start();
    let folder = server.mongodb.kill();
    let log = AuditLog::new("JSON");
    let server = full(&log, &folder, "--auth");
    let mut root = server.root().await;
    for _ in 0..2 {
        let refused: Result<common::Status, _> =
            root.call("CreateCredential", new_user("ann")).await;
        let refused = refused.unwrap_err();
        // A status that pymilvus does not repeat.
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert_eq!(refused.message(), NO_SPACE);
    }
    drop(server);

    let server = full(&log, &folder, "--noauth");
    let mut client = server.client().await;
    let create = client.change("CreateCredential", new_user("ann")).await;
    assert_eq!(create, Err((65_535, 29, NO_SPACE.to_owned())));
    // What is refused anyway is not told either, while that cannot be audited.
    let message = DropRoleRequest {
        role_name: "public".to_owned(),
        force_drop: true,
    };
    let drop: Result<common::Status, _> = client.call("DropRole", message).await;
    assert_eq!(drop.unwrap_err().message(), NO_SPACE);
    assert_eq!(users(&mut client).await.unwrap(), ["root"]);

    // With room again everything works, without a restart.
    std::fs::remove_file(log.path()).unwrap();
    client
        .change("CreateCredential", new_user("ann"))
        .await
        .unwrap();
    assert_eq!(users(&mut client).await.unwrap(), ["ann", "root"]);
    assert_eq!(of_type(&log.events(), "createUser").len(), 1);
}

#[tokio::test]
async fn strangers_do_not_fill_the_logs_without_end() {
    const CALLS: usize = 1_000;
    let log = AuditLog::new("JSON");
    let options = audited(&log).argument("--setParameter=failedSignInLimitsOnLoopback=true");
    let server = Server::of(options);
    let mut nobody = server.client().await;
    // Nobody is called so, so there is nothing to hash.
    let name = format!("\0{}", "x".repeat(6_000));
    nobody.sign(&name, "secret");
    let begun = Instant::now();
    for call in 0..CALLS {
        if call == CALLS / 2 {
            nobody.authorization = None;
        }
        assert_eq!(users(&mut nobody).await, Err(Code::Unauthenticated));
    }
    let bounds = StrangerLines::after(begun.elapsed());
    let events = log.events();
    let sign_ins = of_type(&events, "authenticate");
    let refused: Vec<_> = sign_ins.iter().filter(|it| it["result"] == 18).collect();
    assert!(refused[0].to_string().len() < 2_048, "{}", refused[0]);
    // A guess is written about all the same.
    nobody.sign("root", "a wrong password");
    assert_eq!(users(&mut nobody).await, Err(Code::Unauthenticated));
    let guess = log.events().pop().unwrap();
    assert_eq!(essence(&guess)["param"]["user"], "root", "{guess}");
    // Who is somebody is written about all the same.
    let mut root = server.root().await;
    assert!(users(&mut root).await.is_ok());
    let newest = log.events().pop().unwrap();
    assert_eq!(essence(&newest)["result"], 0);
    // It has all of its log out when it has ended; the last line is about the guess.
    let (_, logs) = server.mongodb.stop();
    let lines = logs.matches("Failed to authenticate").count();
    bounds.check(refused.len() + lines - 1, &logs);
}
