//! Imports: what every `use` brings under which name.
//!
//! Guarantees that no import renames a crate's root, takes the name of a macro or attribute that means something, or
//! brings by a glob what is not open as a whole. The paths themselves are judged by `paths`.

use super::names::Names;
use super::paths::{self, Place};
use super::report::{Report, Rule, quote};
use super::tables::{self, Open};
use super::tokens::{Audience, File, Part};

/// What an import does with its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// Binds this name.
    Name(String),
    /// Binds all names below.
    Glob,
}

/// One path of an import, without its braces.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) path: Vec<String>,
    pub(super) target: Target,
    /// Whether it gives another name than the path's last.
    pub(super) renamed: bool,
    line: u32,
    audience: Audience,
}

impl Leaf {
    /// The name it binds.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.target {
            Target::Name(name) => Some(name),
            Target::Glob => None,
        }
    }

    /// Whether its path goes through `names`, one after the other.
    pub(super) fn names(&self, names: &[&str]) -> bool {
        self.path.windows(names.len()).any(|window| window.iter().eq(names.iter()))
    }
}

/// The paths of all imports of `file`.
pub(super) fn leaves(file: &File) -> Vec<Leaf> {
    starts(file).filter_map(|at| read(file, at)).flatten().collect()
}

fn starts(file: &File) -> impl Iterator<Item = usize> {
    (0..file.tokens.len())
        .filter(|at| file.is_word(*at, "use") && file.get(*at).is_some_and(|token| token.part == Part::Import))
}

/// The paths of the import whose `use` is at `at`; `None` when it cannot be read.
fn read(file: &File, at: usize) -> Option<Vec<Leaf>> {
    let mut leaves = Vec::new();
    let end = tree(file, at + 1, &[], &mut leaves)?;
    file.is_punct(end, ';').then_some(leaves)
}

/// Reads one tree of an import; where it ends. Recurses on brackets, whose nesting was capped before.
fn tree(file: &File, at: usize, prefix: &[String], leaves: &mut Vec<Leaf>) -> Option<usize> {
    let mut path = prefix.to_vec();
    let mut at = if file.is_separator(at) { at + 2 } else { at };
    let audience = file.get(at)?.audience;
    let line = file.line(at);
    loop {
        if file.is_punct(at, '*') {
            leaves.push(Leaf { path, target: Target::Glob, renamed: false, line, audience });
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
        if name != "self" || path.is_empty() {
            path.push(name);
        }
        let last = path.last().cloned().unwrap_or_default();
        let (bound, end) = match file.is_word(at, "as") {
            true if file.is_word(at + 1, "_") => ("_".to_owned(), at + 2),
            true => (file.segment(at + 1)?.to_owned(), at + 2),
            false => (last.clone(), at),
        };
        let renamed = bound != last;
        leaves.push(Leaf { path, target: Target::Name(bound), renamed, line, audience });
        return Some(end);
    }
}

fn group(file: &File, open: usize, prefix: &[String], leaves: &mut Vec<Leaf>) -> Option<usize> {
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

/// Checks the imports of `file`.
pub(super) fn check(file: &File, names: &Names, report: &mut Report) {
    for at in starts(file) {
        let Some(leaves) = read(file, at).filter(|leaves| !leaves.is_empty()) else {
            report.add(Rule::Import, &file.path, file.line(at), "this import cannot be read");
            continue;
        };
        for leaf in leaves {
            let objection = check_leaf(&leaf, names);
            if let Some(message) = objection {
                report.add(Rule::Import, &file.path, leaf.line, message);
            }
            let place = Place { audience: leaf.audience, start: paths::Start::Import };
            if let Some((rule, message)) = paths::check(&leaf.path, place, names) {
                report.add(rule, &file.path, leaf.line, message);
            }
        }
    }
}

fn check_leaf(leaf: &Leaf, names: &Names) -> Option<String> {
    let shown = quote(&leaf.path.join("::"));
    let last = leaf.path.last()?;
    match &leaf.target {
        Target::Name(name) => {
            let misleads = tables::is_root(name) || tables::is_known_macro(name);
            if leaf.renamed && tables::is_root(last) {
                return Some(format!("{shown} gets another name: a crate keeps its own"));
            }
            if leaf.renamed && (misleads || tables::ATTRIBUTES.contains(&name.as_str())) {
                return Some(format!("{shown} takes the name `{name}`, which means something else"));
            }
            if names.macros.contains(name) && leaf.renamed {
                return Some(format!("{shown} takes the name of the local macro `{name}`"));
            }
            None
        }
        Target::Glob => (!is_open_glob(leaf, names))
            .then(|| format!("{shown} is not open as a whole: import the names that you need")),
    }
}

/// Whether everything below the path may be named.
fn is_open_glob(leaf: &Leaf, names: &Names) -> bool {
    let path: Vec<&str> = leaf.path.iter().map(String::as_str).collect();
    let Some(last) = path.last() else { return false };
    if tables::is_root(last) || !names.alias(last).is_empty() {
        return false;
    }
    let root = path.iter().rposition(|name| tables::is_root(name));
    match root.map(|at| (path.get(at).copied(), path.get(at + 1..).unwrap_or_default())) {
        None => true,
        Some((Some(tables::SDK), [module])) => tables::SDK_GLOBS.contains(module),
        Some((_, [module, ..])) => matches!(tables::module(module), Some(Open::All)),
        Some(_) => false,
    }
}
