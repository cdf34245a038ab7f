//! A server that audits into a file, and its events.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bson::{Bson, Document};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Options, TestServer};

/// Who makes the tests quicker: hashing is not what they are about.
pub const QUICK: [&str; 4] = [
    "--setParameter",
    "scramIterationCount=5000",
    "--setParameter",
    "scramSHA256IterationCount=5000",
];

/// A folder for an audit log.
pub struct AuditLog {
    pub folder: TempDir,
    format: &'static str,
    seen: usize,
}

impl AuditLog {
    pub fn new(format: &'static str) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            format,
            seen: 0,
        }
    }

    pub fn path(&self) -> PathBuf {
        self.folder.path().join("audit.log")
    }

    /// The options that make a server write here.
    pub fn options(&self) -> Options {
        self.options_with(Options::default())
    }

    pub fn options_with(&self, options: Options) -> Options {
        options
            .arguments(&["--auditDestination", "file", "--auditFormat", self.format])
            .argument("--auditPath")
            .argument(self.path().to_str().unwrap())
            .arguments(&QUICK)
    }

    pub fn text(&self) -> String {
        std::fs::read_to_string(self.path()).unwrap()
    }

    /// Everything that is in the file now.
    pub fn events(&self) -> Vec<Value> {
        match self.format {
            "JSON" => lines(&self.path()),
            _ => self.documents().iter().map(as_json).collect(),
        }
    }

    /// The documents of a file in BSON.
    pub fn documents(&self) -> Vec<Document> {
        let bytes = std::fs::read(self.path()).unwrap();
        let mut rest = bytes.as_slice();
        let mut documents = Vec::new();
        while !rest.is_empty() {
            documents.push(Document::from_reader(&mut rest).unwrap());
        }
        documents
    }

    /// What has come since the last time.
    pub fn new_events(&mut self) -> Vec<Value> {
        let mut events = self.events();
        let new = events.split_off(self.seen);
        self.seen += new.len();
        new
    }

    /// The only new event, without the time and the ends of the connection.
    pub fn new_event(&mut self) -> Value {
        let events = self.new_events();
        assert_eq!(events.len(), 1, "{events:#?}");
        essence(&events[0])
    }
}

/// How much is to be written about strangers of one address: 200 lines and events at once and 20 more each
/// second, and that there were more whenever the first is left out after ten seconds of few.
pub struct StrangerLines {
    written: RangeInclusive<usize>,
    told: RangeInclusive<usize>,
}

impl StrangerLines {
    /// Where many more were refused in this time.
    pub fn after(time: Duration) -> Self {
        let seconds = usize::try_from(time.as_secs()).unwrap();
        Self {
            written: 200..=200 + 20 * (seconds + 1),
            told: 1..=1 + seconds / 10,
        }
    }

    pub fn check(&self, written: usize, logs: &str) {
        assert!(self.written.contains(&written), "{written}");
        let told = logs.matches("Too many refusals of one address").count();
        assert!(self.told.contains(&told), "{logs}");
    }
}

/// Each line of a file, which must be whole.
pub fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    let parsed = text.lines().map(|line| serde_json::from_str(line).unwrap());
    parsed.collect()
}

/// `{atype, users, roles, param, result}`; the rest is looked at here.
pub fn essence(event: &Value) -> Value {
    let fields = event.as_object().unwrap();
    assert_eq!(fields.len(), 9, "{event}");
    let time = event["ts"]["$date"].as_str().unwrap();
    assert_eq!(time.len(), "2026-01-01T00:00:00.000+00:00".len(), "{time}");
    assert!(time.ends_with("+00:00"), "{time}");
    assert_eq!(event["uuid"]["$type"], "04");
    assert_eq!(event["uuid"]["$binary"].as_str().unwrap().len(), 24);
    json!({
        "atype": event["atype"], "users": event["users"], "roles": event["roles"],
        "param": event["param"], "result": event["result"],
    })
}

/// Of one kind.
pub fn of_type<'a>(events: &'a [Value], atype: &str) -> Vec<&'a Value> {
    events
        .iter()
        .filter(|event| event["atype"] == atype)
        .collect()
}

/// An event in BSON as JSON has it.
fn as_json(document: &Document) -> Value {
    let fields = document.iter();
    Value::Object(fields.map(|(k, v)| (k.clone(), value(v))).collect())
}

fn value(bson: &Bson) -> Value {
    match bson {
        Bson::String(text) => json!(text),
        Bson::Int32(number) => json!(number),
        Bson::Boolean(value) => json!(value),
        Bson::Document(document) => as_json(document),
        Bson::Array(values) => values.iter().map(value).collect(),
        Bson::DateTime(_) => json!({ "$date": "2026-01-01T00:00:00.000+00:00" }),
        Bson::Binary(binary) if binary.bytes.len() == 16 => {
            json!({ "$binary": "x".repeat(24), "$type": format!("{:02x}", u8::from(binary.subtype)) })
        }
        other => panic!("{other}"),
    }
}

/// An administrator, and everything up to its sign-in read.
pub fn with_admin(format: &'static str) -> (AuditLog, TestServer) {
    let mut log = AuditLog::new(format);
    let server = TestServer::with_admin_and(log.options());
    log.new_events();
    (log, server)
}
