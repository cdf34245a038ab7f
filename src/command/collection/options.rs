//! Fields that several of these commands have.

use bson::spec::BinarySubtype;
use bson::{RawBsonRef, RawDocumentBuf};

use super::system_collection::SystemCollection;
use crate::authz::Need;
use crate::command::arguments::{FromField, Path, arguments, strict_document, type_name};
use crate::command::field_types::{NUMBER_TYPES, whole_number};
use crate::command::unserved::needs::needs_by_uuid;
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::DbName;
use crate::model::resource::Resource;

/// The name of a collection on the command's database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CollectionName(pub String);

impl FromField for CollectionName {
    const TYPES: &'static [&'static str] = &["string"];

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        let refuse = |text: String| Err(CommandError::new(ErrorCode::INVALID_NAMESPACE, text));
        match value {
            RawBsonRef::String(name) if name.is_empty() || name.contains('\0') => {
                refuse(format!("Invalid collection name: '{name}'"))
            }
            RawBsonRef::String(name) => Ok(Some(Self(name.to_owned()))),
            other => refuse(format!(
                "collection name has invalid type {}",
                type_name(other)
            )),
        }
    }
}

/// A collection by its name or by its UUID. No collection that can be read is found by its UUID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CollectionOrUuid {
    /// Its name on the command's database.
    Name(String),
    /// Its UUID.
    Uuid,
}

impl FromField for CollectionOrUuid {
    const TYPES: &'static [&'static str] = &["string", "binData"];

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        match value {
            RawBsonRef::Binary(id) if id.subtype == BinarySubtype::Uuid && id.bytes.len() == 16 => {
                Ok(Some(Self::Uuid))
            }
            other => {
                let name = CollectionName::from_field(other, path)?;
                Ok(name.map(|CollectionName(name)| Self::Name(name)))
            }
        }
    }
}

impl CollectionOrUuid {
    /// Which collection that can be read it is; for `command` on any other there is no engine (115).
    pub(super) fn find(
        &self,
        db: &DbName,
        command: &str,
    ) -> Result<SystemCollection, CommandError> {
        let found = match self {
            Self::Name(name) => SystemCollection::find(db, name),
            Self::Uuid => None,
        };
        found.ok_or_else(|| CommandError::no_engine(command))
    }

    /// What it takes to do `action` with it.
    pub(super) fn needs(&self, db: &DbName, action: Action) -> Vec<Need> {
        match self {
            Self::Name(name) => {
                let namespace = Resource::Namespace(db.clone(), name.as_str().into());
                vec![Need::one(action, namespace)]
            }
            Self::Uuid => needs_by_uuid(db, action),
        }
    }
}

/// A whole number of any numeric type that is not negative; fractions are cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NonNegative(pub u64);

impl FromField for NonNegative {
    const TYPES: &'static [&'static str] = NUMBER_TYPES;

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        let Some(number) = whole_number(value) else {
            return Ok(None);
        };
        u64::try_from(number)
            .map(|number| Some(Self(number)))
            .map_err(|_| {
                let path = path.to_string();
                let name = path.rsplit('.').next().unwrap_or_default();
                CommandError::bad_value(format!(
                    "BSON field '{name}' value must be >= 0, actual value '{number}'"
                ))
            })
    }
}

/// A cursor's id: a BSON long and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CursorId(pub i64);

impl FromField for CursorId {
    const TYPES: &'static [&'static str] = &["long"];

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        Ok(value.as_i64().map(Self))
    }
}

/// `{batchSize: n}`, as the field `cursor` of commands that answer with one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CursorOptions {
    /// Documents in the first batch.
    pub batch_size: Option<u64>,
}

arguments! {
    /// The fields of `cursor`.
    #[derive(Debug)]
    struct CursorArgument {
        /// Documents in the first batch.
        "batchSize" => batch_size: Option<NonNegative>,
    }
}

impl FromField for CursorOptions {
    const TYPES: &'static [&'static str] = &["object"];

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        let argument = strict_document::<CursorArgument>(value, path)?;
        Ok(argument.map(|argument| Self {
            batch_size: argument.batch_size.map(|NonNegative(size)| size),
        }))
    }
}

/// An index to use, by name or by key. There is nothing to choose from, so it only has to exist.
#[derive(Debug)]
pub enum Hint {
    /// Its name.
    Name(String),
    /// Its key.
    Key(RawDocumentBuf),
}

impl FromField for Hint {
    const TYPES: &'static [&'static str] = &["string", "object"];

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        Ok(match value {
            RawBsonRef::String(name) => Some(Self::Name(name.to_owned())),
            RawBsonRef::Document(key) => Some(Self::Key(key.to_owned())),
            _ => None,
        })
    }
}

impl Hint {
    /// Refuses an index that `indexes` do not have.
    fn check(&self, indexes: &[RawDocumentBuf]) -> Result<(), CommandError> {
        let is_there = match self {
            Self::Name(name) => indexes
                .iter()
                .any(|index| index.get_str("name").is_ok_and(|it| it == name)),
            Self::Key(key) => {
                let natural = bson::rawdoc! { "$natural": 1 };
                key.is_empty()
                    || *key == natural
                    || indexes
                        .iter()
                        .any(|index| index.get_document("key").is_ok_and(|it| it == &**key))
            }
        };
        if is_there {
            return Ok(());
        }
        Err(CommandError::bad_value(
            "hint provided does not correspond to an existing index",
        ))
    }
}

/// Refuses a collation that would change an answer, and a hint at an index that is not there.
pub(super) fn check_collation_and_hint(
    collection: SystemCollection,
    collation: Option<&RawDocumentBuf>,
    hint: Option<&Hint>,
) -> Result<(), CommandError> {
    check_collation(collation)?;
    hint.map_or(Ok(()), |hint| hint.check(&collection.indexes()))
}

/// Strings compare as bytes here.
fn check_collation(collation: Option<&RawDocumentBuf>) -> Result<(), CommandError> {
    let Some(collation) = collation.filter(|collation| !collation.is_empty()) else {
        return Ok(());
    };
    if collation
        .get_str("locale")
        .is_ok_and(|locale| locale == "simple")
    {
        return Ok(());
    }
    Err(not_supported("A collation other than simple"))
}

/// 115, for what mongod can do with such a collection and this server cannot.
pub(super) fn not_supported(what: &str) -> CommandError {
    CommandError::new(
        ErrorCode::COMMAND_NOT_SUPPORTED,
        format!("{what} is not supported on this collection"),
    )
}
