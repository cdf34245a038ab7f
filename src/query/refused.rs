//! The names of MongoDB's query operators, and the answers for those that are not served.

use crate::error::{CommandError, ErrorCode};

const QUERY_FEATURE_NOT_ALLOWED: ErrorCode = ErrorCode::QUERY_FEATURE_NOT_ALLOWED;
const NEAR_NOT_ALLOWED: ErrorCode = ErrorCode(5_626_500);

/// Operators that stand in a field name's place.
pub(super) const TOP_LEVEL_OPERATORS: [&str; 14] = [
    "$alwaysFalse",
    "$alwaysTrue",
    "$and",
    "$comment",
    "$db",
    "$expr",
    "$id",
    "$jsonSchema",
    "$nor",
    "$or",
    "$ref",
    "$sampleRate",
    "$text",
    "$where",
];

/// Operators that stand in a value's place. MongoDB does not count `$not` among them.
pub(super) const FIELD_OPERATORS: [&str; 26] = [
    "$all",
    "$bitsAllClear",
    "$bitsAllSet",
    "$bitsAnyClear",
    "$bitsAnySet",
    "$elemMatch",
    "$eq",
    "$exists",
    "$geoIntersects",
    "$geoNear",
    "$geoWithin",
    "$gt",
    "$gte",
    "$in",
    "$lt",
    "$lte",
    "$mod",
    "$ne",
    "$near",
    "$nearSphere",
    "$nin",
    "$options",
    "$regex",
    "$size",
    "$type",
    "$within",
];

/// The answer for an operator in a field name's place that has no meaning here.
pub(super) fn top_level_operator(operator: &str, inside_element: bool) -> CommandError {
    match operator {
        "$expr" | "$text" | "$sampleRate" if inside_element => CommandError::bad_value(format!(
            "{operator} can only be applied to the top-level document"
        )),
        "$text" | "$where" => {
            CommandError::bad_value(format!("{operator} is not allowed in this context"))
        }
        "$not" => CommandError::bad_value(
            "unknown top level operator: $not. If you are trying to negate an entire expression, \
             use $nor.",
        ),
        known if TOP_LEVEL_OPERATORS.contains(&known) => not_allowed(known),
        unknown => CommandError::bad_value(format!(
            "unknown top level operator: {unknown}. If you have a field name that starts with a \
             '$' symbol, consider using $getField or $setField."
        )),
    }
}

/// The answer for an operator in a value's place that has no meaning here.
pub(super) fn field_operator(operator: &str) -> CommandError {
    match operator {
        "$where" => CommandError::bad_value("$where cannot be applied to a field"),
        "$geoNear" | "$near" | "$nearSphere" => CommandError::new(
            NEAR_NOT_ALLOWED,
            "$geoNear, $near, and $nearSphere are not allowed in this context",
        ),
        known if FIELD_OPERATORS.contains(&known) => not_allowed(known),
        unknown => CommandError::bad_value(format!("unknown operator: {unknown}")),
    }
}

fn not_allowed(operator: &str) -> CommandError {
    CommandError::new(
        QUERY_FEATURE_NOT_ALLOWED,
        format!("{operator} is not allowed in this context"),
    )
}
