//! Linked folders: links in the vault that kavi.toml lets skills follow.
//!
//! The wall follows no link. A link that a person named is therefore resolved here, once, when the process starts. Skills get
//! the folder that was found as a read-only folder of its own, at the place of the link.
//!
//! Guarantees: what runs read is the folder that was found at the start, held open. A link that is changed later leads no run
//! anywhere else. A link that cannot be followed is told, with the reason. Deliberately never: follows a link inside such a
//! folder, or makes one writable.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use crate::dir::{FolderHandle, FolderId, MissingFolders, beneath};
use crate::model::layout::Layout;

/// A linked folder that skills read.
#[derive(Debug, Clone)]
pub struct LinkedFolder {
    /// The path of the link in the vault.
    pub name: String,
    /// Where it led at the start.
    pub target: PathBuf,
    /// The folder that was found there.
    folder: FolderHandle,
    /// The folder of the vault in which the link lies.
    parent: FolderId,
}

/// Two are equal if they are the same open folder.
impl PartialEq for LinkedFolder {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.folder.is_same_handle(&other.folder)
    }
}

impl Eq for LinkedFolder {}

/// A name of kavi.toml that is not followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenLink {
    /// The path in the vault, as kavi.toml has it.
    pub name: String,
    /// Why it is not followed.
    pub why: String,
}

/// What became of the names in kavi.toml.
#[derive(Debug, Clone, Default)]
pub struct LinkedFolders {
    /// The folders that skills read.
    pub folders: Vec<LinkedFolder>,
    /// The names that are not followed.
    pub broken: Vec<BrokenLink>,
}

impl LinkedFolder {
    /// The folder.
    pub(super) fn handle(&self) -> &FolderHandle {
        &self.folder
    }

    /// Where a guest has it.
    pub(super) fn guest_path(&self) -> String {
        format!("/vault/{}", self.name)
    }

    /// Whether the link is this name in this folder.
    pub(super) fn is_at(&self, folder: FolderId, name: &[u8]) -> bool {
        let last = self.name.rsplit('/').next().unwrap_or_default();
        self.parent == folder && last.as_bytes() == name
    }
}

impl LinkedFolders {
    /// Looks where the links of these names lead.
    pub fn resolve(layout: &Layout, names: &[String]) -> Self {
        let mut linked = Self::default();
        for name in names {
            match resolve(layout, name) {
                Ok(folder) => linked.folders.push(folder),
                Err(why) => linked.broken.push(BrokenLink { name: name.clone(), why }),
            }
        }
        linked
    }
}

fn resolve(layout: &Layout, name: &str) -> Result<LinkedFolder, String> {
    let (above, last) = name.rsplit_once('/').unwrap_or(("", name));
    let failed = |what: &str, error: io::Error| format!("{what}: {error}");
    let vault = layout.vault.canonicalize().map_err(|error| format!("the vault: {error}"))?;
    let vault_folder = FolderHandle::open(&vault).map_err(|error| failed("the vault", error))?;
    // Links on the way to the link are not followed, as everywhere in the vault.
    let parent = vault_folder
        .beneath(Path::new(above), MissingFolders::Refuse)
        .map_err(|error| failed("its folder in the vault cannot be opened", error))?;
    let link = parent.file(last).stat().map_err(|error| failed("it cannot be found in the vault", error))?;
    match beneath::kind(&link) {
        FileType::Symlink => {}
        FileType::Directory => return Err("it is a folder of the vault, which needs no `follow`".to_owned()),
        _ => return Err("it is not a link to a folder".to_owned()),
    }
    let target = vault.join(name).canonicalize().map_err(|error| format!("it leads to no folder: {error}"))?;
    check_target(layout, &vault, &target)?;
    // The path has no link in it now. If it has one when it is opened, somebody has changed it in between.
    let folder = FolderHandle::open_resolved(&target)
        .map_err(|error| failed(&format!("{} cannot be opened", target.display()), error))?;
    let parent = parent.id().map_err(|error| failed("its folder in the vault", error))?;
    Ok(LinkedFolder { name: name.to_owned(), target, folder, parent })
}

/// Skills read all of a linked folder, so it must not have what the workspace itself is made of.
fn check_target(layout: &Layout, vault: &Path, target: &Path) -> Result<(), String> {
    let shown = target.display();
    let real = |path: PathBuf| path.canonicalize().unwrap_or(path);
    let (root, state) = (real(layout.root.clone()), real(layout.state()));
    if root.starts_with(target) || state.starts_with(target) || target.starts_with(&state) {
        return Err(format!("{shown} has files of the workspace itself, which skills must not read"));
    }
    if target.starts_with(vault) || vault.starts_with(target) {
        return Err(format!("{shown} and the vault contain each other: skills would read the same notes twice"));
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// A workspace with a vault, and a folder beside it.
    fn workspace() -> (tempfile::TempDir, Layout) {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for folder in ["work/.kavi/store", "work/notes/sub", "other/deep"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        fs::write(at("other/file.md"), "text").unwrap();
        let layout = Layout { root: at("work"), vault: at("work/notes") };
        (root, layout)
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_link_is_resolved_once_and_stays_what_it_was() {
        let (root, layout) = workspace();
        let (first, link) = (root.path().join("other"), layout.vault.join("Linked"));
        symlink("../../other", &link).unwrap();
        symlink(&first, layout.vault.join("sub/Deep")).unwrap();
        let linked = LinkedFolders::resolve(&layout, &names(&["Linked", "sub/Deep"]));
        assert_eq!(linked.broken, []);
        let targets: Vec<&Path> = linked.folders.iter().map(|folder| folder.target.as_path()).collect();
        let real = first.canonicalize().unwrap();
        assert_eq!(targets, [real.as_path(), real.as_path()]);
        // Whatever becomes of the link and of the path, the folder is the one that was found.
        fs::remove_file(&link).unwrap();
        symlink("/etc", &link).unwrap();
        fs::rename(&first, root.path().join("moved")).unwrap();
        symlink("/etc", &first).unwrap();
        let seen = linked.folders[0].handle().file("file.md").stat().unwrap();
        assert_eq!(seen.st_size, 4);
    }

    #[test]
    fn what_cannot_be_followed_is_told() {
        let (root, layout) = workspace();
        let to = |name: &str, target: &str| symlink(root.path().join(target), layout.vault.join(name)).unwrap();
        to("nowhere", "missing");
        to("file", "other/file.md");
        to("root", "work");
        to("above", "");
        to("state", "work/.kavi");
        to("store", "work/.kavi/store");
        to("vault", "work/notes/sub");
        to("out", "other");
        fs::write(layout.vault.join("note.md"), "text").unwrap();
        let all =
            ["nowhere", "file", "root", "above", "state", "store", "vault", "note.md", "sub", "absent", "out/deep"];
        let linked = LinkedFolders::resolve(&layout, &names(&all));
        assert_eq!(linked.folders, []);
        let broken: Vec<&str> = linked.broken.iter().map(|link| link.name.as_str()).collect();
        assert_eq!(broken, all);
        for (name, why) in [
            ("nowhere", "leads to no folder"),
            ("file", "cannot be opened"),
            ("root", "files of the workspace itself"),
            ("above", "files of the workspace itself"),
            ("store", "files of the workspace itself"),
            ("vault", "contain each other"),
            ("note.md", "not a link"),
            ("sub", "needs no `follow`"),
            ("absent", "cannot be found"),
            ("out/deep", "its folder in the vault"),
        ] {
            let link = linked.broken.iter().find(|link| link.name == name).unwrap();
            assert!(link.why.contains(why), "{link:?}");
        }
    }
}
