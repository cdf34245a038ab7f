//! Calls to the disk that fail, each in turn.

use portcullis::store::{Change, RedbStore, Sequence, Store, StoreError};

use crate::disk::{Failure, Machine, Random};
use crate::support::{State, concern, full_user, keep, put_role, put_user, role, state_of, user};

/// Power cuts tried for each failure.
const CUTS: u64 = 2;

/// The batches of the scenario. The third makes the file grow.
fn batches() -> Vec<Vec<Change>> {
    let many = (0..40).map(|index| put_user(user(&format!("user{index}"), 1)));
    vec![
        vec![put_user(full_user("ann")), put_role(role("reader"))],
        vec![concern("majority")],
        many.chain([concern(&"x".repeat(600_000))]).collect(),
        vec![
            put_user(user("ann", 2)),
            Change::DropUser(user("user7", 1).name),
        ],
    ]
}

/// The state after each number of batches.
fn states() -> Vec<(State, Sequence)> {
    let mut states = vec![(State::new(), Sequence(0))];
    for batch in batches() {
        let (mut state, sequence) = states.last().unwrap().clone();
        for change in &batch {
            keep(&mut state, change);
        }
        states.push((state, Sequence(sequence.0 + 1)));
    }
    states
}

#[test]
fn every_call_that_fails_poisons_and_loses_nothing() {
    let (batches, states) = (batches(), states());
    let (catalog, sequence) = Machine::new().bytes();
    let mut random = Random::new(1);
    for failure in Failure::ALL {
        let mut happened = 0;
        for call in 0.. {
            let machine = Machine::with(&catalog, &sequence);
            machine.fail_after(call, failure);
            let tried = attempt(&machine, failure, &batches, &states);
            if !machine.has_failed() {
                break;
            }
            happened += 1;
            let context = format!("{failure:?} at call {call}");
            let is_power_cut = failure == Failure::PowerCut;
            if !is_power_cut {
                is_as_acknowledged(&machine.after_a_kill(), tried, &states, &context);
            }
            for _ in 0..CUTS {
                let machine = machine.after_a_power_cut(&mut random);
                is_as_acknowledged(&machine, tried, &states, &context);
            }
        }
        println!("{failure:?}: at {happened} calls");
        assert!(happened > 3, "{failure:?} hardly happened: {happened}");
    }
}

/// Batches that were acknowledged, and those that were begun.
#[derive(Clone, Copy)]
struct Tried {
    acknowledged: usize,
    begun: usize,
}

fn attempt(
    machine: &Machine,
    failure: Failure,
    batches: &[Vec<Change>],
    states: &[(State, Sequence)],
) -> Tried {
    let mut acknowledged = 0;
    let store = match machine.open() {
        Ok(store) => store,
        Err(error) => {
            names_it(&error, failure);
            return Tried {
                acknowledged,
                begun: 0,
            };
        }
    };
    for (index, batch) in batches.iter().enumerate() {
        match store.commit(batch) {
            Ok(sequence) => {
                acknowledged = index + 1;
                assert_eq!(sequence, states[acknowledged].1);
            }
            Err(error) => {
                names_it(&error, failure);
                is_poisoned(&store, &error);
                // What is wrong with the disk is over; what the store kept is still open.
                machine.heal();
                is_poisoned(&store, &error);
                return Tried {
                    acknowledged,
                    begun: index + 1,
                };
            }
        }
    }
    Tried {
        acknowledged,
        begun: acknowledged,
    }
}

fn names_it(error: &StoreError, failure: Failure) {
    let text = error.to_string();
    assert!(text.contains(failure.words()), "{failure:?}: {text}");
    assert!(text.contains("/machine/catalog."), "{failure:?}: {text}");
}

fn is_poisoned(store: &RedbStore, cause: &StoreError) {
    let refused = store.commit(&[concern("later")]).unwrap_err();
    assert_eq!(refused, StoreError::Poisoned(Box::new(cause.clone())));
    assert!(refused.to_string().ends_with(&cause.to_string()));
}

/// Reopened, it has everything acknowledged and no half batch, and goes on.
fn is_as_acknowledged(
    machine: &Machine,
    tried: Tried,
    states: &[(State, Sequence)],
    context: &str,
) {
    let store = machine
        .open()
        .unwrap_or_else(|error| panic!("{context}: {error}"));
    let found = state_of(&store);
    assert!(
        states[tried.acknowledged..=tried.begun].contains(&found),
        "{context}: {} was found, {} acknowledged",
        found.1,
        tried.acknowledged
    );
    let next = store.commit(&[concern("next")]);
    assert_eq!(next, Ok(Sequence(found.1.0 + 1)), "{context}");
}

/// A file of an old format version is brought up to date while it is opened, or stays what it was.
#[test]
fn every_call_that_fails_while_an_old_file_is_opened_loses_nothing() {
    let file = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/journal/v1/catalog.redb"
    );
    let catalog = std::fs::read(file).unwrap();
    let wanted = state_of(&Machine::with(&catalog, &[]).open().unwrap());
    let mut random = Random::new(2);
    for failure in Failure::ALL {
        for call in 0.. {
            let machine = Machine::with(&catalog, &[]);
            machine.fail_after(call, failure);
            if let Err(error) = machine.open() {
                names_it(&error, failure);
            }
            if !machine.has_failed() {
                assert!(call > 3, "{failure:?} hardly happened: {call}");
                break;
            }
            let mut later = vec![machine.after_a_power_cut(&mut random)];
            if failure != Failure::PowerCut {
                later.push(machine.after_a_kill());
            }
            for machine in later {
                let found = state_of(&machine.open().unwrap());
                assert!(found == wanted, "{failure:?} at call {call}: {}", found.1);
            }
        }
    }
}

#[test]
fn a_record_too_large_poisons_nothing() {
    let store = Machine::new().open().unwrap();
    let failed = store.commit(&[concern(&"x".repeat(17 * 1024 * 1024))]);
    assert!(matches!(failed, Err(StoreError::RecordTooLarge(_))));
    assert_eq!(store.commit(&[concern("1")]), Ok(Sequence(1)));
}
