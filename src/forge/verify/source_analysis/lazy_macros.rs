//! The local macros of a skill that decide by themselves whether an argument is evaluated.
//!
//! The branches in their rules are counted once for all calls. So an argument is a branch of its own: one call could take
//! both ways, and another one hide an argument that is never used.
//!
//! Deliberately never: expands a macro.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};
use syn::{Expr, Item, visit::Visit};

use super::source_tree::{CodeScope, Source};

/// Their names, and whether their rules call another macro.
#[derive(Debug, Default)]
pub(super) struct LazyMacros(BTreeMap<String, bool>);

impl LazyMacros {
    /// Collects those of a skill.
    pub(super) fn collect(sources: &[Source]) -> Self {
        struct Rules<'b>(&'b mut LazyMacros);
        impl<'a> Visit<'a> for Rules<'_> {
            fn visit_item(&mut self, node: &'a Item) {
                if let Item::Macro(item) = node
                    && let Some(name) = &item.ident
                {
                    let found = Found::of(item.mac.tokens.clone());
                    if found.decides {
                        self.0.0.insert(name.to_string(), found.calls);
                    }
                }
                syn::visit::visit_item(self, node);
            }
        }
        let mut all = Self::default();
        for source in sources.iter().filter(|source| source.scope == CodeScope::SkillComponent) {
            Rules(&mut all).visit_file(&source.file);
        }
        all
    }

    /// Whether the macro of this name may leave out this argument, and the argument can be counted. What may stand for a place
    /// cannot, and neither can a text that another macro may take for a format.
    pub(super) fn may_leave_out(&self, name: &str, argument: &Expr) -> bool {
        let Some(calls) = self.0.get(name) else { return false };
        match argument {
            Expr::Call(_) | Expr::MethodCall(_) | Expr::Try(_) | Expr::Macro(_) | Expr::Block(_) | Expr::Struct(_) => {
                true
            }
            // A macro that is called within could be `format!`, which takes nothing but a literal
            // there.
            Expr::Lit(_) => !calls,
            Expr::Path(path) => {
                !calls && path.path.segments.last().is_some_and(|last| is_constant(&last.ident.to_string()))
            }
            _ => false,
        }
    }
}

fn is_constant(name: &str) -> bool {
    name.len() > 1 && !name.contains(|c: char| c.is_ascii_lowercase())
}

#[derive(Debug, Default, Clone, Copy)]
struct Found {
    decides: bool,
    calls: bool,
}

impl Found {
    fn of(tokens: TokenStream) -> Self {
        let mut found = Self::default();
        let mut before = ' ';
        for token in tokens {
            let mut this = ' ';
            match token {
                TokenTree::Group(group) => {
                    let inner = Self::of(group.stream());
                    found = Self { decides: found.decides || inner.decides, calls: found.calls || inner.calls };
                }
                TokenTree::Ident(word) => {
                    found.decides |= ["if", "match", "while", "for"].iter().any(|decides| word == decides);
                }
                TokenTree::Punct(punct) => {
                    this = punct.as_char();
                    // Also a single `|`: it begins a closure, which may never be called.
                    found.decides |= this == '|' || this == '&' && before == '&';
                    found.calls |= this == '!';
                }
                TokenTree::Literal(_) => {}
            }
            before = this;
        }
        found
    }
}
