//! Build attempts. One attempt is one frozen packet; iteration is across attempts, never within one.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::codec::IdColumn;
use super::events::{self, NewEvent};
use super::{
    Acknowledgement, Allowance, ArtifactRow, Ledger, LedgerError, allowances, artifacts, codec, proposals, research,
};
use crate::history::event::EventKind;
use crate::model::{
    digest::Digest,
    finding::Finding,
    id::{BuildId, IdPrefix, ProposalId, VerificationId},
    lifecycle::{BuildStatus, BuilderKind, FailureKind, ProposalStatus},
    time::Timestamp,
};

/// One build attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Build {
    /// Its id.
    pub id: BuildId,
    /// What it builds.
    pub proposal_id: ProposalId,
    /// `skill/{name}-{first eight digits of the id}`.
    pub branch_name: String,
    /// Who writes the sources.
    pub builder: BuilderKind,
    /// Counted per proposal, from 1.
    pub attempt_number: u32,
    /// The attempt before it.
    pub parent_build_id: Option<BuildId>,
    /// Where it stands.
    pub status: BuildStatus,
    /// The cage that the builder ran in, in words.
    pub confinement: String,
    /// The frozen packet.
    pub packet_sha256: Digest,
    /// The accepted sources of a success.
    pub snapshot_sha256: Option<Digest>,
    /// Why it failed.
    pub failure_kind: Option<FailureKind>,
    /// One sentence on the outcome.
    pub summary: String,
    /// What the workspace gate found.
    pub findings: Vec<Finding>,
    /// When it started.
    pub started_at: Timestamp,
    /// When it was over.
    pub finished_at: Option<Timestamp>,
}

/// A build attempt about to start.
#[derive(Debug)]
pub struct NewBuild<'a> {
    /// Its id.
    pub id: BuildId,
    /// What it builds.
    pub proposal_id: ProposalId,
    /// `skill/{name}-{id8}`.
    pub branch_name: String,
    /// Who writes the sources.
    pub builder: BuilderKind,
    /// The cage, in words.
    pub confinement: String,
    /// The artifact that holds the packet.
    pub packet: &'a ArtifactRow,
    /// The proposal's newest verification when it was decided that the attempt may go ahead.
    pub decided_after: Option<VerificationId>,
    /// The person's go, where one was needed.
    pub acknowledgement: Option<&'a Acknowledgement>,
    /// The override that the person's go is counted as.
    pub used: Option<Allowance>,
}

/// How the summary of an attempt begins whose builder was deliberately not invoked.
const NOT_INVOKED: &str = "packet and workspace written, builder not invoked";

impl Build {
    /// Whether the builder was deliberately not invoked (`--no-invoke`): such an attempt has neither failed nor
    /// succeeded, also after the next one closed it.
    pub fn was_not_invoked(&self) -> bool {
        let open = self.status == BuildStatus::Started || self.failure_kind.is_none();
        open && self.snapshot_sha256.is_none() && self.summary.starts_with(NOT_INVOKED)
    }
}

/// How a build attempt ended.
#[derive(Debug)]
pub struct BuildEnd {
    /// The accepted sources, or why there are none.
    pub outcome: Result<Digest, Option<FailureKind>>,
    /// One sentence.
    pub summary: String,
    /// The cage that was really in force, in words.
    pub confinement: String,
    /// What the workspace gate found.
    pub findings: Vec<Finding>,
    /// Log and patch summary.
    pub artifacts: Vec<ArtifactRow>,
    /// When it was over.
    pub finished_at: Timestamp,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Build> {
    Ok(Build {
        id: row.get("id")?,
        proposal_id: row.get("proposal_id")?,
        branch_name: row.get("branch_name")?,
        builder: row.get("builder")?,
        attempt_number: row.get("attempt_number")?,
        parent_build_id: row.get("parent_build_id")?,
        status: row.get("status")?,
        confinement: row.get("confinement")?,
        packet_sha256: row.get("packet_sha256")?,
        snapshot_sha256: row.get("snapshot_sha256")?,
        failure_kind: row.get("failure_kind")?,
        summary: row.get("summary")?,
        findings: codec::json_column(row, "findings_json")?,
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
    })
}

fn get(conn: &Connection, id: BuildId) -> Result<Build, LedgerError> {
    conn.query_row("SELECT * FROM builds WHERE id = ?1", [id], from_row)
        .optional()?
        .ok_or_else(|| LedgerError::NotFound { what: "build", key: id.to_string() })
}

pub(super) fn latest(conn: &Connection, proposal: ProposalId) -> Result<Option<Build>, LedgerError> {
    let sql = "SELECT * FROM builds WHERE proposal_id = ?1 ORDER BY attempt_number DESC LIMIT 1";
    Ok(conn.query_row(sql, [proposal], from_row).optional()?)
}

const IDS: IdColumn = IdColumn { table: "builds", column: "id", what: "build" };

fn newest_verification(conn: &Connection, proposal: ProposalId) -> Result<Option<VerificationId>, LedgerError> {
    let sql = "SELECT id FROM verifications WHERE proposal_id = ?1 ORDER BY rowid DESC LIMIT 1";
    Ok(conn.query_row(sql, [proposal], |row| row.get(0)).optional()?)
}

impl Ledger {
    /// Starts an attempt: the proposal goes (back) to PROPOSED, an attempt that was left unfinished is closed.
    ///
    /// The caller holds the proposal's build lock, so an unfinished attempt belongs to nobody.
    ///
    /// # Errors
    /// [`LedgerError::WrongState`] when the proposal is not buildable, [`LedgerError::Conflict`] when it was verified
    /// after it was decided that the attempt may go ahead.
    pub fn start_build(&self, new: &NewBuild<'_>) -> Result<Build, LedgerError> {
        self.write(|tx| {
            // Whether an attempt needs a person's word depends on the newest verification. Another
            // process may have verified since that was decided.
            if newest_verification(tx, new.proposal_id)? != new.decided_after {
                return Err(LedgerError::Conflict(format!("proposal {}", new.proposal_id)));
            }
            let buildable: Vec<_> = ProposalStatus::ALL.iter().copied().filter(|s| s.is_buildable()).collect();
            proposals::step(tx, new.proposal_id, &buildable, ProposalStatus::Proposed, "build")?;
            let started_at = new.packet.created_at;
            tx.change(
                "UPDATE builds SET status = 'FAILED', finished_at = ?2,
                     summary = summary || '; closed when the next attempt started'
                 WHERE proposal_id = ?1 AND status = 'STARTED'",
                params![new.proposal_id, started_at],
            )?;
            // Under the write lock, so that two attempts cannot get the same number.
            let parent = latest(tx, new.proposal_id)?;
            tx.insert(
                "builds",
                &[
                    ("id", &new.id),
                    ("proposal_id", &new.proposal_id),
                    ("branch_name", &new.branch_name),
                    ("builder", &new.builder),
                    ("attempt_number", &parent.as_ref().map_or(1, |build| build.attempt_number + 1)),
                    ("parent_build_id", &parent.map(|build| build.id)),
                    ("status", &"STARTED"),
                    ("confinement", &new.confinement),
                    ("packet_sha256", &new.packet.sha256),
                    ("summary", &"no result was recorded"),
                    ("findings_json", &"[]"),
                    ("started_at", &started_at),
                ],
            )?;
            artifacts::insert(tx, new.packet)?;
            if let Some(used) = &new.used {
                allowances::take(tx, used)?;
            }
            if let Some(go) = new.acknowledgement {
                research::insert_acknowledgement(tx, new.id, go, started_at)?;
            }
            // All attempts of the proposal: one that was left open may have been closed above.
            let mut attempts = tx.prepare_cached("SELECT id FROM builds WHERE proposal_id = ?1")?;
            let attempts = attempts.query_map([new.proposal_id], |row| row.get::<_, BuildId>(0))?;
            let event = NewEvent::new(EventKind::BuildStarted, &new.id, started_at)
                .rows("builds", attempts.collect::<Result<Vec<_>, _>>()?)
                .row("skill_proposals", &new.proposal_id)
                .row("artifacts", &new.packet.id);
            let acknowledged = new.acknowledgement.is_some();
            events::append(tx, &if acknowledged { event.row("acknowledgements", &new.id) } else { event })?;
            // Read back, so that the caller holds what was stored and not what it meant to store.
            get(tx, new.id)
        })
    }

    /// Ends an attempt; a success makes its proposal BUILT.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when the attempt is no longer open.
    pub fn finish_build(&self, id: BuildId, end: &BuildEnd) -> Result<Build, LedgerError> {
        self.write(|tx| {
            let (status, snapshot, kind) = match end.outcome {
                Ok(snapshot) => (BuildStatus::Succeeded, Some(snapshot), None),
                Err(kind) => (BuildStatus::Failed, None, kind),
            };
            let changed = tx.change(
                "UPDATE builds SET status = ?2, snapshot_sha256 = ?3, failure_kind = ?4, summary = ?5,
                     findings_json = ?6, finished_at = ?7, confinement = ?8
                 WHERE id = ?1 AND status = 'STARTED'",
                params![
                    id,
                    status,
                    snapshot,
                    kind,
                    end.summary,
                    codec::to_json(&end.findings)?,
                    end.finished_at,
                    end.confinement
                ],
            )?;
            // A newer attempt has closed this one. Its sources must not become the proposal's.
            if changed != 1 {
                return Err(LedgerError::Conflict(format!("build {id}")));
            }
            for artifact in &end.artifacts {
                artifacts::insert(tx, artifact)?;
            }
            let build = get(tx, id)?;
            if status == BuildStatus::Succeeded {
                let from = [ProposalStatus::Proposed];
                proposals::step(tx, build.proposal_id, &from, ProposalStatus::Built, "finish a build")?;
            }
            let event = NewEvent::new(EventKind::Build, &id, end.finished_at)
                .row("builds", &id)
                .rows("artifacts", end.artifacts.iter().map(|artifact| artifact.id))
                .row("skill_proposals", &build.proposal_id);
            events::append(tx, &event)?;
            Ok(build)
        })
    }

    /// Says that an open attempt was left open on purpose.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when the attempt is no longer open.
    pub fn leave_build_open(&self, id: BuildId) -> Result<Build, LedgerError> {
        self.write(|tx| {
            let sql = "UPDATE builds SET summary = ?2 WHERE id = ?1 AND status = 'STARTED'";
            if tx.change(sql, params![id, NOT_INVOKED])? != 1 {
                return Err(LedgerError::Conflict(format!("build {id}")));
            }
            let build = get(tx, id)?;
            events::append(tx, &NewEvent::new(EventKind::Build, &id, build.started_at).row("builds", &id))?;
            Ok(build)
        })
    }

    /// One build.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when there is none.
    pub fn build(&self, id: BuildId) -> Result<Build, LedgerError> {
        get(self.reader()?, id)
    }

    /// The one build whose id starts with `prefix`.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] or [`LedgerError::Ambiguous`].
    pub fn build_by_prefix(&self, prefix: &IdPrefix) -> Result<Build, LedgerError> {
        get(self.reader()?, codec::by_prefix(self.reader()?, IDS, prefix)?)
    }

    /// The attempts of a proposal, first to last.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn builds_of(&self, proposal: ProposalId) -> Result<Vec<Build>, LedgerError> {
        let mut statement =
            self.reader()?.prepare("SELECT * FROM builds WHERE proposal_id = ?1 ORDER BY attempt_number")?;
        Ok(statement.query_map([proposal], from_row)?.collect::<Result<_, _>>()?)
    }
}
