//! How a value travels from the reader to the broker of a run.
//!
//! Guarantees: a value is received whole or not at all. Deliberately never: carries a reason, which could quote a store.

use std::io::{self, Read, Write};

use zeroize::Zeroizing;

use super::value::{MAX_VALUE_BYTES, SecretValue, TrailingNewline};

/// Stands in the place of a length where there is no value.
const NONE: u32 = u32::MAX;

/// Writes a value: its length in four bytes, the lowest first, and its bytes.
pub(super) fn write_value(to: &mut impl Write, value: &SecretValue) -> io::Result<()> {
    let length = u32::try_from(value.expose().len()).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
    // In one write, so that a reader that is killed leaves less room for a part of a value.
    to.write_all(&Zeroizing::new([&length.to_le_bytes(), value.expose()].concat()))?;
    to.flush()
}

/// Says that there is no value.
///
/// # Errors
/// When the receiver is gone.
pub fn write_no_value(to: &mut impl Write) -> io::Result<()> {
    to.write_all(&NONE.to_le_bytes())
}

/// Receives a value; none when there is none.
///
/// # Errors
/// When the sender is gone, or sends what is no value.
pub fn read_value(from: &mut impl Read) -> io::Result<Option<SecretValue>> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length == NONE {
        return Ok(None);
    }
    let invalid = || io::Error::from(io::ErrorKind::InvalidData);
    let length = usize::try_from(length).ok().filter(|length| *length <= MAX_VALUE_BYTES).ok_or_else(invalid)?;
    let mut bytes = Zeroizing::new(vec![0; length]);
    from.read_exact(&mut bytes)?;
    SecretValue::check(bytes, TrailingNewline::Kept).map(Some).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_received_whole_or_not_at_all() -> Result<(), Box<dyn std::error::Error>> {
        let value = SecretValue::check(Zeroizing::new(b"made-up".to_vec()), TrailingNewline::Kept)?;
        let mut sent = Vec::new();
        write_value(&mut sent, &value)?;
        write_no_value(&mut sent)?;
        let mut from = sent.as_slice();
        assert_eq!(read_value(&mut from)?.map(|value| value.expose().to_vec()), Some(b"made-up".to_vec()));
        assert!(read_value(&mut from)?.is_none() && from.is_empty());
        assert!(read_value(&mut &sent[..6]).is_err());
        assert!(read_value(&mut &b"\x01\x20\0\0"[..]).is_err());
        assert!(read_value(&mut &b"\x02\0\0\0a\n"[..]).is_err());
        Ok(())
    }
}
