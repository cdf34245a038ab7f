//! Histories made up at random: right ones are never found wrong, and a loss is always found.

use std::collections::BTreeSet;

use super::tests::{NODES, read, user, write};
use super::{Action, History, Moment, Outcome, Read, State, WriteId};

/// A made-up replica set: an order of writes, and nodes that follow it at their own pace.
struct Simulated {
    random: u64,
    now: Moment,
    /// Events begin and end so long around their moment; moments are 10 apart.
    spread: usize,
    states: Vec<State>,
    /// How far each node has come in `states`.
    reached: [usize; NODES],
    history: History,
}

impl Simulated {
    fn new(seed: u64, spread: usize) -> Self {
        Self {
            random: (seed * 0x9e37_79b9) | 1,
            now: 0,
            spread,
            states: vec![None],
            reached: [0; NODES],
            history: History {
                nodes: NODES,
                ..History::default()
            },
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        usize::try_from((self.random >> 11) % bound as u64).unwrap()
    }

    fn run(mut self, steps: usize) -> History {
        for _ in 0..steps {
            match self.below(3) {
                0 => self.write(),
                1 => {
                    let node = self.below(NODES);
                    self.read(node, false);
                }
                _ => {
                    let node = self.below(NODES);
                    let left = self.states.len() - self.reached[node];
                    self.reached[node] += self.below(left);
                }
            }
        }
        self.reached = [self.states.len() - 1; NODES];
        for node in 0..NODES {
            self.read(node, true);
        }
        self.history
    }

    fn write(&mut self) {
        let id = self.now + 1;
        let state = self.states.last().unwrap().clone();
        let mut granted = self.history.writes.iter().rev();
        let granted = granted
            .find(|write| write.action == Action::Grant)
            .map(|it| it.id);
        let action = match (self.below(6), granted) {
            (0, _) => Action::Drop,
            (1, _) => Action::Create,
            _ if state.is_none() => Action::Create,
            (2, Some(granted)) => Action::Revoke(granted),
            _ => Action::Grant,
        };
        let after = match (action, state) {
            (Action::Create, None) => user(id, &[]),
            (Action::Drop, Some(_)) => None,
            (Action::Grant, Some(mut state)) => {
                state.granted.insert(id);
                Some(state)
            }
            (Action::Revoke(granted), Some(mut state)) => {
                state.granted.remove(&granted);
                Some(state)
            }
            (_, state) => {
                let refused = state.map_or(Outcome::NotFound, |_| Outcome::Exists);
                self.record(id, action, refused);
                return;
            }
        };
        // Node 0 is the primary.
        let is_lost = self.below(8) == 0;
        if is_lost && self.below(2) == 0 {
            self.record(id, action, Outcome::Unknown);
            return;
        }
        self.states.push(after);
        self.reached[0] = self.states.len() - 1;
        let mut nodes = 1;
        for node in 1..NODES {
            if self.below(2) == 0 {
                self.reached[node] = self.reached[0];
                nodes += 1;
            }
        }
        let outcome = Outcome::Done { nodes };
        self.record(id, action, if is_lost { Outcome::Unknown } else { outcome });
    }

    fn record(&mut self, id: WriteId, action: Action, outcome: Outcome) {
        let at = self.pass();
        self.history.writes.push(write(id, action, at, outcome));
    }

    fn read(&mut self, node: usize, is_final: bool) {
        let seen = self.states[self.reached[node]].clone();
        let at = self.pass();
        let read = read(node, at, seen);
        self.history.reads.push(Read { is_final, ..read });
    }

    fn pass(&mut self) -> (Moment, Moment) {
        self.now += 10;
        let before = self.now.saturating_sub(self.below(self.spread) as u64);
        (before, self.now + self.below(self.spread) as u64)
    }
}

#[test]
fn what_is_right_is_never_found_wrong() {
    for seed in 1..300 {
        let history = Simulated::new(seed, 25).run(150);
        assert_eq!(history.check(), Ok(()), "seed {seed}");
    }
}

#[test]
fn a_grant_taken_out_of_the_last_reads_is_always_found() {
    // Where nothing overlaps there is only one order.
    let mut tried = 0;
    for seed in 1..300 {
        let mut history = Simulated::new(seed, 5).run(120);
        // One that nobody has tried to revoke.
        let is_safe = |id| {
            history
                .writes
                .iter()
                .all(|it| it.action != Action::Revoke(id))
        };
        let acknowledged: BTreeSet<WriteId> = history
            .writes
            .iter()
            .filter(|write| matches!(write.outcome, Outcome::Done { .. }) && is_safe(write.id))
            .map(|write| write.id)
            .collect();
        let mut lost = None;
        for read in history.reads.iter_mut().filter(|read| read.is_final) {
            if let Some(Some(user)) = read.seen.get_mut("ann") {
                lost = lost.or_else(|| user.granted.intersection(&acknowledged).next().copied());
                if let Some(lost) = lost {
                    user.granted.remove(&lost);
                }
            }
        }
        if lost.is_some() {
            tried += 1;
            assert!(history.check().is_err(), "seed {seed}");
        }
    }
    assert!(tried > 50, "only {tried}");
}
