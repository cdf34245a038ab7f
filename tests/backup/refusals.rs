//! Who gets no backup, and where none is put.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use crate::common::{backup, backup_as, backup_into, program, refusal, restore, said, server};

/// Nothing may be left of a copy that failed.
fn is_gone(copy: &Path) {
    assert!(!copy.exists(), "{}", copy.display());
}

#[test]
fn only_who_may_gets_a_backup() {
    let server = server();
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("copy");
    let refused = refusal(backup_as(server.port, &copy, ("nobody", "secret")));
    let text = "the server refuses portcullisBackup: not authorized on admin to execute command";
    assert!(
        refused.contains(text) && refused.contains("(13)"),
        "{refused}"
    );
    for (user, password) in [("operator", "wrong"), ("stranger", "secret")] {
        let refused = refusal(backup_as(server.port, &copy, (user, password)));
        let text = "the server refuses saslContinue: Authentication failed. (18)";
        assert!(refused.contains(text), "{refused}");
    }
    let mut anonymous = backup_into(&copy);
    anonymous.args(["--host", "127.0.0.1", "--port", &server.port.to_string()]);
    let refused = refusal(anonymous);
    assert!(
        refused.contains("requires authentication (13)"),
        "{refused}"
    );
    is_gone(&copy);
    said(backup(server.port, &copy));
}

#[test]
fn a_folder_with_anything_in_it_stays_as_it_is() {
    let server = server();
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("letter"), "dear").unwrap();
    let refused = refusal(backup(server.port, folder.path()));
    assert!(refused.contains("is not empty"), "{refused}");
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(names.len(), 1);
    let refused = refusal(backup(server.port, &server.data()));
    assert!(
        refused.contains("is in use by another process"),
        "{refused}"
    );
    let refused = refusal(backup(server.port, &folder.path().join("letter")));
    assert!(refused.contains("letter"), "{refused}");
    // What did not come to it left no backup open behind.
    said(backup(server.port, &folder.path().join("copy")));
}

#[test]
fn a_folder_that_others_may_write_in_is_refused() {
    let server = server();
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("copy");
    said(backup(server.port, &copy));
    let open = folder.path().join("open");
    std::fs::create_dir(&open).unwrap();
    for (mode, is_refused) in [(0o720, true), (0o1777, true), (0o755, false)] {
        std::fs::set_permissions(&open, Permissions::from_mode(mode)).unwrap();
        if is_refused {
            let text = format!("its mode {mode:o} lets others than its owner write in it");
            for command in [backup(server.port, &open), restore(&copy, &open)] {
                let refused = refusal(command);
                assert!(refused.contains(&text), "{refused}");
                assert!(std::fs::read_dir(&open).unwrap().next().is_none());
            }
        } else {
            said(restore(&copy, &open));
        }
    }
}

#[test]
fn nobody_listens() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let number = port.local_addr().unwrap().port();
    drop(port);
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("copy");
    let refused = refusal(backup(number, &copy));
    assert!(
        refused.contains(&format!("cannot talk to 127.0.0.1:{number}: ")),
        "{refused}"
    );
    is_gone(&copy);
}

#[test]
fn command_lines_that_mean_nothing() {
    let said_of = |arguments: &[&str]| {
        let mut command = program();
        command.args(arguments);
        refusal(command)
    };
    for (arguments, part) in [
        (&["backup"][..], "FOLDER is missing"),
        (&["restore", "x"], "--dbpath is missing"),
        (
            &["backup", "x", "--dbpath", "y"],
            "unknown option '--dbpath'",
        ),
        (
            &["backup", "x", "--password", "y"],
            "did you mean '--passwordFile'?",
        ),
        (
            &["backup", "x", "--username", "y"],
            "--passwordFile is missing",
        ),
        (
            &["backup", "x", "--passwordFile", "y"],
            "expected --username beside it",
        ),
        (&["backup", "x", "--tls"], "--tlsCAFile is missing"),
        (
            &["backup", "x", "--tlsCAFile", "y"],
            "expected --tls beside it",
        ),
        (
            &["backup", "x", "--port", "0"],
            "expected an integer from 1 to 65535",
        ),
        (
            &["backup", "x", "--port", "1", "--port", "2"],
            "'--port' on the command line is given twice",
        ),
        (
            &[
                "backup",
                "x",
                "--username",
                "y",
                "--passwordFile",
                "/nowhere",
            ],
            "it cannot be read",
        ),
        (
            &["backup", "x", "--username", "", "--passwordFile", "y"],
            "expected a name",
        ),
        (&["backup", "x", "y"], "'y'"),
    ] {
        let refused = said_of(arguments);
        assert!(refused.contains(part), "{arguments:?}: {refused}");
    }
    let mut help = program();
    help.args(["restore", "--help"]);
    assert!(said(help).contains("--dbpath <FOLDER>"));
}
