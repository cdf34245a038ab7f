//! Operands with rules of their own: `$size`, `$type`, `$mod`, `$exists`, `$regex`.

use bson::RawBsonRef;
use bson::raw::RawDocument;
use bson::spec::ElementType;

use super::expression::TypeSet;
use super::number::{NoInteger, Number};
use super::parse::malformed;
use super::print::{print, print_number};
use crate::error::{CommandError, ErrorCode};

const OPTIONS_SET_TWICE_BY_REGEX: ErrorCode = ErrorCode(51074);
const OPTIONS_SET_TWICE_BY_OPTIONS: ErrorCode = ErrorCode(51075);

/// MongoDB's truth, for `$exists`: all but false, zero, null and undefined.
pub(super) fn is_true(operand: RawBsonRef<'_>) -> bool {
    match operand {
        RawBsonRef::Boolean(boolean) => boolean,
        RawBsonRef::Null | RawBsonRef::Undefined => false,
        other => Number::of(other).is_none_or(|number| !number.is_zero()),
    }
}

/// `$size: 2`.
pub(super) fn size(operand: RawBsonRef<'_>) -> Result<usize, CommandError> {
    let explain = |reason: &str| {
        CommandError::bad_value(format!(
            "Failed to parse $size. {reason}: $size: {}",
            print(operand)
        ))
    };
    let Some(number) = Number::of(operand) else {
        return Err(explain("Expected a number in"));
    };
    let integer = number
        .to_integer()
        .map_err(|reason| match (number, reason) {
            (Number::Double(_), NoInteger::NotANumber) => {
                explain("Expected an integer, but found NaN in")
            }
            (Number::Double(_), NoInteger::Fraction) => explain("Expected an integer"),
            _ => explain("Cannot represent as a 64-bit integer"),
        })?;
    if i32::try_from(integer).is_err() {
        return Err(CommandError::bad_value(format!(
            "Failed to parse $size. Cannot represent $size: {} in an int",
            print(operand)
        )));
    }
    usize::try_from(integer).map_err(|_| explain("Expected a non-negative number in"))
}

/// `$type: "string"`, `$type: ["number", 10]`.
pub(super) fn type_set(field: &str, operand: RawBsonRef<'_>) -> Result<TypeSet, CommandError> {
    let mut set = TypeSet::default();
    let RawBsonRef::Array(array) = operand else {
        add_type(&mut set, operand)?;
        return Ok(set);
    };
    for element in array {
        add_type(&mut set, element.map_err(malformed)?)?;
    }
    if set.types.is_empty() && !set.numbers {
        return Err(CommandError::new(
            ErrorCode::FAILED_TO_PARSE,
            format!("{field} must match at least one type"),
        ));
    }
    Ok(set)
}

fn add_type(set: &mut TypeSet, operand: RawBsonRef<'_>) -> Result<(), CommandError> {
    let kind = match operand {
        RawBsonRef::String("number") => {
            set.numbers = true;
            return Ok(());
        }
        RawBsonRef::String(alias) => type_of_alias(alias)?,
        other => type_of_code(other)?,
    };
    // Repetitions would make a set out of bounds of a short array of names.
    if !set.types.contains(&kind) {
        set.types.push(kind);
    }
    Ok(())
}

fn type_of_alias(alias: &str) -> Result<ElementType, CommandError> {
    Ok(match alias {
        "double" => ElementType::Double,
        "string" => ElementType::String,
        "object" => ElementType::EmbeddedDocument,
        "array" => ElementType::Array,
        "binData" => ElementType::Binary,
        "undefined" => ElementType::Undefined,
        "objectId" => ElementType::ObjectId,
        "bool" => ElementType::Boolean,
        "date" => ElementType::DateTime,
        "null" => ElementType::Null,
        "regex" => ElementType::RegularExpression,
        "dbPointer" => ElementType::DbPointer,
        "javascript" => ElementType::JavaScriptCode,
        "symbol" => ElementType::Symbol,
        "javascriptWithScope" => ElementType::JavaScriptCodeWithScope,
        "int" => ElementType::Int32,
        "timestamp" => ElementType::Timestamp,
        "long" => ElementType::Int64,
        "decimal" => ElementType::Decimal128,
        "minKey" => ElementType::MinKey,
        "maxKey" => ElementType::MaxKey,
        "missing" => {
            return Err(CommandError::bad_value(
                "'missing' is not a legal type name. To query for non-existence of a field, use \
                 {$exists:false}.",
            ));
        }
        unknown => {
            return Err(CommandError::bad_value(format!(
                "Unknown type name alias: {unknown}"
            )));
        }
    })
}

fn type_of_code(operand: RawBsonRef<'_>) -> Result<ElementType, CommandError> {
    let Some(number) = Number::of(operand) else {
        return Err(CommandError::new(
            ErrorCode::TYPE_MISMATCH,
            "type must be represented as a number or a string",
        ));
    };
    // BSON has the code of minKey, -1, as one byte.
    let code = number.to_integer().ok().and_then(|code| match code {
        -1 => Some(u8::MAX),
        1..=127 => u8::try_from(code).ok(),
        _ => None,
    });
    code.and_then(ElementType::from).ok_or_else(|| {
        let hint = if number.is_zero() {
            ". Instead use {$exists:false}."
        } else {
            ""
        };
        let code = match operand {
            RawBsonRef::Double(double) => print_number(double),
            other => print(other),
        };
        CommandError::bad_value(format!("Invalid numerical type code: {code}{hint}"))
    })
}

/// `$mod: [divisor, remainder]`.
pub(super) fn divisor_and_remainder(operand: RawBsonRef<'_>) -> Result<(i64, i64), CommandError> {
    let malformed_mod = |reason: &str| CommandError::bad_value(format!("malformed mod, {reason}"));
    let RawBsonRef::Array(array) = operand else {
        return Err(malformed_mod("needs to be an array"));
    };
    let mut elements = array.into_iter();
    let mut next_integer = |name: &str| {
        let element = elements
            .next()
            .ok_or_else(|| malformed_mod("not enough elements"))?
            .map_err(malformed)?;
        Number::of(element).ok_or_else(|| malformed_mod(&format!("{name} not a number")))
    };
    let divisor = next_integer("divisor")?;
    let remainder = next_integer("remainder")?;
    if elements.next().is_some() {
        return Err(malformed_mod("too many elements"));
    }
    let truncate = |name: &str, number: Number| {
        number.truncate().map_err(|reason| {
            let cause = match reason {
                NoInteger::NotANumber | NoInteger::Infinite => {
                    "Unable to coerce NaN/Inf to integral type"
                }
                NoInteger::OutOfRange | NoInteger::Fraction => {
                    "Out of bounds coercing to integral value"
                }
            };
            malformed_mod(&format!("{name} value is invalid :: caused by :: {cause}"))
        })
    };
    let divisor = truncate("divisor", divisor)?;
    let remainder = truncate("remainder", remainder)?;
    if divisor == 0 {
        return Err(CommandError::bad_value("divisor cannot be 0"));
    }
    Ok((divisor, remainder))
}

/// The pattern and the options of `{ $regex: ..., $options: ... }`, in either order.
pub(super) fn regular_expression(operators: &RawDocument) -> Result<(&str, &str), CommandError> {
    let mut pattern = "";
    let mut options = "";
    let twice = |code| CommandError::new(code, "options set in both $regex and $options");
    for element in operators {
        let (operator, operand) = element.map_err(malformed)?;
        match (operator.as_str(), operand) {
            ("$regex", RawBsonRef::String(text)) => pattern = text,
            ("$regex", RawBsonRef::RegularExpression(regex)) => {
                pattern = regex.pattern.as_str();
                if !regex.options.is_empty() {
                    if !options.is_empty() {
                        return Err(twice(OPTIONS_SET_TWICE_BY_REGEX));
                    }
                    options = regex.options.as_str();
                }
            }
            ("$regex", _) => return Err(CommandError::bad_value("$regex has to be a string")),
            ("$options", RawBsonRef::String(_)) if !options.is_empty() => {
                return Err(twice(OPTIONS_SET_TWICE_BY_OPTIONS));
            }
            ("$options", RawBsonRef::String(text)) => options = text,
            ("$options", _) => return Err(CommandError::bad_value("$options has to be a string")),
            _ => {}
        }
    }
    Ok((pattern, options))
}
