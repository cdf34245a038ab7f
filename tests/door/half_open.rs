//! Sign-ins that have begun and not ended.

use bson::doc;

use crate::common::{begin, count, create, from, no_sign_in, options, until};
use crate::support::{RawClient, TestServer, error_of};

const HALF_OPEN: &str = "signIns.halfOpen";

fn go_on(client: &mut RawClient, proof: &str) -> Option<(i32, String)> {
    let reply = client.sasl_continue("shop", proof);
    (reply.get_f64("ok").ok() != Some(1.0)).then(|| error_of(&reply))
}

#[test]
fn the_oldest_of_an_address_makes_way() {
    let parameters = [
        "failedSignInLimitsOnLoopback=true",
        "halfOpenSignInsPerAddressMax=2",
    ];
    let server = TestServer::with_admin_and(options(&parameters));
    let mut admin = server.admin();
    create(&mut admin, &["ann"]);
    let begun = || {
        let mut client = from(&server, "127.0.0.2");
        let proof = begin(&mut client, "ann", "secret");
        (client, proof)
    };
    let mut other = from(&server, "127.0.0.3");
    let of_other = begin(&mut other, "ann", "secret");
    let [mut first, mut second, mut third] = [(); 3].map(|()| begun());
    assert_eq!(count(&mut admin, HALF_OPEN), 3);
    assert_eq!(go_on(&mut first.0, &first.1), Some(no_sign_in()));
    assert_eq!(go_on(&mut second.0, &second.1), None);
    assert_eq!(go_on(&mut third.0, &third.1), None);
    assert_eq!(go_on(&mut other, &of_other), None);
    assert_eq!(count(&mut admin, HALF_OPEN), 0);
    assert_eq!(count(&mut admin, "signIns.halfOpenDropped"), 1);
    // Who leaves gives up the place.
    let left = begun();
    assert_eq!(count(&mut admin, HALF_OPEN), 1);
    drop(left);
    until(&mut admin, HALF_OPEN, 0);
}

#[test]
fn the_oldest_of_all_makes_way() {
    let server = TestServer::with_admin_and(options(&["halfOpenSignInsMax=1"]));
    let mut admin = server.admin();
    create(&mut admin, &["ann"]);
    let (mut first, mut second) = (server.raw(), from(&server, "127.0.0.2"));
    let of_first = begin(&mut first, "ann", "secret");
    let of_second = begin(&mut second, "ann", "secret");
    assert_eq!(go_on(&mut first, &of_first), Some(no_sign_in()));
    assert_eq!(go_on(&mut second, &of_second), None);
    first.sign_in("shop", "ann", "secret").unwrap();
}

#[test]
fn a_sign_in_has_a_deadline() {
    let server = TestServer::with_admin_and(options(&[]));
    let mut admin = server.admin();
    create(&mut admin, &["ann"]);
    let mut client = server.raw();
    let proof = begin(&mut client, "ann", "secret");
    let set = admin.run("admin", doc! { "setParameter": 1, "signInTimeoutMs": 1 });
    assert_eq!(set, doc! { "was": 60_000, "ok": 1.0 });
    let begun = std::time::Instant::now();
    while begun.elapsed() < std::time::Duration::from_millis(2) {
        client.run("admin", doc! { "ping": 1 });
    }
    assert_eq!(go_on(&mut client, &proof), Some(no_sign_in()));
    assert_eq!(client.signed_in_user(), None);
    assert_eq!(count(&mut admin, "signIns.halfOpenDropped"), 1);
}
