//! (filter, code, text)

use bson::raw::{CString, RawDocumentBuf};
use bson::{RawArrayBuf, RawBson, rawdoc};

use super::regex;
use crate::error::CommandError;
use crate::query::{Allowance, Filter, Projection};

fn check<'a>(rows: impl IntoIterator<Item = (RawDocumentBuf, i32, &'a str)>) {
    for (filter, code, text) in rows {
        let error = refusal(&filter);
        assert_eq!((error.code.0, &*error.message), (code, text), "{filter:?}");
    }
}

fn refusal(filter: &RawDocumentBuf) -> CommandError {
    match Filter::parse(filter) {
        Ok(_) => panic!("not refused: {filter:?}"),
        Err(error) => error,
    }
}

fn undefined() -> RawBson {
    RawBson::Undefined
}

#[test]
#[rustfmt::skip] // one row a line
fn operators_in_the_wrong_place() {
    let unknown_top_level = "unknown top level operator: $foo. If you have a field name that \
        starts with a '$' symbol, consider using $getField or $setField.";
    check([
        (rawdoc! { "$foo": 1 }, 2, unknown_top_level),
        (rawdoc! { "$or": [{ "$foo": 1 }] }, 2, unknown_top_level),
        (
            rawdoc! { "$not": { "a": 1 } },
            2,
            "unknown top level operator: $not. If you are trying to negate an entire \
             expression, use $nor.",
        ),
        (rawdoc! { "a": { "$foo": 1 } }, 2, "unknown operator: $foo"),
        (rawdoc! { "a": { "$gt": 1, "b": 1 } }, 2, "unknown operator: b"),
        (rawdoc! { "a": { "$not": { "b": 1 } } }, 2, "unknown operator: b"),
        (rawdoc! { "a": { "$": 1 } }, 2, "unknown operator: $"),
        (rawdoc! { "a": { "$or": [] } }, 2, "unknown operator: $or"),
        (rawdoc! { "$where": "1" }, 2, "$where is not allowed in this context"),
        (rawdoc! { "a": { "$where": "1" } }, 2, "$where cannot be applied to a field"),
        (rawdoc! { "$text": {} }, 2, "$text is not allowed in this context"),
        (rawdoc! { "$expr": true }, 224, "$expr is not allowed in this context"),
        (
            rawdoc! { "a": { "$elemMatch": { "$or": [{ "$expr": true }] } } },
            2,
            "$expr can only be applied to the top-level document",
        ),
        (rawdoc! { "$jsonSchema": {} }, 224, "$jsonSchema is not allowed in this context"),
        (rawdoc! { "a": { "$bitsAllSet": 1 } }, 224, "$bitsAllSet is not allowed in this context"),
        (
            rawdoc! { "a": { "$near": [0, 0] } },
            5_626_500,
            "$geoNear, $near, and $nearSphere are not allowed in this context",
        ),
    ]);
}

#[test]
#[rustfmt::skip] // one row a line
fn operands_of_the_wrong_shape() {
    check([
        (rawdoc! { "$and": 1 }, 2, "$and argument must be an array"),
        (rawdoc! { "$or": [] }, 2, "$or argument must be a non-empty array"),
        (rawdoc! { "$nor": [1] }, 2, "$nor argument's entries must be objects"),
        (rawdoc! { "a": undefined() }, 2, "cannot compare to undefined"),
        (rawdoc! { "a": { "$ne": undefined() } }, 2, "cannot compare to undefined"),
        (
            rawdoc! { "a.b": { "$gt": regex("x", "") } },
            2,
            "Can't have RegEx as arg to non-equality predicate over field 'a.b'.",
        ),
        (rawdoc! { "a": { "$ne": regex("x", "") } }, 2, "Can't have regex as arg to $ne."),
        (rawdoc! { "a": { "$in": 1 } }, 2, "$in needs an array"),
        (rawdoc! { "a": { "$nin": {} } }, 2, "$nin needs an array"),
        (rawdoc! { "a": { "$in": [{ "$gt": 1 }] } }, 2, "cannot nest $ under $in"),
        (
            rawdoc! { "a": { "$in": [undefined()] } },
            2,
            "InMatchExpression equality cannot be undefined",
        ),
        (rawdoc! { "a": { "$not": 1 } }, 2, "$not argument must be a regex or an object"),
        (rawdoc! { "a": { "$not": {} } }, 2, "$not argument must be a non-empty object"),
        (rawdoc! { "a": { "$all": 1 } }, 2, "$all needs an array"),
        (rawdoc! { "a": { "$all": [{ "$gt": 1 }] } }, 2, "no $ expressions in $all"),
        (rawdoc! { "a": { "$all": [1, { "$elemMatch": {} }] } }, 2, "no $ expressions in $all"),
        (
            rawdoc! { "a": { "$all": [{ "$elemMatch": {} }, 1] } },
            2,
            "$all/$elemMatch has to be consistent",
        ),
        (rawdoc! { "a": { "$elemMatch": 1 } }, 2, "$elemMatch needs an Object"),
        (rawdoc! { "a": { "$mod": 1 } }, 2, "malformed mod, needs to be an array"),
        (rawdoc! { "a": { "$mod": [] } }, 2, "malformed mod, not enough elements"),
        (rawdoc! { "a": { "$mod": ["1"] } }, 2, "malformed mod, divisor not a number"),
        (rawdoc! { "a": { "$mod": [1] } }, 2, "malformed mod, not enough elements"),
        (rawdoc! { "a": { "$mod": [1, "1"] } }, 2, "malformed mod, remainder not a number"),
        (rawdoc! { "a": { "$mod": [1, 1, 1] } }, 2, "malformed mod, too many elements"),
        (rawdoc! { "a": { "$mod": [0.9, 1] } }, 2, "divisor cannot be 0"),
        (
            rawdoc! { "a": { "$mod": [f64::NAN, 1] } },
            2,
            "malformed mod, divisor value is invalid :: caused by :: \
             Unable to coerce NaN/Inf to integral type",
        ),
        (
            rawdoc! { "a": { "$mod": [1, 1e19] } },
            2,
            "malformed mod, remainder value is invalid :: caused by :: \
             Out of bounds coercing to integral value",
        ),
    ]);
}

#[test]
#[rustfmt::skip] // one row a line
fn sizes_and_types() {
    let size = |operand: RawBson| rawdoc! { "a": { "$size": operand } };
    let kind = |operand: RawBson| rawdoc! { "a": { "$type": operand } };
    let decimal = RawBson::Decimal128("1.5".parse().unwrap());
    check([
        (
            size(rawdoc! { "$gte": 3.0, "x": [1, "y", null], "z": {} }.into()),
            2,
            "Failed to parse $size. Expected a number in: $size: \
             { $gte: 3.0, x: [ 1, \"y\", null ], z: {} }",
        ),
        (size("2".into()), 2, "Failed to parse $size. Expected a number in: $size: \"2\""),
        (size(2.1.into()), 2, "Failed to parse $size. Expected an integer: $size: 2.1"),
        (
            size(f64::NAN.into()),
            2,
            "Failed to parse $size. Expected an integer, but found NaN in: $size: nan.0",
        ),
        (
            size(f64::INFINITY.into()),
            2,
            "Failed to parse $size. Cannot represent as a 64-bit integer: $size: inf.0",
        ),
        (
            size(decimal),
            2,
            "Failed to parse $size. Cannot represent as a 64-bit integer: $size: 1.5",
        ),
        (
            size((-1).into()),
            2,
            "Failed to parse $size. Expected a non-negative number in: $size: -1",
        ),
        (
            size((1_i64 << 40).into()),
            2,
            "Failed to parse $size. Cannot represent $size: 1099511627776 in an int",
        ),
        (kind(true.into()), 14, "type must be represented as a number or a string"),
        (kind("text".into()), 2, "Unknown type name alias: text"),
        (
            kind("missing".into()),
            2,
            "'missing' is not a legal type name. To query for non-existence of a field, \
             use {$exists:false}.",
        ),
        (kind(0.into()), 2, "Invalid numerical type code: 0. Instead use {$exists:false}."),
        (kind(20.into()), 2, "Invalid numerical type code: 20"),
        (kind(1.5.into()), 2, "Invalid numerical type code: 1.5"),
        (kind(255.into()), 2, "Invalid numerical type code: 255"),
        (kind(RawArrayBuf::new().into()), 9, "a must match at least one type"),
    ]);
}

#[test]
#[rustfmt::skip] // one row a line
fn regular_expressions() {
    check([
        (rawdoc! { "a": { "$regex": 1 } }, 2, "$regex has to be a string"),
        (rawdoc! { "a": { "$regex": "x", "$options": 1 } }, 2, "$options has to be a string"),
        (rawdoc! { "a": { "$options": "i" } }, 2, "$options needs a $regex"),
        (
            rawdoc! { "a": { "$regex": regex("x", "i"), "$options": "i" } },
            51075,
            "options set in both $regex and $options",
        ),
        (
            rawdoc! { "a": { "$options": "i", "$regex": regex("x", "i") } },
            51074,
            "options set in both $regex and $options",
        ),
        (rawdoc! { "a": regex("x", "g") }, 51108, " invalid flag in regex options: g"),
        (
            rawdoc! { "a": { "$regex": "a\0b" } },
            2,
            "Regular expression cannot contain an embedded null byte",
        ),
        (
            rawdoc! { "a": { "$in": [regex("(", "")] } },
            51091,
            "Regular expression is invalid: unclosed group",
        ),
        (
            rawdoc! { "a": regex("(?=x)", "") },
            51091,
            "Regular expression is invalid: look-around, including look-ahead \
             and look-behind, is not supported",
        ),
        (
            rawdoc! { "a": regex("((x{1000}){1000}){1000}", "") },
            51091,
            "Regular expression is invalid: regular expression is too large",
        ),
        (
            rawdoc! { "a": regex(&"x".repeat(40_000), "") },
            51091,
            "Regular expression is invalid: regular expression is too large",
        ),
    ]);
}

#[test]
#[rustfmt::skip] // one row a line
fn filters_beyond_the_limits() {
    let nested = |levels: u32| {
        let mut filter = rawdoc! { "a": 1 };
        for _ in 0..levels {
            filter = rawdoc! { "$and": [filter] };
        }
        filter
    };
    assert!(Filter::parse(&nested(100)).is_ok());
    check([(nested(101), 2, "exceeded maximum query tree depth of 100")]);
    let mut not = rawdoc! { "$gt": 1 };
    let mut element = rawdoc! { "$gt": 1 };
    for _ in 0..5_000 {
        not = rawdoc! { "$not": not };
        element = rawdoc! { "$elemMatch": element };
    }
    let too_deep = "exceeded maximum query tree depth of 100";
    check([
        (rawdoc! { "a": not }, 2, too_deep),
        (rawdoc! { "a": element }, 2, too_deep),
    ]);

    let mut values = RawArrayBuf::new();
    let mut patterns = RawArrayBuf::new();
    for _ in 0..100_001 {
        values.push(1);
    }
    for _ in 0..101 {
        patterns.push(regex("x", ""));
    }
    let long = vec!["a"; 201].join(".");
    let mut long_path = RawDocumentBuf::new();
    long_path.append(<&bson::raw::CStr>::try_from(&*long).unwrap(), 1);
    check([
        (rawdoc! { "a": { "$in": values } }, 2, "a filter may have at most 100000 conditions"),
        (
            rawdoc! { "a": { "$in": patterns } },
            2,
            "a filter may have at most 100 regular expressions",
        ),
        (long_path, 5_729_100, "FieldPath is too long"),
    ]);
}

/// What it takes to prepare a query has an end, however it is spread over the command.
#[test]
fn the_filters_and_projections_of_a_command_have_their_limits_together() {
    let too_many = |error: CommandError| (error.code.0, error.message);
    let conditions = (2, "a filter may have at most 100000 conditions".to_owned());
    let long = rawdoc! { "$or": [{ "a": regex(&"[a]".repeat(2730), "") }] };
    assert!(Filter::parse(&long).is_ok());
    let mut allowance = Allowance::default();
    assert!(Filter::parse_within(&long, &mut allowance).is_ok());
    assert_eq!(
        too_many(Filter::parse_within(&long, &mut allowance).unwrap_err()),
        (
            51_091,
            "Regular expression is invalid: regular expression is too large".to_owned()
        )
    );

    let paths = |count: usize| {
        let mut paths = RawDocumentBuf::new();
        let rest = vec!["a"; 199].join(".");
        for number in 0..count {
            paths.append(CString::try_from(format!("{number}.{rest}")).unwrap(), 1);
        }
        paths
    };
    assert!(Filter::parse(&paths(500)).is_ok());
    assert_eq!(
        too_many(Filter::parse(&paths(501)).unwrap_err()),
        conditions
    );
    let mut allowance = Allowance::default();
    assert!(Projection::parse(&paths(300), &mut allowance).is_ok());
    let more = Projection::parse(&paths(300), &mut allowance);
    assert_eq!(too_many(more.unwrap_err()), conditions);
}
