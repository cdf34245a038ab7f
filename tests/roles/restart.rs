//! Roles are the same after a restart, to the byte.

use bson::{Document, RawDocumentBuf, doc};

use crate::common::{create_role, ok, on_shop, privilege};
use crate::support::{Options, RawClient, TestServer};
use crate::table::FEW_ROUNDS;

/// The replies of everything that shows roles, as bytes.
fn shown(admin: &mut RawClient) -> Vec<Vec<u8>> {
    let everything = |command: Document| {
        let mut command = command;
        command.extend(doc! { "showPrivileges": true, "showAuthenticationRestrictions": true });
        command
    };
    let mut replies = Vec::new();
    for db in ["shop", "other", "admin"] {
        for command in [
            everything(doc! { "rolesInfo": 1 }),
            everything(doc! { "rolesInfo": ["clerk", "head", { "role": "chief", "db": "admin" }] }),
            doc! { "rolesInfo": ["clerk", "head"], "showPrivileges": "asUserFragment" },
            doc! { "usersInfo": 1 },
            everything(doc! { "usersInfo": "ann" }),
        ] {
            let reply = admin.run(db, command);
            assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
            replies.push(
                RawDocumentBuf::try_from(&reply)
                    .unwrap()
                    .as_bytes()
                    .to_vec(),
            );
        }
    }
    replies
}

fn populate(admin: &mut RawClient) {
    create_role(admin, "clerk", &["update", "find"], &["read"]);
    let restrictions = doc! { "updateRole": "clerk", "authenticationRestrictions": [
        { "clientSource": ["127.0.0.0/8", "::1"], "serverAddress": ["127.0.0.1"] },
        { "serverAddress": ["10.1.2.3"] },
    ] };
    ok(admin, "shop", restrictions);
    create_role(admin, "head", &[], &["clerk", "dbAdmin"]);
    let grant = doc! { "grantPrivilegesToRole": "head", "privileges": [
        privilege(&["collStats", "anyAction"]),
        { "resource": { "db": "shop", "collection": "system.js" }, "actions": ["find"] },
    ] };
    ok(admin, "shop", grant);
    let chief = doc! { "createRole": "chief", "roles": [on_shop("head"), "root"], "privileges": [
        { "resource": { "cluster": true }, "actions": ["shutdown"] },
        { "resource": { "anyResource": true }, "actions": ["find"] },
        { "resource": { "db": "", "collection": "" }, "actions": ["find"] },
        { "resource": { "db": "", "collection": "c" }, "actions": ["find"] },
        { "resource": { "system_buckets": "" }, "actions": ["find"] },
        { "resource": { "db": "shop", "system_buckets": "" }, "actions": ["find"] },
        { "resource": { "system_buckets": "b" }, "actions": ["find"] },
        { "resource": { "db": "shop", "system_buckets": "b" }, "actions": ["find"] },
    ] };
    ok(admin, "admin", chief);
    for role in ["gone", "revoked"] {
        create_role(admin, role, &["find"], &[]);
    }
    let chief = doc! { "role": "chief", "db": "admin" };
    let ann = doc! {
        "createUser": "ann", "pwd": "x", "roles": ["head", "gone", chief],
        "mechanisms": ["SCRAM-SHA-1"],
    };
    ok(admin, "shop", ann);
    ok(
        admin,
        "shop",
        doc! { "grantRolesToRole": "head", "roles": ["gone", "revoked"] },
    );
    ok(admin, "shop", doc! { "dropRole": "gone" });
    ok(
        admin,
        "shop",
        doc! { "revokeRolesFromRole": "head", "roles": ["revoked"] },
    );
    ok(
        admin,
        "other",
        doc! { "createRole": "x", "privileges": [], "roles": [] },
    );
    let dropped = admin.run("other", doc! { "dropAllRolesFromDatabase": 1 });
    assert_eq!(dropped, doc! { "n": 1, "ok": 1.0 });
}

#[test]
fn everything_survives_a_stop() {
    let server = TestServer::with_admin_and(Options::default().arguments(&FEW_ROUNDS));
    let mut admin = server.admin();
    populate(&mut admin);
    let before = shown(&mut admin);
    let folder = server.folder();
    let (status, log) = server.stop();
    assert!(status.success(), "{log}");
    let server = Options::in_folder(folder).start();
    assert_eq!(shown(&mut server.admin()), before);
}

#[test]
fn everything_that_was_answered_survives_a_crash() {
    let server = TestServer::with_admin_and(Options::default().arguments(&FEW_ROUNDS));
    let mut admin = server.admin();
    populate(&mut admin);
    let before = shown(&mut admin);
    let server = Options::in_folder(server.kill()).start();
    assert_eq!(shown(&mut server.admin()), before);
}

/// A role alone ends the localhost exception, also after a restart.
#[test]
fn roles_without_users_keep_strangers_out() {
    let server = TestServer::with_admin_and(Options::default().arguments(&FEW_ROUNDS));
    let mut admin = server.admin();
    create_role(&mut admin, "clerk", &["find"], &[]);
    ok(&mut admin, "admin", doc! { "dropUser": "admin" });
    let server = Options::in_folder(server.kill()).start();
    let create = doc! { "createUser": "eve", "pwd": "x", "roles": ["root"] };
    let refused = server.raw().run("admin", create);
    assert_eq!(
        crate::support::error_of(&refused),
        (13, "Command createUser requires authentication".into())
    );
}
