//! The tree of every `use`, read into one leaf for each path that it names.
//!
//! It reads tokens and decides nothing: `imports` judges the leaves.

use super::tokens::{SourceTokens, TokenRole, TokenScope};

/// What an import does with its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ImportBinding {
    /// Binds this name.
    Name(String),
    /// Binds all names below.
    Glob,
}

/// One path of an import, without its braces.
#[derive(Debug, Clone)]
pub(super) struct ImportLeaf {
    pub(super) path: Vec<String>,
    pub(super) binding: ImportBinding,
    /// Whether it gives another name than the path's last.
    pub(super) renamed: bool,
    pub(super) line: u32,
    pub(super) scope: TokenScope,
}

impl ImportLeaf {
    /// The name it binds.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.binding {
            ImportBinding::Name(name) => Some(name),
            ImportBinding::Glob => None,
        }
    }

    /// Whether its path goes through `names`, one after the other.
    pub(super) fn names(&self, names: &[&str]) -> bool {
        self.path.windows(names.len()).any(|window| window.iter().eq(names.iter()))
    }
}

/// The paths of all imports of `file`.
pub(super) fn leaves(file: &SourceTokens) -> Vec<ImportLeaf> {
    starts(file).filter_map(|at| read(file, at)).flatten().collect()
}

/// The places of the `use` keywords of `file`.
pub(super) fn starts(file: &SourceTokens) -> impl Iterator<Item = usize> {
    (0..file.tokens.len())
        .filter(|at| file.is_word(*at, "use") && file.get(*at).is_some_and(|token| token.role == TokenRole::Import))
}

/// The paths of the import whose `use` is at `at`; `None` when it cannot be read.
pub(super) fn read(file: &SourceTokens, at: usize) -> Option<Vec<ImportLeaf>> {
    let mut leaves = Vec::new();
    let end = tree(file, at + 1, &[], &mut leaves)?;
    file.is_punct(end, ';').then_some(leaves)
}

/// Reads one tree of an import; where it ends. Recurses on brackets, whose nesting was capped before.
fn tree(file: &SourceTokens, at: usize, prefix: &[String], leaves: &mut Vec<ImportLeaf>) -> Option<usize> {
    let mut path = prefix.to_vec();
    let mut at = if file.is_separator(at) { at + 2 } else { at };
    let scope = file.get(at)?.scope;
    let line = file.line(at);
    loop {
        if file.is_punct(at, '*') {
            leaves.push(ImportLeaf { path, binding: ImportBinding::Glob, renamed: false, line, scope });
            return Some(at + 1);
        }
        if file.is_open(at, "{") {
            return group(file, at, &path, leaves);
        }
        let name = file.segment(at)?.to_owned();
        at += 1;
        if file.is_separator(at) {
            path.push(name);
            at += 2;
            continue;
        }
        // `a::{self}` binds `a`, so the word adds no name to the path.
        if name != "self" || path.is_empty() {
            path.push(name);
        }
        let last = path.last().cloned().unwrap_or_default();
        let (bound, end) = match file.is_word(at, "as") {
            // Brings a trait's methods without a name. It is a leaf like any other.
            true if file.is_word(at + 1, "_") => ("_".to_owned(), at + 2),
            true => (file.segment(at + 1)?.to_owned(), at + 2),
            false => (last.clone(), at),
        };
        let renamed = bound != last;
        leaves.push(ImportLeaf { path, binding: ImportBinding::Name(bound), renamed, line, scope });
        return Some(end);
    }
}

fn group(file: &SourceTokens, open: usize, prefix: &[String], leaves: &mut Vec<ImportLeaf>) -> Option<usize> {
    let close = file.pair_of(open);
    let mut at = open + 1;
    while at < close {
        at = tree(file, at, prefix, leaves)?;
        if file.is_punct(at, ',') {
            at += 1;
        } else if at != close {
            return None;
        }
    }
    Some(close + 1)
}
