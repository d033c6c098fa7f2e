//! One run of a trusted skill, and its record.

use std::cell::{Cell, RefCell};

use serde_json::Value;

use super::effects::{self, EffectsError, Staging};
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
    switch::Stopped,
    text,
    time::{Clock, Timestamp},
    vault_path::VaultPath,
};
use crate::policy::grants;
use crate::registry::{self, TrustError, TrustedSkill};
use crate::runtime::{
    LoadError, Loader, Observed, Origin, Request, RunError, Runtime, RuntimeError, Skill, Standing, staged,
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
    let id = ExecutionId::new(invoker.ids);
    let started_at = invoker.clock.now();
    let given = json::parse(input, JsonLimits::default());
    let input = given.as_ref().ok().cloned().unwrap_or(Value::Null);
    let draft = Draft { invoker, id, started_at, input, second_wall: Cell::new(None), said: RefCell::new(None) };
    let skill = match registry::load(invoker.ledger, invoker.store, name) {
        Ok(skill) => skill,
        Err(error) => return Err(draft.refused(error)),
    };
    let subject = Subject::from(&skill);
    let footing = Footing { permit, revision: Some(skill.proposal_id()) };
    let result = given.map_err(InvokeError::from).and_then(|input| draft.attempt(&skill, &input, footing));
    match result {
        Ok((output, effects, staging, (observed, code))) => {
            let record = draft.record(&subject, Ok(output), effects);
            match effects::commit(invoker.journal, invoker.layout, staging, &record, footing) {
                Ok(()) => Ok(Ran { record, observed, code }),
                // This one is in the ledger as a success whose files are still on their way.
                Err(error @ EffectsError::Unfinished { .. }) => Err(error.into()),
                Err(EffectsError::Ledger(LedgerError::Halted(halt))) => {
                    Err(draft.failed(&subject, InvokeError::Run((*halt).into())))
                }
                Err(error) => Err(draft.failed(&subject, error.into())),
            }
        }
        Err(error) => Err(draft.failed(&subject, error)),
    }
}

/// What a record says about the skill.
struct Subject {
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

/// A run that is under way.
struct Draft<'a> {
    invoker: &'a Invoker<'a>,
    id: ExecutionId,
    started_at: Timestamp,
    input: Value,
    /// Known once a guest was started, whatever became of it.
    second_wall: Cell<Option<SecondWall>>,
    /// The same.
    said: RefCell<Option<Said>>,
}

type Success = (Value, Vec<Effect>, Staging, (Observed, Origin));

impl Draft<'_> {
    /// What the guest is given: the time the run started, and a seed that nobody can foresee but the record repeats.
    fn determinism(&self) -> Determinism {
        let mut seed = b"kavi seed 1 ".to_vec();
        seed.extend(self.id.as_bytes());
        Determinism { clock: self.started_at, seed: *Digest::of(&seed).as_bytes() }
    }

    fn attempt(&self, skill: &TrustedSkill, input: &Value, footing: Footing) -> Result<Success, InvokeError> {
        let spec = skill.spec();
        if !grants::is_runnable(spec.side_effect_class) {
            return Err(InvokeError::NotGranted { name: spec.name.clone(), class: spec.side_effect_class });
        }
        let limits = self.invoker.limits.narrowed(skill.limits());
        let runtime = Runtime::new(&limits)?;
        let grants = grants::of(spec.side_effect_class);
        let (component, digest) = (skill.component(), skill.digest());
        let asked = Skill { component, digest, grants: &grants, standing: Standing::Promoted };
        let (compiled, code) = self.invoker.loader.load(&runtime, &asked)?;
        spec.io.check_input(input).map_err(InvokeError::Input)?;
        let staging = Staging::create(self.invoker.layout, self.id)?;
        let out = staging.out();
        let text = json::canonical(input);
        // Compiling may have taken a while.
        self.invoker.ledger.stands(footing).map_err(|halt| InvokeError::Run(halt.into()))?;
        let watch = self.invoker.ledger.watch(footing);
        let request = Request {
            input: &text,
            grants: &grants,
            vault: grants.vault.then_some(self.invoker.layout.vault.as_path()),
            out: grants.out.then_some(out.as_path()),
            determinism: self.determinism(),
            limits: &limits,
            watch: &watch,
        };
        let ran = compiled.run(&request);
        let observed = ran.as_ref().map_or_else(|failure| &*failure.observed, |outcome| &outcome.observed);
        self.second_wall.set(observed.second_wall);
        self.said.replace(observed.said());
        let outcome = ran.map_err(|failure| InvokeError::Run(failure.error))?;
        let output = outcome
            .result
            .map_err(|error| InvokeError::Skill { kind: error.kind, message: text::line(&error.message, 2_000) })?;
        let output = json::parse(output.as_bytes(), JsonLimits::default()).map_err(InvokeError::OutputJson)?;
        spec.io.check_output(&output).map_err(InvokeError::Output)?;
        let effects = staged::collect(&out, &limits)?;
        match effects.iter().find(|effect| !spec.may_write(&effect.path)) {
            Some(effect) => Err(InvokeError::OutsidePaths(effect.path.clone())),
            None => Ok((output, effects, staging, (outcome.observed, code))),
        }
    }

    fn record(&self, subject: &Subject, outcome: Result<Value, String>, effects: Vec<Effect>) -> ExecutionRecord {
        let given = self.determinism();
        ExecutionRecord {
            v: 1,
            execution_id: self.id,
            parent_execution_id: None,
            skill_name: subject.name.clone(),
            revision: subject.revision,
            source_hash: subject.digest,
            side_effect_class: subject.class,
            input_json: self.input.clone(),
            success: outcome.is_ok(),
            error: outcome.as_ref().err().cloned(),
            output_json: outcome.ok(),
            clock: given.clock,
            seed: hex::encode(given.seed),
            effects,
            started_at: self.started_at,
            finished_at: self.invoker.clock.now(),
            second_wall: self.second_wall.get(),
            said: self.said.borrow().clone(),
        }
    }

    /// Records a failure. A ledger that cannot take the record is the worse error.
    fn failed(&self, subject: &Subject, error: InvokeError) -> InvokeError {
        let words = format!("{}: {}", error.kind(), text::line(&error.to_string(), 2_000));
        let record = self.record(subject, Err(words), Vec::new());
        match self.invoker.journal.insert_execution(&record, EffectsState::Applied) {
            Ok(()) => error,
            Err(broken) => broken.into(),
        }
    }

    /// Records that a trusted revision's bytes were refused; other refusals have no revision to record.
    fn refused(&self, error: TrustError) -> InvokeError {
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
