//! `OP_COMPRESSED`: another message's operation code, its uncompressed length, a compressor's number
//! and the compressed bytes after its header.

use std::io::Read;

use bytes::Bytes;

use super::cursor::Cursor;
use super::{HEADER_BYTES, Header, WireError, WireLimits, op_code};

/// Fields of `OP_COMPRESSED` between the header and the compressed bytes.
const PREAMBLE_BYTES: usize = 9;
/// A snappy element of 3 bytes stands for at most 64, so an honest length is within this.
const SNAPPY_EXPANSION_MAX: usize = 24;
/// Windows up to 8 MiB, which RFC 8878 section 3.1.1.1.2 recommends to support. Larger ones (levels
/// from 20 on, messages over 8 MiB) are refused: the window is memory taken on the peer's word.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// The level mongod answers with.
const ZLIB_LEVEL: u32 = 6;
/// The level mongod answers with.
const ZSTD_LEVEL: i32 = 6;

/// A way to compress messages, as named in `hello.compression`.
///
/// The spec's number 0, `noop`, is for tests; mongod does not offer it, nor is it offered here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compressor {
    /// Number 1.
    Snappy,
    /// Number 2.
    Zlib,
    /// Number 3.
    Zstd,
}

impl Compressor {
    /// All of them, in the order mongod prefers them.
    pub const ALL: [Self; 3] = [Self::Snappy, Self::Zstd, Self::Zlib];

    /// The name in `hello` and in `net.compression.compressors`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Snappy => "snappy",
            Self::Zlib => "zlib",
            Self::Zstd => "zstd",
        }
    }

    /// The inverse of [`Self::name`].
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// The number on the wire.
    pub fn id(self) -> u8 {
        match self {
            Self::Snappy => 1,
            Self::Zlib => 2,
            Self::Zstd => 3,
        }
    }

    /// The inverse of [`Self::id`].
    pub fn from_id(id: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.id() == id)
    }
}

/// The compressors a server accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompressorSet(u8);

impl CompressorSet {
    /// Nothing compressed is accepted.
    pub const NONE: Self = Self(0);

    /// Every known compressor.
    pub fn all() -> Self {
        Compressor::ALL.into_iter().collect()
    }

    /// Whether `compressor` is accepted.
    pub fn contains(self, compressor: Compressor) -> bool {
        self.0 & (1 << compressor.id()) != 0
    }
}

impl FromIterator<Compressor> for CompressorSet {
    fn from_iter<I: IntoIterator<Item = Compressor>>(compressors: I) -> Self {
        let bits = compressors.into_iter().map(|known| 1 << known.id());
        Self(bits.fold(0, |all, bit| all | bit))
    }
}

/// Restores the message inside an `OP_COMPRESSED` frame, with a header of its own.
pub(super) fn decompress(
    frame: &[u8],
    header: Header,
    limits: &WireLimits,
) -> Result<(Compressor, Header, Bytes), WireError> {
    let truncated = WireError::Compression("Invalid compressed message header");
    let mut cursor = Cursor::new(frame, HEADER_BYTES);
    let original = cursor.i32().ok_or(truncated.clone())?;
    let declared = cursor.i32().ok_or(truncated.clone())?;
    let id = cursor.u8().ok_or(truncated)?;
    let compressor = Compressor::from_id(id)
        .filter(|known| limits.compressors.contains(*known))
        .ok_or(WireError::Compression(
            "Compression algorithm specified in message is not available",
        ))?;
    if original == op_code::COMPRESSED {
        return Err(WireError::UnknownOpCode(original));
    }
    let length = usize::try_from(declared)
        .ok()
        .and_then(|declared| declared.checked_add(HEADER_BYTES))
        .filter(|length| *length <= limits.message_bytes_max)
        .ok_or(WireError::Compression(
            "Decompressed message would be larger than maximum message size",
        ))?;
    let header = Header {
        message_length: i32::try_from(length).unwrap_or(i32::MAX),
        op_code: original,
        ..header
    };
    let mut message = Vec::new();
    header.write(&mut message);
    inflate(compressor, cursor.rest(), length, &mut message)?;
    if message.len() != length {
        return Err(WireError::Compression(
            "Decompressing message returned less data than expected",
        ));
    }
    Ok((compressor, header, message.into()))
}

/// Appends the decompressed bytes to `message` until it is one byte longer than `length`; memory
/// grows with what really comes out.
fn inflate(
    compressor: Compressor,
    input: &[u8],
    length: usize,
    message: &mut Vec<u8>,
) -> Result<(), WireError> {
    let invalid = WireError::Compression("Compressed message was invalid or corrupted");
    let expected = length - message.len();
    let limit = u64::try_from(expected).unwrap_or(u64::MAX) + 1;
    match compressor {
        Compressor::Snappy => {
            let plausible = expected <= input.len().saturating_mul(SNAPPY_EXPANSION_MAX);
            if !plausible || snap::raw::decompress_len(input) != Ok(expected) {
                return Err(invalid);
            }
            let start = message.len();
            message.resize(length, 0);
            let output = message.get_mut(start..).unwrap_or_default();
            match snap::raw::Decoder::new().decompress(input, output) {
                Ok(written) if written == expected => Ok(()),
                _ => Err(invalid),
            }
        }
        Compressor::Zlib => flate2::read::ZlibDecoder::new(input)
            .take(limit)
            .read_to_end(message)
            .map(drop)
            .map_err(|_| invalid),
        Compressor::Zstd => {
            let mut decoder = zstd::Decoder::with_buffer(input).map_err(|_| invalid.clone())?;
            decoder
                .window_log_max(ZSTD_WINDOW_LOG_MAX)
                .map_err(|_| invalid.clone())?;
            let mut bounded = decoder.take(limit);
            bounded.read_to_end(message).map(drop).map_err(|_| invalid)
        }
    }
}

/// Appends `message`, a whole one, as an `OP_COMPRESSED` with the same ids.
///
/// A message that cannot be compressed or would exceed the protocol's limit goes as it is.
pub(super) fn compress(compressor: Compressor, message: &[u8], out: &mut Vec<u8>) {
    if let Some(compressed) = try_compress(compressor, message) {
        out.extend_from_slice(&compressed);
    } else {
        out.extend_from_slice(message);
    }
}

fn try_compress(compressor: Compressor, message: &[u8]) -> Option<Vec<u8>> {
    let header = Header::read(message)?;
    let payload = message.get(HEADER_BYTES..)?;
    let deflated = match compressor {
        Compressor::Snappy => snap::raw::Encoder::new().compress_vec(payload).ok()?,
        Compressor::Zlib => {
            let level = flate2::Compression::new(ZLIB_LEVEL);
            let mut deflated = Vec::new();
            let mut encoder = flate2::read::ZlibEncoder::new(payload, level);
            encoder.read_to_end(&mut deflated).ok()?;
            deflated
        }
        Compressor::Zstd => zstd::bulk::compress(payload, ZSTD_LEVEL).ok()?,
    };
    let length = HEADER_BYTES + PREAMBLE_BYTES + deflated.len();
    let mut compressed = Vec::with_capacity(length);
    Header {
        message_length: i32::try_from(length).ok()?,
        op_code: op_code::COMPRESSED,
        ..header
    }
    .write(&mut compressed);
    compressed.extend_from_slice(&header.op_code.to_le_bytes());
    compressed.extend_from_slice(&i32::try_from(payload.len()).ok()?.to_le_bytes());
    compressed.push(compressor.id());
    compressed.extend_from_slice(&deflated);
    Some(compressed)
}
