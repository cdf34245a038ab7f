//! The one error a client ever sees.
//!
//! Inner rooms have their own error enums; each is turned into a [`CommandError`] in one place, on
//! purpose: there is no `From` for it, so no inner text reaches a client by accident. Texts that more
//! than one command uses have a constructor in `messages.rs`.

mod code;
mod document;
mod messages;
mod reference;

use bson::RawDocumentBuf;

pub use code::ErrorCode;
pub use document::errors_reference;

/// An answer with `ok: 0`.
#[derive(Debug, Clone, PartialEq)]
pub struct CommandError {
    /// `code` and `codeName`.
    pub code: ErrorCode,
    /// `errmsg`, MongoDB's text where MongoDB has one.
    pub message: String,
    /// `errorLabels`, left out when empty.
    pub labels: Vec<&'static str>,
    /// Further fields of the answer, such as `topologyVersion`.
    pub extra: Option<RawDocumentBuf>,
}

/// Label of errors after which a driver sends a retryable write once more.
pub const RETRYABLE_WRITE_ERROR: &str = "RetryableWriteError";
/// Label of errors before which certainly nothing was written.
pub const NO_WRITES_PERFORMED: &str = "NoWritesPerformed";

impl CommandError {
    /// An error without labels.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            labels: Vec::new(),
            extra: None,
        }
    }

    /// Says that nothing was written and the same may be sent again, also where the request carries no
    /// number that would make it retryable.
    #[must_use]
    pub fn before_any_write(mut self) -> Self {
        self.labels = vec![RETRYABLE_WRITE_ERROR, NO_WRITES_PERFORMED];
        self
    }

    /// Code 2, the most common one.
    pub fn bad_value(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::BAD_VALUE, message)
    }
}

impl std::fmt::Display for CommandError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for CommandError {}
