//! Input hints: texts, whole inputs and files that the tests of a skill use.
//!
//! The conformance gate mixes them into its inputs, so that some of them come near to the purpose of the skill.
//! Deliberately never: decides whether a gate passes.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use syn::Lit;

use super::literals::{self, SkillLiterals};
use super::source_tree::{CodeScope, Source, test_items, tokens_of};

/// Most texts, and most inputs, that are kept.
const MOST: usize = 64;
/// Longest text that is kept, in bytes.
const LONGEST: usize = 2_000;
/// Deepest nesting of an input.
const DEEPEST: usize = 16;

/// What the tests of a skill use as inputs.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct InputHints {
    /// String literals.
    pub(crate) strings: Vec<String>,
    /// String literals of the skill itself that its tests do not use. A branch may depend on one.
    pub(crate) own: Vec<String>,
    /// The texts and numbers of the skill itself, whether its tests use them or not.
    pub(crate) literals: SkillLiterals,
    /// `json!` objects that consist of literals only.
    pub(crate) objects: Vec<Value>,
    /// Files of `seed("path", "text")`.
    pub(crate) files: BTreeMap<String, String>,
}

/// Collects the hints from the sources.
pub(super) fn collect(sources: &[Source]) -> InputHints {
    let mut hints = InputHints::default();
    for source in sources {
        for (_, item) in test_items(source) {
            walk(tokens_of(source, item), &mut hints);
        }
    }
    let skill = sources.iter().filter(|source| source.scope == CodeScope::SkillComponent);
    skill.for_each(|source| own_texts(source.text.parse().unwrap_or_default(), &mut hints));
    hints.literals = literals::collect(sources);
    hints
}

fn own_texts(tokens: TokenStream, hints: &mut InputHints) {
    for token in tokens {
        if let Some(text) = string(&token)
            && hints.own.len() < MOST
            && !hints.strings.contains(&text)
            && !hints.own.contains(&text)
        {
            hints.own.push(text);
        }
        if let TokenTree::Group(group) = token {
            own_texts(group.stream(), hints);
        }
    }
}

fn walk(tokens: TokenStream, hints: &mut InputHints) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(word) if word == "json" => {
                if let Some(TokenTree::Group(group)) = tokens.get(at + 2)
                    // With a variable in it nobody knows its value, so only objects of literals are
                    // inputs.
                    && let Some(object @ Value::Object(_)) = json(group.stream(), DEEPEST)
                    && hints.objects.len() < MOST
                    && !hints.objects.contains(&object)
                {
                    hints.objects.push(object);
                }
            }
            TokenTree::Ident(word) if word == "seed" => {
                if let Some(TokenTree::Group(group)) = tokens.get(at + 1)
                    && let [path, TokenTree::Punct(_), text, ..] = &*group.stream().into_iter().collect::<Vec<_>>()
                    && let (Some(path), Some(text)) = (string(path), string(text))
                    && hints.files.len() < MOST
                {
                    hints.files.insert(path, text);
                }
            }
            TokenTree::Literal(_) => {
                if let Some(text) = string(token)
                    && hints.strings.len() < MOST
                    && !hints.strings.contains(&text)
                {
                    hints.strings.push(text);
                }
            }
            _ => {}
        }
        if let TokenTree::Group(group) = token {
            walk(group.stream(), hints);
        }
    }
}

fn string(token: &TokenTree) -> Option<String> {
    match token {
        TokenTree::Literal(literal) => match Lit::new(literal.clone()) {
            Lit::Str(text) => Some(text.value()).filter(|text| text.len() <= LONGEST),
            _ => None,
        },
        _ => None,
    }
}

/// The JSON value of the tokens of a `json!`, when all of it is literal.
fn json(tokens: TokenStream, depth: usize) -> Option<Value> {
    // The source is a stranger's, and a deep value would exhaust the stack.
    let depth = depth.checked_sub(1)?;
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    match tokens.as_slice() {
        [TokenTree::Group(group)] if group.delimiter() == Delimiter::Brace => {
            let mut map = Map::new();
            for member in split(group.stream()) {
                let [key, TokenTree::Punct(_), value @ ..] = member.as_slice() else { return None };
                map.insert(string(key)?, json(value.iter().cloned().collect(), depth)?);
            }
            Some(Value::Object(map))
        }
        [TokenTree::Group(group)] if group.delimiter() == Delimiter::Bracket => {
            let items = split(group.stream()).into_iter().map(|item| json(item.into_iter().collect(), depth));
            items.collect::<Option<_>>().map(Value::Array)
        }
        [TokenTree::Ident(word)] => serde_json::from_str(&word.to_string()).ok(),
        [literal @ TokenTree::Literal(text)] => {
            string(literal).map(Value::String).or_else(|| serde_json::from_str(&text.to_string()).ok())
        }
        [TokenTree::Punct(minus), TokenTree::Literal(text)] if minus.as_char() == '-' => {
            serde_json::from_str(&format!("-{text}")).ok()
        }
        _ => None,
    }
}

/// The parts between commas.
fn split(tokens: TokenStream) -> Vec<Vec<TokenTree>> {
    let mut parts = vec![Vec::new()];
    for token in tokens {
        match &token {
            TokenTree::Punct(punct) if punct.as_char() == ',' => parts.push(Vec::new()),
            _ => parts.last_mut().map_or((), |part| part.push(token)),
        }
    }
    parts.retain(|part| !part.is_empty());
    parts
}

#[cfg(test)]
mod unit {
    use super::super::{source_tree, splice};
    use super::*;

    #[test]
    fn inputs_files_and_texts_of_tests_are_found() -> Result<(), String> {
        let source = "fn run() { if x > 3_000 { json!({\"not\": \"this\"}); } }\n#[cfg(test)] mod tests { #[test] fn a() {\
                      seed(\"a/b.md\", \"x\"); let _ = call(run, json!({ \"path\": \"a/b.md\", \"n\": [-1, 2.5, true, null], })); \
                      let y = json!({ \"z\": w }); } }";
        let sources = source_tree::load(&[(splice::ROOT.to_owned(), source.to_owned())].into())?;
        let hints = collect(&sources);
        assert_eq!(hints.objects, [serde_json::json!({ "path": "a/b.md", "n": [-1, 2.5, true, null] })]);
        assert_eq!(hints.files.get("a/b.md").map(String::as_str), Some("x"));
        assert_eq!(hints.strings, ["a/b.md", "x", "path", "n", "z"]);
        assert_eq!(hints.own, ["not", "this"]);
        assert_eq!(hints.literals.numbers, [3_000]);
        Ok(())
    }
}
