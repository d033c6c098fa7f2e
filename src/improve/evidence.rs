//! The text of one run, as a person sees it before they release it.
//!
//! Guarantees: what is released is the text with the digest that the person names. A record that changed since then, or another
//! expectation, has another digest.
//!
//! Deliberately never: sends anything, or releases a text because of what it says.

use serde_json::Value;

use super::guidance::{GuidanceContext, GuidanceError};
use crate::artifacts::{ArtifactError, StoredKind};
use crate::ledger::{Decided, LedgerError};
use crate::model::{
    approver::Approver,
    digest::Digest,
    evidence::{EvidenceText, InvalidEvidence, RunEvidence},
    example::Expectation,
    execution::{ExecutionRecord, StoredValue},
    json::{self, JsonError},
    lifecycle::Purpose,
    text,
};

/// Longest error of a run in a text, in characters.
const MOST_ERROR: usize = 2_000;

/// Why nothing is shown or released.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// The run was no use of a skill.
    #[error("run {0} was a dry run or a replay, and says nothing about a use")]
    NoUse(String),
    /// The input was no JSON.
    #[error("the input of run {0} is not kept, because it was not JSON")]
    NoInput(String),
    /// There is no such text.
    #[error("the text of run {run} has the sha256 {found}, and not {named}")]
    OtherText {
        /// The run.
        run: String,
        /// The digest of its text.
        found: Digest,
        /// The digest that the person named.
        named: Digest,
    },
    /// The text.
    #[error(transparent)]
    Invalid(#[from] InvalidEvidence),
    /// A stored value cannot be read.
    #[error("the stored value of run {run} cannot be read: {source}")]
    Value {
        /// The run.
        run: String,
        /// Why.
        source: JsonError,
    },
    /// The store.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The skill.
    #[error(transparent)]
    Guidance(#[from] GuidanceError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// A text that waits for a person.
#[derive(Debug, Clone)]
pub struct EvidenceDraft {
    /// What it says.
    pub evidence: RunEvidence,
    /// The exact text.
    pub text: EvidenceText,
    /// Whether exactly this text was released before.
    pub is_released: bool,
}

/// The text of a run. `expect` is what a person says should have come of it.
///
/// # Errors
/// [`EvidenceError`] when there is none, or its skill is not trusted.
pub fn draft(
    context: &GuidanceContext<'_>,
    record: &ExecutionRecord,
    expect: Option<Expectation>,
) -> Result<EvidenceDraft, EvidenceError> {
    let run = record.execution_id.short();
    if record.purpose != Purpose::Run {
        return Err(EvidenceError::NoUse(run));
    }
    let trusted = context.trusted(record.skill_name.as_str())?;
    let stored = |stored: StoredValue| -> Result<Value, EvidenceError> {
        let bytes = context.store.get(StoredKind::Value, stored.sha256)?;
        json::parse_kept(&bytes).map_err(|source| EvidenceError::Value { run: run.clone(), source })
    };
    let input = match record.input_stored {
        Some(value) => stored(value)?,
        None if record.input_json.is_null() => return Err(EvidenceError::NoInput(run)),
        None => record.input_json.clone(),
    };
    let output = match record.output_stored {
        Some(value) => Some(stored(value)?),
        None => record.output_json.clone(),
    };
    let evidence = RunEvidence {
        run: record.execution_id,
        skill: record.skill_name.clone(),
        input,
        output: output.filter(|_| record.success),
        error: record.error.as_ref().map(|error| text::block(error, MOST_ERROR)),
        now: Some(record.clock).filter(|_| trusted.spec.reads_clock),
        expect,
    };
    let text = evidence.text()?;
    // A text that could not be read back could not be believed later.
    let evidence = RunEvidence::parse(text.as_str())?;
    let released = context.ledger.released_evidence(&evidence.skill)?;
    let is_released = released.iter().any(|released| released.sha256 == text.sha256());
    Ok(EvidenceDraft { evidence, text, is_released })
}

/// Releases exactly the text with this digest.
///
/// # Errors
/// [`EvidenceError::OtherText`] when the draft is another one.
pub fn release(
    context: &GuidanceContext<'_>,
    draft: &EvidenceDraft,
    named: Digest,
    approver: &Approver,
) -> Result<(), EvidenceError> {
    let found = draft.text.sha256();
    if found != named {
        return Err(EvidenceError::OtherText { run: draft.evidence.run.short(), found, named });
    }
    if draft.is_released {
        return Ok(());
    }
    let decided = Decided { by: approver.as_str(), at: context.clock.now() };
    Ok(context.ledger.release_evidence(&draft.evidence, &draft.text, decided)?)
}
