//! Build: one attempt, from packet to snapshot.
//!
//! Guarantees: the packet is frozen in the ledger before a builder starts. The builder's processes are dead before the intake
//! reads the workspace. The sources count only when the whole workspace passed. An attempt is closed in the ledger with its
//! reason, unless the process dies.
//!
//! Deliberately never: decides whether a retry may start (`diagnosis`), or compiles anything.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::attempt::{self, AttemptLockError};
use super::build_workspace::{BuildWorkspace, BuildWorkspaceError};
use super::builder::claude::{self, ClaudeContext};
use super::builder::command::ClaudeConfig;
use super::builder::log;
use super::compile::CompileError;
use super::context::{ForgeContext, NewArtifact};
use super::diagnosis::{self, AcknowledgementError, DiagnosisError};
use super::format::{FormattedSources, Formatter};
use super::record::{AffectedViews, RecordError, record};
use super::{import, import_tests, intake, packet, patch_summary, snapshot_store};
use crate::artifacts::ArtifactError;
use crate::ledger::{Allowance, AllowanceKind, ArtifactRow, Build, BuildEnd, LedgerError, NewBuild, Proposal};
use crate::log_targets::{NOTE, STAGE};
use crate::model::{
    approver::Approver,
    artifact::ArtifactKind,
    digest::Digest,
    finding::Finding,
    id::BuildId,
    lifecycle::{BuildStatus, BuilderKind, FailureKind},
    research::Escalation,
    snapshot::Snapshot,
    switch::Stopped,
};
use crate::policy::registry::tokens;

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

/// What one attempt is made of.
#[derive(Debug, Clone, Copy)]
pub struct BuildRequest<'a> {
    /// The proposal.
    pub proposal: &'a Proposal,
    /// Who writes the sources.
    pub builder: &'a Builder,
    /// What formats them. Without a toolchain there is none.
    pub formatter: Option<&'a Formatter>,
    /// The person who approved the attempt, where one is needed.
    pub by: Option<&'a Approver>,
}

/// A finished attempt.
#[derive(Debug)]
pub struct BuildAttempt {
    /// The row of the ledger.
    pub build: Build,
    /// Its workspace, when it was kept.
    pub workspace: Option<PathBuf>,
    /// What to do next after a failure.
    pub hint: Option<String>,
}

/// Why no attempt could be made or recorded.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The lock of the proposal's attempts.
    #[error(transparent)]
    Lock(#[from] AttemptLockError),
    /// A person must acknowledge the next attempt first.
    #[error("proposal {id} waits for a person: {}", listed(.escalations))]
    Escalated {
        /// The proposal.
        id: String,
        /// Why.
        escalations: Vec<Escalation>,
    },
    /// The packet is longer than policy lets a model be given.
    #[error(
        "the build packet has {tokens} tokens (UTF-8 bytes / 3), and `context_assembler_token_ceiling` of its model is {most}"
    )]
    TokenCeiling {
        /// Those of the packet.
        tokens: u64,
        /// The most.
        most: u64,
    },
    /// An acknowledgement that no escalation asks for.
    #[error("nothing needs an acknowledgement for proposal {0}")]
    NothingToAcknowledge(String),
    /// The earlier attempts cannot be read.
    #[error(transparent)]
    History(#[from] DiagnosisError),
    /// The workspace is stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// `--from` is not a readable folder.
    #[error(transparent)]
    Source(#[from] intake::IntakeError),
    /// The workspace.
    #[error(transparent)]
    Workspace(#[from] BuildWorkspaceError),
    /// The agent could not be started.
    #[error(transparent)]
    Claude(#[from] claude::ClaudeError),
    /// The sources could not be formatted.
    #[error(transparent)]
    Format(#[from] CompileError),
    /// A file.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The ledger cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The ledger did not take a change, or what is derived from it could not be written.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// The escalations as one line of text.
pub fn listed(escalations: &[Escalation]) -> String {
    let each = escalations.iter().map(|escalation| format!("{} ({})", escalation.trigger, escalation.why));
    each.collect::<Vec<_>>().join("; ")
}

/// An attempt that the ledger has opened.
#[derive(Debug)]
struct OpenAttempt {
    build: Build,
    workspace: BuildWorkspace,
    packet: String,
}

/// Opens an attempt: freezes its packet, then lays out its workspace. No builder is started.
fn open_attempt(
    forge: &ForgeContext<'_>,
    proposal: &Proposal,
    builder: BuilderKind,
    by: Option<&Approver>,
) -> Result<OpenAttempt, BuildError> {
    // The transaction that opens the attempt checks this again. Checked here first, a refusal leaves no packet behind.
    if !proposal.status.is_buildable() {
        let (id, found) = (proposal.id.to_string(), proposal.status.to_string());
        return Err(LedgerError::WrongState { what: "proposal", id, found, step: "build" }.into());
    }
    let history = diagnosis::attempt_history(forge, proposal)?;
    let acknowledgement = history.acknowledge(by).map_err(|error| match error {
        AcknowledgementError::Missing(escalations) => BuildError::Escalated { id: proposal.id.short(), escalations },
        AcknowledgementError::NotNeeded => BuildError::NothingToAcknowledge(proposal.id.short()),
    })?;
    // An attempt that a person lets go ahead is an override. Its transaction counts it; here nothing was written yet.
    let used = acknowledgement.as_ref().map(|_| override_now(forge));
    used.as_ref().map_or(Ok(()), |used| forge.ledger.check_allowance(used))?;
    let packet = packet::render(proposal, history.previous_attempt());
    let tokens = tokens(&packet);
    // Before the packet is written or the attempt counted. A person can raise the limit or shorten
    // the specification, and nothing is used up.
    if let Some(most) = forge.token_ceiling.filter(|most| tokens > *most) {
        return Err(BuildError::TokenCeiling { tokens, most });
    }
    let id = BuildId::new(forge.ids);
    let number = history.newest_build().map_or(1, |build| build.attempt_number + 1);
    // On the disk before the row that names it. After a crash in between there is a file that
    // nothing refers to, and never a row without its file.
    let artifact = forge.write_artifact(NewArtifact {
        kind: ArtifactKind::BuildPacket,
        path: &attempt::folder(proposal, number).join("BUILD_PACKET.md"),
        bytes: packet.as_bytes(),
        related_id: id.to_string(),
    })?;
    let new_build = NewBuild {
        id,
        proposal_id: proposal.id,
        branch_name: format!("skill/{}-{}", proposal.spec.name, proposal.id.short()),
        builder,
        confinement: "not started".to_owned(),
        packet: &artifact,
        decided_after: history.newest_verification(),
        acknowledgement: acknowledgement.as_ref(),
        used,
    };
    // The attempt is open from here on, also if Kavi is killed. The next one finds it and closes it
    // as failed.
    let build = record(forge, &proposal.spec.name, AffectedViews::Index, |ledger| ledger.start_build(&new_build))?;
    let sources = history.sources().map(|digest| snapshot_store::load(forge.store, digest)).transpose()?;
    let workspace = BuildWorkspace::lay_out(
        &forge.layout.root,
        &forge.layout.builds().join(id.to_string()),
        &packet,
        sources.as_ref(),
    )?;
    Ok(OpenAttempt { build, workspace, packet })
}

/// One override. It is noted also where nothing limits them: a limit that is set later counts the day before.
fn override_now(forge: &ForgeContext<'_>) -> Allowance {
    // The ledger holds it as a signed number of 64 bits.
    let most = forge.most_overrides.unwrap_or(u64::MAX >> 1);
    Allowance { kind: AllowanceKind::Override, most, at: forge.clock.moment() }
}

/// Writes packet and workspace and stops, for `--no-invoke`.
///
/// # Errors
/// [`BuildError`] when the proposal is not buildable, waits for a person, or a file cannot be written.
pub fn prepare_only(
    forge: &ForgeContext<'_>,
    proposal: &Proposal,
    builder: BuilderKind,
    by: Option<&Approver>,
) -> Result<BuildAttempt, BuildError> {
    let _lock = attempt::lock(forge, proposal)?;
    let OpenAttempt { build, workspace, .. } = open_attempt(forge, proposal, builder, by)?;
    let build = record(forge, &proposal.spec.name, AffectedViews::Index, |ledger| ledger.leave_build_open(build.id))?;
    let hint = format!(
        "write the sources there, then run `kavi build-skill {} --builder import --from DIR` on a copy of its `src`",
        proposal.id.short()
    );
    Ok(BuildAttempt { build, workspace: Some(workspace.root()), hint: Some(hint) })
}

/// Makes one attempt, from packet to snapshot.
///
/// # Errors
/// [`BuildError`] when the attempt could not be made or recorded. A builder or a workspace that failed is not an error: the
/// [`BuildAttempt`] says so.
pub fn run(forge: &ForgeContext<'_>, request: &BuildRequest<'_>) -> Result<BuildAttempt, BuildError> {
    let BuildRequest { proposal, builder, formatter, by } = *request;
    let authorization = forge.ledger.authorize()?;
    // One watch for the whole attempt: a stop that is taken back at once still ends it.
    let cage = forge.cage.clone().watched(Arc::from(forge.ledger.watch(authorization)));
    let forge = &ForgeContext { cage: &cage, ..*forge };
    if let Builder::Import(from) = builder {
        // A folder that does not exist is a typing error. It must not count as a failed attempt.
        intake::open(from)?;
    }
    let _lock = attempt::lock(forge, proposal)?;
    tracing::info!(target: STAGE, "packet and workspace");
    let attempt = open_attempt(forge, proposal, builder.kind(), by)?;
    let result = match builder {
        Builder::Import(from) => import_sources(from),
        Builder::Claude(config) => run_claude(forge, config, &attempt),
    };
    let result = result.and_then(|result| result.formatted(forge, formatter));
    // An error after the attempt was opened is its result. Returned as an error, it would leave the
    // attempt open.
    let result = result.unwrap_or_else(|error| BuilderResult::failed(Some(FailureKind::BuildError), error.to_string()));
    finish(forge, proposal, attempt, result)
}

/// The result of a builder, after the intake has read its workspace.
struct BuilderResult {
    outcome: Result<Snapshot, Option<FailureKind>>,
    summary: String,
    confinement: String,
    findings: Vec<Finding>,
    /// The digest of the sources that the builder started from.
    before: Option<Digest>,
    /// What the person should know of accepted sources: what was left aside, what was formatted.
    notes: Vec<String>,
    log: serde_json::Value,
    transcript: Option<Vec<u8>>,
    hint: Option<String>,
}

impl BuilderResult {
    fn failed(kind: Option<FailureKind>, summary: String) -> Self {
        Self {
            outcome: Err(kind),
            summary,
            confinement: "not started".to_owned(),
            findings: Vec::new(),
            before: None,
            notes: Vec::new(),
            log: serde_json::Value::Null,
            transcript: None,
            hint: None,
        }
    }

    fn violation(findings: Vec<Finding>) -> Self {
        let count = findings.len();
        let things = counted(count, "thing");
        let summary = format!("the workspace contains {things} that it may not contain; no file was accepted");
        Self { findings, ..Self::failed(Some(FailureKind::GateViolation), summary) }
    }

    fn accepted(snapshot: Snapshot) -> Self {
        Self { outcome: Ok(snapshot), ..Self::failed(None, String::new()) }
    }

    /// The same with formatted sources, and with the summary of what was accepted.
    fn formatted(mut self, forge: &ForgeContext<'_>, formatter: Option<&Formatter>) -> Result<Self, BuildError> {
        let Ok(snapshot) = self.outcome else { return Ok(self) };
        let formatted = match formatter {
            Some(formatter) => formatter.format(forge, snapshot)?,
            None => {
                self.notes.push("not formatted, because no Rust toolchain was found".to_owned());
                FormattedSources { snapshot, changed: 0, unreadable: Vec::new() }
            }
        };
        if formatted.changed > 0 {
            self.notes.push(format!("rustfmt changed {}", counted(formatted.changed, "file")));
        }
        for path in &formatted.unreadable {
            self.notes.push(format!("rustfmt cannot read `{path}`, so it is unchanged"));
        }
        let snapshot = formatted.snapshot;
        // Compared after formatting: another layout of the same code is no attempt at mending it.
        if Some(snapshot.digest()) == self.before {
            self.outcome = Err(Some(FailureKind::BuildError));
            self.summary = "the builder changed no file".to_owned();
            return Ok(self);
        }
        let accepted = format!("{} lines in {} files accepted", snapshot.lines(), snapshot.files().count());
        self.summary = [accepted].into_iter().chain(self.notes.clone()).collect::<Vec<_>>().join("; ");
        self.outcome = Ok(snapshot);
        Ok(self)
    }
}

fn counted(count: usize, thing: &str) -> String {
    if count == 1 { format!("1 {thing}") } else { format!("{count} {thing}s") }
}

fn import_sources(from: &Path) -> Result<BuilderResult, BuildError> {
    tracing::info!(target: STAGE, "workspace gate");
    let result = match intake::inspect(from, &import::rules())? {
        Err(findings) => BuilderResult::violation(findings),
        Ok(accepted) => {
            let findings: Vec<_> =
                accepted.inspected.values().flat_map(|bytes| import::check_manifest(bytes)).collect();
            if findings.is_empty() {
                let manifest = accepted.inspected.get("Cargo.toml").map(Vec::as_slice);
                let with = import_tests::take(accepted.snapshot, &accepted.tests, manifest);
                let mut result = BuilderResult::accepted(with.snapshot);
                if !accepted.ignored.is_empty() {
                    result.notes.push(format!("left aside: {}", accepted.ignored.join(", ")));
                }
                result.notes.extend(with.notes);
                result
            } else {
                BuilderResult::violation(findings)
            }
        }
    };
    let confinement = "a person's sources: no builder ran".to_owned();
    Ok(BuilderResult { confinement, ..result })
}

fn run_claude(
    forge: &ForgeContext<'_>,
    config: &ClaudeConfig,
    open: &OpenAttempt,
) -> Result<BuilderResult, BuildError> {
    tracing::info!(target: STAGE, "claude code");
    let workspace = &open.workspace;
    // The workspace as it is laid out. A builder that changes nothing must not get another
    // verification of the same sources.
    let before = intake::inspect(&workspace.root(), &workspace.rules)?.ok().map(|accepted| accepted.snapshot.digest());
    let context = ClaudeContext { cage: forge.cage, clock: forge.clock, ids: forge.ids };
    let attempt = claude::run(
        context,
        config,
        &workspace.root(),
        &open.packet,
        &mut |event| tracing::info!(target: NOTE, "{event}"),
    )?;
    tracing::info!(target: STAGE, "workspace gate");
    let mut result = match &attempt.verdict {
        // The sources of a builder that failed are not read: it may have been stopped in the middle
        // of a file.
        Err(failure) => {
            let mut result = BuilderResult::failed(Some(failure.kind()), failure.to_string());
            result.hint = Some(failure.hint().to_owned());
            result
        }
        Ok(_) => match intake::inspect(&workspace.root(), &workspace.rules)? {
            Err(findings) => BuilderResult::violation(findings),
            Ok(accepted) => BuilderResult { before, ..BuilderResult::accepted(accepted.snapshot) },
        },
    };
    result.confinement = attempt.confinement.to_string();
    result.log = log::entry(config, &attempt);
    result.transcript = Some(attempt.transcript);
    Ok(result)
}

fn finish(
    forge: &ForgeContext<'_>,
    proposal: &Proposal,
    attempt: OpenAttempt,
    result: BuilderResult,
) -> Result<BuildAttempt, BuildError> {
    let OpenAttempt { build, workspace, .. } = attempt;
    let outcome = match &result.outcome {
        Ok(snapshot) => Ok(snapshot_store::store(forge.store, snapshot)?),
        Err(kind) => Err(*kind),
    };
    let end = BuildEnd {
        artifacts: write_artifacts(forge, proposal, &build, &result)?,
        outcome,
        summary: result.summary,
        confinement: result.confinement,
        findings: result.findings,
        finished_at: forge.clock.now(),
    };
    let build = record(forge, &proposal.spec.name, AffectedViews::Index, |ledger| ledger.finish_build(build.id, &end))?;
    // A failed attempt of an agent is worth a look. The sources of a person are where they came
    // from.
    let kept = match (build.status, build.builder) {
        (BuildStatus::Failed, BuilderKind::Claude) => Some(workspace.root()),
        _ => {
            workspace.remove()?;
            None
        }
    };
    Ok(BuildAttempt { build, workspace: kept, hint: result.hint })
}

fn write_artifacts(
    forge: &ForgeContext<'_>,
    proposal: &Proposal,
    build: &Build,
    result: &BuilderResult,
) -> Result<Vec<ArtifactRow>, BuildError> {
    let folder = attempt::folder(proposal, build.attempt_number);
    let write = |kind: ArtifactKind, name: &str, bytes: &[u8]| {
        forge.write_artifact(NewArtifact { kind, path: &folder.join(name), bytes, related_id: build.id.to_string() })
    };
    let snapshot = result.outcome.as_ref().ok().map(Snapshot::digest);
    let log = serde_json::json!({
        "v": 1,
        "build_id": build.id,
        "proposal_id": proposal.id,
        "attempt_number": build.attempt_number,
        "builder": build.builder,
        "packet_sha256": build.packet_sha256,
        "confinement": result.confinement,
        "builder_log": result.log,
        "gate": {
            "accepted": snapshot.is_some(),
            "snapshot_sha256": snapshot,
            "findings": result.findings,
        },
        "summary": result.summary,
    });
    let text = serde_json::to_string_pretty(&log).unwrap_or_default();
    let mut rows = vec![write(ArtifactKind::BuildLog, "BUILD_LOG.json", text.as_bytes())?];
    if let Some(transcript) = &result.transcript {
        rows.push(write(ArtifactKind::BuildLog, "TRANSCRIPT.jsonl", transcript)?);
    }
    if let Ok(after) = &result.outcome {
        // The attempt just before may have left no sources. This one started from the sources that were accepted last.
        let earlier = forge.ledger.builds_of(proposal.id)?;
        let earlier = earlier.into_iter().rev().filter(|other| other.attempt_number < build.attempt_number);
        let before = earlier.filter_map(|other| other.snapshot_sha256).next();
        let before = before.map(|digest| snapshot_store::load(forge.store, digest)).transpose()?;
        let summary = patch_summary::render(proposal, build, before.as_ref(), after);
        rows.push(write(ArtifactKind::PatchSummary, "PATCH_SUMMARY.md", summary.as_bytes())?);
    }
    Ok(rows)
}
