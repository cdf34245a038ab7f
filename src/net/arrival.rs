//! From an accepted socket to a peer that may send messages.

use std::io;
use std::sync::Arc;

use super::listener::Accepted;
use super::stream::Stream;
use super::{Address, Limits, TlsSession};

/// What a new connection has to pass.
#[derive(Debug, Clone, Default)]
pub struct Door {
    /// What peers may take.
    pub limits: Limits,
}

/// A connection that passed.
pub(super) struct Arrived {
    pub(super) stream: Stream,
    pub(super) local: Address,
    pub(super) remote: Address,
    pub(super) tls: Option<Arc<TlsSession>>,
}

/// Lets a connection in. Answers at once where there is nothing to wait for.
///
/// Fails when the peer may not come in, or leaves; the reason is for the log.
pub(super) async fn arrive(accepted: Accepted, _door: &Door) -> io::Result<Arrived> {
    Ok(Arrived {
        stream: accepted.stream,
        local: accepted.local,
        remote: accepted.remote,
        tls: None,
    })
}
