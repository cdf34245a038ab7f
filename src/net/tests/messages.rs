//! Requests in, replies out.

use bson::rawdoc;
use tokio::io::AsyncWriteExt;

use super::support::{Event, TestServer, ok, soon};
use crate::net::Limits;
use crate::wire::testing::{
    body_section, compressed, message, msg, msg_of, query, read_reply, with_checksum,
};
use crate::wire::{Compressor, Request, WireLimits, op_code, parse};

const EXHAUST_ALLOWED: u32 = 1 << 16;
const MORE_TO_COME: u32 = 2;

#[tokio::test]
async fn a_request_may_come_in_single_bytes() {
    let mut server = TestServer::start(Limits::default()).await;
    let mut client = server.connect().await;
    client.0.set_nodelay(true).unwrap();
    for byte in msg(1, 0, &rawdoc! { "ping": 1 }) {
        client.send(&[byte]).await;
    }
    assert_eq!(client.reply().await.document, ok());
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_order() {
    let mut server = TestServer::start(Limits::default()).await;
    let mut client = server.connect().await;
    let requests: Vec<_> = (0..500)
        .map(|id| msg(id, 0, &rawdoc! { "echo": id }))
        .collect();
    client.send(&requests.concat()).await;
    for id in 0..500 {
        let reply = client.reply().await;
        assert_eq!(reply.header.response_to, id);
        assert_eq!(reply.header.request_id, id + 1);
        assert_eq!(reply.document, rawdoc! { "echo": id });
    }
    assert_eq!(server.counters.requests(), 500);
    let sent: usize = requests.iter().map(Vec::len).sum();
    assert_eq!(server.counters.bytes_in(), u64::try_from(sent).unwrap());
}

#[tokio::test]
async fn a_reply_does_not_wait_for_a_slow_request_behind_it() {
    let mut server = TestServer::start(Limits::default()).await;
    let mut client = server.connect().await;
    let requests = [
        msg(1, 0, &rawdoc! { "ping": 1 }),
        msg(2, 0, &rawdoc! { "wait": 1 }),
    ];
    client.send(&requests.concat()).await;
    assert_eq!(client.reply().await.header.response_to, 1);
    assert_eq!(server.event().await, Event::Waiting);
    server.gate.add_permits(1);
    assert_eq!(client.reply().await.header.response_to, 2);
}

#[tokio::test]
async fn large_messages_pass_both_ways() {
    let mut server = TestServer::start(Limits::default()).await;
    let mut client = server.connect().await;
    let body = rawdoc! { "echo": "x".repeat(10_000_000) };
    client.command(1, 0, &body).await;
    assert_eq!(client.reply().await.document, body);
    client.ping().await;
}

#[tokio::test]
async fn what_cannot_be_followed_ends_the_connection_without_a_reply() {
    let ping = rawdoc! { "ping": 1 };
    let mut wrong_checksum = with_checksum(msg(1, 1, &ping));
    *wrong_checksum.last_mut().unwrap() ^= 1;
    let mut compressed_garbage = compressed(Compressor::Zlib, &msg(1, 0, &ping));
    compressed_garbage[25] ^= 0xFF;
    let bad = [
        vec![15, 0, 0, 0],
        48_000_001_i32.to_le_bytes().to_vec(),
        (-1_i32).to_le_bytes().to_vec(),
        msg(1, 4, &ping),
        wrong_checksum,
        compressed_garbage,
        message(1, op_code::INSERT, &[0; 30]),
        message(1, 4711, &[0; 30]),
    ];
    let mut server = TestServer::start(Limits::default()).await;
    for bytes in bad {
        let mut client = server.connect().await;
        client.ping().await;
        client.send(&bytes).await;
        client.ends().await;
        assert_eq!(server.event().await, Event::Closed);
    }
}

#[tokio::test]
async fn other_malformed_requests_get_an_error_and_another_chance() {
    let mut server = TestServer::start(Limits::default()).await;
    let mut client = server.connect().await;
    let mut not_utf8 = rawdoc! { "ping": "x" }.into_bytes();
    let text = not_utf8.len() - 3;
    not_utf8[text] = 0xFF;
    for (code, bytes) in [
        (22, msg_of(1, 0, &[body_section(&not_utf8)])),
        (40587, msg_of(1, 0, &[])),
        (40432, msg_of(1, 0, &[vec![9]])),
    ] {
        client.send(&bytes).await;
        let reply = client.reply().await;
        assert_eq!(reply.document.get_i32("code").unwrap(), code);
    }
    client.ping().await;
}

#[tokio::test]
async fn replies_have_the_form_of_the_request() {
    let mut server = TestServer::start(Limits::default()).await;
    let mut client = server.connect().await;
    let ping = rawdoc! { "ping": 1 };

    client.send(&with_checksum(msg(1, 1, &ping))).await;
    assert_eq!(client.reply().await.flags, 1);

    client.send(&query(2, "admin.$cmd", &ping)).await;
    let reply = client.reply().await;
    assert_eq!((reply.header.op_code, reply.flags), (op_code::REPLY, 8));

    client.send(&query(3, "test.users", &ping)).await;
    let reply = client.reply().await;
    assert_eq!((reply.header.op_code, reply.flags), (op_code::REPLY, 2));
    assert_eq!(reply.document.get_i32("code").unwrap(), 5_739_101);

    for compressor in Compressor::ALL {
        let request = compressed(compressor, &msg(4, 0, &rawdoc! { "echo": 4 }));
        client.send(&request).await;
        let reply = parse(client.message().await.into(), &WireLimits::default());
        let Ok(Request::Msg(reply)) = reply.request else {
            panic!("unreadable reply");
        };
        assert_eq!(reply.compressor(), Some(compressor));
        assert_eq!(reply.body(), &*rawdoc! { "echo": 4 });
    }
}

#[tokio::test]
async fn a_request_that_wants_no_reply_gets_none() {
    let mut server = TestServer::start(Limits::default()).await;
    let mut client = server.connect().await;
    let unwanted = MORE_TO_COME | EXHAUST_ALLOWED;
    client.command(1, unwanted, &rawdoc! { "stream": 5 }).await;
    client
        .command(2, MORE_TO_COME, &rawdoc! { "ping": 1 })
        .await;
    client.send(&msg_of(3, MORE_TO_COME, &[])).await;
    client.ping().await;
}

#[tokio::test]
async fn a_stream_chains_its_messages() {
    let mut server = TestServer::start(Limits::default()).await;
    let mut client = server.connect().await;
    client
        .command(10, EXHAUST_ALLOWED, &rawdoc! { "stream": 2 })
        .await;
    let mut response_to = 10;
    for left in [2, 1, 0] {
        let reply = client.reply().await;
        assert_eq!(reply.header.response_to, response_to);
        assert_eq!(reply.flags, MORE_TO_COME);
        assert_eq!(reply.document, rawdoc! { "left": left });
        response_to = reply.header.request_id;
    }
    assert_eq!(server.event().await, Event::Waiting);

    // Sent while the stream waits: neither lost nor answered before the stream is over.
    let ahead = msg(11, 0, &rawdoc! { "ping": 1 });
    client.send(&ahead[..20]).await;
    client.send(&ahead[20..]).await;
    server.gate.add_permits(1);
    let reply = client.reply().await;
    assert_eq!(reply.header.response_to, response_to);
    assert_eq!(reply.flags, 0);
    assert_eq!(reply.document, rawdoc! { "left": -1 });
    assert_eq!(client.reply().await.header.response_to, 11);
}

#[tokio::test]
async fn a_stream_must_be_allowed() {
    let mut server = TestServer::start(Limits::default()).await;
    let mut client = server.connect().await;
    client.command(1, 0, &rawdoc! { "stream": 2 }).await;
    let reply = client.reply().await;
    assert_eq!((reply.flags, reply.header.response_to), (0, 1));
    client.ping().await;
}

#[tokio::test]
async fn a_peer_that_sends_no_more_still_gets_its_replies() {
    let mut server = TestServer::start(Limits::default()).await;
    let mut client = server.connect().await;
    let requests = [
        msg(1, 0, &rawdoc! { "wait": 1 }),
        msg(2, 0, &rawdoc! { "ping": 1 }),
    ];
    client.send(&requests.concat()).await;
    soon(client.0.shutdown()).await.unwrap();
    assert_eq!(server.event().await, Event::Waiting);
    server.gate.add_permits(1);
    assert_eq!(client.reply().await.header.response_to, 1);
    assert_eq!(client.reply().await.header.response_to, 2);
    client.ends().await;
}

#[tokio::test]
async fn browsers_are_told() {
    let mut server = TestServer::start(Limits::default()).await;
    let mut client = server.connect().await;
    client.send(b"GET / HTTP/1.1\r\n\r\n").await;
    let mut answer = String::new();
    let read = tokio::io::AsyncReadExt::read_to_string(&mut client.0, &mut answer);
    soon(read).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 OK\r\n"));
    assert!(head.contains(&format!("Content-Length: {}", body.len())));
    assert!(body.contains("over HTTP on the native driver port"));
}

#[tokio::test]
async fn a_panic_ends_one_connection_only() {
    let mut server = TestServer::start(Limits::default()).await;
    let mut other = server.connect().await;
    let mut client = server.connect().await;
    client.command(1, 0, &rawdoc! { "panic": 1 }).await;
    let reply = read_reply(&client.message().await);
    assert_eq!(reply.header.response_to, 1);
    assert_eq!(reply.document.get_i32("code").unwrap(), 1);
    assert_eq!(reply.document.get_str("codeName").unwrap(), "InternalError");
    client.ends().await;
    assert_eq!(server.event().await, Event::Closed);
    assert_eq!(server.counters.panicked(), 1);
    other.ping().await;
}
