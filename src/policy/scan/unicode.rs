//! Characters that a reviewer cannot see, or that change the order of what they see.
//!
//! The table holds every `Default_Ignorable_Code_Point` and every `Bidi_Control` of Unicode 17 (with the tags and
//! variation selectors), the line and paragraph separators, the interlinear marks and the
//! joiners of hieroglyphs. It never lets one pass because
//! of where it stands, but for the two that build one emoji out of several, which [`joins_emoji`] tells apart.

/// Whether `c` shows as nothing or reorders what is shown.
pub(super) fn is_hidden(c: char) -> bool {
    matches!(u32::from(c),
        0xAD | 0x34F | 0x61C | 0x115F..=0x1160 | 0x17B4..=0x17B5 | 0x180B..=0x180F | 0x200B..=0x200F
        | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB
        | 0x13430..=0x13440 | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF)
}

/// Whether the character at `at` only makes an emoji of its neighbours: a variation selector 16 right after an emoji,
/// or a joiner between two. Such a sequence shows as one picture and hides no code.
pub(super) fn joins_emoji(chars: &[char], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|i| chars.get(i)).copied();
    let after = chars.get(at + 1).copied();
    match chars.get(at) {
        Some('\u{FE0F}') => {
            let keycap =
                before.is_some_and(|c| c.is_ascii_digit() || c == '#' || c == '*') && after == Some('\u{20E3}');
            keycap || before.is_some_and(is_emoji)
        }
        // Between two emoji it draws one picture. Between letters it is invisible, and makes two
        // names look alike.
        Some('\u{200D}') => before.is_some_and(|c| is_emoji(c) || c == '\u{FE0F}') && after.is_some_and(is_emoji),
        _ => false,
    }
}

/// The blocks that hold the emoji, and the older signs that have an emoji form.
fn is_emoji(c: char) -> bool {
    matches!(u32::from(c),
        0xA9 | 0xAE | 0x203C | 0x2049 | 0x2122 | 0x2139 | 0x2194..=0x21AA | 0x231A..=0x23FF | 0x24C2 | 0x25AA..=0x25FE
        | 0x2600..=0x27BF | 0x2934..=0x2935 | 0x2B05..=0x2B55 | 0x3030 | 0x303D | 0x3297 | 0x3299 | 0x1F000..=0x1FAFF)
}

/// The character as `U+XXXX`.
pub(super) fn name(c: char) -> String {
    format!("U+{:04X}", u32::from(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(text: &str) -> bool {
        let chars: Vec<char> = text.chars().collect();
        (0..chars.len()).filter(|at| is_hidden(chars[*at])).all(|at| joins_emoji(&chars, at))
    }

    #[test]
    fn emoji_sequences_are_told_from_hidden_text() {
        for text in ["❤️", "👩‍💻", "🏳️‍🌈", "1️⃣", "👍🏽", "☀️ und ⭐"] {
            assert!(joined(text), "{text}");
        }
        for text in ["a\u{200d}b", "a\u{fe0f}", "👩\u{200d}a", "👩\u{200d}\u{200d}👩", "❤\u{fe0f}\u{fe0f}", "1\u{fe0f}"]
        {
            assert!(!joined(text), "{text:?}");
        }
        for c in ['\u{202e}', '\u{2066}', '\u{200b}', '\u{e0041}', '\u{e0100}', '\u{ad}', '\u{3164}', '\u{feff}'] {
            assert!(is_hidden(c), "{}", name(c));
        }
        for c in ['ä', '中', 'א', '→', '\u{a0}', '👍'] {
            assert!(!is_hidden(c), "{}", name(c));
        }
    }
}
