//! The forms in which a secret can appear in a text.
//!
//! Guarantees: for every [`Encoding`], an encoded text that contains the secret contains one of the needles. Deliberately never:
//! looks for what cannot be found by comparing, such as compressed or encrypted text.

use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

/// How a secret was encoded where it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Encoding {
    /// As it is.
    Plain,
    /// `%41`, of all bytes or of those that an address cannot have.
    Percent,
    /// `41`, with or without blanks.
    Hex,
    /// A string of JSON, also one within another, and `\u0041`.
    Json,
    /// `&#65;`, `&#x41;` and the named characters of HTML.
    Html,
    /// From its end to its start.
    Reversed,
    /// UTF-16, in both byte orders.
    Utf16,
    /// Base64 in both alphabets, at any offset.
    Base64,
    /// A list of numbers: `65, 66`.
    Numbers,
}

impl std::fmt::Display for Encoding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Plain => "as it is",
            Self::Percent => "percent-encoded",
            Self::Hex => "in hexadecimal",
            Self::Json => "as a string of JSON",
            Self::Html => "as character references",
            Self::Reversed => "reversed",
            Self::Utf16 => "in UTF-16",
            Self::Base64 => "in base64",
            Self::Numbers => "as a list of numbers",
        })
    }
}

/// One byte string to look for. Its memory is overwritten afterwards.
pub(super) struct Needle {
    pub(super) encoding: Encoding,
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

/// Bytes that addresses, forms and scripts leave as they are, each by its own rule: RFC 3986, `encodeURIComponent`, HTML forms,
/// `encodeURI`.
const LEFT_BY_PERCENT: [&[u8]; 4] = [b"-._~", b"-._~!*'()", b"*-._", b"-._~!*'();/?:@&=+$,#"];

/// Everything that must be looked for so that `secret` is found.
pub(super) fn needles(secret: &[u8]) -> Vec<Needle> {
    let mut found = Needles(Vec::new());
    found.add(Encoding::Plain, secret.to_vec());
    found.add(Encoding::Reversed, secret.iter().rev().copied().collect());
    percent(&mut found, secret);
    numbers(&mut found, secret);
    for offset in 0..3 {
        found.add(Encoding::Base64, inside_base64(&STANDARD_NO_PAD, secret, offset));
        found.add(Encoding::Base64, inside_base64(&URL_SAFE_NO_PAD, secret, offset));
    }
    match std::str::from_utf8(secret) {
        Ok(text) => characters(&mut found, text),
        // Without characters a byte is taken for one, as Latin-1 does.
        Err(_) => characters(&mut found, &Zeroizing::new(secret.iter().copied().map(char::from).collect::<String>())),
    }
    found.0
}

struct Needles(Vec<Needle>);

impl Needles {
    fn add(&mut self, encoding: Encoding, bytes: Vec<u8>) {
        let bytes = Zeroizing::new(bytes);
        // Many forms of a plain token are the token itself.
        if !self.0.iter().any(|needle| needle.bytes == bytes) {
            self.0.push(Needle { encoding, bytes });
        }
    }

    fn add_text(&mut self, encoding: Encoding, pieces: impl Iterator<Item = String>, between: &str) {
        self.add(encoding, pieces.collect::<Vec<_>>().join(between).into_bytes());
    }
}

fn percent(found: &mut Needles, secret: &[u8]) {
    let upper = |byte: u8| format!("%{byte:02X}");
    let lower = |byte: u8| format!("%{byte:02x}");
    found.add_text(Encoding::Percent, secret.iter().map(|byte| upper(*byte)), "");
    found.add_text(Encoding::Percent, secret.iter().map(|byte| lower(*byte)), "");
    for left in LEFT_BY_PERCENT {
        for escape in [&upper as &dyn Fn(u8) -> String, &lower] {
            for blank in ["%20", "+"] {
                let pieces = secret.iter().map(|byte| match byte {
                    b' ' => blank.to_owned(),
                    _ if byte.is_ascii_alphanumeric() || left.contains(byte) => char::from(*byte).to_string(),
                    _ => escape(*byte),
                });
                found.add_text(Encoding::Percent, pieces, "");
            }
        }
    }
}

fn numbers(found: &mut Needles, secret: &[u8]) {
    for between in ["", " ", ":"] {
        found.add_text(Encoding::Hex, secret.iter().map(|byte| format!("{byte:02x}")), between);
        found.add_text(Encoding::Hex, secret.iter().map(|byte| format!("{byte:02X}")), between);
    }
    for between in [", ", ",", " "] {
        found.add_text(Encoding::Numbers, secret.iter().map(u8::to_string), between);
    }
}

fn characters(found: &mut Needles, text: &str) {
    for bytes in [u16::to_le_bytes, u16::to_be_bytes] {
        found.add(Encoding::Utf16, text.encode_utf16().flat_map(bytes).collect());
    }
    found.add_text(Encoding::Json, text.encode_utf16().map(|unit| format!("\\u{unit:04x}")), "");
    found.add_text(Encoding::Json, text.encode_utf16().map(|unit| format!("\\u{unit:04X}")), "");
    let once = in_json(text);
    found.add(Encoding::Json, once.replace('/', "\\/").into_bytes());
    found.add(Encoding::Json, in_json(&once).into_bytes());
    found.add(Encoding::Json, once.into_bytes());
    found.add(Encoding::Json, ascii_in_json(text).into_bytes());
    // The debug form of Rust, and of others that escape quotes.
    found.add(Encoding::Json, text.escape_debug().to_string().into_bytes());
    let code = |c: char| u32::from(c);
    found.add_text(Encoding::Html, text.chars().map(|c| format!("&#{};", code(c))), "");
    found.add_text(Encoding::Html, text.chars().map(|c| format!("&#x{:x};", code(c))), "");
    found.add_text(Encoding::Html, text.chars().map(|c| format!("&#x{:X};", code(c))), "");
    for quote in ["&#39;", "&#x27;", "&apos;", "'"] {
        let pieces = text.chars().map(|c| match c {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            '"' => "&quot;".to_owned(),
            '\'' => quote.to_owned(),
            c => c.to_string(),
        });
        found.add_text(Encoding::Html, pieces, "");
    }
}

/// The text within a string of JSON, without the quotes around it.
fn in_json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(&quoted).to_owned()
}

/// The same, as writers do that keep to ASCII.
fn ascii_in_json(text: &str) -> String {
    let escaped = |c: char| -> String {
        if c.is_ascii() {
            return in_json(c.encode_utf8(&mut [0; 4]));
        }
        c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
    };
    text.chars().map(escaped).collect()
}

/// The characters that come from the secret alone when it starts `offset` bytes into a group of three.
fn inside_base64(engine: &impl base64::Engine, secret: &[u8], offset: usize) -> Vec<u8> {
    let before = Zeroizing::new([&[0; 2][..offset], secret].concat());
    let mut text = engine.encode(&before).into_bytes();
    // A character has six bits. The first and the last one can contain bits of what is around the secret.
    text.truncate(8 * before.len() / 6);
    text.split_off((8 * offset).div_ceil(6))
}
