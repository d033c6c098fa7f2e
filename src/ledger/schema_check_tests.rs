use super::*;
use crate::ledger::{Create, Ledger, PromotionRequest};
use crate::model::{
    id::{PromotionId, RandomIds},
    name::SkillName,
    switch::Watch as _,
    time::Timestamp,
};

type Tested = Result<(), Box<dyn std::error::Error>>;

/// Objects that a person with the file can add. Each would undo a stop, a revocation or a record.
const PLANTED: [(&str, &str, &str); 6] = [
    (
        "trigger",
        "sly",
        "CREATE TRIGGER sly AFTER INSERT ON switch_turns BEGIN DELETE FROM switch_turns WHERE number = new.number; END",
    ),
    (
        "trigger",
        "sqlite_stat_sly",
        "CREATE TRIGGER sqlite_stat_sly AFTER INSERT ON switch_turns BEGIN DELETE FROM switch_turns WHERE number = new.number; END",
    ),
    (
        "trigger",
        "sqlite_stat1",
        "CREATE TRIGGER sqlite_stat1 BEFORE INSERT ON executions BEGIN SELECT RAISE(IGNORE); END",
    ),
    (
        "trigger",
        "sqlite_autoindex_sly",
        "CREATE TRIGGER sqlite_autoindex_sly AFTER UPDATE ON skill_proposals WHEN new.status = 'REVOKED'
         BEGIN UPDATE skill_proposals SET status = 'TRUSTED' WHERE id = new.id; END",
    ),
    ("view", "sqlite_stat_look", "CREATE VIEW sqlite_stat_look AS SELECT 1"),
    ("table", "sqlite_stat9", "CREATE TABLE sqlite_stat9 (a)"),
];

/// Adds an object as an editor of the file would: SQLite itself reserves the names that start with `sqlite_`.
fn plant(conn: &Connection, (kind, name, sql): (&str, &str, &str)) -> rusqlite::Result<()> {
    conn.execute_batch("PRAGMA writable_schema = ON")?;
    let table = if sql.contains("executions") { "executions" } else { "switch_turns" };
    let table = if kind == "trigger" { table } else { name };
    let root = if kind == "table" { "(SELECT max(rootpage) FROM sqlite_schema)" } else { "0" };
    conn.execute(&format!("INSERT INTO sqlite_schema VALUES (?1, ?2, ?3, {root}, ?4)"), [kind, name, table, sql])?;
    let cookie: i64 = conn.query_row("PRAGMA schema_version", [], |row| row.get(0))?;
    conn.execute_batch(&format!("PRAGMA schema_version = {}; PRAGMA writable_schema = OFF", cookie + 1))
}

/// Whether the error names what was planted.
fn names(error: &LedgerError, planted: (&str, &str, &str)) -> bool {
    match error {
        LedgerError::ForeignSchema(what) => what.contains(planted.1),
        // SQLite itself refuses a file in which such a name belongs to anything but an index of its own.
        LedgerError::Damaged(what) => planted.1.starts_with("sqlite_autoindex") && what.contains(planted.1),
        _ => false,
    }
}

fn at() -> Result<Timestamp, Box<dyn std::error::Error>> {
    Ok(Timestamp::from_millis(0)?)
}

#[test]
fn the_schema_digest_is_that_of_the_migrations() -> Tested {
    let mut conn = Connection::open_in_memory()?;
    migrations::bring_up(&mut conn)?;
    assert_eq!(digest(&objects(&conn)?).to_string(), SCHEMA_SHA256, "put the left value into SCHEMA_SHA256");
    Ok(())
}

#[test]
fn an_object_of_another_is_refused_and_named_whatever_its_name() -> Tested {
    for planted in PLANTED {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("ledger.db");
        drop(Ledger::open(&path, Create::IfMissing)?);
        plant(&Connection::open(&path)?, planted)?;
        let refused = Ledger::open(&path, Create::Never);
        assert!(matches!(&refused, Err(error) if names(error, planted)), "{planted:?}: {refused:?}");
    }
    Ok(())
}

#[test]
fn an_object_that_is_added_to_an_open_ledger_is_never_obeyed() -> Tested {
    for planted in PLANTED {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("ledger.db");
        let ledger = Ledger::open(&path, Create::IfMissing)?;
        let watch = ledger.watch(ledger.authorize()?);
        plant(&Connection::open(&path)?, planted)?;
        assert!(ledger.stop("ada", "it smells", at()?).is_err(), "{planted:?}");
        assert!(ledger.authorize().is_err() && watch.look().is_err(), "{planted:?}");
        let request = PromotionRequest {
            id: PromotionId::new(&RandomIds),
            approved_by: "ada".to_owned(),
            reason: None,
            at: at()?,
        };
        let revoked = ledger.revoke(&SkillName::parse("tally")?, None, &request);
        assert!(matches!(&revoked, Err(error) if names(error, planted)), "{planted:?}: {revoked:?}");
        assert!(matches!(&ledger.trusted_ids(), Err(error) if names(error, planted)), "{planted:?}");
        assert!(matches!(&ledger.count_executions(), Err(error) if names(error, planted)), "{planted:?}");
    }
    Ok(())
}

#[test]
fn a_table_that_is_gone_is_named_and_statistics_are_no_object_of_another() -> Tested {
    let ledger = Ledger::in_memory()?;
    ledger.conn.execute_batch("ANALYZE")?;
    assert!(ledger.authorize().is_ok());
    ledger.conn.execute_batch("DROP INDEX executions_by_time")?;
    let refused = ledger.count_executions();
    assert!(
        matches!(&refused, Err(LedgerError::ForeignSchema(what)) if what.contains("executions_by_time")),
        "{refused:?}"
    );
    Ok(())
}

#[test]
fn a_ledger_that_a_newer_kavi_brought_up_meanwhile_says_so() -> Tested {
    let ledger = Ledger::in_memory()?;
    ledger.conn.execute_batch("CREATE TABLE later (a); PRAGMA user_version = 99")?;
    assert!(matches!(ledger.count_executions(), Err(LedgerError::Newer { found: 99, .. })));
    Ok(())
}

#[test]
fn a_row_that_is_not_there_after_it_was_written_is_an_error() -> Tested {
    let ledger = Ledger::in_memory()?;
    // The check of the schema is told that all is well: reading back does not rely on it.
    ledger.conn.execute_batch(
        "CREATE TRIGGER sly AFTER INSERT ON switch_turns BEGIN DELETE FROM switch_turns WHERE number = new.number; END",
    )?;
    ledger.schema.0.set(Some(ledger.conn.query_row("PRAGMA schema_version", [], |row| row.get(0))?));
    let stopped = ledger.stop("ada", "it smells", at()?);
    assert!(matches!(&stopped, Err(LedgerError::Damaged(what)) if what.contains("switch_turns")), "{stopped:?}");
    assert!(ledger.conn.is_autocommit());
    Ok(())
}
