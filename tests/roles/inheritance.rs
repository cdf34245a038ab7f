//! A role held through others gives and takes rights at the holder's next command.

use bson::{Document, doc};

use crate::common::{create_and_sign_in, create_role, documents, ok, on_shop, privilege};
use crate::support::{RawClient, TestServer, error_of};
use crate::table::server;

/// Which of `find`, `insert` and `update` a live session may run: 115 says allowed, 13 refused.
fn allowed(client: &mut RawClient) -> Vec<&'static str> {
    let mut allowed = Vec::new();
    for command in ["find", "insert", "update"] {
        let (code, message) = error_of(&client.run("shop", doc! { command: "carts" }));
        match code {
            115 => allowed.push(command),
            13 => assert!(message.starts_with("not authorized on shop"), "{message}"),
            _ => panic!("{code}: {message}"),
        }
    }
    allowed
}

/// `ann` holds `top`, which includes `middle`, which includes `low`, which allows `find`.
fn three_levels() -> (TestServer, RawClient, RawClient) {
    let server = server();
    let mut admin = server.admin();
    create_role(&mut admin, "low", &["find"], &[]);
    create_role(&mut admin, "middle", &[], &["low"]);
    create_role(&mut admin, "top", &[], &["middle"]);
    let ann = create_and_sign_in(&server, "ann", vec!["top".into()]);
    (server, admin, ann)
}

#[test]
fn privileges_change_at_every_level() {
    let (_server, mut admin, mut ann) = three_levels();
    assert_eq!(allowed(&mut ann), ["find"]);
    for role in ["low", "middle", "top"] {
        let insert = vec![privilege(&["insert"])];
        let grant = doc! { "grantPrivilegesToRole": role, "privileges": insert.clone() };
        ok(&mut admin, "shop", grant);
        assert_eq!(allowed(&mut ann), ["find", "insert"], "granted to {role}");
        let revoke = doc! { "revokePrivilegesFromRole": role, "privileges": insert };
        ok(&mut admin, "shop", revoke);
        assert_eq!(allowed(&mut ann), ["find"], "revoked from {role}");
        let update =
            doc! { "updateRole": role, "privileges": [privilege(&["find", "insert", "update"])] };
        ok(&mut admin, "shop", update);
        assert_eq!(allowed(&mut ann), ["find", "insert", "update"]);
        ok(
            &mut admin,
            "shop",
            doc! { "updateRole": role, "privileges": [privilege(&["find"])] },
        );
        assert_eq!(allowed(&mut ann), ["find"]);
    }
}

#[test]
fn the_chain_may_be_cut_and_mended_anywhere() {
    let (_server, mut admin, mut ann) = three_levels();
    let cuts = [
        (
            doc! { "revokeRolesFromUser": "ann", "roles": ["top"] },
            doc! { "grantRolesToUser": "ann", "roles": ["top"] },
        ),
        (
            doc! { "revokeRolesFromRole": "top", "roles": ["middle"] },
            doc! { "grantRolesToRole": "top", "roles": ["middle"] },
        ),
        (
            doc! { "revokeRolesFromRole": "middle", "roles": ["low"] },
            doc! { "grantRolesToRole": "middle", "roles": ["low"] },
        ),
        (
            doc! { "updateRole": "middle", "roles": [] },
            doc! { "updateRole": "middle", "roles": ["low"] },
        ),
    ];
    for (cut, mend) in cuts {
        ok(&mut admin, "shop", cut.clone());
        assert!(allowed(&mut ann).is_empty(), "{cut}");
        ok(&mut admin, "shop", mend.clone());
        assert_eq!(allowed(&mut ann), ["find"], "{mend}");
    }
    ok(&mut admin, "shop", doc! { "dropRole": "middle" });
    assert!(allowed(&mut ann).is_empty());
    assert_eq!(ann.signed_in_user().as_deref(), Some("ann@shop"));
}

#[test]
fn another_way_to_a_role_keeps_its_rights() {
    let (_server, mut admin, mut ann) = three_levels();
    create_role(&mut admin, "side", &[], &["low"]);
    ok(
        &mut admin,
        "shop",
        doc! { "grantRolesToRole": "top", "roles": ["side"] },
    );
    ok(&mut admin, "shop", doc! { "dropRole": "middle" });
    assert_eq!(allowed(&mut ann), ["find"]);
    ok(&mut admin, "shop", doc! { "dropRole": "side" });
    assert!(allowed(&mut ann).is_empty());
}

#[test]
fn a_role_of_admin_reaches_other_databases() {
    let server = server();
    let mut admin = server.admin();
    create_role(&mut admin, "low", &["find"], &[]);
    let create = doc! { "createRole": "chief", "roles": [on_shop("low")], "privileges": [
        { "resource": { "db": "", "collection": "carts" }, "actions": ["insert"] },
        { "resource": { "cluster": true }, "actions": ["serverStatus"] },
    ] };
    ok(&mut admin, "admin", create);
    let chief = doc! { "role": "chief", "db": "admin" };
    let mut ann = create_and_sign_in(&server, "ann", vec![chief.into()]);
    assert_eq!(allowed(&mut ann), ["find", "insert"]);
    let code = |ann: &mut RawClient, db: &str, command: Document| error_of(&ann.run(db, command)).0;
    assert_eq!(code(&mut ann, "other", doc! { "insert": "carts" }), 115);
    assert_eq!(code(&mut ann, "other", doc! { "insert": "orders" }), 13);
    assert_eq!(code(&mut ann, "other", doc! { "find": "carts" }), 13);
    let status = ann.run("admin", doc! { "serverStatus": 1 });
    assert_eq!(status.get_f64("ok").ok(), Some(1.0));
    ok(&mut admin, "admin", doc! { "dropRole": "chief" });
    assert_eq!(code(&mut ann, "admin", doc! { "serverStatus": 1 }), 13);
    assert!(allowed(&mut ann).is_empty());
}

#[test]
fn users_info_adds_up_every_level() {
    let (_server, mut admin, mut ann) = three_levels();
    let grant = doc! { "grantPrivilegesToRole": "top", "privileges": [privilege(&["insert"])] };
    ok(&mut admin, "shop", grant);
    let all = [on_shop("top"), on_shop("middle"), on_shop("low")];
    let info = doc! { "usersInfo": "ann", "showPrivileges": true };
    let shown = documents(admin.run("shop", info.clone()), "users").remove(0);
    assert_eq!(documents_of(&shown, "roles"), [on_shop("top")]);
    assert_eq!(documents_of(&shown, "inheritedRoles"), all);
    let privileges = [privilege(&["find", "insert"])];
    assert_eq!(documents_of(&shown, "inheritedPrivileges"), privileges);
    assert_eq!(documents(ann.run("shop", info), "users"), [shown]);

    let status = ann.run(
        "shop",
        doc! { "connectionStatus": 1, "showPrivileges": true },
    );
    let status = status.get_document("authInfo").unwrap();
    assert_eq!(documents_of(status, "authenticatedUserRoles"), all);
    assert_eq!(
        documents_of(status, "authenticatedUserPrivileges"),
        privileges
    );
}

fn documents_of(document: &Document, field: &str) -> Vec<Document> {
    let array = document.get_array(field).unwrap().iter();
    array
        .map(|item| item.as_document().unwrap().clone())
        .collect()
}
