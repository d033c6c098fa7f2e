//! The walk over the code of a skill that runs, shared by all that look at its expressions.
//!
//! Guarantees: each expression that can run reaches [`CodeWalk::visit_expr`], from the outside in. That includes the guards of
//! arms and the arguments of macros. Left out are tests, patterns, types and attributes. So is what only the compiler
//! evaluates, because no switch works there: lengths, discriminants and `const` blocks. The values of constants have a hook of
//! their own, because a closure in one runs later.
//!
//! Deliberately never: decides what an expression is worth.

use syn::visit::Visit;
use syn::{Arm, Attribute, Block, Expr, ImplItem, Item, Local, Pat, Signature, Stmt, TraitItem};

use super::macro_arguments;
use super::source_tree::is_for_tests;

/// What a walk does at each expression, and where it differs from the others.
///
/// A hook that wants the parts as well calls the method `below…` of the same name.
pub(super) trait CodeWalk: Sized {
    /// One expression. Its parts are visited by [`CodeWalk::below_expr`] alone.
    fn visit_expr(&mut self, node: &Expr);

    /// A function or method with a body, and whether the compiler may evaluate it.
    fn visit_function(&mut self, sig: &Signature, block: &Block) {
        let _ = sig;
        self.visit_block(block);
    }

    /// The value of a constant or static.
    fn visit_constant(&mut self, value: &Expr) {
        let _ = value;
    }

    /// A macro at the place of an item: most often the rules of a local one.
    fn visit_item_macro(&mut self, node: &syn::ItemMacro) {
        let _ = node;
    }

    /// A macro call, as an expression or as a statement.
    fn visit_macro(&mut self, call: &syn::Macro) {
        macro_arguments::of(call).iter().for_each(|argument| self.visit_expr(argument));
    }

    fn visit_item(&mut self, node: &Item) {
        self.below_item(node);
    }

    fn visit_stmt(&mut self, node: &Stmt) {
        self.below_stmt(node);
    }

    fn visit_local(&mut self, node: &Local) {
        syn::visit::visit_local(&mut Parts(self), node);
    }

    fn visit_arm(&mut self, node: &Arm) {
        if let Pat::Guard(guarded) = &node.pat {
            self.visit_expr(&guarded.guard);
        }
        self.visit_expr(&node.body);
    }

    fn visit_file(&mut self, file: &syn::File) {
        syn::visit::visit_file(&mut Parts(self), file);
    }

    fn visit_block(&mut self, block: &Block) {
        syn::visit::visit_block(&mut Parts(self), block);
    }

    /// The parts of an expression.
    fn below_expr(&mut self, node: &Expr) {
        syn::visit::visit_expr(&mut Parts(self), node);
    }

    /// The parts of a statement.
    fn below_stmt(&mut self, node: &Stmt) {
        match node {
            Stmt::Macro(call) => self.visit_macro(&call.mac),
            _ => syn::visit::visit_stmt(&mut Parts(self), node),
        }
    }

    /// The code of an item, unless it is compiled only for the tests.
    fn below_item(&mut self, node: &Item) {
        if is_for_tests(attributes_of(node)) {
            return;
        }
        match node {
            Item::Fn(item) => self.visit_function(&item.sig, &item.block),
            Item::Const(item) => self.visit_constant(&item.expr),
            Item::Static(item) => self.visit_constant(&item.expr),
            Item::Macro(item) => self.visit_item_macro(item),
            Item::Mod(_) | Item::Impl(_) | Item::Trait(_) => syn::visit::visit_item(&mut Parts(self), node),
            // Only a discriminant is an expression in any other item, and the compiler evaluates it.
            _ => {}
        }
    }
}

fn attributes_of(node: &Item) -> &[Attribute] {
    match node {
        Item::Fn(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Const(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        _ => &[],
    }
}

/// Leads each part of a node back to the hook of its kind.
struct Parts<'w, W>(&'w mut W);

impl<'a, W: CodeWalk> Visit<'a> for Parts<'_, W> {
    fn visit_item(&mut self, node: &'a Item) {
        self.0.visit_item(node);
    }

    fn visit_impl_item(&mut self, node: &'a ImplItem) {
        match node {
            ImplItem::Fn(item) if !is_for_tests(&item.attrs) => self.0.visit_function(&item.sig, &item.block),
            ImplItem::Const(item) if !is_for_tests(&item.attrs) => self.0.visit_constant(&item.expr),
            _ => {}
        }
    }

    fn visit_trait_item(&mut self, node: &'a TraitItem) {
        match node {
            TraitItem::Fn(item) if !is_for_tests(&item.attrs) => {
                if let Some(block) = &item.default {
                    self.0.visit_function(&item.sig, block);
                }
            }
            TraitItem::Const(item) if !is_for_tests(&item.attrs) => {
                if let Some((_, value)) = &item.default {
                    self.0.visit_constant(value);
                }
            }
            _ => {}
        }
    }

    fn visit_expr(&mut self, node: &'a Expr) {
        self.0.visit_expr(node);
    }

    fn visit_stmt(&mut self, node: &'a Stmt) {
        self.0.visit_stmt(node);
    }

    fn visit_local(&mut self, node: &'a Local) {
        self.0.visit_local(node);
    }

    fn visit_arm(&mut self, node: &'a Arm) {
        self.0.visit_arm(node);
    }

    fn visit_macro(&mut self, node: &'a syn::Macro) {
        self.0.visit_macro(node);
    }

    // The length is a constant.
    fn visit_expr_repeat(&mut self, node: &'a syn::ExprRepeat) {
        self.0.visit_expr(&node.expr);
    }

    // A pattern holds expressions that are none: a change of one would not compile.
    fn visit_pat(&mut self, _: &'a Pat) {}
    fn visit_type(&mut self, _: &'a syn::Type) {}
    fn visit_generics(&mut self, _: &'a syn::Generics) {}
    fn visit_expr_const(&mut self, _: &'a syn::ExprConst) {}
    fn visit_attribute(&mut self, _: &'a Attribute) {}
    fn visit_generic_argument(&mut self, _: &'a syn::GenericArgument) {}
}

#[cfg(test)]
mod unit {
    use super::*;

    /// The names that a walk meets as expressions.
    struct Names(Vec<String>);

    impl CodeWalk for Names {
        fn visit_expr(&mut self, node: &Expr) {
            if let Expr::Path(path) = node
                && let Some(name) = path.path.get_ident()
            {
                self.0.push(name.to_string());
            }
            self.below_expr(node);
        }
    }

    fn names(code: &str) -> syn::Result<Vec<String>> {
        let mut names = Names(Vec::new());
        names.visit_file(&syn::parse_file(code)?);
        Ok(names.0)
    }

    #[test]
    fn code_that_runs_is_met_once() -> syn::Result<()> {
        for (code, expected) in [
            ("fn f() { match a { B if c => d, _ => e } }", ["a", "c", "d", "e"].as_slice()),
            ("fn f() { let A = b else { c }; assert!(d); vec![e; F] }", &["b", "c", "d", "e"]),
            ("impl T { fn f() { a } } trait U { fn g() { b } } mod m { fn h() { c } }", &["a", "b", "c"]),
            ("fn f() { g(write!(a, \"{}\", b)?); fn h() { c } }", &["g", "a", "b", "c"]),
        ] {
            assert_eq!(names(code)?, expected, "{code}");
        }
        Ok(())
    }

    #[test]
    fn what_the_compiler_evaluates_or_only_a_test_runs_is_not() -> syn::Result<()> {
        for code in [
            "const A: u8 = b; static C: u8 = d; impl T { const E: u8 = f; } trait U { const G: u8 = h; }",
            "enum E { A = b } fn f() { [0; c]; const { d }; let e: [u8; f] = [0]; g::<{ h }>; }",
            "#[cfg(test)] mod tests { fn f() { a } } #[test] fn g() { b } impl T { #[cfg(test)] fn h() { c } }",
            "#[cfg(test)] const A: fn() = b; trait U { #[cfg(test)] fn f() { c } }",
        ] {
            assert_eq!(names(code)?, [] as [&str; 0], "{code}");
        }
        Ok(())
    }
}
