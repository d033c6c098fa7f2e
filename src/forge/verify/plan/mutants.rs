//! Small changes of a skill that its tests should notice.
//!
//! Every change is one that a look at the outcome can see: a comparison, a branch, a number, a text, a statement, a
//! returned value. What cannot be seen, or need not be, is left alone: log lines, the words of an error, capacities,
//! sorting, how a value is shown (`fmt`), the bounds of a comparison or a range, constants of the compiler.

use proc_macro2::Span;
use serde::{Deserialize, Serialize};
use syn::{BinOp, Expr, ExprLit, Item, Lit, Stmt, UnOp, spanned::Spanned as _, visit::Visit};

use super::FIRST_MUTANT;
use super::probes::{binds, instead, values};
use super::seen::{is_assignment, is_number, is_unseen, is_unseen_method, keeps_its_type};
use super::splice::{Edit, Side};
use super::tree::{Audience, Function, Source, is_for_tests, line_of, text_of, tokens_of};
use crate::model::digest::Digest;

/// Most mutants of one skill.
pub(in super::super) const MOST: usize = 40;

/// One small change.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in super::super) struct Mutant {
    /// What switches it on.
    pub(in super::super) number: u32,
    /// The file.
    pub(in super::super) file: String,
    /// The line.
    pub(in super::super) line: u32,
    /// What it changes, in words.
    pub(in super::super) what: String,
    /// How.
    pub(in super::super) edits: Vec<Edit>,
}

/// Every mutant of a skill, in the order of the source.
pub(super) fn all(sources: &[Source], functions: &[Function<'_>], entries: &[usize]) -> Vec<Mutant> {
    let mut found = Found { mutants: Vec::new(), faint: Vec::new() };
    for (index, function) in functions.iter().enumerate() {
        let source = &sources[function.source];
        if !entries.contains(&index) && !function.of_trait {
            early_returns(source, function, &mut found);
        }
        if function.of_trait && function.sig.ident == "fmt" {
            Shown(Walk { source, found: &mut found }).visit_block(function.block);
        } else {
            Walk { source, found: &mut found }.visit_block(function.block);
        }
    }
    for source in sources.iter().filter(|source| source.audience == Audience::Skill) {
        constants(source, &source.file.items, &mut found);
    }
    if found.mutants.is_empty() { found.faint } else { found.mutants }
}

/// A value as it is shown: its words are a matter of taste, what it decides and counts is not.
struct Shown<'a, 'b>(Walk<'a, 'b>);

impl<'a> Visit<'a> for Shown<'_, '_> {
    fn visit_expr_if(&mut self, node: &'a syn::ExprIf) {
        self.0.condition(&node.cond);
        if let Expr::Binary(condition) = &*node.cond {
            self.0.binary(condition, &node.cond);
        }
        syn::visit::visit_expr_if(self, node);
    }

    fn visit_expr_for_loop(&mut self, node: &'a syn::ExprForLoop) {
        self.0.ends_early(&node.body, node);
        syn::visit::visit_expr_for_loop(self, node);
    }
}

/// The closures in constants. The constant is the compiler's, which has no switch to look at; their bodies run later.
fn constants(source: &Source, items: &[Item], found: &mut Found) {
    struct Closures<'a, 'b>(Walk<'a, 'b>);
    impl<'a> Visit<'a> for Closures<'_, '_> {
        fn visit_expr_closure(&mut self, node: &'a syn::ExprClosure) {
            self.0.visit_expr(&node.body);
        }
    }
    for item in items {
        let mut closures = Closures(Walk { source, found });
        match item {
            Item::Const(item) if !is_for_tests(&item.attrs) => closures.visit_expr(&item.expr),
            Item::Static(item) if !is_for_tests(&item.attrs) => closures.visit_expr(&item.expr),
            Item::Mod(item) if !is_for_tests(&item.attrs) => {
                let items = item.content.as_ref().map(|(_, items)| items.as_slice()).unwrap_or_default();
                constants(source, items, found);
            }
            _ => {}
        }
    }
}

/// As many of them as are tried: which ones depends on the source alone. Outer ones stay before inner ones.
pub(super) fn choose(mut mutants: Vec<Mutant>, seed: &[u8]) -> Vec<Mutant> {
    if mutants.len() > MOST {
        let rank = |mutant: &Mutant| Digest::of(&[seed, &mutant.number.to_be_bytes()].concat()).to_string();
        mutants.sort_by_cached_key(rank);
        mutants.truncate(MOST);
        mutants.sort_by_key(|mutant| mutant.number);
    }
    mutants
}

struct Found {
    mutants: Vec<Mutant>,
    /// Changes that often make no difference: tried where there is nothing else to try.
    faint: Vec<Mutant>,
}

impl Found {
    fn next(&self) -> u32 {
        FIRST_MUTANT.saturating_add(u32::try_from(self.mutants.len() + self.faint.len()).unwrap_or(u32::MAX))
    }

    fn add(&mut self, source: &Source, line: u32, what: String, edits: Vec<Edit>) {
        let number = self.next();
        self.mutants.push(Mutant { number, file: source.path.clone(), line, what, edits });
    }
}

fn early_returns(source: &Source, function: &Function<'_>, found: &mut Found) {
    let Some((empty, other)) = values(&function.sig.output) else { return };
    for value in [empty, other].into_iter().take(if empty == other { 1 } else { 2 }) {
        let edit = source.at_start_of(function.block, instead(found.next(), value));
        let what = format!("`{}` returns `{}` at once", function.sig.ident, short(value));
        found.add(source, line_of(&function.sig.ident), what, vec![edit]);
    }
}

/// A value without the paths that make it unmistakable.
fn short(value: &str) -> String {
    value
        .replace("::core::result::Result::", "")
        .replace("::core::option::Option::", "")
        .replace("::kavi_sdk::", "")
        .replace("::std::string::", "")
        .replace("::std::vec::", "")
}

/// The walk over one body.
struct Walk<'a, 'b> {
    source: &'a Source,
    found: &'b mut Found,
}

impl Walk<'_, '_> {
    /// Another expression in its place. Both are compiled, one of them runs.
    fn replace(&mut self, span: Span, what: String, with: &str) {
        let number = self.found.next();
        // The text around an insertion must keep its lines.
        if with.contains('\n') {
            return;
        }
        let open = format!("(if crate::__kavi::on({number}) {{ {with} }} else {{ ");
        let edits = self.source.around(span, open, " })".to_owned());
        let line = u32::try_from(span.start().line).unwrap_or(0);
        self.found.add(self.source, line, what, edits.to_vec());
    }

    /// The opposite of a condition.
    fn negate(&mut self, expr: &Expr, what: String) {
        let open = format!("crate::__kavi::flip({}, ", self.found.next());
        let edits = self.source.around(expr.span(), open, ")".to_owned());
        self.found.add(self.source, line_of(expr), what, edits.to_vec());
    }

    fn condition(&mut self, condition: &Expr) {
        let decided_below = matches!(condition, Expr::Binary(_) | Expr::Unary(_) | Expr::Paren(_) | Expr::Lit(_));
        if !decided_below && !binds(condition) {
            self.negate(condition, format!("the condition `{}` is negated", self.excerpt(condition)));
        }
    }

    fn excerpt(&self, node: &impl syn::spanned::Spanned) -> String {
        let words: Vec<&str> = text_of(self.source, node).split_whitespace().collect();
        crate::model::text::line(&words.join(" "), 60)
    }

    fn binary(&mut self, node: &syn::ExprBinary, whole: &Expr) {
        // Tokens have no comments and no line ends between them.
        let (left, right) = (tokens_of(self.source, &node.left), tokens_of(self.source, &node.right));
        let sides = |op: &str| format!("{left} {op} {right}");
        let changed = |from: &str, to: &str| format!("`{from}` becomes `{to}`");
        match node.op {
            BinOp::Eq(_) => self.negate(whole, changed("==", "!=")),
            BinOp::Ne(_) => self.negate(whole, changed("!=", "==")),
            BinOp::Lt(_) => self.negate(whole, changed("<", ">=")),
            BinOp::Le(_) => self.negate(whole, changed("<=", ">")),
            BinOp::Gt(_) => self.negate(whole, changed(">", "<=")),
            BinOp::Ge(_) => self.negate(whole, changed(">=", "<")),
            BinOp::And(_) if !binds(whole) => self.replace(node.span(), changed("&&", "||"), &sides("||")),
            BinOp::Or(_) if !binds(whole) => self.replace(node.span(), changed("||", "&&"), &sides("&&")),
            BinOp::Add(_) if is_number(node) => self.replace(node.span(), changed("+", "-"), &sides("-")),
            BinOp::Sub(_) => self.replace(node.span(), changed("-", "+"), &sides("+")),
            BinOp::Mul(_) => self.replace(node.span(), changed("*", "+"), &sides("+")),
            BinOp::Div(_) => self.replace(node.span(), changed("/", "*"), &sides("*")),
            BinOp::Rem(_) => self.replace(node.span(), changed("%", "+"), &sides("+")),
            _ => {}
        }
    }

    fn literal(&mut self, literal: &ExprLit) {
        let from = self.excerpt(literal);
        let what = |to: &str| format!("`{from}` becomes `{to}`");
        match &literal.lit {
            Lit::Bool(value) => {
                let to = if value.value { "false" } else { "true" };
                self.replace(literal.span(), what(to), to);
            }
            Lit::Int(number) => {
                if let Ok(value) = number.base10_parse::<u64>()
                    && let Some(more) = value.checked_add(1)
                {
                    let to = format!("{more}{}", number.suffix());
                    self.replace(literal.span(), what(&to), &to);
                }
            }
            Lit::Str(text) if text.suffix().is_empty() => {
                let to = if text.value() == "kavi" { "\"\"" } else { "\"kavi\"" };
                self.replace(literal.span(), what(to), to);
            }
            Lit::Char(letter) => {
                let to = if letter.value() == '~' { "'^'" } else { "'~'" };
                self.replace(literal.span(), what(to), to);
            }
            _ => {}
        }
    }

    /// A statement that does something is left out.
    fn statement(&mut self, statement: &Stmt, expr: &Expr) {
        let acts = match expr {
            Expr::MethodCall(call) => !is_unseen_method(&call.method.to_string()),
            Expr::Try(inner) => matches!(&*inner.expr, Expr::Call(_) | Expr::MethodCall(_)),
            Expr::Call(_) | Expr::Assign(_) => true,
            Expr::Binary(binary) => is_assignment(&binary.op),
            _ => false,
        };
        if !acts || is_unseen(expr) {
            return;
        }
        let what = format!("`{}` is left out", self.excerpt(statement));
        let open = format!("if !crate::__kavi::on({}) {{ ", self.found.next());
        let edits = self.source.around(statement.span(), open, " }".to_owned());
        self.found.add(self.source, line_of(statement), what, edits.to_vec());
    }

    /// What is computed in an argument that nobody needs to see, like the key of a sort: a closure that does more than that.
    fn work_in(&mut self, argument: &Expr) {
        if let Expr::Closure(closure) = argument
            && let Expr::Block(body) = &*closure.body
            && body.block.stmts.len() > 1
        {
            self.visit_block(&body.block);
        }
    }

    /// The arguments of a macro of the standard library that takes expressions.
    fn arguments(&mut self, call: &syn::ExprMacro) {
        const TAKE_EXPRESSIONS: [&str; 8] =
            ["assert", "assert_eq", "assert_ne", "vec", "matches", "write", "writeln", "dbg"];
        let known = call.mac.path.get_ident().is_some_and(|name| TAKE_EXPRESSIONS.iter().any(|known| name == known));
        if !known {
            return;
        }
        // `matches!` and `vec![x; n]` go on in a way of their own: what comes first is an expression in all of them.
        let first = |input: syn::parse::ParseStream<'_>| {
            let first: Expr = input.parse()?;
            input.parse::<proc_macro2::TokenStream>()?;
            Ok(first)
        };
        let all = syn::punctuated::Punctuated::<Expr, syn::Token![,]>::parse_terminated;
        let parsed = match call.mac.parse_body_with(all) {
            Ok(arguments) => arguments.into_iter().collect(),
            Err(_) => call.mac.parse_body_with(first).map(|first| vec![first]).unwrap_or_default(),
        };
        let texts = |expr: &&Expr| !matches!(expr, Expr::Lit(_));
        parsed.iter().filter(texts).for_each(|argument| self.visit_expr(argument));
    }

    fn ends_early(&mut self, body: &syn::Block, whole: &impl syn::spanned::Spanned) {
        let text = format!(" if crate::__kavi::on({}) {{ break; }} ", self.found.next());
        let edit = Edit { side: Side::Before, ..self.source.at_start_of(body, text) };
        self.found.add(self.source, line_of(whole), "the loop ends before its first round".to_owned(), vec![edit]);
    }
}

impl<'a> Visit<'a> for Walk<'_, '_> {
    fn visit_expr(&mut self, node: &'a Expr) {
        match node {
            Expr::MethodCall(call) if is_unseen(node) => {
                self.visit_expr(&call.receiver);
                return call.args.iter().for_each(|argument| self.work_in(argument));
            }
            _ if is_unseen(node) => return,
            Expr::MethodCall(call) if keeps_its_type(call) => {
                let what = format!("`.{}(…)` is left out", call.method);
                let with = tokens_of(self.source, &call.receiver).to_string();
                self.replace(node.span(), what, &with);
                self.found.faint.extend(self.found.mutants.pop());
            }
            Expr::MethodCall(call) if call.method == "unwrap_or" => {
                // A literal in the place of what cannot be missing: nothing can be seen of it.
                self.visit_expr(&call.receiver);
                let computed = call.args.iter().filter(|argument| !matches!(argument, Expr::Lit(_)));
                return computed.for_each(|argument| self.visit_expr(argument));
            }
            Expr::Binary(binary) => {
                self.binary(binary, node);
                let compares = matches!(
                    binary.op,
                    BinOp::Eq(_) | BinOp::Ne(_) | BinOp::Lt(_) | BinOp::Le(_) | BinOp::Gt(_) | BinOp::Ge(_)
                );
                for side in [&binary.left, &binary.right] {
                    // The bound of a comparison: what happens exactly there is seldom worth a test.
                    if !(compares && matches!(&**side, Expr::Lit(_))) {
                        self.visit_expr(side);
                    }
                }
                return;
            }
            Expr::Unary(unary) if matches!(unary.op, UnOp::Not(_)) => {
                self.negate(node, format!("the `!` of `{}` is left out", self.excerpt(node)));
            }
            Expr::Lit(literal) => self.literal(literal),
            Expr::Macro(call) if call.mac.path.is_ident("format") => {
                let what = format!("`{}` becomes another text", self.excerpt(node));
                self.replace(node.span(), what, "::std::string::String::from(\"kavi\")");
            }
            Expr::Macro(call) => self.arguments(call),
            Expr::If(branch) => self.condition(&branch.cond),
            Expr::While(round) => {
                // A loop that never ends only costs time: it is skipped instead.
                if !binds(&round.cond) {
                    self.ends_early(&round.body, round);
                }
                return self.visit_block(&round.body);
            }
            Expr::ForLoop(round) => self.ends_early(&round.body, round),
            Expr::Range(range) => {
                let ends = range.start.iter().chain(&range.end).filter(|end| !matches!(&***end, Expr::Lit(_)));
                return ends.for_each(|end| self.visit_expr(end));
            }
            _ => {}
        }
        syn::visit::visit_expr(self, node);
    }

    fn visit_stmt(&mut self, node: &'a Stmt) {
        if let Stmt::Expr(expr, Some(_)) = node {
            self.statement(node, expr);
        }
        syn::visit::visit_stmt(self, node);
    }

    fn visit_arm(&mut self, node: &'a syn::Arm) {
        // Patterns are no expressions although they look like it.
        if let syn::Pat::Guard(guarded) = &node.pat {
            self.condition(&guarded.guard);
            self.visit_expr(&guarded.guard);
        }
        self.visit_expr(&node.body);
    }

    fn visit_expr_repeat(&mut self, node: &'a syn::ExprRepeat) {
        self.visit_expr(&node.expr);
    }

    fn visit_pat(&mut self, _: &'a syn::Pat) {}
    fn visit_type(&mut self, _: &'a syn::Type) {}
    fn visit_item(&mut self, node: &'a Item) {
        // A function within a function is the skill's as well.
        match node {
            Item::Fn(item) if item.sig.constness.is_none() => self.visit_block(&item.block),
            _ => {}
        }
    }
    fn visit_expr_const(&mut self, _: &'a syn::ExprConst) {}
    fn visit_attribute(&mut self, _: &'a syn::Attribute) {}
    fn visit_generic_argument(&mut self, _: &'a syn::GenericArgument) {}
}

#[cfg(test)]
mod unit {
    use super::super::{splice, tree};
    use super::*;

    fn mutants(source: &str) -> Result<Vec<String>, String> {
        let files = [(tree::ROOT.to_owned(), source.to_owned())].into();
        let plan = super::super::make(&files, b"seed")?;
        let changed = splice::apply(&files, plan.mutants.iter().flat_map(|mutant| &mutant.edits))?;
        let text = &changed[tree::ROOT];
        syn::parse_file(text).map_err(|error| format!("{error}: {text}"))?;
        Ok(plan.mutants.into_iter().map(|mutant| mutant.what).collect())
    }

    #[test]
    fn what_can_be_seen_is_changed() -> Result<(), String> {
        let found = mutants(
            "fn run(x: &str) -> u32 { if x.is_empty() && !x.starts_with('#') || x.len() > 3 { return 7; }\n\
             for c in x.chars() { push(c); }\nlet y = x.len() + 1; y as u32 }\nexport_skill!(run);\n\
             fn is_it(x: u8) -> bool { x == 1 }",
        )?;
        for expected in [
            "`&&` becomes `||`",
            "`||` becomes `&&`",
            "the `!` of `!x.starts_with('#')` is left out",
            "`>` becomes `<=`",
            "`7` becomes `8`",
            "`'#'` becomes `'~'`",
            "the loop ends before its first round",
            "`push(c);` is left out",
            "`+` becomes `-`",
            "`1` becomes `2`",
            "`is_it` returns `false` at once",
            "`is_it` returns `true` at once",
            "`==` becomes `!=`",
        ] {
            assert!(found.iter().any(|what| what == expected), "{expected}: {found:#?}");
        }
        Ok(())
    }

    #[test]
    fn what_nobody_needs_to_see_is_left_alone() -> Result<(), String> {
        let source = "const MAX: usize = 10;\nfn run(x: &str) -> Result<u8, SkillError> {\n\
                      log::info(format!(\"{} {}\", if x.is_empty() { \"a\" } else { \"b\" }, 1 + 1));\n\
                      let v: Vec<u8> = Vec::with_capacity(10);\nv.sort();\nlet [0, ..] = z else { return Err(SkillError::denied(\"no\")) };\n\
                      let a = [0u8; 4];\nErr(SkillError::failed(format!(\"{MAX}\"))) }\nexport_skill!(run);";
        assert_eq!(mutants(source)?, ["`0u8` becomes `1u8`"]);
        Ok(())
    }

    #[test]
    fn which_are_tried_depends_on_the_source_alone() {
        let some = |count: u32| -> Vec<Mutant> {
            let one = |number| Mutant { number, file: String::new(), line: 1, what: String::new(), edits: Vec::new() };
            (0..count).map(one).collect()
        };
        let numbers = |seed: &[u8]| choose(some(200), seed).iter().map(|m| m.number).collect::<Vec<_>>();
        assert_eq!(numbers(b"a").len(), MOST);
        assert_eq!(numbers(b"a"), numbers(b"a"));
        assert_ne!(numbers(b"a"), numbers(b"b"));
        assert!(numbers(b"a").is_sorted());
        assert_eq!(choose(some(3), b"a").len(), 3);
    }
}
