//! Holds `docs/INVARIANTS.md` to its word: every row names tests, and every test that it names exists and runs.
//!
//! It checks that the proof is there, not that the proof is good: that is for the reader of the test.

use std::{collections::BTreeSet, error::Error, fs, path::Path};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The rows that the document must have: the design's ten invariants and the seven of the first Kavi.
const ROWS: [&str; 17] =
    ["I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8", "I9", "I10", "F1", "F2", "F3", "F4", "F5", "F6", "F7"];

/// One row of a table in the document.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    id: String,
    /// `(file, test)` for every test that the last column names.
    tests: Vec<(String, String)>,
}

/// The rows of every table whose first column is an id of an invariant.
fn rows(document: &str) -> Vec<Row> {
    let lines = document.lines().filter_map(|line| line.trim().strip_prefix('|')?.strip_suffix('|'));
    lines
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let id = cells.first()?;
            let is_id = id.len() > 1 && id.starts_with(['I', 'F']) && id[1..].bytes().all(|byte| byte.is_ascii_digit());
            is_id.then(|| Row { id: (*id).to_owned(), tests: named_tests(cells.last().unwrap_or(&"")) })
        })
        .collect()
}

/// What stands in backticks as `file.rs::test`.
fn named_tests(cell: &str) -> Vec<(String, String)> {
    let quoted = cell.split('`').skip(1).step_by(2);
    quoted
        .filter_map(|text| {
            let (file, test) = text.split_once("::")?;
            let test = test.rsplit("::").next().unwrap_or(test);
            file.ends_with(".rs").then(|| (file.to_owned(), test.to_owned()))
        })
        .collect()
}

/// What became of a test that the document names.
#[derive(Debug, PartialEq, Eq)]
enum Proof {
    Runs,
    Ignored,
    NotATest,
    Missing,
}

/// Looks for `fn name` in a Rust source, also inside `proptest! { … }`; comments and strings do not count.
fn proof(tokens: TokenStream, name: &str) -> Proof {
    let mut attributes: Vec<String> = Vec::new();
    let mut after_fn = false;
    let mut best = Proof::Missing;
    for token in tokens {
        let found = match token {
            TokenTree::Group(group) if group.delimiter() == Delimiter::Bracket => {
                attributes.push(group.stream().to_string());
                continue;
            }
            TokenTree::Group(group) => {
                if group.delimiter() == Delimiter::Brace {
                    attributes.clear();
                }
                proof(group.stream(), name)
            }
            TokenTree::Ident(word) => {
                let found = if after_fn && word == name { judge(&attributes) } else { Proof::Missing };
                after_fn = word == "fn";
                found
            }
            TokenTree::Punct(punct) => {
                if punct.as_char() == ';' {
                    attributes.clear();
                }
                Proof::Missing
            }
            TokenTree::Literal(_) => Proof::Missing,
        };
        match found {
            Proof::Missing => {}
            Proof::Runs => return Proof::Runs,
            worse => best = worse,
        }
    }
    best
}

fn judge(attributes: &[String]) -> Proof {
    let first_word = |text: &String| text.split([' ', '(', '=']).next().unwrap_or_default().to_owned();
    let names: Vec<String> = attributes.iter().map(first_word).collect();
    let conditional = |text: &String| text.starts_with("cfg_attr") && text.contains("ignore");
    if !names.iter().any(|name| name == "test") {
        Proof::NotATest
    } else if names.iter().any(|name| name == "ignore") || attributes.iter().any(conditional) {
        Proof::Ignored
    } else {
        Proof::Runs
    }
}

#[test]
fn every_invariant_names_tests_that_run() -> Result<(), Box<dyn Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let document = fs::read_to_string(root.join("docs/INVARIANTS.md"))?;
    let mut wrong = Vec::new();
    for row in rows(&document) {
        if row.tests.is_empty() {
            wrong.push(format!("{}: names no test", row.id));
        }
        for (file, test) in &row.tests {
            let Ok(text) = fs::read_to_string(root.join(file)) else {
                wrong.push(format!("{}: `{file}` cannot be read (for `{test}`)", row.id));
                continue;
            };
            match proof(text.parse()?, test) {
                Proof::Runs => {}
                Proof::Ignored => wrong.push(format!("{}: `{file}::{test}` is ignored", row.id)),
                Proof::NotATest => wrong.push(format!("{}: `{file}::{test}` has no `#[test]`", row.id)),
                Proof::Missing => wrong.push(format!("{}: there is no test `{test}` in `{file}`", row.id)),
            }
        }
    }
    assert!(wrong.is_empty(), "docs/INVARIANTS.md names proofs that are not there:\n{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn the_document_has_every_invariant_once() -> Result<(), Box<dyn Error>> {
    let document = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/INVARIANTS.md"))?;
    let listed: Vec<String> = rows(&document).into_iter().map(|row| row.id).collect();
    let unique: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
    assert_eq!(unique, BTreeSet::from(ROWS));
    assert_eq!(listed.len(), ROWS.len(), "an invariant stands there twice: {listed:?}");
    Ok(())
}

#[test]
fn a_row_gives_its_id_and_its_tests() {
    let text = "| # | x | tests |\n|---|---|---|\n| I1 | a `b` | `tests/a.rs::one`, `src/b/mod.rs::tests::two` |\n\
                | F2 | none | by review |\n| note | x | `tests/a.rs::one` |\n";
    let pair = |file: &str, test: &str| (file.to_owned(), test.to_owned());
    let one = Row { id: "I1".to_owned(), tests: vec![pair("tests/a.rs", "one"), pair("src/b/mod.rs", "two")] };
    assert_eq!(rows(text), [one, Row { id: "F2".to_owned(), tests: Vec::new() }]);
}

#[test]
fn only_a_test_that_runs_is_a_proof() -> Result<(), Box<dyn Error>> {
    for (text, expected) in [
        ("#[test] fn it() {}", Proof::Runs),
        ("#[test]\n/// About it.\n#[cfg(target_os = \"linux\")]\nfn it() -> R { }", Proof::Runs),
        ("mod tests { #[test] fn it() {} }", Proof::Runs),
        ("proptest! { #![proptest_config(x())] #[test] fn it(a in 0..3) {} }", Proof::Runs),
        ("#[test] #[ignore = \"slow\"] fn it() {}", Proof::Ignored),
        ("#[ignore] #[test] fn it() {}", Proof::Ignored),
        ("#[test] #[cfg_attr(linux, ignore)] fn it() {}", Proof::Ignored),
        ("fn it() {}", Proof::NotATest),
        ("#[test] fn other() {} fn it() {}", Proof::NotATest),
        ("// #[test] fn it() {}", Proof::Missing),
        ("const X: &str = \"#[test] fn it() {}\";", Proof::Missing),
        ("#[test] fn it_too() { it(); }", Proof::Missing),
    ] {
        assert_eq!(proof(text.parse()?, "it"), expected, "{text}");
    }
    Ok(())
}
