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
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::stranger_bytes::CallBytes;
use super::{Milvus, dispatch};
use crate::auth::origin::Origin;
use crate::auth::stranger_lines::Refusal;
use crate::auth::unauthenticated::UnauthenticatedPlace;
use crate::model::names::UserName;
use crate::model::restriction::Endpoints;
use crate::model::user::User;
use crate::net::{Address, ByteStream, Peer, StopSignal, StreamService};
use crate::telemetry::events::Client;

/// Calls that a connection may have under way.
const STREAMS_MAX: u32 = 128;
/// Bytes of all metadata of a call that are read. HTTP/2 has no words for more that clients would not
/// take for a fault of the server; less than that, but too much, is refused in words of gRPC.
const METADATA_READ_BYTES_MAX: u32 = 256 * 1024;
/// Bytes that a peer may send before anybody has read them.
const WINDOW_BYTES_MAX: u32 = 64 * 1024;
/// A silent peer is asked whether it is still there after this, and is given up after that.
const KEEPALIVE_INTERVAL: Duration = Duration::from_mins(5);
const KEEPALIVE_TIMEOUT: Duration = Duration::from_secs(20);
/// From the metadata of a call to the end of its message, as on the other face. Strangers have as long
/// as a connection has for its first message.
const MESSAGE_TIMEOUT: Duration = Duration::from_mins(2);
const A_DAY: Duration = Duration::from_hours(24);

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
    /// Whose sign-in was told to the logs last: a client signs in with each call.
    last_caller: Mutex<LastCaller>,
    /// Its place among the connections that nobody has signed in on, where these are limited.
    unauthenticated: Mutex<Option<UnauthenticatedPlace>>,
}

/// Who signed in last.
enum LastCaller {
    /// Nobody, or who did was dropped.
    Nobody {
        since: Instant,
    },
    User {
        name: UserName,
        user_id: Uuid,
    },
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
            .initial_stream_window_size(WINDOW_BYTES_MAX)
            .initial_connection_window_size(WINDOW_BYTES_MAX)
            .keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIMEOUT);
        let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service));
        let mut silence = pin!(sleep(self.services.parameters.handshake_timeout()));
        let limits = self.services.parameters.sign_in_limits();
        let strangers_limit = limits.unauthenticated_timeout();
        let mut strangers_end = pin!(sleep(strangers_limit.unwrap_or_default()));
        let mut stopped = pin!(stop.stopped());
        let (mut is_waiting, mut is_stopping) = (true, false);
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
                () = &mut strangers_end, if strangers_limit.is_some() => {
                    let end = connection.strangers_end(strangers_limit.unwrap_or_default());
                    if end <= Instant::now() {
                        return;
                    }
                    strangers_end.as_mut().reset(end);
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
    connection.forget_dropped_caller();
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
            last_caller: Mutex::new(LastCaller::Nobody {
                since: Instant::now(),
            }),
            unauthenticated: Mutex::new(None),
        }
    }

    /// Whether it is one more on which nobody has signed in that there may be of its address.
    fn takes_place(&self) -> bool {
        let limits = self.milvus.services.parameters.sign_in_limits();
        match limits.unauthenticated_per_address_max() {
            Some(max) if self.is_strangers() => self.takes_one_of(max),
            _ => true,
        }
    }

    fn takes_one_of(&self, max: usize) -> bool {
        let Some(from) = self.limited_origin() else {
            return true;
        };
        let place = self.milvus.services.unauthenticated.admit(from, max);
        let is_admitted = place.is_some();
        *self.place() = place;
        is_admitted
    }

    /// A connection whose user was dropped is one that nobody has signed in on. It takes a place for
    /// these also where there is none left.
    fn forget_dropped_caller(&self) {
        let mut last = self.last_caller();
        let LastCaller::User { name, user_id } = &*last else {
            return;
        };
        let user = self.milvus.services.directory.catalog().user(name);
        if user.is_some_and(|user| user.user_id == *user_id) {
            return;
        }
        let since = Instant::now();
        *last = LastCaller::Nobody { since };
        // While nobody can sign in: whoever does gives the place back.
        self.takes_one_of(usize::MAX);
        drop(last);
    }

    /// When somebody must have signed in, or when to look whether who has is still there.
    fn strangers_end(&self, limit: Duration) -> Instant {
        self.forget_dropped_caller();
        let begin = match *self.last_caller() {
            LastCaller::Nobody { since } if self.is_checked() => since,
            _ => Instant::now(),
        };
        // One that is never over is looked at again some day.
        begin.checked_add(limit).unwrap_or(begin + A_DAY)
    }

    /// Where the bytes of a call are counted; `None` if somebody has signed in here.
    pub(super) fn call_bytes(&self) -> Option<CallBytes> {
        let all = &self.milvus.stranger_bytes;
        let from = self.limited_origin();
        self.is_strangers()
            .then(|| CallBytes::new(Arc::clone(all), from))
    }

    /// Whether nobody has signed in on it who would have to.
    pub(super) fn is_strangers(&self) -> bool {
        self.is_checked() && matches!(*self.last_caller(), LastCaller::Nobody { .. })
    }

    fn is_checked(&self) -> bool {
        self.milvus.services.is_authorization_enabled
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
    pub(super) fn may_write(&self, refusal: Refusal) -> bool {
        let services = &self.milvus.services;
        services.may_write_of_stranger(self.limited_origin(), refusal, self.client)
    }

    /// Whether the last call was somebody else's, or there was none.
    pub(super) fn is_new_user(&self, user: &User) -> bool {
        !matches!(&*self.last_caller(), LastCaller::User { user_id, .. } if *user_id == user.user_id)
    }

    /// Once the logs know of it, and not before: a call meanwhile must not go without.
    pub(super) fn note_user(&self, user: &User) {
        let (name, user_id) = (user.name.clone(), user.user_id);
        let mut last = self.last_caller();
        *last = LastCaller::User { name, user_id };
        *self.place() = None;
        drop(last);
    }

    fn place(&self) -> MutexGuard<'_, Option<UnauthenticatedPlace>> {
        self.unauthenticated
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    fn last_caller(&self) -> MutexGuard<'_, LastCaller> {
        self.last_caller
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
