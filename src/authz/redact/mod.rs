//! A command as text, the way a server repeats it in its refusals.
//!
//! The form is MongoDB's own: keys without quotes, `UUID("...")`, `BinData(0, 0AFF)`,
//! `ObjectId('...')`, `new Date(ms)`, `Timestamp(s, i)`, 64-bit integers bare, whole doubles with
//! `.0`, long values cut. Nothing is escaped, so the text is for people, not for parsers.

use bson::raw::{RawElement, RawIter};
use bson::{RawBsonRef, RawDocument};

use text::{CODE_BYTES_CUT, CODE_BYTES_MAX, CUT, Text, write_scalar};

mod text;

pub use text::TEXT_BYTES_MAX;

/// Documents and arrays inside each other that are still written out.
const DEPTH_MAX: usize = 100;

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

#[cfg(test)]
mod tests {
    use bson::{Bson, RawDocumentBuf, doc, rawdoc};
    use proptest::prelude::*;

    use bson::spec::BinarySubtype;

    use super::*;

    fn text(document: bson::Document) -> String {
        command_text(&RawDocumentBuf::try_from(document).unwrap(), &[])
    }

    #[test]
    fn a_command_looks_as_from_a_server() {
        let id = uuid::Uuid::parse_str("8a0ae58f-2147-4067-881a-dc04c708b582").unwrap();
        let command = doc! {
            "find": "c",
            "filter": {},
            "lsid": { "id": bson::Uuid::from_bytes(id.into_bytes()) },
            "$clusterTime": {
                "clusterTime": bson::Timestamp { time: 1_584_813_024, increment: 1 },
                "signature": {
                    "hash": bson::Binary {
                        subtype: BinarySubtype::Generic,
                        bytes: vec![0x91, 0xe3],
                    },
                    "keyId": 6_763_648_209_215_553_537_i64,
                },
            },
            "$db": "test",
        };
        assert_eq!(
            text(command),
            "{ find: \"c\", filter: {}, \
             lsid: { id: UUID(\"8a0ae58f-2147-4067-881a-dc04c708b582\") }, \
             $clusterTime: { clusterTime: Timestamp(1584813024, 1), \
             signature: { hash: BinData(0, 91E3), keyId: 6763648209215553537 } }, $db: \"test\" }"
        );
    }

    #[test]
    fn every_type_has_its_form() {
        let rows: Vec<(Bson, &str)> = vec![
            (Bson::Array(vec![]), "[]"),
            (
                bson::bson!([1, [2], { "a": null }]),
                "[ 1, [ 2 ], { a: null } ]",
            ),
            (Bson::Boolean(true), "true"),
            (Bson::Undefined, "undefined"),
            (Bson::MinKey, "MinKey"),
            (Bson::MaxKey, "MaxKey"),
            (Bson::Symbol("s".into()), "\"s\""),
            (
                Bson::DateTime(bson::DateTime::from_millis(-1)),
                "new Date(-1)",
            ),
            (
                Bson::ObjectId(bson::oid::ObjectId::from_bytes([0xab; 12])),
                "ObjectId('abababababababababababab')",
            ),
            (Bson::Decimal128("1.50".parse().unwrap()), "1.50"),
            (Bson::JavaScriptCode("f()".into()), "f()"),
            (
                Bson::JavaScriptCodeWithScope(bson::JavaScriptCodeWithScope {
                    code: "f()".into(),
                    scope: doc! { "a": 1 },
                }),
                "CodeWScope( f(), { a: 1 })",
            ),
            (
                Bson::RegularExpression(bson::Regex {
                    pattern: "^a".try_into().unwrap(),
                    options: "i".try_into().unwrap(),
                }),
                "/^a/i",
            ),
            (
                Bson::String("\u{e9}".repeat(79)),
                &format!("\"{}\"", "\u{e9}".repeat(79)),
            ),
            (
                Bson::String("\u{e9}".repeat(80)),
                &format!("\"{}...\"", "\u{e9}".repeat(75)),
            ),
            (
                Bson::Binary(bson::Binary {
                    subtype: BinarySubtype::Md5,
                    bytes: vec![1; 81],
                }),
                &format!("BinData(5, {}...)", "01".repeat(70)),
            ),
        ]
        .into_iter()
        .map(|(value, expected)| (value, &*Box::leak(expected.to_owned().into_boxed_str())))
        .collect();
        for (value, expected) in rows {
            assert_eq!(text(doc! { "a": value }), format!("{{ a: {expected} }}"));
        }
    }

    #[test]
    fn secrets_are_left_out_at_any_depth_and_of_any_type() {
        let body = rawdoc! {
            "explain": { "createUser": "bob", "pwd": { "a": "pencil" } },
            "pwd": "pencil",
            "pwd": ["pencil"],
            "pwdx": 1,
        };
        assert_eq!(
            command_text(&body, &["pwd", "payload"]),
            "{ explain: { createUser: \"bob\", pwd: \"xxx\" }, \
             pwd: \"xxx\", pwd: \"xxx\", pwdx: 1 }"
        );
    }

    #[test]
    fn text_and_depth_are_bounded() {
        let long = doc! { "a": vec!["x".repeat(100); 10_000], "k".repeat(50_000): 1 };
        let cut = text(long);
        assert_eq!(cut.len(), TEXT_BYTES_MAX);
        assert!(cut.ends_with("x..."));
        let key = text(doc! { "\u{e9}".repeat(50_000): 1 });
        assert!(key.len() <= TEXT_BYTES_MAX && key.ends_with("\u{e9}..."));

        let mut deep = RawDocumentBuf::new();
        for _ in 0..20_000 {
            deep = rawdoc! { "a": deep };
        }
        let cut = command_text(&deep, &[]);
        assert_eq!(cut.matches("{ a: ").count(), DEPTH_MAX);
        assert!(cut.contains("{ a: ... }"));
    }

    fn value() -> impl Strategy<Value = Bson> {
        let leaf = prop_oneof![
            any::<f64>().prop_map(Bson::Double),
            any::<i64>().prop_map(Bson::Int64),
            ".{0,200}".prop_map(Bson::String),
            proptest::collection::vec(any::<u8>(), 0..100).prop_map(|bytes| {
                Bson::Binary(bson::Binary {
                    subtype: BinarySubtype::Uuid,
                    bytes,
                })
            }),
            Just(Bson::Null),
        ];
        leaf.prop_recursive(6, 64, 8, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..8).prop_map(Bson::Array),
                proptest::collection::vec(("[a-z$]{0,4}", inner), 0..8)
                    .prop_map(|fields| Bson::Document(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_secret_is_ever_printed(
            before in value(),
            after in value(),
            nested in any::<bool>(),
            array in any::<bool>(),
        ) {
            const SECRET: &str = "corvus-oratio";
            let mut secret = Bson::String(SECRET.into());
            if array {
                secret = Bson::Array(vec![secret]);
            }
            let fields = doc! { "before": before, "pwd": secret, "after": after };
            let body = if nested { doc! { "inner": [fields] } } else { fields };
            let shown = command_text(&RawDocumentBuf::try_from(body).unwrap(), &["pwd"]);
            prop_assert!(!shown.contains(SECRET));
            prop_assert!(shown.len() <= TEXT_BYTES_MAX);
        }

        /// Bodies are checked before they come here; should one not be, it is still no panic.
        #[test]
        fn broken_bytes_do_no_harm(
            before in value(),
            flips in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..8),
        ) {
            let body = RawDocumentBuf::try_from(doc! { "a": before }).unwrap();
            let mut bytes = body.into_bytes();
            let length = bytes.len();
            for (place, byte) in flips {
                bytes[4 + place % (length - 5)] = byte;
            }
            let broken = RawDocument::from_bytes(&bytes).unwrap();
            prop_assert!(command_text(broken, &["pwd"]).len() <= TEXT_BYTES_MAX);
        }
    }
}
