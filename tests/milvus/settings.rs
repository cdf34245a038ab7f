//! What can be set: the database, root's rights, who knows no old password, descriptions.

use bson::doc;
use portcullis::milvus::proto::milvus::{
    AlterRoleRequest, CreateCredentialRequest, CreateRoleRequest, DeleteCredentialRequest,
    ListCredUsersRequest, ListCredUsersResponse, OperateUserRoleRequest, RoleEntity,
    SelectRoleRequest, SelectRoleResponse, SelectUserRequest, SelectUserResponse,
    UpdateCredentialRequest, UserEntity,
};
use tonic::Code;

use crate::client::{Client, ROOT_PASSWORD, Server, Told, create_user, encoded};

fn update(user: &str, old: &str, new: &str) -> UpdateCredentialRequest {
    UpdateCredentialRequest {
        username: user.to_owned(),
        old_password: encoded(old),
        new_password: encoded(new),
        description: None,
    }
}

async fn users(client: &mut Client) -> Result<Vec<String>, Code> {
    let listed: Result<ListCredUsersResponse, _> =
        client.call("ListCredUsers", ListCredUsersRequest {}).await;
    listed
        .map(|it| it.usernames)
        .map_err(|status| status.code())
}

#[tokio::test]
async fn users_and_roles_are_on_the_database_that_was_set() {
    let server = Server::start_with(&["--milvus.database=vectors"]);
    let root = &mut server.root().await;
    create_user(root, "ann", "secret").await.unwrap();
    assert_eq!(users(root).await.unwrap(), ["ann", "root"]);
    let mut admin = server.mongodb.admin();
    let shown = admin.run("vectors", doc! { "usersInfo": 1 });
    assert_eq!(shown.get_array("users").unwrap().len(), 2);
    let shown = admin.run("milvus", doc! { "usersInfo": 1 });
    assert_eq!(shown.get_array("users").unwrap().len(), 0);
    let made =
        doc! { "createUser": "bob", "pwd": "secret", "roles": ["admin"], "mechanisms": ["PLAIN"] };
    admin.run("vectors", made);
    let bob = &mut server.client_as("bob", "secret").await;
    assert_eq!(users(bob).await.unwrap(), ["ann", "bob", "root"]);
}

#[tokio::test]
async fn such_users_leave_the_first_administrator_to_be_made() {
    let options = Server::options()
        .argument("--milvus.database=vectors")
        .argument("--auth");
    let server = Server::without_admin(options);
    create_user(&mut server.root().await, "ann", "secret")
        .await
        .unwrap();
    let mut first = server.mongodb.raw();
    let create = doc! { "createUser": "first", "pwd": "x", "roles": ["root"] };
    let reply = first.run("admin", create);
    assert!(reply.get_f64("ok").is_ok_and(|ok| ok > 0.5), "{reply}");
}

#[tokio::test]
async fn root_may_be_held_to_its_roles() {
    let server = Server::start_with(&["--milvus.rootShouldBindRole"]);
    let root = &mut server.root().await;
    // It was given one when it was made.
    assert_eq!(users(root).await.unwrap(), ["root"]);
    let unbind = OperateUserRoleRequest {
        username: "root".to_owned(),
        role_name: "admin".to_owned(),
        r#type: 1,
    };
    root.change("OperateUserRole", unbind).await.unwrap();
    assert_eq!(users(root).await, Err(Code::PermissionDenied));
    let mut admin = server.mongodb.admin();
    admin.run(
        "milvus",
        doc! { "grantRolesToUser": "root", "roles": ["admin"] },
    );
    assert!(users(root).await.is_ok());
}

#[tokio::test]
async fn super_users_need_no_old_password() {
    let server = Server::start_with(&["--milvus.superUsers=root, eve"]);
    let root = &mut server.root().await;
    create_user(root, "ann", "secret").await.unwrap();
    create_user(root, "eve", "secret").await.unwrap();
    root.change("UpdateCredential", update("ann", "wrong", "changed"))
        .await
        .unwrap();
    let ann = &mut server.client_as("ann", "changed").await;
    let not_known: Told = Err((
        1400,
        1,
        "old password not correct for ann: not authenticated".to_owned(),
    ));
    let told = ann
        .change("UpdateCredential", update("ann", "wrong", "again1"))
        .await;
    assert_eq!(told, not_known);
    let (code, error_code, _) = root
        .change("UpdateCredential", update("nobody", "wrong", "again1"))
        .await
        .unwrap_err();
    assert_eq!((code, error_code), (65535, 30));
    assert_eq!(users(root).await.unwrap(), ["ann", "eve", "root"]);
    // That is all they may more than others.
    let eve = &mut server.client_as("eve", "secret").await;
    let denied: Result<portcullis::milvus::proto::common::Status, _> = eve
        .call("UpdateCredential", update("ann", "wrong", "again1"))
        .await;
    assert_eq!(denied.unwrap_err().code(), Code::PermissionDenied);
    eve.change("UpdateCredential", update("eve", "wrong", "again1"))
        .await
        .unwrap();
}

#[tokio::test]
async fn without_that_root_needs_it_too() {
    let server = Server::start();
    let root = &mut server.root().await;
    create_user(root, "ann", "secret").await.unwrap();
    let told = root
        .change("UpdateCredential", update("ann", "wrong", "changed"))
        .await;
    assert_eq!(told.unwrap_err().0, 1400);
}

async fn role_description(root: &mut Client, name: &str) -> String {
    let message = SelectRoleRequest {
        role: Some(RoleEntity {
            name: name.to_owned(),
            description: String::new(),
        }),
        include_user_info: false,
    };
    let found: SelectRoleResponse = root.call("SelectRole", message).await.unwrap();
    found.results[0].role.clone().unwrap().description
}

async fn user_description(root: &mut Client, name: &str) -> String {
    let message = SelectUserRequest {
        user: Some(UserEntity {
            name: name.to_owned(),
        }),
        include_role_info: true,
    };
    let found: SelectUserResponse = root.call("SelectUser", message).await.unwrap();
    found.results[0].description.clone()
}

#[tokio::test]
async fn roles_and_users_are_described() {
    let server = Server::start();
    let root = &mut server.root().await;
    let entity = |name: &str, description: &str| CreateRoleRequest {
        entity: Some(RoleEntity {
            name: name.to_owned(),
            description: description.to_owned(),
        }),
    };
    let alter = |name: &str, description: &str| AlterRoleRequest {
        role_name: name.to_owned(),
        description: description.to_owned(),
    };
    root.change("CreateRole", entity("clerk", "reads"))
        .await
        .unwrap();
    assert_eq!(role_description(root, "clerk").await, "reads");
    root.change("AlterRole", alter("clerk", "reads and writes"))
        .await
        .unwrap();
    assert_eq!(role_description(root, "clerk").await, "reads and writes");
    let mut admin = server.mongodb.admin();
    let shown = admin.run("milvus", doc! { "rolesInfo": "clerk" });
    let shown = shown.get_array("roles").unwrap()[0].as_document().unwrap();
    assert_eq!(
        shown.get_str("milvusDescription").unwrap(),
        "reads and writes"
    );
    root.change("AlterRole", alter("clerk", "")).await.unwrap();
    assert_eq!(role_description(root, "clerk").await, "");
    let long = "x".repeat(1025);
    let too_long = |what: &str| {
        let reason = format!(
            "the length of {what} description must be not greater than limit: \
            invalid parameter[1025 out of range 0 <= value <= 1024]"
        );
        Err((1100, 5, reason))
    };
    let builtin =
        "the role[admin] is a builtin role, which can't be altered: privilege not permitted";
    for (message, expected) in [
        (alter("clerk", &long), too_long("role")),
        (alter("admin", "x"), Err((1401, 1, builtin.to_owned()))),
        (
            alter("none", "x"),
            Err((
                65535,
                1,
                "not found the role, maybe the role isn't existed or internal system error"
                    .to_owned(),
            )),
        ),
    ] {
        assert_eq!(root.change("AlterRole", message).await, expected);
    }

    let create = |description: &str| CreateCredentialRequest {
        username: "ann".to_owned(),
        password: encoded("secret"),
        description: Some(description.to_owned()),
    };
    assert_eq!(
        root.change("CreateCredential", create(&long)).await,
        too_long("user")
    );
    root.change("CreateCredential", create("of the shop"))
        .await
        .unwrap();
    assert_eq!(user_description(root, "ann").await, "of the shop");
    admin.run(
        "milvus",
        doc! { "updateUser": "ann", "customData": { "shop": 7, "description": "x" } },
    );
    let describe = UpdateCredentialRequest {
        username: "ann".to_owned(),
        old_password: String::new(),
        new_password: String::new(),
        description: Some("of two shops".to_owned()),
    };
    root.change("UpdateCredential", describe).await.unwrap();
    let shown = admin.run("milvus", doc! { "usersInfo": "ann" });
    let shown = shown.get_array("users").unwrap()[0].as_document().unwrap();
    let expected = doc! { "shop": 7, "description": "of two shops" };
    assert_eq!(shown.get_document("customData").unwrap(), &expected);
    // The password stayed.
    let ann = &mut server.client_as("ann", "secret").await;
    assert_eq!(user_description(ann, "ann").await, "of two shops");
}

#[tokio::test]
async fn scram_is_there_where_it_was_asked_for() {
    for (argument, mechanisms) in [
        ("--milvus.scramCredentials", 3),
        ("--milvus.maxUserNum=3", 1),
    ] {
        let server = Server::start_with(&[argument]);
        create_user(&mut server.root().await, "ann", "secret")
            .await
            .unwrap();
        let shown = server
            .mongodb
            .admin()
            .run("milvus", doc! { "usersInfo": ["ann", "root"] });
        for user in shown.get_array("users").unwrap() {
            let user = user.as_document().unwrap();
            assert_eq!(user.get_array("mechanisms").unwrap().len(), mechanisms);
        }
    }
}

#[tokio::test]
async fn names_and_numbers_have_the_limits_that_were_set() {
    let server = Server::start_with(&[
        "--milvus.maxUsernameLength=5",
        "--milvus.maxNameLength=6",
        "--milvus.minPasswordLength=4",
        "--milvus.maxPasswordLength=9",
        "--milvus.maxUserNum=2",
        "--milvus.maxRoleNum=3",
    ]);
    let root = &mut server.client_as("root", ROOT_PASSWORD).await;
    let reason = |told: Told| told.unwrap_err().2;
    for (user, password, refusal) in [
        (
            "abcdef",
            "secret",
            "the length of username must be less than 5",
        ),
        ("ann", "abc", "3 out of range 4 <= value <= 9"),
        ("ann", "abcdefghij", "10 out of range 4 <= value <= 9"),
    ] {
        assert!(reason(create_user(root, user, password).await).contains(refusal));
    }
    create_user(root, "ann", "abcd").await.unwrap();
    let full = "the number of users has reached the limit";
    assert!(reason(create_user(root, "bob", "abcd").await).contains(full));
    let role = |name: &str| CreateRoleRequest {
        entity: Some(RoleEntity {
            name: name.to_owned(),
            description: String::new(),
        }),
    };
    let long = root.change("CreateRole", role("abcdefg")).await;
    assert!(reason(long).contains("7 out of range 0 <= value <= 6"));
    root.change("CreateRole", role("clerk")).await.unwrap();
    let full = "the number of roles has reached the limit";
    assert!(reason(root.change("CreateRole", role("other")).await).contains(full));
}

#[tokio::test]
async fn a_strict_password_has_characters_of_three_kinds() {
    let server = Server::start_with(&["--milvus.passwordPolicy=strict"]);
    let root = &mut server.root().await;
    let length = |found: usize| format!("{found} out of range 8 <= value <= 64");
    let longest = format!("Aa1{}", "\u{e9}".repeat(61));
    let too_long = format!("Aa1{}", "\u{e9}".repeat(62));
    for (password, refusal) in [
        ("Aa1\u{e9}\u{e9}\u{e9}\u{e9}", length(7)),
        (&too_long, length(65)),
        // Soft hyphens go when a password is prepared.
        ("Aa1\u{ad}\u{ad}\u{ad}\u{ad}\u{ad}", length(3)),
        ("Aaaaaaaa", "at least 3 of".to_owned()),
    ] {
        let (code, _, reason) = create_user(root, "ann", password).await.unwrap_err();
        assert_eq!(code, 1100);
        assert!(reason.contains(&refusal), "{reason}");
    }
    create_user(root, "ann", &longest).await.unwrap();
    create_user(root, "bob", "Aa1aaaaa").await.unwrap();
    let short = update("bob", "Aa1aaaaa", "Aa1\u{e9}\u{e9}\u{e9}\u{e9}");
    let (code, _, reason) = root.change("UpdateCredential", short).await.unwrap_err();
    assert_eq!(
        (code, reason.contains(&length(7))),
        (1100, true),
        "{reason}"
    );
}

#[tokio::test]
async fn blanks_around_a_name_are_none_of_it() {
    let server = Server::start();
    let root = &mut server.root().await;
    create_user(root, " ann ", "secret").await.unwrap();
    assert_eq!(users(root).await.unwrap(), ["ann", "root"]);
    let changed = update(" ann", "secret", "changed");
    root.change("UpdateCredential", changed).await.unwrap();
    // One's own password, too.
    let ann = &mut server.client_as("ann", "changed").await;
    let changed = update("ann ", "changed", "secret");
    ann.change("UpdateCredential", changed).await.unwrap();
    let drop = |name: &str| DeleteCredentialRequest {
        username: name.to_owned(),
    };
    let refused = root.change("DeleteCredential", drop(" root")).await;
    assert_eq!(refused.unwrap_err().0, 1401);
    root.change("DeleteCredential", drop(" ann "))
        .await
        .unwrap();
    assert_eq!(users(root).await.unwrap(), ["root"]);
}
