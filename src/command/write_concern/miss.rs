//! `writeConcernError`: the write is done, but not as far as it was asked to come.

use bson::raw::cstr;
use bson::{RawDocumentBuf, rawdoc};

use super::WriteConcern;
use crate::error::ErrorCode;

/// Why a write concern was not fulfilled. It stands in the answer beside what came of the command:
/// the write itself stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteConcernError {
    /// `code` and `codeName`.
    pub code: ErrorCode,
    /// `errmsg`.
    pub message: String,
}

impl WriteConcernError {
    pub(super) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }

    /// `wtimeout` is over.
    pub(super) fn timed_out() -> Self {
        Self::new(
            ErrorCode::WRITE_CONCERN_FAILED,
            "waiting for replication timed out",
        )
    }

    /// `maxTimeMS` is over.
    pub(super) fn out_of_time() -> Self {
        Self::new(
            ErrorCode::MAX_TIME_MS_EXPIRED,
            "operation exceeded time limit",
        )
    }

    /// This member is not the primary any more.
    pub(super) fn stepped_down() -> Self {
        Self::new(
            ErrorCode::PRIMARY_STEPPED_DOWN,
            "Primary stepped down while waiting for replication",
        )
    }

    /// This member has been elected anew, and others may have been in between.
    pub(super) fn term_changed(from: i64, to: i64) -> Self {
        let message = format!(
            "Term changed from {from} to {to} while waiting for replication, indicating that this \
             node must have stepped down."
        );
        Self::new(ErrorCode::PRIMARY_STEPPED_DOWN, message)
    }

    /// The server stops.
    pub(super) fn shutting_down() -> Self {
        Self::new(
            ErrorCode::SHUTDOWN_IN_PROGRESS,
            "Replication is being shut down",
        )
    }

    /// Nobody waits for the answer any more.
    pub(super) fn abandoned() -> Self {
        Self::new(ErrorCode::INTERRUPTED, "operation was interrupted")
    }

    /// Whether clients should look for another primary.
    pub(super) fn is_change_of_state(&self) -> bool {
        matches!(
            self.code,
            ErrorCode::PRIMARY_STEPPED_DOWN | ErrorCode::SHUTDOWN_IN_PROGRESS
        )
    }

    /// `{code, codeName, errmsg, errInfo: {[wtimeout], writeConcern}}`.
    pub fn to_document(&self, concern: &WriteConcern) -> RawDocumentBuf {
        let mut info = RawDocumentBuf::new();
        if self.code == ErrorCode::WRITE_CONCERN_FAILED {
            info.append(cstr!("wtimeout"), true);
        }
        info.append(cstr!("writeConcern"), concern.to_document());
        rawdoc! {
            "code": self.code.0,
            "codeName": self.code.name().as_ref(),
            "errmsg": self.message.as_str(),
            "errInfo": info,
        }
    }
}
