//! The check itself: histories that are right, and wrong ones that it must find out.

use std::collections::BTreeMap;

use super::{Action, History, Holder, Moment, Outcome, Read, State, Write, WriteId};

pub(super) const NODES: usize = 3;
const EVERYWHERE: Outcome = Outcome::Done { nodes: NODES };
const MAJORITY: Outcome = Outcome::Done { nodes: 2 };
const ALONE: Outcome = Outcome::Done { nodes: 1 };

pub(super) fn write(id: WriteId, action: Action, at: (Moment, Moment), outcome: Outcome) -> Write {
    Write {
        id,
        name: "ann".into(),
        action,
        node: 0,
        invoked: at.0,
        returned: at.1,
        outcome,
    }
}

pub(super) fn read(node: usize, at: (Moment, Moment), seen: State) -> Read {
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
pub(super) fn user(created_by: WriteId, granted: &[WriteId]) -> State {
    Some(Holder {
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

/// The same of another user or role.
fn of(name: &str, write: Write) -> Write {
    Write {
        name: name.into(),
        ..write
    }
}

/// Whether a role that was created and dropped, one after the other, can have been given to ann like that.
fn can_be_given(at: (Moment, Moment), told: Outcome) -> bool {
    let writes = vec![
        write(1, Action::Create, (0, 1), ALONE),
        of("role", write(2, Action::Create, (10, 11), MAJORITY)),
        of("role", write(3, Action::Drop, (20, 21), ALONE)),
        of("role", write(4, Action::Give, at, told)),
        write(5, Action::Give, at, Outcome::Exists),
    ];
    is_right(writes, Vec::new())
}

#[test]
fn a_role_is_given_while_it_is_there() {
    for (at, is_there, is_gone) in [
        ((2, 3), false, true),
        ((8, 12), true, true),
        ((14, 15), true, false),
        ((18, 22), true, true),
        ((24, 25), false, true),
    ] {
        assert_eq!(can_be_given(at, Outcome::Exists), is_there, "{at:?}");
        assert_eq!(can_be_given(at, Outcome::NotFound), is_gone, "{at:?}");
    }
    // Nor to a user who is gone.
    let to_nobody = vec![
        write(1, Action::Create, (0, 1), ALONE),
        write(2, Action::Drop, (2, 3), ALONE),
        write(3, Action::Give, (4, 5), Outcome::Exists),
    ];
    assert!(!is_right(to_nobody, Vec::new()));
}

#[test]
fn what_a_user_has_by_a_role_is_of_the_same_moment() {
    let writes = vec![
        write(1, Action::Create, (0, 1), ALONE),
        of("role", write(2, Action::Create, (2, 3), ALONE)),
        write(3, Action::Grant, (4, 5), ALONE),
        of("role", write(4, Action::Grant, (6, 7), ALONE)),
        of("role", write(5, Action::Revoke(4), (8, 9), ALONE)),
        write(6, Action::Grant, (10, 11), ALONE),
    ];
    let both = |ann: State, role: State| {
        let mut both = read(1, (20, 21), ann);
        both.seen.insert("role".into(), role);
        is_right(writes.clone(), vec![both])
    };
    assert!(both(user(1, &[]), user(2, &[])));
    assert!(both(user(1, &[3]), user(2, &[])));
    assert!(both(user(1, &[3]), user(2, &[4])));
    assert!(both(user(1, &[3, 6]), user(2, &[])));
    // The role is ahead of the user, and behind.
    assert!(!both(user(1, &[]), user(2, &[4])));
    assert!(!both(None, user(2, &[])));
    assert!(!both(user(1, &[3, 6]), user(2, &[4])));
    assert!(!both(user(1, &[3]), None));
}

#[test]
fn one_read_of_several_users_is_a_prefix() {
    let writes = vec![
        write(1, Action::Create, (0, 1), ALONE),
        of("bob", write(2, Action::Create, (2, 3), ALONE)),
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
    of_bob.name = "bob".into();
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

/// Writes without an answer, which took effect in an order that only reads tell.
#[test]
fn many_at_once() {
    const GRANTS: std::ops::RangeInclusive<WriteId> = 2..=25;
    let mut writes = vec![write(1, Action::Create, (0, 1), EVERYWHERE)];
    writes.extend(GRANTS.map(|id| write(id, Action::Grant, (2, 3), Outcome::Unknown)));
    let mut granted = Vec::new();
    let reads = GRANTS.rev().map(|id| {
        granted.push(id);
        let at = 100 * granted.len() as u64;
        read(1, (at, at + 1), user(1, &granted))
    });
    let mut reads: Vec<Read> = reads.collect();
    assert!(is_right(writes.clone(), reads.clone()));
    reads.push(last_read((9_000, 9_001), user(1, &[25])));
    assert!(!is_right(writes, reads));
}

/// Clients read on while there is no primary.
#[test]
fn a_long_silence_between_two_writes() {
    const READS: u64 = 1_500;
    let writes = vec![
        write(1, Action::Create, (0, 1), EVERYWHERE),
        write(2, Action::Grant, (2, 3), Outcome::Unknown),
        write(3, Action::Grant, (2, 3), Outcome::Unknown),
        write(4, Action::Grant, (4, 50_000), MAJORITY),
    ];
    let same = |number: u64| {
        let node = usize::try_from(number % 3).unwrap();
        read(node, (number * 10, number * 10 + 25), user(1, &[2]))
    };
    let mut reads: Vec<Read> = (1..READS).map(same).collect();
    reads.push(last_read((60_000, 60_001), user(1, &[2, 4])));
    assert!(is_right(writes.clone(), reads.clone()));
    reads.push(last_read((70_000, 70_001), user(1, &[4])));
    assert!(!is_right(writes, reads));
}
