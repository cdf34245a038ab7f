//! Nothing secret is in the log, however much is logged.

use bson::{Document, doc};

use crate::support::scram_client::{
    Exchange, Final, MECHANISMS, from_base64, hex, password_digest, payload, to_base64,
};
use crate::support::tls_client::{TlsClient, tls_arguments};
use crate::support::{ADMIN, Options, RawClient, TestServer, binary};

/// Every text that must not appear, with what it is.
#[derive(Default)]
struct Secrets(Vec<(String, String)>);

impl Secrets {
    fn text(&mut self, what: &str, text: &str) {
        assert!(
            text.len() >= 8,
            "{what} is too short to be looked for: {text}"
        );
        self.0.push((what.to_owned(), text.to_owned()));
        self.bytes(what, text.as_bytes());
    }

    fn bytes(&mut self, what: &str, bytes: &[u8]) {
        let base64 = to_base64(bytes);
        // The end depends on what follows.
        let base64 = base64.trim_end_matches('=');
        let whole = base64.len() / 4 * 4;
        self.0
            .push((format!("{what} in base64"), base64[..whole].to_owned()));
        self.0.push((format!("{what} in hex"), hex(bytes)));
        self.0.push((
            format!("{what} in upper-case hex"),
            hex(bytes).to_uppercase(),
        ));
        let list: Vec<_> = bytes.iter().map(ToString::to_string).collect();
        self.0.push((format!("{what} as a list"), list.join(", ")));
    }

    fn password(&mut self, user: &str, password: &str) {
        self.text("a password", password);
        self.text("a password's digest", &password_digest(user, password));
    }

    fn exchange(&mut self, exchange: &Exchange, server_first: &str, last: &Final) {
        self.text("the client's first message", &exchange.first());
        self.text("the server's first message", server_first);
        self.text("the client's last message", &last.message);
        self.text("the server's last message", &last.answer);
        self.text("a proof", &last.proof);
        self.text("a salt", &last.salt);
        self.bytes("a salt", &from_base64(&last.salt));
        self.bytes("a salted password", &last.salted_password);
        self.bytes("a client key", &last.client_key);
        self.bytes("a stored key", &last.stored_key);
        self.bytes("a server key", &last.server_key);
    }

    fn check(&self, log: &str) {
        let found: Vec<_> = self
            .0
            .iter()
            .filter(|(_, text)| log.contains(text))
            .collect();
        assert!(found.is_empty(), "in the log: {found:?}");
    }
}

fn sign_in(client: &mut RawClient, secrets: &mut Secrets, mechanism: &str, user: (&str, &str)) {
    secrets.password(user.0, user.1);
    let exchange = Exchange::new(mechanism, user.0, user.1);
    let started = client.sasl_start("admin", mechanism, &exchange.first());
    let first = payload(&started);
    let last = exchange.last(&first);
    secrets.exchange(&exchange, &first, &last);
    client.sasl_continue("admin", &last.message);
}

fn sign_in_speculatively(client: &mut RawClient, secrets: &mut Secrets, user: (&str, &str)) {
    let exchange = Exchange::new(MECHANISMS[1], user.0, user.1);
    let reply = client.run("admin", doc! {
        "hello": 1, "saslSupportedMechs": format!("admin.{}", user.0),
        "client": { "driver": { "name": "x", "version": "1" }, "os": { "type": "x" } },
        "speculativeAuthenticate": {
            "saslStart": 1, "mechanism": MECHANISMS[1], "db": "admin",
            "payload": binary(exchange.first().as_bytes()), "options": { "skipEmptyExchange": true },
        },
    });
    let started = reply.get_document("speculativeAuthenticate").unwrap();
    let first = payload(started);
    let last = exchange.last(&first);
    secrets.exchange(&exchange, &first, &last);
    client.sasl_continue("admin", &last.message);
}

/// Stored keys, as `usersInfo` tells them.
fn stored(admin: &mut RawClient, secrets: &mut Secrets, user: &str) {
    let reply = admin.run("admin", doc! { "usersInfo": user, "showCredentials": true });
    let users = reply.get_array("users").unwrap();
    let credentials = users[0]
        .as_document()
        .unwrap()
        .get_document("credentials")
        .unwrap();
    for (_, keys) in credentials {
        for name in ["salt", "storedKey", "serverKey"] {
            let text = keys.as_document().unwrap().get_str(name).unwrap();
            secrets.text(name, text);
            secrets.bytes(name, &from_base64(text));
        }
    }
}

/// Commands that are refused for every reason there is, each with a password of its own.
fn refused_commands(admin: &mut RawClient, stranger: &mut RawClient, secrets: &mut Secrets) {
    let create = |pwd: &str| doc! { "createUser": "ann", "pwd": pwd, "roles": [] };
    let with = |pwd: &str, extra: Document| {
        let mut command = create(pwd);
        command.extend(extra);
        command
    };
    let commands = [
        create("password-exists"),
        with("password-unknown-field", doc! { "x": 1 }),
        with("password-mechanism", doc! { "mechanisms": ["x"] }),
        with("password-digested", doc! { "digestPassword": false }),
        with("password-role", doc! { "roles": ["nosuch"] }),
        with("password-concern", doc! { "writeConcern": { "w": 2 } }),
        with("password-time", doc! { "maxTimeMS": "x" }),
        with(
            "password-version",
            doc! { "apiStrict": true, "apiVersion": "1" },
        ),
        with("password\u{7}unprepared", doc! {}),
        doc! { "createUser": "ann", "pwd": ["password-array"], "roles": [] },
        doc! { "createUser": "ann", "pwd": { "a": "password-object" }, "roles": [] },
        doc! { "updateUser": "nosuch", "pwd": "password-nosuch" },
        doc! { "updateUser": "ann", "pwd": "password-update", "mechanisms": [] },
        doc! { "saslStart": 1, "mechanism": "PLAIN", "payload": binary(b"\0ann\0password-plain") },
    ];
    for command in commands {
        for client in [&mut *admin, &mut *stranger] {
            let reply = client.run("admin", command.clone()).to_string();
            assert!(reply.contains("\"ok\": 0"), "{reply}");
            assert!(!reply.contains("password-"), "{reply}");
        }
    }
    secrets.text("a refused password", "password-");
    secrets.text("a refused password", "unprepared");
}

/// Signs in by PLAIN: rightly twice, the second time from memory, then wrongly, and as nobody.
fn sign_in_in_clear(server: &TestServer, admin: &mut RawClient, secrets: &mut Secrets) {
    let password = "password-in-clear";
    secrets.password("paul", password);
    let created =
        doc! { "createUser": "paul", "pwd": password, "roles": [], "mechanisms": ["PLAIN"] };
    assert_eq!(admin.run("admin", created), doc! { "ok": 1.0 });
    let shown = admin.run(
        "admin",
        doc! { "usersInfo": "paul", "showCredentials": true },
    );
    let users = shown.get_array("users").unwrap()[0].as_document().unwrap();
    let credentials = users.get_document("credentials").unwrap();
    let hash = credentials.get_document("PLAIN").unwrap();
    secrets.text("a hash", hash.get_str("phc").unwrap());
    for (user, password, is_right) in [
        ("paul", password, true),
        ("paul", password, true),
        ("paul", "password-wrong", false),
        ("nobody", "password-of-nobody", false),
    ] {
        let message = format!("\0{user}\0{password}");
        secrets.password(user, password);
        secrets.bytes("a message in clear", message.as_bytes());
        let start = doc! {
            "saslStart": 1, "mechanism": "PLAIN", "payload": binary(message.as_bytes()),
        };
        let reply = server.raw_unix().run("admin", start.clone());
        assert_eq!(
            reply.get_f64("ok").ok(),
            Some(if is_right { 1.0 } else { 0.0 })
        );
        // Refused for its place, with the password on the wire.
        let reply = server.raw().run("admin", start);
        assert!(!reply.to_string().contains("password-"), "{reply}");
    }
}

/// Signs in by certificate; what is secret of one is its key, which the server never sees.
fn sign_in_by_certificate(server: &TestServer, admin: &mut RawClient) {
    let created = doc! { "createUser": "CN=ann,OU=Clients,O=Portcullis tests", "roles": [] };
    assert_eq!(admin.run("$external", created), doc! { "ok": 1.0 });
    for (certificate, is_right) in [("client", true), ("client-with-bad-roles", false)] {
        let mut client = TlsClient::with(certificate).raw(server);
        let reply = client.run(
            "$external",
            doc! { "authenticate": 1, "mechanism": "MONGODB-X509" },
        );
        assert_eq!(
            reply.get_f64("ok").ok(),
            Some(if is_right { 1.0 } else { 0.0 })
        );
    }
}

fn run(format: &str) {
    let options = tls_arguments("preferTLS")
        .into_iter()
        .fold(Options::default(), Options::argument)
        .unix_socket()
        .arguments(&["-vvvvv", "--logFormat", format, "--setParameter"])
        .argument("authenticationMechanisms=SCRAM-SHA-1,SCRAM-SHA-256,MONGODB-X509,PLAIN");
    let server = TestServer::with_admin_and(options);
    let mut secrets = Secrets::default();
    secrets.password(ADMIN.0, ADMIN.1);
    let mut admin = server.admin();
    let created = doc! { "createUser": "ann", "pwd": "first password", "roles": ["read"] };
    assert_eq!(admin.run("admin", created), doc! { "ok": 1.0 });
    stored(&mut admin, &mut secrets, "ann");
    for mechanism in MECHANISMS {
        for user in [
            ("ann", "first password"),
            ("ann", "wrong password"),
            ("nobody", "another password"),
        ] {
            sign_in(&mut server.raw(), &mut secrets, mechanism, user);
        }
    }
    for user in [
        ("ann", "first password"),
        ("ann", "wrong password"),
        ("nobody", "any password"),
    ] {
        sign_in_speculatively(&mut server.raw(), &mut secrets, user);
    }
    let updated = doc! { "updateUser": "ann", "pwd": "second password" };
    assert_eq!(admin.run("admin", updated), doc! { "ok": 1.0 });
    stored(&mut admin, &mut secrets, "ann");
    secrets.password("ann", "second password");
    // Signed in without the right to create users.
    let mut ann = server.raw();
    sign_in(
        &mut ann,
        &mut secrets,
        MECHANISMS[1],
        ("ann", "second password"),
    );
    refused_commands(&mut admin, &mut ann, &mut secrets);
    refused_commands(&mut admin, &mut server.raw(), &mut secrets);
    sign_in_in_clear(&server, &mut admin, &mut secrets);
    sign_in_by_certificate(&server, &mut admin);

    let kept = admin.run("admin", doc! { "getLog": "global" });
    secrets.check(&kept.to_string());
    let (status, log) = server.stop();
    assert!(status.success());
    // The log is the one meant.
    for event in [
        "Successfully authenticated",
        "MONGODB-X509",
        "the password is wrong",
        "Failed to authenticate",
        "User created",
        "Command finished",
    ] {
        assert!(log.contains(event), "no '{event}' in the log");
    }
    assert_eq!(log.contains("\"msg\":"), format == "json");
    secrets.check(&log);
}

#[test]
fn nothing_secret_is_logged_as_text() {
    run("text");
}

#[test]
fn nothing_secret_is_logged_as_json() {
    run("json");
}

#[test]
fn nothing_secret_is_in_the_servers_files_in_clear() {
    let all = "authenticationMechanisms=SCRAM-SHA-1,SCRAM-SHA-256,PLAIN";
    let options = Options::default().arguments(&["--setParameter", all]);
    let server = TestServer::with_admin_and(options);
    let mut admin = server.admin();
    let password = "a password on the disk";
    for (user, mechanism) in [("ann", "SCRAM-SHA-256"), ("paul", "PLAIN")] {
        let created =
            doc! { "createUser": user, "pwd": password, "roles": [], "mechanisms": [mechanism] };
        assert_eq!(admin.run("admin", created), doc! { "ok": 1.0 });
    }
    let folder = server.folder();
    server.stop();
    let mut files = Vec::new();
    let mut folders = vec![folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let list = if path.is_dir() {
                &mut folders
            } else {
                &mut files
            };
            list.push(path);
        }
    }
    let contains = |text: &str| {
        files.iter().any(|file| {
            let bytes = std::fs::read(file).unwrap();
            bytes
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        })
    };
    assert!(contains("ann"), "the user is in a file");
    for secret in [password, ADMIN.1, &password_digest("ann", password)] {
        assert!(!contains(secret));
    }
}
