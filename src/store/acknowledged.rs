//! The last acknowledged sequence, in a small file beside the catalog.
//!
//! A catalog that lost its newest commit can look whole: redb goes back to the commit before where the
//! newest is torn, as it should after a power cut, and cannot know that it was damaged later. So the
//! sequence of each commit is noted here once it is on disk. The note is not synced: behind the
//! catalog after a power cut it does no harm, ahead of it there is damage.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use redb::StorageBackend;
use redb::backends::FileBackend;

use super::folder::{DataFolder, open_private};
use super::{Sequence, StoreError};

pub(super) const SEQUENCE_FILE: &str = "catalog.sequence";
/// The sequence as u64 and its CRC-32C, both little endian.
const NOTE_BYTES: usize = 12;

/// Notes sequences. `docs/journal.md` has its bytes.
#[derive(Debug)]
pub(super) struct Acknowledged {
    file: Box<dyn StorageBackend>,
    path: PathBuf,
}

impl Acknowledged {
    /// Opens the file in `folder`, made if missing.
    pub(super) fn in_folder(folder: &DataFolder) -> Result<Self, StoreError> {
        let path = folder.path().join(SEQUENCE_FILE);
        let opened = open_private(&path, false).map_err(|error| StoreError::io(&path, &error))?;
        Self::over_file(opened, path)
    }

    /// What is noted beside `catalog`, where nothing is to be made; `None` if there is no file.
    pub(super) fn to_read(catalog: &Path) -> Result<Option<Self>, StoreError> {
        let path = catalog.with_file_name(SEQUENCE_FILE);
        match File::open(&path) {
            Ok(file) => Self::over_file(file, path).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io(&path, &error)),
        }
    }

    fn over_file(file: File, path: PathBuf) -> Result<Self, StoreError> {
        let file = FileBackend::new(file).map_err(|error| StoreError::Io {
            path: path.clone(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            file: Box::new(file),
            path,
        })
    }

    /// Notes into `file`, which lies beside `catalog`.
    pub(super) fn over(file: impl StorageBackend, catalog: &Path) -> Self {
        Self {
            file: Box::new(file),
            path: catalog.with_file_name(SEQUENCE_FILE),
        }
    }

    /// Refuses a `catalog` that ends at `found`, or is not there, if a later commit was acknowledged.
    pub(super) fn check(&self, found: Option<Sequence>, catalog: &Path) -> Result<(), StoreError> {
        let noted = self
            .read()
            .map_err(|error| StoreError::io(&self.path, &error))?
            .unwrap_or_default();
        if noted <= found.unwrap_or_default() {
            return Ok(());
        }
        let end = found.map_or_else(
            || "it is missing".to_owned(),
            |found| format!("it ends with commit {found}"),
        );
        let note = self.path.display();
        Err(StoreError::Damaged {
            path: catalog.to_owned(),
            reason: format!(
                "{end}, but commit {noted} was acknowledged, says {note}; if a new or an \
                 older catalog is meant to take its place, remove {note}"
            ),
        })
    }

    /// Notes that everything up to `sequence` is on disk.
    pub(super) fn write(&self, sequence: Sequence) -> Result<(), StoreError> {
        let number = sequence.0.to_le_bytes();
        let checksum = crc32c::crc32c(&number).to_le_bytes();
        let note = [number.as_slice(), checksum.as_slice()].concat();
        let write = || {
            if self.file.len()? != NOTE_BYTES as u64 {
                self.file.set_len(NOTE_BYTES as u64)?;
            }
            self.file.write(0, &note)
        };
        write().map_err(|error| StoreError::io(&self.path, &error))
    }

    /// Makes the note last.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        let synced = self.file.sync_data();
        synced.map_err(|error| StoreError::io(&self.path, &error))
    }

    /// `None` if the file is new, or was cut short or spoiled: the catalog is believed then.
    fn read(&self) -> io::Result<Option<Sequence>> {
        if self.file.len()? != NOTE_BYTES as u64 {
            return Ok(None);
        }
        let (mut number, mut checksum) = ([0; 8], [0; 4]);
        self.file.read(0, &mut number)?;
        self.file.read(8, &mut checksum)?;
        let is_whole = crc32c::crc32c(&number).to_le_bytes() == checksum;
        Ok(is_whole.then(|| Sequence(u64::from_le_bytes(number))))
    }
}
