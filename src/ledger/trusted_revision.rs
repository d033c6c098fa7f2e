//! Whether what a process keeps in memory of a trusted skill is still what the ledger says.
//!
//! Guarantees: two equal [`DataVersion`]s of one connection mean that nobody else has committed in between, to the same
//! file. Equal [`TrustedRevision`]s mean the same revision with the same bytes, spec and limits. What cannot be read is an
//! error.
//!
//! Deliberately never: says that something is trusted by what was true before.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use rusqlite::OptionalExtension as _;

use super::{Ledger, LedgerError, codec};
use crate::model::{digest::Digest, id::ProposalId, limits::Narrowed, name::SkillName};

/// The ledger as this connection saw it at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataVersion {
    version: i64,
    file: (u64, u64),
}

impl DataVersion {
    /// Whether it is still the same file.
    pub fn same_file(&self, other: &Self) -> bool {
        self.file == other.file
    }
}

/// Everything about a trusted skill that decides what is run, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedRevision {
    /// The trusted proposal.
    pub id: ProposalId,
    /// The revision of the name.
    pub revision: u32,
    /// The component that was promoted.
    pub component_sha256: Digest,
    /// The spec that was promoted.
    pub spec_sha256: Digest,
    /// What the promotion narrowed.
    pub limits: Narrowed,
}

const TRUSTED_REVISION: &str = "SELECT id, revision, component_sha256, spec_sha256, limits_json FROM skill_proposals
     WHERE name = ?1 AND status = 'TRUSTED'";

const ANY_PENDING: &str = "SELECT EXISTS (SELECT 1 FROM commits INDEXED BY pending_commits WHERE state = 'PENDING')";

impl Ledger {
    /// Where the ledger stands. It is another one after every commit of another connection, and when another file was put
    /// in its place.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read or its file is gone.
    pub fn data_version(&self) -> Result<DataVersion, LedgerError> {
        // SQLite changes this number when another connection commits, and never for commits of this
        // one. It says nothing about a replaced file, so the file's identity is part of the value.
        let version = self.conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?;
        let path = self.conn.path().unwrap_or_default();
        let meta = fs::metadata(path).map_err(|error| LedgerError::Damaged(format!("{path}: {error}")))?;
        Ok(DataVersion { version, file: (meta.dev(), meta.ino()) })
    }

    /// What is trusted under a name.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn trusted_revision(&self, name: &SkillName) -> Result<Option<TrustedRevision>, LedgerError> {
        self.read_checked(Some(name), |conn| {
            let found = conn.prepare_cached(TRUSTED_REVISION)?.query_row([name], |row| {
                Ok(TrustedRevision {
                    id: row.get(0)?,
                    revision: row.get(1)?,
                    component_sha256: row.get(2)?,
                    spec_sha256: row.get(3)?,
                    // Narrowed limits decide how a skill runs, so a change of them must make a loaded
                    // skill stale.
                    limits: codec::json_column(row, "limits_json")?,
                })
            });
            Ok(found.optional()?)
        })
    }

    /// Whether the files of any commit may not all be in the vault yet.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn any_pending_commits(&self) -> Result<bool, LedgerError> {
        Ok(self.reader()?.prepare_cached(ANY_PENDING)?.query_row([], |row| row.get(0))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Create;

    #[test]
    fn a_commit_of_another_connection_and_another_file_are_other_generations() -> Result<(), Box<dyn std::error::Error>>
    {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("ledger.db");
        let ledger = Ledger::open(&path, Create::IfMissing)?;
        let other = Ledger::open(&path, Create::Never)?;
        let before = ledger.data_version()?;
        assert_eq!(ledger.data_version()?, before);
        other.stop("ada", "it smells", crate::model::time::Timestamp::from_millis(0)?)?;
        let after = ledger.data_version()?;
        assert_ne!(after, before);
        let moved = folder.path().join("moved.db");
        std::fs::rename(&path, &moved)?;
        assert!(matches!(ledger.data_version(), Err(LedgerError::Damaged(_))));
        std::fs::copy(&moved, &path)?;
        assert_ne!(ledger.data_version()?, after);
        Ok(())
    }

    #[test]
    fn nothing_is_read_whole() -> Result<(), LedgerError> {
        let ledger = Ledger::in_memory()?;
        assert_eq!(codec::full_scans(&ledger.conn, TRUSTED_REVISION)?, [""; 0]);
        // The index holds the pending ones only.
        let scans = codec::full_scans(&ledger.conn, ANY_PENDING)?;
        assert!(scans.iter().all(|scan| scan == "SCAN CONSTANT ROW" || scan.contains("pending_commits")), "{scans:?}");
        Ok(())
    }
}
