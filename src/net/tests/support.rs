//! A small service that does what a request's first field says, and clients for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bson::raw::{RawDocument, RawDocumentBuf};
use bson::rawdoc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::net::{
    Address, Answer, BindOptions, ConnectionCounters, Door, Handler, Limits, Listeners, Peer,
    ServeSummary, Service, StopSource, serve, stop_channel,
};
use crate::wire::testing::{Reply, msg, read_reply};
use crate::wire::{Request, WireError};

/// A test that takes longer hangs.
const HANG: Duration = Duration::from_secs(20);

/// `future`, which must not hang.
pub(super) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(HANG, future).await.expect("hangs")
}

/// What handlers tell the test.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    Connected(Peer),
    /// A command waits for [`TestServer::gate`].
    Waiting,
    /// It got through.
    Passed,
    /// It was dropped while it waited.
    Abandoned,
    Closed,
}

pub(super) struct TestService {
    gate: Arc<Semaphore>,
    events: mpsc::UnboundedSender<Event>,
}

pub(super) struct TestHandler {
    gate: Arc<Semaphore>,
    events: mpsc::UnboundedSender<Event>,
    stream_left: i32,
}

impl Service for TestService {
    type Handler = TestHandler;

    fn connect(&self, peer: Peer) -> Option<TestHandler> {
        self.events.send(Event::Connected(peer)).ok();
        Some(TestHandler {
            gate: Arc::clone(&self.gate),
            events: self.events.clone(),
            stream_left: 0,
        })
    }
}

impl Handler for TestHandler {
    async fn handle(&mut self, request: Result<&Request, &WireError>) -> Answer {
        let request = match request {
            Ok(request) => request,
            Err(error) => {
                let code = error.code().0;
                return Answer::single(
                    rawdoc! { "ok": 0.0, "errmsg": error.to_string(), "code": code },
                );
            }
        };
        let body = match request {
            Request::Msg(message) => message.body(),
            Request::Query(query) => query.command(),
        };
        let (name, value) = body.iter().next().unwrap().unwrap();
        let number = value.as_i32().unwrap_or(0);
        match name.as_str() {
            "echo" => Answer::single(body.to_owned()),
            "wait" | "hello" => {
                self.wait().await;
                Answer::single(rawdoc! { "ok": 1.0 })
            }
            "stream" => {
                self.stream_left = number;
                self.next().await
            }
            "large" => {
                let filler = "x".repeat(usize::try_from(number).unwrap());
                Answer::single(rawdoc! { "ok": 1.0, "filler": filler })
            }
            "close" => Answer {
                close: true,
                ..Answer::single(rawdoc! { "ok": 1.0 })
            },
            "panic" => panic!("as told"),
            _ => Answer::single(rawdoc! { "ok": 1.0 }),
        }
    }

    /// Messages with a falling number; after number 0 waits, then ends the stream with -1.
    async fn next(&mut self) -> Answer {
        if self.stream_left < 0 {
            self.wait().await;
        }
        let document = rawdoc! { "left": self.stream_left };
        let stream = self.stream_left >= 0;
        self.stream_left -= 1;
        Answer {
            document,
            stream,
            close: false,
        }
    }

    fn closed(&mut self) {
        self.events.send(Event::Closed).ok();
    }
}

impl TestHandler {
    async fn wait(&self) {
        struct Unfinished<'a>(&'a mpsc::UnboundedSender<Event>, bool);
        impl Drop for Unfinished<'_> {
            fn drop(&mut self) {
                let event = if self.1 {
                    Event::Passed
                } else {
                    Event::Abandoned
                };
                self.0.send(event).ok();
            }
        }
        let mut unfinished = Unfinished(&self.events, false);
        self.events.send(Event::Waiting).ok();
        self.gate.acquire().await.unwrap().forget();
        unfinished.1 = true;
    }
}

pub(super) struct TestServer {
    pub(super) addresses: Vec<Address>,
    pub(super) counters: Arc<ConnectionCounters>,
    /// Each permit lets one waiting command through.
    pub(super) gate: Arc<Semaphore>,
    pub(super) stop: StopSource,
    events: mpsc::UnboundedReceiver<Event>,
    served: JoinHandle<ServeSummary>,
}

pub(super) fn loopback() -> BindOptions {
    BindOptions {
        hosts: vec!["127.0.0.1".to_owned()],
        port: 0,
        ipv6: false,
        unix_socket: None,
    }
}

impl TestServer {
    pub(super) async fn start(limits: Limits) -> Self {
        Self::start_on(&loopback(), limits).await
    }

    pub(super) async fn start_on(options: &BindOptions, limits: Limits) -> Self {
        let door = Door {
            limits,
            ..Door::default()
        };
        Self::start_behind(options, door).await
    }

    pub(super) async fn start_behind(options: &BindOptions, door: Door) -> Self {
        let limits = door.limits;
        let listeners = Listeners::bind(options).await.unwrap();
        let addresses = listeners.addresses().to_vec();
        let counters = Arc::new(ConnectionCounters::new(limits.max_incoming_connections));
        let gate = Arc::new(Semaphore::new(0));
        let (sender, events) = mpsc::unbounded_channel();
        let (stop, signal) = stop_channel();
        let service = Arc::new(TestService {
            gate: Arc::clone(&gate),
            events: sender,
        });
        let served = serve(
            listeners,
            service,
            Arc::new(door),
            Arc::clone(&counters),
            signal,
        );
        Self {
            addresses,
            counters,
            gate,
            stop,
            events,
            served: tokio::spawn(served),
        }
    }

    pub(super) fn address(&self) -> SocketAddr {
        match &self.addresses[0] {
            Address::Ip(address) => *address,
            Address::Unix(path) => panic!("{} is no port", path.display()),
        }
    }

    /// A client whose connection the server has accepted.
    pub(super) async fn connect(&mut self) -> Client<TcpStream> {
        let client = self.connect_unseen().await;
        let event = self.event().await;
        assert!(matches!(event, Event::Connected(_)), "{event:?}");
        client
    }

    pub(super) async fn connect_unseen(&self) -> Client<TcpStream> {
        Client(soon(TcpStream::connect(self.address())).await.unwrap())
    }

    pub(super) async fn event(&mut self) -> Event {
        soon(self.events.recv()).await.unwrap()
    }

    /// The end of `serve`, which must come.
    pub(super) async fn served(&mut self) -> ServeSummary {
        soon(&mut self.served).await.unwrap()
    }
}

pub(super) struct Client<S>(pub(super) S);

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        soon(self.0.write_all(bytes)).await.unwrap();
    }

    /// Sends a command in `OP_MSG`.
    pub(super) async fn command(&mut self, request_id: i32, flags: u32, command: &RawDocument) {
        self.send(&msg(request_id, flags, command)).await;
    }

    /// The bytes of the next message.
    pub(super) async fn message(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 4];
        soon(self.0.read_exact(&mut bytes)).await.unwrap();
        let length = i32::from_le_bytes(bytes[..4].try_into().unwrap());
        bytes.resize(usize::try_from(length).unwrap(), 0);
        soon(self.0.read_exact(&mut bytes[4..])).await.unwrap();
        bytes
    }

    pub(super) async fn reply(&mut self) -> Reply {
        read_reply(&self.message().await)
    }

    /// One round trip that must work.
    pub(super) async fn ping(&mut self) {
        self.command(4711, 0, &rawdoc! { "ping": 1 }).await;
        let reply = self.reply().await;
        assert_eq!(reply.header.response_to, 4711);
        assert_eq!(reply.document, ok());
    }

    /// The server closes the connection without sending anything more.
    pub(super) async fn ends(&mut self) {
        let mut byte = [0];
        // A reset is an end too: bytes that nobody read were on their way.
        let count = soon(self.0.read(&mut byte)).await.unwrap_or(0);
        assert_eq!(count, 0, "the server sent {byte:?}");
    }
}

pub(super) fn ok() -> RawDocumentBuf {
    rawdoc! { "ok": 1.0 }
}
