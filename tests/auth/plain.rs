//! PLAIN: where it is let in, who gets in by it, and what a change of the user does to it.

use bson::{Bson, Document, doc};

use crate::common::{create, failed, ok, options};
use crate::support::tls_client::{TlsClient, tls_arguments};
use crate::support::{ADMIN, Options, RawClient, TestServer, binary, error_of};

/// With PLAIN enabled and cheap.
fn plain_options() -> Options {
    options().arguments(&[
        "--setParameter",
        "authenticationMechanisms=SCRAM-SHA-1,SCRAM-SHA-256,PLAIN",
        "--setParameter",
        "argon2MemoryKiB=7168",
        "--setParameter",
        "argon2Iterations=1",
    ])
}

fn server() -> TestServer {
    TestServer::with_admin_and(plain_options().unix_socket())
}

fn plain(client: &mut RawClient, db: &str, user: &str, password: &str) -> Document {
    let payload = binary(format!("\0{user}\0{password}").as_bytes());
    client.run(
        db,
        doc! { "saslStart": 1, "mechanism": "PLAIN", "payload": payload },
    )
}

fn done() -> Document {
    doc! { "conversationId": 1, "done": true, "payload": binary(b""), "ok": 1.0 }
}

fn create_plain(admin: &mut RawClient, user: &str, roles: Vec<Bson>) {
    ok(
        admin,
        "shop",
        doc! { "createUser": user, "pwd": "secret", "roles": roles, "mechanisms": ["PLAIN"] },
    );
}

#[test]
fn a_unix_socket_is_private_and_tcp_is_not() {
    let server = server();
    create_plain(&mut server.admin(), "ann", vec!["read".into()]);
    let mut client = server.raw_unix();
    assert_eq!(plain(&mut client, "shop", "ann", "secret"), done());
    assert_eq!(client.signed_in_user().as_deref(), Some("ann@shop"));
    for (user, password) in [("ann", "secret"), ("ann", "wrong"), ("nobody", "x")] {
        let reply = plain(&mut server.raw(), "shop", user, password);
        let text = "PLAIN sends the password in clear and needs a TLS connection or a Unix domain \
                    socket";
        assert_eq!(error_of(&reply), (334, text.into()));
        assert_eq!(reply.get_str("codeName").ok(), Some("MechanismUnavailable"));
    }
}

#[test]
fn tls_is_private() {
    let arguments: Vec<_> = tls_arguments("preferTLS");
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let server = TestServer::with_admin_and(plain_options().arguments(&arguments));
    create_plain(&mut server.admin(), "ann", vec![]);
    let mut client = TlsClient::with("client").raw(&server);
    assert_eq!(plain(&mut client, "shop", "ann", "secret"), done());
    assert_eq!(client.signed_in_user().as_deref(), Some("ann@shop"));
    let refused = plain(
        &mut TlsClient::with("client").raw(&server),
        "shop",
        "ann",
        "wrong",
    );
    assert_eq!(error_of(&refused), failed());
    assert_eq!(
        error_of(&plain(&mut server.raw(), "shop", "ann", "secret")).0,
        334
    );
}

#[test]
fn everywhere_if_the_administrator_says_so() {
    let options = plain_options().arguments(&["--setParameter", "allowPlainWithoutTLS=true"]);
    let server = TestServer::with_admin_and(options);
    create_plain(&mut server.admin(), "ann", vec![]);
    assert_eq!(plain(&mut server.raw(), "shop", "ann", "secret"), done());
}

#[test]
fn it_is_not_offered_unless_it_is_enabled() {
    let server = TestServer::with_admin_and(options().unix_socket());
    let reply = plain(&mut server.raw_unix(), "admin", ADMIN.0, ADMIN.1);
    let text = "Unsupported mechanism 'PLAIN' on authentication database 'admin'";
    assert_eq!(error_of(&reply), (334, text.into()));
    let create = doc! { "createUser": "ann", "pwd": "x", "roles": [], "mechanisms": ["PLAIN"] };
    let refused = error_of(&server.admin().run("shop", create));
    assert_eq!(refused, (2, "PLAIN not supported in authMechanisms".into()));
}

#[test]
fn it_is_never_taken_in_a_hello() {
    let server = server();
    create_plain(&mut server.admin(), "ann", vec![]);
    let mut client = server.raw_unix();
    let reply = client.run(
        "admin",
        doc! {
            "hello": 1, "saslSupportedMechs": "shop.ann",
            "speculativeAuthenticate": {
                "saslStart": 1, "mechanism": "PLAIN", "payload": binary(b"\0ann\0secret"), "db": "shop",
            },
        },
    );
    assert_eq!(reply.get_array("saslSupportedMechs").unwrap(), &vec![]);
    assert!(!reply.contains_key("speculativeAuthenticate"));
    assert_eq!(client.signed_in_user(), None);
}

#[test]
fn every_refusal_looks_alike() {
    let server = server();
    let mut admin = server.admin();
    create_plain(&mut admin, "ann", vec![]);
    create(&mut admin, "scram", vec![]);
    for (db, user, password) in [
        ("shop", "ann", "wrong"),
        ("shop", "ann", "secret "),
        ("shop", "nobody", "secret"),
        ("shop", "scram", "secret"),
        ("other", "ann", "secret"),
    ] {
        let refused = plain(&mut server.raw_unix(), db, user, password);
        assert_eq!(error_of(&refused), failed(), "{user}@{db}");
    }
    let (_, log) = server.stop();
    for reason in [
        "the password is wrong",
        "there is no such user",
        "the user has no credential for the mechanism",
    ] {
        assert!(log.contains(reason), "{reason}");
    }
}

#[test]
fn a_password_counts_until_it_is_changed_and_no_longer() {
    let server = server();
    let mut admin = server.admin();
    create_plain(&mut admin, "ann", vec![]);
    let try_it = |password: &str| plain(&mut server.raw_unix(), "shop", "ann", password);
    // The second time it is remembered.
    assert_eq!(try_it("secret"), done());
    assert_eq!(try_it("secret"), done());
    assert_eq!(error_of(&try_it("other")), failed());
    let update = doc! { "updateUser": "ann", "pwd": "other", "mechanisms": ["PLAIN"] };
    ok(&mut admin, "shop", update);
    assert_eq!(error_of(&try_it("secret")), failed());
    assert_eq!(try_it("other"), done());
    // Set anew without PLAIN.
    ok(
        &mut admin,
        "shop",
        doc! { "updateUser": "ann", "pwd": "other" },
    );
    assert_eq!(error_of(&try_it("other")), failed());
    // Dropped, and made anew with another password.
    ok(&mut admin, "shop", doc! { "dropUser": "ann" });
    assert_eq!(error_of(&try_it("other")), failed());
    create_plain(&mut admin, "ann", vec![]);
    assert_eq!(error_of(&try_it("other")), failed());
    assert_eq!(try_it("secret"), done());
}

#[test]
fn one_password_serves_every_mechanism() {
    let server = server();
    let mut admin = server.admin();
    let mechanisms = ["SCRAM-SHA-1", "SCRAM-SHA-256", "PLAIN"];
    // U+2168 is "IX" once SASLprep is done.
    ok(
        &mut admin,
        "shop",
        doc! { "createUser": "ann", "pwd": "\u{2168}", "roles": [], "mechanisms": mechanisms.to_vec() },
    );
    for password in ["\u{2168}", "IX"] {
        let reply = plain(&mut server.raw_unix(), "shop", "ann", password);
        assert_eq!(reply, done());
    }
    // This client leaves preparing to its user.
    server.raw().sign_in("shop", "ann", "IX").unwrap();
    let shown = admin.run("shop", doc! { "usersInfo": "ann", "showCredentials": true });
    let user = shown.get_array("users").unwrap()[0].as_document().unwrap();
    let listed: Vec<_> = user.get_array("mechanisms").unwrap().clone();
    assert_eq!(listed, mechanisms.map(Bson::from));
    let credentials = user.get_document("credentials").unwrap();
    let hash = credentials.get_document("PLAIN").unwrap();
    let phc = hash.get_str("phc").unwrap();
    assert!(phc.starts_with("$argon2id$v=19$m=7168,t=1,p=1$"), "{phc}");
}

#[test]
fn a_hash_of_another_cost_goes_on_working_also_after_a_restart() {
    let server = server();
    let mut admin = server.admin();
    create_plain(&mut admin, "cheap", vec![]);
    for (name, value) in [
        ("argon2MemoryKiB", 8192),
        ("argon2Iterations", 2),
        ("argon2Parallelism", 4),
    ] {
        let set = doc! { "setParameter": 1, name: value };
        assert_eq!(admin.run("admin", set).get_f64("ok").ok(), Some(1.0));
    }
    create_plain(&mut admin, "dear", vec![]);
    let shown = admin.run(
        "shop",
        doc! { "usersInfo": "dear", "showCredentials": true },
    );
    assert!(shown.to_string().contains("$m=8192,t=2,p=4$"), "{shown}");
    let folder = server.kill();
    let options = Options::in_folder(folder)
        .unix_socket()
        .arguments(&["--setParameter", "authenticationMechanisms=PLAIN"]);
    let server = options.start();
    for user in ["cheap", "dear"] {
        assert_eq!(
            plain(&mut server.raw_unix(), "shop", user, "secret"),
            done()
        );
    }
}

#[test]
fn restrictions_hold_and_no_socket_file_is_in_a_range() {
    let arguments: Vec<_> = tls_arguments("preferTLS");
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let options = plain_options().unix_socket().arguments(&arguments);
    let server = TestServer::with_admin_and(options);
    let mut admin = server.admin();
    for (user, range) in [("here", "127.0.0.1"), ("there", "10.0.0.0/8")] {
        ok(
            &mut admin,
            "shop",
            doc! {
                "createUser": user, "pwd": "secret", "roles": [], "mechanisms": ["PLAIN"],
                "authenticationRestrictions": [{ "clientSource": [range] }],
            },
        );
    }
    let tls = || TlsClient::with("client").raw(&server);
    assert_eq!(plain(&mut tls(), "shop", "here", "secret"), done());
    let refused = plain(&mut tls(), "shop", "there", "secret");
    assert_eq!(error_of(&refused), failed());
    let refused = plain(&mut server.raw_unix(), "shop", "here", "secret");
    assert_eq!(error_of(&refused), failed());
}

#[test]
fn the_first_administrator_can_be_one_for_plain() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, "first secret").unwrap();
    let server = Options::default()
        .unix_socket()
        .arguments(&["--setParameter", "authenticationMechanisms=PLAIN"])
        .environment("PORTCULLIS_INITDB_ROOT_USERNAME", "root")
        .environment(
            "PORTCULLIS_INITDB_ROOT_PASSWORD_FILE",
            file.to_str().unwrap(),
        )
        .start();
    let mut client = server.raw_unix();
    assert_eq!(plain(&mut client, "admin", "root", "first secret"), done());
    assert_eq!(client.signed_in_user().as_deref(), Some("root@admin"));
}

#[test]
fn sign_ins_are_counted() {
    let server = server();
    let mut admin = server.admin();
    create_plain(&mut admin, "ann", vec![]);
    plain(&mut server.raw_unix(), "shop", "ann", "secret");
    plain(&mut server.raw_unix(), "shop", "ann", "wrong");
    let status = admin.run("admin", doc! { "serverStatus": 1 });
    let security = status.get_document("security").unwrap();
    let authentication = security.get_document("authentication").unwrap();
    let plain = authentication
        .get_document("mechanisms")
        .unwrap()
        .get_document("PLAIN")
        .unwrap();
    assert_eq!(
        plain.get_document("authenticate").unwrap(),
        &doc! { "received": 2_i64, "successful": 1_i64 }
    );
}

#[test]
fn users_with_very_long_names_have_no_sessions() {
    // SCRAM takes no names of this length.
    let server = server();
    let mut admin = server.admin();
    let session = || {
        let id = bson::Binary {
            subtype: bson::spec::BinarySubtype::Uuid,
            bytes: vec![7; 16],
        };
        doc! { "id": id }
    };
    // "@shop" is five bytes more.
    for (bytes, has_sessions) in [(9_994, true), (9_995, false)] {
        let user = "x".repeat(bytes);
        create_plain(&mut admin, &user, vec![]);
        let mut client = server.raw_unix();
        assert_eq!(plain(&mut client, "shop", &user, "secret"), done());
        for command in [
            doc! { "startSession": 1 },
            doc! { "refreshSessions": [session()] },
            doc! { "endSessions": [session()] },
            doc! { "logout": 1, "lsid": session() },
        ] {
            let reply = client.run("admin", command);
            if has_sessions {
                assert_eq!(reply.get_f64("ok").ok(), Some(1.0), "{reply}");
            } else {
                let text = "Username too long to use with logical sessions";
                assert_eq!(error_of(&reply), (2, text.into()));
            }
        }
        let ping = doc! { "ping": 1, "lsid": session() };
        assert_eq!(client.run("admin", ping), doc! { "ok": 1.0 });
    }
}
