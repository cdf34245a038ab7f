//! A server that is told to stop waits for a long read as long as `shutdownTimeoutMs`, no longer.

use std::time::{Duration, Instant};

use bson::{Document, doc};

use crate::common::ok;
use crate::support::{Options, TestServer, error_of};
use crate::table::FEW_ROUNDS;

/// A scan is known to take longer than this, and a stop must not.
const LONG: Duration = Duration::from_secs(5);

/// A filter that looks at every branch and matches nobody.
fn slow_filter() -> Document {
    let branches: Vec<_> = (0..20_000)
        .map(|number| doc! { "customData.list": number + 1_000_000 })
        .collect();
    doc! { "$or": branches }
}

#[test]
fn a_stop_ends_a_long_scan() {
    let timeout = ["--setParameter", "shutdownTimeoutMs=200"];
    let options = Options::default()
        .arguments(&FEW_ROUNDS)
        .arguments(&timeout);
    let server = TestServer::with_admin_and(options);
    let mut admin = server.admin();
    let list: Vec<i32> = (0..500).collect();
    for number in 0..400 {
        let user = format!("user{number}");
        let create = doc! { "createUser": user, "roles": [], "customData": { "list": &list } };
        ok(&mut admin, "$external", create);
    }
    let scan = doc! { "usersInfo": 1, "filter": slow_filter() };
    let mut limited = scan.clone();
    limited.insert("maxTimeMS", i64::try_from(LONG.as_millis()).unwrap());
    let (code, message) = error_of(&admin.run("$external", limited));
    assert_eq!(code, 50, "it must take longer than its limit: {message}");

    admin.send_command("$external", scan);
    // The next command of another client is answered, so the scan has been taken up.
    ok(&mut server.admin(), "admin", doc! { "ping": 1 });
    let since = Instant::now();
    let (status, log) = server.stop();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(since.elapsed() < LONG, "{:?}", since.elapsed());
}
