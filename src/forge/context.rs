//! What every stage of the forge works with, handed in by the composition root.
//!
//! Guarantees: an artifact is on disk, by its digest, before its row exists. Deliberately never: decides anything.

use std::path::Path;

use super::sdk_sources;
use crate::artifacts::{self, ArtifactError, ProgramFile, Store};
use crate::cage::Cage;
use crate::ledger::{ArtifactRow, ForgeStore};
use crate::model::{
    artifact::{ArtifactKind, ArtifactPath},
    digest::Digest,
    id::{ArtifactId, IdSource},
    layout::Layout,
    limits::Limits,
    program::{self, ProgramIdentity},
    time::Clock,
};
use crate::runtime::Loader;

/// The parts that a stage of the forge may use.
#[derive(Debug, Clone, Copy)]
pub struct ForgeContext<'a> {
    /// The paths of the workspace.
    pub layout: &'a Layout,
    /// The only source of truth. Writes go through `record`.
    pub ledger: &'a dyn ForgeStore,
    /// Sources and components by their digest.
    pub store: &'a Store,
    /// Starts every child process.
    pub cage: &'a Cage,
    /// Gives machine code to what is promoted.
    pub loader: Loader<'a>,
    /// The limits of a run.
    pub limits: &'a Limits,
    /// The current time.
    pub clock: &'a dyn Clock,
    /// New ids.
    pub ids: &'a dyn IdSource,
    /// The digest of charter, policy and capabilities that proposals are recorded under; none where they cannot be read.
    pub context_sha256: Option<Digest>,
    /// Most tokens of a build packet.
    pub token_ceiling: Option<u64>,
    /// The file of this program.
    pub program: &'a ProgramFile,
    /// Most overrides within 24 hours.
    pub most_overrides: Option<u64>,
}

/// An artifact that is about to be written.
pub(super) struct NewArtifact<'a> {
    pub(super) kind: ArtifactKind,
    /// Its path below `artifacts_out/`.
    pub(super) path: &'a Path,
    pub(super) bytes: &'a [u8],
    /// The id of the proposal, build or verification that it belongs to.
    pub(super) related_id: String,
}

impl ForgeContext<'_> {
    /// This program, for the record of what it does.
    ///
    /// # Errors
    /// When its own file cannot be read.
    pub(super) fn identity(&self) -> std::io::Result<ProgramIdentity> {
        Ok(ProgramIdentity {
            sha256: self.program.digest()?,
            version: program::VERSION.to_owned(),
            commit: program::COMMIT.map(str::to_owned),
            sources_sha256: program::SOURCES_SHA256.to_owned(),
            contract_sha256: Digest::of(sdk_sources::CONTRACT),
        })
    }

    /// Writes an artifact below `artifacts_out/` and returns the row that records it.
    pub(super) fn write_artifact(&self, artifact: NewArtifact<'_>) -> Result<ArtifactRow, ArtifactError> {
        let path = self.layout.artifacts().join(artifact.path);
        let relative = path.strip_prefix(&self.layout.root).unwrap_or(&path);
        let invalid = |error| std::io::Error::new(std::io::ErrorKind::InvalidInput, error);
        let recorded = ArtifactPath::parse(&relative.to_string_lossy())
            .map_err(|error| ArtifactError::Io { path: path.clone(), source: invalid(error) })?;
        artifacts::write_durably(&self.layout.root, &path, artifact.bytes)?;
        Ok(ArtifactRow {
            id: ArtifactId::new(self.ids),
            kind: artifact.kind,
            path: recorded,
            sha256: Digest::of(artifact.bytes),
            created_at: self.clock.now(),
            related_id: artifact.related_id,
        })
    }
}
