//! Answers about roles stay within what a client can read.

use bson::{Document, doc};

use crate::common::{documents, ok, on_shop};
use crate::support::{RawClient, error_of};
use crate::table::server;

fn too_large() -> (i32, String) {
    let text = "The answer does not fit in a document of 16 MiB; ask for less at a time";
    (10334, text.into())
}

#[test]
fn a_role_asked_for_many_times_is_answered_once() {
    let server = server();
    let mut admin = server.admin();
    for show_privileges in [false, true] {
        let names = vec!["dbAdmin"; 30_000];
        let info = doc! { "rolesInfo": names, "showPrivileges": show_privileges };
        let roles = documents(admin.run("shop", info), "roles");
        assert_eq!(roles.len(), 1);
    }
    let names = vec![on_shop("dbAdmin"); 30_000];
    let info = doc! { "rolesInfo": names, "showPrivileges": "asUserFragment" };
    let reply = admin.run("shop", info);
    let fragment = reply.get_document("userFragment").unwrap();
    assert_eq!(fragment.get_array("roles").unwrap().len(), 1);
}

/// A role of about 1 MiB, and 20 that include it, so that each is shown with all of that.
fn large_roles(admin: &mut RawClient) {
    let privileges: Vec<_> = (0..10_000)
        .map(|number| {
            let resource = doc! { "db": "shop", "collection": format!("collection{number:05}") };
            doc! { "resource": resource, "actions": ["find"] }
        })
        .collect();
    let large = doc! { "createRole": "large", "privileges": privileges, "roles": [] };
    ok(admin, "shop", large);
    for number in 0..20 {
        let role = format!("role{number:02}");
        let command = doc! { "createRole": role, "privileges": [], "roles": ["large"] };
        ok(admin, "shop", command);
    }
}

#[test]
fn a_list_that_fits_in_no_document_is_refused() {
    let server = server();
    let mut admin = server.admin();
    large_roles(&mut admin);
    let info = doc! { "rolesInfo": 1, "showPrivileges": true };
    assert_eq!(error_of(&admin.run("shop", info)), too_large());
    let names: Vec<_> = (0..20).map(|number| format!("role{number:02}")).collect();
    let info = doc! { "rolesInfo": names.clone(), "showPrivileges": true };
    assert_eq!(error_of(&admin.run("shop", info)), too_large());
    // Less at a time does fit, and so does all of it without privileges.
    let info = doc! { "rolesInfo": names[..5].to_vec(), "showPrivileges": true };
    let roles = documents(admin.run("shop", info), "roles");
    let privileges = |role: &Document| role.get_array("inheritedPrivileges").unwrap().len();
    assert!(roles.iter().all(|role| privileges(role) == 10_000));
    let all = documents(admin.run("shop", doc! { "rolesInfo": 1 }), "roles");
    assert_eq!(all.len(), 21);
}

#[test]
fn a_fragment_that_fits_in_no_document_is_refused() {
    let server = server();
    let mut admin = server.admin();
    let names: Vec<_> = (0..250_000).map(|number| format!("{number:06}")).collect();
    let info = doc! { "rolesInfo": names, "showPrivileges": "asUserFragment" };
    assert_eq!(error_of(&admin.run("shop", info)), too_large());
    ok(&mut admin, "shop", doc! { "ping": 1 });
}

#[test]
fn a_role_that_fits_in_no_document_is_refused() {
    let server = server();
    let mut admin = server.admin();
    let privileges = |first: u32| -> Vec<_> {
        (first..first + 90_000)
            .map(|number| {
                let resource =
                    doc! { "db": "shop", "collection": format!("collection{number:06}") };
                doc! { "resource": resource, "actions": ["find"] }
            })
            .collect()
    };
    let create = doc! { "createRole": "large", "privileges": privileges(0), "roles": [] };
    ok(&mut admin, "shop", create);
    let grant = doc! { "grantPrivilegesToRole": "large", "privileges": privileges(90_000) };
    let (code, message) = error_of(&admin.run("shop", grant));
    assert_eq!(code, 10334, "{message}");
    assert!(
        message.starts_with("the record of \"large@shop\" has"),
        "{message}"
    );
    // What was refused left no trace.
    let info = doc! { "rolesInfo": "large", "showPrivileges": "asUserFragment" };
    let reply = admin.run("shop", info);
    let fragment = reply.get_document("userFragment").unwrap();
    let shown = fragment.get_array("inheritedPrivileges").unwrap();
    assert_eq!(shown.len(), 90_000);
}
