//! What a connection waits for, where records are not messages.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};

use rustls::ClientConnection;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;
use tokio_rustls::TlsConnector;

use super::support::soon;
use super::tls_support::{BOTH_VERSIONS, client_config, tls};
use crate::net::buffer::Input;
use crate::net::stream::Stream;
use crate::net::tls::secure;

/// Counts how often a task is woken.
#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// The server's end and the client's, whose record the test cuts in pieces.
async fn pair() -> (Stream, TcpStream, ClientConnection) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tcp = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    let tls = tls(|_| {});
    let server = tokio::spawn(async move { secure(Stream::Tcp(accepted), Some(&tls)).await });
    let connector = TlsConnector::from(client_config(Some("client"), &BOTH_VERSIONS));
    let name = ServerName::try_from("localhost").unwrap();
    let client = soon(connector.connect(name, tcp)).await.unwrap();
    let (tcp, connection) = client.into_inner();
    (server.await.unwrap().ok().unwrap().stream, tcp, connection)
}

#[tokio::test]
async fn part_of_a_record_neither_takes_a_buffer_nor_spins() {
    let (mut stream, mut tcp, mut client) = pair().await;
    std::io::Write::write_all(&mut client.writer(), &[7; 100]).unwrap();
    let mut record = Vec::new();
    client.write_tls(&mut record).unwrap();
    let (half, rest) = record.split_at(record.len() / 2);

    tcp.write_all(half).await.unwrap();
    let count = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&count));
    let mut context = Context::from_waker(&waker);
    let mut polls = 0;
    // Once for the half record, and then no more.
    for _ in 0..1000 {
        if polls == 0 || count.0.swap(0, Ordering::SeqCst) > 0 {
            polls += 1;
            assert!(stream.poll_readable(&mut context).is_pending());
        }
        yield_now().await;
    }
    assert!(polls <= 3, "polled {polls} times");

    tcp.write_all(rest).await.unwrap();
    let mut input = Input::default();
    soon(pin!(input.fill(&mut stream, 0))).await.unwrap();
    assert_eq!(input.bytes(), [7; 100]);
}

#[tokio::test]
async fn what_was_decrypted_and_not_read_is_readable() {
    let (mut stream, mut tcp, mut client) = pair().await;
    std::io::Write::write_all(&mut client.writer(), &[7; 100]).unwrap();
    let mut record = Vec::new();
    client.write_tls(&mut record).unwrap();
    tcp.write_all(&record).await.unwrap();
    let mut first = [0; 40];
    soon(stream.read_exact(&mut first)).await.unwrap();
    let mut context = Context::from_waker(Waker::noop());
    assert!(stream.poll_readable(&mut context).is_ready());
    let mut rest = [0; 60];
    soon(stream.read_exact(&mut rest)).await.unwrap();
    assert!(stream.poll_readable(&mut context).is_pending());
}
