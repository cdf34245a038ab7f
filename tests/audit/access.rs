//! Who signs in, who leaves and who is refused.

use bson::{Document, doc};
use serde_json::{Value, json};

use crate::common::{AuditLog, essence, of_type, with_admin};
use crate::support::scram_client::MECHANISMS;
use crate::support::{ADMIN, Options, RawClient, TestServer, checked, error_of};

fn ann() -> Value {
    json!([{ "user": "ann", "db": "shop" }])
}

fn roles() -> Value {
    json!([{ "role": "clerk", "db": "shop" }, { "role": "read", "db": "shop" }])
}

/// A user without the right to change anything, whose role includes another.
fn with_ann() -> (AuditLog, TestServer) {
    let (mut log, server) = with_admin("JSON");
    let mut admin = server.admin();
    for command in [
        doc! { "createRole": "clerk", "privileges": [], "roles": ["read"] },
        doc! { "createUser": "ann", "pwd": "secret", "roles": ["clerk"] },
    ] {
        assert_eq!(admin.run("shop", command), doc! { "ok": 1.0 });
    }
    // Else it would be logged out some time later.
    admin.run("admin", doc! { "logout": 1 });
    log.new_events();
    (log, server)
}

fn signed_in(log: &mut AuditLog, server: &TestServer) -> RawClient {
    let mut client = server.raw();
    client.sign_in("shop", "ann", "secret").unwrap();
    log.new_events();
    client
}

#[test]
fn sign_ins_are_audited_whatever_comes_of_them() {
    let (mut log, server) = with_ann();
    for mechanism in MECHANISMS {
        for (user, password, result) in [
            ("ann", "secret", 0),
            ("ann", "wrong", 18),
            ("nobody", "secret", 18),
        ] {
            let mut client = server.raw();
            let signed_in = client.sign_in_by(mechanism, "shop", user, password);
            assert_eq!(signed_in.is_ok(), result == 0);
            let is_in = result == 0;
            let expected = json!({
                "atype": "authenticate",
                "users": if is_in { ann() } else { json!([]) },
                "roles": if is_in { roles() } else { json!([]) },
                "param": { "user": user, "db": "shop", "mechanism": mechanism },
                "result": result,
            });
            let events = log.new_events();
            let events = of_type(&events, "authenticate");
            assert_eq!(events.len(), 1, "{events:?}");
            assert_eq!(essence(events[0]), expected);
        }
    }
    let started = server.raw().sasl_start("shop", "NOSUCH", "n,,n=x,r=y");
    assert_eq!(error_of(&started).0, 334);
    let events = log.new_events();
    let event = essence(of_type(&events, "authenticate")[0]);
    assert_eq!(event["result"], 334);
    assert_eq!(
        event["param"],
        json!({ "user": "", "db": "shop", "mechanism": "" })
    );
}

#[test]
fn sign_ins_that_are_not_finished_are_audited_as_abandoned() {
    let (mut log, server) = with_ann();
    let mut client = server.raw();
    let first = |nonce: &str| format!("n,,n=ann,r={}", nonce.repeat(8));
    client.sasl_start("shop", MECHANISMS[0], &first("one"));
    assert_eq!(log.new_events(), [] as [Value; 0]);
    let abandoned = |mechanism: &str| {
        json!({
            "atype": "authenticate", "users": [], "roles": [],
            "param": { "user": "ann", "db": "shop", "mechanism": mechanism },
            "result": 337,
        })
    };
    // Replaced by another.
    client.sasl_start("shop", MECHANISMS[1], &first("two"));
    assert_eq!(log.new_event(), abandoned(MECHANISMS[0]));
    // Taken up by the first saslStart after a hello that asked for mechanisms.
    client.run(
        "shop",
        doc! { "hello": 1, "saslSupportedMechs": "shop.ann" },
    );
    client.sasl_start("shop", MECHANISMS[1], &first("three"));
    assert_eq!(log.new_events(), [] as [Value; 0]);
    // Left.
    drop(client);
    server.stop();
    let events = log.new_events();
    let events = of_type(&events, "authenticate");
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(essence(events[0]), abandoned(MECHANISMS[1]));
}

#[test]
fn a_logout_says_who_and_why() {
    let (mut log, server) = with_ann();
    let mut client = signed_in(&mut log, &server);
    client.run("shop", doc! { "logout": 1 });
    let expected = json!({
        "atype": "logout",
        "users": ann(),
        "roles": roles(),
        "param": {
            "reason": "Logging out on user request", "initialUsers": ann(), "updatedUsers": [],
        },
        "result": 0,
    });
    assert_eq!(log.new_event(), expected);
    // Nobody is left to be logged out, neither by the command nor by leaving.
    error_of(&client.run("shop", doc! { "logout": 1 }));
    drop(client);
    drop(signed_in(&mut log, &server));
    server.stop();
    let events = log.new_events();
    let logouts = of_type(&events, "logout");
    assert_eq!(logouts.len(), 1, "{events:#?}");
    let mut expected = expected;
    expected["param"]["reason"] = json!("Client has disconnected");
    assert_eq!(essence(logouts[0]), expected);
}

#[test]
fn the_first_hello_says_who_the_client_is() {
    let (mut log, server) = with_ann();
    let mut client = server.raw();
    let metadata = |name: &str| {
        doc! {
            "application": { "name": name },
            "driver": { "name": "nodejs", "version": "7.0" },
            "os": { "type": "Linux", "name": "linux", "architecture": "x64", "version": "6" },
            "platform": "Node.js",
            "env": { "region": "somewhere" },
        }
    };
    client.run("admin", doc! { "hello": 1, "client": metadata("till 7") });
    let event = log.new_event();
    let metadata = &event["param"]["clientMetadata"];
    let expected = json!({
        "atype": "clientMetadata",
        "users": [],
        "roles": [],
        "param": {
            "localEndpoint": { "ip": "127.0.0.1", "port": server.port },
            "clientMetadata": {
                "application": { "name": metadata["application"]["name"] },
                "driver": { "name": "nodejs", "version": "7.0" },
                "os": { "type": "Linux", "name": "linux", "architecture": "x64", "version": "6" },
                "platform": "Node.js",
                "env": { "region": metadata["env"]["region"] },
            },
        },
        "result": 0,
    });
    assert_eq!(event, expected);
    for hidden in [&metadata["application"]["name"], &metadata["env"]["region"]] {
        assert!(hidden.as_str().unwrap().starts_with("hmac-sha256:"));
    }
    // Hellos without it, and all that follow, say nothing.
    client.run("admin", doc! { "hello": 1 });
    server.raw().run("admin", doc! { "hello": 1 });
    assert_eq!(log.new_events(), [] as [Value; 0]);
}

/// A command on `shop`, who may not run it, and `ns` and `args` of its event.
fn refused() -> Vec<(Document, &'static str, Value)> {
    vec![
        (
            doc! { "createUser": "bob", "pwd": "password", "roles": ["read"] },
            "shop",
            json!({ "createUser": "bob", "pwd": "xxx", "roles": ["read"], "$db": "shop" }),
        ),
        (
            doc! { "updateUser": "bob", "pwd": ["password"] },
            "",
            json!({}),
        ),
        (
            doc! { "grantRolesToRole": "clerk", "roles": [{ "role": "root", "db": "admin" }] },
            "shop",
            json!({
                "grantRolesToRole": "clerk", "roles": [{ "role": "root", "db": "admin" }],
                "$db": "shop",
            }),
        ),
        (
            doc! { "update": "orders", "n": 1 },
            "shop.orders",
            json!({ "update": null, "n": 1, "$db": "shop" }),
        ),
        (
            doc! { "setParameter": 1, "authFailedDelayMs": 5 },
            "shop",
            json!({ "setParameter": 1, "authFailedDelayMs": 5, "$db": "shop" }),
        ),
    ]
}

#[test]
fn refused_commands_are_audited_with_their_arguments() {
    let (mut log, server) = with_ann();
    let mut client = signed_in(&mut log, &server);
    let mut stranger = server.raw();
    for (command, namespace, args) in refused() {
        let name = command.keys().next().unwrap().clone();
        for (client, users, roles) in [
            (&mut client, ann(), roles()),
            (&mut stranger, json!([]), json!([])),
        ] {
            let is_stranger = users == json!([]);
            let reply = client.run("shop", command.clone());
            if namespace.is_empty() && !is_stranger {
                // Not understood comes before not allowed.
                assert_eq!(error_of(&reply).0, 14, "{reply}");
                assert_eq!(log.new_events(), [] as [Value; 0]);
                continue;
            }
            assert_eq!(error_of(&reply).0, 13, "{reply}");
            let mut event = log.new_event();
            if event["param"]["args"]["update"].is_string() {
                event["param"]["args"]["update"] = Value::Null;
            }
            if namespace.is_empty() {
                assert_eq!(event["param"]["args"]["pwd"], "xxx");
                continue;
            }
            let expected = json!({
                "atype": "authCheck", "users": users, "roles": roles,
                "param": { "command": name, "ns": namespace, "args": args },
                "result": 13,
            });
            assert_eq!(event, expected);
        }
    }
}

#[test]
fn allowed_commands_are_audited_on_request() {
    let (mut log, server) = with_ann();
    let mut admin = server.admin();
    let mut client = signed_in(&mut log, &server);
    let set = |value: bool| doc! { "setParameter": 1, "auditAuthorizationSuccess": value };
    let find = || doc! { "find": "orders", "filter": { "name": "ann" } };
    assert_eq!(error_of(&client.run("shop", find())).0, 115);
    let reply = admin.run("admin", set(true));
    assert_eq!(reply, doc! { "was": false, "ok": 1.0 });
    assert_eq!(log.new_events(), [] as [Value; 0]);

    client.run("shop", doc! { "ping": 1 });
    assert_eq!(error_of(&client.run("shop", find())).0, 115);
    let event = log.new_event();
    assert_eq!(event["result"], 0);
    assert_eq!(event["users"], ann());
    assert_eq!(event["param"]["command"], "find");
    assert_eq!(event["param"]["ns"], "shop.orders");
    let name = event["param"]["args"]["filter"]["name"].as_str().unwrap();
    assert!(name.starts_with("hmac-sha256:"), "{name}");

    checked(client.run("shop", doc! { "usersInfo": "ann" })).unwrap();
    assert_eq!(log.new_event()["param"]["command"], "usersInfo");
    admin.run("shop", doc! { "dropUser": "nobody" });
    let events = log.new_events();
    let kinds: Vec<_> = events.iter().map(|event| &event["atype"]).collect();
    assert_eq!(kinds, ["authCheck", "dropUser"]);
    let reply = admin.run("admin", set(false));
    assert_eq!(reply, doc! { "was": true, "ok": 1.0 });
}

#[test]
fn unix_sockets_have_their_path() {
    let mut log = AuditLog::new("JSON");
    let options = log.options_with(Options::default().unix_socket());
    let server = TestServer::with_admin_and(options);
    log.new_events();
    let mut client = server.raw_unix();
    client.sign_in("admin", ADMIN.0, ADMIN.1).unwrap();
    let event = &log.new_events()[0];
    let path = server
        .folder()
        .path()
        .join(format!("mongodb-{}.sock", server.port));
    assert_eq!(event["local"], json!({ "unix": path }));
    assert_eq!(event["remote"], json!({ "unix": "anonymous" }));
}
