//! Ids of log events: tools find events by them.

use std::collections::BTreeMap;

use crate::source::{Source, line_of, sources};

/// How ids begin that mongod does not have.
const OURS: &str = "9_900_";

#[test]
fn every_id_is_of_one_event() {
    let mut places: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for source in sources() {
        for (id, line) in ids(&source) {
            let place = format!("{}:{line}", source.path);
            places.entry(id).or_default().push(place);
        }
    }
    assert!(places.len() > 40, "the ids are not found any more");
    let shared: Vec<_> = places.iter().filter(|(_, at)| at.len() > 1).collect();
    assert!(shared.is_empty(), "ids of several events: {shared:?}");
}

/// Every number that is an id, with its line.
fn ids(source: &Source) -> Vec<(u64, usize)> {
    let code = &source.production;
    let is_of_number = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(place) = code[at..].find(is_of_number).map(|next| at + next) {
        let rest = &code[place..];
        let word = rest.split(|c| !is_of_number(c)).next().unwrap();
        at = place + word.len();
        let is_named = ["id = ", " id: "]
            .iter()
            .any(|name| code[..place].ends_with(name));
        if !is_named && !word.starts_with(OURS) {
            continue;
        }
        let digits = word.trim_end_matches("_u64").replace('_', "");
        if let Ok(id) = digits.parse::<u64>() {
            found.push((id, line_of(code, place)));
        }
    }
    // What is 0 stands for none.
    found.retain(|(id, _)| *id > 0);
    found
}

#[test]
fn ids_are_found_in_every_form() {
    let code =
        "info!(id = 22943_u64, n = 1);\nRecord { id: 9_900_040 };\n(9_900_016, \"x\"); id: 0;";
    let source = Source {
        path: String::new(),
        text: String::new(),
        code: String::new(),
        production: code.to_owned(),
    };
    assert_eq!(ids(&source), [(22_943, 1), (9_900_040, 2), (9_900_016, 3)]);
}
