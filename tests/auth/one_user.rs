//! One connection, one user.

use bson::doc;

use crate::common::{create, ok, server, signed_in};
use crate::support::scram_client::{Exchange, MECHANISMS, payload};
use crate::support::{ADMIN, RawClient, binary, error_of};

fn sign_in_error(client: &mut RawClient, db: &str, user: &str) -> (i32, String) {
    error_of(&client.sign_in(db, user, "secret").unwrap_err())
}

#[test]
fn a_second_user_is_refused_and_the_first_one_stays() {
    let server = server();
    let mut admin = server.admin();
    create(&mut admin, "ann", vec![]);
    create(&mut admin, "bob", vec![]);
    ok(
        &mut admin,
        "other",
        doc! { "createUser": "ann", "pwd": "secret", "roles": [] },
    );
    let mut client = signed_in(&server, "ann");
    let text = "Each client connection may only be authenticated once. Previously authenticated as: ann@shop";
    assert_eq!(
        sign_in_error(&mut client, "shop", "bob"),
        (5_626_701, text.into())
    );
    // The server's own text has no space after the period.
    let text = "Client has attempted to authenticate on multiple databases.Already authenticated as: ann@shop";
    assert_eq!(
        sign_in_error(&mut client, "other", "ann"),
        (5_626_702, text.into())
    );
    assert_eq!(client.signed_in_user().as_deref(), Some("ann@shop"));
    let wrong = error_of(&client.sign_in("shop", "bob", "wrong").unwrap_err());
    assert_eq!(wrong.0, 18, "the proof comes first");
    assert_eq!(client.signed_in_user().as_deref(), Some("ann@shop"));
}

#[test]
fn the_same_user_may_sign_in_again() {
    let server = server();
    let mut admin = server.admin();
    for mechanism in MECHANISMS {
        admin
            .sign_in_by(mechanism, "admin", ADMIN.0, ADMIN.1)
            .unwrap();
        assert_eq!(admin.signed_in_user().as_deref(), Some("admin@admin"));
    }
    let wrong = admin.sign_in("admin", ADMIN.0, "wrong").unwrap_err();
    assert_eq!(error_of(&wrong).0, 18);
    assert_eq!(admin.signed_in_user().as_deref(), Some("admin@admin"));
}

#[test]
fn not_even_that_in_strict_api_version_1() {
    let server = server();
    let mut admin = server.admin();
    let exchange = Exchange::new(MECHANISMS[1], ADMIN.0, ADMIN.1);
    let started = admin.sasl_start("admin", MECHANISMS[1], &exchange.first());
    let last = exchange.last(&payload(&started));
    let refused = admin.run(
        "admin",
        doc! {
            "saslContinue": 1, "conversationId": 1, "payload": binary(last.message.as_bytes()),
            "apiVersion": "1", "apiStrict": true,
        },
    );
    let text = "Each client connection may only be authenticated once";
    assert_eq!(error_of(&refused), (5_626_703, text.into()));
    assert_eq!(admin.signed_in_user().as_deref(), Some("admin@admin"));
}

#[test]
fn after_signing_out_anybody_may_sign_in() {
    let server = server();
    let mut admin = server.admin();
    create(&mut admin, "ann", vec![]);
    let mut client = signed_in(&server, "ann");
    ok(&mut client, "admin", doc! { "logout": 1 });
    assert_eq!(
        client.signed_in_user().as_deref(),
        Some("ann@shop"),
        "another database's user"
    );
    ok(&mut client, "shop", doc! { "logout": 1 });
    assert_eq!(client.signed_in_user(), None);
    client.sign_in("admin", ADMIN.0, ADMIN.1).unwrap();
    assert_eq!(client.signed_in_user().as_deref(), Some("admin@admin"));
}

#[test]
fn connections_do_not_share_their_users() {
    let server = server();
    let mut admin = server.admin();
    create(&mut admin, "ann", vec![]);
    let mut first = signed_in(&server, "ann");
    let mut second = signed_in(&server, "ann");
    ok(&mut first, "shop", doc! { "logout": 1 });
    assert_eq!(first.signed_in_user(), None);
    assert_eq!(second.signed_in_user().as_deref(), Some("ann@shop"));
    assert_eq!(server.raw().signed_in_user(), None);
}

/// Names that a SCRAM message has to escape.
#[test]
fn any_name_can_sign_in() {
    let server = server();
    let mut admin = server.admin();
    for user in [
        "a=b,c",
        "=2C=3D",
        "=",
        ",",
        "na\u{ef}ve",
        "\u{2168}",
        "a b",
        "shop.ann",
        "ann@shop",
    ] {
        create(&mut admin, user, vec![]);
        for mechanism in MECHANISMS {
            let mut client = server.raw();
            client
                .sign_in_by(mechanism, "shop", user, "secret")
                .unwrap();
            assert_eq!(client.signed_in_user(), Some(format!("{user}@shop")));
        }
    }
}
