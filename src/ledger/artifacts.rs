//! Where artifacts lie, and with which digest.

use rusqlite::{Connection, Row, params};

use super::{Ledger, LedgerError};
use crate::model::{artifact::ArtifactKind, digest::Digest, id::ArtifactId, time::Timestamp};

/// One artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactRow {
    /// Its id.
    pub id: ArtifactId,
    /// What it is.
    pub kind: ArtifactKind,
    /// Its path, relative to the workspace.
    pub path: String,
    /// Digest of its bytes.
    pub sha256: Digest,
    /// When it was written.
    pub created_at: Timestamp,
    /// The proposal, build, verification or execution it belongs to.
    pub related_id: String,
}

pub(super) fn insert(conn: &Connection, row: &ArtifactRow) -> Result<(), LedgerError> {
    conn.execute(
        "INSERT INTO artifacts (id, kind, path, sha256, created_at, related_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![row.id, row.kind, row.path, row.sha256, row.created_at, row.related_id],
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
        let mut statement =
            self.conn.prepare("SELECT * FROM artifacts WHERE related_id = ?1 ORDER BY created_at, rowid")?;
        Ok(statement.query_map([related_id], from_row)?.collect::<Result<_, _>>()?)
    }

    /// Every artifact, oldest first.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn artifacts(&self) -> Result<Vec<ArtifactRow>, LedgerError> {
        let mut statement = self.conn.prepare("SELECT * FROM artifacts ORDER BY created_at, rowid")?;
        Ok(statement.query_map([], from_row)?.collect::<Result<_, _>>()?)
    }
}
