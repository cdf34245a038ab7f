//! Positions in the history of changes, as MongoDB counts them.

use bson::raw::cstr;
use bson::{DateTime, RawDocumentBuf, Timestamp};

use crate::store::Sequence;

/// When a change was made: a logical clock that follows the wall clock and never goes back, and the
/// term of the primary that made it. Ordered as MongoDB orders them: by term, then by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct OpTime {
    /// Counts elections.
    pub term: i64,
    /// Seconds since 1970 and a counter within the second.
    pub timestamp: Timestamp,
}

impl OpTime {
    /// Before everything.
    pub const ZERO: Self = Self {
        term: 0,
        timestamp: Timestamp {
            time: 0,
            increment: 0,
        },
    };

    /// `{ts, t}`.
    pub fn to_document(self) -> RawDocumentBuf {
        let mut document = RawDocumentBuf::new();
        document.append(cstr!("ts"), self.timestamp);
        document.append(cstr!("t"), self.term);
        document
    }
}

/// The last change that this member has applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LastWrite {
    /// The batch it came in.
    pub sequence: Sequence,
    /// Its place in the history.
    pub op_time: OpTime,
    /// The primary's wall clock then.
    pub date: DateTime,
}

impl LastWrite {
    /// Nothing was written yet.
    pub const NONE: Self = Self {
        sequence: Sequence(0),
        op_time: OpTime::ZERO,
        date: DateTime::from_millis(0),
    };
}
