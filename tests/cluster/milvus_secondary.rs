//! Changes by Milvus clients at a member that does not write.

use std::time::Instant;

use portcullis::milvus::proto::common::Status;
use portcullis::milvus::proto::milvus::{
    AlterRoleRequest, CreateCredentialRequest, CreatePrivilegeGroupRequest, CreateRoleRequest,
    DeleteCredentialRequest, DropPrivilegeGroupRequest, DropRoleRequest, GrantEntity,
    GrantorEntity, ObjectEntity, OperatePrivilegeGroupRequest, OperatePrivilegeRequest,
    OperatePrivilegeV2Request, OperateUserRoleRequest, PrivilegeEntity, RbacMeta,
    RestoreRbacMetaRequest, RoleEntity, UpdateCredentialRequest,
};
use prost::Message;
use tonic::Code;

use crate::milvus::{pair, root_of, users};
use crate::milvus_client::{Client, encoded};
use crate::support::PATIENCE;

fn role(name: &str) -> RoleEntity {
    RoleEntity {
        name: name.to_owned(),
        description: String::new(),
    }
}

fn grantor() -> GrantorEntity {
    GrantorEntity {
        user: None,
        privilege: Some(PrivilegeEntity {
            name: "Query".to_owned(),
        }),
    }
}

/// The code of its answer, or the status instead of one.
async fn code<Q: Message + 'static>(
    root: &mut Client,
    method: &str,
    message: Q,
) -> Result<i32, (Code, String)> {
    let answer: Result<Status, _> = root.call(method, message).await;
    let answer = answer.map(|status| status.code);
    answer.map_err(|status| (status.code(), status.message().to_owned()))
}

/// What each change is answered that changes nothing, and the code of Milvus for it.
async fn changes(root: &mut Client) -> Vec<(&'static str, i32, Result<i32, (Code, String)>)> {
    let nowhere = "nowhere".to_owned();
    let entity = GrantEntity {
        role: Some(role("nowhere")),
        object: Some(ObjectEntity {
            name: "Collection".to_owned(),
        }),
        object_name: "*".to_owned(),
        grantor: Some(grantor()),
        db_name: String::new(),
    };
    let mut answers = Vec::new();
    macro_rules! call {
        ($method:literal, $code:literal, $message:ident { $($field:tt)* }) => {
            let message = $message { $($field)* };
            answers.push(($method, $code, code(root, $method, message).await));
        };
    }
    call!(
        "AlterRole",
        1401,
        AlterRoleRequest {
            role_name: "admin".to_owned(),
            ..AlterRoleRequest::default()
        }
    );
    call!(
        "CreateCredential",
        65535,
        CreateCredentialRequest {
            username: "root".to_owned(),
            password: encoded("another"),
            description: None,
        }
    );
    call!(
        "CreatePrivilegeGroup",
        1402,
        CreatePrivilegeGroupRequest {
            group_name: "1".to_owned(),
        }
    );
    call!(
        "CreateRole",
        65535,
        CreateRoleRequest {
            entity: Some(role("read")),
        }
    );
    // Who is not there is gone already, as far as this member knows.
    call!(
        "DeleteCredential",
        0,
        DeleteCredentialRequest {
            username: nowhere.clone(),
        }
    );
    call!(
        "DropPrivilegeGroup",
        1402,
        DropPrivilegeGroupRequest {
            group_name: "1".to_owned(),
        }
    );
    call!(
        "DropRole",
        1401,
        DropRoleRequest {
            role_name: "admin".to_owned(),
            force_drop: true,
        }
    );
    call!(
        "OperatePrivilege",
        65535,
        OperatePrivilegeRequest {
            entity: Some(entity),
            ..OperatePrivilegeRequest::default()
        }
    );
    call!(
        "OperatePrivilegeGroup",
        1402,
        OperatePrivilegeGroupRequest {
            group_name: "1".to_owned(),
            ..OperatePrivilegeGroupRequest::default()
        }
    );
    // Roles and users may be there soon.
    call!(
        "OperatePrivilegeV2",
        65535,
        OperatePrivilegeV2Request {
            role: Some(role("nowhere")),
            grantor: Some(grantor()),
            collection_name: "*".to_owned(),
            ..OperatePrivilegeV2Request::default()
        }
    );
    call!(
        "OperateUserRole",
        65535,
        OperateUserRoleRequest {
            username: "root".to_owned(),
            role_name: nowhere,
            r#type: 0,
        }
    );
    call!(
        "RestoreRBAC",
        65535,
        RestoreRbacMetaRequest {
            rbac_meta: Some(RbacMeta {
                roles: vec![role("admin")],
                ..RbacMeta::default()
            }),
        }
    );
    call!(
        "UpdateCredential",
        1400,
        UpdateCredentialRequest {
            username: "root".to_owned(),
            old_password: encoded("wrong"),
            new_password: encoded("another"),
            description: None,
        }
    );
    answers
}

/// Before it looks at names and passwords, and so before it hashes any; and before it looks at what it has
/// seen of users, roles and groups, which may be old.
#[tokio::test]
async fn a_secondary_refuses_changes_before_anything_else() {
    let set = pair();
    for (node, is_primary) in [(set.primary(), true), (set.secondary(), false)] {
        let mut root = root_of(&set, node).await;
        let started = Instant::now();
        while users(&mut root).await.is_none() {
            assert!(started.elapsed() < PATIENCE, "node {node} has no root");
        }
        for (method, code, answer) in changes(&mut root).await {
            let elsewhere = Err((Code::Unavailable, "not primary".to_owned()));
            let expected = if is_primary { Ok(code) } else { elsewhere };
            assert_eq!(answer, expected, "{method}");
        }
    }
}
