//! Several clients want the same thing at the same moment.

use std::sync::Barrier;

use bson::{Document, doc};

use crate::common::{ok, options, server};
use crate::support::{RawClient, TestServer, error_of};

/// Runs the commands at once, each on its own connection, and gives the replies in order.
fn at_once(clients: &mut [RawClient], db: &str, commands: &[Document]) -> Vec<Document> {
    let barrier = Barrier::new(clients.len());
    std::thread::scope(|scope| {
        let runs: Vec<_> = clients
            .iter_mut()
            .zip(commands)
            .map(|(client, command)| {
                let barrier = &barrier;
                scope.spawn(move || {
                    barrier.wait();
                    client.run(db, command.clone())
                })
            })
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    })
}

fn is_ok(reply: &Document) -> bool {
    reply.get_f64("ok").ok() == Some(1.0)
}

#[test]
fn of_two_creations_exactly_one_wins() {
    let server = server();
    let mut admins = [server.admin(), server.admin()];
    for round in 0..100 {
        let user = format!("user{round}");
        let create = |password: &str| {
            doc! {
                "createUser": &user, "pwd": password, "roles": [],
                "mechanisms": ["SCRAM-SHA-1"], "customData": { "by": password },
            }
        };
        let replies = at_once(&mut admins, "shop", &[create("0"), create("1")]);
        let winners: Vec<_> = (0..2).filter(|place| is_ok(&replies[*place])).collect();
        let [winner] = winners.as_slice() else {
            panic!("round {round}: {replies:?}")
        };
        let text = format!("User \"{user}@shop\" already exists");
        assert_eq!(error_of(&replies[1 - winner]), (51003, text));
        let shown = admins[0].run("shop", doc! { "usersInfo": &user });
        let users = shown.get_array("users").unwrap();
        let by = users[0]
            .as_document()
            .unwrap()
            .get_document("customData")
            .unwrap();
        assert_eq!(
            by.get_str("by").unwrap(),
            winner.to_string(),
            "what is there is the winner's"
        );
    }
}

#[test]
fn of_two_drops_exactly_one_wins() {
    let server = server();
    let mut admins = [server.admin(), server.admin()];
    for _ in 0..20 {
        let create = doc! {
            "createUser": "ann", "pwd": "x", "roles": [], "mechanisms": ["SCRAM-SHA-1"],
        };
        ok(&mut admins[0], "shop", create);
        let drop = doc! { "dropUser": "ann" };
        let replies = at_once(&mut admins, "shop", &[drop.clone(), drop]);
        assert_eq!(
            replies.iter().filter(|reply| is_ok(reply)).count(),
            1,
            "{replies:?}"
        );
        let loser = replies.iter().find(|reply| !is_ok(reply)).unwrap();
        assert_eq!(error_of(loser), (11, "User 'ann@shop' not found".into()));
    }
}

#[test]
fn no_grant_is_lost() {
    let server = server();
    let mut admins = [server.admin(), server.admin()];
    let create =
        doc! { "createUser": "ann", "pwd": "x", "roles": [], "mechanisms": ["SCRAM-SHA-1"] };
    ok(&mut admins[0], "shop", create);
    for round in 0..50 {
        let grant = |db: &str| {
            let role = doc! { "role": "read", "db": format!("{db}{round}") };
            doc! { "grantRolesToUser": "ann", "roles": [role] }
        };
        let replies = at_once(&mut admins, "shop", &[grant("a"), grant("b")]);
        assert!(replies.iter().all(is_ok), "{replies:?}");
    }
    let shown = admins[0].run("shop", doc! { "usersInfo": "ann" });
    let ann = shown.get_array("users").unwrap()[0].as_document().unwrap();
    assert_eq!(ann.get_array("roles").unwrap().len(), 100);
}

/// Whoever asks before the first user is there, but is hashed after it, comes too late.
#[test]
fn of_many_first_users_exactly_one_is_made() {
    for round in 0..5 {
        let server: TestServer = options().start();
        let mut clients: Vec<_> = (0..8).map(|_| server.raw()).collect();
        let create = |number: usize| {
            doc! {
                "createUser": format!("admin{number}"), "pwd": "x", "roles": ["root"],
                "mechanisms": ["SCRAM-SHA-1"],
            }
        };
        let commands: Vec<_> = (0..8).map(create).collect();
        let replies = at_once(&mut clients, "admin", &commands);
        let winners = replies.iter().filter(|reply| is_ok(reply)).count();
        assert_eq!(winners, 1, "round {round}: {replies:?}");
        for reply in replies.iter().filter(|reply| !is_ok(reply)) {
            assert_eq!(error_of(reply).0, 13);
        }
        for client in &mut clients {
            assert_eq!(error_of(&client.run("admin", create(8))).0, 13);
        }
    }
}

/// A command whose author is dropped while its password is hashed is not carried out.
#[test]
fn a_dropped_administrator_leaves_nothing_behind() {
    let server = server();
    let mut admin = server.admin();
    for round in 0..20 {
        let deputy = doc! {
            "createUser": "deputy", "pwd": "x", "roles": ["root"], "mechanisms": ["SCRAM-SHA-1"],
        };
        ok(&mut admin, "admin", deputy);
        let mut client = server.raw();
        client
            .sign_in_by("SCRAM-SHA-1", "admin", "deputy", "x")
            .unwrap();
        let late = format!("late{round}");
        let (created, dropped) = std::thread::scope(|scope| {
            let create = doc! { "createUser": &late, "pwd": "x", "roles": [] };
            let created = scope.spawn(move || client.run("shop", create));
            let dropped = admin.run("admin", doc! { "dropUser": "deputy" });
            (created.join().unwrap(), dropped)
        });
        assert!(is_ok(&dropped));
        let shown = admin.run("shop", doc! { "usersInfo": &late });
        let is_there = !shown.get_array("users").unwrap().is_empty();
        assert_eq!(is_there, is_ok(&created), "round {round}: {created}");
        if !is_there {
            assert_eq!(error_of(&created).0, 13);
        }
    }
}
