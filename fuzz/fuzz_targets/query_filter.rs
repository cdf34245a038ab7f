//! Filters of the query language: parsed, asked, and compared with what logic says of them.
//!
//! Input: a filter and a document, two BSON documents one after the other; or else `arbitrary`'s
//! encoding of both, made from operators and few names.

#![no_main]

use std::cmp::Ordering;

use arbitrary::{Result, Unstructured};
use bson::RawBson;
use bson::raw::{RawArrayBuf, RawBsonRef, RawDocument, RawDocumentBuf};
use libfuzzer_sys::fuzz_target;
use portcullis::query::{Filter, compare};
use portcullis::wire::validate_document;
use portcullis_fuzz::document::{Words, append};
use portcullis_fuzz::memory::metered;

/// Values of the document that are ordered among each other.
const COMPARED_MAX: usize = 4;
/// Filters within filters that are generated.
const LEVELS_MAX: usize = 4;
/// Regular expressions of a filter that is asked: each may take long to compile, and that several times.
const PATTERNS_MAX: usize = 8;
/// Constant part of what parsing may take.
const MEMORY_BYTES_MAX: usize = 1024 * 1024;
/// One compiled expression: a MiB forwards, another backwards, and what it takes to make them.
const MEMORY_PER_PATTERN_MAX: usize = 8 * 1024 * 1024;
/// An empty key with null takes 2 bytes and becomes a path and a condition in vectors that double.
const MEMORY_PER_BYTE_MAX: usize = 1024;
/// Fixed part of an error's text.
const MESSAGE_BYTES_MAX: usize = 1024;

const FIELDS: Words<'_> = Words {
    keys: &[
        "a", "b", "0", "1", "a.b", "a.0", "0.0.b", "a.b.c", "", "$a", "$ref", "$id",
    ],
    texts: &["a", "b", "", "ab", "A", "1"],
};

const OPERATORS: &[&str] = &[
    "$eq",
    "$ne",
    "$gt",
    "$gte",
    "$lt",
    "$lte",
    "$in",
    "$nin",
    "$exists",
    "$type",
    "$mod",
    "$size",
    "$all",
    "$elemMatch",
    "$not",
    "$regex",
    "$options",
    "$bitsAllSet",
    "$near",
    "$where",
    "$foo",
];

const LOGIC: &[&str] = &[
    "$and",
    "$or",
    "$nor",
    "$comment",
    "$expr",
    "$alwaysTrue",
    "$alwaysFalse",
    "$foo",
];

const TYPES: &[&str] = &[
    "double", "string", "object", "array", "number", "bool", "null", "regex", "x",
];

const PATTERNS: &[&str] = &[
    "^a",
    "a|b",
    "(a+)+$",
    "[ab]{1,3}",
    "\\w\\b",
    "(?i)A",
    "(",
    "",
    "a{500}{500}",
];

fuzz_target!(|input: &[u8]| {
    if let Some((filter, document)) = pair(input) {
        check(filter, document);
        return;
    }
    let mut u = Unstructured::new(input);
    let (Ok(filter), Ok(document)) = (filter(&mut u, 0), FIELDS.document(&mut u)) else {
        return;
    };
    if [&filter, &document]
        .iter()
        .all(|one| validate_document(one.as_bytes()).is_ok())
    {
        check(&filter, &document);
    }
});

fn pair(input: &[u8]) -> Option<(&RawDocument, &RawDocument)> {
    let length = validate_document(input).ok()?;
    let (filter, document) = input.split_at_checked(length)?;
    if validate_document(document) != Ok(document.len()) {
        return None;
    }
    Some((
        RawDocument::from_bytes(filter).ok()?,
        RawDocument::from_bytes(document).ok()?,
    ))
}

fn check(filter: &RawDocument, document: &RawDocument) {
    in_order(document);
    let length = filter.as_bytes().len();
    let (parsed, held) = metered(|| Filter::parse(filter));
    let patterns = pattern_count(filter);
    let allowed =
        MEMORY_BYTES_MAX + MEMORY_PER_PATTERN_MAX * patterns + MEMORY_PER_BYTE_MAX * length;
    assert!(held <= allowed, "{held} bytes for a filter of {length}");
    if patterns > PATTERNS_MAX {
        return;
    }
    let parsed = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            assert!(error.message.len() <= MESSAGE_BYTES_MAX + 16 * length);
            let again = Filter::parse(filter).expect_err("refused before");
            assert_eq!(again.message, error.message);
            return;
        }
    };
    let answer = parsed.matches(document);
    assert_eq!(parsed.matches(document), answer);
    assert!(answer || !parsed.matches_everything());
    // One level more may be one too many.
    let everything = RawDocumentBuf::new();
    let nothing = combination("$nor", &[&everything]);
    let combined = |operator, others: &[&RawDocument]| {
        let filter = combination(operator, &[&[filter], others].concat());
        let parsed = Filter::parse(&filter).ok();
        parsed.map(|filter| filter.matches(document))
    };
    assert!(combined("$and", &[filter, &everything]).is_none_or(|all| all == answer));
    assert!(combined("$and", &[&nothing]).is_none_or(|all| !all));
    assert!(combined("$or", &[&nothing]).is_none_or(|any| any == answer));
    // A question too long to be answered has the answer false both ways.
    assert!(!(answer && combined("$nor", &[&nothing]) == Some(true)));
}

/// Regular expressions anywhere in the filter, also where they are none to it.
fn pattern_count(document: &RawDocument) -> usize {
    let elements = document.iter_elements().map(|element| element.expect("a readable element"));
    let counts = elements.map(|element| match element.value().expect("a readable value") {
        RawBsonRef::RegularExpression(_) => 1,
        _ if element.key().as_str() == "$regex" => 1,
        RawBsonRef::Document(inner) => pattern_count(inner),
        RawBsonRef::Array(inner) => {
            pattern_count(RawDocument::from_bytes(inner.as_bytes()).expect("an array is a document"))
        }
        _ => 0,
    });
    counts.sum()
}

fn combination(operator: &str, filters: &[&RawDocument]) -> RawDocumentBuf {
    let array = filters.iter().map(|filter| (*filter).to_owned());
    let mut combination = RawDocumentBuf::new();
    append(&mut combination, operator, RawArrayBuf::from_iter(array));
    combination
}

/// The first values of the document have a total order, and each is equal to itself in a filter.
fn in_order(document: &RawDocument) {
    let elements = document.iter().take(COMPARED_MAX);
    let values: Vec<RawBsonRef<'_>> = elements
        .map(|element| element.expect("a readable element").1)
        .collect();
    for a in &values {
        assert_eq!(compare(*a, *a), Ordering::Equal);
        for b in &values {
            assert_eq!(compare(*a, *b), compare(*b, *a).reverse());
            for c in &values {
                if compare(*a, *b).is_le() && compare(*b, *c).is_le() {
                    assert!(compare(*a, *c).is_le(), "{a:?} {b:?} {c:?}");
                }
            }
        }
        equals_itself(*a);
    }
}

fn equals_itself(value: RawBsonRef<'_>) {
    // What `$eq` takes for something else.
    if matches!(
        value,
        RawBsonRef::Undefined | RawBsonRef::RegularExpression(_)
    ) {
        return;
    }
    let mut operand = RawDocumentBuf::new();
    append(&mut operand, "$eq", RawBson::from(value));
    let mut filter = RawDocumentBuf::new();
    append(&mut filter, "a", operand);
    let mut document = RawDocumentBuf::new();
    append(&mut document, "a", RawBson::from(value));
    if let Ok(filter) = Filter::parse(&filter) {
        assert!(
            filter.matches(&document),
            "{value:?} is not equal to itself"
        );
    }
}

fn filter(u: &mut Unstructured<'_>, level: usize) -> Result<RawDocumentBuf> {
    let mut filter = RawDocumentBuf::new();
    for _ in 0..u.int_in_range(0..=3)? {
        if level < LEVELS_MAX && u.ratio(1, 3)? {
            let operator = *u.choose(LOGIC)?;
            append(&mut filter, operator, filters(u, level)?);
        } else {
            let name = FIELDS.key(u)?;
            append(&mut filter, &name, condition(u, level)?);
        }
    }
    Ok(filter)
}

fn filters(u: &mut Unstructured<'_>, level: usize) -> Result<RawBson> {
    if u.ratio(1, 8)? {
        return FIELDS.value(u);
    }
    let mut array = RawArrayBuf::new();
    for _ in 0..u.int_in_range(0..=3)? {
        array.push(filter(u, level + 1)?);
    }
    Ok(RawBson::Array(array))
}

fn condition(u: &mut Unstructured<'_>, level: usize) -> Result<RawBson> {
    if u.ratio(1, 4)? {
        return FIELDS.value(u);
    }
    let mut operators = RawDocumentBuf::new();
    for _ in 0..u.int_in_range(1..=3)? {
        let operator = *u.choose(OPERATORS)?;
        append(&mut operators, operator, operand(u, operator, level)?);
    }
    Ok(RawBson::Document(operators))
}

/// Mostly what the operator takes.
fn operand(u: &mut Unstructured<'_>, operator: &str, level: usize) -> Result<RawBson> {
    if u.ratio(1, 8)? {
        return FIELDS.value(u);
    }
    let deeper = level < LEVELS_MAX;
    Ok(match operator {
        "$in" | "$nin" | "$all" => {
            let mut values = RawArrayBuf::new();
            for _ in 0..u.int_in_range(0..=4)? {
                values.push(if deeper && u.ratio(1, 4)? {
                    condition(u, level + 1)?
                } else {
                    FIELDS.value(u)?
                });
            }
            RawBson::Array(values)
        }
        "$not" if deeper => condition(u, level + 1)?,
        "$elemMatch" if deeper && u.arbitrary()? => condition(u, level + 1)?,
        "$elemMatch" if deeper => RawBson::Document(filter(u, level + 1)?),
        "$exists" => RawBson::Boolean(u.arbitrary()?),
        "$type" if u.arbitrary()? => RawBson::String((*u.choose(TYPES)?).to_owned()),
        "$type" | "$size" => RawBson::Int32(u.int_in_range(-2..=20)?),
        "$mod" => {
            let kind = *u.choose(&["int", "long", "double", "decimal"])?;
            let one = FIELDS.value_of_type(u, kind)?;
            RawBson::Array(RawArrayBuf::from_iter([
                one,
                RawBson::Int32(u.int_in_range(-2..=5)?),
            ]))
        }
        "$regex" if u.arbitrary()? => RawBson::String((*u.choose(PATTERNS)?).to_owned()),
        "$regex" => RawBson::String(u.arbitrary::<&str>()?.to_owned()),
        "$options" => RawBson::String((*u.choose(&["", "i", "imsx", "u", "z"])?).to_owned()),
        _ => FIELDS.value(u)?,
    })
}
