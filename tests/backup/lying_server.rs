//! A server that sends what no server has: the backup ends with a sentence, and nothing is left.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use bson::spec::BinarySubtype;
use bson::{Binary, Bson, Document, doc};
use tempfile::TempDir;

use crate::common::{backup_into, refusal};

/// Magic and format version.
const START: &[u8] = b"PCBACKUP\x01\0\0\0\0\0\0\0";
/// Of the cursor that never ends.
const CURSOR: i64 = 7;

/// Answers one client, `getMore` with these batches and then with the last one for ever.
fn lie(batches: Vec<Vec<Vec<u8>>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut sent = 0;
        while let Some((request_id, command)) = receive(&mut client) {
            let mut cursor = doc! { "id": CURSOR, "ns": "admin.$cmd.portcullisBackup" };
            if command.contains_key("getMore") {
                let batch = batches[sent.min(batches.len() - 1)].iter();
                let pieces: Vec<Bson> = batch.map(|bytes| piece(bytes)).collect();
                cursor.insert("nextBatch", pieces);
                sent += 1;
            }
            answer(
                &mut client,
                request_id,
                &doc! { "cursor": cursor, "ok": 1.0 },
            );
        }
    });
    port
}

fn piece(bytes: &[u8]) -> Bson {
    let data = Binary {
        subtype: BinarySubtype::Generic,
        bytes: bytes.to_vec(),
    };
    Bson::Document(doc! { "data": data })
}

/// A request of `OP_MSG` with one section; `None` when the client is gone.
fn receive(client: &mut TcpStream) -> Option<([u8; 4], Document)> {
    let mut header = [0; 21];
    client.read_exact(&mut header).ok()?;
    let length = i32::from_le_bytes(header[..4].try_into().unwrap());
    let mut body = vec![0; usize::try_from(length).unwrap() - header.len()];
    client.read_exact(&mut body).ok()?;
    let command = Document::from_reader(body.as_slice()).unwrap();
    Some((header[4..8].try_into().unwrap(), command))
}

fn answer(client: &mut TcpStream, request_id: [u8; 4], reply: &Document) {
    let body = reply.to_vec().unwrap();
    let length = i32::try_from(21 + body.len()).unwrap();
    let mut message = length.to_le_bytes().to_vec();
    message.extend([0; 4]);
    message.extend(request_id);
    message.extend(2013_i32.to_le_bytes());
    message.extend([0; 5]);
    message.extend(body);
    client.write_all(&message).unwrap();
}

#[test]
fn a_server_that_lies_gets_a_sentence_and_nothing_is_left() {
    let begun = |sequence: u64| [START, &sequence.to_le_bytes()].concat();
    let nothing_more = "the server says that there is more of the backup and sends nothing";
    for (batches, text) in [
        // Noted as "nothing was acknowledged", it would let a server start from half a backup.
        (
            vec![vec![begun(0)]],
            "it names commit 0, which there cannot be",
        ),
        (
            vec![vec![begun(u64::MAX)]],
            "it names commit 18446744073709551615, which there cannot be",
        ),
        (vec![vec![]], nothing_more),
        (vec![vec![begun(1)], vec![]], nothing_more),
        (vec![vec![begun(1)], vec![vec![], vec![]]], nothing_more),
    ] {
        let folder = TempDir::new().unwrap();
        let copy = folder.path().join("copy");
        let mut command = backup_into(&copy);
        let port = lie(batches).to_string();
        command.args(["--host", "127.0.0.1", "--port", &port]);
        let refused = refusal(command);
        assert!(refused.contains(text), "{refused}");
        assert!(!copy.exists());
    }
}
