//! Test facts: what each test of a skill mentions, by the names in its tokens.
//!
//! Deliberately never: resolves names as the compiler does. In doubt a test is assumed to mention the skill.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use serde::{Deserialize, Serialize};
use syn::Item;

use super::source_tree::{CodeScope, Source, is_for_tests, line_of, test_items, tokens_of};

/// What one test mentions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TestFacts {
    /// Its file.
    pub(crate) file: String,
    /// Its line.
    pub(crate) line: u32,
    /// Whether it names the exported function.
    pub(crate) mentions_entry: bool,
    /// Whether it names any item of the skill, or calls a helper that may.
    pub(crate) mentions_skill: bool,
    /// Whether it has an assertion of any kind, or calls a helper that may.
    pub(crate) asserts: bool,
}

/// Macros and methods that can make a test fail.
const ASSERTIONS: [&str; 10] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "panic",
    "unreachable",
    "todo",
    "unwrap",
    "expect",
    "unwrap_err",
    "expect_err",
];

/// The tests of a crate, by the name that the test harness gives them.
pub(super) fn facts(sources: &[Source], entry: Option<&str>) -> BTreeMap<String, TestFacts> {
    let items: BTreeSet<String> = sources
        .iter()
        .filter(|source| source.scope == CodeScope::SkillComponent)
        .flat_map(|source| names(&source.file.items))
        .collect();
    let tests: Vec<(&Source, Vec<String>, &Item)> = sources
        .iter()
        .flat_map(|source| test_items(source).into_iter().map(move |(module, item)| (source, module, item)))
        .collect();
    let is_test = |function: &syn::ItemFn| function.attrs.iter().any(|attr| attr.path().is_ident("test"));
    let helpers: BTreeSet<String> = tests
        .iter()
        .filter_map(|(_, _, item)| match item {
            Item::Fn(function) if !is_test(function) => Some(function.sig.ident.to_string()),
            _ => None,
        })
        .collect();
    let mut found = BTreeMap::new();
    for (source, module, item) in tests {
        let Item::Fn(function) = item else { continue };
        if !is_test(function) {
            continue;
        }
        let mut words = BTreeSet::new();
        collect(tokens_of(source, &function.block), &mut words);
        let helped = words.iter().any(|word| helpers.contains(word));
        let mut path = module;
        path.push(function.sig.ident.to_string());
        let facts = TestFacts {
            file: source.path.clone(),
            line: line_of(&function.sig.ident),
            mentions_entry: entry.is_some_and(|entry| words.contains(entry)),
            mentions_skill: helped || words.iter().any(|word| items.contains(word)),
            asserts: helped || ASSERTIONS.iter().any(|word| words.contains(*word)),
        };
        found.insert(path.join("::"), facts);
    }
    found
}

/// The names of the items of a skill, those in its modules and impls included.
fn names(items: &[Item]) -> Vec<String> {
    let mut found = Vec::new();
    for item in items {
        match item {
            Item::Fn(item) if !is_for_tests(&item.attrs) => found.push(item.sig.ident.to_string()),
            Item::Const(item) => found.push(item.ident.to_string()),
            Item::Static(item) => found.push(item.ident.to_string()),
            Item::Enum(item) => found.push(item.ident.to_string()),
            Item::Struct(item) => found.push(item.ident.to_string()),
            Item::Trait(item) => found.push(item.ident.to_string()),
            Item::Type(item) => found.push(item.ident.to_string()),
            Item::Mod(item) if !is_for_tests(&item.attrs) => {
                found.push(item.ident.to_string());
                found.extend(item.content.iter().flat_map(|(_, items)| names(items)));
            }
            _ => {}
        }
    }
    found
}

fn collect(tokens: TokenStream, words: &mut BTreeSet<String>) {
    for token in tokens {
        match token {
            TokenTree::Ident(word) => {
                words.insert(word.to_string());
            }
            TokenTree::Group(group) => collect(group.stream(), words),
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
    }
}

#[cfg(test)]
mod unit {
    use super::super::{source_tree, splice};
    use super::*;

    #[test]
    fn what_a_test_talks_about_is_seen() -> Result<(), String> {
        let source = "fn run() {}\nstruct Input;\n#[cfg(test)]\nmod tests {\nfn help() {}\n\
                      #[test] fn a() { assert!(matches!(call(run, x), Ok(_))); }\n#[test] fn b() { assert!(true); }\n\
                      #[test] fn c() { let _ = Input; }\n#[test] fn d() { help(); }\nmod inner { #[test] fn e() {} }\n}";
        let sources = source_tree::load(&[(splice::ROOT.to_owned(), source.to_owned())].into())?;
        let found = facts(&sources, Some("run"));
        let shown: Vec<String> = found
            .iter()
            .map(|(name, f)| format!("{name}:{} {}{}{}", f.line, f.mentions_entry, f.mentions_skill, f.asserts))
            .collect();
        assert_eq!(
            shown,
            [
                "tests::a:6 truetruetrue",
                "tests::b:7 falsefalsetrue",
                "tests::c:8 falsetruefalse",
                "tests::d:9 falsetruetrue",
                "tests::inner::e:10 falsefalsefalse",
            ]
        );
        Ok(())
    }
}
