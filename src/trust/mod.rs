//! The anchor of a workspace's history: the key that signs its checkpoints, and its newest checkpoint, outside of the workspace.
//!
//! - [`FileAnchor`] (`file_anchor.rs`): key and head as files in the user's state folder.
//! - [`anchored`]: a ledger with its anchor, made on first use.
//!
//! Guarantees: the head only grows, but by a person's word. A key or head that is missing is never made anew in silence once the
//! ledger has checkpoints.
//!
//! Deliberately never: decides trust, or keeps a key where a skill can read it.

mod file_anchor;

use std::path::Path;
use std::sync::Arc;

pub use file_anchor::FileAnchor;

use crate::history::anchor::{AnchorError, HistoryAnchor};
use crate::history::checkpoint::Checkpoint;
use crate::ledger::{Ledger, LedgerAccess, LedgerError};
use crate::model::time::Timestamp;

/// A ledger, and the place of its key and head.
#[derive(Debug)]
pub struct AnchoredLedger {
    /// The ledger.
    pub ledger: Ledger,
    /// Its anchor.
    pub anchor: Arc<FileAnchor>,
}

/// Gives a ledger its anchor below `state`, the user's state folder. A ledger that has no checkpoint yet gets its key and its
/// first checkpoint here.
///
/// Where no key can be made, the ledger opens all the same: what needs the key is refused when it comes, with the reason.
///
/// # Errors
/// [`LedgerError`] when the ledger cannot be read.
pub fn anchored(ledger: Ledger, state: Option<&Path>, now: Timestamp) -> Result<AnchoredLedger, LedgerError> {
    // A history whose beginning is gone has no name. Its anchor has none either, and refuses.
    let workspace = ledger.workspace_id().unwrap_or_else(|_| "unknown".to_owned());
    let folder = state.map(|state| state.join("trust").join(&workspace));
    let anchor = Arc::new(FileAnchor::new(folder, &workspace));
    let unused = anchor.is_unused() && ledger.access() == LedgerAccess::Full;
    let fresh = unused && !ledger.has_checkpoints()?;
    let shared: Arc<dyn HistoryAnchor> = anchor.clone();
    let ledger = ledger.with_anchor(shared);
    if fresh && anchor.make_key().is_ok() {
        // A ledger that was changed since it has no checkpoint is refused where it is used, and can still be looked at.
        let _ = ledger.name_key(now);
    } else if unused && let Some(first) = ledger.only_checkpoint()? {
        // A crash came between the first checkpoint and its head. Only this key could have signed it.
        if anchor.key().is_ok_and(|key| Checkpoint::open(&first, &key).is_ok()) {
            let _ = anchor.advance(&first);
        }
    }
    Ok(AnchoredLedger { ledger, anchor })
}

/// A new anchor beside this one, for a ledger that is accepted as it is. The old one stays as it is: it may be that of another
/// copy.
///
/// # Errors
/// [`AnchorError`] when there is no place for it, or its key cannot be made.
pub fn new_anchor(old: &FileAnchor, workspace: &str) -> Result<FileAnchor, AnchorError> {
    let folder = old.folder().and_then(Path::parent).map(|trust| trust.join(workspace));
    let anchor = FileAnchor::new(folder, workspace);
    anchor.make_key()?;
    Ok(anchor)
}
