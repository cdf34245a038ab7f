//! Projections: which fields of a document are shown
//! (<https://www.mongodb.com/docs/manual/tutorial/project-fields-from-query-results/>).
//!
//! Fields and dotted paths are included or excluded. Values worked out by expressions, `$slice`,
//! `$elemMatch` and the positional `$` are refused (115).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bson::raw::{CStr, RawDocument};
use bson::{RawArray, RawArrayBuf, RawBsonRef, RawDocumentBuf};

use super::allowance::Allowance;
use super::field_path;
use super::number::Number;
use super::parse::{PATH_PARTS_MAX, malformed};
use crate::error::{CommandError, ErrorCode};

/// A valid projection, such as `{ user: 1, "roles.role": 1, _id: 0 }`.
#[derive(Debug)]
pub struct Projection {
    kind: Kind,
    fields: Fields,
    byte_count: usize,
}

/// Whether fields named are shown, or all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Inclusion,
    Exclusion,
}

/// The names of one level.
type Fields = HashMap<Box<str>, Node>;

#[derive(Debug)]
enum Node {
    /// The whole field.
    Whole,
    /// Parts of it.
    Parts(Fields),
}

impl Projection {
    /// Parses a projection; one without fields shows everything.
    ///
    /// # Errors
    /// 31253 and 31254 for a mix of both kinds, 31249 and 31250 for paths that collide, 51270 for an
    /// empty document in it, the codes of malformed paths, 115 for what is not served, and 2 once the
    /// command's allowance is used up.
    pub fn parse(document: &RawDocument, allowance: &mut Allowance) -> Result<Self, CommandError> {
        let before = allowance.bytes_spent();
        let mut parser = Parser {
            allowance,
            kind: None,
            id: None,
            fields: Fields::new(),
        };
        parser.document(document, &mut Vec::new())?;
        let byte_count = document.as_bytes().len() + parser.allowance.bytes_spent() - before;
        Ok(parser.finish(byte_count))
    }

    /// About the bytes it takes.
    pub fn byte_count(&self) -> usize {
        self.byte_count
    }

    /// What is shown of the document; fields keep their order.
    pub fn apply(&self, document: &RawDocument) -> RawDocumentBuf {
        match self.kind {
            Kind::Inclusion => included(document, &self.fields),
            Kind::Exclusion => not_excluded(document, &self.fields),
        }
    }
}

/// What has been read so far.
struct Parser<'a> {
    allowance: &'a mut Allowance,
    /// Decided by the first field that is not `_id`.
    kind: Option<Kind>,
    /// Whether `_id` as a whole is shown, if it is said.
    id: Option<bool>,
    fields: Fields,
}

impl Parser<'_> {
    fn document<'a>(
        &mut self,
        document: &'a RawDocument,
        path: &mut Vec<&'a str>,
    ) -> Result<(), CommandError> {
        for field in document {
            let (name, value) = field.map_err(malformed)?;
            let name = name.as_str();
            if name.starts_with('$') && !path.is_empty() {
                return Err(not_served(&path.join(".")));
            }
            let depth = path.len();
            path.extend(field_path::parts(name)?);
            if path.len() > PATH_PARTS_MAX {
                return Err(field_path::too_long());
            }
            self.allowance.take_conditions(path.len() - depth)?;
            self.field(value, path)?;
            path.truncate(depth);
        }
        Ok(())
    }

    fn field<'a>(
        &mut self,
        value: RawBsonRef<'a>,
        path: &mut Vec<&'a str>,
    ) -> Result<(), CommandError> {
        let is_shown = match value {
            RawBsonRef::Boolean(is_shown) => is_shown,
            RawBsonRef::Document(inner) if inner.is_empty() => {
                return Err(CommandError::new(
                    ErrorCode(51_270),
                    format!(
                        "An empty sub-projection is not a valid value. Found empty object at path {}",
                        path.join(".")
                    ),
                ));
            }
            RawBsonRef::Document(inner) => return self.document(inner, path),
            other => match Number::of(other) {
                Some(number) => !number.is_zero(),
                None => return Err(not_served(&path.join("."))),
            },
        };
        if *path == ["_id"] {
            self.id = Some(is_shown);
            return Ok(());
        }
        let kind = if is_shown {
            Kind::Inclusion
        } else {
            Kind::Exclusion
        };
        if *self.kind.get_or_insert(kind) != kind {
            return Err(mixed(kind, &path.join(".")));
        }
        insert(&mut self.fields, path)
    }

    fn finish(self, byte_count: usize) -> Projection {
        let kind = match (self.kind, self.id) {
            (Some(kind), _) => kind,
            (None, Some(true)) => Kind::Inclusion,
            (None, _) => Kind::Exclusion,
        };
        let mut fields = self.fields;
        let names_id = match kind {
            Kind::Inclusion => self.id != Some(false),
            Kind::Exclusion => self.id == Some(false),
        };
        if names_id {
            // Parts of `_id` say more than that it is shown by default.
            fields.entry("_id".into()).or_insert(Node::Whole);
        }
        Projection {
            kind,
            fields,
            byte_count,
        }
    }
}

fn insert(fields: &mut Fields, path: &[&str]) -> Result<(), CommandError> {
    let collision = |code, text: String| Err(CommandError::new(ErrorCode(code), text));
    let mut fields = fields;
    for (place, part) in path.iter().enumerate() {
        let is_last = place + 1 == path.len();
        let entry = fields.entry((*part).into());
        if is_last {
            return match entry {
                Entry::Vacant(free) => {
                    free.insert(Node::Whole);
                    Ok(())
                }
                Entry::Occupied(_) => {
                    collision(31_250, format!("Path collision at {}", path.join(".")))
                }
            };
        }
        match entry.or_insert_with(|| Node::Parts(Fields::new())) {
            Node::Parts(inner) => fields = inner,
            Node::Whole => {
                let rest = path.get(place + 1..).unwrap_or_default().join(".");
                let whole = path.join(".");
                return collision(
                    31_249,
                    format!("Path collision at {whole} remaining portion {rest}"),
                );
            }
        }
    }
    Ok(())
}

fn mixed(kind: Kind, path: &str) -> CommandError {
    match kind {
        Kind::Inclusion => CommandError::new(
            ErrorCode(31_253),
            format!("Cannot do inclusion on field {path} in exclusion projection"),
        ),
        Kind::Exclusion => CommandError::new(
            ErrorCode(31_254),
            format!("Cannot do exclusion on field {path} in inclusion projection"),
        ),
    }
}

fn not_served(path: &str) -> CommandError {
    CommandError::new(
        ErrorCode::COMMAND_NOT_SUPPORTED,
        format!(
            "The projection of {path} is an expression; only inclusion and exclusion are supported"
        ),
    )
}

fn included(document: &RawDocument, fields: &Fields) -> RawDocumentBuf {
    let mut shown = RawDocumentBuf::new();
    for (name, value) in document.iter().map_while(Result::ok) {
        match (fields.get(name.as_str()), value) {
            (Some(Node::Whole), value) => shown.append(name, value),
            (Some(Node::Parts(parts)), RawBsonRef::Document(inner)) => {
                shown.append(name, included(inner, parts));
            }
            (Some(Node::Parts(parts)), RawBsonRef::Array(array)) => {
                shown.append(name, included_of_array(array, parts));
            }
            // A value without fields has none of those that are asked for.
            (Some(Node::Parts(_)) | None, _) => {}
        }
    }
    shown
}

fn included_of_array(array: &RawArray, parts: &Fields) -> RawArrayBuf {
    let mut shown = RawArrayBuf::new();
    for element in array.into_iter().map_while(Result::ok) {
        match element {
            RawBsonRef::Document(inner) => shown.push(included(inner, parts)),
            RawBsonRef::Array(inner) => shown.push(included_of_array(inner, parts)),
            _ => {}
        }
    }
    shown
}

fn not_excluded(document: &RawDocument, fields: &Fields) -> RawDocumentBuf {
    let mut shown = RawDocumentBuf::new();
    for (name, value) in document.iter().map_while(Result::ok) {
        match fields.get(name.as_str()) {
            Some(Node::Whole) => {}
            Some(Node::Parts(parts)) => append_not_excluded(&mut shown, name, value, parts),
            None => shown.append(name, value),
        }
    }
    shown
}

fn append_not_excluded(
    shown: &mut RawDocumentBuf,
    name: &CStr,
    value: RawBsonRef<'_>,
    parts: &Fields,
) {
    match value {
        RawBsonRef::Document(inner) => shown.append(name, not_excluded(inner, parts)),
        RawBsonRef::Array(array) => shown.append(name, not_excluded_of_array(array, parts)),
        scalar => shown.append(name, scalar),
    }
}

fn not_excluded_of_array(array: &RawArray, parts: &Fields) -> RawArrayBuf {
    let mut shown = RawArrayBuf::new();
    for element in array.into_iter().map_while(Result::ok) {
        match element {
            RawBsonRef::Document(inner) => shown.push(not_excluded(inner, parts)),
            RawBsonRef::Array(inner) => shown.push(not_excluded_of_array(inner, parts)),
            scalar => shown.push(scalar),
        }
    }
    shown
}

#[cfg(test)]
mod tests;
