//! Instrumented programs: the sources with insertions, compiled for one gate.
//!
//! One program holds everything that is tried: the sabotage, the mutants and the counters of branches. It is compiled twice: as a
//! test program, and as the twin of the promoted component.
//!
//! Guarantees: such a program is never kept and never promoted. A change that does not compile is left out, and the rest is
//! still tested.

use std::collections::{BTreeMap, BTreeSet};

use super::context::GateContext;
use super::error::VerifyError;
use super::source_analysis::{self, Insertion, Mutant, SourceAnalysis};
use crate::forge::compile::ProgramKind;
use crate::model::snapshot::Snapshot;

/// Most rounds of leaving out changes that do not compile.
const ROUNDS: usize = 8;

/// What a change is for. Where a line does not compile, the first of these is left out first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Purpose {
    Look,
    Text(usize),
    Mutant(usize),
    Sabotage,
    Counter,
}

/// One change.
struct Change<'a> {
    purpose: Purpose,
    insertions: &'a [Insertion],
}

/// A program with those changes that compile.
pub(super) struct InstrumentedProgram {
    pub(super) component: Vec<u8>,
    /// The indexes of the mutants that it contains.
    mutants: BTreeSet<usize>,
    /// The indexes of the changed texts that it contains.
    texts: BTreeSet<usize>,
    /// The texts of the sabotage that it contains.
    sabotage: Vec<String>,
}

impl InstrumentedProgram {
    /// The mutants that it contains.
    pub(super) fn mutants<'a>(&self, analysis: &'a SourceAnalysis) -> Vec<&'a Mutant> {
        self.mutants.iter().filter_map(|at| analysis.mutants.get(*at)).collect()
    }

    /// The changed texts that it contains.
    pub(super) fn texts<'a>(&self, analysis: &'a SourceAnalysis) -> Vec<&'a Mutant> {
        self.texts.iter().filter_map(|at| analysis.texts.get(*at)).collect()
    }

    /// Whether it contains the sabotage with this number.
    pub(super) fn sabotages(&self, number: u32) -> bool {
        let on = format!("on({number})");
        self.sabotage.iter().any(|text| text.contains(&on))
    }
}

/// Compiles the sources with as many of the changes as compile. `None` when they do not compile with any.
///
/// The analysis knows no types, so some changes do not compile. The line of the compiler's error tells which.
pub(super) fn compile(
    context: &GateContext<'_>,
    analysis: &SourceAnalysis,
    product: ProgramKind,
) -> Result<Option<InstrumentedProgram>, VerifyError> {
    let files = text_files(context.snapshot)?;
    let mutants = analysis.mutants.iter().enumerate();
    let mutants = mutants.map(|(at, mutant)| Change { purpose: Purpose::Mutant(at), insertions: &mutant.insertions });
    let sabotage = analysis.sabotage.iter().map(|insertions| Change { purpose: Purpose::Sabotage, insertions });
    let counters = analysis.branches.counters.iter().map(|insertions| Change { purpose: Purpose::Counter, insertions });
    let texts = analysis.texts.iter().enumerate();
    let texts = texts.map(|(at, text)| Change { purpose: Purpose::Text(at), insertions: &text.insertions });
    let looks = analysis.branches.looks.iter().map(|insertions| Change { purpose: Purpose::Look, insertions });
    let mut kept: Vec<Change<'_>> = sabotage.chain(mutants).chain(counters).collect();
    // Only runs of the skill are asked for these.
    if product == ProgramKind::Instrumented {
        kept.extend(texts.chain(looks));
    }
    for _ in 0..ROUNDS {
        let changed = source_analysis::apply(&files, kept.iter().flat_map(|change| change.insertions))?;
        let changed = changed.into_iter().map(|(path, text)| (path, text.into_bytes())).collect();
        let made = context.sandbox(&Snapshot::new(changed))?.compile(product)?;
        if let Some(component) = made.component {
            return Ok(Some(program(component, &kept)));
        }
        let wrong: BTreeSet<(&str, u32)> =
            made.findings.iter().filter_map(|finding| Some((finding.file.as_deref()?, finding.line?))).collect();
        if !leave_out(&mut kept, &wrong) {
            return Ok(None);
        }
    }
    Ok(None)
}

fn program(component: Vec<u8>, kept: &[Change<'_>]) -> InstrumentedProgram {
    let mutants = kept.iter().filter_map(|change| match change.purpose {
        Purpose::Mutant(at) => Some(at),
        _ => None,
    });
    let texts = kept.iter().filter_map(|change| match change.purpose {
        Purpose::Text(at) => Some(at),
        _ => None,
    });
    let sabotage = kept.iter().filter(|change| change.purpose == Purpose::Sabotage);
    InstrumentedProgram {
        component,
        mutants: mutants.collect(),
        texts: texts.collect(),
        sabotage: sabotage.flat_map(|change| change.insertions).map(|insertion| insertion.text.clone()).collect(),
    }
}

/// Leaves out, on every wrong line, the changes of the purpose that matters least. A mutant that does not compile must not take
/// the counters of its line with it: a branch that is not counted counts as not taken.
fn leave_out(kept: &mut Vec<Change<'_>>, wrong: &BTreeSet<(&str, u32)>) -> bool {
    let rank = |purpose: Purpose| match purpose {
        Purpose::Look => 0,
        Purpose::Text(_) => 1,
        Purpose::Mutant(_) => 2,
        Purpose::Sabotage => 3,
        Purpose::Counter => 4,
    };
    let on = |change: &Change<'_>, line: &(&str, u32)| {
        change.insertions.iter().any(|insertion| (insertion.file.as_str(), insertion.line) == *line)
    };
    let least = |line: &(&str, u32)| kept.iter().filter(|change| on(change, line)).map(|c| rank(c.purpose)).min();
    let least: Vec<((&str, u32), Option<u8>)> = wrong.iter().map(|line| (*line, least(line))).collect();
    let before = kept.len();
    kept.retain(|change| !least.iter().any(|(line, least)| on(change, line) && Some(rank(change.purpose)) == *least));
    kept.len() < before
}

/// The files of a snapshot as text.
pub(super) fn text_files(snapshot: &Snapshot) -> Result<BTreeMap<String, String>, VerifyError> {
    let text_of = |path: &str, bytes: &[u8]| {
        let text = std::str::from_utf8(bytes).map_err(|_| VerifyError::NotUtf8(path.to_owned()))?;
        Ok((path.to_owned(), text.to_owned()))
    };
    snapshot.sources().map(|(path, bytes)| text_of(path, bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::verify::source_analysis::Anchor;

    #[test]
    fn a_mutant_that_does_not_compile_leaves_the_counter_of_its_line() {
        let at = |line: u32| {
            let (file, text) = ("src/lib.rs".to_owned(), String::new());
            [Insertion { file, line, at: 0, anchor: Anchor::Before, partner: None, text }]
        };
        let (first, second) = (at(3), at(4));
        let change = |purpose, insertions| Change { purpose, insertions };
        let mut kept = vec![
            change(Purpose::Sabotage, first.as_slice()),
            change(Purpose::Mutant(0), first.as_slice()),
            change(Purpose::Mutant(1), second.as_slice()),
            change(Purpose::Counter, first.as_slice()),
        ];
        let purposes = |kept: &[Change<'_>]| kept.iter().map(|change| change.purpose).collect::<Vec<_>>();
        let wrong = [("src/lib.rs", 3)].into();
        assert!(leave_out(&mut kept, &wrong));
        assert_eq!(purposes(&kept), [Purpose::Sabotage, Purpose::Mutant(1), Purpose::Counter]);
        assert!(leave_out(&mut kept, &wrong));
        assert_eq!(purposes(&kept), [Purpose::Mutant(1), Purpose::Counter]);
        assert!(leave_out(&mut kept, &wrong) && !leave_out(&mut kept, &wrong));
    }
}
