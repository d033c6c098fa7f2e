//! The value of a secret, and which values are accepted.
//!
//! Guarantees: a value can stand in a header without starting another one. Its memory is overwritten when it is dropped.
//! Deliberately never: prints a value, or repairs one.

use std::fmt;

use secrecy::{ExposeSecret as _, SecretBox};
use zeroize::{Zeroize as _, Zeroizing};

use super::error::InvalidValue;

/// The longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 8 * 1024;
/// A shorter value cannot be recognised: it would be found in texts that have nothing to do with it.
pub const SHORTEST_RECOGNISABLE: usize = 16;

/// Whether one line break at the end of a value is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TrailingNewline {
    Cut,
    Kept,
}

impl TrailingNewline {
    /// What `cut_newline` says.
    pub(super) fn from_setting(cut: bool) -> Self {
        if cut { Self::Cut } else { Self::Kept }
    }
}

/// A valid value.
pub struct SecretValue(SecretBox<Vec<u8>>);

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(..)")
    }
}

impl SecretValue {
    /// Checks what a store gave.
    pub(super) fn check(mut bytes: Zeroizing<Vec<u8>>, newline: TrailingNewline) -> Result<Self, InvalidValue> {
        if newline == TrailingNewline::Cut {
            let kept = bytes.strip_suffix(b"\n").map(|rest| rest.strip_suffix(b"\r").unwrap_or(rest).len());
            let kept = kept.unwrap_or(bytes.len());
            // Not `truncate`, which would leave the bytes behind the new end.
            if let Some(rest) = bytes.get_mut(kept..) {
                rest.zeroize();
            }
            bytes.truncate(kept);
        }
        if bytes.is_empty() {
            return Err(InvalidValue::Empty);
        }
        if bytes.len() > MAX_VALUE_BYTES {
            return Err(InvalidValue::TooLong);
        }
        if bytes.contains(&0) {
            return Err(InvalidValue::Nul);
        }
        // In a header, a line break would start another one.
        if bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            return Err(InvalidValue::LineBreak);
        }
        Ok(Self(SecretBox::new(Box::new(std::mem::take(&mut *bytes)))))
    }

    /// The bytes. They must not be copied to where they stay.
    pub fn expose(&self) -> &[u8] {
        self.0.expose_secret()
    }

    /// Whether it is too short to be recognised where it must not be.
    pub fn is_short(&self) -> bool {
        self.expose().len() < SHORTEST_RECOGNISABLE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], newline: TrailingNewline) -> Result<Vec<u8>, InvalidValue> {
        SecretValue::check(Zeroizing::new(bytes.to_vec()), newline).map(|value| value.expose().to_vec())
    }

    #[test]
    fn a_value_is_one_line_of_at_most_8_kib() {
        use TrailingNewline::Kept;
        assert_eq!(check(b"", Kept), Err(InvalidValue::Empty));
        assert_eq!(check(b"a\0b", Kept), Err(InvalidValue::Nul));
        for bytes in [&b"a\n"[..], b"a\r", b"\r\na", b"a\nX-Other: b"] {
            assert_eq!(check(bytes, Kept), Err(InvalidValue::LineBreak), "{bytes:?}");
        }
        let longest = vec![b'a'; MAX_VALUE_BYTES];
        assert_eq!(check(&longest, Kept).as_deref(), Ok(&longest[..]));
        assert_eq!(check(&[&longest[..], b"a"].concat(), Kept), Err(InvalidValue::TooLong));
        assert_eq!(check(b" a\xff ", Kept).as_deref(), Ok(&b" a\xff "[..]));
    }

    #[test]
    fn one_line_break_is_cut_where_the_store_says_so() {
        use TrailingNewline::Cut;
        for bytes in [&b"value"[..], b"value\n", b"value\r\n"] {
            assert_eq!(check(bytes, Cut).as_deref(), Ok(&b"value"[..]), "{bytes:?}");
        }
        for bytes in [&b"value\n\n"[..], b"value\r", b"\nvalue", b"value\n\r\n"] {
            assert_eq!(check(bytes, Cut), Err(InvalidValue::LineBreak), "{bytes:?}");
        }
        assert_eq!(check(b"\n", Cut), Err(InvalidValue::Empty));
    }

    #[test]
    fn a_value_is_never_printed() -> Result<(), InvalidValue> {
        let value = SecretValue::check(Zeroizing::new(b"made-up".to_vec()), TrailingNewline::Kept)?;
        assert_eq!(format!("{value:?}"), "SecretValue(..)");
        assert!(value.is_short());
        Ok(())
    }
}
