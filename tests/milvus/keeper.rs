//! A user with a role that is to be given something.

use portcullis::milvus::proto::milvus::{
    CreateRoleRequest, ListCredUsersRequest, ListCredUsersResponse, OperateUserRoleRequest,
    RoleEntity,
};
use tonic::Code;

use crate::client::{Client, Server, create_user};

pub(crate) fn keeper() -> RoleEntity {
    RoleEntity {
        name: "keeper".to_owned(),
        description: String::new(),
    }
}

/// `ann`, who has the role `keeper`.
pub(crate) async fn ann(server: &Server, root: &mut Client) -> Client {
    create_user(root, "ann", "secret").await.unwrap();
    let entity = Some(keeper());
    root.change("CreateRole", CreateRoleRequest { entity })
        .await
        .unwrap();
    let bind = OperateUserRoleRequest {
        username: "ann".to_owned(),
        role_name: "keeper".to_owned(),
        r#type: 0,
    };
    root.change("OperateUserRole", bind).await.unwrap();
    server.client_as("ann", "secret").await
}

/// Which is only for who may administer users.
pub(crate) async fn may_list_users(client: &mut Client) -> bool {
    let called: Result<ListCredUsersResponse, _> =
        client.call("ListCredUsers", ListCredUsersRequest {}).await;
    match called {
        Ok(_) => true,
        Err(status) => {
            assert_eq!(status.code(), Code::PermissionDenied);
            false
        }
    }
}
