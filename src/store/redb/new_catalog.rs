//! A data folder that is made from something other than changes: a backup, or a copy of a folder.

use std::fs::File;
use std::io;
use std::path::Path;

use redb::backends::FileBackend;
use redb::{Database, Durability};

use super::new_folder::NewFolder;
use super::{
    CATALOG_FILE, META, META_SEQUENCE, RedbStore, TABLES, builder, check_format, definition,
    initialise_if_new, open_error, sequence_of, storage_error,
};
use crate::store::acknowledged::Acknowledged;
use crate::store::folder::{create_private, lock_to_read};
use crate::store::record::Write;
use crate::store::{Change, Sequence, Store, StoreError};

/// Noted until a catalog says what its own is.
const SOME_SEQUENCE: Sequence = Sequence(1);

/// A catalog that is being filled with records.
#[derive(Debug)]
pub struct NewCatalog {
    // Declared before the folder, which removes the file.
    database: Database,
    folder: NewFolder,
    sequence: Sequence,
}

impl NewCatalog {
    /// Begins a catalog in `path`, which must be empty or not there; it will be that of `sequence`.
    pub fn create(path: &Path, sequence: Sequence) -> Result<Self, StoreError> {
        let folder = NewFolder::make(path, sequence)?;
        let file = folder.new_file();
        let opened = create_private(&file).map_err(|error| StoreError::io(&file, &error))?;
        let backend = FileBackend::new(opened).map_err(|error| open_error(&file, error))?;
        let database = builder()
            .create_with_backend(backend)
            .map_err(|error| open_error(&file, error))?;
        initialise_if_new(&database, &file)?;
        Ok(Self {
            database,
            folder,
            sequence,
        })
    }

    /// Keeps records; quickest in the order of their keys.
    pub fn put(&self, records: &[Write]) -> Result<(), StoreError> {
        self.write(records, Sequence(0))
    }

    /// Gives the catalog its name. When it returns, it is there whatever happens.
    pub fn finish(self) -> Result<(), StoreError> {
        self.write(&[], self.sequence)?;
        // Closed before it is renamed: what closing writes belongs to it.
        drop(self.database);
        self.folder.finish()
    }

    fn write(&self, records: &[Write], sequence: Sequence) -> Result<(), StoreError> {
        let write = || -> Result<(), redb::Error> {
            let mut transaction = self.database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            for kind in TABLES {
                let mut table = transaction.open_table(definition(kind))?;
                for write in records.iter().filter(|write| write.table == kind) {
                    if let Some(record) = &write.record {
                        table.insert(write.key.as_slice(), record.as_slice())?;
                    }
                }
            }
            transaction
                .open_table(META)?
                .insert(META_SEQUENCE, sequence.0)?;
            Ok(transaction.commit()?)
        };
        write().map_err(|error| storage_error(&self.folder.new_file(), &error))
    }
}

/// What a catalog holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CatalogContent {
    /// Its last commit.
    pub sequence: Sequence,
    /// How many users there are.
    pub users: usize,
    /// How many roles there are.
    pub roles: usize,
}

/// Copies the data folder `from`, which nobody may be using and nothing is written to, into `to`, which
/// must be empty or not there. The copy is read in whole before it gets its name, so damage is an error
/// and no copy.
pub fn copy_folder(from: &Path, to: &Path) -> Result<CatalogContent, StoreError> {
    let source = from.join(CATALOG_FILE);
    let _lock = lock_to_read(from)?;
    let mut file = File::open(&source).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => StoreError::NotACatalog {
            path: source.clone(),
        },
        _ => StoreError::io(&source, &error),
    })?;
    let folder = NewFolder::make(to, SOME_SEQUENCE)?;
    let copied = folder.new_file();
    let failed = |error: io::Error| StoreError::io(&copied, &error);
    let mut copy = create_private(&copied).map_err(failed)?;
    io::copy(&mut file, &mut copy).map_err(failed)?;
    copy.sync_all().map_err(failed)?;
    drop(copy);
    let content = verify(&copied, &source, &folder)?;
    folder.finish()?;
    Ok(content)
}

/// Reads all of a copy; faults are told as those of `source`, which it is of.
fn verify(copied: &Path, source: &Path, folder: &NewFolder) -> Result<CatalogContent, StoreError> {
    let database = builder()
        .open(copied)
        .map_err(|error| open_error(source, error))?;
    check_format(&database, source)?;
    let sequence = sequence_of(&database, source)?;
    if let Some(noted) = Acknowledged::to_read(source)? {
        noted.check(Some(sequence), source)?;
    }
    folder.note(sequence)?;
    let acknowledged = folder.acknowledged()?;
    let store = RedbStore::checked(database, acknowledged, source.to_owned(), None)?;
    let mut content = CatalogContent::default();
    content.sequence = store.replay(&mut |change| match change {
        Change::PutUser(_) => content.users += 1,
        Change::PutRole(_) => content.roles += 1,
        _ => {}
    })?;
    Ok(content)
}
