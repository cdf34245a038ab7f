//! Copies of a running server, and what is made of them: `portcullis backup` and `portcullis restore`.
//!
//! A backup is a client: it signs in, opens a cursor by `portcullisBackup` and fills the catalog of a
//! new data folder with what comes. Until all has come and is on disk, no server starts from that folder.

mod connection;
mod sign_in;
mod tls;

use std::path::PathBuf;

use bson::raw::RawDocument;
use bson::{RawBsonRef, rawdoc};

use crate::auth::password::PasswordError;
use crate::auth::scram::ClientError;
use crate::config::{BackupConfig, RestoreConfig};
use crate::store::record::{Table, Write};
use crate::store::{
    BackupReader, BackupStreamError, CatalogContent, NewCatalog, StoreError, check_empty,
    copy_folder,
};
use connection::Connection;

/// Documents of a batch that are asked for: about as many MiB.
const BATCH_DOCUMENTS: i32 = 4;

/// Why there is no copy. One sentence each, for whoever asked for it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The server cannot be reached, or the connection broke.
    #[error("cannot talk to {server}: {reason}")]
    Connection {
        /// As it was given.
        server: String,
        /// The system's words.
        reason: String,
    },
    /// A file for TLS cannot be used.
    #[error("cannot use {path}: {reason}")]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The server refuses a command.
    #[error("the server refuses {command}: {message} ({code})")]
    Refused {
        /// The command.
        command: &'static str,
        /// The number of the error.
        code: i32,
        /// Its text.
        message: String,
    },
    /// The server's answer is no answer to what was asked.
    #[error("the server's answer to {0} is not understood")]
    Answer(&'static str),
    /// The server says that there is more and does not send it.
    #[error("the server says that there is more of the backup and sends nothing")]
    NothingMore,
    /// The password cannot be used.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The sign-in cannot go on.
    #[error("cannot sign in: {0}")]
    SignIn(#[from] ClientError),
    /// What came is no backup, or not all of one.
    #[error("what the server sent is no whole backup: {0}")]
    Stream(#[from] BackupStreamError),
    /// A folder cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Copies a running server into a folder that is empty or not there. On an error there is no copy.
/// Blocks.
pub fn back_up(config: &BackupConfig) -> Result<CatalogContent, BackupError> {
    // Before anything is asked of the server.
    check_empty(&config.folder)?;
    let mut connection = Connection::open(config)?;
    connection.greet()?;
    if let Some(user) = &config.user {
        sign_in::sign_in(&mut connection, user)?;
    }
    let opened = connection.run(
        "portcullisBackup",
        &rawdoc! { "portcullisBackup": 1, "$db": "admin" },
    )?;
    let cursor = Cursor::of(&opened, "portcullisBackup")?;
    let copied = copy(config, &mut connection, &cursor);
    if copied.is_err() {
        // Else nobody could try again for a while. What went wrong is known already.
        let _ = connection.run(
            "killCursors",
            &rawdoc! {
                "killCursors": cursor.collection.as_str(),
                "cursors": [cursor.id],
                "$db": "admin",
            },
        );
    }
    copied
}

fn copy(
    config: &BackupConfig,
    connection: &mut Connection,
    cursor: &Cursor,
) -> Result<CatalogContent, BackupError> {
    let mut copy = Copy::new(config);
    let mut id = cursor.id;
    while id != 0 {
        let more = connection.run(
            "getMore",
            &rawdoc! {
                "getMore": id,
                "collection": cursor.collection.as_str(),
                "batchSize": BATCH_DOCUMENTS,
                "$db": "admin",
            },
        )?;
        let bytes = copy.take_batch(&more)?;
        id = Cursor::of(&more, "getMore")?.id;
        // Else it could go on like this for ever.
        if bytes == 0 && id != 0 {
            return Err(BackupError::NothingMore);
        }
    }
    copy.finish()
}

/// Makes the data folder of a new server of a copy, after reading all of it. Blocks.
pub fn restore(config: &RestoreConfig) -> Result<CatalogContent, BackupError> {
    Ok(copy_folder(&config.folder, &config.db_path)?)
}

/// What is known of the server's cursor.
struct Cursor {
    id: i64,
    collection: String,
}

impl Cursor {
    fn of(reply: &RawDocument, command: &'static str) -> Result<Self, BackupError> {
        let read = || {
            let cursor = reply.get_document("cursor").ok()?;
            let (_, collection) = cursor.get_str("ns").ok()?.split_once('.')?;
            Some(Self {
                id: cursor.get_i64("id").ok()?,
                collection: collection.to_owned(),
            })
        };
        read().ok_or(BackupError::Answer(command))
    }
}

/// The catalog that is being filled.
struct Copy<'a> {
    config: &'a BackupConfig,
    reader: BackupReader,
    /// Made once it is known of which commit.
    catalog: Option<NewCatalog>,
    content: CatalogContent,
}

impl<'a> Copy<'a> {
    fn new(config: &'a BackupConfig) -> Self {
        Self {
            config,
            reader: BackupReader::new(),
            catalog: None,
            content: CatalogContent::default(),
        }
    }

    /// Answers how many bytes of the stream were in it.
    fn take_batch(&mut self, reply: &RawDocument) -> Result<usize, BackupError> {
        let refuse = || BackupError::Answer("getMore");
        let cursor = reply.get_document("cursor").map_err(|_| refuse())?;
        let batch = cursor.get_array("nextBatch").map_err(|_| refuse())?;
        let mut records = Vec::new();
        let mut bytes = 0;
        for document in batch {
            let Ok(RawBsonRef::Document(document)) = document else {
                return Err(refuse());
            };
            let data = document.get_binary("data").map_err(|_| refuse())?;
            bytes += data.bytes.len();
            self.reader.push(data.bytes);
            while let Some(record) = self.reader.next_record()? {
                self.count(&record);
                records.push(record);
            }
        }
        if let Some(catalog) = self.catalog()? {
            catalog.put(&records)?;
        }
        Ok(bytes)
    }

    fn count(&mut self, record: &Write) {
        match record.table {
            Table::Users => self.content.users += 1,
            Table::Roles => self.content.roles += 1,
            Table::Settings => {}
        }
    }

    fn catalog(&mut self) -> Result<Option<&NewCatalog>, BackupError> {
        if self.catalog.is_none()
            && let Some(sequence) = self.reader.sequence()?
        {
            self.content.sequence = sequence;
            self.catalog = Some(NewCatalog::create(&self.config.folder, sequence)?);
        }
        Ok(self.catalog.as_ref())
    }

    fn finish(self) -> Result<CatalogContent, BackupError> {
        // Asked first: a catalog that is dropped unfinished is removed.
        self.reader.finish()?;
        if let Some(catalog) = self.catalog {
            catalog.finish()?;
        }
        Ok(self.content)
    }
}
