//! A backup is what the server was after one commit, and a server starts from it.

use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use bson::{Document, doc};
use tempfile::TempDir;

use crate::common::{
    QUICK, backup, backup_as, backup_into, content, ok, options_at, populate, refusal, said,
    server, server_with, sign_in, start_at,
};
use crate::support::scram_client::{Exchange, MECHANISMS, payload};
use crate::support::tls_client::{TlsClient, certificate_file, tls_arguments};
use crate::support::{ADMIN, Options, RawClient, TestServer, checked, waiting};

#[test]
fn a_server_starts_from_a_backup_and_is_the_same() {
    let server = server();
    populate(&server, 9);
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("copy");
    let told = said(backup(server.port, &copy));
    let wanted = format!(
        "Copied into {}: 13 users and 2 roles, as of commit ",
        copy.display()
    );
    assert!(told.starts_with(&wanted), "{told}");

    let restored = start_at(&copy);
    assert_eq!(content(&restored), content(&server));
    for mechanism in MECHANISMS {
        let mut ann = restored.raw();
        ann.sign_in_by(mechanism, "shop", "ann", "ann's").unwrap();
        let refused = restored.raw().sign_in_by(mechanism, "shop", "ann", "bob's");
        assert_eq!(refused.unwrap_err().get_i32("code").unwrap(), 18);
    }
    restored
        .raw()
        .sign_in("other", "large-7", "secret")
        .unwrap();
    // The secret of the deployment is the same, so strangers meet the same salts.
    assert_eq!(salt_of_a_stranger(&restored), salt_of_a_stranger(&server));
    // It goes on from there.
    let mut admin = restored.admin();
    ok(&mut admin, "shop", doc! { "dropUser": "ann" });
    assert_ne!(content(&restored), content(&server));
}

fn salt_of_a_stranger(server: &TestServer) -> String {
    let exchange = Exchange::new(MECHANISMS[1], "who is this", "secret");
    let started = server
        .raw()
        .sasl_start("shop", MECHANISMS[1], &exchange.first());
    let first = payload(&checked(started).unwrap());
    first.split(',').nth(1).unwrap().to_owned()
}

#[test]
fn nobody_else_can_read_a_backup() {
    let server = server();
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("deep/er/copy");
    said(backup(server.port, &copy));
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&copy) & 0o777, 0o700);
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(&copy).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()) & 0o777, 0o600, "{entry:?}");
        names.insert(entry.file_name().into_string().unwrap());
    }
    let wanted = ["catalog.redb", "catalog.sequence", "portcullis.lock"];
    assert_eq!(names, wanted.map(str::to_owned).into());
}

#[test]
fn an_empty_folder_will_do() {
    let server = server();
    let folder = TempDir::new().unwrap();
    said(backup(server.port, folder.path()));
    assert_eq!(content(&start_at(folder.path())), content(&server));
}

#[test]
fn a_server_in_memory_can_be_kept_by_a_backup() {
    let server =
        server_with(Options::default().arguments(&["--storageEngine", "ephemeralForTest"]));
    populate(&server, 0);
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("copy");
    said(backup(server.port, &copy));
    assert_eq!(content(&start_at(&copy)), content(&server));
}

#[test]
fn over_a_unix_socket_and_without_authorization() {
    let folder = TempDir::new().unwrap();
    let server = server_with(Options::default().unix_socket());
    let socket = server
        .folder()
        .path()
        .join(format!("mongodb-{}.sock", server.port));
    let mut command = backup_into(&folder.path().join("one"));
    command.arg("--host").arg(socket);
    sign_in(&mut command, ADMIN.0, ADMIN.1);
    said(command);

    let (data, _kept) = (server.data(), server.folder());
    assert!(server.stop().0.success());
    let open = options_at(&data, Arc::new(TempDir::new().unwrap()));
    let open = open.argument("--noauth").start();
    let mut command = backup_into(&folder.path().join("two"));
    command.args(["--host", "127.0.0.1", "--port", &open.port.to_string()]);
    said(command);
    drop(open);
    let copies = ["one", "two"].map(|name| content(&start_at(&folder.path().join(name))));
    assert_eq!(copies[0], copies[1]);
}

#[test]
fn over_tls_to_a_server_that_can_be_trusted() {
    let mut options = Options::default();
    for argument in tls_arguments("requireTLS") {
        options = options.argument(argument);
    }
    let folder = TempDir::new().unwrap();
    let server = options.arguments(&QUICK).start();
    let admin = doc! { "createUser": ADMIN.0, "pwd": ADMIN.1, "roles": ["root"] };
    ok(&mut TlsClient::with("client").raw(&server), "admin", admin);
    let with = |ca: &str, client: Option<&str>, name: &str| {
        let mut command = backup_as(server.port, &folder.path().join(name), ADMIN);
        command
            .arg("--tls")
            .arg("--tlsCAFile")
            .arg(certificate_file(ca));
        if let Some(client) = client {
            command
                .arg("--tlsCertificateKeyFile")
                .arg(certificate_file(client));
        }
        command
    };
    said(with("ca", Some("client"), "copy"));
    let refused = refusal(with("other-ca", Some("client"), "untrusted"));
    assert!(refused.contains("certificate"), "{refused}");
    let refused = refusal(with("ca", None, "strange"));
    assert!(refused.contains("cannot talk to 127.0.0.1:"), "{refused}");
    // In clear the server does not listen.
    let plain = backup_as(server.port, &folder.path().join("plain"), ADMIN);
    refusal(plain);
    let names: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["copy"]);
}

/// Users that one writer keeps at a time: it drops the oldest when it makes a new one.
const KEPT: usize = 3;

/// One connection that makes and drops users, one after the other.
struct Load {
    writer: usize,
    acknowledged: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
}

impl Load {
    fn name(writer: usize, index: usize) -> String {
        format!("w{writer}-{index}")
    }

    /// The command after this many; every other one drops.
    fn command(writer: usize, done: usize) -> Document {
        let index = done / 2;
        if done % 2 == 1 && index >= KEPT {
            return doc! { "dropUser": Self::name(writer, index - KEPT) };
        }
        if done % 2 == 1 {
            return doc! { "ping": 1 };
        }
        doc! {
            "createUser": Self::name(writer, index), "roles": ["read"],
            "pwd": "secret", "mechanisms": ["SCRAM-SHA-1"],
        }
    }

    /// Whose users there are after this many commands.
    fn state(writer: usize, done: usize) -> BTreeSet<String> {
        let made = done.div_ceil(2);
        let dropped = (done / 2).saturating_sub(KEPT);
        (dropped..made)
            .map(|index| Self::name(writer, index))
            .collect()
    }

    fn run(self, mut admin: RawClient) {
        while !self.stop.load(Ordering::SeqCst) {
            let done = self.acknowledged.load(Ordering::SeqCst);
            ok(&mut admin, "shop", Self::command(self.writer, done));
            self.acknowledged.fetch_add(1, Ordering::SeqCst);
        }
    }
}

#[test]
fn a_backup_under_load_is_one_moment_after_all_that_was_acknowledged() {
    const WRITERS: usize = 3;
    let server = server();
    populate(&server, 4);
    let stop = Arc::new(AtomicBool::new(false));
    let counters: Vec<_> = (0..WRITERS)
        .map(|_| Arc::new(AtomicUsize::new(0)))
        .collect();
    let threads: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let load = Load {
                writer,
                acknowledged: Arc::clone(&counters[writer]),
                stop: Arc::clone(&stop),
            };
            let admin = server.admin();
            thread::spawn(move || load.run(admin))
        })
        .collect();
    let acknowledged = || -> Vec<usize> {
        let loads = counters
            .iter()
            .map(|counter| counter.load(Ordering::SeqCst));
        loads.collect()
    };
    let folder = TempDir::new().unwrap();
    let mut copies = Vec::new();
    for round in 0..5 {
        waiting::until("every writer has written more", || {
            acknowledged().iter().all(|done| *done >= 20 * (round + 1))
        });
        let before = acknowledged();
        let copy = folder.path().join(round.to_string());
        said(backup(server.port, &copy));
        copies.push((copy, before, acknowledged()));
    }
    stop.store(true, Ordering::SeqCst);
    for thread in threads {
        thread.join().unwrap();
    }
    for (copy, before, after) in copies {
        let restored = start_at(&copy);
        let users: BTreeSet<_> = content(&restored)
            .iter()
            .filter_map(|user| user.get_str("user").ok().map(str::to_owned))
            .collect();
        for writer in 0..WRITERS {
            let own = |name: &&String| name.starts_with(&format!("w{writer}-"));
            let found: BTreeSet<_> = users.iter().filter(own).cloned().collect();
            // One more may have been under way when the backup ended.
            let mut possible = (before[writer]..=after[writer] + 1).rev();
            let matches = |done: usize| Load::state(writer, done) == found;
            assert!(
                possible.any(matches),
                "{copy:?}: {found:?} of {before:?} to {after:?}"
            );
            if let Some(user) = found.first() {
                let mut client = restored.raw();
                client
                    .sign_in_by(MECHANISMS[0], "shop", user, "secret")
                    .unwrap();
            }
        }
    }
}
