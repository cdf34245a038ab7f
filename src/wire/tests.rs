//! What the parser says beyond accepting or refusing.

use bson::raw::RawDocumentBuf;
use bson::rawdoc;
use bytes::Bytes;

use super::testing::{body_section, compressed, msg, msg_of, query, sequence_section};
use super::{Compressor, Request, WireError, WireLimits, parse};

#[test]
fn texts_are_those_of_mongod() {
    let text = |bytes: Vec<u8>| {
        let parsed = parse(Bytes::from(bytes), &WireLimits::default());
        parsed.request.unwrap_err().to_string()
    };
    assert_eq!(
        text(msg(1, 5, &rawdoc! { "ping": 1 })),
        "Message contains illegal flags value: Ob00000000000000000000000000000101"
    );
    assert_eq!(
        WireError::LegacyOperation("OP_QUERY")
            .to_command_error()
            .message,
        "OP_QUERY is no longer supported. The client driver may require an upgrade. For more \
         details see https://dochub.mongodb.org/core/legacy-opcode-removal"
    );
}

#[test]
fn no_name_is_in_the_body_and_a_sequence() {
    let is_refused = |body: &RawDocumentBuf, name: &str| {
        let sections = [body_section(body.as_bytes()), sequence_section(name, &[])];
        let parsed = parse(Bytes::from(msg_of(1, 0, &sections)), &WireLimits::default());
        parsed
            .request
            .is_err_and(|error| error == WireError::DuplicateField(name.to_owned()))
    };
    let body = rawdoc! { "a": { "b": 1 }, "c.d": 1, ".": 1 };
    for name in ["a", "a.b", "c.d", "."] {
        assert!(is_refused(&body, name), "{name}");
    }
    for name in ["b", "a.c", "c", "d", "", "a.b.c"] {
        assert!(!is_refused(&body, name), "{name}");
    }
}

#[test]
fn commands_are_unwrapped() {
    let command = |query_document: RawDocumentBuf| {
        let frame = Bytes::from(query(1, "db1.$cmd", &query_document));
        let Ok(Request::Query(query)) = parse(frame, &WireLimits::default()).request else {
            panic!("refused");
        };
        assert_eq!(query.database(), "db1");
        query.command().to_owned()
    };
    let plain = rawdoc! { "isMaster": 1, "query": { "a": 1 } };
    assert_eq!(command(plain.clone()), plain);
    assert_eq!(command(rawdoc! { "$query": plain.clone(), "x": 1 }), plain);
    assert_eq!(command(rawdoc! { "query": plain.clone() }), plain);
    let no_wrapper = rawdoc! { "query": "a string" };
    assert_eq!(command(no_wrapper.clone()), no_wrapper);
}

#[test]
fn disabled_compressors_are_refused() {
    let limits = WireLimits {
        compressors: [Compressor::Zlib].into_iter().collect(),
        ..WireLimits::default()
    };
    let accepted = |compressor| {
        let frame = Bytes::from(compressed(compressor, &msg(1, 0, &rawdoc! { "ping": 1 })));
        parse(frame, &limits).request.is_ok()
    };
    assert_eq!(Compressor::ALL.map(accepted), [false, false, true]);
}

#[test]
fn awaitable_requests_are_known() {
    let is_awaitable = |frame: Vec<u8>| {
        let parsed = parse(Bytes::from(frame), &WireLimits::default());
        parsed.request.unwrap().is_awaitable()
    };
    let ping = rawdoc! { "ping": 1 };
    let hello = rawdoc! { "hello": 1, "maxAwaitTimeMS": 1 };
    assert!(!is_awaitable(msg(1, 0, &ping)));
    assert!(!is_awaitable(msg(1, 1 << 16, &ping)));
    assert!(!is_awaitable(msg(
        1,
        0,
        &rawdoc! { "ping": 1, "maxAwaitTimeMS": 1 }
    )));
    assert!(is_awaitable(msg(1, 0, &hello)));
    assert!(is_awaitable(msg(1, 1 << 16, &rawdoc! { "isMaster": 1 })));
    assert!(!is_awaitable(msg(1, 0, &rawdoc! { "hello": 1 })));
    assert!(!is_awaitable(query(1, "a.$cmd", &ping)));
    assert!(is_awaitable(query(1, "a.$cmd", &hello)));
}

#[test]
fn a_ping_is_these_bytes() {
    // Written by hand from the manual, so that builder and parser cannot be wrong together.
    let bytes = b"\x33\0\0\0\x01\0\0\0\0\0\0\0\xDD\x07\0\0\
        \0\0\0\0\
        \0\x1E\0\0\0\x10ping\0\x01\0\0\0\x02$db\0\x06\0\0\0admin\0\0";
    let ping = msg(1, 0, &rawdoc! { "ping": 1, "$db": "admin" });
    assert_eq!(&ping[..], bytes);
    let form = parse(Bytes::from(ping), &WireLimits::default()).reply;
    let mut reply = Vec::new();
    form.encode(77, &rawdoc! { "ok": 1.0 }, false, &mut reply);
    let expected = b"\x26\0\0\0\x4D\0\0\0\x01\0\0\0\xDD\x07\0\0\
        \0\0\0\0\
        \0\x11\0\0\0\x01ok\0\0\0\0\0\0\0\xF0\x3F\0";
    assert_eq!(&reply[..], expected);
}
