//! Numbers of JSON as the decimals that they are written as: exact where doubles are not.
//!
//! Guarantees: `multipleOf` is exact for every number of JSON. A step that a double does not hold as it was written is
//! refused by [`is_exact`]. Deliberately never: rounds.

use jsonschema::{Keyword, ValidationError, paths::Location};
use serde_json::{Map, Number, Value};

/// The digits that every double holds as they were written.
const EXACT_DIGITS: u32 = 15;

/// `digits` × 10^`exponent`, without the sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Decimal {
    digits: u128,
    exponent: i32,
}

impl Decimal {
    /// The shortest decimal that stands for a number: the one that it was written as, up to 15 digits.
    fn of(number: &Number) -> Option<Self> {
        let text = number.to_string();
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((&text, "0"));
        let exponent: i32 = exponent.parse().ok()?;
        let mantissa = mantissa.trim_start_matches('-');
        let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits: u128 = format!("{whole}{part}").parse().ok()?;
        let exponent = exponent.checked_sub(i32::try_from(part.len()).ok()?)?;
        Some(Self { digits, exponent }.reduced())
    }

    fn reduced(mut self) -> Self {
        while self.digits != 0 && self.digits.is_multiple_of(10) {
            self.digits /= 10;
            self.exponent += 1;
        }
        self
    }

    /// Whether it is a whole number of times `step`.
    fn is_multiple_of(self, step: Self) -> bool {
        if self.digits == 0 || step.digits == 0 {
            return self.digits == 0;
        }
        let shift = self.exponent - step.exponent;
        if shift >= 0 {
            let mut rest = self.digits % step.digits;
            for _ in 0..shift {
                // A step has at most 20 digits, so this stays far below the limit.
                rest = rest * 10 % step.digits;
                if rest == 0 {
                    return true;
                }
            }
            return rest == 0;
        }
        let factor = 10_u128.checked_pow(shift.unsigned_abs());
        let step = factor.and_then(|factor| step.digits.checked_mul(factor));
        step.is_some_and(|step| self.digits.is_multiple_of(step))
    }
}

/// Whether a number is held as it was written: a whole number, or a decimal of at most 15 digits.
pub(super) fn is_exact(number: &Number) -> bool {
    !number.is_f64() || Decimal::of(number).is_some_and(|decimal| decimal.digits < 10_u128.pow(EXACT_DIGITS))
}

/// A count, which may be written as `2.0`.
pub(super) fn count(value: &Value) -> Option<u64> {
    let number = value.as_number()?;
    if let Some(count) = number.as_u64() {
        return Some(count);
    }
    let decimal = Decimal::of(number).filter(|_| number.is_f64() && number.as_f64() >= Some(0.0))?;
    let factor = 10_u128.checked_pow(u32::try_from(decimal.exponent).ok()?)?;
    u64::try_from(decimal.digits.checked_mul(factor)?).ok()
}

/// The keyword `multipleOf` of a schema whose step was checked.
struct MultipleOf(Option<Decimal>, String);

impl<'i> Keyword<'i> for MultipleOf {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if Keyword::is_valid(self, instance) {
            Ok(())
        } else {
            Err(ValidationError::custom(format!("must be a multiple of {}", self.1)))
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        let Some(number) = instance.as_number() else { return true };
        self.0.zip(Decimal::of(number)).is_some_and(|(step, number)| number.is_multiple_of(step))
    }
}

/// Makes the keyword for [`jsonschema`], whose own one divides doubles.
pub(super) fn multiple_of<'a>(
    _: &'a Map<String, Value>,
    step: &'a Value,
    _: Location,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
    Ok(Box::new(MultipleOf(step.as_number().and_then(Decimal::of), step.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn multiple(value: &str, step: &str) -> Option<bool> {
        let decimal = |text: &str| Decimal::of(&serde_json::from_str(text).ok()?);
        Some(decimal(value)?.is_multiple_of(decimal(step)?))
    }

    #[test]
    fn multiples_are_exact() {
        for (value, step, expected) in [
            ("0.3", "0.1", true),
            ("1.1", "0.1", true),
            ("4.35", "0.01", true),
            ("9007199254740993", "2", false),
            ("9007199254740992", "2", true),
            ("18446744073709551615", "5", true),
            ("18446744073709551615", "2", false),
            ("-18", "3", true),
            ("0", "7", true),
            ("1e300", "7", false),
            ("7e300", "7", true),
            ("1e-300", "1", false),
            ("0.5", "2", false),
            ("100", "1e2", true),
            ("19.99", "0.01", true),
            ("19.995", "0.01", false),
        ] {
            assert_eq!(multiple(value, step), Some(expected), "{value} {step}");
        }
    }

    #[test]
    fn a_step_that_a_double_does_not_hold_is_told() -> Result<(), serde_json::Error> {
        for (text, expected) in
            [("0.1", true), ("0.123456789012345", true), ("0.12345678901234567", false), ("18446744073709551615", true)]
        {
            assert_eq!(is_exact(&serde_json::from_str(text)?), expected, "{text}");
        }
        Ok(())
    }

    #[test]
    fn a_whole_number_may_have_a_point() -> Result<(), serde_json::Error> {
        for (text, expected) in
            [("2", Some(2)), ("2.0", Some(2)), ("2e2", Some(200)), ("2.5", None), ("-1", None), ("-1.0", None)]
        {
            assert_eq!(count(&serde_json::from_str(text)?), expected, "{text}");
        }
        Ok(())
    }
}
