//! A server that is told to stop waits for a long read as long as `shutdownTimeoutMs`, no longer.

use std::time::{Duration, Instant};

use bson::{Document, doc};

use crate::common::ok;
use crate::support::waiting::Observer;
use crate::support::{Options, TestServer, error_of};
use crate::table::FEW_ROUNDS;

/// A part of the scan is known to take longer than this,
const PART: Duration = Duration::from_millis(500);
/// it has so many of them,
const PARTS: i32 = 40;
/// and so all of it takes longer than this, which a stop must not.
const LONG: Duration = Duration::from_secs(20);
const BRANCHES_OF_A_PART: i32 = 750;

/// A scan by a filter that looks at every branch and matches nobody.
fn scan(parts: i32) -> Document {
    let branches: Vec<_> = (0..BRANCHES_OF_A_PART * parts)
        .map(|number| doc! { "customData.list": number + 1_000_000 })
        .collect();
    doc! { "usersInfo": 1, "filter": { "$or": branches } }
}

#[test]
fn a_stop_ends_a_long_scan() {
    assert_eq!(PART * PARTS.unsigned_abs(), LONG);
    let timeout = ["--setParameter", "shutdownTimeoutMs=200"];
    let options = Options::default()
        .arguments(&FEW_ROUNDS)
        .arguments(&timeout);
    let server = TestServer::with_admin_and(options);
    let mut admin = server.admin();
    let list: Vec<i32> = (0..1_500).collect();
    for number in 0..400 {
        let user = format!("user{number}");
        let create = doc! { "createUser": user, "roles": [], "customData": { "list": &list } };
        ok(&mut admin, "$external", create);
    }
    for parts in [1, PARTS] {
        let mut limited = scan(parts);
        limited.insert("maxTimeMS", i64::try_from(PART.as_millis()).unwrap());
        let (code, message) = error_of(&admin.run("$external", limited));
        assert_eq!(code, 50, "it must take longer than its limit: {message}");
    }

    let mut observer = Observer::of(&server);
    admin.send_command("$external", scan(PARTS));
    observer.wait_for_a_message();
    let since = Instant::now();
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(since.elapsed() < LONG, "{:?}", since.elapsed());
}
