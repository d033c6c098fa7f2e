//! What one run says: whether the use went well, and if not, what that says something about. Pure.
//!
//! Guarantees: a person's word comes before everything that Kavi found. What an agent says is no part of this.

use std::time::Duration;

use serde::Serialize;

use crate::ledger::OutcomeReport;
use crate::model::{
    execution::ExecutionRecord,
    guidance::{Fault, UseVerdict},
    lifecycle::Purpose,
    time::Timestamp,
};

/// An undo within this time says that the run was not wanted.
const UNDO_COUNTS: Duration = Duration::from_hours(24);

/// How one use went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct UseOutcome {
    /// Whether it went well.
    pub ok: bool,
    /// What it says something about. Of a success, both guidance and code.
    pub fault: Fault,
    /// Who or what found that.
    pub source: OutcomeSource,
}

/// Who or what found how a use went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeSource {
    /// The run succeeded.
    Success,
    /// The input did not match the schema.
    Schema,
    /// The skill returned an error.
    Skill,
    /// A trap or a limit.
    Trap,
    /// The check of output and files.
    OutputCheck,
    /// A time-out, a conflict, or what else depends on more than the run.
    Environment,
    /// Policy, trust or a stop: nothing was tried.
    NotRun,
    /// A person undid it within a day.
    Undo,
    /// A person's word.
    Person,
}

/// What is known of one run besides its record.
#[derive(Debug, Clone, Copy, Default)]
pub struct Afterwards<'a> {
    /// When a person undid its files.
    pub undone_at: Option<Timestamp>,
    /// The newest word of a person about it.
    pub report: Option<&'a OutcomeReport>,
}

/// How a use went. None where the record is of no use: a dry run or a replay.
pub fn of(record: &ExecutionRecord, afterwards: Afterwards<'_>) -> Option<UseOutcome> {
    if record.purpose != Purpose::Run {
        return None;
    }
    if let Some(report) = afterwards.report {
        let ok = report.verdict == UseVerdict::Ok;
        return Some(UseOutcome { ok, fault: report.fault, source: OutcomeSource::Person });
    }
    let undone = afterwards.undone_at.is_some_and(|at| at < record.finished_at.after(UNDO_COUNTS));
    Some(match &record.error {
        // The code did what its tests say. Using it there was not wanted.
        None if undone => failed(Fault::Guidance, OutcomeSource::Undo),
        None => UseOutcome { ok: true, fault: Fault::Neither, source: OutcomeSource::Success },
        Some(error) => of_error(error),
    })
}

fn failed(fault: Fault, source: OutcomeSource) -> UseOutcome {
    UseOutcome { ok: false, fault, source }
}

/// By the kind with which the text of a record begins.
fn of_error(error: &str) -> UseOutcome {
    let (kind, rest) = error.split_once(':').unwrap_or((error, ""));
    match kind {
        "InvalidInput" => failed(Fault::Guidance, OutcomeSource::Schema),
        "SkillError" => of_skill_error(rest),
        "RuntimeError" | "LimitExceeded" => failed(Fault::Code, OutcomeSource::Trap),
        "InvalidOutput" | "OutsidePaths" => failed(Fault::Code, OutcomeSource::OutputCheck),
        "Timeout" => failed(Fault::Code, OutcomeSource::Environment),
        "Conflict" | "EffectsError" | "LedgerError" => failed(Fault::Neither, OutcomeSource::Environment),
        // Trust, policy, a stop, a revocation, a cancelled call, an input that an earlier step of a chain did not give.
        _ => failed(Fault::Neither, OutcomeSource::NotRun),
    }
}

/// By the kind of error that the skill returned. Kavi writes it before the message of the skill.
fn of_skill_error(rest: &str) -> UseOutcome {
    let kind = rest.trim_start().strip_prefix("the skill failed (").and_then(|rest| rest.split(')').next());
    match kind {
        Some("invalid-input") => failed(Fault::Guidance, OutcomeSource::Skill),
        // What is not there, or not allowed, says something about the vault or the rules.
        Some("not-found" | "denied") => failed(Fault::Neither, OutcomeSource::Skill),
        _ => failed(Fault::Code, OutcomeSource::Skill),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_error_is_charged_to_what_it_says_something_about() {
        let fault = |error: &str| of_error(error).fault;
        for (error, expected) in [
            ("InvalidInput: the input does not match the schema of `a`: x", Fault::Guidance),
            ("SkillError: the skill failed (invalid-input): no title", Fault::Guidance),
            ("SkillError: the skill failed (failed): x", Fault::Code),
            ("SkillError: the skill failed (failed): (invalid-input)", Fault::Code),
            ("SkillError: the skill failed (not-found): no note", Fault::Neither),
            ("SkillError: the skill failed (denied): no", Fault::Neither),
            ("RuntimeError: unreachable", Fault::Code),
            ("LimitExceeded: fuel", Fault::Code),
            ("InvalidOutput: x", Fault::Code),
            ("OutsidePaths: x", Fault::Code),
            ("Timeout: x", Fault::Code),
            ("Conflict: a note was edited", Fault::Neither),
            ("Denied: policy says no", Fault::Neither),
            ("Stopped: x", Fault::Neither),
            ("Revoked: x", Fault::Neither),
            ("Cancelled: x", Fault::Neither),
            ("NotTrusted: x", Fault::Neither),
            ("Unmapped: x", Fault::Neither),
            ("something new", Fault::Neither),
        ] {
            assert_eq!(fault(error), expected, "{error}");
            assert!(!of_error(error).ok);
        }
    }
}
