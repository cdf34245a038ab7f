//! Failures make the next attempts wait. What waits is told by the server's own numbers; clocks are
//! only asked whether at least the time has passed.

use std::time::{Duration, Instant};

use bson::doc;

use crate::common::{begin, count, create, failed, from, options, send_proof, until};
use crate::support::{RawClient, TestServer, binary, error_of, scram_client};

const ANN_AT: &str = "127.0.0.2";
const EVE_AT: &str = "127.0.0.3";
const DELAYED: &str = "signIns.delayed";
const WAITING_PER_ORIGIN_MAX: usize = 8;

fn server(delay: &str) -> TestServer {
    let parameters = [
        "failedSignInLimitsOnLoopback=true",
        "failedSignInsPerUserFree=2",
        "failedSignInsPerAddressFree=4",
        "failedSignInDelayMaxMs=600000",
        delay,
    ];
    let server = TestServer::with_admin_and(options(&parameters));
    create(&mut server.admin(), &["ann", "bob", "eve"]);
    server
}

fn fail(client: &mut RawClient, user: &str) {
    let refusal = client.sign_in("shop", user, "wrong").unwrap_err();
    assert_eq!(error_of(&refusal), failed());
}

#[test]
fn right_wrong_and_unknown_wait_alike() {
    const DELAY: Duration = Duration::from_millis(300);
    let server = server("failedSignInDelayMs=300");
    let mut admin = server.admin();
    for (place, (user, password)) in [("ann", "secret"), ("bob", "wrong"), ("nobody", "secret")]
        .into_iter()
        .enumerate()
    {
        // An address of its own each, or the address would have to wait, too.
        let mut client = from(&server, &format!("127.0.1.{}", place + 1));
        fail(&mut client, user);
        fail(&mut client, user);
        let begun = Instant::now();
        let result = client.sign_in("shop", user, password);
        assert!(begun.elapsed() >= DELAY, "{user}: {:?}", begun.elapsed());
        assert_eq!(result.is_ok(), user == "ann");
        let delayed = i64::try_from(place).unwrap() + 1;
        assert_eq!(count(&mut admin, DELAYED), delayed);
    }
}

#[test]
fn nobody_is_locked_out_at_another_address() {
    let server = server("failedSignInDelayMs=600000");
    let mut admin = server.admin();
    let mut eve = from(&server, EVE_AT);
    for user in ["ann", "ann", "bob"] {
        fail(&mut eve, user);
    }
    // From there ann has to wait; bob and eve need not yet.
    let mut stuck = from(&server, EVE_AT);
    let proof = begin(&mut stuck, "ann", "secret");
    send_proof(&mut stuck, &proof);
    until(&mut admin, DELAYED, 1);
    eve.sign_in("shop", "eve", "secret").unwrap();
    from(&server, ANN_AT)
        .sign_in("shop", "ann", "secret")
        .unwrap();
    assert_eq!(count(&mut admin, DELAYED), 1);
    // The address is remembered although somebody could sign in from it.
    fail(&mut from(&server, EVE_AT), "somebody");
    let mut stuck_too = from(&server, EVE_AT);
    let proof = begin(&mut stuck_too, "eve", "secret");
    send_proof(&mut stuck_too, &proof);
    until(&mut admin, DELAYED, 2);
    from(&server, ANN_AT)
        .sign_in("shop", "bob", "secret")
        .unwrap();

    // Who waits when the server stops is told so.
    server.signal("TERM");
    for client in [&mut stuck, &mut stuck_too] {
        let code = client.receive_reply().get_i32("code").unwrap();
        assert_eq!(code, 91);
    }
    server.wait();
}

#[test]
fn more_connections_do_not_help() {
    let server = server("failedSignInDelayMs=600000");
    let mut admin = server.admin();
    let mut client = from(&server, EVE_AT);
    fail(&mut client, "ann");
    fail(&mut client, "ann");
    let mut waiting = Vec::new();
    for _ in 0..WAITING_PER_ORIGIN_MAX {
        let mut client = from(&server, EVE_AT);
        let proof = begin(&mut client, "ann", "secret");
        send_proof(&mut client, &proof);
        waiting.push(client);
    }
    let all = i64::try_from(WAITING_PER_ORIGIN_MAX).unwrap();
    until(&mut admin, DELAYED, all);
    // One more is refused at once, though the password is right.
    let mut one_more = from(&server, EVE_AT);
    let refusal = one_more.sign_in("shop", "ann", "secret").unwrap_err();
    assert_eq!(error_of(&refusal), failed());
    assert_eq!(one_more.signed_in_user(), None);
    assert_eq!(count(&mut admin, "signIns.refusedAtOnce"), 1);
    assert_eq!(count(&mut admin, DELAYED), all);
    from(&server, ANN_AT)
        .sign_in("shop", "ann", "secret")
        .unwrap();
}

#[test]
fn a_speculative_attempt_counts() {
    let server = server("failedSignInDelayMs=600000");
    let mut admin = server.admin();
    let speculate = || {
        let mut client = from(&server, EVE_AT);
        let exchange = scram_client::Exchange::new("SCRAM-SHA-256", "ann", "wrong");
        let reply = client.run(
            "admin",
            doc! { "hello": 1, "speculativeAuthenticate": {
                "saslStart": 1, "mechanism": "SCRAM-SHA-256", "db": "shop",
                "payload": binary(exchange.first().as_bytes()),
            } },
        );
        let started = reply.get_document("speculativeAuthenticate").unwrap();
        let last = exchange.last(&scram_client::payload(started));
        send_proof(&mut client, &last.message);
        client
    };
    for _ in 0..2 {
        assert_eq!(error_of(&speculate().receive_reply()), failed());
    }
    let _waiting = speculate();
    until(&mut admin, DELAYED, 1);
}

#[test]
fn a_password_in_clear_waits_before_it_is_hashed() {
    let parameters = [
        "failedSignInLimitsOnLoopback=true",
        "failedSignInsPerUserFree=2",
        "failedSignInDelayMs=600000",
        "failedSignInDelayMaxMs=600000",
        "authenticationMechanisms=SCRAM-SHA-1,SCRAM-SHA-256,PLAIN",
        "allowPlainWithoutTLS=true",
        "argon2MemoryKiB=7168",
        "argon2Iterations=1",
    ];
    let server = TestServer::with_admin_and(options(&parameters));
    let mut admin = server.admin();
    let no_roles: [bson::Bson; 0] = [];
    let create = doc! {
        "createUser": "ann", "pwd": "secret", "roles": no_roles, "mechanisms": ["PLAIN"],
    };
    crate::common::ok(&mut admin, "shop", create);
    let plain_on = |db: &str, address: &str, user: &str, password: &str| {
        let payload = binary(format!("\0{user}\0{password}").as_bytes());
        let mut client = from(&server, address);
        let start = doc! { "saslStart": 1, "mechanism": "PLAIN", "payload": payload };
        client.send_command(db, start);
        client
    };
    let plain =
        |address: &str, user: &str, password: &str| plain_on("shop", address, user, password);
    for user in ["ann", "nobody"] {
        for _ in 0..2 {
            let refused = plain(EVE_AT, user, "wrong").receive_reply();
            assert_eq!(error_of(&refused), failed());
        }
    }
    let _waiting = plain(EVE_AT, "ann", "secret");
    until(&mut admin, DELAYED, 1);
    let _waiting_too = plain(EVE_AT, "nobody", "secret");
    until(&mut admin, DELAYED, 2);
    // The same user by its other name.
    let _waiting_as_well = plain_on("$external", EVE_AT, "ann@shop", "secret");
    until(&mut admin, DELAYED, 3);
    let done = plain(ANN_AT, "ann", "secret").receive_reply();
    assert!(done.get_bool("done").unwrap());
    assert_eq!(count(&mut admin, DELAYED), 3);
}

#[test]
fn passwords_in_clear_at_one_time_are_not_all_looked_at() {
    const AT_ONE_TIME: usize = 40;
    let parameters = [
        "failedSignInLimitsOnLoopback=true",
        "failedSignInsPerUserFree=2",
        "failedSignInDelayMs=600000",
        "failedSignInDelayMaxMs=600000",
        "authenticationMechanisms=SCRAM-SHA-1,SCRAM-SHA-256,PLAIN",
        "allowPlainWithoutTLS=true",
        "hashingThreads=1",
    ];
    let server = TestServer::with_admin_and(options(&parameters));
    let mut admin = server.admin();
    let mut clients: Vec<_> = (0..AT_ONE_TIME).map(|_| from(&server, EVE_AT)).collect();
    for client in &mut clients {
        let payload = binary(b"\0nobody\0wrong");
        let start = doc! { "saslStart": 1, "mechanism": "PLAIN", "payload": payload };
        client.send_command("shop", start);
    }
    let all_waiting = i64::try_from(WAITING_PER_ORIGIN_MAX).unwrap();
    let unchecked = i64::try_from(AT_ONE_TIME - WAITING_PER_ORIGIN_MAX - 2).unwrap();
    until(&mut admin, "signIns.refusedAtOnce", unchecked);
    assert_eq!(count(&mut admin, DELAYED), all_waiting);
}

#[test]
fn what_is_no_wrong_password_is_no_failure() {
    let server = server("failedSignInDelayMs=600000");
    let mut admin = server.admin();
    let mut client = from(&server, ANN_AT);
    for _ in 0..2 {
        let proof = begin(&mut client, "ann", "secret");
        let other_id = doc! {
            "saslContinue": 1, "conversationId": 2, "payload": binary(proof.as_bytes()),
        };
        assert_eq!(error_of(&client.run("shop", other_id)).0, 17);
    }
    client.sign_in("shop", "bob", "secret").unwrap();
    for _ in 0..4 {
        let refused = client.sign_in("shop", "ann", "secret").unwrap_err();
        assert_eq!(error_of(&refused).0, 5_626_701);
    }
    from(&server, ANN_AT)
        .sign_in("shop", "ann", "secret")
        .unwrap();
    assert_eq!(count(&mut admin, DELAYED), 0);
}

#[test]
fn a_password_that_is_not_looked_at_is_no_failure() {
    let parameters = [
        "failedSignInLimitsOnLoopback=true",
        "failedSignInsPerUserFree=1",
        "failedSignInDelayMs=600000",
        "failedSignInDelayMaxMs=600000",
        "allowPlainWithoutTLS=true",
    ];
    let server = TestServer::with_admin_and(options(&parameters));
    let mut admin = server.admin();
    create(&mut admin, &["ann"]);
    let mut client = from(&server, EVE_AT);
    let start = doc! { "saslStart": 1, "mechanism": "PLAIN", "payload": binary(b"\0ann\0wrong") };
    assert_eq!(error_of(&client.run("shop", start)).0, 334);
    client.sign_in("shop", "ann", "secret").unwrap();
    assert_eq!(count(&mut admin, DELAYED), 0);
}

#[test]
fn a_success_forgives_the_failures_before_it() {
    let server = server("failedSignInDelayMs=600000");
    let mut admin = server.admin();
    for _ in 0..3 {
        fail(&mut from(&server, ANN_AT), "ann");
        from(&server, ANN_AT)
            .sign_in("shop", "ann", "secret")
            .unwrap();
    }
    assert_eq!(count(&mut admin, DELAYED), 0);
}

#[test]
fn this_machine_is_exempt_unless_the_parameter_says_otherwise() {
    let server = TestServer::with_admin_and(options(&["failedSignInsPerUserFree=1"]));
    let mut admin = server.admin();
    for _ in 0..5 {
        fail(&mut from(&server, ANN_AT), "nobody");
    }
    assert_eq!(count(&mut admin, DELAYED), 0);
    assert_eq!(count(&mut admin, "signIns.tracked"), 0);
}

#[test]
fn limits_change_while_the_server_runs() {
    let server = server("failedSignInDelayMs=600000");
    let mut admin = server.admin();
    for _ in 0..2 {
        fail(&mut from(&server, ANN_AT), "ann");
    }
    let set = admin.run(
        "admin",
        doc! { "setParameter": 1, "failedSignInsPerUserFree": 0 },
    );
    assert_eq!(set, doc! { "was": 2, "ok": 1.0 });
    from(&server, ANN_AT)
        .sign_in("shop", "ann", "secret")
        .unwrap();
}
