//! TLS on real sockets: who gets in, what the peer is known by, and that messages pass as ever.

use bson::rawdoc;
use rustls::HandshakeKind;
use rustls::pki_types::ServerName;
use rustls::version::TLS13;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;
use tokio_rustls::TlsConnector;

use super::support::{Client, Event, TestServer, ok, soon};
use super::tls_support::{
    BOTH_VERSIONS, client_config, connect, der, file, start, start_with, tls,
};
use crate::net::{Limits, Peer, TlsVersion};
use crate::wire::testing::{msg, read_reply};

/// Who the server met, and nothing else.
async fn met(server: &mut TestServer) -> Peer {
    match server.event().await {
        Event::Connected(peer) => peer,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_peer_is_known_by_version_name_and_certificate() {
    let mut server = start(&tls(|_| {})).await;
    for (version, name) in BOTH_VERSIONS.into_iter().zip(["TLSv1.2", "TLSv1.3"]) {
        let mut client = connect(&server, Some("client"), &[version]).await.unwrap();
        client.ping().await;
        let session = met(&mut server).await.tls.unwrap();
        assert_eq!(session.version, name);
        assert_eq!(session.server_name.as_deref(), Some("localhost"));
        assert_eq!(
            session.client_certificate.as_deref(),
            Some(&der("client")[..])
        );
        drop(client);
        assert_eq!(server.event().await, Event::Closed);
    }
    let counters = &server.counters;
    assert_eq!(
        [TlsVersion::Tls12, TlsVersion::Tls13].map(|version| counters.tls(version)),
        [1, 1]
    );
}

#[tokio::test]
async fn a_client_without_a_certificate_or_a_name_has_neither() {
    let lenient = tls(|options| options.allow_connections_without_certificates = true);
    let mut server = start(&lenient).await;
    let tcp = server.connect_unseen().await.0;
    let connector = TlsConnector::from(client_config(None, &[&TLS13]));
    let address = ServerName::try_from("127.0.0.1").unwrap();
    let mut client = Client(soon(connector.connect(address, tcp)).await.unwrap());
    client.ping().await;
    let session = met(&mut server).await.tls.unwrap();
    assert_eq!(
        (&session.server_name, &session.client_certificate),
        (&None, &None)
    );
}

/// Certificates that must not let anybody in, and a part of the reason that is logged.
#[tokio::test]
async fn bad_certificates_are_refused_and_others_are_not_disturbed() {
    let refused = [
        Some("client-expired"),
        Some("client-of-other-ca"),
        Some("client-wrong-usage"),
        Some("client-revoked"),
        None,
    ];
    for allow_connections_without_certificates in [false, true] {
        let tls = tls(|options| {
            options.crl_file = Some(file("crl"));
            options.allow_connections_without_certificates = allow_connections_without_certificates;
        });
        let mut server = start(&tls).await;
        let mut good = connect(&server, Some("client"), &BOTH_VERSIONS)
            .await
            .unwrap();
        good.ping().await;
        met(&mut server).await;
        for version in BOTH_VERSIONS {
            for certificate in refused {
                if certificate.is_none() && allow_connections_without_certificates {
                    continue;
                }
                let client = connect(&server, certificate, &[version]).await;
                // TLS 1.3 lets the client begin before the server has seen its certificate.
                if let Ok(mut client) = client {
                    let _ = client.0.write_all(&msg(1, 0, &rawdoc! { "ping": 1 })).await;
                    let answer = soon(client.0.read(&mut [0])).await;
                    assert!(!matches!(answer, Ok(1..)), "{certificate:?} got in");
                }
            }
        }
        good.ping().await;
        drop(good);
        // Nobody else was ever connected.
        assert_eq!(server.event().await, Event::Closed);
    }
}

#[tokio::test]
async fn nobody_comes_back_without_showing_a_certificate() {
    let server = start(&tls(|_| {})).await;
    for version in BOTH_VERSIONS {
        // One configuration, and with it one memory of sessions to resume.
        let connector = TlsConnector::from(client_config(Some("client"), &[version]));
        for _ in 0..2 {
            let name = ServerName::try_from("localhost").unwrap();
            let tcp = server.connect_unseen().await.0;
            let mut client = Client(soon(connector.connect(name, tcp)).await.unwrap());
            client.ping().await;
            let (_, connection) = client.0.get_ref();
            assert_eq!(connection.handshake_kind(), Some(HandshakeKind::Full));
        }
    }
}

#[tokio::test]
async fn a_certificate_that_names_nobody_is_still_verified() {
    let mut server = start(&tls(|_| {})).await;
    let mut client = connect(&server, Some("client-without-subject"), &BOTH_VERSIONS)
        .await
        .unwrap();
    client.ping().await;
    let session = met(&mut server).await.tls.unwrap();
    assert_eq!(
        session.client_certificate.as_deref(),
        Some(&der("client-without-subject")[..])
    );
}

#[tokio::test]
async fn plain_clients_get_in_unless_tls_is_required() {
    let mut server = start(&tls(|options| options.is_required = false)).await;
    let mut plain = server.connect_unseen().await;
    plain.ping().await;
    assert_eq!(met(&mut server).await.tls, None);
    let mut encrypted = connect(&server, Some("client"), &BOTH_VERSIONS)
        .await
        .unwrap();
    encrypted.ping().await;
    assert!(met(&mut server).await.tls.is_some());
    // What the peer sent before it was known to be plain is counted as everything else.
    let length = msg(1, 0, &rawdoc! { "ping": 1 }).len() as u64;
    assert_eq!(server.counters.bytes_in(), 2 * length);

    let server = start(&tls(|_| {})).await;
    for bytes in [
        &msg(1, 0, &rawdoc! { "ping": 1 })[..],
        b"GET / HTTP/1.1\r\n",
    ] {
        let mut plain = server.connect_unseen().await;
        plain.send(bytes).await;
        plain.ends().await;
    }
}

#[tokio::test]
async fn a_plain_message_may_begin_like_a_record() {
    let mut server = start(&tls(|options| options.is_required = false)).await;
    // 278 and 790 bytes: the lengths begin with 22, and with 22 and 3.
    for length in [278, 790] {
        let empty = msg(1, 0, &rawdoc! { "echo": "" }).len();
        let body = rawdoc! { "echo": "x".repeat(length - empty) };
        let message = msg(1, 0, &body);
        assert_eq!((message.len(), message[0]), (length, 22));
        let mut client = server.connect_unseen().await;
        for byte in message {
            client.send(&[byte]).await;
            yield_now().await;
        }
        assert_eq!(client.reply().await.document, body);
        assert_eq!(met(&mut server).await.tls, None);
        drop(client);
        assert_eq!(server.event().await, Event::Closed);
    }
}

/// A TCP connection that hands on what is written one byte at a time.
async fn byte_by_byte(server: &TestServer) -> TcpStream {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).await;
    let (mut inside, _) = listener.accept().await.unwrap();
    let mut outside = server.connect_unseen().await.0;
    outside.set_nodelay(true).unwrap();
    tokio::spawn(async move {
        let (mut answers, mut requests) = outside.split();
        let (mut from_client, mut to_client) = inside.split();
        let forth = async {
            let mut byte = [0];
            while from_client.read_exact(&mut byte).await.is_ok() {
                requests.write_all(&byte).await.unwrap();
                yield_now().await;
            }
        };
        let back = tokio::io::copy(&mut answers, &mut to_client);
        tokio::select! {
            () = forth => {}
            _ = back => {}
        }
    });
    near.unwrap()
}

#[tokio::test]
async fn a_handshake_may_come_byte_by_byte() {
    let mut server = start(&tls(|_| {})).await;
    for version in BOTH_VERSIONS {
        let tcp = byte_by_byte(&server).await;
        let connector = TlsConnector::from(client_config(Some("client"), &[version]));
        let name = ServerName::try_from("localhost").unwrap();
        let mut client = Client(soon(connector.connect(name, tcp)).await.unwrap());
        client.ping().await;
        met(&mut server).await;
        drop(client);
        assert_eq!(server.event().await, Event::Closed);
    }
}

#[tokio::test]
async fn who_leaves_or_stays_silent_in_the_handshake_disturbs_nobody() {
    let limits = Limits {
        handshake_timeout_ms: 2000,
        ..Limits::default()
    };
    let mut server = start_with(&tls(|_| {}), limits).await;
    let beginnings: [&[u8]; 5] = [
        &[],
        &[22],
        &[22, 3, 1],
        &[22, 3, 1, 2, 0, 1, 0, 1, 252],
        &[22, 3, 1, 0xFF, 0xFF],
    ];
    let mut silent = Vec::new();
    for bytes in beginnings {
        let mut leaves = server.connect_unseen().await;
        leaves.send(bytes).await;
        drop(leaves);
        let mut stays = server.connect_unseen().await;
        stays.send(bytes).await;
        silent.push(stays);
    }
    let mut client = connect(&server, Some("client"), &BOTH_VERSIONS)
        .await
        .unwrap();
    client.ping().await;
    met(&mut server).await;
    for mut stays in silent {
        // An alert may come before the end.
        let mut rest = Vec::new();
        let _ = soon(stays.0.read_to_end(&mut rest)).await;
    }
    client.ping().await;
    while server.counters.current() > 1 {
        yield_now().await;
    }
}

#[tokio::test]
async fn large_and_pipelined_messages_pass() {
    let mut server = start(&tls(|_| {})).await;
    for version in BOTH_VERSIONS {
        let mut client = connect(&server, Some("client"), &[version]).await.unwrap();
        let body = rawdoc! { "echo": "x".repeat(16_700_000) };
        let request = msg(1, 0, &body);
        let (mut reading, mut writing) = tokio::io::split(client.0);
        let sent = tokio::spawn(async move {
            writing.write_all(&request).await.unwrap();
            writing.flush().await.unwrap();
            writing
        });
        let mut reply = vec![0; msg(1, 0, &body).len()];
        soon(reading.read_exact(&mut reply)).await.unwrap();
        assert_eq!(read_reply(&reply).document, body);
        client = Client(reading.unsplit(sent.await.unwrap()));

        let pings: Vec<u8> = (1..=100)
            .flat_map(|id| msg(id, 0, &rawdoc! { "ping": 1 }))
            .collect();
        client.send(&pings).await;
        for id in 1..=100 {
            let reply = client.reply().await;
            assert_eq!((reply.header.response_to, reply.document), (id, ok()));
        }
        met(&mut server).await;
        drop(client);
        assert_eq!(server.event().await, Event::Closed);
    }
}

#[tokio::test]
async fn who_reads_late_still_gets_the_whole_reply() {
    let server = start(&tls(|_| {})).await;
    let mut client = connect(&server, Some("client"), &BOTH_VERSIONS)
        .await
        .unwrap();
    client.command(1, 0, &rawdoc! { "large": 16_000_000 }).await;
    let mut pieces = Vec::new();
    let mut piece = vec![0; 16_384];
    while pieces.len() < 16_000_000 {
        // The server fills the kernel's buffers again and again, and at last has to wait.
        yield_now().await;
        let count = soon(client.0.read(&mut piece)).await.unwrap();
        pieces.extend_from_slice(&piece[..count]);
    }
    let length = i32::from_le_bytes(pieces[..4].try_into().unwrap());
    assert_eq!(pieces.len(), usize::try_from(length).unwrap());
}

#[tokio::test]
async fn a_peer_that_leaves_is_noticed_while_its_command_runs() {
    let mut server = start(&tls(|_| {})).await;
    let mut client = connect(&server, Some("client"), &BOTH_VERSIONS)
        .await
        .unwrap();
    client
        .command(1, 0, &rawdoc! { "hello": 1, "maxAwaitTimeMS": 10_000 })
        .await;
    met(&mut server).await;
    assert_eq!(server.event().await, Event::Waiting);
    drop(client);
    assert_eq!(server.event().await, Event::Abandoned);
    assert_eq!(server.event().await, Event::Closed);
}

#[tokio::test]
async fn the_end_is_announced() {
    let mut server = start(&tls(|_| {})).await;
    let mut last = connect(&server, Some("client"), &BOTH_VERSIONS)
        .await
        .unwrap();
    last.command(1, 0, &rawdoc! { "close": 1 }).await;
    assert_eq!(last.reply().await.document, ok());
    // Without close_notify this would be an error: the end could be an attacker's.
    assert_eq!(soon(last.0.read(&mut [0])).await.unwrap(), 0);
    met(&mut server).await;
    assert_eq!(server.event().await, Event::Closed);

    let mut idle = connect(&server, Some("client"), &BOTH_VERSIONS)
        .await
        .unwrap();
    idle.ping().await;
    met(&mut server).await;
    server.stop.stop();
    assert_eq!(soon(idle.0.read(&mut [0])).await.unwrap(), 0);
    assert_eq!(server.served().await.connections_dropped, 0);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_handshake() {
    let mut server = start(&tls(|_| {})).await;
    let mut silent = server.connect_unseen().await;
    silent.send(&[22, 3]).await;
    while server.counters.current() == 0 {
        yield_now().await;
    }
    server.stop.stop();
    silent.ends().await;
    assert_eq!(server.served().await.connections_dropped, 0);
}
