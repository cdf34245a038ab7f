//! `authenticationRestrictions` of roles bind whoever holds the role, however indirectly.

use bson::{Document, doc};

use crate::common::{create_role, documents, ok};
use crate::support::{RawClient, TestServer, error_of};
use crate::table::server;

const ELSEWHERE: &str = "10.0.0.0/8";

fn restrict(admin: &mut RawClient, role: &str, ranges: &[&str]) {
    let restrictions: Vec<Document> = ranges
        .iter()
        .map(|range| doc! { "clientSource": [*range] })
        .collect();
    let command = doc! { "updateRole": role, "authenticationRestrictions": restrictions };
    ok(admin, "shop", command);
}

/// `ann` of `shop` holds `r0`, which includes `r1` and so on to `r4`.
fn five_levels() -> (TestServer, RawClient) {
    let server = server();
    let mut admin = server.admin();
    create_role(&mut admin, "r4", &["find"], &[]);
    for level in (0..4).rev() {
        let below = format!("r{}", level + 1);
        create_role(&mut admin, &format!("r{level}"), &[], &[&below]);
    }
    let command = doc! { "createUser": "ann", "pwd": "secret", "roles": ["r0"] };
    ok(&mut admin, "shop", command);
    (server, admin)
}

#[test]
fn refuse_a_sign_in_at_any_depth() {
    let (server, mut admin) = five_levels();
    for level in 0..5 {
        let role = format!("r{level}");
        restrict(&mut admin, &role, &[ELSEWHERE]);
        let refused = server.raw().sign_in("shop", "ann", "secret").unwrap_err();
        assert_eq!(error_of(&refused), (18, "Authentication failed.".into()));
        restrict(&mut admin, &role, &[ELSEWHERE, "127.0.0.1"]);
        server.raw().sign_in("shop", "ann", "secret").unwrap();
    }
}

#[test]
fn end_a_live_session_at_its_next_command() {
    let (server, mut admin) = five_levels();
    for level in 0..5 {
        let role = format!("r{level}");
        let mut ann = server.raw();
        ann.sign_in("shop", "ann", "secret").unwrap();
        restrict(&mut admin, &role, &[ELSEWHERE]);
        let reply = ann.run("shop", doc! { "find": "carts" });
        let signed_out = (13, "Command find requires authentication".into());
        assert_eq!(error_of(&reply), signed_out, "{role}");
        restrict(&mut admin, &role, &[]);
        assert_eq!(ann.signed_in_user(), None, "it has to sign in again");
    }
}

#[test]
fn all_of_them_must_be_met() {
    let (server, mut admin) = five_levels();
    restrict(&mut admin, "r0", &["127.0.0.2", "127.0.0.3"]);
    restrict(&mut admin, "r4", &["127.0.0.3", "127.0.0.4"]);
    let gets_in = ["127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"].map(|from| {
        let mut client = server.raw_between(from, "127.0.0.1");
        client.sign_in("shop", "ann", "secret").is_ok()
    });
    assert_eq!(gets_in, [false, false, true, false]);
    let info = doc! { "usersInfo": "ann", "showAuthenticationRestrictions": true };
    let shown = documents(admin.run("shop", info), "users").remove(0);
    let expected = doc! { "all": [
        [{ "clientSource": ["127.0.0.2"] }, { "clientSource": ["127.0.0.3"] }],
        [{ "clientSource": ["127.0.0.3"] }, { "clientSource": ["127.0.0.4"] }],
    ] };
    assert_eq!(
        shown.get("inheritedAuthenticationRestrictions"),
        expected.get("all")
    );
}

#[test]
fn come_with_a_grant_and_go_with_the_role() {
    let (server, mut admin) = five_levels();
    create_role(&mut admin, "strict", &[], &[]);
    restrict(&mut admin, "strict", &[ELSEWHERE]);
    let mut ann = server.raw();
    ann.sign_in("shop", "ann", "secret").unwrap();
    let grant = doc! { "grantRolesToRole": "r4", "roles": ["strict"] };
    ok(&mut admin, "shop", grant);
    assert_eq!(ann.signed_in_user(), None);
    assert!(ann.sign_in("shop", "ann", "secret").is_err());
    ok(&mut admin, "shop", doc! { "dropRole": "strict" });
    ann.sign_in("shop", "ann", "secret").unwrap();
}
