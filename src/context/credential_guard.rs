//! What in a text looks like a credential, as it is or encoded.
//!
//! Guarantees: a credential of a known shape is found as it is, reversed, in UTF-16 and as a list of numbers. It is also
//! found percent-encoded, in hexadecimal, in base64 of both alphabets, in character references of HTML, and in strings of
//! JSON, also within one another. A bare prefix, and a field without a value, is none: honest prose is full of them.
//!
//! Deliberately never: shows or keeps what it found. It knows shapes; the values of secrets are known to `secrets` alone.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use regex::{Captures, Regex};

/// Token shapes with their length, and password fields with a value.
const SHAPES: [(&str, &str); 26] = [
    ("a workspace token", r"\bwsk_[A-Za-z0-9]{16,}"),
    ("a key of a model provider", r"\bsk-[A-Za-z0-9_-]{20,}"),
    ("a Slack token", r"\bxox[abeprs]-[0-9A-Za-z]{8,}-[0-9A-Za-z-]{8,}"),
    ("a Slack webhook", r"hooks\.slack\.com/services/T[A-Z0-9]{6,}/B[A-Z0-9]{6,}/[A-Za-z0-9]{16,}"),
    ("an AWS access key", r"\b(AKIA|ASIA)[A-Z0-9]{16}\b"),
    ("a GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{30,}"),
    ("a GitHub token", r"\bgithub_pat_[A-Za-z0-9_]{22,}"),
    ("a GitLab token", r"\bglpat-[A-Za-z0-9_-]{20,}"),
    ("a Stripe key", r"\b[rs]k_(live|test)_[A-Za-z0-9]{16,}"),
    ("a Google key", r"\bAIza[A-Za-z0-9_-]{35}"),
    ("a Google access token", r"\bya29\.[A-Za-z0-9_-]{30,}"),
    ("a Hugging Face token", r"\bhf_[A-Za-z0-9]{30,}"),
    ("an npm token", r"\bnpm_[A-Za-z0-9]{36}"),
    ("a PyPI token", r"\bpypi-[A-Za-z0-9_-]{40,}"),
    ("a DigitalOcean token", r"\bdo[opr]_v1_[a-f0-9]{40,}"),
    ("a Shopify token", r"\bshp(at|ca|pa|ss)_[A-Fa-f0-9]{32}"),
    ("a SendGrid key", r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
    ("a Twilio key", r"\bSK[a-f0-9]{32}\b"),
    ("a Telegram token", r"\b[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"),
    ("a Vault token", r"\bhv[sb]\.[A-Za-z0-9_-]{24,}"),
    ("an age key", r"\bAGE-SECRET-KEY-1[A-Z0-9]{50,}"),
    ("a signed token (JWT)", r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}"),
    ("a private key", r"-----BEGIN [A-Z ]*PRIVATE KEY-----"),
    ("a bearer token", r"(?i)\bauthorization:\s*bearer\s+[A-Za-z0-9._~+/-]{20,}"),
    ("a URL with a password", r"\b[a-z][a-z0-9+.-]*://[^\s/:@]+:[^\s/@]{6,}@"),
    (
        "a password with its value",
        r#"(?i)\b(password|passwd|secret_key|api_key|access_token)"?\s*[:=]\s*"?[^\s"'<>,;{}]{8,}"#,
    ),
];

static PATTERNS: LazyLock<Vec<(&str, Regex)>> = LazyLock::new(|| {
    SHAPES.iter().filter_map(|(what, shape)| Regex::new(shape).ok().map(|regex| (*what, regex))).collect()
});

/// Runs of characters that could be encoded bytes, and how they are decoded.
struct EncodedRun {
    regex: Option<Regex>,
    decode: fn(&str) -> Vec<Vec<u8>>,
}

static RUNS: LazyLock<[EncodedRun; 3]> = LazyLock::new(|| {
    let run = |regex: &str, decode| EncodedRun { regex: Regex::new(regex).ok(), decode };
    [
        run(r"[A-Za-z0-9+/_-]{20,}", base64_forms),
        run(r"(?:[0-9A-Fa-f]{2}[ :]?){10,}", hex_forms),
        run(r"(?:[0-9]{1,3}(?:, ?| )){9,}[0-9]{1,3}", number_forms),
    ]
});

static ESCAPES: LazyLock<[Option<Regex>; 3]> = LazyLock::new(|| {
    [r#"\\(?:u([0-9A-Fa-f]{4})|(["\\/]))"#, "%([0-9A-Fa-f]{2})", r"&(?:#([0-9]{1,7})|#[xX]([0-9A-Fa-f]{1,6})|(\w+));"]
        .map(|regex| Regex::new(regex).ok())
});

/// Cut anywhere: what follows a token may belong to the alphabet as well.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What in a text looks like a credential, if something does.
pub(super) fn find(text: &str) -> Option<&'static str> {
    let [json, percent, html] = &*ESCAPES;
    let unescaped = replaced(text, json.as_ref(), json_escape);
    // An answer of a model is often a JSON string within a JSON string of a log.
    let twice = replaced(&unescaped, json.as_ref(), json_escape);
    let forms = [
        replaced(text, percent.as_ref(), percent_escape),
        replaced(text, html.as_ref(), html_escape),
        text.chars().rev().collect(),
        // In UTF-16 every other byte of a token is zero.
        twice.replace('\0', ""),
        unescaped,
        twice,
    ];
    let shown = plain(text).or_else(|| forms.iter().find_map(|form| plain(form)));
    shown.or_else(|| encoded(text)).or_else(|| encoded(&forms[4]))
}

fn plain(text: &str) -> Option<&'static str> {
    PATTERNS.iter().find(|(_, regex)| regex.is_match(text)).map(|(what, _)| *what)
}

fn encoded(text: &str) -> Option<&'static str> {
    RUNS.iter().find_map(|run| {
        let mut found = run.regex.as_ref()?.find_iter(text);
        let shown = |bytes: Vec<u8>| plain(&String::from_utf8_lossy(&bytes).replace('\0', ""));
        found.find_map(|found| (run.decode)(found.as_str()).into_iter().find_map(shown))
    })
}

/// A run can begin before the encoded text does, so each alignment is tried.
fn base64_forms(run: &str) -> Vec<Vec<u8>> {
    let run: Vec<u8> = run
        .bytes()
        .map(|byte| {
            if byte == b'-' {
                b'+'
            } else if byte == b'_' {
                b'/'
            } else {
                byte
            }
        })
        .collect();
    let decode = |from: usize| {
        let run = run.get(from..)?;
        // One character alone has six bits and is no byte.
        let whole = run.len() - usize::from(run.len() % 4 == 1);
        LENIENT.decode(run.get(..whole)?).ok()
    };
    // Four, because four characters of base64 are one group of three bytes.
    (0..4).filter_map(decode).collect()
}

fn hex_forms(run: &str) -> Vec<Vec<u8>> {
    let digits: Vec<u8> = run.bytes().filter(u8::is_ascii_hexdigit).collect();
    let decode = |from: usize| {
        let digits = digits.get(from..)?;
        hex::decode(digits.get(..digits.len() / 2 * 2)?).ok()
    };
    // A digit that belongs to the text before shifts all the others by a half byte.
    (0..2).filter_map(decode).collect()
}

fn number_forms(run: &str) -> Vec<Vec<u8>> {
    let numbers = run.split([',', ' ']).filter(|number| !number.is_empty());
    vec![numbers.map(|number| number.parse().unwrap_or_default()).collect()]
}

fn replaced(text: &str, escape: Option<&Regex>, decode: fn(&Captures<'_>) -> Option<char>) -> String {
    let whole = |found: &Captures<'_>| found.get(0).map(|it| it.as_str().to_owned()).unwrap_or_default();
    let decoded = |found: &Captures<'_>| decode(found).map_or_else(|| whole(found), String::from);
    escape.map_or_else(|| text.to_owned(), |escape| escape.replace_all(text, decoded).into_owned())
}

fn code(found: &Captures<'_>, group: usize, radix: u32) -> Option<char> {
    char::from_u32(u32::from_str_radix(found.get(group)?.as_str(), radix).ok()?)
}

fn json_escape(found: &Captures<'_>) -> Option<char> {
    code(found, 1, 16).or_else(|| found.get(2)?.as_str().chars().next())
}

fn percent_escape(found: &Captures<'_>) -> Option<char> {
    code(found, 1, 16)
}

fn html_escape(found: &Captures<'_>) -> Option<char> {
    let named = |name: &str| match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    };
    code(found, 1, 10).or_else(|| code(found, 2, 16)).or_else(|| named(found.get(3)?.as_str()))
}

#[cfg(test)]
#[path = "credential_guard_tests.rs"]
mod tests;
