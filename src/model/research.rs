//! What is known of a failed attempt: its kind, its facts, a model's advice, and why a person must look first.
//!
//! Every text in here that a model, a guest or a tool wrote has been cut to a length and has no control or invisible
//! characters any more. It is data: nothing in these values grants, chooses or runs anything.

use serde::{Deserialize, Serialize};

use super::{
    finding::Finding,
    lifecycle::{FailureKind, Trigger},
};

/// Most findings that facts carry.
pub const MAX_FINDINGS: usize = 30;
/// Longest message of a finding in facts, in characters.
pub const MAX_MESSAGE: usize = 400;
/// Longest excerpt, in characters.
pub const MAX_EXCERPT: usize = 2_000;
/// Longest hint of a person, in characters.
pub const MAX_HINT: usize = 1_000;

/// A failed attempt, put into one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classified {
    /// The kind.
    pub kind: FailureKind,
    /// What speaks for it.
    pub facts: Facts,
}

/// What is known about a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The gate that decided the kind; none when no gate of the verification was reached.
    pub gate: Option<String>,
    /// Every gate that failed.
    pub failed_gates: Vec<String>,
    /// What was found, what decided the kind first: file, line, rule, test.
    pub findings: Vec<Finding>,
    /// How many more findings there were.
    pub omitted: usize,
    /// The longest words about it, [`MAX_EXCERPT`] characters at most.
    pub excerpt: String,
}

/// What a model advises. Only this: it has no way to say more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Advice {
    /// What went wrong, in a few sentences.
    pub summary: String,
    /// What to do about it.
    pub steps: Vec<String>,
    /// Source files that it is about.
    pub files: Vec<String>,
}

/// What came of asking for advice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case", deny_unknown_fields)]
pub enum AdviceOutcome {
    /// Nobody asked.
    NotAsked,
    /// No model could be reached in time.
    Unreachable {
        /// Why.
        why: String,
    },
    /// A model answered, and its answer is no advice.
    Invalid {
        /// Why.
        why: String,
        /// The beginning of the answer.
        answer: String,
    },
    /// A model answered with advice.
    Given {
        /// The model, as it calls itself.
        model: String,
        /// Its advice.
        advice: Advice,
    },
}

/// One reason why a person must say go before the next attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// The reason.
    pub trigger: Trigger,
    /// What it rests on, in one sentence.
    pub why: String,
}

/// Where a finding was made, as people write it: `src/lib.rs:3`, a test's name, or nothing.
pub fn place(finding: &Finding) -> String {
    match (&finding.file, finding.line, &finding.test) {
        (Some(file), Some(line), None) => format!("{file}:{line}"),
        (Some(file), Some(line), Some(test)) => format!("{file}:{line} ({test})"),
        (Some(file), None, _) => file.clone(),
        (None, _, Some(test)) => test.clone(),
        (None, _, None) => String::new(),
    }
}
