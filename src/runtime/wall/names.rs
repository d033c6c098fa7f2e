//! Names of files that are not UTF-8, written so that a guest can name them.
//!
//! Each byte that is part of no UTF-8 becomes `\xFF` with its two digits. A name that has such text by itself has its
//! backslash written as `\x5C`. Guarantees: two names never become one, and what was listed opens. Only bytes of 0x80 and
//! above and the backslash are read back, so that no name becomes a separator, `..` or NUL.

use std::{
    borrow::Cow,
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
};

/// The byte that an escape at the start of a text stands for.
fn escaped_byte(text: &[u8]) -> Option<u8> {
    let digits = text.strip_prefix(b"\\x")?.get(..2)?;
    let value = |digit: &u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    };
    let [high, low] = digits else { return None };
    let byte = value(high)? * 16 + value(low)?;
    (byte >= 0x80 || byte == b'\\').then_some(byte)
}

/// A name as a guest is told it.
pub(super) fn shown(name: &OsStr) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.as_bytes().utf8_chunks() {
        let valid = chunk.valid();
        for (at, letter) in valid.char_indices() {
            match letter {
                '\\' if escaped_byte(&valid.as_bytes()[at..]).is_some() => text.push_str("\\x5C"),
                letter => text.push(letter),
            }
        }
        chunk.invalid().iter().for_each(|byte| text.push_str(&format!("\\x{byte:02X}")));
    }
    text
}

/// The name that a guest means.
pub(super) fn meant(text: &str) -> Cow<'_, OsStr> {
    if !text.contains("\\x") {
        return Cow::Borrowed(OsStr::new(text));
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        match escaped_byte(rest) {
            Some(byte) => {
                bytes.push(byte);
                rest = &rest[4..];
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    Cow::Owned(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_readable() {
        for (name, text) in [
            (&b"h\xff.md"[..], "h\\xFF.md"),
            (b"plain.md", "plain.md"),
            (b"a\\b.md", "a\\b.md"),
            (b"a\\xFF.md", "a\\x5CxFF.md"),
            (b"a\\x41.md", "a\\x41.md"),
            ("ä\u{fe0f}".as_bytes(), "ä\u{fe0f}"),
        ] {
            assert_eq!(shown(OsStr::from_bytes(name)), text);
            assert_eq!(meant(text).as_bytes(), name);
        }
        // No escape makes a separator, a dot or NUL.
        for text in ["\\x2F", "\\x2E\\x2E", "\\x00", "\\xff"] {
            assert_eq!(meant(text).as_bytes(), text.as_bytes());
        }
    }

    proptest! {
        #[test]
        fn what_is_listed_opens(name in prop::collection::vec(
            prop_oneof![any::<u8>(), Just(b'\\'), Just(b'x'), Just(b'F'), Just(b'5'), Just(b'C')], 0..12)
        ) {
            let text = shown(OsStr::from_bytes(&name));
            let read = meant(&text);
            prop_assert_eq!(read.as_bytes(), &name[..]);
        }
    }
}
