//! A place in the vault: its folder, held open, and what lies there.
//!
//! Guarantees: no link is followed on the way; what is read is what lies there, of a regular file. Deliberately never:
//! changes a file; only makes folders that a file needs.

use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use rustix::fs::{Access, AtFlags, FileType, Mode, OFlags, StatxFlags};
use rustix::io::{Errno, retry_on_intr};

use super::error::{EffectsError, io};
use super::staging::ChangeTime;
use crate::artifacts::{self, SizeCheck};
use crate::model::{digest::Digest, layout::Layout, vault_path::VaultPath};

/// Largest file that is replaced: its bytes are kept, so that the run can be undone.
const MAX_BYTES: u64 = 256 << 20;

/// The vault, held open.
#[derive(Debug)]
pub(super) struct Vault(OwnedFd);

impl Vault {
    pub(super) fn open(layout: &Layout) -> Result<Self, EffectsError> {
        rustix::fs::open(&layout.vault, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
            .map(Self)
            .map_err(|error| io(&layout.vault)(error.into()))
    }
}

/// The content of a file in the vault; none where there is no file.
///
/// # Errors
/// [`EffectsError`] when its folder is a link, or something else than a regular file lies there.
pub(in crate::invoke) fn current_content(layout: &Layout, path: &VaultPath) -> Result<Option<Vec<u8>>, EffectsError> {
    let place = Place::open(&Vault::open(layout)?, path, Folders::Leave)?;
    Ok(place.map_or(Ok(None), |place| place.read())?.map(|found| found.bytes))
}

/// Whether folders that are missing are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Folders {
    Make,
    Leave,
}

/// Where one file lies, or is to lie.
#[derive(Debug)]
pub(super) struct Place<'p> {
    pub(super) folder: OwnedFd,
    pub(super) name: &'p str,
    path: &'p VaultPath,
}

/// A file of the vault.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) bytes: Vec<u8>,
    pub(super) sha256: Digest,
    pub(super) permissions: fs::Permissions,
    pub(super) changed: ChangeTime,
}

impl<'p> Place<'p> {
    /// Opens the folder that `path` lies in, one component after the other. None where a folder is missing and not made.
    pub(super) fn open(vault: &Vault, path: &'p VaultPath, folders: Folders) -> Result<Option<Self>, EffectsError> {
        let (parents, name) = path.split();
        let place = |folder: &str, error: Errno| match error {
            Errno::LOOP | Errno::NOTDIR => {
                EffectsError::Place { path: path.clone(), why: format!("`{folder}` is a symbolic link or no folder") }
            }
            other => EffectsError::FileSystem { path: path.clone(), why: format!("folder `{folder}`: {other}") },
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let open = |at: &OwnedFd, folder: &str| retry_on_intr(|| rustix::fs::openat(at, folder, flags, Mode::empty()));
        let mut at = open(&vault.0, ".").map_err(|error| place(".", error))?;
        for folder in parents {
            at = match open(&at, folder) {
                Err(Errno::NOENT) if folders == Folders::Leave => return Ok(None),
                Err(Errno::NOENT) => make(&at, folder).and_then(|()| open(&at, folder)),
                opened => opened,
            }
            .map_err(|error| place(folder, error))?;
        }
        Ok(Some(Self { folder: at, name, path }))
    }

    fn refuse(&self, why: impl Into<String>) -> EffectsError {
        EffectsError::Place { path: self.path.clone(), why: why.into() }
    }

    fn failed(&self, why: impl ToString) -> EffectsError {
        EffectsError::FileSystem { path: self.path.clone(), why: why.to_string() }
    }

    /// What lies there; none where nothing does.
    pub(super) fn read(&self) -> Result<Option<Found>, EffectsError> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let odd = || self.refuse("something that is not a regular file lies there");
        // `NONBLOCK`: to open a pipe would otherwise wait for its writer.
        let opened = retry_on_intr(|| rustix::fs::openat(&self.folder, self.name, flags, Mode::empty()));
        let mut file = match opened {
            Ok(fd) => File::from(fd),
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP | Errno::NXIO) => return Err(odd()),
            Err(error) => return Err(self.failed(error)),
        };
        // The metadata of the open file, not of the path: that could be another file by now.
        let meta = file.metadata().map_err(|error| self.failed(error))?;
        if !meta.is_file() {
            return Err(odd());
        }
        if meta.size() > MAX_BYTES {
            return Err(self.refuse(format!("the file there has {} bytes, more than {MAX_BYTES}", meta.size())));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(meta.size()).unwrap_or(0));
        // A file may grow after its size was looked at. Its beginning must not be kept as the whole file.
        let read = artifacts::read_at_most(&mut file, MAX_BYTES, &mut bytes);
        if read.map_err(|error| self.failed(error))? == SizeCheck::TooLarge {
            return Err(self.refuse(format!("the file there has more than {MAX_BYTES} bytes")));
        }
        let sha256 = Digest::of(&bytes);
        Ok(Some(Found { bytes, sha256, permissions: meta.permissions(), changed: ChangeTime::of(&meta) }))
    }

    /// The digest of what lies there; none where nothing does.
    pub(super) fn digest(&self) -> Result<Option<Digest>, EffectsError> {
        Ok(self.read()?.map(|found| found.sha256))
    }

    /// Whether a file that waits in `from` can be moved here: after the record it is too late to find out.
    pub(super) fn check(&self, from: &Path) -> Result<(), EffectsError> {
        let kind = rustix::fs::statat(&self.folder, self.name, AtFlags::SYMLINK_NOFOLLOW);
        match kind.map(|stat| FileType::from_raw_mode(stat.st_mode)) {
            Err(Errno::NOENT) | Ok(FileType::RegularFile) => {}
            Err(error) => return Err(self.failed(error)),
            Ok(_) => return Err(self.refuse("something that is not a regular file lies there")),
        }
        let writable = Access::WRITE_OK | Access::EXEC_OK;
        rustix::fs::accessat(&self.folder, ".", writable, AtFlags::EACCESS)
            .map_err(|error| self.failed(format!("its folder: {error}")))?;
        let from = rustix::fs::open(from, OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        let mounts = from.and_then(|from| Ok((mount(&from)?, mount(&self.folder)?)));
        match mounts.map_err(|error| self.failed(error))? {
            (waiting, here) if waiting == here => Ok(()),
            _ => Err(self.refuse("its folder is on another mount than the vault: nothing can be moved there")),
        }
    }
}

fn make(at: &OwnedFd, folder: &str) -> Result<(), Errno> {
    match rustix::fs::mkdirat(at, folder, Mode::from_raw_mode(0o755)) {
        Ok(()) => retry_on_intr(|| rustix::fs::fsync(at)),
        Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The device and the mount that a folder lies on. A file moves between folders only where both are the same.
fn mount(folder: &OwnedFd) -> Result<(u32, u32, u64), Errno> {
    let stat = rustix::fs::statx(folder, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS | StatxFlags::MNT_ID)?;
    Ok((stat.stx_dev_major, stat.stx_dev_minor, stat.stx_mnt_id))
}
