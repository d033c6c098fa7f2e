//! The moves of a commit: each file to its place, each move one step of the file system, and each can be taken back.
//!
//! A new file is renamed to a place where nothing may lie. A file that is replaced changes places with the new one, so that
//! what really lay there is in hand and can be looked at: if it is not what the record says, they change places again. A
//! file that is taken away is renamed aside and looked at in the same way. What was replaced waits beside the files on
//! their way until the commit is settled.
//!
//! Guarantees: nothing is overwritten that was not looked at, by whomever it was put there in the meantime; what turns out to be
//! anything else than the record says, be it a folder, a link or a note that cannot be read, changes places again; doing a move
//! twice is doing it once, so a crash between any two of them is finished by doing all again. Where a file that waited is
//! gone and is not at its place either, nobody but a person can tell why: nothing goes on then. Where the file system cannot let
//! two files change places, the file is looked at just before it is replaced: somebody who writes it in that moment loses.
//!
//! Deliberately never: follows a link, or decides what is to be moved.

use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, RenameFlags};
use rustix::io::Errno;

use super::place::{Folders, Place, Vault};
use super::staging::Ready;
use crate::artifacts::{self, Kind, ReadError, Store};
use crate::model::{commit::Change, commit::Commit, digest::Digest, vault_path::VaultPath};

/// Why a commit's files cannot all be moved.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Something else lies at a place than the record says.
    Conflict(VaultPath, &'static str),
    /// The file system, or what lies there.
    Failed(VaultPath, String),
    /// A file that waited is gone, and is not at its place.
    Lost(VaultPath),
}

impl Trouble {
    pub(super) fn path(&self) -> &VaultPath {
        match self {
            Self::Conflict(path, _) | Self::Failed(path, _) | Self::Lost(path) => path,
        }
    }

    pub(super) fn why(&self) -> String {
        match self {
            Self::Conflict(_, why) => (*why).to_owned(),
            Self::Failed(_, why) => why.clone(),
            Self::Lost(_) => LOST.to_owned(),
        }
    }
}

const CHANGED: &str = "it was changed since the run began";
const MADE: &str = "it was made since the run began";
const GONE: &str = "it was removed since the run began";
const FOREIGN: &str = "the file on its way is not what was recorded";
const LOST: &str = "the file that waited is not there any more (is the vault where it was?)";

/// One commit's moves.
#[derive(Debug)]
pub(super) struct Moves<'a> {
    pub(super) vault: &'a Vault,
    pub(super) ready: &'a Ready,
    /// Where the bytes are that were replaced.
    pub(super) store: &'a Store,
    pub(super) commit: &'a Commit,
}

/// What waits where a file of a commit waits for its move, or what was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Nothing,
    File(Digest),
    /// No regular file, or one that cannot be read.
    Other,
}

/// One move: a change, the file on its way, and its place.
struct Move<'a> {
    change: &'a Change,
    file: PathBuf,
    place: Place<'a>,
    store: &'a Store,
}

impl Moves<'_> {
    /// Moves everything. After an error none of it is there, unless it says otherwise.
    pub(super) fn all(&self, reached: &dyn Fn(usize)) -> Result<(), (Trouble, Result<(), Trouble>)> {
        for (number, change) in self.commit.changes.iter().enumerate() {
            match self.one(number, change).and_then(|at| at.forward()) {
                Ok(()) => reached(number),
                Err(Trouble::Lost(path)) => return Err((Trouble::Lost(path.clone()), Err(Trouble::Lost(path)))),
                Err(trouble) => return Err((trouble, self.back())),
            }
        }
        self.sync().map_err(|trouble| (trouble, self.back()))
    }

    /// The moves of a kavi that did not look at what it replaced, for a run that it recorded and did not finish.
    pub(super) fn all_as_before(&self) -> Result<(), Trouble> {
        for (number, change) in self.commit.changes.iter().enumerate() {
            let one = self.one(number, change)?;
            match (one.waiting(), change.after) {
                (Waiting::File(found), Some(after)) if found == after => {
                    one.rename(Way::In, RenameFlags::empty()).map_err(|error| one.failed(error))?;
                }
                (Waiting::Nothing, Some(after)) if one.there()? == Some(after) => {}
                (Waiting::Nothing, _) => return Err(Trouble::Lost(change.path.clone())),
                _ => return Err(one.failed(FOREIGN)),
            }
        }
        self.sync()
    }

    /// Takes back every move that was made, also by a process that crashed, the last one first.
    fn back(&self) -> Result<(), Trouble> {
        for (number, change) in self.commit.changes.iter().enumerate().rev() {
            // What still waits has no place to be taken from.
            let waiting = waiting(&self.ready.file(self.commit.id, number));
            let not_made = match (change.after, waiting) {
                (Some(after), Waiting::File(found)) => found == after,
                (None, waiting) => waiting == Waiting::Nothing,
                _ => false,
            };
            if !not_made {
                self.one(number, change)?.back()?;
            }
        }
        self.sync()
    }

    fn one<'m>(&'m self, number: usize, change: &'m Change) -> Result<Move<'m>, Trouble> {
        let place = match Place::open(self.vault, &change.path, Folders::Make) {
            Ok(Some(place)) => place,
            Ok(None) => return Err(Trouble::Conflict(change.path.clone(), GONE)),
            Err(error) => return Err(Trouble::Failed(change.path.clone(), error.to_string())),
        };
        Ok(Move { change, file: self.ready.file(self.commit.id, number), place, store: self.store })
    }

    /// Makes the names in every folder durable, each once.
    fn sync(&self) -> Result<(), Trouble> {
        let mut last: Option<&str> = None;
        for change in &self.commit.changes {
            let folder = change.path.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
            if last.replace(folder) == Some(folder) {
                continue;
            }
            // A folder that cannot be opened was not written to.
            if let Ok(Some(place)) = Place::open(self.vault, &change.path, Folders::Leave) {
                let failed = |error: Errno| Trouble::Failed(change.path.clone(), error.to_string());
                rustix::fs::fsync(&place.folder).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Removes what waited beside the files on their way.
    pub(super) fn clean(&self) {
        for number in 0..self.commit.changes.len() {
            // What cannot be removed now is swept by the next recovery.
            let _ = std::fs::remove_file(self.ready.file(self.commit.id, number));
        }
    }
}

fn waiting(file: &Path) -> Waiting {
    match artifacts::read_once(file) {
        Ok(bytes) => Waiting::File(Digest::of(&bytes)),
        Err(ReadError::Missing) => Waiting::Nothing,
        Err(ReadError::NotAFile(_) | ReadError::Io(_)) => Waiting::Other,
    }
}

/// Whether the file system has no such way to rename.
fn has_no_way(error: Errno) -> bool {
    matches!(error, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
}

impl Move<'_> {
    fn failed(&self, why: impl ToString) -> Trouble {
        Trouble::Failed(self.change.path.clone(), why.to_string())
    }

    fn conflict(&self, why: &'static str) -> Trouble {
        Trouble::Conflict(self.change.path.clone(), why)
    }

    fn waiting(&self) -> Waiting {
        waiting(&self.file)
    }

    fn there(&self) -> Result<Option<Digest>, Trouble> {
        self.place.digest().map_err(|error| self.failed(error))
    }

    fn rename(&self, way: Way, flags: RenameFlags) -> Result<(), Errno> {
        let (folder, name) = (&self.place.folder, self.place.name);
        match way {
            Way::In => rustix::fs::renameat_with(CWD, &self.file, folder, name, flags),
            Way::Out => rustix::fs::renameat_with(folder, name, CWD, &self.file, flags),
        }
    }

    /// Renames to where nothing lies.
    fn rename_new(&self, way: Way) -> Result<(), Errno> {
        match self.rename(way, RenameFlags::NOREPLACE) {
            Err(error) if has_no_way(error) => self.link_new(way),
            renamed => renamed,
        }
    }

    /// The same by a second name, where there is no other way: that one is made only where nothing lies, too.
    fn link_new(&self, way: Way) -> Result<(), Errno> {
        let (folder, name) = (&self.place.folder, self.place.name);
        match way {
            Way::In => {
                rustix::fs::linkat(CWD, &self.file, folder, name, AtFlags::empty())?;
                rustix::fs::unlinkat(CWD, &self.file, AtFlags::empty())
            }
            Way::Out => {
                rustix::fs::linkat(folder, name, CWD, &self.file, AtFlags::empty())?;
                rustix::fs::unlinkat(folder, name, AtFlags::empty())
            }
        }
    }

    fn forward(&self) -> Result<(), Trouble> {
        match (self.change.before, self.change.after) {
            (None, Some(after)) => self.add(after),
            (Some(before), Some(after)) => self.replace(before, after),
            (Some(before), None) => self.remove(before),
            (None, None) => Ok(()),
        }
    }

    /// Takes a move back that was made.
    fn back(&self) -> Result<(), Trouble> {
        let failed = |error: Errno| self.failed(error);
        match (self.change.before, self.change.after, self.waiting()) {
            (Some(_), None, _) => match self.rename_new(Way::In) {
                Ok(()) | Err(Errno::EXIST) => Ok(()),
                Err(error) => Err(failed(error)),
            },
            // Somebody has written the file since: that is theirs now.
            (_, Some(after), _) if self.there()? != Some(after) => Ok(()),
            (None, Some(_), Waiting::Nothing) => self.rename_new(Way::Out).map_err(failed),
            (Some(before), Some(_), Waiting::Nothing) => self.restore(before),
            (Some(_), Some(_), _) => self.swap().map_err(failed),
            _ => Err(self.failed(FOREIGN)),
        }
    }

    /// Puts back what was replaced where it could not change places.
    fn restore(&self, before: Digest) -> Result<(), Trouble> {
        let bytes = self.store.get(Kind::File, before).map_err(|error| self.failed(error))?;
        artifacts::write_durably(&self.file, &bytes).map_err(|error| self.failed(error))?;
        self.rename(Way::In, RenameFlags::empty()).map_err(|error| self.failed(error))
    }

    fn add(&self, after: Digest) -> Result<(), Trouble> {
        match self.waiting() {
            Waiting::File(found) if found == after => match self.rename_new(Way::In) {
                Ok(()) => Ok(()),
                Err(Errno::EXIST) => Err(self.conflict(MADE)),
                Err(error) => Err(self.failed(error)),
            },
            Waiting::Nothing => self.must_be_there(after),
            Waiting::File(_) | Waiting::Other => Err(self.failed(FOREIGN)),
        }
    }

    /// What does not wait any more was moved, if it is there.
    fn must_be_there(&self, after: Digest) -> Result<(), Trouble> {
        if self.there()? == Some(after) { Ok(()) } else { Err(Trouble::Lost(self.change.path.clone())) }
    }

    /// Lets the two files change places.
    fn swap(&self) -> Result<(), Errno> {
        self.rename(Way::In, RenameFlags::EXCHANGE)
    }

    fn replace(&self, before: Digest, after: Digest) -> Result<(), Trouble> {
        match self.waiting() {
            Waiting::File(found) if found == after => match self.swap() {
                Ok(()) => self.look_at_replaced(before),
                Err(Errno::NOENT) => Err(self.conflict(GONE)),
                Err(error) if has_no_way(error) => self.overwrite(before),
                Err(error) => Err(self.failed(error)),
            },
            // They changed places before a crash, if the new file is there.
            Waiting::File(_) | Waiting::Other if self.there()? == Some(after) => self.look_at_replaced(before),
            // What was replaced waits, and somebody has written the file since: that is theirs now.
            Waiting::File(found) if found == before => Ok(()),
            Waiting::Nothing => self.must_be_there(after),
            Waiting::File(_) | Waiting::Other => Err(self.failed(FOREIGN)),
        }
    }

    fn look_at_replaced(&self, before: Digest) -> Result<(), Trouble> {
        if self.waiting() == Waiting::File(before) {
            return Ok(());
        }
        self.swap().map_err(|error| self.failed(error))?;
        Err(self.conflict(CHANGED))
    }

    /// Where two files cannot change places.
    fn overwrite(&self, before: Digest) -> Result<(), Trouble> {
        if self.there()? != Some(before) {
            return Err(self.conflict(CHANGED));
        }
        self.rename(Way::In, RenameFlags::empty()).map_err(|error| self.failed(error))
    }

    fn remove(&self, before: Digest) -> Result<(), Trouble> {
        if self.waiting() == Waiting::Nothing {
            match self.rename_new(Way::Out) {
                Ok(()) => {}
                Err(Errno::NOENT) => return Ok(()),
                Err(error) => return Err(self.failed(error)),
            }
        }
        if self.waiting() == Waiting::File(before) {
            return Ok(());
        }
        self.rename_new(Way::In).map_err(|error| self.failed(error))?;
        Err(self.conflict(CHANGED))
    }
}

/// Which way a file is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}
