//! Where a grant lands, and how far one of the newer form reaches.

use bson::doc;
use portcullis::milvus::proto::milvus::{
    GrantEntity, GrantorEntity, ObjectEntity, OperatePrivilegeRequest, OperatePrivilegeV2Request,
    PrivilegeEntity, SelectGrantRequest, SelectGrantResponse,
};

use crate::client::{Client, Server, Told, create_user, told};
use crate::keeper::{ann, keeper, may_list_users};

const GRANT: i32 = 0;
const REVOKE: i32 = 1;

fn grantor(privilege: &str) -> GrantorEntity {
    GrantorEntity {
        user: None,
        privilege: Some(PrivilegeEntity {
            name: privilege.to_owned(),
        }),
    }
}

/// The older form, of a privilege on the whole server.
async fn operate(client: &mut Client, privilege: &str, db: &str, operation: i32) -> Told {
    let entity = Some(GrantEntity {
        role: Some(keeper()),
        object: Some(ObjectEntity {
            name: "Global".to_owned(),
        }),
        object_name: "*".to_owned(),
        grantor: Some(grantor(privilege)),
        db_name: db.to_owned(),
    });
    let message = OperatePrivilegeRequest {
        entity,
        r#type: operation,
        version: String::new(),
    };
    client.change("OperatePrivilege", message).await
}

async fn operate_v2(
    client: &mut Client,
    (privilege, db, collection): (&str, &str, &str),
    operation: i32,
) -> Told {
    let message = OperatePrivilegeV2Request {
        role: Some(keeper()),
        grantor: Some(grantor(privilege)),
        r#type: operation,
        db_name: db.to_owned(),
        collection_name: collection.to_owned(),
    };
    client.change("OperatePrivilegeV2", message).await
}

/// Database, object and privilege of each grant.
async fn listed(client: &mut Client, db: &str) -> Vec<String> {
    let entity = Some(GrantEntity {
        role: Some(keeper()),
        db_name: db.to_owned(),
        ..GrantEntity::default()
    });
    let reply: SelectGrantResponse = client
        .call("SelectGrant", SelectGrantRequest { entity })
        .await
        .unwrap();
    told(reply.status).unwrap();
    let line = |grant: GrantEntity| {
        let privilege = grant.grantor.unwrap().privilege.unwrap().name;
        format!("{} {} {privilege}", grant.db_name, grant.object_name)
    };
    reply.entities.into_iter().map(line).collect()
}

#[tokio::test]
async fn a_grant_without_a_database_is_for_the_one_that_the_call_is_about() {
    let server = Server::start();
    let root = &mut server.root().await;
    let ann = &mut ann(&server, root).await;
    root.db = Some("shop".to_owned());
    operate(root, "SelectOwnership", "", GRANT).await.unwrap();
    operate_v2(root, ("Query", "", "books"), GRANT)
        .await
        .unwrap();
    let own = ["shop books Query", "shop * SelectOwnership"];
    assert_eq!(listed(root, "").await, own);
    assert_eq!(listed(root, "shop").await, own);
    assert!(listed(root, "default").await.is_empty());

    // Whoever gives a name means that one.
    operate(root, "FlushAll", "default", GRANT).await.unwrap();
    operate_v2(root, ("Search", "default", "books"), GRANT)
        .await
        .unwrap();
    let of_default = ["default books Search", "default * FlushAll"];
    assert_eq!(listed(root, "default").await, of_default);
    assert_eq!(listed(root, "").await, own);

    assert!(!may_list_users(ann).await);
    ann.db = Some("shop".to_owned());
    assert!(may_list_users(ann).await);
    // It is taken back from where it was given.
    root.db = None;
    assert_eq!(listed(root, "").await, of_default);
    operate(root, "SelectOwnership", "", REVOKE).await.unwrap();
    assert!(may_list_users(ann).await);
    root.db = Some("shop".to_owned());
    operate(root, "SelectOwnership", "", REVOKE).await.unwrap();
    assert!(!may_list_users(ann).await);
}

#[tokio::test]
async fn what_the_call_is_about_is_checked_as_if_it_were_named() {
    let server = Server::start();
    let root = &mut server.root().await;
    ann(&server, root).await;
    let level = |reason: &str| Err((1100, 5, format!("{reason}: invalid parameter")));
    let group = ("CollectionReadOnly", "", "books");
    root.db = Some("*".to_owned());
    let unnamed =
        "please specify database name for the collection level privilege: CollectionReadOnly";
    assert_eq!(operate_v2(root, group, GRANT).await, level(unnamed));
    // All of them, which nothing else says.
    let cluster = ("ClusterReadOnly", "", "*");
    operate_v2(root, cluster, GRANT).await.unwrap();
    root.db = Some("shop".to_owned());
    operate_v2(root, group, GRANT).await.unwrap();
    let narrow =
        "dbName and collectionName should be * for the cluster level privilege: ClusterReadOnly";
    assert_eq!(operate_v2(root, cluster, GRANT).await, level(narrow));
    root.db = Some("a-b".to_owned());
    assert_eq!(operate_v2(root, group, GRANT).await.unwrap_err().0, 1100);
    let expected = ["* * ClusterReadOnly", "shop books CollectionReadOnly"];
    assert_eq!(listed(root, "*").await, expected);
}

#[tokio::test]
async fn a_privilege_on_the_server_is_listed_as_it_was_given_and_is_for_all_of_it() {
    let server = Server::start();
    let root = &mut server.root().await;
    let ann = &mut ann(&server, root).await;
    let on_books = ("SelectOwnership", "*", "books");
    let everywhere = ("SelectOwnership", "*", "*");
    operate_v2(root, on_books, GRANT).await.unwrap();
    assert_eq!(listed(root, "").await, ["* books SelectOwnership"]);
    assert!(may_list_users(ann).await);
    // Two grants, of which one is enough, and the older form knows one of them.
    operate_v2(root, everywhere, GRANT).await.unwrap();
    let both = ["* * SelectOwnership", "* books SelectOwnership"];
    assert_eq!(listed(root, "").await, both);
    operate(root, "SelectOwnership", "*", REVOKE).await.unwrap();
    assert_eq!(listed(root, "").await, ["* books SelectOwnership"]);
    operate_v2(root, everywhere, REVOKE).await.unwrap();
    assert!(may_list_users(ann).await);
    operate_v2(root, on_books, REVOKE).await.unwrap();
    assert!(listed(root, "").await.is_empty());
    assert!(!may_list_users(ann).await);

    // In the database that was named, and no other.
    operate_v2(root, ("*", "shop", "books"), GRANT)
        .await
        .unwrap();
    assert_eq!(listed(root, "shop").await, ["shop books *"]);
    assert!(!may_list_users(ann).await);
    ann.db = Some("shop".to_owned());
    assert!(may_list_users(ann).await);
}

/// Root is known by its name, and Milvus is never without it.
#[tokio::test]
async fn who_may_create_users_cannot_make_root() {
    let server = Server::start();
    let mut root = server.root().await;
    let mut ann = ann(&server, &mut root).await;
    let granted = operate(&mut root, "CreateOwnership", "*", GRANT).await;
    assert_eq!(granted, Ok(()));
    let exists = Err((65_535, 29, "user already exists: root".to_owned()));
    assert_eq!(create_user(&mut ann, "root", "secret").await, exists);
    let mut admin = server.mongodb.admin();
    let dropped = admin.run("milvus", doc! { "dropUser": "root" });
    assert_eq!(dropped, doc! { "ok": 1.0 });
    for name in ["root", " root "] {
        assert_eq!(create_user(&mut ann, name, "secret").await, exists);
    }
    assert_eq!(create_user(&mut ann, "bob", "secret").await, Ok(()));
    let shown = admin.run("milvus", doc! { "usersInfo": "root" });
    assert!(shown.get_array("users").unwrap().is_empty(), "{shown}");
    let create = doc! { "createUser": "root", "pwd": "another", "roles": [] };
    assert_eq!(admin.run("milvus", create), doc! { "ok": 1.0 });
    let mut root = server.client_as("root", "another").await;
    assert!(may_list_users(&mut root).await);
}
