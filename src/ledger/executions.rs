//! Execution records.

use rusqlite::{Connection, OptionalExtension as _, ToSql, types::Value};

use super::codec::IdColumn;
use super::durability::Durability;
use super::events::{self, RunLeaf, images::RecordDigest, images::has_part};
use super::write_transaction::WriteTransaction;
use super::{
    Allowance, AllowanceKind, Ledger, LedgerError, RunAuthorization, Settled, allowances, codec, commits, switch,
};
use crate::model::{
    commit::Commit,
    digest::Digest,
    execution::{ExecutionRecord, GuestOutput},
    id::{CommitId, ExecutionId, IdPrefix},
    lifecycle::CommitState,
    name::SkillName,
    record_sync::RecordSync,
};

/// A record and whether its files are in the vault.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionRow {
    /// The record.
    pub record: ExecutionRecord,
    /// Whether its files are in the vault; none where nothing is to be committed.
    pub commit_state: Option<CommitState>,
    /// Whether a person undid its files.
    pub undone: bool,
}

/// A record, the state of its commit, whether that was undone, and the limits it had.
pub(super) const SELECT: &str = "SELECT e.*, c.state AS commit_state,
         EXISTS (SELECT 1 FROM commits AS u WHERE u.undoes = e.commit_id AND u.state IN ('PENDING', 'APPLIED')) AS undone,
         l.limits_json FROM executions AS e
     LEFT JOIN commits AS c ON c.id = e.commit_id LEFT JOIN limit_sets AS l ON l.sha256 = e.limits_sha256";

pub(super) fn from_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<ExecutionRow> {
    let record = ExecutionRecord {
        v: row.get("v")?,
        execution_id: row.get("execution_id")?,
        parent_execution_id: row.get("parent_execution_id")?,
        purpose: row.get("purpose")?,
        channel: row.get("door")?,
        caller: row.get("asked_by")?,
        skill_name: row.get("skill_name")?,
        revision: row.get("revision")?,
        source_hash: row.get("source_hash")?,
        side_effect_class: row.get("side_effect_class")?,
        engine: row.get("engine")?,
        limits: codec::maybe_json_column(row, "limits_json")?,
        input_json: codec::json_column(row, "input_json")?,
        input_stored: codec::maybe_json_column(row, "input_stored_json")?,
        output_json: codec::maybe_json_column(row, "output_json")?,
        output_stored: codec::maybe_json_column(row, "output_stored_json")?,
        success: row.get("success")?,
        error: row.get("error")?,
        clock: row.get("clock")?,
        seed: row.get("seed")?,
        effects: codec::json_column(row, "effects_json")?,
        commit_id: row.get("commit_id")?,
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
        second_wall: row.get("second_wall")?,
        said: codec::maybe_json_column(row, "said_json")?,
        context_sha256: row.get("context_sha256")?,
    };
    Ok(ExecutionRow { record, commit_state: row.get("commit_state")?, undone: row.get("undone")? })
}

fn get(conn: &Connection, id: ExecutionId) -> Result<ExecutionRow, LedgerError> {
    conn.query_row(&format!("{SELECT} WHERE e.execution_id = ?1"), [id], from_row)
        .optional()?
        .ok_or_else(|| LedgerError::NotFound { what: "execution", key: id.to_string() })
}

/// One step of a run's record, in SQLite's values and ready to be written.
#[derive(Debug)]
pub(super) enum RecordStep {
    /// A new record, and what it uses of a limit.
    Insert(Box<RecordRow>, Option<Allowance>),
    /// The record of a run that succeeded, and the commit of its files, if its authorization still holds.
    Success(Box<RecordRow>, Option<Box<Commit>>, RunAuthorization),
    /// How the moving of files ended.
    Settle(CommitId, Settled),
}

/// A record in SQLite's values.
#[derive(Debug)]
pub(super) struct RecordRow {
    values: [Value; COLUMNS.len()],
    /// The limits it had, and their digest.
    limits: Option<(String, String)>,
    /// Whether the run reached something outside of the vault.
    pub(super) reached_out: bool,
}

/// The columns of a row, in the order of its values.
pub(super) const COLUMNS: [&str; 27] = [
    "execution_id",
    "v",
    "parent_execution_id",
    "purpose",
    "door",
    "asked_by",
    "skill_name",
    "revision",
    "source_hash",
    "side_effect_class",
    "engine",
    "limits_sha256",
    "input_json",
    "input_stored_json",
    "output_json",
    "output_stored_json",
    "success",
    "error",
    "clock",
    "seed",
    "effects_json",
    "commit_id",
    "started_at",
    "finished_at",
    "second_wall",
    "said_json",
    "context_sha256",
];

const TO_REPLAY: &str = "SELECT execution_id FROM executions
     WHERE skill_name = ?1 AND purpose = 'RUN' AND revision IS NOT NULL
         AND (success OR error LIKE 'SkillError: %' OR error LIKE 'InvalidOutput: %' OR error LIKE 'OutsidePaths: %')
     ORDER BY rowid";

fn row(record: &ExecutionRecord) -> Result<RecordRow, LedgerError> {
    fn text(value: &impl ToString) -> Value {
        Value::Text(value.to_string())
    }
    fn maybe(value: Option<&impl ToString>) -> Value {
        value.map_or(Value::Null, text)
    }
    fn json(value: Option<&impl serde::Serialize>) -> Result<Value, LedgerError> {
        Ok(value.map(codec::to_json).transpose()?.map_or(Value::Null, Value::Text))
    }
    let limits = record.limits.as_ref().map(codec::to_json).transpose()?;
    // Nearly all runs of a skill share one set of limits. Its digest replaces a copy in each
    // record.
    let limits = limits.map(|json| (Digest::of(json.as_bytes()).to_string(), json));
    let values = [
        text(&record.execution_id),
        Value::Integer(record.v.into()),
        maybe(record.parent_execution_id.as_ref()),
        text(&record.purpose),
        text(&record.channel),
        text(&record.caller),
        text(&record.skill_name),
        record.revision.map_or(Value::Null, |revision| Value::Integer(revision.into())),
        maybe(record.source_hash.as_ref()),
        maybe(record.side_effect_class.as_ref()),
        maybe(record.engine.as_ref()),
        maybe(limits.as_ref().map(|(digest, _)| digest)),
        json(Some(&record.input_json))?,
        json(record.input_stored.as_ref())?,
        json(record.output_json.as_ref())?,
        json(record.output_stored.as_ref())?,
        Value::Integer(record.success.into()),
        maybe(record.error.as_ref()),
        text(&record.clock),
        text(&record.seed),
        json(Some(&record.effects))?,
        maybe(record.commit_id.as_ref()),
        text(&record.started_at),
        text(&record.finished_at),
        maybe(record.second_wall.as_ref()),
        json(record.said.as_ref())?,
        maybe(record.context_sha256.as_ref()),
    ];
    // A signature left the broker, so its record must not be lost either.
    let acts = |said: &GuestOutput| !said.exchanges.is_empty() || !said.signatures.is_empty();
    let reached_out = record.said.as_ref().is_some_and(acts);
    Ok(RecordRow { values, limits, reached_out })
}

impl RecordRow {
    fn insert(&self, tx: &WriteTransaction<'_>) -> Result<(), LedgerError> {
        // Before the record, which refers to it. Most times the row exists and the statement
        // changes nothing.
        if let Some((digest, json)) = &self.limits {
            tx.insert_if_missing("limit_sets", &[("sha256", digest), ("limits_json", json)])?;
        }
        let row = COLUMNS.into_iter().zip(self.values.iter().map(|value| value as &dyn ToSql));
        tx.insert("executions", &row.collect::<Vec<_>>())?;
        let mut digest = RecordDigest::new();
        for (index, value) in self.values.iter().enumerate() {
            if has_part(index, value.into()) {
                digest.add(value.into());
            }
        }
        let (id, at) = (self.text("execution_id"), self.text("finished_at"));
        events::append_run(tx, &RunLeaf { id, at, digest: digest.finish() })
    }

    /// A value that is text.
    fn text(&self, column: &str) -> &str {
        let value = COLUMNS.iter().position(|name| *name == column).and_then(|index| self.values.get(index));
        match value {
            Some(Value::Text(text)) => text,
            _ => "",
        }
    }
}

impl RecordStep {
    /// The row of a record.
    #[cfg(test)]
    pub(super) fn insert(record: &ExecutionRecord) -> Result<Self, LedgerError> {
        Self::failure(record, None)
    }

    /// The row of a record, and what the run used of a limit.
    pub(super) fn failure(record: &ExecutionRecord, used: Option<Allowance>) -> Result<Self, LedgerError> {
        Ok(Self::Insert(Box::new(row(record)?), used))
    }

    /// The row of a record that counts only as long as the authorization of the run holds, and the commit of its files.
    pub(super) fn success(
        record: &ExecutionRecord,
        commit: Option<&Commit>,
        authorization: RunAuthorization,
    ) -> Result<Self, LedgerError> {
        Ok(Self::Success(Box::new(row(record)?), commit.cloned().map(Box::new), authorization))
    }

    /// Whether it adds a record and nothing else.
    pub(super) fn is_record(&self) -> bool {
        // A commit changes what the vault contains, which loaded state depends on. Only a plain
        // record needs no second look.
        matches!(self, Self::Insert(..) | Self::Success(_, None, _))
    }

    /// When it must be on the disk. Only the record of a run that changed nothing may wait: no file, no request, and nothing that a
    /// person let through.
    pub(super) fn durability(&self, sync: RecordSync) -> Durability {
        let (row, used) = match self {
            Self::Insert(row, used) => (row, *used),
            Self::Success(row, None, authorization) => (row, authorization.allowance()),
            Self::Success(_, Some(_), _) | Self::Settle(..) => return Durability::Now,
        };
        let let_through = used.is_some_and(|used| used.kind == AllowanceKind::Override);
        if sync == RecordSync::Always || row.reached_out || let_through { Durability::Now } else { Durability::Soon }
    }

    /// Writes it, inside of the caller's transaction.
    pub(super) fn apply(&self, tx: &WriteTransaction<'_>) -> Result<(), LedgerError> {
        match self {
            Self::Insert(row, used) => {
                // A failure is recorded also where nothing is left; it makes the next one wait longer.
                used.as_ref().map_or(Ok(()), |used| allowances::note(tx, used))?;
                row.insert(tx)?;
            }
            Self::Success(row, commit, authorization) => {
                // Under the write lock: a stop that was recorded first is seen here, and a later
                // one comes after this record.
                switch::check_authorization(tx, *authorization).map_err(|halt| LedgerError::Halted(Box::new(halt)))?;
                // Under the same lock: no other process can use the same one.
                authorization.allowance().map_or(Ok(()), |used| allowances::take(tx, &used))?;
                // The commit comes first, because the record refers to it.
                commit.as_ref().map_or(Ok(()), |commit| commits::insert(tx, commit))?;
                row.insert(tx)?;
                commit.as_ref().map_or(Ok(()), |commit| commits::append_recorded(tx, commit, &[]))?;
            }
            Self::Settle(id, settled) => commits::settle(tx, *id, settled)?,
        }
        Ok(())
    }
}

const IDS: IdColumn = IdColumn { table: "executions", column: "execution_id", what: "execution" };

impl Ledger {
    /// Writes a record of which nothing is to be committed.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be written; nothing is recorded then.
    pub fn insert_execution(&self, record: &ExecutionRecord) -> Result<(), LedgerError> {
        self.insert_failure(record, None)
    }

    /// Writes the record of a run that failed, and what it used of a limit.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be written; nothing is recorded then.
    pub fn insert_failure(&self, record: &ExecutionRecord, used: Option<Allowance>) -> Result<(), LedgerError> {
        self.write_record(&RecordStep::failure(record, used)?)
    }

    /// Writes the record of a run that succeeded and the commit of its files, if its authorization still holds then. A stop
    /// or a revocation and the record of the run come one after the other, never both at once.
    ///
    /// # Errors
    /// [`LedgerError::Halted`] when the run may not count any more; nothing is recorded then.
    pub fn insert_success(
        &self,
        record: &ExecutionRecord,
        commit: Option<&Commit>,
        authorization: RunAuthorization,
    ) -> Result<(), LedgerError> {
        self.write_record(&RecordStep::success(record, commit, authorization)?)
    }

    /// One record.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when there is none.
    pub fn execution(&self, id: ExecutionId) -> Result<ExecutionRow, LedgerError> {
        get(self.reader()?, id)
    }

    /// The one record whose id starts with `prefix`.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] or [`LedgerError::Ambiguous`].
    pub fn execution_by_prefix(&self, prefix: &IdPrefix) -> Result<ExecutionRow, LedgerError> {
        get(self.reader()?, codec::by_prefix(self.reader()?, IDS, prefix)?)
    }

    /// The runs of a skill that can be repeated, oldest first: those that succeeded, and those
    /// that failed by what the skill itself did.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn runs_to_replay(&self, name: &SkillName) -> Result<Vec<ExecutionId>, LedgerError> {
        let mut statement = self.reader()?.prepare(TO_REPLAY)?;
        Ok(statement.query_map([name], |row| row.get(0))?.collect::<Result<_, _>>()?)
    }

    /// The runs whose files a commit holds, in their order.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn runs_of(&self, id: CommitId) -> Result<Vec<ExecutionRow>, LedgerError> {
        let sql = format!("{SELECT} WHERE e.commit_id = ?1 ORDER BY e.rowid");
        Ok(self.reader()?.prepare(&sql)?.query_map([id], from_row)?.collect::<Result<_, _>>()?)
    }

    /// How many runs there were, and how many of them failed.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn count_executions(&self) -> Result<(u64, u64), LedgerError> {
        // Each count reads an index alone, and not a million records.
        let sql = "SELECT (SELECT count(*) FROM executions), (SELECT count(*) FROM executions WHERE success = 0)";
        Ok(self.reader()?.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }
}
