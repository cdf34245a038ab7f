//! The commands that change users, and write concern on them: one row for each check, and for their
//! order.

use bson::doc;

use crate::support::{Options, TestServer, error_of};
use crate::table::{check, server};

#[test]
fn create_user() {
    check(&server(), "createUser");
}

#[test]
fn update_user() {
    check(&server(), "updateUser");
}

#[test]
fn dropping_users() {
    let server = server();
    check(&server, "dropUser");
    check(&server, "dropAllUsersFromDatabase");
}

#[test]
fn granting_and_revoking_roles() {
    let server = server();
    check(&server, "grantRolesToUser");
    check(&server, "revokeRolesFromUser");
}

#[test]
fn write_concern() {
    check(&server(), "writeConcern");
}

#[test]
fn a_server_without_a_journal_cannot_promise_one() {
    let options = Options::default().arguments(&["--storageEngine", "ephemeralForTest"]);
    let server = TestServer::with_admin_and(options);
    let mut admin = server.admin();
    let mut create = |concern: bson::Document| {
        admin.run(
            "shop",
            doc! {
                "createUser": "ann", "pwd": "x", "roles": [], "writeConcern": concern,
            },
        )
    };
    let refused = error_of(&create(doc! { "j": true }));
    let text = "cannot use 'j' option when a host does not have journaling enabled";
    assert_eq!(refused, (2, text.into()));
    assert_eq!(error_of(&create(doc! { "w": 2, "j": 1 })).1, text);
    assert_eq!(create(doc! { "j": false }), doc! { "ok": 1.0 });
    assert_eq!(error_of(&create(doc! { "w": "majority" })).0, 51003);
}
