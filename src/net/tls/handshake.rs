//! From a TCP connection to one that is encrypted, or is known not to be.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use rustls::ProtocolVersion;
use rustls::server::Acceptor;
use thiserror::Error;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;

use super::super::TlsSession;
use super::super::stream::Stream;
use super::{Tls, TlsVersion};

/// Bytes that tell TLS from anything else, see [`is_tls`].
const START_BYTES: usize = 3;
/// The type of the record that a client begins with (RFC 8446 section 5.1).
const HANDSHAKE_RECORD: u8 = 22;

/// What clients of gRPC insist on (RFC 9113 section 3.2).
const HTTP_2: &[u8] = b"h2";

/// Why a peer is not let in.
#[derive(Debug, Error)]
pub(crate) enum TurnedAway {
    /// It left, or the socket failed, before it said anything.
    #[error("the socket failed: {0}")]
    Socket(#[from] io::Error),
    /// `requireTLS`, and it spoke something else.
    #[error("The server is configured to only allow SSL connections")]
    Plain,
    /// The handshake failed; the certificate of the client, for example.
    #[error("SSL handshake failed: {0}")]
    Handshake(io::Error),
}

/// A connection after the question of TLS.
pub(crate) struct Secured {
    pub(crate) stream: Stream,
    /// The begin of the first message, where that was read to answer the question.
    pub(crate) received: BytesMut,
    pub(crate) tls: Option<Arc<TlsSession>>,
}

/// Does the handshake if the peer wants one. Without `tls`, and for a Unix socket, there is none.
pub(crate) async fn secure(stream: Stream, tls: Option<&Tls>) -> Result<Secured, TurnedAway> {
    let (mut tcp, tls) = match (stream, tls) {
        (Stream::Tcp(tcp), Some(tls)) => (tcp, tls),
        (stream, _) => return Ok(Secured::plain(stream, BytesMut::new())),
    };
    let start = start_of(&mut tcp).await?;
    if is_tls(&start) == Some(true) {
        // Boxed: it is over soon, and the connection's task would keep its room for ever.
        return Box::pin(handshake(tcp, &start, tls)).await;
    }
    if tls.is_required() {
        return Err(TurnedAway::Plain);
    }
    Ok(Secured::plain(Stream::Tcp(tcp), start))
}

/// As many bytes as it takes to tell.
async fn start_of(tcp: &mut TcpStream) -> io::Result<BytesMut> {
    let mut start = BytesMut::with_capacity(START_BYTES);
    while is_tls(&start).is_none() {
        let missing = START_BYTES.saturating_sub(start.len()) as u64;
        if tcp.take(missing).read_buf(&mut start).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(start)
}

/// Whether this is the begin of a TLS handshake; `None` if it takes more bytes to tell.
///
/// A message begins with its length, least significant byte first, a record of TLS with its type and
/// a version from 3.1 on. A message whose length begins like that has more than 64 KiB, which no
/// client's first one has.
fn is_tls(start: &[u8]) -> Option<bool> {
    match start {
        [] | [HANDSHAKE_RECORD] | [HANDSHAKE_RECORD, 3] => None,
        [HANDSHAKE_RECORD, 3, minor, ..] => Some((1..=4).contains(minor)),
        _ => Some(false),
    }
}

async fn handshake(tcp: TcpStream, start: &[u8], tls: &Tls) -> Result<Secured, TurnedAway> {
    let mut acceptor = Acceptor::default();
    acceptor
        .read_tls(&mut &*start)
        .map_err(TurnedAway::Handshake)?;
    let hello = LazyConfigAcceptor::new(acceptor, tcp)
        .await
        .map_err(TurnedAway::Handshake)?;
    let mut offered = hello.client_hello().alpn().into_iter().flatten();
    let wants_http_2 = offered.any(|protocol| protocol == HTTP_2);
    drop(offered);
    let mut config = tls.config();
    if wants_http_2 {
        // Told to those who ask only: everybody else may offer what it likes, or nothing.
        let mut with_protocol = (*config).clone();
        with_protocol.alpn_protocols = vec![HTTP_2.to_vec()];
        config = Arc::new(with_protocol);
    }
    let stream = hello
        .into_stream(config)
        .await
        .map_err(TurnedAway::Handshake)?;
    let (_, connection) = stream.get_ref();
    let version = match connection.protocol_version() {
        Some(ProtocolVersion::TLSv1_3) => TlsVersion::Tls13,
        _ => TlsVersion::Tls12,
    };
    let certificates = connection.peer_certificates();
    let session = TlsSession {
        version: version.name(),
        server_name: connection.server_name().map(Into::into),
        client_certificate: certificates
            .and_then(|certificates| certificates.first())
            .map(|certificate| certificate.as_ref().into()),
    };
    Ok(Secured {
        stream: Stream::Tls(Box::new(stream)),
        received: BytesMut::new(),
        tls: Some(Arc::new(session)),
    })
}

impl Secured {
    fn plain(stream: Stream, received: BytesMut) -> Self {
        Self {
            stream,
            received,
            tls: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_bytes_tell_tls_from_messages() {
        let tls = [[22, 3, 1], [22, 3, 2], [22, 3, 3], [22, 3, 4]];
        for start in tls {
            assert_eq!(is_tls(&start), Some(true), "{start:?}");
        }
        // Messages of 790 and of 278 bytes, SSL 2.0 and 3.0, HTTP.
        let others: [&[u8]; 6] = [
            &[22, 3, 0],
            &[22, 1],
            &[22, 3, 5],
            &[0x80],
            b"GET",
            &[21, 3, 1],
        ];
        for start in others {
            assert_eq!(is_tls(start), Some(false), "{start:?}");
        }
        for start in [&[][..], &[22], &[22, 3]] {
            assert_eq!(is_tls(start), None, "{start:?}");
        }
    }
}
