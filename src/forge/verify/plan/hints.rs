//! What the tests of a skill give it: texts, whole inputs, files. The conformance gate mixes them into its inputs, so
//! that these come near to what the skill is for. They decide nothing.

use std::collections::BTreeMap;

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use syn::Lit;

use super::tree::{Audience, Source, test_items, tokens_of};

/// Most texts and most inputs that are taken.
const MOST: usize = 64;
/// Longest text that is taken, in bytes.
const LONGEST: usize = 2_000;
/// Deepest input.
const DEEPEST: usize = 16;

/// What the tests of a skill give it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(in super::super) struct Hints {
    /// String literals.
    pub(in super::super) strings: Vec<String>,
    /// String literals of the skill itself that its tests do not name: a branch may hang on one.
    pub(in super::super) own: Vec<String>,
    /// `json!` objects that are all literal.
    pub(in super::super) objects: Vec<Value>,
    /// Files of `seed("path", "text")`.
    pub(in super::super) files: BTreeMap<String, String>,
}

/// Reads them out of the tests.
pub(super) fn collect(sources: &[Source]) -> Hints {
    let mut hints = Hints::default();
    for source in sources {
        for (_, item) in test_items(source) {
            walk(tokens_of(source, item), &mut hints);
        }
    }
    let skill = sources.iter().filter(|source| source.audience == Audience::Skill);
    skill.for_each(|source| own_texts(source.text.parse().unwrap_or_default(), &mut hints));
    hints
}

fn own_texts(tokens: TokenStream, hints: &mut Hints) {
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

fn walk(tokens: TokenStream, hints: &mut Hints) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Ident(word) if word == "json" => {
                if let Some(TokenTree::Group(group)) = tokens.get(at + 2)
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

/// The JSON value that the tokens of `json!` spell, when all of it is literal.
fn json(tokens: TokenStream, depth: usize) -> Option<Value> {
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

/// What lies between commas.
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
    use super::super::tree;
    use super::*;

    #[test]
    fn inputs_files_and_texts_of_tests_are_found() -> Result<(), String> {
        let source = "fn run() { json!({\"not\": \"this\"}); }\n#[cfg(test)] mod tests { #[test] fn a() {\
                      seed(\"a/b.md\", \"x\"); let _ = call(run, json!({ \"path\": \"a/b.md\", \"n\": [-1, 2.5, true, null], })); \
                      let y = json!({ \"z\": w }); } }";
        let sources = tree::load(&[(tree::ROOT.to_owned(), source.to_owned())].into())?;
        let hints = collect(&sources);
        assert_eq!(hints.objects, [serde_json::json!({ "path": "a/b.md", "n": [-1, 2.5, true, null] })]);
        assert_eq!(hints.files.get("a/b.md").map(String::as_str), Some("x"));
        assert_eq!(hints.strings, ["a/b.md", "x", "path", "n", "z"]);
        assert_eq!(hints.own, ["not", "this"]);
        Ok(())
    }
}
