//! The person who takes a decision, by name.
//!
//! Guarantees: an [`Approver`] is a name that a reader can tell from another one. Deliberately never: proves who typed it.

use super::text;

/// Longest name, in characters.
const MAX_CHARS: usize = 100;

/// Who takes a decision: a name of 1 to 100 characters, none of them invisible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approver(String);

/// The text is not the name of a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a usable name: give 1 to {MAX_CHARS} readable characters")]
pub struct InvalidApprover(String);

impl Approver {
    /// Parses a name.
    ///
    /// # Errors
    /// [`InvalidApprover`] when it is empty, too long or not readable.
    pub fn parse(name: &str) -> Result<Self, InvalidApprover> {
        let name = name.trim();
        // The name as a line of text shows it: any escape means a character that a reader cannot see.
        let readable = !name.is_empty() && name.chars().count() <= MAX_CHARS && text::line(name, 2 * MAX_CHARS) == name;
        if readable { Ok(Self(name.to_owned())) } else { Err(InvalidApprover(text::line(name, MAX_CHARS))) }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_readable_and_short() {
        for good in ["Ada", "  Ada Lovelace ", "uid 1000", &"a".repeat(100)] {
            assert_eq!(Approver::parse(good).as_ref().map(Approver::as_str), Ok(good.trim()));
        }
        for bad in ["", "  ", "a\nb", "a\u{202e}b", "a\u{200b}", &"a".repeat(101)] {
            assert!(Approver::parse(bad).is_err(), "{bad:?}");
        }
    }
}
