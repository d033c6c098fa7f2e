//! What a ledger needs from the place outside of it where its newest checkpoint is kept.
//!
//! Guarantees: nothing by itself, it is an interface. Whoever implements it keeps the head monotone: a smaller checkpoint never
//! takes the place of a larger one.

use std::fmt::Debug;

use super::Hash;
use super::note::NoteKey;
use super::rules::{DecisionRules, NO_RULES};

/// Why the anchor of a history cannot say what its newest checkpoint is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AnchorError {
    /// The key that signs checkpoints, or the head, is missing or cannot be read.
    #[error("{0}")]
    Unusable(String),
    /// Nobody said where key and head are to be kept.
    #[error("there is no place for its key and head: set KAVI_STATE_DIR or HOME to a folder outside of the vault")]
    NoPlace,
}

/// Signs checkpoints, and keeps the newest one outside of the ledger.
pub trait HistoryAnchor: Debug + Send + Sync {
    /// The public key. Its name is the origin of every checkpoint.
    ///
    /// # Errors
    /// [`AnchorError`] when there is none.
    fn key(&self) -> Result<NoteKey, AnchorError>;

    /// Signs the text of a checkpoint.
    ///
    /// # Errors
    /// [`AnchorError`] when the key cannot be used.
    fn sign(&self, text: &str) -> Result<[u8; 64], AnchorError>;

    /// The newest checkpoint that was kept, as a signed note. `None` before the first one.
    ///
    /// # Errors
    /// [`AnchorError`] when it cannot be read.
    fn head(&self) -> Result<Option<String>, AnchorError>;

    /// Keeps a checkpoint whose leaves are on the disk, unless a larger one is kept already.
    ///
    /// # Errors
    /// [`AnchorError`] when it cannot be written. The head then lags, which the next one mends.
    fn advance(&self, note: &str) -> Result<(), AnchorError>;

    /// The newest checkpoint that a witness saw, as a signed note. Without a witness there is none.
    ///
    /// # Errors
    /// [`AnchorError`] when a witness cannot be asked.
    fn witnessed(&self) -> Result<Option<String>, AnchorError> {
        Ok(None)
    }

    /// Asks a witness over a network to cosign a checkpoint that is kept already. `path` gives the proof that an older size is the
    /// beginning of it. Without such a witness it does nothing.
    ///
    /// # Errors
    /// [`AnchorError`] when there is no cosignature. The checkpoint counts all the same, unless the witness saw another history.
    fn ask_witness(&self, note: &str, path: &dyn Fn(u64) -> Option<Vec<Hash>>) -> Result<(), AnchorError> {
        let _ = (note, path);
        Ok(())
    }

    /// What comes from outside of the ledger about who may decide. An anchor without any has none.
    fn rules(&self) -> &DecisionRules {
        &NO_RULES
    }
}
