//! What the Rust driver does beside commands: compression, sessions, many connections.

use std::collections::BTreeSet;

use bson::doc;
use mongodb::Client;
use mongodb::options::{Compressor, Credential};

use crate::support::{ADMIN, TestServer};
use crate::{code_of, create, user_ids};

#[tokio::test]
async fn each_compressor() {
    let server = TestServer::with_admin();
    for compressor in [
        Compressor::Snappy,
        Compressor::Zlib { level: None },
        Compressor::Zstd { level: None },
    ] {
        let mut options = server.driver_options();
        options.compressors = Some(vec![compressor.clone()]);
        let credential = Credential::builder().source("admin".to_owned());
        let credential = credential
            .username(ADMIN.0.to_owned())
            .password(ADMIN.1.to_owned());
        options.credential = Some(credential.build());
        let client = Client::with_options(options).unwrap();
        let users = user_ids(
            &client,
            "admin",
            doc! { "usersInfo": { "forAllDBs": true } },
        )
        .await;
        assert_eq!(users, ["admin.admin"], "{compressor:?}");
    }
}

#[tokio::test]
async fn a_session_of_ones_own() {
    let server = TestServer::with_admin();
    let admin = server.driver_as("admin", ADMIN.0, ADMIN.1, None).await;
    let mut session = admin.start_session().await.unwrap();
    let command = doc! { "createUser": "ann", "pwd": "secret", "roles": [] };
    let products = admin.database("products");
    products
        .run_command(command)
        .session(&mut session)
        .await
        .unwrap();
    drop(session);
    admin.clone().shutdown().await;
    assert!(server.raw().sign_in("products", "ann", "secret").is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn users_created_from_many_connections() {
    let server = TestServer::with_admin();
    let admin = server.driver_as("admin", ADMIN.0, ADMIN.1, None).await;
    let mut creating = tokio::task::JoinSet::new();
    for number in 0..24 {
        let admin = admin.clone();
        creating.spawn(async move { create(&admin, &format!("user{number}"), doc! {}).await });
    }
    while let Some(created) = creating.join_next().await {
        created.unwrap();
    }
    let expected: BTreeSet<_> = (0..24)
        .map(|number| format!("products.user{number}"))
        .collect();
    let users = user_ids(&admin, "products", doc! { "usersInfo": 1 }).await;
    assert_eq!(users.into_iter().collect::<BTreeSet<_>>(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_name_is_given_once() {
    let server = TestServer::with_admin();
    let admin = server.driver_as("admin", ADMIN.0, ADMIN.1, None).await;
    let mut creating = tokio::task::JoinSet::new();
    for number in 0..8 {
        let products = admin.database("products");
        let password = format!("secret{number}");
        let command = doc! { "createUser": "only", "pwd": &password, "roles": [] };
        creating.spawn(async move {
            match products.run_command(command).await {
                Ok(_) => Some(password),
                Err(error) => {
                    assert_eq!(code_of(&error), 51003);
                    None
                }
            }
        });
    }
    let winners: Vec<_> = creating.join_all().await.into_iter().flatten().collect();
    assert_eq!(winners.len(), 1);
    server
        .raw()
        .sign_in("products", "only", &winners[0])
        .unwrap();
}
