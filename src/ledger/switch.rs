//! The kill switch: its turns, whether what is at work may go on, and what may be recorded of it.
//!
//! A stop must also work when the ledger cannot be written: another process holds it, the disk is full. So a mark beside the
//! ledger, a file with who and why, comes first and goes when the turn is recorded; as long as it is there, everything is stopped.
//!
//! Guarantees: the newest turn holds, and what cannot be read counts as stopped. Work that started before a stop is
//! over by it, also when the switch was turned back at once. Deliberately never: forgets a turn.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, types::Type};

use super::events::{self, NewEvent, state::StateKey};
use super::stop_mark::{MARK, StopMark};
use super::write_transaction::write_decision;
use super::{Allowance, Decided, Ledger, LedgerError, governance, reserve, schema_check, storage};
use crate::history::event::EventKind;
use crate::model::{
    id::ProposalId,
    lifecycle::ProposalStatus,
    switch::{AgentsDisabled, Halt, Revoked, Stopped, Switch, SwitchEvent, SwitchState, Watch, WatchSource},
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
    unattended: bool,
    allowance: Option<Allowance>,
}

impl RunAuthorization {
    /// The authorization of work that begins under this event of the switch.
    pub fn under_event(switch_number: u64) -> Self {
        Self { switch_number, revision: None, unattended: false, allowance: None }
    }

    /// The event of the switch under which the work began.
    pub fn switch_number(self) -> u64 {
        self.switch_number
    }

    /// The revision that runs, if it is a run.
    pub fn revision(self) -> Option<ProposalId> {
        self.revision
    }

    /// The same authorization, for the run of a revision: it ends with the trust in that revision too.
    pub fn for_revision(self, revision: ProposalId) -> Self {
        Self { revision: Some(revision), ..self }
    }

    /// The same authorization, for work of an agent: it also ends when the agents of the workspace are stopped.
    pub fn for_agent(self) -> Self {
        Self { unattended: true, ..self }
    }

    /// The same authorization, for work that uses one of a limited number: its record is written only while one is left.
    pub fn using(self, allowance: Option<Allowance>) -> Self {
        Self { allowance, ..self }
    }

    /// What its record uses.
    pub fn allowance(self) -> Option<Allowance> {
        self.allowance
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

const NEXT: &str = "SELECT coalesce(max(number), 0) + 1 FROM switch_turns";

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
        Err(error) => Switch::Stopped(unreadable(error)),
    }
}

/// In the words of the ledger: SQLite's own would say "database is locked".
fn unreadable(error: rusqlite::Error) -> Stopped {
    Stopped::Unreadable(LedgerError::from(error).to_string())
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
        Err(error) => unreadable(error),
    }
}

/// Whether a failure can come from a full disk. SQLite says "disk I/O error" when it has no room for its index.
fn may_lack_room(error: &LedgerError) -> bool {
    matches!(error, LedgerError::Full | LedgerError::Disk(_) | LedgerError::Sqlite(_))
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
    if authorization.unattended && governance::is_disabled(conn).map_err(|error| Halt::from(unreadable(error)))? {
        return Err(AgentsDisabled.into());
    }
    // The switch is checked first, so that a stop is reported as a stop and not as a revocation.
    let Some(revision) = authorization.revision else { return Ok(()) };
    let sql = "SELECT status FROM skill_proposals WHERE id = ?1";
    match conn.prepare_cached(sql).and_then(|mut found| found.query_row([revision], |row| row.get(0))) {
        Ok(ProposalStatus::Trusted) => Ok(()),
        // SUPERSEDED ends a run as well: after a promotion or a rollback another revision is the
        // trusted one.
        Ok(status) => Err(Revoked { status }.into()),
        Err(error) => Err(unreadable(error).into()),
    }
}

impl Ledger {
    /// What the switch says.
    pub fn switch(&self) -> Switch {
        self.reader().map_or_else(|error| Switch::Stopped(Stopped::Unreadable(error.to_string())), read)
    }

    /// Authorizes the start of some work, as the switch is now.
    ///
    /// # Errors
    /// [`Stopped`] when nothing may run.
    pub fn authorize(&self) -> Result<RunAuthorization, Stopped> {
        match self.switch() {
            Switch::Running(event) => Ok(RunAuthorization::under_event(event.number)),
            Switch::Stopped(stopped) => Err(stopped),
        }
    }

    /// Every turn of the switch, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when one of them cannot be read.
    pub fn switch_turns(&self) -> Result<Vec<SwitchEvent>, LedgerError> {
        let mut statement = self.reader()?.prepare(&format!("SELECT {COLUMNS} FROM switch_turns ORDER BY number"))?;
        Ok(statement.query_map([], from_row)?.collect::<Result<_, _>>()?)
    }

    /// Stops the workspace of the ledger at `path`, which need not be readable: the mark comes first, then the record of it, in
    /// the ledger that `anchored` gives.
    ///
    /// # Errors
    /// As for [`Ledger::stop`].
    pub fn stop_at(
        path: &Path,
        anchored: impl Fn(Self) -> Result<Self, LedgerError>,
        decided: Decided<'_>,
        why: &str,
    ) -> Result<SwitchEvent, LedgerError> {
        let marked = StopMark::beside(path).put(decided.by, why);
        let open = || Self::open(path, super::Create::Never).and_then(&anchored);
        let opened =
            open().or_else(|error| if may_lack_room(&error) && reserve::release(path) { open() } else { Err(error) });
        match (opened, marked) {
            (Ok(ledger), _) => ledger.stop(decided.by, why, decided.at),
            (Err(error), Some(_)) => Err(LedgerError::Unrecorded(Box::new(error))),
            (Err(error), None) => Err(error),
        }
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
        let record = || self.event(SwitchState::Stopped, by, Some(why), at);
        let recorded = record().or_else(|error| {
            let has_room = || self.conn.path().is_some_and(|path| reserve::release(Path::new(path)));
            if may_lack_room(&error) && has_room() { record() } else { Err(error) }
        });
        match (recorded, put) {
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
    /// same time, which still holds; [`LedgerError::NotApproved`] without a signature where one is needed.
    pub fn resume(&self, by: &str, at: Timestamp) -> Result<SwitchEvent, LedgerError> {
        let unremovable = |error: std::io::Error| match error.kind() {
            // Nothing is broken: the mark stays, and so does the stop.
            ErrorKind::WouldBlock => LedgerError::Busy,
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
        // A stop never needs a signature. Only an event that may need one is asked for here.
        write_decision(self, |tx| {
            // Checked under the write lock, so that two `resume` at once cannot both be recorded. A
            // second stop is allowed: its reason is worth keeping.
            if to == SwitchState::Running && matches!(read(tx), Switch::Running(_)) {
                return Err(LedgerError::NotStopped);
            }
            let number: u64 = tx.query_row(NEXT, [], |row| row.get(0))?;
            tx.insert(
                "switch_turns",
                &[
                    ("number", &number),
                    ("position", &to.as_str()),
                    ("turned_by", &by),
                    ("why", &why),
                    ("created_at", &at),
                ],
            )?;
            // What holds from now on is what this says, or nothing was written.
            let event = SwitchEvent { number, position: to, by: by.to_owned(), why: why.map(str::to_owned), at };
            if newest(tx)?.as_ref() != Some(&event) {
                return Err(LedgerError::Damaged("the new turn of the switch is not the newest one".to_owned()));
            }
            let kind = match to {
                SwitchState::Stopped => EventKind::Stop,
                SwitchState::Running => EventKind::Resume,
            };
            let new = NewEvent::new(kind, &event.number, at).row("switch_turns", &event.number);
            events::append(tx, &new.changing(StateKey::Switch))?;
            Ok(event)
        })
    }

    /// Whether the authorization of some work still holds, over the connection that is open.
    ///
    /// # Errors
    /// [`Halt`] when it must end.
    pub fn check_authorization(&self, authorization: RunAuthorization) -> Result<(), Halt> {
        let conn = self.reader().map_err(|error| Stopped::Unreadable(error.to_string()))?;
        check_authorization(conn, authorization)
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
    storage::check_files(path).map_err(|error| Stopped::Unreadable(error.to_string()))?;
    // A connection that stays open keeps reading the old file after another was renamed over it.
    let opened = Connection::open_with_flags(path, flags);
    // The watch runs beside a guest. A long wait here would delay the stop by as much.
    let conn = opened.and_then(|conn| conn.busy_timeout(PATIENCE).map(|()| conn));
    let conn = conn.map_err(unreadable)?;
    schema_check::check_now(&conn).map_err(|error| Stopped::Unreadable(error.to_string()))?;
    Ok(conn)
}

/// Authorizes each piece of work when it begins: a process that stays may outlive a stop and its end.
#[derive(Debug)]
pub struct LedgerWatchSource(PathBuf);

impl WatchSource for LedgerWatchSource {
    fn begin(&self) -> Result<Arc<dyn Watch + Send>, Halt> {
        match read(&open_for_a_look(&self.0)?) {
            Switch::Running(event) => {
                let authorization = RunAuthorization::under_event(event.number);
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
#[path = "switch_tests.rs"]
mod tests;
