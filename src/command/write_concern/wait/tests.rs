use std::collections::BTreeMap;

use bson::rawdoc;

use super::*;
use crate::cluster::{Member, MemberProgress, OpTime, ReplicaSetConfig};
use crate::command::write_concern::{Acknowledgement, Provenance};
use crate::config::HostAndPort;
use crate::net::{StopSource, stop_channel};

const CHANGE: Change = Change {
    sequence: Sequence(10),
    term: 3,
};

/// A set of three seen by its primary, which is member 0.
struct Seen {
    topology: watch::Sender<Arc<Topology>>,
    progress: watch::Sender<Arc<Progress>>,
    stop: StopSource,
    signal: StopSignal,
}

impl Seen {
    fn new() -> Self {
        let mut config = ReplicaSetConfig::new("rs");
        for id in 0..3 {
            config.members.push(Member {
                id,
                host: HostAndPort::parse(&host(id)).unwrap(),
                priority: 1.0,
                tags: BTreeMap::new(),
            });
        }
        let topology = Topology {
            counter: 1,
            config: Arc::new(config),
            me: Some(host(0)),
            state: MemberState::Primary,
            primary: Some(host(0)),
            term: CHANGE.term,
            quiesces_until: None,
        };
        let (stop, signal) = stop_channel();
        Self {
            topology: watch::channel(Arc::new(topology)).0,
            progress: watch::channel(Arc::default()).0,
            stop,
            signal,
        }
    }

    fn applied(&self, id: i32, sequence: u64) {
        self.progress.send_modify(|progress| {
            let reached = MemberProgress {
                sequence: Sequence(sequence),
                op_time: OpTime::ZERO,
            };
            Arc::make_mut(progress).members.insert(id, reached);
        });
    }

    fn gone(&self, id: i32) {
        self.progress.send_modify(|progress| {
            Arc::make_mut(progress).members.remove(&id);
        });
    }

    fn change_topology(&self, change: impl FnOnce(&mut Topology)) {
        self.topology
            .send_modify(|topology| change(Arc::make_mut(topology)));
    }

    /// Waits in a task of its own, which has begun to wait when this returns.
    async fn wait(&self, concern: WriteConcern, deadline: Option<Instant>) -> Waiting {
        let mut replication = Replication {
            topology: self.topology.subscribe(),
            progress: self.progress.subscribe(),
        };
        let stop = self.signal.clone();
        let waiting = tokio::spawn(async move {
            let limits = Limits {
                deadline,
                stop: &stop,
            };
            let waited = replication.wait(CHANGE, &concern, limits).await;
            waited.map_err(|miss| (miss.code.0, miss.message))
        });
        tokio::task::yield_now().await;
        Waiting(waiting)
    }
}

struct Waiting(tokio::task::JoinHandle<Result<(), (i32, String)>>);

impl Waiting {
    async fn outcome(self) -> Result<(), (i32, String)> {
        self.0.await.unwrap()
    }

    async fn still_waits(&self) -> bool {
        // Long enough for everything that is due at once, in a clock that stands still.
        tokio::task::yield_now().await;
        tokio::task::yield_now().await;
        !self.0.is_finished()
    }
}

fn host(id: i32) -> Arc<str> {
    format!("127.0.0.1:{}", 27017 + id).into()
}

fn concern(w: Acknowledgement, timeout_ms: i32) -> WriteConcern {
    WriteConcern {
        w,
        journal: None,
        timeout_ms,
        provenance: Some(Provenance::ClientSupplied),
    }
}

fn failed(code: i32, message: &str) -> Result<(), (i32, String)> {
    Err((code, message.into()))
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_enough_have_applied_it() {
    let seen = Seen::new();
    let majority = seen.wait(concern(Acknowledgement::Majority, 0), None).await;
    let three = seen
        .wait(concern(Acknowledgement::Members(3), 0), None)
        .await;
    seen.applied(1, 9);
    assert!(majority.still_waits().await, "one before it");
    seen.applied(1, 10);
    assert_eq!(majority.outcome().await, Ok(()));
    assert!(three.still_waits().await);
    seen.applied(2, 12);
    assert_eq!(three.outcome().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn who_had_it_counts_though_it_goes_down() {
    let seen = Seen::new();
    let three = seen
        .wait(concern(Acknowledgement::Members(3), 0), None)
        .await;
    seen.applied(1, 10);
    assert!(three.still_waits().await);
    seen.gone(1);
    seen.applied(2, 10);
    assert_eq!(three.outcome().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn wtimeout_ends_it() {
    let seen = Seen::new();
    let begun = Instant::now();
    let waiting = seen
        .wait(concern(Acknowledgement::Majority, 1500), None)
        .await;
    let text = "waiting for replication timed out";
    assert_eq!(waiting.outcome().await, failed(64, text));
    assert_eq!(begun.elapsed(), Duration::from_millis(1500));
}

#[tokio::test(start_paused = true)]
async fn the_earlier_of_two_limits_is_named() {
    let seen = Seen::new();
    let deadline = Some(Instant::now() + Duration::from_secs(1));
    let text = "operation exceeded time limit";
    for timeout in [0, -1, 1500] {
        let waiting = seen
            .wait(concern(Acknowledgement::Majority, timeout), deadline)
            .await;
        assert_eq!(waiting.outcome().await, failed(50, text), "{timeout}");
    }
    let later = Some(Instant::now() + Duration::from_secs(1));
    let waiting = seen
        .wait(concern(Acknowledgement::Majority, 900), later)
        .await;
    let text = "waiting for replication timed out";
    assert_eq!(waiting.outcome().await, failed(64, text));
}

#[tokio::test(start_paused = true)]
async fn a_change_of_state_ends_it() {
    let text = "Primary stepped down while waiting for replication";
    let seen = Seen::new();
    let waiting = seen.wait(concern(Acknowledgement::Majority, 0), None).await;
    seen.change_topology(|topology| topology.state = MemberState::Secondary);
    assert_eq!(waiting.outcome().await, failed(189, text));
    // Also if it was over before the wait began.
    seen.applied(1, 10);
    let waiting = seen.wait(concern(Acknowledgement::Majority, 0), None).await;
    assert_eq!(waiting.outcome().await, failed(189, text));
}

#[tokio::test(start_paused = true)]
async fn a_new_term_ends_it() {
    let seen = Seen::new();
    let waiting = seen.wait(concern(Acknowledgement::Majority, 0), None).await;
    seen.change_topology(|topology| topology.term = 5);
    let text = "Term changed from 3 to 5 while waiting for replication, indicating that this node \
                must have stepped down.";
    assert_eq!(waiting.outcome().await, failed(189, text));
}

#[tokio::test(start_paused = true)]
async fn a_new_configuration_is_counted_by() {
    let seen = Seen::new();
    let three = seen
        .wait(concern(Acknowledgement::Members(3), 0), None)
        .await;
    let majority = seen.wait(concern(Acknowledgement::Majority, 0), None).await;
    seen.change_topology(|topology| {
        Arc::make_mut(&mut topology.config).members.truncate(1);
    });
    let text = "Not enough data-bearing nodes";
    assert_eq!(three.outcome().await, failed(100, text));
    assert_eq!(majority.outcome().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stops_ends_it() {
    let seen = Seen::new();
    let waiting = seen.wait(concern(Acknowledgement::Majority, 0), None).await;
    assert!(waiting.still_waits().await);
    seen.stop.stop();
    let text = "Replication is being shut down";
    assert_eq!(waiting.outcome().await, failed(91, text));
}

#[test]
fn a_miss_shows_what_was_asked_for() {
    let journaled = WriteConcern {
        journal: Some(true),
        ..concern(Acknowledgement::Members(3), 100)
    };
    assert_eq!(
        WriteConcernError::timed_out().to_document(&journaled),
        rawdoc! {
            "code": 64,
            "codeName": "WriteConcernFailed",
            "errmsg": "waiting for replication timed out",
            "errInfo": {
                "wtimeout": true,
                "writeConcern": {
                    "w": 3, "j": true, "wtimeout": 100, "provenance": "clientSupplied",
                },
            },
        }
    );
    assert_eq!(
        WriteConcernError::stepped_down().to_document(&WriteConcern::IMPLICIT_DEFAULT),
        rawdoc! {
            "code": 189,
            "codeName": "PrimarySteppedDown",
            "errmsg": "Primary stepped down while waiting for replication",
            "errInfo": {
                "writeConcern": { "w": "majority", "wtimeout": 0, "provenance": "implicitDefault" },
            },
        }
    );
}
