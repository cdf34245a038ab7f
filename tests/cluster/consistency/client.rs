//! A client that changes and reads users and roles, and keeps what it was told.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bson::{Document, doc};

use crate::history::{Action, Moment, Outcome, Read, Write, WriteId};
use crate::random::Random;
use crate::support::{ADMIN, PATIENCE, RawClient, waiting};

use super::commands::{
    NAMES, command, db_of, given, is_role, names_of, outcome, role_for, seen, show, show_all,
};

/// After so many writes other users and roles take their place: orders are looked for among few events.
const WRITES_PER_NAME: u64 = 30;
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

    fn generation(&self) -> u64 {
        self.writes.load(Ordering::Relaxed) / (NAMES * WRITES_PER_NAME)
    }

    /// Who is changed now.
    fn names(&self) -> Vec<String> {
        names_of(self.generation())
    }

    fn next_id(&self) -> WriteId {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// What the node shows when all is over, of all users and roles there ever were.
    pub(super) fn last_reads(&self, node: usize) -> [Read; 2] {
        let mut connection = connect(self.nodes[node], PATIENCE).unwrap();
        [false, true].map(|roles| {
            let names = (0..=self.generation()).flat_map(names_of);
            let names: Vec<String> = names.filter(|name| is_role(name) == roles).collect();
            let invoked = self.now();
            let reply = connection.run(db_of(&names[0]), show_all(roles));
            Read {
                node,
                invoked,
                returned: self.now(),
                seen: seen(&reply, &names).unwrap(),
                is_final: true,
            }
        })
    }
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
        let id = self.shared.next_id();
        let names = self.shared.names();
        let name = names[self.random.index(names.len())].clone();
        let action = self.next_action(&name);
        let mut command = command(id, &name, action);
        let (concern, nodes) = self.write_concern();
        command.insert("writeConcern", concern);
        if self.connection(node).is_none() {
            self.try_another(node);
            return;
        }
        let invoked = self.shared.now();
        let reply = self.ask(node, db_of(&name), command).unwrap_or_default();
        let returned = self.shared.now();
        let outcome = outcome(&reply, nodes);
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
        let write = Write {
            id,
            name,
            action,
            node,
            invoked,
            returned,
            outcome,
        };
        if action == Action::Give {
            self.keep_given(&write, &reply);
        } else {
            self.writes.push(write);
        }
    }

    /// What the answer says of both.
    fn keep_given(&mut self, write: &Write, reply: &Document) {
        let (user, role) = given(reply);
        for (name, outcome) in [(write.name.clone(), user), (role_for(&write.name), role)] {
            let id = self.shared.next_id();
            self.writes.extend(outcome.map(|outcome| Write {
                id,
                name,
                outcome,
                ..write.clone()
            }));
        }
    }

    fn next_action(&mut self, name: &str) -> Action {
        let mut own = self.writes.iter().rev().filter(|it| it.name == name);
        let last = own.next().map(|it| (it.action, it.outcome));
        match (last, self.random.below(10)) {
            (None | Some((Action::Drop, _) | (_, Outcome::NotFound)), _) | (_, 0) => Action::Create,
            (_, 1) => Action::Drop,
            (_, 4..7) if !is_role(name) => Action::Give,
            (_, 2 | 3) => {
                let granted = self
                    .writes
                    .iter()
                    .rev()
                    .find(|it| it.name == name && it.action == Action::Grant);
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
        let mut names = self.shared.names();
        let name = names[self.random.index(names.len())].clone();
        let how = self.random.below(4);
        names.retain(|it| is_role(it) == is_role(&name) && (how > 0 || *it == name));
        let command = match how {
            0 | 1 => show(&names),
            _ => show_all(is_role(&name)),
        };
        if self.connection(node).is_none() {
            thread::sleep(PAUSE);
            return;
        }
        let invoked = self.shared.now();
        let Some(reply) = self.ask(node, db_of(&name), command) else {
            return;
        };
        let returned = self.shared.now();
        if let Some(seen) = seen(&reply, &names) {
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
    fn ask(&mut self, node: usize, db: &str, command: Document) -> Option<Document> {
        let reply = self.connection(node)?.try_run(db, command);
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
