//! The names through which a piece of a skill reaches the vault, the network, a key or the clock.
//!
//! It starts from the modules of the SDK and adds every function, closure and macro of the skill that names one of those, until
//! nothing is added. It looks at names, not at types.
//!
//! Guarantees: in doubt a name counts. Deliberately never: decides whether a skill may do that.

use std::collections::BTreeSet;

use proc_macro2::{TokenStream, TokenTree};
use syn::{Expr, ImplItemFn, Item, ItemFn, ItemImpl, Pat, TraitItemFn, UseTree, visit::Visit};

use super::source_tree::{CodeScope, Source, is_for_tests, text_of};

/// Modules of the SDK whose functions reach something outside of the skill.
const MODULES: [&str; 6] = ["vault", "http", "sign", "hmac", "outbox", "clock"];
/// Functions that a glob import of such a module brings.
const FUNCTIONS: [&str; 13] = [
    "read",
    "read_bytes",
    "read_lossy",
    "write",
    "remove",
    "list",
    "walk",
    "settings",
    "exists",
    "now",
    "send",
    "hmac_sha256",
    "sign_ed25519",
];
/// Single functions of other modules that do so: the module, and the function. The rest of the module works on a text.
const SINGLE_FUNCTIONS: [(&str, &str); 1] = [("note", "read")];

/// The names.
#[derive(Debug, Default)]
pub(super) struct EffectNames {
    modules: BTreeSet<String>,
    /// Functions, closures in variables, macros.
    free: BTreeSet<String>,
    methods: BTreeSet<String>,
    /// Modules of which one function counts, and that function.
    single: BTreeSet<(String, String)>,
    /// Whether code that no name leads to reaches something: an operator, or how a value is shown.
    everywhere: bool,
}

impl EffectNames {
    /// Collects the names of a skill.
    pub(super) fn collect(sources: &[Source]) -> Self {
        let mut names = Self {
            modules: MODULES.iter().map(|name| (*name).to_owned()).collect(),
            single: SINGLE_FUNCTIONS.iter().map(|(module, function)| ((*module).into(), (*function).into())).collect(),
            ..Self::default()
        };
        let mut bodies = Bodies::default();
        for source in sources.iter().filter(|source| source.scope == CodeScope::SkillComponent) {
            BodyWalk { source, bodies: &mut bodies }.visit_file(&source.file);
        }
        // A method of the skill's own trait is called by its name. One of a foreign trait can be
        // called by an operator or by `format!`, and no name shows that.
        let own = std::mem::take(&mut bodies.traits);
        loop {
            // Again until nothing is added: a function that calls one of these is one of them.
            // Names only come in, so this ends.
            let before = names.counts();
            bodies.imports.iter().for_each(|import| names.import(import));
            for body in &bodies.bodies {
                if !names.are_in(&body.text) {
                    continue;
                }
                let set = if body.is_method { &mut names.methods } else { &mut names.free };
                set.insert(body.name.clone());
                names.everywhere |= body.of_trait.as_ref().is_some_and(|of| !own.contains(of));
            }
            if before == names.counts() {
                return names;
            }
        }
    }

    /// How many names there are of each kind.
    fn counts(&self) -> [usize; 5] {
        let Self { modules, free, methods, single, everywhere } = self;
        [modules.len(), free.len(), methods.len(), single.len(), usize::from(*everywhere)]
    }

    fn import(&mut self, import: &Import) {
        let Some((last, before)) = import.path.split_last() else { return };
        let of_single = |names: &Self, function: &str| {
            before.last().is_some_and(|module| names.single.contains(&(module.clone(), function.to_owned())))
        };
        for (_, function) in SINGLE_FUNCTIONS {
            if of_single(self, function) && (last == function || last == "*") {
                self.free.insert(if last == "*" { function.to_owned() } else { import.name.clone() });
            }
            if self.single.contains(&(last.clone(), function.to_owned())) {
                self.single.insert((import.name.clone(), function.to_owned()));
            }
        }
        // By the last segment alone. Modules are not resolved, so another module of that name
        // counts as well, which is the safe mistake.
        let of_module = before.last().is_some_and(|module| self.modules.contains(module));
        if last == "*" {
            if of_module {
                self.free.extend(FUNCTIONS.iter().map(|name| (*name).to_owned()));
            }
        } else if (of_module && !is_type(last)) || self.free.contains(last) {
            self.free.insert(import.name.clone());
        } else if self.modules.contains(last) {
            self.modules.insert(import.name.clone());
        }
    }

    /// Whether a piece of source names one of them.
    pub(super) fn are_in(&self, text: &str) -> bool {
        // A piece that cannot be read may name anything.
        self.everywhere || text.parse().map_or(true, |tokens| self.in_tokens(tokens))
    }

    fn in_tokens(&self, tokens: TokenStream) -> bool {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let punct = |at: Option<usize>, c: char| matches!(at.and_then(|at| tokens.get(at)), Some(TokenTree::Punct(punct)) if punct.as_char() == c);
        tokens.iter().enumerate().any(|(at, token)| match token {
            TokenTree::Group(group) => self.in_tokens(group.stream()),
            TokenTree::Ident(word) => {
                let word = word.to_string();
                // `r#read` is the same name as `read`.
                let word = word.trim_start_matches("r#");
                if punct(at.checked_sub(1), '.') {
                    return self.methods.contains(word);
                }
                if punct(Some(at + 1), ':') && punct(Some(at + 2), ':') {
                    let next = tokens.get(at + 3).map(ToString::to_string).unwrap_or_default();
                    if (self.modules.contains(word) && !is_type(&next))
                        || self.single.contains(&(word.to_owned(), next))
                    {
                        return true;
                    }
                }
                let qualified = punct(at.checked_sub(1), ':') && punct(at.checked_sub(2), ':');
                let owner = at.checked_sub(3).filter(|_| qualified).and_then(|at| tokens.get(at));
                match owner {
                    Some(TokenTree::Ident(owner)) if is_type(&owner.to_string()) => self.methods.contains(word),
                    _ => self.free.contains(word),
                }
            }
            TokenTree::Punct(_) | TokenTree::Literal(_) => false,
        })
    }
}

/// Whether a name is one of a type. The types of the SDK's modules only hold what was read.
fn is_type(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_uppercase())
}

/// One name that an import brings.
struct Import {
    path: Vec<String>,
    name: String,
}

/// A piece of the skill with a name.
struct Body {
    name: String,
    text: String,
    is_method: bool,
    /// The trait that it implements a method of.
    of_trait: Option<String>,
}

#[derive(Default)]
struct Bodies {
    bodies: Vec<Body>,
    imports: Vec<Import>,
    /// The traits that the skill declares.
    traits: BTreeSet<String>,
}

struct BodyWalk<'a, 'b> {
    source: &'a Source,
    bodies: &'b mut Bodies,
}

impl BodyWalk<'_, '_> {
    fn add(&mut self, name: String, node: &impl syn::spanned::Spanned, is_method: bool) {
        let text = text_of(self.source, node).to_owned();
        self.bodies.bodies.push(Body { name, text, is_method, of_trait: None });
    }
}

impl<'a> Visit<'a> for BodyWalk<'_, '_> {
    fn visit_item(&mut self, node: &'a Item) {
        match node {
            Item::Mod(item) if is_for_tests(&item.attrs) => return,
            Item::Use(item) => uses(&item.tree, &mut Vec::new(), &mut self.bodies.imports),
            Item::Macro(item) => {
                if let Some(name) = &item.ident {
                    self.add(name.to_string(), item, false);
                }
            }
            Item::Trait(item) => {
                self.bodies.traits.insert(item.ident.to_string());
            }
            _ => {}
        }
        syn::visit::visit_item(self, node);
    }

    fn visit_item_fn(&mut self, node: &'a ItemFn) {
        if !is_for_tests(&node.attrs) {
            self.add(node.sig.ident.to_string(), &node.block, false);
            syn::visit::visit_item_fn(self, node);
        }
    }

    fn visit_item_impl(&mut self, node: &'a ItemImpl) {
        if is_for_tests(&node.attrs) {
            return;
        }
        let of_trait = node.trait_.as_ref().and_then(|it| it.0.segments.last()).map(|last| last.ident.to_string());
        let first = self.bodies.bodies.len();
        syn::visit::visit_item_impl(self, node);
        for body in self.bodies.bodies.iter_mut().skip(first).filter(|body| body.is_method) {
            // After its methods were collected: only here is it known whether they implement a
            // trait.
            body.of_trait.clone_from(&of_trait);
        }
    }

    fn visit_impl_item_fn(&mut self, node: &'a ImplItemFn) {
        self.add(node.sig.ident.to_string(), &node.block, true);
        syn::visit::visit_impl_item_fn(self, node);
    }

    fn visit_trait_item_fn(&mut self, node: &'a TraitItemFn) {
        if let Some(block) = &node.default {
            self.add(node.sig.ident.to_string(), block, true);
        }
        syn::visit::visit_trait_item_fn(self, node);
    }

    fn visit_local(&mut self, node: &'a syn::Local) {
        if let Some(init) = &node.init
            && let Pat::Ident(name) = &node.pat
            && let Expr::Closure(closure) = &*init.expr
        {
            self.add(name.ident.to_string(), closure, false);
        }
        syn::visit::visit_local(self, node);
    }
}

fn uses(tree: &UseTree, path: &mut Vec<String>, found: &mut Vec<Import>) {
    let with = |path: &[String], last: String| [path, &[last]].concat();
    match tree {
        UseTree::Path(node) => {
            path.push(node.ident.to_string());
            uses(&node.tree, path, found);
            path.pop();
        }
        UseTree::Name(node) if node.ident == "self" => {
            let name = path.last().cloned().unwrap_or_default();
            found.push(Import { path: path.clone(), name });
        }
        UseTree::Name(node) => {
            found.push(Import { path: with(path, node.ident.to_string()), name: node.ident.to_string() });
        }
        UseTree::Rename(node) if node.ident == "self" => {
            found.push(Import { path: path.clone(), name: node.rename.to_string() });
        }
        UseTree::Rename(node) => {
            found.push(Import { path: with(path, node.ident.to_string()), name: node.rename.to_string() });
        }
        UseTree::Glob(_) => found.push(Import { path: with(path, "*".to_owned()), name: "*".to_owned() }),
        UseTree::Group(node) => node.items.iter().for_each(|tree| uses(tree, path, found)),
    }
}
