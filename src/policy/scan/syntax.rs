//! The second look: the syntax tree of every file, judged by the same tables.
//!
//! The token scan is complete by itself. This one reads the same text by another route, so that a mistake in one of
//! them is caught by the other; and it refuses what the parser does not know, instead of guessing.
//! It runs on a stack of its own, large enough for the nesting that `lexical` lets pass.

use syn::visit::{self, Visit};

use super::names::Names;
use super::paths::{self, Place, Start};
use super::report::{Report, Rule};
use super::tables;
use super::tokens::{Audience, File};

/// Address space for the parser's recursion; only what is used is ever memory.
const STACK: usize = 128 * 1024 * 1024;

/// Parses `files` and checks their trees.
pub(super) fn check(files: &[File], names: &Names, report: &mut Report) {
    let work = |report: &mut Report| files.iter().for_each(|file| check_file(file, names, report));
    let finished = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || work(report));
        thread.is_ok_and(|thread| thread.join().is_ok())
    });
    if !finished {
        report.add(Rule::Syntax, super::structure::ROOT, 0, "the sources could not be parsed");
    }
}

fn check_file(file: &File, names: &Names, report: &mut Report) {
    match syn::parse_file(&file.text) {
        Ok(tree) => Tree { file, names, report }.visit_file(&tree),
        Err(error) => {
            let line = u32::try_from(error.span().start().line).unwrap_or(0);
            let message = format!("this is no Rust: {}", super::report::quote(&error.to_string()));
            report.add(Rule::Syntax, &file.path, line, message);
        }
    }
}

struct Tree<'a> {
    file: &'a File,
    names: &'a Names,
    report: &'a mut Report,
}

impl Tree<'_> {
    fn object(&mut self, rule: Rule, spanned: &impl syn::spanned::Spanned, message: &str) {
        let line = u32::try_from(spanned.span().start().line).unwrap_or(0);
        self.report.add(rule, &self.file.path, line, message);
    }

    /// Who the code on `line` is for, as the token scan found it.
    fn audience(&self, line: u32) -> Audience {
        let before = self.file.tokens.iter().rfind(|token| token.line <= line);
        before.map_or(Audience::Skill, |token| token.audience)
    }
}

impl<'ast> Visit<'ast> for Tree<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        match item {
            syn::Item::ExternCrate(_) | syn::Item::ForeignMod(_) => {
                self.object(Rule::Extern, item, "foreign code or a further crate");
            }
            syn::Item::Union(_) => self.object(Rule::Unsafe, item, "a union needs unsafe code"),
            syn::Item::Verbatim(_) => self.object(Rule::Syntax, item, "an item that the scanner does not know"),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_expr(&mut self, expr: &'ast syn::Expr) {
        match expr {
            syn::Expr::Unsafe(_) => self.object(Rule::Unsafe, expr, "unsafe code"),
            syn::Expr::RawAddr(_) => self.object(Rule::Unsafe, expr, "a raw pointer"),
            syn::Expr::Verbatim(_) => self.object(Rule::Syntax, expr, "an expression that the scanner does not know"),
            _ => {}
        }
        visit::visit_expr(self, expr);
    }

    fn visit_type(&mut self, ty: &'ast syn::Type) {
        match ty {
            syn::Type::Ptr(_) => self.object(Rule::Unsafe, ty, "a raw pointer"),
            syn::Type::Verbatim(_) => self.object(Rule::Syntax, ty, "a type that the scanner does not know"),
            _ => {}
        }
        visit::visit_type(self, ty);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        let name = mac.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        let known = tables::is_macro(&name) || self.names.macros.contains(&name) || name == "macro_rules";
        if !known {
            self.object(Rule::Macro, mac, "a macro that is not on the list");
        }
        for segment in &mac.path.segments {
            self.visit_path_arguments(&segment.arguments);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let line = syn::spanned::Spanned::span(path).start().line;
        let names: Vec<String> =
            path.segments.iter().map(|segment| segment.ident.to_string().trim_start_matches("r#").to_owned()).collect();
        let audience = self.audience(u32::try_from(line).unwrap_or(u32::MAX));
        if let Some((rule, message)) = paths::check(&names, Place { audience, start: Start::Type }, self.names) {
            self.object(rule, path, &message);
        }
        visit::visit_path(self, path);
    }

    // The token scan has read the attributes; their paths are none of the code.
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
}
