//! Execution records.

use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter, types::Value};

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
        said: codec::maybe_json_column(row, "said_json")?,
    };
    Ok(ExecutionRow { record, effects_state: row.get("effects_state")? })
}

fn get(conn: &Connection, id: ExecutionId) -> Result<ExecutionRow, LedgerError> {
    conn.query_row("SELECT * FROM executions WHERE execution_id = ?1", [id], from_row)
        .optional()?
        .ok_or_else(|| LedgerError::NotFound { what: "execution", key: id.to_string() })
}

/// One step of a run's record, in SQLite's values and ready to be written.
#[derive(Debug)]
pub(super) enum Change {
    /// A new record.
    Insert(Box<[Value; COLUMNS]>),
    /// The record of a run that succeeded, if it still has its footing.
    Success(Box<[Value; COLUMNS]>, Footing),
    /// Every file of this run is in the vault.
    Applied(ExecutionId),
}

/// Values of a row, in the order of [`INSERT`].
const COLUMNS: usize = 19;

const INSERT: &str = "INSERT INTO executions (execution_id, v, parent_execution_id, skill_name, revision, source_hash,
         side_effect_class, input_json, output_json, success, error, clock, seed, effects_json,
         effects_state, started_at, finished_at, second_wall, said_json)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)";

const APPLIED: &str = "UPDATE executions SET effects_state = 'APPLIED' WHERE execution_id = ?1";

/// Every run looks for these: the planner would rather read all records in their order than sort the few that are
/// pending.
const PENDING: &str =
    "SELECT * FROM executions INDEXED BY pending_effects WHERE effects_state = 'PENDING' ORDER BY rowid";

fn row(record: &ExecutionRecord, state: EffectsState) -> Result<[Value; COLUMNS], LedgerError> {
    let text = |value: &dyn ToString| Value::Text(value.to_string());
    let maybe = |value: Option<String>| value.map_or(Value::Null, Value::Text);
    Ok([
        text(&record.execution_id),
        Value::Integer(record.v.into()),
        maybe(record.parent_execution_id.map(|id| id.to_string())),
        text(&record.skill_name),
        Value::Integer(record.revision.into()),
        text(&record.source_hash),
        text(&record.side_effect_class),
        Value::Text(codec::to_json(&record.input_json)?),
        maybe(record.output_json.as_ref().map(codec::to_json).transpose()?),
        Value::Integer(record.success.into()),
        maybe(record.error.clone()),
        text(&record.clock),
        text(&record.seed),
        Value::Text(codec::to_json(&record.effects)?),
        text(&state),
        text(&record.started_at),
        text(&record.finished_at),
        maybe(record.second_wall.map(|wall| wall.to_string())),
        maybe(record.said.as_ref().map(codec::to_json).transpose()?),
    ])
}

impl Change {
    /// The row of a record.
    pub(super) fn insert(record: &ExecutionRecord, state: EffectsState) -> Result<Self, LedgerError> {
        Ok(Self::Insert(Box::new(row(record, state)?)))
    }

    /// The row of a record that counts only as long as the run has its footing.
    pub(super) fn success(
        record: &ExecutionRecord,
        state: EffectsState,
        footing: Footing,
    ) -> Result<Self, LedgerError> {
        Ok(Self::Success(Box::new(row(record, state)?), footing))
    }

    /// Writes it, inside of the caller's transaction.
    pub(super) fn apply(&self, conn: &Connection) -> Result<(), LedgerError> {
        match self {
            Self::Insert(row) => {
                conn.prepare_cached(INSERT)?.execute(params_from_iter(row.iter()))?;
            }
            Self::Success(row, footing) => {
                switch::stands(conn, *footing).map_err(|halt| LedgerError::Halted(Box::new(halt)))?;
                conn.prepare_cached(INSERT)?.execute(params_from_iter(row.iter()))?;
            }
            Self::Applied(id) => {
                if conn.prepare_cached(APPLIED)?.execute([id])? != 1 {
                    return Err(LedgerError::NotFound { what: "execution", key: id.to_string() });
                }
            }
        }
        Ok(())
    }
}

impl Ledger {
    /// Writes a record. `state` is PENDING while its files are still to be moved into the vault.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be written; nothing is recorded then.
    pub fn insert_execution(&self, record: &ExecutionRecord, state: EffectsState) -> Result<(), LedgerError> {
        let change = Change::insert(record, state)?;
        self.write(|tx| change.apply(tx))
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
        let change = Change::success(record, state, footing)?;
        self.write(|tx| change.apply(tx))
    }

    /// Notes that every file of a run is in the vault.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be written, or there is no such run.
    pub fn effects_applied(&self, id: ExecutionId) -> Result<(), LedgerError> {
        self.write(|tx| Change::Applied(id).apply(tx))
    }

    /// The runs whose files may not all be in the vault, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn pending_effects(&self) -> Result<Vec<ExecutionRow>, LedgerError> {
        let mut statement = self.conn.prepare(PENDING)?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pending_runs_are_found_without_reading_the_others() -> Result<(), LedgerError> {
        let ledger = Ledger::in_memory()?;
        assert_eq!(codec::full_scans(&ledger.conn, PENDING)?, [""; 0]);
        let by_order = "SELECT * FROM executions WHERE effects_state = 'PENDING' ORDER BY rowid";
        assert_eq!(codec::full_scans(&ledger.conn, by_order)?, ["SCAN executions"], "the planner has learnt: use it");
        Ok(())
    }
}
