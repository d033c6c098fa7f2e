//! Whether the pages and rows that a decision rests on are whole.
//!
//! A read finds damage only where it looks. A decision about trust looks at few rows, and would be made over a table whose
//! other pages are gone. So a decision has SQLite check every table first that it reads or writes.
//!
//! Guarantees: under the write lock of the decision, every row of these tables and every entry of their indexes was read, and
//! they agree. Deliberately never: repairs anything.

use rusqlite::Connection;

use super::LedgerError;

/// What a promotion, a rollback or a revocation rests on.
pub(super) const OF_TRUST: [&str; 5] =
    ["skill_proposals", "builds", "verifications", "verification_gates", "promotions"];
/// What the approval of held files rests on.
pub(super) const OF_EFFECTS: [&str; 3] = ["skill_proposals", "commits", "switch_turns"];

/// Checks tables and their indexes.
pub(super) fn check(conn: &Connection, tables: &[&str]) -> Result<(), LedgerError> {
    tables.iter().try_for_each(|table| run(conn, &format!("PRAGMA main.integrity_check('{table}')")))
}

/// Checks that the rows of these tables refer to rows that are there.
pub(super) fn check_references(conn: &Connection, tables: &[&str]) -> Result<(), LedgerError> {
    tables.iter().try_for_each(|table| orphans(conn, &format!("PRAGMA main.foreign_key_check('{table}')")))
}

/// The same of every table.
pub(super) fn check_all_references(conn: &Connection) -> Result<(), LedgerError> {
    orphans(conn, "PRAGMA main.foreign_key_check")
}

fn orphans(conn: &Connection, sql: &str) -> Result<(), LedgerError> {
    match conn.prepare(sql)?.exists([])? {
        true => Err(LedgerError::Damaged("a row refers to one that is missing".to_owned())),
        false => Ok(()),
    }
}

/// Checks the whole file.
pub(super) fn check_all(conn: &Connection) -> Result<(), LedgerError> {
    run(conn, "PRAGMA main.integrity_check(1)")
}

fn run(conn: &Connection, sql: &str) -> Result<(), LedgerError> {
    let verdict: String = conn.query_row(sql, [], |row| row.get(0))?;
    if verdict == "ok" { Ok(()) } else { Err(LedgerError::Damaged(verdict)) }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::os::unix::fs::FileExt as _;

    use super::*;
    use crate::ledger::{Create, Deadlines, Decided, Ledger, PromotionRequest};
    use crate::model::{
        digest::Digest,
        id::{CommitId, PromotionId, ProposalId, RandomIds, VerificationId},
        limits::Narrowed,
        name::SkillName,
        time::Timestamp,
    };

    type Tested = Result<(), Box<dyn std::error::Error>>;

    /// A ledger in which one page of a table is zero.
    fn zeroed(table: &str) -> Result<(tempfile::TempDir, Ledger), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("ledger.db");
        let ledger = Ledger::open(&path, Create::IfMissing)?;
        let root: u64 = ledger.conn.query_row(
            "SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = ?1",
            [table],
            |row| row.get(0),
        )?;
        let size: u64 = ledger.conn.pragma_query_value(None, "page_size", |row| row.get(0))?;
        // Everything is in the file itself, and nobody has it open.
        ledger.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        drop(ledger);
        let file = OpenOptions::new().write(true).open(&path)?;
        file.write_all_at(&vec![0; usize::try_from(size)?], (root - 1) * size)?;
        Ok((folder, Ledger::open(&path, Create::Never)?))
    }

    #[test]
    fn no_decision_rests_on_a_damaged_table() -> Tested {
        let at = Timestamp::from_millis(0)?;
        let name = SkillName::parse("tally")?;
        let request =
            || PromotionRequest { id: PromotionId::new(&RandomIds), approved_by: "ada".to_owned(), reason: None, at };
        for table in OF_TRUST {
            let (_folder, ledger) = zeroed(table)?;
            let id = ProposalId::new(&RandomIds);
            let verification = VerificationId::new(&RandomIds);
            let promoted = ledger.promote(id, verification, Digest::of(b""), &Narrowed::default(), &request());
            assert!(matches!(&promoted, Err(LedgerError::Damaged(_))), "{table}: {promoted:?}");
            let rolled_back = ledger.rollback(&name, id, &request());
            assert!(matches!(&rolled_back, Err(LedgerError::Damaged(_))), "{table}: {rolled_back:?}");
            assert!(matches!(ledger.check_fully(), Err(LedgerError::Damaged(_))), "{table}");
            assert!(matches!(ledger.check_decisive(), Err(LedgerError::Damaged(_))), "{table}");
        }
        for table in OF_EFFECTS {
            let (_folder, ledger) = zeroed(table)?;
            let approved =
                ledger.approve_commit(CommitId::new(&RandomIds), Decided { by: "ada", at }, Deadlines::Count, &[]);
            assert!(matches!(&approved, Err(LedgerError::Damaged(_))), "{table}: {approved:?}");
        }
        let sound = Ledger::in_memory()?;
        sound.check_fully()?;
        let promoted = sound.rollback(&name, ProposalId::new(&RandomIds), &request());
        assert!(matches!(&promoted, Err(LedgerError::NotFound { .. })), "{promoted:?}");
        Ok(())
    }
}
