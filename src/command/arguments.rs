//! Strict arguments: from a command document to a struct that exists only if it is valid.
//!
//! A command lists its fields once, with `arguments!`; from that come the struct, its parser with
//! MongoDB's error texts, the documentation and the list of fields that are never printed.

use bson::RawBsonRef;
use bson::raw::RawDocument;

use crate::error::{CommandError, ErrorCode};

/// What a field is, for documentation and redaction.
#[derive(Debug)]
pub struct Field {
    /// Name on the wire.
    pub name: &'static str,
    /// One or more lines of text.
    pub doc: &'static str,
    /// BSON types it may have.
    pub types: &'static [&'static str],
    /// Whether leaving it out is an error.
    pub required: bool,
    /// Whether its value may appear nowhere: not in errors, logs or audit.
    pub sensitive: bool,
}

/// A command's arguments.
pub trait Arguments: Sized + Send {
    /// The fields in the order of the documentation; the first is the command's own value.
    const FIELDS: &'static [Field];

    /// Reads the document at `root`. A command's first element is its name as the client wrote it.
    fn parse(body: &RawDocument, root: &Path<'_>, rules: Rules) -> Result<Self, CommandError>;
}

/// How strictly a document is read.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Whether fields nobody knows are errors.
    pub strict: bool,
    /// Whether it is a command: its first field may have any of the command's names, and generic
    /// arguments (`$db`, `lsid`, `comment`, ...) may stand beside the fields.
    pub is_command: bool,
}

impl Rules {
    /// A document inside a command, without fields nobody knows.
    pub const STRICT_DOCUMENT: Self = Self {
        strict: true,
        is_command: false,
    };
}

/// A value a field may have.
pub trait FromField: Sized {
    /// Names of the BSON types that are accepted; empty means any.
    const TYPES: &'static [&'static str];
    /// Whether the value may be printed nowhere.
    const SENSITIVE: bool = false;
    /// Whether leaving the field out is an error.
    const REQUIRED: bool = true;

    /// Reads a value; `None` means its type is wrong.
    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError>;

    /// The value of a field that is left out; `None` where it must not be.
    fn absent() -> Option<Self> {
        None
    }
}

impl<T: FromField> FromField for Option<T> {
    const TYPES: &'static [&'static str] = T::TYPES;
    const SENSITIVE: bool = T::SENSITIVE;
    const REQUIRED: bool = false;

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        T::from_field(value, path).map(|parsed| parsed.map(Some))
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

/// Where a value stands: `createUser.roles.0`.
#[derive(Debug, Clone, Copy)]
pub struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    name: Segment<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Segment<'a> {
    Name(&'a str),
    Index(usize),
}

impl<'a> Path<'a> {
    /// The path of a document.
    pub fn root(name: &'a str) -> Self {
        Self {
            parent: None,
            name: Segment::Name(name),
        }
    }

    /// The path of a field of this one.
    #[must_use]
    pub fn field(&'a self, name: &'a str) -> Self {
        Self {
            parent: Some(self),
            name: Segment::Name(name),
        }
    }

    /// The path of an array element of this one.
    #[must_use]
    pub fn index(&'a self, index: usize) -> Self {
        Self {
            parent: Some(self),
            name: Segment::Index(index),
        }
    }
}

impl std::fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(parent) = self.parent {
            write!(formatter, "{parent}.")?;
        }
        match self.name {
            Segment::Name(name) => formatter.write_str(name),
            Segment::Index(index) => write!(formatter, "{index}"),
        }
    }
}

/// A field while its document is read: BSON allows a key to come twice, MongoDB's commands do not.
#[derive(Debug)]
pub struct Slot<T> {
    seen: bool,
    value: Option<T>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self {
            seen: false,
            value: None,
        }
    }
}

impl<T: FromField> Slot<T> {
    /// Takes the value of the field; null and undefined count as left out, as with mongod.
    pub fn fill(&mut self, value: RawBsonRef<'_>, path: &Path<'_>) -> Result<(), CommandError> {
        if std::mem::replace(&mut self.seen, true) {
            return Err(duplicate_field(path));
        }
        if matches!(value, RawBsonRef::Null | RawBsonRef::Undefined) && !T::TYPES.is_empty() {
            return Ok(());
        }
        match T::from_field(value, path)? {
            Some(parsed) => self.value = Some(parsed),
            None => return Err(wrong_type(path, value, T::TYPES)),
        }
        Ok(())
    }

    /// The value, or what leaving the field out means.
    pub fn finish(self, path: &Path<'_>) -> Result<T, CommandError> {
        self.value
            .or_else(T::absent)
            .ok_or_else(|| missing_field(path))
    }

    /// The value, or `default`.
    pub fn finish_or(self, default: T) -> T {
        self.value.unwrap_or(default)
    }
}

/// 40413.
pub fn duplicate_field(path: &Path<'_>) -> CommandError {
    CommandError::new(
        ErrorCode::IDL_DUPLICATE_FIELD,
        format!("BSON field '{path}' is a duplicate field"),
    )
}

/// The document that is the value of a field, without fields nobody knows; `None` if the value is none.
pub fn strict_document<T: Arguments>(
    value: RawBsonRef<'_>,
    path: &Path<'_>,
) -> Result<Option<T>, CommandError> {
    let document = value.as_document();
    document
        .map(|document| T::parse(document, path, Rules::STRICT_DOCUMENT))
        .transpose()
}

/// Refuses an empty array where the command needs at least one element.
pub(super) fn non_empty<T>(list: &[T], command: &str, field: &str) -> Result<(), CommandError> {
    if list.is_empty() {
        return Err(CommandError::bad_value(format!(
            "{command} command requires a non-empty \"{field}\" array"
        )));
    }
    Ok(())
}

/// 40414.
pub fn missing_field(path: &Path<'_>) -> CommandError {
    CommandError::new(
        ErrorCode::IDL_FAILED_TO_PARSE,
        format!("BSON field '{path}' is missing but a required field"),
    )
}

/// 40415.
pub fn unknown_field(path: &Path<'_>) -> CommandError {
    CommandError::new(
        ErrorCode::IDL_UNKNOWN_FIELD,
        format!("BSON field '{path}' is an unknown field."),
    )
}

/// 14, naming the types that would do.
pub fn wrong_type(path: &Path<'_>, value: RawBsonRef<'_>, expected: &[&str]) -> CommandError {
    let actual = type_name(value);
    let expected = match expected {
        [one] => format!("expected type '{one}'"),
        several => format!("expected types '[{}]'", several.join(", ")),
    };
    CommandError::new(
        ErrorCode::TYPE_MISMATCH,
        format!("BSON field '{path}' is the wrong type '{actual}', {expected}"),
    )
}

/// 22: cannot happen after the wire has validated a message, and must not panic if it does.
pub fn invalid_bson(error: &bson::error::Error) -> CommandError {
    CommandError::new(ErrorCode::INVALID_BSON, error.to_string())
}

/// A BSON type as MongoDB's texts name it.
pub fn type_name(value: RawBsonRef<'_>) -> &'static str {
    match value {
        RawBsonRef::Double(_) => "double",
        RawBsonRef::String(_) => "string",
        RawBsonRef::Array(_) => "array",
        RawBsonRef::Document(_) => "object",
        RawBsonRef::Boolean(_) => "bool",
        RawBsonRef::Null => "null",
        RawBsonRef::RegularExpression(_) => "regex",
        RawBsonRef::JavaScriptCode(_) => "javascript",
        RawBsonRef::JavaScriptCodeWithScope(_) => "javascriptWithScope",
        RawBsonRef::Int32(_) => "int",
        RawBsonRef::Int64(_) => "long",
        RawBsonRef::Timestamp(_) => "timestamp",
        RawBsonRef::Binary(_) => "binData",
        RawBsonRef::ObjectId(_) => "objectId",
        RawBsonRef::DateTime(_) => "date",
        RawBsonRef::Symbol(_) => "symbol",
        RawBsonRef::Decimal128(_) => "decimal",
        RawBsonRef::Undefined => "undefined",
        RawBsonRef::MaxKey => "maxKey",
        RawBsonRef::MinKey => "minKey",
        RawBsonRef::DbPointer(_) => "dbPointer",
    }
}

/// Declares a command's (or sub-document's) fields; see the module's text.
///
/// `"wireName" => field_name: Type` is required unless `Type` is an `Option`; `= value` gives a
/// default instead. The first field of a command is its own value and may be written in the
/// document under any of the command's names.
macro_rules! arguments {
    (
        $(#[$struct_meta:meta])*
        $visibility:vis struct $struct_name:ident {
            $( $(#[doc = $doc:literal])+ $wire:literal => $field:ident : $type:ty $(= $default:expr)? ),+ $(,)?
        }
    ) => {
        $(#[$struct_meta])*
        $visibility struct $struct_name {
            $( $(#[doc = $doc])+ pub $field: $type, )+
        }

        impl $crate::command::arguments::Arguments for $struct_name {
            const FIELDS: &'static [$crate::command::arguments::Field] = &[
                $( $crate::command::arguments::Field {
                    name: $wire,
                    doc: concat!($($doc, "\n"),+),
                    types: <$type as $crate::command::arguments::FromField>::TYPES,
                    required: $crate::command::arguments::arguments!(@required $type $(, $default)?),
                    sensitive: <$type as $crate::command::arguments::FromField>::SENSITIVE,
                }, )+
            ];

            fn parse(
                body: &bson::raw::RawDocument,
                root: &$crate::command::arguments::Path<'_>,
                rules: $crate::command::arguments::Rules,
            ) -> Result<Self, $crate::error::CommandError> {
                use $crate::command::arguments as strict;
                $( let mut $field = strict::Slot::<$type>::default(); )+
                for (position, element) in body.iter().enumerate() {
                    let (key, value) = element.map_err(|error| strict::invalid_bson(&error))?;
                    // A command may be written under an alias; its value is always its first field.
                    let key = if position == 0 && rules.is_command {
                        Self::FIELDS[0].name
                    } else {
                        key.as_str()
                    };
                    match key {
                        $( $wire => $field.fill(value, &root.field($wire))?, )+
                        other if rules.is_command && $crate::command::generic::is_generic(other) => {}
                        other if rules.strict => {
                            return Err(strict::unknown_field(&root.field(other)));
                        }
                        _ => {}
                    }
                }
                Ok(Self {
                    $( $field: strict::arguments!(@finish $field, root.field($wire) $(, $default)?), )+
                })
            }
        }
    };
    (@required $type:ty) => { <$type as $crate::command::arguments::FromField>::REQUIRED };
    (@required $type:ty, $default:expr) => { false };
    (@finish $field:ident, $path:expr) => { $field.finish(&$path)? };
    (@finish $field:ident, $path:expr, $default:expr) => { $field.finish_or($default) };
}
pub(crate) use arguments;
