//! The walk over a skill that finds the values which choose something, so that a value that never changes can be shown.
//!
//! Data can be chosen without a branch: by an index, by a factor that is nearly always 0, by an `unwrap_or`. Such a value is
//! reported by the counted program, and one that was the same in every run is put before a person.
//!
//! Guarantees: what the walk does not know is left alone, and the compiler may reject any of its insertions without harm.
//! Deliberately never: refuses a skill, or changes a value.

use std::collections::BTreeMap;

use syn::{BinOp, Block, Expr, Lit, Signature, spanned::Spanned as _, visit::Visit};

use super::branch::{BranchKind, BranchList, BranchPlace};
use super::code_walk::CodeWalk;
use super::source_tree::{Source, is_for_tests, text_of};

/// Methods that take a position or a count.
const TAKE_A_POSITION: [&str; 18] = [
    "nth",
    "get",
    "get_mut",
    "skip",
    "take",
    "split_at",
    "rotate_left",
    "rotate_right",
    "swap",
    "remove",
    "swap_remove",
    "truncate",
    "repeat",
    "replacen",
    "splitn",
    "rsplitn",
    "step_by",
    "nth_back",
];
/// Methods that give a number which is often a factor or a position.
const GIVE_A_NUMBER: [&str; 14] = [
    "min",
    "max",
    "clamp",
    "signum",
    "saturating_sub",
    "count",
    "abs_diff",
    "leading_zeros",
    "trailing_zeros",
    "count_ones",
    "rem_euclid",
    "div_euclid",
    "floor",
    "pow",
];
/// Methods that answer yes or no, besides those whose name starts with `is_`.
const GIVE_A_VERDICT: [&str; 12] =
    ["contains", "starts_with", "ends_with", "eq", "ne", "lt", "le", "gt", "ge", "any", "all", "contains_key"];
/// Methods of `Option` and `Result` that hold the other value ready.
const HOLD_ANOTHER: [&str; 5] = ["unwrap_or", "and", "or", "xor", "map_or"];
/// Types of numbers, whose `from` also takes a condition.
const NUMBERS: [&str; 12] = ["u8", "u16", "u32", "u64", "u128", "usize", "i8", "i16", "i32", "i64", "i128", "isize"];
/// Most elements of a table that are told apart.
const MOST_ELEMENTS: usize = 64;

/// The elements of the tables of a file, by name.
pub(super) type Tables = BTreeMap<String, Vec<String>>;

/// The walk over one file.
pub(super) struct ValueWalk<'a, 'b> {
    pub(super) source: &'a Source,
    pub(super) tables: &'a Tables,
    pub(super) found: &'b mut BranchList,
    /// Whether the compiler evaluates the code.
    pub(super) constant: bool,
}

impl ValueWalk<'_, '_> {
    /// Reports the value of an expression. `elements` are those that it chooses from, if they are known.
    fn report(&mut self, expr: &Expr, what: &str, elements: Vec<String>) {
        // It can only have one value, so that it never changes says nothing.
        if self.constant || is_constant(expr) {
            return;
        }
        let source = words(text_of(self.source, expr));
        let place = BranchPlace {
            file: self.source.path.clone(),
            line: u32::try_from(expr.span().start().line).unwrap_or(0),
            what: what.to_owned(),
            source: format!("`{}`", crate::model::text::line(&source, 160)),
            effects: false,
            kind: BranchKind::Value,
            elements: elements.clone(),
        };
        let method = if elements.is_empty() { "look" } else { "pick" };
        // One trait for the types whose value can be noted, and one for all others. The compiler takes
        // the first that fits, because the type is unknown here.
        let close = format!(
            ") {{ kavi_value => {{ use crate::__kavi::{{Known as _, Unknown as _}}; \
             (&crate::__kavi::Look(&kavi_value)).{method}({}); kavi_value }} }})",
            self.found.next()
        );
        let insertions = self.source.around(expr.span(), "(match (".to_owned(), close);
        self.found.add_value(place, insertions.to_vec());
    }

    fn method(&mut self, call: &syn::ExprMethodCall, whole: &Expr) {
        let name = call.method.to_string();
        if TAKE_A_POSITION.contains(&name.as_str()) {
            let base = self.elements(&call.receiver);
            for argument in &call.args {
                // A literal position is one, and a closure is no position.
                if matches!(argument, Expr::Path(_) | Expr::Binary(_) | Expr::MethodCall(_) | Expr::Paren(_)) {
                    let elements = if matches!(name.as_str(), "get" | "nth") { base.clone() } else { Vec::new() };
                    self.report(argument, "is always the same", elements);
                }
            }
        }
        let verdict = name.starts_with("is_") || GIVE_A_VERDICT.contains(&name.as_str());
        if verdict || GIVE_A_NUMBER.contains(&name.as_str()) {
            self.report(whole, "is always the same", Vec::new());
        }
        if HOLD_ANOTHER.contains(&name.as_str()) && call.args.first().is_some_and(holds_something) {
            self.report(&call.receiver, "is always there, or never", Vec::new());
        }
    }

    /// The elements of an array that is written out, or of a table with a name.
    fn elements(&self, base: &Expr) -> Vec<String> {
        match base {
            Expr::Array(array) => elements_of(self.source, array),
            Expr::Reference(inner) => self.elements(&inner.expr),
            Expr::Paren(inner) => self.elements(&inner.expr),
            Expr::MethodCall(call) if matches!(call.method.to_string().as_str(), "iter" | "into_iter") => {
                self.elements(&call.receiver)
            }
            Expr::Path(path) => {
                path.path.get_ident().and_then(|name| self.tables.get(&name.to_string())).cloned().unwrap_or_default()
            }
            _ => Vec::new(),
        }
    }
}

/// The elements of an array that has at most [`MOST_ELEMENTS`], and not only numbers.
fn elements_of(source: &Source, array: &syn::ExprArray) -> Vec<String> {
    let numbers =
        array.elems.iter().all(|element| matches!(element, Expr::Lit(lit) if !matches!(lit.lit, Lit::Str(_))));
    if numbers || array.elems.len() > MOST_ELEMENTS {
        return Vec::new();
    }
    array.elems.iter().map(|element| crate::model::text::line(&words(text_of(source, element)), 80)).collect()
}

/// The tables of a skill: constants and variables that are arrays which are written out. A name with two meanings has none.
pub(super) fn tables(sources: &[Source]) -> Tables {
    struct Collect<'a> {
        source: &'a Source,
        found: BTreeMap<String, Option<Vec<String>>>,
    }
    impl Collect<'_> {
        fn add(&mut self, name: String, value: &Expr) {
            let array = match value {
                Expr::Reference(inner) => &*inner.expr,
                value => value,
            };
            let Expr::Array(array) = array else { return };
            let elements = elements_of(self.source, array);
            // Two tables of one name in different modules: which of them is meant is not resolved.
            self.found.entry(name).and_modify(|known| *known = None).or_insert(Some(elements));
        }
    }
    impl<'a> Visit<'a> for Collect<'_> {
        fn visit_item_mod(&mut self, node: &'a syn::ItemMod) {
            if !is_for_tests(&node.attrs) {
                syn::visit::visit_item_mod(self, node);
            }
        }
        fn visit_item_const(&mut self, node: &'a syn::ItemConst) {
            self.add(node.ident.to_string(), &node.expr);
        }
        fn visit_item_static(&mut self, node: &'a syn::ItemStatic) {
            self.add(node.ident.to_string(), &node.expr);
        }
        fn visit_local(&mut self, node: &'a syn::Local) {
            if let (syn::Pat::Ident(name), Some(init)) = (&node.pat, &node.init)
                && name.mutability.is_none()
            {
                self.add(name.ident.to_string(), &init.expr);
            }
            syn::visit::visit_local(self, node);
        }
    }
    let mut all = Tables::new();
    for source in sources.iter().filter(|source| source.scope == super::source_tree::CodeScope::SkillComponent) {
        let mut collect = Collect { source, found: BTreeMap::new() };
        collect.visit_file(&source.file);
        all.extend(collect.found.into_iter().filter_map(|(name, elements)| Some((name, elements?))));
    }
    all
}

/// Whether an expression can have one value only: literals and constants.
fn is_constant(expr: &Expr) -> bool {
    match expr {
        Expr::Lit(_) => true,
        Expr::Path(path) => path.path.segments.last().is_some_and(|last| {
            let name = last.ident.to_string();
            name.len() > 1 && !name.contains(|c: char| c.is_ascii_lowercase())
        }),
        Expr::Paren(inner) => is_constant(&inner.expr),
        Expr::Unary(inner) => is_constant(&inner.expr),
        Expr::Cast(inner) => is_constant(&inner.expr),
        Expr::Reference(inner) => is_constant(&inner.expr),
        Expr::Binary(node) => is_constant(&node.left) && is_constant(&node.right),
        Expr::MethodCall(call) => is_constant(&call.receiver) && call.args.iter().all(is_constant),
        _ => false,
    }
}

/// Whether the value that is held ready says something: not a number, and not an empty text or list.
fn holds_something(argument: &Expr) -> bool {
    match argument {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => !text.value().is_empty(),
            Lit::Bool(_) => true,
            _ => false,
        },
        Expr::Reference(inner) => holds_something(&inner.expr),
        Expr::Path(_) | Expr::Field(_) | Expr::Macro(_) => true,
        Expr::Call(call) => call.args.iter().any(holds_something),
        Expr::MethodCall(call) => holds_something(&call.receiver),
        _ => false,
    }
}

fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn chooses(op: &BinOp) -> bool {
    matches!(
        op,
        BinOp::Mul(_)
            | BinOp::Div(_)
            | BinOp::Rem(_)
            | BinOp::BitAnd(_)
            | BinOp::BitOr(_)
            | BinOp::Shl(_)
            | BinOp::Shr(_)
    )
}

impl CodeWalk for ValueWalk<'_, '_> {
    fn visit_function(&mut self, sig: &Signature, block: &Block) {
        let before = std::mem::replace(&mut self.constant, sig.constness.is_some());
        self.visit_block(block);
        self.constant = before;
    }

    fn visit_expr(&mut self, node: &Expr) {
        match node {
            Expr::Index(index) => {
                let chosen = !matches!(&*index.index, Expr::Range(range) if range.start.as_deref().is_none_or(is_constant)
                    && range.end.as_deref().is_none_or(is_constant));
                if chosen && !matches!(&*index.index, Expr::Reference(_)) {
                    let elements = self.elements(&index.expr);
                    self.report(&index.index, "is always the same", elements);
                }
            }
            Expr::Binary(binary) if chooses(&binary.op) => self.report(node, "is always the same", Vec::new()),
            Expr::Cast(cast) if !matches!(&*cast.expr, Expr::Path(_)) => {
                self.report(node, "is always the same", Vec::new());
            }
            Expr::Call(call) => {
                if let Expr::Path(path) = &*call.func
                    && let [.., owner, name] = &*path.path.segments.iter().collect::<Vec<_>>()
                    && name.ident == "from"
                    && NUMBERS.iter().any(|number| owner.ident == number)
                {
                    self.report(node, "is always the same", Vec::new());
                }
            }
            Expr::Macro(call) if call.mac.path.is_ident("matches") => {
                self.report(node, "is always the same", Vec::new());
            }
            Expr::MethodCall(call) => self.method(call, node),
            _ => {}
        }
        self.below_expr(node);
    }
}

#[cfg(test)]
mod unit {
    use super::super::{branches, source_tree, splice};
    use super::*;

    fn values(source: &str) -> Result<Vec<(String, usize)>, String> {
        let files = [(splice::ROOT.to_owned(), source.to_owned())].into();
        let found = branches::all(&source_tree::load(&files)?);
        let changed = splice::apply(&files, found.looks.iter().flatten()).map_err(|error| error.to_string())?;
        syn::parse_file(&changed[splice::ROOT]).map_err(|error| format!("{error}: {}", changed[splice::ROOT]))?;
        let values = found.branches.into_iter().filter(|branch| branch.place.kind == BranchKind::Value);
        Ok(values.map(|branch| (branch.place.source, branch.place.elements.len())).collect())
    }

    #[test]
    fn what_chooses_data_is_reported() -> Result<(), String> {
        for (code, expected) in [
            ("a[k]", [("`k`", 0)].as_slice()),
            ("[x, PRIVATE][k]", &[("`k`", 2)]),
            ("NAMES[k]", &[("`k`", 3)]),
            ("NAMES.iter().nth(k)", &[("`k`", 3)]),
            ("a.repeat(k)", &[("`k`", 0)]),
            ("usize::from(a.contains(\"x\"))", &[("`usize::from(a.contains(\"x\"))`", 0), ("`a.contains(\"x\")`", 0)]),
            ("a.strip_prefix(b).unwrap_or(c)", &[("`a.strip_prefix(b)`", 0)]),
            ("(a.len() >> 19) as u8", &[("`(a.len() >> 19) as u8`", 0), ("`a.len() >> 19`", 0)]),
            ("format!(\"{}\", a * b)", &[("`a * b`", 0)]),
            ("match x { y if a[k] => z, _ => w }", &[("`k`", 0)]),
        ] {
            let source = format!("const NAMES: [&str; 3] = [\"a\", \"b\", \"c\"];\nfn f() {{ {code}; }}");
            let found = values(&source)?;
            let expected: Vec<(String, usize)> =
                expected.iter().map(|(text, count)| ((*text).to_owned(), *count)).collect();
            assert_eq!(found, expected, "{code}");
        }
        Ok(())
    }

    #[test]
    fn what_can_have_one_value_only_is_not() -> Result<(), String> {
        for code in ["a[0]", "a[1..]", "64 * 1_024", "MAX * 2", "a.unwrap_or(0)", "a.unwrap_or_default()", "a[&b]"] {
            assert_eq!(values(&format!("fn f() {{ {code}; }}\nconst X: usize = A[B];"))?, [], "{code}");
        }
        assert_eq!(values("const fn f(a: usize) -> usize { a * 2 }")?, []);
        assert_eq!(values("#[cfg(test)] mod tests { fn f() { a[b]; } }")?, []);
        Ok(())
    }
}
