//! The part of BSON that records use: written in one pass, read in the order it was written.
//!
//! Reading copies nothing and looks at each byte once: a start with a million users waits for it.

use super::Malformed;

const STRING: u8 = 0x02;
const DOCUMENT: u8 = 0x03;
const ARRAY: u8 = 0x04;
const BINARY: u8 = 0x05;
const BOOLEAN: u8 = 0x08;
const INT64: u8 = 0x12;

const GENERIC: u8 = 0;
/// The binary subtype of UUIDs.
const UUID: u8 = 4;

/// Appends elements to a document under construction.
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A document whose bytes come after `header`.
    pub(super) fn after(header: &[u8]) -> Self {
        let mut bytes = Vec::with_capacity(320);
        bytes.extend_from_slice(header);
        bytes.extend_from_slice(&[0; 4]);
        Self { bytes }
    }

    /// Header and document.
    pub(super) fn finish(mut self, header_bytes: usize) -> Vec<u8> {
        self.close(header_bytes);
        self.bytes
    }

    pub(super) fn string(&mut self, name: &str, text: &str) {
        self.element(STRING, name);
        self.length(text.len() + 1);
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
    }

    pub(super) fn boolean(&mut self, name: &str, value: bool) {
        self.element(BOOLEAN, name);
        self.bytes.push(value.into());
    }

    pub(super) fn int64(&mut self, name: &str, value: i64) {
        self.element(INT64, name);
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub(super) fn binary(&mut self, name: &str, bytes: &[u8]) {
        self.binary_of(GENERIC, name, bytes);
    }

    pub(super) fn uuid(&mut self, name: &str, uuid: uuid::Uuid) {
        self.binary_of(UUID, name, uuid.as_bytes());
    }

    /// A document that is BSON already.
    pub(super) fn document_bytes(&mut self, name: &str, document: &[u8]) {
        self.element(DOCUMENT, name);
        self.bytes.extend_from_slice(document);
    }

    pub(super) fn document(&mut self, name: &str, content: impl FnOnce(&mut Self)) {
        self.nested(DOCUMENT, name, content);
    }

    /// An array of documents, one for each of `items`.
    pub(super) fn array<T>(&mut self, name: &str, items: &[T], content: impl Fn(&mut Self, &T)) {
        self.nested(ARRAY, name, |array| {
            for (index, item) in items.iter().enumerate() {
                array.document(IndexName::of(index).as_str(), |item_writer| {
                    content(item_writer, item);
                });
            }
        });
    }

    /// An array of strings.
    pub(super) fn strings<'a>(&mut self, name: &str, texts: impl Iterator<Item = &'a str>) {
        self.nested(ARRAY, name, |array| {
            for (index, text) in texts.enumerate() {
                array.string(IndexName::of(index).as_str(), text);
            }
        });
    }

    fn binary_of(&mut self, subtype: u8, name: &str, bytes: &[u8]) {
        self.element(BINARY, name);
        self.length(bytes.len());
        self.bytes.push(subtype);
        self.bytes.extend_from_slice(bytes);
    }

    fn nested(&mut self, tag: u8, name: &str, content: impl FnOnce(&mut Self)) {
        self.element(tag, name);
        let start = self.bytes.len();
        self.bytes.extend_from_slice(&[0; 4]);
        content(self);
        self.close(start);
    }

    fn close(&mut self, start: usize) {
        self.bytes.push(0);
        let length = int32(self.bytes.len() - start);
        self.bytes[start..start + 4].copy_from_slice(&length);
    }

    fn element(&mut self, tag: u8, name: &str) {
        self.bytes.push(tag);
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
    }

    fn length(&mut self, length: usize) {
        self.bytes.extend_from_slice(&int32(length));
    }
}

// A length beyond int32 makes a record beyond its size limit, which is refused as a whole.
fn int32(length: usize) -> [u8; 4] {
    i32::try_from(length).unwrap_or(i32::MAX).to_le_bytes()
}

/// The elements of a document that were not read yet.
#[derive(Clone)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    /// All elements of `document`, which must be exactly one document.
    pub(super) fn of(document: &'a [u8]) -> Result<Self, Malformed> {
        let (own, surplus) = split_document(document)?;
        if !surplus.is_empty() {
            return Err(Malformed::Surplus);
        }
        // split_document has seen the length and the end.
        let rest = own.get(4..own.len() - 1).ok_or(Malformed::CutShort)?;
        Ok(Self { rest })
    }

    /// Nothing may be left.
    pub(super) fn finish(self) -> Result<(), Malformed> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(Malformed::Surplus)
        }
    }

    pub(super) fn string(&mut self, name: &'static str) -> Result<&'a str, Malformed> {
        self.required(STRING, name)?;
        self.take_string(name)
    }

    pub(super) fn optional_string(
        &mut self,
        name: &'static str,
    ) -> Result<Option<&'a str>, Malformed> {
        if self.optional(STRING, name) {
            self.take_string(name).map(Some)
        } else {
            Ok(None)
        }
    }

    /// `true` if the field is there as boolean true; it is never written as false.
    pub(super) fn optional_true(&mut self, name: &'static str) -> Result<bool, Malformed> {
        if !self.optional(BOOLEAN, name) {
            return Ok(false);
        }
        match self.take(1)? {
            [1] => Ok(true),
            _ => Err(Malformed::Field(name)),
        }
    }

    pub(super) fn int64(&mut self, name: &'static str) -> Result<i64, Malformed> {
        self.required(INT64, name)?;
        let bytes = self.take_chunk::<8>()?;
        Ok(i64::from_le_bytes(*bytes))
    }

    /// Generic binary of exactly `N` bytes.
    pub(super) fn array_of<const N: usize>(
        &mut self,
        name: &'static str,
    ) -> Result<[u8; N], Malformed> {
        self.required(BINARY, name)?;
        self.take_binary(GENERIC, name)
    }

    pub(super) fn uuid(&mut self, name: &'static str) -> Result<uuid::Uuid, Malformed> {
        self.optional_uuid(name)?.ok_or(Malformed::Field(name))
    }

    pub(super) fn optional_uuid(
        &mut self,
        name: &'static str,
    ) -> Result<Option<uuid::Uuid>, Malformed> {
        if !self.optional(BINARY, name) {
            return Ok(None);
        }
        let bytes = self.take_binary(UUID, name)?;
        Ok(Some(uuid::Uuid::from_bytes(bytes)))
    }

    pub(super) fn document(&mut self, name: &'static str) -> Result<&'a [u8], Malformed> {
        self.required(DOCUMENT, name)?;
        self.take_document()
    }

    pub(super) fn optional_document(
        &mut self,
        name: &'static str,
    ) -> Result<Option<&'a [u8]>, Malformed> {
        if self.optional(DOCUMENT, name) {
            self.take_document().map(Some)
        } else {
            Ok(None)
        }
    }

    /// An array of documents, each read by `read` to its end.
    pub(super) fn documents<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&mut Fields<'a>) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        self.required(ARRAY, name)?;
        self.take_items(name, DOCUMENT, |array| {
            let mut fields = Fields::of(array.take_document()?)?;
            let item = read(&mut fields)?;
            fields.finish()?;
            Ok(item)
        })
    }

    /// As [`Fields::documents`], if the array is there.
    pub(super) fn optional_documents<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&mut Fields<'a>) -> Result<T, Malformed>,
    ) -> Result<Option<Vec<T>>, Malformed> {
        if self.clone().optional(ARRAY, name) {
            self.documents(name, read).map(Some)
        } else {
            Ok(None)
        }
    }

    /// An array of strings, each read by `read`, if it is there.
    pub(super) fn optional_strings<T>(
        &mut self,
        name: &'static str,
        read: impl Fn(&'a str) -> Result<T, Malformed>,
    ) -> Result<Option<Vec<T>>, Malformed> {
        if !self.optional(ARRAY, name) {
            return Ok(None);
        }
        self.take_items(name, STRING, |array| read(array.take_string(name)?))
            .map(Some)
    }

    fn take_items<T>(
        &mut self,
        name: &'static str,
        tag: u8,
        read: impl Fn(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let mut array = Self::of(self.take_document()?)?;
        let mut items = Vec::new();
        while !array.rest.is_empty() {
            if !array.optional(tag, IndexName::of(items.len()).as_str()) {
                return Err(Malformed::Field(name));
            }
            items.push(read(&mut array)?);
        }
        Ok(items)
    }

    fn required(&mut self, tag: u8, name: &'static str) -> Result<(), Malformed> {
        if self.optional(tag, name) {
            Ok(())
        } else {
            Err(Malformed::Field(name))
        }
    }

    /// Steps to the value if the next element has this type and name.
    fn optional(&mut self, tag: u8, name: &str) -> bool {
        let value = self
            .rest
            .strip_prefix(&[tag])
            .and_then(|rest| rest.strip_prefix(name.as_bytes()))
            .and_then(|rest| rest.strip_prefix(&[0]));
        if let Some(value) = value {
            self.rest = value;
        }
        value.is_some()
    }

    fn take_string(&mut self, name: &'static str) -> Result<&'a str, Malformed> {
        let length = self.take_length()?;
        let Some((0, text)) = self.take(length)?.split_last() else {
            return Err(Malformed::Field(name));
        };
        std::str::from_utf8(text).map_err(|_| Malformed::Field(name))
    }

    fn take_binary<const N: usize>(
        &mut self,
        subtype: u8,
        name: &'static str,
    ) -> Result<[u8; N], Malformed> {
        if self.take_length()? != N || self.take(1)? != [subtype] {
            return Err(Malformed::Field(name));
        }
        self.take_chunk::<N>().copied()
    }

    fn take_document(&mut self) -> Result<&'a [u8], Malformed> {
        let (document, rest) = split_document(self.rest)?;
        self.rest = rest;
        Ok(document)
    }

    fn take_length(&mut self) -> Result<usize, Malformed> {
        let bytes = self.take_chunk::<4>()?;
        usize::try_from(i32::from_le_bytes(*bytes)).map_err(|_| Malformed::CutShort)
    }

    fn take_chunk<const N: usize>(&mut self) -> Result<&'a [u8; N], Malformed> {
        let (chunk, rest) = self.rest.split_first_chunk().ok_or(Malformed::CutShort)?;
        self.rest = rest;
        Ok(chunk)
    }

    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .rest
            .split_at_checked(bytes)
            .ok_or(Malformed::CutShort)?;
        self.rest = rest;
        Ok(taken)
    }
}

/// The document at the start of `bytes`, of at least five bytes with its length and end in place,
/// and what follows it.
fn split_document(bytes: &[u8]) -> Result<(&[u8], &[u8]), Malformed> {
    let length = bytes.first_chunk().ok_or(Malformed::CutShort)?;
    let length = usize::try_from(i32::from_le_bytes(*length)).map_err(|_| Malformed::CutShort)?;
    let (document, rest) = bytes.split_at_checked(length).ok_or(Malformed::CutShort)?;
    if document.len() < 5 || document.last() != Some(&0) {
        return Err(Malformed::CutShort);
    }
    Ok((document, rest))
}

/// The name of an array element, without an allocation for each.
struct IndexName {
    digits: [u8; 20],
    start: usize,
}

impl IndexName {
    fn of(index: usize) -> Self {
        let mut digits = [b'0'; 20];
        let mut start = digits.len();
        let mut left = index;
        loop {
            start -= 1;
            digits[start] = b"0123456789"[left % 10];
            left /= 10;
            if left == 0 {
                return Self { digits, start };
            }
        }
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.digits[self.start..]).unwrap_or_default()
    }
}
