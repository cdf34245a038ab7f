//! Clients create, drop, grant and read through all nodes while nodes and members of etcd are killed,
//! paused and cut off; afterwards one order of events must explain all that the clients were told.
//!
//! `PORTCULLIS_CONSISTENCY_SECS` makes it longer, `PORTCULLIS_CONSISTENCY_SEED` repeats the choices of a
//! run (not its timing).

mod client;
mod nemesis;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bson::{Document, doc};

use crate::history::{History, Outcome, Read, Write};
use crate::random::Random;
use crate::support::etcd::EtcdOptions;
use crate::support::ports::ClaimedPort;
use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions, SHORT_LEASE_TTL_SECS};
use crate::support::{Options, TestServer};

use client::{Client, DB, Shared};
use nemesis::Nemesis;

/// How long things break, unless `PORTCULLIS_CONSISTENCY_SECS` says otherwise.
const SECS: u64 = 40;
const CLIENTS: u64 = 5;
const KILLS_ALONE: u64 = 4;
const BETWEEN_KILLS: Duration = Duration::from_secs(1);
/// Writes that are acknowledged at least, however slow the machine is: in all, and between two kills.
const ACKNOWLEDGED_MIN: u64 = 24;
const ACKNOWLEDGED_BETWEEN_KILLS: u64 = ACKNOWLEDGED_MIN / KILLS_ALONE;

#[test]
fn one_order_explains_what_clients_were_told_while_things_break() {
    let secs = std::env::var("PORTCULLIS_CONSISTENCY_SECS");
    let secs = secs.map_or(SECS, |secs| secs.parse().unwrap());
    let seed = Random::seed("PORTCULLIS_CONSISTENCY_SEED");
    println!("PORTCULLIS_CONSISTENCY_SEED={seed}");
    let mut set = ReplicaSet::start(&ReplicaSetOptions {
        etcd: EtcdOptions {
            members: 3,
            ..EtcdOptions::default()
        },
        lease_ttl_secs: SHORT_LEASE_TTL_SECS,
        ..ReplicaSetOptions::default()
    });
    let shared = Arc::new(Shared::new(
        (0..set.nodes()).map(|node| set.address(node)).collect(),
    ));
    let clients = start_clients(&shared, seed);
    let end = Instant::now() + Duration::from_secs(secs);
    let done = Nemesis::new(Random::new(seed)).run(&mut set, end);
    shared.wait_for_acknowledged(ACKNOWLEDGED_MIN);
    let mut history = collect(&shared, clients);
    set.wait_until_all_have_everything();
    read_all(&shared, &mut history);
    println!("{}", summary(&history, &done));
    assert_all_equal(&set);
    assert_explained(&history, seed);
}

#[test]
fn one_order_explains_what_clients_were_told_by_a_server_alone() {
    let seed = Random::seed("PORTCULLIS_CONSISTENCY_SEED");
    let port = ClaimedPort::new();
    let with_port = |options: Options| options.argument(format!("--port={}", port.number));
    let mut server = TestServer::with_admin_and(with_port(Options::default()));
    let shared = Arc::new(Shared::new(vec![server.address()]));
    let clients = start_clients(&shared, seed);
    for _ in 0..KILLS_ALONE {
        thread::sleep(BETWEEN_KILLS);
        shared.wait_for_acknowledged(shared.acknowledged() + ACKNOWLEDGED_BETWEEN_KILLS);
        let folder = server.kill();
        server = with_port(Options::in_folder(folder)).start();
    }
    let mut history = collect(&shared, clients);
    read_all(&shared, &mut history);
    println!("{}", summary(&history, &[]));
    assert_explained(&history, seed);
}

type Running = Vec<JoinHandle<(Vec<Write>, Vec<Read>)>>;

fn start_clients(shared: &Arc<Shared>, seed: u64) -> Running {
    let start = |number| {
        let client = Client::new(shared, Random::new(seed + 1 + number));
        thread::spawn(move || client.run())
    };
    (0..CLIENTS).map(start).collect()
}

/// Ends the clients; what they were told.
fn collect(shared: &Shared, clients: Running) -> History {
    shared.is_over.store(true, Ordering::Relaxed);
    let mut history = History {
        nodes: shared.nodes(),
        ..History::default()
    };
    for client in clients {
        let (writes, reads) = client.join().unwrap();
        history.writes.extend(writes);
        history.reads.extend(reads);
    }
    history
}

fn read_all(shared: &Shared, history: &mut History) {
    let reads = (0..shared.nodes()).map(|node| shared.last_read(node));
    history.reads.extend(reads);
}

fn assert_explained(history: &History, seed: u64) {
    if let Err(violation) = history.check() {
        panic!("seed {seed}: {}: {}", violation.user, violation.text);
    }
    let acknowledged = count(history, |it| matches!(it, Outcome::Done { .. }));
    assert!(
        acknowledged as u64 >= ACKNOWLEDGED_MIN,
        "only {acknowledged}"
    );
}

fn count(history: &History, is_counted: impl Fn(Outcome) -> bool) -> usize {
    let outcomes = history.writes.iter().map(|write| write.outcome);
    outcomes.filter(|outcome| is_counted(*outcome)).count()
}

fn summary(history: &History, done: &[String]) -> String {
    format!(
        "{} writes: {} done, {} exists or not found, {} refused, {} unknown; {} reads; then: {}",
        history.writes.len(),
        count(history, |it| matches!(it, Outcome::Done { .. })),
        count(history, |it| matches!(
            it,
            Outcome::Exists | Outcome::NotFound
        )),
        count(history, |it| it == Outcome::Refused),
        count(history, |it| it == Outcome::Unknown),
        history.reads.len(),
        done.join(", "),
    )
}

/// Every node shows the same users, credentials included.
fn assert_all_equal(set: &ReplicaSet) {
    let users = |node: usize| {
        let reply = set.admin(node).run(
            DB,
            doc! {
                "usersInfo": 1, "showCredentials": true,
                "$readPreference": { "mode": "secondaryPreferred" },
            },
        );
        let users = reply.get_array("users").unwrap();
        let mut users: Vec<Document> = users
            .iter()
            .map(|user| user.as_document().unwrap().clone())
            .collect();
        users.sort_by_key(|user| user.get_str("_id").unwrap().to_owned());
        users
    };
    let of_first = users(0);
    for node in 1..set.nodes() {
        assert_eq!(users(node), of_first, "node {node}");
    }
}
