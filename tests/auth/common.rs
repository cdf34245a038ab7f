//! What the tests of this folder share.

use bson::{Bson, Document, doc};

use crate::support::{Options, RawClient, TestServer};

/// Options with fewer rounds of hashing than the default.
pub fn options() -> Options {
    Options::default().arguments(&[
        "--setParameter",
        "scramIterationCount=5000",
        "--setParameter",
        "scramSHA256IterationCount=5000",
    ])
}

/// A server with an administrator.
pub fn server() -> TestServer {
    TestServer::with_admin_and(options())
}

/// Runs a command that must succeed without saying more.
pub fn ok(client: &mut RawClient, db: &str, command: Document) {
    let text = command.to_string();
    assert_eq!(client.run(db, command), doc! { "ok": 1.0 }, "{text}");
}

/// Creates a user of `shop` whose password is `secret`.
pub fn create(admin: &mut RawClient, user: &str, roles: Vec<Bson>) {
    ok(
        admin,
        "shop",
        doc! { "createUser": user, "pwd": "secret", "roles": roles },
    );
}

/// A connection on which that user of `shop` is signed in.
pub fn signed_in(server: &TestServer, user: &str) -> RawClient {
    let mut client = server.raw();
    client.sign_in("shop", user, "secret").unwrap();
    client
}

/// The one text of every failed sign-in.
pub fn failed() -> (i32, String) {
    (18, "Authentication failed.".into())
}
