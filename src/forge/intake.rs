//! Intake: Kavi's own walk over the workspace that a builder left, file by file, into one snapshot.
//!
//! Guarantees: every entry is opened through its parent's descriptor, without following a link. A file is accepted only when
//! it is on the allowlist, is regular, has one name, is on the same file system and did not change while it was read. Either
//! the whole workspace passes and becomes one [`Snapshot`], or no file of it is used.
//!
//! Deliberately never: runs git or any other tool, honours an ignore file, or repairs what it finds.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::retry_on_intr;

use crate::model::{
    digest::Digest,
    finding::Finding,
    guidance::{GUIDANCE_FILE, GuidanceText},
    snapshot::Snapshot,
};

/// Largest source file, in bytes.
pub const MAX_FILE_BYTES: u64 = 256 << 10;
/// Largest sum of source files, in bytes.
pub const MAX_TOTAL_BYTES: u64 = 1 << 20;
/// Most source files.
pub const MAX_FILES: usize = 64;
/// Deepest source file: `src/a/b/c.rs`.
pub const MAX_DEPTH: usize = 4;
/// Most entries of one folder.
const MAX_ENTRIES: usize = 1_000;
/// Most findings that are reported.
const MAX_FINDINGS: usize = 100;

/// The files that a workspace may contain besides sources.
#[derive(Debug, Clone, Default)]
pub struct IntakeRules {
    /// Files that Kavi put there, with the digest that they must still have.
    pub provided: BTreeMap<String, Digest>,
    /// Files of a person's own crate that are read but not accepted as sources, e.g. its manifest.
    pub inspected: Vec<String>,
    /// Entries of a person's own crate that are never read.
    pub ignored: Vec<String>,
    /// What happens to the folder `tests` of a person's own crate.
    pub tests: IntegrationTests,
}

/// What the intake does with the folder `tests`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IntegrationTests {
    /// It is outside the allowlist.
    #[default]
    Refused,
    /// Its files `tests/*.rs` are read, and the rest of it is left aside.
    Read,
}

/// A workspace that passed.
#[derive(Debug)]
pub struct AcceptedSources {
    /// The sources.
    pub snapshot: Snapshot,
    /// The files that [`IntakeRules::inspected`] names.
    pub inspected: BTreeMap<String, Vec<u8>>,
    /// The integration tests, by path.
    pub tests: BTreeMap<String, Vec<u8>>,
    /// The entries that were left aside.
    pub ignored: Vec<String>,
}

/// The folder itself cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub struct IntakeError {
    /// The folder.
    path: PathBuf,
    /// What the operating system said.
    source: rustix::io::Errno,
}

/// Walks `root`. The outer error is about the folder itself, the inner one lists every violation inside.
///
/// # Errors
/// [`IntakeError`] when `root` is not a readable folder.
pub fn inspect(root: &Path, allowed: &IntakeRules) -> Result<Result<AcceptedSources, Vec<Finding>>, IntakeError> {
    let fd = open(root)?;
    // One file system: a bind mount inside of the workspace could lead to any file of the machine.
    let device = retry_on_intr(|| rustix::fs::fstat(&fd))
        .map_err(|source| IntakeError { path: root.to_owned(), source })?
        .st_dev;
    let mut walk = Walk {
        allowed,
        device,
        files: BTreeMap::new(),
        inspected: BTreeMap::new(),
        tests: BTreeMap::new(),
        ignored: Vec::new(),
        seen: Vec::new(),
        total: 0,
        findings: Vec::new(),
    };
    walk.folder(&fd, "");
    walk.check_whole();
    Ok(if walk.findings.is_empty() {
        let Walk { files, inspected, tests, ignored, .. } = walk;
        Ok(AcceptedSources { snapshot: Snapshot::new(files), inspected, tests, ignored })
    } else {
        Err(walk.findings)
    })
}

/// Opens the folder to be walked.
///
/// # Errors
/// [`IntakeError`] when `root` is not a readable folder.
pub fn open(root: &Path) -> Result<OwnedFd, IntakeError> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    retry_on_intr(|| rustix::fs::open(root, flags, Mode::empty()))
        .map_err(|source| IntakeError { path: root.to_owned(), source })
}

/// How the intake treats an entry, by its path.
#[derive(Debug, PartialEq, Eq)]
enum Role {
    SourceFolder,
    Source,
    Guidance,
    Provided(Digest),
    Inspected,
    TestFolder,
    Test,
    Ignored,
    Outside,
}

struct Walk<'a> {
    allowed: &'a IntakeRules,
    device: u64,
    files: BTreeMap<String, Vec<u8>>,
    inspected: BTreeMap<String, Vec<u8>>,
    tests: BTreeMap<String, Vec<u8>>,
    ignored: Vec<String>,
    seen: Vec<String>,
    total: u64,
    findings: Vec<Finding>,
}

impl Walk<'_> {
    fn refuse(&mut self, rule: &str, path: &str, message: impl Into<String>) {
        if self.findings.len() < MAX_FINDINGS {
            self.findings
                .push(Finding::new(format!("workspace/{rule}"), message).in_file(path.escape_debug().to_string()));
        }
    }

    fn role(&self, path: &str) -> Role {
        if let Some(digest) = self.allowed.provided.get(path) {
            return Role::Provided(*digest);
        }
        if self.allowed.inspected.iter().any(|inspected| inspected == path) {
            return Role::Inspected;
        }
        if self.allowed.ignored.iter().any(|ignored| ignored == path) {
            return Role::Ignored;
        }
        match path.strip_prefix("tests") {
            Some("") if self.allowed.tests == IntegrationTests::Read => return Role::TestFolder,
            Some(below) if self.allowed.tests == IntegrationTests::Read && below.starts_with('/') => {
                let name = below.trim_start_matches('/').strip_suffix(".rs").filter(|name| is_plain(name));
                // Cargo itself takes only files right below `tests`. What is deeper belongs to one
                // of them and is not needed.
                return if name.is_some() { Role::Test } else { Role::Ignored };
            }
            _ => {}
        }
        role_of_source_path(path)
    }

    fn folder(&mut self, fd: &OwnedFd, prefix: &str) {
        let entries = match Dir::read_from(fd) {
            Ok(entries) => entries,
            Err(error) => return self.refuse("unreadable", prefix, format!("the folder cannot be read: {error}")),
        };
        let mut names = Vec::new();
        for entry in entries {
            let Ok(entry) = entry else {
                return self.refuse("unreadable", prefix, "the folder cannot be read completely");
            };
            if entry.file_name().to_bytes() == b"." || entry.file_name().to_bytes() == b".." {
                continue;
            }
            // While it is listed: a folder with millions of entries must not fill the memory first.
            if names.len() == MAX_ENTRIES {
                return self.refuse("count", prefix, format!("the folder has more than {MAX_ENTRIES} entries"));
            }
            names.push(entry.file_name().to_owned());
        }
        // The order of a folder is up to the file system. Sorted, the same tree gives the same
        // findings.
        names.sort();
        for name in names {
            match name.to_str() {
                Ok(text) => {
                    let path = if prefix.is_empty() { text.to_owned() } else { format!("{prefix}/{text}") };
                    self.entry(fd, text, &path);
                }
                Err(_) => {
                    let shown = format!("{prefix}/{}", name.to_string_lossy());
                    self.refuse("name", &shown, "the name is not UTF-8");
                }
            }
        }
    }

    fn entry(&mut self, folder: &OwnedFd, name: &str, path: &str) {
        // Relative to the open folder. By path, a folder that is swapped for a link in between
        // would lead outside.
        let stat = match retry_on_intr(|| rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)) {
            Ok(stat) => stat,
            Err(error) => return self.refuse("unreadable", path, format!("its metadata cannot be read: {error}")),
        };
        let kind = FileType::from_raw_mode(stat.st_mode);
        if let Some(word) = forbidden_kind(kind) {
            return self.refuse("kind", path, format!("it is {word}; only regular files and folders may be here"));
        }
        if stat.st_dev != self.device {
            return self.refuse("mount", path, "it is on another file system");
        }
        match (self.role(path), kind) {
            (Role::Ignored, _) => self.ignored.push(path.to_owned()),
            (Role::SourceFolder | Role::TestFolder, FileType::Directory) => self.source_folder(folder, name, path),
            (
                Role::Source | Role::Guidance | Role::Provided(_) | Role::Inspected | Role::Test,
                FileType::RegularFile,
            ) => self.file(folder, name, path),
            (Role::SourceFolder | Role::TestFolder, _) => self.refuse("kind", path, "it must be a folder"),
            (Role::Source | Role::Guidance | Role::Provided(_) | Role::Inspected | Role::Test, _) => {
                self.refuse("kind", path, "it must be a file");
            }
            (Role::Outside, FileType::Directory) => {
                self.refuse("outside", path, "the folder is outside the allowlist (`src/` with `.rs` files)");
            }
            (Role::Outside, _) => {
                self.refuse(
                    "outside",
                    path,
                    "the file is outside the allowlist (`src/lib.rs`, further `src/**/*.rs`, and `GUIDANCE.md`)",
                );
            }
        }
    }

    fn source_folder(&mut self, folder: &OwnedFd, name: &str, path: &str) {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match retry_on_intr(|| rustix::fs::openat(folder, name, flags, Mode::empty())) {
            Ok(fd) => self.folder(&fd, path),
            Err(error) => self.refuse("unreadable", path, format!("the folder cannot be opened: {error}")),
        }
    }

    fn file(&mut self, folder: &OwnedFd, name: &str, path: &str) {
        let role = self.role(path);
        let bytes = match read_file(folder, name, self.device) {
            Ok(bytes) => bytes,
            Err((rule, message)) => return self.refuse(rule, path, message),
        };
        match role {
            // `Cargo.toml` and the SDK are Kavi's. An agent that may change them chooses what is
            // compiled.
            Role::Provided(digest) if Digest::of(&bytes) != digest => {
                self.refuse("changed", path, "kavi put it there, and it was changed");
            }
            Role::Provided(_) => self.seen.push(path.to_owned()),
            Role::Inspected => {
                self.inspected.insert(path.to_owned(), bytes);
            }
            Role::Guidance => match GuidanceText::from_bytes(&bytes) {
                Ok(_) => drop(self.files.insert(path.to_owned(), bytes)),
                Err(error) => self.refuse("guidance", path, error.to_string()),
            },
            Role::Test => {
                self.total += bytes.len() as u64;
                self.tests.insert(path.to_owned(), bytes);
            }
            _ => {
                self.total += bytes.len() as u64;
                self.files.insert(path.to_owned(), bytes);
            }
        }
    }

    fn check_whole(&mut self) {
        let count = self.files.len() + self.tests.len();
        if count > MAX_FILES {
            self.refuse("count", "src", format!("{count} source files, {MAX_FILES} are allowed"));
        }
        if self.total > MAX_TOTAL_BYTES {
            let total = self.total;
            self.refuse("size", "src", format!("{total} bytes of source, {MAX_TOTAL_BYTES} are allowed"));
        }
        // Only without other findings. A folder that was refused hides what is in it, and that is
        // not missing.
        let gone: Vec<_> = self.allowed.provided.keys().filter(|path| !self.seen.contains(path)).cloned().collect();
        if self.findings.is_empty() {
            gone.iter().for_each(|path| self.refuse("missing", path, "kavi put it there, and it is gone"));
        }
        if self.findings.is_empty() && !self.files.contains_key("src/lib.rs") {
            self.refuse("missing", "src/lib.rs", "the skill's source is missing");
        }
    }
}

/// Whether a source file of a skill may have this path.
pub fn is_source(path: &str) -> bool {
    role_of_source_path(path) == Role::Source
}

/// The role of a path that is not named in [`IntakeRules`].
fn role_of_source_path(path: &str) -> Role {
    let names: Vec<&str> = path.split('/').collect();
    match names.as_slice() {
        ["src"] => Role::SourceFolder,
        [GUIDANCE_FILE] => Role::Guidance,
        ["src", folders @ .., last] if names.len() <= MAX_DEPTH && folders.iter().all(|name| is_plain(name)) => {
            match last.strip_suffix(".rs") {
                // Lower case alone: on a file system that ignores case, two names could be one
                // file.
                Some(stem) if is_plain(stem) => Role::Source,
                None if is_plain(last) && names.len() < MAX_DEPTH => Role::SourceFolder,
                _ => Role::Outside,
            }
        }
        _ => Role::Outside,
    }
}

/// Whether a file or folder of sources may have this name, without its ending.
fn is_plain(name: &str) -> bool {
    let stem = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    stem && !name.is_empty() && name.len() <= 64
}

fn forbidden_kind(kind: FileType) -> Option<&'static str> {
    match kind {
        FileType::RegularFile | FileType::Directory => None,
        FileType::Symlink => Some("a symbolic link"),
        FileType::Fifo => Some("a named pipe"),
        FileType::Socket => Some("a socket"),
        FileType::CharacterDevice | FileType::BlockDevice => Some("a device"),
        FileType::Unknown => Some("of an unknown kind"),
    }
}

/// Opens the file once, checks the open file, and reads it once. Nothing is looked up by name a second time.
fn read_file(folder: &OwnedFd, name: &str, device: u64) -> Result<Vec<u8>, (&'static str, String)> {
    let unreadable = |error: &dyn std::fmt::Display| ("unreadable", format!("it cannot be read: {error}"));
    // NONBLOCK: a pipe put in the place of the file must not make the intake wait for a writer.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let fd =
        retry_on_intr(|| rustix::fs::openat(folder, name, flags, Mode::empty())).map_err(|error| unreadable(&error))?;
    let stat = retry_on_intr(|| rustix::fs::fstat(fd.as_fd())).map_err(|error| unreadable(&error))?;
    check_file(&stat, device)?;
    let mut bytes = Vec::new();
    let mut file = File::from(fd);
    (&mut file).take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    // A writer that is still at work would give bytes that were never together in the file.
    let after = retry_on_intr(|| rustix::fs::fstat(file.as_fd())).map_err(|error| unreadable(&error))?;
    let touched = |stat: &Stat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec, stat.st_ctime, stat.st_ctime_nsec);
    if touched(&stat) != touched(&after) || bytes.len() as i64 != stat.st_size {
        return Err(("changed", "it changed while it was read".to_owned()));
    }
    Ok(bytes)
}

fn check_file(stat: &Stat, device: u64) -> Result<(), (&'static str, String)> {
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || stat.st_dev != device {
        return Err(("kind", "it was replaced while it was read".to_owned()));
    }
    // A second name can be outside of the workspace, where somebody goes on writing after the
    // check. It can also be a way to read a file of another user.
    if stat.st_nlink != 1 {
        return Err(("link", format!("it has {} names (hard links); one is allowed", stat.st_nlink)));
    }
    if stat.st_mode & 0o6000 != 0 {
        return Err(("mode", "it has the set-user-id or set-group-id bit".to_owned()));
    }
    if u64::try_from(stat.st_size).unwrap_or(u64::MAX) > MAX_FILE_BYTES {
        return Err(("size", format!("it has {} bytes, {MAX_FILE_BYTES} are allowed", stat.st_size)));
    }
    Ok(())
}

#[cfg(test)]
#[path = "intake_tests.rs"]
mod tests;
