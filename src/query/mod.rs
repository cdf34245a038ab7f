//! MongoDB's query language, as far as filters, projections, sorts and `$group` need it, and its order
//! of BSON values.
//!
//! `parse` turns a filter into an `Expression`, `evaluate` asks it of a document.
//! Semantics, codes and texts are those of MongoDB 8.0
//! (<https://www.mongodb.com/docs/manual/reference/operator/query/>), with three differences:
//!
//! - Regular expressions run on the linear-time `regex` crate instead of PCRE2: no look-around and
//!   no back-references (51091), `\w`, `\d` and `\s` know Unicode, and `$` does not match before
//!   a final line feed.
//! - `$expr`, `$where`, `$text`, `$jsonSchema`, the `$bits` operators and the geospatial ones are
//!   refused as MongoDB refuses an operator where it is not allowed.
//! - Every filter and every match has limits: see the constants of `allowance`, `parse`, `pattern` and
//!   `evaluate`.

mod accumulator;
mod allowance;
mod compare;
mod distinct;
mod evaluate;
mod expression;
mod field_path;
mod group;
mod number;
mod operand;
mod parse;
mod pattern;
mod print;
mod projection;
mod refused;
mod sort;
#[cfg(test)]
mod tests;
mod value;

use bson::raw::RawDocument;

pub use self::allowance::Allowance;
pub use self::compare::compare;
pub use self::distinct::Distinct;
use self::evaluate::Evaluation;
use self::expression::Expression;
pub use self::group::{Group, Groups};
use self::parse::Parser;
pub use self::projection::Projection;
pub use self::sort::{Sort, SortKey};
use crate::error::CommandError;

/// A valid filter, such as `{ user: /^app/, "roles.db": "admin" }`.
#[derive(Debug)]
pub struct Filter {
    expression: Expression,
    byte_count: usize,
}

impl Filter {
    /// Parses a filter.
    ///
    /// # Errors
    /// MongoDB's: mostly code 2, 9 or 14 for an operand of the wrong shape, 51091 for an expression
    /// the engine cannot take, 224 for an operator that is known but not served. Code 2 also for
    /// a filter beyond the limits, and 22 for one that is no BSON.
    pub fn parse(document: &RawDocument) -> Result<Self, CommandError> {
        Self::parse_within(document, &mut Allowance::default())
    }

    /// Parses one of several filters of a command, which have their limits together.
    ///
    /// # Errors
    /// Those of [`Self::parse`].
    pub fn parse_within(
        document: &RawDocument,
        allowance: &mut Allowance,
    ) -> Result<Self, CommandError> {
        let before = allowance.bytes_spent();
        let expression = Parser::new(allowance).expression(document)?;
        let byte_count = document.as_bytes().len() + allowance.bytes_spent() - before;
        Ok(Self {
            expression,
            byte_count,
        })
    }

    /// About the bytes it takes.
    pub fn byte_count(&self) -> usize {
        self.byte_count
    }

    /// Whether the document fulfils the filter; false also without an [answer](Self::answer).
    pub fn matches(&self, document: &RawDocument) -> bool {
        self.answer(document).unwrap_or(false)
    }

    /// Whether the document fulfils the filter; `None` if the answer takes more than
    /// `evaluate::EVALUATION_STEPS_MAX` steps; only a document and a filter built for the purpose get
    /// there.
    pub fn answer(&self, document: &RawDocument) -> Option<bool> {
        Evaluation::of(&self.expression, document)
    }

    /// True for a filter without conditions, such as `{}`: the caller need not look at documents.
    pub fn matches_everything(&self) -> bool {
        self.expression.is_always_true()
    }
}
