//! The one way in which the forge changes the ledger: the change first, then the files that are derived from it.
//!
//! Guarantees: after every change the index of the skill, and after a decision `registry.yaml`, show the new state. No caller
//! has to remember that. A change that is recorded stays, also when a derived file cannot be written.
//!
//! Deliberately never: reads a derived file, or takes a change back.

use super::context::ForgeContext;
use super::rebuild::{self, RebuildError};
use crate::ledger::{ForgeStore, LedgerError};
use crate::model::name::SkillName;

/// Why a change is not recorded, or is recorded and not yet shown by the derived files.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The ledger is unchanged.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The ledger has the change.
    #[error("the change is recorded, but the files derived from the ledger could not be written: {0}")]
    Views(#[source] RebuildError),
}

/// Which derived files a change affects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AffectedViews {
    /// The index of the skill: a proposal, a build, a verification, a diagnosis.
    Index,
    /// The registry as well: what is trusted has changed.
    IndexAndRegistry,
}

/// Records a change of what is trusted, and derives what it affects of each of these skills.
pub(super) fn record_all<T>(
    forge: &ForgeContext<'_>,
    names: &[&SkillName],
    change: impl FnOnce(&dyn ForgeStore) -> Result<T, LedgerError>,
) -> Result<T, RecordError> {
    let recorded = change(forge.ledger)?;
    names.iter().try_for_each(|name| rebuild::registry_and_index_of(forge, name)).map_err(RecordError::Views)?;
    Ok(recorded)
}

/// Records `change` and derives what it affects of the skill `name`.
pub(super) fn record<T>(
    forge: &ForgeContext<'_>,
    name: &SkillName,
    views: AffectedViews,
    change: impl FnOnce(&dyn ForgeStore) -> Result<T, LedgerError>,
) -> Result<T, RecordError> {
    let recorded = change(forge.ledger)?;
    match views {
        AffectedViews::Index => rebuild::index_of(forge, name),
        AffectedViews::IndexAndRegistry => rebuild::registry_and_index_of(forge, name),
    }
    .map_err(RecordError::Views)?;
    Ok(recorded)
}
