//! Random changes, random crashes, and a plain map that says what has to be there afterwards.
//!
//! A run is made from its seed alone. `PORTCULLIS_STORE_MODEL_RUNS` asks for more runs,
//! `PORTCULLIS_STORE_MODEL_SEED` for those from a certain seed on.

use std::env;
use std::sync::Mutex;

use bson::RawDocumentBuf;
use bson::raw::cstr;
use portcullis::model::user::User;
use portcullis::store::{Change, RedbStore, Sequence, Store, StoreError};

use crate::disk::{Failure, Machine, Random};
use crate::support::{
    State, concern, keep, put_role, put_user, role, role_name, state_of, user, user_name,
};

const RUNS: u64 = 150;
/// Times the store is opened and crashes in one run.
const LIVES: u64 = 8;
const BATCHES_MAX: u64 = 14;
/// Runs in which a wrong store has to be found out.
const RUNS_TO_FIND_OUT: u64 = 100;

type Content = (State, Sequence);
type Open = dyn Fn(&Machine) -> Result<Box<dyn Store>, StoreError>;

#[test]
fn crashes_lose_nothing_acknowledged_and_halve_nothing() {
    let number = |name: &str| env::var(name).map(|text| text.parse::<u64>().unwrap());
    let runs = number("PORTCULLIS_STORE_MODEL_RUNS").unwrap_or(RUNS);
    let first = number("PORTCULLIS_STORE_MODEL_SEED")
        .unwrap_or_else(|_| uuid::Uuid::new_v4().as_u64_pair().0 >> 1);
    let mut acknowledged = 0;
    for seed in first..first + runs {
        match check(seed, &|machine| Ok(Box::new(machine.open()?))) {
            Ok(batches) => acknowledged += batches,
            Err(wrong) => panic!("PORTCULLIS_STORE_MODEL_SEED={seed}: {wrong}"),
        }
    }
    let crashes = runs * LIVES;
    println!("seeds from {first}: {crashes} crashes, {acknowledged} acknowledged batches, 0 lost");
    assert!(acknowledged > crashes, "hardly anything was committed");
}

#[test]
fn a_store_that_loses_a_commit_is_found_out() {
    found_out("a commit that is not made", &|machine| {
        let store = machine.open()?;
        Ok(Box::new(Wrong::new(store, Fault::DropsEveryTenth)))
    });
}

#[test]
fn a_store_that_halves_a_batch_is_found_out() {
    found_out("two transactions for a batch", &|machine| {
        let store = machine.open()?;
        Ok(Box::new(Wrong::new(store, Fault::CommitsInHalves)))
    });
}

#[test]
fn a_store_that_does_not_sync_is_found_out() {
    found_out("syncs that keep nothing", &|machine| {
        machine.lie_about_syncs();
        Ok(Box::new(machine.open()?))
    });
}

fn found_out(what: &str, open: &Open) {
    let is_found = (0..RUNS_TO_FIND_OUT).any(|seed| check(seed, open).is_err());
    assert!(is_found, "{what}: nobody noticed");
}

/// One run: the number of acknowledged batches, or what was wrong.
fn check(seed: u64, open: &Open) -> Result<u64, String> {
    let mut random = Random::new(seed);
    let mut machine = Machine::new();
    let mut acknowledged = 0;
    // What may be there: after a commit without an answer, the state before it and after it.
    let mut possible = vec![Content::default()];
    for life in 0..LIVES {
        // Some lives end while the store is being opened, some only by a kill.
        let calls = [30, 200, 1_000_000][usize::try_from(random.below(3)).unwrap()];
        machine.fail_after(random.below(calls), Failure::PowerCut);
        match open(&machine) {
            Ok(store) => {
                acknowledged += live(store.as_ref(), &machine, &mut possible, &mut random)
                    .map_err(|wrong| format!("life {life}: {wrong}"))?;
            }
            Err(_) if machine.has_failed() => {}
            Err(error) => return Err(format!("life {life}: {error}")),
        }
        machine = if !machine.has_failed() && random.once_in(2) {
            machine.after_a_kill()
        } else {
            machine.after_a_power_cut(&mut random)
        };
    }
    let store = open(&machine).map_err(|error| format!("at last: {error}"))?;
    is_one_of(&state_of(store.as_ref()), &possible)?;
    Ok(acknowledged)
}

/// From the opening to the crash: what is there, then batches until one fails.
fn live(
    store: &dyn Store,
    machine: &Machine,
    possible: &mut Vec<Content>,
    random: &mut Random,
) -> Result<u64, String> {
    let mut found = state_of(store);
    is_one_of(&found, possible)?;
    *possible = vec![found.clone()];
    let mut acknowledged = 0;
    for _ in 0..random.below(BATCHES_MAX) {
        let batch = batch(random);
        let mut next = (found.0.clone(), Sequence(found.1.0 + 1));
        for change in &batch {
            keep(&mut next.0, change);
        }
        match store.commit(&batch) {
            Ok(sequence) if sequence == next.1 => found = next,
            Ok(sequence) => return Err(format!("{sequence} was to be {}", next.1)),
            Err(error) if machine.has_failed() => {
                let poisoned = store.commit(&batch);
                if poisoned != Err(StoreError::Poisoned(Box::new(error))) {
                    return Err(format!("not poisoned: {poisoned:?}"));
                }
                possible.push(next);
                return Ok(acknowledged);
            }
            Err(error) => return Err(format!("a commit failed: {error}")),
        }
        *possible = vec![found.clone()];
        acknowledged += 1;
    }
    Ok(acknowledged)
}

fn is_one_of(found: &Content, possible: &[Content]) -> Result<(), String> {
    if possible.contains(found) {
        return Ok(());
    }
    let wanted: Vec<_> = possible.iter().map(|content| content.1.0).collect();
    Err(format!(
        "commit {} is the last, one of {wanted:?} was to be, or its content differs",
        found.1
    ))
}

fn batch(random: &mut Random) -> Vec<Change> {
    let changes = if random.once_in(10) { 60 } else { 12 };
    (0..=random.below(changes))
        .map(|_| change(random))
        .collect()
}

fn change(random: &mut Random) -> Change {
    let name = format!("name{}", random.below(24));
    match random.below(20) {
        0..=7 => {
            let seed = u8::try_from(random.below(256)).unwrap();
            put_user(user(&name, seed))
        }
        8 => put_user(large(&name, random)),
        9..=12 => Change::DropUser(user_name(&name)),
        13..=15 => put_role(role(&name)),
        16..=17 => Change::DropRole(role_name(&name)),
        _ => concern(&name),
    }
}

/// A user that does not fit into one page, so that the file grows and shrinks.
fn large(name: &str, random: &mut Random) -> User {
    let mut custom_data = RawDocumentBuf::new();
    let length = usize::try_from(random.below(40_000)).unwrap();
    custom_data.append(cstr!("x"), "y".repeat(length));
    User {
        custom_data: Some(Box::new(custom_data)),
        ..user(name, 1)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    DropsEveryTenth,
    CommitsInHalves,
}

/// A store that deceives on purpose, with sequences that fit.
#[derive(Debug)]
struct Wrong {
    store: RedbStore,
    fault: Fault,
    commits: Mutex<u64>,
}

impl Wrong {
    fn new(store: RedbStore, fault: Fault) -> Self {
        Self {
            store,
            fault,
            commits: Mutex::new(0),
        }
    }

    fn shown(&self, sequence: Sequence) -> Sequence {
        match self.fault {
            Fault::DropsEveryTenth => sequence,
            Fault::CommitsInHalves => Sequence(sequence.0 / 2),
        }
    }
}

impl Store for Wrong {
    fn commit(&self, batch: &[Change]) -> Result<Sequence, StoreError> {
        let mut commits = self.commits.lock().unwrap();
        *commits += 1;
        match self.fault {
            // A change back and forth moves the sequence and nothing else.
            Fault::DropsEveryTenth if commits.is_multiple_of(10) => {
                let nobody = Change::DropUser(user_name("nobody"));
                self.store.commit(&[nobody])
            }
            Fault::DropsEveryTenth => self.store.commit(batch),
            Fault::CommitsInHalves => {
                let nobody = [Change::DropUser(user_name("nobody"))];
                let (first, second) = batch.split_at(batch.len() / 2);
                self.store.commit(&[first, &nobody].concat())?;
                let second = self.store.commit(&[second, &nobody].concat());
                second.map(|sequence| self.shown(sequence))
            }
        }
    }

    fn replay(&self, sink: &mut dyn FnMut(Change)) -> Result<Sequence, StoreError> {
        let replayed = self.store.replay(sink);
        replayed.map(|sequence| self.shown(sequence))
    }

    fn is_durable(&self) -> bool {
        true
    }

    fn name(&self) -> &'static str {
        "wrong"
    }
}
