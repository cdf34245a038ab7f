//! The data folder and files that are not what they should be.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use portcullis::store::{RedbStore, Store, StoreError};
use redb::{Database, TableDefinition};
use tempfile::TempDir;

use crate::support::{put_user, state_of, user};

const META: TableDefinition<'_, &[u8], u64> = TableDefinition::new("meta");
const USERS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("users");

/// A folder with a catalog of one user, closed; and its file.
fn catalog() -> (TempDir, PathBuf) {
    let folder = TempDir::new().unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    store.commit(&[put_user(user("ann", 1))]).unwrap();
    drop(store);
    let file = folder.path().join("catalog.redb");
    (folder, file)
}

fn failure(folder: &Path) -> StoreError {
    RedbStore::open(folder).unwrap_err()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn the_folder_is_made_for_the_owner_only() {
    let parent = TempDir::new().unwrap();
    let folder = parent.path().join("a/b");
    let store = RedbStore::open(&folder).unwrap();
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("catalog.redb")), 0o600);
    assert_eq!(mode(&folder.join("catalog.sequence")), 0o600);
    assert_eq!(mode(&folder.join("portcullis.lock")), 0o600);
    assert!(!folder.join("catalog.redb.new").exists());
    drop(store);
}

#[test]
fn a_second_opener_is_told_that_the_folder_is_in_use() {
    let (folder, _) = catalog();
    let store = RedbStore::open(folder.path()).unwrap();
    assert_eq!(
        failure(folder.path()).to_string(),
        format!(
            "the data folder {} is in use by another process",
            folder.path().display()
        )
    );
    drop(store);
    RedbStore::open(folder.path()).unwrap();
}

#[test]
fn a_folder_that_is_none_is_named() {
    let parent = TempDir::new().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = failure(&path);
        assert!(matches!(&error, StoreError::FolderUnusable { path: named, .. } if *named == path));
        assert!(error.to_string().contains("cannot use the data folder"));
    }
}

#[test]
fn a_folder_without_permission_is_named() {
    let (folder, _) = catalog();
    fs::set_permissions(folder.path(), Permissions::from_mode(0o500)).unwrap();
    let new = folder.path().join("new");
    // Root may write anywhere, so there is nothing to see as root.
    if fs::create_dir(&new).is_err() {
        assert!(matches!(failure(&new), StoreError::FolderUnusable { .. }));
    }
    fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_half_made_file_of_a_first_start_is_made_anew() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("catalog.redb.new"), "half").unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    assert!(state_of(&store).0.is_empty());
}

#[test]
fn another_file_is_no_catalog() {
    for content in [&b""[..], b"short", &[b'x'; 8192]] {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("catalog.redb");
        fs::write(&file, content).unwrap();
        assert_eq!(
            failure(folder.path()),
            StoreError::NotACatalog { path: file.clone() }
        );
        assert_eq!(fs::read(&file).unwrap(), content);
    }
}

#[test]
fn a_redb_file_of_another_program_is_no_catalog() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("catalog.redb");
    let database = Database::create(&file).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(USERS).unwrap();
    transaction.commit().unwrap();
    drop(database);
    assert_eq!(
        failure(folder.path()),
        StoreError::NotACatalog { path: file }
    );
}

#[test]
fn a_newer_format_is_refused() {
    let (folder, file) = catalog();
    let database = Database::create(&file).unwrap();
    let transaction = database.begin_write().unwrap();
    let mut meta = transaction.open_table(META).unwrap();
    meta.insert(&b"formatVersion"[..], 4).unwrap();
    drop(meta);
    transaction.commit().unwrap();
    drop(database);
    let newer = StoreError::NewerFormat {
        path: file,
        found: 4,
        known: 3,
    };
    assert_eq!(failure(folder.path()), newer);
}

#[test]
fn a_damaged_record_is_named() {
    let (folder, file) = catalog();
    let database = Database::create(&file).unwrap();
    let transaction = database.begin_write().unwrap();
    let mut users = transaction.open_table(USERS).unwrap();
    users
        .insert(&b"admin\0bob"[..], &b"\x01\0\0\0\0bad"[..])
        .unwrap();
    drop(users);
    transaction.commit().unwrap();
    drop(database);
    let store = RedbStore::open(folder.path()).unwrap();
    let error = store.replay(&mut |_| {}).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "{} is damaged: in table users the record of \"bob@admin\" is unusable: \
             the checksum does not match",
            file.display()
        )
    );
}

#[test]
fn a_flipped_bit_in_the_file_is_found() {
    let (folder, file) = catalog();
    let mut bytes = fs::read(&file).unwrap();
    let place = bytes.windows(9).position(|window| window == b"admin\0ann");
    bytes[place.unwrap() + 30] ^= 1;
    fs::write(&file, bytes).unwrap();
    let error = failure(folder.path());
    assert!(
        matches!(&error, StoreError::Damaged { path, .. } if *path == file),
        "{error}"
    );
}

#[test]
fn a_catalog_that_is_gone_is_not_made_anew() {
    let (folder, file) = catalog();
    let note = folder.path().join("catalog.sequence");
    let note = note.display();
    fs::remove_file(&file).unwrap();
    for _ in 0..2 {
        let error = failure(folder.path());
        assert_eq!(
            error.to_string(),
            format!(
                "{} is damaged: it is missing, but commit 1 was acknowledged, says {note}; if a new or \
                 an older catalog is meant to take its place, remove {note}",
                file.display()
            )
        );
    }
    assert!(!file.exists());
}

#[test]
fn an_older_copy_put_back_is_named_unless_the_note_goes_too() {
    let (folder, file) = catalog();
    let older = fs::read(&file).unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    store.commit(&[put_user(user("bob", 2))]).unwrap();
    drop(store);
    fs::write(&file, older).unwrap();
    let error = failure(folder.path());
    assert!(
        matches!(&error, StoreError::Damaged { path, .. } if *path == file),
        "{error}"
    );
    fs::remove_file(folder.path().join("catalog.sequence")).unwrap();
    let store = RedbStore::open(folder.path()).unwrap();
    assert_eq!(state_of(&store).0.len(), 1);
}
