//! The messages in `fixtures/wire`: what each is made of, and what becomes of it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use bson::rawdoc;
use bytes::Bytes;

use super::testing::{
    body_section, compressed, compressed_of, message, msg, msg_of, query, query_of,
    sequence_section, with_checksum,
};
use super::{Compressor, Request, WireLimits, frame_length, op_code, parse};

/// One file.
struct Case {
    name: &'static str,
    bytes: Vec<u8>,
    outcome: &'static str,
}

fn case(name: &'static str, outcome: &'static str, bytes: Vec<u8>) -> Case {
    Case {
        name,
        bytes,
        outcome,
    }
}

fn ping() -> bson::raw::RawDocumentBuf {
    rawdoc! { "ping": 1, "$db": "admin" }
}

fn good_requests() -> Vec<Case> {
    let ping = ping();
    let sequence = sequence_section("users", &[rawdoc! { "a": 1 }, rawdoc! { "a": 2 }]);
    let wrapped = rawdoc! {
        "$query": { "isMaster": 1 }, "$readPreference": { "mode": "nearest" },
    };
    let is_master = rawdoc! { "isMaster": 1 };
    let with_projection = [is_master.as_bytes(), rawdoc! {}.as_bytes()].concat();
    vec![
        case("request-msg", "OP_MSG", msg(1, 0, &ping)),
        case(
            "request-msg-optional-flags",
            "OP_MSG",
            msg(2, 0xFFFF_0000, &ping),
        ),
        case(
            "request-msg-checksum",
            "OP_MSG",
            with_checksum(msg(3, 1, &ping)),
        ),
        case("request-msg-more-to-come", "OP_MSG", msg(4, 2, &ping)),
        case(
            "request-msg-sequence-first",
            "OP_MSG",
            msg_of(5, 0, &[sequence.clone(), body_section(ping.as_bytes())]),
        ),
        case(
            "request-msg-two-sequences",
            "OP_MSG",
            msg_of(
                6,
                0,
                &[
                    body_section(ping.as_bytes()),
                    sequence,
                    sequence_section("roles", &[]),
                ],
            ),
        ),
        case(
            "request-query",
            "OP_QUERY",
            query(7, "admin.$cmd", &is_master),
        ),
        case(
            "request-query-wrapped",
            "OP_QUERY",
            query(8, "admin.$cmd", &wrapped),
        ),
        case(
            "request-query-projection",
            "OP_QUERY",
            query_of(9, 0, "admin.$cmd", 1, &with_projection),
        ),
        case(
            "request-compressed-snappy",
            "OP_MSG",
            compressed(Compressor::Snappy, &msg(10, 0, &ping)),
        ),
        case(
            "request-compressed-zlib",
            "OP_MSG",
            compressed(Compressor::Zlib, &msg(11, 0, &ping)),
        ),
        case(
            "request-compressed-zstd",
            "OP_MSG",
            compressed(Compressor::Zstd, &msg(12, 0, &ping)),
        ),
        case(
            "request-compressed-query",
            "OP_QUERY",
            compressed(Compressor::Snappy, &query(13, "admin.$cmd", &is_master)),
        ),
    ]
}

fn bad_msgs() -> Vec<Case> {
    let ping = ping();
    let body = || body_section(ping.as_bytes());
    let sequence = |name| sequence_section(name, &[]);
    let mut wrong_checksum = with_checksum(msg(1, 1, &ping));
    *wrong_checksum.last_mut().unwrap() ^= 1;
    let mut short_sequence = sequence("users");
    short_sequence[1] = 3;
    let mut long_sequence = sequence("users");
    long_sequence[1] += 1;
    let unterminated = vec![1, 6, 0, 0, 0, b'a', b'b'];
    let mut bad_bool = rawdoc! { "ping": true }.into_bytes();
    let value = bad_bool.len() - 2;
    bad_bool[value] = 7;
    let bson = sequence_section("users", &[]);
    let truncated = [&bson[..1], &[14, 0, 0, 0], &bson[5..], &[5, 0, 0, 0]].concat();
    vec![
        case(
            "request-msg-no-flags",
            "18634 reply",
            message(1, 2013, &[0]),
        ),
        case("request-msg-flag-2", "223 close", msg(1, 4, &ping)),
        case("request-msg-flag-15", "223 close", msg(1, 1 << 15, &ping)),
        case("request-msg-wrong-checksum", "288 close", wrong_checksum),
        case(
            "request-msg-no-room-for-checksum",
            "288 close",
            msg_of(1, 1, &[vec![0, 0, 0]]),
        ),
        case("request-msg-no-body", "40587 reply", msg_of(1, 0, &[])),
        case(
            "request-msg-two-bodies",
            "40430 reply",
            msg_of(1, 0, &[body(), body()]),
        ),
        case(
            "request-msg-unknown-section",
            "40432 reply",
            msg_of(1, 0, &[body(), vec![2]]),
        ),
        case(
            "request-msg-trailing-byte",
            "40430 reply",
            msg_of(1, 0, &[body(), vec![0]]),
        ),
        case(
            "request-msg-three-sequences",
            "233 close",
            msg_of(1, 0, &[body(), sequence("a"), sequence("b"), sequence("c")]),
        ),
        case(
            "request-msg-same-sequence-twice",
            "40431 reply",
            msg_of(1, 0, &[body(), sequence("a"), sequence("a")]),
        ),
        case(
            "request-msg-sequence-in-body",
            "40433 reply",
            msg_of(1, 0, &[body(), sequence("ping")]),
        ),
        case(
            "request-msg-sequence-too-short",
            "17 reply",
            msg_of(1, 0, &[body(), short_sequence]),
        ),
        case(
            "request-msg-sequence-too-long",
            "17 reply",
            msg_of(1, 0, &[body(), long_sequence]),
        ),
        case(
            "request-msg-sequence-name",
            "17 reply",
            msg_of(1, 0, &[body(), unterminated]),
        ),
        case(
            "request-msg-sequence-bson",
            "22 reply",
            msg_of(1, 0, &[body(), truncated]),
        ),
        case(
            "request-msg-bson",
            "22 reply",
            msg_of(1, 0, &[body_section(&bad_bool)]),
        ),
    ]
}

fn other_bad_requests() -> Vec<Case> {
    let query_rest = rawdoc! { "isMaster": 1 }.into_bytes();
    let with_tail = [&query_rest[..], rawdoc! {}.as_bytes(), &[0]].concat();
    let find = query(1, "test.users", &rawdoc! {});
    let mut bomb = snap::raw::Encoder::new().compress_vec(&[0; 100]).unwrap();
    bomb.splice(0..1, [0x80, 0xC2, 0xD7, 0x2F]); // says 100,000,000 bytes
    let plain = msg(1, 0, &ping());
    let short = snap::raw::Encoder::new().compress_vec(&[0; 10]).unwrap();
    let nested = compressed_of(2012, 10, 1, &short);
    vec![
        case("request-query-find", "5739101 reply", find),
        case(
            "request-query-no-database",
            "73 reply",
            query(1, ".$cmd", &rawdoc! {}),
        ),
        case(
            "request-query-two-documents",
            "16979 reply",
            query_of(1, 0, "a.$cmd", 2, &query_rest),
        ),
        case(
            "request-query-exhaust",
            "18527 reply",
            query_of(1, 64, "a.$cmd", -1, &query_rest),
        ),
        case(
            "request-query-trailing-byte",
            "22 reply",
            query_of(1, 0, "a.$cmd", -1, &with_tail),
        ),
        case(
            "request-query-no-namespace",
            "18633 reply",
            message(1, op_code::QUERY, b"\0\0\0\0admin.$cmd"),
        ),
        case(
            "request-get-more",
            "5739101 reply",
            message(1, op_code::GET_MORE, &[0; 20]),
        ),
        case(
            "request-insert",
            "5745706 close",
            message(1, op_code::INSERT, &[0; 20]),
        ),
        case(
            "request-kill-cursors",
            "5745707 close",
            message(1, op_code::KILL_CURSORS, &[0; 20]),
        ),
        case(
            "request-reply",
            "20 close",
            message(1, op_code::REPLY, &[0; 20]),
        ),
        case("request-unknown", "20 close", message(1, 4711, &[])),
        case(
            "request-compressed-no-fields",
            "2 close",
            message(1, op_code::COMPRESSED, &[0; 8]),
        ),
        case(
            "request-compressed-noop",
            "2 close",
            compressed_of(2013, 10, 0, &plain[16..]),
        ),
        case("request-compressed-nested", "20 close", nested),
        case(
            "request-compressed-declares-less",
            "2 close",
            compressed_of(2013, 9, 1, &short),
        ),
        case(
            "request-compressed-declares-too-much",
            "2 close",
            compressed_of(2013, 48_000_000, 1, &short),
        ),
        case(
            "request-compressed-bomb",
            "2 close",
            compressed_of(2013, 47_999_000, 1, &bomb),
        ),
        case(
            "request-length-15",
            "17 close",
            vec![15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xDD, 7, 0, 0],
        ),
    ]
}

fn all_requests() -> Vec<Case> {
    let mut cases = good_requests();
    cases.extend(bad_msgs());
    cases.extend(other_bad_requests());
    cases
}

/// What this server answers to [`good_requests`], and to one that is bad in an old way.
fn replies() -> Vec<Case> {
    let stream = msg(20, 1 << 16, &ping());
    let checked_stream = with_checksum(msg(21, 1 | 1 << 16, &ping()));
    let answer = |request: Vec<u8>| {
        let incoming = parse(Bytes::from(request), &WireLimits::default());
        let mut bytes = Vec::new();
        match incoming.request {
            Err(error) => incoming.reply.encode_legacy_error(77, &error, &mut bytes),
            Ok(_) => incoming
                .reply
                .encode(77, &rawdoc! { "ok": 1.0 }, true, &mut bytes),
        }
        bytes
    };
    vec![
        case("reply-msg", "OP_MSG", answer(msg(1, 0, &ping()))),
        case("reply-msg-stream", "OP_MSG", answer(stream)),
        case(
            "reply-msg-stream-checksum",
            "OP_MSG",
            answer(checked_stream),
        ),
        case(
            "reply-msg-snappy",
            "OP_COMPRESSED",
            answer(compressed(Compressor::Snappy, &msg(22, 0, &ping()))),
        ),
        case(
            "reply-reply",
            "OP_REPLY",
            answer(query(23, "a.$cmd", &rawdoc! { "isMaster": 1 })),
        ),
        case(
            "reply-removed",
            "OP_REPLY",
            answer(query(24, "a.users", &rawdoc! {})),
        ),
    ]
}

fn outcome(bytes: &[u8]) -> String {
    let limits = WireLimits::default();
    let parsed = match frame_length(bytes, limits.message_bytes_max) {
        Err(error) => Err(error),
        Ok(length) => {
            assert_eq!(length, Some(bytes.len()));
            parse(Bytes::copy_from_slice(bytes), &limits).request
        }
    };
    match parsed {
        Ok(Request::Msg(_)) => "OP_MSG".to_owned(),
        Ok(Request::Query(_)) => "OP_QUERY".to_owned(),
        Err(error) => {
            let end = if error.closes_connection() {
                "close"
            } else {
                "reply"
            };
            format!("{} {end}", error.code().0)
        }
    }
}

#[test]
fn requests_have_the_outcome_that_the_corpus_says() {
    for case in all_requests() {
        assert_eq!(outcome(&case.bytes), case.outcome, "{}", case.name);
    }
}

#[test]
fn the_files_hold_these_bytes() {
    let mut cases = all_requests();
    cases.extend(replies());
    let rewrite = std::env::var_os("PORTCULLIS_WRITE_FIXTURES").is_some();
    for case in &cases {
        let path = folder().join(format!("{}.hex", case.name));
        let text = to_text(case);
        if rewrite {
            fs::write(&path, &text).unwrap();
        }
        let found = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(found, text, "{}", path.display());
    }
    let files = fs::read_dir(folder()).unwrap().count();
    assert_eq!(files, cases.len() + 1, "a file belongs to no case");
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/wire")
}

fn to_text(case: &Case) -> String {
    let mut text = format!("# {}\n", case.outcome);
    for line in case.bytes.chunks(16) {
        let bytes: Vec<_> = line.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(text, "{}", bytes.join(" ")).unwrap();
    }
    text
}
