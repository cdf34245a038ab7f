//! One event on its way to a log line.
//!
//! Lines hold what clients send (names, mechanisms, error texts). Whatever it is, a line stays one
//! line of bounded length without control characters.

use std::fmt::{self, Write};

use tracing::field::{Field, Visit};
use tracing::{Event, Level};

/// Bytes of one text in a log line; the rest is cut off.
pub(super) const TEXT_BYTES_MAX: usize = 512;

/// Names of fields that go to the head of a line rather than to its attributes.
pub(super) const ID: &str = "id";
pub(super) const CONNECTION_ID: &str = "connection_id";
pub(super) const STARTUP_WARNING: &str = "startup_warning";

/// An event, cut to size and ready to be written in either format.
#[derive(Debug)]
pub(super) struct Record {
    severity: &'static str,
    component: &'static str,
    id: u64,
    context: String,
    message: String,
    attributes: Vec<(&'static str, Value)>,
    pub(super) is_startup_warning: bool,
}

/// Numbers and truth values keep their type in JSON; all else is text.
#[derive(Debug)]
enum Value {
    Bare(String),
    Text(String),
}

impl Record {
    /// Reads the fields of an event.
    pub(super) fn new(event: &Event<'_>) -> Self {
        let metadata = event.metadata();
        let mut record = Self {
            severity: severity(*metadata.level()),
            component: component(metadata.target()),
            id: 0,
            context: "main".to_owned(),
            message: String::new(),
            attributes: Vec::new(),
            is_startup_warning: false,
        };
        event.record(&mut record);
        record
    }

    /// Says that lines are missing.
    pub(super) fn of_dropped_lines(count: u64) -> Self {
        Self {
            severity: severity(Level::WARN),
            component: component("CONTROL"),
            id: 9_900_047,
            context: "main".to_owned(),
            message: "Log lines were dropped, the log takes them too slowly".to_owned(),
            attributes: vec![("count", Value::Bare(count.to_string()))],
            is_startup_warning: false,
        }
    }

    /// For people: `<time> I ACCESS conn3 message name="value" number=5`.
    pub(super) fn to_text(&self, time: &str) -> String {
        let mut line = format!(
            "{time} {} {:<8} {} {}",
            self.severity,
            self.component,
            self.context,
            escape(&self.message)
        );
        for (name, value) in &self.attributes {
            // Writing to a String cannot fail.
            let _ = match value {
                Value::Bare(text) => write!(line, " {name}={text}"),
                Value::Text(text) => write!(line, " {name}=\"{}\"", escape(text)),
            };
        }
        line
    }

    /// mongod's structured format (manual, "Log Messages"), which `getLog` gives out.
    pub(super) fn to_json(&self, time: &str) -> String {
        let mut line = format!(
            r#"{{"t":{{"$date":"{time}"}},"s":"{}","c":"{}","id":{},"ctx":{},"msg":{}"#,
            self.severity,
            self.component,
            self.id,
            json_string(&self.context),
            json_string(&self.message),
        );
        for (index, (name, value)) in self.attributes.iter().enumerate() {
            line.push_str(if index == 0 { r#","attr":{"# } else { "," });
            let value = match value {
                Value::Bare(text) => text.clone(),
                Value::Text(text) => json_string(text),
            };
            let _ = write!(line, "\"{name}\":{value}");
        }
        if !self.attributes.is_empty() {
            line.push('}');
        }
        if self.is_startup_warning {
            line.push_str(r#","tags":["startupWarnings"]"#);
        }
        line.push('}');
        line
    }

    fn push(&mut self, field: &Field, value: Value) {
        self.attributes.push((field.name(), value));
    }
}

impl Visit for Record {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            ID => self.id = value,
            CONNECTION_ID => self.context = format!("conn{value}"),
            _ => self.push(field, Value::Bare(value.to_string())),
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, Value::Bare(value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if field.name() == STARTUP_WARNING {
            self.is_startup_warning = value;
        } else {
            self.push(field, Value::Bare(value.to_string()));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = cut(value);
        if field.name() == "message" {
            self.message = text;
        } else {
            self.push(field, Value::Text(text));
        }
    }
}

/// Formats `value` and stops after [`TEXT_BYTES_MAX`] bytes, with dots in place of the rest.
fn cut(value: &dyn fmt::Debug) -> String {
    let mut cut = Cut::default();
    // An error means that the rest was cut off.
    let _ = write!(cut, "{value:?}");
    if cut.is_full {
        cut.text.push_str("...");
    }
    cut.text
}

#[derive(Default)]
struct Cut {
    text: String,
    is_full: bool,
}

impl Write for Cut {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        for character in piece.chars() {
            if self.is_full || self.text.len() + character.len_utf8() > TEXT_BYTES_MAX {
                self.is_full = true;
                return Err(fmt::Error);
            }
            self.text.push(character);
        }
        Ok(())
    }
}

fn json_string(text: &str) -> String {
    format!("\"{}\"", escape(text))
}

/// The text with JSON's escapes for quotes, backslashes and everything that a terminal would not
/// simply print.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\\' => escaped.extend(['\\', character]),
            // Printable is what Debug does not escape; it also escapes the single quote.
            _ if character == '\'' || character.escape_debug().len() == 1 => {
                escaped.push(character);
            }
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    let _ = write!(escaped, "\\u{unit:04x}");
                }
            }
        }
    }
    escaped
}

fn severity(level: Level) -> &'static str {
    match level {
        Level::ERROR => "E",
        Level::WARN => "W",
        Level::INFO => "I",
        Level::DEBUG => "D1",
        Level::TRACE => "D2",
    }
}

/// mongod's components, for events of ours that name one; of anything else, the library.
fn component(target: &'static str) -> &'static str {
    target.split("::").next().unwrap_or(target)
}
