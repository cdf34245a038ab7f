//! `portcullisBackup` itself: whose it is, how many there are, what is audited, who might read along.

use bson::{Document, doc};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{OPERATOR, ok, populate, server, server_with};
use crate::support::{ADMIN, Options, RawClient, TestServer, error_of};

const COLLECTION: &str = "$cmd.portcullisBackup";

fn operator(server: &TestServer) -> RawClient {
    let mut client = server.raw();
    client.sign_in("admin", OPERATOR, "secret").unwrap();
    client
}

fn open(client: &mut RawClient) -> i64 {
    let reply = ok(client, "admin", doc! { "portcullisBackup": 1 });
    let cursor = reply.get_document("cursor").unwrap();
    assert_eq!(cursor.get_str("ns").unwrap(), format!("admin.{COLLECTION}"));
    assert!(cursor.get_array("firstBatch").unwrap().is_empty());
    cursor.get_i64("id").unwrap()
}

fn more(id: i64) -> Document {
    doc! { "getMore": id, "collection": COLLECTION, "batchSize": 1 }
}

fn read_to_the_end(client: &mut RawClient, id: i64) -> Vec<u8> {
    let mut stream = Vec::new();
    loop {
        let reply = ok(client, "admin", more(id));
        let cursor = reply.get_document("cursor").unwrap();
        for piece in cursor.get_array("nextBatch").unwrap() {
            let piece = piece.as_document().unwrap();
            stream.extend_from_slice(piece.get_binary_generic("data").unwrap());
        }
        if cursor.get_i64("id").unwrap() == 0 {
            return stream;
        }
    }
}

#[test]
fn one_backup_at_a_time() {
    let server = server();
    populate(&server, 2);
    let mut operator = operator(&server);
    let first = open(&mut operator);
    let mut admin = server.admin();
    let is_open = |admin: &mut RawClient| {
        let status = ok(admin, "admin", doc! { "serverStatus": 1 });
        let engine = status.get_document("storageEngine").unwrap();
        engine.get_bool("backupCursorOpen").unwrap()
    };
    assert!(is_open(&mut admin));
    let second = admin.run("admin", doc! { "portcullisBackup": 1 });
    let text = "Another backup is under way; one that nobody reads from ends after 60 seconds";
    assert_eq!(error_of(&second), (117, text.to_owned()));
    assert_eq!(
        second.get_str("codeName").unwrap(),
        "ConflictingOperationInProgress"
    );

    // One that is read to its end makes place for the next, and so does one that is closed.
    let stream = read_to_the_end(&mut operator, first);
    assert!(stream.starts_with(b"PCBACKUP"));
    assert!(!is_open(&mut admin));
    let second = open(&mut operator);
    let kill = doc! { "killCursors": COLLECTION, "cursors": [second] };
    ok(&mut operator, "admin", kill);
    let third = open(&mut admin);
    // Without a change in between it is the same to the byte.
    assert!(read_to_the_end(&mut admin, third) == stream);
}

#[test]
fn a_backup_belongs_to_who_opened_it_as_long_as_the_role_is_kept() {
    let server = server();
    populate(&server, 2);
    let mut admin = server.admin();
    let mut operator = operator(&server);
    let id = open(&mut operator);
    let (code, text) = error_of(&admin.run("admin", more(id)));
    assert_eq!(code, 13);
    assert_eq!(
        text,
        format!("cursor id {id} was not created by the authenticated user")
    );
    ok(&mut operator, "admin", more(id));
    let revoke = doc! { "revokeRolesFromUser": OPERATOR, "roles": ["backup"] };
    ok(&mut admin, "admin", revoke);
    let (code, text) = error_of(&operator.run("admin", more(id)));
    assert_eq!(code, 13);
    assert_eq!(
        text,
        format!("not authorized for getMore with cursor id {id}")
    );
}

#[test]
fn a_role_of_ones_own_will_do() {
    let server = server();
    let mut admin = server.admin();
    let find = |collection: &str| {
        doc! { "resource": { "db": "admin", "collection": collection }, "actions": ["find"] }
    };
    let note = doc! { "resource": { "cluster": true }, "actions": ["appendOplogNote"] };
    let needs = [
        find("system.users"),
        find("system.roles"),
        find("system.version"),
        note,
    ];
    for left_out in 0..=needs.len() {
        let mut privileges = needs.to_vec();
        if left_out < needs.len() {
            privileges.remove(left_out);
        }
        let role = format!("copier-{left_out}");
        let create = doc! { "createRole": &role, "privileges": privileges, "roles": [] };
        ok(&mut admin, "admin", create);
        let user = doc! { "createUser": &role, "pwd": "secret", "roles": [&role] };
        ok(&mut admin, "admin", user);
        let mut client = server.raw();
        client.sign_in("admin", &role, "secret").unwrap();
        let reply = client.run("admin", doc! { "portcullisBackup": 1 });
        let is_allowed = reply.get_i32("code").ok() != Some(13);
        assert_eq!(is_allowed, left_out == needs.len(), "{left_out}: {reply}");
    }
}

#[test]
fn each_backup_is_audited() {
    let folder = TempDir::new().unwrap();
    let log = folder.path().join("audit.log");
    let options = Options::default()
        .arguments(&["--auditDestination", "file", "--auditPath"])
        .argument(log.to_str().unwrap());
    let server = server_with(options);
    let mut operator = operator(&server);
    open(&mut operator);
    error_of(&operator.run("admin", doc! { "portcullisBackup": 1 }));
    let mut nobody = server.raw();
    nobody.sign_in("admin", "nobody", "secret").unwrap();
    error_of(&nobody.run("admin", doc! { "portcullisBackup": 1 }));
    let text = std::fs::read_to_string(&log).unwrap();
    let events = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let found: Vec<_> = events
        .filter(|event| event["atype"] == "portcullisBackup" || event["atype"] == "authCheck")
        .map(|event| {
            let user = event["users"][0]["user"].as_str().unwrap().to_owned();
            (
                event["atype"].as_str().unwrap().to_owned(),
                user,
                event["result"].clone(),
            )
        })
        .collect();
    let event = |atype: &str, user: &str, result: i32| (atype.into(), user.into(), result.into());
    let wanted: Vec<(String, String, Value)> = vec![
        event("portcullisBackup", OPERATOR, 0),
        event("portcullisBackup", OPERATOR, 117),
        event("authCheck", "nobody", 13),
    ];
    assert_eq!(found, wanted);
    // It has all of its log out when it has ended.
    let (_, logs) = server.stop();
    assert!(logs.contains("Backup begun"), "{logs}");
}

/// A PROXY header of version 2 that says the client is 192.0.2.7.
const ELSEWHERE: [u8; 28] =
    *b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\xc6\x33\x64\x01\xc3\x50\x69\x89";

fn from_elsewhere(server: &TestServer) -> RawClient {
    let mut client = server.raw_between("127.0.0.2", "127.0.0.1");
    client.send_bytes(&ELSEWHERE);
    client.sign_in("admin", ADMIN.0, ADMIN.1).unwrap();
    client
}

#[test]
fn nobody_on_the_way_may_read_it() {
    let proxied = || Options::default().argument("--proxyProtocolTrustedPeers=127.0.0.2");
    let server = server_with(proxied());
    let mut client = from_elsewhere(&server);
    let text = "A backup holds the keys of all users and needs a TLS connection, or a client on the \
                same machine";
    let refused = client.run("admin", doc! { "portcullisBackup": 1 });
    assert_eq!(error_of(&refused), (20, text.to_owned()));
    assert_eq!(refused.get_str("codeName").unwrap(), "IllegalOperation");
    // Not either where it was opened by the same user on this machine.
    let mut admin = server.admin();
    let id = open(&mut admin);
    assert_eq!(
        error_of(&client.run("admin", more(id))),
        (20, text.to_owned())
    );
    read_to_the_end(&mut admin, id);

    let allowed = ["--setParameter", "allowBackupWithoutTLS=true"];
    let server = server_with(proxied().arguments(&allowed));
    let mut client = from_elsewhere(&server);
    let id = open(&mut client);
    read_to_the_end(&mut client, id);
}
