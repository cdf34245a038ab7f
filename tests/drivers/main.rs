//! The official Rust driver and the `scram` crate as clients. The clients of other languages are in
//! the folders beside this file; `tests/run` runs them.

#![allow(clippy::unwrap_used)] // in helpers of tests too

#[path = "../support/mod.rs"]
mod support;

mod connections;
mod independent_client;
mod sign_in;
mod users;

use bson::{Document, doc};
use mongodb::Client;
use mongodb::error::{Error, ErrorKind};

/// The code of an error that the server sent, for a command or for a sign-in.
fn code_of(error: &Error) -> i32 {
    match &*error.kind {
        ErrorKind::Command(error) => error.code,
        // The driver wraps the server's answer to a sign-in.
        _ => {
            let source = std::error::Error::source(error)
                .and_then(|source| source.downcast_ref::<Box<Error>>().map(|boxed| &**boxed));
            source.map_or_else(|| panic!("not from the server: {error:?}"), code_of)
        }
    }
}

/// Creates a user of `products` with the password "secret"; `fields` win.
async fn create(admin: &Client, user: &str, fields: Document) {
    let mut command = doc! { "createUser": user, "pwd": "secret", "roles": ["read"] };
    command.extend(fields);
    admin
        .database("products")
        .run_command(command)
        .await
        .unwrap();
}

/// `_id`s that `usersInfo` shows in a database.
async fn user_ids(client: &Client, db: &str, users_info: Document) -> Vec<String> {
    let reply = client.database(db).run_command(users_info).await.unwrap();
    let users = reply.get_array("users").unwrap();
    let id = |user: &bson::Bson| {
        user.as_document()
            .unwrap()
            .get_str("_id")
            .unwrap()
            .to_owned()
    };
    users.iter().map(id).collect()
}
