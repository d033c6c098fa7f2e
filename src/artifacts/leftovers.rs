//! Unfinished files that a crash left: named and removed by one rule.
//!
//! A file is written under a temporary name and renamed when it is whole, and some work has a folder of its own. A crash leaves
//! both. Nothing refers to them, so nothing else would ever remove them.
//!
//! Guarantees: only names that Kavi gives are removed, only when nobody has changed them for longer than any write takes, and
//! never through a link. In a folder that others write to as well, only what belongs to this user. Deliberately never: touches the
//! vault, or the prepared files of commits (that is `invoke::effects`).

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::dir::{self, EntryMetadataExt as _, FolderHandle, MissingFolders};
use crate::model::{artifact::ARTIFACTS, layout::Layout, time::Timestamp};

/// A file that is older was left: far longer than a write takes.
const OLD_FILE: Duration = Duration::from_hours(1);
/// The same for the folder of a verification.
const OLD_FOLDER: Duration = Duration::from_hours(24);

/// The folders in which leftovers can be.
#[derive(Debug, Clone, Copy)]
pub struct LeftoverFolders<'a> {
    /// The workspace.
    pub layout: &'a Layout,
    /// The person's cache folder, in which the toolchain is built.
    pub cache: Option<&'a Path>,
    /// The person's state folder, with the anchors of workspaces.
    pub state: Option<&'a Path>,
    /// The folder for temporary files, which all programs share.
    pub temporary: Option<&'a Path>,
}

impl<'a> LeftoverFolders<'a> {
    /// The workspace alone.
    pub fn of_workspace(layout: &'a Layout) -> Self {
        Self { layout, cache: None, state: None, temporary: None }
    }

    fn folder(&self, base: Base) -> Option<&'a Path> {
        match base {
            Base::Workspace => Some(&self.layout.root),
            Base::Cache => self.cache,
            Base::State => self.state,
            Base::Temporary => self.temporary,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Base {
    Workspace,
    Cache,
    State,
    Temporary,
}

/// A place where leftovers can be.
struct Place {
    base: Base,
    /// Below the base.
    folder: &'static str,
    /// How many levels of folders below it are looked through.
    depth: u8,
    what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// Temporary files.
    Files,
    /// Folders of work that had not ended, by the beginnings of their names.
    Folders(&'static [&'static str]),
    /// The same in a folder of Kavi's own, where no other program gives names.
    OwnFolders(&'static [&'static str]),
}

/// How the name begins of a folder that becomes a workspace, and of a file that is to be outside of one.
pub const PREPARED: &str = dir::UNNAMED;

const PLACES: &[Place] = &[
    files(Base::Workspace, "", 0),
    folders(Base::Workspace, "", &[PREPARED]),
    files(Base::Workspace, ".kavi", 0),
    files(Base::Workspace, ".kavi/cache", 0),
    files(Base::Workspace, ".kavi/sdk", 4),
    files(Base::Workspace, ".kavi/staging", 1),
    files(Base::Workspace, ".kavi/store", 2),
    Place {
        base: Base::Workspace,
        folder: ".kavi/scratch",
        depth: 0,
        what: What::OwnFolders(&["verify-", "format-", "bench-"]),
    },
    files(Base::Workspace, ARTIFACTS, 3),
    files(Base::Workspace, "skills", 3),
    files(Base::Cache, "", 1),
    folders(Base::Cache, "", &["kit-build-"]),
    files(Base::State, "", 2),
    folders(Base::Temporary, "", &["kavi-add-", "kavi-agent-", "kavi-gate-"]),
];

const fn files(base: Base, folder: &'static str, depth: u8) -> Place {
    Place { base, folder, depth, what: What::Files }
}

const fn folders(base: Base, folder: &'static str, names: &'static [&'static str]) -> Place {
    Place { base, folder, depth: 0, what: What::Folders(names) }
}

/// What is left over. A path in the workspace is relative to it.
pub fn find(folders: LeftoverFolders<'_>, now: Timestamp) -> Vec<PathBuf> {
    let mut found = Vec::new();
    each(folders, now, &mut |_, _, path| found.push(path));
    found.sort();
    found
}

/// Removes what is left over. What cannot be removed harms nothing.
pub fn remove(folders: LeftoverFolders<'_>, now: Timestamp) {
    each(folders, now, &mut remove_entry);
}

/// Removes what unfinished files left in the folder of `path`. It lies outside of the workspace, where no other sweep looks.
pub fn remove_beside(path: &Path, now: Timestamp) {
    let parent = path.parent().unwrap_or(Path::new(""));
    let place = files(Base::Workspace, "", 0);
    // Others write there too, and may use names like those of the workspace's own files.
    let mut ours = |folder: &FolderHandle, name: &Path, below| {
        if name.to_str().is_some_and(|name| has_random_end(name, PREPARED)) {
            remove_entry(folder, name, below);
        }
    };
    if let Ok(folder) = FolderHandle::open(parent) {
        let _ = look(&folder, parent, &place, now, 0, &mut ours);
    }
}

fn remove_entry(folder: &FolderHandle, name: &Path, _: PathBuf) {
    if folder.file(name).remove_file().is_err() {
        let _ = folder.remove_folder(name);
    }
}

type Each<'e> = dyn FnMut(&FolderHandle, &Path, PathBuf) + 'e;

fn each(folders: LeftoverFolders<'_>, now: Timestamp, each: &mut Each<'_>) {
    for place in PLACES {
        let Some(base) = folders.folder(place.base) else { continue };
        // A place that is missing, or cannot be read, has nothing that could be removed.
        let opened =
            FolderHandle::open(base).and_then(|base| base.beneath(Path::new(place.folder), MissingFolders::Refuse));
        let shown = if place.base == Base::Workspace { PathBuf::from(place.folder) } else { base.join(place.folder) };
        if let Ok(folder) = opened {
            let _ = look(&folder, &shown, place, now, place.depth, each);
        }
    }
}

fn look(
    folder: &FolderHandle,
    path: &Path,
    place: &Place,
    now: Timestamp,
    depth: u8,
    each: &mut Each<'_>,
) -> io::Result<()> {
    for entry in folder.entries()? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        let below = path.join(&name);
        if is_leftover(place.what, &name.to_string_lossy(), kind) && is_old(&entry, place.what, now) {
            each(folder, Path::new(&name), below);
        } else if depth > 0 && kind.is_dir() {
            let opened = folder.beneath(Path::new(&name), MissingFolders::Refuse);
            let _ = opened.and_then(|inner| look(&inner, &below, place, now, depth - 1, each));
        }
    }
    Ok(())
}

fn is_leftover(what: What, name: &str, kind: dir::EntryType) -> bool {
    match what {
        What::Files => kind.is_file() && is_temporary(name),
        What::OwnFolders(beginnings) => kind.is_dir() && beginnings.iter().any(|begin| name.starts_with(begin)),
        What::Folders(beginnings) => kind.is_dir() && beginnings.iter().any(|begin| has_random_end(name, begin)),
    }
}

/// Whether Kavi gives this name to an unfinished file, or an earlier version did. A person's own file has another one.
fn is_temporary(name: &str) -> bool {
    let numbers = |rest: &str| {
        let mut parts = rest.split('-');
        let all = parts.by_ref().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
        all && rest.contains('-')
    };
    let numbered = name.strip_prefix(dir::TEMPORARY).and_then(|rest| rest.strip_prefix('-')).is_some_and(numbers);
    numbered || [dir::TEMPORARY, ".new-", PREPARED].iter().any(|begin| has_random_end(name, begin))
}

/// Whether a name is this beginning and the six characters that make it the only one.
fn has_random_end(name: &str, begin: &str) -> bool {
    let end = name.strip_prefix(begin);
    end.is_some_and(|end| end.len() == 6 && end.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

fn is_old(entry: &dir::DirEntry, what: What, now: Timestamp) -> bool {
    let age = if what == What::Files { OLD_FILE } else { OLD_FOLDER };
    let Ok(meta) = entry.metadata() else { return false };
    // In a folder that is shared, others may give the same names to what is theirs.
    if meta.uid() != rustix::process::getuid().as_raw() {
        return false;
    }
    let since_epoch = meta.modified().ok().and_then(|time| time.into_std().duration_since(std::time::UNIX_EPOCH).ok());
    let millis = since_epoch.and_then(|since| i64::try_from(since.as_millis()).ok());
    // A file without a valid time is not known to be old.
    millis.and_then(|millis| Timestamp::from_millis(millis).ok()).is_some_and(|time| time < now.before(age))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::SystemTime;

    use super::*;

    type Tested = Result<(), Box<dyn std::error::Error>>;

    /// The time, as far as the file system says.
    fn now() -> Result<SystemTime, Box<dyn std::error::Error>> {
        Ok(tempfile::tempfile()?.metadata()?.modified()?)
    }

    fn plant(layout: &Layout, path: &str, age: Duration) -> Tested {
        let path = layout.root.join(path);
        fs::create_dir_all(path.parent().unwrap_or(&layout.root))?;
        File::create(&path)?.set_modified(now()? - age)?;
        Ok(())
    }

    #[test]
    fn only_what_a_crash_left_long_ago_is_removed() -> Tested {
        let place = tempfile::tempdir()?;
        let root = place.path().join("workspace");
        let layout = Layout { vault: root.join("vault_out"), root };
        let hours = Duration::from_hours;
        let left = [
            ".kavi-new-AbC123",
            ".kavi/sdk/src/a/.tmp-3-1",
            "skills/note/src/.tmp-12-4",
            ".kavi/.tmpAbC123",
            ".kavi/cache/.new-AbC123",
            ".kavi/store/.tmp-12-0",
            ".kavi/store/files/ab/.tmp-12-7",
            ".tmpAbC123",
            "artifacts_out/note/1/build-1/.tmp-12-3",
        ];
        let stays = [".tmpnotes.md", ".tmp", "notes.tmp", ".kavi/store/files/ab/abcd", "vault_out/.tmpAbC123"];
        for path in left.iter().chain(&stays) {
            plant(&layout, path, hours(2))?;
        }
        plant(&layout, ".kavi/.tmp-99-1", Duration::ZERO)?;
        let in_workspace = [".kavi/scratch/verify-old", ".kavi/scratch/format-old", ".kavi-new-oldold"];
        // The same in folders outside of the workspace.
        let outside_of_it =
            ["../cache/kit-build-oldold", "../temporary/kavi-add-oldold", "../temporary/kavi-gate-oldold"];
        let folder_stays = [".kavi/scratch/verify-new", "../temporary/kavi-add-theirs-too", "../temporary/mine-oldold"];
        for folder in in_workspace.iter().chain(&outside_of_it).chain(&folder_stays) {
            plant(&layout, &format!("{folder}/file"), hours(0))?;
            let age = if folder.ends_with("-new") { hours(2) } else { hours(25) };
            File::open(layout.root.join(folder))?.set_modified(now()? - age)?;
        }
        plant(&layout, "../cache/.tmp-12-1", hours(2))?;
        plant(&layout, "../state/0a1b/.tmp-12-1", hours(2))?;
        let [cache, state, temporary] = ["cache", "state", "temporary"].map(|name| place.path().join(name));
        let folders =
            LeftoverFolders { layout: &layout, cache: Some(&cache), state: Some(&state), temporary: Some(&temporary) };
        // Nothing is removed behind a link.
        let outside = place.path().join("outside");
        fs::create_dir(&outside)?;
        File::create(outside.join(".tmpAbC123"))?.set_modified(now()? - hours(2))?;
        std::os::unix::fs::symlink(&outside, layout.root.join("artifacts_out/link"))?;
        let now = now()?.duration_since(std::time::UNIX_EPOCH)?;
        let now = Timestamp::from_millis(i64::try_from(now.as_millis())?)?;
        let mut expected: Vec<PathBuf> = left.iter().map(PathBuf::from).collect();
        expected.extend(in_workspace.map(PathBuf::from));
        expected.sort();
        assert_eq!(find(LeftoverFolders::of_workspace(&layout), now), expected);
        expected.extend(outside_of_it.map(|path| place.path().join(path.trim_start_matches("../"))));
        expected.extend([cache.join(".tmp-12-1"), state.join("0a1b/.tmp-12-1")]);
        expected.sort();
        assert_eq!(find(folders, now), expected);
        remove(folders, now);
        assert_eq!(find(folders, now), Vec::<PathBuf>::new());
        for path in stays.iter().chain(&folder_stays).chain(&[".kavi/.tmp-99-1", "../outside/.tmpAbC123"]) {
            assert!(layout.root.join(path).exists(), "{path}");
        }
        Ok(())
    }
    #[test]
    fn beside_a_file_of_a_person_only_our_own_names_go() -> Tested {
        let place = tempfile::tempdir()?;
        let hours = Duration::from_hours;
        for (name, age) in [(".kavi-new-AbC123", 2), (".kavi-new-AbC124", 0), (".tmpAbC123", 2), (".tmp-1-2", 2)] {
            File::create(place.path().join(name))?.set_modified(now()? - hours(age))?;
        }
        let now = now()?.duration_since(std::time::UNIX_EPOCH)?;
        let now = Timestamp::from_millis(i64::try_from(now.as_millis())?)?;
        remove_beside(&place.path().join("all.jsonl"), now);
        let names = fs::read_dir(place.path())?.map(|entry| entry.map(|entry| entry.file_name()));
        let mut names = names.collect::<Result<Vec<_>, _>>()?;
        names.sort();
        assert_eq!(names, [".kavi-new-AbC124", ".tmp-1-2", ".tmpAbC123"]);
        Ok(())
    }
}
