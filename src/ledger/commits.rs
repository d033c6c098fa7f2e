//! Commits: which files a run, a chain or an undo brings into the vault, and how far that is.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::Decided;
use super::codec::IdColumn;
use super::events::{self, NewEvent, state};
use super::write_transaction::{WriteTransaction, write_decision};
use super::{Ledger, LedgerError, RunAuthorization, allowances, codec, integrity, switch};
use crate::history::event::EventKind;
use crate::model::{
    commit::{Commit, VaultChange},
    id::{CommitId, ExecutionId, IdPrefix},
    lifecycle::{CommitKind, CommitState},
    time::Timestamp,
};

/// Whether deadlines of held commits count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deadlines {
    /// They do.
    Count,
    /// The clock is in doubt, so nothing is known to be too late.
    InDoubt,
}

impl From<Option<Timestamp>> for Deadlines {
    fn from(believed: Option<Timestamp>) -> Self {
        if believed.is_some() { Self::Count } else { Self::InDoubt }
    }
}

/// How the moving of files ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// All of them are in the vault.
    Applied,
    /// None of them is, and why.
    Reverted(String),
    /// None of them is, and a person is to decide again: the file system failed, and the vault did not change.
    Held,
}

pub(super) fn from_row(row: &Row<'_>) -> rusqlite::Result<Commit> {
    Ok(Commit {
        id: row.get("id")?,
        kind: row.get("kind")?,
        state: row.get("state")?,
        changes: codec::json_column(row, "changes_json")?,
        undoes: row.get("undoes")?,
        created_at: row.get("created_at")?,
        expires_at: row.get("expires_at")?,
        decided_by: row.get("decided_by")?,
        decided_at: row.get("decided_at")?,
        why: row.get("why")?,
    })
}

const NEXT_NUMBER: &str = "SELECT coalesce(max(number), 0) + 1 FROM commits";

/// The planner would rather read all commits in their order than sort the few that are pending.
const PENDING: &str = "SELECT * FROM commits INDEXED BY pending_commits WHERE state = 'PENDING' ORDER BY number";

const SEEN: &str = "SELECT coalesce(
         (SELECT min(number) - 1 FROM commits INDEXED BY pending_commits WHERE state = 'PENDING'),
         (SELECT max(number) FROM commits), 0)";

const RECENT: &str = "SELECT number, changes_json FROM commits WHERE number IS NOT NULL ORDER BY number DESC LIMIT ?1";

/// Commits that are looked through for the last one of a file: it was made within one tick of the file system's clock.
const MOST_RECENT: u32 = 256;

/// Adds a commit, inside of the caller's transaction.
pub(super) fn insert(tx: &WriteTransaction<'_>, commit: &Commit) -> Result<(), LedgerError> {
    let number: Option<u64> = match commit.state {
        CommitState::Pending => Some(tx.query_row(NEXT_NUMBER, [], |row| row.get(0))?),
        _ => None,
    };
    tx.insert(
        "commits",
        &[
            ("id", &commit.id),
            ("kind", &commit.kind),
            ("state", &commit.state),
            ("number", &number),
            ("changes_json", &codec::to_json(&commit.changes)?),
            ("undoes", &commit.undoes),
            ("created_at", &commit.created_at),
            ("expires_at", &commit.expires_at),
            ("decided_by", &commit.decided_by),
            ("decided_at", &commit.decided_at),
        ],
    )
}

/// Appends that a commit was recorded, with the runs whose files it holds.
pub(super) fn append_recorded(
    tx: &WriteTransaction<'_>,
    commit: &Commit,
    runs: &[ExecutionId],
) -> Result<(), LedgerError> {
    let kind = match (commit.state, commit.kind) {
        (CommitState::Held, _) => EventKind::Held,
        (_, CommitKind::Undo) => EventKind::Undo,
        _ => EventKind::Commit,
    };
    let event = NewEvent::new(kind, &commit.id, commit.created_at).row("commits", &commit.id);
    events::append(tx, &event.rows("executions", runs))
}

/// Notes how the moving of a commit's files ended, inside of the caller's transaction.
pub(super) fn settle(tx: &WriteTransaction<'_>, id: CommitId, settled: &Settled) -> Result<(), LedgerError> {
    // The state is in the condition: recovery in another process may settle the same commit first,
    // and the second one must fail.
    const END: &str = "UPDATE commits SET state = ?2, why = ?3 WHERE id = ?1 AND state = 'PENDING'";
    // The decision is taken back with the state: the same person, or another one, decides again.
    const HOLD: &str = "UPDATE commits SET state = 'HELD', number = NULL, decided_by = NULL, decided_at = NULL
                        WHERE id = ?1 AND state = 'PENDING' AND expires_at IS NOT NULL";
    let changed = match settled {
        Settled::Applied => tx.change(END, params![id, CommitState::Applied, None::<&str>])?,
        Settled::Reverted(why) => tx.change(END, params![id, CommitState::Reverted, Some(why)])?,
        Settled::Held => tx.change(HOLD, params![id])?,
    };
    if changed != 1 {
        return Err(wrong_state(tx, id, "settle"));
    }
    // Settling asks for no time. The commit's own is the newest that is known of it.
    let at = get(tx, id)?.created_at;
    // What a person decides about again must be signed, like what was held the first time.
    let kind = if matches!(settled, Settled::Held) { EventKind::Held } else { EventKind::Settled };
    events::append(tx, &NewEvent::new(kind, &id, at).row("commits", &id))
}

fn wrong_state(conn: &Connection, id: CommitId, step: &'static str) -> LedgerError {
    match get(conn, id) {
        Ok(found) => LedgerError::WrongState { what: "effect", id: id.short(), found: found.state.to_string(), step },
        Err(error) => error,
    }
}

fn get(conn: &Connection, id: CommitId) -> Result<Commit, LedgerError> {
    conn.prepare_cached("SELECT * FROM commits WHERE id = ?1")?
        .query_row([id], from_row)
        .optional()?
        .ok_or_else(|| LedgerError::NotFound { what: "effect", key: id.to_string() })
}

/// A person decides about a held commit by what its row says, so that must be what its event says.
fn check_held(tx: &WriteTransaction<'_>, id: CommitId) -> Result<(), LedgerError> {
    match get(tx, id)?.state {
        CommitState::Held => state::check_subject(tx, tx.log().anchor(), &id, None),
        _ => Ok(()),
    }
}

fn check_authorizations(conn: &Connection, authorizations: &[RunAuthorization]) -> Result<(), LedgerError> {
    authorizations.iter().try_for_each(|authorization| {
        switch::check_authorization(conn, *authorization).map_err(|halt| LedgerError::Halted(Box::new(halt)))
    })
}

const IDS: IdColumn = IdColumn { table: "commits", column: "id", what: "effect" };

impl Ledger {
    /// Adds the one commit of several runs that are on record already, if the authorization of each still holds.
    ///
    /// # Errors
    /// [`LedgerError::Halted`] when one of the runs may not count any more, [`LedgerError::NotApproved`] for an undo without a
    /// signature where one is needed. Nothing is recorded then.
    pub fn insert_commit(
        &self,
        commit: &Commit,
        runs: &[ExecutionId],
        authorizations: &[RunAuthorization],
    ) -> Result<(), LedgerError> {
        // Of these, only an undo can need a signature.
        write_decision(self, |tx| {
            // Under the write lock. A stop or a revocation is therefore recorded either before this
            // check or after the commit, and never between them.
            check_authorizations(tx, authorizations)?;
            insert(tx, commit)?;
            // A run belongs to one commit at most. A second one would put the same files into the
            // vault twice.
            let sql = "UPDATE executions SET commit_id = ?2 WHERE execution_id = ?1 AND commit_id IS NULL";
            for run in runs {
                if tx.change(sql, params![run, commit.id])? != 1 {
                    return Err(LedgerError::Conflict(format!("run {}", run.short())));
                }
            }
            append_recorded(tx, commit, runs)
        })
    }

    /// Notes how the moving of a commit's files ended. It is on the disk when this returns: the caller then removes the
    /// evidence from which recovery could find it out again.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be written, or no such commit is PENDING.
    pub fn settle(&self, id: CommitId, settled: &Settled) -> Result<(), LedgerError> {
        self.write(|tx| settle(tx, id, settled))
    }

    /// A held commit becomes a PENDING one, by this person's word, if the authorizations of its runs still hold.
    ///
    /// # Errors
    /// [`LedgerError::WrongState`] when it is not held any more, [`LedgerError::Halted`] when it may not count any more.
    pub fn approve_commit(
        &self,
        id: CommitId,
        decided: Decided<'_>,
        deadlines: Deadlines,
        authorizations: &[RunAuthorization],
    ) -> Result<(), LedgerError> {
        write_decision(self, |tx| {
            // Hours can pass while a commit is held. Trust in its skill may have ended in that
            // time.
            integrity::check(tx, &integrity::OF_EFFECTS)?;
            check_authorizations(tx, authorizations)?;
            // Only an approval that is recorded uses up one.
            let used = authorizations.iter().filter_map(|authorization| authorization.allowance());
            used.into_iter().try_for_each(|used| allowances::take(tx, &used))?;
            // The number is given now: it is the order in which commits reach the vault, not the
            // order of the runs. Expiry is compared here as well: a commit becomes EXPIRED only
            // when some process looks.
            check_held(tx, id)?;
            let sql = "UPDATE commits SET state = 'PENDING', decided_by = ?2, decided_at = ?3,
                           number = (SELECT coalesce(max(number), 0) + 1 FROM commits)
                       WHERE id = ?1 AND state = 'HELD' AND (?4 OR expires_at >= ?3)";
            let in_doubt = deadlines == Deadlines::InDoubt;
            if tx.change(sql, params![id, decided.by, decided.at, in_doubt])? != 1 {
                return Err(wrong_state(tx, id, "approve"));
            }
            events::append(tx, &NewEvent::new(EventKind::EffectApproved, &id, decided.at).row("commits", &id))
        })
    }

    /// A held commit will never be: it is REJECTED, or EXPIRED when its deadline had passed.
    ///
    /// # Errors
    /// [`LedgerError::WrongState`] when it is not held any more.
    pub fn reject_commit(
        &self,
        id: CommitId,
        decided: Decided<'_>,
        deadlines: Deadlines,
        why: Option<&str>,
    ) -> Result<(), LedgerError> {
        self.write(|tx| {
            let sql =
                "UPDATE commits SET state = iif(expires_at < ?3 AND NOT ?5, 'EXPIRED', 'REJECTED'), decided_by = ?2,
                           decided_at = ?3, why = ?4
                       WHERE id = ?1 AND state = 'HELD'";
            if tx.change(sql, params![id, decided.by, decided.at, why, deadlines == Deadlines::InDoubt])? != 1 {
                return Err(wrong_state(tx, id, "reject"));
            }
            events::append(tx, &NewEvent::new(EventKind::EffectRejected, &id, decided.at).row("commits", &id))
        })
    }

    /// One commit.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when there is none.
    pub fn commit(&self, id: CommitId) -> Result<Commit, LedgerError> {
        get(self.reader()?, id)
    }

    /// The one commit whose id starts with `prefix`.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] or [`LedgerError::Ambiguous`].
    pub fn commit_by_prefix(&self, prefix: &IdPrefix) -> Result<Commit, LedgerError> {
        get(self.reader()?, codec::by_prefix(self.reader()?, IDS, prefix)?)
    }

    /// The commits that may not all be in the vault, in their order.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn pending_commits(&self) -> Result<Vec<Commit>, LedgerError> {
        Ok(self.reader()?.prepare_cached(PENDING)?.query_map([], from_row)?.collect::<Result<_, _>>()?)
    }

    /// How the row of a commit differs from what the newest event of the history about it says. `None` when it does not.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn commit_difference(&self, id: CommitId) -> Result<Option<String>, LedgerError> {
        match state::check_commit(self.reader()?, &id) {
            Err(LedgerError::Tampered(why)) => Ok(Some(why)),
            checked => checked.map(|()| None),
        }
    }

    /// The commits that wait for a person or have waited too long, oldest first. [`Commit::as_of`] tells the two apart.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn held_commits(&self) -> Result<Vec<Commit>, LedgerError> {
        let sql = "SELECT * FROM commits WHERE state = 'HELD' ORDER BY rowid";
        Ok(self.reader()?.prepare(sql)?.query_map([], from_row)?.collect::<Result<_, _>>()?)
    }

    /// The newest commits, whatever became of them, newest first.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn newest_commits(&self, most: u32) -> Result<Vec<Commit>, LedgerError> {
        let sql = "SELECT * FROM commits ORDER BY rowid DESC LIMIT ?1";
        Ok(self.reader()?.prepare(sql)?.query_map([most], from_row)?.collect::<Result<_, _>>()?)
    }

    /// The commit that took `id` back, if one did.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn undo_of(&self, id: CommitId) -> Result<Option<Commit>, LedgerError> {
        // A reverted undo changed nothing in the vault, so the commit can be undone again.
        let sql = "SELECT * FROM commits WHERE undoes = ?1 AND state IN ('PENDING', 'APPLIED')";
        Ok(self.reader()?.query_row(sql, [id], from_row).optional()?)
    }

    /// Whether a commit is of a run that a kavi before schema version 7 recorded: what it replaced is not known.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn was_made_without_a_look(&self, id: CommitId) -> Result<bool, LedgerError> {
        let sql = "SELECT EXISTS (SELECT 1 FROM executions WHERE commit_id = ?1 AND v < 2)";
        Ok(self.reader()?.prepare_cached(sql)?.query_row([id], |row| row.get(0))?)
    }

    /// The number up to which every commit has been settled.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn settled_up_to(&self) -> Result<u64, LedgerError> {
        Ok(self.reader()?.prepare_cached(SEEN)?.query_row([], |row| row.get(0))?)
    }

    /// The newest of the last commits that `fits`, and its number. Looks through a few hundred.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn recent_change(
        &self,
        fits: impl Fn(&VaultChange) -> bool,
    ) -> Result<Option<(u64, VaultChange)>, LedgerError> {
        let mut statement = self.reader()?.prepare_cached(RECENT)?;
        let mut rows = statement.query([MOST_RECENT])?;
        while let Some(row) = rows.next()? {
            let changes: Vec<VaultChange> = codec::json_column(row, "changes_json")?;
            // Rows come newest first, and later ones are not parsed: a commit may list thousands of
            // files.
            if let Some(change) = changes.into_iter().find(&fits) {
                return Ok(Some((row.get("number")?, change)));
            }
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_every_run_looks_for_is_found_without_reading_all_commits() -> Result<(), LedgerError> {
        let ledger = Ledger::in_memory()?;
        assert_eq!(codec::full_scans(&ledger.conn, PENDING)?, [""; 0]);
        let by_order = "SELECT * FROM commits WHERE state = 'PENDING' ORDER BY number";
        assert_eq!(codec::full_scans(&ledger.conn, by_order)?, [""; 0], "the planner has learnt: use it");
        let scans = codec::full_scans(&ledger.conn, SEEN)?;
        let harmless = |scan: &String| scan == "SCAN CONSTANT ROW" || scan.contains("USING");
        assert!(scans.iter().all(harmless), "{scans:?}");
        Ok(())
    }
}
