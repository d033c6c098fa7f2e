//! Where artifacts lie, and with which digest.

use rusqlite::{OptionalExtension as _, Row};

use super::write_transaction::WriteTransaction;
use super::{Ledger, LedgerError};
use crate::model::{
    artifact::{ArtifactKind, ArtifactPath},
    digest::Digest,
    id::ArtifactId,
    time::Timestamp,
};

/// One artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactRow {
    /// Its id.
    pub id: ArtifactId,
    /// What it is.
    pub kind: ArtifactKind,
    /// Its path, relative to the workspace.
    pub path: ArtifactPath,
    /// Digest of its bytes.
    pub sha256: Digest,
    /// When it was written.
    pub created_at: Timestamp,
    /// The proposal, build, verification or execution it belongs to.
    pub related_id: String,
}

const BY_DIGEST: &str = "SELECT * FROM artifacts WHERE sha256 = ?1 ORDER BY rowid DESC LIMIT 1";

pub(super) fn insert(tx: &WriteTransaction<'_>, row: &ArtifactRow) -> Result<(), LedgerError> {
    tx.insert(
        "artifacts",
        &[
            ("id", &row.id),
            ("kind", &row.kind),
            ("path", &row.path),
            ("sha256", &row.sha256),
            ("created_at", &row.created_at),
            ("related_id", &row.related_id),
        ],
    )?;
    Ok(())
}

fn from_row(row: &Row<'_>) -> rusqlite::Result<ArtifactRow> {
    Ok(ArtifactRow {
        id: row.get("id")?,
        kind: row.get("kind")?,
        path: row.get("path")?,
        sha256: row.get("sha256")?,
        created_at: row.get("created_at")?,
        related_id: row.get("related_id")?,
    })
}

impl Ledger {
    /// The artifacts that belong to a proposal, build, verification or execution, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn artifacts_of(&self, related_id: &str) -> Result<Vec<ArtifactRow>, LedgerError> {
        let mut statement = self.reader()?.prepare("SELECT * FROM artifacts WHERE related_id = ?1 ORDER BY rowid")?;
        Ok(statement.query_map([related_id], from_row)?.collect::<Result<_, _>>()?)
    }

    /// The newest artifact with these bytes.
    ///
    /// # Errors
    /// [`LedgerError::NotFound`] when there is none.
    pub fn artifact_by_digest(&self, digest: Digest) -> Result<ArtifactRow, LedgerError> {
        let found = self.reader()?.prepare_cached(BY_DIGEST)?.query_row([digest], from_row).optional()?;
        found.ok_or_else(|| LedgerError::NotFound { what: "artifact", key: digest.to_string() })
    }

    /// Every artifact, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn artifacts(&self) -> Result<Vec<ArtifactRow>, LedgerError> {
        let mut statement = self.reader()?.prepare("SELECT * FROM artifacts ORDER BY rowid")?;
        Ok(statement.query_map([], from_row)?.collect::<Result<_, _>>()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::codec;

    #[test]
    fn an_artifact_is_found_by_its_digest_without_reading_all() -> Result<(), LedgerError> {
        let ledger = Ledger::in_memory()?;
        assert_eq!(codec::full_scans(&ledger.conn, BY_DIGEST)?, [""; 0]);
        let nothing = ledger.artifact_by_digest(Digest::of(b"nothing"));
        assert!(matches!(nothing, Err(LedgerError::NotFound { .. })), "{nothing:?}");
        Ok(())
    }
}
