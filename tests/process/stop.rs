//! SIGTERM: what is under way is finished, idle connections are closed, the exit code is 0.

use std::time::{Duration, Instant};

use bson::{RawDocumentBuf, doc};

use crate::create_user;
use crate::support::{ADMIN, Options, RawClient, TestServer, checked};

#[test]
fn what_is_under_way_is_finished_and_kept() {
    // Slow enough for the signal to arrive while the password is being hashed.
    let server = TestServer::with_admin();
    let mut admin = server.admin();
    let slow = doc! { "setParameter": 1, "scramSHA256IterationCount": 500_000 };
    checked(admin.run("admin", slow)).unwrap();
    admin.send_command("products", create_user("late"));
    // A second connection sees that the command has begun.
    let mut observer = server.raw();
    observer.sign_in("admin", ADMIN.0, ADMIN.1).unwrap();
    let begun = doc! { "serverStatus": 1 };
    let command = |reply: &bson::Document| {
        let commands = reply
            .get_document("metrics")
            .unwrap()
            .get_document("commands")
            .unwrap();
        commands
            .get_document("createUser")
            .unwrap()
            .get_i64("total")
            .unwrap_or_default()
    };
    while command(&observer.run("admin", begun.clone())) < 2 {}
    server.signal("TERM");
    assert_eq!(admin.receive_reply(), doc! { "ok": 1.0 });
    assert!(admin.is_closed());
    let folder = server.folder();
    let (status, logs) = server.wait();
    assert_eq!(status.code(), Some(0), "{logs}");
    let server = Options::in_folder(folder).start();
    server.raw().sign_in("products", "late", "secret").unwrap();
}

#[test]
fn idle_connections_are_closed_at_once() {
    let server = TestServer::with_admin();
    let mut idle = [server.raw(), server.admin(), server.raw()];
    idle[2].run("admin", doc! { "ping": 1 });
    let started = Instant::now();
    let (status, logs) = server.stop();
    assert_eq!(status.code(), Some(0), "{logs}");
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "waited for idle connections"
    );
    for connection in &mut idle {
        assert!(connection.is_closed());
    }
}

#[test]
fn streaming_monitors_do_not_hold_it_up() {
    let server = TestServer::with_admin();
    let mut monitor = server.raw();
    let hello = monitor.run("admin", doc! { "hello": 1 });
    let wait = doc! {
        "hello": 1, "topologyVersion": hello.get_document("topologyVersion").unwrap().clone(),
        "maxAwaitTimeMS": 60_000, "$db": "admin",
    };
    send_exhaust(&mut monitor, &wait);
    let started = Instant::now();
    let (status, logs) = server.stop();
    assert_eq!(status.code(), Some(0), "{logs}");
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "waited for a monitor"
    );
}

#[test]
fn a_second_signal_ends_it_at_once() {
    // The first signal waits for a password that takes minutes to hash.
    let server = TestServer::with_admin_and(
        Options::default().arguments(&["--setParameter", "shutdownTimeoutMs=600000"]),
    );
    let mut admin = server.admin();
    let slow = doc! { "setParameter": 1, "scramSHA256IterationCount": 10_000_000 };
    checked(admin.run("admin", slow)).unwrap();
    admin.send_command("products", create_user("never"));
    let mut idle = server.raw();
    idle.run("admin", doc! { "ping": 1 });
    server.signal("TERM");
    assert!(idle.is_closed()); // so the first signal has been heard
    let folder = server.folder();
    let (status, logs) = server.stop();
    assert_eq!(status.code(), Some(1), "{logs}");
    let server = Options::in_folder(folder).start();
    server
        .raw()
        .sign_in("products", "never", "secret")
        .unwrap_err();
    server.admin();
}

#[test]
fn ctrl_c_stops_it_too() {
    let server = TestServer::with_admin();
    server.signal("INT");
    let (status, logs) = server.wait();
    assert_eq!(status.code(), Some(0), "{logs}");
}

/// Sends a command that may be answered more than once.
fn send_exhaust(client: &mut RawClient, command: &bson::Document) {
    let mut body = (1_u32 << 16).to_le_bytes().to_vec();
    body.push(0);
    body.extend_from_slice(RawDocumentBuf::try_from(command).unwrap().as_bytes());
    client.send(2013, &body);
}
