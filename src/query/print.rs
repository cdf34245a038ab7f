//! Values as MongoDB prints them in error messages: `{ $gte: 3.0 }`.

use std::fmt::Write;

use bson::RawBsonRef;

/// Longer texts end in `...`.
const PRINTED_BYTES_MAX: usize = 256;
const PRINTED_LEVELS_MAX: u32 = 8;

/// The value as text.
pub(super) fn print(value: RawBsonRef<'_>) -> String {
    let mut text = String::new();
    if append(&mut text, value, 0).is_none() {
        text.push_str("...");
    }
    text
}

/// None once the text is long enough.
fn append(text: &mut String, value: RawBsonRef<'_>, level: u32) -> Option<()> {
    if level > PRINTED_LEVELS_MAX || text.len() > PRINTED_BYTES_MAX {
        return None;
    }
    match value {
        RawBsonRef::Document(document) => {
            text.push('{');
            for (index, field) in document.iter().map_while(Result::ok).enumerate() {
                let comma = if index == 0 { "" } else { "," };
                append_limited(text, &format!("{comma} {}: ", field.0.as_str()))?;
                append(text, field.1, level + 1)?;
            }
            text.push_str(if document.is_empty() { "}" } else { " }" });
        }
        RawBsonRef::Array(array) => {
            text.push('[');
            for (index, element) in array.into_iter().map_while(Result::ok).enumerate() {
                text.push_str(if index == 0 { " " } else { ", " });
                append(text, element, level + 1)?;
            }
            text.push_str(if array.is_empty() { "]" } else { " ]" });
        }
        RawBsonRef::String(string) | RawBsonRef::Symbol(string) => {
            text.push('"');
            append_limited(text, string)?;
            text.push('"');
        }
        scalar => append_limited(text, &print_scalar(scalar))?,
    }
    Some(())
}

fn append_limited(text: &mut String, more: &str) -> Option<()> {
    let room = PRINTED_BYTES_MAX.saturating_sub(text.len());
    if more.len() <= room {
        text.push_str(more);
        return Some(());
    }
    let ends = more.char_indices().map(|(at, c)| at + c.len_utf8());
    let end = ends.take_while(|end| *end <= room).last().unwrap_or(0);
    text.push_str(more.get(..end)?);
    None
}

fn print_scalar(value: RawBsonRef<'_>) -> String {
    match value {
        RawBsonRef::Int32(integer) => integer.to_string(),
        RawBsonRef::Int64(integer) => integer.to_string(),
        RawBsonRef::Double(double) => print_double(double),
        RawBsonRef::Decimal128(decimal) => decimal.to_string(),
        RawBsonRef::Boolean(boolean) => boolean.to_string(),
        RawBsonRef::Null => "null".to_owned(),
        RawBsonRef::Undefined => "undefined".to_owned(),
        RawBsonRef::MinKey => "MinKey".to_owned(),
        RawBsonRef::MaxKey => "MaxKey".to_owned(),
        RawBsonRef::ObjectId(id) => format!("ObjectId('{id}')"),
        RawBsonRef::DateTime(date) => format!("new Date({})", date.timestamp_millis()),
        RawBsonRef::Timestamp(stamp) => format!("Timestamp({}, {})", stamp.time, stamp.increment),
        RawBsonRef::RegularExpression(regex) => {
            format!("/{}/{}", regex.pattern.as_str(), regex.options.as_str())
        }
        RawBsonRef::JavaScriptCode(code) => code.to_owned(),
        RawBsonRef::JavaScriptCodeWithScope(code) => format!("CodeWScope( {})", code.code),
        RawBsonRef::Binary(binary) => {
            let mut hex = String::new();
            for byte in binary.bytes.iter().take(PRINTED_BYTES_MAX) {
                let _ = write!(hex, "{byte:02X}");
            }
            format!("BinData({}, {hex})", u8::from(binary.subtype))
        }
        RawBsonRef::DbPointer(_) => "DBRef(...)".to_owned(),
        RawBsonRef::Document(_)
        | RawBsonRef::Array(_)
        | RawBsonRef::String(_)
        | RawBsonRef::Symbol(_) => String::new(),
    }
}

/// As C's `%.16g`, with `.0` where that has no point: `3.0`, `2.5`, `nan.0`.
fn print_double(double: f64) -> String {
    let mut text = print_number(double);
    if !text.contains('.') {
        text.push_str(".0");
    }
    text
}

/// As C's `%g`, with as many digits as it takes: `3`, `2.5`, `1e+20`, `nan`.
pub(super) fn print_number(double: f64) -> String {
    if double.is_nan() {
        "nan".to_owned()
    } else if double == 0.0 || (1e-5..1e16).contains(&double.abs()) || double.is_infinite() {
        double.to_string()
    } else {
        let text = format!("{double:e}");
        if text.contains("e-") {
            text
        } else {
            text.replace('e', "e+")
        }
    }
}
