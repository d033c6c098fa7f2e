//! The walk over a skill that finds its branches, and makes the counters which tell whether one was taken.
//!
//! A branch is a function that is called, an arm, the body of a loop or closure, or the exit of a `?` or `let … else`. So is
//! each block of an `if`, also one that is not written. So is each outcome of a comparison, and of an operand of `&&` and
//! `||`.
//!
//! Guarantees: a branch that cannot be counted is listed all the same, and so is never taken. That goes for code which the
//! compiler evaluates, and for some code in macros. Deliberately never: changes what the skill does.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{BinOp, Block, Expr, Signature, Stmt, spanned::Spanned as _};

use super::branch::{BranchKind, BranchList, BranchPlace};
use super::code_walk::CodeWalk;
use super::effect_names::EffectNames;
use super::lazy_macros::LazyMacros;
use super::macro_branches;
use super::sabotage::binds;
use super::source_tree::{Source, text_of};
use super::splice::{Anchor, Insertion};

/// The walk over one file.
pub(super) struct BranchWalk<'a, 'b> {
    pub(super) source: &'a Source,
    pub(super) effects: &'a EffectNames,
    pub(super) found: &'b mut BranchList,
    /// The local macros that may leave out an argument.
    pub(super) lazy: &'a LazyMacros,
    /// Whether the compiler may evaluate the code, so that no counter works in it.
    pub(super) constant: bool,
}

impl BranchWalk<'_, '_> {
    fn place(&self, node: &impl syn::spanned::Spanned, what: &str, kind: BranchKind) -> BranchPlace {
        let words: Vec<&str> = text_of(self.source, node).split_whitespace().collect();
        BranchPlace {
            file: self.source.path.clone(),
            line: u32::try_from(node.span().start().line).unwrap_or(0),
            what: what.to_owned(),
            source: format!("`{}`", crate::model::text::line(&words.join(" "), 160)),
            effects: self.effects.are_in(text_of(self.source, node)),
            kind,
            elements: Vec::new(),
        }
    }

    /// Counts at the start of a block.
    fn block(&mut self, block: &syn::Block, what: &str) {
        let place = self.place(block, what, kind_of(&block.stmts));
        let counter = [self.source.at_start_of(block, format!(" {} ", self.found.hit()))];
        self.found.add(place, self.unless_constant(counter.to_vec()));
    }

    /// Counts before an expression is evaluated.
    fn expression(&mut self, expr: &Expr, what: &str) {
        if let Expr::Block(body) = expr
            && body.attrs.is_empty()
            && body.label.is_none()
        {
            return self.block(&body.block, what);
        }
        let kind = if is_panic(expr) { BranchKind::Exit } else { BranchKind::Code };
        let place = self.place(expr, what, kind);
        let open = format!("{{ {} ", self.found.hit());
        let counter = self.source.around(expr.span(), open, " }".to_owned());
        self.found.add(place, self.unless_constant(counter.to_vec()));
    }

    /// Counts both outcomes of a condition.
    fn both_ways(&mut self, condition: &Expr) {
        // Names that a call would bind inside of itself are lost outside of it. A literal has one
        // outcome by design.
        if binds(condition) || matches!(condition, Expr::Lit(_)) {
            return;
        }
        let open = format!("crate::__kavi::took({}, ", self.found.next());
        let counter = self.unless_constant(self.source.around(condition.span(), open, ")".to_owned()).to_vec());
        // The condition itself runs either way: what depends on it is a branch by itself.
        let outcome = |what| BranchPlace { effects: false, ..self.place(condition, what, BranchKind::Code) };
        let (never_true, never_false) = (outcome("is never true"), outcome("is never false"));
        self.found.add(never_true, counter);
        self.found.add(never_false, Vec::new());
    }

    fn unless_constant(&self, counter: Vec<Insertion>) -> Vec<Insertion> {
        if self.constant { Vec::new() } else { counter }
    }

    /// The way past an `if` without an `else`.
    fn no_else(&mut self, node: &syn::ExprIf) {
        let place = BranchPlace {
            effects: false,
            ..self.place(&node.cond, "never false, so nothing is skipped", BranchKind::Code)
        };
        // An `else` that only counts. It is written behind the last block of the whole `if`.
        let end = node.span().end().line;
        let range = node.span().byte_range();
        let text = format!(" else {{ {} }}", self.found.hit());
        let insertion = Insertion {
            // Inside of whatever else is put around the whole `if`.
            partner: Some(range.start + 1),
            ..self.source.insertion(end, range.end, Anchor::After, text)
        };
        self.found.add(place, self.unless_constant(vec![insertion]));
    }

    /// The operands of `&&` and `||`, each by itself.
    fn operands(&mut self, expr: &Expr) {
        match expr {
            Expr::Binary(node) if is_logical(&node.op) => {
                self.operands(&node.left);
                self.operands(&node.right);
            }
            Expr::Paren(inner) => self.operands(&inner.expr),
            // Its outcomes are those of the block and of the `else`, which are counted there.
            Expr::Let(_) => self.below_expr(expr),
            leaf => {
                self.both_ways(leaf);
                self.below_comparison(leaf);
            }
        }
    }

    /// Goes on below an expression whose outcomes are counted already.
    fn below_comparison(&mut self, expr: &Expr) {
        match expr {
            Expr::Binary(node) if is_comparison(&node.op) => {
                self.visit_expr(&node.left);
                self.visit_expr(&node.right);
            }
            Expr::Unary(node) => self.below_comparison(&node.expr),
            Expr::Paren(node) => self.below_comparison(&node.expr),
            other => self.visit_expr(other),
        }
    }

    /// The condition of an `if` or a loop: its blocks count its outcomes.
    fn condition(&mut self, condition: &Expr) {
        match condition {
            Expr::Binary(node) if is_logical(&node.op) => self.operands(condition),
            Expr::Paren(inner) => self.condition(&inner.expr),
            other => self.below_comparison(other),
        }
    }

    /// The values of a `json!`.
    fn json(&mut self, tokens: TokenStream) {
        let mut value: Vec<TokenTree> = Vec::new();
        let finish = |walk: &mut Self, value: &mut Vec<TokenTree>| {
            let tokens = std::mem::take(value);
            match tokens.as_slice() {
                [] => {}
                [TokenTree::Group(group)] if group.delimiter() != Delimiter::Parenthesis => walk.json(group.stream()),
                _ => {
                    let stream: TokenStream = tokens.into_iter().collect();
                    match syn::parse2::<Expr>(stream.clone()) {
                        Ok(expr) => walk.visit_expr(&expr),
                        Err(_) => walk.tokens(stream),
                    }
                }
            }
        };
        for token in tokens {
            match &token {
                TokenTree::Punct(punct) if punct.as_char() == ',' => finish(self, &mut value),
                // The colon after a key. One of a path has a neighbour.
                TokenTree::Punct(punct)
                    if punct.as_char() == ':'
                        && punct.spacing() == proc_macro2::Spacing::Alone
                        && matches!(
                            value.as_slice(),
                            [TokenTree::Literal(_) | TokenTree::Ident(_) | TokenTree::Group(_)]
                        ) =>
                {
                    finish(self, &mut value);
                }
                _ => value.push(token),
            }
        }
        finish(self, &mut value);
    }

    fn tokens(&mut self, tokens: TokenStream) {
        macro_branches::find(self.source, tokens, &mut |block| {
            let place = BranchPlace {
                file: self.source.path.clone(),
                line: block.line,
                what: "never taken, in a macro".to_owned(),
                source: format!("`{}`", crate::model::text::line(&block.text, 160)),
                effects: self.effects.are_in(&block.text),
                kind: BranchKind::Code,
                elements: Vec::new(),
            };
            let counter = block.start.map(|(line, byte)| {
                self.source.insertion(line, byte, Anchor::Before, format!(" {} ", self.found.hit()))
            });
            self.found.add(place, counter.into_iter().collect());
        });
    }
}

fn is_logical(op: &BinOp) -> bool {
    matches!(op, BinOp::And(_) | BinOp::Or(_))
}

fn is_comparison(op: &BinOp) -> bool {
    matches!(op, BinOp::Eq(_) | BinOp::Ne(_) | BinOp::Lt(_) | BinOp::Le(_) | BinOp::Gt(_) | BinOp::Ge(_))
}

/// A branch that only panics cannot be taken by a skill that passes: a panic fails every gate.
fn is_panic(expr: &Expr) -> bool {
    let Expr::Macro(call) = expr else { return false };
    let name = call.mac.path.get_ident().map(ToString::to_string).unwrap_or_default();
    let panics = matches!(name.as_str(), "unreachable" | "panic" | "unimplemented" | "todo");
    panics && call.mac.tokens.clone().into_iter().all(|token| matches!(token, TokenTree::Literal(_)))
}

fn kind_of(stmts: &[Stmt]) -> BranchKind {
    match stmts {
        [Stmt::Expr(expr, _)] if is_panic(expr) => BranchKind::Exit,
        _ => BranchKind::Code,
    }
}

impl CodeWalk for BranchWalk<'_, '_> {
    fn visit_function(&mut self, sig: &Signature, block: &Block) {
        let before = std::mem::replace(&mut self.constant, sig.constness.is_some());
        self.block(block, &format!("`{}` is never called", sig.ident));
        self.visit_block(block);
        self.constant = before;
    }

    fn visit_constant(&mut self, value: &Expr) {
        let before = std::mem::replace(&mut self.constant, true);
        self.visit_expr(value);
        self.constant = before;
    }

    fn visit_item_macro(&mut self, node: &syn::ItemMacro) {
        if node.mac.path.is_ident("macro_rules") {
            self.tokens(rules(&node.mac.tokens));
        }
    }

    /// Code within a macro: as expressions where it parses as such, else by its tokens.
    fn visit_macro(&mut self, call: &syn::Macro) {
        let name = call.path.segments.last().map(|segment| segment.ident.to_string()).unwrap_or_default();
        if name == "json" {
            return self.json(call.tokens.clone());
        }
        // Most macros take expressions, and where the arguments parse as such, each is treated like
        // code outside of a macro.
        let all = syn::punctuated::Punctuated::<Expr, syn::Token![,]>::parse_terminated;
        let repeated = |input: syn::parse::ParseStream<'_>| {
            let first: Expr = input.parse()?;
            let _: syn::Token![;] = input.parse()?;
            Ok([first, input.parse::<Expr>()?])
        };
        let first = |input: syn::parse::ParseStream<'_>| {
            let first: Expr = input.parse()?;
            Ok((first, input.parse::<TokenStream>()?))
        };
        if let Ok(arguments) = call.parse_body_with(all) {
            for argument in &arguments {
                if self.lazy.may_leave_out(&name, argument) {
                    self.expression(argument, "the argument is never used");
                }
                self.visit_expr(argument);
            }
        } else if let Ok([first, _]) = call.parse_body_with(repeated) {
            self.visit_expr(&first);
        } else if name == "matches"
            && let Ok((first, rest)) = call.parse_body_with(first)
        {
            self.visit_expr(&first);
            self.tokens(rest);
        } else {
            self.tokens(call.tokens.clone());
        }
    }

    fn visit_local(&mut self, node: &syn::Local) {
        if let Some(init) = &node.init {
            self.visit_expr(&init.expr);
            if let Some((_, other)) = &init.diverge
                && let Expr::Block(other) = &**other
            {
                self.block(&other.block, "the `else` is never taken");
                self.visit_block(&other.block);
            }
        }
    }

    fn visit_expr(&mut self, node: &Expr) {
        match node {
            Expr::If(branch) => {
                self.condition(&branch.cond);
                self.block(&branch.then_branch, "never taken");
                self.visit_block(&branch.then_branch);
                match &branch.else_branch {
                    Some((_, other)) => {
                        if let Expr::Block(block) = &**other {
                            self.block(&block.block, "the `else` is never taken");
                        }
                        self.visit_expr(other);
                    }
                    None => self.no_else(branch),
                }
            }
            Expr::While(round) => {
                self.condition(&round.cond);
                self.block(&round.body, "the loop never runs");
                self.visit_block(&round.body);
            }
            Expr::ForLoop(round) => {
                self.visit_expr(&round.expr);
                self.block(&round.body, "the loop never runs");
                self.visit_block(&round.body);
            }
            Expr::Closure(closure) => {
                // A closure in a constant runs later.
                let before = std::mem::replace(&mut self.constant, false);
                self.expression(&closure.body, "the closure never runs");
                self.visit_expr(&closure.body);
                self.constant = before;
            }
            Expr::Try(inner) => {
                let place = BranchPlace { effects: false, ..self.place(node, "never fails", BranchKind::Exit) };
                let open = format!("crate::__kavi::tried({}, ", self.found.next());
                let counter = self.source.around(inner.expr.span(), open, ")".to_owned());
                self.found.add(place, self.unless_constant(counter.to_vec()));
                self.visit_expr(&inner.expr);
            }
            Expr::Binary(binary) if is_logical(&binary.op) => self.operands(node),
            Expr::Binary(binary) if is_comparison(&binary.op) => {
                self.both_ways(node);
                self.below_comparison(node);
            }
            Expr::MethodCall(call) if call.method == "then" || call.method == "then_some" => {
                if !matches!(&*call.receiver, Expr::Binary(_) | Expr::Paren(_)) {
                    self.both_ways(&call.receiver);
                }
                self.visit_expr(&call.receiver);
                call.args.iter().for_each(|argument| self.visit_expr(argument));
            }
            _ => self.below_expr(node),
        }
    }

    fn visit_arm(&mut self, node: &syn::Arm) {
        if let syn::Pat::Guard(guarded) = &node.pat {
            match &*guarded.guard {
                Expr::Binary(binary) if is_logical(&binary.op) => self.operands(&guarded.guard),
                guard => {
                    self.both_ways(guard);
                    self.below_comparison(guard);
                }
            }
        }
        self.expression(&node.body, "the arm is never taken");
        self.visit_expr(&node.body);
    }
}

/// What the rules of a local macro expand to: the groups after each `=>`.
fn rules(tokens: &TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.clone().into_iter().collect();
    let arrow = |at: usize| matches!(at.checked_sub(1).and_then(|at| tokens.get(at)), Some(TokenTree::Punct(p)) if p.as_char() == '>');
    let expansions = tokens.iter().enumerate().filter(|(at, token)| matches!(token, TokenTree::Group(_)) && arrow(*at));
    expansions.map(|(_, token)| token.clone()).collect()
}
