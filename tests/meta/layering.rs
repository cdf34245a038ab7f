//! Who may import whom. `docs/architecture.md` has the picture.

use crate::source::{Source, line_of, sources};

/// A room and the rooms it uses.
struct Room {
    name: &'static str,
    uses: &'static [&'static str],
}

const fn room(name: &'static str, uses: &'static [&'static str]) -> Room {
    Room { name, uses }
}

/// From the ground up: a room uses only rooms above its own line.
const ROOMS: &[Room] = &[
    room("secret", &[]),
    room("model", &[]),
    // Texts that several commands answer name users and roles.
    room("error", &["model"]),
    room("query", &["error"]),
    room("wire", &["error"]),
    // Lists of addresses at the door.
    room("net", &["error", "model", "wire"]),
    // Options name compressors, mechanisms and the first administrator.
    room("config", &["error", "model", "secret", "wire"]),
    room("telemetry", &["config", "model"]),
    room(
        "audit",
        &["config", "error", "model", "query", "secret", "telemetry"],
    ),
    room("store", &["model", "secret"]),
    room("catalog", &["model", "secret", "store"]),
    room(
        "cluster",
        &["catalog", "config", "secret", "store", "telemetry"],
    ),
    room("authz", &["catalog", "error", "model"]),
    room("auth", &["authz", "catalog", "error", "model", "secret"]),
    room("ops", &["audit", "authz", "catalog", "model", "store"]),
    room("backup", &["auth", "config", "store", "wire"]),
    room(
        "command",
        &[
            "audit",
            "auth",
            "authz",
            "catalog",
            "cluster",
            "config",
            "error",
            "model",
            "net",
            "ops",
            "query",
            "secret",
            "store",
            "telemetry",
            "wire",
        ],
    ),
    room(
        "milvus",
        &[
            "audit",
            "auth",
            "authz",
            "catalog",
            "command",
            "config",
            "error",
            "model",
            "net",
            "ops",
            "secret",
            "telemetry",
        ],
    ),
    room(
        "server",
        &[
            "audit",
            "auth",
            "authz",
            "catalog",
            "cluster",
            "command",
            "config",
            "error",
            "milvus",
            "model",
            "net",
            "ops",
            "secret",
            "store",
            "telemetry",
            "wire",
        ],
    ),
];

/// Imports that break the rule: the file, the room it uses, and why it has to.
const EXCEPTIONS: &[(&str, &str, &str)] = &[];

/// A mention of one room in another.
struct Import {
    path: String,
    line: usize,
    from: String,
    to: String,
    /// Compiled for tests only: these may use every room that stands above.
    is_test: bool,
}

#[test]
fn the_table_is_ordered_from_the_ground_up() {
    for (place, room) in ROOMS.iter().enumerate() {
        for used in room.uses {
            let below = ROOMS[..place].iter().any(|other| other.name == *used);
            assert!(
                below,
                "{} uses {used}, which does not stand above it",
                room.name
            );
        }
    }
}

#[test]
fn every_room_is_in_the_table() {
    for source in sources() {
        let name = room_of(&source.path);
        let is_top = ["lib", "main"].contains(&name);
        assert!(
            is_top || is_room(name),
            "src/{name} is not in the table of rooms"
        );
    }
}

#[test]
fn nobody_imports_upward() {
    let is_exception = |import: &Import| {
        EXCEPTIONS
            .iter()
            .any(|(path, to, _)| *path == import.path && *to == import.to)
    };
    let wrong: Vec<String> = imports()
        .iter()
        .filter(|import| !may(import) && !is_exception(import))
        .map(|import| {
            format!(
                "{}:{}: {} uses {}",
                import.path, import.line, import.from, import.to
            )
        })
        .collect();
    assert!(wrong.is_empty(), "upward imports:\n{}", wrong.join("\n"));
}

#[test]
fn the_table_allows_nothing_that_is_not_used() {
    let imports = imports();
    let is_used = |from: &str, to: &str| {
        imports
            .iter()
            .any(|i| !i.is_test && i.from == from && i.to == to)
    };
    for room in ROOMS {
        for used in room.uses {
            assert!(
                is_used(room.name, used),
                "{} does not use {used} any more",
                room.name
            );
        }
    }
    for (path, to, _) in EXCEPTIONS {
        let found = imports
            .iter()
            .any(|import| import.path == *path && import.to == *to);
        assert!(found, "{path} does not use {to} any more");
    }
}

fn may(import: &Import) -> bool {
    let place = |name: &str| ROOMS.iter().position(|room| room.name == name);
    let Some(from) = place(&import.from) else {
        return false;
    };
    if import.is_test {
        place(&import.to).is_some_and(|to| to < from)
    } else {
        ROOMS[from].uses.contains(&import.to.as_str())
    }
}

fn is_room(name: &str) -> bool {
    ROOMS.iter().any(|room| room.name == name)
}

fn room_of(path: &str) -> &str {
    let below = path.strip_prefix("src/").unwrap();
    below.split(['/', '.']).next().unwrap()
}

/// Every mention of a room in another one, in tests as well.
fn imports() -> Vec<Import> {
    let sources = sources();
    let with_rooms = sources
        .iter()
        .filter(|source| is_room(room_of(&source.path)));
    with_rooms.flat_map(imports_of).collect()
}

fn imports_of(source: &Source) -> Vec<Import> {
    let from = room_of(&source.path);
    let mut imports = Vec::new();
    let mut add = |place: usize, to: &str| {
        if is_room(to) && to != from {
            imports.push(Import {
                path: source.path.clone(),
                line: line_of(&source.code, place),
                from: from.to_owned(),
                to: to.to_owned(),
                is_test: !source
                    .production
                    .get(place..)
                    .is_some_and(|code| code.starts_with(|c: char| !c.is_whitespace())),
            });
        }
    };
    for (place, mark) in source.code.match_indices("crate::") {
        let rest = &source.code[place + mark.len()..];
        let group = rest
            .strip_prefix('{')
            .and_then(|rest| rest.split('}').next());
        for path in group
            .unwrap_or(rest)
            .split(',')
            .take(if group.is_some() { 100 } else { 1 })
        {
            add(place, first_name(path.trim()));
        }
    }
    for (place, to) in climbs(source) {
        add(place, to);
    }
    imports
}

/// `super::super::room`: as many steps up as the file is deep lead to the crate's root.
fn climbs(source: &Source) -> Vec<(usize, &str)> {
    let below = source
        .path
        .strip_prefix("src/")
        .unwrap()
        .trim_end_matches("/mod.rs");
    let depth = below.split('/').count();
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(place) = source.code[at..].find("super::").map(|found| at + found) {
        let mut rest = &source.code[place..];
        let mut steps = 0;
        while let Some(after) = rest.strip_prefix("super::") {
            rest = after;
            steps += 1;
        }
        at = source.code.len() - rest.len();
        // Modules inside the file are one deeper; their lines are indented.
        let line_start = source.code[..place]
            .rfind('\n')
            .map_or(0, |newline| newline + 1);
        let is_inner = source.code[line_start..].starts_with(' ');
        if steps == depth + usize::from(is_inner) {
            found.push((place, first_name(rest)));
        }
    }
    found
}

fn first_name(path: &str) -> &str {
    let end = path.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    &path[..end.unwrap_or(path.len())]
}

#[test]
fn imports_are_found_in_every_form() {
    let code = "use crate::wire;\nuse super::net::X;\nfn f() { crate::store::y(); }\nuse crate::{authz, model::Z};\n";
    let source = Source {
        path: "src/secret.rs".to_owned(),
        text: String::new(),
        code: code.to_owned(),
        production: code.replace("use super", "         "),
    };
    let found = imports_of(&source);
    let found: Vec<_> = found
        .iter()
        .map(|import| (import.line, import.to.as_str(), import.is_test))
        .collect();
    let expected = [
        (1, "wire", false),
        (3, "store", false),
        (4, "authz", false),
        (4, "model", false),
        (2, "net", true),
    ];
    assert_eq!(found, expected);
}
