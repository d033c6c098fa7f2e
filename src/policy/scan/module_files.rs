//! Files and modules: which file is which module, and which code is for the tests alone.
//!
//! Guarantees that every file it returns was reached by exactly one `mod` declaration from `src/lib.rs`. Every file
//! of the snapshot is returned or reported. Every token knows whether it is compiled for the tests alone. It
//! follows declarations as `rustc` does and knows no `#[path]`: that attribute is refused.

use std::collections::BTreeSet;

use super::report::{Rule, ScanReport};
use super::tokens::{SourceTokens, TokenContext, TokenKind, TokenRole, TokenScope};
use crate::model::snapshot::Snapshot;

/// The file that the compiler starts from.
pub(super) const ROOT: &str = "src/lib.rs";

/// A file that a `mod` declaration asks for.
struct PendingFile {
    path: String,
    /// Where the files of its own modules lie.
    folder: String,
    scope: TokenScope,
}

/// Reads the files of `snapshot` in the order the compiler meets them.
pub(super) fn load(snapshot: &Snapshot, report: &mut ScanReport) -> Vec<SourceTokens> {
    let mut pending = vec![PendingFile { path: ROOT.to_owned(), folder: "src".to_owned(), scope: TokenScope::Skill }];
    let mut seen = BTreeSet::new();
    let mut files = Vec::new();
    if snapshot.get(ROOT).is_none() {
        report.add(Rule::Structure, ROOT, 0, "there is no `src/lib.rs`");
        return files;
    }
    while let Some(next) = pending.pop() {
        // One file in two modules could be skill and test at once.
        if !seen.insert(next.path.clone()) {
            report.add(Rule::Structure, &next.path, 0, "two `mod` declarations lead to this file");
            continue;
        }
        let text = snapshot.get(&next.path).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
        match SourceTokens::lex(&next.path, text) {
            Ok(mut file) => {
                // All of the file, because its module is compiled for the tests alone.
                if next.scope == TokenScope::Tests && !file.tokens.is_empty() {
                    file.set(0..=file.tokens.len() - 1, |token| token.scope = TokenScope::Tests);
                }
                ModuleWalk { snapshot, file: &mut file, report, pending: &mut pending }.walk(&next.folder);
                files.push(file);
            }
            Err(line) => report.add(Rule::Syntax, &next.path, line, "this is no Rust token"),
        }
    }
    for (path, _) in snapshot.sources() {
        if path == "src/main.rs" || path.starts_with("src/bin/") {
            report.add(Rule::Structure, path, 0, "cargo would build this file as a program: give it another name");
        }
        // A file that nobody compiles is still read by a person, who would take it for part of the
        // skill.
        if !seen.contains(path) {
            report.add(Rule::Structure, path, 0, "no `mod` declaration leads to this file: declare it or leave it out");
        }
    }
    files
}

/// The walk over the `mod` declarations of one file.
struct ModuleWalk<'a> {
    snapshot: &'a Snapshot,
    file: &'a mut SourceTokens,
    report: &'a mut ScanReport,
    pending: &'a mut Vec<PendingFile>,
}

impl ModuleWalk<'_> {
    fn walk(&mut self, folder: &str) {
        let mut open: Vec<(usize, String)> = Vec::new();
        let mut at = 0;
        while let Some(token) = self.file.get(at) {
            let (line, kind, pair) = (token.line, token.kind, token.pair);
            if open.last().is_some_and(|(close, _)| *close == at) {
                open.pop();
                at += 1;
            } else if kind == TokenKind::Ident && token.text == "mod" && token.role == TokenRole::Plain {
                at = self.declaration(at, line, folder, &mut open);
            } else if kind == TokenKind::Open {
                self.no_module_within(at, pair);
                at = pair + 1;
            } else {
                at += 1;
            }
        }
    }

    /// One `mod name;` or `mod name {`; where to go on.
    fn declaration(&mut self, at: usize, line: u32, folder: &str, open: &mut Vec<(usize, String)>) -> usize {
        let path = self.file.path.clone();
        let name = match self.file.get(at + 1) {
            Some(token) if token.kind == TokenKind::Ident => token.text.clone(),
            _ => {
                self.report.add(Rule::Structure, &path, line, "a module needs a plain name");
                return at + 1;
            }
        };
        let tests = is_for_tests(self.file, at) || self.file.get(at).is_some_and(|t| t.scope == TokenScope::Tests);
        if self.file.is_open(at + 2, "{") {
            let close = self.file.pair_of(at + 2);
            if tests {
                self.file.set(at..=close, |token| token.scope = TokenScope::Tests);
            }
            open.push((close, name));
            return at + 3;
        }
        let within: String = open.iter().map(|(_, name)| format!("{name}/")).collect();
        let base = format!("{folder}/{within}{name}");
        let scope = if tests { TokenScope::Tests } else { TokenScope::Skill };
        let candidates = [format!("{base}.rs"), format!("{base}/mod.rs")];
        let mut found = candidates.into_iter().filter(|candidate| self.snapshot.get(candidate).is_some());
        match (found.next(), found.next()) {
            (Some(path), None) => self.pending.push(PendingFile { path, folder: base, scope }),
            (None, _) => {
                let message = format!("there is no file for `mod {name};`: it would be `{base}.rs`");
                self.report.add(Rule::Structure, &path, line, message);
            }
            // The compiler refuses this as well. Here it is refused before anybody reads the wrong
            // one.
            (Some(_), Some(_)) => {
                let message = format!("two files for `mod {name};`: `{base}.rs` and `{base}/mod.rs`");
                self.report.add(Rule::Structure, &path, line, message);
            }
        }
        at + 2
    }

    /// Modules in a function or in macro arguments hide what belongs where.
    fn no_module_within(&mut self, open: usize, close: usize) {
        for at in open..close {
            if self.file.is_word(at, "mod") {
                let (path, line) = (self.file.path.clone(), self.file.line(at));
                self.report.add(Rule::Structure, &path, line, "a module in a function or macro: move it to the top");
            }
        }
    }
}

/// Whether the `mod` at `at` has the attribute `#[cfg(test)]`.
pub(super) fn is_for_tests(file: &SourceTokens, at: usize) -> bool {
    attributes_before(file, at).into_iter().any(|open| is_cfg_test(file, open))
}

/// The opening brackets of the attributes of the item whose keyword is at `at`, past its visibility.
fn attributes_before(file: &SourceTokens, at: usize) -> Vec<usize> {
    let mut found = Vec::new();
    let mut end = at;
    // `pub(crate)` stands between the attributes and the keyword.
    if file.before(end, 1).is_some_and(|token| token.kind == TokenKind::Close && token.text == ")") {
        let open = file.pair_of(end - 1);
        if open > 0 && file.is_word(open - 1, "pub") {
            end = open - 1;
        }
    } else if end > 0 && file.is_word(end - 1, "pub") {
        end -= 1;
    }
    while file.before(end, 1).is_some_and(|token| token.kind == TokenKind::Close && token.text == "]") {
        let open = file.pair_of(end - 1);
        if open == 0 || !file.is_punct(open - 1, '#') {
            break;
        }
        found.push(open);
        end = open - 1;
    }
    found
}

/// Whether the attribute that opens at `open` is exactly `cfg(test)`.
pub(super) fn is_cfg_test(file: &SourceTokens, open: usize) -> bool {
    let close = file.pair_of(open);
    let group = file.is_word(open + 1, "cfg") && file.is_open(open + 2, "(") && file.is_word(open + 3, "test");
    // Exactly `test`: with `any` or `not` around it, code would be compiled that no test has seen.
    group && file.pair_of(open + 2) == open + 4 && close == open + 5
}

/// The `mod` of the declaration that the attribute which starts at `at` belongs to.
pub(super) fn module_after(file: &SourceTokens, at: usize) -> Option<usize> {
    let mut next = at;
    while let Some(close) = file.attribute(next) {
        next = close + 1;
    }
    if file.is_word(next, "pub") {
        next += 1;
        if file.is_open(next, "(") {
            next = file.pair_of(next) + 1;
        }
    }
    let declares = file.is_word(next, "mod") && file.get(next).is_some_and(|token| token.context == TokenContext::Code);
    declares.then_some(next)
}
