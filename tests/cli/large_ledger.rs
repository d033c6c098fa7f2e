//! A ledger with many records: what is read or thrown away slowly keeps nobody else out.
//!
//! `cargo test --test cli large_ledger -- --ignored --nocapture` prunes a million records, or as many as KAVI_LARGE_RECORDS says, and
//! prints how long others waited and how large the write-ahead log became.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../../benches/scale/fill.rs"]
mod fill;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::json;

use crate::support::{self, Workspace};

/// Longest write-ahead log while a prune works, in bytes.
const MOST_LOG: u64 = 64 << 20;

/// A workspace with so many old records, each with its event in the history.
fn filled(records: usize) -> Workspace {
    let workspace = Workspace::trusted();
    let ledger = workspace.ledger();
    fill::records(&ledger, records);
    // The next command takes the ledger over as it is, and writes an event for each record.
    ledger.execute_batch("DELETE FROM history; DELETE FROM checkpoints; DELETE FROM trust_state").unwrap();
    drop(ledger);
    let _ = fs::remove_dir_all(support::state_folder(workspace.path()));
    workspace.adopt();
    // The log is as long as what was made here, and is measured later.
    let ledger = workspace.ledger();
    ledger.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    workspace
}

fn log_bytes(workspace: &Workspace) -> u64 {
    fs::metadata(workspace.path().join(".kavi/ledger.db-wal")).map_or(0, |meta| meta.len())
}

#[test]
fn an_export_that_nobody_reads_does_not_keep_the_log() {
    let workspace = filled(3_000);
    let mut export = workspace.command_with(&["export-executions", "--out", "-"]);
    let mut child = export.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::with_capacity(1, child.stdout.take().unwrap());
    let mut first = String::new();
    lines.read_line(&mut first).unwrap();
    // The pipe holds 64 KiB, and there are megabytes. From here on the export waits for its reader.
    workspace.note("Inbox/AI/a.md").expect(0);
    let ledger = workspace.ledger();
    let kept: bool = ledger.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert!(!kept && log_bytes(&workspace) == 0, "somebody reads, {} bytes of the log are kept", log_bytes(&workspace));
    let rest = lines.lines().map(Result::unwrap).count();
    assert!(child.wait().unwrap().success());
    // What was there when it began is there, and what came meanwhile may be.
    assert!((2_999..=3_000).contains(&rest), "{rest}");
}

/// What somebody else met while a prune was at work.
#[derive(Debug, Default)]
struct Met {
    turns: u32,
    longest_turn: Duration,
    waits: u32,
    longest_wait: Duration,
    log_bytes: u64,
}

impl Met {
    /// Waits for the write lock once.
    fn wait(&mut self, ledger: &Connection) {
        let start = Instant::now();
        ledger.execute_batch("BEGIN IMMEDIATE; ROLLBACK").unwrap();
        self.longest_wait = self.longest_wait.max(start.elapsed());
        self.waits += 1;
    }

    /// Stops the workspace and resumes it.
    fn turn(&mut self, workspace: &Workspace) {
        for args in [&["stop", "--why", "in between", "--by", "ada"][..], &["resume", "--by", "ada"]] {
            let start = Instant::now();
            workspace.json(args).expect(0);
            self.longest_turn = self.longest_turn.max(start.elapsed());
        }
        self.turns += 1;
    }
}

#[test]
#[ignore = "a tier of its own: a million records, and some minutes"]
fn a_prune_of_a_large_ledger_keeps_nobody_out() {
    let records =
        std::env::var("KAVI_LARGE_RECORDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000_usize);
    let start = Instant::now();
    let workspace = filled(records);
    let size = fs::metadata(workspace.path().join(".kavi/ledger.db")).unwrap().len();
    println!("{records} records, {} MiB, made in {:.0?}", size >> 20, start.elapsed());
    let start = Instant::now();
    let mut prune = workspace.command_with(&["prune", "--keep", "1", "--yes", "--approved-by", "ada", "--json"]);
    let mut child = prune.stdout(Stdio::piped()).spawn().unwrap();
    let ledger = workspace.ledger();
    ledger.busy_timeout(Duration::from_mins(5)).unwrap();
    let mut met = Met::default();
    while child.try_wait().unwrap().is_none() {
        for _ in 0..20 {
            met.wait(&ledger);
            met.log_bytes = met.log_bytes.max(log_bytes(&workspace));
        }
        met.turn(&workspace);
    }
    let output = child.wait_with_output().unwrap();
    let pruned: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    println!(
        "pruned in {:.0?}; longest wait for the write lock {:.0?} of {}; longest stop or resume {:.0?} of {}; write-ahead \
         log at most {} MiB",
        start.elapsed(),
        met.longest_wait,
        met.waits,
        met.longest_turn,
        met.turns * 2,
        met.log_bytes >> 20
    );
    assert!(output.status.success() && pruned["executions"] == json!(records - 1), "the last one stays: {pruned}");
    assert!(met.turns > 0 && met.log_bytes < MOST_LOG, "{met:?}");
    workspace.json(&["status"]).expect(0);
    workspace.note("Inbox/AI/a.md").expect(0);
}
