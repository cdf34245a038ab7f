//! The pieces of the text: values with nothing inside, and how long all of it may get.

use std::fmt::Write;

use bson::RawBsonRef;
use bson::spec::BinarySubtype;

/// Bytes the whole text may have; what is longer ends in `...`.
pub const TEXT_BYTES_MAX: usize = 10 * 1024;

/// Stands for what is left out.
pub(super) const CUT: &str = "...";

/// Bytes of one string, and of one regular expression; a longer one is cut to [`STRING_BYTES_CUT`].
const STRING_BYTES_MAX: usize = 159;
const STRING_BYTES_CUT: usize = 150;
/// Bytes of one piece of JavaScript; a longer one is cut to [`CODE_BYTES_CUT`].
pub(super) const CODE_BYTES_MAX: usize = 79;
pub(super) const CODE_BYTES_CUT: usize = 70;
/// Bytes of one binary value; a longer one is cut to [`BINARY_BYTES_CUT`].
const BINARY_BYTES_MAX: usize = 80;
const BINARY_BYTES_CUT: usize = 70;

/// Text that stops growing at [`TEXT_BYTES_MAX`].
#[derive(Default)]
pub(super) struct Text {
    pub(super) out: String,
    pub(super) is_full: bool,
}

impl Text {
    pub(super) fn push(&mut self, piece: &str) {
        if self.is_full {
            return;
        }
        let free = TEXT_BYTES_MAX - CUT.len() - self.out.len();
        if piece.len() <= free {
            self.out.push_str(piece);
        } else {
            self.out.push_str(prefix(piece, free));
            self.out.push_str(CUT);
            self.is_full = true;
        }
    }

    pub(super) fn push_cut(&mut self, piece: &str, bytes_max: usize, bytes_cut: usize) {
        if piece.len() <= bytes_max {
            self.push(piece);
        } else {
            self.push(prefix(piece, bytes_cut));
            self.push(CUT);
        }
    }
}

/// Writes a value that has nothing inside.
pub(super) fn write_scalar(value: RawBsonRef<'_>, text: &mut Text) {
    match value {
        RawBsonRef::Double(value) => text.push(&double(value)),
        RawBsonRef::String(value) | RawBsonRef::Symbol(value) => {
            text.push("\"");
            text.push_cut(value, STRING_BYTES_MAX, STRING_BYTES_CUT);
            text.push("\"");
        }
        RawBsonRef::Boolean(value) => text.push(if value { "true" } else { "false" }),
        RawBsonRef::Null => text.push("null"),
        RawBsonRef::RegularExpression(value) => {
            text.push("/");
            text.push_cut(value.pattern.as_str(), STRING_BYTES_MAX, STRING_BYTES_CUT);
            text.push("/");
            text.push_cut(value.options.as_str(), STRING_BYTES_MAX, STRING_BYTES_CUT);
        }
        RawBsonRef::JavaScriptCode(value) => text.push_cut(value, CODE_BYTES_MAX, CODE_BYTES_CUT),
        RawBsonRef::Int32(value) => text.push(&value.to_string()),
        RawBsonRef::Int64(value) => text.push(&value.to_string()),
        RawBsonRef::Timestamp(value) => {
            text.push(&format!("Timestamp({}, {})", value.time, value.increment));
        }
        RawBsonRef::Binary(value) => text.push(&binary(value.subtype, value.bytes)),
        RawBsonRef::ObjectId(value) => text.push(&format!("ObjectId('{value}')")),
        RawBsonRef::DateTime(value) => {
            text.push(&format!("new Date({})", value.timestamp_millis()));
        }
        RawBsonRef::Decimal128(value) => text.push(&value.to_string()),
        RawBsonRef::Undefined => text.push("undefined"),
        RawBsonRef::MaxKey => text.push("MaxKey"),
        RawBsonRef::MinKey => text.push("MinKey"),
        // The parts of this long deprecated type cannot be read by way of the raw API.
        RawBsonRef::DbPointer(_) => text.push("DBRef(...)"),
        // The caller has dealt with what has something inside.
        RawBsonRef::Document(_) | RawBsonRef::Array(_) | RawBsonRef::JavaScriptCodeWithScope(_) => {
            text.push(CUT);
        }
    }
}

fn binary(subtype: BinarySubtype, bytes: &[u8]) -> String {
    if let (BinarySubtype::Uuid, Ok(uuid)) = (subtype, uuid::Uuid::from_slice(bytes)) {
        return format!("UUID(\"{uuid}\")");
    }
    let is_cut = bytes.len() > BINARY_BYTES_MAX;
    let shown = if is_cut {
        bytes.get(..BINARY_BYTES_CUT).unwrap_or_default()
    } else {
        bytes
    };
    let mut out = format!("BinData({}, ", u8::from(subtype));
    for byte in shown {
        // Writing to a string cannot fail.
        let _ = write!(out, "{byte:02X}");
    }
    out.push_str(if is_cut { "...)" } else { ")" });
    out
}

/// As C's `%.16g`, and `.0` at the end of what then has none of `.`, `E` and `N`; so a small `e`
/// gets one, too (`1e+20.0`).
fn double(value: f64) -> String {
    let mut out = if value.is_finite() {
        shortest_of_sixteen_digits(value)
    } else {
        value.to_string().to_lowercase()
    };
    if !out.contains('.') {
        out.push_str(".0");
    }
    out
}

fn shortest_of_sixteen_digits(value: f64) -> String {
    let scientific = format!("{value:.15e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    match exponent.parse::<i32>() {
        Ok(exponent @ -4..=15) => {
            let decimals = usize::try_from(15 - exponent).unwrap_or_default();
            without_trailing_zeros(&format!("{value:.decimals$}")).to_owned()
        }
        Ok(exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            let magnitude = exponent.unsigned_abs();
            format!("{}e{sign}{magnitude:02}", without_trailing_zeros(mantissa))
        }
        Err(_) => scientific,
    }
}

fn without_trailing_zeros(digits: &str) -> &str {
    if digits.contains('.') {
        digits.trim_end_matches('0').trim_end_matches('.')
    } else {
        digits
    }
}

/// As many whole characters as fit into `bytes_max`.
fn prefix(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_print_as_in_c() {
        let rows = [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1234.5678, "1234.5678"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16.0"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.000_012, "1.2e-05"),
            (1.0 / 3.0, "0.3333333333333333"),
            (f64::INFINITY, "inf.0"),
            (f64::NAN, "nan.0"),
        ];
        for (value, expected) in rows {
            assert_eq!(double(value), expected);
        }
    }
}
