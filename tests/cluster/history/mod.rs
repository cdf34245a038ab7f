//! What clients did to users and roles and what they were told, and whether one order of events explains it.
//!
//! A user is a register, and so is a role: created, dropped, granted roles and asked for by name. Each
//! creation and each grant has a number of its own that a read shows, so a read tells exactly which writes it
//! has seen.
//! [`History::check`] looks for an order of all writes in which
//!
//! * every acknowledged write is, at a place between its start and its end, and did what it was
//!   acknowledged for; a refusal that tells of a state (exists, not found) was right at its place;
//! * a write of unknown outcome is, anywhere after its start, or never was;
//! * each node shows states of that order and never goes back, shows nothing that was not begun yet, and
//!   shows everything that it had itself acknowledged;
//! * a write acknowledged by k of n nodes is missed by at most n - k nodes afterwards, and by nobody in
//!   the final reads, when all is quiet;
//! * what one read shows of several users and roles is what was there at one moment.

mod prefix;
mod search;
#[cfg(test)]
mod simulated;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

/// Nanoseconds since the history began.
pub(crate) type Moment = u64;

/// Tells writes apart.
pub(crate) type WriteId = u64;

/// Everything that was recorded.
#[derive(Debug, Clone, Default)]
pub(crate) struct History {
    /// How many nodes there are.
    pub(crate) nodes: usize,
    pub(crate) writes: Vec<Write>,
    pub(crate) reads: Vec<Read>,
}

/// One write.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) id: WriteId,
    /// The user or role.
    pub(crate) name: String,
    pub(crate) action: Action,
    /// The node it was sent to.
    pub(crate) node: usize,
    pub(crate) invoked: Moment,
    /// When the answer was there; what is [`Outcome::Unknown`] may end at any time.
    pub(crate) returned: Moment,
    pub(crate) outcome: Outcome,
}

/// What a write is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    Create,
    Drop,
    /// Grants the role that carries the write's number.
    Grant,
    /// Takes the role of another write away.
    Revoke(WriteId),
    /// Grants a role that is created and dropped to a user: done only if both are there, or refused because
    /// one is not. Recorded for whom the answer tells of, as what tells of a state.
    Give,
}

/// What the client was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done, and so many nodes have it.
    Done { nodes: usize },
    /// There is such a user or role: not created.
    Exists,
    /// Not done because there is no such user or role.
    NotFound,
    /// Not done, whatever there is.
    Refused,
    /// Done or not, now or later.
    Unknown,
}

/// One read of one or more users and roles.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    pub(crate) node: usize,
    pub(crate) invoked: Moment,
    pub(crate) returned: Moment,
    /// Who was asked for and what was shown.
    pub(crate) seen: BTreeMap<String, State>,
    /// Made when all nodes had been told to catch up.
    pub(crate) is_final: bool,
}

/// A user or role as a read shows it; `None`: there is none.
pub(crate) type State = Option<Holder>;

/// A user or role: whoever holds grants.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Holder {
    pub(crate) created_by: WriteId,
    pub(crate) granted: BTreeSet<WriteId>,
}

/// Why no order explains the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) name: String,
    pub(crate) text: String,
}

impl History {
    /// An explanation exists, or why not.
    pub(crate) fn check(&self) -> Result<(), Violation> {
        for (name, events) in self.by_name() {
            search::explain(self.nodes, name, events)?;
        }
        prefix::check(self)
    }

    /// What concerns each user or role: the writes, and the reads with what they saw.
    fn by_name(&self) -> BTreeMap<&str, OfOne<'_>> {
        let mut names: BTreeMap<&str, OfOne> = BTreeMap::new();
        for write in &self.writes {
            let of_one = names.entry(&write.name).or_default();
            of_one.writes.push(write);
        }
        for read in &self.reads {
            for (name, state) in &read.seen {
                let of_one = names.entry(name).or_default();
                of_one.reads.push((read, state));
            }
        }
        names
    }
}

/// What concerns one user or role.
#[derive(Default)]
struct OfOne<'a> {
    writes: Vec<&'a Write>,
    reads: Vec<(&'a Read, &'a State)>,
}
