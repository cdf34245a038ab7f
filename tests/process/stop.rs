//! SIGTERM: what is under way is finished, idle connections are closed, the exit code is 0.

use std::time::{Duration, Instant};

use bson::{Document, RawDocumentBuf, doc};

use crate::create_user;
use crate::support::scram_client::MECHANISMS;
use crate::support::waiting::Observer;
use crate::support::{ADMIN, Options, PATIENCE, RawClient, TestServer, checked};

/// How long [`patient`] servers wait for what is under way: whoever ends in less had nothing to wait for.
const SHUTDOWN: Duration = Duration::from_mins(10);

fn patient() -> TestServer {
    let wait = format!("--setParameter=shutdownTimeoutMs={}", SHUTDOWN.as_millis());
    TestServer::with_admin_and(Options::default().argument(wait))
}

/// Sends `createUser` with so many rounds of hashing and returns when it is under way.
fn begin_to_create(server: &TestServer, admin: &mut RawClient, user: &str, rounds: i32) {
    let slow = doc! { "setParameter": 1, "scramSHA256IterationCount": rounds };
    checked(admin.run("admin", slow)).unwrap();
    let mut observer = Observer::of(server);
    admin.send_command("products", create_user(user));
    let status = observer.wait_for_a_message();
    // The first one is the administrator.
    assert_eq!(created(&status), 1, "it is over already");
}

/// `createUser`s that have ended.
fn created(status: &Document) -> i64 {
    let metrics = status.get_document("metrics").unwrap();
    let commands = metrics.get_document("commands").unwrap();
    let command = commands.get_document("createUser").unwrap();
    command.get_i64("total").unwrap()
}

#[test]
fn what_is_under_way_is_finished_and_kept() {
    let server = patient();
    // Threads that hash come last: where there is much to do they take minutes.
    let mut admin = RawClient::try_connect(server.address(), SHUTDOWN).unwrap();
    admin.sign_in("admin", ADMIN.0, ADMIN.1).unwrap();
    // Slow enough for the signal to arrive while the password is being hashed.
    begin_to_create(&server, &mut admin, "late", 500_000);
    server.signal("TERM");
    assert_eq!(admin.receive_reply(), doc! { "ok": 1.0 });
    assert!(admin.is_closed());
    let folder = server.folder();
    let (status, logs) = server.wait();
    assert_eq!(status.code(), Some(0), "{logs}");
    let server = Options::in_folder(folder).start();
    // The mechanism whose rounds are few: the client has to do them too.
    let mut late = server.raw();
    late.sign_in_by(MECHANISMS[0], "products", "late", "secret")
        .unwrap();
}

#[test]
fn idle_connections_are_closed_at_once() {
    let server = patient();
    let mut idle = [server.raw(), server.admin(), server.raw()];
    idle[2].run("admin", doc! { "ping": 1 });
    let started = Instant::now();
    let (status, logs) = server.stop();
    assert_eq!(status.code(), Some(0), "{logs}");
    assert!(started.elapsed() < PATIENCE, "waited for idle connections");
    for connection in &mut idle {
        assert!(connection.is_closed());
    }
}

#[test]
fn streaming_monitors_do_not_hold_it_up() {
    let server = patient();
    let mut monitor = server.raw();
    let hello = monitor.run("admin", doc! { "hello": 1 });
    let wait = doc! {
        "hello": 1, "topologyVersion": hello.get_document("topologyVersion").unwrap().clone(),
        "maxAwaitTimeMS": 600_000, "$db": "admin",
    };
    let mut observer = Observer::of(&server);
    send_exhaust(&mut monitor, &wait);
    observer.wait_for_a_message();
    let started = Instant::now();
    let (status, logs) = server.stop();
    assert_eq!(status.code(), Some(0), "{logs}");
    assert!(started.elapsed() < PATIENCE, "waited for a monitor");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let server = patient();
    let mut admin = server.admin();
    let mut idle = server.raw();
    idle.run("admin", doc! { "ping": 1 });
    // The first signal waits for a password that takes many seconds to hash.
    begin_to_create(&server, &mut admin, "never", 10_000_000);
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
fn send_exhaust(client: &mut RawClient, command: &Document) {
    let mut body = (1_u32 << 16).to_le_bytes().to_vec();
    body.push(0);
    body.extend_from_slice(RawDocumentBuf::try_from(command).unwrap().as_bytes());
    client.send(2013, &body);
}
