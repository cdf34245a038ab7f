//! A document as a line of JSON, as mongod writes its audit log: dates as `{"$date": "..."}` with a
//! numeric zone, binary data as `{"$binary": "<base64>", "$type": "04"}`, other types as in relaxed
//! Extended JSON.

use std::fmt::Write;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bson::{RawBsonRef, RawDocument};

use crate::telemetry::timestamp::iso_8601;

/// The first millisecond of the year 10000, which ISO 8601 does not write in four digits.
const YEAR_10000_MS: u64 = 253_402_300_800_000;

/// The document in one line, without a line break anywhere.
pub(super) fn to_json(document: &RawDocument) -> String {
    let mut json = String::with_capacity(2 * document.as_bytes().len());
    push_document(&mut json, document);
    json
}

fn push_document(json: &mut String, document: &RawDocument) {
    json.push('{');
    for (place, (name, value)) in document.iter().map_while(Result::ok).enumerate() {
        if place > 0 {
            json.push(',');
        }
        push_text(json, name.as_str());
        json.push(':');
        push_value(json, value);
    }
    json.push('}');
}

fn push_value(json: &mut String, value: RawBsonRef<'_>) {
    // Writing to a String cannot fail.
    let _ = match value {
        RawBsonRef::Document(document) => {
            push_document(json, document);
            Ok(())
        }
        RawBsonRef::Array(array) => {
            json.push('[');
            for (place, value) in array.into_iter().map_while(Result::ok).enumerate() {
                if place > 0 {
                    json.push(',');
                }
                push_value(json, value);
            }
            json.push(']');
            Ok(())
        }
        RawBsonRef::String(text) | RawBsonRef::Symbol(text) | RawBsonRef::JavaScriptCode(text) => {
            push_text(json, text);
            Ok(())
        }
        RawBsonRef::Boolean(value) => write!(json, "{value}"),
        RawBsonRef::Int32(value) => write!(json, "{value}"),
        RawBsonRef::Int64(value) => write!(json, "{value}"),
        RawBsonRef::Double(value) if value.is_finite() => write!(json, "{value:?}"),
        RawBsonRef::Double(value) => {
            write!(json, r#"{{"$numberDouble":"{}"}}"#, not_finite(value))
        }
        RawBsonRef::Decimal128(value) => write!(json, r#"{{"$numberDecimal":"{value}"}}"#),
        RawBsonRef::ObjectId(id) => write!(json, r#"{{"$oid":"{id}"}}"#),
        RawBsonRef::Timestamp(stamp) => write!(
            json,
            r#"{{"$timestamp":{{"t":{},"i":{}}}}}"#,
            stamp.time, stamp.increment
        ),
        RawBsonRef::DateTime(date) => push_date(json, date.timestamp_millis()),
        RawBsonRef::Binary(binary) => write!(
            json,
            r#"{{"$binary":"{}","$type":"{:02x}"}}"#,
            STANDARD.encode(binary.bytes),
            u8::from(binary.subtype)
        ),
        RawBsonRef::Undefined => write!(json, r#"{{"$undefined":true}}"#),
        RawBsonRef::MinKey => write!(json, r#"{{"$minKey":1}}"#),
        RawBsonRef::MaxKey => write!(json, r#"{{"$maxKey":1}}"#),
        // The remaining types hold text and were hidden, as strings.
        _ => write!(json, "null"),
    };
}

fn push_date(json: &mut String, ms: i64) -> std::fmt::Result {
    match u64::try_from(ms) {
        Ok(ms) if ms < YEAR_10000_MS => {
            let text = iso_8601(UNIX_EPOCH + Duration::from_millis(ms));
            write!(
                json,
                r#"{{"$date":"{}+00:00"}}"#,
                text.trim_end_matches('Z')
            )
        }
        _ => write!(json, r#"{{"$date":{{"$numberLong":"{ms}"}}}}"#),
    }
}

fn not_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    }
}

fn push_text(json: &mut String, text: &str) {
    // A text has nothing that JSON could not hold.
    json.push_str(&serde_json::to_string(text).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use bson::{RawBson, rawdoc};

    use super::*;

    #[test]
    fn every_type_has_its_form() {
        let binary = bson::Binary {
            subtype: bson::spec::BinarySubtype::Uuid,
            bytes: vec![0; 16],
        };
        let rows: Vec<(RawBson, &str)> = vec![
            ("a\"\n\u{1}\u{e9}".into(), "\"a\\\"\\n\\u0001\u{e9}\""),
            (1.into(), "1"),
            (i64::MIN.into(), "-9223372036854775808"),
            (1.0.into(), "1.0"),
            (1e300.into(), "1e300"),
            (f64::NAN.into(), r#"{"$numberDouble":"NaN"}"#),
            (f64::NEG_INFINITY.into(), r#"{"$numberDouble":"-Infinity"}"#),
            (true.into(), "true"),
            (RawBson::Null, "null"),
            (
                rawdoc! { "a": [1, {}], "b": [] }.into(),
                r#"{"a":[1,{}],"b":[]}"#,
            ),
            (
                bson::DateTime::from_millis(1_642_516_718_134).into(),
                r#"{"$date":"2022-01-18T14:38:38.134+00:00"}"#,
            ),
            (
                bson::DateTime::from_millis(-1).into(),
                r#"{"$date":{"$numberLong":"-1"}}"#,
            ),
            (
                binary.into(),
                r#"{"$binary":"AAAAAAAAAAAAAAAAAAAAAA==","$type":"04"}"#,
            ),
            (
                bson::oid::ObjectId::from_bytes([1; 12]).into(),
                r#"{"$oid":"010101010101010101010101"}"#,
            ),
            (
                bson::Timestamp {
                    time: 1,
                    increment: 2,
                }
                .into(),
                r#"{"$timestamp":{"t":1,"i":2}}"#,
            ),
            (RawBson::MinKey, r#"{"$minKey":1}"#),
            (RawBson::MaxKey, r#"{"$maxKey":1}"#),
        ];
        for (value, expected) in rows {
            let document = rawdoc! { "x": value };
            let json = to_json(&document);
            assert_eq!(json, format!("{{\"x\":{expected}}}"));
            serde_json::from_str::<serde_json::Value>(&json).unwrap();
        }
    }
}
