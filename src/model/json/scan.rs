//! The scan before the parser: everything that the tokens alone can show.
//!
//! It walks the text once without recursion and refuses too much nesting, too many values, numbers that
//! reading would change, U+0000 and lone surrogates. It does not check the grammar: a text that is not JSON
//! may pass, and the parser refuses it afterwards.

use super::decimal;
use super::rules::{JsonError, JsonLimits, MAX_DEPTH, TextPosition};

/// The position of byte `offset`.
pub(super) fn position(bytes: &[u8], offset: usize) -> TextPosition {
    let before = bytes.get(..offset).unwrap_or(bytes);
    let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |newline| newline + 1);
    let line = 1 + before.iter().filter(|b| **b == b'\n').count();
    TextPosition { line, column: offset - line_start + 1 }
}

/// Scans the whole of `text`.
pub(super) fn scan(text: &str, limits: JsonLimits) -> Result<(), JsonError> {
    Scan { text, at: 0, depth: 0, values: 0, limits }.run()
}

struct Scan<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    values: usize,
    limits: JsonLimits,
}

impl Scan<'_> {
    fn run(mut self) -> Result<(), JsonError> {
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.count_value()?;
                    self.string()?;
                }
                b'{' | b'[' => {
                    self.count_value()?;
                    self.open()?;
                }
                b'}' | b']' => {
                    // A bracket that closes nothing is left to the parser, which has the better
                    // message.
                    self.depth = self.depth.saturating_sub(1);
                    self.at += 1;
                }
                b'-' | b'0'..=b'9' => {
                    self.count_value()?;
                    self.number()?;
                }
                // `true`, `false` and `null`. Other words count as values too, and the parser
                // refuses them.
                b'a'..=b'z' => {
                    self.count_value()?;
                    self.skip_while(|b| b.is_ascii_alphabetic());
                }
                _ => self.at += 1,
            }
        }
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn here(&self) -> TextPosition {
        position(self.text.as_bytes(), self.at)
    }

    fn skip_while(&mut self, keep: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&keep) {
            self.at += 1;
        }
    }

    fn count_value(&mut self) -> Result<(), JsonError> {
        self.values += 1;
        if self.values > self.limits.max_values {
            return Err(JsonError::TooManyValues { at: self.here(), limit: self.limits.max_values });
        }
        Ok(())
    }

    fn open(&mut self) -> Result<(), JsonError> {
        // serde_json has a limit of its own just above. Within ours, its message never appears.
        let limit = self.limits.max_depth.min(MAX_DEPTH);
        self.depth += 1;
        if self.depth > limit {
            return Err(JsonError::TooDeep { at: self.here(), limit });
        }
        self.at += 1;
        Ok(())
    }

    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        self.skip_while(|b| matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
        let number = &self.text[start..self.at];
        let digits = number.strip_prefix('-').unwrap_or(number);
        let at = || position(self.text.as_bytes(), start);
        if digits.bytes().all(|b| b.is_ascii_digit()) {
            let fits = digits.is_empty() || number.parse::<i64>().is_ok() || number.parse::<u64>().is_ok();
            return if fits {
                Ok(())
            } else {
                Err(JsonError::NumberOutOfRange { number: number.to_owned(), at: at() })
            };
        }
        // What is no number at all is for the parser to refuse.
        let Ok(value) = number.parse::<f64>() else { return Ok(()) };
        if decimal::is_nearest(number, value) {
            return Ok(());
        }
        if !value.is_finite() || value == 0.0 {
            return Err(JsonError::NumberOutOfRange { number: number.to_owned(), at: at() });
        }
        let becomes = serde_json::Number::from_f64(value).map(|value| value.to_string()).unwrap_or_default();
        Err(JsonError::NumberRounded { number: number.to_owned(), becomes, at: at() })
    }

    fn string(&mut self) -> Result<(), JsonError> {
        self.at += 1;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            match rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) {
                None => {
                    self.at = self.text.len();
                    return Ok(());
                }
                // A quote byte can be searched for, because in UTF-8 it is never part of another
                // character.
                Some(plain) if rest.get(plain) == Some(&b'"') => {
                    self.at += plain + 1;
                    return Ok(());
                }
                Some(plain) => {
                    self.at += plain;
                    self.escape()?;
                }
            }
        }
    }

    fn escape(&mut self) -> Result<(), JsonError> {
        match self.unit(self.at) {
            // One of the short escapes. Both bytes are skipped, so that an escaped quote does not
            // end the string.
            None => self.at += 2,
            Some(0) => return Err(JsonError::NulInString(self.here())),
            // A pair is one character; each half alone is not.
            Some(0xD800..=0xDBFF) if matches!(self.unit(self.at + 6), Some(0xDC00..=0xDFFF)) => self.at += 12,
            // The position of the half itself, which the parser would not give.
            Some(0xD800..=0xDFFF) => return Err(JsonError::LoneSurrogate(self.here())),
            Some(_) => self.at += 6,
        }
        Ok(())
    }

    /// The UTF-16 unit of a `\uXXXX` that starts at `at`.
    fn unit(&self, at: usize) -> Option<u16> {
        let hex = self.text.get(at..at + 6)?.strip_prefix("\\u")?;
        // `from_str_radix` accepts a sign, which JSON does not.
        if hex.starts_with('+') { None } else { u16::from_str_radix(hex, 16).ok() }
    }
}
