//! What redb and the system say, as a [`StoreError`] that names the file.

use std::io;
use std::path::Path;

use redb::TableError;

use crate::store::StoreError;

pub(super) fn table_error(path: &Path, error: TableError) -> StoreError {
    match error {
        TableError::Storage(error) => storage_error(path, &error.into()),
        other => StoreError::Damaged {
            path: path.to_owned(),
            reason: other.to_string(),
        },
    }
}

pub(super) fn open_error(path: &Path, error: redb::DatabaseError) -> StoreError {
    match redb::Error::from(error) {
        redb::Error::Io(error) if error.kind() == io::ErrorKind::InvalidData => {
            StoreError::NotACatalog {
                path: path.to_owned(),
            }
        }
        other => storage_error(path, &other),
    }
}

pub(super) fn storage_error(path: &Path, error: &redb::Error) -> StoreError {
    match error {
        redb::Error::Io(error) => StoreError::io(path, error),
        redb::Error::Corrupted(reason) => StoreError::Damaged {
            path: path.to_owned(),
            reason: reason.clone(),
        },
        other => StoreError::Io {
            path: path.to_owned(),
            reason: other.to_string(),
        },
    }
}
