//! kill -9 of nodes and members of etcd while users are being changed: nobody who was told that
//! something is done is told a lie, on any node.
//!
//! Each client has users of its own and knows what was acknowledged of them. After each kill everything
//! is started again, and every node has to show exactly that; only the one change that was under way in
//! a client may be there or not.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bson::{Document, doc};

use crate::random::Random;
use crate::support::etcd::EtcdOptions;
use crate::support::replica_set::{ReplicaSet, ReplicaSetOptions, SHORT_LEASE_TTL_SECS};
use crate::support::{ADMIN, PATIENCE, RawClient, waiting};

/// Rounds, each with one or more kills; `PORTCULLIS_KILL_ROUNDS` asks for more.
const ROUNDS: u64 = 8;
const REPORT_EVERY: u64 = 25;
const CLIENTS: u64 = 6;
const USERS: u64 = 8;
/// The kill comes at most so long after the clients have begun.
const KILL_AFTER_MS_MAX: u64 = 400;
const DB: &str = "products";

#[test]
fn everything_acknowledged_is_on_every_node_after_kill_9() {
    let rounds = std::env::var("PORTCULLIS_KILL_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let seed = Random::seed("PORTCULLIS_KILL_SEED");
    println!("PORTCULLIS_KILL_SEED={seed}");
    let mut random = Random::new(seed);
    let mut set = ReplicaSet::start(&ReplicaSetOptions {
        etcd: EtcdOptions {
            members: 3,
            ..EtcdOptions::default()
        },
        lease_ttl_secs: SHORT_LEASE_TTL_SECS,
        ..ReplicaSetOptions::default()
    });
    let mut clients: Vec<_> = (0..CLIENTS)
        .map(|number| Client::new(number, Random::new(seed + 1 + number)))
        .collect();
    let mut kills = 0;
    for round in 0.. {
        // On a slow machine some more rounds follow, until enough was there to be lost.
        let is_extra = round >= rounds;
        if is_extra && sum(&clients, |it| it.acknowledged) > rounds {
            println!("{}", summary(&clients, round, kills));
            break;
        }
        assert!(round < 3 * rounds, "hardly anything is acknowledged");
        let primary = set.address(set.primary());
        let shared = Arc::new(Shared::default());
        let (begun, has_begun) = mpsc::channel();
        let changing: Vec<_> = clients
            .into_iter()
            .map(|client| {
                let (shared, begun) = (Arc::clone(&shared), begun.clone());
                thread::spawn(move || client.change(primary, &shared, &begun))
            })
            .collect();
        for _ in 0..CLIENTS {
            has_begun.recv().unwrap();
        }
        if is_extra {
            waiting::until("a change is acknowledged", || {
                shared.acknowledged.load(Ordering::Relaxed) > 0
                    || changing.iter().all(JoinHandle::is_finished)
            });
        }
        // Not to wait for anything: the moment is what is random.
        thread::sleep(Duration::from_millis(random.below(KILL_AFTER_MS_MAX)));
        kills += kill_some(&mut set, &mut random);
        thread::sleep(Duration::from_millis(random.below(KILL_AFTER_MS_MAX)));
        shared.is_over.store(true, Ordering::Relaxed);
        clients = changing.into_iter().map(|it| it.join().unwrap()).collect();
        start_again(&mut set);
        compare(&set, &mut clients, round);
        if (round + 1) % REPORT_EVERY == 0 {
            println!("{}", summary(&clients, round + 1, kills));
        }
    }
}

/// What a round shares with its clients.
#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    acknowledged: AtomicU64,
}

fn sum(clients: &[Client], count: impl Fn(&Client) -> u64) -> u64 {
    clients.iter().map(count).sum()
}

/// Nothing is lost yet, or there would be no summary.
fn summary(clients: &[Client], rounds: u64, kills: u64) -> String {
    let acknowledged = sum(clients, |it| it.acknowledged);
    let under_way = sum(clients, |it| it.done_unanswered);
    format!(
        "{kills} kills in {rounds} rounds, {acknowledged} changes acknowledged, 0 lost, \
         {under_way} done unanswered"
    )
}

/// Returns how many processes.
fn kill_some(set: &mut ReplicaSet, random: &mut Random) -> u64 {
    let primary = set.primary();
    let other = (primary + 1 + random.index(set.nodes() - 1)) % set.nodes();
    let member = random.index(set.etcd.members());
    let (nodes, members) = match random.below(8) {
        0..=2 => (vec![primary], vec![]),
        3 => (vec![other], vec![]),
        4 => (vec![primary, other], vec![]),
        5 => ((0..set.nodes()).collect(), vec![]),
        6 => (vec![], vec![member]),
        _ => (vec![primary], vec![member]),
    };
    for node in &nodes {
        set.kill(*node);
    }
    for member in &members {
        set.etcd.kill(*member);
    }
    (nodes.len() + members.len()) as u64
}

fn start_again(set: &mut ReplicaSet) {
    for member in 0..set.etcd.members() {
        if !set.etcd.is_running(member) {
            set.etcd.restart(member);
            set.etcd.wait_until_healthy(member);
        }
    }
    for node in 0..set.nodes() {
        if !set.is_running(node) {
            set.start_node(node);
        }
    }
    set.wait_until_all_have_everything();
}

/// Every node shows what is known, or that with the change that was under way.
fn compare(set: &ReplicaSet, clients: &mut [Client], round: u64) {
    let found: Vec<Users> = (0..set.nodes())
        .map(|node| shown(&mut set.admin(node)))
        .collect();
    for (node, users) in found.iter().enumerate() {
        assert_eq!(
            *users, found[0],
            "node {node} and node 0 after round {round}"
        );
    }
    for client in clients {
        let is_own = |name: &str| name.starts_with(&format!("user-{}-", client.number));
        let own: Users = found[0]
            .iter()
            .filter(|(name, _)| is_own(name))
            .map(|(name, user)| (name.clone(), *user))
            .collect();
        if client.under_way.take().as_ref() == Some(&own) {
            client.done_unanswered += 1;
            client.known = own.clone();
        }
        assert_eq!(
            own, client.known,
            "client {} after round {round}: left is there, right was acknowledged",
            client.number
        );
    }
}

/// By name.
type Users = BTreeMap<String, User>;

#[derive(Debug, Clone, Copy, PartialEq)]
struct User {
    version: i64,
    may_write: bool,
}

struct Client {
    number: u64,
    random: Random,
    known: Users,
    /// What is known if the change under way was done.
    under_way: Option<Users>,
    changes: i64,
    acknowledged: u64,
    done_unanswered: u64,
}

impl Client {
    fn new(number: u64, random: Random) -> Self {
        Self {
            number,
            random,
            known: Users::new(),
            under_way: None,
            changes: 0,
            acknowledged: 0,
            done_unanswered: 0,
        }
    }

    /// Until it is over, or until something goes wrong.
    fn change(mut self, primary: SocketAddr, shared: &Shared, begun: &Sender<()>) -> Self {
        let mut admin = RawClient::try_connect(primary, PATIENCE).unwrap();
        admin.sign_in("admin", ADMIN.0, ADMIN.1).unwrap();
        begun.send(()).unwrap();
        while !shared.is_over.load(Ordering::Relaxed) {
            let (mut command, known) = self.next_change();
            let concern = [doc! { "w": 1 }, doc! { "w": "majority", "wtimeout": 1000 }];
            let concern = concern[self.random.index(2)].clone();
            command.insert("writeConcern", concern);
            self.under_way = Some(known.clone());
            let Ok(reply) = admin.try_run(DB, command) else {
                return self;
            };
            if reply.get_f64("ok").ok() != Some(1.0) {
                // Whatever is said then, it may have been done; that it was refused is no lie either.
                return self;
            }
            self.known = known;
            self.under_way = None;
            self.acknowledged += 1;
            shared.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        self
    }

    /// A command, and what is known once it is done.
    fn next_change(&mut self) -> (Document, Users) {
        let mut known = self.known.clone();
        let name = format!("user-{}-{}", self.number, self.random.below(USERS));
        self.changes += 1;
        let version = self.changes;
        let Some(user) = known.get_mut(&name) else {
            known.insert(
                name.clone(),
                User {
                    version,
                    may_write: false,
                },
            );
            let create = doc! {
                "createUser": name, "pwd": "secret", "roles": ["read"],
                "mechanisms": ["SCRAM-SHA-256"], "customData": { "version": version },
            };
            return (create, known);
        };
        let command = match self.random.below(8) {
            0..=2 => {
                user.version = version;
                doc! { "updateUser": name, "customData": { "version": version } }
            }
            3..=5 => {
                user.may_write = !user.may_write;
                if user.may_write {
                    doc! { "grantRolesToUser": name, "roles": ["readWrite"] }
                } else {
                    doc! { "revokeRolesFromUser": name, "roles": ["readWrite"] }
                }
            }
            _ => {
                known.remove(&name);
                doc! { "dropUser": name }
            }
        };
        (command, known)
    }
}

/// The users that a node shows.
fn shown(admin: &mut RawClient) -> Users {
    let reply = admin.run(
        DB,
        doc! { "usersInfo": 1, "$readPreference": { "mode": "secondaryPreferred" } },
    );
    let users = reply.get_array("users").unwrap().iter();
    users
        .map(|user| {
            let user = user.as_document().unwrap();
            let version = user.get_document("customData").unwrap().get_i64("version");
            let shown = User {
                version: version.unwrap(),
                may_write: user.get_array("roles").unwrap().len() == 2,
            };
            (user.get_str("user").unwrap().to_owned(), shown)
        })
        .collect()
}
