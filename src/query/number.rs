//! BSON's four numeric types under one order, exactly: no conversion loses digits.

use std::cmp::Ordering;

use bson::{Decimal128, RawBsonRef};

/// A BSON number.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Integer(i64),
    Double(f64),
    Decimal(Decimal),
}

/// A decimal128 taken apart: `coefficient` times ten to the power of `exponent`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Decimal {
    NotANumber,
    Infinity {
        negative: bool,
    },
    Finite {
        negative: bool,
        coefficient: u128,
        exponent: i32,
    },
}

/// Why a number is no 64-bit integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoInteger {
    NotANumber,
    Infinite,
    OutOfRange,
    Fraction,
}

/// 2^63, the first double beyond the 64-bit integers.
const INTEGER_END: f64 = 9_223_372_036_854_775_808.0;
/// Digits a double can have before its expansion ends, less the one before the point.
const DOUBLE_FRACTION_DIGITS_MAX: usize = 766;
/// The largest coefficient of a canonical decimal128: 34 digits. Greater ones count as zero.
const DECIMAL_COEFFICIENT_MAX: u128 = 9_999_999_999_999_999_999_999_999_999_999_999;
const DECIMAL_EXPONENT_BIAS: i32 = 6176;

impl Number {
    /// The number a value is, if it is one.
    pub(super) fn of(value: RawBsonRef<'_>) -> Option<Self> {
        match value {
            RawBsonRef::Int32(integer) => Some(Self::Integer(integer.into())),
            RawBsonRef::Int64(integer) => Some(Self::Integer(integer)),
            RawBsonRef::Double(double) => Some(Self::Double(double)),
            RawBsonRef::Decimal128(decimal) => Some(Self::Decimal(Decimal::of(decimal))),
            _ => None,
        }
    }

    pub(super) fn is_nan(self) -> bool {
        match self {
            Self::Integer(_) => false,
            Self::Double(double) => double.is_nan(),
            Self::Decimal(decimal) => matches!(decimal, Decimal::NotANumber),
        }
    }

    pub(super) fn is_zero(self) -> bool {
        match self {
            Self::Integer(integer) => integer == 0,
            Self::Double(double) => double == 0.0,
            Self::Decimal(decimal) => matches!(decimal, Decimal::Finite { coefficient: 0, .. }),
        }
    }

    /// MongoDB's order: NaN equals itself and is below everything else; -0 equals 0.
    pub(super) fn compare(self, other: Self) -> Ordering {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => a.cmp(&b),
            (Self::Double(a), Self::Double(b)) => compare_doubles(a, b),
            (Self::Integer(a), Self::Double(b)) => compare_integer_to_double(a, b),
            (Self::Double(a), Self::Integer(b)) => compare_integer_to_double(b, a).reverse(),
            (Self::Decimal(_), _) | (_, Self::Decimal(_)) => {
                Expansion::of(self).cmp(&Expansion::of(other))
            }
        }
    }

    /// The integer, cut towards zero.
    pub(super) fn truncate(self) -> Result<i64, NoInteger> {
        match self {
            Self::Integer(integer) => Ok(integer),
            Self::Double(double) => truncate_double(double),
            Self::Decimal(decimal) => decimal.truncate(),
        }
    }

    /// The integer, if it is one.
    pub(super) fn to_integer(self) -> Result<i64, NoInteger> {
        let integer = self.truncate()?;
        if self.compare(Self::Integer(integer)).is_eq() {
            Ok(integer)
        } else {
            Err(NoInteger::Fraction)
        }
    }
}

fn compare_doubles(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b)
        .unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

fn compare_integer_to_double(integer: i64, double: f64) -> Ordering {
    match truncate_double(double) {
        Ok(whole) => integer
            .cmp(&whole)
            .then_with(|| compare_doubles(0.0, double.fract())),
        Err(NoInteger::NotANumber) => Ordering::Greater,
        Err(_) if double > 0.0 => Ordering::Less,
        Err(_) => Ordering::Greater,
    }
}

#[allow(clippy::cast_possible_truncation)] // cutting is the purpose; the range is checked
fn truncate_double(double: f64) -> Result<i64, NoInteger> {
    if double.is_nan() {
        Err(NoInteger::NotANumber)
    } else if double.is_infinite() {
        Err(NoInteger::Infinite)
    } else if (-INTEGER_END..INTEGER_END).contains(&double) {
        Ok(double as i64)
    } else {
        Err(NoInteger::OutOfRange)
    }
}

impl Decimal {
    /// Decodes the binary integer decimal form of IEEE 754-2008, section 3.5.2.
    fn of(decimal: Decimal128) -> Self {
        let bits = u128::from_le_bytes(decimal.bytes());
        let negative = bits >> 127 == 1;
        match (bits >> 122) & 0b1_1111 {
            0b1_1111 => return Self::NotANumber,
            0b1_1110 => return Self::Infinity { negative },
            _ => {}
        }
        // Coefficients of the second form are all greater than the largest canonical one.
        let (exponent, coefficient) = if (bits >> 125) & 0b11 == 0b11 {
            (bits >> 111, 0)
        } else {
            (bits >> 113, bits & ((1 << 113) - 1))
        };
        let exponent = i32::try_from(exponent & 0x3FFF).unwrap_or_default();
        Self::Finite {
            negative,
            coefficient: if coefficient > DECIMAL_COEFFICIENT_MAX {
                0
            } else {
                coefficient
            },
            exponent: exponent - DECIMAL_EXPONENT_BIAS,
        }
    }

    fn truncate(self) -> Result<i64, NoInteger> {
        let (negative, coefficient, exponent) = match self {
            Self::NotANumber => return Err(NoInteger::NotANumber),
            Self::Infinity { .. } => return Err(NoInteger::Infinite),
            Self::Finite {
                negative,
                coefficient,
                exponent,
            } => (negative, coefficient, exponent),
        };
        let power = 10_u128.checked_pow(exponent.unsigned_abs());
        let magnitude = match power {
            _ if coefficient == 0 => Some(0),
            Some(power) if exponent < 0 => Some(coefficient / power),
            Some(power) => coefficient.checked_mul(power),
            None if exponent < 0 => Some(0),
            None => None,
        };
        magnitude
            .and_then(|magnitude| i128::try_from(magnitude).ok())
            .map(|magnitude| if negative { -magnitude } else { magnitude })
            .and_then(|integer| i64::try_from(integer).ok())
            .ok_or(NoInteger::OutOfRange)
    }
}

/// The full decimal expansion of a number: exact for every type, so that numbers of different types
/// compare exactly. The order of the variants is the order of the numbers.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Expansion {
    NotANumber,
    NegativeInfinity,
    Negative(std::cmp::Reverse<Magnitude>),
    Zero,
    Positive(Magnitude),
    PositiveInfinity,
}

/// A positive number: `d.ddd` times ten to the power of `exponent`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Magnitude {
    exponent: i32,
    /// Neither leading nor trailing zeros, so that the order of texts is the order of numbers.
    digits: String,
}

impl Expansion {
    fn of(number: Number) -> Self {
        match number {
            Number::Integer(integer) => {
                Self::finite(integer < 0, &integer.unsigned_abs().to_string(), 0)
            }
            Number::Double(double) => Self::of_double(double),
            Number::Decimal(Decimal::NotANumber) => Self::NotANumber,
            Number::Decimal(Decimal::Infinity { negative }) => Self::infinite(negative),
            Number::Decimal(Decimal::Finite {
                negative,
                coefficient,
                exponent,
            }) => Self::finite(negative, &coefficient.to_string(), exponent),
        }
    }

    fn of_double(double: f64) -> Self {
        if double.is_nan() {
            return Self::NotANumber;
        }
        if double.is_infinite() {
            return Self::infinite(double < 0.0);
        }
        let text = format!("{:.DOUBLE_FRACTION_DIGITS_MAX$e}", double.abs());
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let digits = mantissa.replace('.', "");
        let shift = i32::try_from(digits.len()).unwrap_or(i32::MAX) - 1;
        Self::finite(
            double < 0.0,
            &digits,
            exponent.parse::<i32>().unwrap_or_default() - shift,
        )
    }

    fn infinite(negative: bool) -> Self {
        if negative {
            Self::NegativeInfinity
        } else {
            Self::PositiveInfinity
        }
    }

    /// `digits` times ten to the power of `exponent`.
    fn finite(negative: bool, digits: &str, exponent: i32) -> Self {
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Self::Zero;
        }
        let length = i32::try_from(digits.len()).unwrap_or(i32::MAX);
        let magnitude = Magnitude {
            exponent: exponent + length - 1,
            digits: digits.trim_end_matches('0').to_owned(),
        };
        if negative {
            Self::Negative(std::cmp::Reverse(magnitude))
        } else {
            Self::Positive(magnitude)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Number {
        Number::of(RawBsonRef::Decimal128(text.parse().unwrap())).unwrap()
    }

    #[test]
    fn numbers_of_different_types_compare_exactly() {
        use Ordering::{Equal, Greater, Less};
        let integer = Number::Integer;
        let double = Number::Double;
        for (a, b, expected) in [
            (integer(1), double(1.0), Equal),
            (integer(0), double(-0.0), Equal),
            (integer(i64::MAX), double(9_223_372_036_854_775_807.0), Less),
            (
                integer(i64::MIN),
                double(-9_223_372_036_854_775_808.0),
                Equal,
            ),
            (
                integer(9_007_199_254_740_993),
                double(9_007_199_254_740_992.0),
                Greater,
            ),
            (integer(-1), double(-1.5), Greater),
            (integer(i64::MIN), double(f64::NEG_INFINITY), Greater),
            (integer(i64::MIN), double(f64::NAN), Greater),
            (double(f64::NAN), double(f64::NAN), Equal),
            (double(f64::NAN), double(f64::NEG_INFINITY), Less),
            (decimal("NaN"), double(f64::NAN), Equal),
            (decimal("1.0"), integer(1), Equal),
            (decimal("1E+3"), double(1000.0), Equal),
            (decimal("-0E+40"), integer(0), Equal),
            // 0.1 as a double is a little more than 0.1.
            (decimal("0.1"), double(0.1), Less),
            (decimal("-0.1"), double(-0.1), Greater),
            (decimal("0.5"), double(0.5), Equal),
            (decimal("Infinity"), double(f64::INFINITY), Equal),
            (decimal("-Infinity"), double(f64::MIN), Less),
            (decimal("9223372036854775808"), integer(i64::MAX), Greater),
            (decimal("1E-6176"), double(f64::from_bits(1)), Less),
            (decimal("9.99E+6144"), double(f64::MAX), Greater),
            (decimal("-12"), decimal("-1.2"), Less),
        ] {
            assert_eq!(a.compare(b), expected, "{a:?} {b:?}");
            assert_eq!(b.compare(a), expected.reverse(), "{b:?} {a:?}");
        }
    }

    #[test]
    fn integers_are_cut_or_demanded() {
        let double = Number::Double;
        assert_eq!(double(-1.9).truncate(), Ok(-1));
        assert_eq!(double(-1.9).to_integer(), Err(NoInteger::Fraction));
        assert_eq!(double(9.3e18).truncate(), Err(NoInteger::OutOfRange));
        assert_eq!(double(f64::NAN).truncate(), Err(NoInteger::NotANumber));
        assert_eq!(decimal("12.7").truncate(), Ok(12));
        assert_eq!(decimal("-1E+2").to_integer(), Ok(-100));
        assert_eq!(decimal("1E-6000").truncate(), Ok(0));
        assert_eq!(decimal("0E+6000").to_integer(), Ok(0));
        assert_eq!(decimal("1E+6000").truncate(), Err(NoInteger::OutOfRange));
        assert_eq!(decimal("-9223372036854775808").to_integer(), Ok(i64::MIN));
        assert_eq!(decimal("Infinity").truncate(), Err(NoInteger::Infinite));
    }
}
