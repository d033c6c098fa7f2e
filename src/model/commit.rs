//! A commit: the files that one run, chain or undo changes in the vault, all together or not at all.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    digest::Digest,
    execution::Effect,
    id::CommitId,
    lifecycle::{CommitKind, CommitState},
    time::Timestamp,
    vault_path::VaultPath,
};

/// One file that a commit changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// Where in the vault.
    pub path: VaultPath,
    /// Digest of what lay there; none where there was nothing.
    pub before: Option<Digest>,
    /// Digest of what will lie there; none where there will be nothing.
    pub after: Option<Digest>,
    /// Bytes of what will lie there.
    pub bytes: u64,
}

impl Change {
    /// Whether nothing changes.
    pub fn is_none(&self) -> bool {
        self.before == self.after
    }

    /// The change that puts back what this one replaced. `bytes` is the size of what is put back.
    pub fn reversed(&self, bytes: u64) -> Self {
        Self { path: self.path.clone(), before: self.after, after: self.before, bytes }
    }
}

impl From<&Effect> for Change {
    fn from(effect: &Effect) -> Self {
        Self { path: effect.path.clone(), before: effect.before, after: Some(effect.sha256), bytes: effect.bytes }
    }
}

/// Two runs of one commit wrote the same file, or one where the other needs a folder; the second did not see what the first wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two steps write `{0}`")]
pub struct WrittenTwice(pub VaultPath);

/// The changes of several runs as those of one commit, by path.
///
/// # Errors
/// [`WrittenTwice`].
pub fn together<'a>(effects: impl IntoIterator<Item = &'a Effect>) -> Result<Vec<Change>, WrittenTwice> {
    let mut changes = BTreeMap::new();
    for effect in effects {
        if changes.insert(effect.path.clone(), Change::from(effect)).is_some() {
            return Err(WrittenTwice(effect.path.clone()));
        }
    }
    // What one writes as a file another cannot need as a folder.
    let below = |path: &VaultPath| changes.keys().find(|other| *other != path && path.is_within(other));
    match changes.keys().find_map(|path| below(path).cloned()) {
        Some(path) => Err(WrittenTwice(path)),
        None => Ok(changes.into_values().collect()),
    }
}

impl Commit {
    /// A commit that is to be carried out at once.
    pub fn pending(id: CommitId, kind: CommitKind, changes: Vec<Change>, created_at: Timestamp) -> Self {
        Self {
            id,
            kind,
            state: CommitState::Pending,
            changes,
            undoes: None,
            created_at,
            expires_at: None,
            decided_by: None,
            decided_at: None,
            why: None,
        }
    }

    /// The same, left to a person until then.
    pub fn held_until(self, expires_at: Timestamp) -> Self {
        Self { state: CommitState::Held, expires_at: Some(expires_at), ..self }
    }
}

/// A commit, as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Commit {
    /// Its id: of a run or a chain that of its first run.
    pub id: CommitId,
    /// Whose files they are.
    pub kind: CommitKind,
    /// Where it stands.
    pub state: CommitState,
    /// The files.
    pub changes: Vec<Change>,
    /// The commit that this one takes back.
    pub undoes: Option<CommitId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when a person can approve it; only of what is or was held.
    pub expires_at: Option<Timestamp>,
    /// Who approved, rejected or took back.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<Timestamp>,
    /// Why it was rejected, or is not there though it was recorded.
    pub why: Option<String>,
}
