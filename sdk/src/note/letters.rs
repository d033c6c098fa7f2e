//! Letters, marks and emoji of any script, and texts made comparable.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, char::is_combining_mark, is_nfc_quick};

/// A letter, a digit, or a mark that belongs to one: what a word is made of.
pub fn is_letter(c: char) -> bool {
    c.is_alphanumeric() || (!c.is_ascii() && !is_selector(c) && is_combining_mark(c))
}

/// A picture: the signs that have an emoji form, and the blocks of emoji.
pub fn is_emoji(c: char) -> bool {
    c == '\u{20E3}' || crate::characters::is_emoji(c)
}

/// A character that only chooses how the one before it is drawn.
pub fn is_selector(c: char) -> bool {
    matches!(c, '\u{FE00}'..='\u{FE0F}')
}

/// A character within a word that has no sound of its own: joiners, the soft hyphen and selectors.
pub fn is_joiner(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{200C}' | '\u{200D}' | '\u{2060}') || is_selector(c)
}

/// A text in the composed form (NFC).
pub fn composed(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

/// Whether a letter is the same in composed form, whatever is around it.
pub fn is_composed(c: char) -> bool {
    is_nfc_quick(std::iter::once(c)) == IsNormalized::Yes
}

/// A text as it is compared: composed, in lower case, without selectors.
pub fn folded(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let lower = composed(text).chars().filter(|c| !is_selector(*c)).collect::<String>().to_lowercase();
    composed(&lower).into_owned()
}
