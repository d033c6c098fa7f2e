//! Verifications, one row a gate.

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::events::{self, NewEvent};
use super::write_transaction::WriteTransaction;
use super::{ArtifactRow, Ledger, LedgerError, artifacts, builds, codec, proposals, statements};
use crate::history::event::EventKind;
use crate::model::{
    digest::Digest,
    finding::Finding,
    id::{BuildId, ProposalId, VerificationId},
    lifecycle::{ProposalStatus, Verdict},
    program::ProgramIdentity,
    time::Timestamp,
};

/// One verification of one build's sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// Its id.
    pub id: VerificationId,
    /// The proposal.
    pub proposal_id: ProposalId,
    /// The build whose sources were checked.
    pub build_id: BuildId,
    /// PASSED when every gate passed.
    pub status: Verdict,
    /// The sources that were checked.
    pub snapshot_sha256: Digest,
    /// The component that they compiled to.
    pub component_sha256: Option<Digest>,
    /// The compiler, in its own words.
    pub toolchain: String,
    /// The pre-built SDK it was compiled against.
    pub sdk_sha256: Digest,
    /// The cage that the tools ran in, in words.
    pub confinement: String,
    /// The report, relative to the workspace.
    pub report_path: String,
    /// The version of the gates that ran.
    pub gates_version: u32,
    /// The program that ran them; none where nobody wrote it down.
    pub program: Option<ProgramIdentity>,
    /// When.
    pub created_at: Timestamp,
    /// The gates, in the order they are shown.
    pub gates: Vec<GateRow>,
}

/// The outcome of one gate.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct GateRow {
    /// Its name.
    pub gate: String,
    /// Its outcome.
    pub status: Verdict,
    /// What it found.
    pub findings: Vec<Finding>,
    /// How long it took; 0 when it was reused.
    pub duration_ms: u64,
    /// A digest over all that the result depends on, when the same inputs would give the same result again.
    #[serde(skip)]
    pub check_key: Option<Digest>,
    /// The verification that ran it, when this one did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reused_from: Option<VerificationId>,
}

/// A verification of the same sources that drew inputs of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlierDraw {
    /// Its id, from which everything that it drew follows.
    pub id: VerificationId,
    /// When it started.
    pub created_at: Timestamp,
}

/// A result that stands for the same inputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reusable {
    /// The result.
    pub row: GateRow,
    /// The verification that has it.
    pub verification: VerificationId,
    /// The component of that verification.
    pub component_sha256: Option<Digest>,
    /// The cage that its tools ran in.
    pub confinement: String,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<Verification> {
    Ok(Verification {
        id: row.get("id")?,
        proposal_id: row.get("proposal_id")?,
        build_id: row.get("build_id")?,
        status: row.get("status")?,
        snapshot_sha256: row.get("snapshot_sha256")?,
        component_sha256: row.get("component_sha256")?,
        toolchain: row.get("toolchain")?,
        sdk_sha256: row.get("sdk_sha256")?,
        confinement: row.get("confinement")?,
        report_path: row.get("report_path")?,
        gates_version: row.get("gates_version")?,
        program: None,
        created_at: row.get("created_at")?,
        gates: Vec::new(),
    })
}

fn with_gates(conn: &Connection, mut verification: Verification) -> Result<Verification, LedgerError> {
    let mut statement =
        conn.prepare("SELECT * FROM verification_gates WHERE verification_id = ?1 ORDER BY position")?;
    verification.gates = statement.query_map([verification.id], gate_row)?.collect::<Result<_, _>>()?;
    verification.program = statements::program_of(conn, verification.id)?;
    Ok(verification)
}

fn gate_row(row: &Row<'_>) -> rusqlite::Result<GateRow> {
    Ok(GateRow {
        gate: row.get("gate")?,
        status: row.get("status")?,
        findings: codec::json_column(row, "findings_json")?,
        duration_ms: row.get("duration_ms")?,
        check_key: row.get("check_key")?,
        reused_from: row.get("reused_from")?,
    })
}

pub(super) fn latest(conn: &Connection, proposal: ProposalId) -> Result<Option<Verification>, LedgerError> {
    let sql = "SELECT * FROM verifications WHERE proposal_id = ?1 ORDER BY rowid DESC LIMIT 1";
    conn.query_row(sql, [proposal], from_row).optional()?.map(|found| with_gates(conn, found)).transpose()
}

impl Ledger {
    /// Writes a verification with its gates and report, and moves the proposal to VERIFIED, or back to BUILT.
    ///
    /// # Errors
    /// [`LedgerError::Conflict`] when a newer build came in between, [`LedgerError::WrongState`] when the proposal moved.
    pub fn insert_verification(&self, new: &Verification, report: &ArtifactRow) -> Result<(), LedgerError> {
        self.write(|tx| {
            // Gates run for minutes. A build that ended meanwhile has other sources, and its
            // proposal must not become VERIFIED by the result of these.
            let newest = builds::latest(tx, new.proposal_id)?;
            if newest.is_none_or(|build| build.id != new.build_id || build.snapshot_sha256 != Some(new.snapshot_sha256))
            {
                return Err(LedgerError::Conflict(format!("proposal {}", new.proposal_id)));
            }
            let to = match new.status {
                Verdict::Passed => ProposalStatus::Verified,
                // A verified proposal that fails again loses its state: what a person could promote
                // is the newest result.
                _ => ProposalStatus::Built,
            };
            let from = [ProposalStatus::Built, ProposalStatus::Verified];
            proposals::step(tx, new.proposal_id, &from, to, "verify")?;
            insert(tx, new)?;
            artifacts::insert(tx, report)?;
            if let Some(program) = &new.program {
                statements::insert_program(tx, new.id, program)?;
            }
            // What a promotion rests on: it compares all of these with this event.
            let programs = new.program.as_ref().map(|_| new.id);
            let event = NewEvent::new(EventKind::Verification, &new.id, new.created_at)
                .row("verifications", &new.id)
                .row("verification_gates", &new.id)
                .rows("verification_programs", programs)
                .row("builds", &new.build_id)
                .row("artifacts", &report.id)
                .row("skill_proposals", &new.proposal_id);
            events::append(tx, &event)
        })
    }

    /// The newest verification of a proposal.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn latest_verification(&self, proposal: ProposalId) -> Result<Option<Verification>, LedgerError> {
        latest(self.reader()?, proposal)
    }

    /// The newest result of a gate over the inputs that `key` names.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn gate_result(&self, key: Digest) -> Result<Option<Reusable>, LedgerError> {
        // SKIPPED means that the gate did not run, so there is no result to reuse.
        let sql = "SELECT g.*, v.component_sha256, v.confinement FROM verification_gates g
                   JOIN verifications v ON v.id = g.verification_id
                   WHERE g.check_key = ?1 AND g.status <> 'SKIPPED' ORDER BY v.rowid DESC LIMIT 1";
        let found = self.reader()?.query_row(sql, [key], |row| {
            Ok(Reusable {
                row: gate_row(row)?,
                verification: row.get("verification_id")?,
                component_sha256: row.get("component_sha256")?,
                confinement: row.get("confinement")?,
            })
        });
        Ok(found.optional()?)
    }

    /// The verifications whose conformance gate ran over these sources, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn verifications_of_sources(&self, snapshot: Digest) -> Result<Vec<EarlierDraw>, LedgerError> {
        let sql = "SELECT v.id, v.created_at FROM verifications v JOIN verification_gates g ON g.verification_id = v.id
                   WHERE v.snapshot_sha256 = ?1 AND g.gate = 'conformance' AND g.status <> 'SKIPPED'
                   AND g.reused_from IS NULL ORDER BY v.rowid";
        let mut statement = self.conn.prepare(sql)?;
        let rows = statement
            .query_map([snapshot], |row| Ok(EarlierDraw { id: row.get("id")?, created_at: row.get("created_at")? }))?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Every verification of a proposal, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn verifications_of(&self, proposal: ProposalId) -> Result<Vec<Verification>, LedgerError> {
        let mut statement =
            self.reader()?.prepare("SELECT * FROM verifications WHERE proposal_id = ?1 ORDER BY rowid")?;
        let rows = statement.query_map([proposal], from_row)?.collect::<Result<Vec<_>, _>>()?;
        rows.into_iter().map(|row| with_gates(self.reader()?, row)).collect()
    }
}

fn insert(tx: &WriteTransaction<'_>, new: &Verification) -> Result<(), LedgerError> {
    tx.insert(
        "verifications",
        &[
            ("id", &new.id),
            ("proposal_id", &new.proposal_id),
            ("build_id", &new.build_id),
            ("status", &new.status),
            ("snapshot_sha256", &new.snapshot_sha256),
            ("component_sha256", &new.component_sha256),
            ("toolchain", &new.toolchain),
            ("sdk_sha256", &new.sdk_sha256),
            ("confinement", &new.confinement),
            ("report_path", &new.report_path),
            ("created_at", &new.created_at),
            ("gates_version", &new.gates_version),
        ],
    )?;
    for (position, gate) in new.gates.iter().enumerate() {
        let findings = codec::to_json(&gate.findings)?;
        let (key, reused) = (gate.check_key, gate.reused_from);
        tx.insert(
            "verification_gates",
            &[
                ("verification_id", &new.id),
                ("position", &position),
                ("gate", &gate.gate),
                ("status", &gate.status),
                ("findings_json", &findings),
                ("duration_ms", &gate.duration_ms),
                ("check_key", &key),
                ("reused_from", &reused),
            ],
        )?;
    }
    Ok(())
}
