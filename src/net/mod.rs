//! Sockets: who may connect, how long a peer may take, how much memory it may hold, how it ends.
//!
//! [`Listeners::bind`] opens the sockets, [`serve()`] runs them until a [`StopSignal`]. Each connection
//! is one task that reads a request, hands it to its [`Handler`] and writes the answer; what requests
//! mean is not known here.

mod admission;
mod arrival;
mod buffer;
mod byte_stream;
mod connection;
mod counters;
mod limits;
mod listener;
mod proxy_protocol;
mod refusals;
mod serve;
mod shutdown;
mod stream;
mod tls;
mod unix;

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use bson::raw::RawDocumentBuf;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::wire::{Request, WireError};

pub use arrival::Door;
pub use byte_stream::{ByteStream, StreamService, serve_streams};
pub use counters::ConnectionCounters;
pub use limits::Limits;
pub use listener::{BindError, BindOptions, Listeners, UnixSocketOptions};
pub use serve::{ServeSummary, serve};
pub use shutdown::{StopSignal, StopSource, stop_channel};
pub use tls::{Tls, TlsError, TlsOptions, TlsVersion};

/// One end of a connection.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// Host and port; never an IPv4 address written as IPv6.
    Ip(SocketAddr),
    /// The path of the server's socket, for both ends.
    Unix(Arc<Path>),
}

impl fmt::Display for Address {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => address.fmt(formatter),
            Self::Unix(path) => path.display().fmt(formatter),
        }
    }
}

impl Address {
    /// The IP address; `None` for a Unix socket.
    pub fn ip(&self) -> Option<IpAddr> {
        match self {
            Self::Ip(address) => Some(address.ip()),
            Self::Unix(_) => None,
        }
    }

    fn is_on_this_machine(&self) -> bool {
        self.ip().is_none_or(|ip| ip.is_loopback())
    }
}

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Unique while the server runs, from 1.
    pub connection_id: i32,
    /// The address the peer connected to; what the proxy says, if there is one.
    pub local: Address,
    /// The peer's address; what the proxy says, if there is one.
    pub remote: Address,
    /// The trusted proxy that the peer came through.
    pub proxy: Option<Address>,
    /// What TLS says of the peer; absent where nothing is encrypted.
    pub tls: Option<Arc<TlsSession>>,
}

impl Peer {
    /// Whether the peer is on this machine, and so is the proxy that says so.
    pub fn is_local(&self) -> bool {
        let is_proxy_local = self.proxy.as_ref().is_none_or(Address::is_on_this_machine);
        is_proxy_local && self.remote.is_on_this_machine()
    }
}

/// An encrypted connection, as negotiated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSession {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The host name the client asked for (SNI).
    pub server_name: Option<Box<str>>,
    /// The client's own certificate in DER; verified, or it would not be here.
    pub client_certificate: Option<Box<[u8]>>,
}

/// What connections are for.
pub trait Service: Send + Sync + 'static {
    /// Serves one connection.
    type Handler: Handler;

    /// A peer has connected, over TLS if it wants that, and no message was read yet. `None` closes
    /// the connection: the peer has too many.
    fn connect(&self, peer: Peer) -> Option<Self::Handler>;
}

/// The state of one connection. Calls never overlap.
///
/// The futures are kept inside the connection's task, also while it is idle: box large branches that
/// are seldom taken. A panic closes the connection with code 1.
pub trait Handler: Send + 'static {
    /// Longest message in bytes that the peer may send next, compressed or not; a longer one ends the
    /// connection. Never more than the limit of the wire.
    fn message_bytes_max(&self) -> usize {
        usize::MAX
    }

    /// When the connection ends if it is idle then; asked before each wait for a message.
    fn ends_when_idle_at(&self) -> Option<Instant> {
        None
    }

    /// What is told when the peer leaves while a request is answered; asked once. What may wait for
    /// long should listen.
    fn departure(&self) -> Option<Arc<Notify>> {
        None
    }

    /// Answers one request. `Err` is a message that deserves an error reply with the code and text
    /// of the error.
    ///
    /// Runs to its end even if the peer leaves, unless [`Request::is_awaitable`]: then it is dropped
    /// when the peer leaves, or shortly after the server was told to stop.
    fn handle(
        &mut self,
        request: Result<&Request, &WireError>,
    ) -> impl Future<Output = Answer> + Send;

    /// The next message of the stream that the last answer opened; the request is still the same.
    /// Dropped like an awaitable [`Self::handle`].
    fn next(&mut self) -> impl Future<Output = Answer> + Send;

    /// The connection is over, whatever the reason. Called once.
    fn closed(&mut self) {}
}

/// What a [`Handler`] says to a request.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The reply; not sent if the peer wants none.
    pub document: RawDocumentBuf,
    /// Another message will follow without being asked for: [`Handler::next`] is called. Ignored if
    /// the request does not allow it.
    pub stream: bool,
    /// The connection ends after this answer.
    pub close: bool,
}

impl Answer {
    /// One reply, and the connection lives.
    pub fn single(document: RawDocumentBuf) -> Self {
        Self {
            document,
            stream: false,
            close: false,
        }
    }
}
