//! Small values in etcd: BSON documents (<https://bsonspec.org/spec.html>).

use bson::{Bson, DateTime, Document, Timestamp, doc};
use uuid::Uuid;

use super::{LastWrite, MemberProgress, OpTime};
use crate::store::Sequence;

/// The last second that the clock may lead to, and the last number within one: mongod takes no cluster
/// time with a larger one. From there on times only count.
const LATEST: u32 = i32::MAX.unsigned_abs();

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

/// The place of a batch that follows `last`, by a wall clock that shows `now`. The clock is never believed
/// where it would lead back, nor beyond what MongoDB takes for a time.
pub(super) fn following(last: LastWrite, term: i64, now: DateTime) -> LastWrite {
    let seconds = u32::try_from(now.timestamp_millis().div_euclid(1000).max(0));
    let seconds = seconds.map_or(LATEST, |seconds| seconds.min(LATEST));
    let before = last.op_time.timestamp;
    let (time, increment) = if seconds > before.time {
        (seconds, 1)
    } else if before.increment < LATEST {
        (before.time, before.increment.saturating_add(1))
    } else {
        (before.time.saturating_add(1), 1)
    };
    let timestamp = Timestamp { time, increment };
    LastWrite {
        sequence: Sequence(last.sequence.0.saturating_add(1)),
        op_time: OpTime { term, timestamp },
        date: now,
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
            last: following(LastWrite::NONE, 3, DateTime::now()),
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

    /// The op time of a change at `now` that follows one at `(time, increment)`.
    fn next(before: (u32, u32), now_ms: i64) -> (u32, u32) {
        let mut last = LastWrite::NONE;
        let (time, increment) = before;
        last.op_time.timestamp = Timestamp { time, increment };
        last.date = DateTime::from_millis(i64::from(time) * 1000);
        let now = DateTime::from_millis(now_ms);
        let next = following(last, 1, now);
        assert!(next.op_time > last.op_time, "{before:?} at {now_ms}");
        assert_eq!(next.date, now);
        let Timestamp { time, increment } = next.op_time.timestamp;
        (time, increment)
    }

    #[test]
    fn op_times_follow_a_clock_that_goes_on_and_no_clock_that_jumps_back() {
        let at = 1_700_000_000;
        let now_ms = i64::from(at) * 1000;
        assert_eq!(next((at, 7), now_ms + 999), (at, 8));
        assert_eq!(next((at, 7), now_ms + 1000), (at + 1, 1));
        assert_eq!(next((at, 7), now_ms - 3_600_000), (at, 8));
        assert_eq!(next((at, LATEST), now_ms - 3_600_000), (at + 1, 1));
        for long_ago in [0, -1, i64::MIN] {
            assert_eq!(next((at, 7), long_ago), (at, 8));
        }
    }

    #[test]
    fn op_times_follow_a_clock_that_jumps_ahead_no_further_than_mongodb_counts() {
        let at = 1_700_000_000;
        let now_ms = i64::from(at) * 1000;
        let in_a_century_ms = now_ms + 100 * 365 * 86_400_000;
        assert_eq!(next((at, 7), now_ms + 86_400_000), (at + 86_400, 1));
        for far_ahead in [in_a_century_ms, i64::MAX] {
            assert_eq!(next((at, 7), far_ahead), (LATEST, 1));
            assert_eq!(next((LATEST, 1), far_ahead), (LATEST, 2));
        }
        // And goes on counting once the clock is right again.
        assert_eq!(next((LATEST, 2), now_ms), (LATEST, 3));
    }
}
