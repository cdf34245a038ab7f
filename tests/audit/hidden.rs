//! What must not be in the log is not there.

use std::sync::Arc;
use std::time::Instant;

use bson::{Document, doc};
use serde_json::{Value, json};

use crate::common::{AuditLog, StrangerLines, of_type, with_admin};
use crate::support::scram_client::{
    Exchange, MECHANISMS, from_base64, hex, password_digest, payload, to_base64,
};
use crate::support::{ADMIN, Options, RawClient, TestServer, binary, error_of};

fn custom_data(log: &mut AuditLog, admin: &mut RawClient, data: Document) -> Value {
    let updated = doc! { "updateUser": ADMIN.0, "customData": data };
    assert_eq!(admin.run("admin", updated), doc! { "ok": 1.0 });
    log.new_event()["param"]["customData"].clone()
}

#[test]
fn strings_are_hidden_and_can_still_be_compared() {
    let (mut log, server) = with_admin("JSON");
    let mut admin = server.admin();
    log.new_events();
    let data = doc! {
        "user": "Jane Doe", "same": ["Jane Doe", "John Doe"], "age": 7, "is": true, "none": null,
    };
    let hidden = custom_data(&mut log, &mut admin, data.clone());
    let jane = hidden["user"].as_str().unwrap().to_owned();
    assert!(jane.starts_with("hmac-sha256:"), "{jane}");
    assert_eq!(hidden["same"][0], jane.as_str());
    assert_ne!(hidden["same"][1], jane.as_str());
    assert_eq!(
        (&hidden["age"], &hidden["is"], &hidden["none"]),
        (&7.into(), &true.into(), &Value::Null)
    );
    // Without its space it may by chance be in the base64 of a UUID.
    assert!(!log.text().contains(" Doe"));

    // The same after a restart, another in another deployment.
    let folder = server.folder();
    drop(admin);
    server.stop();
    let server = log
        .options_with(Options::in_folder(Arc::clone(&folder)))
        .start();
    let mut admin = server.admin();
    log.new_events();
    assert_eq!(custom_data(&mut log, &mut admin, data.clone()), hidden);
    let (mut log, server) = with_admin("JSON");
    let mut admin = server.admin();
    log.new_events();
    assert_ne!(custom_data(&mut log, &mut admin, data), hidden);
}

#[test]
fn long_arguments_are_cut() {
    let (mut log, server) = with_admin("JSON");
    let mut stranger = server.raw();
    let roles: Vec<_> = (0..2000).map(|number| format!("role-{number}")).collect();
    stranger.run(
        "shop",
        doc! { "createUser": "x", "pwd": "y", "roles": roles },
    );
    let before = log.text().len();
    assert!(before < 100_000, "{before}");
    assert_eq!(log.new_event()["param"]["truncated"], true);
}

#[test]
fn strangers_fill_the_log_slowly() {
    const LINE_BYTES_MAX: usize = 2048;
    let (mut log, server) = with_admin("JSON");
    let text = "x".repeat(60_000);
    let commands = [
        doc! { "find": "c", "a": vec![""; 5000] },
        doc! { "find": &text },
        doc! { "find": "c", &text: 1 },
        doc! { "createUser": &text, "pwd": "y", "roles": [] },
    ];
    let mut before = log.text().len();
    let mut line_bytes = |log: &mut AuditLog| {
        assert_eq!(log.new_event()["param"]["truncated"], true);
        let after = log.text().len();
        after - std::mem::replace(&mut before, after)
    };
    for command in commands {
        assert_eq!(error_of(&server.raw().run("admin", command)).0, 13);
        let bytes = line_bytes(&mut log);
        assert!(bytes < LINE_BYTES_MAX, "{bytes}");
    }
    server
        .raw()
        .sign_in("admin", &text[..1_800], "y")
        .unwrap_err();
    let bytes = line_bytes(&mut log);
    assert!(bytes < LINE_BYTES_MAX, "{bytes}");
}

#[test]
fn strangers_do_not_fill_the_log_without_end() {
    const EACH: usize = 400;
    let log = AuditLog::new("JSON");
    let options = log.options();
    let options = options.argument("--setParameter=failedSignInLimitsOnLoopback=true");
    let server = TestServer::with_admin_and(options);
    let mut stranger = server.raw();
    let start = Instant::now();
    for _ in 0..EACH {
        let reply = stranger.run("admin", doc! { "usersInfo": 1 });
        assert_eq!(error_of(&reply).0, 13);
        let begin = doc! { "saslStart": 1, "mechanism": "SCRAM-SHA-256", "payload": binary(b"x") };
        assert_ne!(error_of(&stranger.run("admin", begin)).0, 0);
    }
    let bounds = StrangerLines::after(start.elapsed());
    // Who is somebody is written about all the same.
    let mut admin = server.admin();
    admin.run(
        "admin",
        doc! { "createUser": "ann", "pwd": "x", "roles": [] },
    );
    let events = log.events();
    assert_eq!(
        of_type(&events, "createUser").last().unwrap()["param"]["user"],
        "ann"
    );
    // It has all of its log out when it has ended.
    let (_, logs) = server.stop();
    let refused = events.iter().filter(|event| event["result"] != 0).count();
    let lines = ["Access denied", "Failed to authenticate"];
    let lines: usize = lines.iter().map(|line| logs.matches(line).count()).sum();
    bounds.check(refused + lines, &logs);
}

#[test]
fn what_refusals_leave_out_is_not_even_hashed() {
    let (mut log, server) = with_admin("JSON");
    let mut stranger = server.raw();
    let stored = doc! { "credentials": { "SCRAM-SHA-1": { "storedKey": "key" } } };
    for command in [
        doc! { "find": "system.users", "filter": &stored },
        doc! { "delete": "system.users", "filter": &stored },
    ] {
        assert_eq!(error_of(&stranger.run("admin", command)).0, 13);
        let filter = &log.new_event()["param"]["args"]["filter"];
        assert_eq!(filter, &json!({ "credentials": "xxx" }));
    }
}

/// Every text that must not appear.
#[derive(Default)]
struct Secrets(Vec<String>);

impl Secrets {
    fn bytes(&mut self, bytes: &[u8]) {
        let base64 = to_base64(bytes);
        // The end depends on what follows.
        let base64 = base64.trim_end_matches('=');
        self.0.push(base64[..base64.len() / 4 * 4].to_owned());
        self.0.push(hex(bytes));
        self.0.push(hex(bytes).to_uppercase());
    }

    fn text(&mut self, text: &str) {
        assert!(text.len() >= 8, "{text}");
        self.0.push(text.to_owned());
        self.bytes(text.as_bytes());
    }
}

fn sign_in(client: &mut RawClient, secrets: &mut Secrets, mechanism: &str, user: (&str, &str)) {
    secrets.text(user.1);
    secrets.text(&password_digest(user.0, user.1));
    let exchange = Exchange::new(mechanism, user.0, user.1);
    let started = client.sasl_start("admin", mechanism, &exchange.first());
    let last = exchange.last(&payload(&started));
    secrets.text(&exchange.first());
    secrets.text(&last.message);
    secrets.text(&last.proof);
    secrets.bytes(&from_base64(&last.salt));
    secrets.bytes(&last.salted_password);
    secrets.bytes(&last.client_key);
    secrets.bytes(&last.stored_key);
    secrets.bytes(&last.server_key);
    client.sasl_continue("admin", &last.message);
}

#[test]
fn nothing_secret_is_audited() {
    let (log, server) = with_admin("JSON");
    let mut secrets = Secrets::default();
    secrets.text(ADMIN.1);
    let mut admin = server.admin();
    let all = doc! { "setParameter": 1, "auditAuthorizationSuccess": true };
    admin.run("admin", all);
    let create = |pwd: &str| doc! { "createUser": "ann", "pwd": pwd, "roles": [] };
    assert_eq!(
        admin.run("admin", create("password-first")),
        doc! { "ok": 1.0 }
    );
    for mechanism in MECHANISMS {
        for user in [
            ("ann", "password-first"),
            ("ann", "password-wrong"),
            ("nobody", "password-x"),
        ] {
            sign_in(&mut server.raw(), &mut secrets, mechanism, user);
        }
    }
    let mut ann = server.raw();
    sign_in(
        &mut ann,
        &mut secrets,
        MECHANISMS[1],
        ("ann", "password-first"),
    );
    let mut with_extra = create("password-extra");
    with_extra.insert("x", 1);
    let commands = [
        create("password-exists"),
        with_extra,
        doc! { "createUser": "ann", "pwd": ["password-array"], "roles": [] },
        doc! { "createUser": "ann", "pwd": { "a": "password-object" }, "roles": [] },
        doc! { "updateUser": "ann", "pwd": "password-second" },
        doc! { "updateUser": "nosuch", "pwd": "password-nosuch" },
        doc! { "usersInfo": "ann", "showCredentials": true },
        doc! { "find": "c", "filter": { "pwd": "password-filter" } },
        doc! { "update": "c", "payload": binary(b"password-payload"), "deep": [{ "pwd": "password-deep" }] },
        doc! { "insert": "tempusers", "documents": [{ "credentials": { "a": "password-inserted" } }] },
        doc! { "saslStart": 1, "mechanism": "PLAIN", "payload": binary(b"\0ann\0password-plain") },
        doc! { "logout": "password-logout" },
    ];
    secrets.text("password-");
    for command in commands {
        for client in [&mut ann, &mut server.raw(), &mut server.admin()] {
            client.run("admin", command.clone());
        }
    }
    server.stop();
    let text = log.text();
    let events = log.events();
    for kind in ["createUser", "updateUser", "authenticate", "authCheck"] {
        assert!(of_type(&events, kind).len() > 1, "{kind}");
    }
    let found: Vec<_> = secrets.0.iter().filter(|it| text.contains(*it)).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn auditing_off_leaves_nothing() {
    let server = TestServer::with_admin();
    let mut admin = server.admin();
    let status = admin.run("admin", doc! { "serverStatus": 1 });
    let expected = doc! { "enabled": false, "events": 0_i64, "failures": 0_i64 };
    assert_eq!(status.get_document("audit").unwrap(), &expected);
}
