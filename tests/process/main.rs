//! The process as an operator meets it: killed, stopped, started wrongly, out of disk.

#![allow(clippy::unwrap_used)] // in helpers of tests too

#[path = "../support/mod.rs"]
mod support;

mod full_disk;
mod kill;
mod restart;
mod start;
mod stop;

use bson::{Document, doc};

use support::RawClient;

/// `createUser` for a user of `products` with the password "secret".
fn create_user(name: &str) -> Document {
    doc! { "createUser": name, "pwd": "secret", "roles": ["read"] }
}

/// Everything the server keeps of all users, credentials included, in the order of their names.
fn all_users(admin: &mut RawClient) -> Vec<Document> {
    let reply = admin.run(
        "admin",
        doc! {
            "usersInfo": { "forAllDBs": true },
            "showCredentials": true,
            "showAuthenticationRestrictions": false,
        },
    );
    let users = reply
        .get_array("users")
        .unwrap_or_else(|_| panic!("no users in {reply}"));
    let mut users: Vec<_> = users
        .iter()
        .map(|user| user.as_document().unwrap().clone())
        .collect();
    users.sort_by(|one, other| {
        one.get_str("_id")
            .unwrap()
            .cmp(other.get_str("_id").unwrap())
    });
    users
}
