//! What members say of themselves, and how soon.

use std::time::{Duration, Instant};

use bson::{Document, RawDocumentBuf, doc};

use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions, SET_NAME};
use crate::support::{RawClient, error_of};

const MORE_TO_COME: u32 = 1 << 1;
const EXHAUST_ALLOWED: u32 = 1 << 16;

/// Longer than any test waits for an answer that comes at once.
const LONG_MS: i64 = 60_000;

/// What every member says, up to the fields of a standalone.
const FIELDS: [&str; 8] = [
    "topologyVersion",
    "hosts",
    "setName",
    "setVersion",
    "isWritablePrimary",
    "secondary",
    "primary",
    "me",
];

fn version(hello: &Document) -> &Document {
    hello.get_document("topologyVersion").unwrap()
}

fn counter(hello: &Document) -> i64 {
    version(hello).get_i64("counter").unwrap()
}

/// The fields that describe the member, without tags.
fn fields(hello: &Document) -> Vec<&str> {
    let fields = hello.keys().map(String::as_str);
    fields
        .take_while(|name| *name != "maxBsonObjectSize")
        .filter(|name| *name != "tags")
        .collect()
}

#[test]
fn members_say_what_they_are() {
    let set = ReplicaSet::start(&ReplicaSetOptions {
        tags: vec!["dc:east,rack:1", "dc:west"],
        ..ReplicaSetOptions::default()
    });
    let nodes = set.primary_and_secondaries();
    let primary_host = set.host(nodes[0]);
    let mut all_hosts: Vec<String> = nodes.iter().map(|node| set.host(*node)).collect();
    all_hosts.sort();
    for node in nodes.clone() {
        let is_primary = node == nodes[0];
        let hello = set.hello(node);
        let mut hosts: Vec<_> = hello.get_array("hosts").unwrap().iter().collect();
        hosts.sort_by_key(|host| host.as_str().unwrap());
        assert!(
            hosts
                .iter()
                .map(|host| host.as_str().unwrap())
                .eq(&all_hosts),
            "{hello}"
        );
        assert_eq!(hello.get_str("setName").unwrap(), SET_NAME);
        assert_eq!(hello.get_bool("isWritablePrimary").unwrap(), is_primary);
        assert_eq!(hello.get_bool("secondary").unwrap(), !is_primary);
        assert_eq!(hello.get_str("primary").unwrap(), primary_host);
        assert_eq!(hello.get_str("me").unwrap(), set.host(node));
        let election = is_primary.then_some("electionId");
        let expected: Vec<_> = FIELDS
            .into_iter()
            .chain(election)
            .chain(["lastWrite"])
            .collect();
        assert_eq!(fields(&hello), expected);
        let last = hello.get_document("lastWrite").unwrap();
        let names = [
            "opTime",
            "lastWriteDate",
            "majorityOpTime",
            "majorityWriteDate",
        ];
        assert!(last.keys().eq(names), "{last}");
        let tags = [
            Some(doc! { "dc": "east", "rack": "1" }),
            Some(doc! { "dc": "west" }),
            None,
        ];
        assert_eq!(hello.get_document("tags").ok(), tags[node].as_ref());
        let legacy = set.raw(node).run("admin", doc! { "isMaster": 1 });
        assert_eq!(legacy.get_bool("ismaster").unwrap(), is_primary);
        assert!(!legacy.contains_key("isWritablePrimary"));
        // The same in `serverStatus`.
        let status = set.admin(node).run("admin", doc! { "serverStatus": 1 });
        let repl = status.get_document("repl").unwrap();
        assert_eq!(repl.get_str("me").unwrap(), set.host(node));
        assert_eq!(repl.get_bool("secondary").unwrap(), !is_primary);
    }
}

/// Asks for a stream of answers, the first once something is newer than `hello`.
pub(crate) fn stream(client: &mut RawClient, hello: &Document) {
    let command = doc! {
        "hello": 1, "topologyVersion": version(hello), "maxAwaitTimeMS": LONG_MS, "$db": "admin",
    };
    let mut body = EXHAUST_ALLOWED.to_le_bytes().to_vec();
    body.push(0);
    body.extend_from_slice(RawDocumentBuf::try_from(&command).unwrap().as_bytes());
    client.send(2013, &body);
}

fn next(client: &mut RawClient) -> Document {
    let (document, has_more) = next_or_last(client);
    assert!(has_more, "{document}");
    document
}

/// The next answer of a stream, and whether another follows.
pub(crate) fn next_or_last(client: &mut RawClient) -> (Document, bool) {
    let (_, body) = client.receive();
    let flags = u32::from_le_bytes(body[..4].try_into().unwrap());
    let document = RawDocumentBuf::from_bytes(body[5..].to_vec()).unwrap();
    let has_more = flags & MORE_TO_COME != 0;
    (Document::try_from(document).unwrap(), has_more)
}

#[test]
fn a_step_down_is_told_at_once_and_closes_nothing() {
    let set = ReplicaSet::three();
    let nodes = set.primary_and_secondaries();
    let (old, other) = (nodes[0], nodes[1]);
    let before = set.hello(old);
    let mut watching = set.raw(old);
    stream(&mut watching, &before);
    let mut waiting = set.raw(other);
    let known = set.hello(other);
    let wait = doc! { "hello": 1, "topologyVersion": version(&known), "maxAwaitTimeMS": LONG_MS };
    waiting.send_command("admin", wait);
    let mut admin = set.admin(old);
    let started = Instant::now();
    let stepped = admin.run("admin", doc! { "replSetStepDown": 120 });
    assert_eq!(stepped.get_f64("ok").ok(), Some(1.0), "{stepped}");
    let mut told = next(&mut watching);
    assert!(counter(&told) > counter(&before));
    assert!(!told.get_bool("isWritablePrimary").unwrap(), "{told}");
    assert!(told.get_bool("secondary").unwrap());
    // The stream goes on with each change, until there is a new primary, and counts.
    while told.get_str("primary").is_err() {
        let following = next(&mut watching);
        assert!(counter(&following) > counter(&told));
        told = following;
    }
    assert_ne!(told.get_str("primary").unwrap(), set.host(old));
    let changed = waiting.receive_reply();
    assert!(counter(&changed) > counter(&known));
    assert!(started.elapsed() < Duration::from_secs(30));
    // Who knows an older topology is told at once.
    let behind =
        doc! { "hello": 1, "topologyVersion": version(&before), "maxAwaitTimeMS": LONG_MS };
    let started = Instant::now();
    let reply = set.raw(old).run("admin", behind);
    assert!(counter(&reply) >= counter(&told));
    assert!(started.elapsed() < Duration::from_secs(30));
    // The connection is still signed in, and writes go elsewhere.
    let reply = admin.run("shop", doc! { "dropAllUsersFromDatabase": 1 });
    assert_eq!(error_of(&reply).0, 10_107);
    assert!(
        reply
            .get_document("topologyVersion")
            .unwrap()
            .get_i64("counter")
            .unwrap()
            >= counter(&told)
    );
    let status = admin.run("admin", doc! { "connectionStatus": 1 });
    assert_eq!(status.get_f64("ok").ok(), Some(1.0));
    let new = set.primary();
    assert_ne!(new, old);
    let election = |hello: &Document| hello.get_object_id("electionId").unwrap();
    assert!(election(&set.hello(new)) > election(&before));
    let reply = set
        .admin(new)
        .run("shop", doc! { "dropAllUsersFromDatabase": 1 });
    assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
}
