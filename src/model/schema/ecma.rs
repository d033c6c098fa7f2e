//! Patterns of ECMA-262, in the words of the linear engine.
//!
//! JSON Schema means ECMA-262, and so does every other reader of a skill's schema. The engine behind the validator reads
//! some of the same text in another way: its `.` matches `\r` and U+2028, its `\b` knows the letters of all languages.
//!
//! Guarantees: a pattern that is accepted matches here what it matches by ECMA-262, or it is refused and the message
//! names the part. The stored pattern stays as it was written; only the engine gets the translation.
//!
//! Deliberately never: looks around or behind, or reads what only the engine has, such as `(?i)` and `\A`.

/// All but the four line terminators of ECMA-262.
const ANY: &str = r"[^\n\r\x{2028}\x{2029}]";
/// A boundary of `[A-Za-z0-9_]`.
const BOUNDARY: &str = r"(?-u:\b)";
/// The white space and the line terminators of ECMA-262.
const SPACE: &str = r"\t-\r \x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000}\x{FEFF}";

/// The pattern for the engine.
///
/// # Errors
/// The part of it that would mean something else there, in words.
pub(super) fn to_engine(pattern: &str) -> Result<String, &'static str> {
    let mut translation = Translation { rest: pattern, out: String::with_capacity(pattern.len()) };
    translation.run()?;
    Ok(translation.out)
}

struct Translation<'a> {
    rest: &'a str,
    out: String,
}

impl Translation<'_> {
    fn run(&mut self) -> Result<(), &'static str> {
        // Whether a further quantifier would quantify a quantifier, which only the engine permits.
        let mut quantified = false;
        while let Some(c) = self.next() {
            let repeats = matches!(c, '*' | '+' | '?' | '{');
            if repeats && quantified {
                return Err("`**`, `+*` and the like are not in ECMA-262: put the repeated part in parentheses");
            }
            quantified = false;
            match c {
                '\\' => self.escape()?,
                '.' => self.out.push_str(ANY),
                '[' => self.class()?,
                '(' => self.group()?,
                '*' | '+' | '?' => {
                    self.out.push(c);
                    self.lazy();
                    quantified = true;
                }
                '{' => {
                    self.counts()?;
                    self.lazy();
                    quantified = true;
                }
                other => self.out.push(other),
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    /// The `?` behind a quantifier.
    fn lazy(&mut self) {
        if let Some(rest) = self.rest.strip_prefix('?') {
            self.rest = rest;
            self.out.push('?');
        }
    }

    fn counts(&mut self) -> Result<(), &'static str> {
        if !self.rest.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(r"`{` without a count: write `\{` for the character, and `{0,n}` for at most n");
        }
        self.out.push('{');
        while let Some(c) = self.next() {
            self.out.push(c);
            if c == '}' {
                break;
            }
        }
        Ok(())
    }

    fn group(&mut self) -> Result<(), &'static str> {
        self.out.push('(');
        let Some(kind) = self.rest.strip_prefix('?') else { return Ok(()) };
        // What looks around is refused by the engine, with words of its own.
        if kind.starts_with([':', '<', '=', '!']) {
            self.out.push('?');
            self.rest = kind;
            return Ok(());
        }
        Err("flags such as `(?i)` and names such as `(?P<x>…)` are not in ECMA-262")
    }

    fn escape(&mut self) -> Result<(), &'static str> {
        match self.next() {
            Some('b') if self.rest.starts_with('{') => Err(r"`\b{…}` is not in ECMA-262"),
            Some('b') => {
                self.out.push_str(BOUNDARY);
                Ok(())
            }
            Some('B') => Err(r"`\B` has no equivalent in the linear engine: say it with classes of characters"),
            Some(c) => self.plain_escape(c),
            None => {
                self.out.push('\\');
                Ok(())
            }
        }
    }

    /// An escape that means the same inside of a class and outside.
    fn plain_escape(&mut self, c: char) -> Result<(), &'static str> {
        match c {
            // Inside of a class these are classes within it, which the engine unites.
            'd' => return self.named("[", "0-9"),
            'D' => return self.named("[^", "0-9"),
            'w' => return self.named("[", "0-9A-Za-z_"),
            'W' => return self.named("[^", "0-9A-Za-z_"),
            's' => return self.named("[", SPACE),
            'S' => return self.named("[^", SPACE),
            'c' => return self.control(),
            'u' if self.rest.starts_with(['d', 'D']) => return self.surrogates(),
            't' | 'n' | 'r' | 'f' | 'v' => {}
            'x' | 'u' if c == 'x' && self.rest.starts_with('{') => {
                return Err(r"`\x{…}` is not in ECMA-262: write `\u{…}`");
            }
            'x' | 'u' => {}
            '0' if !self.rest.starts_with(|next: char| next.is_ascii_digit()) => {
                self.out.push_str(r"\x00");
                return Ok(());
            }
            'p' | 'P' if self.rest.starts_with('{') => {}
            'p' | 'P' => return Err(r"`\p` needs a name in braces, as in `\p{L}`"),
            // A reference to a group, which the engine refuses with words of its own.
            '0'..='9' | 'k' => {}
            '<' | '>' => return Err(r"`\<` and `\>` are not in ECMA-262"),
            c if c.is_alphabetic() => {
                return Err(r"an escaped letter that ECMA-262 does not have, such as `\A` or `\z`");
            }
            _ => {}
        }
        self.out.push('\\');
        self.out.push(c);
        Ok(())
    }

    fn named(&mut self, open: &str, members: &str) -> Result<(), &'static str> {
        self.out.extend([open, members, "]"]);
        Ok(())
    }

    fn code(&mut self, code: u32) -> Result<(), &'static str> {
        self.out.push_str(&format!(r"\x{{{code:X}}}"));
        Ok(())
    }

    fn control(&mut self) -> Result<(), &'static str> {
        match self.next() {
            Some(letter) if letter.is_ascii_alphabetic() => self.code(u32::from(letter) % 32),
            _ => Err(r"`\c` needs a letter, as in `\cJ`"),
        }
    }

    /// A character that is written as two surrogates; `\u` is read already.
    fn surrogates(&mut self) -> Result<(), &'static str> {
        let unit = |text: &str| u16::from_str_radix(text.get(..4)?, 16).ok();
        let high = unit(self.rest);
        let low = self.rest.get(4..).and_then(|rest| unit(rest.strip_prefix(r"\u")?));
        match (high, low) {
            // From U+D000 to U+D7FF no surrogate is meant.
            (Some(one @ ..0xD800), _) => {
                self.rest = &self.rest[4..];
                self.code(u32::from(one))
            }
            (Some(high), Some(low)) => match char::decode_utf16([high, low]).next() {
                Some(Ok(c)) => {
                    self.rest = &self.rest[10..];
                    self.code(u32::from(c))
                }
                _ => Err(r"a lone surrogate such as `\uD800` is no character"),
            },
            _ => Err(r"a lone surrogate such as `\uD800` is no character"),
        }
    }

    fn class(&mut self) -> Result<(), &'static str> {
        self.out.push('[');
        if let Some(rest) = self.rest.strip_prefix('^') {
            self.rest = rest;
            self.out.push('^');
        }
        if self.rest.starts_with(']') {
            return Err(r"`[]` and `[^]` match nothing and everything in ECMA-262: write `\]` for the character");
        }
        while let Some(c) = self.next() {
            match c {
                ']' => {
                    self.out.push(']');
                    return Ok(());
                }
                '\\' => match self.next() {
                    // In a class it is the backspace.
                    Some('b') => self.out.push_str(r"\x08"),
                    Some('B') => return Err(r"`\B` cannot be inside of `[…]`"),
                    Some(c) => self.plain_escape(c)?,
                    None => self.out.push('\\'),
                },
                '[' => self.out.push_str(r"\["),
                '&' | '~' if self.rest.starts_with(c) => self.out.extend(['\\', c]),
                '-' if self.rest.starts_with('-') => {
                    return Err(r"`--` inside of `[…]` is read in two ways: write `\-` for the character");
                }
                other => self.out.push(other),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_means_something_else_to_the_engine_is_translated() {
        for (pattern, translated) in [
            ("^a$", "^a$"),
            (".", ANY),
            (r"\.[.]", r"\.[.]"),
            (r"\bx", r"(?-u:\b)x"),
            (r"[\b]", r"[\x08]"),
            (r"\0", r"\x00"),
            ("[a[b]", r"[a\[b]"),
            ("[a&&b~~]", r"[a\&&b\~~]"),
            ("(?:a)(?<n>b)c{2,3}?d+?", "(?:a)(?<n>b)c{2,3}?d+?"),
            (r"\d[\d-]", "[0-9][[0-9]-]"),
            (r"[^\Wx]", "[^[^0-9A-Za-z_]x]"),
            (r"\cJ", r"\x{A}"),
            (r"\ud83d\uDE00", r"\x{1F600}"),
            (r"\uD7FF\u0041", r"\x{D7FF}\u0041"),
        ] {
            assert_eq!(to_engine(pattern).as_deref(), Ok(translated), "{pattern}");
        }
    }

    #[test]
    fn what_only_the_engine_has_is_refused_by_name() {
        for (pattern, part) in [
            (r"\B", r"\B"),
            (r"\Aa\z", r"\A"),
            (r"a\z", r"\A"),
            (r"\b{start}", r"\b{"),
            (r"\<a", r"\<"),
            ("(?i)a", "(?i)"),
            ("(?x: a)", "(?i)"),
            ("(?P<n>a)", "(?P<"),
            (r"\x{41}", r"\x{"),
            (r"\pL", r"\p"),
            ("[]a]", "[]"),
            ("[^]a]", "[^]"),
            ("[a--b]", "--"),
            ("a**", "**"),
            ("a{2}+", "**"),
            ("a{,3}", "{"),
            (r"\c1", r"\c"),
            (r"\uD83D", "surrogate"),
            (r"\uD83D\u0041", "surrogate"),
            (r"\uDéD", "surrogate"),
            (r"\a", r"\A"),
            (r"[\a]", r"\A"),
        ] {
            let refused = to_engine(pattern);
            assert!(refused.as_ref().is_err_and(|why| why.contains(part)), "{pattern}: {refused:?}");
        }
    }
}
