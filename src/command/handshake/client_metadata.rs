//! The `client` document of a handshake (MongoDB handshake specification).

use bson::RawBsonRef;
use bson::raw::RawDocument;

use crate::error::{CommandError, ErrorCode};

/// Bytes of the whole document.
const METADATA_BYTES_MAX: usize = 512;
/// Bytes of `application.name`.
const APPLICATION_NAME_BYTES_MAX: usize = 128;

/// Refuses metadata that mongod refuses.
pub(super) fn check(metadata: &RawDocument) -> Result<(), CommandError> {
    if metadata.as_bytes().len() > METADATA_BYTES_MAX {
        return Err(CommandError::new(
            ErrorCode::CLIENT_METADATA_DOCUMENT_TOO_LARGE,
            format!(
                "The client metadata document must be less than or equal to {METADATA_BYTES_MAX} bytes"
            ),
        ));
    }
    check_application(metadata)?;
    let driver = required_document(metadata, "driver")?;
    required_text(driver, "driver", "name")?;
    required_text(driver, "driver", "version")?;
    let system = required_document(metadata, "os")?;
    required_text(system, "os", "type")
}

/// The application's name, if the client gave one.
pub(super) fn application_name(metadata: &RawDocument) -> Option<&str> {
    metadata
        .get_document("application")
        .ok()?
        .get_str("name")
        .ok()
}

fn check_application(metadata: &RawDocument) -> Result<(), CommandError> {
    let Some(value) = metadata.get("application").ok().flatten() else {
        return Ok(());
    };
    let RawBsonRef::Document(application) = value else {
        return Err(must_be_document("application"));
    };
    match application.get("name").ok().flatten() {
        Some(RawBsonRef::String(name)) if name.len() > APPLICATION_NAME_BYTES_MAX => {
            Err(CommandError::new(
                ErrorCode::CLIENT_METADATA_APP_NAME_TOO_LARGE,
                format!(
                    "The 'application.name' field must be less than or equal to \
                     {APPLICATION_NAME_BYTES_MAX} bytes in the client metadata document"
                ),
            ))
        }
        None | Some(RawBsonRef::String(_)) => Ok(()),
        Some(_) => Err(must_be_text("application.name")),
    }
}

fn required_document<'a>(
    metadata: &'a RawDocument,
    name: &str,
) -> Result<&'a RawDocument, CommandError> {
    match metadata.get(name).ok().flatten() {
        Some(RawBsonRef::Document(document)) => Ok(document),
        Some(_) => Err(must_be_document(name)),
        None => Err(CommandError::new(
            ErrorCode::CLIENT_METADATA_MISSING_FIELD,
            format!("Missing required sub-document '{name}' in the client metadata document"),
        )),
    }
}

fn required_text(document: &RawDocument, parent: &str, name: &str) -> Result<(), CommandError> {
    match document.get(name).ok().flatten() {
        Some(RawBsonRef::String(_)) => Ok(()),
        Some(_) => Err(must_be_text(&format!("{parent}.{name}"))),
        None => Err(CommandError::new(
            ErrorCode::CLIENT_METADATA_MISSING_FIELD,
            format!("Missing required field '{parent}.{name}' in the client metadata document"),
        )),
    }
}

fn must_be_document(name: &str) -> CommandError {
    CommandError::new(
        ErrorCode::TYPE_MISMATCH,
        format!(
            "The '{name}' field is required to be a BSON document in the client metadata document"
        ),
    )
}

fn must_be_text(name: &str) -> CommandError {
    CommandError::new(
        ErrorCode::TYPE_MISMATCH,
        format!("The '{name}' field must be a string in the client metadata document"),
    )
}
