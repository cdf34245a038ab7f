//! `portcullis restore`: a copy is verified, and goes into an empty folder.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::common::{backup, content, populate, refusal, restore, said, server, start_at};
use crate::support::fixture;

/// A backup of a server that has stopped, and what it had.
fn copied(folder: &TempDir) -> (std::path::PathBuf, Vec<bson::Document>) {
    let server = server();
    populate(&server, 2);
    let copy = folder.path().join("copy");
    said(backup(server.port, &copy));
    (copy, content(&server))
}

fn files(folder: &Path) -> Vec<(std::ffi::OsString, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name(), fs::read(entry.path()).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn a_backup_is_restored_and_stays_as_it_was() {
    let folder = TempDir::new().unwrap();
    let (copy, wanted) = copied(&folder);
    let before = files(&copy);
    let new = folder.path().join("new");
    let told = said(restore(&copy, &new));
    let text = format!(
        "Restored into {}: 6 users and 2 roles, as of commit ",
        new.display()
    );
    assert!(told.starts_with(&text), "{told}");
    assert!(files(&copy) == before);
    assert_eq!(content(&start_at(&new)), wanted);

    // A folder in which no server may write can be read all the same.
    fs::remove_file(copy.join("portcullis.lock")).unwrap();
    let empty = TempDir::new().unwrap();
    said(restore(&copy, empty.path()));
    assert_eq!(files(&copy).len(), before.len() - 1);
    assert_eq!(content(&start_at(empty.path())), wanted);
}

#[test]
fn the_folder_of_a_stopped_server_is_a_copy_too() {
    let server = server();
    populate(&server, 0);
    let wanted = content(&server);
    let new = TempDir::new().unwrap();
    let refused = refusal(restore(&server.data(), new.path()));
    assert!(
        refused.contains("is in use by another process"),
        "{refused}"
    );
    let folder = server.kill();
    said(restore(&folder.path().join("data"), new.path()));
    assert_eq!(content(&start_at(new.path())), wanted);
}

#[test]
fn a_folder_of_an_older_version_is_restored_and_stays_old() {
    let old = fixture("journal/v1");
    let before = files(&old);
    let new = TempDir::new().unwrap();
    said(restore(&old, new.path()));
    assert!(files(&old) == before);
}

#[test]
fn nothing_is_put_over_anything() {
    let folder = TempDir::new().unwrap();
    let (copy, wanted) = copied(&folder);
    fs::create_dir(folder.path().join("other")).unwrap();
    fs::write(folder.path().join("other/letter"), "dear").unwrap();
    let refused = refusal(restore(&copy, &folder.path().join("other")));
    assert!(refused.contains("other is not empty"), "{refused}");
    assert_eq!(files(&folder.path().join("other")).len(), 1);

    let new = folder.path().join("new");
    said(restore(&copy, &new));
    let running = start_at(&new);
    let refused = refusal(restore(&copy, &new));
    assert!(
        refused.contains("new is in use by another process"),
        "{refused}"
    );
    assert_eq!(content(&running), wanted);
    drop(running);
    let refused = refusal(restore(&copy, &new));
    assert!(refused.contains("new is not empty"), "{refused}");
}

#[test]
fn what_is_no_copy_makes_no_folder() {
    let folder = TempDir::new().unwrap();
    let new = folder.path().join("new");
    let refused = refusal(restore(&folder.path().join("nowhere"), &new));
    assert!(
        refused.contains("nowhere/catalog.redb is not a catalog file"),
        "{refused}"
    );
    fs::create_dir(folder.path().join("text")).unwrap();
    fs::write(folder.path().join("text/catalog.redb"), "dear").unwrap();
    let refused = refusal(restore(&folder.path().join("text"), &new));
    assert!(refused.contains("text/catalog.redb is "), "{refused}");
    assert!(!new.exists());
}

#[test]
fn a_damaged_copy_is_named_and_makes_no_folder() {
    let folder = TempDir::new().unwrap();
    let (copy, wanted) = copied(&folder);
    let catalog = copy.join("catalog.redb");
    let whole = fs::read(&catalog).unwrap();
    let damaged = |bytes: &[u8]| {
        fs::write(&catalog, bytes).unwrap();
        let new = folder.path().join("new");
        let output = restore(&copy, &new).output().unwrap();
        let refused = String::from_utf8(output.stderr).unwrap();
        if output.status.success() {
            // It was in no page that is in use.
            assert_eq!(content(&start_at(&new)), wanted);
            fs::remove_dir_all(&new).unwrap();
            return false;
        }
        let words = ["is damaged", "is not a catalog file"];
        let words = words.map(|words| format!("copy/catalog.redb {words}"));
        assert!(
            words.iter().any(|words| refused.contains(words)),
            "{refused}"
        );
        assert!(!new.exists());
        true
    };
    // In the filling of a user, which is in use for sure.
    let filling = whole
        .windows(64)
        .position(|bytes| bytes == [b'x'; 64])
        .unwrap();
    let mut flipped = whole.clone();
    flipped[filling + 32] ^= 1;
    assert!(damaged(&flipped));
    assert!(damaged(&whole[..whole.len() / 2]));
    let mut noticed = 0;
    for place in (0..whole.len()).step_by(whole.len() / 12) {
        let mut flipped = whole.clone();
        flipped[place] ^= 0x10;
        noticed += usize::from(damaged(&flipped));
    }
    println!("{noticed} of 12 flips noticed, the others did no harm");
    fs::write(&catalog, &whole).unwrap();

    // A catalog that is older than its note, or gone.
    let number = u64::MAX.to_le_bytes();
    let note = [&number[..], &crc32c::crc32c(&number).to_le_bytes()].concat();
    fs::write(copy.join("catalog.sequence"), note).unwrap();
    let new = folder.path().join("new");
    let refused = refusal(restore(&copy, &new));
    assert!(
        refused.contains(&format!("but commit {} was acknowledged", u64::MAX)),
        "{refused}"
    );
    assert!(refused.contains("copy/catalog.sequence"), "{refused}");
    assert!(!new.exists());
}
