//! Each call with what it takes and what it refuses: code, error code and text.

use portcullis::milvus::proto::common;
use portcullis::milvus::proto::milvus::{
    CreateCredentialRequest, CreateRoleRequest, DeleteCredentialRequest, DropRoleRequest,
    GrantEntity, GrantorEntity, ObjectEntity, OperatePrivilegeRequest, OperatePrivilegeV2Request,
    OperateUserRoleRequest, PrivilegeEntity, RoleEntity, SelectGrantRequest, SelectGrantResponse,
    SelectRoleRequest, SelectRoleResponse, SelectUserRequest, SelectUserResponse,
    UpdateCredentialRequest, UserEntity,
};
use tonic::Code;

use crate::client::{Client, Server, encoded, told};

type Told = Result<(), (i32, i32, String)>;

fn refused(code: i32, error_code: i32, reason: &str) -> Told {
    Err((code, error_code, reason.to_owned()))
}

fn invalid(reason: &str) -> Told {
    refused(1100, 5, reason)
}

async fn create(client: &mut Client, user: &str, password: &str) -> Told {
    let message = CreateCredentialRequest {
        username: user.to_owned(),
        password: encoded(password),
        description: None,
    };
    client.change("CreateCredential", message).await
}

async fn update(client: &mut Client, user: &str, old: &str, new: &str) -> Told {
    let message = UpdateCredentialRequest {
        username: user.to_owned(),
        old_password: encoded(old),
        new_password: encoded(new),
        description: None,
    };
    client.change("UpdateCredential", message).await
}

async fn create_role(client: &mut Client, role: &str) -> Told {
    let entity = Some(RoleEntity {
        name: role.to_owned(),
        description: String::new(),
    });
    client
        .change("CreateRole", CreateRoleRequest { entity })
        .await
}

async fn bind(client: &mut Client, user: &str, role: &str, operation: i32) -> Told {
    let message = OperateUserRoleRequest {
        username: user.to_owned(),
        role_name: role.to_owned(),
        r#type: operation,
    };
    client.change("OperateUserRole", message).await
}

async fn drop_role(client: &mut Client, role: &str, force_drop: bool) -> Told {
    let message = DropRoleRequest {
        role_name: role.to_owned(),
        force_drop,
    };
    client.change("DropRole", message).await
}

fn grantor(privilege: &str) -> GrantorEntity {
    GrantorEntity {
        user: None,
        privilege: Some(PrivilegeEntity {
            name: privilege.to_owned(),
        }),
    }
}

fn role(name: &str) -> RoleEntity {
    RoleEntity {
        name: name.to_owned(),
        description: String::new(),
    }
}

async fn grant(client: &mut Client, (object, name, privilege): (&str, &str, &str)) -> Told {
    grant_to(client, "reader", (object, name, privilege)).await
}

async fn grant_to(client: &mut Client, name: &str, granted: (&str, &str, &str)) -> Told {
    let message = OperatePrivilegeRequest {
        entity: Some(entity_of(name, granted)),
        ..OperatePrivilegeRequest::default()
    };
    client.change("OperatePrivilege", message).await
}

fn entity_of(name: &str, (object, object_name, privilege): (&str, &str, &str)) -> GrantEntity {
    GrantEntity {
        role: Some(role(name)),
        object: Some(ObjectEntity {
            name: object.to_owned(),
        }),
        object_name: object_name.to_owned(),
        grantor: Some(grantor(privilege)),
        db_name: String::new(),
    }
}

async fn grant_v2(client: &mut Client, granted: (&str, &str, &str)) -> Told {
    grant_v2_to(client, "reader", granted).await
}

async fn grant_v2_to(
    client: &mut Client,
    name: &str,
    (privilege, db, collection): (&str, &str, &str),
) -> Told {
    let message = OperatePrivilegeV2Request {
        role: Some(role(name)),
        grantor: Some(grantor(privilege)),
        db_name: db.to_owned(),
        collection_name: collection.to_owned(),
        ..OperatePrivilegeV2Request::default()
    };
    client.change("OperatePrivilegeV2", message).await
}

async fn grants(client: &mut Client, name: &str, db: &str) -> Vec<String> {
    let entity = Some(GrantEntity {
        role: Some(role(name)),
        db_name: db.to_owned(),
        ..GrantEntity::default()
    });
    let reply: SelectGrantResponse = client
        .call("SelectGrant", SelectGrantRequest { entity })
        .await
        .unwrap();
    assert_eq!(told(reply.status), Ok(()));
    let line = |grant: &GrantEntity| {
        let grantor = grant.grantor.clone().unwrap();
        format!(
            "{} {} {} {} by {}",
            grant.object.as_ref().unwrap().name,
            grant.db_name,
            grant.object_name,
            grantor.privilege.unwrap().name,
            grantor.user.unwrap().name
        )
    };
    reply.entities.iter().map(line).collect()
}

#[tokio::test]
async fn users_are_created_and_changed_by_the_rules_of_milvus() {
    let server = Server::start_with(&["--milvus.maxUserNum=4"]);
    let mut root = server.root().await;
    let long = "a".repeat(33);
    let cases = [
        ("ann", "secret", Ok(())),
        (
            "ann",
            "secret",
            refused(65_535, 29, "user already exists: ann"),
        ),
        (
            "",
            "secret",
            invalid("username must be not empty: invalid parameter"),
        ),
        (
            "  ",
            "secret",
            invalid("username must be not empty: invalid parameter"),
        ),
        (
            "1ann",
            "secret",
            invalid(
                "invalid user name 1ann, the first character must be a letter, but got 1: invalid parameter",
            ),
        ),
        (
            "a-n",
            "secret",
            invalid(
                "invalid user name a-n, username must contain only numbers, letters and underscores, but got -: invalid parameter",
            ),
        ),
        (
            "bob",
            "short",
            invalid("invalid password length: invalid parameter[5 out of range 6 <= value <= 72]"),
        ),
        (
            "bob",
            "",
            invalid("invalid password length: invalid parameter[0 out of range 6 <= value <= 72]"),
        ),
    ];
    for (user, password, expected) in cases {
        assert_eq!(
            create(&mut root, user, password).await,
            expected,
            "{user:?} {password:?}"
        );
    }
    let too_long = create(&mut root, &long, "secret").await.unwrap_err();
    assert_eq!((too_long.0, too_long.1), (1100, 5));
    assert!(create(&mut root, "bob", &"x".repeat(73)).await.is_err());
    let not_base64 = CreateCredentialRequest {
        username: "bob".to_owned(),
        password: "a*b".to_owned(),
        description: None,
    };
    let told = root.change("CreateCredential", not_base64).await;
    let text = "decode password fail: illegal base64 data at input byte 1";
    assert_eq!(told, refused(65_535, 1, text));
    assert_eq!(create(&mut root, "bob", &"x".repeat(72)).await, Ok(()));
    assert_eq!(
        create(&mut root, "eve", "p:\u{e4}\u{f6}\u{fc}").await,
        Ok(())
    );
    let full = "unable to add user because the number of users has reached the limit";
    assert_eq!(
        create(&mut root, "late", "secret").await,
        refused(65_535, 29, full)
    );
    // Who exists is told that also when there is no room.
    let exists = refused(65_535, 29, "user already exists: ann");
    assert_eq!(create(&mut root, "ann", "secret").await, exists);

    let wrong = |name| format!("old password not correct for {name}: not authenticated");
    for (user, old) in [("ann", "wrong"), ("nobody", "secret"), ("", "secret")] {
        let told = update(&mut root, user, old, "new secret").await;
        assert_eq!(told, refused(1400, 1, &wrong(user)));
    }
    let mut ann = server.client_as("ann", "secret").await;
    assert_eq!(
        update(&mut ann, "ann", "secret", "new secret").await,
        Ok(())
    );
    let old: Result<common::Status, _> = ann.call("GetVersion", ()).await;
    assert_eq!(old.unwrap_err().code(), Code::Unauthenticated);
    let mut ann = server.client_as("ann", "new secret").await;
    let look = |name: &str| SelectUserRequest {
        user: Some(UserEntity {
            name: name.to_owned(),
        }),
        include_role_info: true,
    };
    let own: SelectUserResponse = ann.call("SelectUser", look("ann")).await.unwrap();
    assert_eq!(own.results.len(), 1);
    let other: Result<SelectUserResponse, _> = ann.call("SelectUser", look("bob")).await;
    let other = other.unwrap_err();
    let text = "PrivilegeSelectUser: permission deny to ann in the `default` database";
    assert_eq!(
        (other.code(), other.message()),
        (Code::PermissionDenied, text)
    );
    let denied: Result<common::Status, _> = ann
        .call("CreateCredential", CreateCredentialRequest::default())
        .await;
    assert_eq!(denied.unwrap_err().code(), Code::PermissionDenied);

    let drop = |name: &str| DeleteCredentialRequest {
        username: name.to_owned(),
    };
    let told = root.change("DeleteCredential", drop("root")).await;
    assert_eq!(
        told,
        refused(
            1401,
            1,
            "root user cannot be deleted: privilege not permitted"
        )
    );
    let told = root.change("DeleteCredential", drop(" ")).await;
    assert_eq!(
        told,
        refused(65_535, 31, "fail to execute task when deleting the user")
    );
    for name in ["nobody", "1-2", "ann"] {
        assert_eq!(root.change("DeleteCredential", drop(name)).await, Ok(()));
    }
    let gone: Result<common::Status, _> = ann.call("GetVersion", ()).await;
    assert_eq!(gone.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn roles_are_bound_and_dropped_by_the_rules_of_milvus() {
    let server = Server::start_with(&["--milvus.maxRoleNum=3"]);
    let mut root = server.root().await;
    let no_role = "not found the role, maybe the role isn't existed or internal system error";
    let no_user = "not found the user, maybe the user isn't existed or internal system error";
    assert_eq!(create_role(&mut root, "reader").await, Ok(()));
    for name in ["reader", "admin", "public", "read"] {
        let text = format!("role [name:\"{name}\"] already exists");
        assert_eq!(
            create_role(&mut root, name).await,
            refused(65_535, 35, &text)
        );
    }
    let full = "failed to check if create role: unable to create role because the number of roles has reached the limit";
    assert_eq!(
        create_role(&mut root, "other").await,
        refused(65_535, 35, full)
    );
    let empty = "role name should be not empty: invalid parameter[expected=not empty][actual=]";
    assert_eq!(create_role(&mut root, "").await, invalid(empty));
    let first = "the first character of role name must be an underscore or letter: invalid parameter[expected=95][actual=49]";
    assert_eq!(create_role(&mut root, "1").await, invalid(first));
    let other = "role name can only contain numbers, letters, dollars and underscores, found - at 2: invalid parameter";
    assert_eq!(create_role(&mut root, "ab-").await, invalid(other));

    assert_eq!(create(&mut root, "ann", "secret").await, Ok(()));
    for _ in 0..2 {
        assert_eq!(bind(&mut root, "ann", "reader", 0).await, Ok(()));
    }
    assert_eq!(
        bind(&mut root, "ann", "none", 0).await,
        refused(65_535, 37, no_role)
    );
    assert_eq!(
        bind(&mut root, "nobody", "reader", 0).await,
        refused(65_535, 37, no_user)
    );
    assert_eq!(bind(&mut root, "nobody", "reader", 1).await, Ok(()));
    let odd = "invalid operate user role type";
    assert_eq!(
        bind(&mut root, "ann", "reader", 7).await,
        refused(65_535, 37, odd)
    );
    let with_users = SelectRoleRequest {
        role: None,
        include_user_info: true,
    };
    let roles: SelectRoleResponse = root.call("SelectRole", with_users).await.unwrap();
    let lines: Vec<_> = roles
        .results
        .iter()
        .map(|found| (found.role.clone().unwrap().name, found.users.len()))
        .collect();
    let expected = [("admin", 0), ("public", 0), ("reader", 1)];
    assert_eq!(
        lines,
        expected.map(|(name, users)| (name.to_owned(), users))
    );

    for name in ["admin", "public"] {
        let text = format!(
            "the role[{name}] is a default role, which can't be dropped: privilege not permitted"
        );
        assert_eq!(
            drop_role(&mut root, name, true).await,
            refused(1401, 1, &text)
        );
    }
    assert_eq!(
        drop_role(&mut root, "none", false).await,
        refused(65_535, 36, no_role)
    );
    assert_eq!(grant(&mut root, ("Global", "*", "FlushAll")).await, Ok(()));
    let full = "failed to check if drop role: fail to drop the role that it has privileges. Use REVOKE API to revoke privileges";
    assert_eq!(
        drop_role(&mut root, "reader", false).await,
        refused(65_535, 36, full)
    );
    assert_eq!(drop_role(&mut root, "reader", true).await, Ok(()));
    // Nothing of the old one comes back with the name.
    assert_eq!(create_role(&mut root, "reader").await, Ok(()));
    assert!(grants(&mut root, "reader", "").await.is_empty());
}

#[tokio::test]
async fn grants_are_given_and_listed_by_the_rules_of_milvus() {
    let server = Server::start();
    let mut root = server.root().await;
    assert_eq!(create_role(&mut root, "reader").await, Ok(()));
    let cases = [
        (("Collection", "books", "Load"), Ok(())),
        (("Collection", "books", "Load"), Ok(())),
        (("User", "*", "*"), Ok(())),
        (("Global", "anything", "CreateOwnership"), Ok(())),
        (
            ("Thing", "*", "Load"),
            refused(
                65_535,
                41,
                "failed to operate privilege common check: \
                not found the object type[name: Thing], supported the object types: [Collection Global User]",
            ),
        ),
        (
            ("Collection", "books", "Nothing"),
            refused(
                65_535,
                41,
                "not found the privilege name[Nothing] in object[Collection]",
            ),
        ),
        (
            ("User", "*", "Load"),
            refused(
                65_535,
                41,
                "not found the privilege name[Load] in object[User]",
            ),
        ),
        (
            ("Global", "*", "ClusterAdmin"),
            refused(
                65_535,
                41,
                "can not operate the built-in privilege group [ClusterAdmin]",
            ),
        ),
    ];
    for (named, expected) in cases {
        assert_eq!(grant(&mut root, named).await, expected, "{named:?}");
    }
    let wrong_level = |reason: &str| refused(1100, 41, reason);
    let cases_v2 = [
        (("ClusterReadOnly", "*", "*"), Ok(())),
        (("Query", "default", "books"), Ok(())),
        (("*", "default", "books"), Ok(())),
        (
            ("Nothing", "*", "*"),
            refused(65_535, 41, "not found the privilege name[Nothing]"),
        ),
        (
            ("ClusterReadOnly", "default", "*"),
            wrong_level(
                "dbName and collectionName should be * for the cluster level privilege: ClusterReadOnly: invalid parameter",
            ),
        ),
        (
            ("DatabaseAdmin", "default", "books"),
            wrong_level(
                "collectionName should be * for the database level privilege: DatabaseAdmin: invalid parameter",
            ),
        ),
        (
            ("CollectionAdmin", "*", "books"),
            wrong_level(
                "please specify database name for the collection level privilege: CollectionAdmin: invalid parameter",
            ),
        ),
    ];
    for (named, expected) in cases_v2 {
        assert_eq!(grant_v2(&mut root, named).await, expected, "{named:?}");
    }
    let everywhere = "Global * * ClusterReadOnly by root";
    let expected = [
        "Collection default books GetLoadState by root",
        "Collection default books GetLoadingProgress by root",
        "Collection default books Load by root",
        "Collection default books Query by root",
        everywhere,
        "Global default * CreateOwnership by root",
        "Global default books * by root",
        "User default * * by root",
    ];
    assert_eq!(grants(&mut root, "reader", "").await, expected);
    assert_eq!(grants(&mut root, "reader", "*").await, expected);
    assert_eq!(grants(&mut root, "reader", "other").await, [everywhere]);
    let odd = OperatePrivilegeRequest {
        entity: Some(entity_of("reader", ("Global", "*", "FlushAll"))),
        r#type: 7,
        ..OperatePrivilegeRequest::default()
    };
    let text = "failed to operate privilege common check: invalid operate privilege type, current \
        type: 7, valid value: [Grant, Revoke]";
    assert_eq!(
        root.change("OperatePrivilege", odd).await,
        refused(65_535, 41, text)
    );
    let missing = OperatePrivilegeRequest::default();
    let text = "the entity in the request is nil";
    assert_eq!(
        root.change("OperatePrivilege", missing).await,
        refused(65_535, 1, text)
    );
}

/// First the role, then the privilege, then how far it reaches.
#[tokio::test]
async fn a_grant_is_checked_in_the_order_of_milvus() {
    let server = Server::start();
    let mut root = server.root().await;
    let no_role = "failed to operate privilege common check: \
        not found the role, maybe the role isn't existed or internal system error";
    let no_role = refused(65_535, 41, no_role);
    for granted in [
        ("Nothing", "*", "*"),
        ("ClusterReadOnly", "default", "*"),
        ("Query", "default", "books"),
    ] {
        assert_eq!(grant_v2_to(&mut root, "none", granted).await, no_role);
    }
    for granted in [
        ("Global", "*", "Nothing"),
        ("Global", "*", "ClusterReadOnly"),
        ("Collection", "books", "Query"),
    ] {
        assert_eq!(grant_to(&mut root, "none", granted).await, no_role);
    }
}
