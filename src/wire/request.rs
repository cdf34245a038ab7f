//! One complete message in, one [`Request`] and the form of its reply out.

use bson::raw::RawDocument;
use bytes::Bytes;

use super::compressed::decompress;
use super::{
    Compressor, CompressorSet, Header, MESSAGE_BYTES_MAX, OpMsg, OpQuery, ReplyForm, WireError,
    op_code,
};

/// What the wire layer accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WireLimits {
    /// Longest message in bytes, header included, compressed or not.
    pub message_bytes_max: usize,
    /// Compressors that requests may use.
    pub compressors: CompressorSet,
}

impl Default for WireLimits {
    fn default() -> Self {
        Self {
            message_bytes_max: MESSAGE_BYTES_MAX,
            compressors: CompressorSet::all(),
        }
    }
}

/// A well-formed request. Cheap to clone: the bytes are shared.
#[derive(Debug, Clone)]
pub enum Request {
    /// What everybody sends.
    Msg(OpMsg),
    /// What old drivers begin with.
    Query(OpQuery),
}

impl Request {
    /// The peer's number for the request.
    pub fn request_id(&self) -> i32 {
        match self {
            Self::Msg(message) => message.request_id(),
            Self::Query(query) => query.request_id(),
        }
    }

    /// What it was compressed with.
    pub fn compressor(&self) -> Option<Compressor> {
        match self {
            Self::Msg(message) => message.compressor(),
            Self::Query(query) => query.compressor(),
        }
    }

    /// Whether it is a `hello` whose answer may be a matter of waiting for news, so that nothing is
    /// lost when it is abandoned. Nothing else is ever abandoned.
    pub fn is_awaitable(&self) -> bool {
        let (body, exhaust_allowed) = match self {
            Self::Msg(message) => (message.body(), message.exhaust_allowed()),
            Self::Query(query) => (query.command(), false),
        };
        is_hello(body) && (exhaust_allowed || has_field(body, "maxAwaitTimeMS"))
    }
}

fn is_hello(command: &RawDocument) -> bool {
    let name = command
        .iter()
        .next()
        .and_then(Result::ok)
        .map(|(name, _)| name.as_str());
    matches!(name, Some("hello" | "isMaster" | "ismaster"))
}

fn has_field(document: &RawDocument, name: &str) -> bool {
    matches!(document.get(name), Ok(Some(_)))
}

/// A complete message, read as far as it could be.
#[derive(Debug)]
pub struct Incoming {
    /// How to answer, which is known even where the request is not.
    pub reply: ReplyForm,
    /// The request.
    pub request: Result<Request, WireError>,
}

/// Reads `frame`, one message of the length [`frame_length`](super::frame_length) gave.
pub fn parse(frame: Bytes, limits: &WireLimits) -> Incoming {
    let Some(header) = Header::read(&frame) else {
        return Incoming {
            reply: ReplyForm::default(),
            request: Err(WireError::NotEnoughData),
        };
    };
    if header.op_code != op_code::COMPRESSED {
        return parse_plain(frame, header, None);
    }
    match decompress(&frame, header, limits) {
        Ok((compressor, header, frame)) => parse_plain(frame, header, Some(compressor)),
        Err(error) => Incoming {
            reply: ReplyForm::default(),
            request: Err(error),
        },
    }
}

fn parse_plain(frame: Bytes, header: Header, compressor: Option<Compressor>) -> Incoming {
    let reply = ReplyForm::of_request(&frame, header, compressor);
    let removed = |name, code| Err(WireError::RemovedOpCode { name, code });
    let request = match header.op_code {
        op_code::MSG => OpMsg::parse(frame, header, compressor).map(Request::Msg),
        op_code::QUERY => OpQuery::parse(frame, header, compressor).map(Request::Query),
        op_code::GET_MORE => Err(WireError::LegacyOperation("OP_GET_MORE")),
        op_code::DELETE => removed("OP_DELETE", 5_745_704),
        op_code::UPDATE => removed("OP_UPDATE", 5_745_705),
        op_code::INSERT => removed("OP_INSERT", 5_745_706),
        op_code::KILL_CURSORS => removed("OP_KILL_CURSORS", 5_745_707),
        other => Err(WireError::UnknownOpCode(other)),
    };
    Incoming { reply, request }
}
