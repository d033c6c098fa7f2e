//! Replay: repeats a recorded run with its input, clock and seed, and compares the results.
//!
//! The vault is as it is now. So a difference means that the skill, the vault or Kavi has changed, and is never chance.
//!
//! Guarantees: no file of a replay reaches the vault unless that is asked for; a replay has a record of its own, below that of the
//! run that it repeats. Deliberately never: runs a component that is not trusted, also where the record is of that one.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use similar::TextDiff;

use super::context::RunContext;
use super::error::{InvokeError, record_text};
use super::network;
use super::request::{Consent, Disposition, RunRequest};
use super::result::RunResult;
use super::run;
use crate::artifacts::{ArtifactError, StoredKind};
use crate::ledger::{LedgerError, TrustStore};
use crate::model::{
    channel::Caller,
    execution::{self, ExecutionRecord, FileResult, StoredValue},
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
    /// The recorded run never started.
    #[error("execution {0} never ran: no trusted skill was found then")]
    NothingRan(String),
    /// The skill is not trusted any more.
    #[error("skill `{0}` is not trusted any more")]
    Gone(SkillName),
    /// Another component is trusted now.
    #[error("skill `{skill}` has changed: execution {id} ran revision {recorded}, trusted is revision {now}")]
    Changed {
        /// The skill.
        skill: SkillName,
        /// The run.
        id: String,
        /// The revision that ran.
        recorded: u32,
        /// The trusted one.
        now: u32,
    },
    /// The recorded input or output is missing or was changed.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The record has an invalid value.
    #[error("execution {id} cannot be repeated: {why}")]
    InvalidRecord {
        /// The run.
        id: String,
        /// What is wrong.
        why: String,
    },
    /// The run failed for a reason that says nothing about the skill.
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
    /// One succeeded and the other did not, or they failed with different errors.
    Outcome {
        /// What was recorded.
        recorded: String,
        /// What happened now.
        now: String,
    },
    /// The outputs differ.
    Output {
        /// The unified diff of both.
        diff: String,
    },
    /// A file differs.
    File {
        /// Its path in the vault.
        path: VaultPath,
        /// What was written then; none where nothing was.
        recorded: FileResult,
        /// What was written now; none where nothing was.
        now: FileResult,
    },
}

/// A run and its replay.
#[derive(Debug)]
pub struct Replayed {
    /// The run that was repeated.
    pub original: Box<ExecutionRecord>,
    /// The id of the replay's record.
    pub id: ExecutionId,
    /// What the replay gave.
    pub ran: Result<RunResult, InvokeError>,
    /// How the two differ.
    pub differences: Vec<Difference>,
}

/// The component that repeats a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayComponent {
    /// The one that ran then: any other is refused.
    Recorded,
    /// The one that is trusted now. This compares a new version with what the old one did.
    Trusted,
}

/// A replay that is asked for. It becomes a [`RunRequest`].
#[derive(Debug, Clone)]
pub struct ReplayRequest {
    /// The run that is repeated.
    pub execution: ExecutionId,
    /// The component that repeats it.
    pub component: ReplayComponent,
    /// Who asks, and through which channel.
    pub caller: Arc<Caller>,
    /// Whether a person said yes.
    pub consent: Consent,
    /// What happens to its files. With [`Disposition::Show`] they are only compared.
    pub disposition: Disposition,
}

/// Repeats one run.
///
/// # Errors
/// [`ReplayError`] when it could not be repeated. A failure of the skill is in the result.
pub fn replay(context: &RunContext<'_>, request: ReplayRequest) -> Result<Replayed, ReplayError> {
    let ReplayRequest { execution, component, caller, consent, disposition } = request;
    let original = context.ledger.execution(execution)?.record;
    check(context.ledger, &original, component)?;
    let input = match &original.input_stored {
        // The store checks the digest, so the guest gets the recorded bytes or nothing.
        Some(stored) => context.shared.store.get(StoredKind::Value, stored.sha256)?,
        None => json::canonical(&original.input_json).into_bytes(),
    };
    let id = ExecutionId::new(context.shared.ids);
    let request = RunRequest {
        id: Some(id),
        purpose: Purpose::Replay,
        parent: Some(original.execution_id),
        determinism: Some(original.determinism().map_err(|error| invalid(&original, error))?),
        // Also an empty list: a replay never asks the network.
        exchanges: Some(Arc::new(network::recorded(context.shared.store, &original)?)),
        disposition,
        consent,
        ..RunRequest::new(original.skill_name.clone(), input, caller)
    };
    let ran = match run::run(context, &request) {
        // A failure of the host would show as a difference of the skill.
        Err(error) if is_of_the_host(&error) => return Err(ReplayError::Run(Box::new(error))),
        ran => ran,
    };
    let differences = compare(context, &original, &ran)?;
    Ok(Replayed { original: Box::new(original), id, ran, differences })
}

/// Whether a run failed for a reason in which the skill has no part.
fn is_of_the_host(error: &InvokeError) -> bool {
    matches!(
        error,
        InvokeError::Denied { .. }
            | InvokeError::NeedsPerson { .. }
            | InvokeError::PrivateData { .. }
            | InvokeError::Stopped(_)
            | InvokeError::Trust(_)
            | InvokeError::Effects(_)
            | InvokeError::Artifact(_)
            | InvokeError::Ledger(_)
            | InvokeError::Load(_)
            | InvokeError::Egress(_)
            | InvokeError::Runtime(_)
    )
}

/// What is trusted under a name, if anything is.
///
/// # Errors
/// [`ReplayError::Gone`] when nothing is.
pub fn trusted(ledger: &dyn TrustStore, name: &SkillName) -> Result<(), ReplayError> {
    ledger.trusted(name)?.map(drop).ok_or_else(|| ReplayError::Gone(name.clone()))
}

fn check(ledger: &dyn TrustStore, original: &ExecutionRecord, component: ReplayComponent) -> Result<(), ReplayError> {
    let id = original.execution_id.short();
    let (Some(recorded), Some(hash)) = (original.revision, original.source_hash) else {
        return Err(ReplayError::NothingRan(id));
    };
    let skill = original.skill_name.clone();
    let trusted = ledger.trusted(&skill)?.and_then(|proposal| proposal.trust);
    let Some(trusted) = trusted else { return Err(ReplayError::Gone(skill)) };
    match component {
        ReplayComponent::Recorded if trusted.component_sha256 != hash => {
            Err(ReplayError::Changed { skill, id, recorded, now: trusted.revision })
        }
        _ => Ok(()),
    }
}

fn invalid(original: &ExecutionRecord, why: impl fmt::Display) -> ReplayError {
    ReplayError::InvalidRecord { id: original.execution_id.short(), why: why.to_string() }
}

fn compare(
    context: &RunContext<'_>,
    original: &ExecutionRecord,
    ran: &Result<RunResult, InvokeError>,
) -> Result<Vec<Difference>, ReplayError> {
    let recorded = recorded_output(context, original)?;
    let (output, effects) = match ran {
        Ok(ran) => (Ok(&ran.output), ran.record.effects.as_slice()),
        Err(error) => (Err(record_text(error)), &[][..]),
    };
    let mut differences = match (recorded, output) {
        (Ok(recorded), Ok(now)) if recorded == *now => Vec::new(),
        (Ok(recorded), Ok(now)) => vec![Difference::Output { diff: diff(&recorded, now) }],
        // A replay that fails in the same way has repeated the run.
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

/// The recorded output, or the text of the recorded error.
fn recorded_output(context: &RunContext<'_>, original: &ExecutionRecord) -> Result<Result<Value, String>, ReplayError> {
    match (&original.output_stored, &original.output_json, &original.error) {
        (Some(StoredValue { sha256, .. }), ..) => {
            let bytes = context.shared.store.get(StoredKind::Value, *sha256)?;
            Ok(Ok(json::parse_kept(&bytes).map_err(|error| invalid(original, error))?))
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
