//! `hello` that waits for a change of the topology: once, or as a stream of answers.

use std::time::{Duration, Instant};

use bson::oid::ObjectId;
use bson::{Bson, Document, RawDocumentBuf, doc};

use crate::support::{RawClient, TestServer, error_of};
use crate::table::server;

const MORE_TO_COME: u32 = 1 << 1;
const EXHAUST_ALLOWED: u32 = 1 << 16;

/// Longer than any test waits for an answer that comes at once.
const LONG_MS: i64 = 30_000;

fn topology_version(server: &TestServer) -> Document {
    let reply = server.raw().run("admin", doc! { "hello": 1 });
    reply.get_document("topologyVersion").unwrap().clone()
}

fn hello(client: &mut RawClient, options: Document) -> Document {
    let mut command = doc! { "hello": 1 };
    command.extend(options);
    client.run("admin", command)
}

#[test]
fn the_two_fields_go_together() {
    let server = server();
    let mut client = server.raw();
    let version = topology_version(&server);
    let alone = error_of(&hello(&mut client, doc! { "topologyVersion": &version }));
    let text = "A request with a 'topologyVersion' must include 'maxAwaitTimeMS'";
    assert_eq!(alone, (31368, text.into()));
    let alone = error_of(&hello(&mut client, doc! { "maxAwaitTimeMS": 10 }));
    let text = "A request with 'maxAwaitTimeMS' must include a 'topologyVersion'";
    assert_eq!(alone, (31368, text.into()));
    let negative = doc! { "topologyVersion": &version, "maxAwaitTimeMS": -1 };
    let text = "BSON field 'maxAwaitTimeMS' value must be >= 0, actual value '-1'";
    assert_eq!(error_of(&hello(&mut client, negative)), (2, text.into()));
    let wrong = doc! { "topologyVersion": &version, "maxAwaitTimeMS": "1" };
    assert_eq!(error_of(&hello(&mut client, wrong)).0, 14);
}

#[test]
fn versions_are_checked() {
    let server = server();
    let mut client = server.raw();
    let process_id = topology_version(&server)
        .get_object_id("processId")
        .unwrap();
    let mut ask = |version: Bson| {
        let waiting = doc! { "topologyVersion": version, "maxAwaitTimeMS": 0 };
        error_of(&hello(&mut client, waiting))
    };
    let negative = ask(doc! { "processId": process_id, "counter": -1_i64 }.into());
    assert_eq!(
        negative,
        (
            31372,
            "topologyVersion must have a non-negative counter".into()
        )
    );
    assert_eq!(
        ask(doc! { "processId": process_id, "counter": 1_i64 }.into()).0,
        31382
    );
    assert_eq!(
        ask(doc! { "processId": process_id, "counter": 0 }.into()).0,
        14
    );
    assert_eq!(
        ask(doc! { "processId": "x", "counter": 0_i64 }.into()).0,
        14
    );
    assert_eq!(ask(doc! { "processId": process_id }.into()).0, 40414);
    assert_eq!(ask(doc! { "counter": 0_i64 }.into()).0, 40414);
    assert_eq!(ask(1.into()).0, 14);
}

#[test]
fn a_client_that_is_up_to_date_waits() {
    let server = server();
    let mut client = server.raw();
    let version = topology_version(&server);
    let started = Instant::now();
    let waiting = doc! { "topologyVersion": &version, "maxAwaitTimeMS": 200_i64 };
    let reply = hello(&mut client, waiting);
    assert!(started.elapsed() >= Duration::from_millis(200));
    assert_eq!(reply.get_document("topologyVersion").unwrap(), &version);
    // One that knows another process is behind, whatever the counter.
    let other_process = doc! { "processId": ObjectId::new(), "counter": 7_i64 };
    let started = Instant::now();
    let waiting = doc! { "topologyVersion": other_process, "maxAwaitTimeMS": LONG_MS };
    let reply = hello(&mut client, waiting);
    assert!(started.elapsed() < Duration::from_millis(LONG_MS.unsigned_abs()) / 2);
    assert_eq!(reply.get_document("topologyVersion").unwrap(), &version);
}

#[test]
fn the_time_of_the_command_ends_the_wait_too() {
    let server = server();
    let mut client = server.raw();
    let version = topology_version(&server);
    let waiting = doc! { "topologyVersion": version, "maxAwaitTimeMS": LONG_MS, "maxTimeMS": 50 };
    let reply = hello(&mut client, waiting);
    assert_eq!(error_of(&reply).0, 50);
    assert_eq!(reply.get_str("codeName").unwrap(), "MaxTimeMSExpired");
    assert_eq!(
        client.run("admin", doc! { "ping": 1, "maxTimeMS": 60_000 }),
        doc! { "ok": 1.0 }
    );
}

#[test]
fn a_server_that_stops_wakes_those_who_wait() {
    let server = server();
    let mut client = server.raw();
    let version = topology_version(&server);
    send(
        &mut client,
        0,
        doc! { "topologyVersion": version, "maxAwaitTimeMS": LONG_MS },
    );
    // The greeting of another connection shows that the server has read on.
    server.raw().run("admin", doc! { "ping": 1 });
    let started = Instant::now();
    server.stop();
    assert!(started.elapsed() < Duration::from_millis(LONG_MS.unsigned_abs()) / 2);
    if let Ok((_, reply)) = client.try_receive() {
        let reply = RawDocumentBuf::from_bytes(reply[5..].to_vec()).unwrap();
        let reply = Document::try_from(reply).unwrap();
        assert_eq!(reply.get_i32("code").unwrap(), 91, "{reply}");
        assert!(reply.get_document("topologyVersion").is_ok());
    }
}

fn send(client: &mut RawClient, flags: u32, options: Document) -> i32 {
    let mut command = doc! { "hello": 1, "$db": "admin" };
    command.extend(options);
    let mut body = flags.to_le_bytes().to_vec();
    body.push(0);
    body.extend_from_slice(RawDocumentBuf::try_from(&command).unwrap().as_bytes());
    client.send(2013, &body)
}

fn receive(client: &mut RawClient) -> (u32, Document) {
    let (op_code, body) = client.receive();
    assert_eq!(op_code, 2013);
    let flags = u32::from_le_bytes(body[..4].try_into().unwrap());
    let document = RawDocumentBuf::from_bytes(body[5..].to_vec()).unwrap();
    (flags, Document::try_from(document).unwrap())
}

#[test]
fn a_stream_goes_on_by_itself() {
    let server = server();
    let mut client = server.raw();
    let version = topology_version(&server);
    let waiting = doc! { "topologyVersion": &version, "maxAwaitTimeMS": 50_i64 };
    send(&mut client, EXHAUST_ALLOWED, waiting);
    for _ in 0..3 {
        let (flags, reply) = receive(&mut client);
        assert_eq!(flags & MORE_TO_COME, MORE_TO_COME);
        assert_eq!(reply.get_f64("ok").ok(), Some(1.0));
        assert_eq!(reply.get_document("topologyVersion").unwrap(), &version);
        assert_eq!(reply.get_bool("isWritablePrimary").ok(), Some(true));
    }
}

#[test]
fn a_stream_needs_a_time_to_wait() {
    let server = server();
    let mut client = server.raw();
    send(&mut client, EXHAUST_ALLOWED, doc! {});
    let (flags, reply) = receive(&mut client);
    assert_eq!(flags & MORE_TO_COME, 0);
    assert_eq!(error_of(&reply).0, 51756);
    // Other commands take the flag and answer once.
    let body = RawDocumentBuf::try_from(&doc! { "ping": 1, "$db": "admin" }).unwrap();
    let message = [&EXHAUST_ALLOWED.to_le_bytes()[..], &[0], body.as_bytes()].concat();
    client.send(2013, &message);
    assert_eq!(receive(&mut client), (0, doc! { "ok": 1.0 }));
}
