//! The durable store of one machine: a redb file in the data folder.
//!
//! One batch is one transaction with one sync. The catalog serves all reads, so the page cache is
//! small; it only has to hold the path to the leaves that a batch touches.

mod error;
mod new_catalog;
mod new_folder;

use std::fs;
use std::io;
use std::mem;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread;

use redb::backends::FileBackend;
use redb::{
    Builder, Database, Durability, ReadableDatabase, ReadableTable, StorageBackend,
    TableDefinition, TableError,
};

use self::error::{open_error, storage_error, table_error};
pub use self::new_catalog::{CatalogContent, NewCatalog, copy_folder};
pub use self::new_folder::check_empty;
use super::acknowledged::Acknowledged;
use super::folder::{DataFolder, open_private};
use super::record::{self, Table};
use super::{Change, Sequence, Store, StoreError};

const CATALOG_FILE: &str = "catalog.redb";
/// The catalog file until its first transaction is on disk.
const NEW_CATALOG_FILE: &str = "catalog.redb.new";

/// Of the file, and of what its records may have.
pub(super) const FORMAT_VERSION: u64 = 3;
/// What later versions add is only more that a record may have, and more settings: an older file
/// becomes one of this version by saying so.
const UPGRADABLE_FORMAT_VERSIONS: RangeInclusive<u64> = 1..=2;
const PAGE_CACHE_BYTES: usize = 16 * 1024 * 1024;

/// Changes that the reading thread hands over at once.
const REPLAY_CHUNK_CHANGES: usize = 512;
/// Chunks that may wait to be filed.
const REPLAY_CHUNKS_MAX: usize = 8;

const META: TableDefinition<'_, &[u8], u64> = TableDefinition::new("meta");
const META_FORMAT_VERSION: &[u8] = b"formatVersion";
const META_SEQUENCE: &[u8] = b"sequence";

/// In the order of replay.
const TABLES: [Table; 3] = [Table::Settings, Table::Roles, Table::Users];

/// Keeps changes in `catalog.redb`.
#[derive(Debug)]
pub struct RedbStore {
    // Declared before the folder: the file is closed before another process may have it.
    database: Database,
    path: PathBuf,
    acknowledged: Acknowledged,
    /// Held during a commit; why the first one failed that did.
    failure: Mutex<Option<StoreError>>,
    _folder: Option<DataFolder>,
}

impl RedbStore {
    /// Opens the store in the data folder `path`, which is made if missing and locked.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let folder = DataFolder::open(path)?;
        let acknowledged = Acknowledged::in_folder(&folder)?;
        let file = path.join(CATALOG_FILE);
        let database = match fs::symlink_metadata(&file) {
            Ok(_) => open_file(&file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Nothing takes the place of a catalog that was there once.
                acknowledged.check(None, &file)?;
                create_file(&folder, &file)?
            }
            Err(error) => return Err(StoreError::io(&file, &error)),
        };
        Self::checked(database, acknowledged, file, Some(folder))
    }

    /// Opens the store in whatever `catalog` and `sequence` stand for, the two files of a data folder;
    /// the first is called `path` in errors.
    pub fn open_backends(
        catalog: impl StorageBackend,
        sequence: impl StorageBackend,
        path: &Path,
    ) -> Result<Self, StoreError> {
        let acknowledged = Acknowledged::over(sequence, path);
        let database = builder()
            .create_with_backend(catalog)
            .map_err(|error| open_error(path, error))?;
        initialise_if_new(&database, path)?;
        check_format(&database, path)?;
        Self::checked(database, acknowledged, path.to_owned(), None)
    }

    /// The store, if no acknowledged commit is missing.
    fn checked(
        database: Database,
        acknowledged: Acknowledged,
        path: PathBuf,
        folder: Option<DataFolder>,
    ) -> Result<Self, StoreError> {
        let store = Self {
            database,
            path,
            acknowledged,
            failure: Mutex::new(None),
            _folder: folder,
        };
        let sequence = store.sequence()?;
        store.acknowledged.check(Some(sequence), &store.path)?;
        store.acknowledged.write(sequence)?;
        Ok(store)
    }

    fn write(&self, writes: &[record::Write]) -> Result<Sequence, redb::Error> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        for kind in TABLES {
            let mut of_kind = writes.iter().filter(|write| write.table == kind).peekable();
            if of_kind.peek().is_none() {
                continue;
            }
            let mut table = transaction.open_table(definition(kind))?;
            for write in of_kind {
                match &write.record {
                    Some(record) => table.insert(write.key.as_slice(), record.as_slice())?,
                    None => table.remove(write.key.as_slice())?,
                };
            }
        }
        let sequence = {
            let mut meta = transaction.open_table(META)?;
            let last = meta.get(META_SEQUENCE)?.map_or(0, |guard| guard.value());
            meta.insert(META_SEQUENCE, last + 1)?;
            Sequence(last + 1)
        };
        transaction.commit()?;
        Ok(sequence)
    }

    fn sequence(&self) -> Result<Sequence, StoreError> {
        sequence_of(&self.database, &self.path)
    }

    /// Reads and decodes in a second thread while `sink` files what is there: half the time to
    /// start with a million users.
    fn replay_table(&self, kind: Table, sink: &mut dyn FnMut(Change)) -> Result<(), StoreError> {
        thread::scope(|scope| {
            let (sender, chunks) = mpsc::sync_channel(REPLAY_CHUNKS_MAX);
            let reader = thread::Builder::new()
                .spawn_scoped(scope, move || self.read_table(kind, &sender))
                .map_err(|error| StoreError::NoThread {
                    reason: error.to_string(),
                })?;
            for chunk in chunks {
                chunk.into_iter().for_each(&mut *sink);
            }
            reader.join().unwrap_or_else(|_| {
                Err(StoreError::Damaged {
                    path: self.path.clone(),
                    reason: format!("reading table {} panicked", kind.name()),
                })
            })
        })
    }

    fn read_table(&self, kind: Table, chunks: &SyncSender<Vec<Change>>) -> Result<(), StoreError> {
        let failed = |error: redb::Error| storage_error(&self.path, &error);
        let transaction = self.database.begin_read().map_err(|e| failed(e.into()))?;
        let table = transaction
            .open_table(definition(kind))
            .map_err(|error| table_error(&self.path, error))?;
        let mut chunk = Vec::with_capacity(REPLAY_CHUNK_CHANGES);
        for entry in table.iter().map_err(|e| failed(e.into()))? {
            let (key, value) = entry.map_err(|e| failed(e.into()))?;
            let change = record::decode(kind, key.value(), value.value())
                .map_err(|error| self.damaged_record(kind, key.value(), &error))?;
            chunk.push(change);
            if chunk.len() == REPLAY_CHUNK_CHANGES {
                let full = mem::replace(&mut chunk, Vec::with_capacity(REPLAY_CHUNK_CHANGES));
                // The other end is there until this thread ends, short of a panic in the sink.
                let _ = chunks.send(full);
            }
        }
        let _ = chunks.send(chunk);
        Ok(())
    }

    fn damaged_record(&self, kind: Table, key: &[u8], error: &record::Malformed) -> StoreError {
        StoreError::DamagedRecord {
            path: self.path.clone(),
            table: kind.name(),
            key: record::display_key(kind, key),
            reason: error.to_string(),
        }
    }
}

impl Store for RedbStore {
    fn commit(&self, batch: &[Change]) -> Result<Sequence, StoreError> {
        if batch.is_empty() {
            return self.sequence();
        }
        // Before anything is touched: what cannot be encoded poisons nothing.
        let writes = batch
            .iter()
            .map(record::encode)
            .collect::<Result<Vec<_>, _>>()?;
        // A lock poisoned by a panic in the middle of a commit counts as a failed commit.
        let Ok(mut failure) = self.failure.lock() else {
            return Err(StoreError::Poisoned(Box::new(StoreError::Panicked)));
        };
        if let Some(cause) = &*failure {
            return Err(StoreError::Poisoned(Box::new(cause.clone())));
        }
        let committed = self
            .write(&writes)
            .map_err(|error| storage_error(&self.path, &error))
            .and_then(|sequence| self.acknowledged.write(sequence).map(|()| sequence))
            // The last call to the disk may have been the only one that failed.
            .map_err(|error| StoreError::Unsettled(Box::new(error)));
        if let Err(error) = &committed {
            *failure = Some(error.clone());
        }
        committed
    }

    fn replay(&self, sink: &mut dyn FnMut(Change)) -> Result<Sequence, StoreError> {
        // Nothing may be committed between one table and the next.
        let _commit = self.failure.lock().unwrap_or_else(PoisonError::into_inner);
        for kind in TABLES {
            self.replay_table(kind, sink)?;
        }
        self.sequence()
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn name(&self) -> &'static str {
        "redb"
    }
}

fn definition(table: Table) -> TableDefinition<'static, &'static [u8], &'static [u8]> {
    TableDefinition::new(table.name())
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(PAGE_CACHE_BYTES);
    builder.set_check_integrity_on_open(true);
    builder
}

fn open_file(path: &Path) -> Result<Database, StoreError> {
    let database = builder()
        .open(path)
        .map_err(|error| open_error(path, error))?;
    check_format(&database, path)?;
    Ok(database)
}

/// Makes the file under another name first: a crash on the way leaves no half-made catalog.
fn create_file(folder: &DataFolder, path: &Path) -> Result<Database, StoreError> {
    let new = folder.path().join(NEW_CATALOG_FILE);
    let failed = |error: io::Error| StoreError::io(path, &error);
    let file = open_private(&new, true).map_err(failed)?;
    let backend = FileBackend::new(file).map_err(|error| open_error(path, error))?;
    let database = builder()
        .create_with_backend(backend)
        .map_err(|error| open_error(path, error))?;
    initialise_if_new(&database, path)?;
    fs::rename(&new, path).map_err(failed)?;
    folder.sync().map_err(failed)?;
    Ok(database)
}

fn initialise_if_new(database: &Database, path: &Path) -> Result<(), StoreError> {
    let initialise = || -> Result<(), redb::Error> {
        let mut transaction = database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        if transaction.list_tables()?.next().is_some() {
            return Ok(transaction.abort()?);
        }
        for table in TABLES {
            transaction.open_table(definition(table))?;
        }
        {
            let mut meta = transaction.open_table(META)?;
            meta.insert(META_FORMAT_VERSION, FORMAT_VERSION)?;
            meta.insert(META_SEQUENCE, 0)?;
        }
        Ok(transaction.commit()?)
    };
    initialise().map_err(|error| storage_error(path, &error))
}

fn check_format(database: &Database, path: &Path) -> Result<(), StoreError> {
    let found =
        read_meta(database, META_FORMAT_VERSION).map_err(|error| storage_error(path, &error))?;
    match found {
        Some(FORMAT_VERSION) => Ok(()),
        Some(found) if UPGRADABLE_FORMAT_VERSIONS.contains(&found) => {
            upgrade(database).map_err(|error| storage_error(path, &error))
        }
        Some(found) if found > FORMAT_VERSION => Err(StoreError::NewerFormat {
            path: path.to_owned(),
            found,
            known: FORMAT_VERSION,
        }),
        _ => Err(StoreError::NotACatalog {
            path: path.to_owned(),
        }),
    }
}

/// From now on older programs leave the file alone: they could not read every record.
fn upgrade(database: &Database) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate)?;
    transaction
        .open_table(META)?
        .insert(META_FORMAT_VERSION, FORMAT_VERSION)?;
    Ok(transaction.commit()?)
}

fn sequence_of(database: &Database, path: &Path) -> Result<Sequence, StoreError> {
    read_meta(database, META_SEQUENCE)
        .map_err(|error| storage_error(path, &error))?
        .map(Sequence)
        .ok_or_else(|| StoreError::NotACatalog {
            path: path.to_owned(),
        })
}

/// `None` if there is no such table or no such entry.
fn read_meta(database: &Database, key: &[u8]) -> Result<Option<u64>, redb::Error> {
    let transaction = database.begin_read()?;
    match transaction.open_table(META) {
        Ok(table) => Ok(table.get(key)?.map(|guard| guard.value())),
        Err(TableError::Storage(error)) => Err(error.into()),
        Err(_) => Ok(None),
    }
}
