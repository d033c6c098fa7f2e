//! What the gates want to know of the source beyond what the compiler says: where its exported function is, which tests
//! it has, how it could be sabotaged, and what inputs its tests use.
//!
//! Guarantees: a plan only describes; it is text positions and text. Every change is an insertion without a newline,
//! so a line of a changed source is the same line of the source.
//!
//! Deliberately never: runs in Kavi's own process (parsing an enemy's source belongs into a child that may be killed),
//! or changes what is promoted: a changed source is compiled for a gate and thrown away.

mod entry;
mod hints;
mod mutants;
mod probes;
mod seen;
mod splice;
mod tests;
mod tree;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub(super) use hints::Hints;
pub(super) use mutants::Mutant;
pub(super) use splice::{Edit, apply};
pub(super) use tests::TestFacts;

/// The switch that a changed program looks at: seconds of its virtual clock after this time, which is 2000-01-01T00:00:00Z.
/// Nothing else can be given to both a test program and a skill. A skill does not see it: the policy gate keeps it from the
/// clock, but for the SDK's, and that one shows the same time for all of the year 2000.
pub(super) const SWITCH_ZERO_MS: i64 = 946_684_800_000;

/// The exported function returns an error at once.
pub(super) const RUN_FAILS: u32 = 1;
/// Every other function of a plain type returns the empty value of that type at once.
pub(super) const EMPTY_VALUES: u32 = 2;
/// Every other function of a plain type returns some other value at once.
pub(super) const OTHER_VALUES: u32 = 3;
/// Every `if` takes the other branch.
pub(super) const OTHER_BRANCHES: u32 = 4;
/// `kavi_sdk::testing::call` answers with an output of no sense, another one each time.
pub(super) const CALLS_SUCCEED: u32 = 5;
/// The first mutant; the others follow.
pub(super) const FIRST_MUTANT: u32 = 100;

/// Everything the gates want to know of one source.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Plan {
    /// The exported function: its name, file and line. `None` when it was not found.
    pub(super) entry: Option<(String, String, u32)>,
    /// What makes a program of the tests that can be sabotaged. Each part can be left out.
    pub(super) probes: Vec<Vec<Edit>>,
    /// The tests, by the name the harness gives them.
    pub(super) tests: BTreeMap<String, TestFacts>,
    /// Small changes of the skill.
    pub(super) mutants: Vec<Mutant>,
    /// Inputs and files of the tests.
    pub(super) hints: Hints,
}

/// Makes the plan of a source.
///
/// # Errors
/// The reason, when the source cannot be parsed.
pub(super) fn make(files: &BTreeMap<String, String>, seed: &[u8]) -> Result<Plan, String> {
    let sources = tree::load(files)?;
    let functions = tree::functions(&sources);
    let entries = entry::find(&sources, &functions);
    let entry = entries.first().map(|index| &functions[*index]).map(|function| {
        let line = u32::try_from(function.sig.ident.span().start().line).unwrap_or(0);
        (function.sig.ident.to_string(), sources[function.source].path.clone(), line)
    });
    let name = entry.as_ref().map(|(name, _, _)| name.as_str());
    let mut probes = probes::of_the_skill(&sources, &functions, &entries);
    probes.extend(probes::of_the_tests(&sources, &functions));
    Ok(Plan {
        probes,
        tests: tests::facts(&sources, name),
        mutants: mutants::choose(mutants::all(&sources, &functions, &entries), seed),
        hints: hints::collect(&sources),
        entry,
    })
}

#[cfg(test)]
mod unit {
    use super::*;

    const SOURCE: &str = include_str!("../../../../skills/write_note/src/lib.rs");

    fn plan(source: &str) -> Result<Plan, String> {
        make(&[("src/lib.rs".to_owned(), source.to_owned())].into(), b"seed")
    }

    #[test]
    fn the_bundled_skill_is_understood() -> Result<(), String> {
        let plan = plan(SOURCE)?;
        assert_eq!(plan.entry.map(|(name, ..)| name).as_deref(), Some("run"));
        assert_eq!(plan.tests.len(), 7);
        assert!(plan.tests.values().all(|facts| facts.mentions_entry && facts.asserts), "{:?}", plan.tests);
        assert!(plan.mutants.len() >= 6, "{:#?}", plan.mutants);
        assert!(plan.hints.strings.iter().any(|text| text == "Inbox/AI/hello.md"));
        Ok(())
    }

    #[test]
    fn changed_sources_keep_their_lines_and_parse() -> Result<(), String> {
        let plan = plan(SOURCE)?;
        let files: BTreeMap<String, String> = [("src/lib.rs".to_owned(), SOURCE.to_owned())].into();
        let mutants: Vec<&Edit> = plan.mutants.iter().flat_map(|mutant| &mutant.edits).collect();
        for edits in [plan.probes.iter().flatten().collect::<Vec<_>>(), mutants] {
            let changed = apply(&files, edits.iter().copied())?;
            let text = &changed["src/lib.rs"];
            assert_eq!(text.lines().count(), SOURCE.lines().count() + 2);
            syn::parse_file(text).map_err(|error| format!("{error} in {text}"))?;
        }
        Ok(())
    }

    #[test]
    fn what_does_not_parse_is_said() {
        assert!(plan("fn (").is_err());
        assert!(plan("#!/bin/sh\nfn run() {}").is_err());
    }
}
