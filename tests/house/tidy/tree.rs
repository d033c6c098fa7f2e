//! The source files that the rules read, and which module each of them is.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

/// One source file, as the rules see it.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path from the repository's root, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl Source {
    /// A source file with the given text.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// The part of the house the file belongs to: a folder or file directly under `src`, or `sdk`.
    pub fn top(&self) -> &str {
        match self.path.strip_prefix("src/") {
            Some(rest) => rest.split('/').next().unwrap_or(rest).trim_end_matches(".rs"),
            None => self.path.split('/').next().unwrap_or(&self.path),
        }
    }

    /// Whether the file's path starts with one of `places`.
    pub fn lies_in(&self, places: &[&str]) -> bool {
        places.iter().any(|place| self.path.starts_with(place))
    }

    /// The folder that the file lies in.
    pub fn folder(&self) -> &str {
        folder(&self.path)
    }

    /// The path of `file` as seen from the file's folder, from the repository's root.
    pub fn beside(&self, file: &str) -> String {
        let mut names: Vec<&str> = self.folder().split('/').collect();
        for name in file.split('/') {
            match name {
                ".." => drop(names.pop()),
                "." => {}
                _ => names.push(name),
            }
        }
        names.join("/")
    }

    /// The module path of the file inside its crate: `src/forge/verify/mod.rs` is `forge::verify`.
    pub fn module(&self) -> Vec<String> {
        let inner = self.path.split_once("src/").map_or(self.path.as_str(), |(_, rest)| rest);
        let mut names: Vec<String> = inner.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
        let root = names.len() == 1 && matches!(names[0].as_str(), "lib" | "main");
        if root || names.last().is_some_and(|name| name == "mod") {
            names.pop();
        }
        names
    }
}

/// The folder part of a path.
pub fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Every module of `kavi` that has a file of its own.
pub fn modules(sources: &[Source]) -> BTreeSet<Vec<String>> {
    sources.iter().filter(|source| source.path.starts_with("src/")).map(Source::module).collect()
}

/// All `.rs` files below `folders` of the repository at `root`, in order of their paths.
///
/// # Errors
/// What the file system says; a folder that is missing is an error, so that no rule passes by reading nothing.
pub fn read(root: &Path, folders: &[&str]) -> io::Result<Vec<Source>> {
    let mut files = Vec::new();
    for folder in folders {
        walk(&root.join(folder), &mut files)?;
    }
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let relative = file.strip_prefix(root).unwrap_or(&file).to_string_lossy().replace('\\', "/");
            Ok(Source { path: relative, text: fs::read_to_string(&file)? })
        })
        .collect()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if path.is_dir() {
            if entry.file_name() != "target" {
                walk(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
