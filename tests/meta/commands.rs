//! The registry and the files of the commands say the same.

use std::collections::BTreeSet;

use portcullis::command::registry::{COMMANDS, find};
use portcullis::command::spec::{Access, RunsOn};

use crate::source::{Source, sources};

/// What anybody on the network can call. Each of them faces strangers, so the list is short and every
/// addition is a decision; docs/security.md names them.
const BEFORE_SIGN_IN: [&str; 9] = [
    "authenticate",
    "buildInfo",
    "connectionStatus",
    "hello",
    "listCommands",
    "ping",
    "saslContinue",
    "saslStart",
    "whatsmyuri",
];

/// What every signed-in user can call, because there is nothing in it to protect.
const WITHOUT_PRIVILEGE: [&str; 4] = ["endSessions", "logout", "refreshSessions", "startSession"];

/// What reads data that a secondary may have later than the primary.
const SECONDARY_IF_ASKED: [&str; 9] = [
    "aggregate",
    "count",
    "distinct",
    "find",
    "listCollections",
    "listDatabases",
    "listIndexes",
    "rolesInfo",
    "usersInfo",
];

/// What a member out of touch refuses besides.
const IN_TOUCH: [&str; 3] = ["authenticate", "saslContinue", "saslStart"];

/// And what one that was removed refuses, too.
const PRIMARY_OR_SECONDARY: [&str; 1] = ["getMore"];

/// Fields that hold what nobody may print.
const SECRET_FIELDS: [&str; 2] = ["payload", "pwd"];

#[test]
fn names_are_sorted_and_unique() {
    assert!(COMMANDS.is_sorted_by(|left, right| left.spec.name < right.spec.name));
    let mut seen = BTreeSet::new();
    for entry in COMMANDS {
        for name in [entry.spec.name].iter().chain(entry.spec.aliases) {
            assert!(seen.insert(*name), "{name} is there twice");
            let found = find(name).map(|(_, found)| found.spec.name);
            assert_eq!(found, Some(entry.spec.name), "{name}");
        }
    }
}

#[test]
fn every_command_file_is_registered() {
    let registry = sources()
        .into_iter()
        .find(|s| s.path == "src/command/registry.rs")
        .unwrap();
    let registered: BTreeSet<String> = names_after(&registry.production, "entry::<");
    let files = command_files();
    let written: BTreeSet<String> = files
        .iter()
        .flat_map(|file| names_after(&file.production, "impl Command for "))
        .collect();
    assert_eq!(written, registered);
    assert_eq!(files.len(), COMMANDS.len(), "one file a command");
}

#[test]
fn files_are_named_after_their_command() {
    let files = command_files();
    for entry in COMMANDS {
        let name = format!("{}.rs", snake_case(entry.spec.name.trim_start_matches('_')));
        let file = files
            .iter()
            .find(|file| file.path.ends_with(&format!("/{name}")));
        let file = file.unwrap_or_else(|| panic!("{} has no {name}", entry.spec.name));
        let declared = format!("\"{}\"", entry.spec.name);
        assert!(
            file.text.contains(&declared),
            "{} does not declare {declared}",
            file.path
        );
    }
}

#[test]
fn every_command_and_field_is_documented() {
    for entry in COMMANDS {
        let (name, help) = (entry.spec.name, entry.spec.help);
        assert!(
            help.ends_with('.') && help.starts_with(char::is_uppercase),
            "{name}: {help:?}"
        );
        assert_eq!(
            entry.fields[0].name, name,
            "the first field is the command's value"
        );
        for field in entry.fields {
            assert!(field.doc.trim().len() > 2, "{name}.{}", field.name);
        }
    }
}

#[test]
fn secret_fields_are_marked() {
    for entry in COMMANDS {
        for field in entry.fields {
            let is_secret = SECRET_FIELDS.contains(&field.name);
            assert_eq!(
                field.sensitive, is_secret,
                "{}.{}",
                entry.spec.name, field.name
            );
        }
    }
}

#[test]
fn writes_are_not_interrupted() {
    // Else `maxTimeMS` could end a write between its commit and its answer.
    for entry in COMMANDS.iter().filter(|entry| entry.spec.write_concern) {
        assert!(!entry.spec.is_interruptible, "{}", entry.spec.name);
    }
}

#[test]
fn writes_run_on_the_primary_and_reads_where_they_may() {
    let running_on = |runs_on| {
        let found = COMMANDS
            .iter()
            .filter(move |entry| entry.spec.runs_on == runs_on);
        found.map(|entry| entry.spec.name).collect::<Vec<_>>()
    };
    // It asks the writer for the moment between two commits.
    let asks_writer = |name: &str| name == "portcullisBackup";
    let writing = COMMANDS
        .iter()
        .filter(|entry| entry.spec.write_concern || asks_writer(entry.spec.name));
    let writing: Vec<_> = writing.map(|entry| entry.spec.name).collect();
    assert_eq!(running_on(RunsOn::Primary), writing);
    assert_eq!(running_on(RunsOn::SecondaryIfAsked), SECONDARY_IF_ASKED);
    assert_eq!(running_on(RunsOn::InTouch), IN_TOUCH);
    assert_eq!(running_on(RunsOn::PrimaryOrSecondary), PRIMARY_OR_SECONDARY);
}

#[test]
fn who_is_not_signed_in_can_call_only_these() {
    let open = COMMANDS
        .iter()
        .filter(|entry| entry.spec.access == Access::Anyone);
    let open: Vec<_> = open.map(|entry| entry.spec.name).collect();
    assert_eq!(open, BEFORE_SIGN_IN);
}

#[test]
fn every_other_command_asks_for_privileges() {
    let files = command_files();
    let without = files
        .iter()
        .filter(|file| !file.production.contains("fn authorize("));
    let without: BTreeSet<_> = without.map(|file| file_name(file).to_owned()).collect();
    let expected: BTreeSet<_> = BEFORE_SIGN_IN
        .iter()
        .chain(&WITHOUT_PRIVILEGE)
        .map(|name| snake_case(name))
        .collect();
    assert_eq!(without, expected);
}

/// Files that declare a command.
fn command_files() -> Vec<Source> {
    let is_command = |source: &Source| {
        source.path.starts_with("src/command/") && source.production.contains("impl Command for ")
    };
    sources().into_iter().filter(is_command).collect()
}

fn file_name(file: &Source) -> &str {
    file.path
        .rsplit('/')
        .next()
        .unwrap()
        .trim_end_matches(".rs")
}

fn names_after(code: &str, mark: &str) -> BTreeSet<String> {
    let names = code
        .match_indices(mark)
        .map(|(place, _)| &code[place + mark.len()..]);
    let end = |rest: &str| {
        rest.find(|c: char| !c.is_ascii_alphanumeric())
            .unwrap_or(rest.len())
    };
    names.map(|rest| rest[..end(rest)].to_owned()).collect()
}

/// `getDefaultRWConcern` is `get_default_rw_concern`.
fn snake_case(name: &str) -> String {
    let bytes = name.as_bytes();
    let is_upper = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_uppercase);
    let is_lower = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_lowercase);
    let mut snake = String::new();
    for (at, character) in name.chars().enumerate() {
        if at > 0 && is_upper(at) && (is_lower(at - 1) || is_lower(at + 1)) {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

#[test]
fn abbreviations_stay_together() {
    assert_eq!(snake_case("getDefaultRWConcern"), "get_default_rw_concern");
    assert_eq!(
        snake_case("dropAllUsersFromDatabase"),
        "drop_all_users_from_database"
    );
    assert_eq!(snake_case("whatsmyuri"), "whatsmyuri");
}
