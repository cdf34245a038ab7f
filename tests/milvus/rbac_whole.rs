//! What a server hands out as a backup, another one takes: also what only the other face can make, and what
//! came to be by changes one after the other.

use bson::doc;
use portcullis::milvus::proto::milvus::{
    CreatePrivilegeGroupRequest, GetVersionResponse, GrantorEntity, OperatePrivilegeGroupRequest,
    OperatePrivilegeV2Request,
};

use crate::client::{Client, Server};
use crate::rbac::{backup, fill, privilege, restore, role};

#[tokio::test]
async fn names_that_only_the_other_face_gives_come_back() {
    let one = Server::start();
    let root = &mut one.root().await;
    fill(root).await;
    let mut admin = one.mongodb.admin();
    // None of these could be made by a Milvus client, and the last is not `ann`.
    for command in [
        doc! { "createRole": "svc-role", "privileges": [], "roles": [] },
        doc! { "createRole": "1", "privileges": [], "roles": [] },
        doc! { "createUser": "svc-1", "pwd": "secret", "roles": ["svc-role", "keeper"] },
        doc! { "createUser": " ann", "pwd": "another", "roles": ["1"] },
    ] {
        let reply = admin.run("milvus", command);
        assert!(reply.get_f64("ok").is_ok_and(|ok| ok > 0.5), "{reply}");
    }
    let kept = backup(root).await;
    assert_eq!((kept.users.len(), kept.roles.len()), (3, 3));

    let other = Server::start();
    let root = &mut other.root().await;
    assert_eq!(restore(root, &kept).await, Ok(()));
    assert_eq!(backup(root).await, kept);
    for (name, password) in [("svc-1", "secret"), (" ann", "another"), ("ann", "secret")] {
        let mut client = other.client_as(name, password).await;
        let version: Result<GetVersionResponse, _> = client.call("GetVersion", ()).await;
        assert!(version.is_ok(), "{name}");
    }
}

async fn grant_v2(root: &mut Client, name: &str) {
    let grant = OperatePrivilegeV2Request {
        role: Some(role("keeper", "")),
        grantor: Some(GrantorEntity {
            user: None,
            privilege: Some(privilege(name)),
        }),
        r#type: 0,
        db_name: "default".to_owned(),
        collection_name: "books".to_owned(),
    };
    root.change("OperatePrivilegeV2", grant).await.unwrap();
}

#[tokio::test]
async fn a_group_that_was_filled_after_it_was_granted_comes_back() {
    let one = Server::start();
    let root = &mut one.root().await;
    fill(root).await;
    let group_name = "late".to_owned();
    let create = CreatePrivilegeGroupRequest {
        group_name: group_name.clone(),
    };
    root.change("CreatePrivilegeGroup", create).await.unwrap();
    grant_v2(root, "late").await;
    let fill_it = OperatePrivilegeGroupRequest {
        group_name,
        privileges: vec![privilege("FlushAll")],
        r#type: 0,
    };
    root.change("OperatePrivilegeGroup", fill_it).await.unwrap();
    let kept = backup(root).await;
    assert_eq!((kept.grants.len(), kept.privilege_groups.len()), (2, 2));

    let other = Server::start();
    let root = &mut other.root().await;
    assert_eq!(restore(root, &kept).await, Ok(()));
    assert_eq!(backup(root).await, kept);
}

#[tokio::test]
async fn a_privilege_on_one_name_is_not_one_on_all_afterwards() {
    let server = Server::start();
    let root = &mut server.root().await;
    fill(root).await;
    let mut kept = backup(root).await;
    let grant = &mut kept.grants[0];
    let grantor = grant.grantor.as_mut().unwrap();
    grantor.privilege = Some(privilege("CreateCollection"));
    "books".clone_into(&mut grant.object_name);
    "shop".clone_into(&mut grant.db_name);
    let other = Server::start();
    let root = &mut other.root().await;
    assert_eq!(restore(root, &kept).await, Ok(()));
    assert_eq!(backup(root).await, kept);
}
