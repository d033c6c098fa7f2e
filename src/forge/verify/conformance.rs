//! The conformance gate: the release component keeps the rules for inputs that nobody chose.
//!
//! Inputs are drawn from the schema, anew for every verification. A valid input runs twice, in new instances with different
//! seeds, and each input has a time of its own. The rules: no trap, the output matches its schema, no file before an error, no
//! file outside the declared folders, the same outcome both times. An invalid input must be refused by the host's own check of
//! inputs. The component gets it all the same, and a broken rule is then only a remark, because no run outside this gate gets
//! that far.
//!
//! Each literal of the source is tried in each field, before the drawn inputs.
//!
//! Guarantees: the id of the verification repeats its inputs. The inputs of earlier verifications of the same sources are tried
//! again, so that another verification is no second chance.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::context::GateContext;
use super::draw::Draw;
use super::drawn_input::{Checked, DrawnInput, INPUT, OTHER_TIME, check_valid};
use super::error::VerifyError;
use super::gate::{GateOutcome, Repeatable, TimeBudget};
use super::input_counts::InputCounts;
use super::mined::{self, MiningBases};
use super::neighbours::{AcceptedInput, Neighbour};
use super::source_analysis::InputHints;
use super::trial::{self, TimedOut, TrialEnd, TrialRunner};
use super::twin::{InputOrigin, RecordedTrial};
use super::{vaults, vectors};
use crate::model::{
    finding::Finding,
    json::{self, JsonLimits},
    schema::generate::Vector,
};
use crate::runtime::CompiledComponent;

/// Number of inputs of one verification. It has more only where the source names many texts and numbers.
const INPUTS: usize = 500;
/// Fewest of them that are drawn.
const FEWEST_DRAWN: usize = 250;
/// The numbers of inputs that are not drawn start at these, so that each input has a number of its own.
const KNOWN: usize = 1 << 16;
const MINED: usize = 1 << 17;
const ELSEWHERE: usize = 1 << 18;
const AT_A_MOMENT: usize = 1 << 19;
/// Most accepted inputs that literals of the source are put into.
const BASES: usize = 4;
/// After this many drawn inputs the literals are tried, however few inputs were accepted.
const WAIT_FOR_BASES: usize = 60;
/// The time for all runs of one verification together.
const TIME: Duration = Duration::from_secs(120);
/// After this many findings the gate stops.
const ENOUGH: usize = 10;
/// Most inputs beside accepted ones that are tried before that is said.
const NEIGHBOURS: usize = 64;

/// Runs the gate.
pub(super) fn check(
    context: &GateContext<'_>,
    compiled: &CompiledComponent,
    hints: &InputHints,
    recorded: &mut Vec<RecordedTrial>,
) -> Result<GateOutcome, VerifyError> {
    let runner = TrialRunner::new(context, compiled, context.limits.clone());
    let draws: Vec<&Draw> = std::iter::once(&context.draw).chain(&context.earlier_draws).collect();
    // Each draw has the time of a whole verification. The draws of earlier verifications of these
    // sources are repeated, so that luck with another draw cannot hide what one of them found.
    let time = TIME.saturating_mul(u32::try_from(draws.len()).unwrap_or(u32::MAX));
    // An input that needs its own vault gets an example, and one that holds is accepted.
    let examples = recorded.iter().filter(|it| it.origin == InputOrigin::Example);
    let examples: Vec<AcceptedInput> = examples.filter_map(AcceptedInput::of_example).collect();
    let counts = InputCounts { accepted: examples.len(), ..InputCounts::default() };
    let mut round = Round {
        context,
        runner: &runner,
        hints,
        budget: TimeBudget::new(context.clock, time),
        out_of_time: false,
        outcome: GateOutcome::from(Vec::new()),
        counts,
        accepted: examples.clone(),
        examples,
        recorded,
    };
    let mut progress = Progress::More;
    for draw in draws {
        if progress == Progress::More {
            progress = round.run(draw)?;
        }
    }
    let Round { mut outcome, counts, .. } = round;
    outcome.findings = one_for_each_reason(outcome.findings);
    outcome.remarks = one_for_each_reason(outcome.remarks);
    if progress == Progress::Enough {
        return Ok(outcome);
    }
    if outcome.findings.is_empty() {
        outcome.findings = counts.refuses_too_much();
    }
    Ok(outcome)
}

/// Puts findings that differ only in their input into one: the first, with the number of the
/// others.
fn one_for_each_reason(findings: Vec<Finding>) -> Vec<Finding> {
    let mut kept: Vec<(Finding, usize)> = Vec::new();
    for finding in findings {
        let reason = |finding: &Finding| finding.message.split(INPUT).next().unwrap_or_default().to_owned();
        match kept.iter_mut().find(|(one, _)| one.rule == finding.rule && reason(one) == reason(&finding)) {
            Some((_, others)) => *others += 1,
            None => kept.push((finding, 0)),
        }
    }
    let with_count = |(finding, others): (Finding, usize)| match others {
        0 => finding,
        1 => Finding { message: format!("{}, and with 1 more input", finding.message), ..finding },
        others => Finding { message: format!("{}, and with {others} more inputs", finding.message), ..finding },
    };
    kept.into_iter().map(with_count).collect()
}

/// Whether further inputs are of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    More,
    Enough,
}

/// The vaults of the inputs of one verification.
struct DrawnVaults {
    named: Arc<TempDir>,
    many: Arc<TempDir>,
    unreadable: Arc<TempDir>,
}

impl DrawnVaults {
    fn new(context: &GateContext<'_>, hints: &InputHints, draw: &Draw) -> Result<Self, VerifyError> {
        let spec = &context.proposal.spec;
        let named = trial::vault(context, &vaults::named(spec, hints, draw))?;
        let many = trial::vault(context, &vaults::many(spec, hints, draw))?;
        let unreadable = trial::vault(context, &vaults::unreadable(spec, hints, draw))?;
        Ok(Self { named, many, unreadable })
    }

    /// Two inputs in sixteen meet the vault of many notes, one that of notes that are no text.
    fn choose(&self, draw: &Draw, number: usize) -> &Arc<TempDir> {
        match draw.roll("vault", number as u64) % 16 {
            0 | 1 => &self.many,
            2 => &self.unreadable,
            _ => &self.named,
        }
    }
}

/// A draw, with the vaults and inputs that follow from it.
struct DrawnAt<'a> {
    draw: &'a Draw,
    vaults: &'a DrawnVaults,
    vectors: &'a [Vector],
}

impl<'a> DrawnAt<'a> {
    /// An input in the vault of the files that tests and examples name.
    fn input(&self, number: usize, input: &'a Value, origin: InputOrigin) -> DrawnInput<'a> {
        DrawnInput { number, input, draw: self.draw, vault: &self.vaults.named, origin, clock: None }
    }
}

/// The inputs of the verifications, one after the other.
struct Round<'a> {
    context: &'a GateContext<'a>,
    runner: &'a TrialRunner<'a>,
    hints: &'a InputHints,
    budget: TimeBudget<'a>,
    out_of_time: bool,
    outcome: GateOutcome,
    counts: InputCounts,
    /// Those of the examples that the skill accepted.
    examples: Vec<AcceptedInput>,
    /// All inputs that it accepted, those of examples first.
    accepted: Vec<AcceptedInput>,
    /// The runs, for the twin to repeat.
    recorded: &'a mut Vec<RecordedTrial>,
}

impl Round<'_> {
    fn run(&mut self, draw: &Draw) -> Result<Progress, VerifyError> {
        let vaults = DrawnVaults::new(self.context, self.hints, draw)?;
        let vectors = vectors::draw(&self.context.proposal.spec, self.hints, &draw.seed("inputs"), INPUTS);
        let at = DrawnAt { draw, vaults: &vaults, vectors: &vectors };
        // Of this draw alone, so that a repeated draw has the inputs that it had.
        let mut bases = self.known(&at)?;
        let mut tried = if bases.is_empty() { None } else { Some(self.mined(&at, &bases)?) };
        for (number, vector) in vectors.iter().enumerate() {
            if number >= INPUTS.saturating_sub(tried.unwrap_or(0)).max(FEWEST_DRAWN) {
                break;
            }
            if self.progress() == Progress::Enough {
                return Ok(Progress::Enough);
            }
            let drawn = DrawnInput {
                number,
                input: &vector.input,
                draw,
                vault: vaults.choose(draw, number),
                origin: InputOrigin::Drawn,
                clock: None,
            };
            if vector.valid {
                bases.extend(self.valid(&drawn)?)
            } else {
                self.invalid(&drawn)?
            }
            if tried.is_none() && (bases.len() >= BASES || number >= WAIT_FOR_BASES) {
                tried = Some(self.mined(&at, &bases)?);
            }
        }
        // Last: they are needed only where none of the drawn inputs was accepted.
        self.neighbours(draw)?;
        Ok(if self.out_of_time { Progress::Enough } else { Progress::More })
    }

    /// Whether there is time, and something left to find.
    fn progress(&mut self) -> Progress {
        if self.outcome.findings.len() >= ENOUGH {
            return Progress::Enough;
        }
        if self.out_of_time {
            return Progress::Enough;
        }
        if self.budget.is_spent() {
            self.out_of_time = true;
            // A faster machine may be in time, so this result must not be reused.
            let message = format!("{INPUTS} inputs take longer than {} s", self.budget.time.as_secs());
            self.outcome.findings.push(Finding::new("conformance/time", message));
            self.outcome.repeatable = Repeatable::No;
            return Progress::Enough;
        }
        Progress::More
    }

    /// The inputs of examples and tests, in the vault of the files that these name. Gives those that the skill accepts.
    fn known(&mut self, at: &DrawnAt<'_>) -> Result<Vec<AcceptedInput>, VerifyError> {
        let mut bases = self.examples.clone();
        let known = vectors::known(&self.context.proposal.spec, self.hints);
        for (number, input) in known.iter().enumerate() {
            if self.progress() == Progress::Enough {
                break;
            }
            let drawn = at.input(KNOWN + number, input, InputOrigin::Drawn);
            if let Some(accepted) = self.valid(&drawn)?
                && !bases.iter().any(|base| base.input == accepted.input)
            {
                bases.push(accepted);
            }
        }
        Ok(bases)
    }

    /// Every literal of the source in every field, near these inputs: before the drawn inputs, so that no lack of time and no
    /// luck of a draw leaves one out. Gives how many inputs that were.
    fn mined(&mut self, at: &DrawnAt<'_>, bases: &[AcceptedInput]) -> Result<usize, VerifyError> {
        let bases = bases.get(..BASES).unwrap_or(bases);
        let accepted: Vec<Value> = bases.iter().map(|base| base.input.clone()).collect();
        let drawn: Vec<Value> = at.vectors.iter().filter(|it| it.valid).map(|it| it.input.clone()).collect();
        let most_bytes = self.context.limits.input_bytes;
        let mining = MiningBases { accepted: &accepted, drawn: &drawn, most_bytes };
        let spec = &self.context.proposal.spec;
        let mined = mined::inputs(spec.io.input(), &self.hints.literals, &mining);
        if mined.left_out > 0 {
            let message = format!("{} texts and numbers of the source were not tried in every field", mined.left_out);
            self.outcome.remarks.push(Finding::new("conformance/literals", message));
        }
        for (number, base) in bases.iter().enumerate() {
            for (other, vault) in [&at.vaults.many, &at.vaults.unreadable].into_iter().enumerate() {
                let number = ELSEWHERE + 2 * number + other;
                self.one(&DrawnInput { vault, ..at.input(number, &base.input, InputOrigin::Drawn) })?;
            }
        }
        if let Some(base) = bases.first().filter(|_| spec.reads_clock) {
            for (number, moment) in mined::moments(&self.hints.literals).into_iter().enumerate() {
                let drawn = at.input(AT_A_MOMENT + number, &base.input, InputOrigin::Mined);
                self.one(&DrawnInput { vault: &base.vault, clock: Some(moment), ..drawn })?;
            }
        }
        for (number, mined) in mined.inputs.iter().enumerate() {
            let drawn = at.input(MINED + number, &mined.input, InputOrigin::Mined);
            let base = mined.of_accepted.and_then(|of| bases.get(of));
            self.one(&DrawnInput { vault: base.map_or(drawn.vault, |base| &base.vault), ..drawn })?;
        }
        Ok(mined.inputs.len())
    }

    /// Runs a valid input, if there is time and something left to find.
    fn one(&mut self, drawn: &DrawnInput<'_>) -> Result<(), VerifyError> {
        match self.progress() {
            Progress::More => self.valid(drawn).map(drop),
            Progress::Enough => Ok(()),
        }
    }

    /// Where no drawn input was accepted but for named ones, inputs beside accepted ones.
    fn neighbours(&mut self, draw: &Draw) -> Result<(), VerifyError> {
        let (accepted, seed) = (std::mem::take(&mut self.accepted), draw.seed("neighbours"));
        for (at, known) in accepted.iter().cycle().take(NEIGHBOURS).enumerate() {
            if self.counts.unnamed_accepted > 0 || self.budget.is_spent() || !self.outcome.findings.is_empty() {
                break;
            }
            if let Some(Neighbour { input, vault }) = known.neighbour(self.context, &seed, at as u64)? {
                let origin = InputOrigin::Drawn;
                self.valid(&DrawnInput {
                    number: INPUTS + at,
                    input: &input,
                    draw,
                    vault: &vault,
                    origin,
                    clock: None,
                })?;
            }
        }
        Ok(())
    }

    /// Checks an input that matches the schema. Gives it back if the skill accepts it.
    fn valid(&mut self, drawn: &DrawnInput<'_>) -> Result<Option<AcceptedInput>, VerifyError> {
        let spec = &self.context.proposal.spec;
        let Checked { trial, broken, later } = check_valid(spec, self.runner, drawn)?;
        self.counts.valid += 1;
        // Also a run that ends in a refusal: the twin repeats every run, and counts what it reaches.
        self.recorded.push(drawn.record("first", trial.clone()));
        self.recorded.extend(later.map(|later| drawn.record(OTHER_TIME, later)));
        if let Some(broken) = broken.as_ref().filter(|broken| broken.rule == "path")
            // The caller asked for exactly this path, and the host refuses it in every run. The
            // skill need not check it as well.
            && drawn.names_what_was_written(spec, &trial)
        {
            if self.outcome.remarks.len() < ENOUGH {
                let why = format!("the host refuses this run: {}", broken.message);
                self.outcome.remarks.push(drawn.finding("elsewhere", &why));
            }
            return Ok(None);
        }
        self.counts.add(&trial, vectors::is_named(spec, self.hints, drawn.input));
        let accepted = matches!(trial.end, TrialEnd::Output(_))
            .then(|| AcceptedInput { input: drawn.input.clone(), vault: Arc::clone(drawn.vault) });
        if self.accepted.len() < NEIGHBOURS {
            self.accepted.extend(accepted.clone());
        }
        let timed_out = matches!(trial.end, TrialEnd::Stopped { timed_out: TimedOut::Yes, .. });
        if timed_out || broken.as_ref().is_some_and(|broken| broken.rule == "time") {
            self.outcome.repeatable = Repeatable::No;
        }
        let accepted = accepted.filter(|_| broken.is_none());
        self.outcome.findings.extend(broken.map(|broken| drawn.finding(broken.rule, &broken.message)));
        Ok(accepted)
    }

    fn invalid(&mut self, drawn: &DrawnInput<'_>) -> Result<(), VerifyError> {
        let text = drawn.text();
        if is_let_through(self.context, &text) {
            let why = "the input does not match the schema, and the check of inputs accepts it";
            self.outcome.findings.push(drawn.finding("accepted", why));
        // A run of it says nothing that counts: no such input reaches a skill. So each one is run
        // only while remarks are still shown.
        } else if self.outcome.remarks.len() < ENOUGH {
            let trial = self.runner.run(&drawn.given(&text, drawn.determinism("first")))?;
            let broken = trial::violation(&self.context.proposal.spec, &trial);
            self.outcome.remarks.extend(broken.map(|broken| drawn.unguarded(&broken)));
        }
        Ok(())
    }
}

/// Whether the check of inputs, which comes before every run, accepts an input.
fn is_let_through(context: &GateContext<'_>, input: &str) -> bool {
    let parsed = json::parse(input.as_bytes(), JsonLimits::default());
    parsed.is_ok_and(|value| context.proposal.spec.io.check_input(&value).is_ok())
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn ten_findings_with_one_reason_are_one() {
        let finding = |rule: &str, why: &str, number: u32| {
            Finding::new(rule, format!("{why}{INPUT}{{\"n\":{number}}})")).in_test(format!("input {number}"))
        };
        let mut findings: Vec<Finding> = (0..10).map(|n| finding("conformance/trap", "it trapped", n)).collect();
        findings.push(finding("conformance/trap", "it exited", 11));
        findings.push(finding("conformance/output", "it trapped", 12));
        let grouped = one_for_each_reason(findings);
        let messages: Vec<&str> = grouped.iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "it trapped (input {\"n\":0}), and with 9 more inputs",
                "it exited (input {\"n\":11})",
                "it trapped (input {\"n\":12})"
            ]
        );
    }
}
