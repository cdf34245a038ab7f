//! Regular expressions: `/^app/i` and `$regex`.

use bson::RawBsonRef;
use regex::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind};

use crate::error::{CommandError, ErrorCode};

/// Memory of one compiled expression.
pub(super) const COMPILED_PATTERN_BYTES_MAX: usize = 1 << 20;
/// Memory one expression may use to remember states while it runs.
const PATTERN_CACHE_BYTES_MAX: usize = 1 << 18;
/// States that are followed in the time of one step of an evaluation.
const STATES_PER_STEP: usize = 4;
/// States that a class of characters has: one for each byte of the longest character.
const STATES_OF_CLASS: usize = 4;

const INVALID_REGULAR_EXPRESSION: ErrorCode = ErrorCode(51091);
const INVALID_REGULAR_EXPRESSION_FLAG: ErrorCode = ErrorCode(51108);

/// A compiled regular expression. It runs in time linear in the text, and at worst in its states.
#[derive(Debug)]
pub(super) struct Pattern {
    compiled: Regex,
    /// About as many as the compiled expression may be in at once.
    states: usize,
    source: Box<str>,
    options: Box<str>,
}

impl Pattern {
    /// Compiles an expression. `options` may have the letters `imsx`, and `u`, which changes
    /// nothing.
    ///
    /// # Errors
    /// 51108 for another letter, 2 for a null byte, 51091 for an expression that is none, becomes too
    /// large, or that the engine does not know.
    pub(super) fn new(pattern: &str, options: &str) -> Result<Self, CommandError> {
        let mut builder = RegexBuilder::new(pattern);
        let mut parser = ParserBuilder::new();
        builder
            .size_limit(COMPILED_PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_CACHE_BYTES_MAX);
        for flag in options.chars() {
            match flag {
                'i' => builder.case_insensitive(true),
                'm' => builder.multi_line(true),
                's' => builder.dot_matches_new_line(true),
                'x' => {
                    // The other flags do not change what is counted.
                    parser.ignore_whitespace(true);
                    builder.ignore_whitespace(true)
                }
                'u' => &mut builder,
                // The text starts with a space: MongoDB leaves out an operator's name there.
                _ => {
                    return Err(CommandError::new(
                        INVALID_REGULAR_EXPRESSION_FLAG,
                        format!(" invalid flag in regex options: {flag}"),
                    ));
                }
            };
        }
        if pattern.contains('\0') {
            return Err(CommandError::bad_value(
                "Regular expression cannot contain an embedded null byte",
            ));
        }
        let compiled = builder.build().map_err(|error| explain(&error))?;
        let parsed = parser.build().parse(pattern);
        Ok(Self {
            compiled,
            // It was parsed a moment ago.
            states: parsed.map_or(usize::MAX, |parsed| states(&parsed)),
            source: pattern.into(),
            options: options.into(),
        })
    }

    /// Steps of an evaluation that asking it of a value may take at worst.
    pub(super) fn steps(&self, value: RawBsonRef<'_>) -> usize {
        match value {
            RawBsonRef::String(text) | RawBsonRef::Symbol(text) => {
                text.len().saturating_mul(self.states) / STATES_PER_STEP
            }
            _ => 0,
        }
    }

    /// True for a text that has a match anywhere, and for the same regular expression.
    pub(super) fn matches(&self, value: RawBsonRef<'_>) -> bool {
        match value {
            RawBsonRef::String(text) | RawBsonRef::Symbol(text) => self.compiled.is_match(text),
            RawBsonRef::RegularExpression(other) => {
                other.pattern.as_str() == &*self.source && other.options.as_str() == &*self.options
            }
            _ => false,
        }
    }
}

/// The parser limits how deep it goes.
fn states(expression: &Hir) -> usize {
    let sum = |parts: &[Hir]| parts.iter().map(states).fold(0, usize::saturating_add);
    match expression.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(_) => STATES_OF_CLASS,
        HirKind::Repetition(repetition) => {
            let copies = repetition.max.unwrap_or(repetition.min).max(1);
            states(&repetition.sub).saturating_mul(copies as usize)
        }
        HirKind::Capture(capture) => states(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => sum(parts),
    }
}

fn explain(error: &regex::Error) -> CommandError {
    match error {
        regex::Error::CompiledTooBig(_) => too_large(),
        other => {
            // The crate's text repeats the expression with a pointer; the reason is its last line.
            let text = other.to_string();
            let reason = text.lines().last().unwrap_or_default();
            invalid(reason.trim_start_matches("error: "))
        }
    }
}

/// 51091, for one that is longer than may be or becomes so when it is compiled.
pub(super) fn too_large() -> CommandError {
    invalid("regular expression is too large")
}

fn invalid(reason: &str) -> CommandError {
    CommandError::new(
        INVALID_REGULAR_EXPRESSION,
        format!("Regular expression is invalid: {reason}"),
    )
}
