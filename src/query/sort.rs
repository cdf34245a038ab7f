//! Sorting documents by some of their fields
//! (<https://www.mongodb.com/docs/manual/reference/method/cursor.sort/>).
//!
//! A field that is missing sorts as null, an empty array before it; an array sorts by its least
//! element, or by its greatest if the order is descending. Each key looks at arrays on its own.

use std::cmp::Ordering;

use bson::raw::RawDocument;
use bson::{RawArray, RawArrayBuf, RawBsonRef};

use super::compare;
use super::expression::{Path, PathPart};
use super::field_path;
use super::number::Number;
use super::parse::malformed;
use super::print::print;
use crate::error::{CommandError, ErrorCode};

/// Fields that documents are sorted by at one time, as many as an index may have in MongoDB.
const SORT_KEYS_MAX: usize = 32;

/// A valid sort pattern, such as `{ db: 1, user: -1 }`; without fields it keeps the order.
#[derive(Debug)]
pub struct Sort(Vec<(Path, Direction)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Ascending,
    Descending,
}

/// What a document is sorted by.
#[derive(Debug, Clone)]
pub struct SortKey(RawArrayBuf);

impl SortKey {
    /// The bytes it takes.
    pub fn byte_count(&self) -> usize {
        self.0.as_bytes().len()
    }
}

impl Sort {
    /// Parses a sort pattern.
    ///
    /// # Errors
    /// 15974 for a value that is no number, 15975 for a number but 1 and -1, 2 beyond
    /// `SORT_KEYS_MAX`, 115 for `$meta`, and the codes of malformed paths.
    pub fn parse(document: &RawDocument) -> Result<Self, CommandError> {
        let mut keys = Vec::new();
        for field in document {
            let (name, value) = field.map_err(malformed)?;
            if keys.len() == SORT_KEYS_MAX {
                return Err(CommandError::bad_value(format!(
                    "too many compound keys: at most {SORT_KEYS_MAX}"
                )));
            }
            let direction = direction(name.as_str(), value)?;
            field_path::parts(name.as_str())?;
            keys.push((Path::new(name.as_str()), direction));
        }
        Ok(Self(keys))
    }

    /// Whether it sorts by nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What the document is sorted by.
    ///
    /// # Errors
    /// 292 for much more than `bytes_max`: each key may be as large as the document.
    pub fn key(&self, document: &RawDocument, bytes_max: usize) -> Result<SortKey, CommandError> {
        let mut values = RawArrayBuf::new();
        for (path, direction) in &self.0 {
            let mut best = None;
            look(document, path.parts(), &mut |value| {
                if best.is_none_or(|best| direction.order(value, best).is_lt()) {
                    best = Some(value);
                }
            });
            values.push(best.unwrap_or(RawBsonRef::Null));
            if values.as_bytes().len() > bytes_max {
                return Err(CommandError::memory_exceeded("Sort"));
            }
        }
        Ok(SortKey(values))
    }

    /// Which of two documents comes first.
    pub fn compare(&self, left: &SortKey, right: &SortKey) -> Ordering {
        let left = left.0.into_iter().map_while(Result::ok);
        let right = right.0.into_iter().map_while(Result::ok);
        let keys = self.0.iter().zip(left.zip(right));
        keys.map(|((_, direction), (left, right))| direction.order(left, right))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

impl Direction {
    fn order(self, left: RawBsonRef<'_>, right: RawBsonRef<'_>) -> Ordering {
        match self {
            Self::Ascending => compare(left, right),
            Self::Descending => compare(right, left),
        }
    }
}

fn direction(name: &str, value: RawBsonRef<'_>) -> Result<Direction, CommandError> {
    if let RawBsonRef::Document(_) = value {
        return Err(CommandError::new(
            ErrorCode::COMMAND_NOT_SUPPORTED,
            format!("The sort by {name} is an expression; only 1 and -1 are supported"),
        ));
    }
    let Some(number) = Number::of(value) else {
        return Err(CommandError::new(
            ErrorCode(15_974),
            format!(
                "Illegal key in $sort specification: {name}: {}",
                print(value)
            ),
        ));
    };
    match number.to_integer() {
        Ok(1) => Ok(Direction::Ascending),
        Ok(-1) => Ok(Direction::Descending),
        _ => Err(CommandError::new(
            ErrorCode(15_975),
            "$sort key ordering must be 1 (for ascending) or -1 (for descending)",
        )),
    }
}

/// Calls `found` with every value the path leads to.
fn look<'a>(document: &'a RawDocument, path: &[PathPart], found: &mut impl FnMut(RawBsonRef<'a>)) {
    let Some((part, rest)) = path.split_first() else {
        return;
    };
    match (document.get(&*part.name).ok().flatten(), rest) {
        (Some(RawBsonRef::Array(array)), []) => elements(array, found),
        (Some(value), []) => found(value),
        (Some(RawBsonRef::Document(inner)), rest) => look(inner, rest, found),
        (Some(RawBsonRef::Array(array)), rest) => look_into_array(array, rest, found),
        _ => found(RawBsonRef::Null),
    }
}

fn look_into_array<'a>(
    array: &'a RawArray,
    path: &[PathPart],
    found: &mut impl FnMut(RawBsonRef<'a>),
) {
    let Some((part, rest)) = path.split_first() else {
        return elements(array, found);
    };
    if let Some(index) = part.index {
        return match (array.get(index).ok().flatten(), rest) {
            (Some(RawBsonRef::Array(inner)), rest) => look_into_array(inner, rest, found),
            (Some(value), []) => found(value),
            (Some(RawBsonRef::Document(inner)), rest) => look(inner, rest, found),
            _ => found(RawBsonRef::Null),
        };
    }
    if array.is_empty() {
        found(RawBsonRef::Null);
    }
    for element in array.into_iter().map_while(Result::ok) {
        match element {
            RawBsonRef::Document(inner) => look(inner, path, found),
            _ => found(RawBsonRef::Null),
        }
    }
}

fn elements<'a>(array: &'a RawArray, found: &mut impl FnMut(RawBsonRef<'a>)) {
    if array.is_empty() {
        found(RawBsonRef::Undefined);
    }
    array.into_iter().map_while(Result::ok).for_each(found);
}

#[cfg(test)]
mod tests {
    use bson::{RawDocumentBuf, rawdoc};

    use super::*;

    /// The `_id`s in the order of the pattern.
    fn sorted(pattern: &RawDocument, documents: &[RawDocumentBuf]) -> Vec<i32> {
        let sort = Sort::parse(pattern).unwrap();
        let mut keyed: Vec<_> = documents
            .iter()
            .map(|one| (sort.key(one, 1000).unwrap(), one))
            .collect();
        keyed.sort_by(|left, right| sort.compare(&left.0, &right.0));
        keyed
            .iter()
            .map(|(_, one)| one.get_i32("_id").unwrap())
            .collect()
    }

    #[test]
    fn keys_count_from_the_first_to_the_last() {
        let documents = [
            rawdoc! { "_id": 0, "a": 2, "b": 1 },
            rawdoc! { "_id": 1, "a": 1.0, "b": 1 },
            rawdoc! { "_id": 2, "a": 1_i64, "b": 2 },
            rawdoc! { "_id": 3, "a": "x" },
        ];
        assert_eq!(
            sorted(&rawdoc! { "a": 1, "b": -1 }, &documents),
            [2, 1, 0, 3]
        );
        assert_eq!(
            sorted(&rawdoc! { "b": 1.0, "a": -1_i64 }, &documents),
            [3, 0, 1, 2]
        );
        assert_eq!(sorted(&rawdoc! {}, &documents), [0, 1, 2, 3]);
    }

    #[test]
    fn what_is_missing_is_null_and_empty_arrays_come_first() {
        let documents = [
            rawdoc! { "_id": 0, "a": { "b": 1 } },
            rawdoc! { "_id": 1, "a": 5 },
            rawdoc! { "_id": 2, "a": { "b": null } },
            rawdoc! { "_id": 3 },
            rawdoc! { "_id": 4, "a": { "b": [] } },
            rawdoc! { "_id": 5, "a": [] },
        ];
        assert_eq!(
            sorted(&rawdoc! { "a.b": 1 }, &documents),
            [4, 1, 2, 3, 5, 0]
        );
    }

    #[test]
    fn an_array_counts_by_the_element_that_comes_first() {
        let documents = [
            rawdoc! { "_id": 0, "a": [5, 1], "d": [{ "e": 3 }, { "e": 9 }] },
            rawdoc! { "_id": 1, "a": 3, "d": [{ "e": 4 }] },
            rawdoc! { "_id": 2, "a": [4, 2], "d": [7, { "e": 5 }] },
        ];
        assert_eq!(sorted(&rawdoc! { "a": 1 }, &documents), [0, 2, 1]);
        assert_eq!(sorted(&rawdoc! { "a": -1 }, &documents), [0, 2, 1]);
        assert_eq!(sorted(&rawdoc! { "d.e": 1 }, &documents), [2, 0, 1]);
        assert_eq!(sorted(&rawdoc! { "d.e": -1 }, &documents), [0, 2, 1]);
        assert_eq!(sorted(&rawdoc! { "a.0": 1 }, &documents), [1, 2, 0]);
        assert_eq!(sorted(&rawdoc! { "d.0.e": 1 }, &documents), [2, 0, 1]);
    }

    #[test]
    fn keys_have_an_end() {
        let sort = Sort::parse(&rawdoc! { "a": 1, "a.b": 1, "a.b.c": 1 }).unwrap();
        let document = rawdoc! { "a": { "b": { "c": "x".repeat(1000) } } };
        assert!(sort.key(&document, 4000).is_ok());
        assert_eq!(sort.key(&document, 2000).unwrap_err().code.0, 292);
    }

    #[test]
    fn only_one_and_minus_one_are_orders() {
        for (pattern, code, message) in [
            (
                rawdoc! { "a": 2 },
                15_975,
                "$sort key ordering must be 1 (for ascending) or -1 (for descending)",
            ),
            (
                rawdoc! { "a": "x" },
                15_974,
                "Illegal key in $sort specification: a: \"x\"",
            ),
            (
                rawdoc! { "a": { "$meta": "textScore" } },
                115,
                "The sort by a is an expression; only 1 and -1 are supported",
            ),
            (
                rawdoc! { "a.": 1 },
                40_353,
                "FieldPath must not end with a '.'.",
            ),
        ] {
            let error = Sort::parse(&pattern).unwrap_err();
            assert_eq!((error.code.0, error.message.as_str()), (code, message));
        }
        let mut many = RawDocumentBuf::new();
        for key in 0..=SORT_KEYS_MAX {
            many.append(bson::raw::CString::try_from(format!("k{key}")).unwrap(), 1);
        }
        assert_eq!(Sort::parse(&many).unwrap_err().code, ErrorCode::BAD_VALUE);
    }
}
