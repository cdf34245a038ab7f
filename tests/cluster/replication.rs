//! What is written on the primary is on every node.

use bson::doc;

use crate::common::{
    DB, acknowledged, admins, create_user, done, from_any, names, user_names, with_w,
};
use crate::support::error_of;
use crate::support::replica_set::ReplicaSet;

#[test]
fn users_and_roles_are_on_every_node() {
    let set = ReplicaSet::three();
    let mut admin = set.admin(set.primary());
    let role = doc! {
        "createRole": "clerk", "roles": ["read"],
        "privileges": [{ "resource": { "db": DB, "collection": "orders" }, "actions": ["insert"] }],
    };
    acknowledged(&mut admin, DB, with_w(role, 3));
    acknowledged(&mut admin, DB, with_w(create_user("ann", &["clerk"]), 3));
    acknowledged(&mut admin, DB, with_w(create_user("bob", &["read"]), 3));
    for (node, mut other) in admins(&set).into_iter().enumerate() {
        assert_eq!(user_names(&mut other), ["ann", "bob"], "node {node}");
        let roles = done(&mut other, DB, from_any(doc! { "rolesInfo": 1 }));
        assert_eq!(names(&roles, "roles", "role"), ["clerk"], "node {node}");
        assert_eq!(set.raw(node).sign_in(DB, "ann", "secret"), Ok(()));
        let refused = set.raw(node).sign_in(DB, "ann", "wrong").unwrap_err();
        assert_eq!(error_of(&refused).0, 18);
    }
    acknowledged(&mut admin, DB, with_w(doc! { "dropRole": "clerk" }, 3));
    acknowledged(&mut admin, DB, with_w(doc! { "dropUser": "bob" }, 3));
    for (node, mut other) in admins(&set).into_iter().enumerate() {
        assert_eq!(user_names(&mut other), ["ann"], "node {node}");
        let ann = done(&mut other, DB, from_any(doc! { "usersInfo": "ann" }));
        let ann = ann.get_array("users").unwrap()[0].as_document().unwrap();
        assert!(
            ann.get_array("roles").unwrap().is_empty(),
            "node {node}: {ann}"
        );
        let roles = done(&mut other, DB, from_any(doc! { "rolesInfo": 1 }));
        assert!(roles.get_array("roles").unwrap().is_empty(), "node {node}");
        assert!(set.raw(node).sign_in(DB, "bob", "secret").is_err());
    }
}

#[test]
fn what_is_revoked_on_one_node_is_felt_on_all_when_the_reply_comes() {
    let set = ReplicaSet::three();
    let mut admin = set.admin(set.primary());
    acknowledged(
        &mut admin,
        DB,
        with_w(create_user("ann", &["userAdmin"]), 3),
    );
    let mut anns: Vec<_> = (0..3)
        .map(|node| {
            let mut ann = set.raw(node);
            ann.sign_in(DB, "ann", "secret").unwrap();
            ann
        })
        .collect();
    // Again and again: one that is late would be found.
    for _ in 0..20 {
        let revoke = doc! { "revokeRolesFromUser": "ann", "roles": ["userAdmin"] };
        acknowledged(&mut admin, DB, with_w(revoke, 3));
        for (node, ann) in anns.iter_mut().enumerate() {
            let reply = ann.run(DB, from_any(doc! { "usersInfo": 1 }));
            assert_eq!(error_of(&reply).0, 13, "node {node}");
        }
        let grant = doc! { "grantRolesToUser": "ann", "roles": ["userAdmin"] };
        acknowledged(&mut admin, DB, with_w(grant, 3));
        for ann in &mut anns {
            done(ann, DB, from_any(doc! { "usersInfo": 1 }));
        }
    }
    acknowledged(&mut admin, DB, with_w(doc! { "dropUser": "ann" }, 3));
    for (node, ann) in anns.iter_mut().enumerate() {
        let reply = ann.run(DB, from_any(doc! { "usersInfo": 1 }));
        assert_eq!(error_of(&reply).0, 13, "node {node}");
    }
}

#[test]
fn a_node_that_joins_later_has_everything() {
    let mut set = ReplicaSet::three();
    let secondary = set.secondary();
    set.stop(secondary);
    let mut primary = set.admin(set.primary());
    for number in 0..50 {
        let user = create_user(&format!("user-{number:02}"), &["read"]);
        acknowledged(&mut primary, DB, with_w(user, 2));
    }
    set.start_node(secondary);
    set.wait_until_all_have_everything();
    assert_eq!(user_names(&mut set.admin(secondary)).len(), 50);
}
