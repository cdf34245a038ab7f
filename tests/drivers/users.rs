//! Users by the Rust driver: created, shown, changed, dropped.

use bson::doc;

use crate::support::{ADMIN, TestServer};
use crate::{code_of, create, user_ids};

#[tokio::test]
async fn the_first_user_is_created_without_signing_in() {
    let server = TestServer::start();
    let anyone = server.driver().await;
    let root = doc! { "createUser": ADMIN.0, "pwd": ADMIN.1, "roles": ["root"] };
    anyone.database("admin").run_command(root).await.unwrap();
    let again = doc! { "createUser": "eve", "pwd": "secret", "roles": ["root"] };
    let refused = anyone
        .database("admin")
        .run_command(again)
        .await
        .unwrap_err();
    assert_eq!(code_of(&refused), 13);
    let admin = server.driver_as("admin", ADMIN.0, ADMIN.1, None).await;
    assert_eq!(
        user_ids(&admin, "admin", doc! { "usersInfo": 1 }).await,
        ["admin.admin"]
    );
}

#[tokio::test]
async fn the_manuals_example() {
    let server = TestServer::with_admin();
    let admin = server.driver_as("admin", ADMIN.0, ADMIN.1, None).await;
    let products = admin.database("products");
    let created = products.run_command(doc! {
        "createUser": "accountAdmin01",
        "pwd": "secret",
        "customData": { "employeeId": 12345 },
        "roles": [
            { "role": "clusterAdmin", "db": "admin" },
            { "role": "readAnyDatabase", "db": "admin" },
            "readWrite",
        ],
        "writeConcern": { "w": "majority", "wtimeout": 5000 },
    });
    assert_eq!(created.await.unwrap(), doc! { "ok": 1.0 });
    let shown = products
        .run_command(doc! { "usersInfo": "accountAdmin01" })
        .await
        .unwrap();
    let user = shown.get_array("users").unwrap()[0].as_document().unwrap();
    assert_eq!(
        user.get_document("customData").unwrap(),
        &doc! { "employeeId": 12345 }
    );
    let mut roles: Vec<_> = user.get_array("roles").unwrap().iter().cloned().collect();
    roles.sort_by_key(ToString::to_string);
    let expected = [
        ("clusterAdmin", "admin"),
        ("readAnyDatabase", "admin"),
        ("readWrite", "products"),
    ];
    let expected: Vec<bson::Bson> = expected
        .iter()
        .map(|(role, db)| doc! { "role": role, "db": db }.into())
        .collect();
    assert_eq!(roles, expected);
    server
        .driver_as("products", "accountAdmin01", "secret", None)
        .await
        .database("products")
        .run_command(doc! { "usersInfo": 1 })
        .await
        .unwrap_err(); // no userAdmin
}

#[tokio::test]
async fn roles_decide_what_a_user_may_do() {
    let server = TestServer::with_admin();
    let admin = server.driver_as("admin", ADMIN.0, ADMIN.1, None).await;
    create(&admin, "reader", doc! {}).await;
    let reader = server.driver_as("products", "reader", "secret", None).await;
    for (db, command, code) in [
        (
            "products",
            doc! { "createUser": "eve", "pwd": "secret", "roles": [] },
            13,
        ),
        ("products", doc! { "usersInfo": 1 }, 13),
        (
            "products",
            doc! { "insert": "c", "documents": [{ "a": 1 }] },
            13,
        ),
        ("shop", doc! { "find": "c" }, 13),
        ("products", doc! { "find": "c" }, 115), // allowed, but no engine stands behind this gate
    ] {
        let error = reader
            .database(db)
            .run_command(command.clone())
            .await
            .unwrap_err();
        assert_eq!(code_of(&error), code, "{command}: {error}");
    }
    let grant = doc! { "grantRolesToUser": "reader", "roles": ["userAdmin"] };
    admin.database("products").run_command(grant).await.unwrap();
    assert_eq!(
        user_ids(&reader, "products", doc! { "usersInfo": 1 }).await,
        ["products.reader"]
    );
    let revoke = doc! { "revokeRolesFromUser": "reader", "roles": ["userAdmin"] };
    admin
        .database("products")
        .run_command(revoke)
        .await
        .unwrap();
    let error = reader
        .database("products")
        .run_command(doc! { "usersInfo": 1 })
        .await
        .unwrap_err();
    assert_eq!(code_of(&error), 13);
}

#[tokio::test]
async fn a_changed_password_and_a_dropped_user() {
    let server = TestServer::with_admin();
    let admin = server.driver_as("admin", ADMIN.0, ADMIN.1, None).await;
    create(&admin, "ann", doc! {}).await;
    let ann = server.driver_as("products", "ann", "secret", None).await;
    let own = doc! { "usersInfo": "ann" };
    ann.database("products")
        .run_command(own.clone())
        .await
        .unwrap();

    let change = doc! { "updateUser": "ann", "pwd": "new secret" };
    admin
        .database("products")
        .run_command(change)
        .await
        .unwrap();
    ann.database("products")
        .run_command(own.clone())
        .await
        .unwrap(); // stays signed in
    let old = server.driver_as("products", "ann", "secret", None).await;
    let refused = old
        .database("products")
        .run_command(own.clone())
        .await
        .unwrap_err();
    assert_eq!(code_of(&refused), 18);
    let new = server
        .driver_as("products", "ann", "new secret", None)
        .await;
    new.database("products")
        .run_command(own.clone())
        .await
        .unwrap();

    admin
        .database("products")
        .run_command(doc! { "dropUser": "ann" })
        .await
        .unwrap();
    let refused = ann
        .database("products")
        .run_command(own.clone())
        .await
        .unwrap_err();
    assert_eq!(code_of(&refused), 13);
    let gone = server
        .driver_as("products", "ann", "new secret", None)
        .await;
    let refused = gone
        .database("products")
        .run_command(own)
        .await
        .unwrap_err();
    assert_eq!(code_of(&refused), 18);
    assert!(
        user_ids(&admin, "products", doc! { "usersInfo": 1 })
            .await
            .is_empty()
    );
}
