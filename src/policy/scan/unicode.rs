//! Characters that a reviewer cannot see, or that change the order of what they see: the table of the whole program.
//!
//! Guarantees: none passes because of where it is, except the two that build one emoji out of several.

pub(super) use crate::model::characters::{is_hidden, joins_emoji};

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
