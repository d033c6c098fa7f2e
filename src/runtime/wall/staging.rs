//! The folders of a run, and the accounts kept about them.
//!
//! Quotas are exact while the guest runs: growth is paid for before it happens, by apparent size (a sparse
//! file costs its full length), and nothing is ever paid back.

use std::{
    collections::HashMap,
    ffi::OsStr,
    fs::File,
    io::Read,
    os::{fd::AsFd, unix::fs::FileExt},
    path::Path,
    sync::Arc,
};

use rustix::fs::{FileType, Stat};
use rustix::io::{Errno, retry_on_intr};

use crate::dir::{
    FolderHandle, FolderId,
    beneath::{self, OpenAccess, OpenedEntry, Parent},
};
use crate::model::{
    limits::Limits,
    removals::{self, MANIFEST},
};

use super::{
    super::{
        error::{RunError, Stop},
        linked_folders::LinkedFolder,
        request::GuestRequest,
    },
    FsError,
    bindings::filesystem::types::ErrorCode,
    path::GuestPath,
};

/// Which of the two folders something lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GuestFolder {
    /// `/vault` and the linked folders in it, read-only.
    Vault,
    /// `/out`, read-write.
    Out,
}

impl GuestFolder {
    /// Refuses what would change the vault.
    pub(super) fn writable(self) -> Result<(), ErrorCode> {
        match self {
            Self::Vault => Err(ErrorCode::ReadOnly),
            Self::Out => Ok(()),
        }
    }
}

/// A file or folder that is open for the guest, or that a stream of the guest still uses.
pub(super) struct OpenFile {
    pub(super) file: File,
    /// Its number, in the place of its inode.
    pub(super) number: u64,
    // Counts this file among the open ones for as long as it lives.
    _ticket: Option<Arc<()>>,
}

/// One kind of account: what was used, and how much there is.
struct Quota {
    name: &'static str,
    used: u64,
    limit: u64,
}

impl Quota {
    fn new(name: &'static str, limit: u64) -> Self {
        Self { name, used: 0, limit }
    }

    fn stop(&self) -> Stop {
        Stop::Limit { name: self.name, value: self.limit }
    }

    fn pay(&mut self, amount: u64) -> Result<(), Stop> {
        let used = self.used.checked_add(amount).filter(|used| *used <= self.limit).ok_or(self.stop())?;
        self.used = used;
        Ok(())
    }
}

/// A linked folder, open for the guest.
struct LinkedRoot {
    folder: LinkedFolder,
    root: Arc<OpenFile>,
}

/// The folders of a run.
pub(in super::super) struct GuestFiles {
    vault: Option<Arc<OpenFile>>,
    linked: Vec<LinkedRoot>,
    out: Option<Arc<OpenFile>>,
    tickets: Arc<()>,
    descriptors: Quota,
    entries: Quota,
    bytes: Quota,
    files: Quota,
    depth: Quota,
    numbers: HashMap<(u64, u64), u64>,
    next_number: u64,
}

impl GuestFiles {
    /// Opens the folders that the request gives and its capabilities include.
    pub(in super::super) fn open(request: &GuestRequest<'_>) -> Result<Self, RunError> {
        let limits = request.limits;
        let mut files = Self::empty(limits);
        if let Some(vault) = request.granted_vault() {
            files.vault = Some(files.root("/vault", vault)?);
        }
        for folder in request.granted_linked() {
            // The folder that was resolved at the start: the link may lead elsewhere by now.
            let root = files.root("/vault", folder.handle())?;
            files.linked.push(LinkedRoot { folder: folder.clone(), root });
        }
        if let Some(out) = request.granted_out() {
            let unreadable = |source| RunError::Folder { guest: "/out", path: out.path().into(), source };
            // What lay there would be committed as if this run had written it.
            if !out.is_empty().map_err(unreadable)? {
                return Err(RunError::StagingNotEmpty { path: out.path().into() });
            }
            files.out = Some(files.root("/out", out)?);
        }
        Ok(files)
    }

    fn empty(limits: &Limits) -> Self {
        Self {
            vault: None,
            linked: Vec::new(),
            out: None,
            tickets: Arc::new(()),
            descriptors: Quota::new("descriptors", limits.descriptors),
            entries: Quota::new("directory_entries", limits.directory_entries),
            bytes: Quota::new("staged_bytes", limits.staged_bytes),
            files: Quota::new("staged_files", limits.staged_files),
            depth: Quota::new("staged_depth", limits.staged_depth),
            numbers: HashMap::new(),
            next_number: 1,
        }
    }

    fn root(&mut self, guest: &'static str, folder: &FolderHandle) -> Result<Arc<OpenFile>, RunError> {
        let failed = |source| RunError::Folder { guest, path: folder.path().into(), source };
        let file = folder.to_file().map_err(failed)?;
        let stat = rustix::fs::fstat(&file).map_err(|errno| failed(errno.into()))?;
        let number = self.next_number;
        self.next_number += 1;
        self.numbers.insert((stat.st_dev, stat.st_ino), number);
        Ok(Arc::new(OpenFile { file, number, _ticket: None }))
    }

    /// The folders that the guest starts with.
    pub(super) fn roots(&self) -> Vec<(GuestFolder, String, Arc<OpenFile>)> {
        let vault = self.vault.iter().map(|root| (GuestFolder::Vault, "/vault".to_owned(), root.clone()));
        // The guest's library looks a path up in the root with the longest name that fits.
        let linked = self.linked.iter().map(|it| (GuestFolder::Vault, it.folder.guest_path(), it.root.clone()));
        let out = self.out.iter().map(|root| (GuestFolder::Out, "/out".to_owned(), root.clone()));
        vault.chain(linked).chain(out).collect()
    }

    /// The kind of an entry of a folder, as the guest is told it: a link that is followed is a folder.
    pub(super) fn kind_in(&self, folder: &File, name: &[u8], kind: FileType) -> Result<FileType, rustix::io::Errno> {
        if kind != FileType::Symlink || self.linked.is_empty() {
            return Ok(kind);
        }
        let folder = rustix::fs::fstat(folder)?;
        let folder = FolderId::of(&folder);
        let is_followed = self.linked.iter().any(|linked| linked.folder.is_at(folder, name));
        Ok(if is_followed { FileType::Directory } else { kind })
    }

    /// Bytes and files that were paid for.
    pub(in super::super) fn staged(&self) -> (u64, u64) {
        (self.bytes.used, self.files.used)
    }

    /// Refuses one more open file when there are too many.
    pub(super) fn room_for_descriptor(&self) -> Result<(), Stop> {
        // A stream keeps its file open after the descriptor is dropped, so handles alone would
        // count too few.
        let open = Arc::strong_count(&self.tickets) as u64 - 1;
        if open < self.descriptors.limit { Ok(()) } else { Err(self.descriptors.stop()) }
    }

    /// Counts and numbers a file that was just opened.
    pub(super) fn admit(&mut self, opened: OpenedEntry) -> Result<Arc<OpenFile>, Stop> {
        let number = self.number(&opened.stat)?;
        Ok(Arc::new(OpenFile { file: opened.file, number, _ticket: Some(self.tickets.clone()) }))
    }

    /// The number that stands for an inode: files are numbered in the order in which the guest asks.
    pub(super) fn number(&mut self, stat: &Stat) -> Result<u64, Stop> {
        let key = (stat.st_dev, stat.st_ino);
        if let Some(number) = self.numbers.get(&key) {
            return Ok(*number);
        }
        // The table lives in the host's memory, and a guest that stats a large vault fills it.
        if self.numbers.len() as u64 >= self.entries.limit {
            return Err(self.entries.stop());
        }
        let number = self.next_number;
        self.next_number += 1;
        self.numbers.insert(key, number);
        Ok(number)
    }

    /// Forgets the number of a file that was removed: the file system may use its inode again.
    pub(super) fn forget(&mut self, stat: &Stat) {
        self.numbers.remove(&(stat.st_dev, stat.st_ino));
    }

    /// Counts the entries of a listing for as long as the guest holds it.
    pub(super) fn hold_entries(&mut self, entries: u64) -> Result<(), Stop> {
        self.entries.pay(entries)
    }

    /// Whether a listing of so many entries fits with those that are held.
    pub(super) fn room_for_entries(&self, entries: u64) -> Result<(), Stop> {
        let room = self.entries.limit.saturating_sub(self.entries.used);
        if entries <= room { Ok(()) } else { Err(self.entries.stop()) }
    }

    /// Gives the entries of a listing back.
    pub(super) fn release_entries(&mut self, entries: u64) {
        self.entries.used -= entries;
    }

    /// Pays for one file or folder so deep in its area.
    pub(super) fn pay_for_entry(&mut self, depth: usize) -> Result<(), Stop> {
        self.check_depth(depth)?;
        self.files.pay(1)
    }

    /// Refuses what is too deep.
    pub(super) fn check_depth(&self, depth: usize) -> Result<(), Stop> {
        if depth as u64 <= self.depth.limit { Ok(()) } else { Err(self.depth.stop()) }
    }

    /// Writes all of `bytes` at `offset`, after paying for the growth.
    pub(super) fn write(&mut self, file: &OpenFile, bytes: &[u8], offset: u64) -> Result<(), FsError> {
        let end = offset.checked_add(bytes.len() as u64).ok_or(ErrorCode::FileTooLarge)?;
        if !bytes.is_empty() {
            self.pay_for_growth(file, end)?;
            file.file.write_all_at(bytes, offset)?;
        }
        Ok(())
    }

    /// Sets the length of a file, after paying for the growth.
    pub(super) fn set_size(&mut self, file: &OpenFile, size: u64) -> Result<(), FsError> {
        self.pay_for_growth(file, size)?;
        Ok(retry_on_intr(|| rustix::fs::ftruncate(&file.file, size))?)
    }

    fn pay_for_growth(&mut self, file: &OpenFile, end: u64) -> Result<(), FsError> {
        let size = size(&rustix::fs::fstat(&file.file)?);
        Ok(self.bytes.pay(end.saturating_sub(size))?)
    }

    /// Puts a file into the vault for a test, with the folders it lies in. Paid for like staged files.
    pub(in super::super) fn seed(&mut self, path: &str, contents: &str) -> Result<Result<(), String>, Stop> {
        let Some(vault) = self.vault.clone() else { return Ok(Err("this test has no vault".into())) };
        let relative = path.strip_prefix("/vault/").unwrap_or(path);
        match self.seed_beneath(&vault, relative, contents) {
            Ok(()) => Ok(Ok(())),
            Err(FsError::Code(code)) => Ok(Err(format!("`{path}` cannot be put into the vault: {code:?}"))),
            Err(FsError::Trap(error)) => match error.downcast::<Stop>() {
                Ok(stop) => Err(stop),
                Err(error) => Ok(Err(format!("`{path}` cannot be put into the vault: {error}"))),
            },
        }
    }

    fn seed_beneath(&mut self, vault: &OpenFile, path: &str, contents: &str) -> Result<(), FsError> {
        let path = GuestPath::parse(path)?;
        let root = vault.file.as_fd();
        let Some((folders, _)) = path.split().filter(|_| !path.is_folder()) else {
            return Err(ErrorCode::IsDirectory.into());
        };
        let mut below: Vec<&OsStr> = Vec::new();
        for folder in folders.iter().flat_map(|folders| Path::new(folders).iter()) {
            let parent = beneath::parent(root, (!below.is_empty()).then(|| below.join(OsStr::new("/"))).as_deref())?;
            below.push(folder);
            match beneath::stat(&parent, folder) {
                Ok(_) => {}
                Err(Errno::NOENT) => {
                    self.pay_for_entry(below.len())?;
                    beneath::make_folder(&parent, folder)?;
                }
                Err(errno) => return Err(errno.into()),
            }
        }
        self.room_for_descriptor()?;
        let opened = match beneath::open(root, &path.text(), OpenAccess::Write) {
            Err(Errno::NOENT) => {
                self.pay_for_entry(path.depth())?;
                beneath::create(root, &path.text(), OpenAccess::Write)?
            }
            other => other?,
        };
        let file = self.admit(opened)?;
        self.set_size(&file, 0)?;
        self.write(&file, contents.as_bytes(), 0)?;
        self.unstage(&path)
    }

    /// Takes back what an earlier call of the test staged at a path: a written file, or its removal. A read lays staged files
    /// over the vault, so a seeded file would stay hidden.
    fn unstage(&self, path: &GuestPath<'_>) -> Result<(), FsError> {
        let (Some(out), Some((folders, name))) = (&self.out, path.split()) else { return Ok(()) };
        let root = out.file.as_fd();
        match beneath::parent(root, folders.as_deref()).and_then(|parent| beneath::remove_file(&parent, name)) {
            Ok(()) | Err(Errno::NOENT | Errno::NOTDIR | Errno::ISDIR) => {}
            Err(errno) => return Err(errno.into()),
        }
        let manifest = OsStr::new(MANIFEST);
        let mut file = match beneath::open(root, manifest, OpenAccess::Read) {
            Err(Errno::NOENT) => return Ok(()),
            opened => opened?.file,
        };
        let mut text = Vec::new();
        file.read_to_end(&mut text)?;
        // One that cannot be read is refused by the next call, which says so.
        let Ok(all) = removals::parse(&text) else { return Ok(()) };
        let (these, others): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|removal| OsStr::new(removal.path.as_str()) == path.text());
        if these.is_empty() {
            return Ok(());
        }
        beneath::remove_file(&Parent::Open(root), manifest)?;
        if !others.is_empty() {
            let file = beneath::create(root, manifest, OpenAccess::Write)?.file;
            file.write_all_at(removals::render(&others).as_bytes(), 0)?;
        }
        Ok(())
    }
}

/// The apparent size of a file.
pub(super) fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or(0)
}
