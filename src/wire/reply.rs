//! Documents to replies, in the form the request asked for.

use bson::raw::{RawDocument, RawDocumentBuf};
use bson::rawdoc;

use super::compressed::compress;
use super::op_msg::{CHECKSUM_BYTES, CHECKSUM_PRESENT, EXHAUST_ALLOWED, MORE_TO_COME, flags};
use super::{Compressor, HEADER_BYTES, Header, WireError, op_code};

/// `responseFlags` bit of `OP_REPLY`: the document is `{$err: ...}`.
const QUERY_FAILURE: i32 = 1 << 1;
/// `responseFlags` bit of `OP_REPLY`, always set by servers of this age.
const AWAIT_CAPABLE: i32 = 1 << 3;

/// How one request wants to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReplyForm {
    response_to: i32,
    is_legacy: bool,
    flags: u32,
    compressor: Option<Compressor>,
}

impl ReplyForm {
    /// Works for malformed requests too, as far as there is a header.
    pub(super) fn of_request(frame: &[u8], header: Header, compressor: Option<Compressor>) -> Self {
        let is_msg = header.op_code == op_code::MSG;
        Self {
            response_to: header.request_id,
            is_legacy: !is_msg,
            flags: flags(frame).filter(|_| is_msg).unwrap_or(0),
            compressor,
        }
    }

    /// Whether the peer waits for a reply (it does not after `moreToCome`).
    pub fn is_wanted(&self) -> bool {
        self.flags & MORE_TO_COME == 0
    }

    /// Whether the peer takes more than one reply.
    pub fn allows_stream(&self) -> bool {
        self.flags & EXHAUST_ALLOWED != 0 && self.is_wanted()
    }

    /// The form of the stream's next reply, whose `responseTo` is the `reply_id` before it.
    #[must_use]
    pub fn following(self, reply_id: i32) -> Self {
        Self {
            response_to: reply_id,
            ..self
        }
    }

    /// Appends the reply. `reply_id` is this server's number for it; `more_to_come` announces that
    /// another follows in the stream and has a meaning only if [`Self::allows_stream`].
    pub fn encode(
        &self,
        reply_id: i32,
        document: &RawDocument,
        more_to_come: bool,
        out: &mut Vec<u8>,
    ) {
        let more_to_come = more_to_come && self.allows_stream();
        self.compressed_into(out, |out| {
            if self.is_legacy {
                self.write_reply(reply_id, AWAIT_CAPABLE, document, out);
            } else {
                self.write_msg(reply_id, document, more_to_come, out);
            }
        });
    }

    /// Appends the answer to an operation of old that is gone, see [`WireError::is_legacy`].
    pub fn encode_legacy_error(&self, reply_id: i32, error: &WireError, out: &mut Vec<u8>) {
        let document: RawDocumentBuf =
            rawdoc! { "$err": error.to_string(), "code": error.code().0, "ok": 0.0 };
        self.compressed_into(out, |out| {
            self.write_reply(reply_id, QUERY_FAILURE, &document, out);
        });
    }

    fn compressed_into(&self, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
        match self.compressor {
            None => write(out),
            Some(compressor) => {
                let mut message = Vec::new();
                write(&mut message);
                compress(compressor, &message, out);
            }
        }
    }

    fn write_msg(
        &self,
        reply_id: i32,
        document: &RawDocument,
        more_to_come: bool,
        out: &mut Vec<u8>,
    ) {
        let with_checksum = self.flags & CHECKSUM_PRESENT != 0;
        let mut flags = self.flags & CHECKSUM_PRESENT;
        if more_to_come {
            flags |= MORE_TO_COME;
        }
        let start = out.len();
        let checksum_bytes = if with_checksum { CHECKSUM_BYTES } else { 0 };
        let payload = size_of::<u32>() + 1 + document.as_bytes().len() + checksum_bytes;
        self.header(reply_id, op_code::MSG, payload).write(out);
        out.extend_from_slice(&flags.to_le_bytes());
        out.push(0);
        out.extend_from_slice(document.as_bytes());
        if with_checksum {
            let checksum = crc32c::crc32c(out.get(start..).unwrap_or_default());
            out.extend_from_slice(&checksum.to_le_bytes());
        }
    }

    fn write_reply(
        &self,
        reply_id: i32,
        response_flags: i32,
        document: &RawDocument,
        out: &mut Vec<u8>,
    ) {
        const FIELDS_BYTES: usize = 4 + 8 + 4 + 4;
        let payload = FIELDS_BYTES + document.as_bytes().len();
        self.header(reply_id, op_code::REPLY, payload).write(out);
        out.extend_from_slice(&response_flags.to_le_bytes());
        out.extend_from_slice(&0_i64.to_le_bytes()); // cursorID
        out.extend_from_slice(&0_i32.to_le_bytes()); // startingFrom
        out.extend_from_slice(&1_i32.to_le_bytes()); // numberReturned
        out.extend_from_slice(document.as_bytes());
    }

    fn header(&self, reply_id: i32, op_code: i32, payload_bytes: usize) -> Header {
        Header {
            // A document's length fits 31 bits, so does this: documents are at most 16 MiB.
            message_length: i32::try_from(HEADER_BYTES + payload_bytes).unwrap_or(i32::MAX),
            request_id: reply_id,
            response_to: self.response_to,
            op_code,
        }
    }
}
