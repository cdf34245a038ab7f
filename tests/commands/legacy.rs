//! Messages that are not plain `OP_MSG`: `OP_QUERY`, as drivers before it and many since send their
//! first commands, and `OP_COMPRESSED`.

use std::io::Read;

use bson::{Document, RawDocumentBuf, doc};

use crate::support::scram_client::{Exchange, payload};
use crate::support::{ADMIN, RawClient, binary, error_of};
use crate::table::server;

const OP_REPLY: i32 = 1;
const OP_QUERY: i32 = 2004;
const OP_COMPRESSED: i32 = 2012;
const OP_MSG: i32 = 2013;

/// Runs a command by `OP_QUERY`.
fn query(client: &mut RawClient, namespace: &str, flags: u32, command: &Document) -> Document {
    let mut body = flags.to_le_bytes().to_vec();
    body.extend_from_slice(namespace.as_bytes());
    body.extend_from_slice(&[0, 0, 0, 0, 0]); // the namespace's end, nothing skipped
    body.extend_from_slice(&(-1_i32).to_le_bytes());
    body.extend_from_slice(RawDocumentBuf::try_from(command).unwrap().as_bytes());
    client.send(OP_QUERY, &body);
    let (op_code, reply) = client.receive();
    assert_eq!(op_code, OP_REPLY);
    let (cursor_id, from, count) = (&reply[4..12], &reply[12..16], &reply[16..20]);
    assert_eq!(
        (cursor_id, from, count),
        (&[0; 8][..], &[0; 4][..], &[1, 0, 0, 0][..])
    );
    let document = RawDocumentBuf::from_bytes(reply[20..].to_vec()).unwrap();
    Document::try_from(document).unwrap()
}

#[test]
fn the_handshake_may_come_by_op_query() {
    let server = server();
    for (name, flags) in [
        ("isMaster", 0),
        ("ismaster", 4),
        ("hello", 4),
        ("isMaster", 4),
    ] {
        let mut client = server.raw();
        let command = doc! {
            name: 1, "helloOk": true, "backpressure": "2", "compression": ["snappy"],
            "client": { "driver": { "name": "old", "version": "1" }, "os": { "type": "Linux" } },
        };
        let reply = query(&mut client, "admin.$cmd", flags, &command);
        let writable = if name == "hello" {
            "isWritablePrimary"
        } else {
            "ismaster"
        };
        assert_eq!(reply.get_bool(writable).ok(), Some(true), "{reply}");
        assert_eq!(reply.get_i32("maxWireVersion").unwrap(), 25);
        assert!(reply.get_array("compression").is_ok());
        assert_eq!(reply.get_f64("ok").ok(), Some(1.0));
        // The rest of the connection speaks OP_MSG.
        assert_eq!(client.run("admin", doc! { "ping": 1 }), doc! { "ok": 1.0 });
    }
}

#[test]
fn a_whole_sign_in_may_come_by_op_query() {
    let server = server();
    let mut client = server.raw();
    let exchange = Exchange::new("SCRAM-SHA-1", ADMIN.0, ADMIN.1);
    let build = query(&mut client, "admin.$cmd", 0, &doc! { "buildinfo": 1 });
    assert_eq!(build.get_str("version").unwrap(), "8.0.0");
    let start = doc! {
        "saslStart": 1, "mechanism": "SCRAM-SHA-1",
        "payload": binary(exchange.first().as_bytes()),
    };
    let started = query(&mut client, "admin.$cmd", 4, &start);
    let last = exchange.last(&payload(&started));
    let mut proceed = |message: &str| {
        let message = binary(message.as_bytes());
        let command = doc! { "saslContinue": 1, "conversationId": 1, "payload": message };
        query(&mut client, "admin.$cmd", 4, &command)
    };
    assert_eq!(payload(&proceed(&last.message)), last.answer);
    assert_eq!(proceed("").get_bool("done").ok(), Some(true));
    assert_eq!(client.signed_in_user().as_deref(), Some("admin@admin"));
}

#[test]
fn a_wrong_password_is_refused_by_op_query_too() {
    let server = server();
    let start = doc! { "saslStart": 1, "mechanism": "SCRAM-SHA-1", "payload": binary(b"x") };
    let refused = query(&mut server.raw(), "admin.$cmd", 0, &start);
    assert_eq!(error_of(&refused), (18, "Authentication failed.".into()));
}

#[test]
fn other_commands_may_not_come_by_op_query() {
    let server = server();
    let mut client = server.raw();
    for name in [
        "ping",
        "find",
        "usersInfo",
        "createUser",
        "getLastError",
        "nope",
    ] {
        let reply = query(&mut client, "shop.$cmd", 0, &doc! { name: 1 });
        let text = format!(
            "Unsupported OP_QUERY command: {name}. The client driver may require an upgrade. For \
             more details see https://dochub.mongodb.org/core/legacy-opcode-removal"
        );
        assert_eq!(error_of(&reply), (352, text));
        assert_eq!(
            reply.get_str("codeName").unwrap(),
            "UnsupportedOpQueryCommand"
        );
    }
    assert_eq!(client.run("admin", doc! { "ping": 1 }), doc! { "ok": 1.0 });
}

fn compress(compressor: &str, bytes: &[u8]) -> (u8, Vec<u8>) {
    match compressor {
        "snappy" => (1, snap::raw::Encoder::new().compress_vec(bytes).unwrap()),
        "zlib" => {
            let mut encoder = flate2::read::ZlibEncoder::new(bytes, flate2::Compression::default());
            let mut compressed = Vec::new();
            encoder.read_to_end(&mut compressed).unwrap();
            (2, compressed)
        }
        _ => (3, zstd::bulk::compress(bytes, 0).unwrap()),
    }
}

fn decompress(compressor: &str, bytes: &[u8], length: usize) -> Vec<u8> {
    let bytes = match compressor {
        "snappy" => snap::raw::Decoder::new().decompress_vec(bytes).unwrap(),
        "zlib" => {
            let mut out = Vec::new();
            flate2::read::ZlibDecoder::new(bytes)
                .read_to_end(&mut out)
                .unwrap();
            out
        }
        _ => zstd::bulk::decompress(bytes, length).unwrap(),
    };
    assert_eq!(bytes.len(), length);
    bytes
}

/// Runs a command in `OP_COMPRESSED`; the answer must be compressed alike.
fn run_compressed(client: &mut RawClient, compressor: &str, command: &Document) -> Document {
    let command = RawDocumentBuf::try_from(command).unwrap();
    let message = [&[0, 0, 0, 0, 0], command.as_bytes()].concat();
    let (number, compressed) = compress(compressor, &message);
    let mut body = OP_MSG.to_le_bytes().to_vec();
    body.extend_from_slice(&i32::try_from(message.len()).unwrap().to_le_bytes());
    body.push(number);
    body.extend_from_slice(&compressed);
    client.send(OP_COMPRESSED, &body);
    let (op_code, reply) = client.receive();
    assert_eq!(op_code, OP_COMPRESSED, "{compressor}");
    let word = |at: usize| i32::from_le_bytes(reply[at..at + 4].try_into().unwrap());
    assert_eq!((word(0), reply[8]), (OP_MSG, number));
    let plain = decompress(compressor, &reply[9..], usize::try_from(word(4)).unwrap());
    let document = RawDocumentBuf::from_bytes(plain[5..].to_vec()).unwrap();
    Document::try_from(document).unwrap()
}

#[test]
fn every_compressor_works() {
    let server = server();
    for compressor in ["snappy", "zlib", "zstd"] {
        let mut client = server.raw();
        let hello = doc! { "hello": 1, "compression": [compressor], "$db": "admin" };
        let greeted = client.run("admin", hello.clone());
        assert_eq!(
            greeted.get_array("compression").unwrap(),
            &vec![compressor.into()]
        );
        let ping = doc! { "ping": 1, "$db": "admin", "comment": "c".repeat(10_000) };
        assert_eq!(
            run_compressed(&mut client, compressor, &ping),
            doc! { "ok": 1.0 }
        );
        let again = run_compressed(&mut client, compressor, &hello);
        assert_eq!(again.get_bool("isWritablePrimary").ok(), Some(true));
        let refused = doc! { "usersInfo": 1, "$db": "admin" };
        assert_eq!(
            error_of(&run_compressed(&mut client, compressor, &refused)).0,
            13
        );
        // Without compression in between.
        assert_eq!(client.run("admin", doc! { "ping": 1 }), doc! { "ok": 1.0 });
    }
}
