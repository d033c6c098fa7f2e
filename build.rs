//! Embeds what the program was built from: the digest of its sources and, in a release, the commit.
//!
//! The digest is that of this list, so anybody can compute it again (`docs/INSTALLING.md` has the command): one line
//! `SHA256  PATH` for each file of [`SOURCES`], in the order of the bytes of the paths, as `sha256sum` writes it.
//!
//! Guarantees: it works without git, without a network, and in a source archive. Without a repository there is no commit, and
//! `kavi --version` says so. Deliberately never: runs a program.
#![allow(clippy::print_stdout, reason = "cargo reads what a build script prints")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

/// What the program is built from. Folders named `target` are left out.
const SOURCES: [&str; 7] = ["Cargo.lock", "Cargo.toml", "build.rs", "sdk", "skills", "src", "wit"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo names no folder")?);
    let files = source_files(&root)?;
    for path in ["build.rs", "src", "sdk", "wit", "Cargo.toml", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={path}");
    }
    // One by one: below `skills` are the results of builds too.
    for path in files.iter().filter(|path| path.starts_with("skills/")) {
        println!("cargo::rerun-if-changed={path}");
    }
    println!("cargo::rustc-env=KAVI_SOURCES_SHA256={}", sources_digest(&root, &files)?);
    println!("cargo::rerun-if-env-changed=KAVI_COMMIT");
    let is_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    // While one develops, each commit would mean a new build of everything.
    let found = if is_release { find_commit(&root) } else { None };
    let files = found.iter().flat_map(|commit| &commit.files);
    files.for_each(|file| println!("cargo::rerun-if-changed={}", file.display()));
    // Whoever packages a source archive knows the commit, and can say it.
    let said = std::env::var("KAVI_COMMIT").ok();
    match said.or(found.map(|commit| commit.id)) {
        Some(id) if is_commit(&id) => {
            println!("cargo::rustc-env=KAVI_COMMIT={id}");
            println!("cargo::rustc-env=KAVI_COMMIT_OR_WHY_NOT={id}");
        }
        Some(id) => return Err(format!("KAVI_COMMIT is not the id of a commit: {id:?}").into()),
        None => println!(
            "cargo::rustc-env=KAVI_COMMIT_OR_WHY_NOT=not embedded ({})",
            if is_release { "built without a repository" } else { "a development build" }
        ),
    }
    Ok(())
}

fn is_commit(id: &str) -> bool {
    [40, 64].contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The source files, relative to the root, in their order.
pub fn source_files(root: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut found = Vec::new();
    let mut open: Vec<String> = SOURCES.map(str::to_owned).to_vec();
    while let Some(path) = open.pop() {
        let kind = fs::symlink_metadata(root.join(&path))?.file_type();
        if kind.is_dir() {
            for entry in fs::read_dir(root.join(&path))? {
                let name = entry?.file_name().into_string().map_err(|name| format!("{path}: {name:?} is no text"))?;
                if name != "target" {
                    open.push(format!("{path}/{name}"));
                }
            }
        } else if kind.is_file() {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}

pub fn sources_digest(root: &Path, files: &[String]) -> Result<String, Box<dyn Error>> {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut list = Sha256::new();
    for path in files {
        list.update(format!("{}  {path}\n", hex(&Sha256::digest(fs::read(root.join(path))?))));
    }
    Ok(hex(&list.finalize()))
}

/// A commit, and the files that say that it is the one.
#[derive(Debug, PartialEq, Eq)]
pub struct Commit {
    pub id: String,
    pub files: Vec<PathBuf>,
}

/// The commit of a repository at this folder, read from its files. `None` without one.
pub fn find_commit(root: &Path) -> Option<Commit> {
    let line = |path: &Path| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    let git = root.join(".git");
    // In a worktree `.git` is a file that names the folder.
    let folder = match line(&git) {
        Some(text) => root.join(text.strip_prefix("gitdir: ")?),
        None => git,
    };
    let common = line(&folder.join("commondir")).map_or_else(|| folder.clone(), |common| folder.join(common));
    let mut files = vec![folder.join("HEAD")];
    let head = line(&folder.join("HEAD"))?;
    let id = match head.strip_prefix("ref: ") {
        None => Some(head),
        Some(name) => {
            let loose = common.join(name);
            let packed = common.join("packed-refs");
            let from_packed = || {
                let text = fs::read_to_string(&packed).ok()?;
                text.lines().find_map(|line| line.strip_suffix(name)?.strip_suffix(' ').map(str::to_owned))
            };
            let found = line(&loose).or_else(from_packed);
            files.extend([loose, packed].into_iter().filter(|path| path.exists()));
            found
        }
    };
    id.filter(|id| is_commit(id)).map(|id| Commit { id, files })
}
