//! The walk over the body of a function that makes its mutants.
//!
//! Every mutant is one that an outcome can show: a comparison, a branch, a number, a text, a statement, a returned value.
//! Left alone is what no test needs to notice: log lines, the text of an error, capacities, sorting, the bounds of
//! a comparison or a range. `observable` decides which.

use proc_macro2::Span;
use syn::{BinOp, Expr, ExprLit, Item, Lit, Stmt, UnOp, spanned::Spanned as _};

use super::code_walk::CodeWalk;
use super::mutant::MutantList;
use super::observable::{
    error_value, is_assignment, is_number, is_text, is_unobservable, is_unobservable_method, keeps_its_type,
};
use super::sabotage::binds;
use super::source_tree::{Source, line_of, text_of, tokens_of};
use super::splice::{Anchor, Insertion};

/// The walk over one body.
pub(super) struct MutationWalk<'a, 'b> {
    pub(super) source: &'a Source,
    pub(super) found: &'b mut MutantList,
}

impl MutationWalk<'_, '_> {
    /// Another expression in its place. Both are compiled, one of them runs.
    fn replace(&mut self, span: Span, what: String, with: &str) {
        let number = self.found.next();
        // The text around an insertion must keep its lines.
        if with.contains('\n') {
            return;
        }
        let open = format!("(if crate::__kavi::on({number}) {{ {with} }} else {{ ");
        let insertions = self.source.around(span, open, " })".to_owned());
        let line = u32::try_from(span.start().line).unwrap_or(0);
        self.found.add(self.source, line, what, insertions.to_vec());
    }

    /// The opposite of a condition.
    fn negate(&mut self, expr: &Expr, what: String) {
        let open = format!("crate::__kavi::flip({}, ", self.found.next());
        let insertions = self.source.around(expr.span(), open, ")".to_owned());
        self.found.add(self.source, line_of(expr), what, insertions.to_vec());
    }

    pub(super) fn condition(&mut self, condition: &Expr) {
        let decided_below = matches!(condition, Expr::Binary(_) | Expr::Unary(_) | Expr::Paren(_) | Expr::Lit(_));
        if !decided_below && !binds(condition) {
            self.negate(condition, format!("the condition `{}` is negated", self.excerpt(condition)));
        }
    }

    fn excerpt(&self, node: &impl syn::spanned::Spanned) -> String {
        let words: Vec<&str> = text_of(self.source, node).split_whitespace().collect();
        crate::model::text::line(&words.join(" "), 60)
    }

    pub(super) fn binary(&mut self, node: &syn::ExprBinary, whole: &Expr) {
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
            Expr::MethodCall(call) => !is_unobservable_method(&call.method.to_string()),
            Expr::Try(inner) => matches!(&*inner.expr, Expr::Call(_) | Expr::MethodCall(_)),
            Expr::Call(_) | Expr::Assign(_) => true,
            Expr::Binary(binary) => is_assignment(&binary.op),
            _ => false,
        };
        if !acts || is_unobservable(expr) {
            return;
        }
        let what = format!("`{}` is left out", self.excerpt(statement));
        let open = format!("if !crate::__kavi::on({}) {{ ", self.found.next());
        let insertions = self.source.around(statement.span(), open, " }".to_owned());
        self.found.add_left_out(self.source, statement, what, insertions.to_vec());
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

    /// The value of an error: everything but its texts, also where they are arguments of a variant.
    fn error(&mut self, node: &Expr) {
        if let Expr::MethodCall(call) = node {
            self.visit_expr(&call.receiver);
        }
        let Some(value) = error_value(node) else { return };
        let value = match value {
            Expr::Closure(closure) => &*closure.body,
            value => value,
        };
        match value {
            text if is_text(text) => {}
            Expr::Call(call) => {
                call.args.iter().filter(|argument| !is_text(argument)).for_each(|it| self.visit_expr(it))
            }
            Expr::Struct(built) => {
                let values = built.fields.iter().map(|field| &field.expr);
                values.filter(|value| !is_text(value)).for_each(|value| self.visit_expr(value));
            }
            other => self.visit_expr(other),
        }
    }

    pub(super) fn ends_early(&mut self, body: &syn::Block, whole: &impl syn::spanned::Spanned) {
        let text = format!(" if crate::__kavi::on({}) {{ break; }} ", self.found.next());
        let insertion = Insertion { anchor: Anchor::Before, ..self.source.at_start_of(body, text) };
        let what = "the loop ends before its first round".to_owned();
        self.found.add_left_out(self.source, whole, what, vec![insertion]);
    }
}

impl CodeWalk for MutationWalk<'_, '_> {
    fn visit_expr(&mut self, node: &Expr) {
        match node {
            Expr::MethodCall(call) if is_unobservable(node) => {
                self.visit_expr(&call.receiver);
                return call.args.iter().for_each(|argument| self.work_in(argument));
            }
            _ if is_unobservable(node) => return,
            _ if error_value(node).is_some() => return self.error(node),
            Expr::MethodCall(call) if keeps_its_type(call) => {
                let what = format!("`.{}(…)` is left out", call.method);
                let with = tokens_of(self.source, &call.receiver).to_string();
                self.replace(node.span(), what, &with);
                self.found.low_value.extend(self.found.mutants.pop());
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
                for anchor in [&binary.left, &binary.right] {
                    // The bound of a comparison: what happens exactly there is seldom worth a test.
                    if !(compares && matches!(&**anchor, Expr::Lit(_))) {
                        self.visit_expr(anchor);
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
        self.below_expr(node);
    }

    fn visit_stmt(&mut self, node: &Stmt) {
        let outer = self.found.touch;
        self.found.touch = self.found.touch_of(self.source, node);
        if let Stmt::Expr(expr, Some(_)) = node {
            self.statement(node, expr);
        }
        self.below_stmt(node);
        self.found.touch = outer;
    }

    fn visit_arm(&mut self, node: &syn::Arm) {
        // Patterns are no expressions although they look like it.
        if let syn::Pat::Guard(guarded) = &node.pat {
            self.condition(&guarded.guard);
            self.visit_expr(&guarded.guard);
        }
        self.visit_expr(&node.body);
    }

    /// A macro as a statement asserts something or writes a log line. As an expression it is looked at above.
    fn visit_macro(&mut self, _: &syn::Macro) {}

    /// A function within a function is the skill's as well. Methods are found by themselves.
    fn visit_item(&mut self, node: &Item) {
        match node {
            Item::Fn(item) if item.sig.constness.is_none() => self.visit_block(&item.block),
            _ => {}
        }
    }
}
