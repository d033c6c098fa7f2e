//! The forge: from a spec to a trusted component.
//!
//! Read in this order, which is the way of the data: [`propose`] → [`packet`] and [`workspace`] → [`builder`] →
//! [`gate`] → [`build`] → [`verify`] → [`research`] after a failure → [`promote`] → [`rebuild`].
//!
//! Guarantees: what a builder left is read once, by Kavi's own walk, into one snapshot, and every later stage reads
//! that snapshot; nothing is trusted but by a transaction in the ledger after its bytes are on disk.
//!
//! Deliberately never: runs a tool inside a tree that a model wrote, runs what a model wrote outside wasm, or
//! takes a builder's word for anything.

pub mod build;
pub mod builder;
pub mod compile;
pub mod gate;
pub mod gateway;
pub mod import;
pub mod packet;
pub mod patch;
pub mod promote;
pub mod propose;
pub mod rebuild;
pub mod research;
pub mod scaffold;
pub mod sdk_sources;
pub mod snapshots;
pub mod toolchain;
pub mod verify;
pub mod workspace;

use std::path::Path;

use crate::artifacts::{self, ArtifactError, Store};
use crate::cage::Cage;
use crate::ledger::{ArtifactRow, Ledger};
use crate::model::{
    artifact::ArtifactKind,
    digest::Digest,
    id::{ArtifactId, IdSource},
    layout::Layout,
    limits::Limits,
    time::Clock,
};
use crate::runtime::Loader;

/// What every stage of the forge works with.
#[derive(Debug, Clone, Copy)]
pub struct Forge<'a> {
    /// Where things lie.
    pub layout: &'a Layout,
    /// The truth.
    pub ledger: &'a Ledger,
    /// Sources and components by their digest.
    pub store: &'a Store,
    /// Every child process.
    pub cage: &'a Cage,
    /// What gives machine code to what is promoted.
    pub loader: Loader<'a>,
    /// What a run may use.
    pub limits: &'a Limits,
    /// The time.
    pub clock: &'a dyn Clock,
    /// New ids.
    pub ids: &'a dyn IdSource,
}

impl Forge<'_> {
    /// Writes an artifact below `artifacts_out/` and gives the row that records it.
    fn write_artifact(
        &self,
        kind: ArtifactKind,
        path: &Path,
        bytes: &[u8],
        related_id: String,
    ) -> Result<ArtifactRow, ArtifactError> {
        let path = self.layout.artifacts().join(path);
        artifacts::write_durably(&path, bytes)?;
        let relative = path.strip_prefix(&self.layout.root).unwrap_or(&path);
        Ok(ArtifactRow {
            id: ArtifactId::new(self.ids),
            kind,
            path: relative.to_string_lossy().into_owned(),
            sha256: Digest::of(bytes),
            created_at: self.clock.now(),
            related_id,
        })
    }
}
