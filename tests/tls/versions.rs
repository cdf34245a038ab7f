//! TLS 1.2 and 1.3, and nothing older.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::support::TestServer;
use crate::support::tls_client::{TLS_VERSIONS, TlsClient};
use crate::{is_refused, options, ping};

/// The extension `signature_algorithms` (RFC 5246 section 7.4.1.4.1), with its length before it.
const SIGNATURE_ALGORITHMS: [u8; 10] = [0, 8, 0, 13, 0, 4, 0, 2, 4, 1];

/// A client hello as a client sends it that speaks nothing newer than `version` (RFC 5246 section
/// 7.4.1.2), in a record of TLS 1.0.
fn client_hello(version: [u8; 2], extensions: &[u8]) -> Vec<u8> {
    let mut hello = version.to_vec();
    hello.extend([7; 32]); // random
    hello.push(0); // no session
    hello.extend([0, 4, 0xC0, 0x13, 0x00, 0x2F]); // two cipher suites of that time
    hello.extend([1, 0]); // no compression
    hello.extend(extensions);
    let mut record = vec![22, 3, 1, 0, u8::try_from(hello.len() + 4).unwrap()];
    record.extend([1, 0, 0, u8::try_from(hello.len()).unwrap()]);
    record.extend(hello);
    record
}

/// What the server says to `bytes` until it closes.
fn answer(server: &TestServer, bytes: &[u8]) -> Vec<u8> {
    let mut tcp = TcpStream::connect(server.address()).unwrap();
    tcp.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).unwrap();
    answer
}

#[test]
fn older_versions_get_an_alert() {
    let server = options("requireTLS").start();
    // protocol_version; and handshake_failure where more is missing than a version.
    let alerts = [(&SIGNATURE_ALGORITHMS[..], 70), (&[][..], 40)];
    // TLS 1.0 and 1.1.
    for version in [[3, 1], [3, 2]] {
        for (extensions, alert) in alerts {
            let answer = answer(&server, &client_hello(version, extensions));
            let [21, 3, _, 0, 2, 2, found] = answer[..] else {
                panic!("no fatal alert: {answer:?}");
            };
            assert_eq!(found, alert);
        }
    }
    ping(&mut TlsClient::with("client").raw(&server)).unwrap();
}

#[test]
fn versions_can_be_switched_off() {
    let names = ["TLS1_2", "TLS1_3"];
    for (disabled, name) in names.into_iter().enumerate() {
        let list = format!("--tlsDisabledProtocols=TLS1_0,TLS1_1,{name}");
        let server = options("requireTLS").argument(list).start();
        for (place, version) in TLS_VERSIONS.into_iter().enumerate() {
            let client = TlsClient::with("client").version(version);
            assert_eq!(is_refused(&client, &server), place == disabled, "{name}");
        }
    }
    let server = options("requireTLS")
        .argument("--tlsDisabledProtocols=none")
        .start();
    ping(&mut TlsClient::with("client").raw(&server)).unwrap();
}
