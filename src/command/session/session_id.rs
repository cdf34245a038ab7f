//! `{id: UUID}`: how a driver names a logical session.

use bson::RawBsonRef;
use bson::spec::BinarySubtype;

use crate::auth::session::Session;
use crate::command::arguments::{
    FromField, Path, invalid_bson, missing_field, unknown_field, wrong_type,
};
use crate::error::{CommandError, ErrorCode};

/// Longest `user@db` in bytes whose user can have logical sessions (MongoDB manual, "Server
/// Sessions").
const SESSION_USER_BYTES_MAX: usize = 9_999;

/// A valid `lsid`. Nothing is kept under it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionId;

impl FromField for SessionId {
    const TYPES: &'static [&'static str] = &["object"];

    fn from_field(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<Self>, CommandError> {
        let RawBsonRef::Document(document) = value else {
            return Ok(None);
        };
        let mut has_id = false;
        for element in document {
            let (key, value) = element.map_err(|error| invalid_bson(&error))?;
            match (key.as_str(), value) {
                ("id", RawBsonRef::Binary(id)) => {
                    if id.subtype != BinarySubtype::Uuid || id.bytes.len() != 16 {
                        return Err(not_a_uuid(path));
                    }
                    has_id = true;
                }
                ("id", other) => return Err(wrong_type(&path.field("id"), other, &["binData"])),
                // Only servers and transactions add these.
                ("uid" | "txnNumber" | "txnUUID", _) => {}
                (other, _) => return Err(unknown_field(&path.field(other))),
            }
        }
        if has_id {
            Ok(Some(Self))
        } else {
            Err(missing_field(&path.field("id")))
        }
    }
}

/// Refuses logical sessions to users with very long names, as certificates can have.
pub fn check_user(session: &Session) -> Result<(), CommandError> {
    let is_too_long = session.signed_in().is_some_and(|signed_in| {
        let name = &signed_in.user.name;
        let bytes = name.user().len() + "@".len() + name.db().as_str().len();
        bytes > SESSION_USER_BYTES_MAX
    });
    if is_too_long {
        return Err(CommandError::bad_value(
            "Username too long to use with logical sessions",
        ));
    }
    Ok(())
}

fn not_a_uuid(path: &Path<'_>) -> CommandError {
    CommandError::new(
        ErrorCode::TYPE_MISMATCH,
        format!("BSON field '{path}.id' is the wrong binData type, expected type 'UUID'"),
    )
}
