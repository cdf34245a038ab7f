//! From an accepted socket to a peer that may send messages.

use std::sync::Arc;

use bytes::BytesMut;

use super::listener::Accepted;
use super::stream::Stream;
use super::tls::{TurnedAway, secure};
use super::{Address, Limits, Tls, TlsSession};

/// What a new connection has to pass.
#[derive(Debug, Clone, Default)]
pub struct Door {
    /// What peers may take.
    pub limits: Limits,
    /// Offers TLS to connections over TCP; absent means that all are plain.
    pub tls: Option<Arc<Tls>>,
}

/// A connection that passed.
pub(super) struct Arrived {
    pub(super) stream: Stream,
    pub(super) local: Address,
    pub(super) remote: Address,
    pub(super) tls: Option<Arc<TlsSession>>,
    /// Bytes of the first message that were read already.
    pub(super) received: BytesMut,
}

/// Lets a connection in. Answers at once where there is nothing to wait for.
///
/// Fails when the peer may not come in, or leaves; the reason is for the log.
pub(super) async fn arrive(accepted: Accepted, door: &Door) -> Result<Arrived, TurnedAway> {
    let secured = secure(accepted.stream, door.tls.as_deref()).await?;
    Ok(Arrived {
        stream: secured.stream,
        local: accepted.local,
        remote: accepted.remote,
        tls: secured.tls,
        received: secured.received,
    })
}
