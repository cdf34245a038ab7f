//! What the tests of this folder share.

use bson::{Document, doc};

use crate::support::{RawClient, TestServer};

/// Runs a command that must succeed.
pub fn succeed(client: &mut RawClient, db: &str, command: Document) -> Document {
    let text = command.to_string();
    let reply = client.run(db, command);
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{text}: {reply}");
    reply
}

/// Creates a user of `shop` whose password is `secret`, with roles of `admin`.
pub fn create(server: &TestServer, user: &str, roles: &[&str]) {
    let roles: Vec<_> = roles
        .iter()
        .map(|role| doc! { "role": *role, "db": "admin" })
        .collect();
    let command = doc! { "createUser": user, "pwd": "secret", "roles": roles };
    succeed(&mut server.admin(), "shop", command);
}

/// Creates a user as [`create`] does, and signs it in.
pub fn create_and_sign_in(server: &TestServer, user: &str, roles: &[&str]) -> RawClient {
    create(server, user, roles);
    sign_in(server, user)
}

/// Another connection of a user of `shop`.
pub fn sign_in(server: &TestServer, user: &str) -> RawClient {
    let mut client = server.raw();
    client.sign_in("shop", user, "secret").unwrap();
    client
}

/// The documents of a batch, the cursor's id and its namespace.
pub fn batch(reply: &Document) -> (Vec<Document>, i64, String) {
    let cursor = reply.get_document("cursor").unwrap();
    let documents = cursor
        .get_array("firstBatch")
        .or_else(|_| cursor.get_array("nextBatch"))
        .unwrap();
    let documents = documents
        .iter()
        .map(|one| one.as_document().unwrap().clone());
    let namespace = cursor.get_str("ns").unwrap().to_owned();
    (
        documents.collect(),
        cursor.get_i64("id").unwrap(),
        namespace,
    )
}

/// Roles without privileges on `shop`, which cost no hashing: `r000` and so on.
pub fn create_roles(admin: &mut RawClient, count: usize) {
    for number in 0..count {
        let role = format!("r{number:03}");
        succeed(
            admin,
            "shop",
            doc! { "createRole": role, "privileges": [], "roles": [] },
        );
    }
}
