//! From a request to an answer. The order of the checks is that of Milvus: the method is known, the
//! message can be read, the caller is somebody, it may, and then what the call itself checks.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::{Buf, BufMut, Bytes};
use compact_str::CompactString;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::server::{Grpc, UnaryService};
use tonic::{Code, Status};

use super::acknowledgement::{Acknowledgement, deadline};
use super::authentication::authenticate;
use super::call::{Call, Context, REQUEST_BYTES_MAX, Reply};
use super::calls::{self, Known, Unserved};
use super::connection::Connection;
use super::failure::Failure;
use super::timed_body::{TimedBody, too_much};
use crate::authz::{MilvusAuthority, MilvusNeed, Pass};
use crate::command::read_preference::ReadPreference;
use crate::command::services::Services;
use crate::command::spec::RunsOn;
use crate::model::milvus::DEFAULT_DATABASE;
use crate::telemetry::events;

/// The one service there is.
const SERVICE: &str = "milvus.proto.milvus.MilvusService";

/// Bytes of all metadata of a call, as HTTP/2 counts them (RFC 9113, section 6.5.2).
const METADATA_BYTES_MAX: usize = 16 * 1024;
/// What each entry counts beside its name and value.
const METADATA_ENTRY_BYTES: usize = 32;

/// Answers a request, whatever it is.
pub(super) async fn answer(
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Response<tonic::body::Body> {
    if let Some(status) = not_grpc(&request) {
        let mut response = Response::new(tonic::body::Body::empty());
        *response.status_mut() = status;
        return response;
    }
    let metadata_bytes = metadata_bytes(request.uri(), request.headers());
    if metadata_bytes > METADATA_BYTES_MAX {
        let text = format!("grpc: received metadata larger than max {METADATA_BYTES_MAX}");
        return Status::resource_exhausted(text).into_http();
    }
    let call_bytes = connection.call_bytes().map(Arc::new);
    let is_too_much = |bytes: usize| call_bytes.as_ref().is_some_and(|all| !all.take(bytes));
    if is_too_much(metadata_bytes) {
        return too_much().into_http();
    }
    let served = match known(request.uri().path()) {
        Ok(Known::Served(served)) => served,
        Ok(Known::Unserved(unserved)) => {
            // What is not read is not kept either.
            let (head, _) = request.into_parts();
            let refused = refuse(&connection, &head.headers, unserved).await;
            return refused.unwrap_or_else(|status| status).into_http();
        }
        Err(status) => return status.into_http(),
    };
    let bytes_max = served.request_bytes_max;
    if bytes_max > REQUEST_BYTES_MAX {
        // Meanwhile as much arrives as is taken unread.
        if is_too_much(REQUEST_BYTES_MAX) {
            return too_much().into_http();
        }
        if let Err(status) = (served.admit)(&connection, request.headers()).await {
            return status.into_http();
        }
    }
    let limit = connection.message_timeout();
    let service = Unary {
        handle: served.handle,
        connection: Arc::clone(&connection),
        metadata: request.headers().clone(),
    };
    let mut grpc = Grpc::new(BytesCodec).max_decoding_message_size(bytes_max);
    let of_body = call_bytes.clone().filter(|_| connection.is_strangers());
    let request = request.map(|body| TimedBody::new(body, limit, of_body));
    let response = grpc.unary(service, request).await;
    match response.extensions().get::<Status>() {
        // Clients repeat this one, and it would be too large again.
        Some(status) if status.code() == Code::OutOfRange => {
            let text = format!("grpc: received message larger than max {bytes_max}");
            Status::resource_exhausted(text).into_http()
        }
        // Of a frame that is none. Clients repeat these for minutes, and no call has them.
        Some(status) if matches!(status.code(), Code::Internal | Code::Unknown) => {
            Status::invalid_argument(status.message()).into_http()
        }
        _ => response,
    }
}

/// Decodes, checks and runs one call.
pub(super) type Handle = for<'a> fn(&'a Connection, &'a HeaderMap, Bytes) -> Answer<'a>;
/// Makes the checks of a call that come before its message.
pub(super) type Admit = for<'a> fn(&'a Connection, &'a HeaderMap) -> Admission<'a>;
type Admission<'a> = Pin<Box<dyn Future<Output = Result<(), Status>> + Send + 'a>>;
type Answer<'a> = Pin<Box<dyn Future<Output = Result<Bytes, Status>> + Send + 'a>>;

/// The [`Handle`] of a call.
pub(super) fn handle<'a, C: Call>(
    connection: &'a Connection,
    metadata: &'a HeaderMap,
    message: Bytes,
) -> Answer<'a> {
    Box::pin(run::<C>(message, connection, metadata))
}

fn decode<C: Call>(message: Bytes) -> Result<C, Status> {
    // Milvus says INTERNAL, which clients repeat for minutes.
    C::decode(message).map_err(|error| {
        Status::invalid_argument(format!("grpc: error unmarshalling request: {error}"))
    })
}

/// The [`Admit`] of a call whose need is the same whatever the message.
pub(super) fn admit<'a, C: Call>(
    connection: &'a Connection,
    metadata: &'a HeaderMap,
) -> Admission<'a> {
    Box::pin(async move {
        let context = context(connection, metadata).await?;
        // That it is allowed is audited once, when it runs.
        let _pass = check_privilege(&context, C::METHOD, C::default().need(&context)).await?;
        Ok(())
    })
}

async fn run<C: Call>(
    message: Bytes,
    connection: &Connection,
    metadata: &HeaderMap,
) -> Result<Bytes, Status> {
    let deadline = deadline(metadata);
    // That it can be read comes before who calls. What is made of it may be many times as large, and is
    // not kept while it is found out.
    decode::<C>(message.clone())?;
    let mut context = context(connection, metadata).await?;
    let call = decode::<C>(message)?;
    let pass = authorize(&context, C::METHOD, call.need(&context)).await?;
    let acknowledgement = Acknowledgement::of(&connection.milvus.services, deadline);
    context.commit_note = acknowledgement.as_ref().map(Acknowledgement::note);
    let answered = call.run(&context, pass).await;
    let answered = match acknowledgement {
        Some(acknowledgement) => acknowledgement.finish(answered).await,
        None => answered,
    };
    let reply = match answered {
        Ok(reply) => reply,
        Err(Failure::Status(status)) => C::Reply::failed(status),
        Err(Failure::Rpc(status)) => return Err(status),
    };
    Ok(prost::Message::encode_to_vec(&reply).into())
}

/// Who calls, and about which database.
async fn context<'a>(
    connection: &'a Connection,
    metadata: &HeaderMap,
) -> Result<Context<'a>, Status> {
    let services = &connection.milvus.services;
    // Who was dropped elsewhere must not come in here, and who comes in can read.
    check_member(services)?;
    let caller = if services.is_authorization_enabled {
        let caller = authenticate(connection, metadata).await?;
        // That may have taken long.
        check_member(services)?;
        Some(caller)
    } else {
        None
    };
    Ok(Context {
        connection,
        caller,
        db: database_of(metadata),
        commit_note: None,
    })
}

fn check_member(services: &Services) -> Result<(), Status> {
    let checked = services.check_member(RunsOn::PrimaryOrSecondary, ReadPreference::Primary);
    checked.map_err(|_| {
        Status::unavailable(
            "this member of the replica set was removed from it, or has been out of touch for too \
             long",
        )
    })
}

/// The proof that the caller may, which is audited where that is, or a refusal.
async fn authorize(
    context: &Context<'_>,
    method: &str,
    need: Option<MilvusNeed>,
) -> Result<Pass, Status> {
    let pass = check_privilege(context, method, need.clone()).await?;
    context.audit_allowed(method, need.as_ref()).await?;
    Ok(pass)
}

/// The proof that the caller may, or a refusal, which is logged and audited.
async fn check_privilege(
    context: &Context<'_>,
    method: &str,
    need: Option<MilvusNeed>,
) -> Result<Pass, Status> {
    let caller = context.caller.as_ref();
    let authority = caller.map_or(MilvusAuthority::Unchecked, |caller| {
        MilvusAuthority::User(caller)
    });
    let catalog = context.services().directory.catalog();
    match authority.require(need, catalog.as_ref()) {
        Ok(pass) => Ok(pass),
        Err(need) => {
            let name = caller.map(|caller| &caller.name);
            let client = context.connection.client;
            events::access_denied(method, context.directory_db().as_str(), name, client);
            context.audit_refused(method, &need).await;
            Err(Status::permission_denied(format!(
                "Privilege{}: permission deny to {} in the `{}` database",
                need.privilege,
                context.caller_name(),
                need.db
            )))
        }
    }
}

/// The method's path and the authority are fields of HTTP/2 as all others.
fn metadata_bytes(target: &Uri, metadata: &HeaderMap) -> usize {
    let authority = target.authority().map_or(0, |it| it.as_str().len());
    let path = target.path_and_query().map_or(0, |it| it.as_str().len());
    let entries = metadata.iter();
    let sizes =
        entries.map(|(name, value)| name.as_str().len() + value.len() + METADATA_ENTRY_BYTES);
    authority + path + sizes.sum::<usize>()
}

/// For the rest of the API: who may call it is told that it is not served, who may not, that.
async fn refuse(
    connection: &Connection,
    metadata: &HeaderMap,
    unserved: &Unserved,
) -> Result<Status, Status> {
    let context = context(connection, metadata).await?;
    let need = unserved.privilege.map(|(object, privilege)| MilvusNeed {
        privilege,
        object,
        object_name: None,
        db: context.db.clone(),
        is_roots: !context.settings().root_should_bind_role,
    });
    let _pass = authorize(&context, unserved.method, need).await?;
    Ok(Status::unimplemented(format!(
        "{} is not served: Portcullis keeps users, roles and grants, and no data",
        unserved.method
    )))
}

fn known(path: &str) -> Result<Known, Status> {
    let (service, method) = path
        .strip_prefix('/')
        .and_then(|path| path.rsplit_once('/'))
        .ok_or_else(|| Status::unimplemented(format!("malformed method name: {path:?}")))?;
    if service != SERVICE {
        return Err(Status::unimplemented(format!("unknown service {service}")));
    }
    calls::find(method).ok_or_else(|| {
        Status::unimplemented(format!("unknown method {method} for service {SERVICE}"))
    })
}

/// The database that a call names.
fn database_of(metadata: &HeaderMap) -> CompactString {
    let named = metadata.get("dbname").and_then(|value| value.to_str().ok());
    named
        .filter(|db| !db.is_empty())
        .unwrap_or(DEFAULT_DATABASE)
        .into()
}

fn not_grpc(request: &Request<Incoming>) -> Option<StatusCode> {
    if request.method() != Method::POST {
        return Some(StatusCode::METHOD_NOT_ALLOWED);
    }
    let content = request.headers().get(CONTENT_TYPE);
    let is_grpc = content.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    (!is_grpc).then_some(StatusCode::UNSUPPORTED_MEDIA_TYPE)
}

/// One call as tonic sees it.
struct Unary {
    handle: Handle,
    connection: Arc<Connection>,
    metadata: HeaderMap,
}

impl UnaryService<Bytes> for Unary {
    type Response = Bytes;
    type Future = Pin<Box<dyn Future<Output = Result<tonic::Response<Bytes>, Status>> + Send>>;

    fn call(&mut self, request: tonic::Request<Bytes>) -> Self::Future {
        let (handle, connection) = (self.handle, Arc::clone(&self.connection));
        let metadata = std::mem::take(&mut self.metadata);
        Box::pin(async move {
            let answer = handle(&connection, &metadata, request.into_inner()).await;
            answer.map(tonic::Response::new)
        })
    }
}

/// Leaves messages as they are: each call reads its own.
#[derive(Debug, Clone, Copy, Default)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        *self
    }

    fn decoder(&mut self) -> Self {
        *self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = buffer.remaining();
        Ok(Some(buffer.copy_to_bytes(length)))
    }
}
