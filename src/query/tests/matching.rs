//! (document, filter, whether it matches)

use bson::raw::{RawDocument, RawDocumentBuf};
use bson::spec::BinarySubtype;
use bson::{Binary, DateTime, RawBson, Timestamp, oid::ObjectId, rawbson, rawdoc};

use super::regex;
use crate::query::Filter;

fn matches(document: &RawDocument, filter: &RawDocument) -> bool {
    Filter::parse(filter).unwrap().matches(document)
}

fn check(rows: impl IntoIterator<Item = (RawDocumentBuf, RawDocumentBuf, bool)>) {
    for (document, filter, expected) in rows {
        let actual = matches(&document, &filter);
        assert_eq!(actual, expected, "{document:?} {filter:?}");
    }
}

fn decimal(text: &str) -> RawBson {
    RawBson::Decimal128(text.parse().unwrap())
}

#[test]
#[rustfmt::skip] // one row a line
fn equality() {
    check([
        (rawdoc! { "a": 1 }, rawdoc! {}, true),
        (rawdoc! { "a": 1 }, rawdoc! { "a": 1_i64 }, true),
        (rawdoc! { "a": 1 }, rawdoc! { "a": 1.0 }, true),
        (rawdoc! { "a": 1 }, rawdoc! { "a": decimal("1.00") }, true),
        (rawdoc! { "a": 1 }, rawdoc! { "a": true }, false),
        (rawdoc! { "a": 1 }, rawdoc! { "a": "1" }, false),
        (rawdoc! { "a": 1, "b": 2 }, rawdoc! { "a": 1, "b": 3 }, false),
        (rawdoc! { "a": 1 }, rawdoc! { "a": { "$eq": 1 } }, true),
        (rawdoc! { "a": "x" }, rawdoc! { "a": RawBson::Symbol("x".into()) }, true),
        (rawdoc! { "a": f64::NAN }, rawdoc! { "a": f64::NAN }, true),
        // Documents are equal field by field, in order; a DBRef is no operator.
        (rawdoc! { "a": { "x": 1, "y": 2 } }, rawdoc! { "a": { "x": 1.0, "y": 2 } }, true),
        (rawdoc! { "a": { "x": 1, "y": 2 } }, rawdoc! { "a": { "y": 2, "x": 1 } }, false),
        (rawdoc! { "a": { "x": 1, "y": 2 } }, rawdoc! { "a": { "x": 1 } }, false),
        (rawdoc! { "a": {} }, rawdoc! { "a": {} }, true),
        (
            rawdoc! { "a": { "$ref": "c", "$id": 1 } },
            rawdoc! { "a": { "$ref": "c", "$id": 1 } },
            true,
        ),
        // A regular expression under $eq is a value.
        (rawdoc! { "a": "xy" }, rawdoc! { "a": { "$eq": regex("x", "") } }, false),
        (rawdoc! { "a": regex("x", "") }, rawdoc! { "a": { "$eq": regex("x", "") } }, true),
        (rawdoc! { "a": 1 }, rawdoc! { "a": { "$ne": 1 } }, false),
        (rawdoc! { "a": 1 }, rawdoc! { "a": { "$ne": 2 } }, true),
        (rawdoc! {}, rawdoc! { "a": { "$ne": 2 } }, true),
        (rawdoc! { "a": [1, 2] }, rawdoc! { "a": { "$ne": 2 } }, false),
        (rawdoc! { "a": 1 }, rawdoc! { "$comment": "who", "a": 1 }, true),
        (rawdoc! { "$id": 5 }, rawdoc! { "$id": 5 }, true),
        (rawdoc! { "": 5 }, rawdoc! { "": 5 }, true),
    ]);
}

#[test]
#[rustfmt::skip] // one row a line
fn null_and_missing() {
    let undefined = || RawBson::Undefined;
    check([
        (rawdoc! {}, rawdoc! { "a": null }, true),
        (rawdoc! { "a": null }, rawdoc! { "a": null }, true),
        (rawdoc! { "a": 0 }, rawdoc! { "a": null }, false),
        (rawdoc! { "a": [] }, rawdoc! { "a": null }, false),
        (rawdoc! { "a": [1, null] }, rawdoc! { "a": null }, true),
        // Since 8.0 undefined is not null.
        (rawdoc! { "a": undefined() }, rawdoc! { "a": null }, false),
        (rawdoc! {}, rawdoc! { "a.b": null }, true),
        (rawdoc! { "a": 1 }, rawdoc! { "a.b": null }, true),
        (rawdoc! { "a": {} }, rawdoc! { "a.b": null }, true),
        (rawdoc! { "a": [] }, rawdoc! { "a.b": null }, false),
        (rawdoc! { "a": [1, 2] }, rawdoc! { "a.b": null }, false),
        (rawdoc! { "a": [1, {}] }, rawdoc! { "a.b": null }, true),
        (rawdoc! {}, rawdoc! { "a": { "$ne": null } }, false),
        (rawdoc! {}, rawdoc! { "a": { "$gte": null } }, true),
        (rawdoc! {}, rawdoc! { "a": { "$gt": null } }, false),
        (rawdoc! {}, rawdoc! { "a": { "$in": [1, null] } }, true),
        (rawdoc! {}, rawdoc! { "a": { "$nin": [1, null] } }, false),
        (rawdoc! {}, rawdoc! { "a": { "$in": [1] } }, false),
        (rawdoc! {}, rawdoc! { "a": { "$exists": false } }, true),
        (rawdoc! { "a": null }, rawdoc! { "a": { "$exists": true } }, true),
        (rawdoc! { "a": null }, rawdoc! { "a": { "$exists": 0 } }, false),
        (rawdoc! { "a": null }, rawdoc! { "a": { "$exists": decimal("0.0") } }, false),
        (rawdoc! { "a": [] }, rawdoc! { "a": { "$exists": "" } }, true),
        (rawdoc! { "a": [1] }, rawdoc! { "a.b": { "$exists": true } }, false),
        (rawdoc! { "a": [{ "b": 1 }] }, rawdoc! { "a.b": { "$exists": null } }, false),
        (rawdoc! { "a": [{ "b": 1 }] }, rawdoc! { "a.b": { "$exists": 1.5 } }, true),
    ]);
}

#[test]
#[rustfmt::skip] // one row a line
fn order_within_a_type() {
    let (min, max) = (|| RawBson::MinKey, || RawBson::MaxKey);
    let date = |millis| RawBson::DateTime(DateTime::from_millis(millis));
    check([
        (rawdoc! { "a": 5 }, rawdoc! { "a": { "$gt": 4.5 } }, true),
        (rawdoc! { "a": 5 }, rawdoc! { "a": { "$gt": 5 } }, false),
        (rawdoc! { "a": 5 }, rawdoc! { "a": { "$gte": 5_i64 } }, true),
        (rawdoc! { "a": 5 }, rawdoc! { "a": { "$lt": decimal("5.1") } }, true),
        (rawdoc! { "a": 5 }, rawdoc! { "a": { "$lte": 4 } }, false),
        (rawdoc! { "a": 5 }, rawdoc! { "a": { "$gt": 4, "$lt": 6 } }, true),
        (rawdoc! { "a": 5 }, rawdoc! { "a": { "$gt": "4" } }, false),
        (rawdoc! { "a": "5" }, rawdoc! { "a": { "$gt": 4 } }, false),
        (rawdoc! { "a": true }, rawdoc! { "a": { "$gt": 0 } }, false),
        (rawdoc! { "a": true }, rawdoc! { "a": { "$gt": false } }, true),
        (rawdoc! { "a": "b" }, rawdoc! { "a": { "$gt": "a", "$lt": "ba" } }, true),
        (rawdoc! { "a": "B" }, rawdoc! { "a": { "$gt": "a" } }, false),
        (rawdoc! { "a": date(-1) }, rawdoc! { "a": { "$lt": date(0) } }, true),
        // Different elements may fulfil the two bounds.
        (rawdoc! { "a": [1, 9] }, rawdoc! { "a": { "$gt": 5, "$lt": 5 } }, true),
        (rawdoc! { "a": [1, 2] }, rawdoc! { "a": { "$gt": [1, 1] } }, true),
        (rawdoc! { "a": { "x": 1 } }, rawdoc! { "a": { "$lt": { "x": 2 } } }, true),
        (rawdoc! { "a": { "x": 1 } }, rawdoc! { "a": { "$gt": { "w": 2 } } }, true),
        (rawdoc! { "a": { "x": "" } }, rawdoc! { "a": { "$gt": { "y": 2 } } }, true),
        (rawdoc! { "a": 1 }, rawdoc! { "a": { "$gt": f64::NAN } }, false),
        (rawdoc! { "a": f64::NAN }, rawdoc! { "a": { "$lt": 1 } }, false),
        (rawdoc! { "a": f64::NAN }, rawdoc! { "a": { "$gte": decimal("NaN") } }, true),
        (rawdoc! { "a": 1 }, rawdoc! { "a": { "$gt": min() } }, true),
        (rawdoc! { "a": "" }, rawdoc! { "a": { "$lte": max() } }, true),
        (rawdoc! {}, rawdoc! { "a": { "$lt": max() } }, true),
        (rawdoc! { "a": max() }, rawdoc! { "a": { "$lt": max() } }, false),
        (rawdoc! { "a": max() }, rawdoc! { "a": { "$gte": max() } }, true),
        (rawdoc! { "a": 1 }, rawdoc! { "a": { "$lt": min() } }, false),
        (rawdoc! { "a": 1 }, rawdoc! { "a": max() }, false),
    ]);
}

#[test]
#[rustfmt::skip] // one row a line
fn arrays_on_the_path() {
    check([
        (rawdoc! { "a": [1, 2] }, rawdoc! { "a": 2 }, true),
        (rawdoc! { "a": [1, 2] }, rawdoc! { "a": [1, 2] }, true),
        (rawdoc! { "a": [1, 2] }, rawdoc! { "a": [1] }, false),
        (rawdoc! { "a": [1, 2] }, rawdoc! { "a": [2, 1] }, false),
        (rawdoc! { "a": [[1, 2], 3] }, rawdoc! { "a": [1, 2] }, true),
        (rawdoc! { "a": [[1, 2], 3] }, rawdoc! { "a": 1 }, false),
        (rawdoc! { "a": [] }, rawdoc! { "a": [] }, true),
        (rawdoc! { "a": { "b": 1 } }, rawdoc! { "a.b": 1 }, true),
        (rawdoc! { "a": { "b": { "c": 1 } } }, rawdoc! { "a.b.c": 1 }, true),
        (rawdoc! { "a": [{ "b": 1 }, { "b": 2 }] }, rawdoc! { "a.b": 2 }, true),
        (rawdoc! { "a": [{ "b": [1, 2] }] }, rawdoc! { "a.b": 2 }, true),
        (rawdoc! { "a": [{ "b": [1, 2] }] }, rawdoc! { "a.b": [1, 2] }, true),
        (rawdoc! { "a": [[{ "b": 1 }]] }, rawdoc! { "a.b": 1 }, false),
        (rawdoc! { "a": [[{ "b": 1 }]] }, rawdoc! { "a.0.b": 1 }, true),
        // Positions.
        (rawdoc! { "a": [5, 6] }, rawdoc! { "a.1": 6 }, true),
        (rawdoc! { "a": [5, 6] }, rawdoc! { "a.0": 6 }, false),
        (rawdoc! { "a": [5, 6] }, rawdoc! { "a.01": 6 }, false),
        (rawdoc! { "a": [5, 6] }, rawdoc! { "a.2": null }, false),
        (rawdoc! { "a": [{ "b": 1 }, { "b": 2 }] }, rawdoc! { "a.1.b": 2 }, true),
        (rawdoc! { "a": [{ "b": 1 }, { "b": 2 }] }, rawdoc! { "a.1.b": 1 }, false),
        (rawdoc! { "a": [{ "1": 7 }] }, rawdoc! { "a.1": 7 }, true),
        (rawdoc! { "a": [{ "0": 7 }] }, rawdoc! { "a.0": { "0": 7 } }, true),
        (rawdoc! { "a": [[1, 2]] }, rawdoc! { "a.0": [1, 2] }, true),
        // An element named by its position is not looked into.
        (rawdoc! { "a": [[1, 2]] }, rawdoc! { "a.0": 1 }, false),
        (rawdoc! { "a": [[1, 2]] }, rawdoc! { "a.0.1": 2 }, true),
        (rawdoc! { "a": { "0": 5 } }, rawdoc! { "a.0": 5 }, true),
        (rawdoc! { "a.b": 1 }, rawdoc! { "a.b": 1 }, false),
    ]);
}

#[test]
#[rustfmt::skip] // one row a line
fn alternatives() {
    check([
        (rawdoc! { "a": 2 }, rawdoc! { "a": { "$in": [3, 1, 2.0] } }, true),
        (rawdoc! { "a": 9 }, rawdoc! { "a": { "$in": [9, "x", 3, null, 1] } }, true),
        (rawdoc! { "a": 1 }, rawdoc! { "a": { "$in": [9, "x", 3, null, 1] } }, true),
        (rawdoc! { "a": 2 }, rawdoc! { "a": { "$in": [] } }, false),
        (rawdoc! { "a": 2 }, rawdoc! { "a": { "$nin": [] } }, true),
        (rawdoc! { "a": [1, 5] }, rawdoc! { "a": { "$in": [5] } }, true),
        (rawdoc! { "a": [1, 5] }, rawdoc! { "a": { "$nin": [5] } }, false),
        (rawdoc! { "a": [1, 5] }, rawdoc! { "a": { "$in": [[1, 5]] } }, true),
        (rawdoc! { "a": "app1" }, rawdoc! { "a": { "$in": [7, regex("^APP", "i")] } }, true),
        (rawdoc! { "a": "xapp" }, rawdoc! { "a": { "$nin": [regex("^app", "")] } }, true),
        (rawdoc! { "a": { "x": 1 } }, rawdoc! { "a": { "$in": [{ "x": 1 }] } }, true),
    ]);
}

#[test]
#[rustfmt::skip] // one row a line
fn logic() {
    check([
        (rawdoc! { "a": 1, "b": 2 }, rawdoc! { "$and": [{ "a": 1 }, { "b": 2 }] }, true),
        (rawdoc! { "a": 1, "b": 2 }, rawdoc! { "$and": [{ "a": 1 }, { "b": 3 }] }, false),
        (rawdoc! { "a": 1 }, rawdoc! { "$or": [{ "a": 2 }, { "a": 1 }] }, true),
        (rawdoc! { "a": 1 }, rawdoc! { "$or": [{ "a": 2 }, { "a": 3 }] }, false),
        (rawdoc! { "a": 1 }, rawdoc! { "$nor": [{ "a": 2 }, { "a": 3 }] }, true),
        (rawdoc! { "a": 1 }, rawdoc! { "$nor": [{ "a": 2 }, { "a": 1 }] }, false),
        (rawdoc! { "a": 1 }, rawdoc! { "$or": [{ "a": 1 }], "b": 1 }, false),
        (rawdoc! { "a": 1 }, rawdoc! { "a": { "$not": { "$gt": 1 } } }, true),
        (rawdoc! { "a": 2 }, rawdoc! { "a": { "$not": { "$gt": 1 } } }, false),
        (rawdoc! {}, rawdoc! { "a": { "$not": { "$gt": 1 } } }, true),
        (rawdoc! { "a": [0, 2] }, rawdoc! { "a": { "$not": { "$gt": 1 } } }, false),
        (rawdoc! { "a": 2 }, rawdoc! { "a": { "$not": { "$gt": 1, "$lt": 2 } } }, true),
        (rawdoc! { "a": 2 }, rawdoc! { "a": { "$not": { "$not": { "$eq": 2 } } } }, true),
        (rawdoc! { "a": "x" }, rawdoc! { "a": { "$not": regex("x", "") } }, false),
        (rawdoc! { "a": 1 }, rawdoc! { "a": { "$not": { "$regex": "x" } } }, true),
    ]);
}

#[test]
#[rustfmt::skip] // one row a line
fn types() {
    check([
        (rawdoc! { "a": 1 }, rawdoc! { "a": { "$type": 16 } }, true),
        (rawdoc! { "a": 1 }, rawdoc! { "a": { "$type": 16.0 } }, true),
        (rawdoc! { "a": 1 }, rawdoc! { "a": { "$type": "long" } }, false),
        (rawdoc! { "a": 1.5 }, rawdoc! { "a": { "$type": "number" } }, true),
        (rawdoc! { "a": "1" }, rawdoc! { "a": { "$type": "number" } }, false),
        (rawdoc! { "a": "1" }, rawdoc! { "a": { "$type": ["number", "string"] } }, true),
        (rawdoc! { "a": null }, rawdoc! { "a": { "$type": 10 } }, true),
        (rawdoc! {}, rawdoc! { "a": { "$type": "null" } }, false),
        (rawdoc! { "a": RawBson::MinKey }, rawdoc! { "a": { "$type": -1 } }, true),
        (rawdoc! { "a": RawBson::MaxKey }, rawdoc! { "a": { "$type": "maxKey" } }, true),
        (rawdoc! { "a": RawBson::MaxKey }, rawdoc! { "a": { "$type": 127_i64 } }, true),
        (rawdoc! { "a": [] }, rawdoc! { "a": { "$type": "array" } }, true),
        (rawdoc! { "a": [1] }, rawdoc! { "a": { "$type": "int" } }, true),
        (rawdoc! { "a": {} }, rawdoc! { "a": { "$type": "object" } }, true),
        (rawdoc! { "a": [[]] }, rawdoc! { "a.0": { "$type": 4 } }, true),
    ]);
}

#[test]
#[rustfmt::skip] // one row a line
fn sizes_and_remainders() {
    check([
        (rawdoc! { "a": [1, 2] }, rawdoc! { "a": { "$size": 2 } }, true),
        (rawdoc! { "a": [1, 2] }, rawdoc! { "a": { "$size": 1.0 } }, false),
        (rawdoc! { "a": [[1], 2] }, rawdoc! { "a": { "$size": 1 } }, false),
        (rawdoc! { "a": 1 }, rawdoc! { "a": { "$size": 1 } }, false),
        (rawdoc! {}, rawdoc! { "a": { "$size": 0 } }, false),
        (rawdoc! { "a": [] }, rawdoc! { "a": { "$size": decimal("0") } }, true),
        (rawdoc! { "a": [{ "b": [1] }] }, rawdoc! { "a.b": { "$size": 1 } }, true),
        (rawdoc! { "a": 7 }, rawdoc! { "a": { "$mod": [4, 3] } }, true),
        (rawdoc! { "a": -7 }, rawdoc! { "a": { "$mod": [4, -3] } }, true),
        (rawdoc! { "a": -7 }, rawdoc! { "a": { "$mod": [4, 1] } }, false),
        (rawdoc! { "a": 7.9 }, rawdoc! { "a": { "$mod": [4.7, 3.2] } }, true),
        (rawdoc! { "a": decimal("7.9") }, rawdoc! { "a": { "$mod": [4, 3] } }, true),
        (rawdoc! { "a": [1, 8] }, rawdoc! { "a": { "$mod": [4, 0] } }, true),
        (rawdoc! { "a": "8" }, rawdoc! { "a": { "$mod": [4, 0] } }, false),
        (rawdoc! { "a": f64::NAN }, rawdoc! { "a": { "$mod": [1, 0] } }, false),
        (rawdoc! { "a": 1e300 }, rawdoc! { "a": { "$mod": [1, 0] } }, false),
        (rawdoc! { "a": i64::MIN }, rawdoc! { "a": { "$mod": [-1, 0] } }, true),
        (rawdoc! {}, rawdoc! { "a": { "$mod": [1, 0] } }, false),
    ]);
}

#[test]
#[rustfmt::skip] // one row a line
fn all_and_elements() {
    check([
        (rawdoc! { "a": [1, 2, 3] }, rawdoc! { "a": { "$all": [3, 1] } }, true),
        (rawdoc! { "a": [1, 2, 3] }, rawdoc! { "a": { "$all": [3, 4] } }, false),
        (rawdoc! { "a": 1 }, rawdoc! { "a": { "$all": [1] } }, true),
        (rawdoc! { "a": [1] }, rawdoc! { "a": { "$all": [] } }, false),
        (rawdoc! { "a": [[1, 2]] }, rawdoc! { "a": { "$all": [[1, 2]] } }, true),
        (rawdoc! { "a": ["ab", 2] }, rawdoc! { "a": { "$all": [regex("^a", ""), 2] } }, true),
        (
            rawdoc! { "a": [1, 9] },
            rawdoc! { "a": { "$all": [
                { "$elemMatch": { "$lt": 2 } }, { "$elemMatch": { "$gt": 8 } },
            ] } },
            true,
        ),
        (rawdoc! { "a": [1, 9] }, rawdoc! { "a": { "$elemMatch": { "$gt": 2, "$lt": 8 } } }, false),
        (rawdoc! { "a": [1, 5] }, rawdoc! { "a": { "$elemMatch": { "$gt": 2, "$lt": 8 } } }, true),
        (rawdoc! { "a": 5 }, rawdoc! { "a": { "$elemMatch": { "$gt": 2 } } }, false),
        (rawdoc! { "a": [[5]] }, rawdoc! { "a": { "$elemMatch": { "$eq": 5 } } }, false),
        (
            rawdoc! { "a": [[5]] },
            rawdoc! { "a": { "$elemMatch": { "$elemMatch": { "$eq": 5 } } } },
            true,
        ),
        (
            rawdoc! { "a": [1, 2] },
            rawdoc! { "a": { "$elemMatch": { "$not": { "$gt": 1 } } } },
            true,
        ),
        (rawdoc! { "a": [2, 3] }, rawdoc! { "a": { "$elemMatch": { "$nin": [2, 3] } } }, false),
        (rawdoc! { "a": [[1, 2]] }, rawdoc! { "a": { "$elemMatch": { "$size": 2 } } }, true),
        (
            rawdoc! { "a": [{ "b": 1, "c": 2 }, { "b": 2, "c": 1 }] },
            rawdoc! { "a": { "$elemMatch": { "b": 1, "c": 1 } } },
            false,
        ),
        (
            rawdoc! { "a": [{ "b": 1, "c": 2 }, { "b": 2, "c": 1 }] },
            rawdoc! { "a": { "$elemMatch": { "b": 2, "c": { "$lt": 2 } } } },
            true,
        ),
        (
            rawdoc! { "a": [{ "b": 1 }] },
            rawdoc! { "a": { "$elemMatch": { "$or": [{ "b": 2 }, { "b": 1 }] } } },
            true,
        ),
        // An array is a document with positions for names.
        (rawdoc! { "a": [[7, 8]] }, rawdoc! { "a": { "$elemMatch": { "1": 8 } } }, true),
        (rawdoc! { "a": [1] }, rawdoc! { "a": { "$elemMatch": {} } }, false),
        (rawdoc! { "a": [{}] }, rawdoc! { "a": { "$elemMatch": {} } }, true),
        (
            rawdoc! { "a": [{ "$ref": "c", "$id": 1 }] },
            rawdoc! { "a": { "$elemMatch": { "$id": 1 } } },
            true,
        ),
        (
            rawdoc! { "r": [{ "role": "read", "db": "a" }, { "role": "root", "db": "admin" }] },
            rawdoc! { "r": { "$elemMatch": { "role": "root", "db": "admin" } } },
            true,
        ),
        (
            rawdoc! { "r": [{ "role": "read", "db": "admin" }, { "role": "root", "db": "a" }] },
            rawdoc! { "r": { "$elemMatch": { "role": "root", "db": "admin" } } },
            false,
        ),
    ]);
}

#[test]
#[rustfmt::skip] // one row a line
fn regular_expressions() {
    check([
        (rawdoc! { "a": "xabcx" }, rawdoc! { "a": regex("abc", "") }, true),
        (rawdoc! { "a": "xABCx" }, rawdoc! { "a": regex("abc", "") }, false),
        (rawdoc! { "a": "xABCx" }, rawdoc! { "a": regex("abc", "i") }, true),
        (rawdoc! { "a": "x\nb" }, rawdoc! { "a": regex("^b$", "") }, false),
        (rawdoc! { "a": "x\nb" }, rawdoc! { "a": regex("^b$", "m") }, true),
        (rawdoc! { "a": "x\nb" }, rawdoc! { "a": regex("x.b", "") }, false),
        (rawdoc! { "a": "x\nb" }, rawdoc! { "a": regex("x.b", "s") }, true),
        (rawdoc! { "a": "xb" }, rawdoc! { "a": regex("x b # why", "x") }, true),
        (rawdoc! { "a": "xb" }, rawdoc! { "a": { "$regex": "X", "$options": "iu" } }, true),
        (rawdoc! { "a": "xb" }, rawdoc! { "a": { "$options": "i", "$regex": "X" } }, true),
        (rawdoc! { "a": "xb" }, rawdoc! { "a": { "$regex": regex("X", "i") } }, true),
        (
            rawdoc! { "a": "xb" },
            rawdoc! { "a": { "$regex": regex("X", ""), "$options": "i" } },
            true,
        ),
        (rawdoc! { "a": "xb" }, rawdoc! { "a": { "$regex": "x", "$ne": "xb" } }, false),
        (rawdoc! { "a": ["q", "xb"] }, rawdoc! { "a": regex("^x", "") }, true),
        (rawdoc! { "a": 1 }, rawdoc! { "a": regex("1", "") }, false),
        (rawdoc! {}, rawdoc! { "a": regex("", "") }, false),
        (rawdoc! { "a": regex("x", "i") }, rawdoc! { "a": regex("x", "i") }, true),
        (rawdoc! { "a": regex("x", "") }, rawdoc! { "a": regex("x", "i") }, false),
        (rawdoc! { "a": "a/b" }, rawdoc! { "a": regex("a\\/b", "") }, true),
    ]);
}

#[test]
fn every_type_equals_itself_only() {
    let binary = |subtype, bytes: &[u8]| {
        RawBson::Binary(Binary {
            subtype,
            bytes: bytes.to_vec(),
        })
    };
    let values = [
        RawBson::MinKey,
        RawBson::MaxKey,
        RawBson::ObjectId(ObjectId::from_bytes([1; 12])),
        RawBson::ObjectId(ObjectId::from_bytes([2; 12])),
        RawBson::Timestamp(Timestamp {
            time: 1,
            increment: 2,
        }),
        RawBson::Timestamp(Timestamp {
            time: 2,
            increment: 1,
        }),
        RawBson::DateTime(DateTime::from_millis(1)),
        RawBson::JavaScriptCode("x".into()),
        rawbson!("x"),
        rawbson!({ "x": 1 }),
        rawbson!([1]),
        rawbson!(null),
        rawbson!(true),
        binary(BinarySubtype::Generic, &[1]),
        binary(BinarySubtype::Uuid, &[1]),
        binary(BinarySubtype::Generic, &[0, 0]),
        binary(BinarySubtype::BinaryOld, &[]),
    ];
    for (i, a) in values.iter().enumerate() {
        for (j, b) in values.iter().enumerate() {
            let document = rawdoc! { "a": a.clone() };
            let filter = rawdoc! { "a": b.clone() };
            assert_eq!(matches(&document, &filter), i == j, "{a:?} {b:?}");
        }
    }
}
