//! Users, roles, grants and groups as a whole: kept by one server, brought back by another.

use bson::doc;
use portcullis::milvus::proto::milvus::{
    BackupRbacMetaRequest, BackupRbacMetaResponse, CreatePrivilegeGroupRequest, CreateRoleRequest,
    DropRoleRequest, GetVersionResponse, GrantorEntity, ListCredUsersRequest,
    ListCredUsersResponse, OperatePrivilegeGroupRequest, OperatePrivilegeV2Request,
    OperateUserRoleRequest, PrivilegeEntity, RbacMeta, RestoreRbacMetaRequest, RoleEntity,
};
use tokio::io::AsyncWriteExt;
use tonic::Code;

use crate::client::{Client, ROOT_PASSWORD, Server, Told, create_user, told};
use crate::strangers::{client_on, connect};

pub(crate) fn role(name: &str, description: &str) -> RoleEntity {
    RoleEntity {
        name: name.to_owned(),
        description: description.to_owned(),
    }
}

pub(crate) fn privilege(name: &str) -> PrivilegeEntity {
    PrivilegeEntity {
        name: name.to_owned(),
    }
}

/// `ann`, who may list users by a role that has a group.
pub(crate) async fn fill(root: &mut Client) {
    create_user(root, "ann", "secret").await.unwrap();
    let entity = Some(role("keeper", "keeps it tidy"));
    root.change("CreateRole", CreateRoleRequest { entity })
        .await
        .unwrap();
    let group_name = "lookers".to_owned();
    let create = CreatePrivilegeGroupRequest {
        group_name: group_name.clone(),
    };
    root.change("CreatePrivilegeGroup", create).await.unwrap();
    let operate = OperatePrivilegeGroupRequest {
        group_name,
        privileges: vec![privilege("SelectOwnership")],
        r#type: 0,
    };
    root.change("OperatePrivilegeGroup", operate).await.unwrap();
    let grant = OperatePrivilegeV2Request {
        role: Some(role("keeper", "")),
        grantor: Some(GrantorEntity {
            user: None,
            privilege: Some(privilege("lookers")),
        }),
        r#type: 0,
        db_name: "*".to_owned(),
        collection_name: "*".to_owned(),
    };
    root.change("OperatePrivilegeV2", grant).await.unwrap();
    for name in ["keeper", "public"] {
        let bind = OperateUserRoleRequest {
            username: "ann".to_owned(),
            role_name: name.to_owned(),
            r#type: 0,
        };
        root.change("OperateUserRole", bind).await.unwrap();
    }
}

/// The password of the first user at another cost than the one set.
fn costing(meta: &RbacMeta, cost: &str) -> String {
    let changed = meta.users[0].password.replace("m=19456,t=2,", cost);
    assert_ne!(changed, meta.users[0].password);
    changed
}

pub(crate) async fn backup(root: &mut Client) -> RbacMeta {
    let reply: BackupRbacMetaResponse = root
        .call("BackupRBAC", BackupRbacMetaRequest {})
        .await
        .unwrap();
    told(reply.status).unwrap();
    reply.rbac_meta.unwrap()
}

pub(crate) async fn restore(root: &mut Client, meta: &RbacMeta) -> Told {
    let rbac_meta = Some(meta.clone());
    root.change("RestoreRBAC", RestoreRbacMetaRequest { rbac_meta })
        .await
}

#[tokio::test]
async fn what_one_server_kept_another_brings_back() {
    let one = Server::start();
    let root = &mut one.root().await;
    fill(root).await;
    let kept = backup(root).await;
    assert_eq!(kept.users.len(), 1);
    assert!(kept.users[0].password.starts_with("$argon2id$"));
    assert_eq!(kept.roles, [role("keeper", "keeps it tidy")]);
    assert_eq!((kept.grants.len(), kept.privilege_groups.len()), (1, 1));

    let other = Server::start();
    let root = &mut other.root().await;
    assert_eq!(restore(root, &kept).await, Ok(()));
    assert_eq!(backup(root).await, kept);
    let mut ann = other.client_as("ann", "secret").await;
    let users: ListCredUsersResponse = ann
        .call("ListCredUsers", ListCredUsersRequest {})
        .await
        .unwrap();
    assert_eq!(users.usernames, ["ann", "root"]);
}

#[tokio::test]
async fn what_cannot_come_back_whole_does_not_come_back() {
    let one = Server::start();
    let root = &mut one.root().await;
    fill(root).await;
    let kept = backup(root).await;
    let refused = |reason: &str| {
        Err((
            65535,
            41,
            format!("failed to check if rbac restorable: {reason}"),
        ))
    };
    assert_eq!(
        restore(root, &kept).await,
        refused("role [keeper] already exists")
    );
    // All of nothing.
    assert_eq!(restore(root, &RbacMeta::default()).await, Ok(()));
    let without = |spoil: fn(&mut RbacMeta)| {
        let mut meta = kept.clone();
        spoil(&mut meta);
        meta
    };
    let other = Server::start();
    let root = &mut other.root().await;
    for (meta, reason) in [
        (
            without(|it| it.roles.clear()),
            "role [keeper] does not exist",
        ),
        (
            without(|it| it.privilege_groups.clear()),
            "privilege [lookers] does not exist",
        ),
        (
            without(|it| it.users.push(it.users[0].clone())),
            "user [ann] already exists",
        ),
        (
            without(|it| it.privilege_groups.push(it.privilege_groups[0].clone())),
            "privilege group [lookers] already exists",
        ),
        (
            without(|it| it.grants[0].object = None),
            "object type [] does not exist",
        ),
        // Roles of MongoDB are not for Milvus clients to hand out.
        (
            without(|it| it.users[0].roles = vec![role("userAdmin", "")]),
            "role [userAdmin] does not exist",
        ),
        (
            without(|it| {
                it.roles.push(role("userAdmin", ""));
                it.users[0].roles = vec![role("userAdmin", "")];
            }),
            "role [userAdmin] already exists",
        ),
        (
            without(|it| it.users[0].password = costing(it, "m=19457,t=1,")),
            "password of user [ann]: its cost is beyond the limits",
        ),
        (
            without(|it| it.users[0].password = costing(it, "m=19456,t=3,")),
            "password of user [ann]: its cost is beyond the limits",
        ),
        (
            without(|it| it.users[0].password = costing(it, "m=7167,t=2,")),
            "password of user [ann]: its cost is beyond the limits",
        ),
        // Milvus always has it.
        (
            without(|it| it.users[0].user = "root".to_owned()),
            "user [root] already exists",
        ),
        // What no call could grant or revoke.
        (
            without(|it| it.grants[0].object.as_mut().unwrap().name = "User".to_owned()),
            "privilege [lookers] is none of object type [User]",
        ),
        (
            without(|it| {
                it.grants[0].grantor.as_mut().unwrap().privilege = Some(privilege("Query"));
            }),
            "privilege [Query] is none of object type [Global]",
        ),
        (
            without(|it| it.privilege_groups[0].privileges = vec![privilege("Query"); 100_001]),
            "more than 100000 privileges of groups",
        ),
    ] {
        assert_eq!(restore(root, &meta).await, refused(reason));
        assert_eq!(backup(root).await, RbacMeta::default());
    }
    // Whoever and whatever has no name.
    for spoil in [
        (|it| it.grants[0].object_name = String::new()) as fn(&mut RbacMeta),
        |it| it.users[0].user = String::new(),
        |it| it.users[0].roles.push(role("", "")),
        |it| it.roles.push(role("", "")),
        |it| it.grants[0].role = None,
    ] {
        assert_eq!(restore(root, &without(spoil)).await.unwrap_err().0, 1100);
        assert_eq!(backup(root).await, RbacMeta::default());
    }
    let bcrypt = without(|it| it.users[0].password = "$2a$04$abcdefghijklmnopqrstuv".to_owned());
    let (_, _, reason) = restore(root, &bcrypt).await.unwrap_err();
    assert!(reason.contains("password of user [ann]"), "{reason}");
    let drop = DropRoleRequest {
        role_name: "keeper".to_owned(),
        force_drop: true,
    };
    assert!(root.change("DropRole", drop).await.is_err());
}

/// A set may be without it for a while, and then whoever may restore users is not to make one.
#[tokio::test]
async fn root_is_not_brought_along_where_there_is_none() {
    let one = Server::start();
    let root = &mut one.root().await;
    fill(root).await;
    let mut kept = backup(root).await;
    kept.users[0].user = "root".to_owned();
    let other = Server::start();
    let grant = doc! { "createUser": "ben", "pwd": "secret", "roles": ["admin"] };
    let mut admin = other.mongodb.admin();
    for command in [grant, doc! { "dropUser": "root" }] {
        let reply = admin.run("milvus", command);
        assert!(reply.get_f64("ok").is_ok_and(|ok| ok > 0.5), "{reply}");
    }
    let ben = &mut other.client_as("ben", "secret").await;
    let exists = "failed to check if rbac restorable: user [root] already exists";
    let refused = Err((65535, 41, exists.to_owned()));
    assert_eq!(restore(ben, &kept).await, refused);
    assert_eq!(backup(ben).await.users.len(), 1);
    assert!(
        admin
            .run("milvus", doc! { "usersInfo": "root" })
            .get_array("users")
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_long_backup_is_read_only_for_who_may() {
    let server = Server::start_with(&["--milvus.maxUserNum=3000"]);
    let root = &mut server.root().await;
    fill(root).await;
    let mut kept = backup(root).await;
    let pattern = kept.users[0].clone();
    kept.users = (0..2000)
        .map(|number| {
            let mut user = pattern.clone();
            user.user = format!("user{number}");
            user
        })
        .collect();
    kept.roles.clear();
    kept.privilege_groups.clear();
    let message = RestoreRbacMetaRequest {
        rbac_meta: Some(kept),
    };
    assert!(prost::Message::encoded_len(&message) > 256 * 1024);
    let mut ann = server.client_as("ann", "secret").await;
    let denied: Result<portcullis::milvus::proto::common::Status, _> =
        ann.call("RestoreRBAC", message.clone()).await;
    assert_eq!(denied.unwrap_err().code(), Code::PermissionDenied);
    root.change("RestoreRBAC", message).await.unwrap();
    let mut last = server.client_as("user1999", "secret").await;
    let version: Result<GetVersionResponse, _> = last.call("GetVersion", ()).await;
    assert!(version.is_ok());
}

/// A PROXY header of version 2 that says the client is 192.0.2.7.
const ELSEWHERE: &[u8; 28] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\xc3\x50\x69\x89";

/// Root of another machine.
async fn root_elsewhere(server: &Server) -> Client {
    let mut connection = connect(server).await;
    connection.write_all(ELSEWHERE).await.unwrap();
    let (mut client, _) = client_on(connection).await;
    client.sign("root", ROOT_PASSWORD);
    client
}

#[tokio::test]
async fn hashes_do_not_travel_where_others_can_read_them() {
    let proxied = ["--proxyProtocolTrustedPeers=127.0.0.2"];
    let server = Server::start_with(&proxied);
    let near = &mut server.root().await;
    fill(near).await;
    let kept = backup(near).await;
    let far = &mut root_elsewhere(&server).await;
    let refused = |method: &str| {
        let text = format!(
            "{method} holds hashes of passwords and needs a TLS connection, or a client on the same \
             machine: privilege not permitted"
        );
        Err((1401, 1, text))
    };
    let reply: BackupRbacMetaResponse = far
        .call("BackupRBAC", BackupRbacMetaRequest {})
        .await
        .unwrap();
    assert_eq!(told(reply.status), refused("BackupRBAC"));
    assert_eq!(reply.rbac_meta, None);
    assert_eq!(restore(far, &kept).await, refused("RestoreRBAC"));

    let allowed = ["--setParameter", "allowBackupWithoutTLS=true"];
    let server = Server::start_with(&[&proxied[..], &allowed].concat());
    let far = &mut root_elsewhere(&server).await;
    assert_eq!(restore(far, &kept).await, Ok(()));
    assert_eq!(backup(far).await, kept);
}

#[tokio::test]
async fn who_may_not_come_from_everywhere_is_not_kept() {
    let server = Server::start();
    let root = &mut server.root().await;
    fill(root).await;
    let restricted = doc! {
        "updateUser": "ann",
        "authenticationRestrictions": [{ "clientSource": ["10.0.0.0/8"] }],
    };
    let reply = server.mongodb.admin().run("milvus", restricted);
    assert!(reply.get_f64("ok").is_ok_and(|ok| ok > 0.5), "{reply}");
    let kept = backup(root).await;
    assert_eq!((kept.users.len(), kept.roles.len()), (0, 1));
}

#[tokio::test]
async fn who_may_not_come_from_everywhere_by_a_role_is_not_kept_either() {
    let server = Server::start();
    let root = &mut server.root().await;
    fill(root).await;
    let restricted = doc! {
        "updateRole": "keeper",
        "authenticationRestrictions": [{ "clientSource": ["10.0.0.0/8"] }],
    };
    let reply = server.mongodb.admin().run("milvus", restricted);
    assert!(reply.get_f64("ok").is_ok_and(|ok| ok > 0.5), "{reply}");
    assert_eq!(backup(root).await.users.len(), 0);
}

#[tokio::test]
async fn more_than_there_may_be_is_refused_before_it_is_looked_at() {
    let limits = ["--milvus.maxUserNum=3", "--milvus.maxRoleNum=3"];
    let server = Server::start_with(&limits);
    let root = &mut server.root().await;
    fill(root).await;
    let kept = backup(root).await;
    let refused = |what: &str| {
        let text = format!("failed to check if rbac restorable: {what} has reached the limit");
        Err((65535, 41, text))
    };
    // Nobody can have these names, which would be said otherwise.
    let mut meta = kept.clone();
    meta.roles = vec![role("", ""); 4];
    let roles = "the number of roles on milvus";
    assert_eq!(restore(root, &meta).await, refused(roles));
    let mut meta = kept.clone();
    meta.users[0].user = String::new();
    meta.users = vec![meta.users[0].clone(); 4];
    let users = "the number of users on milvus";
    assert_eq!(restore(root, &meta).await, refused(users));
    let mut meta = kept;
    meta.privilege_groups[0].group_name = "1".to_owned();
    meta.privilege_groups = vec![meta.privilege_groups[0].clone(); 1_001];
    let groups = "unable to create privilege group because the number of groups";
    assert_eq!(restore(root, &meta).await, refused(groups));
}
