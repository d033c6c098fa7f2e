//! A mutant: one small change of the skill, and the list in which mutants get their numbers.

use serde::{Deserialize, Serialize};

use super::source_tree::{Source, line_of, tokens_of};
use super::splice::Insertion;
use super::switch::FIRST_MUTANT;
use super::touch::{self, Touch};

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
    /// What the changed code touches.
    pub(crate) touch: Touch,
    /// Whether the change leaves code out, or alters it.
    pub(crate) change: ChangeKind,
    /// The insertions that make the change.
    pub(crate) insertions: Vec<Insertion>,
}

/// What a change does to the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ChangeKind {
    /// Other code runs.
    Alters,
    /// Some code does not run: a statement, a loop, the body of a function.
    LeavesOut,
    /// A call through the host fails.
    Fails,
}

/// The mutants found so far. Each gets the next number.
#[derive(Default)]
pub(super) struct MutantList {
    pub(super) mutants: Vec<Mutant>,
    /// Changes that often make no difference. They are used only when there are no others.
    pub(super) low_value: Vec<Mutant>,
    /// What the statement touches that the walk is in.
    pub(super) touch: Touch,
    /// The names under which the skill calls functions that read or write through the host.
    pub(super) access_names: Vec<String>,
}

impl MutantList {
    pub(super) fn next(&self) -> u32 {
        FIRST_MUTANT.saturating_add(u32::try_from(self.mutants.len() + self.low_value.len()).unwrap_or(u32::MAX))
    }

    pub(super) fn add(&mut self, source: &Source, line: u32, what: String, insertions: Vec<Insertion>) {
        let (number, touch, file) = (self.next(), self.touch, source.path.clone());
        self.mutants.push(Mutant { number, file, line, what, touch, change: ChangeKind::Alters, insertions });
    }

    /// Adds a change that leaves out `code`.
    pub(super) fn add_left_out(
        &mut self,
        source: &Source,
        code: &impl syn::spanned::Spanned,
        what: String,
        insertions: Vec<Insertion>,
    ) {
        let (number, file) = (self.next(), source.path.clone());
        let (touch, line) = (self.touch_of(source, code), line_of(code));
        self.mutants.push(Mutant { number, file, line, what, touch, change: ChangeKind::LeavesOut, insertions });
    }

    /// Adds a call through the host that fails.
    pub(super) fn add_failing(&mut self, source: &Source, line: u32, what: String, insertions: Vec<Insertion>) {
        let (number, file, touch) = (self.next(), source.path.clone(), Touch::Access);
        self.mutants.push(Mutant { number, file, line, what, touch, change: ChangeKind::Fails, insertions });
    }

    /// What a piece of code touches.
    pub(super) fn touch_of(&self, source: &Source, code: &impl syn::spanned::Spanned) -> Touch {
        touch::of(tokens_of(source, code), &self.access_names)
    }
}
