//! A mutant: one small change of the skill, and the list in which mutants get their numbers.

use serde::{Deserialize, Serialize};

use super::source_tree::Source;
use super::splice::Insertion;
use super::switch::FIRST_MUTANT;

/// One small change of the skill.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Mutant {
    /// The number of the switch that turns it on.
    pub(crate) number: u32,
    /// The file.
    pub(crate) file: String,
    /// The line.
    pub(crate) line: u32,
    /// What it changes, as text.
    pub(crate) what: String,
    /// The insertions that make the change.
    pub(crate) insertions: Vec<Insertion>,
}

/// The mutants found so far. Each gets the next number.
#[derive(Default)]
pub(super) struct MutantList {
    pub(super) mutants: Vec<Mutant>,
    /// Changes that often make no difference. They are used only when there are no others.
    pub(super) low_value: Vec<Mutant>,
}

impl MutantList {
    pub(super) fn next(&self) -> u32 {
        FIRST_MUTANT.saturating_add(u32::try_from(self.mutants.len() + self.low_value.len()).unwrap_or(u32::MAX))
    }

    pub(super) fn add(&mut self, source: &Source, line: u32, what: String, insertions: Vec<Insertion>) {
        let number = self.next();
        self.mutants.push(Mutant { number, file: source.path.clone(), line, what, insertions });
    }
}
