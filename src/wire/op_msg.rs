//! `OP_MSG`: flags, one body, up to two document sequences, an optional checksum.

use std::ops::Range;
use std::sync::LazyLock;

use bson::raw::{RawDocument, RawDocumentBuf};
use bytes::Bytes;

use super::cursor::Cursor;
use super::{Compressor, HEADER_BYTES, Header, WireError, validate_document};

/// Document sequences a message may carry, as mongod.
pub const SEQUENCES_MAX: usize = 2;

/// Flag bit: a CRC-32C of all that precedes it ends the message.
pub(super) const CHECKSUM_PRESENT: u32 = 1;
/// Flag bit: another message follows without being asked for (reply), or no reply is wanted (request).
pub(super) const MORE_TO_COME: u32 = 1 << 1;
/// Flag bit: the sender takes more than one reply.
pub(super) const EXHAUST_ALLOWED: u32 = 1 << 16;
/// Bits that must be understood; the upper half may be ignored.
const REQUIRED_FLAGS: u32 = 0xFFFF;
/// Length of the checksum.
pub(super) const CHECKSUM_BYTES: usize = 4;

const BODY_SECTION: u8 = 0;
const SEQUENCE_SECTION: u8 = 1;

/// A request in `OP_MSG`. Cheap to clone: the bytes are shared.
#[derive(Debug, Clone)]
pub struct OpMsg {
    frame: Bytes,
    request_id: i32,
    compressor: Option<Compressor>,
    flags: u32,
    body: Range<usize>,
    sequences: [Option<Sequence>; SEQUENCES_MAX],
}

#[derive(Debug, Clone)]
struct Sequence {
    name: Range<usize>,
    documents: Range<usize>,
}

impl OpMsg {
    /// `frame` is one whole message whose header is `header`.
    pub(super) fn parse(
        frame: Bytes,
        header: Header,
        compressor: Option<Compressor>,
    ) -> Result<Self, WireError> {
        let flags = flags(&frame).ok_or(WireError::NotEnoughData)?;
        if flags & REQUIRED_FLAGS & !(CHECKSUM_PRESENT | MORE_TO_COME) != 0 {
            return Err(WireError::IllegalFlags(flags));
        }
        let sections_end = if flags & CHECKSUM_PRESENT == 0 {
            frame.len()
        } else {
            verify_checksum(&frame)?
        };
        let mut message = Self {
            frame: Bytes::new(),
            request_id: header.request_id,
            compressor,
            flags,
            body: 0..0,
            sequences: [None, None],
        };
        message.read_sections(frame.get(..sections_end).unwrap_or_default())?;
        message.frame = frame;
        message.reject_duplicate_fields()?;
        Ok(message)
    }

    fn read_sections(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let mut cursor = Cursor::new(bytes, HEADER_BYTES + size_of::<u32>());
        let mut has_body = false;
        while let Some(kind) = cursor.u8() {
            match kind {
                BODY_SECTION if has_body => return Err(WireError::MultipleBodies),
                BODY_SECTION => {
                    has_body = true;
                    let start = cursor.position();
                    let length = validate_document(cursor.rest())?;
                    cursor.take(length).ok_or(WireError::NotEnoughData)?;
                    self.body = start..start + length;
                }
                SEQUENCE_SECTION => self.read_sequence(bytes, &mut cursor)?,
                other => return Err(WireError::UnknownSection(other)),
            }
        }
        if has_body {
            Ok(())
        } else {
            Err(WireError::MissingBody)
        }
    }

    fn read_sequence(&mut self, bytes: &[u8], cursor: &mut Cursor<'_>) -> Result<(), WireError> {
        let free = self.sequences.iter().position(Option::is_none);
        let free = free.ok_or(WireError::TooManyDocumentSequences)?;
        let start = cursor.position();
        let section = cursor
            .i32()
            .and_then(|length| usize::try_from(length).ok())
            .and_then(|length| length.checked_sub(size_of::<i32>()))
            .and_then(|length| cursor.take(length))
            .ok_or(WireError::InvalidSequence("its length does not fit"))?;

        let mut within = Cursor::new(section, 0);
        let name = within
            .cstring()
            .and_then(|name| std::str::from_utf8(name).ok())
            .ok_or(WireError::InvalidSequence("its name is no C string"))?;
        let mut known = self.sequences.iter().flatten();
        if known.any(|other| bytes.get(other.name.clone()) == Some(name.as_bytes())) {
            return Err(WireError::DuplicateSequence(name.to_owned()));
        }
        let name_start = start + size_of::<i32>();
        let documents_start = name_start + within.position();
        while !within.is_at_end() {
            let length = validate_document(within.rest())?;
            within.take(length).ok_or(WireError::NotEnoughData)?;
        }
        if let Some(slot) = self.sequences.get_mut(free) {
            *slot = Some(Sequence {
                name: name_start..name_start + name.len(),
                documents: documents_start..cursor.position(),
            });
        }
        Ok(())
    }

    fn reject_duplicate_fields(&self) -> Result<(), WireError> {
        for (name, _) in self.sequences() {
            if has_path(self.body(), name) {
                return Err(WireError::DuplicateField(name.to_owned()));
            }
        }
        Ok(())
    }

    /// The command.
    pub fn body(&self) -> &RawDocument {
        document(self.frame.get(self.body.clone()).unwrap_or_default())
    }

    /// Name and documents of each sequence, in the order sent. A sequence is an array field of the
    /// command that was moved out of the body; no name is in both places.
    pub fn sequences(&self) -> impl Iterator<Item = (&str, Documents<'_>)> {
        self.sequences.iter().flatten().map(|sequence| {
            let name = self.frame.get(sequence.name.clone()).unwrap_or_default();
            let rest = self.frame.get(sequence.documents.clone());
            let documents = Documents {
                rest: rest.unwrap_or_default(),
            };
            (std::str::from_utf8(name).unwrap_or_default(), documents)
        })
    }

    /// Whether there is any sequence.
    pub fn has_sequences(&self) -> bool {
        self.sequences.iter().any(Option::is_some)
    }

    /// Whether the peer takes a stream of replies to this request.
    pub fn exhaust_allowed(&self) -> bool {
        self.flags & EXHAUST_ALLOWED != 0
    }

    /// Whether the peer wants no reply.
    pub fn more_to_come(&self) -> bool {
        self.flags & MORE_TO_COME != 0
    }

    /// Whether the message ended with a checksum, which was right.
    pub fn checksum_present(&self) -> bool {
        self.flags & CHECKSUM_PRESENT != 0
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

/// The documents of a sequence.
#[derive(Debug, Clone)]
pub struct Documents<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Documents<'a> {
    type Item = &'a RawDocument;

    fn next(&mut self) -> Option<Self::Item> {
        let length = usize::try_from(Cursor::new(self.rest, 0).i32()?).ok()?;
        let (first, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        RawDocument::from_bytes(first).ok()
    }
}

/// The flags of an `OP_MSG` frame; `None` if it is too short to have any.
pub(super) fn flags(frame: &[u8]) -> Option<u32> {
    Cursor::new(frame, HEADER_BYTES).u32()
}

/// Views validated bytes as the document they are.
pub(super) fn document(validated: &[u8]) -> &RawDocument {
    static EMPTY: LazyLock<RawDocumentBuf> = LazyLock::new(RawDocumentBuf::new);
    // Cannot fail after validation; an empty command is refused above, where a panic would not be.
    RawDocument::from_bytes(validated).unwrap_or(&EMPTY)
}

/// Where the checksum starts, if it is right.
fn verify_checksum(frame: &[u8]) -> Result<usize, WireError> {
    let start = frame
        .len()
        .checked_sub(CHECKSUM_BYTES)
        .filter(|start| *start >= HEADER_BYTES + size_of::<u32>())
        .ok_or(WireError::ChecksumMismatch)?;
    let (covered, checksum) = frame
        .split_at_checked(start)
        .ok_or(WireError::ChecksumMismatch)?;
    if crc32c::crc32c(covered).to_le_bytes() == checksum {
        Ok(start)
    } else {
        Err(WireError::ChecksumMismatch)
    }
}

/// Whether `path` (names joined by dots) leads to a field of `document`, or is the name of one.
fn has_path(document: &RawDocument, path: &str) -> bool {
    if matches!(document.get(path), Ok(Some(_))) {
        return true;
    }
    let mut current = document;
    let mut names = path.split('.').peekable();
    while let Some(name) = names.next() {
        match current.get(name) {
            Ok(Some(_)) if names.peek().is_none() => return true,
            Ok(Some(value)) => match value.as_document() {
                Some(inner) => current = inner,
                None => return false,
            },
            _ => return false,
        }
    }
    false
}
