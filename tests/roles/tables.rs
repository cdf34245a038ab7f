//! The commands that change roles: one row for each check, and for their order.

use crate::table::{check, server};

#[test]
fn create_role() {
    check(&server(), "createRole");
}

#[test]
fn update_role() {
    check(&server(), "updateRole");
}

#[test]
fn granting_and_revoking_privileges() {
    let server = server();
    check(&server, "grantPrivilegesToRole");
    check(&server, "revokePrivilegesFromRole");
}

#[test]
fn granting_and_revoking_roles() {
    let server = server();
    check(&server, "grantRolesToRole");
    check(&server, "revokeRolesFromRole");
}

#[test]
fn dropping_roles() {
    let server = server();
    check(&server, "dropRole");
    check(&server, "dropAllRolesFromDatabase");
}

#[test]
fn what_roles_info_shows_of_made_roles() {
    check(&server(), "customRolesInfo");
}

#[test]
fn invalidate_user_cache() {
    check(&server(), "invalidateUserCacheOfRoles");
}
