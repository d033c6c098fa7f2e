//! `#[serde(…)]`: a closed list of keys, and no code in their strings.
//!
//! Serde parses some strings as Rust, and what it makes of them goes into the program. A type with a macro in it reads
//! a file while the skill is built. Here such a string is a plain path with plain generic arguments, judged like any
//! other path. Strings that serde takes as names are free text.

use super::attribute_shape::{Attribute, is_string};
use super::declared_names::{DeclaredNames, names_paths};
use super::paths;
use super::report::{RefusalReason, Rule, quote};
use super::tokens::{SourceTokens, TokenKind, TokenScope};

/// What a key of serde may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyValue {
    /// Nothing.
    None,
    /// Free text.
    Text,
    /// A path to a function, module or type.
    Path,
    /// Nothing or a path.
    NoneOrPath,
    /// Nothing or lifetimes.
    NoneOrLifetimes,
    /// Text, or `(serialize = "…", deserialize = "…")`.
    TextOrPair,
    /// The SDK's serde.
    SdkSerde,
}

const KEYS: &[(&str, KeyValue)] = &[
    ("alias", KeyValue::Text),
    ("borrow", KeyValue::NoneOrLifetimes),
    ("content", KeyValue::Text),
    ("crate", KeyValue::SdkSerde),
    ("default", KeyValue::NoneOrPath),
    ("deny_unknown_fields", KeyValue::None),
    ("deserialize_with", KeyValue::Path),
    ("expecting", KeyValue::Text),
    ("field_identifier", KeyValue::None),
    ("flatten", KeyValue::None),
    ("from", KeyValue::Path),
    ("into", KeyValue::Path),
    ("other", KeyValue::None),
    ("remote", KeyValue::Path),
    ("rename", KeyValue::TextOrPair),
    ("rename_all", KeyValue::TextOrPair),
    ("rename_all_fields", KeyValue::TextOrPair),
    ("serialize_with", KeyValue::Path),
    ("skip", KeyValue::None),
    ("skip_deserializing", KeyValue::None),
    ("skip_serializing", KeyValue::None),
    ("skip_serializing_if", KeyValue::Path),
    ("tag", KeyValue::Text),
    ("transparent", KeyValue::None),
    ("try_from", KeyValue::Path),
    ("untagged", KeyValue::None),
    ("variant_identifier", KeyValue::None),
    ("with", KeyValue::Path),
];

/// Checks one `#[serde(…)]`.
pub(super) fn check(attribute: Attribute<'_>, names: &DeclaredNames) -> Option<RefusalReason> {
    let Some(list) = attribute.list() else { return refuse("serde", "it has a list of keys") };
    let file = attribute.file;
    let mut at = list.start;
    while at < list.end {
        let Some(token) = file.get(at).filter(|token| token.is_name()) else {
            return refuse("serde", "a key is no name");
        };
        let key = token.text.as_str();
        // A closed list: a key of a later serde may take code.
        let Some((_, value)) = KEYS.iter().find(|(known, _)| *known == key) else {
            return refuse(key, "it is not on the list of serde's keys that a skill may use");
        };
        at += 1;
        if file.is_punct(at, '=') {
            let text = match string(file, at + 1) {
                Some(text) => text,
                None => return refuse(key, "its value is no plain string"),
            };
            if let Some(refusal) = check_value(key, *value, &text, token.scope, names) {
                return Some(refusal);
            }
            at += 2;
        } else if file.is_open(at, "(") {
            if *value != KeyValue::TextOrPair || !is_pair(file, at) {
                return refuse(key, "it does not have these arguments");
            }
            at = file.pair_of(at) + 1;
        } else if !matches!(value, KeyValue::None | KeyValue::NoneOrPath | KeyValue::NoneOrLifetimes) {
            return refuse(key, "it needs a value");
        }
        if at < list.end && !file.is_punct(at, ',') {
            return refuse(key, "something else than a `,` follows it");
        }
        at += 1;
    }
    None
}

fn refuse(key: &str, why: &str) -> Option<RefusalReason> {
    Some(Rule::Serde.because(format!("serde's {}: {why}", quote(key))))
}

/// What the string literal at `at` stands for.
fn string(file: &SourceTokens, at: usize) -> Option<String> {
    let token = file.get(at).filter(|token| token.kind == TokenKind::Literal && is_string(&token.text))?;
    syn::parse_str::<syn::LitStr>(&token.text).ok().map(|literal| literal.value())
}

/// `(serialize = "…", deserialize = "…")`.
fn is_pair(file: &SourceTokens, open: usize) -> bool {
    (open + 1..file.pair_of(open)).all(|at| {
        let word = file.is_word(at, "serialize") || file.is_word(at, "deserialize");
        word || file.is_punct(at, '=') || file.is_punct(at, ',') || string(file, at).is_some()
    })
}

fn check_value(
    key: &str,
    value: KeyValue,
    text: &str,
    scope: TokenScope,
    names: &DeclaredNames,
) -> Option<RefusalReason> {
    match value {
        KeyValue::Text | KeyValue::TextOrPair => None,
        KeyValue::None => refuse(key, "it has no value"),
        // Another crate here would put its own code into every derived implementation.
        KeyValue::SdkSerde if text == "kavi_sdk::serde" || text == "::kavi_sdk::serde" => None,
        KeyValue::SdkSerde => refuse(key, "it is `kavi_sdk::serde` and nothing else"),
        KeyValue::NoneOrLifetimes => {
            let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '\'' | '_' | '+' | ' '));
            if plain { None } else { refuse(key, "its value is no list of lifetimes") }
        }
        KeyValue::Path | KeyValue::NoneOrPath => check_path(key, text, scope, names),
    }
}

/// The string is parsed as Rust: a path, with paths as generic arguments at most.
fn check_path(key: &str, text: &str, scope: TokenScope, names: &DeclaredNames) -> Option<RefusalReason> {
    // No brackets and no `!`: those would be a macro or a call within a type.
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '<' | '>' | ',' | ' '));
    let file = SourceTokens::lex("", text).ok().filter(|_| plain && !text.is_empty());
    let Some(mut file) = file else { return refuse(key, "its value is no plain path") };
    for token in &mut file.tokens {
        // The string belongs to the code that the attribute is on, tests or skill.
        token.scope = scope;
    }
    if file
        .tokens
        .iter()
        .any(|token| token.kind == TokenKind::Ident && token.text == "unsafe" || token.kind == TokenKind::Literal)
    {
        return refuse(key, "its value is no plain path");
    }
    // A type of `std::path` that comes in here would escape the check of its methods.
    if names_paths(&file) && !names.has_paths {
        return refuse(key, "it names `std::path`: import what you need of it");
    }
    let single = file.get(0).filter(|_| file.tokens.len() == 1);
    if scope == TokenScope::Skill && single.is_some_and(|token| names.test_modules.contains(&token.text)) {
        return refuse(key, "it names a test module");
    }
    let refusal = (0..file.tokens.len()).find_map(|at| paths::check_at(&file, at, names));
    refusal.map(|reason| Rule::Serde.because(format!("serde's `{key}`: {}", reason.message)))
}
