//! The house rules that can be counted.

use crate::source::{Source, body_of_item, files, is_rust, line_of, read, root, sources};

/// Lines a file may have.
const FILE_LINES_MAX: usize = 400;
/// Lines a function may have, from `fn` to its last brace. Tests are free: a table of cases is easier
/// to read in one piece.
const FUNCTION_LINES_MAX: usize = 70;

/// Longer files, and why.
const LONG_FILES: &[(&str, &str)] = &[("src/cluster/etcd/proto/etcd.rs", "generated")];

/// Longer functions, by file and name, and why.
const LONG_FUNCTIONS: &[(&str, &str, &str)] = &[];

/// Places that may panic outside tests, by file and the call, and why.
const PANICS: &[(&str, &str, &str)] = &[];

/// Files that read secrets, and what they do with them. Whoever adds one thinks twice.
const EXPOSES: &[(&str, &str)] = &[
    ("src/audit/hide.rs", "hides strings of audit events"),
    ("src/auth/password.rs", "prepares passwords"),
    ("src/auth/plain/credential.rs", "hashes passwords"),
    (
        "src/auth/plain/sign_in.rs",
        "takes the password out of the message",
    ),
    (
        "src/auth/sasl.rs",
        "hands the first message to the exchange",
    ),
    (
        "src/auth/scram/client.rs",
        "proves a password to a server that is copied",
    ),
    (
        "src/auth/scram/credential.rs",
        "derives keys from passwords",
    ),
    ("src/auth/scram/exchange.rs", "checks proofs"),
    ("src/auth/scram/keys.rs", "makes up salts for unknown users"),
    (
        "src/auth/verified.rs",
        "remembers a keyed hash of passwords",
    ),
    (
        "src/cluster/etcd/mod.rs",
        "signs in at etcd with the password it was given",
    ),
    ("src/command/cluster_time.rs", "signs cluster times"),
    (
        "src/command/restore/stored_documents.rs",
        "reads keys of a dump back",
    ),
    (
        "src/command/sasl/sasl_continue.rs",
        "hands the proof to the exchange",
    ),
    ("src/command/user/credentials.rs", "refuses empty passwords"),
    (
        "src/config/environment.rs",
        "refuses an empty password of the first administrator",
    ),
    ("src/main.rs", "shows the password made up for Milvus' root"),
    (
        "src/milvus/password.rs",
        "measures new passwords of Milvus users",
    ),
    (
        "src/store/record/mod.rs",
        "writes the deployment secret to the data folder",
    ),
];

#[test]
fn files_fit() {
    let mut wrong = Vec::new();
    for source in sources() {
        let lines = source.text.lines().count();
        let is_listed = LONG_FILES.iter().any(|(path, _)| *path == source.path);
        if is_listed != (lines > FILE_LINES_MAX) {
            wrong.push((source.path, lines));
        }
    }
    assert!(
        wrong.is_empty(),
        "too long, or listed and not long any more: {wrong:?}"
    );
}

#[test]
fn functions_fit_a_screen() {
    let mut long = Vec::new();
    for source in sources() {
        for (name, line, lines) in functions(&source.production) {
            if lines > FUNCTION_LINES_MAX {
                long.push((source.path.clone(), name, line, lines));
            }
        }
    }
    let is_listed = |path: &str, name: &str| {
        LONG_FUNCTIONS
            .iter()
            .any(|(file, function, _)| *file == path && *function == name)
    };
    let wrong: Vec<_> = long
        .iter()
        .filter(|(path, name, ..)| !is_listed(path, name))
        .collect();
    assert!(wrong.is_empty(), "too long: {wrong:?}");
    for (path, name, _) in LONG_FUNCTIONS {
        let found = long
            .iter()
            .any(|(file, function, ..)| file == path && function == name);
        assert!(found, "{name} in {path} fits by now");
    }
}

/// Name, line and lines of every function with a body.
fn functions(code: &str) -> Vec<(String, usize, usize)> {
    let mut found = Vec::new();
    for (place, _) in code.match_indices("fn ") {
        let is_word = !code[..place].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let signature = &code[place + 3..];
        let name_end = signature.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let name = &signature[..name_end.unwrap_or(0)];
        if !is_word || name.is_empty() {
            continue;
        }
        if let Ok(body) = body_of_item(signature) {
            let lines = signature[..body.end].matches('\n').count() + 1;
            found.push((name.to_owned(), line_of(code, place), lines));
        }
    }
    found
}

#[test]
fn functions_are_measured_with_their_signature() {
    let code = "impl X {\n fn a(\n b: [u8; 2],\n ) {\n if c { d } else { e }\n }\n fn f();\n}\n";
    assert_eq!(functions(code), [("a".to_owned(), 2, 5)]);
}

#[test]
fn sources_are_ascii() {
    let folders = ["src", "tests", "benches", "fuzz"];
    for path in folders
        .iter()
        .flat_map(|folder| files(folder))
        .filter(|path| is_rust(path))
    {
        let text = read(&path);
        let line = text.lines().position(|line| !line.is_ascii());
        assert!(
            line.is_none(),
            "{path}:{} is not ASCII",
            line.unwrap_or_default() + 1
        );
    }
}

#[test]
fn nothing_panics_on_purpose() {
    const CALLS: [&str; 6] = [
        ".unwrap()",
        ".expect(",
        "panic!(",
        "unreachable!(",
        "unimplemented!(",
        "todo!(",
    ];
    let mut found = Vec::new();
    for source in sources() {
        for call in CALLS {
            for (place, _) in source.production.match_indices(call) {
                found.push((
                    source.path.clone(),
                    call,
                    line_of(&source.production, place),
                ));
            }
        }
    }
    let is_listed = |path: &str, call: &str| {
        PANICS
            .iter()
            .any(|(file, listed, _)| *file == path && *listed == call)
    };
    let wrong: Vec<_> = found
        .iter()
        .filter(|(path, call, _)| !is_listed(path, call))
        .collect();
    assert!(wrong.is_empty(), "panics outside tests: {wrong:?}");
    for (path, call, _) in PANICS {
        assert!(
            found
                .iter()
                .any(|(file, listed, _)| file == path && listed == call),
            "{path}"
        );
    }
}

#[test]
fn secrets_are_read_where_it_is_known() {
    let reads = |source: &Source| source.production.contains(".expose()");
    let readers: Vec<_> = sources()
        .into_iter()
        .filter(reads)
        .map(|source| source.path)
        .collect();
    let listed: Vec<_> = EXPOSES.iter().map(|(path, _)| (*path).to_owned()).collect();
    assert_eq!(
        readers, listed,
        "the files that read secrets, and the list of them"
    );
}

#[test]
fn nothing_is_left_for_later() {
    for path in text_files() {
        let is_this = path == "tests/meta/style.rs";
        let text = read(&path);
        for (number, line) in text.lines().enumerate() {
            let is_mark = |mark: &str| words(line).any(|word| word == mark);
            let is_left = ["TODO", "FIXME", "HACK"].iter().any(|mark| is_mark(mark));
            assert!(is_this || !is_left, "{path}:{}: {line}", number + 1);
        }
    }
}

fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
}

#[test]
fn no_machine_is_named() {
    let checkout = root().display().to_string();
    let home = std::env::var("HOME").unwrap_or_default();
    let mut marks = vec![checkout, ["/home", "/"].concat(), ["/Users", "/"].concat()];
    marks.push(["/root", "/"].concat());
    if home.len() > 1 && home != "/root" {
        marks.push(home);
    }
    for path in text_files() {
        let text = read(&path);
        for (number, line) in text.lines().enumerate() {
            let found = marks.iter().find(|mark| line.contains(mark.as_str()));
            assert!(
                found.is_none(),
                "{path}:{} names a place of one machine",
                number + 1
            );
        }
    }
}

/// What people wrote and read.
fn text_files() -> impl Iterator<Item = String> {
    const KINDS: [&str; 12] = [
        "rs", "md", "toml", "json", "py", "js", "mjs", "sh", "go", "java", "yaml", "yml",
    ];
    files("").into_iter().filter(|path| {
        let name = path.rsplit('/').next().unwrap_or_default();
        let extension = name.rsplit_once('.').map(|(_, extension)| extension);
        // A script without an extension, such as tests/run, is read as well.
        extension.map_or(name != "LICENSE", |extension| KINDS.contains(&extension))
            && !name.starts_with('.')
    })
}
