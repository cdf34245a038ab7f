//! The answer of `replSetGetStatus`, from what a member knows at one moment.
//!
//! There are no heartbeats between members: what is known of the others is what they tell through
//! etcd. Whatever would have to be made up is left out.

use std::time::Duration;

use bson::{DateTime, RawArrayBuf, RawDocumentBuf, Timestamp, rawdoc};

use crate::cluster::{LastWrite, Member, MemberState, OpTime, Progress, Topology};
use crate::command::diagnostic::int32;
use crate::command::reply::{Reply, append};

/// `heartbeatIntervalMillis` of the configuration.
const HEARTBEAT_INTERVAL_MILLIS: i64 = 2000;
/// `electionTimeoutMillis` of the configuration.
const ELECTION_TIMEOUT_MILLIS: i64 = 10_000;

/// What a member knows.
pub(super) struct View<'a> {
    pub topology: &'a Topology,
    /// The last change that this member has applied.
    pub last_write: LastWrite,
    /// How far the live members have come.
    pub progress: &'a Progress,
    /// When this member was elected, if it is primary.
    pub elected_at: Option<DateTime>,
    /// Of this process.
    pub uptime: Duration,
    pub now: DateTime,
}

/// The answer, in mongod's order.
pub(super) fn status(view: &View<'_>) -> Reply {
    let topology = view.topology;
    let config = &topology.config;
    let majority = int32(config.majority());
    let count = int32(config.members.len());
    let mut reply = Reply::new()
        .with("set", &*config.name)
        .with("date", view.now)
        .with("myState", topology.state.number())
        .with("term", topology.term)
        .with("syncSourceHost", "")
        .with("syncSourceId", -1)
        .with("heartbeatIntervalMillis", HEARTBEAT_INTERVAL_MILLIS)
        .with("majorityVoteCount", majority)
        .with("writeMajorityCount", majority)
        .with("votingMembersCount", count)
        .with("writableVotingMembersCount", count)
        .with("optimes", op_times(view.last_write));
    if let (MemberState::Primary, Some(elected_at)) = (topology.state, view.elected_at) {
        reply.append("electionCandidateMetrics", election(view, elected_at));
    }
    let members: RawArrayBuf = config
        .members
        .iter()
        .map(|member| member_status(view, member))
        .collect();
    reply.append("members", members);
    reply
}

/// Whatever is applied is committed and durable in etcd.
fn op_times(last: LastWrite) -> RawDocumentBuf {
    let op_time = || last.op_time.to_document();
    rawdoc! {
        "lastCommittedOpTime": op_time(),
        "lastCommittedWallTime": last.date,
        "readConcernMajorityOpTime": op_time(),
        "appliedOpTime": op_time(),
        "durableOpTime": op_time(),
        "writtenOpTime": op_time(),
        "lastAppliedWallTime": last.date,
        "lastDurableWallTime": last.date,
        "lastWrittenWallTime": last.date,
    }
}

fn election(view: &View<'_>, elected_at: DateTime) -> RawDocumentBuf {
    let priority = view.topology.my_member().map_or(1.0, |me| me.priority);
    rawdoc! {
        "lastElectionReason": "electionTimeout",
        "lastElectionDate": elected_at,
        "electionTerm": view.topology.term,
        "numVotesNeeded": int32(view.topology.config.majority()),
        "priorityAtElection": priority,
        "electionTimeoutMillis": ELECTION_TIMEOUT_MILLIS,
    }
}

fn member_status(view: &View<'_>, member: &Member) -> RawDocumentBuf {
    let topology = view.topology;
    let is_self = topology.me.as_deref() == Some(&*member.host);
    let op_time = if is_self {
        Some(view.last_write.op_time)
    } else {
        let progress = view.progress.members.get(&member.id);
        progress.map(|progress| progress.op_time)
    };
    let state = if is_self {
        topology.state
    } else if op_time.is_none() {
        MemberState::Down
    } else if topology.primary.as_deref() == Some(&*member.host) {
        MemberState::Primary
    } else {
        MemberState::Secondary
    };
    let mut document = rawdoc! {
        "_id": member.id,
        "name": &*member.host,
        "health": if state == MemberState::Down { 0.0 } else { 1.0 },
        "state": state.number(),
        "stateStr": state.name(),
    };
    if is_self {
        append(&mut document, "uptime", int32(view.uptime.as_secs()));
    }
    let op_time = op_time.unwrap_or(OpTime::ZERO);
    append(&mut document, "optime", op_time.to_document());
    append(&mut document, "optimeDate", date_of(op_time.timestamp));
    if is_self {
        append(&mut document, "lastAppliedWallTime", view.last_write.date);
        append(&mut document, "lastDurableWallTime", view.last_write.date);
    }
    append(&mut document, "syncSourceHost", "");
    append(&mut document, "syncSourceId", -1);
    append(&mut document, "infoMessage", "");
    if let (true, MemberState::Primary, Some(elected_at)) = (is_self, state, view.elected_at) {
        append(&mut document, "electionTime", timestamp_of(elected_at));
        append(&mut document, "electionDate", elected_at);
    }
    append(&mut document, "configVersion", topology.config.version);
    append(&mut document, "configTerm", topology.config.term);
    if is_self {
        append(&mut document, "self", true);
    }
    append(&mut document, "lastHeartbeatMessage", "");
    document
}

fn date_of(timestamp: Timestamp) -> DateTime {
    DateTime::from_millis(i64::from(timestamp.time) * 1000)
}

fn timestamp_of(date: DateTime) -> Timestamp {
    let seconds = date.timestamp_millis().div_euclid(1000);
    Timestamp {
        time: u32::try_from(seconds).unwrap_or_default(),
        increment: 1,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bson::{Document, doc};

    use super::*;
    use crate::cluster::{MemberProgress, ReplicaSetConfig};
    use crate::store::Sequence;

    fn op_time(time: u32) -> OpTime {
        OpTime {
            term: 2,
            timestamp: Timestamp { time, increment: 1 },
        }
    }

    fn topology(me: &str, state: MemberState) -> Topology {
        let config = doc! {
            "_id": "rs0",
            "version": 4,
            "term": 2,
            "members": [
                { "_id": 0, "host": "a:1" },
                { "_id": 1, "host": "b:1" },
                { "_id": 2, "host": "c:1" },
            ],
        };
        Topology {
            counter: 7,
            config: Arc::new(ReplicaSetConfig::parse(&config).unwrap()),
            me: Some(me.into()),
            state,
            primary: Some("a:1".into()),
            term: 2,
            quiesces_until: None,
        }
    }

    /// Member 0 and 1 are there, the last one is down.
    fn status_of(topology: &Topology) -> Document {
        let at = |time| MemberProgress {
            sequence: Sequence(1),
            op_time: op_time(time),
        };
        let progress = Progress {
            members: [(0, at(100)), (1, at(90))].into(),
        };
        let reply = status(&View {
            topology,
            last_write: LastWrite {
                sequence: Sequence(1),
                op_time: op_time(100),
                date: DateTime::from_millis(100_500),
            },
            progress: &progress,
            elected_at: Some(DateTime::from_millis(50_700)),
            uptime: Duration::from_secs(30),
            now: DateTime::from_millis(200_000),
        });
        Document::try_from(reply.into_embedded()).unwrap()
    }

    fn members(status: &Document) -> Vec<Document> {
        let members = status.get_array("members").unwrap().iter();
        members
            .map(|member| member.as_document().unwrap().clone())
            .collect()
    }

    #[test]
    fn the_primary_knows_its_election_and_who_is_there() {
        let status = status_of(&topology("a:1", MemberState::Primary));
        assert_eq!(status.get_str("set").unwrap(), "rs0");
        assert_eq!(status.get_i32("myState").unwrap(), 1);
        assert_eq!(status.get_i64("term").unwrap(), 2);
        assert_eq!(status.get_i32("majorityVoteCount").unwrap(), 2);
        assert_eq!(status.get_i32("votingMembersCount").unwrap(), 3);
        let times = status.get_document("optimes").unwrap();
        let applied = doc! { "ts": op_time(100).timestamp, "t": 2_i64 };
        assert_eq!(times.get_document("appliedOpTime").unwrap(), &applied);
        let election = status.get_document("electionCandidateMetrics").unwrap();
        assert_eq!(election.get_i64("electionTerm").unwrap(), 2);
        let members = members(&status);
        let expected = doc! {
            "_id": 0, "name": "a:1", "health": 1.0, "state": 1, "stateStr": "PRIMARY",
            "uptime": 30,
            "optime": applied, "optimeDate": DateTime::from_millis(100_000),
            "lastAppliedWallTime": DateTime::from_millis(100_500),
            "lastDurableWallTime": DateTime::from_millis(100_500),
            "syncSourceHost": "", "syncSourceId": -1, "infoMessage": "",
            "electionTime": Timestamp { time: 50, increment: 1 },
            "electionDate": DateTime::from_millis(50_700),
            "configVersion": 4, "configTerm": 2_i64, "self": true, "lastHeartbeatMessage": "",
        };
        assert_eq!(members[0], expected);
        let expected = doc! {
            "_id": 1, "name": "b:1", "health": 1.0, "state": 2, "stateStr": "SECONDARY",
            "optime": { "ts": op_time(90).timestamp, "t": 2_i64 },
            "optimeDate": DateTime::from_millis(90_000),
            "syncSourceHost": "", "syncSourceId": -1, "infoMessage": "",
            "configVersion": 4, "configTerm": 2_i64, "lastHeartbeatMessage": "",
        };
        assert_eq!(members[1], expected);
        assert_eq!(members[2].get_i32("state").unwrap(), 8);
        assert!(members[2].get_f64("health").unwrap().abs() < f64::EPSILON);
        let down = "(not reachable/healthy)";
        assert_eq!(members[2].get_str("stateStr").unwrap(), down);
    }

    #[test]
    fn a_secondary_knows_who_is_primary_and_nothing_of_its_election() {
        let status = status_of(&topology("b:1", MemberState::Secondary));
        assert_eq!(status.get_i32("myState").unwrap(), 2);
        assert_eq!(status.get("electionCandidateMetrics"), None);
        let members = members(&status);
        assert_eq!(members[0].get_str("stateStr").unwrap(), "PRIMARY");
        assert_eq!(members[0].get("electionDate"), None);
        assert_eq!(members[0].get("self"), None);
        assert!(members[1].get_bool("self").unwrap());
        let stale = status_of(&topology("b:1", MemberState::Recovering));
        assert_eq!(stale.get_i32("myState").unwrap(), 3);
    }
}
