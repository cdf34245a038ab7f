//! A command as text, the way a server repeats it in its refusals.
//!
//! The form is MongoDB's own: keys without quotes, `UUID("...")`, `BinData(0, 0AFF)`,
//! `ObjectId('...')`, `new Date(ms)`, `Timestamp(s, i)`, 64-bit integers bare, whole doubles with
//! `.0`, long values cut. Nothing is escaped, so the text is for people, not for parsers.

use std::fmt::Write;

use bson::raw::{RawElement, RawIter};
use bson::spec::BinarySubtype;
use bson::{RawBsonRef, RawDocument};

/// Bytes the whole text may have; what is longer ends in [`CUT`].
pub const TEXT_BYTES_MAX: usize = 10 * 1024;

/// Documents and arrays inside each other that are still written out.
const DEPTH_MAX: usize = 100;
/// Bytes of one string, and of one regular expression; a longer one is cut to [`STRING_BYTES_CUT`].
const STRING_BYTES_MAX: usize = 159;
const STRING_BYTES_CUT: usize = 150;
/// Bytes of one piece of JavaScript; a longer one is cut to [`CODE_BYTES_CUT`].
const CODE_BYTES_MAX: usize = 79;
const CODE_BYTES_CUT: usize = 70;
/// Bytes of one binary value; a longer one is cut to [`BINARY_BYTES_CUT`].
const BINARY_BYTES_MAX: usize = 80;
const BINARY_BYTES_CUT: usize = 70;

const CUT: &str = "...";
const REDACTED: &str = "\"xxx\"";

/// The command, with `"xxx"` in place of the value of each field named in `sensitive`, at whatever
/// depth. Of invalid BSON, what comes before the fault.
pub fn command_text(body: &RawDocument, sensitive: &[&str]) -> String {
    let mut text = Text::default();
    let mut open = Vec::new();
    open.extend(Frame::document(body, Kind::Document, &mut text));
    while let Some(frame) = open.last_mut() {
        if text.is_full {
            break;
        }
        match frame.iter.next() {
            None => {
                text.push(frame.kind.end());
                open.pop();
            }
            Some(Err(_)) => {
                text.push(CUT);
                break;
            }
            Some(Ok(element)) => {
                frame.start_element(&element, &mut text);
                if sensitive.contains(&element.key().as_str()) {
                    text.push(REDACTED);
                } else {
                    let may_open = open.len() < DEPTH_MAX;
                    open.extend(write_value(&element, may_open, &mut text));
                }
            }
        }
    }
    text.out
}

/// A document or array that is being written.
struct Frame<'a> {
    iter: RawIter<'a>,
    kind: Kind,
    is_first: bool,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Document,
    Array,
    Scope,
}

impl Kind {
    fn start(self) -> &'static str {
        if self == Self::Array { "[ " } else { "{ " }
    }

    fn end(self) -> &'static str {
        match self {
            Self::Document => " }",
            Self::Array => " ]",
            Self::Scope => " })",
        }
    }

    fn empty(self) -> &'static str {
        match self {
            Self::Document => "{}",
            Self::Array => "[]",
            Self::Scope => "{})",
        }
    }
}

impl<'a> Frame<'a> {
    /// `None` if it is empty and so already written.
    fn document(document: &'a RawDocument, kind: Kind, text: &mut Text) -> Option<Self> {
        Self::open(document.iter_elements(), document.is_empty(), kind, text)
    }

    fn open(iter: RawIter<'a>, is_empty: bool, kind: Kind, text: &mut Text) -> Option<Self> {
        text.push(if is_empty { kind.empty() } else { kind.start() });
        let frame = Self {
            iter,
            kind,
            is_first: true,
        };
        (!is_empty).then_some(frame)
    }

    fn start_element(&mut self, element: &RawElement<'_>, text: &mut Text) {
        if !self.is_first {
            text.push(", ");
        }
        self.is_first = false;
        if self.kind != Kind::Array {
            text.push(element.key().as_str());
            text.push(": ");
        }
    }
}

/// Writes a value, or the start of it: then what is inside is still to be written.
fn write_value<'a>(element: &RawElement<'a>, may_open: bool, text: &mut Text) -> Option<Frame<'a>> {
    let Ok(value) = element.value() else {
        text.push(CUT);
        return None;
    };
    match value {
        RawBsonRef::Document(_) | RawBsonRef::Array(_) if !may_open => text.push(CUT),
        RawBsonRef::Document(document) => return Frame::document(document, Kind::Document, text),
        RawBsonRef::Array(array) => {
            return Frame::open(array.iter_elements(), array.is_empty(), Kind::Array, text);
        }
        RawBsonRef::JavaScriptCodeWithScope(code) => {
            text.push("CodeWScope( ");
            text.push_cut(code.code, CODE_BYTES_MAX, CODE_BYTES_CUT);
            text.push(", ");
            if may_open {
                return Frame::document(code.scope, Kind::Scope, text);
            }
            text.push("...)");
        }
        scalar => write_scalar(scalar, text),
    }
    None
}

fn write_scalar(value: RawBsonRef<'_>, text: &mut Text) {
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
            text.push(CUT)
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
    let mut out = if !value.is_finite() {
        value.to_string().to_lowercase()
    } else {
        shortest_of_sixteen_digits(value)
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

/// Text that stops growing at [`TEXT_BYTES_MAX`].
#[derive(Default)]
struct Text {
    out: String,
    is_full: bool,
}

impl Text {
    fn push(&mut self, piece: &str) {
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

    fn push_cut(&mut self, piece: &str, bytes_max: usize, bytes_cut: usize) {
        if piece.len() <= bytes_max {
            self.push(piece);
        } else {
            self.push(prefix(piece, bytes_cut));
            self.push(CUT);
        }
    }
}

/// As many whole characters as fit into `bytes_max`.
fn prefix(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len()))
        .rev()
        .find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}
