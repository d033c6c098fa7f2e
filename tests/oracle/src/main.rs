//! Kavi against its references: the stock implementation of WASI, and the generator of the SDK's bindings.
//!
//! The same guest programs run on `wasmtime-wasi` and behind Kavi's wall, in folders that are alike. Every operation
//! that they report must have the same answer on both, except where `differences.txt` says why it has not.

#![cfg(target_os = "linux")]

mod differences;
mod features;
mod folders;
mod generate;
mod guest;
mod run;
mod sdk_bindings;
mod stock;
mod wall;

use std::{error::Error, fs, path::Path};

use kavi::model::limits::Limits;

use run::{Operations, Pair, Report, Run};

/// The root of the repository.
const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Runs that end in some way of their own.
const ENDS: &[&str] =
    &["exit-ok", "exit-error", "panic", "poll-nothing", "write-too-much", "write-zeroes-too-much", "handle-twice"];

/// Runs that use more than the quotas of [`quotas`].
const USES: &[&str] =
    &["bytes", "sparse", "largest", "files", "depth", "descriptors", "handles", "random", "stdout", "sleep"];

/// What the guest of the runtime's own tests does with `std`.
const STD: &[&[&str]] = &[
    &["environment"],
    &["stdin"],
    &["read", "/vault/a.md"],
    &["read", "/vault/sub/../a.md"],
    &["read", "/vault/missing"],
    &["read", "/vault/sub"],
    &["read", "/vault/../outside.md"],
    &["read", "/out/../vault/a.md"],
    &["read", "/vault/link-in"],
    &["read", "/vault/link-out/outside.md"],
    &["read", "/etc/passwd"],
    &["read", "a.md"],
    &["write", "/out/a.md", "text"],
    &["write", "/out/missing/a.md", "text"],
    &["write", "/out/../a.md", "text"],
    &["write", "/vault/new.md", "text"],
    &["change", "/vault"],
    &["links"],
    &["files"],
    &["seek"],
    &["append", "/out/a.md", "3"],
    &["rewrite", "/out/a.md", "3"],
    &["sparse", "/out/a.md", "1000"],
    &["hold-open", "/vault/a.md", "10"],
    &["many-folders", "5"],
    &["deep", "5"],
    &["print", "1000"],
    &["exit", "7"],
    &["exit", "0"],
    &["panic"],
    &["fine"],
];

/// Limits that the long report keeps.
fn wide() -> Limits {
    let staged_files = 1_000_000;
    Limits { staged_files, stdout_bytes: 4 << 20, wall_ms: 120_000, cpu_ms: 120_000, ..Limits::default() }
}

/// Limits that every one of [`USES`] meets, except for waiting.
fn quotas() -> Limits {
    Limits { staged_bytes: 50_000, staged_files: 30, stdout_bytes: 256 << 10, ..wide() }
}

fn operations() -> Result<Operations, Box<dyn Error>> {
    let mut operations = Operations::new();
    let (wide, quotas) = (wide(), quotas());
    let pair = Pair::new(&guest::operations()?)?;
    let report = Run { name: "report", arguments: &[], limits: &wide, report: Report::Lines };
    pair.compare(&report, &mut operations)?;
    for (verb, names, limits) in [("end", ENDS, &wide), ("use", USES, &quotas)] {
        for name in names {
            let arguments = [verb, *name];
            let name = arguments.join(" ");
            pair.compare(&Run { name: &name, arguments: &arguments, limits, report: Report::Whole }, &mut operations)?;
        }
    }
    let pair = Pair::new(&guest::rustc(&Path::new(ROOT).join("src/runtime/tests/guest.rs"))?)?;
    for arguments in STD {
        let name = format!("std {}", arguments.join(" "));
        pair.compare(&Run { name: &name, arguments, limits: &wide, report: Report::Whole }, &mut operations)?;
    }
    Ok(operations)
}

#[test]
fn the_wall_answers_as_the_stock_implementation_except_where_the_table_says_why() -> Result<(), Box<dyn Error>> {
    let operations = operations()?;
    assert!(operations.len() > 1_000, "only {} operations were tried", operations.len());
    // For whoever mends the table: every difference in the form of a row.
    let seen = Path::new(env!("CARGO_TARGET_TMPDIR")).join("differences-seen.txt");
    fs::write(&seen, differences::rows(&operations))?;
    let table = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/differences.txt"))?;
    let wrong = differences::check(&operations, &table)?;
    let seen = seen.display();
    assert!(wrong.is_empty(), "{} surprises; all differences are in {seen}:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}
