//! What can go wrong with the ledger.

use std::path::PathBuf;

use rusqlite::{ErrorCode, ffi};

use crate::history::approval::SignatureRequest;
use crate::model::switch::Halt;

/// What can go wrong with the ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// There is no file.
    #[error("there is no ledger at {0}")]
    Missing(PathBuf),
    /// A database of something else.
    #[error("the file is a database, but not a ledger of Kavi's")]
    NotALedger,
    /// Written by a later version.
    #[error("the ledger has schema version {found}, this kavi knows versions up to {known}")]
    Newer {
        /// The version in the file.
        found: i64,
        /// The newest version of this build.
        known: i64,
    },
    /// The tables are not those of the migrations.
    #[error("the ledger's schema differs from the one that its version has: {0}")]
    ForeignSchema(String),
    /// The file is damaged.
    #[error("the ledger is damaged: {0}")]
    Damaged(String),
    /// A value in a row cannot be what it should be.
    #[error("the ledger contains an invalid value: {0}")]
    BadValue(String),
    /// A row is not what the history says, or the history is not what its checkpoints say.
    #[error("the ledger was changed outside of Kavi: {0}")]
    Tampered(String),
    /// The ledger is not the one that its head, which is kept outside of it, belongs to.
    #[error("the ledger does not fit its head: {0}")]
    Anchor(String),
    /// The key or the head of its history cannot be used.
    #[error("the anchor of the history cannot be used: {0}")]
    UnusableAnchor(String),
    /// A decision needs a person's signature, which is asked for before it is tried again.
    #[error("the decision is not signed")]
    NeedsSignature(Box<SignatureRequest>),
    /// A decision has no signature that counts.
    #[error("not approved: {0}")]
    NotApproved(String),
    /// kavi.toml asks for less than the policy in force.
    #[error("kavi.toml is weaker than the policy in force: {0}")]
    WeakerFile(String),
    /// SQLite is too old.
    #[error("SQLite {0} is too old: 3.51.3 or later is needed")]
    OldSqlite(String),
    /// Nothing has this id or name.
    #[error("there is no {what} `{key}`")]
    NotFound {
        /// What was looked for.
        what: &'static str,
        /// By which id, prefix or name.
        key: String,
    },
    /// A prefix fits several.
    #[error("`{prefix}` fits {count} {what}s, give more of the id")]
    Ambiguous {
        /// What was looked for.
        what: &'static str,
        /// The prefix.
        prefix: String,
        /// How many fit.
        count: usize,
    },
    /// More came within an hour than may.
    #[error("there were {most} {what} within an hour, which is the most")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many may come.
        most: u32,
    },
    /// A policy value allows no more of it within its window.
    #[error("`{key}` of {most} is used up")]
    OverLimit {
        /// The policy key.
        key: &'static str,
        /// Its value.
        most: u64,
    },
    /// The state is not the one that the step starts from.
    #[error("{what} `{id}` is {found}, which is not a state to {step} from")]
    WrongState {
        /// Proposal, build...
        what: &'static str,
        /// Its id.
        id: String,
        /// The state it is in.
        found: String,
        /// What was tried.
        step: &'static str,
    },
    /// Another process changed the row first.
    #[error("another process changed {0} in the meantime")]
    Conflict(String),
    /// Another process held the file for too long.
    #[error("another process kept the ledger locked for too long")]
    Busy,
    /// There is no room for it.
    #[error("the disk that the ledger lies on is full")]
    Full,
    /// Its file, its folder or its file system takes no changes.
    #[error("the ledger cannot be written: its file, its folder or its file system is read-only")]
    ReadOnly,
    /// A copy of it could not be made.
    #[error("{path}: {source}")]
    Copy {
        /// The file of the copy.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The disk failed in another way.
    #[error("the disk that the ledger lies on failed: {0}")]
    Disk(String),
    /// The write-ahead log could not be put on the disk.
    #[error("the disk did not take the records so far: {0}")]
    Unsynced(std::io::Error),
    /// Everything is stopped, and the ledger does not say who did it and why.
    #[error("everything is stopped until `kavi resume`, but the ledger could not take who stopped it and why: {0}")]
    Unrecorded(Box<LedgerError>),
    /// Nothing was stopped.
    #[error("this workspace is not stopped")]
    NotStopped,
    /// Another stop came while one was lifted.
    #[error("another stop was made at the same time: this workspace is still stopped")]
    StoppedAgain,
    /// What ran may not go on, so what came of it is not recorded as done.
    #[error(transparent)]
    Halted(Box<Halt>),
    /// The thread that writes records is gone, so nobody can say what became of this one.
    #[error("the thread that writes execution records has ended")]
    NoWriter,
    /// SQLite failed in another way.
    #[error("the ledger's database failed: {0}")]
    Sqlite(String),
}

/// What SQLite says, by whose fault it is.
impl From<rusqlite::Error> for LedgerError {
    fn from(error: rusqlite::Error) -> Self {
        match (error.sqlite_error_code(), &error) {
            (Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase), _) => Self::Damaged(error.to_string()),
            (Some(ErrorCode::DiskFull), _) => Self::Full,
            (Some(ErrorCode::ReadOnly), _) => Self::ReadOnly,
            (Some(ErrorCode::SystemIoFailure), rusqlite::Error::SqliteFailure(code, _)) => {
                of_the_disk(code.extended_code)
            }
            // The last one is a lock as well: other processes had the index of the log each time it was looked at.
            (Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed), _) => {
                Self::Busy
            }
            (_, rusqlite::Error::FromSqlConversionFailure(..) | rusqlite::Error::InvalidColumnType(..)) => {
                Self::BadValue(error.to_string())
            }
            _ => Self::Sqlite(error.to_string()),
        }
    }
}

/// What an I/O error of SQLite means. Its own text is the same for all of them.
fn of_the_disk(extended: i32) -> LedgerError {
    match extended {
        // There is no room for a page of the index of its log.
        ffi::SQLITE_IOERR_SHMSIZE => LedgerError::Full,
        ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC => {
            LedgerError::Disk("it did not take the changes".to_owned())
        }
        ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_SHORT_READ => LedgerError::Disk("it could not be read".to_owned()),
        ffi::SQLITE_IOERR_WRITE => LedgerError::Disk("it could not be written".to_owned()),
        other => LedgerError::Disk(format!("SQLite reports error {other}")),
    }
}

impl LedgerError {
    /// The same error once more, for each of those that one failed transaction belongs to.
    pub(super) fn again(&self) -> Self {
        match self {
            Self::Busy => Self::Busy,
            Self::Full => Self::Full,
            Self::ReadOnly => Self::ReadOnly,
            Self::Disk(text) => Self::Disk(text.clone()),
            Self::Damaged(text) => Self::Damaged(text.clone()),
            Self::Tampered(text) => Self::Tampered(text.clone()),
            Self::Anchor(text) => Self::Anchor(text.clone()),
            Self::UnusableAnchor(text) => Self::UnusableAnchor(text.clone()),
            other => Self::Sqlite(other.to_string()),
        }
    }

    /// Whether the ledger itself is at fault, rather than the question.
    pub fn is_broken_ledger(&self) -> bool {
        !matches!(
            self,
            Self::NotFound { .. }
                | Self::Ambiguous { .. }
                | Self::WrongState { .. }
                | Self::TooMany { .. }
                | Self::OverLimit { .. }
                | Self::Conflict(_)
                | Self::Busy
                | Self::Full
                | Self::ReadOnly
                | Self::Copy { .. }
                | Self::Unsynced(_)
                | Self::NotStopped
                | Self::StoppedAgain
                | Self::Unrecorded(_)
                | Self::Halted(_)
                | Self::Missing(_)
                | Self::NeedsSignature(_)
                | Self::NotApproved(_)
                | Self::WeakerFile(_)
        )
    }
}
