//! The peer's side of the protocol, for tests: builds requests byte by byte and reads replies.

use bson::raw::{RawBsonRef, RawDocument, RawDocumentBuf};

use super::compressed::compress;
use super::{Compressor, HEADER_BYTES, Header, op_code};

/// Any message.
pub(crate) fn message(request_id: i32, op_code: i32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    Header {
        message_length: i32::try_from(HEADER_BYTES + payload.len()).unwrap(),
        request_id,
        response_to: 0,
        op_code,
    }
    .write(&mut bytes);
    bytes.extend_from_slice(payload);
    bytes
}

/// `OP_MSG` of given sections.
pub(crate) fn msg_of(request_id: i32, flags: u32, sections: &[Vec<u8>]) -> Vec<u8> {
    let payload = [flags.to_le_bytes().to_vec(), sections.concat()].concat();
    message(request_id, op_code::MSG, &payload)
}

/// `OP_MSG` with nothing but a body.
pub(crate) fn msg(request_id: i32, flags: u32, body: &RawDocument) -> Vec<u8> {
    msg_of(request_id, flags, &[body_section(body.as_bytes())])
}

pub(crate) fn body_section(body: &[u8]) -> Vec<u8> {
    [&[0], body].concat()
}

pub(crate) fn sequence_section(name: &str, documents: &[RawDocumentBuf]) -> Vec<u8> {
    let documents: Vec<u8> = documents
        .iter()
        .flat_map(|document| document.as_bytes().to_vec())
        .collect();
    let length = i32::try_from(4 + name.len() + 1 + documents.len()).unwrap();
    let mut section = vec![1];
    section.extend_from_slice(&length.to_le_bytes());
    section.extend_from_slice(name.as_bytes());
    section.push(0);
    section.extend_from_slice(&documents);
    section
}

/// Appends the checksum of an `OP_MSG` whose flags announce one.
pub(crate) fn with_checksum(mut message: Vec<u8>) -> Vec<u8> {
    let length = i32::try_from(message.len() + 4).unwrap();
    message[..4].copy_from_slice(&length.to_le_bytes());
    let checksum = crc32c::crc32c(&message);
    message.extend_from_slice(&checksum.to_le_bytes());
    message
}

/// `OP_QUERY` for one document.
pub(crate) fn query(request_id: i32, namespace: &str, query: &RawDocument) -> Vec<u8> {
    query_of(request_id, 4, namespace, -1, query.as_bytes())
}

pub(crate) fn query_of(
    request_id: i32,
    flags: u32,
    namespace: &str,
    number_to_return: i32,
    rest: &[u8],
) -> Vec<u8> {
    let payload = [
        &flags.to_le_bytes(),
        namespace.as_bytes(),
        &[0],
        &0_i32.to_le_bytes(),
        &number_to_return.to_le_bytes(),
        rest,
    ];
    message(request_id, op_code::QUERY, &payload.concat())
}

pub(crate) fn compressed(compressor: Compressor, message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    compress(compressor, message, &mut bytes);
    assert_eq!(Header::read(&bytes).unwrap().op_code, op_code::COMPRESSED);
    bytes
}

/// `OP_COMPRESSED` of given fields.
pub(crate) fn compressed_of(original: i32, declared: i32, id: u8, bytes: &[u8]) -> Vec<u8> {
    let payload = [
        &original.to_le_bytes()[..],
        &declared.to_le_bytes(),
        &[id],
        bytes,
    ];
    message(1, op_code::COMPRESSED, &payload.concat())
}

/// A reply as a peer sees it; `OP_MSG` with a body, or `OP_REPLY`.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) header: Header,
    pub(crate) flags: u32,
    pub(crate) document: RawDocumentBuf,
}

/// Reads one uncompressed reply and checks its fixed parts.
pub(crate) fn read_reply(bytes: &[u8]) -> Reply {
    let header = Header::read(bytes).unwrap();
    assert_eq!(usize::try_from(header.message_length).unwrap(), bytes.len());
    let flags = u32::from_le_bytes(bytes[16..20].try_into().unwrap());
    let document = match header.op_code {
        op_code::REPLY => {
            assert_eq!(
                bytes[20..36],
                [0; 12].into_iter().chain([1, 0, 0, 0]).collect::<Vec<u8>>()
            );
            &bytes[36..]
        }
        op_code::MSG => {
            assert_eq!(bytes[20], 0);
            let end = if flags & 1 == 0 {
                bytes.len()
            } else {
                let (covered, checksum) = bytes.split_at(bytes.len() - 4);
                assert_eq!(crc32c::crc32c(covered).to_le_bytes(), checksum);
                covered.len()
            };
            &bytes[21..end]
        }
        other => panic!("no reply has the code {other}"),
    };
    Reply {
        header,
        flags,
        document: RawDocumentBuf::from_bytes(document.to_vec()).unwrap(),
    }
}

/// Looks at every value at every depth; fails if any of them cannot be read.
pub(crate) fn walk(document: &RawDocument) -> Result<usize, bson::error::Error> {
    let mut count = 0;
    for field in document {
        let (_, value) = field?;
        count += 1;
        match value {
            RawBsonRef::Document(inner) => count += walk(inner)?,
            RawBsonRef::Array(inner) => {
                count += walk(RawDocument::from_bytes(inner.as_bytes())?)?;
            }
            RawBsonRef::JavaScriptCodeWithScope(code) => count += walk(code.scope)?,
            _ => {}
        }
    }
    Ok(count)
}
