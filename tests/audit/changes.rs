//! Every change leaves its event, in the file by the time the client has its answer.

use bson::{Document, doc};
use serde_json::{Value, json};

use crate::common::{AuditLog, with_admin};
use crate::support::{ADMIN, Options, TestServer};

/// A command on `shop`, and the `param` and `result` of its event.
fn rows() -> Vec<(Document, Value, i32)> {
    let roles =
        || json!([{ "role": "read", "db": "shop" }, { "role": "readWrite", "db": "other" }]);
    let given = || doc! { "role": "readWrite", "db": "other" };
    let privileges = || {
        vec![
            doc! { "resource": { "db": "shop", "collection": "c" }, "actions": ["find", "insert"] },
        ]
    };
    let privileges_json = || json!([{ "resource": { "db": "shop", "collection": "c" }, "actions": ["find", "insert"] }]);
    let ann = |more: Value| with(json!({ "user": "ann", "db": "shop" }), &more);
    let clerk = |more: Value| with(json!({ "role": "clerk", "db": "shop" }), &more);
    let mut rows = vec![
        (
            doc! {
                "createUser": "ann", "pwd": "secret", "roles": ["read", given()],
                "authenticationRestrictions": [{ "clientSource": ["127.0.0.1", "::1/64"] }],
            },
            ann(json!({
                "roles": roles(),
                "authenticationRestrictions": [{ "clientSource": ["127.0.0.1", "::1/64"] }],
            })),
            0,
        ),
        (
            doc! { "createUser": "ann", "pwd": "secret", "roles": [] },
            ann(json!({ "roles": [] })),
            51003,
        ),
        (
            doc! { "createUser": "ann", "pwd": "secret", "roles": ["nosuch"] },
            ann(json!({ "roles": [{ "role": "nosuch", "db": "shop" }] })),
            31,
        ),
        (
            doc! { "updateUser": "ann", "pwd": "new secret" },
            ann(json!({ "passwordChanged": true })),
            0,
        ),
        (
            doc! {
                "updateUser": "ann", "customData": { "age": 7 }, "roles": [],
                "authenticationRestrictions": [{ "serverAddress": ["127.0.0.1"] }],
            },
            ann(json!({
                "passwordChanged": false, "customData": { "age": 7 }, "roles": [],
                "authenticationRestrictions": [{ "serverAddress": ["127.0.0.1"] }],
            })),
            0,
        ),
        (
            doc! { "updateUser": "bob", "roles": [] },
            json!({ "user": "bob", "db": "shop", "passwordChanged": false, "roles": [] }),
            11,
        ),
        (
            doc! { "grantRolesToUser": "ann", "roles": ["read", given()] },
            ann(json!({ "roles": roles() })),
            0,
        ),
        (
            doc! { "revokeRolesFromUser": "ann", "roles": ["read", given()] },
            ann(json!({ "roles": roles() })),
            0,
        ),
        (doc! { "dropUser": "ann" }, ann(json!({})), 0),
        (doc! { "dropUser": "ann" }, ann(json!({})), 11),
        (
            doc! { "dropAllUsersFromDatabase": 1 },
            json!({ "db": "shop" }),
            0,
        ),
    ];
    rows.extend(vec![
        (
            doc! { "createRole": "clerk", "privileges": privileges(), "roles": ["read"] },
            clerk(json!({
                "roles": [{ "role": "read", "db": "shop" }], "privileges": privileges_json(),
            })),
            0,
        ),
        (
            doc! { "createRole": "clerk", "privileges": [], "roles": [] },
            clerk(json!({ "roles": [], "privileges": [] })),
            51002,
        ),
        (
            doc! { "updateRole": "clerk", "privileges": [], "roles": [] },
            clerk(json!({ "roles": [], "privileges": [] })),
            0,
        ),
        (
            doc! { "grantRolesToRole": "clerk", "roles": ["read"] },
            clerk(json!({ "roles": [{ "role": "read", "db": "shop" }] })),
            0,
        ),
        (
            doc! { "grantRolesToRole": "nosuch", "roles": ["read"] },
            json!({ "role": "nosuch", "db": "shop", "roles": [{ "role": "read", "db": "shop" }] }),
            31,
        ),
        (
            doc! { "revokeRolesFromRole": "clerk", "roles": ["read"] },
            clerk(json!({ "roles": [{ "role": "read", "db": "shop" }] })),
            0,
        ),
        (
            doc! { "grantPrivilegesToRole": "clerk", "privileges": privileges() },
            clerk(json!({ "privileges": privileges_json() })),
            0,
        ),
        (
            doc! { "revokePrivilegesFromRole": "clerk", "privileges": privileges() },
            clerk(json!({ "privileges": privileges_json() })),
            0,
        ),
        (doc! { "dropRole": "clerk" }, clerk(json!({})), 0),
        (
            doc! { "dropAllRolesFromDatabase": 1 },
            json!({ "db": "shop" }),
            0,
        ),
    ]);
    rows
}

fn with(mut param: Value, more: &Value) -> Value {
    let fields = param.as_object_mut().unwrap();
    fields.extend(more.as_object().unwrap().clone());
    param
}

fn run(format: &'static str) {
    let (mut log, server) = with_admin(format);
    let mut admin = server.admin();
    log.new_events();
    for (command, param, result) in rows() {
        let atype = command.keys().next().unwrap().clone();
        let reply = admin.run("shop", command);
        assert_eq!(reply.get_i32("code").unwrap_or(0), result, "{reply}");
        // No waiting: it is there before the reply is.
        let expected = json!({
            "atype": atype,
            "users": [{ "user": "admin", "db": "admin" }],
            "roles": [{ "role": "root", "db": "admin" }],
            "param": param,
            "result": result,
        });
        assert_eq!(log.new_event(), expected);
    }
}

#[test]
fn each_change_leaves_its_event_in_json() {
    run("JSON");
}

#[test]
fn each_change_leaves_its_event_in_bson() {
    run("BSON");
}

#[test]
fn an_event_has_the_fields_of_mongod_in_their_order() {
    let (mut log, server) = with_admin("JSON");
    let mut admin = server.admin();
    log.new_events();
    let before = log.text().len();
    admin.run(
        "shop",
        doc! { "createUser": "ann", "pwd": "secret", "roles": ["read"] },
    );
    let event = &log.new_events()[0];
    let line = &log.text()[before..];
    let expected = format!(
        concat!(
            r#"{{"atype":"createUser","ts":{{"$date":{}}},"#,
            r#""uuid":{{"$binary":{},"$type":"04"}},"#,
            r#""local":{{"ip":"127.0.0.1","port":{}}},"remote":{{"ip":"127.0.0.1","port":{}}},"#,
            r#""users":[{{"user":"admin","db":"admin"}}],"roles":[{{"role":"root","db":"admin"}}],"#,
            r#""param":{{"user":"ann","db":"shop","roles":[{{"role":"read","db":"shop"}}]}},"#,
            r#""result":0}}"#,
            "\n"
        ),
        event["ts"]["$date"], event["uuid"]["$binary"], server.port, event["remote"]["port"],
    );
    assert_eq!(line, expected);

    let (log, server) = with_admin("BSON");
    let documents = log.documents();
    let created = documents
        .iter()
        .find(|event| event.get_str("atype").unwrap() == "createUser");
    let created = created.unwrap();
    let local = doc! { "ip": "127.0.0.1", "port": i32::from(server.port) };
    let expected = doc! {
        "atype": "createUser",
        "ts": created.get_datetime("ts").unwrap(),
        "uuid": bson::Binary {
            subtype: bson::spec::BinarySubtype::Uuid,
            bytes: created.get("uuid").and_then(|uuid| match uuid {
                bson::Bson::Binary(binary) => Some(binary.bytes.clone()),
                _ => None,
            }).unwrap(),
        },
        "local": local,
        "remote": created.get_document("remote").unwrap(),
        // Under the localhost exception nobody is signed in.
        "users": [],
        "roles": [],
        "param": { "user": ADMIN.0, "db": "admin", "roles": [{ "role": "root", "db": "admin" }] },
        "result": 0,
    };
    assert_eq!(created, &expected);
}

#[test]
fn events_of_a_connection_have_its_uuid() {
    let (mut log, server) = with_admin("JSON");
    let mut clients = [server.admin(), server.admin()];
    log.new_events();
    for client in [0, 1, 0] {
        clients[client].run("shop", doc! { "dropUser": "nobody" });
    }
    let events = log.new_events();
    assert_eq!(events[0]["uuid"], events[2]["uuid"]);
    assert_eq!(events[0]["remote"], events[2]["remote"]);
    assert_ne!(events[0]["uuid"], events[1]["uuid"]);
    assert_ne!(events[0]["remote"], events[1]["remote"]);
}

#[test]
fn the_server_audits_what_it_does_itself() {
    let log = AuditLog::new("JSON");
    let password = log.folder.path().join("password");
    std::fs::write(&password, "first secret").unwrap();
    let options = log.options_with(
        Options::default()
            .environment("PORTCULLIS_INITDB_ROOT_USERNAME", "first")
            .environment(
                "PORTCULLIS_INITDB_ROOT_PASSWORD_FILE",
                password.to_str().unwrap(),
            ),
    );
    let server: TestServer = options.start();
    server.stop();
    let events = log.events();
    let kinds: Vec<_> = events.iter().map(|event| &event["atype"]).collect();
    assert_eq!(kinds, ["createUser", "startup", "shutdown"]);
    for event in &events {
        assert_eq!(event["local"], json!({ "isSystemUser": true }));
        assert_eq!(event["remote"], json!({ "isSystemUser": true }));
        assert_eq!(
            event["users"],
            json!([{ "user": "__system", "db": "local" }])
        );
        assert_eq!(event["result"], 0);
    }
    assert_eq!(events[0]["param"]["user"], "first");
    let options = &events[1]["param"]["startupOptions"];
    assert_eq!(options["auditLog"]["path"], log.path().to_str().unwrap());
    assert_eq!(events[2]["param"], json!({}));
    assert!(!log.text().contains("first secret"));
}
