//! A data folder in the making.
//!
//! Until it is finished no server starts from it: the sequence is noted first, and a catalog that is
//! missing though a sequence is noted is an error. What is not finished is removed when it is dropped;
//! if the process is killed, the note stays.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::{CATALOG_FILE, NEW_CATALOG_FILE};
use crate::store::acknowledged::{Acknowledged, SEQUENCE_FILE};
use crate::store::folder::{DataFolder, LOCK_FILE, lock_to_read, sync_folder, unusable};
use crate::store::{Sequence, StoreError};

/// Write permission of group and others.
const WRITE_BY_OTHERS: u32 = 0o022;

/// A folder that was empty or not there, locked until it is finished or dropped.
#[derive(Debug)]
pub(super) struct NewFolder {
    folder: DataFolder,
    /// Whether it was not there before.
    is_made: bool,
    is_finished: bool,
}

impl NewFolder {
    /// Takes `path` and notes `sequence` in it.
    pub(super) fn make(path: &Path, sequence: Sequence) -> Result<Self, StoreError> {
        let is_made = !check_empty(path)?;
        let folder = Self {
            folder: DataFolder::open(path)?,
            is_made,
            is_finished: false,
        };
        folder.note(sequence)?;
        if is_made {
            let failed = |error: io::Error| StoreError::io(path, &error);
            sync_folder(parent(path)).map_err(failed)?;
        }
        Ok(folder)
    }

    /// The name of the catalog until it is finished.
    pub(super) fn new_file(&self) -> PathBuf {
        self.folder.path().join(NEW_CATALOG_FILE)
    }

    /// Where the sequence is noted.
    pub(super) fn acknowledged(&self) -> Result<Acknowledged, StoreError> {
        Acknowledged::in_folder(&self.folder)
    }

    /// Notes the sequence of the catalog, on disk when it returns.
    pub(super) fn note(&self, sequence: Sequence) -> Result<(), StoreError> {
        let note = self.acknowledged()?;
        note.write(sequence)?;
        note.sync()?;
        let failed = |error: io::Error| StoreError::io(self.folder.path(), &error);
        self.folder.sync().map_err(failed)
    }

    /// Gives the catalog, which is closed, its name.
    pub(super) fn finish(mut self) -> Result<(), StoreError> {
        let file = self.folder.path().join(CATALOG_FILE);
        let failed = |error: io::Error| StoreError::io(&file, &error);
        fs::rename(self.new_file(), &file).map_err(failed)?;
        self.folder.sync().map_err(failed)?;
        self.is_finished = true;
        Ok(())
    }
}

impl Drop for NewFolder {
    /// The note goes last: as long as anything is left, no server starts from it.
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        for name in [NEW_CATALOG_FILE, CATALOG_FILE, SEQUENCE_FILE, LOCK_FILE] {
            let _ = fs::remove_file(self.folder.path().join(name));
        }
        if self.is_made {
            let _ = fs::remove_dir(self.folder.path());
        }
    }
}

/// Whether the folder is there; one with something in it, or that others may put something in, is an
/// error.
pub fn check_empty(path: &Path) -> Result<bool, StoreError> {
    let mut entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(unusable(path, &error)),
    };
    match entries.next() {
        None => {
            let mode = fs::metadata(path).map_err(|error| unusable(path, &error))?;
            let mode = mode.permissions().mode() & 0o7777;
            if mode & WRITE_BY_OTHERS == 0 {
                return Ok(true);
            }
            Err(StoreError::FolderUnusable {
                path: path.to_owned(),
                reason: format!("its mode {mode:o} lets others than its owner write in it"),
            })
        }
        Some(Err(error)) => Err(unusable(path, &error)),
        Some(Ok(_)) => {
            // That somebody is using it is the better reason.
            lock_to_read(path)?;
            Err(StoreError::FolderNotEmpty {
                path: path.to_owned(),
            })
        }
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => path,
    }
}
