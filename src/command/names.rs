//! Users and roles as commands name them, before they are checked.
//!
//! mongod reads the form while parsing and finds out what is wrong with the names themselves only
//! after authorization, so the two are apart here too.

use bson::RawBsonRef;
use bson::raw::RawDocument;

use super::arguments::{FromField, Path, invalid_bson, type_name};
use crate::authz::{Authority, Need};
use crate::error::{CommandError, ErrorCode};
use crate::model::action::Action;
use crate::model::names::{DbName, InvalidName, RoleName, UserName};
use crate::model::resource::Resource;

/// A role: a string (on the command's database) or `{role, db}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleArgument {
    role: String,
    db: Option<String>,
}

impl FromField for RoleArgument {
    const TYPES: &'static [&'static str] = &["string", "object"];

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        match value {
            RawBsonRef::String(role) => Ok(Some(Self {
                role: role.to_owned(),
                db: None,
            })),
            RawBsonRef::Document(document) => {
                let (role, db) = name_and_db(document, "RoleName", "role", false)?;
                Ok(Some(Self { role, db: Some(db) }))
            }
            _ => Err(CommandError::bad_value(
                "Role name must be either a document or string",
            )),
        }
    }
}

impl RoleArgument {
    /// The role, if there can be one of that name.
    pub fn resolve(&self, command_db: &DbName) -> Result<RoleName, CommandError> {
        let unsupported = |text: &str| CommandError::new(ErrorCode::UNSUPPORTED_FORMAT, text);
        let db = match self.db.as_deref() {
            None => Ok(command_db.clone()),
            Some("") => return Err(unsupported("Role db must be non-empty strings")),
            Some(db) => DbName::parse(db),
        };
        let role = db.and_then(|db| RoleName::new(&self.role, db));
        role.map_err(|invalid| match invalid {
            InvalidName::Database(db) => CommandError::new(
                ErrorCode::ROLE_NOT_FOUND,
                format!("Could not find role: {}@{db}", self.role),
            ),
            _ => unsupported("Role names must be non-empty strings"),
        })
    }

    /// All of `roles`, the first problem decides.
    pub fn resolve_all(roles: &[Self], db: &DbName) -> Result<Vec<RoleName>, CommandError> {
        roles.iter().map(|role| role.resolve(db)).collect()
    }

    /// What it takes to do `action` with each of `roles`: the action on the role's database. A role
    /// on a database that cannot exist takes it on every database.
    pub fn needs(roles: &[Self], command_db: &DbName, action: Action) -> Vec<Need> {
        roles
            .iter()
            .map(|role| match role.db.as_deref().map(DbName::parse) {
                None => Resource::Database(command_db.clone()),
                Some(Ok(db)) => Resource::Database(db),
                Some(Err(_)) => Resource::AnyNormal,
            })
            .map(|resource| Need::one(action, resource))
            .collect()
    }
}

/// A user: a string (on the command's database) or `{user, db}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserArgument {
    user: String,
    db: Option<String>,
}

impl FromField for UserArgument {
    const TYPES: &'static [&'static str] = &["string", "object"];

    fn from_field(value: RawBsonRef<'_>, _: &Path<'_>) -> Result<Option<Self>, CommandError> {
        match value {
            RawBsonRef::String(user) => Ok(Some(Self {
                user: user.to_owned(),
                db: None,
            })),
            RawBsonRef::Document(document) => {
                let (user, db) = name_and_db(document, "UserName", "user", true)?;
                Ok(Some(Self { user, db: Some(db) }))
            }
            _ => Err(CommandError::bad_value(
                "UserName must be either a string or an object",
            )),
        }
    }
}

impl UserArgument {
    /// The user, if there can be one of that name.
    pub fn resolve(&self, command_db: &DbName) -> Option<UserName> {
        let db = match self.db.as_deref() {
            None => command_db.clone(),
            Some(db) => DbName::parse(db).ok()?,
        };
        UserName::new(&self.user, db).ok()
    }

    /// Whether it is the caller itself, who may look at itself.
    pub fn is_caller(&self, command_db: &DbName, authority: &Authority<'_>) -> bool {
        self.resolve(command_db)
            .is_some_and(|name| authority.is_user(&name))
    }

    /// What it takes to look at somebody else.
    pub fn need_to_view(&self, command_db: &DbName) -> Need {
        match self.db.as_deref().map(DbName::parse) {
            None => Need::on_database(command_db, Action::ViewUser),
            Some(Ok(db)) => Need::on_database(&db, Action::ViewUser),
            Some(Err(_)) => Need::one(Action::ViewUser, Resource::AnyNormal),
        }
    }
}

/// Reads `{<name_field>: text, db: text}`; `kind` is how the texts call it.
fn name_and_db(
    document: &RawDocument,
    kind: &str,
    name_field: &str,
    strict: bool,
) -> Result<(String, String), CommandError> {
    let (mut name, mut db) = (None, None);
    for element in document {
        let (key, value) = element.map_err(|error| invalid_bson(&error))?;
        let key = key.as_str();
        let slot = if key == name_field {
            &mut name
        } else if key == "db" {
            &mut db
        } else if strict {
            // The missing quote is the server's.
            return Err(CommandError::bad_value(format!(
                "{kind} contains an unknown field named: '{key}"
            )));
        } else {
            continue;
        };
        let RawBsonRef::String(text) = value else {
            return Err(CommandError::bad_value(format!(
                "{kind} must contain a string field named: {key}. But, has type {}",
                type_name(value)
            )));
        };
        if slot.replace(text.to_owned()).is_some() {
            return Err(CommandError::bad_value(format!(
                "{kind} has more than one field named: {key}"
            )));
        }
    }
    let missing = |field: &str| {
        CommandError::bad_value(format!("{kind} must contain a field named: {field}"))
    };
    Ok((
        name.ok_or_else(|| missing(name_field))?,
        db.ok_or_else(|| missing("db"))?,
    ))
}
