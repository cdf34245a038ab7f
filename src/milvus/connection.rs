//! One connection: HTTP/2 (RFC 9113) with gRPC in it.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use super::{Milvus, dispatch};
use crate::auth::origin::Origin;
use crate::auth::unauthenticated::UnauthenticatedPlace;
use crate::model::restriction::Endpoints;
use crate::net::{Address, ByteStream, Peer, StopSignal, StreamService};
use crate::telemetry::events::Client;

/// Calls that a connection may have under way.
const STREAMS_MAX: u32 = 128;
/// Bytes of all metadata of a call that are read. HTTP/2 has no words for more that clients would not
/// take for a fault of the server; less than that, but too much, is refused in words of gRPC.
const METADATA_READ_BYTES_MAX: u32 = 256 * 1024;
/// A silent peer is asked whether it is still there after this, and is given up after that.
const KEEPALIVE_INTERVAL: Duration = Duration::from_mins(5);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// From the metadata of a call to the end of its message, as on the other face. Strangers have as long
/// as a connection has for its first message.
const MESSAGE_TIMEOUT: Duration = Duration::from_mins(2);

/// What the calls of a connection share.
pub(super) struct Connection {
    pub(super) milvus: Milvus,
    pub(super) client: Client,
    pub(super) endpoints: Endpoints,
    pub(super) origin: Origin,
    pub(super) peer: Peer,
    /// What its audit events have in common; `None` while nothing is audited.
    pub(super) audit_id: Option<Uuid>,
    /// Somebody has called something.
    has_called: AtomicBool,
    /// Whose sign-in was told to the logs last: a client signs in with each call. `None` while nobody has.
    last_user: Mutex<Option<Uuid>>,
    /// Its place among the connections that nobody has signed in on, where these are limited.
    unauthenticated: Mutex<Option<UnauthenticatedPlace>>,
}

impl StreamService for Milvus {
    async fn serve(&self, stream: ByteStream, peer: Peer, stop: StopSignal) {
        let connection = Arc::new(Connection::new(self.clone(), &peer));
        if !connection.takes_place() {
            let counters = &self.services.connections;
            counters.add_unauthenticated_refused(&peer.remote);
            return;
        }
        let answering = Arc::clone(&connection);
        let service = service_fn(move |request| answer(Arc::clone(&answering), request));
        let mut builder = http2::Builder::new(TokioExecutor::new());
        builder
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS_MAX)
            .max_header_list_size(METADATA_READ_BYTES_MAX)
            .keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT);
        let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut silence = pin!(sleep(self.services.parameters.handshake_timeout()));
        let mut strangers_end = pin!(connection.strangers_end());
        let mut stopped = pin!(stop.stopped());
        let (mut is_waiting, mut is_new, mut is_stopping) = (true, true, false);
        loop {
            tokio::select! {
                ended = &mut serving => {
                    if let Err(error) = ended {
                        tracing::debug!(peer.connection_id, %error, "Milvus connection ends");
                    }
                    return;
                }
                () = &mut stopped, if !is_stopping => {
                    is_stopping = true;
                    serving.as_mut().graceful_shutdown();
                }
                () = &mut silence, if is_waiting => {
                    is_waiting = false;
                    if !connection.has_called.load(Ordering::Relaxed) {
                        return;
                    }
                }
                () = &mut strangers_end, if is_new => {
                    is_new = false;
                    if connection.is_strangers() {
                        return;
                    }
                }
            }
        }
    }
}

async fn answer(
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Result<Response<tonic::body::Body>, Infallible> {
    connection.has_called.store(true, Ordering::Relaxed);
    Ok(dispatch::answer(connection, request).await)
}

impl Connection {
    fn new(milvus: Milvus, peer: &Peer) -> Self {
        let client = Client {
            connection_id: peer.connection_id.unsigned_abs().into(),
            address: peer.remote.ip(),
            port: match &peer.remote {
                Address::Ip(address) => address.port(),
                Address::Unix(_) => 0,
            },
        };
        let endpoints = Endpoints {
            client: client.address,
            server: peer.local.ip(),
        };
        Self {
            client,
            endpoints,
            origin: Origin::of(client.address),
            audit_id: milvus.services.audit.is_on().then(Uuid::new_v4),
            peer: peer.clone(),
            milvus,
            has_called: AtomicBool::new(false),
            last_user: Mutex::new(None),
            unauthenticated: Mutex::new(None),
        }
    }

    /// Whether it is one more on which nobody has signed in that there may be of its address.
    fn takes_place(&self) -> bool {
        let services = &self.milvus.services;
        let limits = services.parameters.sign_in_limits();
        let max = limits.unauthenticated_per_address_max();
        let (Some(from), Some(max), true) = (self.limited_origin(), max, self.is_strangers())
        else {
            return true;
        };
        let place = services.unauthenticated.admit(from, max);
        let is_admitted = place.is_some();
        *self.place() = place;
        is_admitted
    }

    /// Waits until somebody must have signed in.
    fn strangers_end(&self) -> impl Future<Output = ()> + use<> {
        let limits = self.milvus.services.parameters.sign_in_limits();
        let limit = limits.unauthenticated_timeout();
        let end = limit.and_then(|limit| Instant::now().checked_add(limit));
        async move {
            match end {
                Some(end) => sleep_until(end).await,
                None => std::future::pending().await,
            }
        }
    }

    /// Whether nobody has signed in on it who would have to.
    fn is_strangers(&self) -> bool {
        self.milvus.services.is_authorization_enabled && self.last_user().is_none()
    }

    /// From the metadata of a call to the end of its message.
    pub(super) fn message_timeout(&self) -> Duration {
        if self.is_strangers() {
            self.milvus.services.parameters.handshake_timeout()
        } else {
            MESSAGE_TIMEOUT
        }
    }

    /// Where the client comes from if the limits of one address count for it, as on the other face.
    pub(super) fn limited_origin(&self) -> Option<Origin> {
        let limits = self.milvus.services.parameters.sign_in_limits();
        let is_exempt = self.peer.is_local() && !limits.failed_limits_on_loopback();
        (!is_exempt).then_some(self.origin)
    }

    /// Whether one more line about a refused stranger goes to the logs, as on the other face.
    pub(super) fn may_write_refusal(&self) -> bool {
        let services = &self.milvus.services;
        services.may_write_of_stranger(self.limited_origin(), self.client)
    }

    /// Whether the last call was somebody else's, or there was none.
    pub(super) fn is_new_user(&self, user_id: Uuid) -> bool {
        *self.last_user() != Some(user_id)
    }

    /// Once the logs know of it, and not before: a call meanwhile must not go without.
    pub(super) fn note_user(&self, user_id: Uuid) {
        *self.last_user() = Some(user_id);
        *self.place() = None;
    }

    fn place(&self) -> MutexGuard<'_, Option<UnauthenticatedPlace>> {
        self.unauthenticated
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn last_user(&self) -> MutexGuard<'_, Option<Uuid>> {
        self.last_user
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
