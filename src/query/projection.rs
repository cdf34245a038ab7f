//! Projections: which fields of a document are shown
//! (<https://www.mongodb.com/docs/manual/tutorial/project-fields-from-query-results/>).
//!
//! Fields and dotted paths are included or excluded. Values worked out by expressions, `$slice`,
//! `$elemMatch` and the positional `$` are refused (115).

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bson::raw::{CStr, RawDocument};
use bson::{RawArray, RawArrayBuf, RawBsonRef, RawDocumentBuf};

use super::field_path;
use super::number::Number;
use super::parse::{PATH_PARTS_MAX, malformed};
use crate::error::{CommandError, ErrorCode};

/// A valid projection, such as `{ user: 1, "roles.role": 1, _id: 0 }`.
#[derive(Debug)]
pub struct Projection {
    kind: Kind,
    fields: Fields,
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
    /// empty document in it, the codes of malformed paths, and 115 for what is not served.
    pub fn parse(document: &RawDocument) -> Result<Self, CommandError> {
        let mut parser = Parser::default();
        parser.document(document, &mut Vec::new())?;
        Ok(parser.finish())
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
#[derive(Default)]
struct Parser {
    /// Decided by the first field that is not `_id`.
    kind: Option<Kind>,
    /// Whether `_id` as a whole is shown, if it is said.
    id: Option<bool>,
    fields: Fields,
}

impl Parser {
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

    fn finish(self) -> Projection {
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
        Projection { kind, fields }
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
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn fields_are_included_or_excluded_at_every_level() {
        let user = rawdoc! {
            "_id": "shop.ann", "user": "ann",
            "roles": [{ "role": "read", "db": "shop" }, 1, [{ "role": "x", "db": "y" }, 2]],
            "customData": { "a": { "b": 1, "c": 2 }, "d": 3 },
        };
        for (projection, expected) in [
            (rawdoc! {}, user.clone()),
            (rawdoc! { "_id": 1 }, rawdoc! { "_id": "shop.ann" }),
            (
                rawdoc! { "_id": 0, "roles": 0, "customData": false },
                rawdoc! { "user": "ann" },
            ),
            (
                rawdoc! { "user": 1 },
                rawdoc! { "_id": "shop.ann", "user": "ann" },
            ),
            (
                rawdoc! { "user": true, "_id": 0, "nothing": 2.5 },
                rawdoc! { "user": "ann" },
            ),
            // The order is the document's.
            (
                rawdoc! { "customData": { "a": { "b": 1 } }, "user": 1, "_id": 0 },
                rawdoc! { "user": "ann", "customData": { "a": { "b": 1 } } },
            ),
            (
                rawdoc! { "customData.a.b": 1, "customData.d": 1, "_id": 0 },
                rawdoc! { "customData": { "a": { "b": 1 }, "d": 3 } },
            ),
            (
                rawdoc! { "roles.role": 1, "user.x": 1, "_id": 0 },
                rawdoc! { "roles": [{ "role": "read" }, [{ "role": "x" }]] },
            ),
            (
                rawdoc! { "roles.role": 0, "user.x": 0, "_id": 1, "customData": 0 },
                rawdoc! {
                    "_id": "shop.ann", "user": "ann",
                    "roles": [{ "db": "shop" }, 1, [{ "db": "y" }, 2]],
                },
            ),
        ] {
            let parsed = Projection::parse(&projection).unwrap();
            assert_eq!(parsed.apply(&user), expected, "{projection:?}");
        }
    }

    #[test]
    fn parts_of_the_id_are_fields_like_others() {
        let document = rawdoc! { "_id": { "a": 1, "b": 2 }, "c": 3 };
        for (projection, expected) in [
            (rawdoc! { "_id.a": 1 }, rawdoc! { "_id": { "a": 1 } }),
            (
                rawdoc! { "_id.a": 0 },
                rawdoc! { "_id": { "b": 2 }, "c": 3 },
            ),
        ] {
            let parsed = Projection::parse(&projection).unwrap();
            assert_eq!(parsed.apply(&document), expected, "{projection:?}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for (projection, code, message) in [
            (
                rawdoc! { "a": 1, "b.c": 0 },
                31_254,
                "Cannot do exclusion on field b.c in inclusion projection",
            ),
            (
                rawdoc! { "a": 0, "b": 1 },
                31_253,
                "Cannot do inclusion on field b in exclusion projection",
            ),
            (
                rawdoc! { "a": 1, "a.b.c": 1 },
                31_249,
                "Path collision at a.b.c remaining portion b.c",
            ),
            (rawdoc! { "a.b": 1, "a": 1 }, 31_250, "Path collision at a"),
            (
                rawdoc! { "a": { "b": {} } },
                51_270,
                "An empty sub-projection is not a valid value. Found empty object at path a.b",
            ),
            (
                rawdoc! { "a": "$b" },
                115,
                "The projection of a is an expression; only inclusion and exclusion are supported",
            ),
            (
                rawdoc! { "a": { "$slice": 1 } },
                115,
                "The projection of a is an expression; only inclusion and exclusion are supported",
            ),
            (
                rawdoc! { "a..b": 1 },
                15_998,
                "FieldPath field names may not be empty strings.",
            ),
        ] {
            let error = Projection::parse(&projection).unwrap_err();
            assert_eq!((error.code.0, error.message.as_str()), (code, message));
        }
    }

    #[test]
    fn levels_are_limited() {
        let mut document = rawdoc! { "a": 1 };
        for _ in 0..PATH_PARTS_MAX - 1 {
            document = rawdoc! { "a": document };
        }
        assert!(Projection::parse(&document).is_ok());
        let error = Projection::parse(&rawdoc! { "a": document }).unwrap_err();
        assert_eq!(error.code, ErrorCode(5_729_100));
    }
}
