//! Secrets in sources: literals with the shape of a token or a private key.
//!
//! A source goes to the agent, into packets and into reports, so a secret in it is no longer one. Outputs of skills and
//! recorded cases are looked at in the same way, and there a shape is only a warning.
//! Guarantees that no finding repeats what it found. Placeholders are excepted: see
//! [`is_placeholder`]. It knows shapes, not secrets: a password without a shape is not found.

use super::report::{Rule, ScanReport};
use super::tokens::{SourceTokens, TokenKind};

/// The shape of a token: a fixed start, and then characters of one alphabet.
struct TokenShape {
    what: &'static str,
    start: &'static str,
    /// Fewest characters after the start.
    least: usize,
    /// Punctuation that the rest may contain besides letters and digits.
    also: &'static str,
}

const fn shape(what: &'static str, start: &'static str, least: usize, also: &'static str) -> TokenShape {
    TokenShape { what, start, least, also }
}

const SHAPES: &[TokenShape] = &[
    shape("an AWS access key", "AKIA", 16, ""),
    shape("an AWS access key", "ASIA", 16, ""),
    shape("a GitHub token", "ghp_", 30, ""),
    shape("a GitHub token", "gho_", 30, ""),
    shape("a GitHub token", "ghu_", 30, ""),
    shape("a GitHub token", "ghs_", 30, ""),
    shape("a GitHub token", "ghr_", 30, ""),
    shape("a GitHub token", "github_pat_", 22, "_"),
    shape("a GitLab token", "glpat-", 20, "_-"),
    shape("a Slack token", "xoxa-", 20, "-"),
    shape("a Slack token", "xoxb-", 20, "-"),
    shape("a Slack token", "xoxp-", 20, "-"),
    shape("a Slack token", "xoxr-", 20, "-"),
    shape("a Slack token", "xoxs-", 20, "-"),
    shape("a Stripe key", "sk_live_", 16, ""),
    shape("a Stripe key", "sk_test_", 16, ""),
    shape("a Stripe key", "rk_live_", 16, ""),
    shape("a key of a model provider", "sk-", 32, "_-"),
    shape("a Google key", "AIza", 35, "_-"),
    shape("an npm token", "npm_", 30, ""),
    shape("a PyPI token", "pypi-", 40, "_-"),
    shape("a Hugging Face token", "hf_", 30, ""),
    shape("a SendGrid key", "SG.", 40, "._-"),
    shape("an age key", "AGE-SECRET-KEY-1", 50, ""),
    shape("a signed token (JWT)", "eyJ", 60, "._-"),
];

/// Words that make a text a placeholder, in lower case.
const PLACEHOLDER_WORDS: [&str; 13] = [
    "example",
    "placeholder",
    "dummy",
    "sample",
    "redacted",
    "notreal",
    "not-real",
    "your",
    "secret",
    "abcdefgh",
    "12345678",
    "01234567",
    "deadbeef",
];
/// A text with fewer different characters than this is a placeholder: `xxxxxxxx`, `0000-0000`.
const FEWEST_CHARACTERS: usize = 6;
/// Characters of base64 after the header of a private key from which on there is a key.
const KEY_BODY: usize = 40;

/// Checks the literals of `file`, those of documentation included.
pub(super) fn check(file: &SourceTokens, report: &mut ScanReport) {
    for token in file.tokens.iter().filter(|token| token.kind == TokenKind::Literal) {
        let Some(what) = value_of(&token.text).as_deref().and_then(looks_like_secret) else { continue };
        let message = format!(
            "a literal looks like {what}. Name the secret in the specification (`required_secrets`) and remove it here. If it is real, \
             revoke it. In a test write a placeholder that contains `EXAMPLE`"
        );
        report.add(Rule::Secret, &file.path, token.line, message);
    }
}

/// The text that a literal stands for, with its escapes resolved.
fn value_of(literal: &str) -> Option<String> {
    match syn::parse_str::<syn::Lit>(literal).ok()? {
        syn::Lit::Str(text) => Some(text.value()),
        syn::Lit::ByteStr(bytes) => Some(String::from_utf8_lossy(&bytes.value()).into_owned()),
        syn::Lit::CStr(text) => Some(text.value().to_string_lossy().into_owned()),
        _ => None,
    }
}

/// What kind of secret a text contains, if it looks as if it had one.
pub fn looks_like_secret(text: &str) -> Option<&'static str> {
    if has_private_key(text) {
        return Some("a private key");
    }
    SHAPES.iter().find(|shape| has_token(text, shape)).map(|shape| shape.what)
}

fn has_token(text: &str, shape: &TokenShape) -> bool {
    text.match_indices(shape.start).any(|(at, start)| {
        let whole = !text.get(..at).unwrap_or_default().ends_with(|c: char| c.is_ascii_alphanumeric());
        let rest = text.get(at + start.len()..).unwrap_or_default();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !shape.also.contains(c)).unwrap_or(rest.len());
        let body = rest.get(..end).unwrap_or_default();
        // Three parts, or it is base64 of some JSON.
        let parts = shape.start != "eyJ" || body.matches('.').count() == 2;
        whole && parts && body.len() >= shape.least && !is_placeholder(body)
    })
}

fn has_private_key(text: &str) -> bool {
    if !text.contains("PRIVATE KEY-----") {
        return false;
    }
    // In documentation and in JSON the ends of its lines are often written as escapes.
    let text = text.replace("\\n", "\n");
    text.match_indices("PRIVATE KEY-----").any(|(at, header)| {
        let begins = text.get(..at).unwrap_or_default().rfind("-----BEGIN").is_some_and(|begin| at - begin < 40);
        let body: String = text
            .get(at + header.len()..)
            .unwrap_or_default()
            .chars()
            .filter(|c| !c.is_whitespace())
            .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '='))
            .collect();
        begins && body.len() >= KEY_BODY && !is_placeholder(&body)
    })
}

/// Whether a text is obviously no secret: it contains one of the words, or hardly any different
/// characters.
fn is_placeholder(body: &str) -> bool {
    let lower = body.to_ascii_lowercase();
    let mut different: Vec<char> = lower.chars().collect();
    different.sort_unstable();
    different.dedup();
    different.len() < FEWEST_CHARACTERS || PLACEHOLDER_WORDS.iter().any(|word| lower.contains(word))
}
