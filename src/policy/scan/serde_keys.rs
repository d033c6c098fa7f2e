//! `#[serde(…)]`: a closed list of keys, and no code in their strings.
//!
//! Serde parses some strings as Rust, and what it makes of them goes into the program: a type with a macro in it reads
//! a file while the skill is built. Here such a string is a plain path with plain generic arguments, judged like any
//! other path. Strings that serde takes as names are free text.

use super::attributes::{Attribute, is_string};
use super::names::{Names, names_paths};
use super::paths;
use super::report::{Objection, Rule, quote};
use super::tokens::{Audience, File, Kind};

/// What a key of serde may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value {
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

const KEYS: &[(&str, Value)] = &[
    ("alias", Value::Text),
    ("borrow", Value::NoneOrLifetimes),
    ("content", Value::Text),
    ("crate", Value::SdkSerde),
    ("default", Value::NoneOrPath),
    ("deny_unknown_fields", Value::None),
    ("deserialize_with", Value::Path),
    ("expecting", Value::Text),
    ("field_identifier", Value::None),
    ("flatten", Value::None),
    ("from", Value::Path),
    ("into", Value::Path),
    ("other", Value::None),
    ("remote", Value::Path),
    ("rename", Value::TextOrPair),
    ("rename_all", Value::TextOrPair),
    ("rename_all_fields", Value::TextOrPair),
    ("serialize_with", Value::Path),
    ("skip", Value::None),
    ("skip_deserializing", Value::None),
    ("skip_serializing", Value::None),
    ("skip_serializing_if", Value::Path),
    ("tag", Value::Text),
    ("transparent", Value::None),
    ("try_from", Value::Path),
    ("untagged", Value::None),
    ("variant_identifier", Value::None),
    ("with", Value::Path),
];

/// Checks one `#[serde(…)]`.
pub(super) fn check(attribute: Attribute<'_>, names: &Names) -> Option<Objection> {
    let Some(list) = attribute.list() else { return refuse("serde", "it has a list of keys") };
    let file = attribute.file;
    let mut at = list.start;
    while at < list.end {
        let Some(token) = file.get(at).filter(|token| token.is_name()) else {
            return refuse("serde", "a key is no name");
        };
        let key = token.text.as_str();
        let Some((_, value)) = KEYS.iter().find(|(known, _)| *known == key) else {
            return refuse(key, "it is not on the list of serde's keys that a skill may use");
        };
        at += 1;
        if file.is_punct(at, '=') {
            let text = match string(file, at + 1) {
                Some(text) => text,
                None => return refuse(key, "its value is no plain string"),
            };
            if let Some(objection) = check_value(key, *value, &text, token.audience, names) {
                return Some(objection);
            }
            at += 2;
        } else if file.is_open(at, "(") {
            if *value != Value::TextOrPair || !is_pair(file, at) {
                return refuse(key, "it does not have these arguments");
            }
            at = file.pair_of(at) + 1;
        } else if !matches!(value, Value::None | Value::NoneOrPath | Value::NoneOrLifetimes) {
            return refuse(key, "it needs a value");
        }
        if at < list.end && !file.is_punct(at, ',') {
            return refuse(key, "something else than a `,` follows it");
        }
        at += 1;
    }
    None
}

fn refuse(key: &str, why: &str) -> Option<Objection> {
    Some((Rule::Serde, format!("serde's {}: {why}", quote(key))))
}

/// What the string literal at `at` stands for.
fn string(file: &File, at: usize) -> Option<String> {
    let token = file.get(at).filter(|token| token.kind == Kind::Literal && is_string(&token.text))?;
    syn::parse_str::<syn::LitStr>(&token.text).ok().map(|literal| literal.value())
}

/// `(serialize = "…", deserialize = "…")`.
fn is_pair(file: &File, open: usize) -> bool {
    (open + 1..file.pair_of(open)).all(|at| {
        let word = file.is_word(at, "serialize") || file.is_word(at, "deserialize");
        word || file.is_punct(at, '=') || file.is_punct(at, ',') || string(file, at).is_some()
    })
}

fn check_value(key: &str, value: Value, text: &str, audience: Audience, names: &Names) -> Option<Objection> {
    match value {
        Value::Text | Value::TextOrPair => None,
        Value::None => refuse(key, "it has no value"),
        Value::SdkSerde if text == "kavi_sdk::serde" || text == "::kavi_sdk::serde" => None,
        Value::SdkSerde => refuse(key, "it is `kavi_sdk::serde` and nothing else"),
        Value::NoneOrLifetimes => {
            let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '\'' | '_' | '+' | ' '));
            if plain { None } else { refuse(key, "its value is no list of lifetimes") }
        }
        Value::Path | Value::NoneOrPath => check_path(key, text, audience, names),
    }
}

/// The string is parsed as Rust: a path, with paths as generic arguments at most.
fn check_path(key: &str, text: &str, audience: Audience, names: &Names) -> Option<Objection> {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | ':' | '<' | '>' | ',' | ' '));
    let file = File::lex("", text).ok().filter(|_| plain && !text.is_empty());
    let Some(mut file) = file else { return refuse(key, "its value is no plain path") };
    for token in &mut file.tokens {
        token.audience = audience;
    }
    if file
        .tokens
        .iter()
        .any(|token| token.kind == Kind::Ident && token.text == "unsafe" || token.kind == Kind::Literal)
    {
        return refuse(key, "its value is no plain path");
    }
    // A type of `std::path` that comes in here would escape the check of its methods.
    if names_paths(&file) && !names.has_paths {
        return refuse(key, "it names `std::path`: import what you need of it");
    }
    let single = file.get(0).filter(|_| file.tokens.len() == 1);
    if audience == Audience::Skill && single.is_some_and(|token| names.test_modules.contains(&token.text)) {
        return refuse(key, "it names a test module");
    }
    let objection = (0..file.tokens.len()).find_map(|at| paths::check_at(&file, at, names));
    objection.map(|(_, message)| (Rule::Serde, format!("serde's `{key}`: {message}")))
}
