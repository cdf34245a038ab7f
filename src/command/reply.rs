//! Answers: a document that ends with `ok`, or an error.

use bson::raw::{BindRawBsonRef, CStr, RawDocument, cstr};
use bson::{RawArrayBuf, RawDocumentBuf};

use crate::error::{CommandError, ErrorCode};
use crate::wire::DOCUMENT_BYTES_MAX;

/// Room a reply begins with: enough for most, hello's included, without growing.
const REPLY_BYTES_MIN: usize = 512;
/// A document without fields: its length and its end.
const EMPTY_DOCUMENT: [u8; 5] = [5, 0, 0, 0, 0];

/// A command's successful answer; `ok: 1` is added when it is sent.
#[derive(Debug)]
pub struct Reply {
    document: RawDocumentBuf,
    /// Whether more answers follow (an exhaust `hello`).
    pub stream: bool,
}

impl Reply {
    /// `{ok: 1}`.
    pub fn new() -> Self {
        Self {
            document: roomy_document(),
            stream: false,
        }
    }

    /// Adds a field; `name` is the program's own and has no NUL.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl BindRawBsonRef) -> Self {
        self.append(name, value);
        self
    }

    /// Adds a field; `name` is the program's own and has no NUL.
    pub fn append(&mut self, name: &'static str, value: impl BindRawBsonRef) {
        append(&mut self.document, name, value);
    }

    /// Adds all fields of a document at once, as they are.
    pub fn append_fields(&mut self, fields: &RawDocument) {
        let mut bytes = std::mem::take(&mut self.document).into_bytes();
        bytes.pop(); // the end, which `fields` bring along
        bytes.extend_from_slice(
            fields
                .as_bytes()
                .get(size_of::<i32>()..)
                .unwrap_or_default(),
        );
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        if let Some(start) = bytes.first_chunk_mut() {
            *start = length.to_le_bytes();
        }
        // Two documents make a document.
        self.document = RawDocumentBuf::from_bytes(bytes).unwrap_or_default();
    }

    /// The document so far, without `ok`.
    pub fn document(&self) -> &RawDocument {
        &self.document
    }

    /// The finished document.
    pub fn into_document(mut self) -> RawDocumentBuf {
        self.document.append(cstr!("ok"), 1.0);
        self.document
    }

    /// The document so far, without `ok`, as `speculativeAuthenticate` embeds it.
    pub fn into_embedded(self) -> RawDocumentBuf {
        self.document
    }
}

impl Default for Reply {
    fn default() -> Self {
        Self::new()
    }
}

impl From<RawDocumentBuf> for Reply {
    fn from(document: RawDocumentBuf) -> Self {
        Self {
            document,
            stream: false,
        }
    }
}

/// A document without fields that has room for many: growing costs more than writing them.
pub fn roomy_document() -> RawDocumentBuf {
    let mut bytes = Vec::with_capacity(REPLY_BYTES_MIN);
    bytes.extend_from_slice(&EMPTY_DOCUMENT);
    // Cannot fail; if it did, the document would only have to grow.
    RawDocumentBuf::from_bytes(bytes).unwrap_or_default()
}

/// Appends a field whose name may have come from anywhere: with a NUL it is left out, because BSON
/// cannot hold it.
pub fn append(document: &mut RawDocumentBuf, name: &str, value: impl BindRawBsonRef) {
    if let Ok(name) = <&CStr>::try_from(name) {
        document.append(name, value);
    }
}

/// Bytes of documents an answer may list: what fits in a document, with room for the rest of it.
const LIST_BYTES_MAX: usize = DOCUMENT_BYTES_MAX - 1024;

/// An array that fits in an answer.
#[derive(Debug, Default)]
pub struct BoundedArray {
    array: RawArrayBuf,
    bytes: usize,
}

impl BoundedArray {
    /// Adds a document, or refuses because the answer would be too large.
    pub fn push(&mut self, document: &RawDocument) -> Result<(), CommandError> {
        // The element's type and its index as text come on top.
        self.bytes += document.as_bytes().len() + 12;
        if self.bytes > LIST_BYTES_MAX {
            return Err(too_large());
        }
        self.array.push(document);
        Ok(())
    }

    /// Adds a document; false, and nothing is added, if the answer would be too large.
    pub fn push_if_it_fits(&mut self, document: &RawDocument) -> bool {
        let bytes = self.bytes;
        let fits = self.push(document).is_ok();
        if !fits {
            self.bytes = bytes;
        }
        fits
    }

    /// The array.
    pub fn into_array(self) -> RawArrayBuf {
        self.array
    }
}

/// 10334, for an answer that no client could read.
pub fn too_large() -> CommandError {
    CommandError::new(
        ErrorCode::BSON_OBJECT_TOO_LARGE,
        "The answer does not fit in a document of 16 MiB; ask for less at a time",
    )
}

/// Longest `errmsg`: whatever a peer had repeated to it, an error fits in a document.
const ERROR_MESSAGE_BYTES_MAX: usize = 64 * 1024;

/// The document of an error: `{ok: 0, errmsg, code, codeName}` and what the error adds.
pub fn error_document(error: &CommandError) -> RawDocumentBuf {
    let mut document = RawDocumentBuf::new();
    document.append(cstr!("ok"), 0.0);
    let message = error.message.as_str();
    let end = message.floor_char_boundary(ERROR_MESSAGE_BYTES_MAX);
    document.append(cstr!("errmsg"), &message[..end]);
    document.append(cstr!("code"), error.code.0);
    document.append(cstr!("codeName"), error.code.name().as_ref());
    if !error.labels.is_empty() {
        let mut labels = RawArrayBuf::new();
        for label in &error.labels {
            labels.push(*label);
        }
        document.append(cstr!("errorLabels"), labels);
    }
    if let Some(extra) = &error.extra {
        for (name, value) in extra.iter().flatten() {
            document.append(name, value);
        }
    }
    document
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn fields_are_added_one_by_one_or_at_once() {
        let mut reply = Reply::new().with("a", 1);
        reply.append_fields(&rawdoc! { "b": "text", "c": { "d": true } });
        reply.append_fields(&rawdoc! {});
        reply.append("e", 2_i64);
        let expected = rawdoc! { "a": 1, "b": "text", "c": { "d": true }, "e": 2_i64, "ok": 1.0 };
        assert_eq!(reply.into_document(), expected);
    }
}
