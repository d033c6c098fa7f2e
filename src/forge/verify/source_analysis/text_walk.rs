//! The walk over a skill that changes each of its texts, one at a time, also those of constants. It also leaves out each header
//! and body of its requests.
//!
//! A text that can change without any difference in any run is one that no run used. The path of a note that only a rare
//! input leads to is such a text, however it is chosen. A header that can be left out tells a host what no check asks for.
//!
//! Guarantees: a changed constant has the type of the constant. Deliberately never: changes the words of an error or of the log,
//! the texts of a pattern, or those within a format.

use std::collections::BTreeMap;

use proc_macro2::{Group, Literal, TokenStream, TokenTree};
use syn::{Block, Expr, Item, Lit, Signature, spanned::Spanned as _};

use super::code_walk::CodeWalk;
use super::macro_arguments;
use super::mutant::{ChangeKind, Mutant};
use super::observable::{error_value, is_unobservable};
use super::source_tree::{CodeScope, Source, is_for_tests, line_of, text_of, tokens_of};
use super::splice::{Anchor, Insertion};
use super::switch::FIRST_TEXT;
use super::touch::Touch;

/// Most texts that are changed.
const MOST: usize = 64;
/// Most texts of one constant.
const MOST_OF_CONSTANT: usize = 16;
const CHANGED: &str = "\"kavi\"";
/// Methods of a request that put something into it, and how many arguments they have. Methods of a response have fewer.
const OF_REQUEST: [(&str, usize); 3] = [("header", 2), ("body", 1), ("json", 1)];

/// Every text of a skill, each as a change.
pub(super) fn all(sources: &[Source]) -> Vec<Mutant> {
    let mut found = TextList::default();
    let of_skill = || sources.iter().filter(|source| source.scope == CodeScope::SkillComponent);
    for source in of_skill() {
        constants(source, &source.file.items, &mut found);
    }
    for source in of_skill() {
        TextWalk { source, found: &mut found }.visit_file(&source.file);
    }
    // A constant that no expression names could not be changed.
    found.texts.retain(|text| !text.insertions.is_empty());
    found.texts.truncate(MOST);
    found.texts
}

#[derive(Default)]
struct TextList {
    texts: Vec<Mutant>,
    /// By the name of a constant: which of the texts are its own, and what takes its place. `None` when the name has two meanings.
    constants: BTreeMap<String, Option<Vec<(usize, String)>>>,
}

impl TextList {
    fn next(&self) -> u32 {
        FIRST_TEXT.saturating_add(u32::try_from(self.texts.len()).unwrap_or(u32::MAX))
    }

    fn add(&mut self, source: &Source, line: u32, text: &str) -> usize {
        self.push(source, line, text, ChangeKind::Alters, Vec::new());
        self.texts.len() - 1
    }

    fn push(&mut self, source: &Source, line: u32, text: &str, change: ChangeKind, insertions: Vec<Insertion>) {
        let (number, file, touch) = (self.next(), source.path.clone(), Touch::Values);
        let what = format!("`{}`", crate::model::text::line(text, 100));
        self.texts.push(Mutant { number, file, line, what, touch, change, insertions });
    }
}

/// Notes the constants that contain texts.
fn constants(source: &Source, items: &[Item], found: &mut TextList) {
    for item in items {
        match item {
            Item::Const(item) if !is_for_tests(&item.attrs) => {
                let (tokens, of) = (tokens_of(source, &item.expr), tokens_of(source, &item.ty));
                let mut changed = Vec::new();
                for text in texts_of(tokens.clone()).into_iter().take(MOST_OF_CONSTANT) {
                    let mut left = text.number;
                    let with = replace(tokens.clone(), &mut left);
                    let at = found.add(source, line_of(&item.expr) + text.line - 1, &text.text);
                    changed.push((at, format!("{{ const KAVI: {of} = {with}; KAVI }}")));
                }
                let name = item.ident.to_string();
                found.constants.entry(name).and_modify(|known| *known = None).or_insert(Some(changed));
            }
            Item::Mod(item) if !is_for_tests(&item.attrs) => {
                let items = item.content.as_ref().map(|(_, items)| items.as_slice()).unwrap_or_default();
                constants(source, items, found);
            }
            _ => {}
        }
    }
}

/// A text within tokens.
struct FoundText {
    /// How many texts come before it.
    number: usize,
    /// Its line, from that of the first token.
    line: u32,
    text: String,
}

fn texts_of(tokens: TokenStream) -> Vec<FoundText> {
    fn walk(tokens: TokenStream, found: &mut Vec<FoundText>) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => walk(group.stream(), found),
                TokenTree::Literal(literal) => {
                    if is_text(&literal) {
                        let line = u32::try_from(literal.span().start().line).unwrap_or(1);
                        found.push(FoundText { number: found.len(), line, text: literal.to_string() });
                    }
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }
    let mut found = Vec::new();
    walk(tokens, &mut found);
    found.retain(|text| text.text.len() > 2);
    found
}

/// The tokens with another text in the place of one. `left` is how many texts come before it.
fn replace(tokens: TokenStream, left: &mut usize) -> TokenStream {
    let one = |token: TokenTree| match token {
        TokenTree::Group(group) => TokenTree::Group(Group::new(group.delimiter(), replace(group.stream(), left))),
        TokenTree::Literal(literal) if is_text(&literal) => {
            let is_it = *left == 0;
            *left = left.wrapping_sub(1);
            TokenTree::Literal(if is_it { Literal::string("kavi") } else { literal })
        }
        token => token,
    };
    tokens.into_iter().map(one).collect()
}

fn is_text(literal: &Literal) -> bool {
    matches!(Lit::new(literal.clone()), Lit::Str(text) if text.suffix().is_empty())
}

struct TextWalk<'a, 'b> {
    source: &'a Source,
    found: &'b mut TextList,
}

impl TextWalk<'_, '_> {
    fn literal(&mut self, node: &syn::ExprLit) {
        let Lit::Str(text) = &node.lit else { return };
        if text.value().is_empty() || !text.suffix().is_empty() {
            return;
        }
        let at = self.found.add(self.source, line_of(node), &text.token().to_string());
        self.change(at, node.span(), CHANGED);
    }

    fn constant(&mut self, node: &syn::ExprPath) {
        let Some(name) = node.path.segments.last().map(|last| last.ident.to_string()) else { return };
        for (at, instead) in self.found.constants.get(&name).cloned().flatten().unwrap_or_default() {
            self.change(at, node.span(), &instead);
        }
    }

    /// What is there comes first, so that it decides the type.
    fn change(&mut self, at: usize, span: proc_macro2::Span, instead: &str) {
        let Some(text) = self.found.texts.get_mut(at) else { return };
        let open = format!("(if !crate::__kavi::on({}) {{ ", text.number);
        text.insertions.extend(self.source.around(span, open, format!(" }} else {{ {instead} }})")));
    }

    /// Leaves out a header or body of a request.
    fn part_of_request(&mut self, call: &syn::ExprMethodCall, whole: &Expr) {
        let is_part = OF_REQUEST.iter().any(|(name, arguments)| call.method == name && call.args.len() == *arguments);
        if !is_part || !self.source.text.contains("http") {
            return;
        }
        let source = text_of(self.source, whole);
        let receiver = text_of(self.source, &*call.receiver);
        let part: Vec<&str> = source.get(receiver.len()..).unwrap_or(source).split_whitespace().collect();
        // Only `json` can fail.
        let instead = if call.method == "json" { "::core::result::Result::Ok(kavi_request)" } else { "kavi_request" };
        let middle = format!(
            ") {{ kavi_request => if crate::__kavi::on({}) {{ {instead} }} else {{ kavi_request",
            self.found.next()
        );
        let (all, before) = (whole.span(), call.receiver.span());
        let (range, end) = (all.byte_range(), before.byte_range().end);
        let open = self.source.insertion(all.start().line, range.start, Anchor::Before, "(match (".to_owned());
        let middle = self.source.insertion(before.end().line, end, Anchor::After, middle);
        let close = self.source.insertion(all.end().line, range.end, Anchor::After, " } })".to_owned());
        let insertions = vec![
            Insertion { partner: Some(range.end), ..open },
            // Outside of whatever else is put around the receiver.
            Insertion { partner: range.start.checked_sub(1), ..middle },
            Insertion { partner: Some(range.start), ..close },
        ];
        self.found.push(self.source, line_of(&call.method), &part.join(" "), ChangeKind::LeavesOut, insertions);
    }
}

impl CodeWalk for TextWalk<'_, '_> {
    fn visit_function(&mut self, sig: &Signature, block: &Block) {
        if sig.constness.is_none() {
            self.visit_block(block);
        }
    }

    fn visit_macro(&mut self, call: &syn::Macro) {
        let is_list = call.path.is_ident("vec");
        for argument in macro_arguments::of(call) {
            // A text could be a format, or the words of a panic.
            if is_list || !matches!(argument, Expr::Lit(_)) {
                self.visit_expr(&argument);
            }
        }
    }

    fn visit_expr(&mut self, node: &Expr) {
        if let Expr::MethodCall(call) = node {
            self.part_of_request(call, node);
        }
        match node {
            Expr::MethodCall(call) if is_unobservable(node) => self.visit_expr(&call.receiver),
            _ if is_unobservable(node) => {}
            _ if error_value(node).is_some() => {
                if let Expr::MethodCall(call) = node {
                    self.visit_expr(&call.receiver);
                }
            }
            Expr::Lit(literal) => self.literal(literal),
            Expr::Path(path) => self.constant(path),
            _ => self.below_expr(node),
        }
    }
}

#[cfg(test)]
mod unit {
    use super::super::{source_tree, splice};
    use super::*;

    fn changed(source: &str) -> Result<(Vec<String>, String), String> {
        let files = [(splice::ROOT.to_owned(), source.to_owned())].into();
        let texts = all(&source_tree::load(&files)?);
        let changed = splice::apply(&files, texts.iter().flat_map(|text| &text.insertions));
        let changed = changed.map_err(|error| error.to_string())?.remove(splice::ROOT).unwrap_or_default();
        syn::parse_file(&changed).map_err(|error| format!("{error}: {changed}"))?;
        Ok((texts.into_iter().map(|text| text.what).collect(), changed))
    }

    #[test]
    fn texts_of_code_and_of_constants_are_changed() -> Result<(), String> {
        let source =
            "const PATHS: [&str; 2] = [\"a.md\", \"b.md\"];\nfn f() { g(PATHS[k], \"c.md\", vec![\"d.md\"]); }";
        let (texts, text) = changed(source)?;
        assert_eq!(texts, ["`\"a.md\"`", "`\"b.md\"`", "`\"c.md\"`", "`\"d.md\"`"]);
        let constant = "else { { const KAVI: [&str ; 2] = [\"a.md\" , \"kavi\"]; KAVI } }";
        assert!(text.replace("& str", "&str").contains(constant), "{text}");
        assert!(text.contains("(if !crate::__kavi::on(1000002) { \"c.md\" } else { \"kavi\" })"), "{text}");
        Ok(())
    }

    #[test]
    fn headers_and_bodies_of_requests_are_left_out() -> Result<(), String> {
        let source = "use kavi_sdk::http;\nfn f() { http::post(url)\n.header(k, v).json(&b)?.send()?.header(k); }";
        let (texts, text) = changed(source)?;
        assert_eq!(texts, ["`.json(&b)`", "`.header(k, v)`"]);
        let left_out =
            "{ kavi_request => if crate::__kavi::on(1000001) { kavi_request } else { kavi_request .header(k, v) } })";
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(left_out), "{words}");
        assert_eq!(changed("fn f() { node.header(k, v); }")?.0, [] as [String; 0]);
        Ok(())
    }

    #[test]
    fn a_text_in_a_guard_is_changed() -> Result<(), String> {
        let (texts, text) = changed("fn f() { match a { b if b == \"c.md\" => d, _ => e } }")?;
        assert_eq!(texts, ["`\"c.md\"`"]);
        assert!(
            text.contains("b if b == (if !crate::__kavi::on(1000000) { \"c.md\" } else { \"kavi\" }) =>"),
            "{text}"
        );
        Ok(())
    }

    #[test]
    fn words_for_a_person_and_patterns_are_not() -> Result<(), String> {
        let source = "const UNUSED: &str = \"u\";\nfn f() { log::info(\"a\"); if let \"b\" = x {} format!(\"c {}\", 1); \
                      Err(SkillError::failed(\"d\")) }\n#[cfg(test)] mod tests { fn g() { h(\"e\") } }";
        assert_eq!(changed(source)?.0, [] as [String; 0]);
        Ok(())
    }
}
