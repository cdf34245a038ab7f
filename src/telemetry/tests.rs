//! Emits every event in both formats and reads the lines back.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::config::{LogConfig, LogDestination, LogFormat};
use crate::model::directory_change::{ChangeKind, DirectoryChange, Subject};
use crate::model::names::{DbName, RoleName, UserName};

use super::events::{self, Client};
use super::logs::{Logs, open, subscriber};
use super::record::TEXT_BYTES_MAX;

/// A writer whose bytes can be read while the log still has it.
#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn clock() -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(1_767_225_600_007)
}

fn config(format: LogFormat, verbosity: u8, quiet: bool) -> LogConfig {
    LogConfig {
        destination: LogDestination::Stderr,
        format,
        verbosity,
        quiet,
    }
}

/// What is written while `emit` runs.
fn capture(config: &LogConfig, emit: impl FnOnce()) -> (String, Logs) {
    let buffer = Buffer::default();
    let (subscriber, logs) = subscriber(config, Box::new(buffer.clone()), clock);
    tracing::subscriber::with_default(subscriber, emit);
    let bytes = buffer.0.lock().unwrap().clone();
    (String::from_utf8(bytes).unwrap(), logs)
}

fn client() -> Client {
    Client {
        connection_id: 7,
        address: Some("192.0.2.1".parse().unwrap()),
        port: 50_000,
    }
}

fn user() -> UserName {
    UserName::new("ann", DbName::ADMIN).unwrap()
}

fn role() -> RoleName {
    RoleName::new("auditor", DbName::ADMIN).unwrap()
}

/// An event, and what its JSON line says besides the time: severity, component, context, message;
/// attributes.
type Expected = (fn(), [&'static str; 4], Value);

fn every_event() -> Vec<Expected> {
    let mut events = control_events();
    events.extend(connection_events());
    events.extend(access_events());
    events.extend(store_and_command_events());
    events
}

/// These attributes and those of the client.
fn by_client(more: Value) -> Value {
    let mut attributes = more;
    attributes["client"] = json!("192.0.2.1:50000");
    attributes
}

fn control_events() -> Vec<Expected> {
    vec![
        (
            || events::server_started(&["127.0.0.1:27017".to_owned()], "redb", true),
            ["I", "CONTROL", "main", "Waiting for connections"],
            json!({ "addresses": "127.0.0.1:27017", "store": "redb", "authorization": true }),
        ),
        (
            || events::startup_warning("Mind the gap"),
            ["W", "CONTROL", "main", "Mind the gap"],
            json!({}),
        ),
        (
            events::authorization_disabled,
            [
                "W",
                "CONTROL",
                "main",
                "Access control is not enabled for the database. Read and write access to data \
                 and configuration is unrestricted",
            ],
            json!({}),
        ),
        (
            || events::server_stopping("SIGTERM"),
            ["I", "CONTROL", "main", "Shutting down"],
            json!({ "reason": "SIGTERM" }),
        ),
        (
            || events::server_stopped(3),
            ["I", "CONTROL", "main", "Stopped"],
            json!({ "connections_cut": 3 }),
        ),
    ]
}

fn connection_events() -> Vec<Expected> {
    vec![
        (
            || events::connection_accepted(client(), 5),
            ["D1", "NETWORK", "conn7", "Connection accepted"],
            by_client(json!({ "connections": 5 })),
        ),
        (
            || events::connection_ended(client(), 4),
            ["D1", "NETWORK", "conn7", "Connection ended"],
            by_client(json!({ "connections": 4 })),
        ),
    ]
}

fn access_events() -> Vec<Expected> {
    vec![
        (
            || events::sign_in_succeeded(&user(), "SCRAM-SHA-256", client()),
            ["I", "ACCESS", "conn7", "Successfully authenticated"],
            by_client(json!({ "user": "ann@admin", "mechanism": "SCRAM-SHA-256" })),
        ),
        (
            || events::sign_in_failed("bob@x", "SCRAM-SHA-1", client(), &"wrong password"),
            ["W", "ACCESS", "conn7", "Failed to authenticate"],
            by_client(json!({
                "user": "bob@x", "mechanism": "SCRAM-SHA-1", "reason": "wrong password"
            })),
        ),
        (
            || events::signed_out(&user(), client()),
            ["I", "ACCESS", "conn7", "Signed out"],
            by_client(json!({ "user": "ann@admin" })),
        ),
        (
            || events::access_denied("dropUser", "shop", None, client()),
            ["W", "ACCESS", "conn7", "Access denied"],
            by_client(json!({ "user": "(nobody)", "command": "dropUser", "db": "shop" })),
        ),
        (
            || {
                let change = DirectoryChange::of_user("createUser", ChangeKind::Created, &user());
                events::directory_changed(&change, 0, Some(&user()), client());
            },
            ["I", "ACCESS", "conn7", "User created"],
            by_client(json!({ "user": "ann@admin", "by": "ann@admin" })),
        ),
        (
            || {
                let subject = Subject::AllUsersOf(DbName::ADMIN);
                let change = DirectoryChange::new("", ChangeKind::Dropped, subject);
                events::directory_changed(&change, 3, None, client());
            },
            ["I", "ACCESS", "conn7", "All users of a database dropped"],
            by_client(json!({ "db": "admin", "count": 3, "by": "(nobody)" })),
        ),
        (
            || events::client_metadata("shell", client()),
            ["D1", "NETWORK", "conn7", "client metadata"],
            by_client(json!({ "application": "shell" })),
        ),
        (
            || {
                let change = DirectoryChange::of_role("dropRole", ChangeKind::Dropped, &role());
                events::directory_changed(&change, 0, None, client());
            },
            ["I", "ACCESS", "conn7", "Role dropped"],
            by_client(json!({ "role": "auditor@admin", "by": "(nobody)" })),
        ),
        (
            || events::first_admin_created(&user()),
            ["I", "ACCESS", "main", "First administrator created"],
            json!({ "user": "ann@admin" }),
        ),
    ]
}

fn store_and_command_events() -> Vec<Expected> {
    vec![
        (
            || events::store_opened("redb", 10, 2, Duration::from_millis(15)),
            ["I", "STORAGE", "main", "Store opened"],
            json!({ "store": "redb", "users": 10, "roles": 2, "duration_ms": 15 }),
        ),
        (
            || events::audit_failed(&"disk full"),
            ["E", "CONTROL", "main", "Audit log cannot be written"],
            json!({ "reason": "disk full" }),
        ),
        (
            || events::audit_recovered(3),
            ["W", "CONTROL", "main", "Audit log is written again"],
            json!({ "lost": 3 }),
        ),
        (
            || events::store_failed(&"disk full"),
            ["E", "STORAGE", "main", "Store failed"],
            json!({ "reason": "disk full" }),
        ),
        (
            || events::command_finished("ping", 0, Duration::from_micros(12), client()),
            ["D1", "COMMAND", "conn7", "Command finished"],
            json!({ "command": "ping", "code": 0, "duration_us": 12 }),
        ),
        (
            || events::internal_error("a1b2", "usersInfo", &"lost"),
            ["E", "COMMAND", "main", "Internal error"],
            json!({ "error_id": "a1b2", "doing": "usersInfo", "reason": "lost" }),
        ),
    ]
}

#[test]
fn every_event_is_one_json_line_in_the_format_of_mongod() {
    for (emit, [severity, component, context, message], attributes) in every_event() {
        let (text, logs) = capture(&config(LogFormat::Json, 5, false), emit);
        let line = text.strip_suffix('\n').unwrap();
        assert_eq!(logs.global.lines(), [line]);
        let line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["t"], json!({ "$date": "2026-01-01T00:00:00.007Z" }));
        assert_eq!(line["s"], severity);
        assert_eq!(line["c"], component);
        assert_eq!(line["ctx"], context);
        assert_eq!(line["msg"], message);
        assert!(line["id"].as_u64().unwrap() > 0);
        let expected = attributes.as_object().filter(|map| !map.is_empty());
        assert_eq!(line["attr"].as_object(), expected, "{message}");
    }
}

#[test]
fn every_event_is_one_text_line() {
    for (emit, [severity, component, context, message], attributes) in every_event() {
        let (text, _) = capture(&config(LogFormat::Text, 5, false), emit);
        let line = text.strip_suffix('\n').unwrap();
        let head =
            format!("2026-01-01T00:00:00.007Z {severity} {component:<8} {context} {message}");
        assert!(line.starts_with(&head), "{line}");
        assert!(!line.contains(char::is_control), "{line}");
        for (name, value) in attributes.as_object().unwrap() {
            assert!(line.contains(&format!(" {name}={value}")), "{line}");
        }
    }
}

#[test]
fn ids_are_unique() {
    let mut ids = std::collections::HashSet::new();
    for (emit, [_, _, _, message], _) in every_event() {
        let (text, _) = capture(&config(LogFormat::Json, 5, false), emit);
        let line: Value = serde_json::from_str(&text).unwrap();
        assert!(ids.insert(line["id"].as_u64()), "{message}");
    }
}

#[test]
fn what_a_client_sends_cannot_forge_a_line() {
    let evil = "eve\r\n2026 I ACCESS forged\u{1b}[2J\u{9b}31m\u{202e}\"'\\ \u{e9}";
    let emit = || events::sign_in_failed(evil, "X\nY", client(), &"no\nsuch");
    for format in [LogFormat::Text, LogFormat::Json] {
        let (text, logs) = capture(&config(format, 0, false), emit);
        assert_eq!(text.lines().count(), 1);
        let printable = |c: char| c == '\n' || (!c.is_control() && c != '\u{202e}');
        assert!(text.chars().all(printable), "{text:?}");
        assert!(text.contains(r"eve\u000d\u000a2026"), "{text}");
        let line: Value = serde_json::from_str(&logs.global.lines()[0]).unwrap();
        assert_eq!(line["attr"]["user"], evil);
        assert_eq!(line["attr"]["mechanism"], "X\nY");
    }
}

#[test]
fn long_text_is_cut_between_characters() {
    let long = "\u{20ac}".repeat(1000);
    let emit = || events::sign_in_failed(&long, "", client(), &long);
    let (_, logs) = capture(&config(LogFormat::Text, 0, false), emit);
    let line: Value = serde_json::from_str(&logs.global.lines()[0]).unwrap();
    let kept = format!("{}...", "\u{20ac}".repeat(TEXT_BYTES_MAX / 3));
    assert_eq!(line["attr"]["user"], kept);
    assert_eq!(line["attr"]["reason"], kept);
}

#[test]
fn verbosity_and_quiet_choose_lines() {
    let emit = || {
        events::command_finished("ping", 0, Duration::ZERO, client());
        events::connection_accepted(client(), 1);
        events::sign_in_failed("bob@x", "SCRAM-SHA-1", client(), &"wrong password");
        tracing::trace!(target: "COMMAND", "fine");
    };
    let lines = |verbosity, quiet| {
        let config = config(LogFormat::Text, verbosity, quiet);
        capture(&config, emit).0.lines().count()
    };
    assert_eq!(lines(0, false), 1);
    assert_eq!(lines(0, true), 1);
    assert_eq!(lines(1, false), 3);
    assert_eq!(lines(1, true), 2);
    assert_eq!(lines(2, false), 4);
}

#[test]
fn startup_warnings_are_kept_apart_and_tagged() {
    let emit = || {
        events::authorization_disabled();
        events::server_stopping("test");
    };
    let (_, logs) = capture(&config(LogFormat::Text, 0, false), emit);
    assert_eq!(logs.global.total_lines_written(), 2);
    let warnings = logs.startup_warnings.lines();
    assert_eq!(warnings.len(), 1);
    let line: Value = serde_json::from_str(&warnings[0]).unwrap();
    assert_eq!(line["tags"], json!(["startupWarnings"]));
}

#[test]
fn the_ring_keeps_the_last_lines() {
    let (_, logs) = capture(&config(LogFormat::Text, 0, false), || {
        for number in 0..1500 {
            events::server_stopped(number);
        }
    });
    let lines = logs.global.lines();
    assert_eq!(lines.len(), 1024);
    assert_eq!(logs.global.total_lines_written(), 1500);
    assert!(
        lines[0].contains(r#""connections_cut":476"#),
        "{}",
        lines[0]
    );
    assert!(lines[1023].contains(r#""connections_cut":1499"#));
}

#[test]
fn the_ring_is_bounded_in_bytes() {
    let long = "\u{1}".repeat(TEXT_BYTES_MAX);
    let (_, logs) = capture(&config(LogFormat::Text, 0, false), || {
        for _ in 0..1024 {
            events::sign_in_failed(&long, &long, client(), &long);
        }
    });
    let bytes: usize = logs.global.lines().iter().map(String::len).sum();
    assert!(bytes <= 1024 * 1024, "{bytes}");
    assert!(bytes > 1_000_000, "{bytes}");
}

#[test]
fn log_files_are_emptied_or_appended_to() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("portcullis.log");
    for (append, expected) in [(false, "x"), (true, "xx"), (false, "x")] {
        let path = path.clone();
        let mut writer = open(&LogDestination::File { path, append }).unwrap();
        writer.write_all(b"x").unwrap();
        let content = std::fs::read_to_string(folder.path().join("portcullis.log")).unwrap();
        assert_eq!(content, expected);
    }
}

#[test]
fn a_log_file_that_cannot_be_opened_is_named() {
    let destination = LogDestination::File {
        path: "/nowhere/portcullis.log".into(),
        append: false,
    };
    let Err(error) = open(&destination) else {
        panic!("opened a file in a folder that does not exist");
    };
    let text = error.to_string();
    assert!(
        text.starts_with("cannot open the log file /nowhere/portcullis.log: "),
        "{text}"
    );
}
