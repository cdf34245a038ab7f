//! What can be wrong with a message, and what MongoDB calls it.

use thiserror::Error;

use super::{BsonError, SEQUENCES_MAX};
use crate::error::{CommandError, ErrorCode};

/// A message that is no request. The text is what the peer is told, if it is told anything.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WireError {
    /// The header's length is impossible; where the next message starts is unknown.
    #[error("recv(): message msgLen {length} is invalid. Min 16 Max: {message_bytes_max}")]
    MessageLength {
        /// As sent.
        length: i32,
        /// The limit in force.
        message_bytes_max: usize,
    },
    /// An operation code that never was, or that is only for replies.
    #[error("Message type {0} is not supported.")]
    UnknownOpCode(i32),
    /// `OP_INSERT` and relatives, which never had replies.
    #[error("{name} is no longer supported")]
    RemovedOpCode {
        /// Such as `OP_INSERT`.
        name: &'static str,
        /// MongoDB's number for it.
        code: i32,
    },
    /// A real query in `OP_QUERY`, or `OP_GET_MORE`: answered in the old form, see
    /// [`Self::is_legacy`].
    #[error(
        "{0} is no longer supported. The client driver may require an upgrade. For more details \
         see https://dochub.mongodb.org/core/legacy-opcode-removal"
    )]
    LegacyOperation(&'static str),

    /// A required flag bit (the low 16) that nobody knows.
    #[error("Message contains illegal flags value: Ob{0:032b}")]
    IllegalFlags(u32),
    /// More than [`SEQUENCES_MAX`].
    #[error("Too many document sequences in OP_MSG")]
    TooManyDocumentSequences,
    /// The CRC-32C at the end is not that of the bytes before it.
    #[error("OP_MSG checksum does not match contents")]
    ChecksumMismatch,
    /// Two sections of kind 0.
    #[error("Multiple body sections in message")]
    MultipleBodies,
    /// No section of kind 0.
    #[error("OP_MSG messages must have a body")]
    MissingBody,
    /// Two sequences of one name.
    #[error("Duplicate document sequence: {0}")]
    DuplicateSequence(String),
    /// A sequence named like a field of the body.
    #[error("Duplicate field between body and document sequence {0}")]
    DuplicateField(String),
    /// Neither 0 nor 1.
    #[error("Unknown section kind {0}")]
    UnknownSection(u8),
    /// A sequence whose length or name does not fit the message.
    #[error("Invalid document sequence: {0}")]
    InvalidSequence(&'static str),

    /// `OP_QUERY` without a terminated UTF-8 namespace.
    #[error("Failed to parse ns string")]
    UnterminatedNamespace,
    /// `OP_QUERY` with an empty database name.
    #[error("Invalid namespace specified '{0}'")]
    InvalidNamespace(String),
    /// The message ends within a number.
    #[error("Not enough data to read")]
    NotEnoughData,
    /// `OP_QUERY` with a flag that is refused for commands.
    #[error("The 'exhaust' OP_QUERY flag is invalid for commands: {0}")]
    ExhaustQuery(String),
    /// `OP_QUERY` for a command must ask for one document.
    #[error("Bad numberToReturn ({0}) for $cmd type ns - can only be 1 or -1")]
    NumberToReturn(i32),
    /// Bytes after the last document of an `OP_QUERY`.
    #[error("Client Error: {0} bytes after the end of the message's last document")]
    TrailingBytes(usize),

    /// A body, sequence document or query that is not valid BSON.
    #[error(transparent)]
    Bson(#[from] BsonError),
    /// `OP_COMPRESSED` that cannot be undone.
    #[error("{0}")]
    Compression(&'static str),
}

impl WireError {
    /// MongoDB's number for it.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::MessageLength { .. } | Self::InvalidSequence(_) => ErrorCode::PROTOCOL_ERROR,
            Self::UnknownOpCode(_) => ErrorCode::ILLEGAL_OPERATION,
            Self::RemovedOpCode { code, .. } => ErrorCode(*code),
            Self::LegacyOperation(_) => ErrorCode(5_739_101),
            Self::IllegalFlags(_) => ErrorCode::ILLEGAL_OP_MSG_FLAG,
            Self::TooManyDocumentSequences => ErrorCode::TOO_MANY_DOCUMENT_SEQUENCES,
            Self::ChecksumMismatch => ErrorCode::CHECKSUM_MISMATCH,
            Self::MultipleBodies => ErrorCode(40430),
            Self::DuplicateSequence(_) => ErrorCode(40431),
            Self::UnknownSection(_) => ErrorCode(40432),
            Self::DuplicateField(_) => ErrorCode(40433),
            Self::MissingBody => ErrorCode(40587),
            Self::UnterminatedNamespace => ErrorCode(18633),
            Self::InvalidNamespace(_) => ErrorCode::INVALID_NAMESPACE,
            Self::NotEnoughData => ErrorCode(18634),
            Self::ExhaustQuery(_) => ErrorCode(18527),
            Self::NumberToReturn(_) => ErrorCode(16979),
            Self::TrailingBytes(_) => ErrorCode::INVALID_BSON,
            Self::Bson(error) => error.code(),
            Self::Compression(_) => ErrorCode::BAD_VALUE,
        }
    }

    /// The error reply, where there is one.
    pub fn to_command_error(&self) -> CommandError {
        CommandError::new(self.code(), self.to_string())
    }

    /// Whether the connection ends without a reply, as in mongod; everything else gets an error
    /// reply and the connection lives.
    pub fn closes_connection(&self) -> bool {
        matches!(
            self,
            Self::MessageLength { .. }
                | Self::UnknownOpCode(_)
                | Self::RemovedOpCode { .. }
                | Self::IllegalFlags(_)
                | Self::TooManyDocumentSequences
                | Self::ChecksumMismatch
                | Self::Compression(_)
        )
    }

    /// Whether the answer is the `{$err, code, ok: 0}` of old servers, see
    /// [`ReplyForm::encode_legacy_error`](super::ReplyForm::encode_legacy_error).
    pub fn is_legacy(&self) -> bool {
        matches!(self, Self::LegacyOperation(_))
    }
}

const _: () = assert!(
    SEQUENCES_MAX == 2,
    "the text of 233 is MongoDB's, so is its limit"
);
