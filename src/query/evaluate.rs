//! Asking an [`Expression`] of a document.

use std::cmp::Ordering;

use bson::raw::RawDocument;
use bson::{RawArray, RawBsonRef};

use super::compare::{compare, content_bytes, type_rank};
use super::expression::{Alternatives, Comparison, Condition, Expression, PathPart, Test};
use super::number::Number;

/// Fields and elements looked at for one document and one filter; a long value counts for more. Paths
/// with positions, such as `0.0.0`, can take exponentially many ways through arrays in arrays, and
/// a regular expression of many states looks at a text very slowly; this ends them.
pub(super) const EVALUATION_STEPS_MAX: u32 = 2_000_000;
/// Bytes of a value that are read in one step, and compared in another.
const READ_BYTES: usize = 1024;
const COMPARED_BYTES: usize = 64;
/// Arrays within arrays and filters within filters, together. MongoDB allows 180 levels in
/// a document and 100 in a filter.
const EVALUATION_LEVELS_MAX: u32 = 400;

/// What one evaluation has left of its limits.
pub(super) struct Evaluation {
    steps_left: u32,
    levels_left: u32,
}

impl Evaluation {
    /// Whether the document fulfils the expression; `None` beyond the limits.
    pub(super) fn of(expression: &Expression, document: &RawDocument) -> Option<bool> {
        let mut evaluation = Self {
            steps_left: EVALUATION_STEPS_MAX,
            levels_left: EVALUATION_LEVELS_MAX,
        };
        let is_fulfilled = evaluation.expression(expression, document);
        (!evaluation.is_exhausted()).then_some(is_fulfilled)
    }

    fn expression(&mut self, expression: &Expression, document: &RawDocument) -> bool {
        match expression {
            Expression::And(all) => all.iter().all(|e| self.expression(e, document)),
            Expression::Or(any) => any.iter().any(|e| self.expression(e, document)),
            Expression::Nor(none) => !none.iter().any(|e| self.expression(e, document)),
            Expression::Field(path, condition) => self.field(condition, document, path.parts()),
        }
    }

    /// A condition on all values that a path leads to.
    fn field(&mut self, condition: &Condition, document: &RawDocument, path: &[PathPart]) -> bool {
        match condition {
            Condition::Test(test) => self.any_value(test, document, path),
            Condition::All(all) => all.iter().all(|c| self.field(c, document, path)),
            Condition::Not(condition) => !self.field(condition, document, path),
            Condition::Never => false,
        }
    }

    /// A condition on one element of an array.
    fn element(&mut self, condition: &Condition, element: RawBsonRef<'_>) -> bool {
        match condition {
            Condition::Test(test) => self.holds(test, Some(element)),
            Condition::All(all) => all.iter().all(|c| self.element(c, element)),
            Condition::Not(condition) => !self.element(condition, element),
            Condition::Never => false,
        }
    }

    /// Follows the path through documents to the first array or to its end.
    fn any_value(&mut self, test: &Test, document: &RawDocument, path: &[PathPart]) -> bool {
        let mut document = document;
        let mut path = path;
        while let Some((part, rest)) = path.split_first() {
            match self.get(document, &part.name) {
                Some(RawBsonRef::Array(array)) => return self.any_in_array(test, array, rest),
                Some(value) if rest.is_empty() => return self.holds(test, Some(value)),
                Some(RawBsonRef::Document(inner)) => {
                    document = inner;
                    path = rest;
                }
                // A path that ends early leads to nothing, which `null` equals.
                _ => return self.holds(test, None),
            }
        }
        false
    }

    /// An array on the path: at its end the elements count and the array itself; before that
    /// the fields of its documents, and the element whose position the next part names. Elements
    /// that are neither lead nowhere, not even to "missing".
    fn any_in_array(&mut self, test: &Test, array: &RawArray, path: &[PathPart]) -> bool {
        let Some((part, rest)) = path.split_first() else {
            return self.any_element_or_array(test, array);
        };
        self.nested(|this| {
            for (position, element) in array.into_iter().map_while(Result::ok).enumerate() {
                if !this.step() {
                    return false;
                }
                if let RawBsonRef::Document(document) = element
                    && this.any_value(test, document, path)
                {
                    return true;
                }
                let is_found = part.index == Some(position)
                    && match element {
                        // An element named by its position is not looked into.
                        element if rest.is_empty() => this.holds(test, Some(element)),
                        RawBsonRef::Document(document) => this.any_value(test, document, rest),
                        RawBsonRef::Array(inner) => this.any_in_array(test, inner, rest),
                        _ => false,
                    };
                if is_found {
                    return true;
                }
            }
            false
        })
    }

    fn any_element_or_array(&mut self, test: &Test, array: &RawArray) -> bool {
        let mut elements = array.into_iter().map_while(Result::ok);
        (test.looks_into_arrays() && elements.any(|element| self.holds(test, Some(element))))
            || self.holds(test, Some(RawBsonRef::Array(array)))
    }

    /// Asks the test of a value, or of the lack of one.
    fn holds(&mut self, test: &Test, value: Option<RawBsonRef<'_>>) -> bool {
        if !self.step() {
            return false;
        }
        let Some(value) = value else {
            return holds_for_missing(test);
        };
        if !self.spend(steps_of(test, value)) {
            return false;
        }
        match (test, value) {
            (Test::Compare(how, operand), _) => {
                holds_comparison(*how, value, operand.as_raw_bson_ref())
            }
            (Test::In(alternatives), _) => is_alternative(alternatives, value),
            (Test::Pattern(pattern), _) => pattern.matches(value),
            (Test::Modulo { divisor, remainder }, _) => Number::of(value)
                .and_then(|number| number.truncate().ok())
                .is_some_and(|integer| integer.wrapping_rem(*divisor) == *remainder),
            (Test::Exists, _) => true,
            (Test::Type(types), _) => types.contains(value.element_type()),
            (Test::Size(size), RawBsonRef::Array(array)) => {
                let elements = array.into_iter().map_while(Result::ok);
                elements.take_while(|_| self.step()).count() == *size
            }
            (Test::ElementValue(condition), RawBsonRef::Array(array)) => self.nested(|this| {
                let mut elements = array.into_iter().map_while(Result::ok);
                elements.any(|element| this.element(condition, element))
            }),
            (Test::ElementDocument(expression), RawBsonRef::Array(array)) => self.nested(|this| {
                let elements = array.into_iter().map_while(Result::ok);
                let mut documents = elements.filter_map(as_document);
                documents.any(|document| this.expression(expression, document))
            }),
            (Test::Size(_) | Test::ElementValue(_) | Test::ElementDocument(_), _) => false,
        }
    }

    /// The first field of that name.
    fn get<'a>(&mut self, document: &'a RawDocument, name: &str) -> Option<RawBsonRef<'a>> {
        document
            .iter_elements()
            .map_while(Result::ok)
            .take_while(|_| self.step())
            .find(|element| element.key().as_str() == name)
            .and_then(|element| element.value().ok())
    }

    fn nested(&mut self, ask: impl FnOnce(&mut Self) -> bool) -> bool {
        let Some(levels_left) = self.levels_left.checked_sub(1) else {
            self.steps_left = 0;
            return false;
        };
        self.levels_left = levels_left;
        let answer = ask(self);
        self.levels_left += 1;
        answer
    }

    /// False once no step is left.
    fn step(&mut self) -> bool {
        self.spend(1)
    }

    fn spend(&mut self, steps: usize) -> bool {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        self.steps_left = self.steps_left.saturating_sub(steps);
        !self.is_exhausted()
    }

    fn is_exhausted(&self) -> bool {
        self.steps_left == 0
    }
}

/// Steps that a test of a value takes besides the first.
fn steps_of(test: &Test, value: RawBsonRef<'_>) -> usize {
    let steps = match test {
        Test::Compare(_, operand) => {
            content_bytes(value).min(content_bytes(operand.as_raw_bson_ref())) / COMPARED_BYTES
        }
        Test::In(alternatives) => {
            let comparisons = alternatives.values.len().checked_ilog2();
            let comparisons = comparisons.map_or(0, |log| 1 + log as usize);
            let patterns = alternatives.patterns.iter();
            let steps = patterns.map(|pattern| pattern.steps(value));
            steps.fold(
                comparisons * (content_bytes(value) / COMPARED_BYTES),
                usize::saturating_add,
            )
        }
        Test::Pattern(pattern) => pattern.steps(value),
        _ => 0,
    };
    steps.saturating_add(content_bytes(value) / READ_BYTES)
}

/// A missing field equals null, and is between the lowest and the highest key.
fn holds_for_missing(test: &Test) -> bool {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
    match test {
        Test::Compare(how, operand) => matches!(
            (operand.as_raw_bson_ref(), how),
            (RawBsonRef::Null, Equal | LessOrEqual | GreaterOrEqual)
                | (RawBsonRef::MinKey, Greater | GreaterOrEqual)
                | (RawBsonRef::MaxKey, Less | LessOrEqual)
        ),
        Test::In(alternatives) => is_alternative(alternatives, RawBsonRef::Null),
        _ => false,
    }
}

/// Values compare within their type only, except with the lowest and the highest key.
fn holds_comparison(how: Comparison, value: RawBsonRef<'_>, operand: RawBsonRef<'_>) -> bool {
    use Comparison::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
    if type_rank(value) != type_rank(operand) {
        return matches!(
            (operand, how),
            (RawBsonRef::MinKey, Greater | GreaterOrEqual)
                | (RawBsonRef::MaxKey, Less | LessOrEqual)
        );
    }
    let order = compare(value, operand);
    // In the order of values NaN is below all numbers; asked for, it is only equal to itself.
    let is_nan = |value| Number::of(value).is_some_and(Number::is_nan);
    if order.is_ne() && (is_nan(value) || is_nan(operand)) {
        return false;
    }
    match how {
        Equal => order == Ordering::Equal,
        Less => order == Ordering::Less,
        LessOrEqual => order != Ordering::Greater,
        Greater => order == Ordering::Greater,
        GreaterOrEqual => order != Ordering::Less,
    }
}

fn is_alternative(alternatives: &Alternatives, value: RawBsonRef<'_>) -> bool {
    let order_to_value =
        |alternative: &bson::RawBson| compare(alternative.as_raw_bson_ref(), value);
    alternatives.values.binary_search_by(order_to_value).is_ok()
        || alternatives
            .patterns
            .iter()
            .any(|pattern| pattern.matches(value))
}

/// An array counts as a document with its positions as names.
fn as_document(value: RawBsonRef<'_>) -> Option<&RawDocument> {
    match value {
        RawBsonRef::Document(document) => Some(document),
        RawBsonRef::Array(array) => RawDocument::from_bytes(array.as_bytes()).ok(),
        _ => None,
    }
}
