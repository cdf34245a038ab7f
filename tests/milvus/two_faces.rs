//! One directory: what one face changes, the other feels.

use std::sync::Arc;

use bson::doc;
use portcullis::milvus::proto::milvus::{
    CreateCredentialRequest, DeleteCredentialRequest, DropRoleRequest, GetVersionResponse,
    ListCredUsersRequest, ListCredUsersResponse, OperateUserRoleRequest, SelectUserRequest,
    SelectUserResponse, UpdateCredentialRequest, UserEntity,
};
use tempfile::TempDir;
use tonic::Code;

use crate::client::{Client, Server, Told, encoded, told};
use crate::support::{Options, RawClient, binary};

pub(crate) fn new_user(name: &str, password: &str) -> CreateCredentialRequest {
    CreateCredentialRequest {
        username: name.to_owned(),
        password: encoded(password),
        description: None,
    }
}

/// The code of `saslStart`, 0 for success.
fn sign_in_plainly(client: &mut RawClient, user: &str, password: &str) -> i32 {
    let payload = binary(format!("\0{user}\0{password}").as_bytes());
    let start = doc! { "saslStart": 1, "mechanism": "PLAIN", "payload": payload };
    let reply = client.run("milvus", start);
    reply.get_i32("code").unwrap_or_default()
}

pub(crate) async fn is_signed_in(client: &mut Client) -> bool {
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
async fn a_user_of_milvus_is_a_user_of_mongodb() {
    let server = Server::start();
    let mut root = server.root().await;
    root.change("CreateCredential", new_user("ann", "secret"))
        .await
        .unwrap();
    let mut admin = server.mongodb.admin();
    let shown = admin.run("milvus", doc! { "usersInfo": "ann" });
    let user = shown.get_array("users").unwrap()[0].as_document().unwrap();
    assert_eq!(user.get_str("_id").unwrap(), "milvus.ann");
    assert_eq!(user.get_array("mechanisms").unwrap().len(), 1);

    let mut ann = server.mongodb.raw();
    assert_eq!(sign_in_plainly(&mut ann, "ann", "wrong"), 18);
    assert_eq!(sign_in_plainly(&mut ann, "ann", "secret"), 0);
    let who = |client: &mut RawClient| {
        let status = client.run("admin", doc! { "connectionStatus": 1 });
        let info = status.get_document("authInfo").unwrap().clone();
        info.get_array("authenticatedUsers").unwrap().len()
    };
    assert_eq!(who(&mut ann), 1);
    let update = UpdateCredentialRequest {
        username: "ann".to_owned(),
        old_password: encoded("secret"),
        new_password: encoded("changed"),
        description: None,
    };
    root.change("UpdateCredential", update).await.unwrap();
    let mut other = server.mongodb.raw();
    assert_eq!(sign_in_plainly(&mut other, "ann", "secret"), 18);
    assert_eq!(sign_in_plainly(&mut other, "ann", "changed"), 0);
    let drop = DeleteCredentialRequest {
        username: "ann".to_owned(),
    };
    root.change("DeleteCredential", drop).await.unwrap();
    assert_eq!((who(&mut ann), who(&mut other)), (0, 0));
}

#[tokio::test]
async fn a_user_of_mongodb_is_a_user_of_milvus() {
    let server = Server::start();
    let mut admin = server.mongodb.admin();
    let mut run = |command| {
        let reply = admin.run("milvus", command);
        assert!(reply.get_f64("ok").is_ok_and(|ok| ok > 0.5), "{reply}");
    };
    run(doc! { "createUser": "bob", "pwd": "secret", "roles": [], "mechanisms": ["PLAIN"] });
    let mut bob = server.client_as("bob", "secret").await;
    assert!(is_signed_in(&mut bob).await);
    let denied: Result<ListCredUsersResponse, _> =
        bob.call("ListCredUsers", ListCredUsersRequest {}).await;
    assert_eq!(denied.unwrap_err().code(), Code::PermissionDenied);
    run(doc! { "grantRolesToUser": "bob", "roles": ["admin"] });
    let users: ListCredUsersResponse = bob
        .call("ListCredUsers", ListCredUsersRequest {})
        .await
        .unwrap();
    assert_eq!(users.usernames, ["bob", "root"]);
    run(doc! { "revokeRolesFromUser": "bob", "roles": ["admin"] });
    let denied: Result<ListCredUsersResponse, _> =
        bob.call("ListCredUsers", ListCredUsersRequest {}).await;
    assert_eq!(denied.unwrap_err().code(), Code::PermissionDenied);
    run(doc! {
        "updateUser": "bob",
        "authenticationRestrictions": [{ "clientSource": ["10.0.0.0/8"] }],
    });
    assert!(!is_signed_in(&mut bob).await);
    run(doc! { "updateUser": "bob", "authenticationRestrictions": [] });
    assert!(is_signed_in(&mut bob).await);
    run(doc! { "dropUser": "bob" });
    assert!(!is_signed_in(&mut bob).await);
}

#[tokio::test]
async fn a_user_of_mongodb_is_a_user_of_milvus_without_asking_for_it() {
    let server = Server::of(Server::face(Options::default()));
    let mut admin = server.mongodb.admin();
    let mut code = |db, command| {
        let reply = admin.run(db, command);
        reply.get_i32("code").unwrap_or_default()
    };
    let both = doc! { "createUser": "bob", "pwd": "secret", "roles": [] };
    assert_eq!(code("milvus", both), 0);
    assert!(is_signed_in(&mut server.client_as("bob", "secret").await).await);
    let changed = doc! { "updateUser": "bob", "pwd": "changed" };
    assert_eq!(code("milvus", changed), 0);
    assert!(!is_signed_in(&mut server.client_as("bob", "secret").await).await);
    assert!(is_signed_in(&mut server.client_as("bob", "changed").await).await);
    let mut bob = server.mongodb.raw();
    bob.sign_in("milvus", "bob", "changed").unwrap();
    assert_eq!(
        sign_in_plainly(&mut server.mongodb.raw(), "bob", "changed"),
        334
    );

    let alone = doc! { "createUser": "cat", "pwd": "secret", "roles": [], "mechanisms": ["PLAIN"] };
    assert_eq!(code("milvus", alone.clone()), 0);
    assert!(is_signed_in(&mut server.client_as("cat", "secret").await).await);
    // It is enabled there and for that alone.
    assert_eq!(code("shop", alone), 2);
    let without = doc! { "updateUser": "bob", "pwd": "third", "mechanisms": ["SCRAM-SHA-256"] };
    assert_eq!(code("milvus", without), 0);
    assert!(!is_signed_in(&mut server.client_as("bob", "third").await).await);

    // Nobody is locked out by a change while Milvus clients are not served.
    let alone = Options::in_folder(server.mongodb.kill()).start();
    let changed = doc! { "updateUser": "cat", "pwd": "changed" };
    let reply = alone.admin().run("milvus", changed);
    assert!(reply.get_f64("ok").is_ok_and(|ok| ok > 0.5), "{reply}");
    let server = Server::without_admin(Server::face(Options::in_folder(alone.kill())));
    assert!(is_signed_in(&mut server.client_as("cat", "changed").await).await);
}

#[tokio::test]
async fn a_user_called_like_everybody_is_one_user() {
    let server = Server::start();
    let create = doc! { "createUser": "*", "pwd": "secret", "roles": [], "mechanisms": ["PLAIN"] };
    let reply = server.mongodb.admin().run("milvus", create);
    assert!(reply.get_f64("ok").is_ok_and(|ok| ok > 0.5), "{reply}");
    let mut star = server.client_as("*", "secret").await;
    assert!(is_signed_in(&mut star).await);
    let all = SelectUserRequest {
        user: None,
        include_role_info: true,
    };
    let listed: Result<SelectUserResponse, _> = star.call("SelectUser", all.clone()).await;
    assert_eq!(listed.unwrap_err().code(), Code::PermissionDenied);
    let mut root = server.root().await;
    let listed: SelectUserResponse = root.call("SelectUser", all).await.unwrap();
    assert_eq!(listed.results.len(), 2);
}

#[tokio::test]
async fn a_user_that_milvus_could_not_call_so_is_administered_all_the_same() {
    let server = Server::start_with(&["--milvus.superUsers=root"]);
    let create = doc! { "createUser": "svc-1", "pwd": "secret", "roles": [] };
    let reply = server.mongodb.admin().run("milvus", create);
    assert!(reply.get_f64("ok").is_ok_and(|ok| ok > 0.5), "{reply}");
    let mut root = server.root().await;
    // The second is not there, and told what it always was.
    for (name, expected) in [("svc-1", Ok(())), ("svc-2", Err(1100))] {
        let code = |answer: Told| answer.map_err(|(code, _, _)| code);
        let bind = OperateUserRoleRequest {
            username: name.to_owned(),
            role_name: "admin".to_owned(),
            r#type: 0,
        };
        let bound = root.change("OperateUserRole", bind).await;
        assert_eq!(code(bound), expected, "{name}");
        for (new, description) in [("", Some("of the shop")), ("changed", None)] {
            let update = UpdateCredentialRequest {
                username: name.to_owned(),
                old_password: String::new(),
                new_password: encoded(new),
                description: description.map(str::to_owned),
            };
            let updated = root.change("UpdateCredential", update).await;
            assert_eq!(code(updated), expected, "{name}");
        }
        let request = selected(name);
        let reply: SelectUserResponse = root.call("SelectUser", request).await.unwrap();
        assert_eq!(code(told(reply.status)), expected, "{name}");
        let found = reply.results.first();
        let roles = found.map(|user| (user.roles.len(), user.description.as_str()));
        assert_eq!(roles, expected.ok().map(|()| (1, "of the shop")), "{name}");
        let created = root.change("CreateCredential", new_user(name, "secret"));
        assert_eq!(code(created.await), Err(1100), "{name}");
    }
    let mut service = server.client_as("svc-1", "changed").await;
    let own: SelectUserResponse = service.call("SelectUser", selected("svc-1")).await.unwrap();
    assert_eq!(own.results.len(), 1);
    // Who has no rights learns nothing: neither who is there, nor who could be.
    root.change("CreateCredential", new_user("ann", "secret"))
        .await
        .unwrap();
    let mut ann = server.client_as("ann", "secret").await;
    for name in ["svc-1", "svc-2", "bob"] {
        let request = selected(name);
        let denied: Result<SelectUserResponse, _> = ann.call("SelectUser", request).await;
        let denied = denied.unwrap_err();
        let text = "PrivilegeSelectUser: permission deny to ann in the `default` database";
        assert_eq!(
            (denied.code(), denied.message()),
            (Code::PermissionDenied, text)
        );
    }
}

/// Blanks do not make another user of who may not be looked at.
#[tokio::test]
async fn blanks_around_a_name_do_not_count_where_others_have_them() {
    let server = Server::start();
    let create = doc! { "createUser": " ann", "pwd": "another", "roles": ["admin"] };
    let reply = server.mongodb.admin().run("milvus", create);
    assert!(reply.get_f64("ok").is_ok_and(|ok| ok > 0.5), "{reply}");
    let mut root = server.root().await;
    root.change("CreateCredential", new_user("ann", "secret"))
        .await
        .unwrap();
    let mut ann = server.client_as("ann", "secret").await;
    let own: SelectUserResponse = ann.call("SelectUser", selected(" ann")).await.unwrap();
    let found = own.results[0].user.as_ref().unwrap();
    assert_eq!(
        (found.name.as_str(), own.results[0].roles.len()),
        ("ann", 0)
    );
}

fn selected(name: &str) -> SelectUserRequest {
    SelectUserRequest {
        user: Some(UserEntity {
            name: name.to_owned(),
        }),
        include_role_info: true,
    }
}

#[tokio::test]
async fn roles_of_milvus_outlive_a_restart() {
    let server = Server::start();
    let mut root = server.root().await;
    root.change("CreateCredential", new_user("ann", "secret"))
        .await
        .unwrap();
    let shown = |server: &Server| {
        let mut admin = server.mongodb.admin();
        admin.run(
            "milvus",
            doc! { "rolesInfo": "public", "showPrivileges": true },
        )
    };
    let before = shown(&server);
    let role = before.get_array("roles").unwrap()[0].as_document().unwrap();
    assert_eq!(role.get_array("milvusGrants").unwrap().len(), 3, "{before}");
    let folder = server.mongodb.kill();
    let options = Options::in_folder(folder)
        .arguments(&["--milvus.enabled", "--milvus.port=0"])
        .argument("--milvus.defaultRootPassword=another");
    let port_file = options.data().with_file_name("milvus-port");
    let options = options.argument(format!("--milvus.portFile={}", port_file.display()));
    let mongodb = options.start();
    let port = std::fs::read_to_string(port_file)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    let server = Server { mongodb, port };
    assert_eq!(shown(&server), before);
    // The first password is the first one only.
    assert!(is_signed_in(&mut server.root().await).await);
    assert!(is_signed_in(&mut server.client_as("ann", "secret").await).await);
}

#[tokio::test]
async fn a_password_is_made_up_and_shown_once() {
    let options = Options::default().arguments(&["--milvus.enabled", "--milvus.port=0"]);
    let server = Server::of(options);
    let printed = server.mongodb.logs();
    let password = shown_password(&printed);
    assert!(is_signed_in(&mut server.client_as("root", password).await).await);
    assert!(!is_signed_in(&mut server.client_as("root", "Milvus").await).await);
    assert_eq!(printed.matches(password).count(), 1);
}

/// The start fails where the port is written, which is next to the password's being shown.
#[tokio::test]
async fn a_start_that_fails_leaves_no_root_whose_password_nobody_saw() {
    let folder = Arc::new(TempDir::new().unwrap());
    let milvus =
        |folder| Options::in_folder(folder).arguments(&["--milvus.enabled", "--milvus.port=0"]);
    let nowhere = folder.path().join("missing").join("port");
    let failing =
        milvus(Arc::clone(&folder)).argument(format!("--milvus.portFile={}", nowhere.display()));
    let failed = failing.command().output().unwrap();
    assert!(!failed.status.success());
    let server = Server::of(milvus(folder));
    let mut printed = String::from_utf8(failed.stdout).unwrap();
    printed += &server.mongodb.logs();
    let password = shown_password(&printed);
    assert!(is_signed_in(&mut server.client_as("root", password).await).await);
}

fn shown_password(printed: &str) -> &str {
    let mut lines = printed.lines();
    let line = lines.find(|line| line.contains("password, shown only now: "));
    line.unwrap().rsplit(": ").next().unwrap()
}

/// What a role of Milvus allows on the other face ends with it there, in sessions that are open.
#[tokio::test]
async fn a_role_that_milvus_takes_away_is_missed_at_the_next_command() {
    let server = Server::start();
    let mut root = server.root().await;
    root.change("CreateCredential", new_user("ann", "secret"))
        .await
        .unwrap();
    let watch = doc! { "resource": { "db": "milvus", "collection": "" }, "actions": ["viewUser"] };
    let create = doc! { "createRole": "watcher", "privileges": [watch], "roles": [] };
    let reply = server.mongodb.admin().run("milvus", create);
    assert!(reply.get_f64("ok").is_ok_and(|ok| ok > 0.5), "{reply}");
    let bind = |operation| OperateUserRoleRequest {
        username: "ann".to_owned(),
        role_name: "watcher".to_owned(),
        r#type: operation,
    };
    let mut ann = server.mongodb.raw();
    assert_eq!(sign_in_plainly(&mut ann, "ann", "secret"), 0);
    let mut look = || {
        let reply = ann.run("milvus", doc! { "usersInfo": "root" });
        reply.get_i32("code").unwrap_or_default()
    };
    assert_eq!(look(), 13);
    for _ in 0..3 {
        root.change("OperateUserRole", bind(0)).await.unwrap();
        assert_eq!(look(), 0);
        root.change("OperateUserRole", bind(1)).await.unwrap();
        assert_eq!(look(), 13);
    }
    root.change("OperateUserRole", bind(0)).await.unwrap();
    assert_eq!(look(), 0);
    let drop = DropRoleRequest {
        role_name: "watcher".to_owned(),
        force_drop: false,
    };
    root.change("DropRole", drop).await.unwrap();
    assert_eq!(look(), 13);
}
