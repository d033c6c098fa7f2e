//! What a piece of code touches: whether a person would see a change of it in the vault, in the
//! log, in an error or in the output.
//!
//! It looks at names, not at types, and in doubt gives the stronger answer.

use proc_macro2::{TokenStream, TokenTree};
use serde::{Deserialize, Serialize};
use syn::{Item, UseTree};

use super::source_tree::{CodeScope, Source};

/// What code touches, the weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub(crate) enum Touch {
    /// None of the below: the computation and formatting of values.
    #[default]
    Values,
    /// The log, an error, or the output.
    Outcome,
    /// It reads or writes through the host.
    Access,
}

/// Modules of the SDK whose functions read or write through the host.
const ACCESS_MODULES: [&str; 3] = ["vault", "http", "sign"];
/// A function of such a module that brings no content: it only tells whether a path can be read.
const ASKS_ONLY: &str = "exists";
/// A function that reads, in a module whose other functions only take a text apart.
const READS_A_NOTE: (&str, &str) = ("note", "read");
/// Names that stand for the log, an error or the output.
const OUTCOME: [&str; 4] = ["log", "SkillError", "Err", "Ok"];
/// What a glob import of such a module brings.
const ACCESS_FUNCTIONS: [&str; 10] =
    ["read", "read_bytes", "read_lossy", "write", "list", "walk", "get", "send", "hmac_sha256", "sign_ed25519"];

/// The names under which the skill calls functions of the access modules directly.
pub(super) fn imported_names(sources: &[Source]) -> Vec<String> {
    let mut names = Vec::new();
    for source in sources.iter().filter(|source| source.scope == CodeScope::SkillComponent) {
        collect(&source.file.items, &mut names);
    }
    names
}

fn collect(items: &[Item], names: &mut Vec<String>) {
    for item in items {
        match item {
            Item::Use(item) => leaves(&item.tree, false, names),
            Item::Mod(item) => {
                let items = item.content.as_ref().map(|(_, items)| items.as_slice()).unwrap_or_default();
                collect(items, names);
            }
            _ => {}
        }
    }
}

fn leaves(tree: &UseTree, inside: bool, names: &mut Vec<String>) {
    match tree {
        UseTree::Path(path) => {
            let inside = inside || ACCESS_MODULES.iter().any(|module| path.ident == module);
            leaves(&path.tree, inside, names);
        }
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, inside, names)),
        // A type begins with a capital letter, and naming it reads nothing. `self` is the module,
        // which is known by its name.
        UseTree::Name(name) if inside => {
            let name = name.ident.to_string();
            if name != "self" && name != ASKS_ONLY && name.starts_with(|letter: char| letter.is_ascii_lowercase()) {
                names.push(name);
            }
        }
        // A module under another name is named like a function here: both are followed by what is
        // called.
        UseTree::Rename(name) if inside || ACCESS_MODULES.iter().any(|module| name.ident == module) => {
            names.push(name.rename.to_string());
        }
        UseTree::Glob(_) if inside => names.extend(ACCESS_FUNCTIONS.map(str::to_owned)),
        UseTree::Name(_) | UseTree::Rename(_) | UseTree::Glob(_) => {}
    }
}

/// What the tokens touch. `imported` is the result of [`imported_names`].
pub(super) fn of(tokens: TokenStream, imported: &[String]) -> Touch {
    let mut touch = Touch::Values;
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => touch = touch.max(of(group.stream(), imported)),
            TokenTree::Ident(word) => {
                // A method of the same name belongs to a value of the skill.
                let method = matches!(at.checked_sub(1).and_then(|before| tokens.get(before)), Some(TokenTree::Punct(p)) if p.as_char() == '.');
                if method {
                    continue;
                }
                if ACCESS_MODULES.iter().any(|name| word == name) {
                    let called = tokens.get(at + 3);
                    touch = touch.max(match called {
                        Some(TokenTree::Ident(function)) if function == ASKS_ONLY => Touch::Outcome,
                        _ => Touch::Access,
                    });
                }
                let (module, function) = READS_A_NOTE;
                if word == module && matches!(tokens.get(at + 3), Some(TokenTree::Ident(called)) if called == function)
                {
                    return Touch::Access;
                }
                if imported.iter().any(|name| word == name.as_str()) {
                    return Touch::Access;
                }
                if OUTCOME.iter().any(|name| word == name) {
                    touch = touch.max(Touch::Outcome);
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => {}
        }
        if touch == Touch::Access {
            return touch;
        }
    }
    touch
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn names_tell_what_is_touched() -> Result<(), Box<dyn std::error::Error>> {
        let imported = ["read".to_owned()];
        for (code, expected) in [
            ("let a = b.trim().len() + 1;", Touch::Values),
            ("let a = file.read();", Touch::Values),
            ("log::info(x);", Touch::Outcome),
            ("return Err(SkillError::failed(x));", Touch::Outcome),
            ("Ok(Output { a })", Touch::Outcome),
            ("vault::exists(&path)?;", Touch::Outcome),
            ("if vault::exists(&path)? { vault::read(&path)? }", Touch::Access),
            ("text.push_str(&vault::read(&path)?);", Touch::Access),
            ("text.push_str(&kavi_sdk::vault::read(&path)?);", Touch::Access),
            ("text.push_str(&read(&path)?);", Touch::Access),
            ("text.push_str(&note::read(&path)?);", Touch::Access),
            ("let a = note::name(&path);", Touch::Values),
        ] {
            assert_eq!(of(code.parse()?, &imported), expected, "{code}");
        }
        Ok(())
    }
}
