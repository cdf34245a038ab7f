//! How far each member has come.

use std::collections::BTreeMap;

use super::{LastWrite, OpTime};
use crate::store::Sequence;

/// How far one member has come, as far as is known here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberProgress {
    /// The last batch it has applied.
    pub sequence: Sequence,
    /// Its place in the history.
    pub op_time: OpTime,
}

impl From<LastWrite> for MemberProgress {
    fn from(last: LastWrite) -> Self {
        Self {
            sequence: last.sequence,
            op_time: last.op_time,
        }
    }
}

/// How far every live member has come, by its `_id` in the configuration; those that are down are
/// not in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// By `_id`.
    pub members: BTreeMap<i32, MemberProgress>,
}

impl Progress {
    /// The live members that have applied everything up to `sequence`.
    pub fn having(&self, sequence: Sequence) -> impl Iterator<Item = i32> {
        let reached = move |(id, progress): (&i32, &MemberProgress)| {
            (progress.sequence >= sequence).then_some(*id)
        };
        self.members.iter().filter_map(reached)
    }
}
