//! A search over a vault: `cargo bench --bench search`.
//!
//! `kavi run-skill search_notes` as a whole process, with every check and its record, over 2,000 generated notes, beside the same
//! search compiled for this machine. docs/BENCHMARKS.md says what each of them does and does not do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;
#[path = "../tests/support/vault.rs"]
mod vault;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use support::workspace::{Workspace, native, run, said};
use support::{Bar, Contender};

const ROUNDS: usize = 40;
const WARM_UP: usize = 4;
const NOTES: usize = 2_000;

/// What is looked for in one round: something frequent and something rare, in more than one script.
fn query(round: usize) -> String {
    let queries = [
        format!("garden {}", vault::NEEDLE),
        format!("meeting notes about the brel {}", vault::WIDE_NEEDLE),
        "会議 計画 2026".to_owned(),
        "gelmurpa turfy".to_owned(),
    ];
    json!({ "query": queries[round % queries.len()], "top_k": 10 }).to_string()
}

fn kavi(workspace: &Workspace, query: &str) -> Command {
    let mut command = workspace.command();
    command.args(["run-skill", "search_notes", "--json", query, "--output", "json"]);
    command
}

fn native_search(program: &Path, workspace: &Workspace, query: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(workspace.path().join("vault_out")).arg(query);
    command
}

/// Both must find the same, or there is nothing to compare.
fn compare(program: &Path, workspace: &Workspace) {
    for round in 0..4 {
        let query = query(round);
        let mut kavi: Value = serde_json::from_str(&said(&mut kavi(workspace, &query)).unwrap()).unwrap();
        // The program only counts what it does not read, and knows no pages.
        for only in ["unread", "next_offset"] {
            kavi["output"].as_object_mut().unwrap().remove(only);
        }
        let native: Value =
            serde_json::from_str(&said(&mut native_search(program, workspace, &query)).unwrap()).unwrap();
        assert_eq!(kavi["output"], native, "{query}");
        println!("{query}: {} hits, {} notes", native["hits"].as_array().unwrap().len(), native["notes"]);
    }
}

fn main() {
    let program: PathBuf = native("kavi-native-search");
    let workspace = Workspace::with(&["search_notes"]);
    let facts = vault::generate(&workspace.path().join("vault_out"), &workspace.path().join("outside"), 1, NOTES);
    println!("{NOTES} notes, {:.1} MB", facts.notes.values().sum::<usize>() as f64 / 1e6);
    compare(&program, &workspace);
    let rounds = support::rounds(ROUNDS);
    support::print_machine();
    let contenders = vec![
        Contender::new("kavi run-skill search_notes", |round| run(&mut kavi(&workspace, &query(round)))),
        Contender::new("native, the same source", |round| run(&mut native_search(&program, &workspace, &query(round)))),
        Contender::new("kavi --version (starts and does nothing)", |_| run(workspace.command().arg("--version"))),
    ];
    let series = support::measure(WARM_UP, rounds, contenders);
    support::print_times(&format!("one search over {NOTES} notes, {rounds} rounds"), 1.0, &series);
    support::print_ratio("kavi, in times of native", series[0].times_of(&series[1]), Bar::AtMost(2.0));
}
