//! Expressions that take values out of a document, as far as `$group` needs them: constants,
//! `"$field"` paths, `"$$ROOT"` and documents of these.

use bson::raw::{CString, RawDocument};
use bson::{RawArrayBuf, RawBson, RawBsonRef, RawDocumentBuf};

use super::field_path;
use super::parse::malformed;
use crate::error::{CommandError, ErrorCode};

/// Documents within documents in an expression; a document on the wire has no more.
const EXPRESSION_LEVELS_MAX: u32 = 180;

/// An expression.
#[derive(Debug)]
pub(super) enum Value {
    Constant(RawBson),
    /// `"$a.b"`.
    Field(Vec<Box<str>>),
    /// `"$$ROOT"`.
    Root,
    /// `{a: "$x", b: 1}`.
    Document(Vec<(CString, Value)>),
}

impl Value {
    /// Parses an expression.
    ///
    /// # Errors
    /// 115 for operators, arrays and variables but `$$ROOT`, and the codes of malformed paths.
    pub(super) fn parse(value: RawBsonRef<'_>) -> Result<Self, CommandError> {
        Self::parse_at(value, 0)
    }

    fn parse_at(value: RawBsonRef<'_>, level: u32) -> Result<Self, CommandError> {
        if level > EXPRESSION_LEVELS_MAX {
            return Err(CommandError::bad_value(
                "the expression is nested too deeply",
            ));
        }
        match value {
            RawBsonRef::String("$$ROOT" | "$$CURRENT") => Ok(Self::Root),
            RawBsonRef::String(text) if text.starts_with("$$") => Err(not_served(text)),
            RawBsonRef::String(text) if text.starts_with('$') => {
                let parts = field_path::parts(text.get(1..).unwrap_or_default())?;
                Ok(Self::Field(parts.into_iter().map(Box::from).collect()))
            }
            RawBsonRef::Array(_) => Err(not_served("[...]")),
            RawBsonRef::Document(document) => {
                let mut fields = Vec::new();
                for field in document {
                    let (name, value) = field.map_err(malformed)?;
                    if name.as_str().starts_with('$') {
                        return Err(not_served(name.as_str()));
                    }
                    fields.push((name.to_owned(), Self::parse_at(value, level + 1)?));
                }
                Ok(Self::Document(fields))
            }
            constant => Ok(Self::Constant(constant.into())),
        }
    }

    /// The value; `None` if a field is missing. A path through an array leads to an array of what
    /// its documents have.
    ///
    /// # Errors
    /// 292 for a document that would take much more than `bytes_max`: the same field can stand in it
    /// as often as a command is long.
    pub(super) fn of(
        &self,
        document: &RawDocument,
        bytes_max: usize,
    ) -> Result<Option<RawBson>, CommandError> {
        match self {
            Self::Constant(value) => Ok(Some(value.clone())),
            Self::Root => Ok(Some(RawBson::Document(document.to_owned()))),
            Self::Field(path) => Ok(follow(RawBsonRef::Document(document), path)),
            Self::Document(fields) => {
                let mut made = RawDocumentBuf::new();
                for (name, value) in fields {
                    if let Some(value) = value.of(document, bytes_max)? {
                        made.append(name, value);
                    }
                    if made.as_bytes().len() > bytes_max {
                        return Err(CommandError::memory_exceeded("$group"));
                    }
                }
                Ok(Some(RawBson::Document(made)))
            }
        }
    }
}

fn not_served(what: &str) -> CommandError {
    CommandError::new(
        ErrorCode::COMMAND_NOT_SUPPORTED,
        format!("The expression {what} is not supported; constants and fields are"),
    )
}

fn follow(value: RawBsonRef<'_>, path: &[Box<str>]) -> Option<RawBson> {
    let Some((name, rest)) = path.split_first() else {
        return Some(value.into());
    };
    match value {
        RawBsonRef::Document(document) => follow(document.get(&**name).ok()??, rest),
        RawBsonRef::Array(array) => {
            let mut values = RawArrayBuf::new();
            for element in array.into_iter().map_while(Result::ok) {
                if let RawBsonRef::Document(_) = element
                    && let Some(value) = follow(element, path)
                {
                    values.push(value);
                }
            }
            Some(RawBson::Array(values))
        }
        _ => None,
    }
}
