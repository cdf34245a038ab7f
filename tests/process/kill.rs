//! kill -9 while users and roles are being changed: nobody who was told that something is done is told
//! a lie.
//!
//! Each connection has users and roles of its own and knows what the server has acknowledged of them.
//! After each kill the server is started again and has to show exactly that; only the one change that
//! was under way on a connection may be there or not.

use std::collections::BTreeMap;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use bson::{Document, doc};

use crate::support::{Options, RawClient, TestServer};

/// Times the server is killed; `PORTCULLIS_KILL_ROUNDS` asks for more.
const ROUNDS: u64 = 15;
/// Connections that change users and roles at the same time.
const CONNECTIONS: u64 = 6;
/// The kill comes at most so long after the first change of the round.
const KILL_AFTER_US_MAX: u64 = 300_000;
const NAMES: u64 = 12;
const DB: &str = "products";

#[test]
fn everything_acknowledged_is_there_after_kill_9() {
    let rounds = std::env::var("PORTCULLIS_KILL_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    let mut clients: Vec<_> = (0..CONNECTIONS).map(Client::new).collect();
    let mut random = Random(uuid::Uuid::new_v4().as_u64_pair().0 | 1);
    let mut server = TestServer::with_admin_and(with_few_iterations(Options::default()));
    for round in 0..rounds {
        let (started, has_started) = mpsc::channel();
        let changing: Vec<_> = clients
            .into_iter()
            .map(|client| {
                let (admin, started) = (server.admin(), started.clone());
                thread::spawn(move || client.change_until_killed(admin, &started))
            })
            .collect();
        has_started.recv().unwrap();
        // Not to wait for anything: the moment is what is random.
        thread::sleep(Duration::from_micros(random.below(KILL_AFTER_US_MAX)));
        let folder = server.kill();
        clients = changing.into_iter().map(|it| it.join().unwrap()).collect();
        server = with_few_iterations(Options::in_folder(folder)).start();
        for client in &mut clients {
            client.compare(&server, round);
        }
    }
    let sum = |count: fn(&Client) -> u64| clients.iter().map(count).sum::<u64>();
    let (acknowledged, under_way) = (sum(|it| it.acknowledged), sum(|it| it.done_unanswered));
    println!(
        "{rounds} kills, {acknowledged} changes acknowledged, 0 lost, {under_way} done unanswered"
    );
    assert!(acknowledged > rounds, "hardly anything was acknowledged");
    let created = server.admin().run(DB, crate::create_user("afterwards"));
    assert_eq!(created, doc! { "ok": 1.0 });
}

/// Less hashing makes more commits for the kill to fall between.
fn with_few_iterations(options: Options) -> Options {
    let options = options.arguments(&["--setParameter", "scramIterationCount=5000"]);
    options.arguments(&["--setParameter", "scramSHA256IterationCount=5000"])
}

/// xorshift64
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % bound
    }
}

/// What a connection knows of its users and roles.
#[derive(Debug, Clone, PartialEq, Default)]
struct Known {
    users: BTreeMap<String, KnownUser>,
    /// Whether the role has the second privilege.
    roles: BTreeMap<String, bool>,
}

#[derive(Debug, Clone, PartialEq)]
struct KnownUser {
    password: String,
    version: i64,
    may_write: bool,
}

/// One connection, over all rounds.
struct Client {
    number: u64,
    random: Random,
    known: Known,
    /// What is known if the change under way was done.
    under_way: Option<Known>,
    changes: i64,
    acknowledged: u64,
    done_unanswered: u64,
}

impl Client {
    fn new(number: u64) -> Self {
        Self {
            number,
            random: Random(uuid::Uuid::new_v4().as_u64_pair().0 | 1),
            known: Known::default(),
            under_way: None,
            changes: 0,
            acknowledged: 0,
            done_unanswered: 0,
        }
    }

    fn change_until_killed(mut self, mut admin: RawClient, started: &Sender<()>) -> Self {
        loop {
            let (command, known) = self.next_change();
            self.under_way = Some(known.clone());
            let Ok(reply) = admin.try_run(DB, command) else {
                // Whoever waits for the first change need not wait for this connection.
                let _ = started.send(());
                return self;
            };
            assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
            self.known = known;
            self.under_way = None;
            self.acknowledged += 1;
            let _ = started.send(());
        }
    }

    /// A command, and what is known once it is done.
    fn next_change(&mut self) -> (Document, Known) {
        let mut known = self.known.clone();
        let index = self.random.below(NAMES);
        self.changes += 1;
        let command = if self.random.below(4) == 0 {
            let name = format!("role-{}-{index}", self.number);
            change_role(name, &mut known)
        } else {
            let name = format!("user-{}-{index}", self.number);
            self.change_user(name, &mut known)
        };
        (command, known)
    }

    fn change_user(&mut self, name: String, known: &mut Known) -> Document {
        let version = self.changes;
        let Some(user) = known.users.get_mut(&name) else {
            let user = KnownUser {
                password: format!("secret {version}"),
                version,
                may_write: false,
            };
            let password = user.password.clone();
            known.users.insert(name.clone(), user);
            return doc! {
                "createUser": name, "pwd": password, "roles": ["read"],
                "customData": { "version": version },
            };
        };
        match self.random.below(8) {
            0 => {
                user.password = format!("secret {version}");
                doc! { "updateUser": name, "pwd": &user.password }
            }
            1..=3 => {
                user.version = version;
                doc! { "updateUser": name, "customData": { "version": version } }
            }
            4..=6 => {
                user.may_write = !user.may_write;
                if user.may_write {
                    doc! { "grantRolesToUser": name, "roles": ["readWrite"] }
                } else {
                    doc! { "revokeRolesFromUser": name, "roles": ["readWrite"] }
                }
            }
            _ => {
                known.users.remove(&name);
                doc! { "dropUser": name }
            }
        }
    }

    /// The server shows what is known, or that with the change that was under way.
    fn compare(&mut self, server: &TestServer, round: u64) {
        let mut admin = server.admin();
        let mut found = found(&mut admin, self.number);
        let under_way = self.under_way.take();
        // A password is not shown: the right one of two is tried out.
        for (name, user) in &mut found.users {
            let known = [Some(&self.known), under_way.as_ref()]
                .into_iter()
                .flatten();
            let passwords = known.filter_map(|known| Some(&known.users.get(name)?.password));
            let mut passwords: Vec<_> = passwords.collect();
            passwords.dedup();
            let is_open = passwords.len() > 1;
            if let Some(first) = passwords.first() {
                user.password.clone_from(first);
            }
            if (is_open || self.random.below(4) == 0)
                && server.raw().sign_in(DB, name, &user.password).is_err()
            {
                let last = passwords.last().copied().cloned();
                user.password = last.filter(|_| is_open).unwrap_or_default();
                let signed_in = server.raw().sign_in(DB, name, &user.password);
                assert_eq!(signed_in, Ok(()), "{name} after kill {round}");
            }
        }
        if under_way.as_ref() == Some(&found) {
            self.done_unanswered += 1;
            self.known = found.clone();
        }
        assert_eq!(
            found, self.known,
            "connection {} after kill {round}: left is there, right was acknowledged",
            self.number
        );
    }
}

fn change_role(role: String, known: &mut Known) -> Document {
    let privilege = |action: &str| {
        doc! { "resource": { "db": DB, "collection": "orders" }, "actions": [action] }
    };
    match known.roles.get_mut(&role) {
        None => {
            known.roles.insert(role.clone(), false);
            doc! { "createRole": role, "privileges": [privilege("find")], "roles": [] }
        }
        Some(has_second @ false) => {
            *has_second = true;
            doc! { "grantPrivilegesToRole": role, "privileges": [privilege("insert")] }
        }
        Some(true) => {
            known.roles.remove(&role);
            doc! { "dropRole": role }
        }
    }
}

/// Users and roles of the connection as the server shows them, without passwords.
fn found(admin: &mut RawClient, connection: u64) -> Known {
    let mut known = Known::default();
    for user in listed(admin, doc! { "usersInfo": 1 }, "users") {
        let name = user.get_str("user").unwrap();
        if name.starts_with(&format!("user-{connection}-")) {
            let version = user.get_document("customData").unwrap().get_i64("version");
            let user = KnownUser {
                password: String::new(),
                version: version.unwrap(),
                may_write: user.get_array("roles").unwrap().len() == 2,
            };
            known.users.insert(name.to_owned(), user);
        }
    }
    for role in listed(
        admin,
        doc! { "rolesInfo": 1, "showPrivileges": true },
        "roles",
    ) {
        let name = role.get_str("role").unwrap();
        if name.starts_with(&format!("role-{connection}-")) {
            let privileges = role.get_array("privileges").unwrap();
            let actions = privileges[0].as_document().unwrap().get_array("actions");
            known
                .roles
                .insert(name.to_owned(), actions.unwrap().len() == 2);
        }
    }
    known
}

fn listed(admin: &mut RawClient, command: Document, field: &str) -> Vec<Document> {
    let reply = admin.run(DB, command);
    let items = reply.get_array(field).unwrap();
    items
        .iter()
        .map(|item| item.as_document().unwrap().clone())
        .collect()
}
