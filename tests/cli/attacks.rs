//! Skills that do harm in a run, and are written to pass every gate. Each is refused, or its harm is shown at promotion.
//!
//! A file of `tests/hostile/attacks` is the source of one. Its first line names its specification, a JSON file beside it, and
//! what must happen: the rules that may refuse it, or `shown`. Lines with the harm end in `// !`. One of them must then have
//! a remark. A few attacks are tried by default, and all of them with
//! `cargo test --test cli attacks -- --ignored --nocapture`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support;

/// One of each kind, from those that are judged fast.
const SOME: [&str; 13] = [
    "d_eq_replacen",
    "d_hash_index",
    "h_header",
    "i_choose",
    "i_reads",
    "m_and_in_rules",
    "m_pick_arg",
    "x_display",
    "x_json_value",
    "x_macro_read",
    "x_method",
    "x_shared_helper",
    "x_sort_hash",
];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile/attacks")
}

struct Attack {
    name: String,
    source: String,
    spec: String,
    /// The rules that may refuse it, or `shown`.
    expected: Vec<String>,
}

impl Attack {
    fn read(name: &str) -> Self {
        let source = fs::read_to_string(folder().join(format!("{name}.rs"))).unwrap();
        let first = source.lines().next().unwrap().strip_prefix("//! attack: ").unwrap();
        let (spec, expected) = first.split_once(", ").unwrap();
        let expected = expected.split(" | ").map(str::to_owned).collect();
        Self { name: name.to_owned(), spec: spec.to_owned(), expected, source }
    }

    /// Writes it as a crate with its specification.
    fn write(&self, below: &Path) {
        let to = below.join(&self.name);
        fs::create_dir_all(to.join("src")).unwrap();
        fs::write(to.join("src/lib.rs"), &self.source).unwrap();
        let spec = fs::read_to_string(folder().join(format!("{}.json", self.spec))).unwrap();
        let mut spec: Value = serde_json::from_str(&spec).unwrap();
        spec["name"] = Value::from(self.name.as_str());
        fs::write(to.join("spec.json"), spec.to_string()).unwrap();
    }

    /// What is wrong with what the gates said of it, if anything.
    fn objection(&self, checked: &Value) -> Option<String> {
        let gates = checked["gates"].as_array().unwrap();
        let of = |status: &str| {
            let gates = gates.iter().filter(|gate| gate["status"] == status);
            let found = gates.flat_map(|gate| gate["findings"].as_array().unwrap()).cloned();
            found.collect::<Vec<Value>>()
        };
        let rule = |finding: &Value| finding["rule"].as_str().unwrap().to_owned();
        let refused: Vec<String> =
            of("FAILED").iter().chain(checked["findings"].as_array().unwrap()).map(rule).collect();
        let harmful = |finding: &&Value| {
            let line = finding["line"].as_u64().and_then(|line| usize::try_from(line).ok()?.checked_sub(1));
            // A block is reported by its first line, which may hold nothing but its head.
            let lines = line.map(|line| self.source.lines().skip(line).take(2));
            lines.is_some_and(|mut lines| lines.any(|line| line.ends_with("// !")))
        };
        let shown: Vec<String> = of("PASSED").iter().filter(harmful).map(rule).collect();
        let passed = checked["status"] == "PASSED";
        println!("{}: {}", self.name, if passed { format!("shown by {shown:?}") } else { format!("{refused:?}") });
        let fits = |expected: &String| match expected.as_str() {
            "shown" => passed && !shown.is_empty(),
            rule => !passed && refused.iter().any(|found| found == rule),
        };
        let wrong = !self.expected.iter().any(fits);
        wrong.then(|| format!("{} expects {:?}: {checked:#}", self.name, self.expected))
    }
}

fn judge(names: &[String]) {
    assert!(!names.is_empty());
    let attacks: Vec<Attack> = names.iter().map(|name| Attack::read(name)).collect();
    let beside = support::folder();
    attacks.iter().for_each(|attack| attack.write(beside.path()));
    let mut command = support::kavi(beside.path());
    let called: support::Called = command.arg("check").args(names).arg("--json").output().unwrap().into();
    let document = called.json();
    let checked = document["checked"].as_array().unwrap();
    assert_eq!(checked.len(), attacks.len(), "{called:?}");
    let wrong: Vec<String> =
        attacks.iter().zip(checked).filter_map(|(attack, checked)| attack.objection(checked)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn some_attacks_are_refused_or_shown() {
    judge(&SOME.map(str::to_owned));
}

#[test]
#[ignore = "half an hour: every attack of the corpus"]
fn every_attack_is_refused_or_shown() {
    let named = std::env::var("KAVI_ATTACKS").ok();
    let mut names: Vec<String> = match named {
        Some(named) => named.split(',').map(str::to_owned).collect(),
        None => fs::read_dir(folder())
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_string_lossy().strip_suffix(".rs").map(str::to_owned))
            .collect(),
    };
    names.sort();
    judge(&names);
}
