//! What a guest has open in the two folders of a run, and what it can do there by name.

use std::{
    ffi::OsStr,
    os::{fd::AsFd, unix::ffi::OsStrExt},
    sync::Arc,
};

use rustix::{
    fs::{FileType, Stat},
    io::Errno,
};
use wasmtime::component::Resource;

use crate::dir::beneath::{self, OpenAccess, OpenedEntry};

use super::{
    FsError,
    bindings::filesystem::types::{DescriptorFlags, DescriptorType, DirectoryEntry, ErrorCode, OpenFlags, PathFlags},
    names,
    path::GuestPath,
    staging::{GuestFolder, OpenFile},
    state::GuestState,
};

/// A file or folder that the guest has open.
#[derive(Clone)]
pub struct Descriptor {
    pub(super) open: Arc<OpenFile>,
    pub(super) area: GuestFolder,
    pub(super) folder: bool,
    /// How many levels below its area it lies, at most.
    pub(super) depth: usize,
    pub(super) flags: DescriptorFlags,
}

/// A listing that the guest is reading, last entry first.
#[derive(Debug)]
pub struct Entries {
    pub(super) left: Vec<DirectoryEntry>,
    pub(super) held: u64,
}

impl Descriptor {
    pub(super) fn file(self) -> Result<Self, ErrorCode> {
        if self.folder { Err(ErrorCode::IsDirectory) } else { Ok(self) }
    }

    pub(super) fn folder(self) -> Result<Self, ErrorCode> {
        if self.folder { Ok(self) } else { Err(ErrorCode::NotDirectory) }
    }

    pub(super) fn writable_file(self) -> Result<Self, ErrorCode> {
        let file = self.file()?;
        file.area.writable()?;
        if file.flags.contains(DescriptorFlags::WRITE) { Ok(file) } else { Err(ErrorCode::BadDescriptor) }
    }

    pub(super) fn readable_file(self) -> Result<Self, ErrorCode> {
        let file = self.file()?;
        if file.flags.contains(DescriptorFlags::READ) { Ok(file) } else { Err(ErrorCode::BadDescriptor) }
    }

    pub(super) fn writable_folder(self) -> Result<Self, ErrorCode> {
        let folder = self.folder()?;
        folder.area.writable()?;
        Ok(folder)
    }
}

/// The kind, in WASI's words.
pub(super) fn type_of(kind: FileType) -> DescriptorType {
    match kind {
        FileType::RegularFile => DescriptorType::RegularFile,
        FileType::Directory => DescriptorType::Directory,
        FileType::Symlink => DescriptorType::SymbolicLink,
        FileType::Fifo => DescriptorType::Fifo,
        FileType::Socket => DescriptorType::Socket,
        FileType::CharacterDevice => DescriptorType::CharacterDevice,
        FileType::BlockDevice => DescriptorType::BlockDevice,
        FileType::Unknown => DescriptorType::Unknown,
    }
}

/// What a path names in its folder: looked at, not opened, links not followed.
pub(super) fn look(folder: &Descriptor, flags: PathFlags, path: &GuestPath<'_>) -> Result<Stat, FsError> {
    let fd = folder.open.file.as_fd();
    let stat = match path.split() {
        None => rustix::fs::fstat(fd)?,
        Some((parent, name)) => beneath::stat(&beneath::parent(fd, parent.as_deref())?, name)?,
    };
    match beneath::kind(&stat) {
        FileType::Directory => Ok(stat),
        _ if path.is_folder() => Err(ErrorCode::NotDirectory.into()),
        FileType::Symlink if flags.contains(PathFlags::SYMLINK_FOLLOW) => Err(ErrorCode::Loop.into()),
        _ => Ok(stat),
    }
}

/// What an open asks for.
pub(super) struct OpenRequest {
    access: OpenAccess,
    folder: bool,
    create: bool,
    exclusive: bool,
    truncate: bool,
}

impl OpenRequest {
    pub(super) fn new(open: OpenFlags, flags: DescriptorFlags, path: &GuestPath<'_>) -> Self {
        let access = match (flags.contains(DescriptorFlags::READ), flags.contains(DescriptorFlags::WRITE)) {
            (true, true) => OpenAccess::ReadWrite,
            (false, true) => OpenAccess::Write,
            // The kernel truncates only what is open for writing. What the guest may do later is in `flags`.
            (_, false) if open.contains(OpenFlags::TRUNCATE) => OpenAccess::ReadWrite,
            (_, false) => OpenAccess::Read,
        };
        Self {
            access,
            folder: open.contains(OpenFlags::DIRECTORY) || path.is_folder(),
            create: open.contains(OpenFlags::CREATE),
            exclusive: open.contains(OpenFlags::EXCLUSIVE),
            truncate: open.contains(OpenFlags::TRUNCATE),
        }
    }

    /// Whether something would be different afterwards.
    pub(super) fn changes(&self) -> bool {
        self.access != OpenAccess::Read || self.create || self.truncate
    }
}

/// What a guest says that it removes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Removal {
    File,
    Folder,
}

impl GuestState {
    pub(super) fn descriptor(&self, handle: &Resource<Descriptor>) -> Result<Descriptor, FsError> {
        Ok(self.get(handle)?.clone())
    }

    pub(super) fn open(
        &mut self,
        folder: &Descriptor,
        path: &GuestPath<'_>,
        wanted: &OpenRequest,
    ) -> Result<OpenedEntry, FsError> {
        self.files.room_for_descriptor()?;
        let fd = folder.open.file.as_fd();
        let opened = match beneath::open(fd, &path.text(), wanted.access) {
            // A folder that is asked for as a new file exists before it is of the wrong kind.
            Ok(_) | Err(Errno::ISDIR) if wanted.create && wanted.exclusive => return Err(ErrorCode::Exist.into()),
            Err(Errno::NOENT) if wanted.create && !wanted.folder => {
                // Looked up first, so that a missing folder is not paid for as a file.
                if let Some((parent, _)) = path.split() {
                    beneath::parent(fd, parent.as_deref())?;
                }
                self.files.pay_for_entry(folder.depth + path.depth())?;
                beneath::create(fd, &path.text(), wanted.access)?
            }
            other => other?,
        };
        if wanted.folder && !opened.is_folder() {
            return Err(ErrorCode::NotDirectory.into());
        }
        if wanted.truncate && !opened.is_folder() {
            rustix::io::retry_on_intr(|| rustix::fs::ftruncate(&opened.file, 0))?;
        }
        Ok(opened)
    }

    pub(super) fn remove(&mut self, handle: &Resource<Descriptor>, path: &str, what: Removal) -> Result<(), FsError> {
        let dir = self.descriptor(handle)?.writable_folder()?;
        let path = GuestPath::parse(path)?;
        let (parent, name) = path.split().ok_or(ErrorCode::Invalid)?;
        let parent = beneath::parent(dir.open.file.as_fd(), parent.as_deref())?;
        let stat = beneath::stat(&parent, name)?;
        match what {
            Removal::Folder => beneath::remove_folder(&parent, name)?,
            Removal::File if beneath::kind(&stat) == FileType::Directory => return Err(ErrorCode::IsDirectory.into()),
            Removal::File if path.is_folder() => return Err(ErrorCode::NotDirectory.into()),
            Removal::File => beneath::remove_file(&parent, name)?,
        }
        self.files.forget(&stat);
        Ok(())
    }

    pub(super) fn list(&mut self, folder: &Descriptor) -> Result<Entries, FsError> {
        let mut seen = 0;
        let listed = beneath::list::<FsError>(&folder.open.file, || {
            seen += 1;
            self.deadline.check()?;
            Ok(self.files.room_for_entries(seen)?)
        })?;
        let mut left = Vec::with_capacity(listed.len());
        for (name, kind) in listed {
            let kind = self.files.kind_in(&folder.open.file, name.as_bytes(), kind)?;
            let name = OsStr::from_bytes(name.as_bytes());
            // Only the vault has names that no guest made: what is not UTF-8 there is written in escapes.
            let name = match folder.area {
                GuestFolder::Vault => names::shown(name),
                GuestFolder::Out => name.to_string_lossy().into_owned(),
            };
            left.push(DirectoryEntry { type_: type_of(kind), name });
        }
        left.sort_unstable_by(|a, b| b.name.cmp(&a.name));
        let held = left.len() as u64;
        self.files.hold_entries(held)?;
        Ok(Entries { left, held })
    }

    pub(super) fn rename(
        &mut self,
        from: &Descriptor,
        old: &GuestPath<'_>,
        to: &Descriptor,
        new: &GuestPath<'_>,
    ) -> Result<(), FsError> {
        let (old_parent, old_name) = old.split().ok_or(ErrorCode::Invalid)?;
        let (new_parent, new_name) = new.split().ok_or(ErrorCode::Invalid)?;
        let (old_depth, new_depth) = (from.depth + old.depth(), to.depth + new.depth());
        let old_parent = beneath::parent(from.open.file.as_fd(), old_parent.as_deref())?;
        let new_parent = beneath::parent(to.open.file.as_fd(), new_parent.as_deref())?;
        let moved = beneath::stat(&old_parent, old_name)?;
        if beneath::kind(&moved) == FileType::Directory {
            // What lies in the folder would go down with it, past a depth that was checked when it was made.
            if new_depth > old_depth {
                return Err(ErrorCode::NotPermitted.into());
            }
        } else if old.is_folder() || new.is_folder() {
            return Err(ErrorCode::NotDirectory.into());
        }
        self.files.check_depth(new_depth)?;
        let replaced = beneath::stat(&new_parent, new_name);
        beneath::rename(&old_parent, old_name, &new_parent, new_name)?;
        if let Ok(replaced) = replaced
            && (replaced.st_dev, replaced.st_ino) != (moved.st_dev, moved.st_ino)
        {
            self.files.forget(&replaced);
        }
        Ok(())
    }
}
