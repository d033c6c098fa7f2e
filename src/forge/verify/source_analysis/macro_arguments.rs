//! The arguments of a macro call that are expressions.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::Expr;

/// The arguments, when all of them are expressions. Of `vec![x; n]` and `matches!(x, …)` the first one, of `json!` the values.
/// Else none.
pub(super) fn of(call: &syn::Macro) -> Vec<Expr> {
    if call.path.segments.last().is_some_and(|last| last.ident == "json") {
        let mut values = Vec::new();
        json(call.tokens.clone(), &mut values);
        return values;
    }
    let all = syn::punctuated::Punctuated::<Expr, syn::Token![,]>::parse_terminated;
    let first = |input: syn::parse::ParseStream<'_>| {
        let first: Expr = input.parse()?;
        input.parse::<TokenStream>()?;
        Ok(first)
    };
    match call.parse_body_with(all) {
        // What follows is a pattern, although it can look like an expression.
        Ok(arguments) if call.path.is_ident("matches") => arguments.into_iter().take(1).collect(),
        Ok(arguments) => arguments.into_iter().collect(),
        Err(_) => call.parse_body_with(first).map(|first| vec![first]).unwrap_or_default(),
    }
}

/// The values of a `json!`, without its keys. Those that are no expressions are left out.
fn json(tokens: TokenStream, values: &mut Vec<Expr>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    if let [TokenTree::Group(group)] = tokens.as_slice()
        && group.delimiter() != Delimiter::Parenthesis
    {
        return json(group.stream(), values);
    }
    let is = |token: &TokenTree, c: char| matches!(token, TokenTree::Punct(punct) if punct.as_char() == c);
    let members: Vec<&[TokenTree]> = tokens.split(|token| is(token, ',')).collect();
    for member in members.iter().copied() {
        let value = match member {
            [TokenTree::Literal(_) | TokenTree::Ident(_) | TokenTree::Group(_), colon, value @ ..]
                if is(colon, ':') && !value.first().is_some_and(|next| is(next, ':')) =>
            {
                value
            }
            value => value,
        };
        match value {
            [] => {}
            // A value that is alone is no list or object: that ends the recursion.
            [TokenTree::Group(group)] if group.delimiter() != Delimiter::Parenthesis => json(group.stream(), values),
            value => values.extend(syn::parse2::<Expr>(value.iter().cloned().collect())),
        }
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn the_values_of_json_are_found_at_any_depth() -> syn::Result<()> {
        for (call, expected) in [
            ("json!({ \"a\": f(1)?, \"b\": [g(2), { \"c\": h::i(3) }], d: null })", 4),
            ("json!(f(x))", 1),
            ("json!([a, \"b\"])", 2),
            ("json!({})", 0),
            ("vec![x; 3]", 1),
            ("matches!(x, y)", 1),
            ("add!(x, y)", 2),
            ("pick!(a => b)", 1),
        ] {
            assert_eq!(of(&syn::parse_str(call)?).len(), expected, "{call}");
        }
        Ok(())
    }
}
