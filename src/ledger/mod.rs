//! The ledger: what was proposed, built, verified, decided and run. The only truth about trust.
//!
//! Guarantees: every change is one `BEGIN IMMEDIATE` transaction, so it is there whole after a crash or not at all. It is on
//! the disk when it returns, except records of runs that changed nothing outside (`durability`). A change of state names the
//! state it starts from, and fails when another process was faster. A file whose schema differs from this version's
//! migrations is refused, also when it is changed while it is open.
//!
//! Deliberately never: reads a file other than the database, decides whether something *should* be trusted, or deletes a
//! row. Old records are the exception: a person's word deletes them, and that word is a row itself ([`Ledger::prune`]).
//!
//! Where to look: every change goes through `write_transaction`, and `group_commit` puts the records of many threads into one
//! of them. `switch` is the kill switch, and `stop_mark` its file. `change_detector` and `trusted_revision` notice what other
//! processes changed. `stores`, `forge_stores` and `improve_stores` have the traits by which others use the ledger.
//! `record_queries` reads records, and `prune` deletes old ones. `durability` has when a commit is on the disk. Each other file
//! is one family of tables.

mod allowances;
mod artifacts;
mod attempts;
mod builds;
mod change_detector;
mod code_attempts;
mod codec;
mod commits;
mod copy;
mod durability;
mod error;
mod events;
mod evidence;
mod executions;
mod forge_stores;
mod governance;
mod group_commit;
mod guidance;
mod guidance_pairs;
mod improve_stores;
mod improvements;
mod integrity;
mod ledger_trait;
mod log_sync;
mod migrations;
mod network_calls;
mod outcome_reports;
mod own_commits;
mod promotions;
mod proposal_origins;
mod proposal_sources;
mod proposals;
mod prune;
mod record_queries;
mod rejections;
mod research;
mod reserve;
mod reverifications;
mod schema_check;
mod shadow_orders;
mod statements;
mod step_back_orders;
mod stop_mark;
mod storage;
mod stores;
mod switch;
mod trust_policies;
mod trusted_revision;
mod unwritten;
mod verifications;
mod write_transaction;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use crate::history::anchor::HistoryAnchor;
use crate::model::{
    commit::Commit, execution::ExecutionRecord, id::CommitId, record_sync::RecordSync, time::Timestamp,
};
use durability::{CommitDurability, WriteAheadLog};
use executions::RecordStep;
use schema_check::SchemaCheck;
use write_transaction::WriteTransaction;

pub use allowances::{Allowance, AllowanceKind};
pub use artifacts::ArtifactRow;
pub use attempts::{Attempt, NewAttempt};
pub use builds::{Build, BuildEnd, NewBuild};
pub use change_detector::ChangeDetector;
pub use code_attempts::{CodeAttempt, CodeAttemptDetails, CodeAttemptStep};
pub use commits::{Deadlines, Settled};
pub use durability::LostRecords;
pub use error::LedgerError;
pub use events::audit::{EventCounts, HistoryAudit};
pub use events::begin::Adoption;
pub use evidence::ReleasedEvidence;
pub use executions::ExecutionRow;
pub use forge_stores::{BuildStore, ForgeStore, PromotionStore, ProposalStore, VerificationStore};
pub use governance::{NewCharter, NewGrant};
pub use group_commit::Recorder;
pub use guidance::{GuidanceDecision, GuidanceRevision, GuidanceRollback, NewGuidance};
pub use guidance_pairs::{GuidancePair, ModelCost};
pub use improve_stores::{GuidanceStore, ImproveStore, ImprovementStore, OutcomeStore, PairStore, StandingOrderStore};
pub use improvements::{Improvement, ImprovementDetails, ImprovementStep};
pub use outcome_reports::{OutcomeOpinion, OutcomeReport};
pub use own_commits::OwnCommits;
pub use promotions::{Promotion, PromotionRequest, PromotionSubject};
pub use proposal_origins::ProposalOrigin;
pub use proposal_sources::{OpenProposal, ProposalSource};
pub use proposals::{NewProposal, Proposal, Trust};
pub use prune::Pruned;
pub use record_queries::{OutcomeFilter, RecordFilter, RecordTail};
pub use rejections::Rejection;
pub use research::{Acknowledgement, Research};
pub use reverifications::Reverification;
pub use shadow_orders::{NewShadowOrder, ShadowOrder, ShadowRun};
pub use statements::SignedEnvelope;
pub use step_back_orders::{NewStepBack, StepBackEnd, StepBackOrder};
pub use stores::{ChangeStore, ExecutionStore, RunStore, TrustStore};
pub use switch::{LedgerWatch, LedgerWatchSource, RunAuthorization};
pub use trust_policies::PolicyChange;
pub use trusted_revision::{DataVersion, TrustedRevision};
pub use verifications::{EarlierDraw, GateRow, Reusable, Verification};

/// How long a writer waits for another process before it gives up.
const BUSY: Duration = Duration::from_secs(10);

/// Longest write-ahead log that stays when the ledger is closed, in bytes. The next process reads all of it.
const MOST_LOG: u64 = 1 << 20;

/// Statements that are kept prepared. A run uses about twenty, and preparing one costs more than running it.
const STATEMENTS: usize = 64;

/// The oldest SQLite without the WAL-reset bug (3.51.3).
const OLDEST_SQLITE: i32 = 3_051_003;

/// An open ledger.
#[derive(Debug)]
pub struct Ledger {
    conn: Connection,
    schema: SchemaCheck,
    access: LedgerAccess,
    commit_mode: CommitDurability,
    /// When records that may wait are on the disk.
    record_sync: RecordSync,
    /// Where checkpoints are signed and kept. A ledger without one appends to its history, and signs nothing.
    anchor: Option<Arc<dyn HistoryAnchor>>,
}

/// What a ledger was opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LedgerAccess {
    /// To be read and written.
    Full,
    /// To be looked at: its folder cannot be written.
    Look,
}

impl Ledger {
    /// Opens the ledger at `path`, creating it when `path` does not exist and `create` says so, and brings its schema up to date.
    ///
    /// # Errors
    /// [`LedgerError`] when the file is missing, is no ledger, is damaged, or was written by a newer Kavi.
    pub fn open(path: &Path, create: Create) -> Result<Self, LedgerError> {
        // The library is linked in, but a build can select the system's copy. That bug can corrupt
        // the file.
        if rusqlite::version_number() < OLDEST_SQLITE {
            return Err(LedgerError::OldSqlite(rusqlite::version().to_owned()));
        }
        // NO_MUTEX: a connection is used by one thread at a time, which its type enforces.
        // NOFOLLOW: a link in the ledger's place would move the decision about trust to a file that
        // somebody else chose.
        let mut flags =
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        match create {
            Create::IfMissing => flags |= OpenFlags::SQLITE_OPEN_CREATE,
            // SQLite would report a missing file as "unable to open", which names no cause and no
            // next step.
            Create::Never if !path.exists() => return Err(LedgerError::Missing(path.to_owned())),
            Create::Never => {}
        }
        storage::check_files(path)?;
        let opened = Connection::open_with_flags(path, flags).map_err(LedgerError::from);
        let ledger =
            opened.and_then(|conn| Self::set_up(conn, create)).map_err(|error| storage::explain(path, error))?;
        reserve::keep(path);
        Ok(ledger)
    }

    /// Opens the ledger at `path` to look at it, also where nothing can be written: on a full disk or a read-only file system.
    ///
    /// # Errors
    /// As for [`Ledger::open`]. Nothing is brought up to date that cannot be written.
    pub fn open_to_look(path: &Path) -> Result<Self, LedgerError> {
        match Self::open(path, Create::Never) {
            // One of these comes when SQLite cannot make its index.
            Err(
                error @ (LedgerError::Full | LedgerError::ReadOnly | LedgerError::Disk(_) | LedgerError::Sqlite(_)),
            ) => Self::open_unwritten(path).map_err(|_| error),
            opened => opened,
        }
    }

    fn open_unwritten(path: &Path) -> Result<Self, LedgerError> {
        let conn = unwritten::open(path)?;
        migrations::check_unwritten(&conn)?;
        let ledger = Self::over(conn, LedgerAccess::Look);
        ledger.reader()?;
        Ok(ledger)
    }

    fn over(conn: Connection, access: LedgerAccess) -> Self {
        let (schema, commit_mode, record_sync) = (SchemaCheck::default(), CommitDurability::full(), RecordSync::Always);
        Self { conn, schema, access, commit_mode, record_sync, anchor: None }
    }

    /// The same, but for when records that may wait are on the disk.
    pub fn with_record_sync(mut self, record_sync: RecordSync) -> Self {
        self.record_sync = record_sync;
        self
    }

    /// Puts every commit so far on the disk, of other processes too.
    ///
    /// # Errors
    /// [`LedgerError::Unsynced`] when the disk does not take it.
    pub fn sync(&self) -> Result<(), LedgerError> {
        WriteAheadLog::of(&self.conn).map_or(Ok(()), |log| log.sync())?;
        self.commit_mode.synced();
        Ok(())
    }

    /// What a power cut may have taken since the last look. Tells it once.
    pub fn lost_records(&self) -> LostRecords {
        WriteAheadLog::of(&self.conn).map_or(LostRecords::None, |log| durability::after_a_crash(&log))
    }

    /// What it was opened for.
    pub fn access(&self) -> LedgerAccess {
        self.access
    }

    /// Another connection to the same file, with the same anchor.
    ///
    /// # Errors
    /// As [`Ledger::open`].
    pub fn reopen(&self) -> Result<Self, LedgerError> {
        let path = self.conn.path().unwrap_or_default();
        let mut other = Self::open(Path::new(path), Create::Never)?.with_record_sync(self.record_sync);
        other.anchor = self.anchor.clone();
        Ok(other)
    }

    /// Its anchor, for another connection to the same file.
    pub fn anchor(&self) -> Option<Arc<dyn HistoryAnchor>> {
        self.anchor.clone()
    }

    /// A ledger in memory, for tests.
    ///
    /// # Errors
    /// [`LedgerError`] when SQLite fails.
    pub fn in_memory() -> Result<Self, LedgerError> {
        Self::set_up(Connection::open_in_memory()?, Create::IfMissing)
    }

    /// Settings that let a file do no more than hold rows.
    fn protect(conn: &Connection) -> Result<(), LedgerError> {
        // Closing the last connection would put the log into the ledger, which waits for the disk twice. The log is
        // as durable as the ledger, and the next command reads it. Before everything that reads the file: a ledger that
        // is refused stays as it was found.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        conn.busy_timeout(BUSY)?;
        conn.set_prepared_statement_cache_capacity(STATEMENTS);
        // A file of another origin can carry triggers and views that run with the reader's rights.
        // These settings come before the first statement that reads the schema.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
        conn.pragma_update(None, "trusted_schema", "OFF")?;
        conn.pragma_update(None, "foreign_keys", "ON")?;
        // Set and not assumed: a build of SQLite can have NORMAL as its default in WAL mode. NORMAL
        // may lose a commit that was already reported.
        conn.pragma_update(None, "synchronous", "FULL")?;
        // Finds damaged pages while they are read, before their contents reach a decision.
        conn.pragma_update(None, "cell_size_check", "ON")?;
        Ok(())
    }

    fn set_up(conn: Connection, create: Create) -> Result<Self, LedgerError> {
        Self::protect(&conn)?;
        let current = migrations::state(&conn)?;
        // To SQLite an empty file is a new database; to Kavi it is a ledger that lost everything.
        if create == Create::Never && current.is_empty() {
            return Err(LedgerError::Damaged("it is empty".to_owned()));
        }
        // Before the journal mode is set: that would already write into another program's file.
        if current.is_foreign() {
            return Err(LedgerError::NotALedger);
        }
        conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        let mut ledger = Self::over(conn, LedgerAccess::Full);
        migrations::bring_up(&mut ledger.conn)?;
        // After the migrations, because their result is what the file must contain. A planted
        // trigger could change trust behind an innocent insert.
        ledger.reader()?;
        ledger.begin_history()?;
        Ok(ledger)
    }

    /// The connection, to read through: on a schema that is Kavi's own.
    fn reader(&self) -> Result<&Connection, LedgerError> {
        self.schema.check(&self.conn)?;
        Ok(&self.conn)
    }

    /// Appends the first event, where there is none.
    fn begin_history(&self) -> Result<(), LedgerError> {
        // A look first: every command opens the ledger, and most of them write nothing.
        let begun = self.conn.query_row("SELECT EXISTS (SELECT 1 FROM history)", [], |row| row.get(0))?;
        if begun { Ok(()) } else { write_transaction::write_unanchored(self, events::begin::begin) }
    }

    /// Adds a record. Where it may wait for the disk, it is there at the latest when the ledger is closed.
    fn write_record(&self, step: &RecordStep) -> Result<(), LedgerError> {
        write_transaction::write_with(self, step.durability(self.record_sync), |tx| step.apply(tx))
    }

    /// Changes the ledger in one transaction, which is on the disk when this returns.
    fn write<T>(&self, work: impl FnOnce(&WriteTransaction<'_>) -> Result<T, LedgerError>) -> Result<T, LedgerError> {
        write_transaction::write(self, work)
    }

    /// The check of every page, row and index. It reads the whole file: for `doctor --full`.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] with SQLite's first complaint.
    pub fn check_fully(&self) -> Result<(), LedgerError> {
        integrity::check_all(self.reader()?)?;
        // The check of pages and indexes does not follow references between rows.
        integrity::check_all_references(&self.conn)
    }

    /// The check of what decisions rest on, and of nothing that grows with runs: for `status` and `doctor`.
    ///
    /// # Errors
    /// [`LedgerError::Damaged`] with SQLite's first complaint.
    pub fn check_decisive(&self) -> Result<(), LedgerError> {
        let conn = self.reader()?;
        integrity::check(conn, &integrity::OF_TRUST)?;
        integrity::check(conn, &integrity::OF_EFFECTS)?;
        integrity::check_references(conn, &integrity::OF_TRUST)?;
        integrity::check_references(conn, &integrity::OF_EFFECTS)
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        if self.commit_mode.is_unsynced()
            && let Err(error) = self.sync()
        {
            tracing::warn!("{error}");
        }
        // Whoever only read leaves the files as they are: a ledger that is refused stays evidence, with its log.
        let log = WriteAheadLog::of(&self.conn).filter(|_| self.commit_mode.has_committed());
        if log.is_some_and(|log| log.bytes() > MOST_LOG) {
            // Whoever still reads or writes keeps the log, and closes the ledger later. Nobody waits for that.
            let _ = self.conn.busy_timeout(Duration::ZERO);
            let _ = self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        }
    }
}

/// Where the steps of a run's record are written. Durable when a call returns without an error.
///
/// A process of one run writes into the [`Ledger`] itself, one that runs many at once into a [`Recorder`].
pub trait Journal: std::fmt::Debug {
    /// Writes a record of which nothing is to be committed.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be written; nothing is recorded then.
    fn insert_execution(&self, record: &ExecutionRecord) -> Result<(), LedgerError>;

    /// The same for a run that failed and used up something of a limit.
    ///
    /// # Errors
    /// As [`Journal::insert_execution`].
    fn insert_failure(&self, record: &ExecutionRecord, _used: Option<Allowance>) -> Result<(), LedgerError> {
        self.insert_execution(record)
    }

    /// Writes the record of a run that succeeded, and the commit of its files, if its authorization still holds then.
    ///
    /// # Errors
    /// [`LedgerError::Halted`] when the run may not count any more, and [`LedgerError::OverLimit`] when nothing is left of what
    /// it uses; nothing is recorded then.
    fn insert_success(
        &self,
        record: &ExecutionRecord,
        commit: Option<&Commit>,
        authorization: RunAuthorization,
    ) -> Result<(), LedgerError>;

    /// Notes how the moving of a commit's files ended.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be written, or no such commit is PENDING.
    fn settle(&self, id: CommitId, settled: &Settled) -> Result<(), LedgerError>;

    /// What this journal wrote that nobody has to look for, if it says so.
    fn own_commits(&self) -> Option<&OwnCommits> {
        None
    }
}

impl Journal for Ledger {
    fn insert_execution(&self, record: &ExecutionRecord) -> Result<(), LedgerError> {
        Self::insert_execution(self, record)
    }

    fn insert_failure(&self, record: &ExecutionRecord, used: Option<Allowance>) -> Result<(), LedgerError> {
        Self::insert_failure(self, record, used)
    }

    fn insert_success(
        &self,
        record: &ExecutionRecord,
        commit: Option<&Commit>,
        authorization: RunAuthorization,
    ) -> Result<(), LedgerError> {
        Self::insert_success(self, record, commit, authorization)
    }

    fn settle(&self, id: CommitId, settled: &Settled) -> Result<(), LedgerError> {
        Self::settle(self, id, settled)
    }
}

/// Who decides, and when.
#[derive(Debug, Clone, Copy)]
pub struct Decided<'a> {
    /// The person's name.
    pub by: &'a str,
    /// The time of the decision.
    pub at: Timestamp,
}

/// Whether opening may make a new ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Create {
    /// `kavi init`.
    IfMissing,
    /// Every other command: a ledger that vanished is a fault, not an empty start.
    Never,
}
