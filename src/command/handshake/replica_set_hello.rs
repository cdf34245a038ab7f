//! What `hello` and `serverStatus` say of the replica set (MongoDB manual, "hello"; Server Discovery
//! and Monitoring specification).

use bson::{DateTime, RawArrayBuf, RawDocumentBuf, rawdoc};

use crate::cluster::{LastWrite, Member, MemberState, ReplicaSet, Topology};
use crate::command::reply::{Reply, append};

/// What a member is called that takes writes: to those who ask by `hello`, and to the others.
pub(super) fn writable_field(is_hello: bool) -> &'static str {
    if is_hello {
        "isWritablePrimary"
    } else {
        "ismaster"
    }
}

/// The section `repl` of `serverStatus`.
pub fn replication_section(set: &ReplicaSet) -> RawDocumentBuf {
    let mut reply = Reply::new();
    append_member(&mut reply, &set.topology(), set.last_write(), true);
    // Nothing is ever rolled back.
    reply.append("rbid", 1);
    reply.into_embedded()
}

/// Adds what this member knows of its set, in mongod's order.
pub(super) fn append_member(
    reply: &mut Reply,
    topology: &Topology,
    last_write: LastWrite,
    is_hello: bool,
) {
    let writable = writable_field(is_hello);
    let config = &topology.config;
    let Some(me) = topology.my_member() else {
        reply.append(writable, false);
        reply.append("secondary", false);
        reply.append("info", "Does not have a valid replica set config");
        reply.append("isreplicaset", true);
        return;
    };
    let (electable, passive): (Vec<&Member>, Vec<&Member>) = config
        .members
        .iter()
        .partition(|member| member.is_electable());
    if !electable.is_empty() {
        reply.append("hosts", hosts(&electable));
    }
    if !passive.is_empty() {
        reply.append("passives", hosts(&passive));
    }
    reply.append("setName", &*config.name);
    reply.append("setVersion", config.version);
    reply.append(writable, topology.state == MemberState::Primary);
    reply.append("secondary", topology.state == MemberState::Secondary);
    if let Some(primary) = &topology.primary {
        reply.append("primary", &**primary);
    }
    if !me.is_electable() {
        reply.append("passive", true);
    }
    if !me.tags.is_empty() {
        let mut tags = RawDocumentBuf::new();
        for (tag, value) in &me.tags {
            append(&mut tags, tag, value.as_str());
        }
        reply.append("tags", tags);
    }
    reply.append("me", &*me.host);
    if topology.state == MemberState::Primary {
        reply.append("electionId", topology.election_id());
    }
    reply.append("lastWrite", last_write_document(last_write));
}

/// What a member has applied is in etcd for good, so the last write is a majority's as well.
fn last_write_document(last: LastWrite) -> RawDocumentBuf {
    // To the second, as mongod.
    let seconds = last.date.timestamp_millis().div_euclid(1000);
    let date = DateTime::from_millis(seconds.saturating_mul(1000));
    rawdoc! {
        "opTime": last.op_time.to_document(),
        "lastWriteDate": date,
        "majorityOpTime": last.op_time.to_document(),
        "majorityWriteDate": date,
    }
}

fn hosts(members: &[&Member]) -> RawArrayBuf {
    members.iter().map(|member| &*member.host).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bson::{Document, Timestamp, doc};

    use super::*;
    use crate::cluster::{OpTime, ReplicaSetConfig};
    use crate::store::Sequence;

    fn topology(me: Option<&str>, state: MemberState) -> Topology {
        let config = doc! {
            "_id": "rs0",
            "version": 4,
            "members": [
                { "_id": 0, "host": "a:1", "tags": { "dc": "east" } },
                { "_id": 1, "host": "b:1" },
                { "_id": 2, "host": "c:1", "priority": 0 },
            ],
        };
        Topology {
            counter: 7,
            config: Arc::new(ReplicaSetConfig::parse(&config).unwrap()),
            me: me.map(Into::into),
            state,
            primary: Some("a:1".into()),
            term: 3,
            quiesces_until: None,
        }
    }

    fn last_write() -> LastWrite {
        LastWrite {
            sequence: Sequence(9),
            op_time: OpTime {
                term: 3,
                timestamp: Timestamp {
                    time: 1_700_000_000,
                    increment: 2,
                },
            },
            date: DateTime::from_millis(1_700_000_000_250),
        }
    }

    fn hello(topology: &Topology, is_hello: bool) -> Document {
        let mut reply = Reply::new();
        append_member(&mut reply, topology, last_write(), is_hello);
        Document::try_from(reply.into_embedded()).unwrap()
    }

    fn expected_last_write() -> Document {
        let op_time = doc! { "ts": last_write().op_time.timestamp, "t": 3_i64 };
        let date = DateTime::from_millis(1_700_000_000_000);
        doc! {
            "opTime": &op_time, "lastWriteDate": date,
            "majorityOpTime": op_time, "majorityWriteDate": date,
        }
    }

    /// Documents compare without order, clients and people read it.
    fn assert_same(found: &Document, expected: &Document) {
        assert_eq!(found, expected);
        assert!(found.keys().eq(expected.keys()), "{found}");
    }

    #[test]
    fn the_primary_says_so_with_its_election() {
        let primary = topology(Some("a:1"), MemberState::Primary);
        let expected = doc! {
            "hosts": ["a:1", "b:1"],
            "passives": ["c:1"],
            "setName": "rs0",
            "setVersion": 4,
            "isWritablePrimary": true,
            "secondary": false,
            "primary": "a:1",
            "tags": { "dc": "east" },
            "me": "a:1",
            "electionId": primary.election_id(),
            "lastWrite": expected_last_write(),
        };
        assert_same(&hello(&primary, true), &expected);
        let legacy = hello(&primary, false);
        assert!(legacy.get_bool("ismaster").unwrap());
        assert_eq!(legacy.get("isWritablePrimary"), None);
    }

    #[test]
    fn a_secondary_that_cannot_be_elected_is_passive() {
        let expected = doc! {
            "hosts": ["a:1", "b:1"],
            "passives": ["c:1"],
            "setName": "rs0",
            "setVersion": 4,
            "isWritablePrimary": false,
            "secondary": true,
            "primary": "a:1",
            "passive": true,
            "me": "c:1",
            "lastWrite": expected_last_write(),
        };
        let secondary = topology(Some("c:1"), MemberState::Secondary);
        assert_same(&hello(&secondary, true), &expected);
    }

    #[test]
    fn a_member_out_of_touch_is_neither() {
        let mut topology = topology(Some("b:1"), MemberState::Recovering);
        topology.primary = None;
        let hello = hello(&topology, true);
        assert!(!hello.get_bool("isWritablePrimary").unwrap());
        assert!(!hello.get_bool("secondary").unwrap());
        assert_eq!(hello.get("primary"), None);
        assert_eq!(hello.get("electionId"), None);
    }

    #[test]
    fn who_has_not_joined_has_no_configuration() {
        let expected = doc! {
            "isWritablePrimary": false,
            "secondary": false,
            "info": "Does not have a valid replica set config",
            "isreplicaset": true,
        };
        assert_same(
            &hello(&topology(None, MemberState::Startup), true),
            &expected,
        );
        let removed = topology(Some("gone:1"), MemberState::Secondary);
        assert_same(&hello(&removed, true), &expected);
    }
}
