//! `OP_QUERY`, which old drivers send their first command in.

use std::ops::Range;

use bson::raw::{RawBsonRef, RawDocument};
use bytes::Bytes;

use super::cursor::Cursor;
use super::op_msg::document;
use super::{Compressor, HEADER_BYTES, Header, WireError, validate_document};

/// Flag bit that is refused for commands.
const EXHAUST: u32 = 1 << 6;
/// Names that old drivers wrap a command in to send a read preference beside it.
const WRAPPERS: [&str; 2] = ["$query", "query"];

/// A command in `OP_QUERY`: its collection is always `$cmd`. Cheap to clone: the bytes are shared.
#[derive(Debug, Clone)]
pub struct OpQuery {
    frame: Bytes,
    request_id: i32,
    compressor: Option<Compressor>,
    flags: u32,
    database: Range<usize>,
    query: Range<usize>,
}

impl OpQuery {
    /// `frame` is one whole message whose header is `header`.
    pub(super) fn parse(
        frame: Bytes,
        header: Header,
        compressor: Option<Compressor>,
    ) -> Result<Self, WireError> {
        let mut cursor = Cursor::new(&frame, HEADER_BYTES);
        let flags = cursor.u32().ok_or(WireError::NotEnoughData)?;
        let database_start = cursor.position();
        let namespace = cursor
            .cstring()
            .and_then(|namespace| std::str::from_utf8(namespace).ok())
            .ok_or(WireError::UnterminatedNamespace)?;
        let (database, collection) = namespace.split_once('.').unwrap_or((namespace, ""));
        if collection != "$cmd" {
            return Err(WireError::LegacyOperation("OP_QUERY"));
        }
        if database.is_empty() {
            return Err(WireError::InvalidNamespace(namespace.to_owned()));
        }
        if flags & EXHAUST != 0 {
            return Err(WireError::ExhaustQuery(namespace.to_owned()));
        }
        let _number_to_skip = cursor.i32().ok_or(WireError::NotEnoughData)?;
        let number_to_return = cursor.i32().ok_or(WireError::NotEnoughData)?;
        if !matches!(number_to_return, 1 | -1) {
            return Err(WireError::NumberToReturn(number_to_return));
        }
        let query = read_document(&mut cursor)?;
        if !cursor.is_at_end() {
            read_document(&mut cursor)?; // the projection, which commands have no use for
        }
        if !cursor.is_at_end() {
            return Err(WireError::TrailingBytes(cursor.rest().len()));
        }
        let database = database_start..database_start + database.len();
        Ok(Self {
            frame,
            request_id: header.request_id,
            compressor,
            flags,
            database,
            query,
        })
    }

    /// The database the command is for, never empty.
    pub fn database(&self) -> &str {
        let name = self.frame.get(self.database.clone()).unwrap_or_default();
        std::str::from_utf8(name).unwrap_or_default()
    }

    /// The command, taken out of `{$query: {...}, $readPreference: ...}` where it came in one.
    pub fn command(&self) -> &RawDocument {
        let outer = self.query();
        match outer.iter().next() {
            Some(Ok((name, RawBsonRef::Document(inner)))) if WRAPPERS.contains(&name.as_str()) => {
                inner
            }
            _ => outer,
        }
    }

    /// The query document as sent, wrapper included.
    pub fn query(&self) -> &RawDocument {
        document(self.frame.get(self.query.clone()).unwrap_or_default())
    }

    /// The flags as sent, such as 4 for `secondaryOk`.
    pub fn flags(&self) -> u32 {
        self.flags
    }

    /// The peer's number for the request.
    pub fn request_id(&self) -> i32 {
        self.request_id
    }

    /// What it was compressed with.
    pub fn compressor(&self) -> Option<Compressor> {
        self.compressor
    }
}

fn read_document(cursor: &mut Cursor<'_>) -> Result<Range<usize>, WireError> {
    let start = cursor.position();
    let length = validate_document(cursor.rest())?;
    cursor.take(length).ok_or(WireError::NotEnoughData)?;
    Ok(start..cursor.position())
}
