//! Replay: a recorded run again, with the clock and the seed that it had, and compared.
//!
//! The guest gets the recorded input, clock and seed; the vault is as it is now. So a difference means that the skill, the vault
//! or Kavi is another one, and never chance.
//!
//! Guarantees: nothing of a replay reaches the vault unless it is asked to; a replay has a record of its own, below that of the run
//! that it repeats. Deliberately never: runs a component that is not the trusted one, also if the record is of another.

use std::fmt;

use serde::Serialize;
use serde_json::Value;
use similar::TextDiff;

use super::error::{InvokeError, words};
use super::request::{Consent, Disposition, RunRequest, RunResult};
use super::run::{self, Invoker};
use crate::artifacts::{ArtifactError, Kind};
use crate::ledger::{Ledger, LedgerError};
use crate::model::{
    channel::Caller,
    digest::Digest,
    execution::{self, ExecutionRecord, StoredValue},
    id::ExecutionId,
    json,
    lifecycle::Purpose,
    name::SkillName,
    text,
    vault_path::VaultPath,
};

/// Longest difference of two outputs that is shown, in characters.
const MOST_SHOWN: usize = 16 * 1024;

/// Why a run is not replayed. Nothing ran.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// Nothing ran then either.
    #[error("execution {0} never ran: no trusted skill was found then")]
    NothingRan(String),
    /// The skill is not trusted any more.
    #[error("skill `{0}` is not trusted any more")]
    Gone(SkillName),
    /// Another component is trusted now.
    #[error("skill `{skill}` has changed: execution {id} ran revision {disposition}, trusted is revision {now}")]
    Changed {
        /// The skill.
        skill: SkillName,
        /// The run.
        id: String,
        /// Its revision.
        disposition: u32,
        /// The trusted one.
        now: u32,
    },
    /// The recorded input or output is missing or was changed.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The record says something that cannot be.
    #[error("execution {id} cannot be repeated: {why}")]
    Odd {
        /// The run.
        id: String,
        /// What is wrong.
        why: String,
    },
    /// It could not be run at all, which says nothing about the skill.
    #[error("it could not be repeated: {0}")]
    Run(Box<InvokeError>),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// How a replay differs from the run that it repeats.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Difference {
    /// One succeeded and the other did not, or they failed in other ways.
    Outcome {
        /// What was recorded.
        recorded: String,
        /// What came out now.
        now: String,
    },
    /// Another output.
    Output {
        /// The unified diff of both.
        diff: String,
    },
    /// Another file.
    File {
        /// Where.
        path: VaultPath,
        /// What was written then; none where nothing was.
        recorded: Option<Digest>,
        /// What was written now.
        now: Option<Digest>,
    },
}

/// A run and its replay.
#[derive(Debug)]
pub struct Replayed {
    /// The run that was repeated.
    pub original: Box<ExecutionRecord>,
    /// The id of the replay's record.
    pub id: ExecutionId,
    /// What it gave.
    pub ran: Result<RunResult, InvokeError>,
    /// What is not the same.
    pub differences: Vec<Difference>,
}

/// Which component may repeat a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one that ran then: anything else is refused.
    Recorded,
    /// Whichever is trusted now: that is how a new version is compared with what the old one did.
    Trusted,
}

/// Repeats one run. With [`Disposition::Commit`] its files are committed as those of any run, else they are only compared.
///
/// # Errors
/// [`ReplayError`] when nothing could be repeated. That the replay failed is in the result.
pub fn replay(
    invoker: &Invoker<'_>,
    id: ExecutionId,
    which: Which,
    (caller, disposition, consent): (&Caller, Disposition, Consent),
) -> Result<Replayed, ReplayError> {
    let original = invoker.ledger.execution(id)?.record;
    check(invoker.ledger, &original, which)?;
    let input = match &original.input_stored {
        Some(stored) => invoker.desk.store.get(Kind::Value, stored.sha256)?,
        None => json::canonical(&original.input_json).into_bytes(),
    };
    let id = ExecutionId::new(invoker.desk.ids);
    let request = RunRequest {
        id: Some(id),
        purpose: Purpose::Replay,
        parent: Some(original.execution_id),
        given: Some(original.determinism().map_err(|error| odd(&original, error))?),
        disposition,
        consent,
        ..RunRequest::run(&original.skill_name, &input, caller)
    };
    let ran = match run::run(invoker, request) {
        Err(error) if is_of_the_host(&error) => return Err(ReplayError::Run(Box::new(error))),
        ran => ran,
    };
    let differences = compare(invoker, &original, &ran)?;
    Ok(Replayed { original: Box::new(original), id, ran, differences })
}

/// Whether a run failed by what the skill had no part in.
fn is_of_the_host(error: &InvokeError) -> bool {
    matches!(
        error,
        InvokeError::Denied { .. }
            | InvokeError::NeedsPerson { .. }
            | InvokeError::Stopped(_)
            | InvokeError::Trust(_)
            | InvokeError::Effects(_)
            | InvokeError::Artifact(_)
            | InvokeError::Ledger(_)
            | InvokeError::Load(_)
            | InvokeError::Runtime(_)
    )
}

/// What is trusted under a name, if anything is.
///
/// # Errors
/// [`ReplayError::Gone`] when nothing is.
pub fn trusted(ledger: &Ledger, name: &SkillName) -> Result<(), ReplayError> {
    ledger.trusted(name)?.map(drop).ok_or_else(|| ReplayError::Gone(name.clone()))
}

fn check(ledger: &Ledger, original: &ExecutionRecord, which: Which) -> Result<(), ReplayError> {
    let id = original.execution_id.short();
    let (Some(disposition), Some(hash)) = (original.revision, original.source_hash) else {
        return Err(ReplayError::NothingRan(id));
    };
    let skill = original.skill_name.clone();
    let trusted = ledger.trusted(&skill)?.and_then(|proposal| proposal.trust);
    let Some(trusted) = trusted else { return Err(ReplayError::Gone(skill)) };
    match which {
        Which::Recorded if trusted.component_sha256 != hash => {
            Err(ReplayError::Changed { skill, id, disposition, now: trusted.revision })
        }
        _ => Ok(()),
    }
}

/// What does not fit in the record.
fn odd(original: &ExecutionRecord, why: impl fmt::Display) -> ReplayError {
    ReplayError::Odd { id: original.execution_id.short(), why: why.to_string() }
}

fn compare(
    invoker: &Invoker<'_>,
    original: &ExecutionRecord,
    ran: &Result<RunResult, InvokeError>,
) -> Result<Vec<Difference>, ReplayError> {
    let recorded = recorded_output(invoker, original)?;
    let (output, effects) = match ran {
        Ok(ran) => (Ok(&ran.output), ran.record.effects.as_slice()),
        Err(error) => (Err(words(error)), &[][..]),
    };
    let mut differences = match (recorded, output) {
        (Ok(recorded), Ok(now)) if recorded == *now => Vec::new(),
        (Ok(recorded), Ok(now)) => vec![Difference::Output { diff: diff(&recorded, now) }],
        (Err(recorded), Err(now)) if recorded == now => Vec::new(),
        (recorded, now) => {
            let said = |outcome: Result<(), String>| outcome.err().unwrap_or_else(|| "succeeded".to_owned());
            vec![Difference::Outcome { recorded: said(recorded.map(drop)), now: said(now.map(drop)) }]
        }
    };
    let files = execution::other_files(&original.effects, effects).into_iter();
    differences.extend(files.map(|(path, recorded, now)| Difference::File { path: path.clone(), recorded, now }));
    Ok(differences)
}

/// What the run gave, or how it failed.
fn recorded_output(invoker: &Invoker<'_>, original: &ExecutionRecord) -> Result<Result<Value, String>, ReplayError> {
    match (&original.output_stored, &original.output_json, &original.error) {
        (Some(StoredValue { sha256, .. }), ..) => {
            let bytes = invoker.desk.store.get(Kind::Value, *sha256)?;
            Ok(Ok(json::parse_kept(&bytes).map_err(|error| odd(original, error))?))
        }
        (None, Some(output), _) => Ok(Ok(output.clone())),
        (None, None, error) => Ok(Err(error.clone().unwrap_or_default())),
    }
}

fn diff(recorded: &Value, now: &Value) -> String {
    let (recorded, now) = (format!("{recorded:#}\n"), format!("{now:#}\n"));
    let diff = TextDiff::from_lines(&recorded, &now);
    text::block(&diff.unified_diff().context_radius(2).header("recorded", "now").to_string(), MOST_SHOWN)
}
