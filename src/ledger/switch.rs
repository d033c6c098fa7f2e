//! The kill switch: its turns, whether what is at work may go on, and what may be recorded of it.
//!
//! A stop must also work when the ledger cannot be written: another process holds it, the disk is full. So a mark beside the
//! ledger, a file with who and why, comes first and goes when the turn is recorded; as long as it is there, everything is stopped.
//!
//! Guarantees: the newest turn holds; what cannot be read counts as stopped; work that started before a stop is over by
//! it, also when the switch was turned back at once. Deliberately never: forgets a turn.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, params, types::Type};

use super::stop_mark::{MARK, StopMark};
use super::{Ledger, LedgerError};
use crate::model::{
    id::ProposalId,
    lifecycle::ProposalStatus,
    switch::{Halt, Revoked, Stopped, Switch, SwitchEvent, SwitchState, Watch, WatchSource},
    time::Timestamp,
};

/// How long a look waits for another process. Less than a stop may take.
const PATIENCE: Duration = Duration::from_millis(100);

const COLUMNS: &str = "number, position, turned_by, why, created_at";

/// What authorizes work: the newest event of the switch when the work began, and for a run the trust in its revision.
///
/// It is only a statement about the past. [`Ledger::check_authorization`] says whether it still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunAuthorization {
    switch_number: u64,
    revision: Option<ProposalId>,
}

impl RunAuthorization {
    /// The same authorization, for the run of a revision: it ends with the trust in that revision too.
    pub fn for_revision(self, revision: ProposalId) -> Self {
        Self { revision: Some(revision), ..self }
    }
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<SwitchEvent> {
    let position = match row.get_ref("position")?.as_str()? {
        "RUNNING" => SwitchState::Running,
        "STOPPED" => SwitchState::Stopped,
        other => return Err(rusqlite::Error::FromSqlConversionFailure(1, Type::Text, other.to_owned().into())),
    };
    Ok(SwitchEvent {
        number: row.get("number")?,
        position,
        by: row.get("turned_by")?,
        why: row.get("why")?,
        at: row.get("created_at")?,
    })
}

const NEWEST: &str =
    "SELECT number, position, turned_by, why, created_at FROM switch_turns ORDER BY number DESC LIMIT 1";

fn newest(conn: &Connection) -> rusqlite::Result<Option<SwitchEvent>> {
    // Every run asks, and so does every record.
    conn.prepare_cached(NEWEST)?.query_row([], from_row).optional()
}

fn read(conn: &Connection) -> Switch {
    // The mark is checked before the row: it exists exactly when the row could not be written, and
    // then the row still says RUNNING.
    if let Some(reason) = StopMark::of(conn).and_then(|mark| mark.reason()) {
        return Switch::Stopped(Stopped::Unreadable(reason));
    }
    match newest(conn) {
        Ok(Some(event)) if event.position == SwitchState::Running => Switch::Running(event),
        Ok(Some(event)) => Switch::Stopped(Stopped::By(event)),
        // The migration inserts the first event, so a ledger without one was edited.
        Ok(None) => Switch::Stopped(Stopped::Unreadable("the ledger has no turn of it".to_owned())),
        Err(error) => Switch::Stopped(unreadable(&error)),
    }
}

fn unreadable(error: &rusqlite::Error) -> Stopped {
    Stopped::Unreadable(error.to_string())
}

/// The stop that came after the authorization, although the switch may be at RUNNING again.
fn stop_since(conn: &Connection, authorization: RunAuthorization) -> Stopped {
    let sql = format!(
        "SELECT {COLUMNS} FROM switch_turns WHERE number > ?1 AND position = 'STOPPED' ORDER BY number LIMIT 1"
    );
    // A RUNNING row with another number needs a stop between the two. If that row is missing, rows
    // were removed, which counts as stopped.
    match conn.query_row(&sql, [authorization.switch_number], from_row).optional() {
        Ok(Some(event)) => Stopped::By(event),
        Ok(None) => Stopped::Unreadable("turns of it are missing".to_owned()),
        Err(error) => unreadable(&error),
    }
}

/// Whether the authorization of some work still holds.
pub(super) fn check_authorization(conn: &Connection, authorization: RunAuthorization) -> Result<(), Halt> {
    match read(conn) {
        // The number, not the state: a stop ends all work that began before it, even when `resume`
        // came at once.
        Switch::Running(event) if event.number == authorization.switch_number => {}
        Switch::Running(_) => return Err(stop_since(conn, authorization).into()),
        Switch::Stopped(stopped) => return Err(stopped.into()),
    }
    // The switch is checked first, so that a stop is reported as a stop and not as a revocation.
    let Some(revision) = authorization.revision else { return Ok(()) };
    let sql = "SELECT status FROM skill_proposals WHERE id = ?1";
    match conn.prepare_cached(sql).and_then(|mut found| found.query_row([revision], |row| row.get(0))) {
        Ok(ProposalStatus::Trusted) => Ok(()),
        // SUPERSEDED ends a run as well: after a promotion or a rollback another revision is the
        // trusted one.
        Ok(status) => Err(Revoked { status }.into()),
        Err(error) => Err(unreadable(&error).into()),
    }
}

impl Ledger {
    /// What the switch says.
    pub fn switch(&self) -> Switch {
        read(&self.conn)
    }

    /// Authorizes the start of some work, as the switch is now.
    ///
    /// # Errors
    /// [`Stopped`] when nothing may run.
    pub fn authorize(&self) -> Result<RunAuthorization, Stopped> {
        match self.switch() {
            Switch::Running(event) => Ok(RunAuthorization { switch_number: event.number, revision: None }),
            Switch::Stopped(stopped) => Err(stopped),
        }
    }

    /// Every turn of the switch, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when one of them cannot be read.
    pub fn switch_turns(&self) -> Result<Vec<SwitchEvent>, LedgerError> {
        let mut statement = self.conn.prepare(&format!("SELECT {COLUMNS} FROM switch_turns ORDER BY number"))?;
        Ok(statement.query_map([], from_row)?.collect::<Result<_, _>>()?)
    }

    /// Stops the workspace. A workspace that is stopped already is stopped for one more reason.
    ///
    /// # Errors
    /// [`LedgerError::Unrecorded`] when everything is stopped, though the ledger could not take it; another
    /// [`LedgerError`] when not even that could be done.
    pub fn stop(&self, by: &str, why: &str, at: Timestamp) -> Result<SwitchEvent, LedgerError> {
        // Before the row: from here on everything is stopped, even if the ledger stays locked for
        // ten seconds.
        let mark = StopMark::of(&self.conn);
        let put = mark.as_ref().and_then(|mark| Some((mark, mark.put(by, why)?)));
        match (self.event(SwitchState::Stopped, by, Some(why), at), put) {
            (Ok(event), put) => {
                // What is recorded needs no mark; one that cannot be removed stops no less. A mark that
                // another stop made meanwhile is not ours to remove.
                put.map_or(Ok(()), |(mark, own)| mark.remove(own)).unwrap_or_default();
                Ok(event)
            }
            (Err(error), Some((mark, _))) => {
                // The mark stays. It is the only thing that still stops the workspace, so one that is
                // gone is made again.
                match mark.id() {
                    Ok(None) if mark.put(by, why).is_none() => Err(error),
                    _ => Err(LedgerError::Unrecorded(Box::new(error))),
                }
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Lets things run again, also when the switch could not be read.
    ///
    /// # Errors
    /// [`LedgerError::NotStopped`] when nothing was stopped; [`LedgerError::StoppedAgain`] when another stop came at the
    /// same time, which still holds.
    pub fn resume(&self, by: &str, at: Timestamp) -> Result<SwitchEvent, LedgerError> {
        let unremovable = |error: std::io::Error| match error.kind() {
            // Nothing is broken: the mark stays, and so does the stop.
            ErrorKind::WouldBlock => LedgerError::Busy(format!("the folder of `{MARK}` is locked")),
            _ => LedgerError::Damaged(format!("`{MARK}`: {error}")),
        };
        let mark = StopMark::of(&self.conn);
        // Before the row, which can wait for the ledger: the person who resumes knows of no mark
        // that is made later.
        let seen = mark.as_ref().map_or(Ok(None), StopMark::id).map_err(unremovable)?;
        // The row comes before the removal. In the other order a failed write would leave no mark
        // and no stop of record, and everything would run again without a decision.
        let event = self.event(SwitchState::Running, by, None, at)?;
        let Some(mark) = mark else { return Ok(event) };
        seen.map_or(Ok(()), |seen| mark.remove(seen)).map_err(unremovable)?;
        match mark.id() {
            Ok(None) => Ok(event),
            Ok(Some(_)) => Err(LedgerError::StoppedAgain),
            Err(error) => Err(unremovable(error)),
        }
    }

    fn event(&self, to: SwitchState, by: &str, why: Option<&str>, at: Timestamp) -> Result<SwitchEvent, LedgerError> {
        self.write(|tx| {
            // Checked under the write lock, so that two `resume` at once cannot both be recorded. A
            // second stop is allowed: its reason is worth keeping.
            if to == SwitchState::Running && matches!(read(tx), Switch::Running(_)) {
                return Err(LedgerError::NotStopped);
            }
            tx.change(
                "INSERT INTO switch_turns (number, position, turned_by, why, created_at)
                 VALUES ((SELECT coalesce(max(number), 0) + 1 FROM switch_turns), ?1, ?2, ?3, ?4)",
                params![to.as_str(), by, why, at],
            )?;
            newest(tx)?.ok_or_else(|| LedgerError::Damaged("a turn of the switch was not kept".to_owned()))
        })
    }

    /// Whether the authorization of some work still holds, over the connection that is open.
    ///
    /// # Errors
    /// [`Halt`] when it must end.
    pub fn check_authorization(&self, authorization: RunAuthorization) -> Result<(), Halt> {
        check_authorization(&self.conn, authorization)
    }

    /// Watches whether the authorization of some work holds, from any thread.
    pub fn watch(&self, authorization: RunAuthorization) -> LedgerWatch {
        let path = self.conn.path().unwrap_or_default().into();
        LedgerWatch { path, authorization, halted: OnceLock::new() }
    }

    /// Gives each piece of work that begins later a watch of its own, from any thread.
    pub fn watch_source(&self) -> LedgerWatchSource {
        LedgerWatchSource(self.conn.path().unwrap_or_default().into())
    }
}

/// Opens the ledger's file for one look at it.
fn open_for_a_look(path: &Path) -> Result<Connection, Stopped> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    // A connection that stays open keeps reading the old file after another was renamed over it.
    let opened = Connection::open_with_flags(path, flags);
    // The watch runs beside a guest. A long wait here would delay the stop by as much.
    let conn = opened.and_then(|conn| conn.busy_timeout(PATIENCE).map(|()| conn));
    conn.map_err(|error| unreadable(&error))
}

/// Authorizes each piece of work when it begins: a process that stays may outlive a stop and its end.
#[derive(Debug)]
pub struct LedgerWatchSource(PathBuf);

impl WatchSource for LedgerWatchSource {
    fn begin(&self) -> Result<Arc<dyn Watch + Send>, Halt> {
        match read(&open_for_a_look(&self.0)?) {
            Switch::Running(event) => {
                let authorization = RunAuthorization { switch_number: event.number, revision: None };
                Ok(Arc::new(LedgerWatch { path: self.0.clone(), authorization, halted: OnceLock::new() }))
            }
            Switch::Stopped(stopped) => Err(stopped.into()),
        }
    }
}

/// Looks into the ledger's file afresh each time, so that a file that was changed, damaged, replaced or removed behind
/// SQLite's back is noticed as well.
#[derive(Debug)]
pub struct LedgerWatch {
    path: PathBuf,
    authorization: RunAuthorization,
    halted: OnceLock<Halt>,
}

impl LedgerWatch {
    fn look_now(&self) -> Result<(), Halt> {
        check_authorization(&open_for_a_look(&self.path)?, self.authorization)
    }
}

impl Watch for LedgerWatch {
    fn look(&self) -> Result<(), Halt> {
        // A halt is final for this work. A later look must not find the switch at RUNNING again and
        // change the reason.
        if let Some(halt) = self.halted.get() {
            return Err(halt.clone());
        }
        self.look_now().inspect_err(|halt| {
            let _ = self.halted.set(halt.clone());
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Tested = Result<(), Box<dyn std::error::Error>>;

    fn at() -> Timestamp {
        Timestamp::from_millis(0).unwrap_or_else(|_| unreachable!("1970 is a year"))
    }

    fn ledger() -> Result<(tempfile::TempDir, Ledger), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let ledger = Ledger::open(&folder.path().join("ledger.db"), super::super::Create::IfMissing)?;
        Ok((folder, ledger))
    }

    #[test]
    fn turns_are_kept_and_the_newest_holds() -> Tested {
        let (_folder, ledger) = ledger()?;
        assert!(ledger.authorize().is_ok());
        assert!(matches!(ledger.resume("ada", at()), Err(LedgerError::NotStopped)));
        ledger.stop("ada", "it smells", at())?;
        ledger.stop("bob", "it burns", at())?;
        let stopped = ledger.authorize();
        assert!(matches!(&stopped, Err(Stopped::By(event)) if event.by == "bob" && event.number == 3), "{stopped:?}");
        ledger.resume("ada", at())?;
        assert!(ledger.authorize().is_ok());
        let turns = ledger.switch_turns()?;
        assert_eq!(turns.iter().map(|event| event.by.as_str()).collect::<Vec<_>>(), ["kavi", "ada", "bob", "ada"]);
        Ok(())
    }

    #[test]
    fn work_that_began_before_a_stop_is_over_also_when_it_was_resumed_at_once() -> Tested {
        let (_folder, ledger) = ledger()?;
        let authorization = ledger.authorize()?;
        let watch = ledger.watch(authorization);
        assert_eq!(watch.look(), Ok(()));
        ledger.stop("ada", "it smells", at())?;
        ledger.resume("ada", at())?;
        let halted = watch.look();
        assert!(matches!(&halted, Err(Halt::Stopped(Stopped::By(event))) if event.number == 2), "{halted:?}");
        assert_eq!(watch.look(), halted);
        assert_eq!(ledger.watch(ledger.authorize()?).look(), Ok(()));
        Ok(())
    }

    #[test]
    fn a_stop_holds_although_another_process_holds_the_ledger() -> Tested {
        let (folder, ledger) = ledger()?;
        ledger.conn.busy_timeout(Duration::ZERO)?;
        let watch = ledger.watch(ledger.authorize()?);
        let other = Connection::open(folder.path().join("ledger.db"))?;
        other.execute_batch("BEGIN IMMEDIATE")?;
        let stopped = ledger.stop("ada", "it smells", at());
        assert!(matches!(&stopped, Err(LedgerError::Unrecorded(_))), "{stopped:?}");
        assert!(ledger.authorize().is_err() && watch.look().is_err());
        other.execute_batch("ROLLBACK")?;
        assert!(ledger.authorize().is_err(), "nobody let it run again");
        ledger.resume("ada", at())?;
        assert!(ledger.authorize().is_ok());
        ledger.stop("ada", "it smells", at())?;
        assert!(!folder.path().join(MARK).exists(), "what is recorded needs no mark");
        Ok(())
    }

    type Meanwhile = Box<dyn FnOnce()>;

    thread_local! {
        static MEANWHILE: std::cell::RefCell<Option<Meanwhile>> = const { std::cell::RefCell::new(None) };
    }

    /// Another process holds the ledger, leaves a mark of its own, and lets go of the ledger while this one waits for it.
    fn another_stop_meanwhile(folder: &std::path::Path, ledger: &mut Ledger) -> Tested {
        let other = Connection::open(folder.join("ledger.db"))?;
        other.execute_batch("BEGIN IMMEDIATE")?;
        let mark = StopMark::of(&other).ok_or("no mark")?;
        let meanwhile: Meanwhile = Box::new(move || {
            assert!(mark.put("bob", "it burns").is_some());
            assert!(other.execute_batch("ROLLBACK").is_ok());
        });
        MEANWHILE.set(Some(meanwhile));
        ledger.conn.busy_handler(Some(|_| MEANWHILE.take().map(|meanwhile| meanwhile()).is_some()))?;
        Ok(())
    }

    #[test]
    fn a_stop_that_comes_while_another_is_lifted_is_not_lifted() -> Tested {
        for first_is_recorded in [true, false] {
            let (folder, mut ledger) = ledger()?;
            ledger.stop("ada", "it smells", at())?;
            if !first_is_recorded {
                assert!(StopMark::of(&ledger.conn).and_then(|mark| mark.put("ada", "it smells more")).is_some());
            }
            another_stop_meanwhile(folder.path(), &mut ledger)?;
            let resumed = ledger.resume("ada", at());
            assert!(matches!(&resumed, Err(LedgerError::StoppedAgain)), "{resumed:?}");
            let stopped = ledger.authorize();
            assert!(matches!(&stopped, Err(Stopped::Unreadable(why)) if why.contains("it burns")), "{stopped:?}");
            ledger.resume("ada", at())?;
            assert!(ledger.authorize().is_ok());
        }
        Ok(())
    }

    #[test]
    fn a_stop_that_is_recorded_leaves_the_mark_of_another_one() -> Tested {
        let (folder, mut ledger) = ledger()?;
        another_stop_meanwhile(folder.path(), &mut ledger)?;
        ledger.stop("ada", "it smells", at())?;
        let stopped = ledger.authorize();
        assert!(matches!(&stopped, Err(Stopped::Unreadable(why)) if why.contains("it burns")), "{stopped:?}");
        Ok(())
    }

    #[test]
    fn a_mark_that_went_before_the_ledger_failed_is_made_again() -> Tested {
        let (folder, mut ledger) = ledger()?;
        let other = Connection::open(folder.path().join("ledger.db"))?;
        other.execute_batch("BEGIN IMMEDIATE")?;
        let mark = folder.path().join(MARK);
        MEANWHILE.set(Some(Box::new(move || assert!(std::fs::remove_file(mark).is_ok()))));
        ledger.conn.busy_handler(Some(|_| MEANWHILE.take().map(|meanwhile| meanwhile()).is_some()))?;
        let stopped = ledger.stop("ada", "it smells", at());
        assert!(matches!(&stopped, Err(LedgerError::Unrecorded(_))), "{stopped:?}");
        assert!(ledger.authorize().is_err());
        Ok(())
    }

    /// Each of these is done to a ledger whose switch says RUNNING.
    const UNREADABLE: &[&str] = &[
        "DELETE FROM switch_turns",
        "DROP TABLE switch_turns",
        "PRAGMA ignore_check_constraints = ON; UPDATE switch_turns SET position = 'running'",
        "PRAGMA ignore_check_constraints = ON; UPDATE switch_turns SET position = ''",
        "UPDATE switch_turns SET created_at = 'yesterday'",
        "ALTER TABLE switch_turns RENAME COLUMN position TO place",
        "DROP TABLE switch_turns; CREATE TABLE switch_turns (number, position, turned_by, why, created_at);
         INSERT INTO switch_turns VALUES (1, x'52554e4e494e47ff', 'ada', NULL, '2026-11-20T00:00:00.000Z')",
        "DROP TABLE switch_turns; CREATE TABLE switch_turns (number, position, turned_by, why, created_at);
         INSERT INTO switch_turns VALUES ('one', 'RUNNING', 'ada', NULL, '2026-11-20T00:00:00.000Z')",
    ];

    #[test]
    fn a_switch_that_cannot_be_read_is_a_stop() -> Tested {
        for harm in UNREADABLE {
            let (_folder, ledger) = ledger()?;
            let watch = ledger.watch(ledger.authorize()?);
            ledger.conn.execute_batch(harm)?;
            assert!(matches!(ledger.authorize(), Err(Stopped::Unreadable(_))), "{harm}");
            assert!(matches!(watch.look(), Err(Halt::Stopped(Stopped::Unreadable(_)))), "{harm}");
        }
        Ok(())
    }

    #[test]
    fn a_ledger_that_is_gone_or_no_ledger_any_more_is_a_stop() -> Tested {
        type Harm = fn(&std::path::Path) -> std::io::Result<()>;
        let harms: [Harm; 4] = [
            |path| std::fs::remove_file(path),
            |path| std::fs::rename(path, path.with_extension("old")),
            |path| std::fs::write(path, "not a database at all, but long enough to be one of a hundred bytes or more"),
            |path| std::fs::remove_file(path).and_then(|()| std::os::unix::fs::symlink("/dev/null", path)),
        ];
        for (number, harm) in harms.iter().enumerate() {
            let (folder, ledger) = ledger()?;
            let watch = ledger.watch(ledger.authorize()?);
            assert_eq!(watch.look(), Ok(()));
            // What is still in the log beside the file would be read from there.
            ledger.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
            harm(&folder.path().join("ledger.db"))?;
            assert!(matches!(watch.look(), Err(Halt::Stopped(Stopped::Unreadable(_)))), "harm {number}");
        }
        Ok(())
    }
}
