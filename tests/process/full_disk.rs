//! A full disk: nothing is written any more, everything else goes on. And one that cannot be written.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use bson::doc;

use crate::start::refusal;
use crate::support::{ADMIN, Options, TestServer, error_of};
use crate::{all_users, create_user};

/// Smallest that an empty catalog fits in with some room.
const DISK_MIB: u32 = 3;
/// What each user carries with it to fill the disk.
const CUSTOM_DATA_BYTES: usize = 64 * 1024;

/// A small file system in memory; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this process may not mount.
    fn mount(at: &Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", &format!("size={DISK_MIB}m"), "none"])
            .arg(at);
        let mounted = mount.stderr(Stdio::null()).status();
        mounted
            .is_ok_and(|status| status.success())
            .then(|| Self(at.to_owned()))
    }

    fn remount(&self, options: &str) {
        let mut mount = Command::new("mount");
        mount
            .args(["-o", &format!("remount,{options}")])
            .arg(&self.0);
        assert!(mount.status().unwrap().success());
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_refuses_writes_and_nothing_else() {
    let mount_point = tempfile::tempdir().unwrap();
    let Some(_disk) = SmallDisk::mount(mount_point.path()) else {
        println!("skipped: no file system can be mounted here");
        return;
    };
    let folder = Arc::new(tempfile::tempdir_in(mount_point.path()).unwrap());
    let server = TestServer::with_admin_and(Options::in_folder(Arc::clone(&folder)));
    let mut admin = server.admin();
    let filler = fill(mount_point.path());
    let (acknowledged, refusal) = create_until_refused(&server);
    assert_eq!(error_of(&refusal).0, 14031, "{refusal}");
    assert_eq!(refusal.get_str("codeName").unwrap(), "OutOfDiskSpace");
    let text = "the write failed, and whether the change is kept shows after a restart";
    assert_eq!(error_of(&refusal).1, text);
    assert!(
        !refusal.to_string().contains("catalog.redb"),
        "paths are for the log: {refusal}"
    );

    // Reads and sign-ins go on, on old and new connections.
    assert_eq!(all_users(&mut admin).len(), acknowledged.len() + 1);
    server.admin();
    if let Some(user) = acknowledged.first() {
        server.raw().sign_in("products", user, "secret").unwrap();
    }
    error_of(&admin.run("products", doc! { "dropUser": "user-0" }));
    let shown = admin.run("products", doc! { "usersInfo": "refused" });
    assert!(shown.get_array("users").unwrap().is_empty());

    // With room again, a restart is enough.
    fs::remove_file(filler).unwrap();
    drop(admin);
    assert!(server.stop().0.success());
    let server = Options::in_folder(Arc::clone(&folder)).start();
    let mut admin = server.raw();
    admin.sign_in("admin", ADMIN.0, ADMIN.1).unwrap();
    let ids = all_users(&mut admin).len();
    assert!(
        ids > acknowledged.len(),
        "{ids} of {}",
        acknowledged.len() + 1
    );
    for user in &acknowledged {
        server.raw().sign_in("products", user, "secret").unwrap();
    }
    assert_eq!(
        admin.run("products", create_user("afterwards")),
        doc! { "ok": 1.0 }
    );
    drop(server);
}

#[test]
fn a_read_only_disk_keeps_the_server_from_starting() {
    let mount_point = tempfile::tempdir().unwrap();
    let Some(disk) = SmallDisk::mount(mount_point.path()) else {
        println!("skipped: no file system can be mounted here");
        return;
    };
    let folder = Arc::new(tempfile::tempdir_in(mount_point.path()).unwrap());
    let server = TestServer::with_admin_and(Options::in_folder(Arc::clone(&folder)));
    assert!(server.stop().0.success());
    disk.remount("ro");
    let options = Options::in_folder(Arc::clone(&folder));
    let line = refusal(&options);
    assert!(line.contains("Read-only file system"), "{line}");
    assert!(
        line.contains(&options.data().display().to_string()),
        "{line}"
    );
    disk.remount("rw");
    Options::in_folder(folder).start().admin();
}

/// Leaves no room on the disk.
fn fill(disk: &Path) -> PathBuf {
    let path = disk.join("filler");
    let mut file = File::create(&path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    path
}

/// Creates users until one is refused: the others' names, and the refusal.
fn create_until_refused(server: &TestServer) -> (Vec<String>, bson::Document) {
    let mut admin = server.admin();
    let mut acknowledged = Vec::new();
    loop {
        let name = format!("user-{}", acknowledged.len());
        let mut command = create_user(&name);
        command.insert(
            "customData",
            doc! { "filling": "x".repeat(CUSTOM_DATA_BYTES) },
        );
        let reply = admin.run("products", command);
        if reply != (doc! { "ok": 1.0 }) {
            return (acknowledged, reply);
        }
        acknowledged.push(name);
        assert!(acknowledged.len() < 1000, "the disk does not get full");
    }
}
