//! The coverage gate: tests, examples and drawn inputs together take the branches of the skill.
//!
//! The twin of the component repeats every run of the gates `examples` and `conformance` and counts. It must do what the
//! component did. What no run reached is unchecked code, and is always listed. It is refused when it is much, or when it can
//! reach the vault, the network, a key or the clock.
//!
//! Guarantees: a branch that cannot be counted was not taken. Deliberately never: counts the runs of the replay gate, because
//! recorded inputs differ from one workspace to the next.

use std::collections::BTreeSet;
use std::time::Duration;

use super::context::GateContext;
use super::error::VerifyError;
use super::gate::{GateOutcome, Repeatable, TimeBudget};
use super::source_analysis::{Branch, BranchKind, SourceAnalysis};
use super::test_harness::TakenByTests;
use super::trial::{TimedOut, Trial, TrialEnd};
use super::twin::{InputOrigin, RecordedTrial, Twin};
use super::values;
use crate::model::{finding::Finding, text};

/// The largest share of branches that may stay untaken, in percent.
const MOST_UNTAKEN_PERCENT: usize = 10;
/// The time for all runs of the twin.
const TIME: Duration = Duration::from_secs(120);
/// After this many differences no further run is compared.
const ENOUGH: usize = 5;
/// Most branches that are listed one by one.
const LISTED: usize = 60;

/// What the gates before it did.
#[derive(Default)]
pub(super) struct Evidence {
    /// What the tests took.
    pub(super) tests: TakenByTests,
    /// The runs of the component.
    pub(super) trials: Vec<RecordedTrial>,
}

/// Runs the gate.
pub(super) fn check(
    context: &GateContext<'_>,
    analysis: &SourceAnalysis,
    evidence: &Evidence,
    twin: Option<&Twin>,
) -> Result<GateOutcome, VerifyError> {
    // Not a skipped gate: sources that refuse counters would else get around it.
    let Some(twin) = twin else {
        let message = "the sources do not compile with counters for their branches";
        return Ok(vec![Finding::new("coverage/compile", message)].into());
    };
    let mut outcome = GateOutcome::from(Vec::new());
    // By a run whose outcome is known, by any run but of a mined input, and by any run.
    let mut checked = evidence.tests.calls.clone();
    let (mut usual, mut taken) = (checked.clone(), checked.clone());
    let (budget, runner) = (TimeBudget::new(context.clock, TIME), twin.runner(context));
    for recorded in &evidence.trials {
        context.check_halted()?;
        if budget.is_spent() {
            let message = format!("the runs of the twin take longer than {} s", budget.time.as_secs());
            outcome.findings.push(Finding::new("coverage/time", message));
            outcome.repeatable = Repeatable::No;
            return Ok(outcome);
        }
        let counted = runner.repeat(recorded)?;
        if let Some(difference) = difference(&recorded.trial, &counted.trial) {
            // A slow machine is no fault of the skill, so the same verdict is not promised for the
            // next time.
            if difference.rule == "coverage/time" {
                outcome.repeatable = Repeatable::No;
            }
            outcome.findings.push(Finding { test: Some(text::line(&recorded.name, 200)), ..difference });
            if outcome.findings.len() >= ENOUGH {
                return Ok(outcome);
            }
        }
        // A drawn input shows that a branch is reached, and not that it does the right thing.
        if recorded.origin == InputOrigin::Example {
            checked.extend(&counted.taken);
        }
        if recorded.origin != InputOrigin::Mined {
            usual.extend(&counted.taken);
        }
        taken.extend(&counted.taken);
    }
    let branches = &analysis.branches.branches;
    let inner = &evidence.tests.inner.branches;
    Untaken::of(branches, &(&taken.branches | inner)).judge(&mut outcome);
    taken_within_tests(branches, &taken.branches, inner, &mut outcome);
    outcome.remarks.extend(unchecked(branches, &checked.branches, &taken.branches));
    outcome.remarks.extend(taken_by_literals(branches, &(&usual.branches | inner), &taken.branches));
    outcome.remarks.extend(values::unchanged(branches, &usual.values));
    Ok(outcome)
}

/// In what the twin differs from the component.
fn difference(component: &Trial, twin: &Trial) -> Option<Finding> {
    if let TrialEnd::Stopped { why, timed_out: TimedOut::Yes } = &twin.end {
        let message =
            format!("the same sources, compiled with counters, did not end in time: {}", text::line(why, 300));
        return Some(Finding::new("coverage/time", message));
    }
    let what = if component.end != twin.end {
        "another answer"
    } else if component.staged != twin.staged {
        "other files"
    } else if component.logs != twin.logs {
        "another log"
    } else if component.calls != twin.calls {
        "other calls for files"
    } else {
        return None;
    };
    let message =
        format!("the same sources, compiled with counters, gave {what}: they can tell one program from another");
    Some(Finding::new("coverage/differs", message))
}

/// Branches that only tests of inner functions took. No run of the skill is known to reach them, so the tests that do show
/// nothing of what a run does there.
fn taken_within_tests(branches: &[Branch], runs: &BTreeSet<u32>, inner: &BTreeSet<u32>, outcome: &mut GateOutcome) {
    let only_inner = |branch: &&Branch| inner.contains(&branch.number) && !runs.contains(&branch.number);
    let of_code = branches.iter().filter(|branch| branch.place.kind == BranchKind::Code);
    for branch in of_code.filter(only_inner).take(LISTED) {
        let place = &branch.place;
        let hint = if place.effects { " (take it in a test of the whole skill: `call(run, …)`)" } else { "" };
        let message =
            format!("no run of the skill took this, only a test of an inner function: {}{hint}", place.source);
        let finding = Finding::new("coverage/inner", message).at(place.file.clone(), place.line);
        if place.effects { outcome.findings.push(finding) } else { outcome.remarks.push(finding) }
    }
}

/// Branches that reach something outside, and that only drawn inputs took: whether they do the right thing was not checked.
fn unchecked(branches: &[Branch], checked: &BTreeSet<u32>, taken: &BTreeSet<u32>) -> Vec<Finding> {
    let only_drawn = |branch: &&Branch| taken.contains(&branch.number) && !checked.contains(&branch.number);
    let reaching = branches.iter().filter(|branch| branch.place.effects && branch.place.kind == BranchKind::Code);
    let finding = |branch: &Branch| {
        let message = format!("no test and no example takes this, only drawn inputs do: {}", branch.place.source);
        Finding::new("coverage/unchecked", message).at(branch.place.file.clone(), branch.place.line)
    };
    reaching.filter(only_drawn).take(LISTED).map(finding).collect()
}

/// Branches that only inputs with a literal of the source took, and that reach nothing outside. Such a branch waits for that
/// literal, and nothing says what it must do.
fn taken_by_literals(branches: &[Branch], usual: &BTreeSet<u32>, taken: &BTreeSet<u32>) -> Vec<Finding> {
    let only_mined = |branch: &&Branch| taken.contains(&branch.number) && !usual.contains(&branch.number);
    let of_code = branches.iter().filter(|branch| !branch.place.effects && branch.place.kind == BranchKind::Code);
    let finding = |branch: &Branch| {
        let message = format!(
            "no test and no example takes this, only inputs with a text, number or length of the source do: {}",
            branch.place.source
        );
        Finding::new("coverage/unchecked", message).at(branch.place.file.clone(), branch.place.line)
    };
    of_code.filter(only_mined).take(LISTED).map(finding).collect()
}

/// The branches that nothing took.
struct Untaken<'a> {
    code: Vec<&'a Branch>,
    exits: Vec<&'a Branch>,
    /// How many branches have code.
    of: usize,
}

impl<'a> Untaken<'a> {
    fn of(branches: &'a [Branch], taken: &BTreeSet<u32>) -> Self {
        let untaken = |kind: BranchKind| {
            let of_kind = branches.iter().filter(move |branch| branch.place.kind == kind);
            of_kind.filter(|branch| !taken.contains(&branch.number)).collect()
        };
        let of = branches.iter().filter(|branch| branch.place.kind == BranchKind::Code).count();
        Self { code: untaken(BranchKind::Code), exits: untaken(BranchKind::Exit), of }
    }

    fn judge(&self, outcome: &mut GateOutcome) {
        // Multiplied, not divided: a rounded share would let a further branch pass.
        let too_many = self.code.len() * 100 > self.of * MOST_UNTAKEN_PERCENT;
        if too_many {
            let message = format!(
                "tests, examples and drawn inputs leave {} of {} branches untaken, at most {MOST_UNTAKEN_PERCENT} % may be: test \
                 them, or leave them out",
                self.code.len(),
                self.of
            );
            outcome.findings.push(Finding::new("coverage/share", message));
        }
        for branch in self.code.iter().take(LISTED) {
            let place = &branch.place;
            let hint =
                if place.effects { " (it can reach the vault, the network, a key or the clock: test it)" } else { "" };
            let finding = Finding::new("coverage/branch", format!("{}: {}{hint}", place.what, place.source));
            let finding = finding.at(place.file.clone(), place.line);
            if place.effects || too_many { outcome.findings.push(finding) } else { outcome.remarks.push(finding) }
        }
        // Said in a line of its own, so that a list that was cut is not read as the whole.
        if self.code.len() > LISTED {
            let message = format!("{} further branches are untaken", self.code.len() - LISTED);
            outcome.findings.push(Finding::new("coverage/branch", message));
        }
        if let Some(first) = self.exits.first() {
            let lines: Vec<String> =
                self.exits.iter().map(|branch| format!("{}:{}", branch.place.file, branch.place.line)).collect();
            let message =
                format!("{} errors were never passed on: {}", lines.len(), text::line(&lines.join(", "), 500));
            let finding = Finding::new("coverage/exit", message);
            outcome.remarks.push(finding.at(first.place.file.clone(), first.place.line));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::verify::source_analysis::BranchPlace;

    fn branch(number: u32, effects: bool, kind: BranchKind) -> Branch {
        let (file, what) = ("src/lib.rs".to_owned(), "never taken".to_owned());
        Branch {
            number,
            place: BranchPlace {
                file,
                line: number + 1,
                what,
                source: "`x`".to_owned(),
                effects,
                kind,
                elements: Vec::new(),
            },
        }
    }

    /// How many findings and remarks there are when the last branches of these are not taken.
    fn judged(branches: &[Branch], untaken: usize) -> (usize, usize) {
        let taken = branches.iter().take(branches.len() - untaken).map(|branch| branch.number).collect();
        let mut outcome = GateOutcome::from(Vec::new());
        Untaken::of(branches, &taken).judge(&mut outcome);
        (outcome.findings.len(), outcome.remarks.len())
    }

    #[test]
    fn a_tenth_may_stay_untaken_and_is_listed() {
        let branches: Vec<Branch> = (0..20).map(|number| branch(number, false, BranchKind::Code)).collect();
        assert_eq!(judged(&branches, 0), (0, 0));
        assert_eq!(judged(&branches, 2), (0, 2));
        // The share, and each of the branches.
        assert_eq!(judged(&branches, 3), (4, 0));
    }

    #[test]
    fn one_that_reaches_the_vault_is_refused_however_many_there_are() {
        let mut branches: Vec<Branch> = (0..100).map(|number| branch(number, false, BranchKind::Code)).collect();
        branches.push(branch(100, true, BranchKind::Code));
        assert_eq!(judged(&branches, 1), (1, 0));
    }

    #[test]
    fn errors_that_were_not_passed_on_are_one_remark() {
        let branches = [
            branch(0, false, BranchKind::Code),
            branch(1, false, BranchKind::Exit),
            branch(2, false, BranchKind::Exit),
        ];
        assert_eq!(judged(&branches, 2), (0, 1));
    }

    #[test]
    fn a_branch_that_only_drawn_inputs_take_is_shown_when_it_reaches_something() {
        let branches =
            [branch(0, true, BranchKind::Code), branch(1, true, BranchKind::Code), branch(2, false, BranchKind::Code)];
        let shown = unchecked(&branches, &[0].into(), &[0, 1, 2].into());
        assert_eq!(shown.iter().map(|finding| finding.line).collect::<Vec<_>>(), [Some(2)]);
    }

    #[test]
    fn a_branch_that_only_literals_of_the_source_take_is_shown() {
        let branches = [
            branch(0, false, BranchKind::Code),
            branch(1, false, BranchKind::Code),
            branch(2, false, BranchKind::Code),
        ];
        let shown = taken_by_literals(&branches, &[0].into(), &[0, 1].into());
        assert_eq!(shown.iter().map(|finding| finding.line).collect::<Vec<_>>(), [Some(2)]);
    }

    #[test]
    fn what_only_tests_of_inner_functions_take_is_shown_and_refused_where_it_reaches_something() {
        let branches =
            [branch(0, false, BranchKind::Code), branch(1, true, BranchKind::Code), branch(2, true, BranchKind::Code)];
        let mut outcome = GateOutcome::from(Vec::new());
        taken_within_tests(&branches, &[2].into(), &[0, 1, 2].into(), &mut outcome);
        assert_eq!(outcome.findings.iter().map(|finding| finding.line).collect::<Vec<_>>(), [Some(2)]);
        assert_eq!(outcome.remarks.iter().map(|finding| finding.line).collect::<Vec<_>>(), [Some(1)]);
    }

    #[test]
    fn any_difference_of_the_twin_is_a_finding() {
        let trial =
            |end: TrialEnd| Trial { end, staged: Ok(Vec::new()), logs: Vec::new(), stderr: Vec::new(), calls: 0 };
        let rule = |one: &Trial, other: &Trial| difference(one, other).map(|finding| finding.rule);
        let answer = trial(TrialEnd::Output("1".to_owned()));
        assert_eq!(rule(&answer, &answer), None);
        assert_eq!(rule(&answer, &trial(TrialEnd::Output("2".to_owned()))).as_deref(), Some("coverage/differs"));
        let other = Trial { staged: Err("no".to_owned()), ..answer.clone() };
        assert_eq!(rule(&answer, &other).as_deref(), Some("coverage/differs"));
        let other = Trial { calls: 1, ..answer.clone() };
        assert_eq!(rule(&answer, &other).as_deref(), Some("coverage/differs"));
        let stopped = |timed_out| trial(TrialEnd::Stopped { why: "it".to_owned(), timed_out });
        assert_eq!(rule(&answer, &stopped(TimedOut::No)).as_deref(), Some("coverage/differs"));
        assert_eq!(rule(&answer, &stopped(TimedOut::Yes)).as_deref(), Some("coverage/time"));
    }
}
