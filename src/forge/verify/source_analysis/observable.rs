//! Which expressions an outcome can show, and which ones no test needs to notice.
//!
//! It looks at names and syntax, not at types. In doubt an expression counts as observable.

use syn::{BinOp, Expr, Lit};

/// `+=` and its like.
pub(super) fn is_assignment(op: &BinOp) -> bool {
    matches!(
        op,
        BinOp::AddAssign(_)
            | BinOp::SubAssign(_)
            | BinOp::MulAssign(_)
            | BinOp::DivAssign(_)
            | BinOp::RemAssign(_)
            | BinOp::BitXorAssign(_)
            | BinOp::BitAndAssign(_)
            | BinOp::BitOrAssign(_)
            | BinOp::ShlAssign(_)
            | BinOp::ShrAssign(_)
    )
}

/// Whether an addition is certainly one of numbers. `+` also joins texts, for which `-` would not compile.
pub(super) fn is_number(node: &syn::ExprBinary) -> bool {
    [&node.left, &node.right].into_iter().any(|side| match &**side {
        Expr::Lit(literal) => matches!(literal.lit, Lit::Int(_) | Lit::Float(_)),
        Expr::Cast(_) => true,
        Expr::MethodCall(call) => matches!(call.method.to_string().as_str(), "len" | "count"),
        _ => false,
    })
}

/// Methods whose absence or argument no test needs to notice.
pub(super) fn is_unobservable_method(name: &str) -> bool {
    name.contains("capacity")
        || name.starts_with("reserve")
        || name.starts_with("shrink")
        || name.starts_with("sort")
        || matches!(name, "dedup" | "clear" | "truncate")
}

/// A call whose result has the type of its receiver, so that the call can be left out.
pub(super) fn keeps_its_type(call: &syn::ExprMethodCall) -> bool {
    match call.args.len() {
        0 => matches!(call.method.to_string().as_str(), "trim" | "trim_start" | "trim_end" | "abs"),
        1 => matches!(call.method.to_string().as_str(), "max" | "min" | "saturating_add" | "saturating_sub"),
        2 => call.method == "clamp",
        _ => false,
    }
}

/// The value of an error: `Err(…)`, `ok_or(…)`, `ok_or_else(…)`. Which words a helper uses for it
/// is a matter of taste, whatever its type is, so the texts in it are not changed. What else is
/// computed there is.
pub(super) fn error_value(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::Call(call) if call.args.len() == 1 => match &*call.func {
            Expr::Path(path) if path.path.segments.last()?.ident == "Err" => call.args.first(),
            _ => None,
        },
        Expr::MethodCall(call) if call.args.len() == 1 && (call.method == "ok_or" || call.method == "ok_or_else") => {
            call.args.first()
        }
        _ => None,
    }
}

/// Whether an expression is only a text: a literal, `format!(…)`, or one of them as another type.
pub(super) fn is_text(expr: &Expr) -> bool {
    match expr {
        Expr::Lit(literal) => matches!(literal.lit, Lit::Str(_)),
        Expr::Macro(call) => call.mac.path.is_ident("format"),
        Expr::Reference(inner) => is_text(&inner.expr),
        Expr::Paren(inner) => is_text(&inner.expr),
        Expr::Closure(closure) => is_text(&closure.body),
        Expr::MethodCall(call) => {
            let converts = ["into", "to_owned", "to_string"].iter().any(|name| call.method == name);
            converts && call.args.is_empty() && is_text(&call.receiver)
        }
        Expr::Call(call) => {
            let path = |path: &syn::ExprPath| path.path.segments.last().is_some_and(|last| last.ident == "from");
            matches!(&*call.func, Expr::Path(found) if path(found)) && call.args.iter().all(is_text)
        }
        _ => false,
    }
}

/// Code whose outcome no test needs to check: a log line, the text of an error, a capacity.
pub(super) fn is_unobservable(expr: &Expr) -> bool {
    match expr {
        Expr::Call(call) => match &*call.func {
            Expr::Path(path) => {
                let names: Vec<String> = path.path.segments.iter().map(|segment| segment.ident.to_string()).collect();
                let last = names.last().map(String::as_str).unwrap_or_default();
                names.iter().any(|name| matches!(name.as_str(), "SkillError" | "log"))
                    || last.contains("capacity")
                    || matches!(last, "invalid_input" | "not_found" | "denied" | "failed" | "custom")
            }
            _ => false,
        },
        Expr::MethodCall(call) => {
            is_unobservable_method(&call.method.to_string())
                || matches!(call.method.to_string().as_str(), "expect" | "map_err")
        }
        Expr::Try(inner) => is_unobservable(&inner.expr),
        _ => false,
    }
}
