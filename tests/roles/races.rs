//! Several clients change roles at the same moment.

use std::collections::{HashMap, HashSet};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};

use bson::{Document, doc};

use crate::common::{create_role, documents, on_shop};
use crate::support::{RawClient, error_of};
use crate::table::server;

/// Runs the commands at once, each on its own connection, and gives the replies in order.
fn at_once(clients: &mut [RawClient], commands: &[Document]) -> Vec<Document> {
    let barrier = Barrier::new(clients.len());
    std::thread::scope(|scope| {
        let runs: Vec<_> = clients
            .iter_mut()
            .zip(commands)
            .map(|(client, command)| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    client.run("shop", command.clone())
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    })
}

#[test]
fn of_two_grants_that_would_close_a_circle_exactly_one_wins() {
    let server = server();
    let mut admins = [server.admin(), server.admin()];
    let names = ["a", "b"];
    for name in names {
        create_role(&mut admins[0], name, &[], &[]);
    }
    for round in 0..50 {
        let grants = [
            doc! { "grantRolesToRole": "a", "roles": ["b"] },
            if round % 2 == 0 {
                doc! { "grantRolesToRole": "b", "roles": ["a"] }
            } else {
                doc! { "updateRole": "b", "roles": ["a"] }
            },
        ];
        let replies = at_once(&mut admins, &grants);
        let is_ok = |place: &usize| replies[*place] == doc! { "ok": 1.0 };
        let winners: Vec<_> = (0..2).filter(is_ok).collect();
        let [winner] = winners.as_slice() else {
            panic!("round {round}: {replies:?}")
        };
        let (winner, loser) = (names[*winner], names[1 - winner]);
        let text =
            format!("Granting roles to {loser}@shop would introduce a cycle in the role graph");
        let refused = &replies[usize::from(loser == "b")];
        assert_eq!(error_of(refused), (49, text));
        let shown = graph(&mut admins[0]);
        assert_eq!(shown[winner], [loser], "round {round}");
        assert!(shown[loser].is_empty(), "round {round}");
        for name in names {
            let undo = doc! { "updateRole": name, "roles": [] };
            assert_eq!(admins[0].run("shop", undo), doc! { "ok": 1.0 });
        }
    }
}

#[test]
fn of_two_creations_exactly_one_wins() {
    let server = server();
    let mut admins = [server.admin(), server.admin()];
    for round in 0..50 {
        let role = format!("role{round}");
        let create = |action: &str| {
            doc! { "createRole": &role, "roles": [], "privileges": [
                { "resource": on_collection("c"), "actions": [action] },
            ] }
        };
        let replies = at_once(&mut admins, &[create("find"), create("insert")]);
        let refused = replies
            .iter()
            .position(|reply| *reply != doc! { "ok": 1.0 });
        let refused = refused.unwrap_or_else(|| panic!("round {round}: both"));
        let text = format!("Role \"{role}@shop\" already exists");
        assert_eq!(error_of(&replies[refused]), (51002, text));
        assert_eq!(replies[1 - refused], doc! { "ok": 1.0 });
        let info = doc! { "rolesInfo": &role, "showPrivileges": true };
        let shown = documents(admins[0].run("shop", info), "roles").remove(0);
        let winner = ["insert", "find"][refused];
        let expected = doc! { "resource": on_collection("c"), "actions": [winner] };
        assert_eq!(shown.get_array("privileges").unwrap(), &[expected.into()]);
    }
}

/// Eight clients create, grant and drop the same few roles and users as fast as they can.
#[test]
fn whatever_eight_clients_do_no_name_dangles_and_no_circle_closes() {
    const ROUNDS: u64 = 10;
    const COMMANDS: u64 = 12;
    let server = server();
    let mut admin = server.admin();
    let mut clients: Vec<_> = (0..8).map(|_| server.admin()).collect();
    for user in USERS {
        let create = doc! { "createUser": user, "roles": [] };
        assert_eq!(admin.run("$external", create), doc! { "ok": 1.0 });
    }
    for round in 0..ROUNDS {
        std::thread::scope(|scope| {
            for (number, client) in clients.iter_mut().enumerate() {
                let mut dice = Dice(round * 8 + u64::try_from(number).unwrap() + 1);
                scope.spawn(move || {
                    for _ in 0..COMMANDS {
                        run_random_command(client, &mut dice);
                    }
                });
            }
        });
        // A list may show roles of two moments while they change, so everybody has to be done.
        check_consistency(&mut admin);
    }
}

const USERS: [&str; 3] = ["u0", "u1", "u2"];

fn run_random_command(client: &mut RawClient, dice: &mut Dice) {
    let command = random_command(dice);
    let is_about_user = command.contains_key("grantRolesToUser");
    let db = if is_about_user { "$external" } else { "shop" };
    let reply = client.run(db, command.clone());
    if reply.get_f64("ok").ok() != Some(1.0) {
        let (code, message) = error_of(&reply);
        assert!([31, 49, 51002].contains(&code), "{command}: {message}");
    }
}

fn random_command(dice: &mut Dice) -> Document {
    let (one, other) = (format!("r{}", dice.below(6)), format!("r{}", dice.below(6)));
    let user = USERS[usize::try_from(dice.below(3)).unwrap()];
    match dice.below(9) {
        0..=2 => doc! { "createRole": one, "privileges": [], "roles": [other] },
        3 => doc! { "createRole": one, "privileges": [], "roles": [] },
        4 => doc! { "grantRolesToRole": one, "roles": [other] },
        5 => doc! { "updateRole": one, "roles": [other] },
        6 => doc! { "grantRolesToUser": user, "roles": [on_shop(&one)] },
        7 => doc! { "dropRole": one },
        _ => doc! { "revokeRolesFromRole": one, "roles": [other] },
    }
}

/// Every role that is held exists, and none includes itself.
fn check_consistency(admin: &mut RawClient) {
    let roles = graph(admin);
    for (role, included) in &roles {
        let mut seen = HashSet::new();
        let mut waiting = included.clone();
        while let Some(name) = waiting.pop() {
            assert_ne!(&name, role, "a circle: {roles:?}");
            let next = roles.get(&name);
            let next = next.unwrap_or_else(|| panic!("{name} dangles: {roles:?}"));
            if seen.insert(name) {
                waiting.extend(next.iter().cloned());
            }
        }
    }
    for user in documents(admin.run("$external", doc! { "usersInfo": 1 }), "users") {
        for role in direct_roles(&user) {
            assert!(roles.contains_key(&role), "{user}: {roles:?}");
        }
    }
}

/// By role of `shop`, the roles it includes directly.
fn graph(admin: &mut RawClient) -> HashMap<String, Vec<String>> {
    let roles = documents(admin.run("shop", doc! { "rolesInfo": 1 }), "roles");
    roles
        .iter()
        .map(|role| (name(role), direct_roles(role)))
        .collect()
}

fn direct_roles(document: &Document) -> Vec<String> {
    let roles = document.get_array("roles").unwrap().iter();
    roles
        .map(|role| name(role.as_document().unwrap()))
        .collect()
}

fn name(role: &Document) -> String {
    role.get_str("role").unwrap().to_owned()
}

fn on_collection(name: &str) -> Document {
    doc! { "db": "shop", "collection": name }
}

/// A small generator (xorshift64), so that a failure can be had again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Who has a role has what it gives; when it is dropped both are gone at once.
#[test]
fn users_are_shown_with_what_their_roles_gave_at_the_same_moment() {
    const USERS: usize = 16;
    let server = server();
    let mut admin = server.admin();
    let names: Vec<String> = (0..USERS).map(|number| format!("user{number}")).collect();
    let asked: Vec<Document> = names
        .iter()
        .map(|it| doc! { "user": it, "db": "shop" })
        .collect();
    let ask = doc! { "usersInfo": asked, "showPrivileges": true };
    for name in &names {
        let create = doc! { "createUser": name, "pwd": "secret", "roles": [] };
        assert_eq!(admin.run("shop", create), doc! { "ok": 1.0 });
    }
    let is_over = AtomicBool::new(false);
    let watch = || {
        let mut client = server.admin();
        let mut torn = None;
        while torn.is_none() && !is_over.load(Ordering::Relaxed) {
            let users = documents(client.run("shop", ask.clone()), "users");
            torn = users.into_iter().find(|user| {
                let is_empty = |field: &str| user.get_array(field).unwrap().is_empty();
                is_empty("roles") != is_empty("inheritedPrivileges")
            });
        }
        torn
    };
    std::thread::scope(|scope| {
        let watching = [scope.spawn(watch), scope.spawn(watch)];
        for _ in 0..40 {
            create_role(&mut admin, "r", &["find"], &[]);
            for name in &names {
                let grant = doc! { "grantRolesToUser": name, "roles": ["r"] };
                assert_eq!(admin.run("shop", grant), doc! { "ok": 1.0 });
            }
            assert_eq!(
                admin.run("shop", doc! { "dropRole": "r" }),
                doc! { "ok": 1.0 }
            );
        }
        is_over.store(true, Ordering::Relaxed);
        for watched in watching {
            assert_eq!(watched.join().unwrap(), None);
        }
    });
}
