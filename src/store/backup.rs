//! Everything a catalog holds as one stream of bytes, for copies made while the server runs.
//!
//! A stream says at its end how many records it has and the checksum of all of it, so one that is cut
//! short or altered anywhere is never taken for a whole one. `docs/journal.md` has the bytes.

use std::cmp::Ordering;
use std::mem;
use std::ops::RangeInclusive;
use std::vec;

use super::record::{self, Malformed, RECORD_BYTES_MAX, RecordTooLarge, Table, Write};
use super::redb::FORMAT_VERSION;
use super::{Change, Sequence};

/// That of any commit: the first is 1, and a signed number has to hold it.
const SEQUENCES: RangeInclusive<u64> = 1..=i64::MAX as u64;
const MAGIC: [u8; 8] = *b"PCBACKUP";
/// Magic, format version, sequence.
const START_BYTES: usize = 8 + 8 + 8;
/// Table, length of the key, length of the record.
const PREFIX_BYTES: usize = 1 + 4 + 4;
/// The mark, number of records, checksum.
const END_BYTES: usize = 1 + 8 + 4;
/// Stands where a table would, after the last record.
const END_MARK: u8 = 0;
/// With their marks.
const TABLES: [(u8, Table); 3] = [(1, Table::Settings), (2, Table::Roles), (3, Table::Users)];

/// Makes a stream of what there is.
#[derive(Debug)]
pub struct BackupWriter {
    /// `None` once the end is written.
    left: Option<vec::IntoIter<Change>>,
    written: Vec<u8>,
    checksum: u32,
    records: u64,
}

impl BackupWriter {
    /// The stream of `changes`, which made a catalog what it is at `sequence`: `Put`s, at most one of
    /// a name. The same catalog has the same stream, whatever order they come in. Sorts.
    pub fn new(sequence: Sequence, mut changes: Vec<Change>) -> Self {
        changes.sort_unstable_by(in_key_order);
        let mut writer = Self {
            left: Some(changes.into_iter()),
            written: Vec::new(),
            checksum: 0,
            records: 0,
        };
        writer.write(&MAGIC);
        writer.write(&FORMAT_VERSION.to_le_bytes());
        writer.write(&sequence.0.to_le_bytes());
        writer
    }

    /// The next `bytes_wanted` bytes, fewer at the end; `None` after it.
    pub fn next_bytes(&mut self, bytes_wanted: usize) -> Result<Option<Vec<u8>>, RecordTooLarge> {
        while self.written.len() < bytes_wanted
            && let Some(left) = &mut self.left
        {
            match left.next() {
                Some(change) => self.write_record(&change)?,
                None => self.write_end(),
            }
        }
        if self.written.is_empty() {
            return Ok(None);
        }
        let rest = self.written.split_off(bytes_wanted.min(self.written.len()));
        Ok(Some(mem::replace(&mut self.written, rest)))
    }

    /// Records that are still to be written.
    pub fn records_left(&self) -> usize {
        self.left.as_ref().map_or(0, ExactSizeIterator::len)
    }

    fn write_record(&mut self, change: &Change) -> Result<(), RecordTooLarge> {
        let Write { table, key, record } = record::encode(change)?;
        // What drops is no part of a catalog.
        let Some(record) = record else {
            return Ok(());
        };
        let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        self.write(&[mark_of(table)]);
        self.write(&length(&key));
        self.write(&length(&record));
        self.write(&key);
        self.write(&record);
        self.records += 1;
        Ok(())
    }

    fn write_end(&mut self) {
        self.left = None;
        self.write(&[END_MARK]);
        self.write(&self.records.to_le_bytes());
        let checksum = self.checksum;
        self.write(&checksum.to_le_bytes());
    }

    fn write(&mut self, bytes: &[u8]) {
        self.checksum = crc32c::crc32c_append(self.checksum, bytes);
        self.written.extend_from_slice(bytes);
    }
}

/// Why bytes are no stream of a catalog.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BackupStreamError {
    /// It begins with something else.
    #[error("it is no backup")]
    NotABackup,
    /// A newer program sent it.
    #[error("it has format version {found}, this program knows versions up to {FORMAT_VERSION}")]
    NewerFormat {
        /// The version it has.
        found: u64,
    },
    /// It is of a commit that no server can have made.
    #[error("it names commit {0}, which there cannot be")]
    Sequence(u64),
    /// There is no table of this mark.
    #[error("it has a record of an unknown kind ({0})")]
    UnknownTable(u8),
    /// A key or a record is longer than any can be.
    #[error("it has a record of {0} bytes, the limit is {RECORD_BYTES_MAX}")]
    RecordTooLong(u32),
    /// A record cannot be read.
    #[error("the record of \"{key}\" is unusable: {reason}")]
    Record {
        /// `name@db`, or the escaped key.
        key: String,
        /// What does not hold.
        reason: Malformed,
    },
    /// The end names another number of records.
    #[error("it has {found} records and should have {announced}")]
    RecordsMissing {
        /// How many came.
        found: u64,
        /// How many the end names.
        announced: u64,
    },
    /// The bytes are not those that were sent.
    #[error("its checksum does not match")]
    Checksum,
    /// There is no end.
    #[error("it ends too early")]
    CutShort,
    /// There are bytes after the end.
    #[error("it has bytes after its end")]
    Surplus,
}

/// Reads a stream back, in pieces of any size.
#[derive(Debug, Default)]
pub struct BackupReader {
    buffer: Vec<u8>,
    /// Where in the buffer the next part begins.
    position: usize,
    sequence: Option<Sequence>,
    records: u64,
    checksum: u32,
    is_at_end: bool,
}

impl BackupReader {
    /// At the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the bytes that come next.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.position);
        self.position = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The commit that the stream shows, once its start has come.
    pub fn sequence(&mut self) -> Result<Option<Sequence>, BackupStreamError> {
        if self.sequence.is_none()
            && let Some(start) = self.take::<START_BYTES>()
        {
            let (magic, numbers) = start.split_at(MAGIC.len());
            let (version, sequence) = numbers.split_at(8);
            if magic != MAGIC {
                return Err(BackupStreamError::NotABackup);
            }
            match number(version) {
                1..=FORMAT_VERSION => {}
                0 => return Err(BackupStreamError::NotABackup),
                found => return Err(BackupStreamError::NewerFormat { found }),
            }
            let sequence = number(sequence);
            if !SEQUENCES.contains(&sequence) {
                return Err(BackupStreamError::Sequence(sequence));
            }
            self.sequence = Some(Sequence(sequence));
        }
        Ok(self.sequence)
    }

    /// The next record, which is one; `None` if more bytes have to come first, or none will.
    pub fn next_record(&mut self) -> Result<Option<Write>, BackupStreamError> {
        if self.sequence()?.is_none() {
            return Ok(None);
        }
        let Some(&mark) = self.buffer.get(self.position) else {
            return Ok(None);
        };
        if self.is_at_end {
            return Err(BackupStreamError::Surplus);
        }
        if mark == END_MARK {
            return self.read_end().map(|()| None);
        }
        let Some((_, table)) = TABLES.into_iter().find(|(one, _)| *one == mark) else {
            return Err(BackupStreamError::UnknownTable(mark));
        };
        let Some(bytes) = self.record_bytes()? else {
            return Ok(None);
        };
        let (key, record) = (bytes.key.to_vec(), bytes.record.to_vec());
        let whole = bytes.whole.len();
        self.checksum = crc32c::crc32c_append(self.checksum, bytes.whole);
        self.position += whole;
        record::decode(table, &key, &record).map_err(|reason| BackupStreamError::Record {
            key: record::display_key(table, &key),
            reason,
        })?;
        self.records += 1;
        Ok(Some(Write {
            table,
            key,
            record: Some(record),
        }))
    }

    /// How many records there were, if the stream is whole.
    pub fn finish(self) -> Result<u64, BackupStreamError> {
        if self.is_at_end && self.position == self.buffer.len() {
            Ok(self.records)
        } else if self.is_at_end {
            Err(BackupStreamError::Surplus)
        } else {
            Err(BackupStreamError::CutShort)
        }
    }

    /// The record that comes next, if all of it is there.
    fn record_bytes(&self) -> Result<Option<RecordBytes<'_>>, BackupStreamError> {
        let rest = self.buffer.get(self.position..).unwrap_or_default();
        let Some((prefix, after)) = rest.split_first_chunk::<PREFIX_BYTES>() else {
            return Ok(None);
        };
        let [_, lengths @ ..] = prefix;
        let (key, record) = lengths.split_at(4);
        let (key, record) = (length(key)?, length(record)?);
        let bytes = || {
            Some(RecordBytes {
                key: after.get(..key)?,
                record: after.get(key..key + record)?,
                whole: rest.get(..PREFIX_BYTES + key + record)?,
            })
        };
        Ok(bytes())
    }

    fn read_end(&mut self) -> Result<(), BackupStreamError> {
        let before = self.checksum;
        let Some(end) = self.take::<END_BYTES>() else {
            return Ok(());
        };
        let (counted, checksum) = end.split_at(END_BYTES - 4);
        if crc32c::crc32c_append(before, counted).to_le_bytes() != checksum {
            return Err(BackupStreamError::Checksum);
        }
        let announced = number(counted.get(1..).unwrap_or_default());
        if announced != self.records {
            return Err(BackupStreamError::RecordsMissing {
                found: self.records,
                announced,
            });
        }
        self.is_at_end = true;
        Ok(())
    }

    fn take<const BYTES: usize>(&mut self) -> Option<[u8; BYTES]> {
        let rest = self.buffer.get(self.position..)?;
        let taken = *rest.first_chunk()?;
        self.position += BYTES;
        self.checksum = crc32c::crc32c_append(self.checksum, &taken);
        Some(taken)
    }
}

/// A record in the buffer.
struct RecordBytes<'a> {
    key: &'a [u8],
    record: &'a [u8],
    /// Both, and what announces them.
    whole: &'a [u8],
}

fn mark_of(table: Table) -> u8 {
    let found = TABLES.into_iter().find(|(_, one)| *one == table);
    found.map_or(END_MARK, |(mark, _)| mark)
}

/// Of 8 bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.first_chunk().copied().map_or(0, u64::from_le_bytes)
}

/// Of 4 bytes, for something that has to fit in a record.
fn length(bytes: &[u8]) -> Result<usize, BackupStreamError> {
    let length = bytes.first_chunk().copied().map_or(0, u32::from_le_bytes);
    match usize::try_from(length) {
        Ok(bytes) if bytes <= RECORD_BYTES_MAX => Ok(bytes),
        _ => Err(BackupStreamError::RecordTooLong(length)),
    }
}

/// That of the tables in a file, where filling them in order is quickest.
fn in_key_order(left: &Change, right: &Change) -> Ordering {
    match (left, right) {
        (Change::PutUser(left), Change::PutUser(right)) => {
            let (left, right) = (&left.name, &right.name);
            (left.db().as_str(), left.user()).cmp(&(right.db().as_str(), right.user()))
        }
        (Change::PutRole(left), Change::PutRole(right)) => {
            let (left, right) = (&left.name, &right.name);
            (left.db().as_str(), left.role()).cmp(&(right.db().as_str(), right.role()))
        }
        (Change::PutSetting(left), Change::PutSetting(right)) => left.key().cmp(right.key()),
        _ => place(left).cmp(&place(right)),
    }
}

/// Settings, roles, users, and what is no part of a catalog.
fn place(change: &Change) -> u8 {
    match change {
        Change::PutSetting(_) => 0,
        Change::PutRole(_) => 1,
        Change::PutUser(_) => 2,
        Change::DropUser(_) | Change::DropRole(_) => 3,
    }
}

#[cfg(test)]
mod tests;
