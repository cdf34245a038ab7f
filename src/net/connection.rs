//! One connection: read a request, have it answered, write the reply, until somebody has enough.

use std::future::poll_fn;
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bson::raw::RawDocumentBuf;
use bson::rawdoc;
use bytes::Bytes;
use futures_util::FutureExt;
use thiserror::Error;
use tokio::time::{Instant, timeout, timeout_at};

use super::admission::{Admission, let_in};
use super::buffer::{Input, Output};
use super::counters::Place;
use super::listener::Accepted;
use super::shutdown::Stopped;
use super::stream::Stream;
use super::{Answer, Handler, Limits, Peer, Service};
use crate::error::ErrorCode;
use crate::wire::{Incoming, ReplyForm, Request, WireError, WireLimits, frame_length, parse};

/// What a peer may send ahead while its request is being answered.
const SENT_AHEAD_BYTES_MAX: usize = 64 * 1024;
/// How long an awaitable request may take to answer after the order to stop.
const STOP_GRACE: Duration = Duration::from_millis(200);
/// How browsers begin.
const HTTP_GET: &[u8] = b"GET ";
/// What mongod tells browsers and health checks.
const HTTP_ANSWER: &[u8] = b"HTTP/1.0 200 OK\r\nConnection: close\r\nContent-Type: text/plain\r\n\
    Content-Length: 85\r\n\r\n\
    It looks like you are trying to access MongoDB over HTTP on the native driver port.\r\n";

/// Why a connection ended.
#[derive(Debug, Error)]
enum End {
    #[error("the peer closed it")]
    PeerLeft,
    #[error("the socket failed: {0}")]
    Socket(#[from] io::Error),
    #[error("the peer took too long for the {0}")]
    TooSlow(&'static str),
    #[error("the peer sent something that cannot be answered: {0}")]
    Malformed(WireError),
    #[error("the last answer said so")]
    Answered,
    #[error("panic")]
    Panicked,
    #[error("the server stops")]
    Stopping,
}

/// Calls [`Handler::closed`] however the connection ends, also when its task is cancelled.
struct Guarded<H: Handler>(H);

impl<H: Handler> Drop for Guarded<H> {
    fn drop(&mut self) {
        // A panic here could be the second one, which would end the process.
        let closed = std::panic::catch_unwind(AssertUnwindSafe(|| self.0.closed()));
        if closed.is_err() {
            tracing::error!("panic while closing a connection");
        }
    }
}

/// Everything about a connection but its handler, so that both can be borrowed at once.
struct Socket {
    stream: Stream,
    input: Input,
    output: Output,
    limits: Limits,
    place: Place,
    stop: Stopped,
    connection_id: i32,
    last_reply_id: i32,
    /// Longest message the peer may send now.
    message_bytes_max: usize,
    /// What [`Handler::ends_when_idle_at`] said last.
    ends_when_idle_at: Option<Instant>,
    /// No complete message has arrived yet.
    is_new: bool,
    /// Since when a connection has existed, been idle, or had an incomplete message.
    since: Option<Instant>,
    peer_left: bool,
    /// [`Handler::departure`].
    departure: Option<Arc<tokio::sync::Notify>>,
}

/// Serves a connection to its end.
pub(super) async fn run<S: Service>(accepted: Accepted, service: Arc<S>, admission: Admission) {
    let since = Instant::now();
    let connection_id = admission.place.connection_id();
    let mut stop = Stopped::new(admission.stop.clone());
    let Some(arrived) = let_in(accepted, connection_id, &admission, &mut stop).await else {
        return;
    };
    let peer = Peer {
        connection_id,
        local: arrived.local,
        remote: arrived.remote,
        proxy: arrived.proxy,
        tls: arrived.tls,
    };
    let Some(mut handler) = service.connect(peer).map(Guarded) else {
        return;
    };
    drop(service);
    let mut socket = Socket {
        stream: arrived.stream,
        input: Input::with(arrived.received),
        output: Output::default(),
        limits: admission.door.limits,
        place: admission.place,
        stop,
        connection_id,
        last_reply_id: 0,
        message_bytes_max: 0,
        ends_when_idle_at: None,
        is_new: true,
        since: Some(since),
        peer_left: false,
        departure: handler.0.departure(),
    };
    let end = loop {
        socket.message_bytes_max = handler
            .0
            .message_bytes_max()
            .min(socket.limits.wire.message_bytes_max);
        socket.ends_when_idle_at = handler.0.ends_when_idle_at();
        let frame = match socket.receive().await {
            Ok(frame) => frame,
            Err(end) => break end,
        };
        if let Err(end) = answer(&mut socket, &mut handler.0, frame).await {
            break end;
        }
    };
    if !matches!(end, End::Socket(_)) {
        // Replies that were gathered before the end are still owed.
        let _ = socket.flush().await;
        socket.stream.say_goodbye().await;
    }
    tracing::debug!(connection_id, reason = %end, "connection ends");
}

/// Answers one message.
async fn answer<H: Handler>(socket: &mut Socket, handler: &mut H, frame: Bytes) -> Result<(), End> {
    let limits = WireLimits {
        message_bytes_max: socket.message_bytes_max,
        ..socket.limits.wire
    };
    let Incoming { mut reply, request } = parse(frame, &limits);
    match &request {
        Err(error) if error.closes_connection() => return Err(End::Malformed(error.clone())),
        Err(error) if error.is_legacy() => {
            let id = socket.next_reply_id();
            reply.encode_legacy_error(id, error, socket.output.buffer());
            return Ok(());
        }
        _ => {}
    }
    let request = request.as_ref();
    let is_awaitable = request.is_ok_and(Request::is_awaitable);
    let mut answer = socket
        .attend(handler.handle(request), || is_awaitable, &reply)
        .await?;
    loop {
        let more = answer.stream && !answer.close && reply.allows_stream();
        let id = socket.next_reply_id();
        if reply.is_wanted() {
            reply.encode(id, &answer.document, more, socket.output.buffer());
        }
        if answer.close {
            return Err(End::Answered);
        }
        if !more {
            return Ok(());
        }
        socket.flush().await?;
        if socket.stop.is_stopping() {
            return Err(End::Stopping);
        }
        reply = reply.following(id);
        answer = socket.attend(handler.next(), || true, &reply).await?;
    }
}

impl Socket {
    /// The next complete message. Writes what is owed before it waits.
    async fn receive(&mut self) -> Result<Bytes, End> {
        loop {
            let buffered = self.input.bytes();
            let length = match frame_length(buffered, self.message_bytes_max) {
                Ok(length) => length,
                Err(error) => {
                    if self.is_new && buffered.starts_with(HTTP_GET) {
                        self.output.buffer().extend_from_slice(HTTP_ANSWER);
                    }
                    return Err(End::Malformed(error));
                }
            };
            if self.stop.is_stopping() {
                return Err(End::Stopping);
            }
            if let Some(length) = length.filter(|length| *length <= buffered.len()) {
                self.is_new = false;
                self.since = None;
                self.place.counters().add_request();
                if self.output.is_full() {
                    self.flush().await?;
                }
                return Ok(self.input.take(length));
            }
            self.flush().await?;
            self.input.rest();
            self.wait_for_input(length.unwrap_or(0)).await?;
        }
    }

    async fn wait_for_input(&mut self, message_bytes: usize) -> Result<(), End> {
        let of_handler = self.ends_when_idle_at.map(|at| (at, "sign-in"));
        let deadline = [self.deadline(), of_handler].into_iter().flatten().min();
        let Self {
            stream,
            input,
            stop,
            ..
        } = self;
        let wait = async {
            tokio::select! {
                biased;
                count = input.fill(stream, message_bytes) => count.map_err(End::Socket),
                () = stop.wait() => Err(End::Stopping),
            }
        };
        let count = match deadline {
            None => wait.await?,
            Some((deadline, what)) => match timeout_at(deadline, wait).await {
                Ok(count) => count?,
                Err(_) => return Err(End::TooSlow(what)),
            },
        };
        if count == 0 {
            return Err(End::PeerLeft);
        }
        if !self.is_new && self.input.bytes().len() == count {
            self.since = None; // idle until now, a message has begun
        }
        self.place.counters().add_in(count);
        Ok(())
    }

    fn deadline(&mut self) -> Option<(Instant, &'static str)> {
        let (limit, what) = if self.is_new {
            (self.limits.handshake_timeout(), "first message")
        } else if self.input.bytes().is_empty() {
            (self.limits.idle_timeout()?, "next message")
        } else {
            (self.limits.message_timeout(), "rest of a message")
        };
        let since = *self.since.get_or_insert_with(Instant::now);
        Some((since.checked_add(limit)?, what))
    }

    /// Runs a handler's future to its answer. Most commands answer without waiting; for those that do
    /// wait, the peer is watched.
    async fn attend(
        &mut self,
        future: impl Future<Output = Answer> + Send,
        abandonable: impl Fn() -> bool,
        reply: &ReplyForm,
    ) -> Result<Answer, End> {
        let mut future = pin!(AssertUnwindSafe(future).catch_unwind());
        let result = match poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await {
            Poll::Ready(result) => result,
            Poll::Pending => self.watch(future, abandonable()).await?,
        };
        match result {
            Ok(answer) => Ok(answer),
            Err(_) => Err(self.panicked(reply)),
        }
    }

    /// Waits for `future` while reading what the peer sends ahead, to notice when it leaves.
    async fn watch<F: Future>(
        &mut self,
        mut future: Pin<&mut F>,
        abandonable: bool,
    ) -> Result<F::Output, End> {
        self.flush().await?;
        loop {
            let may_read = !self.peer_left && self.input.bytes().len() < SENT_AHEAD_BYTES_MAX;
            let Self {
                stream,
                input,
                stop,
                ..
            } = self;
            let count = tokio::select! {
                biased;
                output = future.as_mut() => return Ok(output),
                count = input.fill(stream, 0), if may_read => count.unwrap_or(0),
                () = stop.wait(), if abandonable => {
                    return timeout(STOP_GRACE, future).await.map_err(|_| End::Stopping);
                }
            };
            if count > 0 {
                self.place.counters().add_in(count);
            } else if abandonable {
                return Err(End::PeerLeft);
            } else {
                self.peer_left = true;
                self.departure.iter().for_each(|left| left.notify_one());
            }
        }
    }

    fn panicked(&mut self, reply: &ReplyForm) -> End {
        self.place.counters().add_panic();
        // The panic's own message is in the log already, by the process's panic hook.
        tracing::error!(
            connection_id = self.connection_id,
            "panic while answering a request"
        );
        if reply.is_wanted() {
            let document = internal_error(self.connection_id);
            let id = self.next_reply_id();
            reply.encode(id, &document, false, self.output.buffer());
        }
        End::Panicked
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        let limit = self.limits.write_timeout();
        let count = self.output.flush(&mut self.stream, limit).await?;
        self.place.counters().add_out(count);
        Ok(())
    }

    fn next_reply_id(&mut self) -> i32 {
        self.last_reply_id = self.last_reply_id.wrapping_add(1);
        self.last_reply_id
    }
}

fn internal_error(connection_id: i32) -> RawDocumentBuf {
    let code = ErrorCode::INTERNAL_ERROR;
    rawdoc! {
        "ok": 0.0,
        "errmsg": format!("Internal error; the server's log has the details of connection {connection_id}"),
        "code": code.0,
        "codeName": code.name().into_owned(),
    }
}
