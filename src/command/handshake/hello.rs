//! `hello`, also as `isMaster` and `ismaster` (MongoDB manual, "hello").
//!
//! Unknown fields are accepted: newer drivers send fields that older servers have never heard of.
//! With `topologyVersion` and `maxAwaitTimeMS` the answer waits for a change; with the exhaust flag
//! answers follow each other until the connection closes.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use bson::{DateTime, RawArrayBuf, RawDocumentBuf, rawdoc};

use super::hello_sign_in::{
    SupportedMechanismsOf, mechanism_names, speculative_authenticate, supported_mechanisms,
};
use super::replica_set_hello::{append_member, writable_field};
use super::topology::TopologyVersion;
use super::{client_metadata, hello_sign_in};
use crate::audit::Event;
use crate::authz::Pass;
use crate::command::arguments::arguments;
use crate::command::context::{ConnectionState, Context};
use crate::command::execute::until;
use crate::command::field_types::{Anything, SafeBool, SafeInt64};
use crate::command::reply::Reply;
use crate::command::services::Services;
use crate::command::spec::{Access, Command, Spec};
use crate::error::{CommandError, ErrorCode};
use crate::telemetry::events;

/// Largest document, `maxBsonObjectSize`.
pub const BSON_OBJECT_BYTES_MAX: i32 = 16_777_216;
/// Largest message, `maxMessageSizeBytes`.
const MESSAGE_BYTES_MAX: i32 = 48_000_000;
/// `maxWriteBatchSize`.
const WRITE_BATCH_MAX: i32 = 100_000;
/// `logicalSessionTimeoutMinutes`.
pub const SESSION_TIMEOUT_MINUTES: i32 = 30;
/// Longest wait for news; a client that wants to wait longer is answered and asks again.
const AWAIT_MS_MAX: u64 = 10 * 60 * 1000;
/// Answers of a stream come no faster, whatever the client allows.
const STREAM_INTERVAL_MIN: Duration = Duration::from_millis(100);
/// MongoDB 8.0.
const WIRE_VERSION_MAX: i32 = 25;

arguments! {
    /// The fields of `hello` that mean something here.
    #[derive(Debug)]
    pub struct Hello {
        /// Any value.
        "hello" => value: Anything,
        /// Whether the client knows `hello` (it asked as `isMaster`).
        "helloOk" => hello_ok: Option<SafeBool>,
        /// Who the client is; only in the first hello of a connection.
        "client" => client: Option<RawDocumentBuf>,
        /// Compressors the client knows.
        "compression" => compression: Option<Vec<String>>,
        /// A user whose mechanisms the client wants to know.
        "saslSupportedMechs" => supported_mechanisms_of: Option<SupportedMechanismsOf>,
        /// A `saslStart` to begin with, which saves a round trip.
        "speculativeAuthenticate" => speculative_authenticate: Option<RawDocumentBuf>,
        /// The topology the client knows; the answer waits until it is another.
        "topologyVersion" => topology_version: Option<TopologyVersion>,
        /// Milliseconds to wait at most.
        "maxAwaitTimeMS" => max_await_time_ms: Option<SafeInt64>,
    }
}

/// A `hello` whose answers follow each other.
#[derive(Debug, Clone, Copy)]
pub struct HelloStream {
    max_await_ms: u64,
    is_hello: bool,
    /// Of the topology that was told last.
    counter: i64,
}

impl Command for Hello {
    const SPEC: Spec = Spec {
        aliases: &["isMaster", "ismaster"],
        access: Access::Anyone,
        api_version_1: true,
        is_interruptible: false,
        strict: false,
        by_op_query: true,
        ..Spec::new("hello", "Answers what the server is and can do.")
    };

    async fn run(self, context: &mut Context<'_>, _: Pass) -> Result<Reply, CommandError> {
        let is_hello = context.invoked_as == Self::SPEC.name;
        self.greet(context)?;
        if let Some(client) = &self.client
            && let Some(origin) = context.connection.audit_origin()
        {
            let event = Event::client_metadata(origin, client);
            // Boxed, as what follows. A greeting does nothing that could be refused.
            let _ = Box::pin(context.services.audit.record(event)).await;
        }
        let wait = self.wait(context)?;
        if let Some(speculative) = &self.speculative_authenticate {
            hello_sign_in::check_speculative(speculative)?;
        }
        if let Some((known, max_await_ms)) = wait.pause {
            let limit = Duration::from_millis(max_await_ms);
            let change = context.services.wait_for_topology_change(known, limit);
            // Boxed, as is the sign-in below: most hellos need the room for neither.
            Box::pin(until(context.deadline, change)).await??;
        }
        let mut reply = Reply::new();
        if self.hello_ok.is_some_and(|hello_ok| hello_ok.0) {
            context.connection.supports_hello = true;
            reply.append("helloOk", true);
        }
        let counter = append_server(&mut reply, context.services, context.connection, is_hello)?;
        if let Some(compression) = &self.compression {
            append_compression(&mut reply, context.services, compression);
        }
        let of = self.supported_mechanisms_of.as_ref();
        let offered = of.and_then(|of| supported_mechanisms(context, of));
        if let Some(offered) = &offered {
            reply.append("saslSupportedMechs", mechanism_names(offered));
        }
        if let Some(speculative) = &self.speculative_authenticate
            && let Some(answer) = Box::pin(speculative_authenticate(
                context,
                speculative,
                offered.as_deref(),
            ))
            .await
        {
            reply.append("speculativeAuthenticate", answer);
        }
        if let Some(max_await_ms) = wait.stream_ms {
            context.connection.stream = Some(HelloStream {
                max_await_ms,
                is_hello,
                counter,
            });
            reply.stream = true;
        }
        Ok(reply)
    }
}

/// The next answer of a stream.
pub async fn next_of_stream(
    services: &Services,
    connection: &mut ConnectionState,
    stream: HelloStream,
) -> Result<Reply, CommandError> {
    let wait = Duration::from_millis(stream.max_await_ms).max(STREAM_INTERVAL_MIN);
    services
        .wait_for_topology_change(stream.counter, wait)
        .await?;
    let mut reply = Reply::new();
    let counter = append_server(&mut reply, services, connection, stream.is_hello)?;
    connection.stream = Some(HelloStream { counter, ..stream });
    reply.stream = true;
    Ok(reply)
}

/// How an awaitable hello waits.
struct Wait {
    /// Before this answer: the counter that the client knows, and how long at most.
    pause: Option<(i64, u64)>,
    /// Between further answers.
    stream_ms: Option<u64>,
}

impl Hello {
    /// Takes note of who the client is.
    fn greet(&self, context: &mut Context<'_>) -> Result<(), CommandError> {
        let connection = &mut *context.connection;
        if let Some(client) = &self.client {
            if connection.is_greeted {
                return Err(CommandError::new(
                    ErrorCode::CLIENT_METADATA_CANNOT_BE_MUTATED,
                    "The client metadata document may only be sent in the first hello",
                ));
            }
            client_metadata::check(client)?;
            let name = client_metadata::application_name(client);
            events::client_metadata(name.unwrap_or_default(), connection.client());
        }
        connection.is_greeted = true;
        Ok(())
    }

    fn wait(&self, context: &Context<'_>) -> Result<Wait, CommandError> {
        let location = |code, text: &str| Err(CommandError::new(ErrorCode(code), text));
        let max_await_ms = match self.max_await_time_ms {
            None => None,
            Some(SafeInt64(millis)) => Some(u64::try_from(millis).map(|millis| millis.min(AWAIT_MS_MAX)).map_err(|_| {
                CommandError::bad_value(format!(
                    "BSON field 'maxAwaitTimeMS' value must be >= 0, actual value '{millis}'"
                ))
            })?),
        };
        if context.exhaust_allowed && max_await_ms.is_none() {
            return location(
                51_756,
                "A hello request with exhaust must specify 'maxAwaitTimeMS'",
            );
        }
        let server = context.services.topology_version();
        match (self.topology_version, max_await_ms) {
            (None, None) => Ok(Wait {
                pause: None,
                stream_ms: None,
            }),
            (Some(_), None) => location(
                31_368,
                "A request with a 'topologyVersion' must include 'maxAwaitTimeMS'",
            ),
            (None, Some(_)) => location(
                31_368,
                "A request with 'maxAwaitTimeMS' must include a 'topologyVersion'",
            ),
            (Some(known), Some(max_await_ms)) => {
                let is_same_process = known.process_id == server.process_id;
                if is_same_process && known.counter > server.counter {
                    return location(
                        31_382,
                        "Received a topology version with counter greater than the server's",
                    );
                }
                let is_current = is_same_process && known.counter == server.counter;
                Ok(Wait {
                    pause: is_current.then_some((known.counter, max_await_ms)),
                    stream_ms: context.exhaust_allowed.then_some(max_await_ms),
                })
            }
        }
    }
}

/// Fields that never change, written once: every driver asks for them every ten seconds.
static SIZES: LazyLock<RawDocumentBuf> = LazyLock::new(|| {
    rawdoc! {
        "maxBsonObjectSize": BSON_OBJECT_BYTES_MAX,
        "maxMessageSizeBytes": MESSAGE_BYTES_MAX,
        "maxWriteBatchSize": WRITE_BATCH_MAX,
    }
});
static VERSIONS: LazyLock<RawDocumentBuf> = LazyLock::new(|| {
    rawdoc! { "minWireVersion": 0, "maxWireVersion": WIRE_VERSION_MAX, "readOnly": false }
});

/// What the server is, from one topology, whose counter is returned. A member that is about to stop
/// answers that it is instead, so that drivers turn to others.
fn append_server(
    reply: &mut Reply,
    services: &Services,
    connection: &ConnectionState,
    is_hello: bool,
) -> Result<i64, CommandError> {
    let mut version = services.topology;
    if let Some(set) = &services.replica_set {
        let topology = set.topology();
        version.counter = topology.counter;
        if let Some(until) = topology.quiesces_until {
            return Err(quiescing(until, version));
        }
        reply.append("topologyVersion", version.to_document());
        append_member(reply, &topology, set.last_write(), is_hello);
    } else {
        reply.append("topologyVersion", version.to_document());
        reply.append(writable_field(is_hello), true);
    }
    reply.append_fields(&SIZES);
    reply.append("localTime", DateTime::now());
    reply.append("logicalSessionTimeoutMinutes", SESSION_TIMEOUT_MINUTES);
    reply.append("connectionId", connection.peer.connection_id);
    reply.append_fields(&VERSIONS);
    Ok(version.counter)
}

fn quiescing(until: Instant, version: TopologyVersion) -> CommandError {
    let left = until.saturating_duration_since(Instant::now());
    let mut error = CommandError::new(
        ErrorCode::SHUTDOWN_IN_PROGRESS,
        "The server is in quiesce mode and will shut down",
    );
    error.extra = Some(rawdoc! {
        "topologyVersion": version.to_document(),
        "remainingQuiesceTimeMillis": i64::try_from(left.as_millis()).unwrap_or(i64::MAX),
    });
    error
}

fn append_compression(reply: &mut Reply, services: &Services, asked: &[String]) {
    let common: RawArrayBuf = services
        .compressors
        .iter()
        .map(|compressor| compressor.name())
        .filter(|name| asked.iter().any(|asked| asked == name))
        .collect();
    if !common.is_empty() {
        reply.append("compression", common);
    }
}
