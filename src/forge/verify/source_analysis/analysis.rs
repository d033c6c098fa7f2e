//! The analysis of one source, put together from its parts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::branch::BranchList;
use super::branches;
use super::entry_point::{self, EntryPoint};
use super::input_hints::{self, InputHints};
use super::mutant::Mutant;
use super::mutants;
use super::sabotage;
use super::source_tree;
use super::splice::Insertion;
use super::test_facts::{self, TestFacts};
use super::text_walk;

/// Everything that the gates must know of one source.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SourceAnalysis {
    /// The exported function. `None` when it was not found.
    pub(crate) entry: Option<EntryPoint>,
    /// The paths that the exported function may have below the crate, as the compiler names them.
    pub(crate) exported: Vec<String>,
    /// The sabotage of the skill. Each part can be left out.
    pub(crate) sabotage: Vec<Vec<Insertion>>,
    /// The names of the functions that the sabotage replaces, the exported one first.
    pub(crate) replaced: Vec<String>,
    /// The tests, by the name that the test harness gives them.
    pub(crate) tests: BTreeMap<String, TestFacts>,
    /// Small changes of the skill.
    pub(crate) mutants: Vec<Mutant>,
    /// The texts of the skill, each of which can be changed.
    #[serde(default)]
    pub(crate) texts: Vec<Mutant>,
    /// The branches of the skill, and their counters.
    pub(crate) branches: BranchList,
    /// Inputs, texts and files of the tests.
    pub(crate) hints: InputHints,
}

/// Analyses a source. `seed` decides which mutants are chosen.
///
/// # Errors
/// The reason, when the source cannot be parsed.
pub(crate) fn analyze(files: &BTreeMap<String, String>, seed: &[u8]) -> Result<SourceAnalysis, String> {
    let sources = source_tree::load(files)?;
    let functions = source_tree::functions(&sources);
    let entries = entry_point::find(&sources, &functions);
    let entry = entries.first().map(|index| EntryPoint::of(&sources, &functions[*index]));
    let name = entry.as_ref().map(|entry| entry.name.as_str());
    // Each part can be left out by itself: one that does not compile must not take the others with
    // it.
    let mut sabotage = sabotage::of_the_skill(&sources, &functions, &entries);
    sabotage.extend(sabotage::of_the_tests(&sources, &functions));
    Ok(SourceAnalysis {
        exported: entries.iter().map(|index| entry_point::path(&functions[*index])).collect(),
        replaced: sabotage::replaced(&functions, &entries),
        sabotage,
        tests: test_facts::facts(&sources, name),
        mutants: mutants::choose(mutants::all(&sources, &functions, &entries), seed),
        texts: text_walk::all(&sources),
        branches: branches::all(&sources),
        hints: input_hints::collect(&sources),
        entry,
    })
}

#[cfg(test)]
mod unit {
    use super::super::splice::apply;
    use super::*;

    const SOURCE: &str = include_str!("../../../../skills/write_note/src/lib.rs");

    fn analysis(source: &str) -> Result<SourceAnalysis, String> {
        analyze(&[("src/lib.rs".to_owned(), source.to_owned())].into(), b"seed")
    }

    #[test]
    fn the_bundled_skill_is_understood() -> Result<(), String> {
        let analysis = analysis(SOURCE)?;
        assert_eq!(analysis.entry.as_ref().map(|entry| entry.name.as_str()), Some("run"));
        assert_eq!(analysis.tests.len(), 9);
        assert!(analysis.tests.values().all(|facts| facts.mentions_entry && facts.asserts), "{:?}", analysis.tests);
        assert!(analysis.mutants.len() >= 6, "{:#?}", analysis.mutants);
        assert!(analysis.hints.strings.iter().any(|text| text == "Inbox/AI/hello.md"));
        Ok(())
    }

    #[test]
    fn changed_sources_keep_their_lines_and_parse() -> Result<(), String> {
        let analysis = analysis(SOURCE)?;
        let files: BTreeMap<String, String> = [("src/lib.rs".to_owned(), SOURCE.to_owned())].into();
        let mutants: Vec<&Insertion> = analysis.mutants.iter().flat_map(|mutant| &mutant.insertions).collect();
        let sabotage: Vec<&Insertion> = analysis.sabotage.iter().flatten().collect();
        let counters: Vec<&Insertion> = analysis.branches.counters.iter().flatten().collect();
        let all = [mutants.clone(), sabotage.clone(), counters.clone()].concat();
        for insertions in [sabotage, mutants, counters, all] {
            let changed = apply(&files, insertions.iter().copied()).map_err(|error| error.to_string())?;
            let text = &changed["src/lib.rs"];
            assert_eq!(text.lines().count(), SOURCE.lines().count() + 2);
            syn::parse_file(text).map_err(|error| format!("{error} in {text}"))?;
        }
        Ok(())
    }

    #[test]
    fn what_does_not_parse_is_said() {
        assert!(analysis("fn (").is_err());
        assert!(analysis("#!/bin/sh\nfn run() {}").is_err());
    }
}
