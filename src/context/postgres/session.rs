//! One connection: the change counter, the three reads, and the rows that a decision adds.
//!
//! Guarantees: the workspace is set in the transaction that reads or writes, and nowhere else. The three reads are of one
//! snapshot and are sent without waiting in between. What the database says about values is not passed on.
//!
//! Deliberately never: uses a connection again after an error, or changes and removes a row but for the mark of the active
//! charter.

use std::collections::BTreeMap;

use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, NoTls, Row, SimpleQueryMessage, Transaction};
use uuid::Uuid;

use super::changes::{self, RowChange};
use super::database_error::unusable;
use super::role_check;
use super::settings::PostgresSettings;
use crate::context::store::GovernanceStoreError;
use crate::model::governance::{CharterRow, GovernanceMark, GovernanceRows, GrantRow};
use crate::model::time::Timestamp;

const SET: &str = "SELECT set_config('app.current_workspace_id', $1, true)";

const CHARTERS: &str = "SELECT version, content_md, content_hash, sections_json, set_by, created_at
     FROM kavi_context.role_charters WHERE workspace_id = $1::uuid AND active ORDER BY version, number";

const POLICY: &str = "SELECT DISTINCT ON (key) key, value_json FROM kavi_context.policy_values
     WHERE workspace_id = $1::uuid ORDER BY key, number DESC";

const GRANTS: &str = "SELECT DISTINCT ON (actor, capability) actor, capability, granted
     FROM kavi_context.capability_grants WHERE workspace_id = $1::uuid ORDER BY actor, capability, number DESC";

/// Two processes that publish at once would give the same number to two rows.
const ALONE: &str = "SELECT pg_advisory_xact_lock(hashtextextended('kavi_context/' || $1, 0))";

const RETIRE: &str = "UPDATE kavi_context.role_charters SET active = false WHERE workspace_id = $1::uuid AND active";

const ADD_CHARTER: &str = "INSERT INTO kavi_context.role_charters
     (workspace_id, number, version, active, content_md, content_hash, sections_json, set_by, created_at)
     SELECT $1::uuid, coalesce(max(number), 0) + 1, $2, true, $3, $4, $5, $6, $7
     FROM kavi_context.role_charters WHERE workspace_id = $1::uuid";

const ADD_POLICY: &str = "INSERT INTO kavi_context.policy_values (workspace_id, number, key, value_json)
     SELECT $1::uuid, coalesce(max(number), 0) + 1, $2, $3 FROM kavi_context.policy_values WHERE workspace_id = $1::uuid";

const ADD_GRANT: &str = "INSERT INTO kavi_context.capability_grants (workspace_id, number, actor, capability, granted)
     SELECT $1::uuid, coalesce(max(number), 0) + 1, $2, $3, $4
     FROM kavi_context.capability_grants WHERE workspace_id = $1::uuid";

type Params<'p> = &'p [(&'p (dyn ToSql + Sync), Type)];

/// An open connection of one workspace.
pub(super) struct StoreSession {
    client: Client,
    workspace: Uuid,
    /// The id as a parameter.
    id: String,
}

fn invalid(what: &str) -> GovernanceStoreError {
    GovernanceStoreError::Unusable(format!("it contains an invalid {what}"))
}

impl StoreSession {
    /// Connects, and refuses a role for which row-level security does not hold.
    pub(super) async fn open(settings: &PostgresSettings) -> Result<Self, GovernanceStoreError> {
        let (client, connection) = settings.config.connect(NoTls).await.map_err(unusable)?;
        // It is driven while a question waits. When it ends, the next question finds the client closed.
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!("the connection to the store ended: {}", unusable(error));
            }
        });
        role_check::check(&client).await?;
        Ok(Self { client, workspace: settings.workspace, id: settings.workspace.to_string() })
    }

    /// One message with all statements, so one round trip. The id is a UUID, so it can be part of the text.
    pub(super) async fn mark(&self) -> Result<GovernanceMark, GovernanceStoreError> {
        let workspace = self.workspace;
        let sql = format!(
            "BEGIN READ ONLY; SELECT set_config('app.current_workspace_id', '{workspace}', true);
             SELECT 'mark', coalesce((SELECT version FROM kavi_context.context_versions
                 WHERE workspace_id = '{workspace}'::uuid), 0),
             coalesce((SELECT value_json FROM kavi_context.policy_values
                 WHERE workspace_id = '{workspace}'::uuid AND key = 'disabled' ORDER BY number DESC LIMIT 1), 'false');
             COMMIT"
        );
        let messages = self.client.simple_query(&sql).await.map_err(unusable)?;
        let row = messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) if row.len() == 3 => Some((row.get(1)?, row.get(2)?)),
            _ => None,
        });
        let (version, disabled) = row.ok_or_else(|| invalid("change counter"))?;
        let counter = version.parse().map_err(|_| invalid("change counter"))?;
        // As in the ledger: a value that is no `false` counts as `true`.
        Ok(GovernanceMark { counter, disabled: disabled != "false" })
    }

    /// The three reads, in one transaction with one snapshot. All statements are sent before the first answer is read.
    pub(super) async fn rows(&self) -> Result<GovernanceRows, GovernanceStoreError> {
        let id: Params<'_> = &[(&self.id, Type::TEXT)];
        let client = &self.client;
        let (_, _, charters, policy, grants, _) = tokio::try_join!(
            biased;
            client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
            client.query_typed(SET, id),
            client.query_typed(CHARTERS, id),
            client.query_typed(POLICY, id),
            client.query_typed(GRANTS, id),
            client.batch_execute("COMMIT"),
        )
        .map_err(unusable)?;
        read(&charters, &policy, &grants)
    }

    /// Adds what is missing, in one transaction that no other process publishes in.
    pub(super) async fn publish(&mut self, wanted: &GovernanceRows) -> Result<(), GovernanceStoreError> {
        let id: Params<'_> = &[(&self.id, Type::TEXT)];
        let tx = self.client.transaction().await.map_err(unusable)?;
        tx.query_typed(SET, id).await.map_err(unusable)?;
        tx.query_typed(ALONE, id).await.map_err(unusable)?;
        let charters = tx.query_typed(CHARTERS, id).await.map_err(unusable)?;
        let policy = tx.query_typed(POLICY, id).await.map_err(unusable)?;
        let grants = tx.query_typed(GRANTS, id).await.map_err(unusable)?;
        // Rows that cannot be read are replaced like others that differ.
        let theirs = read(&charters, &policy, &grants).ok();
        for change in changes::between(theirs.as_ref(), wanted) {
            apply(&tx, &self.id, &change).await.map_err(unusable)?;
        }
        tx.commit().await.map_err(unusable)
    }
}

async fn apply(tx: &Transaction<'_>, id: &str, change: &RowChange<'_>) -> Result<(), tokio_postgres::Error> {
    match change {
        RowChange::RetireCharters => drop(tx.query_typed(RETIRE, &[(&id, Type::TEXT)]).await?),
        RowChange::Charter(row) => {
            let (version, at) = (i64::try_from(row.version).unwrap_or(i64::MAX), row.created_at.to_string());
            let params: Params<'_> = &[
                (&id, Type::TEXT),
                (&version, Type::INT8),
                (&row.content_md, Type::TEXT),
                (&row.content_hash, Type::TEXT),
                (&row.sections_json, Type::TEXT),
                (&row.set_by, Type::TEXT),
                (&at, Type::TEXT),
            ];
            drop(tx.query_typed(ADD_CHARTER, params).await?);
        }
        RowChange::Policy { key, value } => {
            let params: Params<'_> = &[(&id, Type::TEXT), (key, Type::TEXT), (value, Type::TEXT)];
            drop(tx.query_typed(ADD_POLICY, params).await?);
        }
        RowChange::Grant { actor, capability, granted } => {
            let params: Params<'_> =
                &[(&id, Type::TEXT), (actor, Type::TEXT), (capability, Type::TEXT), (granted, Type::BOOL)];
            drop(tx.query_typed(ADD_GRANT, params).await?);
        }
    }
    Ok(())
}

fn read(charters: &[Row], policy: &[Row], grants: &[Row]) -> Result<GovernanceRows, GovernanceStoreError> {
    let mut values = BTreeMap::new();
    for row in policy {
        let (key, value): (String, Option<String>) = (get(row, 0)?, get(row, 1)?);
        values.extend(value.map(|value| (key, value)));
    }
    let mut entries = Vec::new();
    for row in grants {
        let granted: Option<bool> = get(row, 2)?;
        let (actor, capability) = (get(row, 0)?, get(row, 1)?);
        entries.extend(granted.map(|granted| GrantRow { actor, capability, granted }));
    }
    // The ledger's order. A database sorts by its own collation.
    entries.sort_by(|one, other| (&one.actor, &one.capability).cmp(&(&other.actor, &other.capability)));
    Ok(GovernanceRows {
        charters: charters.iter().map(charter).collect::<Result<_, _>>()?,
        policy: values,
        grants: entries,
        ..GovernanceRows::default()
    })
}

fn charter(row: &Row) -> Result<CharterRow, GovernanceStoreError> {
    let (version, at): (i64, String) = (get(row, 0)?, get(row, 5)?);
    Ok(CharterRow {
        version: u64::try_from(version).map_err(|_| invalid("number of a charter"))?,
        content_md: get(row, 1)?,
        content_hash: get(row, 2)?,
        sections_json: get(row, 3)?,
        set_by: get(row, 4)?,
        created_at: Timestamp::parse(&at).map_err(|_| invalid("time of a charter"))?,
    })
}

fn get<'r, T: tokio_postgres::types::FromSql<'r>>(row: &'r Row, index: usize) -> Result<T, GovernanceStoreError> {
    row.try_get(index).map_err(unusable)
}
