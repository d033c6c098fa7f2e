//! One run of a trusted skill, and its record.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::effects::{self, EffectsError, Staging};
use super::ready::Ready;
use crate::artifacts::Store;
use crate::ledger::{EffectsState, Footing, Journal, Ledger, LedgerError};
use crate::model::{
    digest::Digest,
    example::ErrorKind,
    execution::{Determinism, Effect, ExecutionRecord, Said, SecondWall},
    id::{ExecutionId, IdSource},
    json::{self, JsonError, JsonLimits},
    layout::Layout,
    limits::Limits,
    name::SkillName,
    schema::Mismatch,
    switch::{Stopped, Watch},
    text,
    time::{Clock, Timestamp},
    vault_path::VaultPath,
};
use crate::registry::{self, TrustError, TrustedSkill};
use crate::runtime::{
    GuestError, Lane, LoadError, Loader, Observed, Origin, Request, RunError, Runtime, RuntimeError, staged,
    staged::StagedError,
};

/// What a run works with.
#[derive(Debug, Clone, Copy)]
pub struct Invoker<'a> {
    /// Where things lie.
    pub layout: &'a Layout,
    /// The truth.
    pub ledger: &'a Ledger,
    /// Where records go.
    pub journal: &'a dyn Journal,
    /// Components by their digest.
    pub store: &'a Store,
    /// What gives their machine code.
    pub loader: Loader<'a>,
    /// What a run may use, where its promotion did not narrow it.
    pub limits: &'a Limits,
    /// The time.
    pub clock: &'a dyn Clock,
    /// New ids.
    pub ids: &'a dyn IdSource,
}

impl<'a> Invoker<'a> {
    fn books(&self) -> Books<'a> {
        Books { layout: self.layout, journal: self.journal, clock: self.clock, ids: self.ids }
    }
}

/// A run that succeeded.
#[derive(Debug)]
pub struct Ran {
    /// Its record, as the ledger has it.
    pub record: ExecutionRecord,
    /// What the guest said on the way.
    pub observed: Observed,
    /// Where its machine code came from.
    pub code: Origin,
}

/// Why a run gave no output. Where a trusted revision was found, a record says the same.
#[derive(Debug, thiserror::Error)]
pub enum InvokeError {
    /// Not trusted, or not the promoted bytes.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Its class cannot be granted yet.
    #[error("skill `{name}` is {class}: that class is not granted anything to run with yet")]
    NotGranted {
        /// The skill.
        name: SkillName,
        /// Its class.
        class: crate::model::effect::EffectClass,
    },
    /// The input is no JSON.
    #[error("the input is not JSON: {0}")]
    InputJson(#[from] JsonError),
    /// The input is off the schema.
    #[error("the input is off the skill's schema: {0}")]
    Input(Mismatch),
    /// The skill returned an error.
    #[error("the skill failed ({}): {message}", kind.as_str())]
    Skill {
        /// Its kind.
        kind: ErrorKind,
        /// Its text, shown safely.
        message: String,
    },
    /// Nothing may run in this workspace.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// A limit, a trap, a refused component, a stop or a revocation while it ran.
    #[error(transparent)]
    Run(RunError),
    /// The engine.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The component does not fit its class, or has no machine code.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The output is no JSON.
    #[error("the skill's output is not JSON: {0}")]
    OutputJson(JsonError),
    /// The output is off the schema.
    #[error("the skill's output is off its schema: {0}")]
    Output(Mismatch),
    /// It wrote where it may not.
    #[error("the skill wrote `{0}`, outside the folders of its spec")]
    OutsidePaths(VaultPath),
    /// It left something in staging that is no plain file.
    #[error(transparent)]
    Staged(#[from] StagedError),
    /// The files could not be moved into the vault.
    #[error(transparent)]
    Effects(#[from] EffectsError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl InvokeError {
    /// One word for the record's `Kind: message`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Trust(TrustError::Bytes { .. }) => "HashMismatch",
            Self::Trust(_) => "NotTrusted",
            Self::NotGranted { .. } => "NotGranted",
            Self::InputJson(_) | Self::Input(_) => "InvalidInput",
            Self::Skill { .. } => "SkillError",
            Self::Run(RunError::LimitExceeded { .. }) | Self::Staged(StagedError::Limit { .. }) => "LimitExceeded",
            Self::Run(RunError::Timeout { .. }) => "Timeout",
            Self::Run(RunError::Refused(_)) | Self::Load(LoadError::Refused(_)) => "Refused",
            Self::Stopped(_) | Self::Run(RunError::Stopped(_)) => "Stopped",
            Self::Run(RunError::Revoked(_)) => "Revoked",
            Self::Run(_) | Self::Runtime(_) | Self::Load(_) => "RuntimeError",
            Self::OutputJson(_) | Self::Output(_) => "InvalidOutput",
            Self::OutsidePaths(_) | Self::Staged(_) => "OutsidePaths",
            Self::Effects(_) => "EffectsError",
            Self::Ledger(_) => "LedgerError",
        }
    }
}

/// Runs a skill by name: ledger → open once → hash → code → input → guest → output → record → vault.
///
/// # Errors
/// [`InvokeError`]. A run that got as far as a trusted revision leaves a record of its failure.
pub fn run(invoker: &Invoker<'_>, name: &SkillName, input: &[u8]) -> Result<Ran, InvokeError> {
    // First of all, also before what a crash left is finished: a stop is for everything.
    let permit = invoker.ledger.permit()?;
    effects::recover(invoker.ledger, invoker.layout)?;
    let mut draft = Draft::new(invoker.books(), input);
    let skill = match registry::load(invoker.ledger, invoker.store, name) {
        Ok(skill) => skill,
        Err(error) => return Err(draft.refused(error)),
    };
    let subject = Subject::from(&skill);
    let footing = Footing { permit, revision: Some(skill.proposal_id()) };
    let attempt = draft.input().and_then(|()| {
        let engine = |limits: &Limits| Runtime::new(limits).map(Arc::new);
        let (ready, code) = Ready::make(&skill, invoker.loader, invoker.limits, engine)?;
        draft.attempt(&ready, code, Place::ThreadOfItsOwn(invoker.ledger, footing))
    });
    draft.finish(&subject, footing, attempt)
}

/// What a record says about the skill.
#[derive(Debug, Clone)]
pub(super) struct Subject {
    name: SkillName,
    revision: u32,
    digest: Digest,
    class: crate::model::effect::EffectClass,
}

impl From<&TrustedSkill> for Subject {
    fn from(skill: &TrustedSkill) -> Self {
        Self {
            name: skill.spec().name.clone(),
            revision: skill.revision(),
            digest: skill.digest(),
            class: skill.spec().side_effect_class,
        }
    }
}

/// What a run is named, timed and recorded with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Books<'a> {
    pub(super) layout: &'a Layout,
    pub(super) journal: &'a dyn Journal,
    pub(super) clock: &'a dyn Clock,
    pub(super) ids: &'a dyn IdSource,
}

/// Where a guest runs, and who ends it when it may not go on.
#[derive(Debug, Clone, Copy)]
pub(super) enum Place<'a> {
    /// On a thread that is made for it, if it still has its footing by then.
    ThreadOfItsOwn(&'a Ledger, Footing),
    /// On this one, which is kept for runs that reach the same. Its footing was asked for just before.
    Here(&'a Lane<'a>, &'a Arc<dyn Watch + Send>),
}

/// A run that is under way.
pub(super) struct Draft<'a> {
    books: Books<'a>,
    id: ExecutionId,
    started_at: Timestamp,
    /// What was given, as far as it is JSON.
    input: Value,
    /// Why it is not, until somebody asks.
    no_input: Option<JsonError>,
    /// Known once a guest was started, whatever became of it.
    second_wall: Cell<Option<SecondWall>>,
    /// The same.
    said: RefCell<Option<Said>>,
}

pub(super) type Success = (Value, Vec<Effect>, Option<Staging>, (Observed, Origin));

impl<'a> Draft<'a> {
    pub(super) fn new(books: Books<'a>, input: &[u8]) -> Self {
        let (id, started_at) = (ExecutionId::new(books.ids), books.clock.now());
        let (input, no_input) = match json::parse(input, JsonLimits::default()) {
            Ok(input) => (input, None),
            Err(error) => (Value::Null, Some(error)),
        };
        Self { books, id, started_at, input, no_input, second_wall: Cell::new(None), said: RefCell::new(None) }
    }

    /// Whether there is an input.
    pub(super) fn input(&mut self) -> Result<(), InvokeError> {
        self.no_input.take().map_or(Ok(()), |error| Err(error.into()))
    }

    /// What the guest is given: the time the run started, and a seed that nobody can foresee but the record repeats.
    fn determinism(&self) -> Determinism {
        let mut seed = *b"kavi seed 1 0123456789abcdef";
        seed[12..].copy_from_slice(self.id.as_bytes());
        Determinism { clock: self.started_at, seed: *Digest::of(&seed).as_bytes() }
    }

    /// Checks the input, runs the guest, checks what it gave.
    pub(super) fn attempt(&self, ready: &Ready, code: Origin, place: Place<'_>) -> Result<Success, InvokeError> {
        let spec = ready.spec();
        spec.io.check_input(&self.input).map_err(InvokeError::Input)?;
        let layout = self.books.layout;
        let staging = ready.writes().then(|| Staging::create(layout, self.id)).transpose()?;
        let out = staging.as_ref().map(Staging::out);
        let (output, observed) = self.guest(ready, out.as_deref(), place)?;
        let output = json::parse(output.as_bytes(), JsonLimits::default()).map_err(InvokeError::OutputJson)?;
        spec.io.check_output(&output).map_err(InvokeError::Output)?;
        let effects = match &out {
            Some(out) => staged::collect(out, ready.limits())?,
            None => Vec::new(),
        };
        match effects.iter().find(|effect| !spec.may_write(&effect.path)) {
            Some(effect) => Err(InvokeError::OutsidePaths(effect.path.clone())),
            None => Ok((output, effects, staging, (observed, code))),
        }
    }

    fn guest(&self, ready: &Ready, out: Option<&Path>, place: Place<'_>) -> Result<(String, Observed), InvokeError> {
        let text = json::canonical(&self.input);
        let own;
        let watch: &dyn Watch = match place {
            Place::ThreadOfItsOwn(ledger, footing) => {
                // Loading, and waiting to make the staging folder, may have taken a while.
                ledger.stands(footing).map_err(|halt| InvokeError::Run(halt.into()))?;
                own = ledger.watch(footing);
                &own
            }
            Place::Here(_, watch) => watch.as_ref(),
        };
        let request = Request {
            input: &text,
            grants: ready.grants(),
            vault: ready.vault(self.books.layout),
            out,
            determinism: self.determinism(),
            limits: ready.limits(),
            watch,
        };
        let ran = match place {
            Place::ThreadOfItsOwn(..) => ready.compiled().run(&request),
            Place::Here(lane, watch) => ready.compiled().run_on(lane, &request, watch),
        };
        let observed = ran.as_ref().map_or_else(|failure| &*failure.observed, |outcome| &outcome.observed);
        self.second_wall.set(observed.second_wall);
        self.said.replace(observed.said());
        let outcome = ran.map_err(|failure| InvokeError::Run(failure.error))?;
        let failed =
            |error: GuestError| InvokeError::Skill { kind: error.kind, message: text::line(&error.message, 2_000) };
        Ok((outcome.result.map_err(failed)?, outcome.observed))
    }

    /// Records how it ended, and brings its files into the vault.
    pub(super) fn finish(
        self,
        subject: &Subject,
        footing: Footing,
        attempt: Result<Success, InvokeError>,
    ) -> Result<Ran, InvokeError> {
        let books = self.books;
        let (output, effects, staging, (observed, code)) = match attempt {
            Ok(success) => success,
            Err(error) => return Err(self.failed(subject, error)),
        };
        let record = self.record(subject, Ok(output), effects);
        match effects::commit(books.journal, books.layout, staging, &record, footing) {
            Ok(()) => Ok(Ran { record, observed, code }),
            // This one is in the ledger as a success whose files are still on their way.
            Err(error @ EffectsError::Unfinished { .. }) => Err(error.into()),
            Err(EffectsError::Ledger(LedgerError::Halted(halt))) => {
                Err(books.undone(record, InvokeError::Run((*halt).into())))
            }
            Err(error) => Err(books.undone(record, error.into())),
        }
    }

    fn record(self, subject: &Subject, outcome: Result<Value, String>, effects: Vec<Effect>) -> ExecutionRecord {
        let given = self.determinism();
        let (success, output_json, error) = match outcome {
            Ok(output) => (true, Some(output), None),
            Err(error) => (false, None, Some(error)),
        };
        ExecutionRecord {
            v: 1,
            execution_id: self.id,
            parent_execution_id: None,
            skill_name: subject.name.clone(),
            revision: subject.revision,
            source_hash: subject.digest,
            side_effect_class: subject.class,
            input_json: self.input,
            success,
            error,
            output_json,
            clock: given.clock,
            seed: hex::encode(given.seed),
            effects,
            started_at: self.started_at,
            finished_at: self.books.clock.now(),
            second_wall: self.second_wall.get(),
            said: self.said.into_inner(),
        }
    }

    /// Records a failure. A ledger that cannot take the record is the worse error.
    fn failed(self, subject: &Subject, error: InvokeError) -> InvokeError {
        let books = self.books;
        let record = self.record(subject, Err(words(&error)), Vec::new());
        books.note(&record, error)
    }

    /// Records that a trusted revision's bytes were refused; other refusals have no revision to record.
    pub(super) fn refused(self, error: TrustError) -> InvokeError {
        let subject = match &error {
            TrustError::Bytes { proposal, .. } => proposal.trust.map(|trust| Subject {
                name: proposal.spec.name.clone(),
                revision: trust.revision,
                digest: trust.component_sha256,
                class: proposal.spec.side_effect_class,
            }),
            _ => None,
        };
        match subject {
            Some(subject) => self.failed(&subject, error.into()),
            None => error.into(),
        }
    }
}

impl Books<'_> {
    /// The record of what was to be a success, as the failure that it became.
    fn undone(&self, mut record: ExecutionRecord, error: InvokeError) -> InvokeError {
        (record.success, record.output_json, record.error) = (false, None, Some(words(&error)));
        record.effects = Vec::new();
        record.finished_at = self.clock.now();
        self.note(&record, error)
    }

    fn note(&self, record: &ExecutionRecord, error: InvokeError) -> InvokeError {
        match self.journal.insert_execution(record, EffectsState::Applied) {
            Ok(()) => error,
            Err(broken) => broken.into(),
        }
    }
}

/// A failure as its record has it.
fn words(error: &InvokeError) -> String {
    format!("{}: {}", error.kind(), text::line(&error.to_string(), 2_000))
}
