//! One run as a whole process: `cargo bench --bench oneshot`.
//!
//! `kavi run-skill write_note` with every check, its record and the commit of its file, beside a native program that takes
//! the same steps to the disk, wasmtime's own command line on the precompiled component, and a Python script with
//! pydantic. docs/BENCHMARKS.md says what each of them does and does not do.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "oneshot/rivals.rs"]
mod rivals;
mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::workspace::{Workspace, native, run};
use support::{Bar, Contender, Series};

const ROUNDS: usize = 200;
const WARM_UP: usize = 10;

/// The input of one round: a note of its own, so that nobody replaces a file.
fn note(who: &str, round: usize) -> String {
    let body = "A paragraph of a note that somebody could have written, of about the usual length.\n".repeat(4);
    serde_json::json!({ "path": format!("Inbox/AI/{who}-{round}.md"), "title": "A note", "body": body }).to_string()
}

// The names of the rivals begin with the letters that the bars know them by.
fn contenders<'a>(
    workspace: &'a Workspace,
    native: &'a Path,
    beside: &'a Path,
    cli: Option<&'a rivals::Cli>,
    python: Option<&'a rivals::Python>,
) -> Vec<Contender<'a>> {
    let mut all = vec![
        Contender::new("kavi run-skill write_note", |round| {
            run(workspace.command().args(["run-skill", "write_note", "--json", &note("kavi", round)]));
        }),
        Contender::new("(a) native, three waits for the disk", move |round| {
            run(Command::new(native).arg(beside).arg(note("native", round)));
        }),
    ];
    if let Some(cli) = cli {
        all.push(Contender::new("(b) wasmtime run, precompiled, no checks", |round| {
            run(&mut cli.command(workspace.path(), &note("cli", round)));
        }));
    }
    if let Some(python) = python {
        all.push(Contender::new("(c) Python with pydantic, no record", |round| {
            run(&mut python.command(workspace.path(), &note("python", round)));
        }));
    }
    all
}

fn ratios(series: &[Series]) {
    println!("\nkavi, in times of each rival (median of the rounds' ratios, p10 to p90)");
    for rival in &series[1..] {
        let bar = match rival.name.as_bytes() {
            [b'(', b'a', ..] => Bar::AtMost(2.0),
            [b'(', b'b', ..] => Bar::AtMost(0.5),
            _ => Bar::None,
        };
        support::print_ratio(&rival.name, series[0].times_of(rival), bar);
    }
}

/// A note that is read, with its record.
fn reads(workspace: &Workspace, native: &Path, beside: &Path, rounds: usize) {
    let input = serde_json::json!({ "path": "Inbox/AI/read.md" }).to_string();
    for root in [workspace.path(), beside] {
        fs::create_dir_all(root.join("vault_out/Inbox/AI")).unwrap();
        fs::write(root.join("vault_out/Inbox/AI/read.md"), "A paragraph of a note.\n".repeat(20)).unwrap();
    }
    let series = support::measure(
        WARM_UP,
        rounds,
        vec![
            Contender::new("kavi run-skill read_note", |_| {
                run(workspace.command().args(["run-skill", "read_note", "--json", &input]));
            }),
            Contender::new("native, one wait for the disk", |_| run(Command::new(native).arg(beside).arg(&input))),
        ],
    );
    support::print_times(&format!("a note read by a whole process, {rounds} rounds"), 1.0, &series);
    println!();
    support::print_ratio("a read, in times of native", series[0].times_of(&series[1]), Bar::AtMost(1.5));
}

/// What every process costs before it does anything, so that the times above can be read.
fn floors(workspace: &Workspace, rounds: usize) {
    let series = support::measure(
        WARM_UP,
        rounds,
        vec![
            Contender::new("true (a process at all)", |_| run(&mut Command::new("true"))),
            Contender::new("kavi --version", |_| run(workspace.command().arg("--version"))),
            Contender::new("kavi show write_note (opens the ledger)", |_| {
                run(workspace.command().args(["show", "write_note", "--json"]));
            }),
        ],
    );
    support::print_times("floors", 1.0, &series);
    println!();
    support::print_ratio("kavi --version, in times of true", series[1].times_of(&series[0]), Bar::AtMost(2.5));
}

fn main() {
    let native = native("kavi-native-note");
    let workspace = Workspace::with(&["write_note", "read_note"]);
    // The native program has a ledger of its own: closing one that others use would take their log away.
    let beside = Workspace::copy_of(&workspace);
    let cli = rivals::Cli::find(workspace.path()).inspect_err(|why| println!("left out: (b): {why}")).ok();
    let python = rivals::Python::find().inspect_err(|why| println!("left out: (c): {why}")).ok();
    let rounds = support::rounds(ROUNDS);
    support::print_machine();
    let series = support::measure(
        WARM_UP,
        rounds,
        contenders(&workspace, &native, beside.path(), cli.as_ref(), python.as_ref()),
    );
    support::print_times(&format!("one run as a whole process, {rounds} rounds"), 1.0, &series);
    ratios(&series);
    reads(&workspace, &native, beside.path(), rounds);
    floors(&workspace, rounds);
}
