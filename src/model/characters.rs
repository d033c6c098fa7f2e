//! The one table of characters that a reader cannot see, or that change the order of what they see.
//!
//! It holds every `Default_Ignorable_Code_Point` and every `Bidi_Control` of Unicode 17, the line and paragraph
//! separators, the interlinear marks, the joiners of hieroglyphs, and the empty pattern of Braille. Host and SDK
//! have the same file, which a test compares: paths that are written, descriptions, schemas, sources and what is shown
//! all go by it.

/// Whether a character shows as nothing or reorders what is shown.
pub fn is_hidden(c: char) -> bool {
    matches!(u32::from(c),
        0xAD | 0x34F | 0x61C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F
        | 0x2028..=0x202E | 0x2060..=0x206F | 0x2800 | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB
        | 0x13430..=0x13440 | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

/// A picture: the signs that have an emoji form, and the blocks of emoji.
pub fn is_emoji(c: char) -> bool {
    matches!(u32::from(c),
        0xA9 | 0xAE | 0x203C | 0x2049 | 0x2122 | 0x2139 | 0x2194..=0x21AA | 0x231A..=0x23FF | 0x24C2
        | 0x25AA..=0x25FE | 0x2600..=0x27BF | 0x2934..=0x2935 | 0x2B00..=0x2BFF | 0x3030 | 0x303D | 0x3297 | 0x3299
        | 0x1F000..=0x1FAFF)
}

/// Whether the character at `at` only makes an emoji of its neighbours: a variation selector 16 right after an emoji,
/// or a joiner between two. Such a sequence shows as one picture and hides nothing.
pub fn joins_emoji(chars: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|i| chars.get(i)).copied();
    let after = chars.get(at + 1).copied();
    match chars.get(at) {
        Some('\u{FE0F}') => {
            let keycap =
                before.is_some_and(|c| c.is_ascii_digit() || c == '#' || c == '*') && after == Some('\u{20E3}');
            keycap || before.is_some_and(is_emoji)
        }
        // Between two emoji it draws one picture. Between letters it is invisible, and makes two names look alike.
        Some('\u{200D}') => before.is_some_and(|c| is_emoji(c) || c == '\u{FE0F}') && after.is_some_and(is_emoji),
        _ => false,
    }
}

/// Whether a text has a hidden character that does not only join an emoji.
pub fn hides(text: &str) -> bool {
    if text.is_ascii() {
        return false;
    }
    let chars: Vec<char> = text.chars().collect();
    (0..chars.len()).any(|at| is_hidden(chars[at]) && !joins_emoji(&chars, at))
}
