//! A run that is under way, from its input to its files.
//!
//! Guarantees: every run leaves one record, whatever becomes of it (`record`); its files reach the vault only after that
//! (`effects`). Deliberately never: decides which skill is meant, or loads it.

use std::borrow::Cow;
use std::cell::RefCell;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use tracing::Span;

use super::context::RunContext;
use super::disposition::{self, PersonsOverride, RunDecision, RunQuestion};
use super::effects::{FileOutcome, FileSet, RunStart, Staging, staged_files};
use super::error::InvokeError;
use super::leak_check;
use super::loaded_skill::LoadedSkill;
use super::network;
use super::record::{CheckedOutput, Observations, RecordedSkill, RunRecord};
use super::request::{Disposition, RunRequest};
use super::result::{DeferredFiles, RunFiles, RunResult};
use crate::context::reader::ContextView;
use crate::dir::FolderHandle;
use crate::egress::LeakCheck;
use crate::ledger::{Allowance, LedgerError, Proposal, RunAuthorization};
use crate::model::{
    data_label::DataLabel,
    exchange::{ExchangeRecord, HttpPort},
    execution::{Effect, ExecutionRecord, GuestOutput},
    id::ExecutionId,
    json::{self, JsonError, JsonLimits},
    lifecycle::CommitKind,
    schema::Coercion,
    spec::SkillSpec,
    switch::{Cancel, Cancellable, Watch},
    text,
};
use crate::policy::{matrix::Actor, scan};
use crate::registry::TrustError;
use crate::runtime::{
    CodeOrigin, GuestError, GuestRequest, GuestTelemetry, Lane, RunError, RunFailure, SkillOutcome, collect_output,
};

/// The thread that a guest runs on, and what stops it there.
#[derive(Debug, Clone, Copy)]
pub(super) enum RunThread<'a> {
    /// A new thread, for this run alone. The authorization is checked again immediately before it starts.
    New(RunAuthorization),
    /// A thread that is kept for runs that reach the same. The caller has just checked the authorization.
    Lane {
        /// The thread.
        lane: &'a Lane<'a>,
        /// Stops the run when the switch is turned or the trust ends.
        watch: &'a Arc<dyn Watch + Send>,
    },
}

/// A run that is under way.
pub(super) struct Invocation<'a> {
    record: RunRecord<'a>,
    view: ContextView,
    actor: Actor,
    /// Why the input is no JSON, until the first check.
    input_error: Option<JsonError>,
}

/// The input of a guest, and what of it was taken as something else.
struct GuestInput<'a> {
    value: Cow<'a, Value>,
    coerced: Vec<Coercion>,
}

/// The staging folder of a run, and when it began.
struct RunStaging {
    staging: Staging,
    start: RunStart,
}

/// A run whose output matches the schema, and whose files are where it may write.
pub(super) struct CompletedRun {
    output: CheckedOutput,
    effects: Vec<Effect>,
    staged: Option<RunStaging>,
    decision: RunDecision,
    observed: GuestTelemetry,
    code: CodeOrigin,
}

impl<'a> Invocation<'a> {
    pub(super) fn new(context: &'a RunContext<'a>, request: &'a RunRequest) -> Self {
        Self::under(context, request, context.governance())
    }

    /// The same, under charter, policy and capabilities that were read before: on a lane's thread they cannot be.
    pub(super) fn under(context: &'a RunContext<'a>, request: &'a RunRequest, view: ContextView) -> Self {
        let id = request.id.unwrap_or_else(|| ExecutionId::new(context.shared.ids));
        let started_at = context.shared.clock.now();
        let parsed = match request.determinism {
            // The input of a replay comes from its record, which may be larger than a new input.
            Some(_) => json::parse_kept(&request.input),
            None => json::parse(&request.input, JsonLimits::default()),
        };
        let (input, input_error) = match parsed {
            Ok(input) => (input, None),
            Err(error) => (Value::Null, Some(error)),
        };
        let observations = RefCell::default();
        let actor = Actor::of(&request.caller);
        let context_sha256 = view.governance.as_ref().ok().map(|governance| governance.context.sha256);
        let record = RunRecord { context, request, id, started_at, input, context_sha256, observations };
        Self { record, view, actor, input_error }
    }

    /// The span of this run. It says which skill runs and for which channel, and nothing of input or output.
    pub(super) fn span(&self) -> Span {
        let RunRecord { id, request, .. } = &self.record;
        let (skill, channel) = (&request.skill, request.caller.channel);
        tracing::info_span!("run", %id, %skill, %channel, success = tracing::field::Empty)
    }

    /// Whether the input is JSON.
    pub(super) fn check_json(&mut self) -> Result<(), InvokeError> {
        self.input_error.take().map_or(Ok(()), |error| Err(error.into()))
    }

    /// Checks the input, runs the guest, and checks its output and files.
    pub(super) fn attempt(
        &self,
        loaded: &LoadedSkill,
        code: CodeOrigin,
        thread: RunThread<'_>,
    ) -> Result<CompletedRun, InvokeError> {
        let spec = loaded.spec();
        // Before the input is checked: a channel that policy denies learns nothing about the schema.
        let decision = self.decide(spec)?;
        let mismatch = |why| InvokeError::Input { skill: spec.name.clone(), why };
        let input = self.input(loaded);
        spec.io.check_input(&input.value).map_err(mismatch)?;
        let staged = self.stage(loaded, thread)?;
        let out = staged.as_ref().map(|staged| staged.staging.out());
        let (text, observed) = self.run_guest(loaded, input, out, thread)?;
        let value = json::parse(text.as_bytes(), JsonLimits::default()).map_err(InvokeError::OutputJson)?;
        let mismatch = |why| InvokeError::Output { skill: spec.name.clone(), why };
        spec.io.check_output(&value).map_err(mismatch)?;
        let output = CheckedOutput { value, bytes: text.len() };
        // Only a warning: honest prose can have the shape of a token.
        if let Some(what) = scan::looks_like_secret(&text) {
            tracing::warn!("the output of `{}` has something that looks like {what}", spec.name);
        }
        let effects = match out {
            Some(out) => collect_output::collect(out, loaded.limits())?,
            None => Vec::new(),
        };
        if let Some(path) = spec.first_outside(&effects) {
            return Err(InvokeError::OutsidePaths(path.clone()));
        }
        if let Some(path) = spec.first_removed(&effects) {
            return Err(InvokeError::RemovalNotGranted(path.clone()));
        }
        Ok(CompletedRun { output, effects, staged, decision, observed, code })
    }

    /// What charter, policy and capabilities make of the request, and whether something is left of its limit.
    fn decide(&self, spec: &SkillSpec) -> Result<RunDecision, InvokeError> {
        let RunRecord { context, request, .. } = &self.record;
        let (caller, consent) = (request.caller.as_ref(), request.consent);
        let private = request.sequence.as_ref().and_then(|sequence| sequence.label().private);
        let private = private.map(|run| format!("run {}", run.short()));
        let question = RunQuestion {
            view: &self.view,
            channels: context.shared.channels,
            caller,
            consent,
            spec,
            private_from: private.as_deref(),
        };
        let decision = disposition::decide(&question, request.disposition)?;
        // Before the guest starts. The transaction of the record decides, because others may use up the rest meanwhile.
        match self.allowance(decision.overrides).map_or(Ok(()), |used| context.ledger.check_allowance(&used)) {
            Err(LedgerError::OverLimit { key, most }) => Err(InvokeError::OverLimit { key, most }),
            checked => Ok(checked.map(|()| decision)?),
        }
    }

    fn allowance(&self, overrides: PersonsOverride) -> Option<Allowance> {
        disposition::allowance(&self.view, &self.actor, overrides, self.record.context.shared.clock.moment())
    }

    /// The label of what the guest can give, where the run is one of a sequence. The sequence has it before the guest starts:
    /// an error can tell of the vault as well as an output.
    fn begin_label(&self, loaded: &LoadedSkill) -> Option<DataLabel> {
        let sequence = self.record.request.sequence.as_ref()?;
        if loaded.vault(self.record.context.shared.layout).is_some() {
            sequence.join(&DataLabel::of_vault(self.record.id));
        }
        Some(sequence.label())
    }

    /// The same label with the hosts that were reached.
    fn end_label(&self, mut label: DataLabel, exchanges: &[ExchangeRecord]) -> DataLabel {
        let reached = DataLabel::of_exchanges(exchanges);
        self.record.request.sequence.iter().for_each(|sequence| sequence.join(&reached));
        label.join(&reached);
        label
    }

    /// The authorization of this run: an agent's also ends when the agents of the workspace are stopped.
    fn authorized(&self, authorization: RunAuthorization) -> RunAuthorization {
        if self.actor.is_unattended() { authorization.for_agent() } else { authorization }
    }

    /// The input as the skill gets it. The record has it as it was given, so that a replay begins with the same.
    fn input(&self, loaded: &LoadedSkill) -> GuestInput<'_> {
        let given = &self.record.input;
        let coerced = if loaded.spec().coerce { loaded.spec().io.input().coerce(given) } else { None };
        match coerced {
            Some((value, coerced)) => GuestInput { value: Cow::Owned(value), coerced },
            None => GuestInput { value: Cow::Borrowed(given), coerced: Vec::new() },
        }
    }

    /// Makes the staging folder, if the skill may write files.
    fn stage(&self, loaded: &LoadedSkill, thread: RunThread<'_>) -> Result<Option<RunStaging>, InvokeError> {
        // A skill that writes never runs on a lane: a lane's thread can open nothing new.
        let RunThread::New(_) = thread else { return Ok(None) };
        if !loaded.writes() {
            return Ok(None);
        }
        let context = self.record.context;
        let staging = Staging::create(context.shared.layout, self.record.id)?;
        // Before the guest starts: an edit while it reads the vault counts as a conflict.
        let start = RunStart::now(context.ledger, &staging)?;
        Ok(Some(RunStaging { staging, start }))
    }

    fn run_guest(
        &self,
        loaded: &LoadedSkill,
        input: GuestInput<'_>,
        out: Option<&FolderHandle>,
        thread: RunThread<'_>,
    ) -> Result<(String, GuestTelemetry), InvokeError> {
        let RunRecord { context, request, .. } = &self.record;
        let GuestInput { value, coerced } = input;
        let input = json::canonical(&value);
        self.check_cancelled()?;
        let own;
        let watch: &dyn Watch = match thread {
            RunThread::New(authorization) => {
                let authorization = self.authorized(authorization);
                // To load the skill, or to wait for the staging folder, may have taken long.
                let halted = |halt| InvokeError::Run(RunError::from(halt));
                context.ledger.check_authorization(authorization).map_err(halted)?;
                own = context.ledger.watch(authorization);
                &*own
            }
            RunThread::Lane { watch, .. } => watch.as_ref(),
        };
        // One watch for the switch, the trust and the caller, so the guest is ended by any of them.
        let both = request.cancel.clone().map(|cancel| Cancellable { watch, cancel });
        let watch = both.as_ref().map_or(watch, |both| both);
        let vault = loaded.vault(context.shared.layout).map(open_vault).transpose().map_err(InvokeError::Run)?;
        let run = |http: Option<&Arc<dyn HttpPort>>, check: Option<&LeakCheck>| {
            let guest_request = GuestRequest {
                input: &input,
                capabilities: loaded.capabilities(),
                vault: vault.as_ref(),
                linked: context.shared.linked,
                out,
                http,
                determinism: self.record.determinism(),
                limits: loaded.limits(),
                watch,
            };
            let ran = self.run_on_thread(loaded, &guest_request, thread);
            // Here, because only the broker has the secrets, and it ends with the run.
            let clean = check.map_or(Ok(()), |check| leak_check::check(check, &ran, out));
            (ran, clean)
        };
        let label = self.begin_label(loaded);
        let ((ran, clean), made) = network::with_port(context, loaded, request.exchanges.as_ref(), run)?;
        let label = label.map(|label| self.end_label(label, &made.exchanges)).filter(|label| !label.is_empty());
        // Before anything of the run is kept: its log is a part of the record.
        clean.map_err(InvokeError::Leak)?;
        let observed = ran.as_ref().map_or_else(|failure| &*failure.observed, |outcome| &outcome.observed);
        let said = observed.to_record().map(|said| GuestOutput {
            coerced,
            exchanges: made.exchanges,
            signatures: made.signatures,
            label,
            ..said
        });
        let limits = Some(loaded.limits().clone());
        // Kept apart from the outcome: the record of a failure says what the guest used too.
        self.record.observations.replace(Observations { limits, second_wall: observed.second_wall, said });
        let outcome = ran.map_err(|failure| InvokeError::Run(failure.error))?;
        let failed = |error: GuestError| InvokeError::SkillComponent {
            kind: error.kind,
            message: text::line(&error.message, 2_000),
        };
        Ok((outcome.result.map_err(failed)?, outcome.observed))
    }

    /// Runs the guest on its thread, where its caller's cancellation ends it too.
    fn run_on_thread(
        &self,
        loaded: &LoadedSkill,
        request: &GuestRequest<'_>,
        thread: RunThread<'_>,
    ) -> Result<SkillOutcome, RunFailure> {
        match (thread, self.record.request.cancel.clone()) {
            (RunThread::New(_), _) => loaded.compiled().run(request),
            // The keeper of a lane asks its own watch, so the cancellation goes in there.
            (RunThread::Lane { lane, watch }, Some(cancel)) => {
                let both: Arc<dyn Watch + Send> = Arc::new(Cancellable { watch: Arc::clone(watch), cancel });
                loaded.compiled().run_on(lane, request, &both)
            }
            (RunThread::Lane { lane, watch }, None) => loaded.compiled().run_on(lane, request, watch),
        }
    }

    /// Records how the run ended, and commits its files or does with them what else was asked.
    pub(super) fn finish(
        self,
        skill: &RecordedSkill,
        authorization: RunAuthorization,
        attempt: Result<CompletedRun, InvokeError>,
    ) -> Result<RunResult, InvokeError> {
        let finished = self.finish_attempt(skill, authorization, attempt);
        Span::current().record("success", finished.is_ok());
        finished
    }

    fn finish_attempt(
        self,
        skill: &RecordedSkill,
        authorization: RunAuthorization,
        attempt: Result<CompletedRun, InvokeError>,
    ) -> Result<RunResult, InvokeError> {
        let authorization = self.authorized(authorization);
        // A run can be cancelled up to here. After this its record and its files become visible.
        let completed = match attempt.and_then(|completed| self.check_cancelled().map(|()| completed)) {
            Ok(completed) => completed,
            // A guest that failed after it was started has used up a run.
            Err(error) => return Err(self.record.failed_after(skill, error, self.allowance(PersonsOverride::NotUsed))),
        };
        let CompletedRun { output, effects, staged, decision: RunDecision { disposition, overrides }, observed, code } =
            completed;
        let authorization = authorization.using(self.allowance(overrides));
        let output_cap = self.view.output_cap();
        // A run that wrote no file needs no lock and no commit.
        let (record, files) = match staged.filter(|_| !effects.is_empty()) {
            Some(staged) => {
                let written = WrittenFiles { effects, staged, disposition };
                self.finish_files(skill, authorization, &output, written)?
            }
            None => {
                let record = self.record.success(skill, &output, Vec::new(), None);
                let record = record.map_err(|error| self.record.failed(skill, error))?;
                self.record.write_success(&record, None, authorization)?;
                (record, RunFiles::Committed)
            }
        };
        Ok(RunResult { record, output: output.value, observed, code, files, output_cap })
    }

    fn finish_files(
        self,
        skill: &RecordedSkill,
        authorization: RunAuthorization,
        output: &CheckedOutput,
        written: WrittenFiles,
    ) -> Result<(ExecutionRecord, RunFiles), InvokeError> {
        let WrittenFiles { mut effects, staged: RunStaging { staging, start }, disposition } = written;
        let changes = staged_files(&effects, &staging, start);
        let set = FileSet { kind: CommitKind::Run, id: self.record.id.into(), disposition, staging: &staging, changes };
        let plan = match set.plan(self.record.context) {
            Ok(plan) => plan,
            Err(error) => return Err(self.record.failed(skill, error.into())),
        };
        // Only the check under the lock knows what each file replaces.
        for (effect, change) in effects.iter_mut().zip(plan.changes()) {
            effect.before = change.before();
        }
        let record = self.record.success(skill, output, effects, plan.commit().map(|commit| commit.id));
        let record = record.map_err(|error| self.record.failed(skill, error))?;
        self.record.write_success(&record, Some(&plan), authorization)?;
        let files = match plan.carry_out::<InvokeError>()? {
            FileOutcome::Committed(_) | FileOutcome::Unchanged => RunFiles::Committed,
            FileOutcome::Held(commit, diffs) => RunFiles::Held(Box::new(commit), diffs),
            FileOutcome::Shown(diffs) => RunFiles::Shown(diffs),
            FileOutcome::Left => RunFiles::Deferred(Box::new(DeferredFiles { staging, start, authorization })),
        };
        Ok((record, files))
    }

    fn check_cancelled(&self) -> Result<(), InvokeError> {
        let checked = self.record.request.cancel.as_ref().map_or(Ok(()), Cancel::check);
        checked.map_err(|cancelled| InvokeError::Run(RunError::Cancelled(cancelled)))
    }

    /// Records that nothing could be run under this name.
    pub(super) fn refused(self, error: TrustError) -> InvokeError {
        self.record.refused(error)
    }

    /// Records that a trusted skill was not run, and why.
    pub(super) fn not_run(self, trusted: Option<&Proposal>, error: InvokeError) -> InvokeError {
        self.record.not_run(trusted, error)
    }
}

/// Opened for each run: the thread of a lane can open this folder and no other.
fn open_vault(path: &Path) -> Result<FolderHandle, RunError> {
    FolderHandle::open(path).map_err(|source| RunError::Folder { guest: "/vault", path: path.to_owned(), source })
}

/// The files of a completed run, and what is to happen to them.
struct WrittenFiles {
    effects: Vec<Effect>,
    staged: RunStaging,
    disposition: Disposition,
}
