//! The second look: the syntax tree of every file, judged by the same tables.
//!
//! The token scan is complete by itself. This one reads the same text by another route, so that a mistake in one of
//! them is caught by the other. It refuses what the parser does not know, instead of guessing. It runs on a stack
//! of its own, large enough for the nesting that `lexical` lets pass.

use syn::visit::{self, Visit};

use super::allow_list;
use super::declared_names::DeclaredNames;
use super::paths::{self, PathContext, PathStart};
use super::report::{Rule, ScanReport};
use super::tokens::{SourceTokens, TokenScope};

/// Address space for the parser's recursion; only what is used is ever memory.
const STACK: usize = 128 * 1024 * 1024;

/// Parses `files` and checks their trees.
pub(super) fn check(files: &[SourceTokens], names: &DeclaredNames, report: &mut ScanReport) {
    let work = |report: &mut ScanReport| files.iter().for_each(|file| check_file(file, names, report));
    // A thread that panics or cannot start must end in a refusal, never in a source that was not
    // looked at.
    let finished = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, || work(report));
        thread.is_ok_and(|thread| thread.join().is_ok())
    });
    if !finished {
        report.add(Rule::Syntax, super::module_files::ROOT, 0, "the sources could not be parsed");
    }
}

fn check_file(file: &SourceTokens, names: &DeclaredNames, report: &mut ScanReport) {
    match syn::parse_file(&file.text) {
        Ok(tree) => TreeCheck { file, names, report }.visit_file(&tree),
        Err(error) => {
            let line = u32::try_from(error.span().start().line).unwrap_or(0);
            let message = format!("this is no Rust: {}", super::report::quote(&error.to_string()));
            report.add(Rule::Syntax, &file.path, line, message);
        }
    }
}

struct TreeCheck<'a> {
    file: &'a SourceTokens,
    names: &'a DeclaredNames,
    report: &'a mut ScanReport,
}

impl TreeCheck<'_> {
    fn refuse(&mut self, rule: Rule, spanned: &impl syn::spanned::Spanned, message: &str) {
        let line = u32::try_from(spanned.span().start().line).unwrap_or(0);
        self.report.add(rule, &self.file.path, line, message);
    }

    /// Who the code on `line` is for, as the token scan found it.
    fn scope(&self, line: u32) -> TokenScope {
        // By line, because the tree has no marks of its own for tests.
        let before = self.file.tokens.iter().rfind(|token| token.line <= line);
        before.map_or(TokenScope::Skill, |token| token.scope)
    }
}

impl<'ast> Visit<'ast> for TreeCheck<'_> {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        match item {
            syn::Item::ExternCrate(_) | syn::Item::ForeignMod(_) => {
                self.refuse(Rule::Extern, item, "foreign code or a further crate");
            }
            syn::Item::Union(_) => self.refuse(Rule::Unsafe, item, "a union needs unsafe code"),
            // `syn` puts what it does not understand here. What is not understood cannot be
            // permitted.
            syn::Item::Verbatim(_) => self.refuse(Rule::Syntax, item, "an item that the scanner does not know"),
            _ => {}
        }
        visit::visit_item(self, item);
    }

    fn visit_expr(&mut self, expr: &'ast syn::Expr) {
        match expr {
            syn::Expr::Unsafe(_) => self.refuse(Rule::Unsafe, expr, "unsafe code"),
            syn::Expr::RawAddr(_) => self.refuse(Rule::Unsafe, expr, "a raw pointer"),
            syn::Expr::Verbatim(_) => self.refuse(Rule::Syntax, expr, "an expression that the scanner does not know"),
            _ => {}
        }
        visit::visit_expr(self, expr);
    }

    fn visit_type(&mut self, ty: &'ast syn::Type) {
        match ty {
            syn::Type::Ptr(_) => self.refuse(Rule::Unsafe, ty, "a raw pointer"),
            syn::Type::Verbatim(_) => self.refuse(Rule::Syntax, ty, "a type that the scanner does not know"),
            _ => {}
        }
        visit::visit_type(self, ty);
    }

    fn visit_macro(&mut self, mac: &'ast syn::Macro) {
        let name = mac.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        let known = allow_list::is_macro(&name) || self.names.macros.contains(&name) || name == "macro_rules";
        if !known {
            self.refuse(Rule::Macro, mac, "a macro that is not on the list");
        }
        // The path itself was judged by the token scan, which knows that it is a macro.
        for segment in &mac.path.segments {
            self.visit_path_arguments(&segment.arguments);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let line = syn::spanned::Spanned::span(path).start().line;
        let names: Vec<String> =
            path.segments.iter().map(|segment| segment.ident.to_string().trim_start_matches("r#").to_owned()).collect();
        let scope = self.scope(u32::try_from(line).unwrap_or(u32::MAX));
        if let Some(reason) = paths::check(&names, PathContext { scope, start: PathStart::Type }, self.names) {
            self.refuse(reason.rule, path, &reason.message);
        }
        visit::visit_path(self, path);
    }

    // The token scan has read the attributes; their paths are none of the code.
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
}
