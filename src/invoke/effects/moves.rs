//! The moves of a commit: each file to its place, each move one step of the file system, and each can be taken back.
//!
//! A new file is renamed to a place where nothing may lie. A file that is replaced changes places with the new one, so that
//! what really lay there is in hand and can be looked at: if it is not what the record says, they change places again. A
//! file that is taken away is renamed aside and looked at in the same way. What was replaced waits beside the files on
//! their way until the commit is settled.
//!
//! Guarantees: nothing is overwritten that was not looked at, by whomever it was put there in the meantime; doing a move twice
//! is doing it once, so a crash between any two of them is finished by doing all again. Where the file system cannot let two
//! files change places, the file is looked at just before it is replaced: somebody who writes it in that moment loses.
//!
//! Deliberately never: follows a link, or decides what is to be moved.

use std::path::PathBuf;

use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;

use super::place::{Folders, Place, Vault};
use super::staging::Ready;
use crate::artifacts::{self, ReadError};
use crate::model::{commit::Change, commit::Commit, digest::Digest, vault_path::VaultPath};

/// Why a commit's files cannot all be moved.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Something else lies at a place than the record says.
    Conflict(VaultPath, &'static str),
    /// The file system, or what lies there.
    Failed(VaultPath, String),
}

impl Trouble {
    pub(super) fn path(&self) -> &VaultPath {
        match self {
            Self::Conflict(path, _) | Self::Failed(path, _) => path,
        }
    }

    pub(super) fn why(&self) -> String {
        match self {
            Self::Conflict(_, why) => (*why).to_owned(),
            Self::Failed(_, why) => why.clone(),
        }
    }
}

const CHANGED: &str = "it was changed since the run began";
const MADE: &str = "it was made since the run began";
const GONE: &str = "it was removed since the run began";
const FOREIGN: &str = "the file on its way is not what was recorded";

/// One commit's moves.
#[derive(Debug)]
pub(super) struct Moves<'a> {
    pub(super) vault: &'a Vault,
    pub(super) ready: &'a Ready,
    pub(super) commit: &'a Commit,
}

/// One move: a change, the file on its way, and its place.
struct Move<'a> {
    change: &'a Change,
    file: PathBuf,
    place: Place<'a>,
}

impl Moves<'_> {
    /// Moves everything. After an error none of it is there, unless it says otherwise.
    pub(super) fn all(&self, reached: &dyn Fn(usize)) -> Result<(), (Trouble, Result<(), Trouble>)> {
        for (number, change) in self.commit.changes.iter().enumerate() {
            if let Err(trouble) = self.one(number, change).and_then(|at| at.forward()) {
                return Err((trouble, self.back()));
            }
            reached(number);
        }
        self.sync().map_err(|trouble| (trouble, self.back()))
    }

    /// Takes back every move that was made, also by a process that crashed, the last one first.
    fn back(&self) -> Result<(), Trouble> {
        for (number, change) in self.commit.changes.iter().enumerate().rev() {
            self.one(number, change)?.back()?;
        }
        self.sync()
    }

    fn one<'m>(&'m self, number: usize, change: &'m Change) -> Result<Move<'m>, Trouble> {
        let place = match Place::open(self.vault, &change.path, Folders::Make) {
            Ok(Some(place)) => place,
            Ok(None) => return Err(Trouble::Conflict(change.path.clone(), GONE)),
            Err(error) => return Err(Trouble::Failed(change.path.clone(), error.to_string())),
        };
        Ok(Move { change, file: self.ready.file(self.commit.id, number), place })
    }

    /// Makes the names in every folder durable, each once.
    fn sync(&self) -> Result<(), Trouble> {
        let mut last: Option<&str> = None;
        for change in &self.commit.changes {
            let folder = change.path.as_str().rsplit_once('/').map_or("", |(folder, _)| folder);
            if last.replace(folder) == Some(folder) {
                continue;
            }
            let failed = |error: String| Trouble::Failed(change.path.clone(), error);
            let place =
                Place::open(self.vault, &change.path, Folders::Leave).map_err(|error| failed(error.to_string()))?;
            if let Some(place) = place {
                rustix::fs::fsync(&place.folder).map_err(|error| failed(error.to_string()))?;
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

impl Move<'_> {
    fn failed(&self, why: impl ToString) -> Trouble {
        Trouble::Failed(self.change.path.clone(), why.to_string())
    }

    fn conflict(&self, why: &'static str) -> Trouble {
        Trouble::Conflict(self.change.path.clone(), why)
    }

    /// The digest of the file on its way, or of what was replaced; none where there is none any more.
    fn waiting(&self) -> Result<Option<Digest>, Trouble> {
        match artifacts::read_once(&self.file) {
            Ok(bytes) => Ok(Some(Digest::of(&bytes))),
            Err(ReadError::Missing) => Ok(None),
            Err(ReadError::NotAFile(kind)) => Err(self.failed(kind)),
            Err(ReadError::Io(error)) => Err(self.failed(error)),
        }
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

    fn forward(&self) -> Result<(), Trouble> {
        match (self.change.before, self.change.after) {
            (None, Some(after)) => self.add(after),
            (Some(before), Some(after)) => self.replace(before, after),
            (Some(before), None) => self.remove(before),
            (None, None) => Ok(()),
        }
    }

    fn back(&self) -> Result<(), Trouble> {
        let failed = |error: Errno| self.failed(error);
        match (self.change.before, self.change.after, self.waiting()?) {
            // It was not made: the new file still waits, or nothing was taken away.
            (_, Some(after), Some(waiting)) if waiting == after => Ok(()),
            (Some(_), None, None) => Ok(()),
            // Somebody has written the file since: that is theirs now.
            (_, Some(after), _) if self.there()? != Some(after) => Ok(()),
            (None, Some(_), _) => self.rename(Way::Out, RenameFlags::NOREPLACE).map_err(failed),
            (Some(before), Some(_), Some(waiting)) if waiting == before => self.swap().map_err(failed),
            (Some(_), None, Some(_)) => match self.rename(Way::In, RenameFlags::NOREPLACE) {
                Ok(()) | Err(Errno::EXIST) => Ok(()),
                Err(error) => Err(failed(error)),
            },
            _ => Err(self.failed("what it replaced is not there any more")),
        }
    }

    fn add(&self, after: Digest) -> Result<(), Trouble> {
        match self.waiting()? {
            Some(found) if found == after => match self.rename(Way::In, RenameFlags::NOREPLACE) {
                Ok(()) => Ok(()),
                Err(Errno::EXIST) => Err(self.conflict(MADE)),
                Err(error) => Err(self.failed(error)),
            },
            Some(_) => Err(self.failed(FOREIGN)),
            None => Ok(()),
        }
    }

    /// Lets the two files change places.
    fn swap(&self) -> Result<(), Errno> {
        self.rename(Way::In, RenameFlags::EXCHANGE)
    }

    fn replace(&self, before: Digest, after: Digest) -> Result<(), Trouble> {
        match self.waiting()? {
            Some(found) if found == after => match self.swap() {
                Ok(()) => self.look_at_replaced(before),
                Err(Errno::NOENT) => Err(self.conflict(GONE)),
                Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => self.overwrite(before),
                Err(error) => Err(self.failed(error)),
            },
            // They changed places before a crash, if the new file is there.
            Some(_) if self.there()? == Some(after) => self.look_at_replaced(before),
            Some(found) if found == before => Ok(()),
            Some(_) => Err(self.failed(FOREIGN)),
            None => Ok(()),
        }
    }

    fn look_at_replaced(&self, before: Digest) -> Result<(), Trouble> {
        if self.waiting()? == Some(before) {
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
        if self.waiting()?.is_none() {
            match self.rename(Way::Out, RenameFlags::NOREPLACE) {
                Ok(()) => {}
                Err(Errno::NOENT) => return Ok(()),
                Err(error) => return Err(self.failed(error)),
            }
        }
        if self.waiting()? == Some(before) {
            return Ok(());
        }
        self.rename(Way::In, RenameFlags::NOREPLACE).map_err(|error| self.failed(error))?;
        Err(self.conflict(CHANGED))
    }
}

/// Which way a file is renamed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}
