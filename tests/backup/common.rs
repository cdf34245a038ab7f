//! Running `portcullis backup` and `portcullis restore`, and comparing what servers have.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use bson::{Document, doc};
use tempfile::TempDir;

use crate::support::{ADMIN, Options, RawClient, TestServer, checked};

/// Fewer rounds than the default: what is tested here does not depend on them.
pub const QUICK: [&str; 4] = [
    "--setParameter",
    "scramIterationCount=5000",
    "--setParameter",
    "scramSHA256IterationCount=5000",
];
/// Who may take backups and nothing else; the password is `secret`.
pub const OPERATOR: &str = "operator";

/// A server with an administrator, [`OPERATOR`], and somebody without a role.
pub fn server_with(options: Options) -> TestServer {
    let server = TestServer::with_admin_and(options.arguments(&QUICK));
    let mut admin = server.admin();
    for (user, roles) in [(OPERATOR, vec!["backup"]), ("nobody", vec![])] {
        let create = doc! { "createUser": user, "pwd": "secret", "roles": roles };
        ok(&mut admin, "admin", create);
    }
    server
}

pub fn server() -> TestServer {
    server_with(Options::default())
}

pub fn ok(client: &mut RawClient, db: &str, command: Document) -> Document {
    checked(client.run(db, command)).unwrap()
}

/// `portcullis backup` without saying of what.
pub fn backup_into(folder: &Path) -> Command {
    let mut command = program();
    command.arg("backup").arg(folder);
    command
}

/// `portcullis backup` of what listens on this port, by a user of `admin` whose password is this.
pub fn backup_as(port: u16, folder: &Path, (user, password): (&str, &str)) -> Command {
    let mut command = backup_into(folder);
    command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
    sign_in(&mut command, user, password);
    command
}

/// Names the user. The password is read from a pipe.
pub fn sign_in(command: &mut Command, user: &str, password: &str) {
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer
        .write_all(format!("{password}\n").as_bytes())
        .unwrap();
    command.args(["--username", user, "--passwordFile", "/dev/stdin"]);
    command.stdin(reader);
}

/// The same by [`OPERATOR`].
pub fn backup(port: u16, folder: &Path) -> Command {
    backup_as(port, folder, (OPERATOR, "secret"))
}

pub fn restore(from: &Path, to: &Path) -> Command {
    let mut command = program();
    command.arg("restore").arg(from).arg("--dbpath").arg(to);
    command
}

/// The program, silent.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What a command that must succeed says.
pub fn said(mut command: Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(status.success(), "{status}: {stderr}");
    assert_eq!(stderr, "");
    String::from_utf8(stdout).unwrap()
}

/// The one sentence of a command that must fail.
pub fn refusal(mut command: Command) -> String {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let stderr = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert_eq!(String::from_utf8(stdout).unwrap(), "");
    assert!(stderr.starts_with("portcullis: "), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr
}

/// A server that has this folder as its data.
pub fn start_at(data: &Path) -> TestServer {
    let folder = Arc::new(TempDir::new().unwrap());
    options_at(data, folder).start()
}

pub fn options_at(data: &Path, folder: Arc<TempDir>) -> Options {
    let path = format!("--dbpath={}", data.display());
    Options::in_folder(folder).argument(path).arguments(&QUICK)
}

/// Everything a server tells of users and roles, keys included, each in the order of its id.
pub fn content(server: &TestServer) -> Vec<Document> {
    let mut admin = server.raw();
    admin.sign_in("admin", ADMIN.0, ADMIN.1).unwrap();
    let users = doc! {
        "usersInfo": { "forAllDBs": true }, "showCredentials": true, "showCustomData": true,
    };
    let mut content = documents(&ok(&mut admin, "admin", users), "users");
    for db in ["admin", "shop", "other"] {
        let roles = doc! {
            "rolesInfo": 1, "showPrivileges": true, "showAuthenticationRestrictions": true,
        };
        content.extend(documents(&ok(&mut admin, db, roles), "roles"));
    }
    content
}

fn documents(reply: &Document, field: &str) -> Vec<Document> {
    let documents = reply.get_array(field).unwrap().iter();
    let mut documents: Vec<_> = documents
        .map(|one| one.as_document().unwrap().clone())
        .collect();
    documents.sort_by_key(|one| one.get_str("_id").unwrap().to_owned());
    documents
}

/// Gives a server users of every kind, roles with everything, and enough of them for several batches.
pub fn populate(server: &TestServer, large_users: usize) {
    let mut admin = server.admin();
    let role = doc! {
        "createRole": "clerk",
        "privileges": [
            { "resource": { "db": "shop", "collection": "orders" }, "actions": ["find", "insert"] },
        ],
        "roles": ["read", { "role": "read", "db": "other" }],
        "authenticationRestrictions": [{ "clientSource": ["127.0.0.0/8"] }],
    };
    ok(&mut admin, "admin", role);
    ok(
        &mut admin,
        "shop",
        doc! { "createRole": "empty", "privileges": [], "roles": [] },
    );
    let user = doc! {
        "createUser": "ann", "pwd": "ann's", "roles": [{ "role": "clerk", "db": "admin" }],
        "customData": { "nested": { "list": [1, "two", 3.0] } },
        "authenticationRestrictions": [{ "clientSource": ["127.0.0.1"] }],
    };
    ok(&mut admin, "shop", user);
    let external = doc! { "createUser": "CN=ann,O=x", "roles": ["read"] };
    let _ = checked(admin.run("$external", external));
    for index in 0..large_users {
        let large = doc! {
            "createUser": format!("large-{index}"), "pwd": "secret", "roles": ["read"],
            "mechanisms": ["SCRAM-SHA-256"],
            "customData": { "filling": "x".repeat(1_500_000) },
        };
        ok(&mut admin, "other", large);
    }
}
