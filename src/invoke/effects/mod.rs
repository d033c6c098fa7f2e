//! Files into the vault, all of them or none, whatever happens in between.
//!
//! A run writes into a staging folder on the vault's own file system (`staging`). When its output has been validated the
//! files are made durable, every folder they need is made, and every place is looked at: what lies there now is in the
//! record, its bytes are kept in the store, and if it was changed since the run began nothing goes on. The files then wait in
//! one folder; the record is written with a PENDING commit that lists them; then each is moved to its place (`moves`);
//! then the commit is APPLIED. A crash before the record leaves nothing but staging to be swept; a crash after it is
//! finished by [`recover`], which does the moves again. When something came in the way at the last moment, the moves that were made are
//! taken back and the commit is REVERTED. All of it is under one lock a workspace, so that nobody recovers what is still
//! being done.
//!
//! Guarantees: no link is followed inside the vault; a file that somebody changed is not overwritten; a place that is taken
//! by anything but a regular file is refused before the record exists. Known limit: while the moves go on, a reader may see
//! some files of one commit and not others.

mod moves;
mod place;
mod staging;

use std::fmt::Debug;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::diff::{self, FileDiff};
use crate::artifacts::{ArtifactError, Kind, Store};
use crate::ledger::{Journal, Ledger, LedgerError, Settled};
use crate::model::{
    commit::{Change, Commit},
    digest::Digest,
    id::CommitId,
    layout::Layout,
    lifecycle::CommitState,
    vault_path::VaultPath,
};
use moves::{Moves, Trouble};
use place::{Folders, Found, Place, Vault};
use staging::{Ready, Stamp};

pub use staging::Staging;

/// Why files did not reach the vault.
#[derive(Debug, thiserror::Error)]
pub enum EffectsError {
    /// A place in the vault cannot take the file. Nothing was changed.
    #[error("`{path}` cannot be written in the vault: {why}")]
    Place {
        /// Where.
        path: VaultPath,
        /// Why not.
        why: String,
    },
    /// Somebody else changed the file in the meantime. Nothing was changed.
    #[error("`{path}` in the vault is left as it is: {why}")]
    Conflict {
        /// Which.
        path: VaultPath,
        /// What happened to it.
        why: String,
    },
    /// The vault or the staging folder cannot be used.
    #[error("{path}: {source}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Recorded, but not all there.
    #[error("effect {id} is recorded, but `{path}` could not be moved into the vault: {why}")]
    Unfinished {
        /// Which commit.
        id: String,
        /// The first file that is missing.
        path: VaultPath,
        /// Why.
        why: String,
    },
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A file.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
}

fn io(path: &Path) -> impl FnOnce(std::io::Error) -> EffectsError {
    let path = path.to_owned();
    move |source| EffectsError::Io { path, source }
}

/// The points of a commit, in their order. Between any two of them the machine may stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The files are on the disk, in the run's staging folder.
    Durable,
    /// Every place was looked at, and what lies there is kept.
    Kept,
    /// The files wait for their moves.
    Ready,
    /// The record and the PENDING commit are on the disk.
    Recorded,
    /// The move with this number, from 0, was made.
    Moved(usize),
    /// All moves are on the disk.
    Synced,
    /// The commit is APPLIED.
    Settled,
}

/// Who is told how far a commit is.
pub trait Steps: Debug + Sync {
    /// A point is reached.
    fn reached(&self, step: Step);
}

/// Nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Untold;

impl Steps for Untold {
    fn reached(&self, _: Step) {}
}

/// What commits work with.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// Where things lie.
    pub layout: &'a Layout,
    /// Where bytes are kept that a commit replaces.
    pub store: &'a Store,
    /// Who is told.
    pub steps: &'a dyn Steps,
}

/// What a commit's places must look like.
#[derive(Debug, Clone, Copy)]
pub(super) enum Basis {
    /// As they did when the run began.
    Run(Began),
    /// As each change says.
    Exactly,
}

/// When a run began, for its files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Began {
    stamp: Stamp,
    settled: u64,
}

impl Began {
    /// A run with this staging folder begins now.
    pub(super) fn now(ledger: &Ledger, staging: &Staging) -> Result<Self, EffectsError> {
        Ok(Self { settled: ledger.settled_up_to()?, stamp: staging.stamp()? })
    }
}

/// One file to be committed.
#[derive(Debug)]
pub(super) struct Wanted {
    /// What is to become of its place. `before` is filled in where the basis does not say it.
    pub(super) change: Change,
    /// The file; none where one is taken away.
    pub(super) file: Option<PathBuf>,
    /// What its place must look like.
    pub(super) basis: Basis,
}

/// What lies at the places of a commit now, looked at under the lock.
#[derive(Debug)]
pub(super) struct Looked<'a> {
    ground: Ground<'a>,
    vault: Vault,
    wanted: Vec<(Wanted, Option<Found>)>,
    _lock: File,
}

/// A commit that only has to be recorded.
#[derive(Debug)]
pub(super) struct Prepared<'a> {
    ground: Ground<'a>,
    vault: Vault,
    ready: Ready,
    _lock: File,
}

/// Takes the lock and looks at every place: what lies there is what the basis says.
///
/// # Errors
/// [`EffectsError::Conflict`] and [`EffectsError::Place`].
pub(super) fn look<'a>(ground: Ground<'a>, ledger: &Ledger, wanted: Vec<Wanted>) -> Result<Looked<'a>, EffectsError> {
    let lock = staging::effects_lock(ground.layout)?;
    let vault = Vault::open(ground.layout)?;
    let mut seen = Vec::with_capacity(wanted.len());
    for mut wanted in wanted {
        let place = Place::open(&vault, &wanted.change.path, Folders::Leave)?;
        let found = place.map_or(Ok(None), |place| place.read())?;
        check_basis(ledger, &wanted, found.as_ref())?;
        wanted.change.before = found.as_ref().map(|found| found.sha256);
        seen.push((wanted, found));
    }
    Ok(Looked { ground, vault, wanted: seen, _lock: lock })
}

fn check_basis(ledger: &Ledger, wanted: &Wanted, found: Option<&Found>) -> Result<(), EffectsError> {
    let path = &wanted.change.path;
    let conflict = |why: &str| Err(EffectsError::Conflict { path: path.clone(), why: why.to_owned() });
    match (wanted.basis, found) {
        (Basis::Exactly, found) if found.map(|found| found.sha256) == wanted.change.before => Ok(()),
        (Basis::Exactly, None) => conflict("it is not there any more"),
        (Basis::Exactly, Some(_)) => conflict("it was changed in the meantime"),
        (Basis::Run(_), None) => Ok(()),
        (Basis::Run(began), Some(found)) if found.changed < began.stamp => Ok(()),
        // Touched since, or in the very tick of the clock that the run began in: fine only if it was a commit from before.
        (Basis::Run(began), Some(found)) => match ledger.recent_change(|change| change.path == *path)? {
            Some((number, change)) if number <= began.settled && change.after == Some(found.sha256) => Ok(()),
            _ => conflict("it was changed after the run began"),
        },
    }
}

impl<'a> Looked<'a> {
    /// The changes, each with what it replaces.
    pub(super) fn changes(&self) -> impl Iterator<Item = &Change> {
        self.wanted.iter().map(|(wanted, _)| &wanted.change)
    }

    /// How every file would change. Others are let at the vault first: that may take long.
    pub(super) fn diffs(self) -> Result<Vec<FileDiff>, EffectsError> {
        drop(self._lock);
        let one = |(wanted, found): &(Wanted, Option<Found>)| {
            let new = wanted.file.as_ref().map(|file| fs::read(file).map_err(io(file))).transpose()?;
            Ok(diff::of(&wanted.change, found.as_ref().map(|found| &*found.bytes), new.as_deref()))
        };
        self.wanted.iter().filter(|(wanted, _)| !wanted.change.is_none()).map(one).collect()
    }

    /// Keeps the bytes that are replaced.
    fn keep_old(&self) -> Result<(), EffectsError> {
        for (wanted, found) in &self.wanted {
            if let Some(found) = found.as_ref().filter(|_| !wanted.change.is_none()) {
                self.ground.store.put(Kind::File, &found.bytes)?;
            }
        }
        self.ground.steps.reached(Step::Kept);
        Ok(())
    }

    /// Keeps the old bytes and the new ones, for a commit that somebody decides about later.
    pub(super) fn keep(&self) -> Result<(), EffectsError> {
        self.keep_old()?;
        for (wanted, _) in &self.wanted {
            if let Some(file) = &wanted.file {
                let bytes = fs::read(file).map_err(io(file))?;
                let kept = self.ground.store.put(Kind::File, &bytes)?;
                check_staged(file, kept, wanted.change.after)?;
            }
        }
        Ok(())
    }

    /// Lays every file that changes something where it waits for its move, on the disk.
    pub(super) fn prepare(self, commit: CommitId) -> Result<Prepared<'a>, EffectsError> {
        self.keep_old()?;
        let Self { ground, vault, wanted, _lock } = self;
        let ready = Ready::open(ground.layout)?;
        let changing = wanted.iter().filter(|(wanted, _)| !wanted.change.is_none());
        for (number, (wanted, found)) in changing.enumerate() {
            if let Some(place) = Place::open(&vault, &wanted.change.path, Folders::Make)? {
                place.check(ready.folder())?;
            }
            let Some(file) = &wanted.file else { continue };
            if let Some(found) = found {
                keep_permissions(file, &found.permissions)?;
            }
            fs::rename(file, ready.file(commit, number)).map_err(io(file))?;
        }
        ready.sync()?;
        ground.steps.reached(Step::Ready);
        Ok(Prepared { ground, vault, ready, _lock })
    }
}

/// Makes staged files durable, with the permissions that the person's mask gives a new file. Before the lock is taken: it may
/// take long.
pub(super) fn make_durable(ground: Ground<'_>, staging: &Staging, files: &[Wanted]) -> Result<(), EffectsError> {
    let permissions = staging.permissions()?;
    for path in files.iter().filter_map(|wanted| wanted.file.as_ref()) {
        let file = File::open(path).map_err(io(path))?;
        file.set_permissions(permissions.clone()).and_then(|()| file.sync_all()).map_err(io(path))?;
    }
    ground.steps.reached(Step::Durable);
    Ok(())
}

/// A file that replaces another has the permissions of that one.
fn keep_permissions(file: &Path, permissions: &fs::Permissions) -> Result<(), EffectsError> {
    let open = File::open(file).map_err(io(file))?;
    if open.metadata().map_err(io(file))?.permissions() != *permissions {
        open.set_permissions(permissions.clone()).and_then(|()| open.sync_all()).map_err(io(file))?;
    }
    Ok(())
}

fn check_staged(file: &Path, found: Digest, recorded: Option<Digest>) -> Result<(), EffectsError> {
    if Some(found) == recorded {
        return Ok(());
    }
    Err(io(file)(std::io::Error::new(std::io::ErrorKind::InvalidData, "it is not what the run left")))
}

impl Prepared<'_> {
    /// Moves the files of a commit that is on record, and says what to put on record about that.
    ///
    /// # Errors
    /// [`EffectsError::Unfinished`] when neither all of them could be moved nor all moves taken back: the commit stays
    /// PENDING, and [`recover`] tries again.
    fn apply(&self, commit: &Commit) -> Result<Settled, EffectsError> {
        self.ground.steps.reached(Step::Recorded);
        settle(self.ground, (&self.vault, &self.ready), commit)
    }

    /// Does the moves of a commit that is on record, says so there, and lets others at the vault.
    ///
    /// # Errors
    /// [`EffectsError::Conflict`] when all moves were taken back, [`EffectsError::Unfinished`] when that was not possible either:
    /// the commit stays PENDING, and [`recover`] tries again.
    pub(super) fn carry_out<E>(self, commit: &Commit, journal: &dyn Journal) -> Result<(), E>
    where
        E: From<EffectsError> + From<LedgerError>,
    {
        let settled = self.apply(commit)?;
        journal.settle(commit.id, &settled)?;
        self.done(commit);
        Ok(as_error(commit, &settled)?)
    }

    /// Removes the files of a commit that was refused its record. After any other error of the ledger they stay where they
    /// are: nobody knows then whether it is on record.
    pub(super) fn refused(&self, commit: &Commit, error: &LedgerError) {
        if matches!(error, LedgerError::Halted(_) | LedgerError::WrongState { .. } | LedgerError::Conflict(_)) {
            self.moves(commit).clean();
        }
    }

    fn moves<'m>(&'m self, commit: &'m Commit) -> Moves<'m> {
        Moves { vault: &self.vault, ready: &self.ready, store: self.ground.store, commit }
    }

    /// Removes what waited beside the files of a commit that is settled on record, and lets others at the vault.
    fn done(self, commit: &Commit) {
        self.ground.steps.reached(Step::Settled);
        self.moves(commit).clean();
    }
}

/// Does a commit's moves, or takes them back.
fn settle(ground: Ground<'_>, (vault, ready): (&Vault, &Ready), commit: &Commit) -> Result<Settled, EffectsError> {
    let moves = Moves { vault, ready, store: ground.store, commit };
    match moves.all(&|number| ground.steps.reached(Step::Moved(number))) {
        Ok(()) => {
            ground.steps.reached(Step::Synced);
            Ok(Settled::Applied)
        }
        Err((trouble, Ok(()))) => Ok(Settled::Reverted(format!("`{}`: {}", trouble.path(), trouble.why()))),
        Err((_, Err(worse))) => Err(unfinished(commit, &worse)),
    }
}

fn unfinished(commit: &Commit, trouble: &Trouble) -> EffectsError {
    EffectsError::Unfinished { id: commit.id.short(), path: trouble.path().clone(), why: trouble.why() }
}

/// A commit whose files are not there though it was recorded, as an error.
fn as_error(commit: &Commit, settled: &Settled) -> Result<(), EffectsError> {
    match (settled, commit.changes.first()) {
        (Settled::Reverted(why), Some(first)) => {
            Err(EffectsError::Conflict { path: first.path.clone(), why: why.clone() })
        }
        _ => Ok(()),
    }
}

/// Leaves a commit that cannot be finished as it is, by a person's word. What waits of it goes into the store first.
///
/// # Errors
/// [`EffectsError`] when it is not PENDING any more, or what waits cannot be kept.
pub(super) fn give_up(
    ground: Ground<'_>,
    ledger: &Ledger,
    id: CommitId,
    (by, why): (&str, &str),
) -> Result<(), EffectsError> {
    let _lock = staging::effects_lock(ground.layout)?;
    for bytes in Ready::open(ground.layout)?.contents(id)? {
        ground.store.put(Kind::File, &bytes)?;
    }
    Ok(ledger.settle(id, &Settled::Reverted(format!("given up by {by}: {why}")))?)
}

/// Finishes what a crash left half done, and sweeps staging folders that belong to nobody. Gives the commits that are settled
/// now.
///
/// # Errors
/// [`EffectsError`] when a recorded commit's files can neither be moved nor taken back.
pub fn recover(ground: Ground<'_>, ledger: &Ledger) -> Result<Vec<Commit>, EffectsError> {
    if staging::is_empty(ground.layout)? && !ledger.any_pending_commits()? {
        return Ok(Vec::new());
    }
    let _lock = staging::effects_lock(ground.layout)?;
    let mut pending = ledger.pending_commits()?;
    let (vault, ready) = (Vault::open(ground.layout)?, Ready::open(ground.layout)?);
    for commit in &mut pending {
        let settled = match ledger.was_made_without_a_look(commit.id)? {
            true => {
                ready.adopt(ground.layout, commit)?;
                let moves = Moves { vault: &vault, ready: &ready, store: ground.store, commit };
                moves.all_as_before().map_err(|trouble| unfinished(commit, &trouble))?;
                Settled::Applied
            }
            false => settle(ground, (&vault, &ready), commit)?,
        };
        ledger.settle(commit.id, &settled)?;
        (commit.state, commit.why) = match settled {
            Settled::Applied => (CommitState::Applied, None),
            Settled::Reverted(why) => (CommitState::Reverted, Some(why)),
        };
    }
    staging::sweep(ground.layout)?;
    Ok(pending)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::Create;
    use crate::model::id::{ExecutionId, RandomIds};

    #[test]
    fn runs_that_end_while_somebody_sweeps_are_no_trouble() -> Result<(), Box<dyn std::error::Error>> {
        let root = tempfile::tempdir()?;
        let layout = Layout { root: root.path().to_owned(), vault: root.path().join("vault") };
        fs::create_dir_all(layout.state())?;
        fs::create_dir_all(&layout.vault)?;
        let ledger = Ledger::open(&layout.ledger(), Create::IfMissing)?;
        let store = Store::new(layout.store());
        let ground = Ground { layout: &layout, store: &store, steps: &Untold };
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        (0..100).try_for_each(|_| Staging::create(&layout, ExecutionId::new(&RandomIds)).map(drop))
                    })
                })
                .collect();
            while running.iter().any(|thread| !thread.is_finished()) {
                recover(ground, &ledger)?;
            }
            running.into_iter().try_for_each(|thread| thread.join().unwrap_or(Ok(())))
        })?;
        Ok(())
    }
}
