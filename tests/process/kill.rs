//! kill -9 while users are being created: nobody who was told that a user exists is told a lie.

use std::sync::mpsc;
use std::thread;

use bson::doc;

use crate::support::{ADMIN, Options, TestServer};
use crate::{all_users, create_user};

/// Times the server is killed; `PORTCULLIS_KILL_ROUNDS` asks for more.
const ROUNDS: usize = 15;
/// Connections that create users at the same time.
const CONNECTIONS: usize = 4;

#[test]
fn every_acknowledged_user_is_there_after_kill_9() {
    let rounds = std::env::var("PORTCULLIS_KILL_ROUNDS");
    let rounds = rounds.map_or(ROUNDS, |rounds| rounds.parse().unwrap());
    // Fewer iterations make more commits for the kill to fall between.
    let iterations = ["scramIterationCount=5000", "scramSHA256IterationCount=5000"];
    let with_iterations = |options: Options| {
        iterations.iter().fold(options, |options, it| {
            options.arguments(&["--setParameter", it])
        })
    };
    let mut server = TestServer::with_admin_and(with_iterations(Options::default()));
    let mut acknowledged = Vec::new();
    for round in 0..rounds {
        let (acknowledge, acknowledgements) = mpsc::channel();
        let creating: Vec<_> = (0..CONNECTIONS)
            .map(|connection| {
                let mut admin = server.admin();
                let acknowledge = acknowledge.clone();
                thread::spawn(move || {
                    // Ends when the server is gone in the middle of a request.
                    for number in 0.. {
                        let user = format!("user-{round}-{connection}-{number}");
                        let Ok(reply) = admin.try_run("products", create_user(&user)) else {
                            return;
                        };
                        assert_eq!(reply, doc! { "ok": 1.0 });
                        acknowledge.send(user).unwrap();
                    }
                })
            })
            .collect();
        drop(acknowledge);
        // A different number of acknowledgements each round, so the kill falls at different moments.
        for _ in 0..=round % 5 * 3 {
            acknowledged.push(acknowledgements.recv().unwrap());
        }
        let folder = server.kill();
        for connection in creating {
            connection.join().unwrap();
        }
        acknowledged.extend(acknowledgements);
        server = with_iterations(Options::in_folder(folder)).start();
        check(&server, &acknowledged, round);
    }
    println!(
        "{} acknowledged users were there after {rounds} kills",
        acknowledged.len()
    );
    // All of them can still be signed in as, and the server still takes new ones.
    for user in acknowledged.iter().rev().take(2 * CONNECTIONS) {
        server.raw().sign_in("products", user, "secret").unwrap();
    }
    assert_eq!(
        server.admin().run("products", create_user("afterwards")),
        doc! { "ok": 1.0 }
    );
}

fn check(server: &TestServer, acknowledged: &[String], round: usize) {
    let mut admin = server.admin();
    let users = all_users(&mut admin);
    for user in acknowledged {
        let id = format!("products.{user}");
        let found = users.iter().find(|user| user.get_str("_id").unwrap() == id);
        let found = found.unwrap_or_else(|| panic!("{user} is gone after kill {round}"));
        assert_eq!(
            found.get_document("credentials").unwrap().len(),
            2,
            "{found}"
        );
    }
    // One for each connection may have been written without its acknowledgement having been sent.
    let unacknowledged = users.len() - acknowledged.len() - [ADMIN].len();
    assert!(
        unacknowledged <= CONNECTIONS * (round + 1),
        "{unacknowledged} came from nowhere"
    );
    let last = acknowledged.last().unwrap();
    server.raw().sign_in("products", last, "secret").unwrap();
}
