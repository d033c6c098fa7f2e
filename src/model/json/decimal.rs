//! Whether the text of a number and the double that it is read as are the same decimal value.
//!
//! The nearest double of `0.1` is not one tenth, yet every reader writes it as `0.1` again. The nearest double of
//! `9007199254740993.0` is written as another number. So a text is compared with the shortest text of its double.
//!
//! Guarantees: exact, because only digits are compared. Deliberately never: calculates with the value.

/// Significant digits that every double of the usual range keeps.
const KEPT_DIGITS: usize = 15;
/// A range of exponents, far within the one in which doubles have all of their digits.
const USUAL_EXPONENTS: std::ops::RangeInclusive<i64> = -250..=250;

/// A decimal value: its significant digits, and the power of ten of the last one.
#[derive(PartialEq, Eq)]
struct Decimal {
    digits: String,
    exponent: i64,
}

impl Decimal {
    /// Reads a number in the grammar of JSON. The sign is left out: reading never changes it.
    fn of(number: &str) -> Self {
        let number = number.strip_prefix('-').unwrap_or(number);
        let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let kept = digits.trim_end_matches('0');
        if kept.is_empty() {
            return Self { digits: String::new(), exponent: 0 };
        }
        // An exponent that is longer than this belongs to no double, so its end of the range is as good.
        let most = if exponent.starts_with('-') { i64::MIN } else { i64::MAX };
        let exponent = exponent.parse::<i64>().unwrap_or(most);
        let exponent =
            exponent.saturating_add((digits.len() - kept.len()) as i64).saturating_sub(fraction.len() as i64);
        Self { digits: kept.trim_start_matches('0').to_owned(), exponent }
    }

    fn is_usual(&self) -> bool {
        self.digits.len() <= KEPT_DIGITS && USUAL_EXPONENTS.contains(&self.exponent)
    }
}

/// Whether `value`, which `number` was read as, has the same decimal value when it is written again.
pub(super) fn is_nearest(number: &str, value: f64) -> bool {
    if !value.is_finite() {
        return false;
    }
    let given = Decimal::of(number);
    if given.is_usual() || given == Decimal::of(&format!("{value:e}")) {
        return true;
    }
    // Between two shortest texts that are equally near, writers choose differently, and each is read back.
    serde_json::Number::from_f64(value).is_some_and(|written| given == Decimal::of(&written.to_string()))
}
