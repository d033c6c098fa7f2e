//! The branches of a skill, each with a number, and the counters that tell which were taken.

use serde::{Deserialize, Serialize};

use super::splice::Insertion;
use super::switch::MOST_BRANCHES;

/// What a branch consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum BranchKind {
    /// Code of its own.
    Code,
    /// Nothing but a way out: the error of a `?`, a panic.
    Exit,
    /// No code: a value that chooses something. Its counter reports the value.
    Value,
}

/// One branch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Branch {
    /// The number that its counter reports.
    pub(crate) number: u32,
    /// Where it is, and what it contains.
    pub(crate) place: BranchPlace,
}

/// Where a branch is, and what it contains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BranchPlace {
    pub(crate) file: String,
    pub(crate) line: u32,
    /// What it means that the branch was not taken.
    pub(crate) what: String,
    /// Its source, on one line.
    pub(crate) source: String,
    /// Whether it reaches the vault, the network, a key or the clock.
    pub(crate) effects: bool,
    pub(crate) kind: BranchKind,
    /// What a value chooses from, if it is written out.
    #[serde(default)]
    pub(crate) elements: Vec<String>,
}

/// All branches of a skill.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct BranchList {
    pub(crate) branches: Vec<Branch>,
    /// The insertions of each counter. One counter can serve two branches.
    pub(crate) counters: Vec<Vec<Insertion>>,
    /// The insertions that report a value. The compiler may reject some.
    #[serde(default)]
    pub(crate) looks: Vec<Vec<Insertion>>,
}

impl BranchList {
    /// The number of the next branch.
    pub(super) fn next(&self) -> u32 {
        u32::try_from(self.branches.len()).unwrap_or(u32::MAX)
    }

    /// The statement that counts the next branch.
    pub(super) fn hit(&self) -> String {
        format!("crate::__kavi::hit({});", self.next())
    }

    pub(super) fn add(&mut self, place: BranchPlace, counter: Vec<Insertion>) {
        let number = self.next();
        self.branches.push(Branch { number, place });
        // Beyond the table of the counted program nothing can be counted.
        if !counter.is_empty() && (number as usize) < MOST_BRANCHES {
            self.counters.push(counter);
        }
    }

    /// Adds a value, with the insertions that report it.
    pub(super) fn add_value(&mut self, place: BranchPlace, look: Vec<Insertion>) {
        let number = self.next();
        self.branches.push(Branch { number, place });
        if (number as usize) < MOST_BRANCHES {
            self.looks.push(look);
        }
    }
}
