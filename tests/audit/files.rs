//! The destinations: files, standard output, and what becomes of a file over time.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use bson::doc;
use serde_json::Value;

use crate::common::{AuditLog, QUICK, lines, of_type, with_admin};
use crate::support::{Options, PATIENCE, TestServer, waiting};

#[test]
fn a_file_is_for_its_owner_only() {
    let (log, _server) = with_admin("BSON");
    let mode = std::fs::metadata(log.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn only_what_the_filter_wants_is_written() {
    let mut log = AuditLog::new("JSON");
    let filter = r#"{"atype": {"$in": ["dropUser", "authenticate"]}, "users.user": "admin"}"#;
    let options = log.options().arguments(&["--auditFilter", filter]);
    let server = TestServer::with_admin_and(options);
    assert_eq!(log.new_events(), [] as [Value; 0]);
    let mut admin = server.admin();
    server
        .raw()
        .sign_in("admin", "nobody", "wrong")
        .unwrap_err();
    admin.run(
        "shop",
        doc! { "createUser": "ann", "pwd": "secret", "roles": [] },
    );
    admin.run("shop", doc! { "dropUser": "ann" });
    let events = log.new_events();
    let kinds: Vec<_> = events.iter().map(|event| &event["atype"]).collect();
    assert_eq!(kinds, ["authenticate", "dropUser"]);
}

#[test]
fn lines_of_clients_do_not_mix_and_none_is_missing() {
    const CLIENTS: usize = 8;
    const CHANGES: usize = 40;
    let (log, server) = with_admin("JSON");
    thread::scope(|scope| {
        for client in 0..CLIENTS {
            let server = &server;
            scope.spawn(move || {
                let mut admin = server.admin();
                for change in 0..CHANGES {
                    let role = format!("role-{client}-{change}");
                    let create = doc! { "createRole": role, "privileges": [], "roles": [] };
                    assert_eq!(admin.run("shop", create), doc! { "ok": 1.0 });
                }
            });
        }
    });
    let events = log.events();
    let mut created: Vec<_> = of_type(&events, "createRole")
        .into_iter()
        .map(|event| event["param"]["role"].as_str().unwrap())
        .collect();
    created.sort_unstable();
    created.dedup();
    assert_eq!(created.len(), CLIENTS * CHANGES);
    let status = server.admin().run("admin", doc! { "serverStatus": 1 });
    let counters = status.get_document("audit").unwrap();
    assert_eq!(counters.get_i64("failures").unwrap(), 0);
    let written = usize::try_from(counters.get_i64("events").unwrap()).unwrap();
    assert!(written > CLIENTS * CHANGES && written <= log.events().len());
}

#[test]
fn a_killed_server_leaves_whole_events_of_all_it_answered() {
    let (log, server) = with_admin("JSON");
    let address = server.address();
    let mut admin = server.admin();
    let writer = thread::spawn(move || {
        let mut acknowledged = 0;
        loop {
            let role = format!("role-{acknowledged}");
            let create = doc! { "createRole": role, "privileges": [], "roles": [] };
            if admin.try_run("shop", create).is_err() {
                return acknowledged;
            }
            acknowledged += 1;
        }
    });
    // Some changes later, in the middle of others.
    waiting::until("some changes are written", || {
        of_type(&partly(&log), "createRole").len() >= 20
    });
    assert_eq!(server.address(), address);
    let folder = server.kill();
    let acknowledged: usize = writer.join().unwrap();
    assert!(acknowledged >= 19);
    let created = of_type(&partly(&log), "createRole").len();
    assert!(created >= acknowledged, "{created} of {acknowledged}");

    // A new start appends whole events, to the same file or a new one.
    let server = log
        .options_with(Options::in_folder(Arc::clone(&folder)))
        .start();
    server.admin();
    let events = log.events();
    assert_eq!(
        of_type(&events, "authenticate").last().unwrap()["result"],
        0
    );
}

/// All events but one that is not whole at the end.
fn partly(log: &AuditLog) -> Vec<Value> {
    let text = log.text();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let parsed = whole
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    parsed.collect()
}

#[test]
fn a_file_that_was_moved_away_is_made_anew_on_a_signal() {
    let (log, server) = with_admin("JSON");
    let mut admin = server.admin();
    let moved = log.folder.path().join("moved.log");
    std::fs::rename(log.path(), &moved).unwrap();
    let drop_user = || doc! { "dropUser": "nobody" };
    admin.run("shop", drop_user());
    assert_eq!(of_type(&lines(&moved), "dropUser").len(), 1);
    server.signal("USR1");
    let mut tries = 1;
    let signalled = Instant::now();
    while !log.path().exists() {
        admin.run("shop", drop_user());
        tries += 1;
        assert!(signalled.elapsed() < PATIENCE, "no new file");
    }
    admin.run("shop", drop_user());
    let (old, new) = (lines(&moved), log.events());
    let count = of_type(&old, "dropUser").len() + of_type(&new, "dropUser").len();
    assert_eq!(count, tries + 1);
    assert!(!of_type(&new, "dropUser").is_empty());
}

#[test]
fn the_console_shows_a_line_for_each_event() {
    let options = Options::default().arguments(&["--auditDestination", "console"]);
    let server = TestServer::with_admin_and(options.arguments(&QUICK));
    server.admin();
    let (_, printed) = server.stop();
    let events: Vec<Value> = printed
        .lines()
        .filter(|line| line.starts_with("{\"atype\""))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let kinds: Vec<_> = events
        .iter()
        .map(|event| event["atype"].as_str().unwrap())
        .collect();
    for kind in [
        "startup",
        "createUser",
        "authenticate",
        "logout",
        "shutdown",
    ] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
}
