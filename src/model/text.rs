//! Text that a model, a guest or a file wrote, made fit to be shown.

use super::characters::is_hidden;

/// One line of foreign text: control, bidirectional and invisible characters escaped, cut after `max` characters.
pub fn line(text: &str, max: usize) -> String {
    shown(text, max, |c| c.is_control() || is_hidden(c))
}

/// Foreign text of several lines: as [`line()`], but newlines and tabs stay.
pub fn block(text: &str, max: usize) -> String {
    shown(text, max, |c| (c.is_control() && c != '\n' && c != '\t') || is_hidden(c))
}

fn shown(text: &str, max: usize, escape: impl Fn(char) -> bool) -> String {
    let mut out = String::new();
    // Counted before escaping, so that the cut never falls into an escape.
    for (count, c) in text.chars().enumerate() {
        if count == max {
            out.push('…');
            break;
        }
        if escape(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    out
}

/// Foreign text inside a Markdown code span or block: as [`block`], and no backtick can end the fence.
pub fn fenced(text: &str, max: usize) -> String {
    // Replaced and not escaped: within a code span Markdown knows no escape.
    block(text, max).replace('`', "'")
}

/// JSON text in which every character that is not printable is written as its number: the same value, fit to be shown.
/// The text must be JSON already. All JSON that leaves Kavi on a stream goes through here.
pub fn json(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut units = [0; 2];
    for c in text.chars() {
        // Those below U+0020 are escaped already, or are white space between values.
        if c >= '\u{7f}' && !is_printable(c) {
            c.encode_utf16(&mut units).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
        } else {
            out.push(c);
        }
    }
    out
}

/// Whether a character from U+007F on shows as itself. It is no control or format character, no separator of
/// lines or paragraphs, and no odd space. Unicode has assigned it, and has not left it to private use.
fn is_printable(c: char) -> bool {
    let mut buffer = [b'a', 0, 0, 0, 0];
    let length = 1 + c.encode_utf8(&mut buffer[1..]).len();
    // Behind a letter, so that an accent that combines with what is in front of it counts as printable.
    let shown = std::str::from_utf8(&buffer[..length]).is_ok_and(|text| text.escape_debug().nth(1) == Some(c));
    shown && !is_hidden(c)
}

/// The text of an error without the numbers of the operating system, which say nothing to a person.
pub fn without_os_numbers(text: &str) -> String {
    let mut parts = text.split(" (os error ");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once(')') {
            Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => plain.push_str(rest),
            _ => {
                plain.push_str(" (os error ");
                plain.push_str(part);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_escapes_whatever_is_not_printable() {
        let texts = [
            "\u{7f}\u{80}\u{85}\u{9f}",
            "\u{ad}\u{61c}\u{200b}\u{200e}\u{200f}\u{202a}\u{202e}\u{2066}\u{2069}\u{feff}",
            "\u{2028}\u{2029}\u{a0}\u{2003}\u{3000}",
            "\u{fff9}\u{e000}\u{f8ff}\u{10ffff}\u{e0041}\u{378}\u{fffe}",
        ];
        for text in texts {
            let value = serde_json::json!({ text: [text] });
            let shown = json(&value.to_string());
            assert!(shown.is_ascii(), "{shown}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).ok(), Some(value));
        }
        let plain = "\"äöü e\u{301} 漢字 ελ Ж 🦀 ½ \\n\"";
        assert_eq!(json(plain), plain);
    }

    #[test]
    fn terminals_get_no_orders() {
        assert_eq!(line("a\x1b[31m\u{202e}b\nc", 100), "a\\u{1b}[31m\\u{202e}b\\u{a}c");
        assert_eq!(block("a\nb\u{9b}1m", 100), "a\nb\\u{9b}1m");
        assert_eq!(line("äöü", 2), "äö…");
        assert_eq!(fenced("```\nrm", 100), "'''\nrm");
    }

    #[test]
    fn every_character_that_hides_is_in_the_table() -> Result<(), Box<regex_syntax::Error>> {
        let class = r"[\p{Default_Ignorable_Code_Point}\p{Bidi_Control}\p{Zl}\p{Zp}]";
        let hir = regex_syntax::parse(class).map_err(Box::new)?;
        let regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(class)) = hir.kind() else {
            return Ok(());
        };
        assert!(class.ranges().len() > 10);
        let listed = |c: char| class.ranges().iter().any(|range| (range.start()..=range.end()).contains(&c));
        // Interlinear marks, the empty pattern of Braille, and the joiners of hieroglyphs.
        let added = |c: char| matches!(c, '\u{fff9}'..='\u{fffb}' | '\u{2800}' | '\u{13430}'..='\u{13440}');
        for c in '\0'..=char::MAX {
            assert_eq!(is_hidden(c), listed(c) || added(c), "U+{:04X}", u32::from(c));
        }
        Ok(())
    }

    #[test]
    fn json_says_the_same_and_gives_a_terminal_no_orders() {
        let value = serde_json::json!({ "a\u{9b}31m": "\u{1b}[0m\u{202e}ä漢\u{e0041}\u{7f}\n" });
        let shown = json(&value.to_string());
        assert_eq!(shown, r#"{"a\u009b31m":"\u001b[0m\u202eä漢\udb40\udc41\u007f\n"}"#);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).ok(), Some(value));
    }

    #[test]
    fn only_numbers_of_the_operating_system_are_left_out() {
        for (text, plain) in [
            ("a: No space left on device (os error 28)", "a: No space left on device"),
            ("(os error 2) (os error 28), then", "(os error 2), then"),
            ("no (os error x) and (os error 2", "no (os error x) and (os error 2"),
            ("", ""),
        ] {
            assert_eq!(without_os_numbers(text), plain);
        }
    }
}
