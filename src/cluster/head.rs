//! Small values in etcd: BSON documents (<https://bsonspec.org/spec.html>).

use bson::{Bson, DateTime, Document, Timestamp, doc};
use uuid::Uuid;

use super::{LastWrite, MemberProgress, OpTime};
use crate::store::Sequence;

/// A value in etcd that is not what belongs there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{key} in etcd is damaged: {reason}")]
pub(super) struct Damaged {
    /// Which key, as people read it.
    pub(super) key: String,
    /// What does not hold.
    pub(super) reason: String,
}

impl Damaged {
    pub(super) fn new(key: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self {
            key: key.into(),
            reason: reason.to_string(),
        }
    }
}

/// The value of `head`: the last batch. Every batch writes it, so its revision is the guard of the
/// next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// The batch's place.
    pub(super) last: LastWrite,
    /// Which batch this is; whoever has lost the answer recognises its own.
    pub(super) batch: Uuid,
    /// Whether its changes are still parts under `staged`, because they were too many for one
    /// transaction.
    pub(super) is_staged: bool,
}

impl Head {
    pub(super) fn encode(&self) -> Vec<u8> {
        bytes_of(&doc! {
            "sequence": i64::try_from(self.last.sequence.0).unwrap_or(i64::MAX),
            "ts": self.last.op_time.timestamp,
            "t": self.last.op_time.term,
            "date": self.last.date,
            "batch": self.batch.to_string(),
            "staged": self.is_staged,
        })
    }

    pub(super) fn decode(value: &[u8]) -> Result<Self, Damaged> {
        let damaged = |reason| Damaged::new("head", reason);
        let document = parse(value).map_err(damaged)?;
        let read = || -> Option<Self> {
            Some(Self {
                last: LastWrite {
                    sequence: sequence(&document)?,
                    op_time: op_time(&document)?,
                    date: *document.get_datetime("date").ok()?,
                },
                batch: Uuid::parse_str(document.get_str("batch").ok()?).ok()?,
                is_staged: document.get_bool("staged").ok()?,
            })
        };
        read().ok_or_else(|| damaged("a field is missing or of another type".to_owned()))
    }
}

/// The head of the first batch of a term or of a change that follows `last`; the clock is asked, and
/// never believed where it would lead back.
pub(super) fn following(last: LastWrite, term: i64) -> LastWrite {
    let date = DateTime::now().max(last.date);
    let seconds = u32::try_from(date.timestamp_millis() / 1000).unwrap_or_default();
    let before = last.op_time.timestamp;
    let timestamp = if seconds > before.time {
        Timestamp {
            time: seconds,
            increment: 1,
        }
    } else {
        let increment = before.increment.checked_add(1);
        Timestamp {
            time: before.time.saturating_add(u32::from(increment.is_none())),
            increment: increment.unwrap_or(1),
        }
    };
    LastWrite {
        sequence: Sequence(last.sequence.0.saturating_add(1)),
        op_time: OpTime { term, timestamp },
        date,
    }
}

/// The value of `primary`: who it is.
pub(super) fn encode_primary(host: &str) -> Vec<u8> {
    bytes_of(&doc! { "host": host })
}

pub(super) fn decode_primary(value: &[u8]) -> Result<String, Damaged> {
    let damaged = |reason| Damaged::new("primary", reason);
    let document = parse(value).map_err(damaged)?;
    let host = document.get_str("host");
    host.map(str::to_owned)
        .map_err(|error| damaged(error.to_string()))
}

/// The value of a member: how far it has come.
pub(super) fn encode_progress(progress: MemberProgress) -> Vec<u8> {
    bytes_of(&doc! {
        "sequence": i64::try_from(progress.sequence.0).unwrap_or(i64::MAX),
        "ts": progress.op_time.timestamp,
        "t": progress.op_time.term,
    })
}

pub(super) fn decode_progress(host: &str, value: &[u8]) -> Result<MemberProgress, Damaged> {
    let damaged = |reason| Damaged::new(format!("members/{host}"), reason);
    let document = parse(value).map_err(damaged)?;
    let read = || {
        Some(MemberProgress {
            sequence: sequence(&document)?,
            op_time: op_time(&document)?,
        })
    };
    read().ok_or_else(|| damaged("a field is missing or of another type".to_owned()))
}

fn sequence(document: &Document) -> Option<Sequence> {
    let sequence = document.get_i64("sequence").ok()?;
    u64::try_from(sequence).ok().map(Sequence)
}

fn op_time(document: &Document) -> Option<OpTime> {
    let Some(Bson::Timestamp(timestamp)) = document.get("ts") else {
        return None;
    };
    Some(OpTime {
        term: document.get_i64("t").ok()?,
        timestamp: *timestamp,
    })
}

pub(super) fn parse(value: &[u8]) -> Result<Document, String> {
    Document::from_reader(value).map_err(|error| error.to_string())
}

pub(super) fn bytes_of(document: &Document) -> Vec<u8> {
    // Only keys with a NUL cannot be written, and there are none.
    document.to_vec().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_written() {
        let head = Head {
            last: following(LastWrite::NONE, 3),
            batch: Uuid::new_v4(),
            is_staged: true,
        };
        assert_eq!(Head::decode(&head.encode()), Ok(head));
        assert_eq!(head.last.sequence, Sequence(1));
        let progress = MemberProgress::from(head.last);
        assert_eq!(
            decode_progress("a:1", &encode_progress(progress)),
            Ok(progress)
        );
        assert_eq!(decode_primary(&encode_primary("a:1")), Ok("a:1".to_owned()));
        assert!(Head::decode(b"").is_err());
        assert!(Head::decode(&encode_progress(progress)).is_err());
    }

    #[test]
    fn time_never_goes_back() {
        let mut last = LastWrite::NONE;
        last.op_time.timestamp.time = u32::MAX - 1;
        let next = following(last, 1);
        assert!(next.op_time > last.op_time);
        assert_eq!(next.op_time.timestamp.time, u32::MAX - 1);
        last.op_time.timestamp.increment = u32::MAX;
        let next = following(last, 1);
        assert_eq!(
            (
                next.op_time.timestamp.time,
                next.op_time.timestamp.increment
            ),
            (u32::MAX, 1)
        );
    }
}
