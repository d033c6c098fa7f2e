//! The anchor of a workspace's history: the key that signs its checkpoints, and its newest checkpoint, outside of the workspace.
//!
//! - [`FileAnchor`] (`file_anchor.rs`): key and head as files in the user's state folder.
//! - [`PersonSigner`] (`person_signer.rs`): asks a person for signatures.
//! - `pins.rs`: who may sign, as written down outside of the ledger.
//! - [`WitnessFile`] (`witness_file.rs`): every checkpoint in a file that the user cannot rewrite.
//! - [`WitnessAddress`] (`witness_client.rs`): asks a witness for cosignatures. [`WitnessStore`] (`witness_store.rs`): is one.
//! - [`anchored`]: a ledger with its anchor, made on first use.
//!
//! Guarantees: the head only grows, but by a person's word. A key or head that is missing is never made anew in silence once the
//! ledger has checkpoints.
//!
//! Deliberately never: decides trust, or keeps a key where a skill can read it.

mod file_anchor;
mod person_signer;
mod pins;
mod witness_client;
mod witness_file;
mod witness_store;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use file_anchor::{CosignedHead, FileAnchor, Witness};
pub use person_signer::{PersonSigner, SshTools};
pub use pins::{MACHINE_PIN, PinFolders, PinnedPlace, is_of_another_user, machine_pin};
pub use witness_client::{InvalidWitness, WitnessAddress};
pub use witness_file::{WitnessFile, newest_in};
pub use witness_store::{WitnessReply, WitnessStore};

use crate::history::anchor::{AnchorError, HistoryAnchor};
use crate::history::checkpoint::Checkpoint;
use crate::history::rules::{DecisionRules, ProposedPolicy};
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

/// What a workspace has outside of its ledger.
#[derive(Debug)]
pub struct Outside<'a> {
    /// Where key and head are: the user's state folder, or what kavi.toml names.
    pub state: Option<&'a Path>,
    /// The user's state folder, whatever kavi.toml says.
    pub own_state: Option<PathBuf>,
    /// The folder of the workspace.
    pub root: &'a Path,
    /// What asks a person for signatures.
    pub ssh: SshTools,
    /// What kavi.toml proposes.
    pub proposed: ProposedPolicy,
}

/// Gives a ledger its anchor below the user's state folder. A ledger that has no checkpoint yet gets its key and its
/// first checkpoint here.
///
/// Where no key can be made, the ledger opens all the same: what needs the key is refused when it comes, with the reason.
///
/// # Errors
/// [`LedgerError`] when the ledger cannot be read.
pub fn anchored(ledger: Ledger, outside: Outside<'_>, now: Timestamp) -> Result<AnchoredLedger, LedgerError> {
    let state = outside.state;
    // A history whose beginning is gone has no name. Its anchor has none either, and refuses.
    let workspace = ledger.workspace_id().unwrap_or_else(|_| "unknown".to_owned());
    let trust = state.map(|state| state.join("trust"));
    let folder = trust.as_ref().map(|trust| trust.join(&workspace));
    // By the folder of the workspace, because a ledger that was exchanged brings an id of its own.
    let pins = PinFolders { own: outside.own_state.map(|own| own.join("trust")), anchor: trust.clone() };
    let place = PinnedPlace::read(outside.root, pins, outside.proposed.anchor.as_deref());
    let rules = DecisionRules {
        signer: Some(Arc::new(PersonSigner::new(outside.ssh, folder.as_deref()))),
        pinned: machine_pin(Path::new(MACHINE_PIN)),
        of_this_place: place.signers(),
        other_anchor: place.has_other_anchor(),
        proposed: outside.proposed,
    };
    let witness = rules.proposed.witness.as_deref().map(|said| match said.contains("://") {
        true => Witness::Asked(said.parse().map_err(|error: InvalidWitness| error.to_string())),
        false => Witness::File(WitnessFile::new(Path::new(said))),
    });
    let anchor = Arc::new(FileAnchor::new(folder, &workspace).with_rules(rules, place).with_witness(witness));
    let unused = anchor.is_unused() && ledger.access() == LedgerAccess::Full;
    // A ledger with checkpoints and no head has lost its head, or came from another machine. It
    // must not get a new key unasked.
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
