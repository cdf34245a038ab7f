//! `writeConcern`: how far a write must have come before it is acknowledged.
//!
//! Field rules and texts as MongoDB 8.0 (manual page "Write Concern").

use bson::raw::RawDocument;
use bson::{RawBsonRef, RawDocumentBuf};

use super::arguments::{Path, duplicate_field, invalid_bson, type_name, unknown_field, wrong_type};
use super::field_types::{number, whole_number};
use super::reply::append;
use crate::authz::redact::command_text;
use crate::error::{CommandError, ErrorCode};

/// Most members a write can be asked to wait for.
const MEMBERS_MAX: u8 = 50;

/// A valid write concern as a client asked for it.
#[derive(Debug, Clone, PartialEq)]
pub struct WriteConcern {
    /// On how many members, or which.
    pub w: Acknowledgement,
    /// Whether it must be in the journal; `None` leaves it to the server.
    pub journal: Option<bool>,
    /// How long to wait for `w`; 0 or less waits without end.
    pub timeout_ms: i32,
}

/// The `w` of a write concern.
#[derive(Debug, Clone, PartialEq)]
pub enum Acknowledgement {
    /// Left out: the server's default.
    Default,
    /// On that many members.
    Members(u8),
    /// On a majority of the voting members.
    Majority,
    /// A mode with a name of its own.
    Mode(String),
    /// On members with these tags.
    Tags,
}

impl WriteConcern {
    /// Reads the value of `command`'s `writeConcern`. `None`: nothing was asked for, the default
    /// holds.
    pub fn parse(command: &str, value: RawBsonRef<'_>) -> Result<Option<Self>, CommandError> {
        let RawBsonRef::Document(document) = value else {
            let root = Path::root(command);
            return Err(wrong_type(&root.field("writeConcern"), value, &["object"]));
        };
        if document.is_empty() {
            return Ok(None);
        }
        let mut concern = Self {
            w: Acknowledgement::Default,
            journal: None,
            timeout_ms: 0,
        };
        let mut fsync = false;
        let mut seen = Vec::new();
        let root = Path::root("writeConcern");
        for element in document {
            let (key, value) = element.map_err(|error| invalid_bson(&error))?;
            let key = key.as_str();
            let path = root.field(key);
            if seen.contains(&key) {
                return Err(duplicate_field(&path));
            }
            seen.push(key);
            match key {
                "w" => concern.w = parse_w(value)?,
                "j" => concern.journal = truth(value, &path)?,
                "fsync" => fsync = truth(value, &path)?.unwrap_or(false),
                "wtimeout" => concern.timeout_ms = parse_timeout(value)?,
                "provenance" => check_provenance(value, &path)?,
                "wElectionId" | "wOpTime" | "getLastError" => {}
                _ => return Err(unknown_field(&path)),
            }
        }
        if fsync && concern.journal == Some(true) {
            return Err(failed_to_parse(
                "fsync and j options cannot be used together",
            ));
        }
        Ok(Some(concern))
    }

    /// Refuses what a server that is not a replica set member can never fulfil.
    pub fn check_on_standalone(&self, has_journal: bool) -> Result<(), CommandError> {
        if self.journal == Some(true) && !has_journal {
            return Err(CommandError::bad_value(
                "cannot use 'j' option when a host does not have journaling enabled",
            ));
        }
        match &self.w {
            Acknowledgement::Members(members) if *members > 1 => Err(CommandError::bad_value(
                "cannot use 'w' > 1 when a host is not replicated",
            )),
            Acknowledgement::Mode(mode) => Err(CommandError::bad_value(format!(
                "cannot use non-majority 'w' mode \"{mode}\" when a host is not a member of a \
                 replica set"
            ))),
            _ => Ok(()),
        }
    }
}

fn parse_w(value: RawBsonRef<'_>) -> Result<Acknowledgement, CommandError> {
    match value {
        RawBsonRef::String("majority") => Ok(Acknowledgement::Majority),
        RawBsonRef::String(mode) => Ok(Acknowledgement::Mode(mode.to_owned())),
        RawBsonRef::Null | RawBsonRef::Undefined => Ok(Acknowledgement::Mode(String::new())),
        RawBsonRef::Document(tags) => parse_tags(tags),
        other => match (number(other), whole_number(other)) {
            (Some(number), Some(members)) if !number.is_nan() => parse_members(members),
            (Some(_), _) => Err(failed_to_parse("w cannot be NaN")),
            (None, _) => Err(failed_to_parse(format!(
                "w has to be a number, string, or object; found: {}",
                type_name(other)
            ))),
        },
    }
}

fn parse_members(members: i64) -> Result<Acknowledgement, CommandError> {
    match u8::try_from(members) {
        Ok(members) if members <= MEMBERS_MAX => Ok(Acknowledgement::Members(members)),
        _ => Err(failed_to_parse(format!(
            "w has to be a non-negative number and not greater than {MEMBERS_MAX}; found: {members}"
        ))),
    }
}

fn parse_tags(tags: &RawDocument) -> Result<Acknowledgement, CommandError> {
    if tags.is_empty() {
        return Err(failed_to_parse("tagged write concern requires tags"));
    }
    for element in tags {
        let (key, value) = element.map_err(|error| invalid_bson(&error))?;
        if number(value).is_none() {
            return Err(failed_to_parse(format!(
                "tags must be a single level document with only number values; found: {}",
                element_text(key.as_str(), value)
            )));
        }
    }
    Ok(Acknowledgement::Tags)
}

/// `key: value`.
fn element_text(key: &str, value: RawBsonRef<'_>) -> String {
    let mut document = RawDocumentBuf::new();
    append(&mut document, key, value);
    let text = command_text(&document, &[]);
    let inside = text
        .strip_prefix("{ ")
        .and_then(|text| text.strip_suffix(" }"));
    inside.unwrap_or(&text).to_owned()
}

/// Any type: numbers lose their fraction, everything else is 0.
fn parse_timeout(value: RawBsonRef<'_>) -> Result<i32, CommandError> {
    let millis = number(value).unwrap_or_default().trunc();
    if millis > f64::from(i32::MAX) {
        return Err(failed_to_parse("wtimeout must be a 32-bit integer"));
    }
    #[allow(clippy::cast_possible_truncation)]
    // saturates below, where every value means "no limit"
    Ok(millis as i32)
}

fn truth(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<Option<bool>, CommandError> {
    match value {
        RawBsonRef::Boolean(value) => Ok(Some(value)),
        RawBsonRef::Null | RawBsonRef::Undefined => Ok(None),
        other => match number(other) {
            Some(number) => Ok(Some(number != 0.0)),
            None => Err(wrong_type(
                path,
                other,
                &["bool", "long", "int", "decimal", "double"],
            )),
        },
    }
}

fn check_provenance(value: RawBsonRef<'_>, path: &Path<'_>) -> Result<(), CommandError> {
    match value {
        RawBsonRef::Null
        | RawBsonRef::Undefined
        | RawBsonRef::String(
            "clientSupplied"
            | "implicitDefault"
            | "customDefault"
            | "getLastErrorDefaults"
            | "internalWriteDefault",
        ) => Ok(()),
        RawBsonRef::String(other) => Err(CommandError::bad_value(format!(
            "Enumeration value '{other}' for field '{path}' is not a valid value."
        ))),
        other => Err(wrong_type(path, other, &["string"])),
    }
}

fn failed_to_parse(message: impl Into<String>) -> CommandError {
    CommandError::new(ErrorCode::FAILED_TO_PARSE, message)
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    fn parse(document: &RawDocument) -> Result<Option<WriteConcern>, CommandError> {
        WriteConcern::parse("createUser", RawBsonRef::Document(document))
    }

    #[test]
    fn w_takes_numbers_modes_and_tags() {
        let w = |document: &RawDocument| parse(document).unwrap().unwrap().w;
        assert_eq!(w(&rawdoc! { "w": 1.5 }), Acknowledgement::Members(1));
        assert_eq!(w(&rawdoc! { "w": -0.5 }), Acknowledgement::Members(0));
        assert_eq!(w(&rawdoc! { "w": 50_i64 }), Acknowledgement::Members(50));
        assert_eq!(w(&rawdoc! { "w": "majority" }), Acknowledgement::Majority);
        assert_eq!(
            w(&rawdoc! { "w": "Majority" }),
            Acknowledgement::Mode("Majority".into())
        );
        assert_eq!(w(&rawdoc! { "w": { "dc": 2 } }), Acknowledgement::Tags);
        assert_eq!(w(&rawdoc! { "j": true }), Acknowledgement::Default);
        assert_eq!(parse(&rawdoc! {}).unwrap(), None);
    }

    #[test]
    fn bad_fields_have_their_codes() {
        let code = |document: &RawDocument| parse(document).unwrap_err().code.0;
        assert_eq!(code(&rawdoc! { "w": 51 }), 9);
        assert_eq!(code(&rawdoc! { "w": -1 }), 9);
        assert_eq!(code(&rawdoc! { "w": f64::NAN }), 9);
        assert_eq!(code(&rawdoc! { "w": f64::INFINITY }), 9);
        assert_eq!(code(&rawdoc! { "w": true }), 9);
        assert_eq!(code(&rawdoc! { "w": {} }), 9);
        assert_eq!(code(&rawdoc! { "w": { "dc": "x" } }), 9);
        assert_eq!(code(&rawdoc! { "j": "yes" }), 14);
        assert_eq!(code(&rawdoc! { "wtimeout": f64::INFINITY }), 9);
        assert_eq!(code(&rawdoc! { "wtimeoutMS": 1 }), 40415);
        assert_eq!(code(&rawdoc! { "w": 1, "w": 1 }), 40413);
        assert_eq!(code(&rawdoc! { "j": true, "fsync": 1 }), 9);
        assert_eq!(code(&rawdoc! { "provenance": "me" }), 2);
        assert_eq!(code(&rawdoc! { "provenance": 1 }), 14);
    }

    #[test]
    fn wtimeout_takes_anything() {
        let timeout = |document: &RawDocument| parse(document).unwrap().unwrap().timeout_ms;
        assert_eq!(timeout(&rawdoc! { "wtimeout": 5000.9 }), 5000);
        assert_eq!(timeout(&rawdoc! { "wtimeout": "soon" }), 0);
        assert_eq!(timeout(&rawdoc! { "wtimeout": -1_i64 }), -1);
    }

    #[test]
    fn a_standalone_refuses_what_needs_others() {
        let check = |document: &RawDocument, journal| {
            parse(document)
                .unwrap()
                .unwrap()
                .check_on_standalone(journal)
                .map_err(|e| e.code.0)
        };
        assert_eq!(check(&rawdoc! { "w": 2 }, true), Err(2));
        assert_eq!(check(&rawdoc! { "w": "dc" }, true), Err(2));
        assert_eq!(check(&rawdoc! { "w": null }, true), Err(2));
        assert_eq!(
            check(&rawdoc! { "w": "majority", "wtimeout": 5000 }, true),
            Ok(())
        );
        assert_eq!(check(&rawdoc! { "w": { "dc": 1 } }, true), Ok(()));
        assert_eq!(check(&rawdoc! { "j": true }, true), Ok(()));
        assert_eq!(check(&rawdoc! { "j": true }, false), Err(2));
        assert_eq!(check(&rawdoc! { "w": 0 }, true), Ok(()));
    }
}
