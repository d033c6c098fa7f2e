//! Whether row-level security holds for the role that Kavi logged in as.
//!
//! A superuser, a role that bypasses row-level security and the owner of a table without FORCE see all workspaces. Nothing says
//! so afterwards, so it is found out before the first read.
//!
//! Guarantees: a role or table with more rights than the schema gives is refused. Deliberately never: gives a right back.

use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row};

use super::database_error::unusable;
use crate::context::store::GovernanceStoreError;

/// The tables of the schema.
const TABLES: [&str; 4] = ["role_charters", "policy_values", "capability_grants", "context_versions"];

/// A role that may be taken on with SET ROLE counts as the role itself.
const ROLE: &str = "SELECT current_user = session_user,
     EXISTS (SELECT FROM pg_roles AS r
         WHERE (r.rolsuper OR r.rolbypassrls) AND pg_has_role(session_user, r.oid, 'MEMBER'))";

const TABLE: &str = "SELECT w.name, c.oid IS NOT NULL AS present,
     coalesce(c.relrowsecurity AND c.relforcerowsecurity, false) AS forced,
     coalesce(o.rolcanlogin, true) AS owner_logs_in,
     coalesce(pg_has_role(session_user, c.relowner, 'MEMBER'), true) AS is_owner,
     coalesce(has_table_privilege(session_user, c.oid, 'TRUNCATE, DELETE, UPDATE'), true) AS rewrites
     FROM unnest($1::text[]) AS w (name)
     LEFT JOIN pg_class AS c ON c.oid = to_regclass('kavi_context.' || w.name)
     LEFT JOIN pg_roles AS o ON o.oid = c.relowner
     ORDER BY w.name";

/// Outside of a workspace no row may be seen, whatever policies there are.
const SEES: &str = "SELECT EXISTS (SELECT FROM kavi_context.role_charters)
     OR EXISTS (SELECT FROM kavi_context.policy_values)
     OR EXISTS (SELECT FROM kavi_context.capability_grants)
     OR EXISTS (SELECT FROM kavi_context.context_versions)";

/// What is asked about one table.
#[derive(Debug, Clone, Copy)]
struct TableFacts<'a> {
    name: &'a str,
    present: bool,
    forced: bool,
    owner_logs_in: bool,
    is_owner: bool,
    rewrites: bool,
}

/// What is wrong with a table, if something is.
fn problem(table: &TableFacts<'_>) -> Option<String> {
    let name = table.name;
    let why = match table {
        TableFacts { present: false, .. } => {
            format!("there is no table kavi_context.{name}; `kavi context schema` prints the SQL that makes it")
        }
        TableFacts { forced: false, .. } => format!("row-level security of {name} is not enabled and forced"),
        TableFacts { is_owner: true, .. } => format!("the login role is the owner of {name}, or may become it"),
        TableFacts { owner_logs_in: true, .. } => format!("the owner of {name} can log in"),
        TableFacts { rewrites: true, .. } => {
            format!("the login role may change or remove rows of {name}; it needs SELECT and INSERT alone")
        }
        _ => return None,
    };
    Some(why)
}

fn table_problem(row: &Row) -> Result<Option<String>, tokio_postgres::Error> {
    Ok(problem(&TableFacts {
        name: row.try_get(0)?,
        present: row.try_get(1)?,
        forced: row.try_get(2)?,
        owner_logs_in: row.try_get(3)?,
        is_owner: row.try_get(4)?,
        rewrites: row.try_get(5)?,
    }))
}

/// Refuses a role or tables for which row-level security does not hold.
///
/// # Errors
/// [`GovernanceStoreError::Unsafe`], and what the database says.
pub(super) async fn check(client: &Client) -> Result<(), GovernanceStoreError> {
    let wrong = |why: String| Err(GovernanceStoreError::Unsafe(why));
    let role = client.query_typed_one(ROLE, &[]).await.map_err(unusable)?;
    let (same, strong): (bool, bool) = (role.get(0), role.get(1));
    if !same {
        return wrong("the session has another role than the one that logged in; log in as the weak role".to_owned());
    }
    if strong {
        let why = "the login role is a superuser or bypasses row-level security, or may become such a role";
        return wrong(why.to_owned());
    }
    let names: Vec<&str> = TABLES.to_vec();
    // A table without forced row-level security shows its owner every workspace, and a superuser
    // ignores it altogether.
    let tables = client.query_typed(TABLE, &[(&names, Type::TEXT_ARRAY)]).await.map_err(unusable)?;
    for row in &tables {
        if let Some(why) = table_problem(row).map_err(unusable)? {
            return wrong(why);
        }
    }
    // The test of all that was asked before: no session names a workspace yet, so no row may be
    // seen.
    let sees = client.query_typed_one(SEES, &[]).await.map_err(unusable)?;
    match sees.get(0) {
        true => wrong("rows are seen without a workspace: a policy of the tables lets too much through".to_owned()),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: TableFacts<'_> =
        TableFacts { name: "t", present: true, forced: true, owner_logs_in: false, is_owner: false, rewrites: false };

    #[test]
    fn each_fact_alone_refuses() {
        assert_eq!(problem(&GOOD), None);
        for (facts, said) in [
            (TableFacts { present: false, ..GOOD }, "no table"),
            (TableFacts { forced: false, ..GOOD }, "not enabled and forced"),
            (TableFacts { owner_logs_in: true, ..GOOD }, "can log in"),
            (TableFacts { is_owner: true, ..GOOD }, "is the owner"),
            (TableFacts { rewrites: true, ..GOOD }, "SELECT and INSERT alone"),
        ] {
            assert!(problem(&facts).is_some_and(|why| why.contains(said)), "{facts:?}");
        }
    }
}
