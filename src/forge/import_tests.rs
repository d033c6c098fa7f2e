//! The integration tests of an imported crate (`tests/*.rs`), as test modules of the skill.
//!
//! Kavi compiles one crate without a manifest, so a file of `tests/` becomes a module below `src/`.
//! Guarantees: only a file that uses nothing of the crate but the exported function is taken, so it
//! means the same in its new place. Every other file is left aside, with the reason. Deliberately
//! never: parses Rust.

use std::collections::BTreeMap;

use super::import;
use crate::model::snapshot::Snapshot;

/// The sources with the tests that could be taken.
#[derive(Debug)]
pub struct SourcesWithTests {
    /// The sources.
    pub snapshot: Snapshot,
    /// What became of each file of `tests/`, as text.
    pub notes: Vec<String>,
}

/// Takes the files of `tests/` into the sources. `manifest` is the crate's `Cargo.toml`.
pub fn take(snapshot: Snapshot, tests: &BTreeMap<String, Vec<u8>>, manifest: Option<&[u8]>) -> SourcesWithTests {
    let mut notes = Vec::new();
    let mut files: BTreeMap<String, Vec<u8>> =
        snapshot.files().map(|(path, bytes)| (path.to_owned(), bytes.to_vec())).collect();
    let root = files.get(ROOT).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default().to_owned();
    let names = manifest.and_then(import::crate_name).zip(exported_function(&root).map(str::to_owned));
    let mut declared = String::new();
    for (path, bytes) in tests {
        let stem = path.trim_start_matches("tests/").trim_end_matches(".rs");
        let module = format!("tests_{stem}");
        let place = format!("src/{module}.rs");
        let taken = match (&names, std::str::from_utf8(bytes)) {
            (None, _) => Err("the crate or its exported function has no name".to_owned()),
            (_, Err(_)) => Err("it is not UTF-8".to_owned()),
            _ if files.contains_key(&place) => Err(format!("`{place}` exists")),
            (Some((of_crate, function)), Ok(text)) => adopt(text, of_crate, function),
        };
        match taken {
            Ok(text) => {
                notes.push(format!("`{path}` was taken as `{place}`"));
                declared.push_str(&format!("\n#[cfg(test)]\nmod {module};\n"));
                files.insert(place, text.into_bytes());
            }
            Err(why) => notes.push(format!("`{path}` was left aside: {why}")),
        }
    }
    if !declared.is_empty() {
        files.insert(ROOT.to_owned(), format!("{root}{declared}").into_bytes());
    }
    SourcesWithTests { snapshot: Snapshot::new(files), notes }
}

const ROOT: &str = "src/lib.rs";

/// The name in `export_skill!(name)`.
fn exported_function(root: &str) -> Option<&str> {
    let (_, rest) = root.split_once("export_skill!(")?;
    let (name, _) = rest.split_once([')', ','])?;
    let name = name.trim();
    (!name.is_empty() && name.chars().all(is_word)).then_some(name)
}

fn is_word(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || letter == '_'
}

/// The text of a test file as a module of the crate, or why it cannot be one.
fn adopt(text: &str, of_crate: &str, function: &str) -> Result<String, String> {
    let starts = |line: &str, word: &str| line.trim_start().starts_with(word);
    if let Some(line) = text.lines().find(|line| starts(line, "#![") || starts(line, "mod ") && line.contains(';')) {
        return Err(format!("`{}` has another meaning in a module", crate::model::text::line(line.trim(), 80)));
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(of_crate) {
        let (before, found) = rest.split_at(at);
        let after = found.get(of_crate.len()..).unwrap_or_default();
        out.push_str(before);
        rest = after;
        let whole = !before.ends_with(is_word) && !after.starts_with(is_word);
        let Some(named) = after.strip_prefix("::").filter(|_| whole) else {
            out.push_str(of_crate);
            continue;
        };
        let one = named.strip_prefix('{').map_or(named, str::trim_start);
        let is_function = one.strip_prefix(function).is_some_and(|end| {
            let end = end.trim_start();
            !end.starts_with(is_word)
                && (!named.starts_with('{') || end.trim_start_matches(',').trim_start().starts_with('}'))
        });
        if !is_function {
            let used: String = named.chars().take_while(|c| !matches!(c, ';' | '\n' | '(')).collect();
            let used = crate::model::text::line(&used, 80);
            return Err(format!("it uses `{of_crate}::{used}`, and only `{function}` is public"));
        }
        out.push_str("crate");
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod unit {
    use super::*;

    const LIB: &str = "pub fn run() {}\nkavi_sdk::export_skill!(run);\n";
    const MANIFEST: &[u8] = b"[package]\nname = \"word-count\"\n";

    fn taken(test: &str) -> SourcesWithTests {
        let sources = Snapshot::new([(ROOT.to_owned(), LIB.as_bytes().to_vec())].into());
        take(sources, &[("tests/counts.rs".to_owned(), test.as_bytes().to_vec())].into(), Some(MANIFEST))
    }

    #[test]
    fn a_test_of_the_public_function_becomes_a_module() {
        for used in ["use word_count::run;", "use word_count::{run};", "use word_count::{ run, };"] {
            let with = taken(&format!("// of word_count\n{used}\n#[test]\nfn counts() {{ call(run, 1); }}\n"));
            let text = with.snapshot.get("src/tests_counts.rs").map(String::from_utf8_lossy).unwrap_or_default();
            assert!(text.contains(&used.replace("word_count", "crate")), "{text}");
            assert!(text.contains("// of word_count"), "{text}");
            let root = with.snapshot.get(ROOT).map(String::from_utf8_lossy).unwrap_or_default();
            assert!(root.ends_with("#[cfg(test)]\nmod tests_counts;\n"), "{root}");
            assert_eq!(with.notes, ["`tests/counts.rs` was taken as `src/tests_counts.rs`"]);
        }
    }

    #[test]
    fn a_test_that_uses_more_is_left_aside_with_the_reason() {
        for (test, reason) in [
            ("use word_count::{run, Input};", "it uses `word_count::{run, Input}`, and only `run` is public"),
            ("use word_count::runner;", "it uses `word_count::runner`, and only `run` is public"),
            ("use word_count::*;", "it uses `word_count::*`, and only `run` is public"),
            ("mod common;", "`mod common;` has another meaning in a module"),
            ("#![allow(dead_code)]", "`#![allow(dead_code)]` has another meaning in a module"),
        ] {
            let with = taken(test);
            assert_eq!(with.notes, [format!("`tests/counts.rs` was left aside: {reason}")]);
            assert_eq!(with.snapshot.files().count(), 1, "{test}");
        }
    }
}
