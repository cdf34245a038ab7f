//! A member that is told to stop: its clients are told first, and are served until they have gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bson::{Document, doc};

use crate::common::{DB, acknowledged, create_user, done, from_any, is_down, user_names, with_w};
use crate::hello::{next_or_last, stream};
use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions, timed};
use crate::support::{ADMIN, RawClient, error_of, waiting};

const STOPS: (i32, &str) = (91, "The server is in quiesce mode and will shut down");
/// What a member writes into its log who has somebody to send its clients to.
const TOLD: &str = "Clients are told to turn to other members";
/// Several times as long as a member waits for clients that ask for nothing.
const BUSY: Duration = Duration::from_secs(2);
/// A busy client asks that often.
const PAUSE: Duration = Duration::from_millis(20);

fn start_with_limit(nodes: usize, limit_ms: i64) -> ReplicaSet {
    let limit = format!("shutdownTimeoutMillisForSignaledShutdown={limit_ms}");
    ReplicaSet::start(&ReplicaSetOptions {
        nodes,
        arguments: vec!["--setParameter".to_owned(), limit],
        ..ReplicaSetOptions::default()
    })
}

/// Waits for a change in a stream of answers; returns the one that is known.
fn watch(watcher: &mut RawClient) -> i64 {
    let hello = done(watcher, "admin", doc! { "hello": 1 });
    stream(watcher, &hello);
    counter(&hello)
}

fn counter(hello: &Document) -> i64 {
    let version = hello.get_document("topologyVersion").unwrap();
    version.get_i64("counter").unwrap()
}

/// The last answer of the stream: drivers are told that the member stops.
fn wait_until_told(watcher: &mut RawClient, known: i64, limit_ms: i64) {
    loop {
        let (told, has_more) = next_or_last(watcher);
        assert!(counter(&told) > known, "{told}");
        if !has_more {
            return assert_stops(&told, limit_ms);
        }
    }
}

/// What drivers are told by a member that stops within so many milliseconds.
fn assert_stops(hello: &Document, limit_ms: i64) {
    let (code, text) = error_of(hello);
    assert_eq!((code, text.as_str()), STOPS, "{hello}");
    let left = hello.get_i64("remainingQuiesceTimeMillis").unwrap();
    assert!((0..=limit_ms).contains(&left), "{hello}");
}

/// A client that asks a member for something all the time, and must be answered.
struct BusyClient {
    is_over: Arc<AtomicBool>,
    asking: JoinHandle<()>,
}

impl BusyClient {
    fn start(mut client: RawClient) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let asking = std::thread::spawn({
            let is_over = Arc::clone(&is_over);
            move || {
                while !is_over.load(Ordering::Relaxed) {
                    user_names(&mut client);
                    std::thread::sleep(PAUSE);
                }
            }
        });
        Self { is_over, asking }
    }

    fn goes(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.asking.join().unwrap();
    }
}

#[test]
fn who_asks_for_something_is_served_until_they_have_gone() {
    let mut set = start_with_limit(3, 60_000);
    let (primary, secondary) = (set.primary(), set.secondary());
    let mut admin = set.admin(secondary);
    let mut watcher = set.raw(secondary);
    let known = watch(&mut watcher);
    let busy = BusyClient::start(set.admin(secondary));
    set.terminate(secondary);
    wait_until_told(&mut watcher, known, 60_000);
    let told_at = Instant::now();
    while told_at.elapsed() < BUSY {
        // Who comes anew is told as well, and may go on all the same.
        let mut late = set.raw(secondary);
        assert_stops(&late.run("admin", doc! { "hello": 1 }), 60_000);
        late.sign_in("admin", ADMIN.0, ADMIN.1).unwrap();
        user_names(&mut late);
    }
    // It is still one of those who have to know.
    let writing = with_w(create_user("ann", &["read"]), 3);
    acknowledged(&mut set.admin(primary), DB, writing);
    assert_eq!(user_names(&mut admin), ["ann"]);
    busy.goes();
    let (log, took) = timed(|| set.wait_for_end(secondary));
    assert!(took < Duration::from_secs(30), "{took:?}");
    assert!(log.contains(TOLD), "{log}");
    assert!(admin.is_closed());
}

#[test]
fn a_primary_hands_over_first() {
    let mut set = start_with_limit(3, 60_000);
    let old = set.primary();
    let mut admin = set.admin(old);
    let mut watcher = set.raw(old);
    let known = watch(&mut watcher);
    let busy = BusyClient::start(set.admin(old));
    set.terminate(old);
    wait_until_told(&mut watcher, known, 60_000);
    let refused = admin.run(DB, create_user("ann", &["read"]));
    assert_eq!(error_of(&refused).0, 10107, "{refused}");
    let new = set.primary_but(Some(old));
    let writing = with_w(create_user("ann", &["read"]), 2);
    acknowledged(&mut set.admin(new), DB, writing);
    busy.goes();
    let log = set.wait_for_end(old);
    assert!(log.contains("Stepping down"), "{log}");
    set.start_node(old);
    set.wait_until(old, |hello| hello.get_bool("secondary").ok() == Some(true));
}

#[test]
fn who_does_not_go_is_not_served_for_ever() {
    let limit_ms = 1000;
    let mut set = start_with_limit(2, limit_ms);
    let secondary = set.secondary();
    let mut admin = set.admin(secondary);
    let mut watcher = set.raw(secondary);
    let known = watch(&mut watcher);
    set.terminate(secondary);
    wait_until_told(&mut watcher, known, limit_ms);
    let started = Instant::now();
    while admin.try_run(DB, from_any(doc! { "usersInfo": 1 })).is_ok() {
        // Well before what it would be without the parameter.
        assert!(started.elapsed() < Duration::from_secs(12), "it serves on");
    }
    set.wait_for_end(secondary);
    let alone = set.primary();
    let (mut admin, gone) = (set.admin(alone), set.host(secondary));
    waiting::until("it is noticed", || is_down(&mut admin, &gone));
    // Nobody is left to whom clients could turn.
    let log = set.stop(alone);
    assert!(!log.contains(TOLD), "{log}");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut set = start_with_limit(2, 600_000);
    let secondary = set.secondary();
    let mut watcher = set.raw(secondary);
    let known = watch(&mut watcher);
    let mut admin = set.admin(secondary);
    set.terminate(secondary);
    wait_until_told(&mut watcher, known, 600_000);
    set.terminate(secondary);
    // It would serve this client for ten minutes.
    let asking = from_any(doc! { "usersInfo": 1 });
    waiting::until("it has ended", || {
        admin.try_run(DB, asking.clone()).is_err()
    });
    set.kill(secondary);
}
