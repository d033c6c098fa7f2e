//! Finds the branches of a skill, and makes their counters.
//!
//! Guarantees: every branch of every file of the skill is in the list, whether it can be counted or not.

use super::branch::BranchList;
use super::branch_walk::BranchWalk;
use super::code_walk::CodeWalk as _;
use super::effect_names::EffectNames;
use super::lazy_macros::LazyMacros;
use super::source_tree::{CodeScope, Source};
use super::value_walk::{self, ValueWalk};

/// Finds the branches of a skill.
pub(super) fn all(sources: &[Source]) -> BranchList {
    let effects = EffectNames::collect(sources);
    let (lazy, tables) = (LazyMacros::collect(sources), value_walk::tables(sources));
    let mut found = BranchList::default();
    let of_skill = || sources.iter().filter(|source| source.scope == CodeScope::SkillComponent);
    for source in of_skill() {
        let mut walk = BranchWalk { source, effects: &effects, found: &mut found, lazy: &lazy, constant: false };
        walk.visit_file(&source.file);
    }
    for source in of_skill() {
        ValueWalk { source, tables: &tables, found: &mut found, constant: false }.visit_file(&source.file);
    }
    found
}

#[cfg(test)]
mod unit {
    use std::collections::BTreeMap;

    use super::super::{source_tree, splice};
    use super::*;

    fn counted(source: &str) -> Result<(BranchList, String), String> {
        let files: BTreeMap<String, String> = [(splice::ROOT.to_owned(), source.to_owned())].into();
        let found = all(&source_tree::load(&files)?);
        let text = splice::apply(&files, found.counters.iter().flatten())
            .map_err(|error| error.to_string())?
            .remove(splice::ROOT)
            .unwrap_or_default();
        syn::parse_file(&text).map_err(|error| format!("{error}: {text}"))?;
        Ok((found, text.split("\nmod __kavi").next().unwrap_or_default().to_owned()))
    }

    #[test]
    fn every_kind_of_branch_is_counted() -> Result<(), String> {
        for (source, branches, expected) in [
            ("fn f() {}", 1, "fn f() { crate::__kavi::hit(0); }"),
            ("fn f() { if a { b() } }", 3, "{ crate::__kavi::hit(1);  b() } else { crate::__kavi::hit(2); } }"),
            ("fn f() { if a { b() } else if c { d() } }", 4, "else { crate::__kavi::hit(3); } }"),
            (
                "fn f() { match a { A => b, _ => {} } }",
                3,
                "A => { crate::__kavi::hit(1); b }, _ => { crate::__kavi::hit(2); }",
            ),
            ("fn f() { for a in b {} }", 2, "in b { crate::__kavi::hit(1); }"),
            ("fn f() { a.map(|x| x + 1) }", 2, "|x| { crate::__kavi::hit(1); x + 1 }"),
            ("fn f() { a.parse()?; }", 2, "crate::__kavi::tried(1, a.parse())?;"),
            ("fn f() { let Some(x) = a else { return }; }", 2, "else { crate::__kavi::hit(1);  return }"),
            ("fn f() -> bool { a > 3 }", 3, "crate::__kavi::took(1, a > 3)"),
            ("fn f() { if a && !b {} }", 7, "if crate::__kavi::took(1, a) && crate::__kavi::took(3, !b) {"),
            (
                "fn f() { json!({ \"a\": if b { 1 } else { 2 }, \"c\": [d.map(|e| e)] }) }",
                4,
                "|e| { crate::__kavi::hit(3); e }",
            ),
            ("fn f() { vec![a?; 3] }", 2, "vec![crate::__kavi::tried(1, a)?; 3]"),
            ("macro_rules! m { ($c:expr) => { if $c { a() } } }", 1, "if $c { crate::__kavi::hit(0);  a() }"),
        ] {
            let (found, text) = counted(source)?;
            assert_eq!(found.branches.len(), branches, "{text}");
            assert!(text.contains(expected), "{text}");
        }
        Ok(())
    }

    #[test]
    fn what_cannot_be_counted_is_listed() -> Result<(), String> {
        for (source, branches) in [
            ("const fn f(x: u8) -> u8 { if x > 1 { 1 } else { 2 } }", 3),
            ("const X: u8 = if A { 1 } else { 2 };", 2),
            ("impl A { const X: u8 = if A { 1 } else { 2 }; }", 2),
            ("trait A { const X: u8 = if A { 1 } else { 2 }; }", 2),
            ("macro_rules! m { ($c:expr) => { match $c { 1 => a(), _ => b() } } }", 2),
        ] {
            let (found, text) = counted(source)?;
            assert_eq!((found.branches.len(), found.counters.len()), (branches, 0), "{text}");
            assert_eq!(text, source);
        }
        Ok(())
    }

    #[test]
    fn an_argument_that_a_local_macro_may_leave_out_is_a_branch() -> Result<(), String> {
        let rules = "macro_rules! pick { ($c:expr, $a:expr, $b:expr) => { if $c { $a } else { $b } } }\n\
                     macro_rules! sum { ($a:expr, $b:expr) => { $a + $b } }\n";
        let (found, text) = counted(&format!("{rules}fn f() {{ pick!(c, vault::read(X)?, y); sum!(g(), h()) }}"))?;
        assert!(text.contains("pick!(c, { crate::__kavi::hit(3); "), "{text}");
        let argument = found.branches.iter().find(|branch| branch.place.what == "the argument is never used");
        assert!(argument.is_some_and(|branch| branch.place.effects), "{text}");
        assert!(text.contains("sum!(g(), h())"), "{text}");
        Ok(())
    }

    #[test]
    fn tests_have_no_branches() -> Result<(), String> {
        let (found, _) =
            counted("#[cfg(test)] mod tests { #[test] fn a() { if b {} } }\nimpl A { #[test] fn c() {} }")?;
        assert_eq!(found.branches, []);
        Ok(())
    }

    #[test]
    fn a_branch_reaches_the_vault_through_other_functions() -> Result<(), String> {
        let source = "use kavi_sdk::vault::{read as fetch};\nfn leak(x: &str) { fetch(x) }\nfn through(x: &str) { leak(x) }\n\
                      struct S; impl S { fn send(&self) { vault::write(\"a\", \"b\") } fn new() -> S { S } }\n\
                      fn run() { if a { through(x) } if b { s.send() } if c { S::new(); String::new() } if d { let y = 1; } \
                      if e { now() } if f { kavi_sdk::clock::now(); } }";
        let (found, _) = counted(source)?;
        let taken: Vec<bool> = found
            .branches
            .iter()
            .filter(|branch| branch.place.line == 5 && branch.place.what.starts_with("never taken"))
            .map(|branch| branch.place.effects)
            .collect();
        assert_eq!(taken, [true, true, false, false, false, true]);
        Ok(())
    }

    #[test]
    fn reading_a_note_is_an_effect_and_taking_one_apart_is_none() -> Result<(), String> {
        let source = "use kavi_sdk::note::{self as n, read as load};\n\
                      fn run() { if a { n::read(x) } if b { load(x) } if c { n::Note::parse(x) } if d { n::name(x) } \
                      if e { vault::LeftOut::new(x, y) } if f { vault::list(x) } }";
        let (found, _) = counted(source)?;
        let taken = found.branches.iter().filter(|branch| branch.place.what.starts_with("never taken"));
        assert_eq!(
            taken.map(|branch| branch.place.effects).collect::<Vec<_>>(),
            [true, true, false, false, false, true]
        );
        Ok(())
    }

    #[test]
    fn effects_hidden_in_an_operator_make_every_branch_suspicious() -> Result<(), String> {
        let source = "struct S; impl std::fmt::Display for S { fn fmt(&self, f: F) -> R { vault::write(\"a\", \"b\") } }\n\
                      fn run() { if a { S.to_string() } }";
        let (found, _) = counted(source)?;
        assert!(
            found.branches.iter().any(|branch| branch.place.what.starts_with("never taken") && branch.place.effects)
        );
        Ok(())
    }
}
