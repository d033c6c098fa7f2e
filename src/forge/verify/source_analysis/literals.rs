//! The literals of a skill: each text and each number that its code names outside of tests.
//!
//! A branch may wait for one of them. The conformance gate tries all of them, in each field of an input.
//!
//! Guarantees: what does not fit is counted. Deliberately never: decides what a literal is for.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use serde::{Deserialize, Serialize};
use syn::Lit;

use super::source_tree::{Source, skill_items, tokens_of};

/// Most texts that are kept.
const MOST_TEXTS: usize = 256;
/// Most whole numbers, and most numbers with a fraction, that are kept.
const MOST_NUMBERS: usize = 64;
/// Longest text that is kept, in bytes.
const LONGEST: usize = 2_000;
/// Macros whose texts are words for people, or the frame of a text.
const WORDING: [&str; 9] =
    ["format", "write", "writeln", "panic", "unreachable", "todo", "assert", "assert_eq", "concat"];
/// Types and modules whose functions take words for people.
const WORDED: [&str; 3] = ["SkillError", "log", "Err"];

/// The literals of a skill.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SkillLiterals {
    /// Texts, also those of one character. Words for people come last.
    pub(crate) texts: Vec<String>,
    /// Whole numbers.
    pub(crate) numbers: Vec<i64>,
    /// Products of two of them, because a constant is often one: 64 * 1024.
    pub(crate) products: Vec<i64>,
    /// Numbers with a fraction.
    pub(crate) fractions: Vec<f64>,
    /// How many literals did not fit.
    pub(crate) left_out: usize,
}

/// Collects the literals of the sources.
pub(super) fn collect(sources: &[Source]) -> SkillLiterals {
    let mut found = Found::default();
    for source in sources {
        for (_, item) in skill_items(source) {
            found.walk(tokens_of(source, item), LiteralUse::Any);
        }
    }
    let Found { mut literals, wording } = found;
    for text in wording {
        add(&mut literals.texts, text, MOST_TEXTS, &mut literals.left_out);
    }
    let factors: Vec<i64> = literals.numbers.iter().copied().filter(|number| *number > 1).collect();
    // Guessed, because constants are not evaluated here. A wrong product is one input of no use.
    let products = factors.iter().flat_map(|one| factors.iter().filter_map(|other| one.checked_mul(*other)));
    for product in products.filter(|product| !literals.numbers.contains(product)) {
        // Not counted as left out: no source names it.
        add(&mut literals.products, product, MOST_NUMBERS, &mut 0);
    }
    literals
}

/// What a literal is for, as far as its surroundings tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LiteralUse {
    Any,
    /// It is a message for people.
    Wording,
}

#[derive(Default)]
struct Found {
    literals: SkillLiterals,
    /// Kept apart, so that no source pushes a text that it compares with out of the list by its messages.
    wording: Vec<String>,
}

impl Found {
    fn walk(&mut self, tokens: TokenStream, used: LiteralUse) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) if is_documentation(group.delimiter(), group.stream()) => {}
                TokenTree::Group(group) => {
                    let before = tokens.get(..at).unwrap_or_default();
                    let used = if is_wording(before) { LiteralUse::Wording } else { used };
                    self.walk(group.stream(), used);
                }
                TokenTree::Literal(literal) => {
                    let negative = at.checked_sub(1).and_then(|before| tokens.get(before)).is_some_and(is_minus);
                    self.literal(Lit::new(literal.clone()), negative, used);
                }
                TokenTree::Ident(_) | TokenTree::Punct(_) => {}
            }
        }
    }

    fn literal(&mut self, literal: Lit, negative: bool, used: LiteralUse) {
        let text = match literal {
            Lit::Str(text) => text.value(),
            Lit::ByteStr(bytes) => String::from_utf8(bytes.value()).unwrap_or_default(),
            Lit::Char(letter) => letter.value().to_string(),
            Lit::Byte(byte) => char::from(byte.value()).to_string(),
            Lit::Int(number) => return self.number(number.base10_parse().ok(), negative),
            Lit::Float(number) => return self.fraction(number.base10_parse().ok(), negative),
            _ => return,
        };
        if text.len() > LONGEST {
            self.literals.left_out += 1;
        } else if used == LiteralUse::Wording {
            if !self.wording.contains(&text) {
                self.wording.push(text);
            }
        } else {
            add(&mut self.literals.texts, text, MOST_TEXTS, &mut self.literals.left_out);
        }
    }

    fn number(&mut self, number: Option<i64>, negative: bool) {
        let SkillLiterals { numbers, left_out, .. } = &mut self.literals;
        let Some(number) = number else { return };
        add(numbers, number, MOST_NUMBERS, left_out);
        // Also where it is the right side of a difference: the tokens do not tell.
        if negative {
            add(numbers, -number, MOST_NUMBERS, left_out);
        }
    }

    fn fraction(&mut self, number: Option<f64>, negative: bool) {
        let SkillLiterals { fractions, left_out, .. } = &mut self.literals;
        let Some(number) = number.filter(|number| number.is_finite()) else { return };
        add(fractions, number, MOST_NUMBERS, left_out);
        if negative {
            add(fractions, -number, MOST_NUMBERS, left_out);
        }
    }
}

fn add<T: PartialEq>(to: &mut Vec<T>, literal: T, most: usize, left_out: &mut usize) {
    if to.contains(&literal) {
        return;
    }
    if to.len() < most { to.push(literal) } else { *left_out += 1 }
}

fn is_minus(token: &TokenTree) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == '-')
}

/// Whether a group is `[doc = "…"]`: what a comment of the documentation is for the compiler.
fn is_documentation(delimiter: Delimiter, tokens: TokenStream) -> bool {
    let first = tokens.into_iter().next();
    delimiter == Delimiter::Bracket && matches!(first, Some(TokenTree::Ident(word)) if word == "doc")
}

/// Whether the group after these tokens holds words for people: `format!(…)`, `SkillError::failed(…)`, `Err(…)`.
fn is_wording(before: &[TokenTree]) -> bool {
    let word = |token: &TokenTree, words: &[&str]| matches!(token, TokenTree::Ident(ident) if words.iter().any(|word| ident == word));
    match before {
        [.., name, TokenTree::Punct(punct)] if punct.as_char() == '!' => word(name, &WORDING),
        [.., of, TokenTree::Punct(one), TokenTree::Punct(other), TokenTree::Ident(_)]
            if one.as_char() == ':' && other.as_char() == ':' =>
        {
            word(of, &WORDED)
        }
        [.., name] => word(name, &WORDED),
        [] => false,
    }
}

#[cfg(test)]
mod unit {
    use super::super::{source_tree, splice};
    use super::*;

    fn literals(source: &str) -> Result<SkillLiterals, String> {
        Ok(collect(&source_tree::load(&[(splice::ROOT.to_owned(), source.to_owned())].into())?))
    }

    #[test]
    fn all_literals_of_the_skill_are_found_and_none_of_its_tests() -> Result<(), String> {
        let found = literals(
            "/// Documented.\nconst K: &str = \"Backdoor\"; fn run() { if x > 3_000 || y < -40 || z > 0.25 { f('§', b\"raw\"); } \
             Err(SkillError::failed(format!(\"no {x}\"))) }\n#[cfg(test)] mod tests { #[test] fn a() { seed(\"Backdoor\", \"x\"); \
             assert_eq!(1, 77); } }",
        )?;
        assert_eq!(found.texts, ["Backdoor", "§", "raw", "no {x}"]);
        assert_eq!(found.numbers, [3_000, 40, -40]);
        assert_eq!(found.fractions, [0.25]);
        assert_eq!(found.products, [9_000_000, 120_000, 1_600]);
        assert_eq!(found.left_out, 0);
        Ok(())
    }

    #[test]
    fn messages_and_documentation_push_no_text_out() -> Result<(), String> {
        let messages: String =
            (0..400).map(|at| format!("/// doc {at}\nfn f{at}() {{ log::info(\"m {at}\"); }}\n")).collect();
        let found = literals(&format!("{messages} fn run() {{ x == \"Backdoor\" }}"))?;
        assert_eq!(found.texts.first().map(String::as_str), Some("Backdoor"));
        assert_eq!((found.texts.len(), found.left_out), (MOST_TEXTS, 401 - MOST_TEXTS));
        Ok(())
    }
}
