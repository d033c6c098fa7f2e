//! The walk over a skill that makes each of its calls through the host fail, one at a time.
//!
//! A read that can fail without any difference is one that no test asks for. It may be in an argument, in a log line, or in
//! the text of an error.
//!
//! Guarantees: every call by its name is found, also where other mutants are not made. Deliberately never: looks at types, so
//! the compiler may reject a mutant, which is then left out.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::{Expr, spanned::Spanned as _, visit::Visit};

use super::code_walk::CodeWalk;
use super::mutant::MutantList;
use super::sabotage::values;
use super::source_tree::{Function, Source, line_of, text_of, tokens_of};

/// Functions of the SDK that read or write through the host, and give a `Result<_, SkillError>`.
const FUNCTIONS: [&str; 8] = ["read", "read_bytes", "read_lossy", "write", "remove", "list", "walk", "settings"];
/// Modules that they belong to.
const MODULES: [&str; 2] = ["vault", "note"];
/// Functions of `sign`.
const SIGN_FUNCTIONS: [&str; 2] = ["hmac_sha256", "sign_ed25519"];
const FAILED: &str = "::core::result::Result::Err(::kavi_sdk::SkillError::failed(\"kavi\"))";
/// A request that no host gets: its failure has the type of any other.
const NOT_SENT: &str = "::kavi_sdk::http::get(\"kavi\").send()";
/// A signature that nobody gives: no secret has this name, and the failure has the type of any other.
const NOT_SIGNED: &str = "::kavi_sdk::sign::hmac_sha256(\"kavi\", \"\")";

/// Functions of the skill that reach the host, by name: what each returns when it fails.
pub(super) type Wrappers = BTreeMap<String, &'static str>;

/// The functions of a skill that call one of the SDK, or another one that does, and can return something else. The exported one
/// is none of them.
pub(super) fn wrappers(
    sources: &[Source],
    functions: &[Function<'_>],
    entries: &[usize],
    names: &[String],
) -> Wrappers {
    let mut found = Wrappers::new();
    loop {
        let before = found.len();
        for (index, function) in functions.iter().enumerate() {
            let name = function.sig.ident.to_string();
            let Some(failed) = values(&function.sig.output).filter(|_| !entries.contains(&index)) else { continue };
            let tokens = tokens_of(&sources[function.source], function.block);
            if reaches(tokens.clone(), names) || calls(tokens, &found) {
                found.insert(name, failed.empty);
            }
        }
        if found.len() == before {
            break;
        }
    }
    // A name with two meanings cannot be told apart.
    found.retain(|name, _| functions.iter().filter(|function| function.sig.ident == name).count() == 1);
    found
}

/// Whether tokens name a function of the SDK that reads or writes through the host. `names` are those that are imported.
fn reaches(tokens: TokenStream, names: &[String]) -> bool {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let word = |at: Option<usize>| match at.and_then(|at| tokens.get(at)) {
        Some(TokenTree::Ident(word)) => word.to_string(),
        _ => String::new(),
    };
    let is = |at: Option<usize>, c: char| matches!(at.and_then(|at| tokens.get(at)), Some(TokenTree::Punct(punct)) if punct.as_char() == c);
    tokens.iter().enumerate().any(|(at, token)| match token {
        TokenTree::Group(group) => reaches(group.stream(), names),
        // A method of the same name belongs to a value of the skill, but for the one that sends a request.
        TokenTree::Ident(name) if is(at.checked_sub(1), '.') => name == "send",
        TokenTree::Ident(name) if is(at.checked_sub(1), ':') && is(at.checked_sub(2), ':') => {
            let (name, module) = (name.to_string(), word(at.checked_sub(3)));
            is_function(&module, &name, names)
        }
        TokenTree::Ident(name) => names.contains(&name.to_string()) && !is(Some(at + 1), ':'),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// What a call of this path gives when it fails.
fn failed(path: &syn::Path) -> &'static str {
    match path.segments.last() {
        Some(last) if SIGN_FUNCTIONS.iter().any(|name| last.ident == name) => NOT_SIGNED,
        _ => FAILED,
    }
}

/// Whether the function of this module reads, writes or signs through the host.
fn is_function(module: &String, name: &str, names: &[String]) -> bool {
    if SIGN_FUNCTIONS.contains(&name) {
        return module == "sign" || names.contains(module);
    }
    FUNCTIONS.contains(&name)
        && (module != "note" || name == "read")
        && (MODULES.contains(&module.as_str()) || names.contains(module))
}

fn calls(tokens: TokenStream, names: &Wrappers) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => calls(group.stream(), names),
        TokenTree::Ident(word) => names.contains_key(&word.to_string()),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

/// The walk over one file.
pub(super) struct AccessWalk<'a, 'b> {
    pub(super) source: &'a Source,
    pub(super) found: &'b mut MutantList,
    pub(super) wrappers: &'a Wrappers,
    /// The local macros that reach the host.
    pub(super) macros: &'a BTreeSet<String>,
}

/// The local macros of a skill that reach the host.
pub(super) fn macros(sources: &[Source], names: &[String]) -> BTreeSet<String> {
    struct Rules<'a> {
        names: &'a [String],
        found: BTreeSet<String>,
    }
    impl<'a> Visit<'a> for Rules<'_> {
        fn visit_item_macro(&mut self, node: &'a syn::ItemMacro) {
            if let Some(name) = &node.ident
                && reaches(node.mac.tokens.clone(), self.names)
            {
                self.found.insert(name.to_string());
            }
        }
    }
    let mut rules = Rules { names, found: BTreeSet::new() };
    sources.iter().for_each(|source| rules.visit_file(&source.file));
    rules.found
}

impl AccessWalk<'_, '_> {
    fn fails(&mut self, expr: &Expr, instead: &str) {
        let words: Vec<&str> = text_of(self.source, expr).split_whitespace().collect();
        let what = format!("`{}` fails", crate::model::text::line(&words.join(" "), 80));
        let open = format!("(if crate::__kavi::on({}) {{ {instead} }} else {{ ", self.found.next());
        let insertions = self.source.around(expr.span(), open, " })".to_owned());
        self.found.add_failing(self.source, line_of(expr), what, insertions.to_vec());
    }

    /// Whether a path is one of a function that reads or writes through the host.
    fn is_access(&self, path: &syn::Path) -> bool {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        match names.as_slice() {
            [name] => self.found.access_names.contains(name),
            [.., module, function] => is_function(module, function, &self.found.access_names),
            [] => false,
        }
    }
}

impl CodeWalk for AccessWalk<'_, '_> {
    /// A closure in a constant runs later, and may reach the host then.
    fn visit_constant(&mut self, value: &Expr) {
        self.visit_expr(value);
    }

    fn visit_expr(&mut self, node: &Expr) {
        match node {
            Expr::Call(call) => {
                if let Expr::Path(path) = &*call.func {
                    let wrapper = path.path.segments.last().and_then(|last| self.wrappers.get(&last.ident.to_string()));
                    if self.is_access(&path.path) {
                        self.fails(node, failed(&path.path));
                    } else if let Some(failed) = wrapper {
                        self.fails(node, failed);
                    }
                    return call.args.iter().for_each(|argument| self.visit_expr(argument));
                }
            }
            Expr::MethodCall(call) => {
                let wrapper = self.wrappers.get(&call.method.to_string());
                // A method of this name may belong to anything. In a file without `http` it is no
                // request.
                if call.method == "send" && call.args.is_empty() && self.source.text.contains("http") {
                    self.fails(node, NOT_SENT);
                } else if let Some(failed) = wrapper {
                    self.fails(node, failed);
                }
            }
            // Handed on as a value, and called by another function.
            Expr::Path(path) if path.path.segments.len() > 1 && self.is_access(&path.path) => {
                let failed = failed(&path.path);
                let takes_two =
                    failed == NOT_SIGNED || path.path.segments.last().is_some_and(|last| last.ident == "write");
                let arguments = if takes_two { "a, b" } else { "a" };
                let words = text_of(self.source, node).to_owned();
                let open =
                    format!("(|{arguments}| if crate::__kavi::on({}) {{ {failed} }} else {{ ", self.found.next());
                let insertions = self.source.around(node.span(), open, format!("({arguments}) }})"));
                self.found.add_failing(self.source, line_of(node), format!("`{words}` fails"), insertions.to_vec());
            }
            Expr::Macro(call)
                if call.mac.path.get_ident().is_some_and(|name| self.macros.contains(&name.to_string())) =>
            {
                self.fails(node, FAILED);
            }
            _ => {}
        }
        self.below_expr(node);
    }
}
