//! A run that is under way, from its input to its record.
//!
//! Guarantees: every run that was asked for leaves one record, whatever became of it; a record that cannot be written is the
//! worse error. Deliberately never: decides which skill is meant, or loads it.

use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::diff::FileDiff;
use super::effects::{self, Basis, Began, EffectsError, Looked, Staging, Wanted};
use super::error::{InvokeError, words};
use super::loaded_skill::LoadedSkill;
use super::request::{DeferredFiles, Desk, Disposition, Files, RunRequest, RunResult};
use crate::ledger::{Journal, Ledger, LedgerError, Proposal, RunAuthorization};
use crate::model::{
    commit::{Change, Commit},
    digest::Digest,
    effect::EffectClass,
    execution::{Determinism, Effect, ExecutionRecord, Said, SecondWall},
    id::{CommitId, ExecutionId},
    json::{self, JsonError, JsonLimits},
    lifecycle::{CommitKind, Purpose},
    limits::Limits,
    name::SkillName,
    switch::{Cancel, Cancellable, Watch},
    text,
    time::Timestamp,
};
use crate::registry::{TrustError, TrustedSkill};
use crate::runtime::{GuestError, Lane, Observed, Origin, Request, RunError, WASMTIME_VERSION, staged};

/// A desk, and where records go.
#[derive(Debug, Clone, Copy)]
pub(super) struct Books<'a> {
    pub(super) desk: Desk<'a>,
    pub(super) journal: &'a dyn Journal,
}

/// What a record says about the skill.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    name: SkillName,
    revision: Option<(u32, Digest, EffectClass)>,
}

impl From<&TrustedSkill> for Subject {
    fn from(skill: &TrustedSkill) -> Self {
        let spec = skill.spec();
        let revision = Some((skill.revision(), skill.digest(), spec.side_effect_class));
        Self { name: spec.name.clone(), revision }
    }
}

/// Where a guest runs, and who ends it when it may not go on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// On a thread that is made for it, if it still has its footing by then.
    ThreadOfItsOwn(&'a Ledger, RunAuthorization),
    /// On this one, which is kept for runs that reach the same. Its footing was asked for just before.
    Here(&'a Lane<'a>, &'a Arc<dyn Watch + Send>),
}

/// What is known once a guest was started, whatever became of it.
#[derive(Debug, Default)]
struct Observations {
    limits: Option<Limits>,
    second_wall: Option<SecondWall>,
    said: Option<Said>,
}

/// A run that is under way.
pub(super) struct Invocation<'a> {
    books: Books<'a>,
    request: RunRequest<'a>,
    id: ExecutionId,
    started_at: Timestamp,
    /// What was given, as far as it is JSON.
    input: Value,
    /// Why it is not, until somebody asks.
    no_input: Option<JsonError>,
    observations: RefCell<Observations>,
}

/// What a guest gave.
struct Output {
    value: Value,
    /// In how many bytes.
    read: usize,
}

/// A run that gave an output that fits, and files where it may write them.
pub(super) struct Success {
    output: Output,
    effects: Vec<Effect>,
    staged: Option<(Staging, Began)>,
    disposition: Disposition,
    observed: Observed,
    code: Origin,
}

impl<'a> Invocation<'a> {
    pub(super) fn new(books: Books<'a>, request: RunRequest<'a>) -> Self {
        let id = request.id.unwrap_or_else(|| ExecutionId::new(books.desk.ids));
        let started_at = books.desk.clock.now();
        let read = match request.given {
            Some(_) => json::parse_kept(request.input),
            None => json::parse(request.input, JsonLimits::default()),
        };
        let (input, no_input) = match read {
            Ok(input) => (input, None),
            Err(error) => (Value::Null, Some(error)),
        };
        Self { books, request, id, started_at, input, no_input, observations: RefCell::default() }
    }

    /// Whether there is an input.
    pub(super) fn input(&mut self) -> Result<(), InvokeError> {
        self.no_input.take().map_or(Ok(()), |error| Err(error.into()))
    }

    /// Whether whoever asked still wants it.
    fn wanted(&self) -> Result<(), InvokeError> {
        let caller = self.request.cancel.map_or(Ok(()), Cancel::check);
        caller.map_err(|cancelled| InvokeError::Run(RunError::Cancelled(cancelled)))
    }

    /// What the guest is given: the time the run started, and a seed that nobody can foresee but the record repeats; of a
    /// replay those of the earlier run.
    fn determinism(&self) -> Determinism {
        self.request.given.unwrap_or_else(|| {
            let mut seed = *b"kavi seed 1 0123456789abcdef";
            seed[12..].copy_from_slice(self.id.as_bytes());
            Determinism { clock: self.started_at, seed: *Digest::of(&seed).as_bytes() }
        })
    }

    /// Checks the input, runs the guest, checks what it gave.
    pub(super) fn attempt(&self, loaded: &LoadedSkill, code: Origin, place: Place<'_>) -> Result<Success, InvokeError> {
        let spec = loaded.spec();
        let RunRequest { caller, consent, disposition, .. } = self.request;
        let disposition = self.books.desk.decide(caller.channel, consent, spec.side_effect_class, disposition)?;
        spec.io.check_input(&self.input).map_err(InvokeError::Input)?;
        let staged = self.stage(loaded, place)?;
        let out = staged.as_ref().map(|(staging, _)| staging.out());
        let (output, observed) = self.guest(loaded, out.as_deref(), place)?;
        let value = json::parse(output.as_bytes(), JsonLimits::default()).map_err(InvokeError::OutputJson)?;
        spec.io.check_output(&value).map_err(InvokeError::Output)?;
        let output = Output { value, read: output.len() };
        let effects = match &out {
            Some(out) => staged::collect(out, loaded.limits())?,
            None => Vec::new(),
        };
        match effects.iter().find(|effect| !spec.may_write(&effect.path)) {
            Some(effect) => Err(InvokeError::OutsidePaths(effect.path.clone())),
            None => Ok(Success { output, effects, staged, disposition, observed, code }),
        }
    }

    fn stage(&self, loaded: &LoadedSkill, place: Place<'_>) -> Result<Option<(Staging, Began)>, InvokeError> {
        // What writes never runs on a lane.
        let Place::ThreadOfItsOwn(ledger, _) = place else { return Ok(None) };
        if !loaded.writes() {
            return Ok(None);
        }
        let staging = Staging::create(self.books.desk.layout, self.id)?;
        let began = Began::now(ledger, &staging)?;
        Ok(Some((staging, began)))
    }

    fn guest(
        &self,
        loaded: &LoadedSkill,
        out: Option<&Path>,
        place: Place<'_>,
    ) -> Result<(String, Observed), InvokeError> {
        let input = json::canonical(&self.input);
        self.wanted()?;
        let own;
        let watch: &dyn Watch = match place {
            Place::ThreadOfItsOwn(ledger, authorization) => {
                // Loading, and waiting to make the staging folder, may have taken a while.
                ledger.check_authorization(authorization).map_err(|halt| InvokeError::Run(halt.into()))?;
                own = ledger.watch(authorization);
                &own
            }
            Place::Here(_, watch) => watch.as_ref(),
        };
        let both = self.request.cancel.cloned().map(|cancel| Cancellable { watch, cancel });
        let watch = both.as_ref().map_or(watch, |both| both);
        let request = Request {
            input: &input,
            grants: loaded.grants(),
            vault: loaded.vault(self.books.desk.layout),
            out,
            determinism: self.determinism(),
            limits: loaded.limits(),
            watch,
        };
        let ran = match place {
            Place::ThreadOfItsOwn(..) => loaded.compiled().run(&request),
            Place::Here(lane, watch) => match self.request.cancel.cloned() {
                Some(cancel) => {
                    let both: Arc<dyn Watch + Send> = Arc::new(Cancellable { watch: Arc::clone(watch), cancel });
                    loaded.compiled().run_on(lane, &request, &both)
                }
                None => loaded.compiled().run_on(lane, &request, watch),
            },
        };
        let observed = ran.as_ref().map_or_else(|failure| &*failure.observed, |outcome| &outcome.observed);
        self.observations.replace(Observations {
            limits: Some(loaded.limits().clone()),
            second_wall: observed.second_wall,
            said: observed.said(),
        });
        let outcome = ran.map_err(|failure| InvokeError::Run(failure.error))?;
        let failed =
            |error: GuestError| InvokeError::Skill { kind: error.kind, message: text::line(&error.message, 2_000) };
        Ok((outcome.result.map_err(failed)?, outcome.observed))
    }

    /// Records how it ended, and brings its files to where they are to go.
    pub(super) fn finish(
        self,
        subject: &Subject,
        (ledger, authorization): (&Ledger, RunAuthorization),
        attempt: Result<Success, InvokeError>,
    ) -> Result<RunResult, InvokeError> {
        // The last moment at which nothing has happened yet.
        let success = match attempt.and_then(|success| self.wanted().map(|()| success)) {
            Ok(success) => success,
            Err(error) => return Err(self.failed(subject, error)),
        };
        let Success { output, effects, staged, disposition, observed, code } = success;
        let (record, files) = match staged.filter(|_| !effects.is_empty()) {
            Some(staged) => {
                self.finish_files(subject, (ledger, authorization), (&output, effects, staged, disposition))?
            }
            None => {
                let record = match self.record(subject, Ok(&output), Vec::new(), None) {
                    Ok(record) => record,
                    Err(error) => return Err(self.failed(subject, error)),
                };
                self.insert(&record, (None, None), authorization)?;
                (record, Files::Committed)
            }
        };
        Ok(RunResult { record, output: output.value, observed, code, files })
    }

    fn finish_files(
        self,
        subject: &Subject,
        (ledger, authorization): (&Ledger, RunAuthorization),
        (output, mut effects, (staging, began), disposition): (&Output, Vec<Effect>, (Staging, Began), Disposition),
    ) -> Result<(ExecutionRecord, Files), InvokeError> {
        let ground = self.books.desk.ground();
        let wanted = wanted(&effects, &staging, began);
        let looked = match disposition {
            Disposition::Commit => effects::make_durable(ground, &staging, &wanted),
            _ => Ok(()),
        };
        let looked = match looked.and_then(|()| effects::look(ground, ledger, wanted)) {
            Ok(looked) => looked,
            Err(error) => return Err(self.failed(subject, error.into())),
        };
        for (effect, change) in effects.iter_mut().zip(looked.changes()) {
            effect.before = change.before;
        }
        let changes: Vec<Change> = looked.changes().filter(|change| !change.is_none()).cloned().collect();
        let commit = self.commit(disposition, changes);
        let prepared = match ending(disposition, &commit, looked) {
            Ok(prepared) => prepared,
            Err(error) => return Err(self.failed(subject, error.into())),
        };
        let record = match self.record(subject, Ok(output), effects, commit.as_ref().map(|commit| commit.id)) {
            Ok(record) => record,
            Err(error) => return Err(self.failed(subject, error)),
        };
        self.insert(&record, (commit.as_ref(), prepared.waiting()), authorization)?;
        let files = match (prepared, commit) {
            (Ending::Prepared(prepared), Some(commit)) => {
                prepared.carry_out::<InvokeError>(&commit, self.books.journal)?;
                Files::Committed
            }
            (Ending::Shown(diffs), Some(commit)) => Files::Held(Box::new(commit), diffs),
            (Ending::Shown(diffs), None) => Files::Shown(diffs),
            (Ending::Deferred, _) => Files::Deferred(Box::new(DeferredFiles { staging, began, authorization })),
            _ => Files::Committed,
        };
        Ok((record, files))
    }

    /// The commit of a run that changes files.
    fn commit(&self, disposition: Disposition, changes: Vec<Change>) -> Option<Commit> {
        let now = self.books.desk.clock.now();
        let commit = Commit::pending(self.id.into(), CommitKind::Run, changes, now);
        let commit = match disposition {
            Disposition::Commit => commit,
            Disposition::Hold => commit.held_until(now.after(self.books.desk.hold)),
            Disposition::Show | Disposition::Leave => return None,
        };
        (!commit.changes.is_empty()).then_some(commit)
    }

    /// Writes the record of a success. What cannot be a success any more is recorded as the failure that it became.
    fn insert(
        &self,
        record: &ExecutionRecord,
        (commit, prepared): (Option<&Commit>, Option<&effects::Prepared<'_>>),
        authorization: RunAuthorization,
    ) -> Result<(), InvokeError> {
        let Err(error) = self.books.journal.insert_success(record, commit, authorization) else { return Ok(()) };
        if let (Some(commit), Some(prepared)) = (commit, prepared) {
            prepared.refused(commit, &error);
        }
        let error = match error {
            LedgerError::Halted(halt) => InvokeError::Run((*halt).into()),
            error => error.into(),
        };
        let undone = ExecutionRecord {
            success: false,
            output_json: None,
            output_stored: None,
            error: Some(words(&error)),
            effects: Vec::new(),
            commit_id: None,
            finished_at: self.books.desk.clock.now(),
            ..record.clone()
        };
        Err(self.note(&undone, error))
    }

    fn record(
        &self,
        subject: &Subject,
        outcome: Result<&Output, String>,
        effects: Vec<Effect>,
        commit_id: Option<CommitId>,
    ) -> Result<ExecutionRecord, InvokeError> {
        let given = self.determinism();
        let (input_json, input_stored) = match (self.books.desk.inline(&self.input, self.request.input.len()), &outcome)
        {
            // That it failed is on record also where its input cannot be kept.
            (Err(_), Err(_)) => (Value::Null, None),
            (kept, _) => kept?,
        };
        let (output, error) = match outcome {
            Ok(output) => (Some(self.books.desk.inline(&output.value, output.read)?), None),
            Err(error) => (None, Some(error)),
        };
        let (output_json, output_stored) = output.map_or((None, None), |(json, stored)| (Some(json), stored));
        let Observations { limits, second_wall, said } = self.observations.take();
        let revision = subject.revision.as_ref();
        Ok(ExecutionRecord {
            v: 2,
            execution_id: self.id,
            parent_execution_id: self.request.parent,
            purpose: self.purpose(),
            channel: self.request.caller.channel,
            caller: self.request.caller.name.clone(),
            skill_name: subject.name.clone(),
            revision: revision.map(|(revision, ..)| *revision),
            source_hash: revision.map(|(_, digest, _)| *digest),
            side_effect_class: revision.map(|(.., class)| *class),
            engine: limits.is_some().then(|| format!("wasmtime {WASMTIME_VERSION}")),
            limits,
            input_json,
            input_stored,
            success: error.is_none(),
            error,
            output_json,
            output_stored,
            clock: given.clock,
            seed: hex::encode(given.seed),
            effects,
            commit_id,
            started_at: self.started_at,
            finished_at: self.books.desk.clock.now(),
            second_wall,
            said,
        })
    }

    fn purpose(&self) -> Purpose {
        match (self.request.purpose, self.request.disposition) {
            (Purpose::Run, Disposition::Show) => Purpose::DryRun,
            (purpose, _) => purpose,
        }
    }

    /// Records a failure. A ledger that cannot take the record is the worse error.
    fn failed(&self, subject: &Subject, error: InvokeError) -> InvokeError {
        match self.record(subject, Err(words(&error)), Vec::new(), None) {
            Ok(record) => self.note(&record, error),
            Err(worse) => worse,
        }
    }

    fn note(&self, record: &ExecutionRecord, error: InvokeError) -> InvokeError {
        match self.books.journal.insert_execution(record) {
            Ok(()) => error,
            Err(broken) => broken.into(),
        }
    }

    /// Records that nothing could be run under this name.
    pub(super) fn refused(self, error: TrustError) -> InvokeError {
        let revision = match &error {
            TrustError::Bytes { proposal, .. } => {
                proposal.trust.map(|trust| (trust.revision, trust.component_sha256, proposal.spec.side_effect_class))
            }
            // Where the ledger itself cannot be read there is nowhere to record it either.
            TrustError::Ledger(_) => return error.into(),
            _ => None,
        };
        let subject = Subject { name: self.request.name.clone(), revision };
        self.failed(&subject, error.into())
    }

    /// Records that a trusted skill was not run, and why.
    pub(super) fn not_run(self, trusted: Option<&Proposal>, error: InvokeError) -> InvokeError {
        let revision = trusted.and_then(|proposal| Some((proposal.trust?, proposal.spec.side_effect_class)));
        let revision = revision.map(|(trust, class)| (trust.revision, trust.component_sha256, class));
        self.failed(&Subject { name: self.request.name.clone(), revision }, error)
    }
}

/// What follows the look at a run's places.
enum Ending<'a> {
    Prepared(effects::Prepared<'a>),
    Shown(Vec<FileDiff>),
    Deferred,
    Unchanged,
}

impl<'a> Ending<'a> {
    /// Files that wait for their record.
    fn waiting(&self) -> Option<&effects::Prepared<'a>> {
        match self {
            Self::Prepared(prepared) => Some(prepared),
            Self::Shown(_) | Self::Deferred | Self::Unchanged => None,
        }
    }
}

fn ending<'a>(
    disposition: Disposition,
    commit: &Option<Commit>,
    looked: Looked<'a>,
) -> Result<Ending<'a>, EffectsError> {
    match (disposition, commit) {
        (Disposition::Commit, Some(commit)) => Ok(Ending::Prepared(looked.prepare(commit.id)?)),
        (Disposition::Hold, Some(_)) => {
            looked.keep()?;
            Ok(Ending::Shown(looked.diffs()?))
        }
        (Disposition::Show, _) => Ok(Ending::Shown(looked.diffs()?)),
        (Disposition::Leave, _) => Ok(Ending::Deferred),
        // Every file is as it was.
        (Disposition::Commit | Disposition::Hold, None) => Ok(Ending::Unchanged),
    }
}

/// The files of a run, for a commit.
pub(super) fn wanted(effects: &[Effect], staging: &Staging, began: Began) -> Vec<Wanted> {
    let out = staging.out();
    let one = |effect: &Effect| Wanted {
        change: effect.into(),
        file: Some(out.join(effect.path.as_str())),
        basis: Basis::Run(began),
    };
    effects.iter().map(one).collect()
}
