//! MongoDB's total order over BSON values
//! (<https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/>).

use std::cmp::Ordering;

use bson::raw::{RawBinaryRef, RawDbPointerRef, RawDocument};
use bson::spec::BinarySubtype;
use bson::{RawArray, RawArrayBuf, RawBsonRef};

use super::number::Number;

/// Documents nested deeper are compared as bytes: MongoDB stores at most 180 levels.
const COMPARED_LEVELS_MAX: u32 = 200;

/// Compares two values as MongoDB sorts them: by type first, with all numbers as one type and
/// symbols as strings, then by value. Strings compare as bytes.
pub fn compare(a: RawBsonRef<'_>, b: RawBsonRef<'_>) -> Ordering {
    compare_values(a, b, 0)
}

/// Where a value's type stands in the order. Values of different ranks are never equal.
pub(super) fn type_rank(value: RawBsonRef<'_>) -> u8 {
    match value {
        RawBsonRef::MinKey => 0,
        RawBsonRef::Undefined => 1,
        RawBsonRef::Null => 2,
        RawBsonRef::Int32(_)
        | RawBsonRef::Int64(_)
        | RawBsonRef::Double(_)
        | RawBsonRef::Decimal128(_) => 3,
        RawBsonRef::String(_) | RawBsonRef::Symbol(_) => 4,
        RawBsonRef::Document(_) => 5,
        RawBsonRef::Array(_) => 6,
        RawBsonRef::Binary(_) => 7,
        RawBsonRef::ObjectId(_) => 8,
        RawBsonRef::Boolean(_) => 9,
        RawBsonRef::DateTime(_) => 10,
        RawBsonRef::Timestamp(_) => 11,
        RawBsonRef::RegularExpression(_) => 12,
        RawBsonRef::DbPointer(_) => 13,
        RawBsonRef::JavaScriptCode(_) => 14,
        RawBsonRef::JavaScriptCodeWithScope(_) => 15,
        RawBsonRef::MaxKey => 16,
    }
}

/// Bytes of a value of a type that can be long; 0 for others.
pub(super) fn content_bytes(value: RawBsonRef<'_>) -> usize {
    match value {
        RawBsonRef::Document(document) => document.as_bytes().len(),
        RawBsonRef::Array(array) => array.as_bytes().len(),
        RawBsonRef::String(text) | RawBsonRef::Symbol(text) | RawBsonRef::JavaScriptCode(text) => {
            text.len()
        }
        RawBsonRef::Binary(binary) => binary.bytes.len(),
        RawBsonRef::RegularExpression(regex) => {
            regex.pattern.as_str().len() + regex.options.as_str().len()
        }
        RawBsonRef::JavaScriptCodeWithScope(code) => code.code.len() + code.scope.as_bytes().len(),
        _ => 0,
    }
}

fn compare_values(a: RawBsonRef<'_>, b: RawBsonRef<'_>, level: u32) -> Ordering {
    use RawBsonRef::{
        Array, Binary, Boolean, DateTime, DbPointer, Document, JavaScriptCode,
        JavaScriptCodeWithScope, ObjectId, RegularExpression, String, Symbol, Timestamp,
    };
    match (a, b) {
        (String(a) | Symbol(a), String(b) | Symbol(b)) | (JavaScriptCode(a), JavaScriptCode(b)) => {
            a.as_bytes().cmp(b.as_bytes())
        }
        (Document(a), Document(b)) => compare_documents(a, b, level + 1),
        (Array(a), Array(b)) => compare_arrays(a, b, level + 1),
        (Binary(a), Binary(b)) => compare_binaries(a, b),
        (ObjectId(a), ObjectId(b)) => a.bytes().cmp(&b.bytes()),
        (Boolean(a), Boolean(b)) => a.cmp(&b),
        (DateTime(a), DateTime(b)) => a.timestamp_millis().cmp(&b.timestamp_millis()),
        (Timestamp(a), Timestamp(b)) => (a.time, a.increment).cmp(&(b.time, b.increment)),
        (RegularExpression(a), RegularExpression(b)) => {
            (a.pattern.as_str(), a.options.as_str()).cmp(&(b.pattern.as_str(), b.options.as_str()))
        }
        (DbPointer(a), DbPointer(b)) => compare_pointers(a, b),
        (JavaScriptCodeWithScope(a), JavaScriptCodeWithScope(b)) => a
            .code
            .as_bytes()
            .cmp(b.code.as_bytes())
            .then_with(|| compare_documents(a.scope, b.scope, level + 1)),
        _ => match (Number::of(a), Number::of(b)) {
            (Some(a), Some(b)) => a.compare(b),
            _ => type_rank(a).cmp(&type_rank(b)),
        },
    }
}

/// Field by field: type, then name, then value; the shorter document is less.
fn compare_documents(a: &RawDocument, b: &RawDocument, level: u32) -> Ordering {
    if level > COMPARED_LEVELS_MAX {
        return a.as_bytes().cmp(b.as_bytes());
    }
    let mut fields_a = a.iter().map_while(Result::ok);
    let mut fields_b = b.iter().map_while(Result::ok);
    loop {
        let ((name_a, a), (name_b, b)) = match (fields_a.next(), fields_b.next()) {
            (Some(a), Some(b)) => (a, b),
            (a, b) => return a.is_some().cmp(&b.is_some()),
        };
        let order = type_rank(a)
            .cmp(&type_rank(b))
            .then_with(|| name_a.as_str().cmp(name_b.as_str()))
            .then_with(|| compare_values(a, b, level));
        if order.is_ne() {
            return order;
        }
    }
}

fn compare_arrays(a: &RawArray, b: &RawArray, level: u32) -> Ordering {
    if level > COMPARED_LEVELS_MAX {
        return a.as_bytes().cmp(b.as_bytes());
    }
    let mut elements_a = a.into_iter().map_while(Result::ok);
    let mut elements_b = b.into_iter().map_while(Result::ok);
    loop {
        let (a, b) = match (elements_a.next(), elements_b.next()) {
            (Some(a), Some(b)) => (a, b),
            (a, b) => return a.is_some().cmp(&b.is_some()),
        };
        let order = compare_values(a, b, level);
        if order.is_ne() {
            return order;
        }
    }
}

/// Length, then subtype, then bytes.
fn compare_binaries(a: RawBinaryRef<'_>, b: RawBinaryRef<'_>) -> Ordering {
    let key = |binary: RawBinaryRef<'_>| {
        // The old generic subtype repeats the length inside the data.
        let inner_length = if binary.subtype == BinarySubtype::BinaryOld {
            4
        } else {
            0
        };
        (binary.bytes.len() + inner_length, u8::from(binary.subtype))
    };
    key(a).cmp(&key(b)).then_with(|| a.bytes.cmp(b.bytes))
}

/// Length, then bytes; the fields of a pointer are only to be had in its encoded form.
fn compare_pointers(a: RawDbPointerRef<'_>, b: RawDbPointerRef<'_>) -> Ordering {
    let encode = |pointer: RawDbPointerRef<'_>| {
        let mut array = RawArrayBuf::new();
        array.push(RawBsonRef::DbPointer(pointer));
        array.as_bytes().to_vec()
    };
    let (a, b) = (encode(a), encode(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(&b))
}
