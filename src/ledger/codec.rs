//! Between the model's types and SQLite's text.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};

use super::LedgerError;
use crate::model::{
    artifact::{ArtifactKind, ArtifactPath},
    channel::Channel,
    digest::Digest,
    effect::EffectClass,
    execution::SecondWall,
    guidance::{CodeAttemptState, Fault, GuidanceOrigin, GuidanceStep, ImprovementState, PairResult, UseVerdict},
    id::{ArtifactId, BuildId, CommitId, ExecutionId, PromotionId, ProposalId, ResearchId, VerificationId},
    lifecycle::{
        BuildStatus, BuilderKind, CommitKind, CommitState, Decision, FailureKind, ProposalStatus, Purpose, Verdict,
    },
    name::SkillName,
    run_flips::RunFlip,
    time::Timestamp,
};

macro_rules! as_text {
    ($($name:ty => $parse:expr;)*) => {$(
        impl ToSql for $name {
            fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
                Ok(ToSqlOutput::from(self.to_string()))
            }
        }

        impl FromSql for $name {
            fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
                $parse(value.as_str()?).map_err(FromSqlError::other)
            }
        }
    )*};
}

as_text! {
    ProposalId => ProposalId::parse;
    BuildId => BuildId::parse;
    VerificationId => VerificationId::parse;
    ResearchId => ResearchId::parse;
    PromotionId => PromotionId::parse;
    ArtifactId => ArtifactId::parse;
    CommitId => CommitId::parse;
    ExecutionId => ExecutionId::parse;
    Digest => Digest::parse;
    SkillName => SkillName::parse;
    Timestamp => Timestamp::parse;
    EffectClass => str::parse::<EffectClass>;
    SecondWall => str::parse::<SecondWall>;
    ProposalStatus => str::parse::<ProposalStatus>;
    BuildStatus => str::parse::<BuildStatus>;
    Verdict => str::parse::<Verdict>;
    Decision => str::parse::<Decision>;
    ArtifactKind => str::parse::<ArtifactKind>;
    ArtifactPath => ArtifactPath::parse;
    CommitKind => str::parse::<CommitKind>;
    CommitState => str::parse::<CommitState>;
    Purpose => str::parse::<Purpose>;
    Channel => str::parse::<Channel>;
    FailureKind => str::parse::<FailureKind>;
    BuilderKind => str::parse::<BuilderKind>;
    GuidanceOrigin => str::parse::<GuidanceOrigin>;
    GuidanceStep => str::parse::<GuidanceStep>;
    Fault => str::parse::<Fault>;
    UseVerdict => str::parse::<UseVerdict>;
    ImprovementState => str::parse::<ImprovementState>;
    CodeAttemptState => str::parse::<CodeAttemptState>;
    PairResult => str::parse::<PairResult>;
    RunFlip => str::parse::<RunFlip>;
}

/// JSON text out of a value.
pub(super) fn to_json(value: &impl serde::Serialize) -> Result<String, LedgerError> {
    serde_json::to_string(value).map_err(|error| LedgerError::BadValue(error.to_string()))
}

/// A value out of JSON text in a column.
pub(super) fn json_column<T: serde::de::DeserializeOwned>(row: &rusqlite::Row<'_>, name: &str) -> rusqlite::Result<T> {
    let text: String = row.get(name)?;
    serde_json::from_str(&text)
        // The number of the column is unknown here, and 0 only fills the field.
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Text, Box::new(error)))
}

/// The same for a column that may be null.
pub(super) fn maybe_json_column<T: serde::de::DeserializeOwned>(
    row: &rusqlite::Row<'_>,
    name: &str,
) -> rusqlite::Result<Option<T>> {
    let there = row.get::<_, Option<String>>(name)?.is_some();
    there.then(|| json_column(row, name)).transpose()
}

/// Where ids of one kind are.
#[derive(Debug, Clone, Copy)]
pub(super) struct IdColumn {
    pub(super) table: &'static str,
    pub(super) column: &'static str,
    /// The kind, for messages.
    pub(super) what: &'static str,
}

/// Finds the one id in a column that starts with `prefix`.
pub(super) fn by_prefix<T: FromSql>(
    conn: &rusqlite::Connection,
    ids: IdColumn,
    prefix: &crate::model::id::IdPrefix,
) -> Result<T, LedgerError> {
    let IdColumn { table, column, what } = ids;
    let mut found = conn
        .prepare(&prefix_query(table, column))?
        .query_map([prefix.as_str()], |row| row.get(0))?
        .collect::<Result<Vec<T>, _>>()?;
    match (found.pop(), found.len()) {
        (Some(id), 0) => Ok(id),
        (Some(_), others) => {
            Err(LedgerError::Ambiguous { what, prefix: prefix.as_str().to_owned(), count: others + 1 })
        }
        (None, _) => Err(LedgerError::NotFound { what, key: prefix.as_str().to_owned() }),
    }
}

/// A prefix is hexadecimal digits and hyphens, so that `g` is behind whatever follows it. (GLOB would read the whole index.)
fn prefix_query(table: &str, column: &str) -> String {
    // The limit keeps a prefix of one digit from loading every id only to be refused as ambiguous.
    format!("SELECT {column} FROM {table} WHERE {column} >= ?1 AND {column} < ?1 || 'g' LIMIT 100")
}

/// The steps of a query's plan that read a whole table.
#[cfg(test)]
pub(super) fn full_scans(conn: &rusqlite::Connection, sql: &str) -> Result<Vec<String>, LedgerError> {
    let mut statement = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
    let steps = statement.raw_query().mapped(|row| row.get::<_, String>("detail")).collect::<Result<Vec<_>, _>>()?;
    let whole = |step: &String| step.starts_with("SCAN") && !step.contains("USING INDEX");
    Ok(steps.into_iter().filter(whole).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Ledger;

    #[test]
    fn a_prefix_is_looked_up_without_reading_every_id() -> Result<(), LedgerError> {
        let ledger = Ledger::in_memory()?;
        for (table, column) in [("skill_proposals", "id"), ("builds", "id"), ("executions", "execution_id")] {
            assert_eq!(full_scans(&ledger.conn, &prefix_query(table, column))?, [""; 0]);
        }
        Ok(())
    }
}
