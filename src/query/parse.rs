//! From a filter document to an [`Expression`].

use bson::RawBsonRef;
use bson::raw::{RawBson, RawDocument};

use super::allowance::Allowance;
use super::compare;
use super::expression::{Alternatives, Comparison, Condition, Expression, Path, Test};
use super::operand;
use super::pattern::Pattern;
use super::refused;
use crate::error::{CommandError, ErrorCode};

/// Filters within filters, counting `$and`, `$or`, `$nor`, `$not` and `$elemMatch`.
const FILTER_LEVELS_MAX: u32 = 100;
/// Parts of a dotted path: a document has no more levels.
pub(super) const PATH_PARTS_MAX: usize = 200;

const PATH_TOO_LONG: ErrorCode = ErrorCode(5_729_100);

/// Parses one filter; what it asks for is taken of the command's allowance.
pub(super) struct Parser<'a> {
    allowance: &'a mut Allowance,
    level: u32,
    /// Under an `$elemMatch`: what is about the whole document has no place there.
    inside_element: bool,
}

/// One operator of a field: `{ field: { operator: operand, ... } }`.
struct FieldOperator<'a> {
    field: &'a str,
    operator: &'a str,
    operand: RawBsonRef<'a>,
    /// The document the operator is in.
    siblings: &'a RawDocument,
}

impl<'a> Parser<'a> {
    pub(super) fn new(allowance: &'a mut Allowance) -> Self {
        Self {
            allowance,
            level: 0,
            inside_element: false,
        }
    }

    /// A filter: all its fields and operators must hold.
    pub(super) fn expression(
        &mut self,
        document: &RawDocument,
    ) -> Result<Expression, CommandError> {
        self.enter()?;
        let mut all = Vec::new();
        for field in document {
            let (name, operand) = field.map_err(malformed)?;
            let name = name.as_str();
            self.count_condition()?;
            if name.starts_with('$') {
                all.extend(self.top_level_operator(name, operand)?);
            } else {
                let condition = self.condition(name, operand)?;
                all.push(Expression::Field(self.path(name)?, condition));
            }
        }
        self.leave();
        Ok(match <[Expression; 1]>::try_from(all) {
            Ok([only]) => only,
            Err(all) => Expression::And(all),
        })
    }

    /// None for an operator without effect.
    fn top_level_operator(
        &mut self,
        operator: &str,
        operand: RawBsonRef<'_>,
    ) -> Result<Option<Expression>, CommandError> {
        Ok(Some(match operator {
            "$and" => Expression::And(self.expressions(operator, operand)?),
            "$or" => Expression::Or(self.expressions(operator, operand)?),
            "$nor" => Expression::Nor(self.expressions(operator, operand)?),
            "$comment" => return Ok(None),
            "$db" | "$id" | "$ref" => Expression::Field(
                self.path(operator)?,
                Condition::Test(comparison(Comparison::Equal, operator, operand)?),
            ),
            other => return Err(refused::top_level_operator(other, self.inside_element)),
        }))
    }

    fn expressions(
        &mut self,
        operator: &str,
        operand: RawBsonRef<'_>,
    ) -> Result<Vec<Expression>, CommandError> {
        let RawBsonRef::Array(array) = operand else {
            return Err(bad_value(format!("{operator} argument must be an array")));
        };
        if array.is_empty() {
            return Err(bad_value(format!(
                "{operator} argument must be a non-empty array"
            )));
        }
        let mut expressions = Vec::new();
        for element in array {
            let RawBsonRef::Document(document) = element.map_err(malformed)? else {
                return Err(bad_value(format!(
                    "{operator} argument's entries must be objects"
                )));
            };
            self.count_condition()?;
            expressions.push(self.expression(document)?);
        }
        Ok(expressions)
    }

    /// What a field must fulfil: a value, a regular expression or operators.
    fn condition(
        &mut self,
        field: &str,
        operand: RawBsonRef<'_>,
    ) -> Result<Condition, CommandError> {
        match operand {
            RawBsonRef::Document(operators) if has_operators(operators) => {
                self.operators(field, operators)
            }
            RawBsonRef::RegularExpression(regex) => Ok(Condition::Test(Test::Pattern(
                self.pattern(regex.pattern.as_str(), regex.options.as_str())?,
            ))),
            value => Ok(Condition::Test(comparison(
                Comparison::Equal,
                field,
                value,
            )?)),
        }
    }

    /// All operators of a document must hold.
    fn operators(
        &mut self,
        field: &str,
        operators: &RawDocument,
    ) -> Result<Condition, CommandError> {
        let mut all = Vec::new();
        for element in operators {
            let (operator, operand) = element.map_err(malformed)?;
            self.count_condition()?;
            all.extend(self.operator(&FieldOperator {
                field,
                operator: operator.as_str(),
                operand,
                siblings: operators,
            })?);
        }
        Ok(match <[Condition; 1]>::try_from(all) {
            Ok([only]) => only,
            Err(all) => Condition::All(all),
        })
    }

    /// None for `$options`, which belongs to the `$regex` beside it.
    fn operator(&mut self, this: &FieldOperator<'_>) -> Result<Option<Condition>, CommandError> {
        let compare_as =
            |how| comparison(how, this.field, this.operand).map(|t| Some(Condition::Test(t)));
        let test = match this.operator {
            "$eq" => return compare_as(Comparison::Equal),
            "$lt" => return compare_as(Comparison::Less),
            "$lte" => return compare_as(Comparison::LessOrEqual),
            "$gt" => return compare_as(Comparison::Greater),
            "$gte" => return compare_as(Comparison::GreaterOrEqual),
            "$ne" => return not_equal(this).map(Some),
            "$in" => Test::In(self.alternatives(this)?),
            "$nin" => return Ok(Some(negated(Test::In(self.alternatives(this)?)))),
            "$not" => return self.not(this).map(Some),
            "$all" => return self.all(this).map(Some),
            "$elemMatch" => self.element_match(this)?,
            "$regex" => {
                let (pattern, options) = operand::regular_expression(this.siblings)?;
                Test::Pattern(self.pattern(pattern, options)?)
            }
            "$options" if contains(this.siblings, "$regex") => return Ok(None),
            "$options" => return Err(bad_value("$options needs a $regex")),
            "$exists" if operand::is_true(this.operand) => Test::Exists,
            "$exists" => return Ok(Some(negated(Test::Exists))),
            "$size" => Test::Size(operand::size(this.operand)?),
            "$type" => Test::Type(operand::type_set(this.field, this.operand)?),
            "$mod" => {
                let (divisor, remainder) = operand::divisor_and_remainder(this.operand)?;
                Test::Modulo { divisor, remainder }
            }
            other => return Err(refused::field_operator(other)),
        };
        Ok(Some(Condition::Test(test)))
    }

    fn not(&mut self, this: &FieldOperator<'_>) -> Result<Condition, CommandError> {
        let condition = match this.operand {
            RawBsonRef::RegularExpression(_) => self.condition(this.field, this.operand)?,
            RawBsonRef::Document(operators) if operators.is_empty() => {
                return Err(bad_value("$not argument must be a non-empty object"));
            }
            RawBsonRef::Document(operators) => {
                self.enter()?;
                let condition = self.operators(this.field, operators)?;
                self.leave();
                condition
            }
            _ => return Err(bad_value("$not argument must be a regex or an object")),
        };
        Ok(Condition::Not(Box::new(condition)))
    }

    fn alternatives(&mut self, this: &FieldOperator<'_>) -> Result<Alternatives, CommandError> {
        let RawBsonRef::Array(array) = this.operand else {
            return Err(bad_value(format!("{} needs an array", this.operator)));
        };
        let mut values: Vec<RawBson> = Vec::new();
        let mut patterns = Vec::new();
        for element in array {
            self.count_condition()?;
            match element.map_err(malformed)? {
                RawBsonRef::Document(document) if has_operators(document) => {
                    return Err(bad_value("cannot nest $ under $in"));
                }
                RawBsonRef::RegularExpression(regex) => {
                    patterns.push(self.pattern(regex.pattern.as_str(), regex.options.as_str())?);
                }
                RawBsonRef::Undefined => {
                    return Err(bad_value("InMatchExpression equality cannot be undefined"));
                }
                value => values.push(value.into()),
            }
        }
        values.sort_unstable_by(|a, b| compare(a.as_raw_bson_ref(), b.as_raw_bson_ref()));
        Ok(Alternatives { values, patterns })
    }

    fn all(&mut self, this: &FieldOperator<'_>) -> Result<Condition, CommandError> {
        let RawBsonRef::Array(array) = this.operand else {
            return Err(bad_value("$all needs an array"));
        };
        let mut all = Vec::new();
        let mut of_elements = None;
        for element in array {
            self.count_condition()?;
            let element = element.map_err(malformed)?;
            let first = match element {
                RawBsonRef::Document(document) => first_field(document),
                _ => None,
            };
            let element_match = first.filter(|(name, _)| *name == "$elemMatch");
            if *of_elements.get_or_insert(element_match.is_some()) {
                let Some((_, operand)) = element_match else {
                    return Err(bad_value("$all/$elemMatch has to be consistent"));
                };
                all.push(Condition::Test(
                    self.element_match(&FieldOperator { operand, ..*this })?,
                ));
            } else if first.is_some_and(|(name, _)| refused::FIELD_OPERATORS.contains(&name)) {
                return Err(bad_value("no $ expressions in $all"));
            } else if let RawBsonRef::RegularExpression(_) = element {
                all.push(self.condition(this.field, element)?);
            } else {
                let equal = comparison(Comparison::Equal, this.field, element)?;
                all.push(Condition::Test(equal));
            }
        }
        Ok(if all.is_empty() {
            Condition::Never
        } else {
            Condition::All(all)
        })
    }

    fn element_match(&mut self, this: &FieldOperator<'_>) -> Result<Test, CommandError> {
        let RawBsonRef::Document(document) = this.operand else {
            return Err(bad_value("$elemMatch needs an Object"));
        };
        let was_inside_element = std::mem::replace(&mut self.inside_element, true);
        let test = if is_about_values(document) {
            self.enter()?;
            let condition = self.operators(this.field, document)?;
            self.leave();
            Test::ElementValue(Box::new(condition))
        } else {
            Test::ElementDocument(Box::new(self.expression(document)?))
        };
        self.inside_element = was_inside_element;
        Ok(test)
    }

    fn pattern(&mut self, pattern: &str, options: &str) -> Result<Pattern, CommandError> {
        self.allowance.take_pattern(pattern)?;
        Pattern::new(pattern, options)
    }

    fn path(&mut self, name: &str) -> Result<Path, CommandError> {
        let parts = name.split('.').count();
        if parts > PATH_PARTS_MAX {
            return Err(CommandError::new(PATH_TOO_LONG, "FieldPath is too long"));
        }
        // The first has been counted as a condition.
        self.allowance.take_conditions(parts - 1)?;
        Ok(Path::new(name))
    }

    fn enter(&mut self) -> Result<(), CommandError> {
        if self.level > FILTER_LEVELS_MAX {
            return Err(bad_value(format!(
                "exceeded maximum query tree depth of {FILTER_LEVELS_MAX}"
            )));
        }
        self.level += 1;
        Ok(())
    }

    fn leave(&mut self) {
        self.level -= 1;
    }

    fn count_condition(&mut self) -> Result<(), CommandError> {
        self.allowance.take_conditions(1)
    }
}

fn comparison(how: Comparison, field: &str, value: RawBsonRef<'_>) -> Result<Test, CommandError> {
    match value {
        RawBsonRef::Undefined => Err(bad_value("cannot compare to undefined")),
        RawBsonRef::RegularExpression(_) if how != Comparison::Equal => Err(bad_value(format!(
            "Can't have RegEx as arg to non-equality predicate over field '{field}'."
        ))),
        value => Ok(Test::Compare(how, value.into())),
    }
}

fn not_equal(this: &FieldOperator<'_>) -> Result<Condition, CommandError> {
    if let RawBsonRef::RegularExpression(_) = this.operand {
        return Err(bad_value("Can't have regex as arg to $ne."));
    }
    comparison(Comparison::Equal, this.field, this.operand).map(negated)
}

fn negated(test: Test) -> Condition {
    Condition::Not(Box::new(Condition::Test(test)))
}

/// Whether a document in a value's place is one of operators. A `DBRef` is a value.
fn has_operators(document: &RawDocument) -> bool {
    first_field(document).is_some_and(|(name, _)| name.starts_with('$'))
        && !(contains(document, "$ref") && contains(document, "$id"))
}

/// Whether an `$elemMatch` has operators for the elements rather than a filter for documents.
fn is_about_values(document: &RawDocument) -> bool {
    let is_reference = || {
        ["$ref", "$id", "$db"]
            .into_iter()
            .any(|n| contains(document, n))
    };
    first_field(document).is_some_and(|(name, _)| {
        name.starts_with('$') && !refused::TOP_LEVEL_OPERATORS.contains(&name) && !is_reference()
    })
}

fn first_field(document: &RawDocument) -> Option<(&str, RawBsonRef<'_>)> {
    let (name, value) = document.iter().next()?.ok()?;
    Some((name.as_str(), value))
}

fn contains(document: &RawDocument, name: &str) -> bool {
    document
        .iter_elements()
        .map_while(Result::ok)
        .any(|element| element.key().as_str() == name)
}

fn bad_value(message: impl Into<String>) -> CommandError {
    CommandError::bad_value(message)
}

/// Not reached with documents off the wire, which are checked there.
pub(super) fn malformed(_: bson::error::Error) -> CommandError {
    CommandError::new(ErrorCode::INVALID_BSON, "the filter is not valid BSON")
}
