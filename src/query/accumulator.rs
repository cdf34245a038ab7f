//! What `$group` works out for each group
//! (<https://www.mongodb.com/docs/manual/reference/operator/aggregation/group/#accumulator-operator>).

use std::collections::BTreeSet;

use bson::raw::RawDocument;
use bson::{RawArrayBuf, RawBson, RawBsonRef};

use super::compare::{compare, content_bytes};
use super::value::Value;
use crate::error::{CommandError, ErrorCode};

/// An accumulator and what it is fed.
#[derive(Debug)]
pub(super) struct Accumulator {
    kind: Kind,
    value: Value,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    AddToSet,
    Average,
    First,
    Last,
    Maximum,
    Minimum,
    Push,
    Sum,
}

/// What an accumulator has of one group so far.
#[derive(Debug)]
pub(super) enum State {
    One(Option<RawBson>),
    Many(RawArrayBuf),
    Set(BTreeSet<Ordered>),
    Sum(Sum),
    Average { sum: f64, count: f64 },
}

/// A value in MongoDB's order, in which 1 and 1.0 are the same.
#[derive(Debug, Clone)]
pub(super) struct Ordered(pub(super) RawBson);

/// Whole numbers are added as such as long as nothing else comes.
#[derive(Debug, Default)]
pub(super) struct Sum {
    whole: i128,
    is_long: bool,
    double: Option<f64>,
}

impl Accumulator {
    /// `{$sum: 1}` and its like.
    ///
    /// # Errors
    /// 15952 for a name that is none, 115 for an accumulator or expression that is not served.
    pub(super) fn parse(name: &str, operand: RawBsonRef<'_>) -> Result<Self, CommandError> {
        let kind = match name {
            "$addToSet" => Kind::AddToSet,
            "$avg" => Kind::Average,
            "$first" => Kind::First,
            "$last" => Kind::Last,
            "$max" => Kind::Maximum,
            "$min" => Kind::Minimum,
            "$push" => Kind::Push,
            "$sum" => Kind::Sum,
            "$count" => return Self::count(operand),
            "$accumulator" | "$bottom" | "$bottomN" | "$firstN" | "$lastN" | "$maxN"
            | "$median" | "$mergeObjects" | "$minN" | "$percentile" | "$stdDevPop"
            | "$stdDevSamp" | "$top" | "$topN" => {
                return Err(CommandError::new(
                    ErrorCode::COMMAND_NOT_SUPPORTED,
                    format!("The accumulator {name} is not supported"),
                ));
            }
            other => {
                return Err(CommandError::new(
                    ErrorCode(15_952),
                    format!("unknown group operator '{other}'"),
                ));
            }
        };
        let value = Value::parse(operand)?;
        Ok(Self { kind, value })
    }

    fn count(operand: RawBsonRef<'_>) -> Result<Self, CommandError> {
        match operand {
            RawBsonRef::Document(document) if document.is_empty() => Ok(Self {
                kind: Kind::Sum,
                value: Value::Constant(RawBson::Int32(1)),
            }),
            _ => Err(CommandError::new(
                ErrorCode::TYPE_MISMATCH,
                "$count takes no arguments, i.e. $count:{}",
            )),
        }
    }

    /// Before the first document of a group.
    pub(super) fn start(&self) -> State {
        match self.kind {
            Kind::AddToSet => State::Set(BTreeSet::new()),
            Kind::Push => State::Many(RawArrayBuf::new()),
            Kind::Sum => State::Sum(Sum::default()),
            Kind::Average => State::Average {
                sum: 0.0,
                count: 0.0,
            },
            Kind::First | Kind::Last | Kind::Maximum | Kind::Minimum => State::One(None),
        }
    }

    /// Takes in a document, and keeps `bytes` up to date, which is what all groups take.
    ///
    /// # Errors
    /// 115 for decimals that would have to be added, 292 if one value takes more than `bytes_max`.
    pub(super) fn add(
        &self,
        state: &mut State,
        document: &RawDocument,
        bytes: &mut usize,
        bytes_max: usize,
    ) -> Result<(), CommandError> {
        let value = self.value.of(document, bytes_max)?;
        let added = value.as_ref().map_or(0, byte_count);
        match state {
            State::One(kept) => {
                let before = kept.as_ref().map_or(0, byte_count);
                self.keep_one(kept, value);
                let after = kept.as_ref().map_or(0, byte_count);
                *bytes = bytes.saturating_sub(before).saturating_add(after);
            }
            State::Many(values) => {
                if let Some(value) = value {
                    values.push(value);
                    *bytes = bytes.saturating_add(added);
                }
            }
            State::Set(values) => {
                if value.is_some_and(|value| values.insert(Ordered(value))) {
                    *bytes = bytes.saturating_add(added);
                }
            }
            State::Sum(sum) => {
                sum.add(value.as_ref())?;
            }
            State::Average { sum, count } => {
                let mut one = Sum::default();
                if one.add(value.as_ref())? {
                    *sum += one.to_double();
                    *count += 1.0;
                }
            }
        }
        Ok(())
    }

    fn keep_one(&self, kept: &mut Option<RawBson>, value: Option<RawBson>) {
        let is_better = |order: std::cmp::Ordering| match (&value, &*kept) {
            (None | Some(RawBson::Null | RawBson::Undefined), _) => false,
            (Some(_), None) => true,
            (Some(value), Some(kept)) => {
                compare(value.as_raw_bson_ref(), kept.as_raw_bson_ref()) == order
            }
        };
        let replaces = match self.kind {
            Kind::First => kept.is_none(),
            Kind::Maximum => is_better(std::cmp::Ordering::Greater),
            Kind::Minimum => is_better(std::cmp::Ordering::Less),
            _ => true,
        };
        if replaces {
            // What is missing is null in the answer, and the first of a group all the same.
            *kept = Some(value.unwrap_or(RawBson::Null));
        }
    }
}

impl State {
    /// The result.
    pub(super) fn finish(self) -> RawBson {
        match self {
            Self::One(value) => value.unwrap_or(RawBson::Null),
            Self::Many(values) => RawBson::Array(values),
            Self::Set(values) => RawBson::Array(values.into_iter().map(|one| one.0).collect()),
            Self::Sum(sum) => sum.finish(),
            Self::Average { count: 0.0, .. } => RawBson::Null,
            Self::Average { sum, count } => RawBson::Double(sum / count),
        }
    }
}

impl Sum {
    /// Adds a number; false for what is none.
    fn add(&mut self, value: Option<&RawBson>) -> Result<bool, CommandError> {
        match value {
            Some(RawBson::Int32(number)) => self.whole += i128::from(*number),
            Some(RawBson::Int64(number)) => {
                self.is_long = true;
                self.whole += i128::from(*number);
            }
            Some(RawBson::Double(number)) => *self.double.get_or_insert(0.0) += number,
            Some(RawBson::Decimal128(_)) => {
                return Err(CommandError::new(
                    ErrorCode::COMMAND_NOT_SUPPORTED,
                    "Decimals cannot be added up",
                ));
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    #[allow(clippy::cast_precision_loss)] // what a sum of doubles is
    fn to_double(&self) -> f64 {
        self.whole as f64 + self.double.unwrap_or_default()
    }

    fn finish(self) -> RawBson {
        if self.double.is_some() {
            return RawBson::Double(self.to_double());
        }
        match (i32::try_from(self.whole), i64::try_from(self.whole)) {
            (Ok(sum), _) if !self.is_long => RawBson::Int32(sum),
            (_, Ok(sum)) => RawBson::Int64(sum),
            _ => RawBson::Double(self.to_double()),
        }
    }
}

impl PartialEq for Ordered {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ordered {}

impl PartialOrd for Ordered {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ordered {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        compare(self.0.as_raw_bson_ref(), other.0.as_raw_bson_ref())
    }
}

/// About what a value takes.
pub(super) fn byte_count(value: &RawBson) -> usize {
    size_of::<RawBson>() + content_bytes(value.as_raw_bson_ref())
}
