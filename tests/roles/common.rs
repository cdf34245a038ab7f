//! What the tests of this folder share.

use bson::{Bson, Document, doc};

use crate::support::{RawClient, TestServer, checked};

/// Runs a command that must succeed without saying more.
pub fn ok(client: &mut RawClient, db: &str, command: Document) {
    let text = command.to_string();
    assert_eq!(client.run(db, command), doc! { "ok": 1.0 }, "{text}");
}

/// Creates a role on `shop` that lets its holders do `actions` on the database.
pub fn create_role(admin: &mut RawClient, role: &str, actions: &[&str], roles: &[&str]) {
    let privileges = if actions.is_empty() {
        Vec::new()
    } else {
        vec![privilege(actions)]
    };
    let command = doc! { "createRole": role, "privileges": privileges, "roles": roles.to_vec() };
    ok(admin, "shop", command);
}

/// `actions` on the database `shop`.
pub fn privilege(actions: &[&str]) -> Document {
    doc! { "resource": { "db": "shop", "collection": "" }, "actions": actions.to_vec() }
}

/// Creates a user of `shop` whose password is `secret` and signs it in.
pub fn create_and_sign_in(server: &TestServer, user: &str, roles: Vec<Bson>) -> RawClient {
    let command = doc! { "createUser": user, "pwd": "secret", "roles": roles };
    ok(&mut server.admin(), "shop", command);
    let mut client = server.raw();
    client.sign_in("shop", user, "secret").unwrap();
    client
}

/// `{role, db}` as replies show a role of `shop`.
pub fn on_shop(role: &str) -> Document {
    doc! { "role": role, "db": "shop" }
}

/// The documents in an array of a reply that must be a success.
pub fn documents(reply: Document, field: &str) -> Vec<Document> {
    let reply = checked(reply).unwrap();
    let array = reply.get_array(field).unwrap().iter();
    array
        .map(|item| item.as_document().unwrap().clone())
        .collect()
}
