//! `createUser` over a socket.

use bson::doc;

use crate::support::{TestServer, error_of};

#[test]
fn a_user_can_be_created_once() {
    let server = TestServer::with_admin();
    let mut admin = server.admin();
    let command = doc! { "createUser": "ann", "pwd": "secret", "roles": ["read"] };
    assert_eq!(admin.run("products", command.clone()), doc! { "ok": 1.0 });
    let again = error_of(&admin.run("products", command));
    assert_eq!(
        again,
        (51003, "User \"ann@products\" already exists".into())
    );
    server.raw().sign_in("products", "ann", "secret").unwrap();
}
