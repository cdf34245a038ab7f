//! The first administrator, as the environment names it.

use std::path::PathBuf;
use std::sync::Arc;

use bson::doc;
use tempfile::TempDir;

use crate::common::ok;
use crate::support::{Options, error_of};

const USERNAME: &str = "PORTCULLIS_INITDB_ROOT_USERNAME";
const PASSWORD_FILE: &str = "PORTCULLIS_INITDB_ROOT_PASSWORD_FILE";

fn password_file(folder: &Arc<TempDir>, password: &str) -> PathBuf {
    let path = folder.path().join("password");
    std::fs::write(&path, password).unwrap();
    path
}

fn options(folder: &Arc<TempDir>, user: &str, password: &str) -> Options {
    let file = password_file(folder, password);
    Options::in_folder(Arc::clone(folder))
        .environment(USERNAME, user)
        .environment(PASSWORD_FILE, file.to_str().unwrap())
}

fn folder() -> Arc<TempDir> {
    Arc::new(tempfile::tempdir().unwrap())
}

#[test]
fn it_is_made_at_the_first_start_and_left_alone_later() {
    let folder = folder();
    let server = options(&folder, "root", "first\n").start();
    let mut root = server.raw();
    root.sign_in("admin", "root", "first").unwrap();
    let status = root.run("admin", doc! { "connectionStatus": 1 });
    let roles = status
        .get_document("authInfo")
        .unwrap()
        .get_array("authenticatedUserRoles");
    assert_eq!(
        roles.unwrap(),
        &vec![doc! { "role": "root", "db": "admin" }.into()]
    );
    for mechanism in crate::support::scram_client::MECHANISMS {
        server
            .raw()
            .sign_in_by(mechanism, "admin", "root", "first")
            .unwrap();
    }
    // There is somebody, so there is no localhost exception.
    let create = doc! { "createUser": "a", "pwd": "x", "roles": [] };
    assert_eq!(error_of(&server.raw().run("admin", create)).0, 13);
    ok(
        &mut root,
        "admin",
        doc! { "updateUser": "root", "pwd": "changed" },
    );
    server.stop();

    let server = options(&folder, "root", "second").start();
    server.raw().sign_in("admin", "root", "changed").unwrap();
    for password in ["first", "second"] {
        let refused = server.raw().sign_in("admin", "root", password).unwrap_err();
        assert_eq!(error_of(&refused).0, 18);
    }
    server.stop();

    let server = options(&folder, "another", "third").start();
    let refused = server
        .raw()
        .sign_in("admin", "another", "third")
        .unwrap_err();
    assert_eq!(
        error_of(&refused).0,
        18,
        "there is an administrator already"
    );
}

#[test]
fn the_password_is_the_file_without_its_last_line_feed() {
    for (content, password) in [
        ("a b \n", "a b "),
        ("a\r\n", "a"),
        ("a", "a"),
        ("\u{e9}", "\u{e9}"),
    ] {
        let server = options(&folder(), "root", content).start();
        let mut client = server.raw();
        client
            .sign_in_by("SCRAM-SHA-1", "admin", "root", password)
            .unwrap();
        let (_, logs) = server.stop();
        assert!(logs.contains("First administrator created"), "{logs}");
    }
}

#[test]
fn a_server_without_a_usable_password_does_not_start() {
    let refused = |options: Options| {
        let output = options.command().output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    for content in ["", "\n", "\r\n"] {
        let text = refused(options(&folder(), "root", content));
        assert!(
            text.contains(PASSWORD_FILE) && text.contains("empty"),
            "{text}"
        );
    }
    let text = refused(options(&folder(), "", "secret word"));
    assert!(
        text.contains(USERNAME) && !text.contains("secret word"),
        "{text}"
    );
    let text = refused(Options::default().environment(USERNAME, "root"));
    assert!(text.contains(PASSWORD_FILE), "{text}");
    let text = refused(Options::default().environment(PASSWORD_FILE, "/dev/null"));
    assert!(text.contains(USERNAME), "{text}");
    let missing = Options::default()
        .environment(USERNAME, "root")
        .environment(PASSWORD_FILE, "/nonexistent/password");
    assert!(refused(missing).contains("/nonexistent/password"));
    let misspelt = Options::default().environment("PORTCULLIS_INITDB_ROOT_PASSWORD", "secret word");
    let text = refused(misspelt);
    assert!(
        text.contains(PASSWORD_FILE) && !text.contains("secret word"),
        "{text}"
    );
    // A password that cannot be prepared is found out before anything is written.
    let folder = folder();
    let text = refused(options(&folder, "root", "bell\u{7}"));
    assert!(!text.contains("bell\u{7}"), "{text}");
    let server = options(&folder, "root", "good").start();
    server.raw().sign_in("admin", "root", "good").unwrap();
}
