//! A log that cannot be written: nothing happens without its event, unless the operator says so.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::Arc;

use bson::doc;

use crate::common::{AuditLog, QUICK, of_type};
use crate::support::{ADMIN, Options, TestServer, error_of};

/// Lets a path lead somewhere else.
fn lead(path: &Path, to: &Path) {
    let _ = std::fs::remove_file(path);
    symlink(to, path).unwrap();
}

fn full(log: &AuditLog) {
    lead(&log.path(), Path::new("/dev/full"));
}

#[test]
fn a_full_disk_refuses_changes_and_does_not_do_them() {
    let log = AuditLog::new("JSON");
    full(&log);
    let server = log.options().argument("--noauth").start();
    let mut client = server.raw();
    let create = || doc! { "createUser": "ann", "pwd": "secret", "roles": [] };
    for _ in 0..2 {
        let reply = client.run("shop", create());
        let text = "no space left for the audit log, so nothing was done";
        assert_eq!(error_of(&reply), (14031, text.to_owned()));
        assert_eq!(reply.get_str("codeName").unwrap(), "OutOfDiskSpace");
        let users = client.run("shop", doc! { "usersInfo": "ann" });
        assert!(users.get_array("users").unwrap().is_empty(), "{users}");
    }
    // A refusal is a change too as far as the log goes: nobody learns from it meanwhile.
    assert_eq!(
        error_of(&client.run("shop", doc! { "dropUser": "x" })).0,
        14031
    );
    // What is not audited goes on.
    assert_eq!(client.run("shop", doc! { "ping": 1 }), doc! { "ok": 1.0 });

    // With room again everything works, without a restart.
    let real = log.folder.path().join("real.log");
    lead(&log.path(), &real);
    assert_eq!(client.run("shop", create()), doc! { "ok": 1.0 });
    assert_eq!(of_type(&log.events(), "createUser").len(), 1);
    assert_eq!(log.events().len(), 1, "{:#?}", log.events());
    let (_, printed) = server.stop();
    let said = |text: &str| printed.matches(text).count();
    assert_eq!(said("Audit log cannot be written"), 1, "{printed}");
    assert_eq!(said("Audit log is written again"), 1, "{printed}");
}

#[test]
fn a_full_disk_lets_nobody_in() {
    let server = TestServer::with_admin_and(Options::default().arguments(&QUICK));
    let folder = server.folder();
    server.stop();
    let mut log = AuditLog::new("JSON");
    full(&log);
    let server = log
        .options_with(Options::in_folder(Arc::clone(&folder)))
        .start();
    let mut client = server.raw();
    let refused = client.sign_in("admin", ADMIN.0, ADMIN.1).unwrap_err();
    assert_eq!(error_of(&refused).0, 14031);
    assert_eq!(client.signed_in_user(), None);
    let refused = client.run("admin", doc! { "usersInfo": 1 });
    assert_eq!(error_of(&refused).0, 13);

    let real = log.folder.path().join("real.log");
    lead(&log.path(), &real);
    client.sign_in("admin", ADMIN.0, ADMIN.1).unwrap();
    let event = log.new_event();
    assert_eq!(
        (&event["atype"], &event["result"]),
        (&"authenticate".into(), &0.into())
    );
}

#[test]
fn other_failures_are_96_and_name_no_path() {
    let log = AuditLog::new("JSON");
    full(&log);
    let server = log.options().argument("--noauth").start();
    lead(&log.path(), log.folder.path());
    let mut client = server.raw();
    let drop = || doc! { "dropUser": "x" };
    // The first may still find the file that was open.
    client.run("shop", drop());
    let text = "the audit log cannot be written, so nothing was done";
    let reply = client.run("shop", drop());
    assert_eq!(error_of(&reply), (96, text.to_owned()));
    assert_eq!(reply.get_str("codeName").unwrap(), "OperationFailed");
}

#[test]
fn the_operator_may_say_that_everything_goes_on() {
    let log = AuditLog::new("JSON");
    full(&log);
    let options = log.options().arguments(&["--auditOnFailure", "continue"]);
    let server = TestServer::with_admin_and(options);
    let mut admin = server.admin();
    let create = doc! { "createUser": "ann", "pwd": "secret", "roles": [] };
    assert_eq!(admin.run("shop", create), doc! { "ok": 1.0 });
    let status = admin.run("admin", doc! { "serverStatus": 1 });
    let counters = status.get_document("audit").unwrap();
    assert!(counters.get_bool("enabled").unwrap());
    assert_eq!(counters.get_i64("events").unwrap(), 0);
    // The start, the administrator, its sign-in and the user.
    assert_eq!(counters.get_i64("failures").unwrap(), 4);
    let (_, printed) = server.stop();
    let said = printed.matches("Audit log cannot be written").count();
    assert_eq!(said, 1, "{printed}");
}

#[test]
fn a_server_that_cannot_audit_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing").join("audit.log");
    let missing = missing.to_str().unwrap();
    let file = ["--auditDestination", "file", "--auditPath", missing];
    let filter = [
        "--auditDestination",
        "console",
        "--auditFilter",
        "{\"$nope\": 1}",
    ];
    for (arguments, sentence) in [
        (&file, format!("cannot open the audit log {missing}: ")),
        (&filter, "auditLog.filter is not a filter: ".to_owned()),
    ] {
        let output = Options::default()
            .arguments(arguments)
            .command()
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success());
        assert!(printed.contains(&sentence), "{printed}");
    }
}
