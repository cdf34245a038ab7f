//! Every dependency has its reason and its use.

use std::collections::BTreeSet;

use crate::source::{code_only, files, is_rust, read};

const REASONS: &str = "docs/decisions/0001-dependencies.md";

#[test]
fn every_dependency_has_its_reason() {
    let reasons = read(REASONS);
    let rows = reasons.lines().filter(|line| line.starts_with("| `"));
    let first_cells = rows.map(|row| row.split('|').nth(1).unwrap());
    let listed: BTreeSet<_> = first_cells
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    let manifest = read("Cargo.toml");
    let declared: BTreeSet<_> = ["dependencies", "dev-dependencies"]
        .iter()
        .flat_map(|s| names(&manifest, s))
        .collect();
    assert_eq!(
        listed, declared,
        "{REASONS} on the left, Cargo.toml on the right"
    );
}

#[test]
fn every_dependency_is_used() {
    let manifest = read("Cargo.toml");
    let production = code_of(&["src"]);
    let everything = production.clone() + &code_of(&["tests", "benches"]);
    for name in names(&manifest, "dependencies") {
        assert!(mentions(&production, name), "{name} is not used in src");
    }
    for name in names(&manifest, "dev-dependencies") {
        assert!(mentions(&everything, name), "{name} is not used in tests");
    }
}

/// The keys of a section, until the next one.
fn names<'a>(manifest: &'a str, section: &str) -> Vec<&'a str> {
    let header = format!("[{section}]");
    let lines = manifest.lines().skip_while(|line| *line != header).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.trim())
        .collect()
}

fn code_of(folders: &[&str]) -> String {
    let files = folders
        .iter()
        .flat_map(|folder| files(folder))
        .filter(|path| is_rust(path));
    files.map(|path| code_only(&read(&path))).collect()
}

fn mentions(code: &str, package: &str) -> bool {
    // The library of md-5 is called md5.
    let library = if package == "md-5" {
        "md5".to_owned()
    } else {
        package.replace('-', "_")
    };
    let path = format!("{library}::");
    code.match_indices(&path)
        .any(|(place, _)| !code[..place].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
}

#[test]
fn a_longer_name_is_no_mention() {
    assert!(mentions("use snap::raw;", "snap"));
    assert!(!mentions("use xsnap::raw;", "snap"));
    assert!(mentions("use md5::Md5;", "md-5"));
}
