//! What every gate works with: one snapshot, the tools to check it with, and a folder that is removed afterwards.
//!
//! Guarantees: a gate has no access to the ledger, because gates run in several threads and none of them decides about trust.

use std::path::Path;
use std::sync::Arc;

use super::draw::Draw;
use super::error::VerifyError;
use crate::artifacts::leftovers::{self, LeftoverFolders};
use crate::cage::Cage;
use crate::dir::{FolderHandle, MissingFolders};
use crate::forge::compile::CompileSandbox;
use crate::forge::context::ForgeContext;
use crate::forge::snapshot_store;
use crate::forge::toolchain::Toolchain;
use crate::ledger::Proposal;
use crate::model::{
    digest::Digest,
    id::VerificationId,
    limits::Limits,
    snapshot::Snapshot,
    switch::Watch,
    time::{Clock, Timestamp},
};
use crate::runtime::Runtime;

/// What every gate works with.
pub(super) struct GateContext<'a> {
    pub(super) cage: &'a Cage,
    pub(super) clock: &'a dyn Clock,
    pub(super) toolchain: &'a Toolchain,
    pub(super) proposal: &'a Proposal,
    pub(super) snapshot: &'a Snapshot,
    pub(super) limits: &'a Limits,
    pub(super) runtime: &'a Runtime,
    /// Tells whether the verification must end.
    pub(super) watch: &'a dyn Watch,
    /// The draws of this verification.
    pub(super) draw: Draw,
    /// The draws of earlier verifications of the same sources. They are tried again, so that another try is no second chance.
    pub(super) earlier_draws: Vec<Draw>,
    /// The folder for sources, vaults and staging folders.
    pub(super) scratch: &'a Path,
}

impl GateContext<'_> {
    /// Ends a verification whose workspace was stopped. The outcome of a guest that was ended says nothing about the guest.
    pub(super) fn check_halted(&self) -> Result<(), VerifyError> {
        self.watch.look().map_err(VerifyError::from)
    }

    /// A sandbox to compile these sources in.
    pub(super) fn sandbox(&self, sources: &Snapshot) -> Result<CompileSandbox<'_>, VerifyError> {
        Ok(CompileSandbox::new(self.cage, self.toolchain, &self.proposal.spec.name, sources, self.scratch)?)
    }

    /// A sandbox at a longer path, for the same sources.
    pub(super) fn sandbox_elsewhere(&self) -> Result<CompileSandbox<'_>, VerifyError> {
        let parent = self.scratch.join("elsewhere/and/longer");
        Ok(CompileSandbox::new(self.cage, self.toolchain, &self.proposal.spec.name, self.snapshot, &parent)?)
    }
}

/// The sources that are to be checked, and the compiler to check them with.
pub(super) struct CheckedSources<'a> {
    pub(super) proposal: &'a Proposal,
    pub(super) snapshot_sha256: Digest,
    pub(super) toolchain: &'a Toolchain,
    /// The id of this verification: everything that it draws follows from it.
    pub(super) id: VerificationId,
    /// When it started.
    pub(super) started_at: Timestamp,
}

/// Puts the context together and removes its folder after `work`.
pub(super) fn with_context<T>(
    forge: &ForgeContext<'_>,
    sources: &CheckedSources<'_>,
    work: impl FnOnce(&GateContext<'_>) -> Result<T, VerifyError>,
) -> Result<T, VerifyError> {
    let authorization = forge.ledger.authorize()?;
    let watch: Arc<dyn Watch + Send> = Arc::from(forge.ledger.watch(authorization));
    // The same watch for every job: a stop that is taken back between two of them ends this too.
    let cage = forge.cage.clone().watched(watch.clone());
    let snapshot = snapshot_store::load(forge.store, sources.snapshot_sha256)?;
    // Below the workspace and readable by others: the job in the cage may run under another user id.
    let root = forge.layout.state().join("scratch");
    // Through no link.
    let handle = FolderHandle::open(&forge.layout.root).and_then(|workspace| {
        let below = root.strip_prefix(&forge.layout.root).unwrap_or(&root);
        workspace.beneath(below, MissingFolders::Make)
    });
    handle.map_err(VerifyError::Folder)?;
    // Verifications that were killed left large folders there.
    leftovers::remove(LeftoverFolders::of_workspace(forge.layout), forge.clock.now());
    let scratch = tempfile::Builder::new().prefix("verify-").tempdir_in(&root).map_err(VerifyError::Folder)?;
    let runtime = Runtime::new(forge.limits)?;
    let earlier = forge.ledger.verifications_of_sources(sources.snapshot_sha256)?;
    work(&GateContext {
        cage: &cage,
        clock: forge.clock,
        toolchain: sources.toolchain,
        proposal: sources.proposal,
        snapshot: &snapshot,
        limits: forge.limits,
        runtime: &runtime,
        watch: &*watch,
        draw: Draw::new(sources.id, sources.started_at),
        earlier_draws: earlier.into_iter().map(|earlier| Draw::new(earlier.id, earlier.created_at)).collect(),
        scratch: scratch.path(),
    })
}
