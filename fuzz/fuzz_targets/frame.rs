//! What a peer sends, from the stream of bytes to requests and back.
//!
//! Input: the bytes of a connection. Messages are cut out of them as the server does. Whatever is
//! accepted can be read to its last value, is written anew and read again without a difference, and
//! is answered in its own form. Memory stays within what the input's length allows.
//!
//! The mutator knows where lengths and checksums are and mends them, and mutates the inside of
//! compressed messages.

#![no_main]

use std::io::Read;

use bson::raw::{RawDocument, RawDocumentBuf};
use bytes::Bytes;
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use portcullis::wire::{
    Compressor, HEADER_BYTES, Header, OpMsg, ReplyForm, Request, WireLimits, frame_length, op_code,
    parse,
};
use portcullis_fuzz::document::walk;
use portcullis_fuzz::memory::metered;

/// Small, so that a decompression bomb is quick and the bound below is sharp.
const MESSAGE_BYTES_MAX: usize = 256 * 1024;
/// Messages of one input that are judged: a few bytes of each may become [`MESSAGE_BYTES_MAX`].
const MESSAGES_MAX: usize = 8;
/// Constant part of what a message may take: decoders' own tables and error texts.
const MEMORY_BYTES_MAX: usize = 128 * 1024;
/// Bytes of `OP_COMPRESSED` before the compressed ones.
const COMPRESSED_AT: usize = HEADER_BYTES + 9;

fuzz_target!(|input: &[u8]| {
    let limits = WireLimits {
        message_bytes_max: MESSAGE_BYTES_MAX,
        ..WireLimits::default()
    };
    let mut rest = input;
    for _ in 0..MESSAGES_MAX {
        let Ok(Some(length)) = frame_length(rest, MESSAGE_BYTES_MAX) else {
            break;
        };
        assert!((HEADER_BYTES..=MESSAGE_BYTES_MAX).contains(&length));
        let Some((frame, following)) = rest.split_at_checked(length) else {
            break;
        };
        rest = following;
        one_message(frame, &limits);
    }
    // What is not cut by a length: as if a caller had cut wrongly.
    let _ = parse(Bytes::copy_from_slice(rest), &limits);
});

fn one_message(frame: &[u8], limits: &WireLimits) {
    let bytes = Bytes::copy_from_slice(frame);
    let (incoming, held) = metered(|| parse(bytes, limits));
    assert!(
        held <= allowed_bytes(frame),
        "{held} bytes for a message of {}",
        frame.len()
    );
    let request = match incoming.request {
        Ok(request) => request,
        Err(error) => {
            if error.is_legacy() {
                let mut out = Vec::new();
                incoming.reply.encode_legacy_error(7, &error, &mut out);
                plain(&out);
            }
            assert!(error.to_string().len() <= 1024 + 2 * inflated_bytes_max(frame));
            return;
        }
    };
    let header = Header::read(frame).expect("an accepted message has a header");
    assert_eq!(request.request_id(), header.request_id);
    assert_eq!(
        request.compressor().is_some(),
        header.op_code == op_code::COMPRESSED
    );
    let _ = request.is_awaitable();
    match &request {
        Request::Msg(message) => {
            read_msg(message);
            rewrite_msg(message, limits);
            answer(&incoming.reply, message.body(), &request, limits);
        }
        Request::Query(query) => {
            walk(query.query());
            walk(query.command());
            assert!(!query.database().is_empty());
            answer(&incoming.reply, query.command(), &request, limits);
        }
    }
}

/// A message takes its own bytes, or those that come out of it, the output growing by doubling; and
/// once more what of it an error repeats.
fn allowed_bytes(frame: &[u8]) -> usize {
    MEMORY_BYTES_MAX + 3 * inflated_bytes_max(frame)
}

/// What a message may have when it is no longer compressed.
fn inflated_bytes_max(frame: &[u8]) -> usize {
    let is_compressed = Header::read(frame).is_some_and(|h| h.op_code == op_code::COMPRESSED);
    let compressor = frame
        .get(COMPRESSED_AT - 1)
        .filter(|_| is_compressed)
        .and_then(|id| Compressor::from_id(*id));
    let expansion_max = match compressor {
        Some(Compressor::Snappy) => 24,
        Some(Compressor::Zlib) => 1_032,
        Some(Compressor::Zstd) => usize::MAX,
        None => 1,
    };
    frame
        .len()
        .saturating_mul(expansion_max)
        .min(MESSAGE_BYTES_MAX)
}

fn read_msg(message: &OpMsg) {
    walk(message.body());
    for (name, documents) in message.sequences() {
        assert!(message.body().get(name).expect("readable").is_none());
        documents.for_each(walk);
    }
}

/// The same request in bytes of our own making means the same.
fn rewrite_msg(message: &OpMsg, limits: &WireLimits) {
    let flags = u32::from(message.checksum_present())
        | u32::from(message.more_to_come()) << 1
        | u32::from(message.exhaust_allowed()) << 16;
    let mut payload = flags.to_le_bytes().to_vec();
    for (name, documents) in message.sequences() {
        let documents: Vec<u8> = documents
            .flat_map(|document| document.as_bytes())
            .copied()
            .collect();
        payload.push(1);
        let length = i32::try_from(4 + name.len() + 1 + documents.len()).unwrap();
        payload.extend(length.to_le_bytes());
        payload.extend(name.as_bytes());
        payload.push(0);
        payload.extend(documents);
    }
    payload.push(0);
    payload.extend(message.body().as_bytes());
    if message.checksum_present() {
        payload.extend([0; 4]);
    }
    let mut frame = framed(message.request_id(), op_code::MSG, &payload);
    mend(&mut frame);
    let again = parse(Bytes::from(frame), limits)
        .request
        .expect("the same request again");
    let Request::Msg(again) = again else {
        panic!("another kind of request");
    };
    assert_eq!(again.body(), message.body());
    assert_eq!(again.has_sequences(), message.has_sequences());
    assert_eq!(again.checksum_present(), message.checksum_present());
    let contents = |message: &OpMsg| -> Vec<(String, Vec<RawDocumentBuf>)> {
        let owned = |name: &str, documents: portcullis::wire::Documents<'_>| {
            (
                name.to_owned(),
                documents.map(RawDocument::to_owned).collect(),
            )
        };
        message
            .sequences()
            .map(|(name, documents)| owned(name, documents))
            .collect()
    };
    assert_eq!(contents(&again), contents(message));
}

/// The reply is in the request's form; one in `OP_MSG` is a message that can be read as a request.
fn answer(form: &ReplyForm, document: &RawDocument, request: &Request, limits: &WireLimits) {
    let mut out = Vec::new();
    form.encode(7, document, true, &mut out);
    let (header, message) = plain(&out);
    assert_eq!(
        (header.request_id, header.response_to),
        (7, request.request_id())
    );
    if let Request::Query(_) = request {
        assert_eq!(header.op_code, op_code::REPLY);
        assert_eq!(message.get(HEADER_BYTES + 20..), Some(document.as_bytes()));
        return;
    }
    let wide = WireLimits {
        message_bytes_max: 2 * limits.message_bytes_max,
        ..*limits
    };
    let again = parse(Bytes::from(out), &wide)
        .request
        .expect("a reply that can be read");
    let Request::Msg(again) = again else {
        panic!("another kind of reply");
    };
    assert_eq!(again.body(), document);
    assert_eq!(again.more_to_come(), form.allows_stream());
}

/// Header and bytes of a message, decompressed if it was compressed.
fn plain(message: &[u8]) -> (Header, Vec<u8>) {
    let header = Header::read(message).expect("a header");
    assert_eq!(usize::try_from(header.message_length), Ok(message.len()));
    if header.op_code != op_code::COMPRESSED {
        return (header, message.to_vec());
    }
    let (op_code, payload) = decompressed(message).expect("our own compression");
    let message = framed(header.request_id, op_code, &payload);
    (Header { op_code, ..header }, message)
}

fn framed(request_id: i32, op_code: i32, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let message_length = i32::try_from(HEADER_BYTES + payload.len()).unwrap();
    Header {
        message_length,
        request_id,
        response_to: 0,
        op_code,
    }
    .write(&mut frame);
    frame.extend(payload);
    frame
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let inside = (seed.is_multiple_of(8))
        .then(|| mutated_inside(&data[..size], max_size, seed))
        .flatten();
    if let Some(message) = inside {
        data[..message.len()].copy_from_slice(&message);
        return message.len();
    }
    let size = fuzzer_mutate(data, size, max_size);
    if seed % 8 < 6 {
        let first = first_length(&data[..size], seed);
        mend(&mut data[..first]);
    }
    size
});

/// The whole input is one message, or sometimes the length in it is kept.
fn first_length(data: &[u8], seed: u32) -> usize {
    match frame_length(data, MESSAGE_BYTES_MAX) {
        Ok(Some(length)) if length <= data.len() && !seed.is_multiple_of(3) => length,
        _ => data.len(),
    }
}

/// Makes lengths and checksum those of the bytes that are there.
fn mend(message: &mut [u8]) {
    let length = message.len();
    if length < HEADER_BYTES {
        return;
    }
    put(message, 0, length);
    let op_code = i32::from_le_bytes(message[12..16].try_into().unwrap());
    if op_code != op_code::MSG || length < HEADER_BYTES + 4 {
        return;
    }
    let has_checksum = message[HEADER_BYTES] & 1 == 1 && length >= HEADER_BYTES + 4 + 4;
    let end = if has_checksum { length - 4 } else { length };
    // A lone body, the commonest message: its length is the rest.
    let is_lone = message.get(20) == Some(&0) && end > 25 && message[end - 1] == 0;
    let body_length = message
        .get(21..25)
        .map(|b| u32::from_le_bytes(b.try_into().unwrap()) as usize);
    if is_lone && body_length.is_some_and(|body| body.abs_diff(end - 21) < 64) {
        put(message, 21, end - 21);
    }
    if has_checksum {
        let checksum = crc32c::crc32c(&message[..end]);
        message[end..].copy_from_slice(&checksum.to_le_bytes());
    }
}

fn put(message: &mut [u8], at: usize, length: usize) {
    let length = i32::try_from(length).unwrap_or(i32::MAX);
    message[at..at + 4].copy_from_slice(&length.to_le_bytes());
}

/// The message with its payload mutated and compressed; a plain message becomes a compressed one.
fn mutated_inside(message: &[u8], max_size: usize, seed: u32) -> Option<Vec<u8>> {
    let header = Header::read(message)?;
    let (op_code, mut payload) = match header.op_code {
        op_code::COMPRESSED => decompressed(message)?,
        other => (other, message.get(HEADER_BYTES..)?.to_vec()),
    };
    let size = payload.len();
    payload.resize(size + 64, 0);
    let size = fuzzer_mutate(&mut payload, size, size + 64);
    payload.truncate(size);
    let mut inner = framed(0, op_code, &payload);
    mend(&mut inner);
    let payload = &inner[HEADER_BYTES..];
    let compressor = Compressor::ALL[seed as usize / 8 % Compressor::ALL.len()];
    let deflated = match compressor {
        Compressor::Snappy => snap::raw::Encoder::new().compress_vec(payload).ok()?,
        Compressor::Zstd => zstd::bulk::compress(payload, 1).ok()?,
        Compressor::Zlib => {
            let mut deflated = Vec::new();
            let level = flate2::Compression::fast();
            flate2::read::ZlibEncoder::new(payload, level)
                .read_to_end(&mut deflated)
                .ok()?;
            deflated
        }
    };
    let mut fields = op_code.to_le_bytes().to_vec();
    fields.extend(i32::try_from(payload.len()).ok()?.to_le_bytes());
    fields.push(compressor.id());
    fields.extend(deflated);
    let message = framed(header.request_id, op_code::COMPRESSED, &fields);
    (message.len() <= max_size).then_some(message)
}

/// Operation code and payload of an `OP_COMPRESSED`.
fn decompressed(message: &[u8]) -> Option<(i32, Vec<u8>)> {
    let op_code = i32::from_le_bytes(message.get(16..20)?.try_into().ok()?);
    let id = *message.get(COMPRESSED_AT - 1)?;
    let deflated = message.get(COMPRESSED_AT..)?;
    let mut payload = Vec::new();
    let limit = 4 * MESSAGE_BYTES_MAX as u64;
    match Compressor::from_id(id)? {
        Compressor::Snappy => {
            let length = snap::raw::decompress_len(deflated).ok()?;
            if length as u64 > limit {
                return None;
            }
            payload = snap::raw::Decoder::new().decompress_vec(deflated).ok()?;
        }
        Compressor::Zlib => {
            let decoder = flate2::read::ZlibDecoder::new(deflated);
            decoder.take(limit).read_to_end(&mut payload).ok()?;
        }
        Compressor::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(deflated).ok()?;
            decoder.window_log_max(23).ok()?;
            decoder.take(limit).read_to_end(&mut payload).ok()?;
        }
    }
    Some((op_code, payload))
}
