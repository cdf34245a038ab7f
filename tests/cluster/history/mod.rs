//! What clients did to users and what they were told, and whether one order of events explains it.
//!
//! A user is a register: created, dropped, granted roles and asked for by name. Each creation and each
//! grant has a number of its own that a read shows, so a read tells exactly which writes it has seen.
//! [`History::check`] looks for an order of all writes in which
//!
//! * every acknowledged write is, at a place between its start and its end, and did what it was
//!   acknowledged for; a refusal that tells of a state (exists, not found) was right at its place;
//! * a write of unknown outcome is, anywhere after its start, or never was;
//! * each node shows states of that order and never goes back, shows nothing that was not begun yet, and
//!   shows everything that it had itself acknowledged;
//! * a write acknowledged by k of n nodes is missed by at most n - k nodes afterwards, and by nobody in
//!   the final reads, when all is quiet.

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
    pub(crate) user: String,
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
}

/// What the client was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done, and so many nodes have it.
    Done { nodes: usize },
    /// Not done because there is such a user.
    Exists,
    /// Not done because there is no such user.
    NotFound,
    /// Not done, whatever there is.
    Refused,
    /// Done or not, now or later.
    Unknown,
}

/// One read of one or more users.
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

/// A user as a read shows it; `None`: there is none.
pub(crate) type State = Option<User>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct User {
    pub(crate) created_by: WriteId,
    pub(crate) granted: BTreeSet<WriteId>,
}

/// Why no order explains the history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) user: String,
    pub(crate) text: String,
}

impl History {
    /// An explanation exists, or why not.
    pub(crate) fn check(&self) -> Result<(), Violation> {
        for (user, events) in self.by_user() {
            search::explain(self.nodes, user, events)?;
        }
        prefix::check(self)
    }

    /// What concerns each user: the writes, and the reads with what they saw.
    fn by_user(&self) -> BTreeMap<&str, OfUser<'_>> {
        let mut users: BTreeMap<&str, OfUser> = BTreeMap::new();
        for write in &self.writes {
            let user = users.entry(&write.user).or_default();
            user.writes.push(write);
        }
        for read in &self.reads {
            for (user, state) in &read.seen {
                let user = users.entry(user).or_default();
                user.reads.push((read, state));
            }
        }
        users
    }
}

/// What concerns one user.
#[derive(Default)]
struct OfUser<'a> {
    writes: Vec<&'a Write>,
    reads: Vec<(&'a Read, &'a State)>,
}
