//! Questions that would take too long have an end: beyond it there is no answer.

use bson::raw::{CString, cstr};
use bson::spec::BinarySubtype;
use bson::{Binary, RawArrayBuf, RawBson, RawDocumentBuf, rawdoc};

use super::super::Filter;
use super::regex;

/// Two filters for the same field, so that one of them must be true if both are answered.
fn answers(filter: &RawDocumentBuf, document: &RawDocumentBuf) -> [Option<bool>; 2] {
    let negated = rawdoc! { "$nor": [filter.clone()] };
    [filter, &negated].map(|filter| {
        let filter = Filter::parse(filter).unwrap();
        let answer = filter.answer(document);
        assert_eq!(filter.matches(document), answer.unwrap_or(false));
        answer
    })
}

#[test]
fn an_expression_with_many_states_reads_no_long_text() {
    let document = |pairs: usize| rawdoc! { "a": "ab".repeat(pairs) };
    for pattern in ["x|(a|b)*a(a|b){3000}c|$", "x|((a?b?){50}){60}c|$"] {
        for filter in [
            rawdoc! { "a": regex(pattern, "") },
            rawdoc! { "a": { "$in": [regex(pattern, "")] } },
        ] {
            assert_eq!(answers(&filter, &document(20)), [Some(true), Some(false)]);
            assert_eq!(answers(&filter, &document(6_000)), [None; 2]);
        }
    }
}

#[test]
fn an_expression_with_few_states_reads_texts_as_long_as_they_come() {
    let document = rawdoc! { "a": "ab".repeat(100_000), "b": [1] };
    for pattern in ["c|$", "[0-9]{1,3}\\.[0-9]{1,3}|$", "(?i)^AB.*b$", "\\w$"] {
        let filter = rawdoc! { "a": regex(pattern, "") };
        let expected = [Some(true), Some(false)];
        assert_eq!(answers(&filter, &document), expected, "{pattern}");
    }
}

#[test]
fn a_long_value_is_not_looked_at_again_and_again() {
    // Through each level by name or by position: 252 ways that use up the path.
    let path = CString::try_from(format!("a{}", ".0".repeat(15))).unwrap();
    let document = |leaf: Binary| {
        let nested = (0..10).fold(RawBson::Binary(leaf), |inner, _| {
            RawBson::Array(RawArrayBuf::from_iter([rawdoc! { "0": inner }]))
        });
        rawdoc! { "a": nested }
    };
    let value = |length: usize, last: u8| Binary {
        subtype: BinarySubtype::Generic,
        bytes: [&*vec![0; length], &[last]].concat(),
    };
    let asked = |condition: RawDocumentBuf, length: usize| {
        let filter = Filter::parse(&rawdoc! { path.clone(): condition }).unwrap();
        filter.answer(&document(value(length, 2)))
    };
    for operator in [cstr!("$eq"), cstr!("$gt")] {
        let condition = |length| rawdoc! { operator: value(length, 3) };
        assert_eq!(asked(condition(10), 10), Some(false));
        assert_ne!(asked(condition(10), 1_000_000), None);
        assert_eq!(asked(condition(1_000_000), 1_000_000), None);
    }
    let condition = || rawdoc! { "$in": [value(10, 3), value(1_000_000, 3)] };
    assert_eq!(asked(condition(), 10), Some(false));
    assert_eq!(asked(condition(), 1_000_000), None);
    let condition = || rawdoc! { "$type": "string" };
    assert_eq!(asked(condition(), 1_000_000), Some(false));
    assert_eq!(asked(condition(), 10_000_000), None);
}
