//! The stages of an aggregation pipeline
//! (<https://www.mongodb.com/docs/manual/reference/operator/aggregation-pipeline/>).

use bson::raw::{CStr, RawDocument};
use bson::{RawArray, RawBsonRef};

use super::options::not_supported;
use super::rows::Stage;
use crate::command::arguments::{invalid_bson, type_name};
use crate::command::field_types::number;
use crate::error::{CommandError, ErrorCode};
use crate::query::{Allowance, Filter, Group, Projection, Sort};

/// The stages of a pipeline of which it is known what it takes, so that it is not too long and has
/// no stage that nobody knows.
///
/// # Errors
/// MongoDB's for a stage of the wrong shape, 115 for stages that are not served.
pub(super) fn parse(pipeline: &RawArray) -> Result<Vec<Stage>, CommandError> {
    let mut allowance = Allowance::default();
    let mut stages = Vec::new();
    for element in pipeline {
        let RawBsonRef::Document(document) = element.map_err(|error| invalid_bson(&error))? else {
            return Err(CommandError::new(
                ErrorCode::TYPE_MISMATCH,
                "Each element of the 'pipeline' array must be an object",
            ));
        };
        stages.push(stage(document, &mut allowance)?);
    }
    Ok(stages)
}

fn stage(document: &RawDocument, allowance: &mut Allowance) -> Result<Stage, CommandError> {
    let mut elements = document.iter();
    let (Some(Ok((name, operand))), None) = (elements.next(), elements.next()) else {
        return refuse(
            40_323,
            "A pipeline stage specification object must contain exactly one field.",
        );
    };
    match name.as_str() {
        "$match" => match operand {
            RawBsonRef::Document(filter) => {
                Filter::parse_within(filter, allowance).map(Stage::Match)
            }
            _ => refuse(
                15_959,
                "the match filter must be an expression in an object",
            ),
        },
        "$project" => project(operand, allowance),
        "$sort" => sort(operand),
        "$skip" => skip(operand),
        "$limit" => limit(operand),
        "$count" => count(operand),
        "$group" => Group::parse(operand).map(Stage::Group),
        other => Err(not_supported(other)),
    }
}

fn project(operand: RawBsonRef<'_>, allowance: &mut Allowance) -> Result<Stage, CommandError> {
    let RawBsonRef::Document(document) = operand else {
        return refuse(15_969, "$project specification must be an object");
    };
    let caused_by = |text: &str| format!("Invalid $project :: caused by :: {text}");
    if document.is_empty() {
        let text = "projection specification must have at least one field";
        return refuse(51_272, caused_by(text));
    }
    Projection::parse(document, allowance)
        .map(Stage::Project)
        .map_err(|error| CommandError::new(error.code, caused_by(&error.message)))
}

fn sort(operand: RawBsonRef<'_>) -> Result<Stage, CommandError> {
    let RawBsonRef::Document(document) = operand else {
        return refuse(15_973, "the $sort key specification must be an object");
    };
    let sort = Sort::parse(document)?;
    if sort.is_empty() {
        return refuse(15_976, "$sort stage must have at least one sort key");
    }
    Ok(Stage::Sort(sort))
}

fn skip(operand: RawBsonRef<'_>) -> Result<Stage, CommandError> {
    match whole(operand).map(u64::try_from) {
        Some(Ok(count)) => Ok(Stage::Skip(count)),
        Some(Err(_)) => refuse(
            5_107_200,
            "invalid argument to $skip stage: Expected a non-negative number",
        ),
        None => refuse(
            5_107_200,
            format!(
                "invalid argument to $skip stage: Expected an integer, but found a value of type {}",
                type_name(operand)
            ),
        ),
    }
}

fn limit(operand: RawBsonRef<'_>) -> Result<Stage, CommandError> {
    match whole(operand).map(u64::try_from) {
        Some(Ok(0)) => refuse(15_958, "the limit must be positive"),
        Some(Ok(count)) => Ok(Stage::Limit(count)),
        Some(Err(_)) => refuse(
            5_107_201,
            "invalid argument to $limit stage: Expected a non-negative number",
        ),
        None => refuse(
            5_107_201,
            format!(
                "invalid argument to $limit stage: Expected an integer, but found a value of type {}",
                type_name(operand)
            ),
        ),
    }
}

/// The number, if it is a whole one.
fn whole(operand: RawBsonRef<'_>) -> Option<i64> {
    match operand {
        RawBsonRef::Int64(number) => Some(number),
        #[allow(clippy::cast_possible_truncation)] // without a fraction, and saturating
        other => number(other)
            .filter(|number| number.fract() == 0.0)
            .map(|number| number as i64),
    }
}

fn count(operand: RawBsonRef<'_>) -> Result<Stage, CommandError> {
    let RawBsonRef::String(name) = operand else {
        return refuse(40_156, "the count field must be a non-empty string");
    };
    if name.is_empty() {
        return refuse(40_157, "the count field must be a non-empty string");
    }
    if name.starts_with('$') {
        return refuse(40_158, "the count field cannot be a $-prefixed path");
    }
    if name.contains('.') {
        return refuse(40_160, "the count field cannot contain '.'");
    }
    match <&CStr>::try_from(name) {
        Ok(name) => Ok(Stage::Count(name.to_owned())),
        Err(_) => refuse(40_159, "the count field cannot contain a null byte"),
    }
}

fn refuse<T>(code: i32, message: impl Into<String>) -> Result<T, CommandError> {
    Err(CommandError::new(ErrorCode(code), message))
}
