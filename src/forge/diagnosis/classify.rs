//! Classifies a failed attempt: one kind, and the facts behind it. Pure.
//!
//! Guarantees: the same rows give the same kind. Deliberately never: asks a model, or a person.

use std::collections::HashSet;

use crate::ledger::{Build, GateRow, Verification};
use crate::model::{
    finding::Finding,
    lifecycle::{BuildStatus, FailureKind, Verdict},
    research::{Classified, Facts, MAX_EXCERPT, MAX_FINDINGS, MAX_MESSAGE},
    text,
};

/// The kinds of a failed verification, the most serious first.
const ORDER: [FailureKind; 4] =
    [FailureKind::VerifyInvariant, FailureKind::VerifyPolicy, FailureKind::VerifyTest, FailureKind::VerifyLint];

/// An attempt and the newest verification of its sources.
#[derive(Debug, Clone, Copy)]
pub struct AttemptOutcome<'a> {
    /// The attempt.
    pub build: &'a Build,
    /// Its newest verification, if it was verified.
    pub verification: Option<&'a Verification>,
}

impl<'a> AttemptOutcome<'a> {
    /// The attempts, newest first, without those whose builder was deliberately not invoked.
    pub fn newest_first(builds: &'a [Build], verifications: &'a [Verification]) -> impl Iterator<Item = Self> {
        builds.iter().rev().filter(|build| !build.was_not_invoked()).map(|build| Self {
            build,
            // A verification of an earlier attempt says nothing about this one.
            verification: verifications.iter().rev().find(|found| found.build_id == build.id),
        })
    }

    /// Whether the attempt failed, or the verification of what it left.
    pub fn failed(&self) -> bool {
        match self.verification {
            Some(verification) => verification.status == Verdict::Failed,
            None => self.build.status != BuildStatus::Succeeded,
        }
    }

    /// Kind and facts of the failure; none when nothing failed.
    pub fn classify(&self) -> Option<Classified> {
        if !self.failed() {
            return None;
        }
        Some(match self.verification {
            Some(verification) => of_verification(&verification.gates),
            None => of_build(self.build),
        })
    }
}

fn of_verification(gates: &[GateRow]) -> Classified {
    let failed: Vec<&GateRow> = gates.iter().filter(|gate| gate.status == Verdict::Failed).collect();
    // Many gates parse the sources. When they do not compile, a complaint about syntax is no breach
    // of policy.
    let compiles = !failed.iter().any(|gate| gate.gate == "compile");
    let rank = |gate: &str, rule: &str| {
        let kind = kind_of(gate, rule, compiles);
        // Within one kind the compiler goes first: the other gates only repeat what it reports.
        (ORDER.iter().position(|other| *other == kind).unwrap_or(ORDER.len()), gate != "compile")
    };
    let mut found: Vec<((usize, bool), &str, &Finding)> = Vec::new();
    for gate in &failed {
        found.extend(gate.findings.iter().map(|one| (rank(&gate.gate, &one.rule), gate.gate.as_str(), one)));
    }
    // The sort is stable: within one rank the gates keep their order.
    found.sort_by_key(|(rank, ..)| *rank);
    // A gate that failed without a finding must still decide, or a serious failure could pass as a
    // mild one.
    let silent = failed.iter().filter(|gate| gate.findings.is_empty());
    let silent = silent.map(|gate| (rank(&gate.gate, ""), gate.gate.as_str()));
    let loudest = found.first().map(|(rank, gate, _)| (*rank, *gate));
    let decisive = loudest.into_iter().chain(silent).min_by_key(|(rank, _)| *rank);
    let (kind, gate) = match decisive {
        Some(((rank, _), gate)) => (ORDER.get(rank).copied().unwrap_or(FailureKind::Unknown), Some(gate.to_owned())),
        None => (FailureKind::Unknown, None),
    };
    // Several gates compile the same sources and report the same errors.
    let mut said = HashSet::new();
    let findings = found.into_iter().map(|(.., finding)| finding);
    let findings: Vec<&Finding> =
        findings.filter(|one| said.insert((&one.file, one.line, &one.test, &one.message))).collect();
    let failed_gates = failed.iter().map(|gate| gate.gate.clone()).collect();
    Classified { kind, facts: facts(gate, failed_gates, &findings, "") }
}

/// The kind of failure that a finding of a gate indicates.
fn kind_of(gate: &str, rule: &str, compiles: bool) -> FailureKind {
    match gate {
        "format" | "lint" | "compile" => FailureKind::VerifyLint,
        // Tests that do not compile have tested nothing. Text that is not Rust has broken no rule of the policy.
        "test" if rule.starts_with("test/compile/") => FailureKind::VerifyLint,
        "policy" if rule == "policy/syntax" && !compiles => FailureKind::VerifyLint,
        "policy" => FailureKind::VerifyPolicy,
        "test" | "examples" | "conformance" | "replay" | "coverage" | "mutation" => FailureKind::VerifyTest,
        "invariants" if rule == "invariants/example" => FailureKind::VerifyTest,
        // invariants, reproducible, limits. An unknown gate counts as the most serious kind, so that it fails closed.
        _ => FailureKind::VerifyInvariant,
    }
}

fn of_build(build: &Build) -> Classified {
    // An attempt that never ended, or ended without a reason, cannot be classified.
    let kind = build.failure_kind.unwrap_or(FailureKind::Unknown);
    let rule = match kind {
        FailureKind::Timeout => "build/timeout",
        FailureKind::GateViolation => "build/violation",
        FailureKind::BuildError => "build/error",
        _ => "build/unknown",
    };
    let own = Finding::new(rule, build.summary.clone());
    let findings: Vec<&Finding> = build.findings.iter().chain([&own]).collect();
    let gate = (kind == FailureKind::GateViolation).then(|| "workspace".to_owned());
    Classified { kind, facts: facts(gate, Vec::new(), &findings, &build.summary) }
}

fn facts(gate: Option<String>, failed_gates: Vec<String>, findings: &[&Finding], summary: &str) -> Facts {
    let mut excerpt = text::block(summary, MAX_EXCERPT);
    for finding in findings {
        // Stopped early: findings are quoted from sources and can be megabytes together.
        if excerpt.chars().count() >= MAX_EXCERPT {
            break;
        }
        if finding.message != summary {
            let gap = if excerpt.is_empty() { "" } else { "\n" };
            excerpt.push_str(&format!(
                "{gap}{}: {}",
                text::line(&finding.rule, 100),
                text::block(&finding.message, MAX_EXCERPT)
            ));
        }
    }
    Facts {
        gate,
        failed_gates,
        findings: findings.iter().take(MAX_FINDINGS).map(|finding| sanitized(finding)).collect(),
        omitted: findings.len().saturating_sub(MAX_FINDINGS),
        excerpt: cut(&excerpt, MAX_EXCERPT),
    }
}

/// The finding with every text on one line, cut, and without invisible characters: safe to show and to quote.
fn sanitized(finding: &Finding) -> Finding {
    let line = |text: &str, max: usize| text::line(&text.replace('\n', " "), max);
    Finding {
        rule: line(&finding.rule, 100),
        file: finding.file.as_deref().map(|file| line(file, 200)),
        line: finding.line,
        test: finding.test.as_deref().map(|test| line(test, 200)),
        message: line(&finding.message, MAX_MESSAGE),
    }
}

/// At most `max` characters, the last one an ellipsis where something is missing.
pub(super) fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        None => text.to_owned(),
        Some(_) => text.chars().take(max.saturating_sub(1)).chain(['…']).collect(),
    }
}
