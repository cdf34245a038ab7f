//! The 16 bytes every message begins with.

use super::WireError;
use super::cursor::Cursor;

/// Length of the header: four little-endian 32-bit numbers.
pub const HEADER_BYTES: usize = 16;
/// `maxMessageSizeBytes` of `hello`: the longest message, header included.
pub const MESSAGE_BYTES_MAX: usize = 48_000_000;

/// Operation codes. Those from 2001 to 2007 are gone since MongoDB 5.1, except commands in
/// `OP_QUERY`, which old drivers open a connection with.
pub mod op_code {
    /// Answer to `OP_QUERY`.
    pub const REPLY: i32 = 1;
    /// Removed.
    pub const UPDATE: i32 = 2001;
    /// Removed.
    pub const INSERT: i32 = 2002;
    /// Only for commands, only for the handshake family.
    pub const QUERY: i32 = 2004;
    /// Removed.
    pub const GET_MORE: i32 = 2005;
    /// Removed.
    pub const DELETE: i32 = 2006;
    /// Removed.
    pub const KILL_CURSORS: i32 = 2007;
    /// Another message, compressed.
    pub const COMPRESSED: i32 = 2012;
    /// Everything else.
    pub const MSG: i32 = 2013;
}

/// A message's first 16 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Bytes of the whole message, this header included.
    pub message_length: i32,
    /// The sender's number for the message.
    pub request_id: i32,
    /// In replies, the `request_id` of the request.
    pub response_to: i32,
    /// One of [`op_code`], or anything else a peer sends.
    pub op_code: i32,
}

impl Header {
    /// Reads the header at the start of `bytes`; `None` if there are fewer than 16.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let mut cursor = Cursor::new(bytes, 0);
        Some(Self {
            message_length: cursor.i32()?,
            request_id: cursor.i32()?,
            response_to: cursor.i32()?,
            op_code: cursor.i32()?,
        })
    }

    /// Appends the header.
    pub fn write(&self, out: &mut Vec<u8>) {
        for field in [
            self.message_length,
            self.request_id,
            self.response_to,
            self.op_code,
        ] {
            out.extend_from_slice(&field.to_le_bytes());
        }
    }
}

/// How long the message at the start of `buffered` is, once its first four bytes are there.
///
/// An error means the stream cannot be followed any further.
pub fn frame_length(buffered: &[u8], message_bytes_max: usize) -> Result<Option<usize>, WireError> {
    let Some(length) = Cursor::new(buffered, 0).i32() else {
        return Ok(None);
    };
    match usize::try_from(length) {
        Ok(bytes) if (HEADER_BYTES..=message_bytes_max).contains(&bytes) => Ok(Some(bytes)),
        _ => Err(WireError::MessageLength {
            length,
            message_bytes_max,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn length_bounds() {
        let length = |number: i32| frame_length(&number.to_le_bytes(), MESSAGE_BYTES_MAX);
        assert_eq!(frame_length(&[16, 0, 0], MESSAGE_BYTES_MAX), Ok(None));
        assert_eq!(length(16), Ok(Some(16)));
        assert_eq!(length(48_000_000), Ok(Some(48_000_000)));
        for bad in [15, 0, -1, i32::MIN, i32::MAX, 48_000_001] {
            let error = length(bad).unwrap_err();
            assert!(error.closes_connection(), "{bad}");
        }
    }
}
