//! Makes the mutants of a skill: small changes that its tests should notice.
//!
//! `mutation_walk` makes those within a body. Here are those of whole functions, the closures in constants, and the choice
//! among all of them.
//!
//! Guarantees: the same source and seed give the same mutants. Deliberately never: changes test code, or how a value is
//! shown (`fmt`) beyond its branches and loops.

use syn::{Expr, Item};

use super::access_walk::{self, AccessWalk};
use super::code_walk::CodeWalk;
use super::mutant::{ChangeKind, Mutant, MutantList};
use super::mutation_walk::MutationWalk;
use super::sabotage::{instead, values};
use super::source_tree::{CodeScope, Function, Source, is_for_tests, line_of};
use super::touch;
use crate::model::digest::Digest;

/// Most mutants that are tried.
const MOST: usize = 40;
/// Most calls through the host that are made to fail.
const MOST_FAILING: usize = 60;

/// Every mutant of a skill, in the order of the source.
pub(super) fn all(sources: &[Source], functions: &[Function<'_>], entries: &[usize]) -> Vec<Mutant> {
    let mut found = MutantList { access_names: touch::imported_names(sources), ..MutantList::default() };
    for (index, function) in functions.iter().enumerate() {
        let source = &sources[function.source];
        if !entries.contains(&index) && !function.of_trait {
            early_returns(source, function, &mut found);
        }
        if function.of_trait && function.sig.ident == "fmt" {
            FormatWalk(MutationWalk { source, found: &mut found }).visit_block(function.block);
        } else {
            MutationWalk { source, found: &mut found }.visit_block(function.block);
        }
    }
    for source in sources.iter().filter(|source| source.scope == CodeScope::SkillComponent) {
        constants(source, &source.file.items, &mut found);
    }
    // Weak mutants are better than none: the gate would have nothing to try.
    if found.mutants.is_empty() {
        found.mutants.append(&mut found.low_value);
    }
    let wrappers = access_walk::wrappers(sources, functions, entries, &found.access_names);
    let macros = access_walk::macros(sources, &found.access_names);
    for source in sources.iter().filter(|source| source.scope == CodeScope::SkillComponent) {
        AccessWalk { source, found: &mut found, wrappers: &wrappers, macros: &macros }.visit_file(&source.file);
    }
    found.mutants
}

/// The walk over a `fmt`: its texts are a matter of taste, but its branches and loops are not.
struct FormatWalk<'a, 'b>(MutationWalk<'a, 'b>);

impl CodeWalk for FormatWalk<'_, '_> {
    fn visit_expr(&mut self, node: &Expr) {
        match node {
            Expr::If(branch) => {
                self.0.condition(&branch.cond);
                if let Expr::Binary(condition) = &*branch.cond {
                    self.0.binary(condition, &branch.cond);
                }
            }
            Expr::ForLoop(round) => self.0.ends_early(&round.body, round),
            _ => {}
        }
        self.below_expr(node);
    }

    fn visit_macro(&mut self, _: &syn::Macro) {}
}

/// Mutates the closures in constants. The compiler evaluates the constant, without a switch, but the bodies of closures run later.
fn constants(source: &Source, items: &[Item], found: &mut MutantList) {
    struct Closures<'a, 'b>(MutationWalk<'a, 'b>);
    impl CodeWalk for Closures<'_, '_> {
        fn visit_expr(&mut self, node: &Expr) {
            match node {
                Expr::Closure(closure) => self.0.visit_expr(&closure.body),
                _ => self.below_expr(node),
            }
        }
    }
    for item in items {
        let mut closures = Closures(MutationWalk { source, found });
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

/// Chooses at most [`MOST`] of them, by the seed alone, and every call that fails. Their order stays, because outer changes must
/// come before inner ones.
pub(super) fn choose(mutants: Vec<Mutant>, seed: &[u8]) -> Vec<Mutant> {
    let (failing, mut mutants): (Vec<Mutant>, Vec<Mutant>) =
        mutants.into_iter().partition(|mutant| mutant.change == ChangeKind::Fails);
    if mutants.len() > MOST {
        let rank = |mutant: &Mutant| Digest::of(&[seed, &mutant.number.to_be_bytes()].concat()).to_string();
        mutants.sort_by_cached_key(rank);
        mutants.truncate(MOST);
        mutants.sort_by_key(|mutant| mutant.number);
    }
    mutants.extend(failing.into_iter().take(MOST_FAILING));
    mutants
}

fn early_returns(source: &Source, function: &Function<'_>, found: &mut MutantList) {
    let Some(values) = values(&function.sig.output) else { return };
    let count = if values.empty == values.other { 1 } else { 2 };
    for value in [values.empty, values.other].into_iter().take(count) {
        let insertion = source.at_start_of(function.block, instead(found.next(), value));
        let what = format!("`{}` returns `{}` at once", function.sig.ident, short(value));
        found.add_left_out(source, function.block, what, vec![insertion]);
        // The signature may be longer than a line, and a reader looks for the name.
        if let Some(last) = found.mutants.last_mut() {
            last.line = line_of(&function.sig.ident);
        }
    }
}

/// A value without its full paths, to be read.
fn short(value: &str) -> String {
    value
        .replace("::core::result::Result::", "")
        .replace("::core::option::Option::", "")
        .replace("::kavi_sdk::", "")
        .replace("::std::string::", "")
        .replace("::std::vec::", "")
}

#[cfg(test)]
mod unit {
    use super::super::splice;
    use super::super::touch::Touch;
    use super::*;

    fn mutants(source: &str) -> Result<Vec<String>, String> {
        let files = [(splice::ROOT.to_owned(), source.to_owned())].into();
        let analysis = super::super::analyze(&files, b"seed")?;
        let changed = splice::apply(&files, analysis.mutants.iter().flat_map(|mutant| &mutant.insertions));
        let changed = changed.map_err(|error| error.to_string())?;
        let text = &changed[splice::ROOT];
        syn::parse_file(text).map_err(|error| format!("{error}: {text}"))?;
        Ok(analysis.mutants.into_iter().map(|mutant| mutant.what).collect())
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
    fn the_words_of_a_helpers_error_are_not_changed() -> Result<(), String> {
        for error in [
            "Err(\"it is empty\".into())",
            "Err(\"it is empty\".to_string())",
            "Err(String::from(\"it is empty\"))",
            "Err(format!(\"{x} is empty\"))",
            "Err(Fault::Empty(\"it is empty\".to_owned()))",
            "Err(Fault::Empty { why: \"it is empty\".into() })",
            "x.get(i).ok_or(\"it is empty\")",
            "x.get(i).ok_or_else(|| \"it is empty\".to_owned())",
        ] {
            let source =
                format!("fn helper(x: &str) -> Result<u8, Mine> {{ {error} }}\nfn run() {{}}\nexport_skill!(run);");
            let found = mutants(&source)?;
            assert!(!found.iter().any(|what| what.contains("empty")), "{error}: {found:?}");
        }
        // What is computed for an error still counts, and so does a text that is no error.
        let computed =
            "fn helper(x: u8) -> Result<u8, Mine> { Err(Fault::At(x + 1)) }\nfn run() {}\nexport_skill!(run);";
        assert!(mutants(computed)?.iter().any(|what| what == "`+` becomes `-`"));
        let text = "fn helper() -> Mine { Mine::from(\"it\") }\nfn run() {}\nexport_skill!(run);";
        assert!(mutants(text)?.iter().any(|what| what == "`\"it\"` becomes `\"kavi\"`"));
        Ok(())
    }

    #[test]
    fn what_a_change_touches_is_noted() -> Result<(), String> {
        let source = "fn run(x: &str) -> Result<O, SkillError> { let mut t = x.len() + 1; t += 2; log::info(t);\n\
                      body.push_str(&vault::read(x)?); Ok(O { t: t * 3 }) }\nexport_skill!(run);";
        let files = [(splice::ROOT.to_owned(), source.to_owned())].into();
        let analysis = super::super::analyze(&files, b"seed")?;
        let of = |what: &str| analysis.mutants.iter().find(|it| it.what == what).map(|it| (it.touch, it.change));
        assert_eq!(of("`+` becomes `-`"), Some((Touch::Values, ChangeKind::Alters)));
        assert_eq!(of("`t += 2;` is left out"), Some((Touch::Values, ChangeKind::LeavesOut)));
        assert_eq!(of("`*` becomes `+`"), Some((Touch::Outcome, ChangeKind::Alters)));
        let read = of("`body.push_str(&vault::read(x)?);` is left out");
        assert_eq!(read, Some((Touch::Access, ChangeKind::LeavesOut)));
        Ok(())
    }

    #[test]
    fn every_call_through_the_host_is_made_to_fail_wherever_it_is() -> Result<(), String> {
        let source = "use kavi_sdk::vault::{self, read as load};\nfn run(x: &str) -> Result<O, SkillError> {\n\
                      log::info(vault::read(A).unwrap_or_default());\nlet e = || SkillError::failed(vault::walk(B));\n\
                      format!(\"{}\", load(C)?);\nlet t = String::with_capacity(note::read(D)?.len());\n\
                      http::get(E).send()?; vault::exists(F)?; note::name(G); Ok(O) }\nexport_skill!(run);\n\
                      #[cfg(test)] mod tests { fn a() { vault::read(H); } }";
        let found = mutants(source)?;
        let failing: Vec<&str> = found.iter().filter_map(|what| what.strip_suffix(" fails")).collect();
        assert_eq!(
            failing,
            ["`vault::read(A)`", "`vault::walk(B)`", "`load(C)`", "`note::read(D)`", "`http::get(E).send()`"]
        );
        // Also through a function of the skill, each call by itself, and where a function is handed on.
        let source = "fn run(x: &str) -> Result<O, SkillError> { load(x)?; more(); y.map(vault::read); Ok(O) }\n\
                      fn load(x: &str) -> Result<String, SkillError> { vault::read(x) }\n\
                      fn more() -> String { load(P).unwrap_or_default() }\nexport_skill!(run);";
        let found = mutants(source)?;
        let failing: Vec<&str> = found.iter().filter_map(|what| what.strip_suffix(" fails")).collect();
        assert_eq!(failing, ["`load(x)`", "`more()`", "`vault::read`", "`vault::read(x)`", "`load(P)`"]);
        // A signature fails with an error of its own type.
        let source = "use kavi_sdk::sign::{self, sign_ed25519};\nfn run(x: &str) -> Result<O, SkillError> {\n\
                      sign::hmac_sha256(K, x)?; sign_ed25519(K, x)?; sign::hex(y); Ok(O) }\nexport_skill!(run);";
        let found = mutants(source)?;
        let failing: Vec<&str> = found.iter().filter_map(|what| what.strip_suffix(" fails")).collect();
        assert_eq!(failing, ["`sign::hmac_sha256(K, x)`", "`sign_ed25519(K, x)`"]);
        Ok(())
    }

    #[test]
    fn which_are_tried_depends_on_the_source_alone() {
        let some = |count: u32| -> Vec<Mutant> {
            let one = |number| Mutant {
                number,
                file: String::new(),
                line: 1,
                what: String::new(),
                touch: Touch::Values,
                change: ChangeKind::Alters,
                insertions: Vec::new(),
            };
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
