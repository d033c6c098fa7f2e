//! Sabotage: insertions that break the skill while its tests run, to see which tests notice.
//!
//! Guarantees: with the switch off the program does what the source says. Deliberately never: decides which test is hollow.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::{Expr, GenericArgument, Item, PathArguments, ReturnType, Type, spanned::Spanned as _, visit::Visit};

use super::code_walk::CodeWalk;
use super::source_tree::{Function, Source, test_items, tokens_of};
use super::splice::{Anchor, Insertion};
use super::switch::{EMPTY_VALUES, OTHER_BRANCHES, OTHER_VALUES, RUN_FAILS};

/// The name of `kavi_sdk::testing::call`, through which tests call the skill.
const CALL: &str = "call";

/// The insertions into the functions of the skill.
pub(super) fn of_the_skill(sources: &[Source], functions: &[Function<'_>], entries: &[usize]) -> Vec<Vec<Insertion>> {
    let mut insertions = Vec::new();
    for (index, function) in functions.iter().enumerate() {
        let source = &sources[function.source];
        // `word` is another text in each run, so a test cannot pass by comparing with the message
        // of the sabotage.
        if entries.contains(&index) {
            let fail = "::core::result::Result::Err(::kavi_sdk::SkillError::failed(crate::__kavi::word()))";
            insertions.push(vec![source.at_start_of(function.block, instead(RUN_FAILS, fail))]);
        } else if let Some(SimpleValues { empty, other }) = values(&function.sig.output) {
            let both = format!("{}{}", instead(EMPTY_VALUES, empty), instead(OTHER_VALUES, other));
            insertions.push(vec![source.at_start_of(function.block, both)]);
        }
        let mut conditions = Conditions { source, insertions: &mut insertions };
        conditions.visit_block(function.block);
    }
    insertions
}

/// The names of the functions that [`of_the_skill`] replaces, the exported one first.
pub(super) fn replaced(functions: &[Function<'_>], entries: &[usize]) -> Vec<String> {
    let name = |index: &usize| functions[*index].sig.ident.to_string();
    let others = (0..functions.len()).filter(|index| !entries.contains(index));
    let others = others.filter(|index| values(&functions[*index].sig.output).is_some());
    let mut names: Vec<String> = entries.iter().map(name).collect();
    names.extend(others.collect::<Vec<_>>().iter().map(name));
    names.dedup();
    names
}

/// Returns `value` at once when the switch is on `number`.
pub(super) fn instead(number: u32, value: &str) -> String {
    format!(" if crate::__kavi::on({number}) {{ return {value}; }} ")
}

/// Two values of a simple type, as expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SimpleValues {
    pub(super) empty: &'static str,
    pub(super) other: &'static str,
}

/// The values that a function of this return type can return at once. `None` when the type is not a simple one.
pub(super) fn values(output: &ReturnType) -> Option<SimpleValues> {
    let pair = |empty, other| Some(SimpleValues { empty, other });
    let ReturnType::Type(_, of) = output else { return None };
    match &**of {
        Type::Reference(reference) if reference.mutability.is_none() && is(&reference.elem, "str") => {
            pair("\"\"", "\"kavi\"")
        }
        Type::Path(path) if path.qself.is_none() => {
            let last = path.path.segments.last()?;
            let arguments = match &last.arguments {
                // The name alone is looked at, without imports. A type of the skill with the same
                // name makes a program that does not compile, and that part is left out.
                PathArguments::AngleBracketed(arguments) => arguments.args.iter().collect::<Vec<_>>(),
                _ => Vec::new(),
            };
            match (last.ident.to_string().as_str(), arguments.as_slice()) {
                ("bool", []) => pair("false", "true"),
                ("u8" | "u16" | "u32" | "u64" | "u128" | "usize", []) => pair("0", "1"),
                ("i8" | "i16" | "i32" | "i64" | "i128" | "isize", []) => pair("0", "-1"),
                ("f32" | "f64", []) => pair("0.0", "-1.0"),
                ("String", []) => pair("::std::string::String::new()", "::std::string::String::from(\"kavi\")"),
                // Nothing else is known of what is inside.
                ("Option", [_]) => pair("::core::option::Option::None", "::core::option::Option::None"),
                ("Vec", [_]) => pair("::std::vec::Vec::new()", "::std::vec::Vec::new()"),
                ("Result", [GenericArgument::Type(value), GenericArgument::Type(error)]) if is(error, "SkillError") => {
                    let fail = "::core::result::Result::Err(::kavi_sdk::SkillError::failed(\"kavi\"))";
                    let unit = matches!(value, Type::Tuple(tuple) if tuple.elems.is_empty());
                    pair(fail, if unit { "::core::result::Result::Ok(())" } else { fail })
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether the last segment of a type's path is this name.
fn is(of: &Type, name: &str) -> bool {
    super::source_tree::last_segment(of).as_deref() == Some(name)
}

/// Whether a condition binds names (`if let`). Such a condition cannot be wrapped in a call.
pub(super) fn binds(condition: &Expr) -> bool {
    struct Lets(bool);
    impl<'a> Visit<'a> for Lets {
        fn visit_expr_let(&mut self, _: &'a syn::ExprLet) {
            self.0 = true;
        }
        // Names that a closure or block binds do not leave it.
        fn visit_expr_closure(&mut self, _: &'a syn::ExprClosure) {}
        fn visit_block(&mut self, _: &'a syn::Block) {}
    }
    let mut lets = Lets(false);
    lets.visit_expr(condition);
    lets.0
}

/// Finds the conditions of a function.
struct Conditions<'a> {
    source: &'a Source,
    insertions: &'a mut Vec<Vec<Insertion>>,
}

impl CodeWalk for Conditions<'_> {
    fn visit_expr(&mut self, node: &Expr) {
        if let Expr::If(branch) = node
            && !binds(&branch.cond)
        {
            let open = format!("crate::__kavi::flip({OTHER_BRANCHES}, ");
            self.insertions.push(self.source.around(branch.cond.span(), open, ")".to_owned()).to_vec());
        }
        self.below_expr(node);
    }

    fn visit_macro(&mut self, _: &syn::Macro) {}
    fn visit_item(&mut self, _: &Item) {}
}

/// The insertions around the calls in the tests.
pub(super) fn of_the_tests(sources: &[Source], functions: &[Function<'_>]) -> Vec<Vec<Insertion>> {
    let tests: Vec<(&Source, &Item)> =
        sources.iter().flat_map(|source| test_items(source).into_iter().map(move |(_, item)| (source, item))).collect();
    let own = |item: &Item| matches!(item, Item::Fn(function) if function.sig.ident == CALL);
    // A skill with a `call` of its own: every call of that name would be wrapped, and its type is
    // unknown.
    if tests.iter().any(|(_, item)| own(item)) || functions.iter().any(|function| function.sig.ident == CALL) {
        return Vec::new();
    }
    let mut insertions = Vec::new();
    for (source, item) in tests {
        if let Item::Fn(function) = item {
            let start = function.block.span();
            // The tokens are read again from the text of the block, so that calls within macros are
            // found too.
            let place = TokenOrigin { source, line: start.start().line, byte: start.byte_range().start };
            calls(&place, tokens_of(source, &function.block), &mut insertions);
        }
    }
    insertions
}

/// Where the tokens start in their file. Their own positions count from there.
struct TokenOrigin<'a> {
    source: &'a Source,
    line: usize,
    byte: usize,
}

impl TokenOrigin<'_> {
    fn insertion(&self, line: usize, byte: usize, side: Anchor, text: &str) -> Insertion {
        self.source.insertion(self.line + line - 1, self.byte + byte, side, text.to_owned())
    }
}

/// Finds `call(…)` with any path before it, also inside of macros.
fn calls(place: &TokenOrigin<'_>, tokens: TokenStream, insertions: &mut Vec<Vec<Insertion>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        if let TokenTree::Ident(word) = token
            && word == CALL
            && let Some(TokenTree::Group(arguments)) = tokens.get(at + 1)
            && arguments.delimiter() == Delimiter::Parenthesis
            && let Some(start) = path_start(&tokens, at)
        {
            let open = start.span();
            let close = arguments.span_close();
            let (start, end) = (open.byte_range().start, close.byte_range().end);
            let before = place.insertion(open.start().line, start, Anchor::Before, "crate::__kavi::answer(");
            let after = place.insertion(close.end().line, end, Anchor::After, ")");
            let (start, end) = (before.at, after.at);
            insertions
                .push(vec![Insertion { partner: Some(end), ..before }, Insertion { partner: Some(start), ..after }]);
        }
        if let TokenTree::Group(group) = token {
            calls(place, group.stream(), insertions);
        }
    }
}

/// The first token of the path that ends at `at`. `None` when it is a method call or a definition.
fn path_start(tokens: &[TokenTree], at: usize) -> Option<&TokenTree> {
    let mut start = at;
    let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    while start >= 3 && colon(start - 1) && colon(start - 2) && matches!(tokens[start - 3], TokenTree::Ident(_)) {
        start -= 3;
    }
    if start >= 2 && colon(start - 1) && colon(start - 2) {
        start -= 2;
    }
    match start.checked_sub(1).and_then(|before| tokens.get(before)) {
        Some(TokenTree::Punct(punct)) if punct.as_char() == '.' => None,
        Some(TokenTree::Ident(word)) if word == "fn" => None,
        _ => tokens.get(start),
    }
}

#[cfg(test)]
mod unit {
    use super::super::splice;

    fn probed(source: &str) -> Result<String, String> {
        let files = [(splice::ROOT.to_owned(), source.to_owned())].into();
        let analysis = super::super::analyze(&files, b"")?;
        let text = splice::apply(&files, analysis.sabotage.iter().flatten())
            .map_err(|error| error.to_string())?
            .remove(splice::ROOT)
            .unwrap_or_default();
        Ok(text.split("\nmod __kavi").next().unwrap_or_default().to_owned())
    }

    #[test]
    fn conditions_functions_and_calls_are_probed() -> Result<(), String> {
        let text = probed("fn a(x: &str) -> bool { if x.is_empty() { true } else { false } }")?;
        assert!(text.contains("if crate::__kavi::flip(4, x.is_empty()) {"), "{text}");
        assert!(text.contains("{ if crate::__kavi::on(2) { return false; }  if crate::__kavi::on(3) { return true; }"));

        let text = probed("fn run(i: I) -> Result<O, E> { todo() }\nexport_skill!(run);")?;
        assert!(text.contains("{ if crate::__kavi::on(1) { return ::core::result::Result::Err("), "{text}");

        let text = probed("#[cfg(test)] mod tests { #[test] fn a() { assert!(testing::call(run, x(y)).is_ok()); } }")?;
        assert!(text.contains("assert!(crate::__kavi::answer(testing::call(run, x(y))).is_ok())"), "{text}");
        Ok(())
    }

    #[test]
    fn what_cannot_be_switched_is_left_alone() -> Result<(), String> {
        for source in [
            "const fn a() -> bool { if true { true } else { false } }",
            "fn a() { if let Some(x) = y() && x > 1 {} }",
            "const A: usize = if B { 1 } else { 2 };",
            "fn a() -> Mine { x }",
            "#[cfg(test)] mod tests { fn call(a: A) {} #[test] fn b() { call(x); } }",
            "#[cfg(test)] mod tests { #[test] fn b() { it.call(x); } }",
        ] {
            assert_eq!(probed(source)?, source);
        }
        Ok(())
    }
}
