//! Build: one attempt. Packet → workspace → builder → gate → snapshot.
//!
//! Guarantees: the packet is frozen in the ledger before a builder starts; the builder's process tree is dead before
//! the gate looks; the sources count only when the whole workspace passed; an attempt that ends in any way but by
//! a crash is closed in the ledger with its reason.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::builder::claude::{self, ClaudeAttempt, Surroundings};
use super::builder::command::{self, ClaudeConfig};
use super::promote::Approver;
use super::research::{self, GoError, ResearchError};
use super::workspace::{Workspace, WorkspaceError};
use super::{Forge, gate, import, packet, patch, snapshots};
use crate::artifacts::{self, ArtifactError};
use crate::cage::AppliedConfinement;
use crate::ledger::{ArtifactRow, Build, BuildEnd, LedgerError, NewBuild, Proposal};
use crate::model::{
    artifact::ArtifactKind,
    digest::Digest,
    finding::Finding,
    id::BuildId,
    lifecycle::{BuildStatus, BuilderKind, FailureKind},
    research::Escalation,
    snapshot::Snapshot,
    switch::Stopped,
};

/// Who writes the sources of this attempt.
#[derive(Debug, Clone)]
pub enum Builder {
    /// Claude Code.
    Claude(Box<ClaudeConfig>),
    /// A person: the crate in this folder.
    Import(PathBuf),
}

impl Builder {
    fn kind(&self) -> BuilderKind {
        match self {
            Self::Claude(_) => BuilderKind::Claude,
            Self::Import(_) => BuilderKind::Import,
        }
    }
}

/// What the caller is told while an attempt runs.
#[derive(Debug, Clone)]
pub enum Progress {
    /// A stage began.
    Stage(&'static str),
    /// The builder did something, in one line that is safe to show.
    Builder(String),
}

/// What became of an attempt.
#[derive(Debug)]
pub struct Attempt {
    /// The attempt as the ledger has it.
    pub build: Build,
    /// Where its workspace lies, when it was kept.
    pub workspace: Option<PathBuf>,
    /// What to do next after a failure.
    pub hint: Option<String>,
}

/// Why no attempt could be made or recorded.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Another process builds the same proposal.
    #[error("another process is building proposal {0}")]
    Busy(String),
    /// A person must look first.
    #[error("proposal {id} waits for a person: {}", listed(.escalations))]
    Escalated {
        /// The proposal.
        id: String,
        /// Why.
        escalations: Vec<Escalation>,
    },
    /// A person's go, and nobody asked for one.
    #[error("nothing about proposal {0} waits for an acknowledgement")]
    NothingToAcknowledge(String),
    /// Where the proposal stands cannot be read.
    #[error(transparent)]
    Standing(#[from] ResearchError),
    /// Nothing may run in this workspace.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// `--from` is no folder that can be read.
    #[error(transparent)]
    Source(#[from] gate::GateError),
    /// The workspace.
    #[error(transparent)]
    Workspace(#[from] WorkspaceError),
    /// The agent could not be started.
    #[error(transparent)]
    Claude(#[from] claude::ClaudeError),
    /// A file.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// The escalations, one after the other, in words.
pub fn listed(escalations: &[Escalation]) -> String {
    let each = escalations.iter().map(|escalation| format!("{} ({})", escalation.trigger, escalation.why));
    each.collect::<Vec<_>>().join("; ")
}

/// Opens an attempt: freezes its packet and lays out its workspace. Nothing else, for `--no-invoke`.
///
/// # Errors
/// [`BuildError`] when the proposal is not buildable, waits for a person, or a file cannot be written.
pub fn prepare(
    forge: &Forge<'_>,
    proposal: &Proposal,
    builder: BuilderKind,
    by: Option<&Approver>,
) -> Result<(Build, Workspace), BuildError> {
    // Said again by the transaction that opens the attempt; here it is so that a refusal leaves no packet behind.
    if !proposal.status.is_buildable() {
        let (id, found) = (proposal.id.to_string(), proposal.status.to_string());
        return Err(LedgerError::WrongState { what: "proposal", id, found, step: "build" }.into());
    }
    let standing = research::standing(forge, proposal)?;
    let go = standing.go_ahead(by.map(Approver::as_str)).map_err(|error| match error {
        GoError::Needed(escalations) => BuildError::Escalated { id: proposal.id.short(), escalations },
        GoError::Pointless => BuildError::NothingToAcknowledge(proposal.id.short()),
    })?;
    let packet = packet::render(proposal, standing.before());
    let id = BuildId::new(forge.ids);
    let number = standing.newest_build().map_or(1, |build| build.attempt_number + 1);
    let path = folder(proposal, number).join("BUILD_PACKET.md");
    let artifact = forge.write_artifact(ArtifactKind::BuildPacket, &path, packet.as_bytes(), id.to_string())?;
    let build = forge.ledger.start_build(&NewBuild {
        id,
        proposal_id: proposal.id,
        branch_name: format!("skill/{}-{}", proposal.spec.name, proposal.id.short()),
        builder,
        confinement: "not started".to_owned(),
        packet: &artifact,
        decided_after: standing.newest_verification(),
        acknowledgement: go.as_ref(),
    })?;
    let sources = match standing.sources() {
        Some(digest) => Some(snapshots::load(forge.store, digest)?),
        None => None,
    };
    let workspace = Workspace::lay_out(&forge.layout.builds().join(id.to_string()), &packet, sources.as_ref())?;
    Ok((build, workspace))
}

/// Writes packet and workspace and stops.
///
/// # Errors
/// [`BuildError`] when the proposal is not buildable or a file cannot be written.
pub fn prepare_only(
    forge: &Forge<'_>,
    proposal: &Proposal,
    builder: BuilderKind,
    by: Option<&Approver>,
) -> Result<Attempt, BuildError> {
    let _lock = lock(forge, proposal)?;
    let (build, workspace) = prepare(forge, proposal, builder, by)?;
    let build = forge.ledger.leave_build_open(build.id)?;
    let hint = format!(
        "write the sources there, then run `kavi build-skill {} --builder import --from DIR` on a copy of its `src`",
        proposal.id.short()
    );
    Ok(Attempt { build, workspace: Some(workspace.root()), hint: Some(hint) })
}

/// Makes one attempt, from packet to snapshot.
///
/// # Errors
/// [`BuildError`] when the attempt could not be made or recorded; a builder or workspace that failed is an
/// [`Attempt`] that says so.
pub fn run(
    forge: &Forge<'_>,
    proposal: &Proposal,
    builder: &Builder,
    by: Option<&Approver>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Attempt, BuildError> {
    forge.ledger.authorize()?;
    if let Builder::Import(from) = builder {
        // A folder that is not there is a slip of the pen, not an attempt.
        gate::open(from)?;
    }
    let _lock = lock(forge, proposal)?;
    progress(Progress::Stage("packet and workspace"));
    let (build, workspace) = prepare(forge, proposal, builder.kind(), by)?;
    let made = match builder {
        Builder::Import(from) => import_sources(from, progress),
        Builder::Claude(config) => ask_claude(forge, config, &workspace, proposal, progress),
    };
    let made = made.unwrap_or_else(|error| Made::failed(Some(FailureKind::BuildError), error.to_string()));
    finish(forge, proposal, &build, workspace, made)
}

/// What a builder left, judged.
struct Made {
    outcome: Result<Snapshot, Option<FailureKind>>,
    summary: String,
    confinement: String,
    findings: Vec<Finding>,
    log: serde_json::Value,
    transcript: Option<Vec<u8>>,
    hint: Option<String>,
}

impl Made {
    fn failed(kind: Option<FailureKind>, summary: String) -> Self {
        Self {
            outcome: Err(kind),
            summary,
            confinement: "not started".to_owned(),
            findings: Vec::new(),
            log: serde_json::Value::Null,
            transcript: None,
            hint: None,
        }
    }

    fn violation(findings: Vec<Finding>) -> Self {
        let count = findings.len();
        let things = if count == 1 { "1 thing".to_owned() } else { format!("{count} things") };
        let summary = format!("the workspace holds {things} it may not; nothing was taken from it");
        Self { findings, ..Self::failed(Some(FailureKind::GateViolation), summary) }
    }

    fn accepted(snapshot: Snapshot) -> Self {
        let summary = format!("{} lines in {} files accepted", snapshot.lines(), snapshot.files().count());
        Self { outcome: Ok(snapshot), ..Self::failed(None, summary) }
    }
}

fn import_sources(from: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Made, BuildError> {
    progress(Progress::Stage("workspace gate"));
    let made = match gate::inspect(from, &import::allowed())? {
        Err(findings) => Made::violation(findings),
        Ok(accepted) => {
            let findings: Vec<_> = accepted.aside.values().flat_map(|bytes| import::check_manifest(bytes)).collect();
            if findings.is_empty() { Made::accepted(accepted.snapshot) } else { Made::violation(findings) }
        }
    };
    let confinement = "a person's sources: no builder ran".to_owned();
    Ok(Made { confinement, ..made })
}

fn ask_claude(
    forge: &Forge<'_>,
    config: &ClaudeConfig,
    workspace: &Workspace,
    proposal: &Proposal,
    progress: &mut dyn FnMut(Progress),
) -> Result<Made, BuildError> {
    progress(Progress::Stage("claude code"));
    let before = gate::inspect(&workspace.root(), &workspace.allowed)?.ok().map(|accepted| accepted.snapshot.digest());
    let packet = String::from_utf8_lossy(
        &artifacts::read_once(&workspace.root().join("PACKET.md"))
            .map_err(|_| LedgerError::Conflict(format!("the workspace of proposal {}", proposal.id)))?,
    )
    .into_owned();
    let mut tell = |event: super::builder::stream::Progress| progress(Progress::Builder(event.to_string()));
    let around = Surroundings { cage: forge.cage, clock: forge.clock, ids: forge.ids };
    let attempt = claude::run(around, config, &workspace.root(), &packet, &mut tell)?;
    progress(Progress::Stage("workspace gate"));
    let mut made = match &attempt.verdict {
        Err(failure) => {
            let mut made = Made::failed(Some(failure.kind()), failure.to_string());
            made.hint = Some(failure.hint().to_owned());
            made
        }
        Ok(_) => match gate::inspect(&workspace.root(), &workspace.allowed)? {
            Err(findings) => Made::violation(findings),
            Ok(accepted) if Some(accepted.snapshot.digest()) == before => {
                Made::failed(Some(FailureKind::BuildError), "the builder changed no file".to_owned())
            }
            Ok(accepted) => Made::accepted(accepted.snapshot),
        },
    };
    made.confinement = attempt.confinement.to_string();
    made.log = log_of(config, &attempt);
    made.transcript = Some(attempt.transcript);
    Ok(made)
}

/// What the build log says of the agent and of what passed at the gateway. No key is in it: neither had one to tell.
fn log_of(config: &ClaudeConfig, attempt: &ClaudeAttempt) -> serde_json::Value {
    let verdict = match &attempt.verdict {
        Ok(accepted) => format!("accepted after {} turns", accepted.turns),
        Err(failure) => format!("refused: {failure}"),
    };
    let network = match attempt.confinement {
        AppliedConfinement::Caged { .. } => "none but the gateway's socket",
        AppliedConfinement::Unconfined => "UNCONFINED: the machine's; the gateway at a port of its loopback",
    };
    serde_json::json!({
        "executable": config.executable.file_name().map(|name| name.to_string_lossy()),
        "arguments": command::arguments(config),
        "network": network,
        "gateway": attempt.account,
        "verdict": verdict,
        "model": attempt.summary.model,
        "agent_version": attempt.summary.agent_version,
        "tools": attempt.summary.tools,
        "denials": attempt.summary.denials,
        "tool_errors": attempt.summary.tool_errors,
        "api_retries": attempt.summary.api_retries,
        "events": attempt.summary.events,
        "unparsed_lines": attempt.summary.unparsed_lines,
        "stderr": crate::model::text::block(&String::from_utf8_lossy(&attempt.stderr), 4_000),
        "duration_ms": u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
    })
}

fn finish(
    forge: &Forge<'_>,
    proposal: &Proposal,
    build: &Build,
    workspace: Workspace,
    made: Made,
) -> Result<Attempt, BuildError> {
    let outcome = match &made.outcome {
        Ok(snapshot) => Ok(snapshots::store(forge.store, snapshot)?),
        Err(kind) => Err(*kind),
    };
    let end = BuildEnd {
        artifacts: write_artifacts(forge, proposal, build, &made, outcome.ok())?,
        outcome,
        summary: made.summary,
        confinement: made.confinement,
        findings: made.findings,
        finished_at: forge.clock.now(),
    };
    let build = forge.ledger.finish_build(build.id, &end)?;
    let kept = match (build.status, build.builder) {
        (BuildStatus::Failed, BuilderKind::Claude) => Some(workspace.root()),
        _ => {
            workspace.remove()?;
            None
        }
    };
    Ok(Attempt { build, workspace: kept, hint: made.hint })
}

fn write_artifacts(
    forge: &Forge<'_>,
    proposal: &Proposal,
    build: &Build,
    made: &Made,
    snapshot: Option<Digest>,
) -> Result<Vec<ArtifactRow>, BuildError> {
    let folder = folder(proposal, build.attempt_number);
    let related = build.id.to_string();
    let log = serde_json::json!({
        "v": 1,
        "build_id": build.id,
        "proposal_id": proposal.id,
        "attempt_number": build.attempt_number,
        "builder": build.builder,
        "packet_sha256": build.packet_sha256,
        "confinement": made.confinement,
        "builder_log": made.log,
        "gate": {
            "accepted": snapshot.is_some(),
            "snapshot_sha256": snapshot,
            "findings": made.findings,
        },
        "summary": made.summary,
    });
    let text = serde_json::to_string_pretty(&log).unwrap_or_default();
    let mut rows = vec![forge.write_artifact(
        ArtifactKind::BuildLog,
        &folder.join("BUILD_LOG.json"),
        text.as_bytes(),
        related.clone(),
    )?];
    if let Some(transcript) = &made.transcript {
        let path = folder.join("TRANSCRIPT.jsonl");
        rows.push(forge.write_artifact(ArtifactKind::BuildLog, &path, transcript, related.clone())?);
    }
    if let Ok(after) = &made.outcome {
        // The attempt between may have left nothing: what this one started from is what was accepted last.
        let earlier = forge.ledger.builds_of(proposal.id)?;
        let earlier = earlier.into_iter().rev().filter(|other| other.attempt_number < build.attempt_number);
        let before = earlier.filter_map(|other| other.snapshot_sha256).next();
        let before = before.map(|digest| snapshots::load(forge.store, digest)).transpose()?;
        let summary = patch::summary(proposal, build, before.as_ref(), after);
        let path = folder.join("PATCH_SUMMARY.md");
        rows.push(forge.write_artifact(ArtifactKind::PatchSummary, &path, summary.as_bytes(), related)?);
    }
    Ok(rows)
}

/// The folder of an attempt's artifacts.
pub(super) fn folder(proposal: &Proposal, attempt: u32) -> PathBuf {
    Path::new(proposal.spec.name.as_str()).join(proposal.id.to_string()).join(format!("build-{attempt}"))
}

/// Held while a proposal is built: an attempt that is open without it belongs to nobody.
pub(super) fn lock(forge: &Forge<'_>, proposal: &Proposal) -> Result<File, BuildError> {
    let path = forge.layout.locks().join(format!("build-{}", proposal.id));
    let io = |source| ArtifactError::Io { path: path.clone(), source };
    artifacts::create_folders_durably(&forge.layout.locks())?;
    let file = File::create(&path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(BuildError::Busy(proposal.id.short())),
        Err(std::fs::TryLockError::Error(source)) => Err(io(source).into()),
    }
}
