//! The different values that a field has, as `distinct` answers them
//! (<https://www.mongodb.com/docs/manual/reference/command/distinct/>).

use std::collections::BTreeSet;

use bson::raw::RawDocument;
use bson::{RawArray, RawArrayBuf, RawBsonRef};

use super::accumulator::Ordered;
use super::expression::{Path, PathPart};
use super::field_path;
use super::parse::PATH_PARTS_MAX;
use crate::error::{CommandError, ErrorCode};

/// Bytes of all values: what an answer holds, with room for the rest of it.
const DISTINCT_BYTES_MAX: usize = 16 * 1024 * 1024;

/// The values so far. Those of an array count one by one, and a field that is missing has none.
#[derive(Debug)]
pub struct Distinct {
    path: Path,
    seen: BTreeSet<Ordered>,
    values: RawArrayBuf,
}

impl Distinct {
    /// No value yet.
    ///
    /// # Errors
    /// 5729100 for a path of too many parts.
    pub fn new(key: &str) -> Result<Self, CommandError> {
        if key.split('.').count() > PATH_PARTS_MAX {
            return Err(field_path::too_long());
        }
        Ok(Self {
            path: Path::new(key),
            seen: BTreeSet::new(),
            values: RawArrayBuf::new(),
        })
    }

    /// Takes in the values of a document.
    ///
    /// # Errors
    /// 17217 beyond `DISTINCT_BYTES_MAX`.
    pub fn add(&mut self, document: &RawDocument) -> Result<(), CommandError> {
        let (seen, values) = (&mut self.seen, &mut self.values);
        look(
            RawBsonRef::Document(document),
            self.path.parts(),
            &mut |value| {
                if seen.insert(Ordered(value.into())) {
                    values.push(value);
                }
            },
        );
        if self.values.as_bytes().len() > DISTINCT_BYTES_MAX {
            return Err(CommandError::new(
                ErrorCode(17_217),
                "distinct too big, 16mb cap",
            ));
        }
        Ok(())
    }

    /// The values, in the order in which they first came.
    pub fn into_values(self) -> RawArrayBuf {
        self.values
    }
}

fn look<'a>(value: RawBsonRef<'a>, path: &[PathPart], found: &mut impl FnMut(RawBsonRef<'a>)) {
    match (value, path.split_first()) {
        (RawBsonRef::Array(array), None) => each(array, found),
        (value, None) => found(value),
        (RawBsonRef::Document(document), Some((part, rest))) => {
            if let Ok(Some(inner)) = document.get(&*part.name) {
                look(inner, rest, found);
            }
        }
        (RawBsonRef::Array(array), Some((part, rest))) => {
            if let Some(inner) = part.index.and_then(|index| array.get(index).ok().flatten()) {
                return look(inner, rest, found);
            }
            each(array, &mut |element| {
                if let RawBsonRef::Document(_) = element {
                    look_again(element, path, found);
                }
            });
        }
        _ => {}
    }
}

/// [`look`] by way of a trait object: closures within closures would have no end of types.
fn look_again<'a>(value: RawBsonRef<'a>, path: &[PathPart], found: &mut dyn FnMut(RawBsonRef<'a>)) {
    look(value, path, &mut |value| found(value));
}

fn each<'a>(array: &'a RawArray, found: &mut impl FnMut(RawBsonRef<'a>)) {
    array.into_iter().map_while(Result::ok).for_each(found);
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    #[test]
    fn values_are_taken_one_by_one_and_once() {
        let documents = [
            rawdoc! { "a": 1, "roles": [{ "role": "read" }, { "role": "write" }, 5] },
            rawdoc! { "a": 1.0, "roles": { "role": ["read", "admin"] } },
            rawdoc! { "a": [2, 1, [3]], "roles": [] },
            rawdoc! { "a": null },
            rawdoc! {},
        ];
        for (key, expected) in [
            ("a", rawdoc! { "": [1, 2, [3], null] }),
            ("roles.role", rawdoc! { "": ["read", "write", "admin"] }),
            ("roles.1.role", rawdoc! { "": ["write"] }),
            ("nothing", rawdoc! { "": [] }),
        ] {
            let mut distinct = Distinct::new(key).unwrap();
            for document in &documents {
                distinct.add(document).unwrap();
            }
            let values = distinct.into_values();
            assert_eq!(rawdoc! { "": values }, expected, "{key}");
        }
    }

    #[test]
    fn paths_and_answers_have_an_end() {
        let long = vec!["a"; PATH_PARTS_MAX + 1].join(".");
        assert_eq!(Distinct::new(&long).unwrap_err().code.0, 5_729_100);
        let mut distinct = Distinct::new("a").unwrap();
        let one = |byte: &str| rawdoc! { "a": byte.repeat(DISTINCT_BYTES_MAX / 2) };
        distinct.add(&one("x")).unwrap();
        distinct.add(&one("x")).unwrap();
        assert_eq!(distinct.add(&one("y")).unwrap_err().code.0, 17_217);
    }
}
