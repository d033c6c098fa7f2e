//! A commit: what one run, chain or undo changes, all together or not at all.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    digest::Digest,
    execution::Effect,
    id::CommitId,
    lifecycle::{CommitKind, CommitState},
    time::Timestamp,
    vault_path::VaultPath,
};

/// One change of a commit.
///
/// The ledger has each as the object of a [`FileChange`]. One that removes a file has no digest after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "FileChange", into = "FileChange")]
pub enum VaultChange {
    /// A file is written or replaced.
    File(FileChange),
    /// A file is removed.
    Removal(FileRemoval),
}

/// One file that a commit removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRemoval {
    /// Its path in the vault.
    pub path: VaultPath,
    /// Digest of the content that is removed.
    pub before: Digest,
}

impl From<FileChange> for VaultChange {
    fn from(change: FileChange) -> Self {
        match (change.before, change.after) {
            (Some(before), None) => Self::Removal(FileRemoval { path: change.path, before }),
            _ => Self::File(change),
        }
    }
}

impl From<VaultChange> for FileChange {
    fn from(change: VaultChange) -> Self {
        match change {
            VaultChange::File(change) => change,
            VaultChange::Removal(FileRemoval { path, before }) => {
                Self { path, before: Some(before), after: None, bytes: 0 }
            }
        }
    }
}

impl VaultChange {
    /// The file that changes.
    pub fn path(&self) -> &VaultPath {
        match self {
            Self::File(change) => &change.path,
            Self::Removal(removal) => &removal.path,
        }
    }

    /// Digest of the content that is replaced or removed; none where there was no file.
    pub fn before(&self) -> Option<Digest> {
        match self {
            Self::File(change) => change.before,
            Self::Removal(removal) => Some(removal.before),
        }
    }

    /// Digest of the new content; none where the file is removed.
    pub fn after(&self) -> Option<Digest> {
        match self {
            Self::File(change) => change.after,
            Self::Removal(_) => None,
        }
    }

    /// The same, as both ends of one file.
    pub fn ends(&self) -> FileChange {
        self.clone().into()
    }

    /// Whether nothing changes.
    pub fn is_noop(&self) -> bool {
        self.before() == self.after()
    }

    /// The change that puts back what this one replaced. `bytes` is the size of what is put back.
    pub fn reversed(&self, bytes: u64) -> Self {
        self.ends().reversed(bytes).into()
    }
}

/// Both ends of one file that a commit changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileChange {
    /// Its path in the vault.
    pub path: VaultPath,
    /// Digest of the content that is replaced; none where there was no file.
    pub before: Option<Digest>,
    /// Digest of the new content; none where the file is removed.
    pub after: Option<Digest>,
    /// Size of the new content in bytes.
    pub bytes: u64,
}

impl FileChange {
    /// Whether nothing changes.
    pub fn is_noop(&self) -> bool {
        self.before == self.after
    }

    /// The change that puts back what this one replaced. `bytes` is the size of what is put back.
    pub fn reversed(&self, bytes: u64) -> Self {
        // `before` becomes the exact digest that must be there now: undo refuses a file that was
        // edited since.
        Self { path: self.path.clone(), before: self.after, after: self.before, bytes }
    }
}

impl From<&Effect> for FileChange {
    fn from(effect: &Effect) -> Self {
        Self { path: effect.path.clone(), before: effect.before, after: effect.sha256, bytes: effect.bytes }
    }
}

/// Two runs of one commit wrote the same file, or one needs a folder where the other wrote a file. The second did not see what
/// the first wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two runs write `{0}`")]
pub struct WrittenTwice(pub VaultPath);

/// Whether the files of several runs can be those of one commit.
///
/// # Errors
/// [`WrittenTwice`].
pub fn check_disjoint<'a>(effects: impl IntoIterator<Item = &'a Effect>) -> Result<(), WrittenTwice> {
    let mut paths = BTreeSet::new();
    for effect in effects {
        if !paths.insert(&effect.path) {
            return Err(WrittenTwice(effect.path.clone()));
        }
    }
    // A path cannot be the file of one run and a folder of another.
    // Only the first conflict is named. One is enough to refuse the commit.
    let above = |path: &VaultPath| paths.iter().find(|other| **other != path && path.is_within(other)).copied();
    match paths.iter().find_map(|path| above(path)) {
        Some(path) => Err(WrittenTwice(path.clone())),
        None => Ok(()),
    }
}

impl Commit {
    /// A commit that is to be applied at once.
    pub fn pending(id: CommitId, kind: CommitKind, changes: Vec<VaultChange>, created_at: Timestamp) -> Self {
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

    /// The commit as it is now: held until its deadline has passed, and expired afterwards. The ledger keeps HELD, so that
    /// a clock that was wrong for a moment decides nothing. Without a time, because the clock is in doubt, it stays held.
    #[must_use]
    pub fn as_of(self, now: Option<Timestamp>) -> Self {
        let over = |deadline| now.is_some_and(|now| now > deadline);
        let overdue = self.state == CommitState::Held && self.expires_at.is_some_and(over);
        if overdue { Self { state: CommitState::Expired, ..self } } else { self }
    }

    /// The same commit, held for a person until then.
    pub fn held_until(self, expires_at: Timestamp) -> Self {
        Self { state: CommitState::Held, expires_at: Some(expires_at), ..self }
    }
}

/// A commit, as the ledger has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Commit {
    /// Its id: the id of the run, or of the first run of a chain.
    pub id: CommitId,
    /// Whose files they are.
    pub kind: CommitKind,
    /// Its state.
    pub state: CommitState,
    /// What it changes.
    pub changes: Vec<VaultChange>,
    /// The commit that this one undoes.
    pub undoes: Option<CommitId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Until when a person can approve it; only where it is or was held.
    pub expires_at: Option<Timestamp>,
    /// Who approved, rejected or undid it.
    pub decided_by: Option<String>,
    /// When.
    pub decided_at: Option<Timestamp>,
    /// Why it was rejected, or was not applied.
    pub why: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_has_a_file_change_as_it_always_did() -> Result<(), Box<dyn std::error::Error>> {
        let stored = format!(r#"{{"path":"Inbox/a.md","before":null,"after":"{}","bytes":1}}"#, Digest::of(b"a"));
        let change: VaultChange = serde_json::from_str(&stored)?;
        assert_eq!(
            (change.path().as_str(), change.before(), change.after()),
            ("Inbox/a.md", None, Some(Digest::of(b"a")))
        );
        assert_eq!(serde_json::to_string(&change)?, stored);
        Ok(())
    }

    #[test]
    fn a_held_commit_is_held_until_its_deadline_and_again_when_the_clock_is_right_again()
    -> Result<(), Box<dyn std::error::Error>> {
        let at = Timestamp::from_millis;
        let id = CommitId::new(&crate::model::id::RandomIds);
        let held = Commit::pending(id, CommitKind::Run, Vec::new(), at(0)?).held_until(at(10)?);
        for (now, state) in
            [(0, CommitState::Held), (10, CommitState::Held), (11, CommitState::Expired), (-5, CommitState::Held)]
        {
            assert_eq!(held.clone().as_of(Some(at(now)?)).state, state, "{now}");
        }
        assert_eq!(held.clone().as_of(None).state, CommitState::Held);
        let applied = Commit { state: CommitState::Applied, ..held };
        assert_eq!(applied.as_of(Some(at(99)?)).state, CommitState::Applied);
        Ok(())
    }

    #[test]
    fn a_removal_is_stored_as_the_undo_of_a_new_file_always_was() -> Result<(), Box<dyn std::error::Error>> {
        let stored = format!(r#"{{"path":"Inbox/a.md","before":"{}","after":null,"bytes":0}}"#, Digest::of(b"a"));
        let change: VaultChange = serde_json::from_str(&stored)?;
        let removal = FileRemoval { path: VaultPath::parse("Inbox/a.md")?, before: Digest::of(b"a") };
        assert_eq!(change, VaultChange::Removal(removal));
        assert_eq!(serde_json::to_string(&change)?, stored);
        let put_back = change.reversed(1);
        assert_eq!((put_back.before(), put_back.after()), (None, Some(Digest::of(b"a"))));
        assert_eq!(put_back.reversed(0), change);
        Ok(())
    }

    #[test]
    fn no_two_runs_of_a_commit_write_one_path() -> Result<(), Box<dyn std::error::Error>> {
        let effect = |path: &str| -> Result<Effect, Box<dyn std::error::Error>> {
            Ok(Effect { path: VaultPath::parse(path)?, sha256: Some(Digest::of(b"a")), bytes: 1, before: None })
        };
        let check = |paths: &[&str]| -> Result<Option<String>, Box<dyn std::error::Error>> {
            let effects = paths.iter().map(|path| effect(path)).collect::<Result<Vec<_>, _>>()?;
            Ok(check_disjoint(&effects).err().map(|WrittenTwice(path)| path.as_str().to_owned()))
        };
        assert_eq!(check(&["a/b.md", "a/c.md", "a.md"])?, None);
        assert_eq!(check(&["a/b.md", "a/b.md"])?.as_deref(), Some("a/b.md"));
        assert_eq!(check(&["a/b/c.md", "a/b"])?.as_deref(), Some("a/b"));
        Ok(())
    }
}
