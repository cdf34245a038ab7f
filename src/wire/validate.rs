//! A strict BSON validator: <https://bsonspec.org/spec.html>.
//!
//! It is a loop, not a recursion, so nesting costs a peer's bytes and not this server's stack. It is
//! stricter than mongod where the `bson` crate is: strings, keys and regular expressions must be
//! UTF-8, and the old binary subtype 2 must repeat its length.

use thiserror::Error;

use super::cursor::Cursor;
use crate::error::ErrorCode;

/// `BSONObjMaxInternalSize`: 16 MiB for the user's document and 16 KiB for what surrounds it.
pub const DOCUMENT_BYTES_MAX: usize = 16 * 1024 * 1024 + 16 * 1024;
/// How deep documents and arrays may nest below the outermost one; mongod's limit for what it keeps.
pub const NESTING_LEVELS_MAX: usize = 180;

const DOCUMENT_BYTES_MIN: usize = 5;
/// Longer field names are not repeated in an error's text.
const ECHOED_NAME_BYTES_MAX: usize = 128;

/// Why bytes are no document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BsonError {
    /// Anything against the format.
    #[error("{reason} in element with field name '{field}' in object with unknown _id")]
    Invalid {
        /// What is wrong.
        reason: &'static str,
        /// Name of the innermost field that was begun, `?` if none was.
        field: String,
    },
    /// More than [`NESTING_LEVELS_MAX`].
    #[error(
        "BSONObj exceeds maximum nested object depth in element with field name '{field}' in \
         object with unknown _id"
    )]
    TooDeep {
        /// Name of the field that goes too deep.
        field: String,
    },
    /// More than [`DOCUMENT_BYTES_MAX`].
    #[error(
        "BSONObj size: {size} (0x{size:X}) is invalid. Size must be between 0 and \
         {DOCUMENT_BYTES_MAX}(16MB)"
    )]
    TooLarge {
        /// Its declared length in bytes.
        size: usize,
    },
}

impl BsonError {
    /// MongoDB's number for it.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Invalid { .. } => ErrorCode::INVALID_BSON,
            Self::TooDeep { .. } => ErrorCode::OVERFLOW,
            Self::TooLarge { .. } => ErrorCode::BSON_OBJECT_TOO_LARGE,
        }
    }
}

/// Checks the document at the start of `bytes` and returns its length; what follows it is not looked
/// at.
pub fn validate_document(bytes: &[u8]) -> Result<usize, BsonError> {
    let invalid = |reason| BsonError::Invalid {
        reason,
        field: "?".to_owned(),
    };
    let length = Cursor::new(bytes, 0)
        .i32()
        .and_then(|length| usize::try_from(length).ok())
        .filter(|length| *length >= DOCUMENT_BYTES_MIN)
        .ok_or_else(|| invalid("BSON data has to be at least 5 bytes"))?;
    let document = bytes
        .get(..length)
        .ok_or_else(|| invalid("Incorrect BSON length"))?;
    if length > DOCUMENT_BYTES_MAX {
        return Err(BsonError::TooLarge { size: length });
    }
    let mut validator = Validator {
        cursor: Cursor::new(document, 4),
        field: None,
        ends: [0; NESTING_LEVELS_MAX],
        depth: 0,
        end: length,
    };
    match validator.run() {
        Ok(()) => Ok(length),
        Err(Fault::Invalid(reason)) => Err(BsonError::Invalid {
            reason,
            field: validator.field_text(),
        }),
        Err(Fault::TooDeep) => Err(BsonError::TooDeep {
            field: validator.field_text(),
        }),
    }
}

/// What [`Validator`] reports; the field's name is added only when something is wrong.
enum Fault {
    Invalid(&'static str),
    TooDeep,
}

struct Validator<'a> {
    cursor: Cursor<'a>,
    field: Option<&'a [u8]>,
    /// Ends of the documents around the current one.
    ends: [usize; NESTING_LEVELS_MAX],
    depth: usize,
    /// Offset just behind the current document.
    end: usize,
}

impl<'a> Validator<'a> {
    fn run(&mut self) -> Result<(), Fault> {
        loop {
            let kind = self.bounded(1)?.first().copied().unwrap_or(0);
            if kind != 0 {
                self.field = Some(self.cstring()?);
                self.value(kind)?;
                continue;
            }
            if self.cursor.position() != self.end {
                return Err(Fault::Invalid("incorrect BSON length"));
            }
            let Some(outer) = self.depth.checked_sub(1) else {
                return Ok(());
            };
            self.depth = outer;
            self.end = self.ends.get(outer).copied().unwrap_or(0);
        }
    }

    fn value(&mut self, kind: u8) -> Result<(), Fault> {
        match kind {
            0x01 | 0x09 | 0x11 | 0x12 => self.skip(8), // double, date, timestamp, int64
            0x02 | 0x0D | 0x0E => self.string(),       // string, code, symbol
            0x03 | 0x04 => self.nested(),              // document, array
            0x05 => self.binary(),
            0x06 | 0x0A | 0x7F | 0xFF => Ok(()), // undefined, null, max key, min key
            0x07 => self.skip(12),               // object id
            0x08 => match self.bounded(1)? {
                [0 | 1] => Ok(()),
                _ => Err(Fault::Invalid("BSON bool is neither false nor true")),
            },
            0x0B => {
                self.cstring()?; // pattern
                self.cstring()?; // options
                Ok(())
            }
            0x0C => {
                self.string()?; // DBPointer: namespace and object id
                self.skip(12)
            }
            0x0F => self.code_with_scope(),
            0x10 => self.skip(4),  // int32
            0x13 => self.skip(16), // decimal128
            _ => Err(Fault::Invalid("Unrecognized BSON type")),
        }
    }

    /// The next `count` bytes, which must lie within the current document.
    fn bounded(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        if count > self.end.saturating_sub(self.cursor.position()) {
            return Err(Fault::Invalid("BSON size is larger than buffer size"));
        }
        self.cursor
            .take(count)
            .ok_or(Fault::Invalid("BSON size is larger than buffer size"))
    }

    fn skip(&mut self, count: usize) -> Result<(), Fault> {
        self.bounded(count).map(drop)
    }

    fn length(&mut self) -> Result<usize, Fault> {
        let bytes = self.bounded(4)?;
        Cursor::new(bytes, 0)
            .i32()
            .and_then(|length| usize::try_from(length).ok())
            .ok_or(Fault::Invalid("negative BSON length"))
    }

    fn cstring(&mut self) -> Result<&'a [u8], Fault> {
        let within = self.end.saturating_sub(self.cursor.position());
        let rest = self.cursor.rest();
        let rest = rest.get(..within).unwrap_or(rest);
        let length = rest
            .iter()
            .position(|byte| *byte == 0)
            .ok_or(Fault::Invalid("Not null terminated string"))?;
        let text = self.bounded(length)?;
        self.skip(1)?;
        utf8(text)?;
        Ok(text)
    }

    fn string(&mut self) -> Result<(), Fault> {
        let length = self.length()?;
        match self.bounded(length)?.split_last() {
            Some((0, text)) => utf8(text),
            _ => Err(Fault::Invalid("Not null terminated string")),
        }
    }

    fn binary(&mut self) -> Result<(), Fault> {
        const OLD_SUBTYPE: u8 = 2;
        let length = self.length()?;
        let is_old = matches!(self.bounded(1)?, [OLD_SUBTYPE]);
        let data = self.bounded(length)?;
        let inner = Cursor::new(data, 0)
            .i32()
            .and_then(|inner| usize::try_from(inner).ok());
        if is_old && inner.and_then(|inner| inner.checked_add(4)) != Some(length) {
            return Err(Fault::Invalid("incorrect length of binary subtype 2"));
        }
        Ok(())
    }

    fn nested(&mut self) -> Result<(), Fault> {
        let start = self.cursor.position();
        let length = self.length()?;
        if length < DOCUMENT_BYTES_MIN {
            return Err(Fault::Invalid(
                "Nested BSON object has to be at least 5 bytes",
            ));
        }
        let end = start.saturating_add(length);
        if end >= self.end {
            return Err(Fault::Invalid("BSON size is larger than buffer size"));
        }
        *self.ends.get_mut(self.depth).ok_or(Fault::TooDeep)? = self.end;
        self.depth += 1;
        self.end = end;
        Ok(())
    }

    /// A length, the code and the scope; the scope must end where the length says.
    fn code_with_scope(&mut self) -> Result<(), Fault> {
        let start = self.cursor.position();
        let length = self.length()?;
        self.string()?;
        self.nested()?;
        if start.saturating_add(length) == self.end {
            Ok(())
        } else {
            Err(Fault::Invalid("incorrect BSON length"))
        }
    }

    fn field_text(&self) -> String {
        match self.field {
            Some(name) if name.len() <= ECHOED_NAME_BYTES_MAX => {
                String::from_utf8_lossy(name).escape_debug().to_string()
            }
            _ => "?".to_owned(),
        }
    }
}

fn utf8(text: &[u8]) -> Result<(), Fault> {
    match std::str::from_utf8(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(Fault::Invalid("Not valid UTF-8")),
    }
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    /// A document of one field `f` of type `kind`.
    fn field(kind: u8, value: &[u8]) -> Vec<u8> {
        let length = u8::try_from(4 + 1 + 2 + value.len() + 1).unwrap();
        [&[length, 0, 0, 0, kind, b'f', 0], value, &[0]].concat()
    }

    fn nested(levels: usize) -> Vec<u8> {
        let mut document = rawdoc! {};
        for _ in 0..levels {
            document = rawdoc! { "a": document };
        }
        document.into_bytes()
    }

    #[test]
    fn malformed_values_are_refused() {
        let cases: &[(u8, &[u8])] = &[
            (0x01, &[0; 7]),                                      // double
            (0x01, &[0; 9]),                                      // a byte too many
            (0x02, &[0, 0, 0, 0]),                                // string without terminator
            (0x02, &[2, 0, 0, 0, b'a', b'b']),                    // not terminated
            (0x02, &[3, 0, 0, 0, b'a', 0]),                       // too long
            (0x02, &[0xFF, 0xFF, 0xFF, 0xFF, 0]),                 // negative
            (0x02, &[2, 0, 0, 0, 0xFF, 0]),                       // not UTF-8
            (0x03, &[4, 0, 0, 0]),                                // document too short
            (0x03, &[5, 0, 0, 0, 1]),                             // not terminated
            (0x03, &[6, 0, 0, 0, 0, 0]),                          // ends early
            (0x03, &[6, 0, 0, 0, 0]),                             // runs over the outer end
            (0x05, &[2, 0, 0, 0, 0, 1]),                          // binary too long
            (0x05, &[5, 0, 0, 0, 2, 2, 0, 0, 0, 1]),              // old subtype, wrong length
            (0x07, &[0; 11]),                                     // object id
            (0x08, &[2]),                                         // neither false nor true
            (0x0B, b"a\0i"),                                      // options not terminated
            (0x0C, &[1, 0, 0, 0, 0, 1, 2, 3]),                    // DBPointer without its id
            (0x0F, &[15, 0, 0, 0, 1, 0, 0, 0, 0, 5, 0, 0, 0, 0]), // code with scope, wrong length
            (0x10, &[0; 3]),                                      // int32
            (0x13, &[0; 15]),                                     // decimal128
            (0x14, &[]),                                          // no such type
            (0x80, &[]),                                          // no such type
        ];
        for (kind, value) in cases {
            let error = validate_document(&field(*kind, value)).unwrap_err();
            assert_eq!(error.code(), ErrorCode::INVALID_BSON, "{kind:#x} {value:?}");
        }
    }

    #[test]
    fn well_formed_values_are_accepted() {
        let cases: &[(u8, &[u8])] = &[
            (0x02, &[3, 0, 0, 0, b'a', 0, 0]), // a zero within a string
            (0x05, &[5, 0, 0, 0, 2, 1, 0, 0, 0, 1]),
            (0x06, &[]),
            (0x0B, b"a\0i\0"),
            (
                0x0C,
                &[1, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
            ),
            (0x0F, &[14, 0, 0, 0, 1, 0, 0, 0, 0, 5, 0, 0, 0, 0]),
            (0x7F, &[]),
            (0xFF, &[]),
        ];
        for (kind, value) in cases {
            let document = field(*kind, value);
            assert_eq!(
                validate_document(&document),
                Ok(document.len()),
                "{kind:#x}"
            );
        }
    }

    #[test]
    fn nesting_has_a_limit() {
        assert!(validate_document(&nested(NESTING_LEVELS_MAX)).is_ok());
        let error = validate_document(&nested(NESTING_LEVELS_MAX + 1)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::OVERFLOW);
        // Far beyond: a recursion would end the process here.
        assert!(validate_document(&nested(10_000)).is_err());
    }

    #[test]
    fn size_has_a_limit() {
        let with_length = |length: usize| {
            let padding = "x".repeat(length - 13);
            let document = rawdoc! { "a": padding };
            assert_eq!(document.as_bytes().len(), length);
            validate_document(document.as_bytes())
        };
        assert_eq!(with_length(DOCUMENT_BYTES_MAX), Ok(DOCUMENT_BYTES_MAX));
        assert_eq!(
            with_length(DOCUMENT_BYTES_MAX + 1).unwrap_err().to_string(),
            "BSONObj size: 16793601 (0x1004001) is invalid. Size must be between 0 and \
             16793600(16MB)"
        );
    }

    #[test]
    fn the_text_names_the_field() {
        let error = validate_document(&field(0x08, &[2])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "BSON bool is neither false nor true in element with field name 'f' in object with \
             unknown _id"
        );
    }
}
