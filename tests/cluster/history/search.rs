//! The search for an order of the writes and reads of one user or role: Wing and Gong's, with Lowe's memory of
//! what was tried ("Testing for linearizability", 2017).

use std::collections::{BTreeSet, HashSet};

use super::{Action, Holder, Moment, OfOne, Outcome, Read, State, Violation, Write};

/// Positions looked at before the search gives up: a history of this project has some hundreds.
const POSITIONS_MAX: usize = 3_000_000;

/// An order of the events of a user or role exists, or why not.
pub(super) fn explain(nodes: usize, name: &str, events: OfOne) -> Result<(), Violation> {
    let events = in_order(events);
    let mut search = Search {
        nodes,
        before: events
            .iter()
            .map(|event| before(event, &events, nodes))
            .collect(),
        events,
        tried: HashSet::new(),
        furthest: Vec::new(),
        path: Vec::new(),
    };
    let mut placed = vec![false; search.events.len()];
    match search.extend(&mut placed, &None) {
        Found::Explained => Ok(()),
        found => Err(Violation {
            name: name.to_owned(),
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
fn in_order(of_one: OfOne<'_>) -> Vec<Event<'_>> {
    let reads = of_one.reads.into_iter();
    let reads: Vec<Event> = reads.map(|(read, seen)| Event::Read(read, seen)).collect();
    let shown: BTreeSet<u64> = reads
        .iter()
        .filter_map(|read| match read {
            Event::Read(_, Some(holder)) => Some(holder.granted.iter().copied()),
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
    let writes = of_one.writes.into_iter().filter(|write| matters(write));
    let writes = writes.map(Event::Write);
    let mut events: Vec<Event> = writes.chain(reads).collect();
    events.sort_by_key(Event::invoked);
    events
}

/// The events that must have their place before `event` gets one.
fn before(event: &Event, events: &[Event], nodes: usize) -> Vec<usize> {
    let comes_first = |other: &Event| {
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
    };
    let numbered = events.iter().enumerate();
    numbered
        .filter(|(_, other)| comes_first(other))
        .map(|(index, _)| index)
        .collect()
}

enum Found {
    Explained,
    Nothing,
    GaveUp,
}

struct Search<'a> {
    nodes: usize,
    events: Vec<Event<'a>>,
    before: Vec<Vec<usize>>,
    /// Placed events and the state they lead to.
    tried: HashSet<(Vec<bool>, State)>,
    path: Vec<usize>,
    furthest: Vec<usize>,
}

impl Search<'_> {
    fn extend(&mut self, placed: &mut Vec<bool>, state: &State) -> Found {
        if self.is_complete(placed) {
            return Found::Explained;
        }
        if self.tried.len() >= POSITIONS_MAX {
            return Found::GaveUp;
        }
        if !self.tried.insert((placed.clone(), state.clone())) {
            return Found::Nothing;
        }
        if self.path.len() > self.furthest.len() {
            self.furthest.clone_from(&self.path);
        }
        let mut next: Vec<(usize, State)> = (0..self.events.len())
            .filter(|&index| !placed[index] && self.may_follow(index, placed))
            .filter_map(|index| Some((index, self.after(index, state)?)))
            .collect();
        // What never changes anything, fits and misses nothing acknowledged can never fit worse than
        // here.
        let fits = |(index, _): &&(usize, State)| {
            let is_observation = match &self.events[*index] {
                Event::Read(..) => true,
                Event::Write(write) => matches!(write.outcome, Outcome::Exists | Outcome::NotFound),
            };
            is_observation && self.missed(*index, placed).is_empty()
        };
        if let Some(fitting) = next.iter().find(fits) {
            next = vec![fitting.clone()];
        }
        for (index, state) in next {
            placed[index] = true;
            self.path.push(index);
            let found = self.extend(placed, &state);
            self.path.pop();
            placed[index] = false;
            if !matches!(found, Found::Nothing) {
                return found;
            }
        }
        Found::Nothing
    }

    fn is_complete(&self, placed: &[bool]) -> bool {
        let mut events = self.events.iter().zip(placed);
        events.all(|(event, placed)| *placed || event.returned().is_none())
    }

    fn may_follow(&self, index: usize, placed: &[bool]) -> bool {
        self.before[index].iter().all(|&first| placed[first])
            && self.is_not_too_stale(index, placed)
    }

    /// Acknowledged writes without a place yet that were over when the read began.
    fn missed(&self, index: usize, placed: &[bool]) -> Vec<usize> {
        let Event::Read(read, _) = &self.events[index] else {
            return Vec::new();
        };
        let is_missed = |other: usize| {
            !placed[other]
                && matches!(&self.events[other], Event::Write(write)
                    if matches!(write.outcome, Outcome::Done { .. }) && write.returned < read.invoked)
        };
        (0..self.events.len())
            .filter(|&other| is_missed(other))
            .collect()
    }

    /// No write that k of n nodes had acknowledged is missed by more than n - k nodes.
    fn is_not_too_stale(&self, index: usize, placed: &[bool]) -> bool {
        let Event::Read(read, _) = &self.events[index] else {
            return true;
        };
        self.missed(index, placed).into_iter().all(|missed| {
            let Event::Write(write) = &self.events[missed] else {
                return true;
            };
            let Outcome::Done { nodes: having } = write.outcome else {
                return true;
            };
            let stale = self
                .events
                .iter()
                .zip(placed)
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
                (_, Action::Create, None) => Some(Some(Holder {
                    created_by: write.id,
                    granted: BTreeSet::new(),
                })),
                (_, Action::Create, Some(_)) | (_, _, None) => None,
                (_, Action::Drop, Some(_)) => Some(None),
                (_, Action::Give, Some(_)) => Some(state.clone()),
                (_, Action::Grant, Some(holder)) => {
                    let mut holder = holder.clone();
                    holder.granted.insert(write.id);
                    Some(Some(holder))
                }
                (_, Action::Revoke(grant), Some(holder)) => {
                    let mut holder = holder.clone();
                    holder.granted.remove(&grant);
                    Some(Some(holder))
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
