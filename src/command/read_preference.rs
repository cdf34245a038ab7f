//! `$readPreference`: which members a client would read from (manual, "Read Preference").
//!
//! Drivers choose the member. What is left for the member is whether it may be a secondary; tags and
//! staleness are only checked for their form, with mongod's texts.

use bson::RawBsonRef;
use bson::raw::RawDocument;

use super::arguments::type_name;
use super::field_types::{NUMBER_TYPES, whole_number};
use crate::error::{CommandError, ErrorCode};

/// Least `maxStalenessSeconds`.
const STALENESS_SECONDS_MIN: i64 = 90;
/// Most `maxStalenessSeconds`.
const STALENESS_SECONDS_MAX: i64 = i64::MAX / 1_000_000_000;

/// Whether a command may run on a secondary. Without `$readPreference` it may not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ReadPreference {
    /// Mode `primary`.
    #[default]
    Primary,
    /// Any other mode.
    SecondaryAllowed,
}

impl ReadPreference {
    /// Reads `{mode, tags, maxStalenessSeconds}`.
    pub fn parse(document: &RawDocument) -> Result<Self, CommandError> {
        let preference = parse_mode(field(document, "mode"))?;
        let is_primary = preference == Self::Primary;
        if are_tags(field(document, "tags"))? && is_primary {
            return Err(CommandError::bad_value(
                "Only empty tags are allowed with primary read preference",
            ));
        }
        if is_staleness_limited(field(document, "maxStalenessSeconds"))? && is_primary {
            return Err(CommandError::bad_value(
                "maxStalenessSeconds can not be set for the primary mode",
            ));
        }
        Ok(preference)
    }
}

fn field<'a>(document: &'a RawDocument, name: &str) -> Option<RawBsonRef<'a>> {
    document.get(name).ok().flatten()
}

fn parse_mode(mode: Option<RawBsonRef<'_>>) -> Result<ReadPreference, CommandError> {
    match mode {
        Some(RawBsonRef::String("primary")) => Ok(ReadPreference::Primary),
        Some(RawBsonRef::String(
            "primaryPreferred" | "secondary" | "secondaryPreferred" | "nearest",
        )) => Ok(ReadPreference::SecondaryAllowed),
        Some(RawBsonRef::String(unknown)) => Err(CommandError::bad_value(format!(
            "Could not parse $readPreference mode '{unknown}'. Only the modes 'primary', \
             'primaryPreferred', 'secondary', 'secondaryPreferred', and 'nearest' are supported. \
             :: caused by :: Enumeration value '{unknown}' for field 'mode' is not a valid value."
        ))),
        Some(other) => Err(wrong_type("mode", "string", other)),
        None => Err(CommandError::new(
            ErrorCode::NO_SUCH_KEY,
            "Missing expected field \"mode\"",
        )),
    }
}

/// Whether there are tags that not every member has.
fn are_tags(tags: Option<RawBsonRef<'_>>) -> Result<bool, CommandError> {
    match tags {
        None => Ok(false),
        // `[]` and `[{}]` both mean any member.
        Some(RawBsonRef::Array(tags)) => Ok(tags.into_iter().flatten().any(|tag_set| {
            tag_set
                .as_document()
                .is_none_or(|tag_set| tag_set.iter().next().is_some())
        })),
        Some(other) => Err(wrong_type("tags", "array", other)),
    }
}

fn is_staleness_limited(seconds: Option<RawBsonRef<'_>>) -> Result<bool, CommandError> {
    let Some(value) = seconds else {
        return Ok(false);
    };
    let number = whole_number(value).filter(|_| NUMBER_TYPES.contains(&type_name(value)));
    match number.ok_or_else(|| wrong_type("maxStalenessSeconds", "number", value))? {
        0 => Ok(false),
        ..0 => Err(CommandError::bad_value(
            "maxStalenessSeconds must be a non-negative integer",
        )),
        1..STALENESS_SECONDS_MIN => Err(CommandError::new(
            ErrorCode::MAX_STALENESS_OUT_OF_RANGE,
            format!("maxStalenessSeconds value can not be less than {STALENESS_SECONDS_MIN}"),
        )),
        STALENESS_SECONDS_MAX.. => Err(CommandError::bad_value(format!(
            "maxStalenessSeconds value can not exceed {STALENESS_SECONDS_MAX}"
        ))),
        _ => Ok(true),
    }
}

/// 14, in the words of what mongod does not parse strictly.
pub fn wrong_type(name: &str, expected: &str, value: RawBsonRef<'_>) -> CommandError {
    let found = type_name(value);
    CommandError::new(
        ErrorCode::TYPE_MISMATCH,
        format!("\"{name}\" had the wrong type. Expected {expected}, found {found}"),
    )
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn every_mode_but_primary_allows_a_secondary() {
        let parse = |mode: &str| ReadPreference::parse(&rawdoc! { "mode": mode });
        assert_eq!(parse("primary"), Ok(ReadPreference::Primary));
        for mode in [
            "primaryPreferred",
            "secondary",
            "secondaryPreferred",
            "nearest",
        ] {
            assert_eq!(parse(mode), Ok(ReadPreference::SecondaryAllowed), "{mode}");
        }
        let full = rawdoc! {
            "mode": "secondary", "tags": [{ "dc": "east" }, {}], "maxStalenessSeconds": 90.0,
        };
        assert_eq!(
            ReadPreference::parse(&full),
            Ok(ReadPreference::SecondaryAllowed)
        );
        let empty = rawdoc! { "mode": "primary", "tags": [{}], "maxStalenessSeconds": 0 };
        assert_eq!(ReadPreference::parse(&empty), Ok(ReadPreference::Primary));
    }

    #[test]
    fn what_is_no_preference_is_refused_in_the_words_of_mongod() {
        let table = [
            (rawdoc! {}, 4, "Missing expected field \"mode\""),
            (
                rawdoc! { "mode": 1 },
                14,
                "\"mode\" had the wrong type. Expected string, found int",
            ),
            (
                rawdoc! { "mode": "Primary" },
                2,
                "Could not parse $readPreference mode 'Primary'. Only the modes 'primary', \
                 'primaryPreferred', 'secondary', 'secondaryPreferred', and 'nearest' are \
                 supported. :: caused by :: Enumeration value 'Primary' for field 'mode' is not a \
                 valid value.",
            ),
            (
                rawdoc! { "mode": "primary", "tags": [{ "dc": "east" }] },
                2,
                "Only empty tags are allowed with primary read preference",
            ),
            (
                rawdoc! { "mode": "nearest", "tags": {} },
                14,
                "\"tags\" had the wrong type. Expected array, found object",
            ),
            (
                rawdoc! { "mode": "primary", "maxStalenessSeconds": 90 },
                2,
                "maxStalenessSeconds can not be set for the primary mode",
            ),
            (
                rawdoc! { "mode": "nearest", "maxStalenessSeconds": 89 },
                160,
                "maxStalenessSeconds value can not be less than 90",
            ),
            (
                rawdoc! { "mode": "nearest", "maxStalenessSeconds": -1 },
                2,
                "maxStalenessSeconds must be a non-negative integer",
            ),
            (
                rawdoc! { "mode": "nearest", "maxStalenessSeconds": i64::MAX },
                2,
                "maxStalenessSeconds value can not exceed 9223372036",
            ),
            (
                rawdoc! { "mode": "nearest", "maxStalenessSeconds": "90" },
                14,
                "\"maxStalenessSeconds\" had the wrong type. Expected number, found string",
            ),
        ];
        for (document, code, text) in table {
            let error = ReadPreference::parse(&document).unwrap_err();
            assert_eq!((error.code.0, error.message.as_str()), (code, text));
        }
    }
}
