//! Amounts of money in cents.

use std::fmt;
use std::str::FromStr;

/// An amount of money.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount {
    cents: u64,
}

impl Amount {
    pub fn checked_add(self, other: Amount) -> Option<Amount> {
        let cents = self.cents.checked_add(other.cents)?;
        Some(Amount { cents })
    }
}

impl FromStr for Amount {
    type Err = String;

    fn from_str(text: &str) -> Result<Amount, String> {
        let wrong = || format!("`{text}` is not an amount");
        let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
        if fraction.is_empty() || fraction.len() > 2 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        let whole: u64 = whole.parse().map_err(|_| wrong())?;
        let digits: u64 = fraction.parse().map_err(|_| wrong())?;
        let cents = if fraction.len() == 1 { digits * 10 } else { digits };
        whole
            .checked_mul(100)
            .and_then(|hundreds| hundreds.checked_add(cents))
            .map(|cents| Amount { cents })
            .ok_or_else(wrong)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.cents / 100, self.cents % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_amounts() {
        for (text, cents) in [("0", 0), ("12", 1200), ("12.5", 1250), ("12.05", 1205), ("0.99", 99)] {
            assert_eq!(text.parse(), Ok(Amount { cents }));
        }
    }

    #[test]
    fn refuses_what_is_no_amount() {
        for text in ["", ".", "1.", ".5x", "1.234", "-1", "1,5", "x", "1.+5", "999999999999999999"] {
            assert!(text.parse::<Amount>().is_err(), "{text}");
        }
    }

    #[test]
    fn shows_two_decimals() {
        assert_eq!(Amount { cents: 1205 }.to_string(), "12.05");
        assert_eq!(Amount { cents: 5 }.to_string(), "0.05");
    }
}
