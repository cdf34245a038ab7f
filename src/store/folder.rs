//! The data folder: made if missing, for the owner only, and one process at a time.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::StoreError;

pub(super) const LOCK_FILE: &str = "portcullis.lock";
const FOLDER_MODE: u32 = 0o700;
const FILE_MODE: u32 = 0o600;

/// A data folder that is ours until dropped.
#[derive(Debug)]
pub(super) struct DataFolder {
    path: PathBuf,
    // The operating system releases the lock with the file, also after a crash.
    _lock: File,
}

impl DataFolder {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        make(path).map_err(|error| unusable(path, &error))?;
        let lock = open_private(&path.join(LOCK_FILE), false);
        let lock = lock.map_err(|error| unusable(path, &error))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                path: path.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => Err(StoreError::FolderLocked {
                path: path.to_owned(),
            }),
            Err(TryLockError::Error(error)) => Err(unusable(path, &error)),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes renames in the folder durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        sync_folder(&self.path)
    }
}

/// Makes the folder and those above it, where they are missing, so that a power cut leaves them there.
fn make(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    let parent = parent.unwrap_or(Path::new("."));
    make(parent)?;
    match DirBuilder::new().mode(FOLDER_MODE).create(path) {
        // Somebody else was faster.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made.and_then(|()| sync_folder(parent)),
    }
}

/// Locks a data folder that is only read from, and in which nothing is made: as long as this is kept, no
/// server has it. `None` where no server has ever had it.
pub(super) fn lock_to_read(path: &Path) -> Result<Option<File>, StoreError> {
    let lock = match File::open(path.join(LOCK_FILE)) {
        Ok(lock) => lock,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(path, &error)),
    };
    match lock.try_lock() {
        Ok(()) => Ok(Some(lock)),
        Err(TryLockError::WouldBlock) => Err(StoreError::FolderLocked {
            path: path.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(unusable(path, &error)),
    }
}

/// Makes what was made or renamed in a folder durable.
pub(super) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// A folder that cannot be used, and why.
pub(super) fn unusable(path: &Path, error: &io::Error) -> StoreError {
    StoreError::FolderUnusable {
        path: path.to_owned(),
        reason: error.to_string(),
    }
}

/// Opens a file of the owner for reading and writing, made if missing, emptied if `truncate`.
pub(super) fn open_private(path: &Path, truncate: bool) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(truncate)
        .mode(FILE_MODE)
        .open(path)
}

/// Makes a file of the owner for reading and writing. Whatever has its name already, a symbolic link
/// too, is an error.
pub(super) fn create_private(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_private_file_is_made_where_nothing_has_its_name() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("file");
        let elsewhere = folder.path().join("elsewhere");
        symlink(&elsewhere, &path).unwrap();
        let refused = create_private(&path).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
        assert!(!elsewhere.exists());
        fs::remove_file(&path).unwrap();
        create_private(&path).unwrap();
        let refused = create_private(&path).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
    }
}
