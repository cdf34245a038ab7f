//! `{id: UUID}`: how a driver names a logical session.

use bson::RawBsonRef;
use bson::spec::BinarySubtype;

use crate::command::arguments::{
    FromField, Path, invalid_bson, missing_field, unknown_field, wrong_type,
};
use crate::error::{CommandError, ErrorCode};

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

fn not_a_uuid(path: &Path<'_>) -> CommandError {
    CommandError::new(
        ErrorCode::TYPE_MISMATCH,
        format!("BSON field '{path}.id' is the wrong binData type, expected type 'UUID'"),
    )
}
