//! Source analysis: what the gates must know of the source beyond the messages of the compiler.
//!
//! | part | finds or makes |
//! |---|---|
//! | `code_walk` | the expressions that run, for each of the walks below |
//! | `entry_point` | the exported function |
//! | `test_facts` | the tests, and what each of them mentions |
//! | `input_hints` | inputs, texts and files that the tests use |
//! | `literals` | the texts and numbers that the skill names |
//! | `sabotage` | insertions that break the skill while its tests run |
//! | `mutants` | small changes of the skill that its tests should notice |
//! | `touch` | whether a change reaches the vault, the log, an error or the output |
//! | `branches`, `branch_walk`, `macro_branches` | the branches of the skill, and their counters |
//! | `lazy_macros`, `macro_arguments` | arguments of macros, and whether they may be left out |
//! | `value_walk` | values that choose data without a branch |
//! | `access_walk` | each call through the host, to make it fail |
//! | `text_walk` | each text of the skill, to change it |
//! | `effect_names` | the names through which it reaches the vault, the network, a key or the clock |
//! | `splice` | the sources with insertions |
//!
//! Guarantees: the analysis only describes: positions in the text, and text. Every change is an insertion without a newline,
//! so each line of a changed source has the number that it has in the source.
//!
//! Deliberately never: runs in Kavi's own process (a hostile source is parsed only in a child that may be killed), or changes
//! what is promoted. A changed source is compiled for one gate and then deleted.

mod access_walk;
mod analysis;
mod branch;
mod branch_walk;
mod branches;
mod code_walk;
mod effect_names;
mod entry_point;
mod input_hints;
mod lazy_macros;
mod literals;
mod macro_arguments;
mod macro_branches;
mod mutant;
mod mutants;
mod mutation_walk;
mod observable;
mod sabotage;
mod source_tree;
mod splice;
pub(super) mod switch;
mod test_facts;
mod text_walk;
mod touch;
mod value_walk;

pub(super) use analysis::{SourceAnalysis, analyze};
#[cfg(test)]
pub(super) use branch::BranchPlace;
pub(super) use branch::{Branch, BranchKind};
pub(super) use input_hints::InputHints;
pub(super) use literals::SkillLiterals;
pub(super) use mutant::{ChangeKind, Mutant};
#[cfg(test)]
pub(super) use splice::Anchor;
pub(super) use splice::{Insertion, InsertionError, apply};
pub(super) use test_facts::TestFacts;
pub(super) use touch::Touch;
