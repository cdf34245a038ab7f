//! Lists of everybody.

use portcullis::milvus::proto::milvus::{
    CreateRoleRequest, ListCredUsersRequest, ListCredUsersResponse, OperateUserRoleRequest,
    RoleEntity, SelectRoleRequest, SelectRoleResponse, SelectUserRequest, SelectUserResponse,
};

use crate::client::{Client, Server, create_user, told};

fn role(name: &str) -> RoleEntity {
    RoleEntity {
        name: name.to_owned(),
        description: String::new(),
    }
}

/// Three users, of whom some have some of two roles.
async fn fill(root: &mut Client) {
    for name in ["writer", "reader"] {
        let entity = Some(role(name));
        root.change("CreateRole", CreateRoleRequest { entity })
            .await
            .unwrap();
    }
    for (name, roles) in [
        ("eve", &["reader", "admin"][..]),
        ("bob", &[]),
        ("ann", &["writer", "reader"]),
    ] {
        create_user(root, name, "secret").await.unwrap();
        for role in roles {
            let bind = OperateUserRoleRequest {
                username: name.to_owned(),
                role_name: (*role).to_owned(),
                r#type: 0,
            };
            root.change("OperateUserRole", bind).await.unwrap();
        }
    }
}

async fn roles(root: &mut Client, only: Option<&str>, include_user_info: bool) -> Vec<String> {
    let request = SelectRoleRequest {
        role: only.map(role),
        include_user_info,
    };
    let reply: SelectRoleResponse = root.call("SelectRole", request).await.unwrap();
    told(reply.status).unwrap();
    let results = reply.results.into_iter();
    results
        .map(|found| {
            let users: Vec<_> = found.users.into_iter().map(|user| user.name).collect();
            format!("{}: {}", found.role.unwrap().name, users.join(" "))
        })
        .collect()
}

#[tokio::test]
async fn they_are_whole_and_in_byte_order() {
    let server = Server::start();
    let mut root = server.root().await;
    fill(&mut root).await;
    assert_eq!(
        roles(&mut root, None, true).await,
        ["admin: eve", "public: ", "reader: ann eve", "writer: ann"]
    );
    assert_eq!(
        roles(&mut root, None, false).await,
        ["admin: ", "public: ", "reader: ", "writer: "]
    );
    let only = roles(&mut root, Some("reader"), true).await;
    assert_eq!(only, ["reader: ann eve"]);
    assert!(roles(&mut root, Some("none"), true).await.is_empty());

    let listed: ListCredUsersResponse = root
        .call("ListCredUsers", ListCredUsersRequest {})
        .await
        .unwrap();
    assert_eq!(listed.usernames, ["ann", "bob", "eve", "root"]);
    let request = SelectUserRequest {
        user: None,
        include_role_info: true,
    };
    let selected: SelectUserResponse = root.call("SelectUser", request).await.unwrap();
    let lines = selected.results.into_iter().map(|found| {
        let roles: Vec<_> = found.roles.into_iter().map(|role| role.name).collect();
        format!("{}: {}", found.user.unwrap().name, roles.join(" "))
    });
    let expected = ["ann: reader writer", "bob: ", "eve: admin reader", "root: "];
    assert_eq!(lines.collect::<Vec<_>>(), expected);
}
