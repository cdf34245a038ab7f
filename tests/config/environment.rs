//! The first administrator.

use crate::{TestFile, run_with};

const USERNAME: &str = "PORTCULLIS_INITDB_ROOT_USERNAME";
const PASSWORD_FILE: &str = "PORTCULLIS_INITDB_ROOT_PASSWORD_FILE";

fn refusal(environment: &[(&str, &str)]) -> String {
    run_with(&[], environment).map(|_| ()).unwrap_err()
}

#[test]
fn the_password_is_the_file_less_one_newline() {
    for (content, password) in [
        (&b"hunter2"[..], "hunter2"),
        (b"hunter2\n", "hunter2"),
        (b"hunter2\r\n", "hunter2"),
        (b" hunter2 \n\n", " hunter2 \n"),
    ] {
        let file = TestFile::new("password", content);
        let environment = [(USERNAME, "root"), (PASSWORD_FILE, file.path())];
        let config = run_with(&[], &environment).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
        let admin = config.first_admin.unwrap();
        assert_eq!(admin.name.to_string(), "root@admin");
        assert_eq!(admin.password.expose(), password);
    }
}

#[test]
fn half_an_administrator_is_refused() {
    assert_eq!(
        refusal(&[(USERNAME, "root")]),
        format!("environment variable {USERNAME} needs {PASSWORD_FILE} beside it")
    );
    assert_eq!(
        refusal(&[(PASSWORD_FILE, "x")]),
        format!("environment variable {PASSWORD_FILE} needs {USERNAME} beside it")
    );
}

#[test]
fn a_bad_name_or_file_is_refused() {
    let with_file = |content: &[u8]| {
        let file = TestFile::new("password", content);
        let sentence = refusal(&[(USERNAME, "root"), (PASSWORD_FILE, file.path())]);
        sentence.replace(file.path(), "FILE")
    };
    let begin = format!("environment variable {PASSWORD_FILE} names FILE, which");
    assert_eq!(with_file(b"\n"), format!("{begin} is empty"));
    assert_eq!(with_file(b""), format!("{begin} is empty"));
    assert_eq!(with_file(b"\xff"), format!("{begin} is not UTF-8"));
    let long = with_file(&[b'x'; 4097]);
    assert_eq!(long, format!("{begin} has more than 4096 bytes"));
    let missing = refusal(&[(USERNAME, "root"), (PASSWORD_FILE, "/nowhere/x")]);
    assert!(
        missing.contains("names /nowhere/x, which cannot be read"),
        "{missing}"
    );
    let file = TestFile::new("password", b"x");
    let nameless = refusal(&[(USERNAME, ""), (PASSWORD_FILE, file.path())]);
    assert!(
        nameless.contains("a user name cannot be empty"),
        "{nameless}"
    );
}

#[test]
fn a_password_in_the_environment_itself_is_refused() {
    let sentence = refusal(&[("PORTCULLIS_INITDB_ROOT_PASSWORD", "hunter2")]);
    assert!(
        sentence.contains(PASSWORD_FILE) && !sentence.contains("hunter2"),
        "{sentence}"
    );
}

#[test]
fn what_orchestrators_set_is_none_of_our_business() {
    let config = run_with(
        &[],
        &[("PORTCULLIS_PORT", "tcp://10.0.0.1:27017"), ("HOME", "/")],
    );
    assert_eq!(config.unwrap().net.port, 27017);
}
