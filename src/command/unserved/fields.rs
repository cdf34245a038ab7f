//! Reading what matters for authorization out of documents that are otherwise not looked at.
//!
//! A field that matters and comes twice is refused: whoever serves the command later might take the
//! other one.

use bson::RawBsonRef;
use bson::raw::{RawArray, RawDocument};
use compact_str::CompactString;

use crate::authz::is_normal_collection;
use crate::command::arguments::{
    FromField, Path, duplicate_field, invalid_bson, missing_field, type_name, unknown_field,
    wrong_type,
};
use crate::command::field_types::SafeBool;
use crate::error::{CommandError, ErrorCode};
use crate::model::names::DbName;
use crate::model::resource::Resource;

/// A collection in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Namespace {
    pub(super) db: DbName,
    pub(super) collection: CompactString,
}

impl Namespace {
    /// `text` is a collection's name.
    pub(super) fn of(db: &DbName, collection: &str) -> Result<Self, CommandError> {
        let is_valid =
            !collection.is_empty() && !collection.starts_with('.') && !collection.contains('\0');
        if is_valid {
            Ok(Self {
                db: db.clone(),
                collection: collection.into(),
            })
        } else {
            Err(invalid_namespace(&format!("{db}.{collection}")))
        }
    }

    /// `text` is a database's name, a dot and a collection's name.
    pub(super) fn parse(text: &str) -> Result<Self, CommandError> {
        let (db, collection) = text
            .split_once('.')
            .ok_or_else(|| invalid_namespace(text))?;
        let db = DbName::parse(db).map_err(|_| invalid_namespace(text))?;
        Self::of(&db, collection)
    }

    /// As the resource of a privilege.
    pub(super) fn resource(&self) -> Resource {
        Resource::Namespace(self.db.clone(), self.collection.clone())
    }

    /// Whether privileges on the database reach it.
    pub(super) fn is_normal(&self) -> bool {
        is_normal_collection(&self.db, &self.collection)
    }
}

/// 73.
pub(super) fn invalid_namespace(text: &str) -> CommandError {
    CommandError::new(
        ErrorCode::INVALID_NAMESPACE,
        format!("Invalid namespace specified '{text}'"),
    )
}

/// The one field called `name`; null and undefined count as left out.
pub(super) fn field<'a>(
    document: &'a RawDocument,
    name: &str,
    path: &Path<'_>,
) -> Result<Option<RawBsonRef<'a>>, CommandError> {
    let found = field_or_null(document, name, path)?;
    Ok(found.filter(|value| !matches!(value, RawBsonRef::Null | RawBsonRef::Undefined)))
}

/// The one field called `name`.
pub(super) fn field_or_null<'a>(
    document: &'a RawDocument,
    name: &str,
    path: &Path<'_>,
) -> Result<Option<RawBsonRef<'a>>, CommandError> {
    let mut found = None;
    for element in document {
        let (key, value) = element.map_err(|error| invalid_bson(&error))?;
        if key.as_str() == name && found.replace(value).is_some() {
            return Err(duplicate_field(&path.field(name)));
        }
    }
    Ok(found)
}

/// A field that is a bool or a number, false if left out.
pub(super) fn flag(
    document: &RawDocument,
    name: &str,
    path: &Path<'_>,
) -> Result<bool, CommandError> {
    let Some(value) = field(document, name, path)? else {
        return Ok(false);
    };
    let path = path.field(name);
    match SafeBool::from_field(value, &path)? {
        Some(SafeBool(flag)) => Ok(flag),
        None => Err(wrong_type(&path, value, SafeBool::TYPES)),
    }
}

/// A field that is a string.
pub(super) fn text<'a>(
    document: &'a RawDocument,
    name: &str,
    path: &Path<'_>,
) -> Result<Option<&'a str>, CommandError> {
    let Some(value) = field(document, name, path)? else {
        return Ok(None);
    };
    match value {
        RawBsonRef::String(text) => Ok(Some(text)),
        other => Err(wrong_type(&path.field(name), other, &["string"])),
    }
}

/// A field that is a string and must be there.
pub(super) fn required_text<'a>(
    document: &'a RawDocument,
    name: &str,
    path: &Path<'_>,
) -> Result<&'a str, CommandError> {
    text(document, name, path)?.ok_or_else(|| missing_field(&path.field(name)))
}

/// A field that is an array.
pub(super) fn array<'a>(
    document: &'a RawDocument,
    name: &str,
    path: &Path<'_>,
) -> Result<Option<&'a RawArray>, CommandError> {
    let Some(value) = field(document, name, path)? else {
        return Ok(None);
    };
    match value {
        RawBsonRef::Array(array) => Ok(Some(array)),
        other => Err(wrong_type(&path.field(name), other, &["array"])),
    }
}

/// Refuses fields other than `known`, as strict documents do.
pub(super) fn check_known(
    document: &RawDocument,
    known: &[&str],
    path: &Path<'_>,
) -> Result<(), CommandError> {
    for element in document {
        let (key, _) = element.map_err(|error| invalid_bson(&error))?;
        if !known.contains(&key.as_str()) {
            return Err(unknown_field(&path.field(key.as_str())));
        }
    }
    Ok(())
}

/// The collection that is the value of a command's first field.
pub(super) fn collection_of_command(
    db: &DbName,
    body: &RawDocument,
) -> Result<Namespace, CommandError> {
    match first(body)? {
        RawBsonRef::String(name) => Namespace::of(db, name),
        other => Err(CommandError::new(
            ErrorCode::INVALID_NAMESPACE,
            format!("collection name has invalid type {}", type_name(other)),
        )),
    }
}

/// The value of a command's first field.
pub(super) fn first(body: &RawDocument) -> Result<RawBsonRef<'_>, CommandError> {
    match body.iter().next() {
        Some(Ok((_, value))) => Ok(value),
        Some(Err(error)) => Err(invalid_bson(&error)),
        None => Err(CommandError::command_not_found("")),
    }
}
