//! Texts of the skill that no run used: what a change of one makes no difference to. Also parts of its requests.
//!
//! A remark of the mutation gate. The path of a note that only a rare input leads to is such a text, whether a branch, an index
//! or the order of a list chooses it.
//!
//! Guarantees: only runs of the whole skill count. Deliberately never: refuses a skill.

use std::time::Duration;

use super::context::GateContext;
use super::error::VerifyError;
use super::gate::TimeBudget;
use super::source_analysis::{ChangeKind, Mutant};
use super::test_harness::{RunLimits, TestedProgram};
use super::test_program::TestProgram;
use super::trial::{Trial, TrialEnd};
use super::twin::{InputOrigin, RecordedTrial, Twin};
use crate::model::finding::Finding;

/// The time for all of them together. Those that are left then are not judged.
const TIME: Duration = Duration::from_secs(30);
/// Most drawn inputs that are tried for one text, of those that the skill accepted, and of those that it refused.
const MOST: usize = 40;

/// One remark for each text that no run used.
pub(super) fn remarks(
    context: &GateContext<'_>,
    texts: &[&Mutant],
    tests: &TestProgram<'_>,
    trials: &[RecordedTrial],
    twin: &Twin,
) -> Result<Vec<Finding>, VerifyError> {
    let (budget, runner, runs) = (TimeBudget::new(context.clock, TIME), twin.runner(context), chosen(trials));
    let mut remarks = Vec::new();
    for (done, text) in texts.iter().enumerate() {
        context.check_halted()?;
        if budget.is_spent() {
            let message = format!("{} further texts were not changed in time", texts.len() - done);
            remarks.push(Finding::new("mutation/text", message));
            break;
        }
        let mut used = false;
        // A drawn input has no expected request.
        let asks = |recorded: &&&RecordedTrial| {
            text.change != ChangeKind::LeavesOut || recorded.origin == InputOrigin::Example
        };
        for recorded in runs.iter().filter(asks) {
            used = used || differs(&recorded.trial, &runner.changed(recorded, text.number)?);
        }
        for name in &tests.names {
            let changed = TestedProgram::TwinChanged(text.number);
            used = used || tests.harness.failure(name, changed, RunLimits::Short)?.is_some();
        }
        if !used {
            remarks.push(remark(text));
        }
    }
    Ok(remarks)
}

fn remark(change: &Mutant) -> Finding {
    let (rule, message) = match change.change {
        ChangeKind::LeavesOut => {
            ("mutation/request", format!("no test and no example notices when a request goes without {}", change.what))
        }
        ChangeKind::Alters | ChangeKind::Fails => {
            ("mutation/text", format!("no run of the skill in any check used the text {}", change.what))
        }
    };
    Finding::new(rule, message).at(change.file.clone(), change.line)
}

/// The examples, and some of the drawn inputs. Not those with a literal of the source: they use each text by design.
fn chosen(trials: &[RecordedTrial]) -> Vec<&RecordedTrial> {
    let drawn = |accepted: bool| {
        let of_kind = move |it: &&RecordedTrial| matches!(it.trial.end, TrialEnd::Output(_)) == accepted;
        trials.iter().filter(|it| it.origin == InputOrigin::Drawn).filter(of_kind).take(MOST)
    };
    trials.iter().filter(|it| it.origin == InputOrigin::Example).chain(drawn(true)).chain(drawn(false)).collect()
}

fn differs(one: &Trial, other: &Trial) -> bool {
    one.end != other.end || one.staged != other.staged || one.logs != other.logs || one.calls != other.calls
}
