//! The search for an order of the writes and reads of one user: Wing and Gong's, with Lowe's memory of
//! what was tried ("Testing for linearizability", 2017).

use std::collections::{BTreeSet, HashSet};

use super::{Action, Moment, OfUser, Outcome, Read, State, User, Violation, Write};

/// Positions remembered before the search gives up: a history of this project has some hundreds.
const POSITIONS_MAX: usize = 1_000_000;
/// The same, times events: what takes time and memory.
const PLACES_MAX: usize = 100_000_000;

/// An order of the user's events exists, or why not.
pub(super) fn explain(nodes: usize, user: &str, events: OfUser) -> Result<(), Violation> {
    let mut search = Search::new(nodes, in_order(events));
    match search.extend(&None) {
        Found::Explained => Ok(()),
        found => Err(Violation {
            user: user.to_owned(),
            text: search.complaint(&found),
        }),
    }
}

#[derive(Debug, Clone)]
enum Event<'a> {
    Write(&'a Write),
    Read(&'a Read, &'a State),
}

impl Event<'_> {
    fn invoked(&self) -> Moment {
        match self {
            Event::Write(write) => write.invoked,
            Event::Read(read, _) => read.invoked,
        }
    }

    /// `None`: may take effect at any time, or never.
    fn returned(&self) -> Option<Moment> {
        match self {
            Event::Write(write) => (write.outcome != Outcome::Unknown).then_some(write.returned),
            Event::Read(read, _) => Some(read.returned),
        }
    }
}

/// The events that matter, by their start.
fn in_order(user: OfUser<'_>) -> Vec<Event<'_>> {
    let reads = user.reads.into_iter();
    let reads: Vec<Event> = reads.map(|(read, seen)| Event::Read(read, seen)).collect();
    let shown: BTreeSet<u64> = reads
        .iter()
        .filter_map(|read| match read {
            Event::Read(_, Some(user)) => Some(user.granted.iter().copied()),
            _ => None,
        })
        .flatten()
        .collect();
    // A grant of unknown outcome that nobody ever saw explains nothing: it need not have been.
    let matters = |write: &Write| match (write.outcome, write.action) {
        (Outcome::Refused, _) => false,
        (Outcome::Unknown, Action::Grant) => shown.contains(&write.id),
        _ => true,
    };
    let writes = user.writes.into_iter().filter(|write| matters(write));
    let writes = writes.map(Event::Write);
    let mut events: Vec<Event> = writes.chain(reads).collect();
    events.sort_by_key(Event::invoked);
    events
}

/// Whether `other` must have its place before `event` gets one.
fn comes_first(other: &Event, event: &Event, nodes: usize) -> bool {
    let is_earlier = other.returned().is_some_and(|end| end < event.invoked());
    is_earlier
        && match (other, event) {
            (_, Event::Write(_)) => true,
            (Event::Read(earlier, _), Event::Read(later, _)) => earlier.node == later.node,
            (Event::Write(write), Event::Read(read, _)) => match write.outcome {
                Outcome::Done { nodes: having } => {
                    having >= nodes || write.node == read.node || read.is_final
                }
                _ => false,
            },
        }
}

enum Found {
    Explained,
    Nothing,
    GaveUp,
}

struct Search<'a> {
    nodes: usize,
    events: Vec<Event<'a>>,
    /// Of each event, those that it must come before.
    followers: Vec<Vec<usize>>,
    /// Of each event, how many that must come before it have no place yet.
    waits_for: Vec<usize>,
    placed: Vec<bool>,
    path: Vec<usize>,
    /// Placed events and the state they lead to.
    tried: HashSet<(Vec<bool>, State)>,
    furthest: Vec<usize>,
}

impl<'a> Search<'a> {
    fn new(nodes: usize, events: Vec<Event<'a>>) -> Self {
        let mut waits_for = vec![0; events.len()];
        let mut followers = vec![Vec::new(); events.len()];
        for (index, event) in events.iter().enumerate() {
            for (earlier, other) in events.iter().enumerate() {
                if comes_first(other, event, nodes) {
                    followers[earlier].push(index);
                    waits_for[index] += 1;
                }
            }
        }
        Self {
            nodes,
            placed: vec![false; events.len()],
            events,
            followers,
            waits_for,
            path: Vec::new(),
            tried: HashSet::new(),
            furthest: Vec::new(),
        }
    }

    /// Looks for an order of what has no place yet; leaves the places as they were unless it finds one.
    fn extend(&mut self, state: &State) -> Found {
        let before = self.path.len();
        self.place_observations(state);
        let found = self.try_each(state);
        if matches!(found, Found::Nothing) {
            while self.path.len() > before {
                self.take_back();
            }
        }
        found
    }

    /// What never changes anything, fits and misses nothing acknowledged can never fit worse than here.
    fn place_observations(&mut self, state: &State) {
        // Whoever waits for one of them is a later one.
        for index in 0..self.events.len() {
            let is_observation = match &self.events[index] {
                Event::Read(..) => true,
                Event::Write(write) => matches!(write.outcome, Outcome::Exists | Outcome::NotFound),
            };
            if is_observation
                && self.is_next(index)
                && self.after(index, state).is_some()
                && self.missed(index).is_empty()
            {
                self.place(index);
            }
        }
    }

    fn try_each(&mut self, state: &State) -> Found {
        if self.path.len() > self.furthest.len() {
            self.furthest.clone_from(&self.path);
        }
        if self.is_complete() {
            return Found::Explained;
        }
        if self.is_a_dead_end(state) || !self.tried.insert((self.placed.clone(), state.clone())) {
            return Found::Nothing;
        }
        if self.tried.len() >= POSITIONS_MAX.min(PLACES_MAX / self.events.len()) {
            return Found::GaveUp;
        }
        for index in 0..self.events.len() {
            if !self.is_next(index) {
                continue;
            }
            let Some(after) = self.after(index, state) else {
                continue;
            };
            // Who need not have a place gets none where it changes nothing.
            let is_idle = after == *state && self.events[index].returned().is_none();
            if is_idle || !self.is_not_too_stale(index) {
                continue;
            }
            self.place(index);
            let found = self.extend(&after);
            if !matches!(found, Found::Nothing) {
                return found;
            }
            self.take_back();
        }
        Found::Nothing
    }

    fn place(&mut self, index: usize) {
        self.placed[index] = true;
        self.path.push(index);
        for &follower in &self.followers[index] {
            self.waits_for[follower] -= 1;
        }
    }

    fn take_back(&mut self) {
        let Some(index) = self.path.pop() else {
            return;
        };
        self.placed[index] = false;
        for &follower in &self.followers[index] {
            self.waits_for[follower] += 1;
        }
    }

    fn is_complete(&self) -> bool {
        let mut events = self.events.iter().zip(&self.placed);
        events.all(|(event, placed)| *placed || event.returned().is_none())
    }

    fn is_next(&self, index: usize) -> bool {
        !self.placed[index] && self.waits_for[index] == 0
    }

    /// Whether a read without a place shows what will never be again: each creation and each grant is
    /// there once.
    fn is_a_dead_end(&self, state: &State) -> bool {
        let (mut placed, mut left) = (HashSet::new(), HashSet::new());
        for (event, is_placed) in self.events.iter().zip(&self.placed) {
            if let Event::Write(write) = event {
                if *is_placed {
                    placed.insert(write.id);
                } else {
                    left.insert(write.action);
                }
            }
        }
        let can_still_be = |seen: &State| match (state, seen) {
            (None, None) => true,
            (Some(_), None) => left.contains(&Action::Drop),
            (Some(now), Some(seen)) if now.created_by == seen.created_by => {
                let mut missing = seen.granted.difference(&now.granted);
                let mut surplus = now.granted.difference(&seen.granted);
                missing.all(|grant| !placed.contains(grant))
                    && surplus.all(|grant| left.contains(&Action::Revoke(*grant)))
            }
            (_, Some(seen)) => !placed.contains(&seen.created_by),
        };
        let mut events = self.events.iter().zip(&self.placed);
        events.any(|(event, is_placed)| {
            matches!(event, Event::Read(_, seen) if !is_placed && !can_still_be(seen))
        })
    }

    /// Acknowledged writes without a place yet that were over when the read began.
    fn missed(&self, index: usize) -> Vec<usize> {
        let Event::Read(read, _) = &self.events[index] else {
            return Vec::new();
        };
        let is_missed = |other: usize| {
            !self.placed[other]
                && matches!(&self.events[other], Event::Write(write)
                    if matches!(write.outcome, Outcome::Done { .. }) && write.returned < read.invoked)
        };
        (0..self.events.len())
            .filter(|&other| is_missed(other))
            .collect()
    }

    /// No write that k of n nodes had acknowledged is missed by more than n - k nodes.
    fn is_not_too_stale(&self, index: usize) -> bool {
        let Event::Read(read, _) = &self.events[index] else {
            return true;
        };
        self.missed(index).into_iter().all(|missed| {
            let Event::Write(write) = &self.events[missed] else {
                return true;
            };
            let Outcome::Done { nodes: having } = write.outcome else {
                return true;
            };
            let stale = self
                .events
                .iter()
                .zip(&self.placed)
                .filter_map(|(event, placed)| match event {
                    Event::Read(other, _) if *placed && other.invoked > write.returned => {
                        Some(other.node)
                    }
                    _ => None,
                });
            let mut stale: BTreeSet<usize> = stale.collect();
            stale.insert(read.node);
            stale.len() + having <= self.nodes
        })
    }

    /// The state after the event, if it can happen in this one.
    fn after(&self, index: usize, state: &State) -> Option<State> {
        match &self.events[index] {
            Event::Read(_, seen) => (*seen == state).then(|| state.clone()),
            Event::Write(write) => match (write.outcome, write.action, state) {
                (Outcome::Exists, _, Some(_)) => Some(state.clone()),
                (Outcome::NotFound, _, None) => Some(None),
                (Outcome::Exists | Outcome::NotFound | Outcome::Refused, ..) => None,
                (_, Action::Create, None) => Some(Some(User {
                    created_by: write.id,
                    granted: BTreeSet::new(),
                })),
                (_, Action::Create, Some(_)) | (_, _, None) => None,
                (_, Action::Drop, Some(_)) => Some(None),
                (_, Action::Grant, Some(user)) => {
                    let mut user = user.clone();
                    user.granted.insert(write.id);
                    Some(Some(user))
                }
                (_, Action::Revoke(grant), Some(user)) => {
                    let mut user = user.clone();
                    user.granted.remove(&grant);
                    Some(Some(user))
                }
            },
        }
    }

    fn complaint(&self, found: &Found) -> String {
        use std::fmt::Write as _;
        let mut text = match found {
            Found::GaveUp => String::from("too much to try out; "),
            _ => String::from("no order explains this; "),
        };
        let _ = writeln!(text, "the longest that could be put in order:");
        for &index in &self.furthest {
            let _ = writeln!(text, "  {:?}", self.events[index]);
        }
        let _ = writeln!(text, "left over:");
        for (index, event) in self.events.iter().enumerate() {
            if !self.furthest.contains(&index) {
                let _ = writeln!(text, "  {event:?}");
            }
        }
        text
    }
}
