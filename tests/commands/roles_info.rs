//! `rolesInfo` for built-in roles: which there are on a database, and what they allow.

use std::collections::BTreeMap;

use bson::{Bson, Document, doc};

use crate::support::{RawClient, fixture};
use crate::table::{check, server};

/// Roles that exist on `admin` only.
const ADMIN_ONLY: [&str; 12] = [
    "backup",
    "clusterAdmin",
    "clusterManager",
    "clusterMonitor",
    "dbAdminAnyDatabase",
    "directShardOperations",
    "hostManager",
    "readAnyDatabase",
    "readWriteAnyDatabase",
    "restore",
    "root",
    "userAdminAnyDatabase",
];

#[test]
fn requests_and_replies() {
    check(&server(), "rolesInfo");
}

/// By role, what `fixtures/authz/` says it allows on `db`.
fn expected_privileges(db: &str) -> BTreeMap<String, Bson> {
    let text = std::fs::read_to_string(fixture("authz/effective_privileges.json")).unwrap();
    let all: Document = serde_json::from_str(&text.replace("$roleDb", db)).unwrap();
    all.into_iter().collect()
}

fn roles(client: &mut RawClient, db: &str, command: Document) -> Vec<Document> {
    let reply = client.run(db, command);
    assert_eq!(reply.keys().collect::<Vec<_>>(), ["roles", "ok"], "{reply}");
    let roles = reply.get_array("roles").unwrap();
    roles
        .iter()
        .map(|role| role.as_document().unwrap().clone())
        .collect()
}

#[test]
fn every_built_in_role_allows_what_it_should() {
    let server = server();
    let mut admin = server.admin();
    for (role, privileges) in expected_privileges("admin") {
        let command = doc! { "rolesInfo": &role, "showPrivileges": true };
        let found = roles(&mut admin, "admin", command);
        let expected = doc! {
            "db": "admin", "role": &role, "roles": [], "privileges": privileges.clone(),
            "inheritedRoles": [], "inheritedPrivileges": privileges, "isBuiltin": true,
        };
        assert_eq!(found, std::slice::from_ref(&expected), "{role}");
        assert!(
            found[0].keys().eq(expected.keys()),
            "order of fields of {role}"
        );
    }
    for (role, privileges) in expected_privileges("shop") {
        let found = roles(
            &mut admin,
            "shop",
            doc! { "rolesInfo": &role, "showPrivileges": true },
        );
        let found: Vec<_> = found
            .iter()
            .map(|role| role.get("privileges").unwrap())
            .collect();
        if ADMIN_ONLY.contains(&role.as_str()) || role == "__system" || role == "__queryableBackup"
        {
            assert!(found.is_empty(), "{role} is for admin only");
        } else {
            assert_eq!(found, [&privileges], "{role}");
        }
    }
}

#[test]
fn a_database_lists_its_built_in_roles() {
    let server = server();
    let mut admin = server.admin();
    for db in ["admin", "shop", "local", "config"] {
        let command = doc! { "rolesInfo": 1, "showBuiltinRoles": true, "showPrivileges": true,
        "showAuthenticationRestrictions": true };
        let found = roles(&mut admin, db, command);
        let mut names: Vec<_> = found
            .iter()
            .map(|role| role.get_str("role").unwrap())
            .collect();
        names.sort_unstable();
        let expected = expected_privileges(db);
        let mut on_db: Vec<_> = expected.keys().map(String::as_str).collect();
        if db != "admin" {
            on_db.retain(|role| !ADMIN_ONLY.contains(role) && !role.starts_with("__"));
        }
        assert_eq!(names, on_db, "on {db}");
        for role in &found {
            let privileges = expected[role.get_str("role").unwrap()].clone();
            let expected = doc! {
                "role": role.get_str("role").unwrap(), "db": db, "isBuiltin": true, "roles": [],
                "inheritedRoles": [], "privileges": privileges.clone(),
                "inheritedPrivileges": privileges, "authenticationRestrictions": [],
                "inheritedAuthenticationRestrictions": [],
            };
            assert_eq!(role, &expected);
            assert!(role.keys().eq(expected.keys()), "order of fields of {role}");
        }
    }
    let found = roles(
        &mut admin,
        "shop",
        doc! { "rolesInfo": 1, "showBuiltinRoles": 1 },
    );
    let first: Vec<_> = found[0].keys().collect();
    assert_eq!(
        first,
        ["role", "db", "isBuiltin", "roles", "inheritedRoles"]
    );
}

#[test]
fn a_fragment_adds_up_what_roles_allow() {
    let server = server();
    let mut admin = server.admin();
    let named =
        doc! { "rolesInfo": ["read", "read", "nobody"], "showPrivileges": "asUserFragment" };
    let reply = admin.run("shop", named);
    let fragment = reply.get_document("userFragment").unwrap();
    assert_eq!(
        fragment.keys().take(3).collect::<Vec<_>>(),
        ["roles", "inheritedRoles", "inheritedPrivileges"]
    );
    let privileges = expected_privileges("shop").remove("read").unwrap();
    assert_eq!(fragment.get("inheritedPrivileges"), Some(&privileges));
}
