//! Files that were cut short or have a bit flipped: what is wrong is named, or nothing is.
//!
//! `PORTCULLIS_STORE_FLIPS=all` flips a bit of every byte in use instead of a sample.

use std::collections::BTreeMap;
use std::env;

use portcullis::store::{Change, Sequence, Setting, Store, StoreError};

use crate::disk::{Machine, Random};
use crate::support::{State, concern, full_user, keep, put_role, put_user, role, state_of, user};

/// redb's header and its two commit slots.
const HEADER_BYTES: usize = 320;
const PAGE_BYTES: usize = 4096;
const SECTOR_BYTES: usize = 512;
/// The sample: one bit of so many of the header, and one byte of so many in other pages.
const HEADER_ONE_IN: u64 = 8;
const USED_ONE_IN: u64 = 1000;

fn batches() -> Vec<Vec<Change>> {
    vec![
        vec![
            Change::PutSetting(Setting::AuthSchema),
            put_role(role("reader")),
            put_user(full_user("ann")),
        ],
        (0..20)
            .map(|seed| put_user(user(&format!("user{seed}"), seed)))
            .collect(),
        vec![concern("majority"), Change::DropUser(user("user3", 3).name)],
        vec![put_user(user("user4", 99))],
    ]
}

struct Subject {
    name: &'static str,
    catalog: Vec<u8>,
    sequence: Vec<u8>,
}

/// The files after a clean stop, and after a kill.
fn subjects() -> ([Subject; 2], (State, Sequence)) {
    let machine = Machine::new();
    let store = machine.open().unwrap();
    let mut state = State::new();
    for batch in batches() {
        store.commit(&batch).unwrap();
        for change in &batch {
            keep(&mut state, change);
        }
    }
    let content = (state, Sequence(4));
    let (catalog, sequence) = machine.bytes();
    let killed = Subject {
        name: "killed",
        catalog,
        sequence,
    };
    drop(store);
    let (catalog, sequence) = machine.bytes();
    let stopped = Subject {
        name: "stopped",
        catalog,
        sequence,
    };
    ([killed, stopped], content)
}

/// What came of opening a damaged file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Whole,
    Named,
    SilentlyWrong,
}

/// What came of opening these files, and of opening once more what the first attempt left.
fn outcome(catalog: &[u8], sequence: &[u8], content: &(State, Sequence)) -> Outcome {
    let machine = Machine::with(catalog, sequence);
    match opened(&machine, content) {
        Outcome::Named => opened(&machine.after_a_kill(), content).max(Outcome::Named),
        outcome => outcome,
    }
}

fn opened(machine: &Machine, content: &(State, Sequence)) -> Outcome {
    let mut state = State::new();
    let replayed = machine.open().and_then(|store| {
        let replayed = store.replay(&mut |change| keep(&mut state, &change))?;
        Ok((replayed, store))
    });
    match replayed {
        Ok((found, store)) if (&state, found) == (&content.0, content.1) => {
            is_usable(machine, &store, content)
        }
        Ok(_) => Outcome::SilentlyWrong,
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("/machine/catalog.redb"), "{text}");
            assert!(!matches!(error, StoreError::NewerFormat { .. }), "{text}");
            Outcome::Named
        }
    }
}

/// Nothing is hidden that spoils the next commit.
fn is_usable(machine: &Machine, store: &dyn Store, content: &(State, Sequence)) -> Outcome {
    let mut wanted = (content.0.clone(), Sequence(content.1.0 + 1));
    let batch = [put_user(user("next", 1)), concern("next")];
    for change in &batch {
        keep(&mut wanted.0, change);
    }
    if store.commit(&batch) != Ok(wanted.1) {
        return Outcome::SilentlyWrong;
    }
    match machine.after_a_kill().open() {
        Ok(store) if state_of(&store) == wanted => Outcome::Whole,
        _ => Outcome::SilentlyWrong,
    }
}

#[test]
fn a_flipped_bit_is_named_or_does_no_harm() {
    let ([killed, stopped], content) = subjects();
    let mut random = Random::new(uuid::Uuid::new_v4().as_u64_pair().0);
    for subject in [killed, stopped] {
        let bits = bits_to_flip(&subject.catalog, &mut random);
        let mut wrong = Vec::new();
        let mut tally = BTreeMap::<_, u64>::new();
        for bit in bits {
            let mut catalog = subject.catalog.clone();
            catalog[bit / 8] ^= 1 << (bit % 8);
            let outcome = outcome(&catalog, &subject.sequence, &content);
            *tally.entry(outcome).or_default() += 1;
            if outcome == Outcome::SilentlyWrong {
                wrong.push((bit / 8, bit % 8));
            }
        }
        println!(
            "{}, {} bytes: {tally:?}",
            subject.name,
            subject.catalog.len()
        );
        assert!(wrong.is_empty(), "{}: (byte, bit) {wrong:?}", subject.name);
        assert!(tally.contains_key(&Outcome::Named), "{tally:?}");
    }
}

/// A sample, or each bit of the header and one of each byte in use.
fn bits_to_flip(catalog: &[u8], random: &mut Random) -> Vec<usize> {
    let mut used: Vec<usize> = (HEADER_BYTES..catalog.len())
        .filter(|place| {
            let page = place / PAGE_BYTES * PAGE_BYTES;
            catalog[page..page + PAGE_BYTES]
                .iter()
                .any(|byte| *byte != 0)
        })
        .collect();
    let mut header: Vec<usize> = (0..HEADER_BYTES * 8).collect();
    if env::var("PORTCULLIS_STORE_FLIPS").is_err() {
        used.retain(|_| random.once_in(USED_ONE_IN));
        header.retain(|_| random.once_in(HEADER_ONE_IN));
    }
    let bit_of = |place| place * 8 + usize::try_from(random.below(8)).unwrap();
    header.extend(used.into_iter().map(bit_of));
    header
}

#[test]
fn a_flipped_bit_in_the_note_of_the_sequence_does_no_harm() {
    let (subjects, content) = subjects();
    for subject in subjects {
        for bit in 0..subject.sequence.len() * 8 {
            let mut sequence = subject.sequence.clone();
            sequence[bit / 8] ^= 1 << (bit % 8);
            let outcome = outcome(&subject.catalog, &sequence, &content);
            assert_eq!(outcome, Outcome::Whole, "{}: bit {bit}", subject.name);
        }
        for length in 0..subject.sequence.len() {
            let outcome = outcome(&subject.catalog, &subject.sequence[..length], &content);
            assert_eq!(outcome, Outcome::Whole, "{}: {length} bytes", subject.name);
        }
    }
}

#[test]
fn a_lost_sector_is_named_or_does_no_harm() {
    let (subjects, content) = subjects();
    for subject in subjects {
        let mut named = 0;
        for start in (0..subject.catalog.len()).step_by(SECTOR_BYTES) {
            let mut catalog = subject.catalog.clone();
            let sector = &mut catalog[start..start + SECTOR_BYTES];
            if sector.iter().all(|byte| *byte == 0) {
                continue;
            }
            sector.fill(0);
            let outcome = outcome(&catalog, &subject.sequence, &content);
            assert_ne!(outcome, Outcome::SilentlyWrong, "{}: {start}", subject.name);
            named += u32::from(outcome == Outcome::Named);
        }
        assert!(named > 3, "{}: {named}", subject.name);
    }
}

#[test]
fn a_file_cut_short_is_named() {
    let (subjects, content) = subjects();
    for subject in subjects {
        let length = subject.catalog.len();
        // 0 is no file: nothing was there, and the note says that something was.
        let lengths = (0..=HEADER_BYTES + 1)
            .chain((HEADER_BYTES..length).step_by(512))
            .chain(
                (4096..=length)
                    .step_by(4096)
                    .flat_map(|page| [page - 1, page, page + 1]),
            )
            .filter(|cut| *cut < length);
        for cut in lengths {
            let outcome = outcome(&subject.catalog[..cut], &subject.sequence, &content);
            assert_eq!(outcome, Outcome::Named, "{}: cut to {cut}", subject.name);
        }
    }
}

#[test]
fn an_older_copy_of_the_catalog_is_named() {
    let ([killed, _], _) = subjects();
    let (older, _) = Machine::new().bytes();
    let error = Machine::with(&older, &killed.sequence).open().unwrap_err();
    assert_eq!(
        error.to_string(),
        "/machine/catalog.redb is damaged: it ends with commit 0, but commit 4 was acknowledged, \
         says /machine/catalog.sequence; if a new or an older catalog is meant to take its place, \
         remove /machine/catalog.sequence"
    );
}
