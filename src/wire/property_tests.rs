//! What must hold for any bytes: no panic, and nothing unreadable gets past the validator.

use bson::raw::{RawDocument, RawDocumentBuf};
use bson::{Bson, Document, doc, oid::ObjectId, spec::BinarySubtype};
use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::testing::{
    body_section, compressed, compressed_of, message, msg, msg_of, query, read_reply,
    sequence_section, walk, with_checksum,
};
use super::{Compressor, Request, WireLimits, op_code, parse, validate_document};

fn leaf() -> impl Strategy<Value = Bson> {
    prop_oneof![
        any::<i32>().prop_map(Bson::Int32),
        any::<i64>().prop_map(Bson::Int64),
        any::<f64>().prop_map(Bson::Double),
        any::<bool>().prop_map(Bson::Boolean),
        ".{0,12}".prop_map(Bson::String),
        ".{0,12}".prop_map(Bson::JavaScriptCode),
        ".{0,12}".prop_map(Bson::Symbol),
        any::<[u8; 12]>().prop_map(|bytes| Bson::ObjectId(ObjectId::from_bytes(bytes))),
        any::<i64>().prop_map(|at| Bson::DateTime(bson::DateTime::from_millis(at))),
        (any::<u32>(), any::<u32>())
            .prop_map(|(time, increment)| Bson::Timestamp(bson::Timestamp { time, increment })),
        any::<[u8; 16]>().prop_map(|b| Bson::Decimal128(bson::Decimal128::from_bytes(b))),
        (select(vec![0_u8, 2, 4, 128]), vec(any::<u8>(), 0..20)).prop_map(|(subtype, bytes)| {
            Bson::Binary(bson::Binary {
                subtype: BinarySubtype::from(subtype),
                bytes,
            })
        }),
        ".{0,12}".prop_map(|code| {
            let scope = doc! { "a": 1 };
            Bson::JavaScriptCodeWithScope(bson::JavaScriptCodeWithScope { code, scope })
        }),
        Just(Bson::RegularExpression(bson::Regex {
            pattern: "a+".try_into().unwrap(),
            options: "i".try_into().unwrap(),
        })),
        select(vec![
            Bson::Null,
            Bson::Undefined,
            Bson::MinKey,
            Bson::MaxKey
        ]),
    ]
}

fn document() -> impl Strategy<Value = RawDocumentBuf> {
    let key = || "[^\u{0}]{0,8}";
    let value = leaf().prop_recursive(4, 24, 5, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Bson::Array),
            vec((key(), inner), 0..5)
                .prop_map(|fields| Bson::Document(Document::from_iter(fields))),
        ]
    });
    vec((key(), value), 0..6)
        .prop_map(|fields| RawDocumentBuf::try_from(&Document::from_iter(fields)).unwrap())
}

/// Reads everything a request offers.
fn consume(request: &Request) {
    match request {
        Request::Msg(message) => {
            walk(message.body()).unwrap();
            for (name, documents) in message.sequences() {
                assert!(message.body().get(name).unwrap().is_none());
                documents.for_each(|document| assert!(walk(document).is_ok()));
            }
        }
        Request::Query(query) => {
            walk(query.query()).unwrap();
            walk(query.command()).unwrap();
            assert!(!query.database().is_empty());
        }
    }
}

fn accept(frame: Vec<u8>) -> Option<Request> {
    let request = parse(Bytes::from(frame), &WireLimits::default()).request;
    request.ok().inspect(consume)
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..200)) {
        drop(validate_document(&bytes));
        accept(bytes.clone());
        for code in [op_code::MSG, op_code::QUERY, op_code::COMPRESSED] {
            accept(message(1, code, &bytes));
        }
        accept(msg_of(1, 0, &[body_section(&bytes)]));
        for compressor in Compressor::ALL {
            accept(compressed_of(op_code::MSG, 100, compressor.id(), &bytes));
        }
    }

    #[test]
    fn documents_of_the_library_are_valid(document in document(), tail in vec(any::<u8>(), 0..9)) {
        let bytes = document.as_bytes();
        prop_assert_eq!(validate_document(bytes), Ok(bytes.len()));
        prop_assert_eq!(validate_document(&[bytes, &tail].concat()), Ok(bytes.len()));
        for end in 0..bytes.len() {
            prop_assert!(validate_document(&bytes[..end]).is_err());
        }
    }

    #[test]
    fn a_changed_document_is_refused_or_readable(
        document in document(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = document.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(length) = validate_document(&bytes) {
            walk(RawDocument::from_bytes(&bytes[..length]).unwrap()).unwrap();
        }
    }

    #[test]
    fn a_changed_message_is_refused_or_readable(
        body in document(),
        documents in vec(document(), 0..3),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let sections = [body_section(body.as_bytes()), sequence_section("~seq", &documents)];
        for mut frame in [msg_of(1, 0, &sections), query(1, "db.$cmd", &body)] {
            let at = 4 + at.index(frame.len() - 4);
            frame[at] = byte;
            accept(frame);
        }
    }

    #[test]
    fn requests_keep_their_contents(
        id in any::<i32>(),
        body in document(),
        documents in vec(document(), 0..4),
    ) {
        let sections = [sequence_section("~seq", &documents), body_section(body.as_bytes())];
        let plain = with_checksum(msg_of(id, 1 | 1 << 16, &sections));
        let mut frames = vec![(None, plain.clone())];
        frames.extend(Compressor::ALL.map(|known| (Some(known), compressed(known, &plain))));
        for (compressor, frame) in frames {
            let Some(Request::Msg(message)) = accept(frame) else {
                return Err(TestCaseError::fail("refused"));
            };
            prop_assert_eq!(message.request_id(), id);
            prop_assert_eq!(message.compressor(), compressor);
            prop_assert!(message.checksum_present() && message.exhaust_allowed());
            prop_assert_eq!(message.body().as_bytes(), body.as_bytes());
            let sequences: Vec<_> = message.sequences().collect();
            prop_assert_eq!(sequences.len(), 1);
            prop_assert_eq!(sequences[0].0, "~seq");
            let found: Vec<_> = sequences[0].1.clone().map(RawDocument::to_owned).collect();
            prop_assert_eq!(&found, &documents);
        }
    }

    #[test]
    fn replies_keep_their_contents(id in any::<i32>(), reply_id in any::<i32>(), body in document()) {
        let limits = WireLimits::default();
        let plain = msg(id, 0, &body);
        let requests = [plain.clone(), with_checksum(msg(id, 1, &body)), query(id, "a.$cmd", &body)];
        for request in requests {
            let form = parse(Bytes::from(request), &limits).reply;
            let mut bytes = Vec::new();
            form.encode(reply_id, &body, true, &mut bytes);
            let reply = read_reply(&bytes);
            prop_assert_eq!((reply.header.request_id, reply.header.response_to), (reply_id, id));
            prop_assert_eq!(reply.flags & 2, 0, "no stream was allowed");
            prop_assert_eq!(&reply.document, &body);
        }
        for compressor in Compressor::ALL {
            let form = parse(Bytes::from(compressed(compressor, &plain)), &limits).reply;
            let mut bytes = Vec::new();
            form.encode(reply_id, &body, false, &mut bytes);
            // A reply is a message like any other, so it can be read as a request.
            let again = parse(Bytes::from(bytes), &limits).request.unwrap();
            prop_assert_eq!(again.compressor(), Some(compressor));
            prop_assert_eq!(again.request_id(), reply_id);
        }
    }
}
