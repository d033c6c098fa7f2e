//! The record of one run, whatever becomes of it.
//!
//! Guarantees: every run that was asked for leaves one record. A record that cannot be written is the worse error, and is the
//! one that the caller gets. Deliberately never: runs anything.

use std::cell::RefCell;

use serde_json::Value;

use super::context::RunContext;
use super::effects::FilePlan;
use super::error::{InvokeError, record_text};
use super::request::{Disposition, RunRequest};
use crate::artifacts::StoredKind;
use crate::ledger::{Allowance, LedgerError, Proposal, RunAuthorization};
use crate::model::{
    digest::Digest,
    effect::EffectClass,
    execution::{Determinism, Effect, ExecutionRecord, GuestOutput, MAX_INLINE_BYTES, SecondWall, StoredValue},
    id::{CommitId, ExecutionId},
    json,
    lifecycle::Purpose,
    limits::Limits,
    name::SkillName,
    time::Timestamp,
};
use crate::registry::{TrustError, TrustedSkill};
use crate::runtime::WASMTIME_VERSION;

/// What a record says about the skill.
#[derive(Debug, Clone)]
pub(super) struct RecordedSkill {
    name: SkillName,
    revision: Option<RecordedRevision>,
}

#[derive(Debug, Clone, Copy)]
struct RecordedRevision {
    number: u32,
    component: Digest,
    class: EffectClass,
}

impl From<&TrustedSkill> for RecordedSkill {
    fn from(skill: &TrustedSkill) -> Self {
        let spec = skill.spec();
        let revision =
            RecordedRevision { number: skill.revision(), component: skill.digest(), class: spec.side_effect_class };
        Self { name: spec.name.clone(), revision: Some(revision) }
    }
}

impl RecordedSkill {
    /// A skill that was not run. `trusted` is what is trusted under its name.
    fn not_run(name: &SkillName, trusted: Option<&Proposal>) -> Self {
        let revision = trusted.and_then(|proposal| {
            let trust = proposal.trust?;
            let class = proposal.spec.side_effect_class;
            Some(RecordedRevision { number: trust.revision, component: trust.component_sha256, class })
        });
        Self { name: name.clone(), revision }
    }
}

/// What is known once a guest was started, whatever became of it.
#[derive(Debug, Default)]
pub(super) struct Observations {
    pub(super) limits: Option<Limits>,
    pub(super) second_wall: Option<SecondWall>,
    pub(super) said: Option<GuestOutput>,
}

/// An output that matches the schema.
#[derive(Debug)]
pub(super) struct CheckedOutput {
    pub(super) value: Value,
    /// The size of its JSON text, in bytes.
    pub(super) bytes: usize,
}

/// Makes and writes the record of one run.
pub(super) struct RunRecord<'a> {
    pub(super) context: &'a RunContext<'a>,
    pub(super) request: &'a RunRequest,
    pub(super) id: ExecutionId,
    pub(super) started_at: Timestamp,
    /// The input; null where it is no JSON.
    pub(super) input: Value,
    /// The digest of charter, policy and capabilities that it is decided under.
    pub(super) context_sha256: Option<Digest>,
    pub(super) observations: RefCell<Observations>,
}

impl RunRecord<'_> {
    /// The clock and seed of the guest. The seed cannot be predicted, and the record repeats it. A replay gets those of the
    /// earlier run.
    pub(super) fn determinism(&self) -> Determinism {
        self.request.determinism.unwrap_or_else(|| {
            let mut seed = *b"kavi seed 1 0123456789abcdef";
            seed[12..].copy_from_slice(self.id.as_bytes());
            Determinism { clock: self.started_at, seed: *Digest::of(&seed).as_bytes() }
        })
    }

    /// The record of a success.
    pub(super) fn success(
        &self,
        skill: &RecordedSkill,
        output: &CheckedOutput,
        effects: Vec<Effect>,
        commit_id: Option<CommitId>,
    ) -> Result<ExecutionRecord, InvokeError> {
        let input = self.stored(&self.input, self.request.input.len())?;
        let output = self.stored(&output.value, output.bytes)?;
        let record = self.record(skill, input);
        Ok(ExecutionRecord {
            success: true,
            output_json: Some(output.value),
            output_stored: output.stored,
            effects,
            commit_id,
            ..record
        })
    }

    /// Writes the record of a success, and the commit of its files. What cannot be a success any more is recorded as the
    /// failure that it became.
    pub(super) fn write_success(
        &self,
        record: &ExecutionRecord,
        plan: Option<&FilePlan<'_>>,
        authorization: RunAuthorization,
    ) -> Result<(), InvokeError> {
        let journal = self.context.journal;
        let written = match plan {
            Some(plan) => plan.record(|commit| journal.insert_success(record, commit, authorization)),
            None => journal.insert_success(record, None, authorization),
        };
        let error = match written {
            Ok(()) => return Ok(()),
            // The switch was turned, or the trust ended, while the guest ran: the transaction of the record finds that.
            Err(LedgerError::Halted(halt)) => InvokeError::Run((*halt).into()),
            // Other processes used up the rest while the guest ran.
            Err(LedgerError::OverLimit { key, most }) => InvokeError::OverLimit { key, most },
            Err(error) => error.into(),
        };
        // The output and the files stay out: they are of a run that does not count.
        let failure = ExecutionRecord {
            success: false,
            output_json: None,
            output_stored: None,
            error: Some(record_text(&error)),
            effects: Vec::new(),
            commit_id: None,
            finished_at: self.context.shared.clock.now(),
            ..record.clone()
        };
        Err(self.write_failure(&failure, error, None))
    }

    /// Records a failure, and gives the error that the caller gets.
    pub(super) fn failed(&self, skill: &RecordedSkill, error: InvokeError) -> InvokeError {
        self.failed_after(skill, error, None)
    }

    /// The same, for a run that used up something of a limit where a guest was started.
    pub(super) fn failed_after(
        &self,
        skill: &RecordedSkill,
        error: InvokeError,
        used: Option<Allowance>,
    ) -> InvokeError {
        // The failure is recorded also where the input cannot be kept.
        let nothing = InlineValue { value: Value::Null, stored: None };
        let input = self.stored(&self.input, self.request.input.len()).unwrap_or(nothing);
        let record = ExecutionRecord { error: Some(record_text(&error)), ..self.record(skill, input) };
        let used = used.filter(|_| record.engine.is_some());
        self.write_failure(&record, error, used)
    }

    /// Records that nothing could be run under this name.
    pub(super) fn refused(&self, error: TrustError) -> InvokeError {
        let trusted = match &error {
            TrustError::Bytes { proposal, .. } => Some(&**proposal),
            // A ledger that cannot be read cannot take the record either.
            TrustError::Ledger(_) => return error.into(),
            _ => None,
        };
        let skill = RecordedSkill::not_run(&self.request.skill, trusted);
        self.failed(&skill, error.into())
    }

    /// Records that a trusted skill was not run, and why.
    pub(super) fn not_run(&self, trusted: Option<&Proposal>, error: InvokeError) -> InvokeError {
        self.failed(&RecordedSkill::not_run(&self.request.skill, trusted), error)
    }

    fn write_failure(&self, record: &ExecutionRecord, error: InvokeError, used: Option<Allowance>) -> InvokeError {
        match self.context.journal.insert_failure(record, used) {
            Ok(()) => error,
            Err(worse) => worse.into(),
        }
    }

    /// The record without an outcome.
    fn record(&self, skill: &RecordedSkill, input: InlineValue) -> ExecutionRecord {
        let Determinism { clock, seed } = self.determinism();
        let Observations { limits, second_wall, said } = self.observations.take();
        let revision = skill.revision;
        ExecutionRecord {
            v: 2,
            execution_id: self.id,
            parent_execution_id: self.request.parent,
            purpose: self.purpose(),
            channel: self.request.caller.channel,
            caller: self.request.caller.name.clone(),
            skill_name: skill.name.clone(),
            revision: revision.map(|revision| revision.number),
            source_hash: revision.map(|revision| revision.component),
            side_effect_class: revision.map(|revision| revision.class),
            engine: limits.is_some().then(|| format!("wasmtime {WASMTIME_VERSION}")),
            limits,
            input_json: input.value,
            input_stored: input.stored,
            success: false,
            error: None,
            output_json: None,
            output_stored: None,
            clock,
            seed: hex::encode(seed),
            effects: Vec::new(),
            commit_id: None,
            started_at: self.started_at,
            finished_at: self.context.shared.clock.now(),
            second_wall,
            said,
            context_sha256: self.context_sha256,
        }
    }

    fn purpose(&self) -> Purpose {
        match (self.request.purpose, self.request.disposition) {
            (Purpose::Run, Disposition::Show) => Purpose::DryRun,
            (purpose, _) => purpose,
        }
    }

    /// A value as a record has it: itself, or where it is stored. `read` is the size of the text that it was read from.
    fn stored(&self, value: &Value, read: usize) -> Result<InlineValue, InvokeError> {
        // The canonical text is needed only to learn its size. Most values are so small that it cannot be too large.
        if read.saturating_mul(json::MAX_GROWTH) <= MAX_INLINE_BYTES {
            return Ok(InlineValue { value: value.clone(), stored: None });
        }
        let canonical = json::canonical(value);
        if canonical.len() <= MAX_INLINE_BYTES {
            return Ok(InlineValue { value: value.clone(), stored: None });
        }
        let sha256 = self.context.shared.store.put(StoredKind::Value, canonical.as_bytes())?;
        Ok(InlineValue { value: Value::Null, stored: Some(StoredValue { sha256, bytes: canonical.len() as u64 }) })
    }
}

/// A value as a record has it.
struct InlineValue {
    value: Value,
    stored: Option<StoredValue>,
}
