//! Reading a write concern.

use std::collections::BTreeMap;

use bson::raw::RawDocument;
use bson::{RawBsonRef, RawDocumentBuf};

use super::{Acknowledgement, Provenance, WriteConcern};
use crate::authz::redact::command_text;
use crate::command::arguments::{
    Path, duplicate_field, invalid_bson, type_name, unknown_field, wrong_type,
};
use crate::command::field_types::{number, whole_number};
use crate::command::reply::append;
use crate::error::{CommandError, ErrorCode};

/// Most members a write can be asked to wait for.
const MEMBERS_MAX: u8 = 50;

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
            provenance: None,
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
                "provenance" => concern.provenance = parse_provenance(value, &path)?,
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
    let mut wanted = BTreeMap::new();
    for element in tags {
        let (key, value) = element.map_err(|error| invalid_bson(&error))?;
        let (Some(_), Some(values)) = (number(value), whole_number(value)) else {
            return Err(failed_to_parse(format!(
                "tags must be a single level document with only number values; found: {}",
                element_text(key.as_str(), value)
            )));
        };
        // No set has so many members that more of them could make a difference.
        let values = u32::try_from(values.max(0)).unwrap_or(u32::MAX);
        wanted.insert(key.as_str().to_owned(), values);
    }
    Ok(Acknowledgement::Tags(wanted))
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

fn parse_provenance(
    value: RawBsonRef<'_>,
    path: &Path<'_>,
) -> Result<Option<Provenance>, CommandError> {
    match value {
        RawBsonRef::Null | RawBsonRef::Undefined => Ok(None),
        RawBsonRef::String(name) => Provenance::find(name).map(Some).ok_or_else(|| {
            CommandError::bad_value(format!(
                "Enumeration value '{name}' for field '{path}' is not a valid value."
            ))
        }),
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
        assert_eq!(
            w(&rawdoc! { "w": { "dc": 2 } }),
            Acknowledgement::Tags(BTreeMap::from([("dc".into(), 2)]))
        );
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
    fn tags_keep_their_numbers() {
        let w = |document: &RawDocument| parse(document).unwrap().unwrap().w;
        let tags = |values: &[(&str, u32)]| {
            let values = values.iter();
            Acknowledgement::Tags(values.map(|(tag, n)| ((*tag).to_owned(), *n)).collect())
        };
        assert_eq!(
            w(&rawdoc! { "w": { "dc": 2.9, "rack": 3_i64 } }),
            tags(&[("dc", 2), ("rack", 3)])
        );
        assert_eq!(
            w(&rawdoc! { "w": { "dc": -1, "rack": i64::MAX } }),
            tags(&[("dc", 0), ("rack", u32::MAX)])
        );
    }

    #[test]
    fn provenance_is_kept() {
        let provenance = |document: &RawDocument| parse(document).unwrap().unwrap().provenance;
        let custom = rawdoc! { "w": 1, "provenance": "customDefault" };
        assert_eq!(provenance(&custom), Some(Provenance::CustomDefault));
        assert_eq!(provenance(&rawdoc! { "w": 1, "provenance": null }), None);
        assert_eq!(provenance(&rawdoc! { "w": 1 }), None);
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
            let concern = parse(document).unwrap().unwrap();
            concern
                .check_journal(journal)
                .and_then(|()| concern.check_on_standalone())
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
