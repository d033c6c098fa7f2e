//! Execution records.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{Footing, Ledger, LedgerError, codec, switch};
pub use crate::model::lifecycle::EffectsState;
use crate::model::{
    execution::ExecutionRecord,
    id::{ExecutionId, IdPrefix},
};

/// A record and whether its files are in the vault.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecutionRow {
    /// The record.
    pub record: ExecutionRecord,
    /// Whether its files are in the vault.
    pub effects_state: EffectsState,
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<ExecutionRow> {
    let output: Option<String> = row.get("output_json")?;
    let record = ExecutionRecord {
        v: row.get("v")?,
        execution_id: row.get("execution_id")?,
        parent_execution_id: row.get("parent_execution_id")?,
        skill_name: row.get("skill_name")?,
        revision: row.get("revision")?,
        source_hash: row.get("source_hash")?,
        side_effect_class: row.get("side_effect_class")?,
        input_json: codec::json_column(row, "input_json")?,
        output_json: match output {
            Some(_) => Some(codec::json_column(row, "output_json")?),
            None => None,
        },
        success: row.get("success")?,
        error: row.get("error")?,
        clock: row.get("clock")?,
        seed: row.get("seed")?,
        effects: codec::json_column(row, "effects_json")?,
        started_at: row.get("started_at")?,
        finished_at: row.get("finished_at")?,
        second_wall: row.get("second_wall")?,
    };
    Ok(ExecutionRow { record, effects_state: row.get("effects_state")? })
}

fn get(conn: &Connection, id: ExecutionId) -> Result<ExecutionRow, LedgerError> {
    conn.query_row("SELECT * FROM executions WHERE execution_id = ?1", [id], from_row)
        .optional()?
        .ok_or_else(|| LedgerError::NotFound { what: "execution", key: id.to_string() })
}

fn insert(conn: &Connection, record: &ExecutionRecord, state: EffectsState) -> Result<(), LedgerError> {
    let output = record.output_json.as_ref().map(codec::to_json).transpose()?;
    conn.execute(
        "INSERT INTO executions (execution_id, v, parent_execution_id, skill_name, revision, source_hash,
             side_effect_class, input_json, output_json, success, error, clock, seed, effects_json,
             effects_state, started_at, finished_at, second_wall)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)",
        params![
            record.execution_id,
            record.v,
            record.parent_execution_id,
            record.skill_name,
            record.revision,
            record.source_hash,
            record.side_effect_class,
            codec::to_json(&record.input_json)?,
            output,
            record.success,
            record.error,
            record.clock,
            record.seed,
            codec::to_json(&record.effects)?,
            state,
            record.started_at,
            record.finished_at,
            record.second_wall,
        ],
    )?;
    Ok(())
}

impl Ledger {
    /// Writes a record. `state` is PENDING while its files are still to be moved into the vault.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be written; nothing is recorded then.
    pub fn insert_execution(&self, record: &ExecutionRecord, state: EffectsState) -> Result<(), LedgerError> {
        self.write(|tx| insert(tx, record, state))
    }

    /// The same for a run that succeeded, if by then it still had its footing: a stop or a revocation and the record
    /// of the run come one after the other, never both at once.
    ///
    /// # Errors
    /// [`LedgerError::Halted`] when the run may not count any more; nothing is recorded then.
    pub fn insert_success(
        &self,
        record: &ExecutionRecord,
        state: EffectsState,
        footing: Footing,
    ) -> Result<(), LedgerError> {
        self.write(|tx| {
            switch::stands(tx, footing).map_err(|halt| LedgerError::Halted(Box::new(halt)))?;
            insert(tx, record, state)
        })
    }

    /// Notes that every file of a run is in the vault.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be written.
    pub fn effects_applied(&self, id: ExecutionId) -> Result<(), LedgerError> {
        self.write(|tx| {
            tx.execute("UPDATE executions SET effects_state = 'APPLIED' WHERE execution_id = ?1", [id])?;
            Ok(())
        })
    }

    /// The runs whose files may not all be in the vault, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn pending_effects(&self) -> Result<Vec<ExecutionRow>, LedgerError> {
        let mut statement =
            self.conn.prepare("SELECT * FROM executions WHERE effects_state = 'PENDING' ORDER BY rowid")?;
        Ok(statement.query_map([], from_row)?.collect::<Result<_, _>>()?)
    }

    /// One record.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when there is none.
    pub fn execution(&self, id: ExecutionId) -> Result<ExecutionRow, LedgerError> {
        get(&self.conn, id)
    }

    /// The one record whose id starts with `prefix`.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] or [`LedgerError::Ambiguous`].
    pub fn execution_by_prefix(&self, prefix: &IdPrefix) -> Result<ExecutionRow, LedgerError> {
        get(&self.conn, codec::by_prefix(&self.conn, ("executions", "execution_id"), "execution", prefix)?)
    }

    /// How many runs there were, and how many of them failed.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn count_executions(&self) -> Result<(u64, u64), LedgerError> {
        let sql = "SELECT count(*), coalesce(sum(NOT success), 0) FROM executions";
        Ok(self.conn.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)))?)
    }
}
