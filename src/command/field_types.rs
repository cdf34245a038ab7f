//! The types that fields of commands have, apart from names and restrictions.

use bson::spec::BinarySubtype;
use bson::{RawBsonRef, RawDocumentBuf};

use super::arguments::{FromField, Path, wrong_type};
use crate::error::{CommandError, ErrorCode};
use crate::secret::Secret;

/// The types MongoDB calls numbers, in the order its texts list them.
pub const NUMBER_TYPES: &[&str] = &["long", "int", "decimal", "double"];

/// Any value of any type; it means nothing.
#[derive(Debug, Clone, Copy)]
pub struct Anything;

impl FromField for Anything {
    const TYPES: &'static [&'static str] = &[];
    const REQUIRED: bool = false;

    fn from_field(_: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        Ok(Some(Self))
    }

    fn absent() -> Option<Self> {
        Some(Self)
    }
}

impl FromField for String {
    const TYPES: &'static [&'static str] = &["string"];

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        Ok(value.as_str().map(str::to_owned))
    }
}

impl FromField for Secret<String> {
    const TYPES: &'static [&'static str] = &["string"];
    const SENSITIVE: bool = true;

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        Ok(value.as_str().map(|text| Self::new(text.to_owned())))
    }
}

impl FromField for bool {
    const TYPES: &'static [&'static str] = &["bool"];

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        Ok(value.as_bool())
    }
}

impl FromField for i32 {
    const TYPES: &'static [&'static str] = &["int"];

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        Ok(value.as_i32())
    }
}

impl FromField for RawDocumentBuf {
    const TYPES: &'static [&'static str] = &["object"];

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        Ok(value.as_document().map(ToOwned::to_owned))
    }
}

/// A bool, or a number that stands for one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SafeBool(pub bool);

impl FromField for SafeBool {
    const TYPES: &'static [&'static str] = &["bool", "long", "int", "decimal", "double"];

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        Ok(match value {
            RawBsonRef::Boolean(value) => Some(Self(value)),
            other => number(other).map(|value| Self(value != 0.0)),
        })
    }
}

/// A whole number of any numeric type; fractions are cut off, as mongod's `safeInt` does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SafeInt64(pub i64);

impl FromField for SafeInt64 {
    const TYPES: &'static [&'static str] = NUMBER_TYPES;

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        Ok(whole_number(value).map(Self))
    }
}

/// The bytes of a SASL message: binary, or base64 in a string. Answers use the form that was asked.
#[derive(Debug)]
pub struct SaslPayload {
    /// The message, which may hold a proof.
    pub bytes: Secret<Vec<u8>>,
    /// Whether it came as a base64 string.
    pub is_base64: bool,
}

impl FromField for SaslPayload {
    const TYPES: &'static [&'static str] = &["binData", "string"];
    const SENSITIVE: bool = true;

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        use base64::Engine;
        match value {
            RawBsonRef::Binary(binary) if binary.subtype == BinarySubtype::Generic => {
                Ok(Some(Self {
                    bytes: Secret::new(binary.bytes.to_vec()),
                    is_base64: false,
                }))
            }
            RawBsonRef::Binary(_) => Err(wrong_type(path, value, &["binData"])),
            RawBsonRef::String(text) => base64::engine::general_purpose::STANDARD
                .decode(text)
                .map(|bytes| {
                    Some(Self {
                        bytes: Secret::new(bytes),
                        is_base64: true,
                    })
                })
                .map_err(|_| {
                    CommandError::new(
                        ErrorCode::FAILED_TO_PARSE,
                        format!("BSON field '{path}' is not valid base64"),
                    )
                }),
            _ => Ok(None),
        }
    }
}

impl<T: FromField> FromField for Vec<T> {
    const TYPES: &'static [&'static str] = &["array"];
    const SENSITIVE: bool = T::SENSITIVE;

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        let RawBsonRef::Array(array) = value else {
            return Ok(None);
        };
        let mut elements = Self::new();
        for (index, element) in array.into_iter().enumerate() {
            let element = element.map_err(|error| super::arguments::invalid_bson(&error))?;
            let path = path.index(index);
            match T::from_field(element, &path)? {
                Some(parsed) => elements.push(parsed),
                None => return Err(wrong_type(&path, element, T::TYPES)),
            }
        }
        Ok(Some(elements))
    }
}

/// The number in `value`, whatever its type.
pub fn number(value: RawBsonRef<'_>) -> Option<f64> {
    match value {
        RawBsonRef::Int32(number) => Some(number.into()),
        #[allow(clippy::cast_precision_loss)] // callers compare with small limits or with zero
        RawBsonRef::Int64(number) => Some(number as f64),
        RawBsonRef::Double(number) => Some(number),
        RawBsonRef::Decimal128(number) => number.to_string().parse().ok(),
        _ => None,
    }
}

/// The number in `value` without its fraction, at the nearest end of the range if it is beyond.
pub fn whole_number(value: RawBsonRef<'_>) -> Option<i64> {
    match value {
        RawBsonRef::Int64(number) => Some(number),
        #[allow(clippy::cast_possible_truncation)] // `as` saturates and makes NaN 0: mongod's rule
        other => number(other).map(|number| number as i64),
    }
}
