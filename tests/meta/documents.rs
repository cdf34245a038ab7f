//! Documents say what the program says, and point at what is there.

use std::collections::BTreeSet;

use portcullis::command::commands_reference;
use portcullis::error::{ErrorCode, errors_reference};

use crate::source::{files, has_extension, read, root, sources};

/// Printed by programs that are not part of the tests, or not there before they ran.
const MADE_ELSEWHERE: [&str; 1] = ["fuzz/corpus"];

#[test]
fn the_commands_are_printed_from_the_registry() {
    compare("docs/commands.md", &commands_reference());
}

#[test]
fn the_errors_are_printed_from_their_table() {
    compare("docs/errors.md", &errors_reference());
}

fn compare(path: &str, printed: &str) {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        // Renamed into place: other tests read the file meanwhile.
        let partial = root().join(format!("{path}.partial"));
        std::fs::write(&partial, printed).unwrap();
        std::fs::rename(partial, root().join(path)).unwrap();
    }
    let kept = read(path);
    assert!(
        kept == printed,
        "{path} is out of date; renew it with UPDATE_DOCS=1 cargo test --test meta"
    );
}

#[test]
fn every_error_number_in_the_sources_is_in_the_table() {
    let table = errors_reference();
    for source in sources() {
        for (place, mark) in source.production.match_indices("ErrorCode(") {
            let rest = &source.production[place + mark.len()..];
            let argument = rest.split(')').next().unwrap().trim().replace('_', "");
            if let Ok(number) = argument.parse::<i32>() {
                let row = format!("| {number} |");
                assert!(
                    table.contains(&row),
                    "{number} of {} has no line",
                    source.path
                );
            }
        }
    }
}

#[test]
fn error_names_that_nobody_uses_are_marked() {
    let sources = sources();
    let code: String = sources
        .iter()
        .filter(|source| source.path != "src/error/code.rs")
        .map(|source| source.production.as_str())
        .collect();
    let table = errors_reference();
    let declared = read("src/error/code.rs");
    for line in declared.lines() {
        let Some((constant, rest)) = line.trim().split_once(" = ") else {
            continue;
        };
        let is_constant = constant
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b == b'_' || b.is_ascii_digit());
        let number = rest
            .split(' ')
            .next()
            .and_then(|number| number.parse().ok());
        let (true, Some(number)) = (is_constant, number) else {
            continue;
        };
        let name = ErrorCode(number).name();
        let is_used = code.contains(&format!("ErrorCode::{constant}"));
        let is_marked = table.contains(&format!("| `{name}` | Not answered"));
        assert!(
            is_used != is_marked,
            "{constant}: used {is_used}, marked as unused {is_marked}"
        );
    }
}

#[test]
fn every_generic_argument_is_documented() {
    let generic = read("src/command/generic.rs");
    let list = generic
        .split("matches!(")
        .nth(1)
        .unwrap()
        .split("\n    )")
        .next()
        .unwrap();
    let names: Vec<_> = list.split('"').skip(1).step_by(2).collect();
    assert!(names.len() > 30, "{names:?}");
    let document = commands_reference();
    for name in names {
        assert!(document.contains(&format!("`{name}`")), "{name}");
    }
}

#[test]
fn links_lead_somewhere() {
    for path in documents() {
        let text = read(&path);
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for (place, _) in text.match_indices("](") {
            let target = text[place + 2..].split(')').next().unwrap();
            if target.contains("://") {
                continue;
            }
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() {
                root().join(&path)
            } else {
                root().join(folder).join(file)
            };
            assert!(
                file.exists(),
                "{path} links to {target}, which is not there"
            );
            if !anchor.is_empty() {
                let text = std::fs::read_to_string(&file).unwrap();
                assert!(
                    anchors(&text).contains(anchor),
                    "{path} links to {target}: no such heading"
                );
            }
        }
    }
}

/// The names of headings, as readers of Markdown make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let name = |heading: &str| {
        let text = heading.trim_start_matches('#').trim().to_lowercase();
        text.chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect()
    };
    headings.map(name).collect()
}

#[test]
fn files_that_documents_name_are_there() {
    for path in documents() {
        let text = read(&path);
        for (number, line) in text.lines().enumerate() {
            for quoted in line.split('`').skip(1).step_by(2) {
                let is_file = ["src/", "tests/", "fixtures/", "docs/", "benches/", "fuzz/"]
                    .iter()
                    .any(|folder| quoted.starts_with(folder));
                let is_pattern = quoted.contains(['*', '<', ' ', '{', '$'])
                    || MADE_ELSEWHERE.iter().any(|made| quoted.starts_with(made));
                if is_file && !is_pattern {
                    let file = quoted.split("::").next().unwrap();
                    let is_there = root().join(file).exists();
                    assert!(is_there, "{path}:{}: there is no {file}", number + 1);
                }
            }
        }
    }
}

#[test]
fn decisions_are_numbered() {
    let is_decision = |path: &String| has_extension(path, "md");
    let mut numbers = BTreeSet::new();
    for path in files("docs/decisions").into_iter().filter(is_decision) {
        let name = path.rsplit('/').next().unwrap();
        let (number, _) = name.split_once('-').unwrap();
        assert!(
            number.len() == 4 && number.bytes().all(|b| b.is_ascii_digit()),
            "{path}"
        );
        assert!(numbers.insert(number.to_owned()), "{number} is given twice");
        assert!(
            read(&path).starts_with(&format!("# {number}: ")),
            "{path} has another heading"
        );
    }
}

/// Markdown files of this repository.
fn documents() -> Vec<String> {
    files("")
        .into_iter()
        .filter(|path| has_extension(path, "md"))
        .collect()
}

/// Constants that are called `..._MAX` and limit nothing that anybody sends.
const NO_LIMITS: [(&str, &str); 4] = [
    ("src/command/handshake/hello.rs", "WIRE_VERSION_MAX"),
    ("src/config/command_line.rs", "HELP_COLUMNS_MAX"),
    ("src/query/number.rs", "DECIMAL_COEFFICIENT_MAX"),
    ("src/query/number.rs", "DOUBLE_FRACTION_DIGITS_MAX"),
];

#[test]
fn every_limit_is_listed() {
    let mut declared: BTreeSet<(String, String)> = BTreeSet::new();
    for source in sources() {
        for (place, mark) in source.production.match_indices("const ") {
            let rest = &source.production[place + mark.len()..];
            let name = rest.split(':').next().unwrap();
            if name.ends_with("_MAX") && !name.contains(char::is_whitespace) {
                declared.insert((source.path.clone(), name.to_owned()));
            }
        }
    }
    for (path, name) in NO_LIMITS {
        assert!(
            declared.remove(&(path.to_owned(), name.to_owned())),
            "{path} has no {name}"
        );
    }
    let document = read("docs/security.md");
    let rows = document.lines().filter(|line| line.starts_with("| `src/"));
    let listed: BTreeSet<_> = rows
        .filter_map(|row| {
            let mut quoted = row.split('`').skip(1).step_by(2);
            Some((quoted.next()?.to_owned(), quoted.next()?.to_owned()))
        })
        .collect();
    let missing: Vec<_> = declared.difference(&listed).collect();
    let surplus: Vec<_> = listed.difference(&declared).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "missing {missing:?}, surplus {surplus:?}"
    );
}
