//! Chains: skills one after the other, their files in one commit.
//!
//! The whole chain is checked before its first step runs: every skill is trusted, every mapping can work, no class is wider than
//! the request allows. Then each step is a run like any other, with a record of its own. The files of the steps wait in their
//! staging folders, and are committed after the last step: all of them or none. A later step does not see in the vault what an
//! earlier one wrote. With [`CommitMode::PerStep`] it does, because each step is then committed by itself.
//!
//! The label of a step's data goes along every mapping. Private data into a step that reaches hosts needs a person's yes, and
//! that is found before the first step runs.
//!
//! Deliberately never: commits a part of what is to be one commit, or runs a step whose input could not be made.

use std::sync::Arc;

use super::context::RunContext;
use super::diff::FileDiff;
use super::disposition::{self, RunQuestion};
use super::effects::{EffectsError, FileOutcome, FileSet, staged_files};
use super::error::InvokeError;
use super::request::{Consent, Disposition, RunRequest};
use super::result::{DeferredFiles, RunFiles, RunResult};
use super::run;
use super::sequence::Sequence;
use crate::ledger::{LedgerError, RunAuthorization};
use crate::model::{
    capabilities::SkillCapabilities,
    chain::{Chain, ChainStep, OnFailure},
    chain_check::{self, ChainMismatch},
    channel::Caller,
    commit::{self, Commit, WrittenTwice},
    data_label::DataLabel,
    effect::EffectClass,
    execution::Effect,
    id::{CommitId, ExecutionId},
    json,
    lifecycle::{CommitKind, Purpose},
    name::SkillName,
    spec::SkillSpec,
    switch::Stopped,
};

/// How the files of a chain are committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommitMode {
    /// All or nothing, at the end.
    Together,
    /// Those of each step, when the step is done.
    PerStep,
}

/// A chain that is asked for. Each of its steps becomes a [`RunRequest`].
#[derive(Debug, Clone)]
pub struct ChainRequest<'c> {
    /// The chain.
    pub chain: &'c Chain,
    /// Who asks, and through which channel.
    pub caller: Arc<Caller>,
    /// Whether a person said yes.
    pub consent: Consent,
    /// The widest class that a step may have.
    pub max_class: Option<EffectClass>,
    /// How its files are committed.
    pub commit_mode: CommitMode,
    /// What happens to its files.
    pub disposition: Disposition,
}

impl ChainRequest<'_> {
    /// The request of one step.
    fn step(&self, step: &ChainStep, input: String, parent: Option<ExecutionId>) -> RunRequest {
        RunRequest {
            parent,
            consent: self.consent,
            // With one commit the steps' files are left, so their disposition does not show a dry run any more.
            purpose: if self.disposition == Disposition::Show { Purpose::DryRun } else { Purpose::Run },
            disposition: match self.commit_mode {
                CommitMode::Together => Disposition::Leave,
                CommitMode::PerStep => self.disposition,
            },
            ..RunRequest::new(step.skill.clone(), input.into_bytes(), Arc::clone(&self.caller))
        }
    }
}

/// Why a chain did not run, or its files are not in the vault.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// A step names no trusted skill. Nothing ran.
    #[error("step {step}: there is no trusted skill `{skill}`")]
    Unknown {
        /// The step, from 0.
        step: usize,
        /// The skill that it names.
        skill: SkillName,
    },
    /// It can never work. Nothing ran.
    #[error(transparent)]
    Mismatch(#[from] Box<ChainMismatch>),
    /// Policy denies a class to the channel. Nothing ran.
    #[error("step {step}: {source}")]
    Denied {
        /// The step, from 0.
        step: usize,
        /// The decision of policy.
        source: Box<InvokeError>,
    },
    /// Nothing may run in this workspace.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// Two runs wrote the same file. Nothing is in the vault.
    #[error("{0}, and the second did not see what the first wrote: nothing was committed")]
    WrittenTwice(#[from] WrittenTwice),
    /// The vault.
    #[error(transparent)]
    Effects(#[from] EffectsError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// What became of a step.
#[derive(Debug)]
pub struct StepResult {
    /// Its record.
    pub id: ExecutionId,
    /// Its skill.
    pub skill: SkillName,
    /// What the run gave.
    pub ran: Result<RunResult, InvokeError>,
    /// The label of what it gave.
    pub label: DataLabel,
}

/// What became of a chain.
#[derive(Debug)]
pub struct ChainResult {
    /// The steps that ran or failed, in their order.
    pub steps: Vec<StepResult>,
    /// The number of steps in the chain.
    pub of: usize,
    /// What happened to the files that are one commit, if there were any.
    pub commit: Option<ChainFiles>,
}

/// What happened to the files of a chain, or of a batch that is one.
#[derive(Debug)]
pub enum ChainFiles {
    /// They are in the vault.
    Committed(Box<Commit>),
    /// A person decides about them.
    Held(Box<Commit>, Vec<FileDiff>),
    /// This is what they would change.
    Shown(Vec<FileDiff>),
    /// A run failed: they were removed.
    Dropped,
}

impl ChainResult {
    /// The first failure.
    pub fn failure(&self) -> Option<(usize, &InvokeError)> {
        self.steps.iter().enumerate().find_map(|(number, step)| step.ran.as_ref().err().map(|error| (number, error)))
    }
}

/// Checks the whole chain, and decides what happens to its files as one. Nothing runs.
fn check(context: &RunContext<'_>, request: &ChainRequest<'_>) -> Result<Disposition, ChainError> {
    let specs = request.chain.steps().iter().enumerate().map(|(number, step)| {
        let trusted = context.ledger.trusted(&step.skill)?;
        let spec = trusted.map(|proposal| proposal.spec);
        spec.ok_or_else(|| ChainError::Unknown { step: number, skill: step.skill.clone() })
    });
    let specs = specs.collect::<Result<Vec<_>, _>>()?;
    chain_check::check(request.chain, &specs, request.max_class)?;
    let (view, channels, consent) = (&context.governance(), context.shared.channels, request.consent);
    let private = private_inputs(request.chain, &specs);
    // One step whose files are held holds those of all.
    specs.iter().enumerate().try_fold(request.disposition, |asked, (step, spec)| {
        let private_from = private.get(step).and_then(Option::as_deref);
        let question = RunQuestion { view, channels, caller: &request.caller, consent, spec, private_from };
        let decided = disposition::decide(&question, asked).map(|decided| decided.disposition);
        decided.map_err(|error| ChainError::Denied { step, source: Box::new(error) })
    })
}

/// For each step, the earlier one whose private data can be in its input.
fn private_inputs(chain: &Chain, specs: &[SkillSpec]) -> Vec<Option<String>> {
    let (mut inputs, mut outputs): (Vec<Option<String>>, Vec<Option<String>>) = (Vec::new(), Vec::new());
    for (number, (step, spec)) in chain.steps().iter().zip(specs).enumerate() {
        // Only earlier steps can be named, so their labels are known.
        let input = step.mappings.iter().find_map(|mapping| outputs.get(mapping.step).cloned().flatten());
        let reads = SkillCapabilities::of(spec).reads_vault();
        let own = reads.then(|| format!("step {number} (`{}`)", step.skill));
        outputs.push(input.clone().or(own));
        inputs.push(input);
    }
    inputs
}

/// Runs a chain.
///
/// # Errors
/// [`ChainError`] when it did not begin, or its files could not be committed. What became of a step is in the result.
pub fn run(context: &RunContext<'_>, request: &ChainRequest<'_>) -> Result<ChainResult, ChainError> {
    // A stop forbids the whole chain, before anything of it is checked.
    context.ledger.authorize()?;
    let chain = request.chain;
    let disposition = check(context, request)?;
    let mut steps: Vec<StepResult> = Vec::new();
    for step in chain.steps() {
        let result = run_step(context, request, step, &steps);
        let failed = result.ran.is_err();
        steps.push(result);
        if failed && chain.on_failure == OnFailure::Stop {
            break;
        }
    }
    let mut result = ChainResult { steps, of: chain.steps().len(), commit: None };
    if request.commit_mode == CommitMode::Together {
        let ran = result.steps.iter_mut().filter_map(|step| step.ran.as_mut().ok());
        let files: Vec<LeftFiles> = ran.filter_map(LeftFiles::take).collect();
        result.commit = match result.failure() {
            Some(_) if chain.on_failure == OnFailure::Stop && !files.is_empty() => Some(ChainFiles::Dropped),
            _ => commit_files(context, files, disposition)?,
        };
    }
    Ok(result)
}

fn run_step(
    context: &RunContext<'_>,
    request: &ChainRequest<'_>,
    step: &ChainStep,
    before: &[StepResult],
) -> StepResult {
    // The id is chosen here: the next step names it as its parent also when this one fails.
    let id = ExecutionId::new(context.shared.ids);
    let parent = step.parent.and_then(|parent| before.get(parent)).map(|parent| parent.id);
    let input = step.input(|number| before.get(number)?.ran.as_ref().ok().map(|ran| &ran.output));
    // Where a mapping failed, the record of the step has the input without it.
    let text = json::canonical(input.as_ref().unwrap_or(&step.input));
    let mut label = DataLabel::default();
    step.mappings.iter().filter_map(|mapping| before.get(mapping.step)).for_each(|from| label.join(&from.label));
    let sequence = Sequence::beginning_with(label);
    let run_request = RunRequest { id: Some(id), sequence: Some(sequence.clone()), ..request.step(step, text, parent) };
    let ran = match input {
        Ok(_) => run::run(context, &run_request),
        Err(error) => Err(run::not_run(context, &run_request, InvokeError::Unmapped(error))),
    };
    StepResult { id, skill: run_request.skill, ran, label: sequence.label() }
}

/// The files that one run left in its staging folder.
#[derive(Debug)]
pub struct LeftFiles {
    run: ExecutionId,
    effects: Vec<Effect>,
    deferred: Box<DeferredFiles>,
}

impl LeftFiles {
    /// Takes the files that a run left. They change their owner: they are committed with those of other runs, or removed.
    pub fn take(result: &mut RunResult) -> Option<Self> {
        match std::mem::replace(&mut result.files, RunFiles::Committed) {
            RunFiles::Deferred(deferred) => {
                Some(Self { run: result.record.execution_id, effects: result.record.effects.clone(), deferred })
            }
            other => {
                result.files = other;
                None
            }
        }
    }
}

/// Decides what happens to the files of a batch as one. A refusal is left to the runs, which record it.
///
/// # Errors
/// When the ledger cannot be read.
pub fn batch_disposition(
    context: &RunContext<'_>,
    batch: &RunRequest,
    asked: Disposition,
) -> Result<Disposition, LedgerError> {
    let Some(trusted) = context.ledger.trusted(&batch.skill)? else { return Ok(asked) };
    let (view, channels) = (&context.governance(), context.shared.channels);
    let (caller, consent, spec) = (&*batch.caller, batch.consent, &trusted.spec);
    let question = RunQuestion { view, channels, caller, consent, spec, private_from: None };
    Ok(disposition::decide(&question, asked).map_or(asked, |decided| decided.disposition))
}

/// Commits the files of several runs as one, or does with them what else was asked.
///
/// # Errors
/// [`ChainError`] when two of them wrote the same file, or the files could not be committed. Nothing is in the vault then.
pub fn commit_files(
    context: &RunContext<'_>,
    steps: Vec<LeftFiles>,
    disposition: Disposition,
) -> Result<Option<ChainFiles>, ChainError> {
    let Some(first) = steps.first() else { return Ok(None) };
    // Both runs saw the vault as it was before. To commit the second would lose the first.
    commit::check_disjoint(steps.iter().flat_map(|step| &step.effects))?;
    let changes =
        steps.iter().flat_map(|step| staged_files(&step.effects, &step.deferred.staging, step.deferred.start));
    let set = FileSet {
        kind: CommitKind::Chain,
        id: CommitId::from(first.run),
        disposition,
        // Any of them: it only says which permissions a new file gets.
        staging: &first.deferred.staging,
        changes: changes.collect(),
    };
    let plan = set.plan(context)?;
    let runs: Vec<ExecutionId> = steps.iter().map(|step| step.run).collect();
    let authorizations: Vec<RunAuthorization> = steps.iter().map(|step| step.deferred.authorization).collect();
    // The records of the runs are on disk already: only the commit is added to them.
    plan.record(|commit| commit.map_or(Ok(()), |commit| context.ledger.insert_commit(commit, &runs, &authorizations)))?;
    Ok(match plan.carry_out::<ChainError>()? {
        FileOutcome::Committed(commit) => Some(ChainFiles::Committed(Box::new(commit))),
        FileOutcome::Held(commit, diffs) => Some(ChainFiles::Held(Box::new(commit), diffs)),
        // Files that change nothing are no commit, also where they are only shown.
        FileOutcome::Shown(diffs) if diffs.is_empty() => None,
        FileOutcome::Shown(diffs) => Some(ChainFiles::Shown(diffs)),
        FileOutcome::Left | FileOutcome::Unchanged => None,
    })
}
