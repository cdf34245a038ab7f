//! The check itself: histories that are right, and wrong ones that it must find out.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, History, Moment, Outcome, Read, State, User, Write, WriteId};

const NODES: usize = 3;
const EVERYWHERE: Outcome = Outcome::Done { nodes: NODES };
const MAJORITY: Outcome = Outcome::Done { nodes: 2 };
const ALONE: Outcome = Outcome::Done { nodes: 1 };

fn write(id: WriteId, action: Action, at: (Moment, Moment), outcome: Outcome) -> Write {
    Write {
        id,
        user: "ann".into(),
        action,
        node: 0,
        invoked: at.0,
        returned: at.1,
        outcome,
    }
}

fn read(node: usize, at: (Moment, Moment), seen: State) -> Read {
    Read {
        node,
        invoked: at.0,
        returned: at.1,
        seen: BTreeMap::from([("ann".into(), seen)]),
        is_final: false,
    }
}

fn last_read(at: (Moment, Moment), seen: State) -> Read {
    Read {
        is_final: true,
        ..read(1, at, seen)
    }
}

/// A user as a read shows it.
#[allow(clippy::unnecessary_wraps)] // `None` is a state, too
fn user(created_by: WriteId, granted: &[WriteId]) -> State {
    Some(User {
        created_by,
        granted: granted.iter().copied().collect(),
    })
}

fn is_right(writes: Vec<Write>, reads: Vec<Read>) -> bool {
    let history = History {
        nodes: NODES,
        writes,
        reads,
    };
    history.check().is_ok()
}

#[test]
fn one_after_the_other() {
    let writes = vec![
        write(1, Action::Create, (0, 1), ALONE),
        write(2, Action::Grant, (2, 3), MAJORITY),
        write(3, Action::Revoke(2), (4, 5), ALONE),
        write(4, Action::Drop, (6, 7), EVERYWHERE),
        write(5, Action::Drop, (8, 9), Outcome::NotFound),
        write(6, Action::Create, (10, 11), ALONE),
        write(7, Action::Create, (12, 13), Outcome::Exists),
    ];
    let reads = vec![
        read(0, (2, 4), user(1, &[])),
        read(0, (3, 4), user(1, &[2])),
        read(1, (8, 9), None),
        last_read((20, 21), user(6, &[])),
    ];
    assert!(is_right(writes, reads));
}

#[test]
fn a_secondary_may_lag() {
    let writes = vec![
        write(1, Action::Create, (0, 1), ALONE),
        write(2, Action::Grant, (2, 3), MAJORITY),
    ];
    let late = vec![read(2, (10, 11), None), read(2, (12, 13), user(1, &[]))];
    assert!(is_right(writes.clone(), late));
    // Not the node that acknowledged it.
    assert!(!is_right(writes, vec![read(0, (10, 11), None)]));
}

#[test]
fn an_unknown_write_happens_at_any_time_or_never() {
    let writes = vec![
        write(1, Action::Create, (0, 1), ALONE),
        write(2, Action::Grant, (2, 3), Outcome::Unknown),
        write(3, Action::Drop, (2, 3), Outcome::Unknown),
    ];
    assert!(is_right(
        writes.clone(),
        vec![last_read((8, 9), user(1, &[]))]
    ));
    assert!(is_right(
        writes.clone(),
        vec![last_read((8, 9), user(1, &[2]))]
    ));
    assert!(is_right(writes.clone(), vec![last_read((8, 9), None)]));
    let late = vec![
        read(1, (8, 9), user(1, &[])),
        read(1, (10, 11), user(1, &[2])),
        read(1, (12, 13), None),
    ];
    assert!(is_right(writes.clone(), late));
    // Nothing is seen before it began.
    assert!(!is_right(writes, vec![read(0, (0, 1), user(1, &[2]))]));
}

#[test]
fn what_changes_nothing_at_one_place_does_at_another() {
    // The grant came late, after a while of silence and before it was revoked.
    let writes = vec![
        write(1, Action::Create, (0, 1), ALONE),
        write(2, Action::Grant, (2, 3), Outcome::Unknown),
        write(3, Action::Revoke(2), (4, 9), ALONE),
    ];
    let reads = vec![
        read(1, (5, 6), user(1, &[2])),
        read(2, (7, 8), user(1, &[])),
    ];
    assert!(is_right(writes.clone(), reads));
    let back = vec![
        read(1, (5, 6), user(1, &[2])),
        read(1, (7, 8), user(1, &[])),
        last_read((20, 21), user(1, &[2])),
    ];
    assert!(!is_right(writes, back));
}

#[test]
fn lost_update() {
    let writes = vec![
        write(1, Action::Create, (0, 1), ALONE),
        write(2, Action::Grant, (2, 5), ALONE),
        write(3, Action::Grant, (3, 4), ALONE),
    ];
    let end = |granted| vec![last_read((10, 11), user(1, granted))];
    assert!(is_right(writes.clone(), end(&[2, 3])));
    assert!(!is_right(writes.clone(), end(&[2])));
    assert!(!is_right(writes.clone(), end(&[3])));
    assert!(!is_right(writes, vec![last_read((10, 11), None)]));
}

#[test]
fn resurrected_user() {
    let writes = vec![
        write(1, Action::Create, (0, 1), ALONE),
        write(2, Action::Drop, (2, 3), MAJORITY),
    ];
    let back = vec![
        read(1, (3, 4), user(1, &[])),
        read(1, (5, 6), None),
        read(1, (7, 8), user(1, &[])),
    ];
    assert!(!is_right(writes.clone(), back));
    assert!(!is_right(writes, vec![last_read((8, 9), user(1, &[]))]));
}

#[test]
fn stale_read_after_a_majority_had_it() {
    let writes = vec![
        write(1, Action::Create, (0, 1), EVERYWHERE),
        write(2, Action::Grant, (2, 3), MAJORITY),
    ];
    let stale_on = |nodes: &[usize]| {
        let reads = nodes.iter().zip(2..);
        reads
            .map(|(node, at)| read(*node, (at * 10, at * 10 + 1), user(1, &[])))
            .collect()
    };
    assert!(is_right(writes.clone(), stale_on(&[1])));
    assert!(is_right(writes.clone(), stale_on(&[2, 2])));
    assert!(!is_right(writes.clone(), stale_on(&[1, 2])));
    // The creation is everywhere.
    assert!(!is_right(writes, vec![read(2, (2, 3), None)]));
}

#[test]
fn created_twice() {
    let twice = |outcome| {
        vec![
            write(1, Action::Create, (0, 5), ALONE),
            write(2, Action::Create, (1, 4), outcome),
        ]
    };
    assert!(!is_right(twice(ALONE), Vec::new()));
    assert!(is_right(twice(Outcome::Exists), Vec::new()));
    assert!(is_right(twice(Outcome::Refused), Vec::new()));
}

#[test]
fn reordered() {
    let writes = vec![
        write(1, Action::Create, (0, 1), ALONE),
        write(2, Action::Grant, (2, 3), ALONE),
        write(3, Action::Grant, (4, 5), ALONE),
    ];
    assert!(!is_right(
        writes.clone(),
        vec![read(1, (6, 7), user(1, &[3]))]
    ));
    let one_way_and_the_other = vec![
        read(1, (3, 5), user(1, &[2])),
        read(2, (3, 5), user(1, &[3])),
    ];
    let at_once = vec![
        write(1, Action::Create, (0, 1), ALONE),
        write(2, Action::Grant, (2, 6), ALONE),
        write(3, Action::Grant, (2, 6), ALONE),
    ];
    assert!(!is_right(at_once, one_way_and_the_other));
}

#[test]
fn a_node_goes_back() {
    let writes = vec![
        write(1, Action::Create, (0, 1), ALONE),
        write(2, Action::Grant, (2, 3), ALONE),
    ];
    let reads = vec![
        read(2, (4, 5), user(1, &[2])),
        read(2, (6, 7), user(1, &[])),
    ];
    assert!(!is_right(writes, reads));
}

#[test]
fn wrong_answers() {
    let created = write(1, Action::Create, (0, 1), ALONE);
    for wrong in [
        write(2, Action::Drop, (2, 3), Outcome::NotFound),
        write(2, Action::Create, (2, 3), ALONE),
    ] {
        assert!(!is_right(vec![created.clone(), wrong], Vec::new()));
    }
    for wrong in [
        write(1, Action::Drop, (2, 3), ALONE),
        write(1, Action::Grant, (2, 3), ALONE),
        write(1, Action::Create, (2, 3), Outcome::Exists),
    ] {
        assert!(!is_right(vec![wrong], Vec::new()));
    }
    // What was refused is never seen.
    let refused = write(2, Action::Grant, (2, 3), Outcome::Refused);
    let seen = vec![read(0, (4, 5), user(1, &[2]))];
    assert!(!is_right(vec![created, refused], seen));
}

#[test]
fn one_read_of_several_users_is_a_prefix() {
    let mut of_bob = write(2, Action::Create, (2, 3), ALONE);
    of_bob.user = "bob".into();
    let writes = vec![
        write(1, Action::Create, (0, 1), ALONE),
        of_bob,
        write(3, Action::Grant, (4, 5), ALONE),
    ];
    let both = |ann: State, bob: State| {
        let mut both = read(1, (6, 7), ann);
        both.seen.insert("bob".into(), bob);
        vec![both]
    };
    assert!(is_right(writes.clone(), both(user(1, &[]), None)));
    assert!(is_right(writes.clone(), both(user(1, &[3]), user(2, &[]))));
    assert!(!is_right(writes.clone(), both(None, user(2, &[]))));
    assert!(!is_right(writes, both(user(1, &[3]), None)));
}

#[test]
fn a_grant_that_came_late_is_not_missed_by_its_revocation() {
    let mut of_bob = write(4, Action::Create, (6, 7), ALONE);
    of_bob.user = "bob".into();
    let writes = |grant| {
        vec![
            write(1, Action::Create, (0, 1), ALONE),
            write(2, Action::Grant, (2, 3), grant),
            write(3, Action::Revoke(2), (4, 5), ALONE),
            of_bob.clone(),
        ]
    };
    let mut both = read(1, (8, 9), user(1, &[2]));
    both.seen.insert("bob".into(), user(4, &[]));
    assert!(is_right(writes(Outcome::Unknown), vec![both.clone()]));
    assert!(!is_right(writes(ALONE), vec![both]));
}

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
