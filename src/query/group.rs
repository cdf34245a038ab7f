//! `$group`: documents put together by a key
//! (<https://www.mongodb.com/docs/manual/reference/operator/aggregation/group/>).

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use bson::raw::{CString, RawDocument, cstr};
use bson::{RawBson, RawBsonRef, RawDocumentBuf};

use super::accumulator::{Accumulator, Ordered, State, byte_count};
use super::parse::malformed;
use super::value::Value;
use crate::error::{CommandError, ErrorCode};

/// A valid `$group`, such as `{ _id: "$db", n: { $sum: 1 } }`.
#[derive(Debug)]
pub struct Group {
    key: Value,
    fields: Vec<(CString, Accumulator)>,
}

/// The groups so far.
#[derive(Debug)]
pub struct Groups<'a> {
    group: &'a Group,
    by_key: BTreeMap<Ordered, Vec<State>>,
    bytes: usize,
    bytes_max: usize,
}

impl Group {
    /// Parses the operand of `$group`.
    ///
    /// # Errors
    /// 15947, 15955, 40234, 40235, 40236, 40238 for its shape, 15952 for an accumulator that nobody
    /// knows, 115 for accumulators and expressions that are not served.
    pub fn parse(operand: RawBsonRef<'_>) -> Result<Self, CommandError> {
        let RawBsonRef::Document(document) = operand else {
            return refuse(15_947, "a group's fields must be specified in an object");
        };
        let mut key = None;
        let mut fields = Vec::new();
        for field in document {
            let (name, value) = field.map_err(malformed)?;
            if name.as_str() == "_id" {
                key = Some(Value::parse(value)?);
            } else {
                fields.push((name.to_owned(), accumulator(name.as_str(), value)?));
            }
        }
        match key {
            Some(key) => Ok(Self { key, fields }),
            None => refuse(15_955, "a group specification must include an _id"),
        }
    }

    /// No document yet; the groups may take about `bytes_max`.
    pub fn start(&self, bytes_max: usize) -> Groups<'_> {
        Groups {
            group: self,
            by_key: BTreeMap::new(),
            bytes: 0,
            bytes_max,
        }
    }
}

impl Groups<'_> {
    /// Puts a document into its group.
    ///
    /// # Errors
    /// 115 if a decimal would have to be added up, 292 once the groups take more than they may.
    pub fn add(&mut self, document: &RawDocument) -> Result<(), CommandError> {
        let bytes_max = self.bytes_max;
        let check = |bytes: usize| {
            if bytes > bytes_max {
                return Err(CommandError::memory_exceeded("$group"));
            }
            Ok(())
        };
        let key = self.group.key.of(document, bytes_max)?;
        let key = key.unwrap_or(RawBson::Null);
        let key_bytes = byte_count(&key);
        let states = match self.by_key.entry(Ordered(key)) {
            Entry::Occupied(states) => states.into_mut(),
            Entry::Vacant(place) => {
                self.bytes += key_bytes + self.group.fields.len() * size_of::<State>();
                check(self.bytes)?;
                let fields = self.group.fields.iter();
                place.insert(fields.map(|(_, accumulator)| accumulator.start()).collect())
            }
        };
        for ((_, accumulator), state) in self.group.fields.iter().zip(states) {
            accumulator.add(state, document, &mut self.bytes, bytes_max)?;
            check(self.bytes)?;
        }
        Ok(())
    }

    /// A document for each group, in the order of the keys.
    pub fn into_documents(self) -> impl Iterator<Item = RawDocumentBuf> {
        let fields = &self.group.fields;
        self.by_key.into_iter().map(move |(key, states)| {
            let mut document = RawDocumentBuf::new();
            document.append(cstr!("_id"), key.0);
            for ((name, _), state) in fields.iter().zip(states) {
                document.append(name, state.finish());
            }
            document
        })
    }
}

fn accumulator(name: &str, value: RawBsonRef<'_>) -> Result<Accumulator, CommandError> {
    if name.contains('.') {
        return refuse(
            40_235,
            format!("The field name '{name}' cannot contain '.'"),
        );
    }
    if name.starts_with('$') {
        return refuse(
            40_236,
            format!("The field name '{name}' cannot be an operator name"),
        );
    }
    let RawBsonRef::Document(document) = value else {
        return refuse(
            40_234,
            format!("The field '{name}' must be an accumulator object"),
        );
    };
    let mut elements = document.iter();
    match (elements.next(), elements.next()) {
        (Some(Ok((operator, operand))), None) => Accumulator::parse(operator.as_str(), operand),
        _ => refuse(
            40_238,
            format!("The field '{name}' must specify one accumulator"),
        ),
    }
}

fn refuse<T>(code: i32, message: impl Into<String>) -> Result<T, CommandError> {
    Err(CommandError::new(ErrorCode(code), message))
}

#[cfg(test)]
mod tests {
    use bson::rawdoc;

    use super::*;

    /// What groups may take here.
    const ROOM_BYTES: usize = 1024 * 1024;

    fn grouped(operand: &RawDocument, documents: &[RawDocumentBuf]) -> Vec<RawDocumentBuf> {
        let group = Group::parse(RawBsonRef::Document(operand)).unwrap();
        let mut groups = group.start(ROOM_BYTES);
        for document in documents {
            groups.add(document).unwrap();
        }
        groups.into_documents().collect()
    }

    fn sample() -> Vec<RawDocumentBuf> {
        vec![
            rawdoc! { "db": "shop", "n": 1, "roles": [{ "role": "read" }, { "x": 1 }, 5] },
            rawdoc! { "db": "admin", "n": 2.5, "roles": [] },
            rawdoc! { "db": "shop", "n": 3_i64, "roles": [{ "role": "x" }] },
            rawdoc! { "n": "no number", "roles": null },
        ]
    }

    #[test]
    fn documents_are_counted_by_key() {
        let by = |operand: RawDocumentBuf| grouped(&operand, &sample());
        assert_eq!(
            by(rawdoc! { "_id": 1, "n": { "$sum": 1 } }),
            [rawdoc! { "_id": 1, "n": 4 }]
        );
        assert_eq!(
            by(rawdoc! { "_id": null, "n": { "$count": {} } }),
            [rawdoc! { "_id": null, "n": 4 }]
        );
        assert_eq!(
            by(rawdoc! { "_id": "$db", "n": { "$sum": "$n" }, "a": { "$avg": "$n" } }),
            [
                rawdoc! { "_id": null, "n": 0, "a": null },
                rawdoc! { "_id": "admin", "n": 2.5, "a": 2.5 },
                rawdoc! { "_id": "shop", "n": 4_i64, "a": 2.0 },
            ]
        );
        assert_eq!(
            by(rawdoc! { "_id": { "d": "$db", "one": 1 } }),
            [
                rawdoc! { "_id": { "one": 1 } },
                rawdoc! { "_id": { "d": "admin", "one": 1 } },
                rawdoc! { "_id": { "d": "shop", "one": 1 } },
            ]
        );
    }

    #[test]
    fn values_are_collected() {
        let all = rawdoc! {
            "_id": null,
            "first": { "$first": "$db" }, "last": { "$last": "$db" },
            "min": { "$min": "$n" }, "max": { "$max": "$n" },
            "push": { "$push": "$roles.role" }, "set": { "$addToSet": "$db" },
        };
        assert_eq!(
            grouped(&all, &sample()),
            [rawdoc! {
                "_id": null, "first": "shop", "last": null, "min": 1, "max": "no number",
                "push": [["read"], [], ["x"]], "set": ["admin", "shop"],
            }]
        );
        let root = rawdoc! { "_id": 1, "all": { "$push": "$$ROOT" } };
        let one = [rawdoc! { "a": 1 }];
        assert_eq!(
            grouped(&root, &one),
            [rawdoc! { "_id": 1, "all": [{ "a": 1 }] }]
        );
    }

    #[test]
    fn numbers_are_one_key_whatever_their_type() {
        let documents = [
            rawdoc! { "a": 1 },
            rawdoc! { "a": 1.0 },
            rawdoc! { "a": 1_i64 },
        ];
        let operand = rawdoc! { "_id": "$a", "n": { "$sum": "$a" } };
        assert_eq!(
            grouped(&operand, &documents),
            [rawdoc! { "_id": 1, "n": 3.0 }]
        );
    }

    #[test]
    fn sums_grow_with_their_numbers() {
        let operand = rawdoc! { "_id": 1, "n": { "$sum": "$a" } };
        let of = |documents: &[RawDocumentBuf]| grouped(&operand, documents)[0].clone();
        let big = [rawdoc! { "a": i32::MAX }, rawdoc! { "a": 1 }];
        assert_eq!(of(&big), rawdoc! { "_id": 1, "n": i64::from(i32::MAX) + 1 });
        let huge = [rawdoc! { "a": i64::MAX }, rawdoc! { "a": 1 }];
        assert_eq!(
            of(&huge),
            rawdoc! { "_id": 1, "n": 9_223_372_036_854_775_808.0 }
        );
    }

    #[test]
    fn memory_has_an_end() {
        let many = |name: &str, value: &RawDocument| {
            let mut operand = rawdoc! { "_id": null };
            for number in 0..100 {
                let name = CString::try_from(format!("{name}{number}")).unwrap();
                operand.append(name, value);
            }
            operand
        };
        let push = rawdoc! { "$push": "$$ROOT" };
        let mut key = RawDocumentBuf::new();
        for number in 0..100 {
            key.append(CString::try_from(format!("k{number}")).unwrap(), "$$ROOT");
        }
        let document = rawdoc! { "text": "x".repeat(1000) };
        for (operand, fits) in [
            (rawdoc! { "_id": null, "all": push.clone() }, 9..=10),
            (
                rawdoc! { "_id": null, "all": { "$addToSet": "$$ROOT" } },
                1000..=1000,
            ),
            // What takes the place of something else does not add up.
            (
                rawdoc! { "_id": null, "all": { "$last": "$$ROOT" } },
                1000..=1000,
            ),
            (many("f", &push), 0..=0),
            (rawdoc! { "_id": key.clone() }, 0..=0),
            (rawdoc! { "_id": 1, "all": { "$first": key } }, 0..=0),
        ] {
            let group = Group::parse(RawBsonRef::Document(&operand)).unwrap();
            let mut groups = group.start(11_000);
            let added = (0..1000).take_while(|_| groups.add(&document).is_ok());
            assert!(fits.contains(&added.count()), "{operand:?}");
        }
        let group = Group::parse(RawBsonRef::Document(&many("f", &push))).unwrap();
        assert_eq!(group.start(11_000).add(&document).unwrap_err().code.0, 292);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let decimal: bson::Decimal128 = "1".parse().unwrap();
        for (operand, code) in [
            (rawdoc! { "n": { "$sum": 1 } }, 15_955),
            (rawdoc! { "_id": 1, "n": 1 }, 40_234),
            (rawdoc! { "_id": 1, "a.b": { "$sum": 1 } }, 40_235),
            (rawdoc! { "_id": 1, "$a": { "$sum": 1 } }, 40_236),
            (rawdoc! { "_id": 1, "n": {} }, 40_238),
            (rawdoc! { "_id": 1, "n": { "$sum": 1, "$max": 1 } }, 40_238),
            (rawdoc! { "_id": 1, "n": { "$foo": 1 } }, 15_952),
            (rawdoc! { "_id": 1, "n": { "$topN": 1 } }, 115),
            (rawdoc! { "_id": 1, "n": { "$count": 1 } }, 14),
            (rawdoc! { "_id": { "$toUpper": "$a" } }, 115),
            (rawdoc! { "_id": "$$NOW" }, 115),
            (rawdoc! { "_id": "$a." }, 40_353),
            (rawdoc! { "_id": "$" }, 40_352),
        ] {
            let error = Group::parse(RawBsonRef::Document(&operand)).unwrap_err();
            assert_eq!(error.code, ErrorCode(code), "{operand:?}");
        }
        let none = Group::parse(RawBsonRef::Int32(1)).unwrap_err();
        assert_eq!(none.code, ErrorCode(15_947));
        let operand = rawdoc! { "_id": 1, "n": { "$sum": "$a" } };
        let group = Group::parse(RawBsonRef::Document(&operand)).unwrap();
        let error = group
            .start(ROOM_BYTES)
            .add(&rawdoc! { "a": decimal })
            .unwrap_err();
        assert_eq!(error.code, ErrorCode::COMMAND_NOT_SUPPORTED);
    }
}
