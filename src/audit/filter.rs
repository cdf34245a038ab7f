//! `auditLog.filter`: a filter over the events, as text in JSON.

use bson::raw::RawDocument;
use bson::{Bson, Document, RawDocumentBuf};
use serde_json::Value;

use crate::query::Filter;

/// Reads the filter. Besides plain JSON, dates may be written `{"$date": "2026-01-31T00:00:00Z"}`; the
/// error says what is wrong.
pub(super) fn parse(text: &str) -> Result<Filter, String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let Value::Object(fields) = value else {
        return Err("it is no document".to_owned());
    };
    let document = document(fields)?;
    let document = RawDocumentBuf::try_from(document).map_err(|error| error.to_string())?;
    Filter::parse(&document).map_err(|refused| refused.message)
}

/// Whether the event is to be written. One that takes too long to ask is: nobody hides from the audit
/// behind a long text.
pub(super) fn lets_pass(filter: &Filter, event: &RawDocument) -> bool {
    filter.answer(event).unwrap_or(true)
}

fn document(fields: serde_json::Map<String, Value>) -> Result<Document, String> {
    fields
        .into_iter()
        .map(|(name, value)| Ok((name, to_bson(value)?)))
        .collect()
}

fn to_bson(value: Value) -> Result<Bson, String> {
    Ok(match value {
        Value::Null => Bson::Null,
        Value::Bool(value) => Bson::Boolean(value),
        Value::String(text) => Bson::String(text),
        Value::Array(values) => {
            Bson::Array(values.into_iter().map(to_bson).collect::<Result<_, _>>()?)
        }
        Value::Number(number) => match number.as_i64() {
            Some(whole) => i32::try_from(whole).map_or(Bson::Int64(whole), Bson::Int32),
            None => Bson::Double(number.as_f64().ok_or("a number is too large")?),
        },
        Value::Object(fields) => match fields.get("$date") {
            Some(Value::String(text)) if fields.len() == 1 => {
                let date = bson::DateTime::parse_rfc3339_str(text);
                Bson::DateTime(date.map_err(|error| error.to_string())?)
            }
            _ => Bson::Document(document(fields)?),
        },
    })
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn filters_are_those_of_queries() {
        let event = rawdoc! {
            "atype": "authenticate",
            "ts": bson::DateTime::from_millis(1_000),
            "users": [{ "user": "ann", "db": "admin" }],
            "param": { "db": "shop" },
            "result": 18,
        };
        for (text, expected) in [
            ("{}", true),
            (
                r#"{ "atype": { "$in": ["authenticate", "authCheck"] }, "result": 18 }"#,
                true,
            ),
            (
                r#"{ "users.user": "ann", "param.db": { "$ne": "admin" } }"#,
                true,
            ),
            (r#"{ "atype": { "$regex": "^auth" } }"#, true),
            (
                r#"{ "ts": { "$gte": { "$date": "1970-01-01T00:00:02Z" } } }"#,
                false,
            ),
            (
                r#"{ "ts": { "$lt": { "$date": "1970-01-01T00:00:02Z" } } }"#,
                true,
            ),
            (r#"{ "result": 0 }"#, false),
            // Documents are equal only with their fields in the same order, which is that of the text.
            (r#"{ "users": { "user": "ann", "db": "admin" } }"#, true),
        ] {
            let filter = parse(text).unwrap();
            assert_eq!(lets_pass(&filter, &event), expected, "{text}");
        }
    }

    #[test]
    fn an_event_that_takes_too_long_to_ask_is_written() {
        let filter = parse(r#"{ "param.user": { "$regex": "^(ann|bob)$" } }"#).unwrap();
        let event = |user: &str| rawdoc! { "param": { "user": user } };
        assert!(lets_pass(&filter, &event("ann")));
        assert!(!lets_pass(&filter, &event("eve")));
        assert!(lets_pass(&filter, &event(&"eve".repeat(1_000_000))));
    }

    #[test]
    fn what_is_no_filter_is_refused_with_a_reason() {
        for text in [
            "",
            "[]",
            "{",
            "1",
            r#"{ "a": { "$nope": 1 } }"#,
            r#"{ "$where": "1" }"#,
            r#"{ "a": { "$date": "yesterday" } }"#,
        ] {
            assert!(!parse(text).unwrap_err().is_empty(), "{text}");
        }
    }
}
