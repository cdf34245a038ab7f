//! Why a store could not do its work.

use std::io;
use std::path::{Path, PathBuf};

use super::record::RecordTooLarge;

/// A failure of a store. Each text is one sentence that names the place; none of them is for clients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The data folder cannot be made, read or written.
    #[error("cannot use the data folder {path}: {reason}")]
    FolderUnusable {
        /// The data folder.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// Another process has the data folder.
    #[error("the data folder {path} is in use by another process")]
    FolderLocked {
        /// The data folder.
        path: PathBuf,
    },
    /// There is something in a folder that is to be filled.
    #[error("the folder {path} is not empty")]
    FolderNotEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The file is something else.
    #[error("{path} is not a catalog file of this program")]
    NotACatalog {
        /// The file.
        path: PathBuf,
    },
    /// A newer program wrote the file.
    #[error(
        "{path} has format version {found}, this program knows versions up to {known}: \
         start the newer program that wrote it"
    )]
    NewerFormat {
        /// The file.
        path: PathBuf,
        /// The version in the file.
        found: u64,
        /// The newest version this program reads.
        known: u64,
    },
    /// The file as a whole cannot be trusted.
    #[error("{path} is damaged: {reason}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not hold.
        reason: String,
    },
    /// One record cannot be trusted.
    #[error("{path} is damaged: in table {table} the record of \"{key}\" is unusable: {reason}")]
    DamagedRecord {
        /// The file.
        path: PathBuf,
        /// The table, as `docs/journal.md` names it.
        table: &'static str,
        /// `name@db`, or the escaped key where it has no such form.
        key: String,
        /// What does not hold.
        reason: String,
    },
    /// A record would be larger than a user or role may be; nothing was written.
    #[error(transparent)]
    RecordTooLarge(#[from] RecordTooLarge),
    /// The disk is full.
    #[error("no space left for {path}")]
    DiskFull {
        /// The file.
        path: PathBuf,
    },
    /// Reading or writing failed.
    #[error("cannot read or write {path}: {reason}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's words.
        reason: String,
    },
    /// A commit failed when some or all of it may have been on disk already.
    #[error("whether this is kept shows after a restart, because the write failed: {0}")]
    Unsettled(Box<Self>),
    /// A fault of the program, in the middle of a commit.
    #[error("the commit panicked")]
    Panicked,
    /// An earlier commit failed and left open what is on disk.
    #[error("nothing more is written until a restart, because an earlier write failed: {0}")]
    Poisoned(Box<Self>),
    /// Another member of the replica set takes the writes.
    #[error("this member is not the primary")]
    NotPrimary,
    /// What keeps the changes will not, and would not the next time either; nothing was written.
    #[error("nothing was written: {reason}")]
    Refused {
        /// Its words.
        reason: String,
    },
    /// What keeps the changes cannot be reached; nothing was written.
    #[error("nothing was written: {reason}")]
    Unreachable {
        /// A sentence that says what was tried and how it failed.
        reason: String,
    },
    /// The answer did not come; the change may be there or not, the members will find out.
    #[error("it is not known whether it was written: {reason}")]
    OutcomeUnknown {
        /// What was tried and how it failed.
        reason: String,
    },
    /// The system gave no random bytes for the deployment secret.
    #[error("the system gave no random bytes: {reason}")]
    NoRandomness {
        /// The system's words.
        reason: String,
    },
    /// The system gave no thread to read or write with.
    #[error("the system gave no thread: {reason}")]
    NoThread {
        /// The system's words.
        reason: String,
    },
}

impl StoreError {
    /// Whether what was to be written may be there all the same.
    pub fn is_open(&self) -> bool {
        matches!(self, Self::Unsettled(_) | Self::OutcomeUnknown { .. })
    }

    /// What the system said about the file `path`.
    pub(super) fn io(path: &Path, error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull {
                path: path.to_owned(),
            },
            // Reads never pass the end of a whole file.
            io::ErrorKind::UnexpectedEof => Self::Damaged {
                path: path.to_owned(),
                reason: "it is shorter than it says".to_owned(),
            },
            _ => Self::Io {
                path: path.to_owned(),
                reason: error.to_string(),
            },
        }
    }
}
