//! Backups that break off: the server ends, the connection lies, the disk is full, the program is killed.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use bson::doc;
use tempfile::TempDir;

use crate::common::{
    OPERATOR, backup, ok, options_at, populate, program, refusal, restore, said, server,
};
use crate::support::{error_of, waiting};

/// More than a backup has before its second batch, and less than all of it.
const IN_THE_MIDDLE: usize = 6_000_000;
/// Users of 1.5 MB each.
const LARGE_USERS: usize = 9;

/// What happens to the answers of a server once so many bytes of them have passed.
enum Fault {
    /// Nothing more comes; the other end is told that it is so.
    Stuck(mpsc::Sender<()>),
    /// The connection ends.
    Cut(Box<dyn FnOnce() + Send>),
    /// One bit is another.
    Flipped,
}

/// Stands between a client and a server for one connection.
fn between(server: SocketAddr, after: usize, fault: Fault) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (client, _) = listener.accept().unwrap();
        let upstream = TcpStream::connect(server).unwrap();
        let (mut from_client, mut to_server) = (client.try_clone().unwrap(), upstream.try_clone());
        thread::spawn(move || std::io::copy(&mut from_client, to_server.as_mut().unwrap()));
        pass(upstream, client, after, fault);
    });
    port
}

fn pass(mut from: TcpStream, mut to: TcpStream, after: usize, fault: Fault) {
    let mut first = (&from).take(after as u64);
    std::io::copy(&mut first, &mut to).unwrap();
    match fault {
        Fault::Stuck(told) => {
            told.send(()).unwrap();
            // Until the client is gone.
            let _ = to.read(&mut [0]);
        }
        Fault::Cut(then) => then(),
        Fault::Flipped => {
            let mut byte = [0];
            from.read_exact(&mut byte).unwrap();
            to.write_all(&[byte[0] ^ 1]).unwrap();
            let _ = std::io::copy(&mut from, &mut to);
        }
    }
    let _ = (from.shutdown(Shutdown::Both), to.shutdown(Shutdown::Both));
}

#[test]
fn nothing_is_left_when_the_server_is_killed_in_the_middle() {
    let server = server();
    populate(&server, LARGE_USERS);
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("copy");
    let process = server.process_id().to_string();
    let kill = move || {
        let killed = Command::new("kill").args(["-KILL", &process]).status();
        assert!(killed.unwrap().success());
    };
    let port = between(server.address(), IN_THE_MIDDLE, Fault::Cut(Box::new(kill)));
    let refused = refusal(backup(port, &copy));
    assert!(
        refused.contains(&format!("cannot talk to 127.0.0.1:{port}: ")),
        "{refused}"
    );
    assert!(!copy.exists());
}

#[test]
fn a_bit_that_flips_on_the_way_is_noticed() {
    let server = server();
    populate(&server, LARGE_USERS);
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("copy");
    let port = between(server.address(), IN_THE_MIDDLE, Fault::Flipped);
    let refused = refusal(backup(port, &copy));
    let text = "what the server sent is no whole backup: the record of \"large-";
    assert!(
        refused.contains(text) && refused.contains("checksum"),
        "{refused}"
    );
    assert!(!copy.exists());
    // A folder that was there stays, empty.
    std::fs::create_dir(&copy).unwrap();
    let port = between(server.address(), IN_THE_MIDDLE, Fault::Flipped);
    refusal(backup(port, &copy));
    assert!(std::fs::read_dir(&copy).unwrap().next().is_none());
    // The server was told, so the next one need not wait.
    said(backup(server.port, &copy));
}

#[test]
fn no_server_starts_from_what_a_killed_backup_leaves() {
    let server = server();
    populate(&server, LARGE_USERS);
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("copy");
    let (told, stuck) = mpsc::channel();
    let port = between(server.address(), IN_THE_MIDDLE, Fault::Stuck(told));
    let mut child = backup(port, &copy).spawn().unwrap();
    stuck.recv().unwrap();
    // It has the first batch by now or soon.
    let begun = copy.join("catalog.redb.new");
    waiting::until("the copy is begun", || begun.exists());
    // While it lives the folder is its own.
    let refused = refusal(backup(server.port, &copy));
    assert!(refused.contains("in use by another process"), "{refused}");
    child.kill().unwrap();
    child.wait().unwrap();

    assert!(!copy.join("catalog.redb").exists());
    let fresh = options_at(&copy, Arc::new(TempDir::new().unwrap())).command();
    // A server that does start would never end.
    let mut limited = Command::new("timeout");
    limited
        .arg("60")
        .arg(fresh.get_program())
        .args(fresh.get_args());
    let refused = String::from_utf8(limited.output().unwrap().stderr).unwrap();
    assert!(
        refused.contains("catalog.redb is damaged: it is missing, but commit "),
        "{refused}"
    );
    let refused = refusal(restore(&copy, &folder.path().join("new")));
    assert!(
        refused.contains("catalog.redb is not a catalog file"),
        "{refused}"
    );
    let refused = refusal(backup(server.port, &copy));
    assert!(refused.contains("is not empty"), "{refused}");

    // Others can take a backup once the server knows that nobody reads this one.
    let at_once = doc! { "setParameter": 1, "cursorTimeoutMillis": 1 };
    ok(&mut server.admin(), "admin", at_once);
    let mut operator = server.raw();
    operator.sign_in("admin", OPERATOR, "secret").unwrap();
    loop {
        let reply = operator.run("admin", doc! { "portcullisBackup": 1 });
        if reply.get_f64("ok").unwrap() != 0.0 {
            break;
        }
        assert_eq!(error_of(&reply).0, 117, "{reply}");
    }
}

#[test]
fn a_limit_of_the_file_size_is_named_and_nothing_is_left() {
    let server = server();
    populate(&server, LARGE_USERS);
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("copy");
    // Without the signal, the write itself fails.
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 8192; exec \"$@\"", "sh"]);
    refused_by_the_disk(command, &server, &copy, "File too large");
}

/// A file system that is unmounted when this is dropped.
struct Mounted<'a>(&'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

#[test]
fn a_full_disk_is_named_and_nothing_is_left() {
    let mount_point = TempDir::new().unwrap();
    let mut mount = Command::new("mount");
    mount
        .args(["-t", "tmpfs", "-o", "size=6m", "none"])
        .arg(mount_point.path());
    if !mount.output().is_ok_and(|output| output.status.success()) {
        println!("skipped: no file system can be mounted here");
        return;
    }
    let _mounted = Mounted(mount_point.path());
    let server = server();
    populate(&server, LARGE_USERS);
    let mut command = Command::new("env");
    command.arg("--");
    let copy = mount_point.path().join("copy");
    refused_by_the_disk(command, &server, &copy, "no space left for ");
}

/// Runs a backup, below `command`, that must fail with these words.
fn refused_by_the_disk(
    mut command: Command,
    server: &crate::support::TestServer,
    copy: &Path,
    words: &str,
) {
    let plain = program();
    command.arg(plain.get_program()).arg("backup").arg(copy);
    command.args(["--host", "127.0.0.1", "--port", &server.port.to_string()]);
    crate::common::sign_in(&mut command, OPERATOR, "secret");
    command.process_group(0);
    let refused = refusal(command);
    assert!(
        refused.contains(words) && refused.contains("catalog.redb.new"),
        "{refused}"
    );
    assert!(!copy.exists());
}
