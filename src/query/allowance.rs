//! What one command may ask for in all its filters and projections together.

use super::pattern::{self, COMPILED_PATTERN_BYTES_MAX};
use crate::error::CommandError;

/// Conditions in the filters of one command, and fields in its projections; each value of `$in` and
/// `$all` counts, and each part of a dotted path.
const FILTER_CONDITIONS_MAX: u32 = 100_000;
/// Regular expressions in the filters of one command.
const FILTER_PATTERNS_MAX: u32 = 100;
/// Bytes of these regular expressions: to compile one takes far longer than to send it.
const FILTER_PATTERNS_BYTES_MAX: usize = 8 * 1024;
/// About what a condition, or a part of a path, takes besides its value.
const CONDITION_BYTES: usize = 512;

/// What is left of it.
#[derive(Debug)]
pub struct Allowance {
    conditions_left: u32,
    patterns_left: u32,
    pattern_bytes_left: usize,
    bytes_spent: usize,
}

impl Default for Allowance {
    fn default() -> Self {
        Self {
            conditions_left: FILTER_CONDITIONS_MAX,
            patterns_left: FILTER_PATTERNS_MAX,
            pattern_bytes_left: FILTER_PATTERNS_BYTES_MAX,
            bytes_spent: 0,
        }
    }
}

impl Allowance {
    pub(super) fn take_conditions(&mut self, count: usize) -> Result<(), CommandError> {
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        self.conditions_left = self.conditions_left.checked_sub(count).ok_or_else(|| {
            CommandError::bad_value(format!(
                "a filter may have at most {FILTER_CONDITIONS_MAX} conditions"
            ))
        })?;
        self.bytes_spent += usize::try_from(count).unwrap_or(usize::MAX) * CONDITION_BYTES;
        Ok(())
    }

    pub(super) fn take_pattern(&mut self, text: &str) -> Result<(), CommandError> {
        self.patterns_left = self.patterns_left.checked_sub(1).ok_or_else(|| {
            CommandError::bad_value(format!(
                "a filter may have at most {FILTER_PATTERNS_MAX} regular expressions"
            ))
        })?;
        let left = self.pattern_bytes_left.checked_sub(text.len());
        self.pattern_bytes_left = left.ok_or_else(pattern::too_large)?;
        self.bytes_spent += COMPILED_PATTERN_BYTES_MAX;
        Ok(())
    }

    /// About the bytes that what has been taken keeps, values left out.
    pub(super) fn bytes_spent(&self) -> usize {
        self.bytes_spent
    }
}
