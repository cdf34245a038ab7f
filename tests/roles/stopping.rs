//! A server that is told to stop does not wait for a long read.

use std::time::{Duration, Instant};

use bson::{Document, doc};

use crate::common::ok;
use crate::support::error_of;
use crate::table::server;

/// A scan is known to take longer than this, and a stop must not.
const LONG: Duration = Duration::from_secs(4);

/// A filter that looks at every branch and matches nobody.
fn slow_filter() -> Document {
    let branches: Vec<_> = (0..20_000)
        .map(|number| doc! { "customData.list": { "$in": [number + 1_000_000, "x"] } })
        .collect();
    doc! { "$or": branches }
}

#[test]
fn a_stop_ends_a_long_scan() {
    let server = server();
    let mut admin = server.admin();
    let list: Vec<i32> = (0..500).collect();
    for number in 0..200 {
        let user = format!("user{number}");
        let create = doc! { "createUser": user, "roles": [], "customData": { "list": &list } };
        ok(&mut admin, "$external", create);
    }
    let scan = doc! { "usersInfo": 1, "filter": slow_filter() };
    let mut limited = scan.clone();
    limited.insert("maxTimeMS", i64::try_from(LONG.as_millis()).unwrap());
    let (code, _) = error_of(&admin.run("$external", limited));
    assert_eq!(code, 50, "the scan takes longer than its limit");

    admin.send_command("$external", scan);
    // The next command of another client is answered, so the scan has been taken up.
    ok(&mut server.admin(), "admin", doc! { "ping": 1 });
    let since = Instant::now();
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(since.elapsed() < LONG, "{:?}", since.elapsed());
}
