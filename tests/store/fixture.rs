//! Files of format version 1 open for ever. `fixtures/journal/v1/README.md` says what is in this one.

use std::fs;
use std::path::PathBuf;

use portcullis::model::names::{DbName, UserName};
use portcullis::model::user::{Credentials, User};
use portcullis::secret::Secret;
use portcullis::store::{Change, RedbStore, Sequence, Setting, Store};
use tempfile::TempDir;

use crate::support::{State, concern, full_user, keep, put_role, put_user, role, state_of, user};

fn fixture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/journal/v1/catalog.redb")
}

/// The commits the file was made by.
fn batches() -> Vec<Vec<Change>> {
    let external = User {
        name: UserName::new("CN=ann,O=example", DbName::EXTERNAL).unwrap(),
        credentials: Credentials::External,
        ..user("x", 7)
    };
    let dropped = user("dropped", 1);
    vec![
        vec![Change::PutSetting(Setting::DeploymentSecret(Secret::new(
            [42; 32],
        )))],
        vec![
            Change::PutSetting(Setting::AuthSchema),
            put_role(role("reader")),
            put_user(full_user("\u{e9}va")),
            put_user(dropped.clone()),
        ],
        vec![put_user(external), Change::DropUser(dropped.name)],
        vec![concern("majority")],
    ]
}

#[test]
fn version_1_opens_and_has_what_was_put_in() {
    let folder = TempDir::new().unwrap();
    fs::copy(fixture(), folder.path().join("catalog.redb")).unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    let mut wanted = State::new();
    for change in batches().iter().flatten() {
        keep(&mut wanted, change);
    }
    assert_eq!(state_of(&store), (wanted, Sequence(4)));
    assert_eq!(store.commit(&[concern("1")]), Ok(Sequence(5)));
}

/// Makes the file. Only for a new format version: the file of an old one is never made again.
#[test]
#[ignore = "writes into fixtures"]
fn make_version_1() {
    assert!(!fixture().exists(), "a fixture is never replaced");
    let folder = TempDir::new().unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    for batch in batches() {
        store.commit(&batch).unwrap();
    }
    drop(store);
    fs::create_dir_all(fixture().parent().unwrap()).unwrap();
    fs::copy(folder.path().join("catalog.redb"), fixture()).unwrap();
}
