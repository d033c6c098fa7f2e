//! Guests that never passed a gate, through the door that only tests have (the library's runtime): what ends each, and
//! what it cost the host. Every hostile run is followed by a benign one in the same process, which must be right.
//!
//! The official conformance suite is here as well: it times answers, so no other test may run beside it.
//!
//! `cargo test --test containment -- --nocapture` prints the table. The soak is a tier of its own:
//! `KAVI_SOAK_MINUTES=30 cargo test --release --test containment -- --ignored --nocapture soak`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "../support/mod.rs"]
mod support;

mod conformance;
mod door;
mod idle;
mod rows;
mod soak;

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use door::Seen;
use rows::ROWS;

/// Names the guest that a child of this test runs.
const CHILD: &str = "KAVI_CONTAINMENT_GUEST";
/// What a run may cost the host beyond the memory that its limits allow the guest.
const SPARE_BYTES: u64 = 48 << 20;

/// Runs the rows of one guest in a process of their own, so that its memory is its own.
fn run_apart(guest: &str) -> Vec<(String, Seen)> {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "one_guest", "--ignored", "--nocapture"])
        .env(CHILD, guest)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.status.success(), "{guest}: {said}{}", String::from_utf8_lossy(&child.stderr));
    said.lines().filter_map(|line| line.strip_prefix("SEEN ")).map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The child: not a test of its own.
#[test]
#[ignore = "a child of the_runtime_contains_every_guest"]
fn one_guest() {
    let Ok(guest) = std::env::var(CHILD) else { return };
    for (name, seen) in door::watch(&guest) {
        println!("SEEN {}", serde_json::to_string(&(name, seen)).unwrap());
    }
}

/// Held by a test that measures its process, or whose answers are timed by somebody else.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn the_runtime_contains_every_guest() {
    let _alone = alone();
    door::build_guests();
    let mut wrong = String::new();
    println!("| guest | limits | outcome | time | peak memory of the host |\n|---|---|---|---|---|");
    let mut guests: Vec<&str> = ROWS.iter().map(|row| row.guest).collect();
    guests.sort_unstable();
    guests.dedup();
    let seen: BTreeMap<String, Seen> = guests.into_iter().flat_map(run_apart).collect();
    for row in ROWS {
        let seen = &seen[row.name];
        let (name, limits) = (row.name, row.tight.join(", "));
        println!("| {name} | {limits} | {} | {} ms | +{} KiB |", seen.outcome, seen.millis, seen.grown_bytes >> 10);
        if !seen.outcome.starts_with(row.outcome) {
            wrong.push_str(&format!("{name}: expected {}, got {}\n", row.outcome, seen.outcome));
        }
        let limits = row.limits();
        if seen.grown_bytes > limits.memory_bytes + SPARE_BYTES {
            wrong.push_str(&format!("{name}: the host's memory grew by {} bytes\n", seen.grown_bytes));
        }
        if let Some(left) = &seen.left {
            wrong.push_str(&format!("{name}: {left}\n"));
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
