//! The source files, and what of them is code, and what of that is not a test.

use std::path::{Path, PathBuf};

/// A Rust source file.
pub(crate) struct Source {
    /// From the root of the repository, with `/`.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// With comments and the contents of literals blanked; lines stay where they are.
    pub(crate) code: String,
    /// The code without what is compiled for tests only.
    pub(crate) production: String,
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every file below `folder`, from the root of the repository, sorted; nothing if there is no such
/// folder. Folders of tools and of what they make are left out.
pub(crate) fn files(folder: &str) -> Vec<String> {
    const LEFT_OUT: [&str; 8] = [
        "target",
        "node_modules",
        "__pycache__",
        "corpus",
        "artifacts",
        "seeds",
        "portcullis-data",
        "venv",
    ];
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = folder.read_dir() else {
            continue;
        };
        for entry in entries.map(Result::unwrap) {
            let name = entry.file_name().into_string().unwrap();
            if entry.file_type().unwrap().is_file() {
                found.push(relative(&entry.path()));
            } else if !LEFT_OUT.contains(&name.as_str()) && !name.starts_with('.') {
                folders.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    let path = path.strip_prefix(root()).unwrap();
    path.to_str().unwrap().replace('\\', "/")
}

/// The text of a file of the repository.
pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The Rust files below `src`.
pub(crate) fn sources() -> Vec<Source> {
    let mut sources: Vec<Source> = files("src")
        .into_iter()
        .filter(|path| is_rust(path))
        .map(|path| {
            let text = read(&path);
            let code = code_only(&text);
            Source {
                production: String::new(),
                path,
                text,
                code,
            }
        })
        .collect();
    let mut test_modules = Vec::new();
    for source in &mut sources {
        let (production, modules) = without_tests(&source.code);
        source.production = production;
        let folder = folder_of_modules(&source.path);
        test_modules.extend(modules.iter().map(|module| format!("{folder}/{module}")));
    }
    for source in &mut sources {
        let is_test = test_modules.iter().any(|module| {
            source.path == format!("{module}.rs") || source.path.starts_with(&format!("{module}/"))
        });
        if is_test {
            source.production.clear();
        }
    }
    sources
}

/// Whether it is a Rust file.
pub(crate) fn is_rust(path: &str) -> bool {
    has_extension(path, "rs")
}

/// Whether the file's name ends so.
pub(crate) fn has_extension(path: &str, extension: &str) -> bool {
    Path::new(path)
        .extension()
        .is_some_and(|found| found == extension)
}

/// Where the modules that a file declares are.
fn folder_of_modules(path: &str) -> String {
    match path
        .strip_suffix("/mod.rs")
        .or_else(|| path.strip_suffix("/lib.rs"))
    {
        Some(folder) => folder.to_owned(),
        None => path.trim_end_matches(".rs").to_owned(),
    }
}

/// Blanks comments and what is inside strings and characters.
pub(crate) fn code_only(text: &str) -> String {
    let mut rest = text;
    let mut code = String::with_capacity(text.len());
    while !rest.is_empty() {
        let (kept, blanked, length) = next_piece(rest, code.chars().next_back());
        let piece = &rest[..length];
        code.push_str(&piece[..kept]);
        let blank = |character: char| if character == '\n' { '\n' } else { ' ' };
        code.extend(piece[kept..kept + blanked].chars().map(blank));
        code.push_str(&piece[kept + blanked..]);
        rest = &rest[length..];
    }
    code
}

/// The next comment, literal or character: bytes to keep, bytes to blank, bytes in all.
fn next_piece(rest: &str, before: Option<char>) -> (usize, usize, usize) {
    let in_name = before.is_some_and(|before| before.is_alphanumeric() || before == '_');
    if rest.starts_with("//") {
        let length = rest.find('\n').unwrap_or(rest.len());
        (0, length, length)
    } else if rest.starts_with("/*") {
        let length = rest.find("*/").map_or(rest.len(), |end| end + 2);
        (0, length, length)
    } else if rest.starts_with('"') {
        let length = string_length(rest);
        (1, length - 2, length)
    } else if let Some(hashes) = raw_string(rest).filter(|_| !in_name) {
        let end = format!("\"{}", "#".repeat(hashes));
        let start = hashes + 2;
        let length = start + rest[start..].find(&end).unwrap() + end.len();
        (start, length - start - end.len(), length)
    } else if rest.starts_with('\'') {
        let length = character_length(rest);
        (1, length.saturating_sub(2), length)
    } else {
        let length = rest.chars().next().map_or(0, char::len_utf8);
        (length, 0, length)
    }
}

/// The number of hashes if a raw string begins here.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    after[hashes..].starts_with('"').then_some(hashes)
}

fn string_length(rest: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// 1 for the quote of a lifetime.
fn character_length(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    match characters.next() {
        Some((_, '\\')) => rest[3..].find('\'').map_or(1, |end| 3 + end + 1),
        Some(_) => match characters.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
        None => 1,
    }
}

/// Blanks items under `#[cfg(test)]` or `#[cfg(all(test, ...))]`; names the modules among them that
/// have a file of their own.
fn without_tests(code: &str) -> (String, Vec<String>) {
    const MARKS: [&str; 2] = ["#[cfg(test)]", "#[cfg(all(test,"];
    let mut kept = String::new();
    let mut modules = Vec::new();
    let mut rest = code;
    while let Some(start) = MARKS.iter().filter_map(|mark| rest.find(mark)).min() {
        kept.push_str(&rest[..start]);
        let item = &rest[start..];
        let attribute = item.find(']').map_or(item.len(), |end| end + 1);
        let end = attribute + end_of_item(&item[attribute..]);
        let words: Vec<_> = item[attribute..end].split_whitespace().collect();
        if let Some(at) = words.iter().position(|word| *word == "mod")
            && let Some(name) = words.get(at + 1).and_then(|name| name.strip_suffix(';'))
        {
            modules.push(name.to_owned());
        }
        kept.extend(
            item[..end]
                .chars()
                .map(|c| if c == '\n' { '\n' } else { ' ' }),
        );
        rest = &item[end..];
    }
    kept.push_str(rest);
    (kept, modules)
}

/// Where an item ends: after its body, or after the semicolon of one without.
pub(crate) fn end_of_item(code: &str) -> usize {
    body_of_item(code).map_or_else(|semicolon| semicolon, |body| body.end)
}

/// The body with its braces, or the place after the semicolon of an item without one.
pub(crate) fn body_of_item(code: &str) -> Result<std::ops::Range<usize>, usize> {
    let mut depth = 0_i32;
    let mut start = None;
    for (at, byte) in code.bytes().enumerate() {
        match byte {
            b'{' if start.is_none() && depth == 0 => {
                start = Some(at);
                depth = 1;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            b';' if depth == 0 => return Err(at + 1),
            _ => {}
        }
        if let Some(start) = start
            && depth == 0
        {
            return Ok(start..at + 1);
        }
    }
    Err(code.len())
}

/// The line of a place in a text, from 1.
pub(crate) fn line_of(text: &str, place: usize) -> usize {
    text[..place].matches('\n').count() + 1
}

#[test]
fn comments_and_literals_are_no_code() {
    let text = "a // b \"c\n\"d\\\"e\" '\"' 'f' <'g> r#\"h\"i\"# /* j\n */ k";
    let code = code_only(text);
    assert_eq!(
        code,
        "a        \n\"    \" ' ' ' ' <'g> r#\"   \"#     \n    k"
    );
    assert_eq!(code.len(), text.len());
}

#[test]
fn tests_are_no_production() {
    let code = "fn a() { [0; 2]; }\n#[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod b {\n fn c() {}\n}\nfn d() {}";
    let (production, modules) = without_tests(code);
    let lines: Vec<_> = production
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    assert_eq!(lines, ["fn a() { [0; 2]; }", "fn d() {}"]);
    assert_eq!(modules, ["tests"]);
    assert_eq!(production.lines().count(), code.lines().count());
}
