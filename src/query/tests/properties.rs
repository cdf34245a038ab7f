//! What holds for any BSON: no panic, no endless work, and a total order.

use std::cmp::Ordering;

use bson::raw::{CString, RawDocument, RawDocumentBuf, RawJavaScriptCodeWithScope};
use bson::spec::BinarySubtype;
use bson::{Binary, DateTime, Decimal128, RawArrayBuf, RawBson, Timestamp, oid::ObjectId, rawdoc};
use proptest::prelude::*;

use super::regex;
use crate::query::{Allowance, Distinct, Filter, Group, Projection, Sort, compare};

/// Few names, so that filters and documents meet.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["a", "b", "0", "1", "a.b", "a.0", "0.0.b", ""])
            .prop_map(str::to_owned),
        4 => prop::sample::select(vec![
            "$and", "$or", "$nor", "$not", "$eq", "$ne", "$gt", "$gte", "$lt", "$lte", "$in",
            "$nin", "$exists", "$type", "$size", "$all", "$elemMatch", "$mod", "$regex",
            "$options", "$comment", "$ref", "$id", "$expr", "$",
        ])
        .prop_map(str::to_owned),
        1 => "[^\0]{0,3}",
    ]
}

fn number() -> impl Strategy<Value = RawBson> {
    prop_oneof![
        (-3..3).prop_map(RawBson::Int32),
        any::<i64>().prop_map(RawBson::Int64),
        (-3..3_i64).prop_map(RawBson::Int64),
        any::<f64>().prop_map(RawBson::Double),
        prop::sample::select(vec![
            0.0,
            -0.0,
            0.5,
            1.0,
            f64::NAN,
            f64::INFINITY,
            9.007_199_254_740_993e15
        ])
        .prop_map(RawBson::Double),
        any::<[u8; 16]>().prop_map(|bytes| RawBson::Decimal128(Decimal128::from_bytes(bytes))),
        (-30..30_i64, -3..3).prop_map(|(coefficient, exponent)| {
            let text = format!("{coefficient}E{exponent}");
            RawBson::Decimal128(text.parse().unwrap())
        }),
    ]
}

fn scalar() -> impl Strategy<Value = RawBson> {
    prop_oneof![
        6 => number(),
        2 => "[ab(*\\\\]{0,3}".prop_map(RawBson::String),
        1 => name().prop_map(RawBson::Symbol),
        1 => prop::sample::select(vec!["i", "mx", "string", "number", "g"])
            .prop_map(|text| RawBson::String(text.to_owned())),
        1 => any::<bool>().prop_map(RawBson::Boolean),
        1 => prop::sample::select(vec![
            RawBson::Null, RawBson::Undefined, RawBson::MinKey, RawBson::MaxKey,
        ]),
        1 => ("[ab(]{0,2}", "[im]?").prop_map(|(pattern, options)| regex(&pattern, &options)),
        1 => any::<[u8; 12]>().prop_map(|bytes| RawBson::ObjectId(ObjectId::from_bytes(bytes))),
        1 => any::<i64>().prop_map(|millis| RawBson::DateTime(DateTime::from_millis(millis))),
        1 => (0..2_u32, 0..2_u32)
            .prop_map(|(time, increment)| RawBson::Timestamp(Timestamp { time, increment })),
        1 => (0..6_u8, prop::collection::vec(0..2_u8, 0..3)).prop_map(|(subtype, bytes)| {
            RawBson::Binary(Binary { subtype: BinarySubtype::from(subtype), bytes })
        }),
        1 => "[ab]{0,1}".prop_map(RawBson::JavaScriptCode),
        1 => "[ab]{0,1}".prop_map(|code| {
            RawBson::JavaScriptCodeWithScope(RawJavaScriptCodeWithScope {
                code,
                scope: rawdoc! { "a": 1 },
            })
        }),
    ]
}

fn value() -> impl Strategy<Value = RawBson> {
    scalar().prop_recursive(5, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec((name(), inner.clone()), 0..4)
                .prop_map(|fields| RawBson::Document(document_of(fields))),
            prop::collection::vec(inner, 0..4).prop_map(|elements| {
                let mut array = RawArrayBuf::new();
                for element in elements {
                    array.push(element);
                }
                RawBson::Array(array)
            }),
        ]
    })
}

fn document_of(fields: Vec<(String, RawBson)>) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    for (name, value) in fields {
        document.append(CString::try_from(name).unwrap(), value);
    }
    document
}

fn document() -> impl Strategy<Value = RawDocumentBuf> {
    prop::collection::vec((name(), value()), 0..4).prop_map(document_of)
}

/// Projections and sorts, mostly.
fn paths() -> impl Strategy<Value = RawDocumentBuf> {
    let path = prop::sample::select(vec!["a", "b", "_id", "0", "1", "a.b", "a.0", "0.0.b"]);
    let field = (
        path.prop_map(str::to_owned),
        (-1..2).prop_map(RawBson::Int32),
    );
    prop::collection::vec(field, 0..4).prop_map(document_of)
}

/// Whether it stands for itself in a filter.
fn is_plain(value: &RawBson) -> bool {
    let is_operator = |field: &bson::raw::RawElement<'_>| field.key().as_str().starts_with('$');
    match value {
        RawBson::Document(d) => !d.iter_elements().any(|f| is_operator(&f.unwrap())),
        RawBson::Undefined | RawBson::RegularExpression(_) => false,
        _ => true,
    }
}

fn order(a: &RawBson, b: &RawBson) -> Ordering {
    compare(a.as_raw_bson_ref(), b.as_raw_bson_ref())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn no_projection_sort_or_group_panics(
        operand in prop_oneof![document(), paths()],
        documents in prop::collection::vec(document(), 0..4),
        path in name(),
    ) {
        let projection = Projection::parse(&operand, &mut Allowance::default());
        let sort = Sort::parse(&operand);
        let operand = rawdoc! { "_id": operand, "n": { "$push": "$a.b" } };
        let group = Group::parse(bson::RawBsonRef::Document(&operand));
        let mut groups = group.as_ref().ok().map(|group| group.start(1_000_000));
        let mut distinct = Distinct::new(&path).unwrap();
        for document in &documents {
            let shown = projection.as_ref().map(|projection| projection.apply(document));
            if let (Ok(projection), Ok(shown)) = (&projection, shown) {
                prop_assert_eq!(projection.apply(&shown), shown);
            }
            if let Ok(sort) = &sort {
                let key = sort.key(document, 1_000_000).unwrap();
                prop_assert!(sort.compare(&key, &key).is_eq());
            }
            if let Some(groups) = &mut groups {
                let _ = groups.add(document);
            }
            distinct.add(document).unwrap();
        }
        let made = groups.map_or(0, |groups| groups.into_documents().count());
        prop_assert!(made <= documents.len());
        let _ = distinct.into_values();
    }

    #[test]
    fn no_filter_panics(filter in document(), document in document()) {
        if let Ok(parsed) = Filter::parse(&filter) {
            let answer = parsed.matches(&document);
            prop_assert!(answer || !parsed.matches_everything());
            let nor = rawdoc! { "$nor": [filter] };
            prop_assert_eq!(Filter::parse(&nor).unwrap().matches(&document), !answer);
        }
    }

    #[test]
    fn a_single_operator_never_panics(operator in name(), operand in value(), value in value()) {
        let filter = document_of(vec![(
            "a".to_owned(),
            RawBson::Document(document_of(vec![(operator, operand)])),
        )]);
        if let Ok(parsed) = Filter::parse(&filter) {
            parsed.matches(&document_of(vec![("a".to_owned(), value)]));
        }
    }

    #[test]
    fn values_have_a_total_order(a in value(), b in value(), c in value()) {
        prop_assert_eq!(order(&a, &a), Ordering::Equal);
        prop_assert_eq!(order(&a, &b), order(&b, &a).reverse());
        let mut sorted = [&a, &b, &c];
        sorted.sort_by(|a, b| order(a, b));
        prop_assert!(order(sorted[0], sorted[1]).is_le());
        prop_assert!(order(sorted[1], sorted[2]).is_le());
        prop_assert!(order(sorted[0], sorted[2]).is_le());
    }

    #[test]
    fn numbers_have_a_total_order(a in number(), b in number(), c in number()) {
        prop_assert_eq!(order(&a, &b), order(&b, &a).reverse());
        if order(&a, &b).is_le() && order(&b, &c).is_le() {
            prop_assert!(order(&a, &c).is_le());
        }
        if order(&a, &b).is_eq() {
            prop_assert_eq!(order(&a, &c), order(&b, &c));
        }
    }

    #[test]
    fn a_value_equals_itself_in_a_document(value in value().prop_filter("plain", is_plain)) {
        let document = document_of(vec![("a".to_owned(), value)]);
        prop_assert!(Filter::parse(&document).unwrap().matches(&document));
    }
}

/// `{ 0: [{ 0: [...] }] }`
fn nested_arrays(levels: u32) -> RawDocumentBuf {
    (0..levels).fold(rawdoc! { "0": 1 }, |inner, _| rawdoc! { "0": [inner] })
}

#[test]
fn ambiguous_positions_end() {
    // Each level can be passed by its name or by its position: 2^60 ways.
    let path = vec!["0"; 90].join(".");
    let document = nested_arrays(60);
    for operand in [rawdoc! { "$eq": 2 }, rawdoc! { "$ne": 2 }] {
        let filter = document_of(vec![(path.clone(), RawBson::Document(operand))]);
        assert!(!Filter::parse(&filter).unwrap().matches(&document));
    }
}

#[test]
fn documents_deeper_than_any_stack_are_safe() {
    let mut bytes = Vec::new();
    let levels = 50_000_usize;
    // Written from the outside in: each level is `{ "0": <array of the next> }`, 8 bytes around it.
    for level in 0..levels {
        let length = 5 + 8 * (levels - level);
        bytes.extend(i32::try_from(length).unwrap().to_le_bytes());
        bytes.extend([4, b'0', 0]);
    }
    bytes.extend([5, 0, 0, 0, 0]);
    bytes.extend(vec![0; levels]);
    let document = RawDocument::from_bytes(&bytes).unwrap();
    let other = rawdoc! { "0": [[document.to_owned()]] };
    let path = vec!["0"; 150].join(".");
    let deepest = (0..90).fold(rawdoc! {}, |inner, _| {
        let element = RawBson::Document(rawdoc! { "$elemMatch": inner });
        document_of(vec![(path.clone(), element)])
    });
    for filter in [
        rawdoc! { "0": document.get_array("0").unwrap().to_owned() },
        rawdoc! { "0.0.0.0.0.0.0.0.0": 1 },
        rawdoc! { "0": { "$elemMatch": { "$elemMatch": { "0.0": 1 } } } },
        deepest,
    ] {
        let filter = Filter::parse(&filter).unwrap();
        filter.matches(document);
        filter.matches(&other);
    }
    let value = RawBson::Document(document.to_owned());
    assert_eq!(order(&value, &value), Ordering::Equal);
}
