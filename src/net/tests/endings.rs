//! Limits, peers that leave, and stopping.

use bson::rawdoc;
use tokio::task::yield_now;

use super::support::{Event, TestServer, ok};
use crate::net::Limits;
use crate::wire::testing::msg;

const EXHAUST_ALLOWED: u32 = 1 << 16;

#[tokio::test]
async fn a_stream_ends_when_its_peer_leaves() {
    let mut server = TestServer::start(Limits::default()).await;
    let mut client = server.connect().await;
    client
        .command(1, EXHAUST_ALLOWED, &rawdoc! { "stream": 0 })
        .await;
    client.reply().await;
    assert_eq!(server.event().await, Event::Waiting);
    drop(client);
    assert_eq!(server.event().await, Event::Abandoned);
    assert_eq!(server.event().await, Event::Closed);
}

#[tokio::test]
async fn an_awaitable_request_ends_when_its_peer_leaves() {
    let mut server = TestServer::start(Limits::default()).await;
    let mut client = server.connect().await;
    client
        .command(1, 0, &rawdoc! { "hello": 1, "maxAwaitTimeMS": 10_000 })
        .await;
    assert_eq!(server.event().await, Event::Waiting);
    drop(client);
    assert_eq!(server.event().await, Event::Abandoned);
    assert_eq!(server.event().await, Event::Closed);
}

#[tokio::test]
async fn other_requests_run_to_their_end_when_their_peer_leaves() {
    let mut server = TestServer::start(Limits::default()).await;
    let mut client = server.connect().await;
    client.command(1, 0, &rawdoc! { "wait": 1 }).await;
    assert_eq!(server.event().await, Event::Waiting);
    drop(client);
    for _ in 0..1000 {
        yield_now().await; // gives the server every chance to see that the peer is gone
    }
    server.gate.add_permits(1);
    assert_eq!(server.event().await, Event::Passed);
    assert_eq!(server.event().await, Event::Closed);
}

#[tokio::test]
async fn connections_have_a_limit() {
    let limits = Limits {
        max_incoming_connections: 1,
        ..Limits::default()
    };
    let mut server = TestServer::start(limits).await;
    let mut first = server.connect().await;
    let mut second = server.connect_unseen().await;
    second.ends().await;
    first.ping().await;
    let counters = &server.counters;
    assert_eq!((counters.current(), counters.available()), (1, 0));
    assert_eq!((counters.rejected(), counters.total_created()), (1, 1));

    drop(first);
    assert_eq!(server.event().await, Event::Closed);
    while server.counters.current() > 0 {
        yield_now().await;
    }
    let mut third = server.connect().await;
    third.ping().await;
}

#[tokio::test]
async fn a_peer_must_send_its_first_message_in_time() {
    let limits = Limits {
        handshake_timeout_ms: 50,
        ..Limits::default()
    };
    let mut server = TestServer::start(limits).await;
    let mut silent = server.connect().await;
    let mut slow = server.connect().await;
    slow.send(&msg(1, 0, &rawdoc! { "ping": 1 })[..30]).await;
    silent.ends().await;
    slow.ends().await;
}

#[tokio::test]
async fn a_message_must_arrive_in_time_once_it_has_begun() {
    let limits = Limits {
        message_timeout_ms: 50,
        ..Limits::default()
    };
    let mut server = TestServer::start(limits).await;
    let mut client = server.connect().await;
    client.ping().await;
    client.send(&[40]).await;
    client.ends().await;
}

#[tokio::test]
async fn idle_connections_end_if_told_so() {
    let limits = Limits {
        idle_timeout_ms: Some(50),
        ..Limits::default()
    };
    let mut server = TestServer::start(limits).await;
    let mut client = server.connect().await;
    client.ping().await;
    client.ends().await;
}

#[tokio::test]
async fn a_peer_that_does_not_read_is_left() {
    let limits = Limits {
        write_timeout_ms: 50,
        ..Limits::default()
    };
    let mut server = TestServer::start(limits).await;
    let mut client = server.connect().await;
    client.command(1, 0, &rawdoc! { "large": 16_000_000 }).await;
    assert_eq!(server.event().await, Event::Closed);
    assert_eq!(server.counters.bytes_out(), 0);
}

#[tokio::test]
async fn an_answer_may_be_the_last() {
    let mut server = TestServer::start(Limits::default()).await;
    let mut client = server.connect().await;
    let requests = [
        msg(1, 0, &rawdoc! { "close": 1 }),
        msg(2, 0, &rawdoc! { "ping": 1 }),
    ];
    client.send(&requests.concat()).await;
    assert_eq!(client.reply().await.header.response_to, 1);
    client.ends().await;
}

#[tokio::test]
async fn stopping_lets_a_command_finish() {
    let mut server = TestServer::start(Limits::default()).await;
    let mut idle = server.connect().await;
    let mut busy = server.connect().await;
    busy.command(1, 0, &rawdoc! { "wait": 1 }).await;
    assert_eq!(server.event().await, Event::Waiting);

    server.stop.stop();
    idle.ends().await;
    assert_eq!(server.event().await, Event::Closed);
    server.gate.add_permits(1);
    assert_eq!(busy.reply().await.document, ok());
    busy.ends().await;
    assert_eq!(server.served().await.connections_dropped, 0);
    assert_eq!(server.counters.current(), 0);
    let refused = tokio::net::TcpStream::connect(server.address()).await;
    assert!(refused.is_err(), "nobody may listen any more");
}

#[tokio::test]
async fn stopping_ends_streams() {
    let mut server = TestServer::start(Limits::default()).await;
    let mut client = server.connect().await;
    client
        .command(1, EXHAUST_ALLOWED, &rawdoc! { "stream": 0 })
        .await;
    client.reply().await;
    assert_eq!(server.event().await, Event::Waiting);
    server.stop.stop();
    assert_eq!(server.event().await, Event::Abandoned);
    client.ends().await;
    assert_eq!(server.served().await.connections_dropped, 0);
}

#[tokio::test]
async fn stopping_has_a_limit() {
    let limits = Limits {
        stop_timeout_ms: 50,
        ..Limits::default()
    };
    let mut server = TestServer::start(limits).await;
    let mut client = server.connect().await;
    client.command(1, 0, &rawdoc! { "wait": 1 }).await;
    assert_eq!(server.event().await, Event::Waiting);
    server.stop.stop();
    assert_eq!(server.served().await.connections_dropped, 1);
    client.ends().await;
    assert_eq!(server.event().await, Event::Abandoned);
    assert_eq!(server.event().await, Event::Closed);
}
