//! What happens to the files of a run or a chain: they are committed, held, shown, or left for a later commit.
//!
//! The plan is made before the record is written, because the record names what the files replace. It is carried out after
//! that. Deliberately never: writes a record itself.

use super::change::StagedChange;
use super::conflict::{Precondition, RunStart};
use super::error::EffectsError;
use super::file_change::StagedFile;
use super::staging::{StagedContent, Staging};
use super::transaction::{self, CheckedCommit, PreparedCommit};
use crate::invoke::context::RunContext;
use crate::invoke::diff::FileDiff;
use crate::invoke::request::Disposition;
use crate::ledger::LedgerError;
use crate::model::{
    commit::{Commit, VaultChange},
    execution::Effect,
    id::CommitId,
    lifecycle::CommitKind,
};

/// The files of a run, as a commit takes them out of its staging folder.
pub(in crate::invoke) fn staged_files(effects: &[Effect], staging: &Staging, start: RunStart) -> Vec<StagedChange> {
    let staged = |effect: &Effect| match effect.sha256 {
        Some(_) => StagedChange::File(StagedFile {
            change: effect.into(),
            source: Some(StagedContent::new(staging.out(), effect.path.as_str())),
            precondition: Precondition::UnchangedSince(start),
        }),
        // The run named the content that it removes, so any other in its place is a conflict.
        None => StagedChange::Removal(StagedFile {
            change: effect.into(),
            source: None,
            precondition: Precondition::Exactly,
        }),
    };
    effects.iter().map(staged).collect()
}

/// The files of a run or chain.
#[derive(Debug)]
pub(in crate::invoke) struct FileSet<'s> {
    /// Whose they are.
    pub(in crate::invoke) kind: CommitKind,
    /// The id of their commit, if there is to be one.
    pub(in crate::invoke) id: CommitId,
    /// What is to happen to them.
    pub(in crate::invoke) disposition: Disposition,
    /// A staging folder of theirs.
    pub(in crate::invoke) staging: &'s Staging,
    /// The changes.
    pub(in crate::invoke) changes: Vec<StagedChange>,
}

/// What happens to files when the record is written.
#[derive(Debug)]
pub(in crate::invoke) struct FilePlan<'a> {
    changes: Vec<VaultChange>,
    action: Action<'a>,
}

#[derive(Debug)]
enum Action<'a> {
    Apply(PreparedCommit<'a>),
    Hold(Commit, Vec<FileDiff>),
    Show(Vec<FileDiff>),
    Leave,
    /// Every file is as it was.
    Nothing,
}

/// What happened to files.
#[derive(Debug)]
pub(in crate::invoke) enum FileOutcome {
    /// They are in the vault.
    Committed(Commit),
    /// A person decides about them.
    Held(Commit, Vec<FileDiff>),
    /// This is what they would change.
    Shown(Vec<FileDiff>),
    /// They are still in their staging folders.
    Left,
    /// They change nothing.
    Unchanged,
}

impl FileSet<'_> {
    /// Checks the files and prepares what is to happen to them.
    ///
    /// # Errors
    /// [`EffectsError`] when they conflict with the vault, or cannot be kept or prepared.
    pub(in crate::invoke) fn plan<'a>(self, context: &'a RunContext<'a>) -> Result<FilePlan<'a>, EffectsError> {
        if self.disposition == Disposition::Commit {
            transaction::make_durable(context, self.staging, &self.changes)?;
        }
        let checked = CheckedCommit::new(context, self.changes)?;
        let changes = checked.changes();
        // After the check, which may have waited for the lock: the hold of a commit starts now.
        let now = context.shared.clock.now();
        let commit = || {
            let changes: Vec<VaultChange> = changes.iter().filter(|change| !change.is_noop()).cloned().collect();
            // A commit without changes would be a row that nobody can undo.
            (!changes.is_empty()).then(|| Commit::pending(self.id, self.kind, changes, now))
        };
        let action = match self.disposition {
            // The check is repeated with the files of the other steps. Here it stops a chain as early as possible.
            Disposition::Leave => Action::Leave,
            Disposition::Show => Action::Show(checked.diffs()?),
            Disposition::Commit => match commit() {
                Some(commit) => Action::Apply(checked.prepare(commit)?),
                None => Action::Nothing,
            },
            Disposition::Hold => match commit() {
                Some(commit) => {
                    // The staging folder is gone when a person decides, so the store must have the content.
                    checked.keep()?;
                    Action::Hold(commit.held_until(now.after(context.shared.hold)), checked.diffs()?)
                }
                None => Action::Nothing,
            },
        };
        Ok(FilePlan { changes, action })
    }
}

impl FilePlan<'_> {
    /// All changes, also those that change nothing, each with what it replaces. They have the order of the staged ones.
    pub(in crate::invoke) fn changes(&self) -> &[VaultChange] {
        &self.changes
    }

    /// The commit that is to be recorded, if there is one.
    pub(in crate::invoke) fn commit(&self) -> Option<&Commit> {
        match &self.action {
            Action::Apply(prepared) => Some(prepared.commit()),
            Action::Hold(commit, _) => Some(commit),
            Action::Show(_) | Action::Leave | Action::Nothing => None,
        }
    }

    /// Writes the record and the commit, by `write`.
    ///
    /// # Errors
    /// That of `write`.
    pub(in crate::invoke) fn record(
        &self,
        write: impl FnOnce(Option<&Commit>) -> Result<(), LedgerError>,
    ) -> Result<(), LedgerError> {
        match &self.action {
            Action::Apply(prepared) => prepared.record(|commit| write(Some(commit))),
            _ => write(self.commit()),
        }
    }

    /// Carries the recorded plan out.
    ///
    /// # Errors
    /// As of [`PreparedCommit::apply`].
    pub(in crate::invoke) fn carry_out<E>(self) -> Result<FileOutcome, E>
    where
        E: From<EffectsError> + From<LedgerError>,
    {
        Ok(match self.action {
            Action::Apply(prepared) => FileOutcome::Committed(prepared.apply::<E>()?),
            Action::Hold(commit, diffs) => FileOutcome::Held(commit, diffs),
            Action::Show(diffs) => FileOutcome::Shown(diffs),
            Action::Leave => FileOutcome::Left,
            Action::Nothing => FileOutcome::Unchanged,
        })
    }
}
