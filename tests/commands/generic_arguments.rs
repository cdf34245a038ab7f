//! What every command takes beside its own fields, and names that are no commands.

use bson::{Bson, RawDocumentBuf, doc, rawdoc};

use crate::support::error_of;
use crate::table::{check, server};

#[test]
fn requests_and_replies() {
    check(&server(), "genericArguments");
}

#[test]
fn what_is_not_served() {
    check(&server(), "unserved");
}

#[test]
fn the_database_is_part_of_the_command() {
    let server = server();
    let mut client = server.raw();
    let missing = error_of(&client.run_raw(&rawdoc! { "ping": 1 }));
    assert_eq!(
        missing,
        (40571, "OP_MSG requests require a $db argument".into())
    );
    let first = rawdoc! { "ping": 1, "$db": "admin", "comment": 1 };
    assert_eq!(client.run_raw(&first), doc! { "ok": 1.0 });
    for wrong in [Bson::from(1), Bson::Null, doc! {}.into()] {
        let command = RawDocumentBuf::try_from(&doc! { "ping": 1, "$db": wrong.clone() }).unwrap();
        assert_eq!(
            client.run_raw(&command).get_f64("ok").ok(),
            Some(0.0),
            "{wrong}"
        );
    }
    for invalid in [
        "",
        "a b",
        "a.b",
        "a/b",
        "a\\b",
        "a\"b",
        "a$b",
        "$x",
        "a\0b",
        &"n".repeat(64),
    ] {
        let reply = client.run(invalid, doc! { "ping": 1 });
        let text = format!("Invalid database name: '{invalid}'");
        assert_eq!(error_of(&reply), (73, text), "{invalid:?}");
        assert_eq!(reply.get_str("codeName").unwrap(), "InvalidNamespace");
    }
    for valid in [
        "a",
        "$external",
        "local",
        "config",
        "\u{e9}\u{4e16}",
        &"n".repeat(63),
    ] {
        assert_eq!(
            client.run(valid, doc! { "ping": 1 }),
            doc! { "ok": 1.0 },
            "{valid}"
        );
    }
}

#[test]
fn names_nobody_knows() {
    let server = server();
    for name in [
        "nope",
        "Ping",
        "getLastError",
        "getnonce",
        "atlasVersion",
        "getFreeMonitoringStatus",
        "a\u{e9}",
    ] {
        // Known or not is told to anybody, as by a mongod.
        let reply = server.raw().run("admin", doc! { name: 1 });
        assert_eq!(error_of(&reply), (59, format!("no such command: '{name}'")));
        assert_eq!(reply.get_str("codeName").unwrap(), "CommandNotFound");
        assert_eq!(
            reply.keys().collect::<Vec<_>>(),
            ["ok", "errmsg", "code", "codeName"]
        );
    }
    let nothing = server.raw().run_raw(&rawdoc! {});
    assert_eq!(nothing.get_f64("ok").ok(), Some(0.0));
}

#[test]
fn api_version_1_has_few_commands() {
    let server = server();
    let mut admin = server.admin();
    let mut strict = |command: &str, value: Bson| {
        admin.run(
            "admin",
            doc! { command: value, "apiVersion": "1", "apiStrict": true },
        )
    };
    for (command, value) in [
        ("ping", 1.into()),
        ("hello", 1.into()),
        ("endSessions", Bson::Array(Vec::new())),
    ] {
        assert_eq!(
            strict(command, value).get_f64("ok").ok(),
            Some(1.0),
            "{command}"
        );
    }
    for command in [
        "usersInfo",
        "rolesInfo",
        "connectionStatus",
        "dropAllUsersFromDatabase",
        "logout",
    ] {
        let reply = strict(command, 1.into());
        let (code, message) = error_of(&reply);
        assert_eq!(
            (code, reply.get_str("codeName").unwrap()),
            (323, "APIStrictError"),
            "{command}"
        );
        let start =
            format!("Provided apiStrict:true, but the command {command} is not in API Version 1. ");
        assert!(message.starts_with(&start), "{message}");
    }
    assert_eq!(admin.signed_in_user().as_deref(), Some("admin@admin"));
}

#[test]
fn commands_without_an_engine_are_refused_as_not_supported() {
    let server = server();
    let mut admin = server.admin();
    for command in [
        doc! { "find": "c" },
        doc! { "insert": "c", "documents": [{ "a": 1 }] },
        doc! { "update": "c", "updates": [] },
        doc! { "delete": "c", "deletes": [] },
        doc! { "aggregate": "c", "pipeline": [], "cursor": {} },
        doc! { "count": "c" },
        doc! { "dropDatabase": 1 },
        doc! { "drop": "c" },
    ] {
        let name = command.keys().next().unwrap().clone();
        let reply = admin.run("shop", command.clone());
        assert_eq!(error_of(&reply).0, 115, "{name}");
        assert_eq!(reply.get_str("codeName").unwrap(), "CommandNotSupported");
        let stranger = error_of(&server.raw().run("shop", command));
        assert_eq!(
            stranger,
            (13, format!("Command {name} requires authentication"))
        );
    }
}

#[test]
fn document_sequences_are_not_for_these_commands() {
    let server = server();
    let mut client = server.raw();
    let command = rawdoc! { "ping": 1, "$db": "admin" };
    let document = rawdoc! { "a": 1 };
    let mut body = vec![0, 0, 0, 0, 0];
    body.extend_from_slice(command.as_bytes());
    let section = [b"documents\0", document.as_bytes()].concat();
    body.push(1);
    body.extend_from_slice(&i32::try_from(section.len() + 4).unwrap().to_le_bytes());
    body.extend_from_slice(&section);
    client.send(2013, &body);
    let (_, reply) = client.receive();
    let reply = RawDocumentBuf::from_bytes(reply[5..].to_vec()).unwrap();
    let reply = bson::Document::try_from(reply).unwrap();
    let text = "The ping command does not support document sequences.";
    assert_eq!(error_of(&reply), (40472, text.into()));
}
