//! Connections on which nobody signs in.

use bson::doc;

use crate::common::{count, create, from, options, until};
use crate::support::TestServer;
use crate::support::waiting;

#[test]
fn an_address_has_so_many_places_for_strangers() {
    let parameters = [
        "failedSignInLimitsOnLoopback=true",
        "unauthenticatedConnectionsPerAddressMax=2",
    ];
    let server = TestServer::with_admin_and(options(&parameters));
    let mut admin = from(&server, "127.0.0.9");
    admin
        .sign_in("admin", crate::support::ADMIN.0, crate::support::ADMIN.1)
        .unwrap();
    create(&mut admin, &["ann"]);
    let ping = || doc! { "ping": 1 };
    let [mut first, mut second] = [(); 2].map(|()| from(&server, "127.0.0.2"));
    for client in [&mut first, &mut second] {
        client.run("admin", ping());
    }
    assert!(from(&server, "127.0.0.2").is_closed());
    assert_eq!(count(&mut admin, "connectionsRefused.unauthenticated"), 1);
    from(&server, "127.0.0.3").run("admin", ping());
    // Who signs in makes room, and so does who leaves.
    first.sign_in("shop", "ann", "secret").unwrap();
    let mut third = from(&server, "127.0.0.2");
    third.run("admin", ping());
    assert!(from(&server, "127.0.0.2").is_closed());
    drop(second);
    waiting::until("there is room again", || {
        from(&server, "127.0.0.2").try_run("admin", ping()).is_ok()
    });
    assert_eq!(first.run("admin", ping()), doc! { "ok": 1.0 });
}

#[test]
fn strangers_are_asked_to_leave_and_users_stay() {
    // A slow machine has to sign in within that time too.
    let server = TestServer::with_admin_and(options(&["unauthenticatedTimeoutMs=5000"]));
    let mut admin = server.admin();
    let mut stranger = server.raw();
    let mut silent = server.raw();
    stranger.run("admin", doc! { "ping": 1 });
    assert!(stranger.is_closed());
    assert!(silent.is_closed());
    until(&mut admin, "signIns.halfOpen", 0);
    assert_eq!(admin.run("admin", doc! { "ping": 1 }), doc! { "ok": 1.0 });
}
