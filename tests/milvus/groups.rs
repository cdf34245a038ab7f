//! Groups of privileges that administrators make: what is refused, and what a grant of one allows.

use portcullis::milvus::proto::milvus::{
    CreatePrivilegeGroupRequest, DropPrivilegeGroupRequest, GrantEntity, GrantorEntity,
    ListPrivilegeGroupsRequest, ListPrivilegeGroupsResponse, ObjectEntity,
    OperatePrivilegeGroupRequest, OperatePrivilegeRequest, OperatePrivilegeV2Request,
    PrivilegeEntity, RoleEntity,
};

use crate::client::{Client, Server, Told, restarted, told};
use crate::keeper::{ann, may_list_users};

const ADD: i32 = 0;
const REMOVE: i32 = 1;

fn refused(code: i32, error_code: i32, reason: &str) -> Told {
    Err((code, error_code, reason.to_owned()))
}

async fn create(client: &mut Client, group: &str) -> Told {
    let group_name = group.to_owned();
    let message = CreatePrivilegeGroupRequest { group_name };
    client.change("CreatePrivilegeGroup", message).await
}

async fn drop_group(client: &mut Client, group: &str) -> Told {
    let group_name = group.to_owned();
    let message = DropPrivilegeGroupRequest { group_name };
    client.change("DropPrivilegeGroup", message).await
}

fn named(privilege: &str) -> PrivilegeEntity {
    PrivilegeEntity {
        name: privilege.to_owned(),
    }
}

async fn operate(client: &mut Client, group: &str, privileges: &[&str], operation: i32) -> Told {
    let message = OperatePrivilegeGroupRequest {
        group_name: group.to_owned(),
        privileges: privileges.iter().copied().map(named).collect(),
        r#type: operation,
    };
    client.change("OperatePrivilegeGroup", message).await
}

/// The groups that were made, each with its privileges, and how many there are besides.
async fn list(client: &mut Client) -> (Vec<(String, Vec<String>)>, usize) {
    let listed: ListPrivilegeGroupsResponse = client
        .call("ListPrivilegeGroups", ListPrivilegeGroupsRequest {})
        .await
        .unwrap();
    told(listed.status).unwrap();
    let all = listed.privilege_groups.into_iter().map(|group| {
        let privileges = group.privileges.into_iter();
        (group.group_name, privileges.map(|it| it.name).collect())
    });
    let (built_in, own): (Vec<_>, Vec<_>) = all.partition(|(name, _)| {
        name.ends_with("Only") || name.ends_with("Write") || name.ends_with("Admin")
    });
    (own, built_in.len())
}

async fn grant_v2(
    client: &mut Client,
    group: &str,
    (db, collection): (&str, &str),
    operation: i32,
) -> Told {
    let message = OperatePrivilegeV2Request {
        role: Some(RoleEntity {
            name: "keeper".to_owned(),
            description: String::new(),
        }),
        grantor: Some(GrantorEntity {
            user: None,
            privilege: Some(named(group)),
        }),
        r#type: operation,
        db_name: db.to_owned(),
        collection_name: collection.to_owned(),
    };
    client.change("OperatePrivilegeV2", message).await
}

#[tokio::test]
async fn groups_are_made_filled_and_dropped() {
    let server = Server::start();
    let root = &mut server.root().await;
    let cannot =
        |doing: &str, reason: &str| format!("failed to check if privilege group {doing}: {reason}");
    for (name, code, reason) in [
        (
            "",
            1402,
            "privilege group name should not be empty: invalid privilege group name",
        ),
        (
            "1a",
            1402,
            "the first character of a privilege group name 1a must be an underscore or \
            letter: invalid privilege group name",
        ),
        (
            "a$",
            1100,
            "privilege group name a$ can only contain numbers, letters and underscores: \
            invalid parameter",
        ),
    ] {
        let error_code = if code == 1402 { 1 } else { 5 };
        let expected = refused(code, error_code, reason);
        assert_eq!(create(root, name).await, expected);
        assert_eq!(drop_group(root, name).await, expected);
        assert_eq!(operate(root, name, &["Load"], ADD).await, expected);
    }
    let long = "a".repeat(256);
    let (code, _, reason) = create(root, &long).await.unwrap_err();
    assert_eq!(code, 1402);
    assert!(
        reason.contains("must be less than 255 characters"),
        "{reason}"
    );

    assert_eq!(create(root, " readers ").await, Ok(()));
    let exists = "privilege group name [readers] is defined by users: invalid parameter";
    assert_eq!(
        create(root, "readers").await,
        refused(1100, 58, &cannot("creatable", exists))
    );
    let predefined = "privilege group name [Load] is defined by built in privileges or privilege \
        groups in system: invalid parameter";
    assert_eq!(
        create(root, "Load").await,
        refused(1100, 58, &cannot("creatable", predefined))
    );

    let not_alterable = |reason: &str| {
        refused(
            1100,
            61,
            &cannot("alterable", &format!("{reason}: invalid parameter")),
        )
    };
    for (group, privileges, operation, expected) in [
        (
            "none",
            &["Load"][..],
            ADD,
            not_alterable("there is no privilege group name [none] defined in system to operate"),
        ),
        (
            "readers",
            &[],
            ADD,
            not_alterable("privileges is empty when alter the privilege group"),
        ),
        (
            "readers",
            &["load"],
            ADD,
            not_alterable(
                "there is no privilege name or privilege group name [load] defined in system to operate",
            ),
        ),
        (
            "readers",
            &["Load", "FlushAll"],
            ADD,
            not_alterable("privileges are not the same privilege level"),
        ),
        (
            "readers",
            &["Load"],
            7,
            refused(65535, 61, "invalid operate privilege group type"),
        ),
        ("readers", &["Load", "Query"], ADD, Ok(())),
        ("readers", &["Load", "Search"], REMOVE, Ok(())),
    ] {
        assert_eq!(
            operate(root, group, privileges, operation).await,
            expected,
            "{privileges:?}"
        );
    }
    let (own, built_in) = list(root).await;
    assert_eq!(own, [("readers".to_owned(), vec!["Query".to_owned()])]);
    assert_eq!(built_in, 9);

    assert_eq!(drop_group(root, "none").await, Ok(()));
    assert_eq!(drop_group(root, "ClusterAdmin").await, Ok(()));
    assert_eq!(drop_group(root, "readers").await, Ok(()));
    assert_eq!(list(root).await, (Vec::new(), 9));
}

#[tokio::test]
async fn a_grant_of_a_group_allows_what_is_in_it_at_the_next_call() {
    let server = Server::start();
    let root = &mut server.root().await;
    let ann = &mut ann(&server, root).await;
    create(root, "lookers").await.unwrap();
    grant_v2(root, "lookers", ("*", "*"), ADD).await.unwrap();
    assert!(!may_list_users(ann).await);
    operate(root, "lookers", &["SelectOwnership"], ADD)
        .await
        .unwrap();
    assert!(may_list_users(ann).await);
    // By a group in the group as well, which has no level to be beside privileges.
    create(root, "inner").await.unwrap();
    operate(root, "inner", &["ClusterReadOnly"], ADD)
        .await
        .unwrap();
    for group in ["inner", "ClusterReadOnly"] {
        let (code, error_code, reason) = operate(root, "lookers", &[group], ADD).await.unwrap_err();
        assert_eq!((code, error_code), (1100, 61));
        assert!(reason.contains("not the same privilege level"), "{reason}");
    }
    operate(root, "lookers", &["SelectOwnership"], REMOVE)
        .await
        .unwrap();
    assert!(!may_list_users(ann).await);
    operate(root, "lookers", &["inner"], ADD).await.unwrap();
    assert!(may_list_users(ann).await);
    operate(root, "inner", &["ClusterReadOnly"], REMOVE)
        .await
        .unwrap();
    assert!(!may_list_users(ann).await);
    let (code, error_code, reason) = drop_group(root, "lookers").await.unwrap_err();
    assert_eq!((code, error_code), (65535, 59));
    assert!(reason.ends_with(
        "privilege group [lookers] is used by role [keeper], Use REVOKE API to revoke it first"
    ));
    grant_v2(root, "lookers", ("*", "*"), REMOVE).await.unwrap();
    assert_eq!(drop_group(root, "lookers").await, Ok(()));
}

#[tokio::test]
async fn groups_are_granted_by_the_second_form_on_names_of_their_level() {
    let server = Server::start();
    let root = &mut server.root().await;
    ann(&server, root).await;
    for (group, privilege) in [
        ("cluster", "FlushAll"),
        ("db", "ShowCollections"),
        ("one", "Load"),
    ] {
        create(root, group).await.unwrap();
        operate(root, group, &[privilege], ADD).await.unwrap();
    }
    let invalid = |reason: &str| refused(1100, 41, &format!("{reason}: invalid parameter"));
    for (group, names, expected) in [
        (
            "cluster",
            ("default", "*"),
            invalid(
                "dbName and collectionName should be * for the cluster level privilege: cluster",
            ),
        ),
        (
            "db",
            ("default", "books"),
            invalid("collectionName should be * for the database level privilege: db"),
        ),
        (
            "one",
            ("*", "books"),
            invalid("please specify database name for the collection level privilege: one"),
        ),
        (
            "gone",
            ("*", "*"),
            refused(65535, 41, "not found the privilege name[gone]"),
        ),
        ("cluster", ("*", "*"), Ok(())),
        ("db", ("default", "*"), Ok(())),
        ("one", ("default", "books"), Ok(())),
    ] {
        assert_eq!(grant_v2(root, group, names, ADD).await, expected, "{group}");
    }
    let first_form = OperatePrivilegeRequest {
        entity: Some(GrantEntity {
            role: Some(RoleEntity {
                name: "keeper".to_owned(),
                description: String::new(),
            }),
            object: Some(ObjectEntity {
                name: "Global".to_owned(),
            }),
            object_name: "*".to_owned(),
            grantor: Some(GrantorEntity {
                user: None,
                privilege: Some(named("cluster")),
            }),
            db_name: String::new(),
        }),
        r#type: ADD,
        version: String::new(),
    };
    let expected = refused(
        65535,
        41,
        "can not operate the custom privilege group [cluster]",
    );
    assert_eq!(root.change("OperatePrivilege", first_form).await, expected);
}

#[tokio::test]
async fn groups_outlive_a_restart_and_are_for_who_may() {
    let server = Server::start();
    let root = &mut server.root().await;
    let ann = &mut ann(&server, root).await;
    create(root, "lookers").await.unwrap();
    operate(root, "lookers", &["ClusterReadOnly"], ADD)
        .await
        .unwrap();
    let list_message = ListPrivilegeGroupsRequest {};
    let denied: Result<ListPrivilegeGroupsResponse, _> =
        ann.call("ListPrivilegeGroups", list_message).await;
    assert_eq!(
        denied.unwrap_err().message(),
        "PrivilegeListPrivilegeGroups: permission deny to ann in the `default` database"
    );
    grant_v2(root, "lookers", ("*", "*"), ADD).await.unwrap();
    assert_eq!(list(ann).await.0.len(), 1);
    let server = restarted(server);
    let ann = &mut server.client_as("ann", "secret").await;
    assert_eq!(
        list(ann).await.0,
        [("lookers".to_owned(), vec!["ClusterReadOnly".to_owned()])]
    );
    assert!(may_list_users(ann).await);
}

#[tokio::test]
async fn a_dropped_group_is_in_no_other_any_more() {
    let server = Server::start();
    let root = &mut server.root().await;
    let ann = &mut ann(&server, root).await;
    for (group, privilege) in [("inner", "SelectOwnership"), ("outer", "inner")] {
        create(root, group).await.unwrap();
        operate(root, group, &[privilege], ADD).await.unwrap();
    }
    grant_v2(root, "outer", ("*", "*"), ADD).await.unwrap();
    assert!(may_list_users(ann).await);
    assert_eq!(drop_group(root, "inner").await, Ok(()));
    assert!(!may_list_users(ann).await);
    assert_eq!(list(root).await.0, [("outer".to_owned(), vec![])]);
    // What is made anew under the name is another one.
    create(root, "inner").await.unwrap();
    operate(root, "inner", &["SelectOwnership"], ADD)
        .await
        .unwrap();
    assert!(!may_list_users(ann).await);
    assert_eq!(
        operate(root, "outer", &["SelectOwnership"], ADD).await,
        Ok(())
    );
    assert!(may_list_users(ann).await);
}
