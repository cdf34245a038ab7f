//! Any document as the arguments of every command, as generic arguments and as printed text.
//!
//! Input: a BSON document as it is (its first key names the command), or else `arbitrary`'s encoding
//! of one that is made from a command's own fields. The generated ones have a marker in place of
//! secrets, which no answer and no text may repeat.

#![no_main]

use arbitrary::{Result, Unstructured};
use bson::raw::{RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf};
use bson::spec::BinarySubtype;
use bson::{Binary, RawBson};
use libfuzzer_sys::fuzz_target;
use portcullis::authz::redact::{TEXT_BYTES_MAX, command_text};
use portcullis::command::arguments::Field;
use portcullis::command::generic::Generic;
use portcullis::command::registry::{self, COMMANDS};
use portcullis::command::reply::error_document;
use portcullis::command::spec::Entry;
use portcullis::command::write_concern::WriteConcern;
use portcullis::error::{CommandError, ErrorCode};
use portcullis::model::action::Action;
use portcullis::wire::validate_document;
use portcullis_fuzz::document::{Words, append};
use portcullis_fuzz::memory::metered;

/// Stands for every secret; nothing else contains it.
const MARKER: &str = "corvus-oratio";
const MARKER_HEX: &str = "636F727675732D6F726174696F";

/// Constant part of what parsing may take.
const MEMORY_BYTES_MAX: usize = 64 * 1024;
/// An empty text takes 8 bytes in an array and 24 in a vector, which grows by doubling.
const MEMORY_PER_BYTE_MAX: usize = 64;
/// Fixed part of an error's text.
const MESSAGE_BYTES_MAX: usize = 1024;

const GENERIC: &[&str] = &[
    "$db",
    "lsid",
    "$clusterTime",
    "$readPreference",
    "writeConcern",
    "readConcern",
    "maxTimeMS",
    "comment",
    "apiVersion",
    "apiStrict",
    "apiDeprecationErrors",
    "txnNumber",
    "autocommit",
    "startTransaction",
    "help",
    "$audit",
];

const WORDS: Words<'_> = Words {
    keys: &[
        "role",
        "db",
        "user",
        "roles",
        "privileges",
        "resource",
        "actions",
        "collection",
        "cluster",
        "anyResource",
        "system_buckets",
        "clientSource",
        "serverAddress",
        "forAllDBs",
        "id",
        "uid",
        "level",
        "w",
        "j",
        "fsync",
        "wtimeout",
        "provenance",
        "wElectionId",
        "wOpTime",
        "dc",
        "application",
        "name",
        "driver",
        "version",
        "os",
        "type",
        "platform",
        "mechanism",
        "payload",
        "skipEmptyExchange",
        "processId",
        "counter",
        "mode",
        "tags",
        "$or",
        "$in",
    ],
    texts: &[
        "admin",
        "test",
        "$external",
        "",
        "a.b",
        "read",
        "root",
        "majority",
        "local",
        "available",
        "snapshot",
        "1",
        "10.0.0.0/8",
        "::1",
        "1.2.3.4/33",
        "SCRAM-SHA-1",
        "SCRAM-SHA-256",
        "asPrivileges",
        "asUserFragment",
        "clientSupplied",
        "snappy",
        "zstd",
        "zlib",
        "admin.ann",
        "bGVuZ3Ro",
        "n,,n=ann,r=nonce",
    ],
};

fuzz_target!(|input: &[u8]| {
    // The fuzzer learns the marker from comparisons and would put it where no secret is.
    if input
        .windows(MARKER.len())
        .any(|window| window == MARKER.as_bytes())
    {
        return;
    }
    if validate_document(input) == Ok(input.len()) {
        let body = RawDocument::from_bytes(input).expect("a validated document");
        check(entry_of(body), body);
    } else if let Ok((entry, body)) = generated(&mut Unstructured::new(input)) {
        let bytes = body.as_bytes();
        if validate_document(bytes).is_ok() {
            check(entry, &body);
        }
    }
});

/// The command that the document names, or else any.
fn entry_of(body: &RawDocument) -> &'static Entry {
    let first = body
        .iter()
        .next()
        .map(|element| element.expect("a readable element"));
    let found = first.and_then(|(name, _)| registry::find(name.as_str()));
    match found {
        Some((_, entry)) => entry,
        None => &COMMANDS[body.as_bytes().len() % COMMANDS.len()],
    }
}

fn check(entry: &Entry, body: &RawDocument) {
    // An empty document names no command; dispatch answers it.
    if body.is_empty() {
        return;
    }
    let secrets: Vec<_> = entry
        .fields
        .iter()
        .filter(|field| field.sensitive)
        .map(|field| field.name)
        .collect();
    if has_public_marker(body, &secrets) {
        return;
    }
    let length = body.as_bytes().len();
    let (parsed, held) = metered(|| (entry.check_arguments)(body));
    let allowed = MEMORY_BYTES_MAX + MEMORY_PER_BYTE_MAX * length;
    assert!(held <= allowed, "{held} bytes for a command of {length}");
    match &parsed {
        Ok(()) => accepted_stays_strict(entry, body),
        Err(error) => check_error(error, body),
    }
    let again = (entry.check_arguments)(body);
    assert_eq!(
        parsed.map_err(|error| error.message),
        again.map_err(|error| error.message)
    );
    generic(entry, body);

    let text = command_text(body, &secrets);
    assert!(text.len() <= TEXT_BYTES_MAX);
    shows_no_secret(&text);
}

/// Whether the marker stands where no secret is: the fuzzer learns it from comparisons.
fn has_public_marker(body: &RawDocument, secrets: &[&str]) -> bool {
    let public = secrets
        .iter()
        .fold(body.to_owned(), |rest, name| without(&rest, name));
    let contains = |text: &str| {
        public
            .as_bytes()
            .windows(text.len())
            .any(|w| w == text.as_bytes())
    };
    contains(MARKER) || contains(MARKER_HEX)
}

/// What is accepted is refused with a field too many, a field twice or a field too few.
fn accepted_stays_strict(entry: &Entry, body: &RawDocument) {
    let code = |body: &RawDocument| (entry.check_arguments)(body).map_err(|error| error.code);
    let unknown = with(body, "noSuchField", 1);
    let expected = if entry.spec.strict {
        Err(ErrorCode::IDL_UNKNOWN_FIELD)
    } else {
        Ok(())
    };
    assert_eq!(code(&unknown), expected);
    let present = |field: &Field| matches!(body.get(field.name), Ok(Some(_)));
    for (place, field) in entry.fields.iter().enumerate() {
        if place == 0 || is_after_first(body, field.name) {
            let twice = with(body, field.name, 1);
            assert_eq!(
                code(&twice),
                Err(ErrorCode::IDL_DUPLICATE_FIELD),
                "{}",
                field.name
            );
        }
        if place > 0 && field.required {
            assert!(present(field), "{} was not missed", field.name);
            let without = without(body, field.name);
            assert_eq!(
                code(&without),
                Err(ErrorCode::IDL_FAILED_TO_PARSE),
                "{}",
                field.name
            );
        }
    }
}

fn is_after_first(body: &RawDocument, name: &str) -> bool {
    body.iter()
        .skip(1)
        .any(|element| element.is_ok_and(|(key, _)| key == name))
}

fn with(body: &RawDocument, name: &str, value: i32) -> RawDocumentBuf {
    let mut more = body.to_owned();
    append(&mut more, name, value);
    more
}

fn without(body: &RawDocument, name: &str) -> RawDocumentBuf {
    let mut less = RawDocumentBuf::new();
    for (place, element) in body.iter().enumerate() {
        let (key, value) = element.expect("a readable element");
        if place == 0 || key != name {
            append(&mut less, key.as_str(), RawBson::from(value));
        }
    }
    less
}

fn generic(entry: &Entry, body: &RawDocument) {
    let db = match body.get("$db") {
        Ok(Some(RawBsonRef::String(db))) => db,
        _ => "admin",
    };
    let generic = match Generic::parse(entry.spec.name, db, body) {
        Ok(generic) => generic,
        Err(error) => return check_error(&error, body),
    };
    assert_eq!(generic.db.as_str(), db);
    for is_member in [false, true] {
        if let Err(error) = generic.check_transaction(entry.spec, is_member) {
            check_error(&error, body);
        }
    }
    let Some(value) = generic.write_concern else {
        return;
    };
    match WriteConcern::parse(entry.spec.name, value) {
        Ok(None) => {}
        Ok(Some(concern)) => {
            let checks = [
                concern.check_journal(false),
                concern.check_on_standalone(),
            ];
            for error in checks.into_iter().filter_map(Result::err) {
                check_error(&error, body);
            }
        }
        Err(error) => check_error(&error, body),
    }
}

fn check_error(error: &CommandError, body: &RawDocument) {
    assert!(error.message.len() <= MESSAGE_BYTES_MAX + 4 * body.as_bytes().len());
    shows_no_secret(&error.message);
    let document = error_document(error);
    let bytes = document.as_bytes();
    assert_eq!(validate_document(bytes), Ok(bytes.len()));
}

fn shows_no_secret(text: &str) {
    assert!(
        !text.contains(MARKER) && !text.contains(MARKER_HEX),
        "a secret in {text}"
    );
}

fn generated(u: &mut Unstructured<'_>) -> Result<(&'static Entry, RawDocumentBuf)> {
    let entry = u.choose(COMMANDS)?;
    let alias = entry
        .spec
        .aliases
        .first()
        .copied()
        .filter(|_| u.ratio(1, 8).unwrap_or(false));
    let mut body = RawDocumentBuf::new();
    let (own, others) = entry.fields.split_first().expect("a command has a value");
    append(
        &mut body,
        alias.unwrap_or(entry.spec.name),
        value_of(u, own)?,
    );
    // Required fields mostly stand there, or little else would be reached.
    for field in others.iter().filter(|field| field.required) {
        if u.ratio(15, 16)? {
            append(&mut body, field.name, value_of(u, field)?);
        }
    }
    for _ in 0..u.int_in_range(0..=6)? {
        let kind = u.int_in_range(0..=7)?;
        if kind < 5 && !others.is_empty() {
            let field = u.choose(others)?;
            append(&mut body, field.name, value_of(u, field)?);
        } else if kind < 7 {
            let name = *u.choose(GENERIC)?;
            append(&mut body, name, generic_value(u, name)?);
        } else {
            let key = WORDS.key(u)?;
            append(&mut body, &key, WORDS.value(u)?);
        }
    }
    Ok((entry, body))
}

/// Mostly a value of the field's type, and of its shape where the type does not say it all.
fn value_of(u: &mut Unstructured<'_>, field: &Field) -> Result<RawBson> {
    if field.sensitive {
        return secret(u);
    }
    if u.ratio(1, 8)? {
        return WORDS.value(u);
    }
    match field.name {
        "roles" => array(u, |u| named(u, "role")),
        "usersInfo" => one_or_many(u, |u| named(u, "user")),
        "rolesInfo" => one_or_many(u, |u| named(u, "role")),
        "privileges" => array(u, privilege),
        "authenticationRestrictions" => array(u, restriction),
        "mechanisms" | "compression" => array(u, |u| WORDS.text(u).map(RawBson::String)),
        "endSessions" | "refreshSessions" => array(u, session),
        _ if field.types.is_empty() => WORDS.value(u),
        _ => {
            let kind = u.choose(field.types)?;
            WORDS.value_of_type(u, kind)
        }
    }
}

/// The marker, in some shape.
fn secret(u: &mut Unstructured<'_>) -> Result<RawBson> {
    let text = format!("{}{MARKER}", u.choose(&["", "x", "\u{e9}"])?);
    Ok(match u.int_in_range(0..=7)? {
        0..=2 => RawBson::String(text),
        3 => RawBson::Binary(Binary {
            subtype: BinarySubtype::Generic,
            bytes: text.into_bytes(),
        }),
        4 => RawBson::Binary(Binary {
            subtype: BinarySubtype::Md5,
            bytes: text.into_bytes(),
        }),
        5 => RawBson::Symbol(text),
        6 => {
            let mut inner = RawDocumentBuf::new();
            append(&mut inner, &text.clone(), text);
            RawBson::Document(inner)
        }
        _ => RawBson::Array(RawArrayBuf::from_iter([text])),
    })
}

fn generic_value(u: &mut Unstructured<'_>, name: &str) -> Result<RawBson> {
    if u.ratio(1, 8)? {
        return WORDS.value(u);
    }
    let kind = match name {
        "lsid" => return session(u),
        "$db" | "apiVersion" => "string",
        "writeConcern" | "readConcern" | "$readPreference" | "$clusterTime" => "object",
        "maxTimeMS" => *u.choose(&["int", "long", "double", "decimal"])?,
        "txnNumber" => "long",
        _ => "bool",
    };
    WORDS.value_of_type(u, kind)
}

fn session(u: &mut Unstructured<'_>) -> Result<RawBson> {
    let id = Binary {
        subtype: BinarySubtype::Uuid,
        bytes: u.arbitrary::<[u8; 16]>()?.to_vec(),
    };
    one(u, "id", RawBson::Binary(id))
}

/// `name`, or `{<field>: name, db: name}`.
fn named(u: &mut Unstructured<'_>, field: &str) -> Result<RawBson> {
    if u.ratio(1, 3)? {
        return WORDS.text(u).map(RawBson::String);
    }
    let name = WORDS.text(u)?;
    let mut document = RawDocumentBuf::new();
    append(&mut document, field, name);
    append(&mut document, "db", WORDS.text(u)?);
    noisy(u, document)
}

fn privilege(u: &mut Unstructured<'_>) -> Result<RawBson> {
    let mut resource = RawDocumentBuf::new();
    match u.int_in_range(0..=4)? {
        0 => append(&mut resource, "cluster", u.arbitrary::<bool>()?),
        1 => append(&mut resource, "anyResource", u.arbitrary::<bool>()?),
        2 => append(&mut resource, "system_buckets", WORDS.text(u)?),
        _ => append(&mut resource, "collection", WORDS.text(u)?),
    }
    if u.arbitrary()? {
        append(&mut resource, "db", WORDS.text(u)?);
    }
    let actions = array(u, |u| match u.ratio(7, 8)? {
        true => Ok(RawBson::String(u.choose(Action::ALL)?.name().to_owned())),
        false => WORDS.text(u).map(RawBson::String),
    })?;
    let mut document = RawDocumentBuf::new();
    append(&mut document, "resource", noisy(u, resource)?);
    append(&mut document, "actions", actions);
    noisy(u, document)
}

fn restriction(u: &mut Unstructured<'_>) -> Result<RawBson> {
    let name = *u.choose(&["clientSource", "serverAddress"])?;
    let ranges = array(u, |u| WORDS.text(u).map(RawBson::String))?;
    one(u, name, ranges)
}

fn one(u: &mut Unstructured<'_>, name: &str, value: RawBson) -> Result<RawBson> {
    let mut document = RawDocumentBuf::new();
    append(&mut document, name, value);
    noisy(u, document)
}

/// Now and then with an element that does not belong.
fn noisy(u: &mut Unstructured<'_>, mut document: RawDocumentBuf) -> Result<RawBson> {
    if u.ratio(1, 8)? {
        let key = WORDS.key(u)?;
        append(&mut document, &key, WORDS.value(u)?);
    }
    Ok(RawBson::Document(document))
}

fn one_or_many<'a>(
    u: &mut Unstructured<'a>,
    make: impl Fn(&mut Unstructured<'a>) -> Result<RawBson>,
) -> Result<RawBson> {
    match u.int_in_range(0..=3)? {
        0 => Ok(RawBson::Int32(1)),
        1 => make(u),
        2 => one(u, "forAllDBs", RawBson::Boolean(true)),
        _ => array(u, make),
    }
}

fn array<'a>(
    u: &mut Unstructured<'a>,
    make: impl Fn(&mut Unstructured<'a>) -> Result<RawBson>,
) -> Result<RawBson> {
    let mut array = RawArrayBuf::new();
    for _ in 0..u.int_in_range(0..=5)? {
        array.push(make(u)?);
    }
    Ok(RawBson::Array(array))
}
