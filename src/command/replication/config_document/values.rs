//! The values that fields of a configuration have and those of other commands have not.

use std::collections::BTreeMap;

use bson::RawBsonRef;
use bson::oid::ObjectId;
use bson::raw::RawDocument;

use crate::command::arguments::{FromField, Path, invalid_bson, type_name};
use crate::command::field_types::{NUMBER_TYPES, number, whole_number};
use crate::error::{CommandError, ErrorCode};

/// A number without a fraction.
#[derive(Clone, Copy)]
pub(super) struct Whole(pub(super) i64);

impl FromField for Whole {
    const TYPES: &'static [&'static str] = &[];

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        let path = path.to_string();
        let field = path.rsplit('.').next().unwrap_or(&path);
        let (Some(given), Some(whole)) = (number(value), whole_number(value)) else {
            let actual = type_name(value);
            return Err(CommandError::new(
                ErrorCode::TYPE_MISMATCH,
                format!("Expected a number, got value of type {actual} for field {field}"),
            ));
        };
        #[allow(clippy::cast_precision_loss, clippy::float_cmp)] // that is the question
        if whole as f64 != given {
            return Err(CommandError::bad_value(format!(
                "Expected field \"{field}\" to have a value exactly representable as a 64-bit \
                 integer, but found {field}: {given}"
            )));
        }
        Ok(Some(Self(whole)))
    }
}

/// Any number.
pub(super) struct Number(pub(super) f64);

impl FromField for Number {
    const TYPES: &'static [&'static str] = NUMBER_TYPES;

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        Ok(number(value).map(Self))
    }
}

impl FromField for ObjectId {
    const TYPES: &'static [&'static str] = &["objectId"];

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        Ok(value.as_object_id())
    }
}

/// For each mode and tag, how many different values of the tag it asks for.
#[derive(Default)]
pub(super) struct Modes(pub(super) BTreeMap<String, BTreeMap<String, u32>>);

impl FromField for Modes {
    const TYPES: &'static [&'static str] = &[];

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        const FIELD: &str = "getLastErrorModes";
        let Some(document) = value.as_document() else {
            let actual = type_name(value);
            return Err(wrong_type(format!(
                "Expected {FIELD} to be an Object, it actually had type {actual}"
            )));
        };
        let mut modes = BTreeMap::new();
        for element in document {
            let (name, mode) = element.map_err(|error| invalid_bson(&error))?;
            let path = format!("{FIELD}.{name}");
            let Some(tags) = mode.as_document() else {
                let actual = type_name(mode);
                return Err(wrong_type(format!(
                    "Expected {path} to be an Object, not {actual}"
                )));
            };
            if modes
                .insert(name.as_str().to_owned(), mode_tags(tags, &path)?)
                .is_some()
            {
                return Err(CommandError::bad_value(format!(
                    "{FIELD} contains multiple fields named {name}"
                )));
            }
        }
        Ok(Some(Self(modes)))
    }
}

fn mode_tags(tags: &RawDocument, path: &str) -> Result<BTreeMap<String, u32>, CommandError> {
    let mut wanted = BTreeMap::new();
    for element in tags {
        let (tag, values) = element.map_err(|error| invalid_bson(&error))?;
        let Some(count) = whole_number(values).filter(|_| number(values).is_some()) else {
            let actual = type_name(values);
            return Err(wrong_type(format!(
                "Expected {path}.{tag} to be a number, not {actual}"
            )));
        };
        if count <= 0 {
            return Err(CommandError::bad_value(format!(
                "Value of {path}.{tag} must be positive, but found {count}"
            )));
        }
        let count = i32::try_from(count).unwrap_or(i32::MAX);
        wanted.insert(tag.as_str().to_owned(), count.unsigned_abs());
    }
    Ok(wanted)
}

fn wrong_type(text: String) -> CommandError {
    CommandError::new(ErrorCode::TYPE_MISMATCH, text)
}
