//! Chains: skills one after the other, their files in one commit.
//!
//! A chain is looked at as a whole before its first step runs: every skill is trusted, every mapping can work, no class is wider
//! than was asked for. Then each step is a run like any other, with a record of its own that follows the step before it. What
//! the steps wrote waits in their staging folders, and is committed when the last one is done: all of it, or nothing. A later
//! step does not see in the vault what an earlier one wrote; with [`Together::No`] it does, since then each step is committed
//! by itself.
//!
//! Deliberately never: commits a part of what was to be one, or runs a step whose input could not be made.

use super::diff::FileDiff;
use super::effects::{self, EffectsError, Staging, Wanted};
use super::error::InvokeError;
use super::invocation::wanted;
use super::request::{Consent, DeferredFiles, Disposition, Files, RunRequest, RunResult};
use super::run::{self, Invoker};
use crate::ledger::{LedgerError, RunAuthorization};
use crate::model::{
    chain::{self, Chain, Misfit, OnFailure, Step},
    channel::Caller,
    commit::{self, Commit, WrittenTwice},
    effect::EffectClass,
    id::{CommitId, ExecutionId},
    json,
    lifecycle::{CommitKind, CommitState, Purpose},
    name::SkillName,
    switch::Stopped,
};

/// Whether the files of a chain are one commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Together {
    /// All or nothing, at the end.
    Yes,
    /// Each step's, when it is done.
    No,
}

/// How a chain is run.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Who asks.
    pub caller: Caller,
    /// Whether a person said yes to it.
    pub consent: Consent,
    /// The widest class that a step may have.
    pub most: Option<EffectClass>,
    /// Whether its files are one commit.
    pub together: Together,
    /// What becomes of its files.
    pub disposition: Disposition,
}

/// Why a chain did not run, or its files are not in the vault.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// A step names no trusted skill. Nothing ran.
    #[error("step {step}: there is no trusted skill `{skill}`")]
    Unknown {
        /// Which step, from 0.
        step: usize,
        /// What it names.
        skill: SkillName,
    },
    /// It can never work. Nothing ran.
    #[error(transparent)]
    Misfit(#[from] Box<Misfit>),
    /// Policy closes the door to a class. Nothing ran.
    #[error("step {step}: {source}")]
    Denied {
        /// Which step, from 0.
        step: usize,
        /// What policy says.
        source: Box<InvokeError>,
    },
    /// Nothing may run in this workspace.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// Two steps wrote the same file. Nothing is in the vault.
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
pub struct StepRan {
    /// Its record.
    pub id: ExecutionId,
    /// Its skill.
    pub skill: SkillName,
    /// What it gave.
    pub ran: Result<RunResult, InvokeError>,
}

/// What became of a chain.
#[derive(Debug)]
pub struct ChainRan {
    /// The steps that were come to.
    pub steps: Vec<StepRan>,
    /// How many there are.
    pub of: usize,
    /// What became of the files that are one commit, if there were any.
    pub commit: Option<ChainFiles>,
}

/// What became of the files of a chain.
#[derive(Debug)]
pub enum ChainFiles {
    /// They are in the vault.
    Committed(Box<Commit>),
    /// A person is to decide.
    Held(Box<Commit>, Vec<FileDiff>),
    /// This is what they would have changed.
    Shown(Vec<FileDiff>),
    /// A step failed, so none of them are anywhere.
    Dropped,
}

impl ChainRan {
    /// The first failure.
    pub fn failure(&self) -> Option<(usize, &InvokeError)> {
        self.steps.iter().enumerate().find_map(|(number, step)| step.ran.as_ref().err().map(|error| (number, error)))
    }
}

/// Looks at a chain as a whole, and says what policy makes of its files as one. Nothing runs.
fn check(invoker: &Invoker<'_>, chain: &Chain, terms: &Terms) -> Result<Disposition, ChainError> {
    let specs = chain.steps().iter().enumerate().map(|(number, step)| {
        let trusted = invoker.ledger.trusted(&step.skill)?;
        trusted
            .map(|proposal| proposal.spec)
            .ok_or_else(|| ChainError::Unknown { step: number, skill: step.skill.clone() })
    });
    let specs = specs.collect::<Result<Vec<_>, _>>()?;
    chain::fit(chain, &specs, terms.most)?;
    // One step whose files are held holds all of them.
    specs.iter().enumerate().try_fold(terms.disposition, |disposition, (step, spec)| {
        let decided = invoker.desk.decide(terms.caller.channel, terms.consent, spec.side_effect_class, disposition);
        decided.map_err(|error| ChainError::Denied { step, source: Box::new(error) })
    })
}

/// Runs a chain.
///
/// # Errors
/// [`ChainError`] when it did not begin, or its files could not be committed. What became of a step is in the result.
pub fn run(invoker: &Invoker<'_>, chain: &Chain, terms: &Terms) -> Result<ChainRan, ChainError> {
    invoker.ledger.authorize()?;
    let disposition = check(invoker, chain, terms)?;
    let mut steps: Vec<StepRan> = Vec::new();
    for step in chain.steps() {
        let ran = run_step(invoker, step, &steps, terms);
        let failed = ran.ran.is_err();
        steps.push(ran);
        if failed && chain.on_failure == OnFailure::Stop {
            break;
        }
    }
    let mut ran = ChainRan { steps, of: chain.steps().len(), commit: None };
    if terms.together == Together::Yes {
        ran.commit = finish(invoker, &mut ran, (chain.on_failure, disposition))?;
    }
    Ok(ran)
}

fn run_step(invoker: &Invoker<'_>, step: &Step, before: &[StepRan], terms: &Terms) -> StepRan {
    let id = ExecutionId::new(invoker.desk.ids);
    let parent = step.parent.and_then(|parent| before.get(parent)).map(|parent| parent.id);
    let input = step.input(|number| before.get(number)?.ran.as_ref().ok().map(|ran| &ran.output));
    let text = json::canonical(input.as_ref().unwrap_or(&step.input));
    let request = RunRequest {
        id: Some(id),
        parent,
        consent: terms.consent,
        purpose: if terms.disposition == Disposition::Show { Purpose::DryRun } else { Purpose::Run },
        disposition: match (terms.together, terms.disposition) {
            (Together::Yes, _) => Disposition::Leave,
            (Together::No, disposition) => disposition,
        },
        ..RunRequest::run(&step.skill, text.as_bytes(), &terms.caller)
    };
    let ran = match input {
        Ok(_) => run::run(invoker, request),
        Err(unmapped) => Err(run::not_run(invoker, request, InvokeError::Unmapped(unmapped))),
    };
    StepRan { id, skill: step.skill.clone(), ran }
}

/// Brings what the steps left to where it is to go, as one.
fn finish(
    invoker: &Invoker<'_>,
    ran: &mut ChainRan,
    (on_failure, disposition): (OnFailure, Disposition),
) -> Result<Option<ChainFiles>, ChainError> {
    let failed = ran.failure().is_some();
    let mut left: Vec<(Box<DeferredFiles>, Vec<Wanted>)> = Vec::new();
    let (mut effects, mut runs) = (Vec::new(), Vec::new());
    for step in &mut ran.steps {
        let Ok(done) = &mut step.ran else { continue };
        let Files::Deferred(of_step) = std::mem::replace(&mut done.files, Files::Committed) else { continue };
        let of_record = &done.record.effects;
        effects.extend(of_record.iter().cloned());
        runs.push(step.id);
        let files = wanted(of_record, &of_step.staging, of_step.began);
        left.push((of_step, files));
    }
    if left.is_empty() {
        return Ok(None);
    }
    if failed && on_failure == OnFailure::Stop {
        return Ok(Some(ChainFiles::Dropped));
    }
    commit::together(&effects)?;
    let authorizations: Vec<RunAuthorization> = left.iter().map(|(of_step, _)| of_step.authorization).collect();
    let (keep, files): (Vec<_>, Vec<_>) = left.into_iter().unzip();
    let files: Vec<Wanted> = files.into_iter().flatten().collect();
    let staging = keep.first().map(|of_step| &of_step.staging);
    staging.map_or(Ok(None), |staging| bring(invoker, (staging, files), (&runs, &authorizations), disposition))
}

fn bring(
    invoker: &Invoker<'_>,
    (staging, files): (&Staging, Vec<Wanted>),
    (runs, authorizations): (&[ExecutionId], &[RunAuthorization]),
    disposition: Disposition,
) -> Result<Option<ChainFiles>, ChainError> {
    let Invoker { ledger, desk, .. } = invoker;
    let (ground, now) = (desk.ground(), desk.clock.now());
    if disposition == Disposition::Commit {
        effects::make_durable(ground, staging, &files)?;
    }
    let looked = effects::look(ground, ledger, files)?;
    let changes: Vec<_> = looked.changes().filter(|change| !change.is_none()).cloned().collect();
    let Some(first) = runs.first().filter(|_| !changes.is_empty()) else { return Ok(None) };
    let commit = Commit::pending(CommitId::from(*first), CommitKind::Chain, changes, now);
    match disposition {
        Disposition::Show | Disposition::Leave => Ok(Some(ChainFiles::Shown(looked.diffs()?))),
        Disposition::Hold => {
            looked.keep()?;
            let diffs = looked.diffs()?;
            let commit = commit.held_until(now.after(desk.hold));
            ledger.insert_commit(&commit, runs, authorizations)?;
            Ok(Some(ChainFiles::Held(Box::new(commit), diffs)))
        }
        Disposition::Commit => {
            let prepared = looked.prepare(commit.id)?;
            ledger
                .insert_commit(&commit, runs, authorizations)
                .inspect_err(|error| prepared.refused(&commit, error))?;
            prepared.carry_out::<ChainError>(&commit, *ledger)?;
            let commit = Commit { state: CommitState::Applied, ..commit };
            Ok(Some(ChainFiles::Committed(Box::new(commit))))
        }
    }
}
