//! Bytes to messages and back: MongoDB's wire protocol, without sockets and without policy.
//!
//! [`frame_length`] finds where a message ends, [`parse`] turns one complete message into a
//! [`Request`], [`ReplyForm`] encodes the answer the way the request asked for it. Everything a peer
//! sent has been validated before anybody else sees it: iterating a document handed out here cannot
//! fail. Formats: <https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/> and the
//! `OP_MSG` and `OP_COMPRESSED` driver specifications.

mod compressed;
mod cursor;
mod error;
mod header;
mod op_msg;
mod op_query;
mod reply;
mod request;
mod validate;

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod property_tests;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub use compressed::{Compressor, CompressorSet};
pub use error::WireError;
pub use header::{HEADER_BYTES, Header, MESSAGE_BYTES_MAX, frame_length, op_code};
pub use op_msg::{Documents, OpMsg, SEQUENCES_MAX};
pub use op_query::OpQuery;
pub use reply::ReplyForm;
pub use request::{Incoming, Request, WireLimits, parse};
pub use validate::{BsonError, DOCUMENT_BYTES_MAX, NESTING_LEVELS_MAX, validate_document};
