//! A client that changes and reads users, and keeps what it was told.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bson::{Document, doc};

use crate::history::{Action, Moment, Outcome, Read, State, User, Write, WriteId};
use crate::random::Random;
use crate::support::{ADMIN, PATIENCE, RawClient, waiting};

pub(super) const DB: &str = "products";
/// Users that are changed at the same time.
const USERS: u64 = 4;
/// After so many writes other users take their place: orders are looked for among few events.
const WRITES_PER_USER: u64 = 30;
/// When a client gives up waiting for an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(3);
/// How a client waits that found nobody there.
const PAUSE: Duration = Duration::from_millis(20);

/// What the clients share.
pub(super) struct Shared {
    nodes: Vec<SocketAddr>,
    began: Instant,
    pub(super) is_over: AtomicBool,
    next_id: AtomicU64,
    writes: AtomicU64,
    acknowledged: AtomicU64,
    /// The node that took the last write.
    primary: AtomicUsize,
}

impl Shared {
    pub(super) fn new(nodes: Vec<SocketAddr>) -> Self {
        Self {
            nodes,
            began: Instant::now(),
            is_over: AtomicBool::new(false),
            next_id: AtomicU64::new(1),
            writes: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            primary: AtomicUsize::new(0),
        }
    }

    /// How many nodes there are.
    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }

    /// Writes that were acknowledged so far.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until so many writes have been acknowledged.
    pub(super) fn wait_for_acknowledged(&self, count: u64) {
        waiting::until("clients write", || self.acknowledged() >= count);
    }

    fn now(&self) -> Moment {
        u64::try_from(self.began.elapsed().as_nanos()).unwrap()
    }

    /// The users of now.
    fn users(&self) -> Vec<String> {
        users_of(self.writes.load(Ordering::Relaxed) / (USERS * WRITES_PER_USER))
    }

    /// What the node shows when all is over, of all users there ever were.
    pub(super) fn last_read(&self, node: usize) -> Read {
        let generations = self.writes.load(Ordering::Relaxed) / (USERS * WRITES_PER_USER);
        let users: Vec<String> = (0..=generations).flat_map(users_of).collect();
        let mut connection = connect(self.nodes[node], PATIENCE).unwrap();
        let invoked = self.now();
        let reply = connection.run(DB, users_info());
        Read {
            node,
            invoked,
            returned: self.now(),
            seen: seen(&reply, &users).unwrap(),
            is_final: true,
        }
    }
}

fn users_of(generation: u64) -> Vec<String> {
    let user = |number| format!("user-{generation}-{number}");
    (0..USERS).map(user).collect()
}

pub(super) struct Client {
    shared: Arc<Shared>,
    random: Random,
    connections: Vec<Option<RawClient>>,
    writes: Vec<Write>,
    reads: Vec<Read>,
}

impl Client {
    pub(super) fn new(shared: &Arc<Shared>, random: Random) -> Self {
        Self {
            shared: Arc::clone(shared),
            random,
            connections: shared.nodes.iter().map(|_| None).collect(),
            writes: Vec::new(),
            reads: Vec::new(),
        }
    }

    /// Until it is over.
    pub(super) fn run(mut self) -> (Vec<Write>, Vec<Read>) {
        while !self.shared.is_over.load(Ordering::Relaxed) {
            let node = match self.random.below(4) {
                0 => self.random.index(self.shared.nodes.len()),
                _ => self.shared.primary.load(Ordering::Relaxed),
            };
            match self.random.below(3) {
                0 => {
                    let node = self.random.index(self.shared.nodes.len());
                    self.read(node);
                }
                _ => self.write(node),
            }
        }
        (self.writes, self.reads)
    }

    fn write(&mut self, node: usize) {
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let users = self.shared.users();
        let user = users[self.random.index(users.len())].clone();
        let action = self.next_action(&user);
        let mut command = command(id, &user, action);
        let (concern, nodes) = self.write_concern();
        command.insert("writeConcern", concern);
        if self.connection(node).is_none() {
            self.try_another(node);
            return;
        }
        let invoked = self.shared.now();
        let outcome = match self.ask(node, command) {
            None => Outcome::Unknown,
            Some(reply) => outcome(&reply, nodes),
        };
        let returned = self.shared.now();
        match outcome {
            Outcome::Refused => self.try_another(node),
            Outcome::Unknown => {}
            _ => self.shared.primary.store(node, Ordering::Relaxed),
        }
        if outcome != Outcome::Refused {
            self.shared.writes.fetch_add(1, Ordering::Relaxed);
        }
        if matches!(outcome, Outcome::Done { .. }) {
            self.shared.acknowledged.fetch_add(1, Ordering::Relaxed);
        }
        self.writes.push(Write {
            id,
            user,
            action,
            node,
            invoked,
            returned,
            outcome,
        });
    }

    fn next_action(&mut self, user: &str) -> Action {
        let mut own = self.writes.iter().rev().filter(|it| it.user == user);
        let last = own.next().map(|it| (it.action, it.outcome));
        match (last, self.random.below(10)) {
            (None | Some((Action::Drop, _) | (_, Outcome::NotFound)), _) | (_, 0) => Action::Create,
            (_, 1) => Action::Drop,
            (_, 2 | 3) => {
                let granted = self
                    .writes
                    .iter()
                    .rev()
                    .find(|it| it.user == user && it.action == Action::Grant);
                granted.map_or(Action::Grant, |it| Action::Revoke(it.id))
            }
            _ => Action::Grant,
        }
    }

    /// A write concern, and how many nodes have what it acknowledges.
    fn write_concern(&mut self) -> (Document, usize) {
        let nodes = self.shared.nodes.len();
        match self.random.below(4) {
            0 => (doc! { "w": 1 }, 1),
            1 => (
                doc! { "w": i32::try_from(nodes).unwrap(), "wtimeout": 500 },
                nodes,
            ),
            _ => (doc! { "w": "majority", "wtimeout": 2000 }, nodes / 2 + 1),
        }
    }

    fn read(&mut self, node: usize) {
        let mut users = self.shared.users();
        let command = if self.random.below(2) == 0 {
            users_info()
        } else {
            users = vec![users[self.random.index(users.len())].clone()];
            let mut command = users_info();
            command.insert("usersInfo", &users[0]);
            command
        };
        if self.connection(node).is_none() {
            thread::sleep(PAUSE);
            return;
        }
        let invoked = self.shared.now();
        let Some(reply) = self.ask(node, command) else {
            return;
        };
        let returned = self.shared.now();
        if let Some(seen) = seen(&reply, &users) {
            self.reads.push(Read {
                node,
                invoked,
                returned,
                seen,
                is_final: false,
            });
        }
    }

    /// Another node may be primary by now.
    fn try_another(&mut self, node: usize) {
        thread::sleep(PAUSE);
        let other = self.random.index(self.shared.nodes.len());
        let primary = &self.shared.primary;
        let _ = primary.compare_exchange(node, other, Ordering::Relaxed, Ordering::Relaxed);
    }

    fn connection(&mut self, node: usize) -> Option<&mut RawClient> {
        if self.connections[node].is_none() {
            self.connections[node] = connect(self.shared.nodes[node], ANSWER_WITHIN);
        }
        self.connections[node].as_mut()
    }

    /// `None`: no answer, and nobody knows what was done.
    fn ask(&mut self, node: usize, command: Document) -> Option<Document> {
        let reply = self.connection(node)?.try_run(DB, command);
        if reply.is_err() {
            self.connections[node] = None;
        }
        reply.ok()
    }
}

fn connect(to: SocketAddr, patience: Duration) -> Option<RawClient> {
    let mut client = RawClient::try_connect(to, patience).ok()?;
    let signed_in = client.try_sign_in("admin", ADMIN.0, ADMIN.1).ok()?;
    signed_in.ok()?;
    Some(client)
}

/// A grant gives `read` on a database named after its number: such a role is always there.
fn command(id: WriteId, user: &str, action: Action) -> Document {
    let role = |id: WriteId| doc! { "role": "read", "db": format!("grant-{id}") };
    match action {
        Action::Create => doc! {
            "createUser": user, "pwd": "secret", "roles": [], "mechanisms": ["SCRAM-SHA-256"],
            "customData": { "by": i64::try_from(id).unwrap() },
        },
        Action::Drop => doc! { "dropUser": user },
        Action::Grant => doc! { "grantRolesToUser": user, "roles": [role(id)] },
        Action::Revoke(grant) => doc! { "revokeRolesFromUser": user, "roles": [role(grant)] },
    }
}

fn outcome(reply: &Document, nodes: usize) -> Outcome {
    if reply.get_f64("ok").ok() == Some(1.0) {
        let nodes = if reply.contains_key("writeConcernError") {
            1
        } else {
            nodes
        };
        return Outcome::Done { nodes };
    }
    match reply.get_i32("code").unwrap() {
        51003 => Outcome::Exists,
        11 => Outcome::NotFound,
        10107 => Outcome::Refused,
        // Shutting down, stepping down, no answer from etcd: done or not.
        _ => Outcome::Unknown,
    }
}

fn users_info() -> Document {
    doc! { "usersInfo": 1, "$readPreference": { "mode": "secondaryPreferred" } }
}

/// `None`: the node did not show its users.
fn seen(reply: &Document, users: &[String]) -> Option<BTreeMap<String, State>> {
    let shown = reply.get_array("users").ok()?;
    let mut seen: BTreeMap<String, State> = users.iter().map(|user| (user.clone(), None)).collect();
    for user in shown {
        let user = user.as_document().unwrap();
        if let Some(state) = seen.get_mut(user.get_str("user").unwrap()) {
            *state = Some(user_of(user));
        }
    }
    Some(seen)
}

fn user_of(user: &Document) -> User {
    let created_by = user.get_document("customData").unwrap().get_i64("by");
    let roles = user.get_array("roles").unwrap().iter();
    let granted: BTreeSet<WriteId> = roles
        .map(|role| {
            let db = role.as_document().unwrap().get_str("db").unwrap();
            db.strip_prefix("grant-").unwrap().parse().unwrap()
        })
        .collect();
    User {
        created_by: u64::try_from(created_by.unwrap()).unwrap(),
        granted,
    }
}
