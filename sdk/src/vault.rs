//! Files: the vault that the skill was given, as one tree.
//!
//! Paths are relative to the vault's root and `/`-separated, like `Inbox/AI/note.md`. Empty paths, absolute ones,
//! `.` and `..` and hidden names (`.git`) are refused as invalid input. Any other name that the file system has can be
//! read. A name that is not UTF-8 is listed with each such byte as `\xFF`, and opens under that name.
//!
//! Writing is stricter: backslashes, control and invisible characters, and names that end with a dot or have white
//! space at an end are refused as well, and so are paths over 1024 bytes, names over 200 bytes and more than 16 levels.
//!
//! Reading shows the vault as it was when the run began, with this run's own writes on top. Writes are staged:
//! they reach the vault all together after the run has succeeded and its output has been checked, or not at all.
//! A skill writes only if its side-effect class is `FILE_WRITE`, and only below the folders that its
//! specification declares; the rest is refused by the host, whatever the skill tries. It removes files only if its
//! specification says `removes_files` as well.
//!
//! ```
//! use kavi_sdk::prelude::*;
//! # fn main() -> Result<(), SkillError> {
//! vault::write("Inbox/AI/a.md", "# A\n")?;
//! assert_eq!(vault::read("Inbox/AI/a.md")?, "# A\n");
//! assert!(vault::exists("Inbox/AI")?);
//! for entry in vault::list("Inbox")? {
//!     assert_eq!((entry.path(), entry.is_folder()), ("Inbox/AI", true));
//! }
//! # Ok(())
//! # }
//! ```

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::SkillError;
use crate::path::{check, check_read, check_read_name};
use crate::removals;
use crate::roots::roots;

/// Room for the first read of a file: as much as the host gives at once.
const FIRST_READ: usize = 64 << 10;

/// One file or folder of a [`list`]. A link or a device is neither, and cannot be read: links are not followed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    path: String,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    File,
    Folder,
    /// A link, a device: nothing that a skill can read.
    Other,
}

impl Entry {
    /// Its path inside the vault, as [`read`] and [`list`] take it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The last component of its path.
    pub fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    /// Whether it is a file.
    pub fn is_file(&self) -> bool {
        self.kind == Kind::File
    }

    /// Whether it is a folder.
    pub fn is_folder(&self) -> bool {
        self.kind == Kind::Folder
    }
}

/// The text of a file.
///
/// # Errors
/// Invalid input for a path that is none, not found for a file that does not exist, failed for a folder, for bytes
/// that are not UTF-8 and for a file that cannot be read.
pub fn read(path: impl AsRef<str>) -> Result<String, SkillError> {
    let path = path.as_ref();
    String::from_utf8(read_bytes(path)?)
        .map_err(|_| SkillError::failed(format!("`{path}` is not UTF-8 text; take its bytes with read_bytes")))
}

/// The bytes of a file.
///
/// # Errors
/// As [`read`], but any bytes will do.
pub fn read_bytes(path: impl AsRef<str>) -> Result<Vec<u8>, SkillError> {
    let path = readable(path.as_ref())?;
    for place in places(path) {
        // Read first and asked only if that fails: a question costs as much as the reading.
        match bytes_of(&place) {
            Ok(bytes) => return Ok(bytes),
            Err(error) if is_missing(&error) => {}
            Err(_) if matches!(kind_of(&place), Ok(Some(Kind::Folder))) => {
                return Err(SkillError::failed(format!("`{path}` is a folder, not a file")));
            }
            Err(error) => return Err(explain(path, "read", &error)),
        }
    }
    Err(SkillError::not_found(format!("`{path}` is not in the vault")))
}

/// The text of a file, whatever its bytes: each byte that is part of no UTF-8, and each NUL, is a `?`, so that a place in
/// the text is the same place in the file.
///
/// # Errors
/// As [`read_bytes`].
pub fn read_lossy(path: impl AsRef<str>) -> Result<String, SkillError> {
    Ok(lossy(read_bytes(path)?))
}

/// The bytes as [`read_lossy`] gives them.
pub(crate) fn lossy(bytes: Vec<u8>) -> String {
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let mut text = String::with_capacity(error.as_bytes().len());
            for chunk in error.as_bytes().utf8_chunks() {
                text.push_str(chunk.valid());
                text.extend(chunk.invalid().iter().map(|_| '?'));
            }
            text
        }
    };
    // No text of JSON or of a terminal may have one.
    if text.contains('\0') { text.replace('\0', "?") } else { text }
}

/// Writes a file, with the folders that lead to it. What it held is replaced.
///
/// # Errors
/// Invalid input for a path that is none, denied where this skill may not write, failed if a folder is in the
/// place of the file (or a file in the place of one of its folders) or if the bytes cannot be written.
pub fn write(path: impl AsRef<str>, contents: impl AsRef<[u8]>) -> Result<(), SkillError> {
    let path = parse(path.as_ref())?;
    for (end, _) in path.match_indices('/') {
        let folder = &path[..end];
        if matches!(find(folder)?, Some((_, Kind::File))) {
            return Err(SkillError::failed(format!("`{folder}` is a file, not a folder")));
        }
    }
    if matches!(find(path)?, Some((_, Kind::Folder))) {
        return Err(SkillError::failed(format!("`{path}` is a folder, not a file")));
    }
    let out = roots().out;
    if !out.is_dir() {
        return Err(SkillError::denied(format!("`{path}` cannot be written: this skill's class grants no writing")));
    }
    let place = out.join(path);
    place
        .parent()
        .map_or(Ok(()), fs::create_dir_all)
        .and_then(|()| fs::write(&place, contents))
        .and_then(|()| removals::take_back(&out, path))
        .map_err(|error| explain(path, "written", &error))
}

/// Removes a file. Like a write, it happens after the run, together with all writes of the run, and can be undone.
///
/// What is removed is the content that the vault had when this was called: if another program changes the file in the
/// meantime, nothing of the run reaches the vault. A folder stays, also when its last file is removed.
///
/// # Errors
/// Invalid input for a path that is none, not found for a file that does not exist, failed for a folder, denied where this
/// skill may not write. The host refuses it where the specification does not say `removes_files`.
pub fn remove(path: impl AsRef<str>) -> Result<(), SkillError> {
    let path = parse(path.as_ref())?;
    let roots = roots();
    if !roots.out.is_dir() {
        return Err(SkillError::denied(format!("`{path}` cannot be removed: this skill's class grants no writing")));
    }
    let failed = |error: &io::Error| explain(path, "removed", error);
    let staged = roots.out.join(path);
    let was_staged = matches!(kind_of(&staged).map_err(|error| failed(&error))?, Some(Kind::File));
    if was_staged {
        fs::remove_file(&staged).map_err(|error| failed(&error))?;
    }
    // A file that only this run has written is gone now, and the vault needs no change.
    match read_bytes(path) {
        Ok(bytes) => removals::add(&roots.out, path, crate::sha256(bytes)).map_err(|error| failed(&error)),
        Err(SkillError::NotFound(_)) if was_staged => Ok(()),
        Err(error) => Err(error),
    }
}

/// What is directly inside a folder, sorted by path. `""` is the root of the vault.
///
/// Names that are no vault paths (hidden ones, for example) are left out. A link is in the list, and is neither a file nor
/// a folder.
///
/// # Errors
/// Invalid input for a path that is none, not found for a folder that does not exist, failed for a file.
pub fn list(folder: impl AsRef<str>) -> Result<Vec<Entry>, SkillError> {
    let (path, prefix) = match folder.as_ref() {
        "" => ("", String::new()),
        folder => readable(folder).map(|path| (path, format!("{path}/")))?,
    };
    let roots = roots();
    let mut names = BTreeMap::new();
    let mut found = path.is_empty();
    // The run's own writes come last, so that they win.
    for (root, is_out) in [(roots.vault, false), (roots.out, true)] {
        let place = if path.is_empty() { root } else { root.join(path) };
        match kind_of(&place).map_err(|error| explain(path, "listed", &error))? {
            Some(Kind::Folder) => {
                found = true;
                add_names(&place, &mut names).map_err(|error| explain(path, "listed", &error))?;
                // Only the vault has what is removed: what this run wrote comes after it.
                names.retain(|name, _| !removals::contains(&format!("{prefix}{name}")) || is_out);
            }
            Some(Kind::File) => return Err(SkillError::failed(format!("`{path}` is a file, not a folder"))),
            Some(Kind::Other) | None => {}
        }
    }
    if !found {
        return Err(SkillError::not_found(format!("`{path}` is not in the vault")));
    }
    Ok(names.into_iter().map(|(name, kind)| Entry { path: format!("{prefix}{name}"), kind }).collect())
}

/// What [`walk`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Walk {
    /// The paths of all files, sorted.
    pub files: Vec<String>,
    /// How many links, devices and folders that cannot be listed were left out.
    pub skipped: usize,
    /// Each of them with the reason, sorted.
    pub left_out: Vec<LeftOut>,
}

/// Something that was not read, and why.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct LeftOut {
    /// Its path.
    pub path: String,
    /// Why.
    pub reason: String,
}

impl LeftOut {
    /// What an error says about a path.
    pub fn new(path: impl Into<String>, error: &SkillError) -> Self {
        Self { path: path.into(), reason: error.message().to_owned() }
    }
}

/// All files below a folder, at whatever depth. `""` is the root of the vault.
///
/// What cannot be looked into is counted, and is no error. Hidden names are left out, as in a [`list`].
///
/// # Errors
/// As [`list`], for the folder itself.
pub fn walk(folder: impl AsRef<str>) -> Result<Walk, SkillError> {
    let mut walk = Walk::default();
    let mut left = list(folder)?;
    while let Some(entry) = left.pop() {
        match entry.kind {
            Kind::File => walk.files.push(entry.path),
            Kind::Other => {
                let reason = "it is a link or a device, which is not followed".to_owned();
                walk.left_out.push(LeftOut { path: entry.path, reason });
            }
            Kind::Folder => match list(&entry.path) {
                Ok(entries) => left.extend(entries),
                Err(error) => walk.left_out.push(LeftOut::new(entry.path, &error)),
            },
        }
    }
    walk.files.sort_unstable();
    walk.left_out.sort_unstable();
    walk.skipped = walk.left_out.len();
    Ok(walk)
}

/// A file of settings of Obsidian, as `daily-notes`: the one kind of hidden file that a skill can read.
///
/// # Errors
/// Invalid input for a name that is not made of small letters and `-`, failed for a file that is not JSON.
pub fn settings(name: &str) -> Result<Option<serde_json::Value>, SkillError> {
    if name.is_empty() || !name.chars().all(|c| c.is_ascii_lowercase() || c == '-') {
        return Err(SkillError::invalid_input(format!("`{}` is not a name of settings", name.escape_debug())));
    }
    let path = format!(".obsidian/{name}.json");
    match bytes_of(&roots().vault.join(&path)) {
        Ok(bytes) => match serde_json::from_slice(&bytes) {
            Ok(settings) => Ok(Some(settings)),
            Err(error) => Err(SkillError::failed(format!("`{path}` is not valid JSON: {error}"))),
        },
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(explain(&path, "read", &error)),
    }
}

/// Whether a file or folder of this path exists.
///
/// # Errors
/// Invalid input for a path that is none, failed if the vault cannot be looked at.
pub fn exists(path: impl AsRef<str>) -> Result<bool, SkillError> {
    find(readable(path.as_ref())?).map(|found| found.is_some())
}

fn parse(text: &str) -> Result<&str, SkillError> {
    check(text).map_err(|why| {
        SkillError::invalid_input(format!("`{}` is not a path inside the vault: {why}", text.escape_debug()))
    })
}

/// A path to read from: as wide as the file system, without hidden names.
fn readable(text: &str) -> Result<&str, SkillError> {
    check_read(text).map_err(|why| {
        SkillError::invalid_input(format!("`{}` is not a path inside the vault: {why}", text.escape_debug()))
    })
}

/// Where a path lies: among this run's writes, else in the vault.
fn find(path: &str) -> Result<Option<(PathBuf, Kind)>, SkillError> {
    for place in places(path) {
        if let Some(kind) = kind_of(&place).map_err(|error| explain(path, "looked at", &error))? {
            return Ok(Some((place, kind)));
        }
    }
    Ok(None)
}

/// Where a path may lie: among this run's writes, and in the vault unless this run has removed it.
fn places(path: &str) -> impl Iterator<Item = PathBuf> {
    let roots = roots();
    let vault = (!removals::contains(path)).then(|| roots.vault.join(path));
    std::iter::once(roots.out.join(path)).chain(vault)
}

/// The bytes of a file, without asking how many there are: each question goes to the host, and most files are small.
fn bytes_of(place: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(FIRST_READ);
    // Through `take`, because a file that is read as such is asked for its size and position first.
    fs::File::open(place)?.take(u64::MAX).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What lies at a place. A folder that was not granted is an empty one: its absence says nothing.
fn kind_of(place: &Path) -> io::Result<Option<Kind>> {
    match fs::metadata(place) {
        Ok(about) => Ok(Some(kind(about.file_type())).filter(|kind| *kind != Kind::Other)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

fn kind(of: fs::FileType) -> Kind {
    if of.is_dir() {
        Kind::Folder
    } else if of.is_file() {
        Kind::File
    } else {
        Kind::Other
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn add_names(folder: &Path, names: &mut BTreeMap<String, Kind>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if check_read_name(&name).is_ok() {
            names.insert(name, kind(entry.file_type()?));
        }
    }
    Ok(())
}

/// The same words on every platform: the system's own differ and name places that are not the vault's.
fn explain(path: &str, what: &str, error: &io::Error) -> SkillError {
    let message = |why: &str| format!("`{path}` cannot be {what}: {why}");
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => SkillError::denied(message("not permitted")),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            SkillError::failed(message("no room is left"))
        }
        _ => SkillError::failed(message(&error.to_string())),
    }
}

#[cfg(test)]
mod tests;
