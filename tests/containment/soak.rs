//! A long run in one process: ninety-nine benign calls, then one attack, for as long as it is told. It prints how late
//! attacks on the clock were ended, and what memory, descriptors and threads of the host did.

use std::time::{Duration, Instant};

use kavi::model::limits::Limits;
use kavi::runtime::{CompiledComponent, Runtime};

use crate::door::{self, Folders};
use crate::rows::{ROWS, Row};

/// Benign calls between two attacks.
const BENIGN: usize = 99;
/// How often it prints.
const EVERY: Duration = Duration::from_secs(60);

struct Attack {
    row: &'static Row,
    compiled: CompiledComponent,
    limits: Limits,
}

fn attacks(runtime: &Runtime) -> Vec<Attack> {
    let attack = |row: &'static Row| {
        // What is not even compiled is no attack on a run.
        let compiled = door::compile(runtime, row.guest, row.checked).ok()?;
        Some(Attack { row, compiled, limits: row.limits() })
    };
    ROWS.iter().filter_map(attack).collect()
}

fn level() -> String {
    let count = |path: &str| std::fs::read_dir(path).unwrap().count();
    let (memory, descriptors, threads) =
        (door::status("VmRSS:") >> 10, count("/proc/self/fd"), count("/proc/self/task"));
    format!("{memory} KiB, {descriptors} descriptors, {threads} threads")
}

/// How long after its deadline a run ended, when its deadline ended it.
fn late(outcome: &str, took: Duration, limits: &Limits) -> Option<Duration> {
    outcome.starts_with("timeout wall_ms").then(|| took.saturating_sub(Duration::from_millis(limits.wall_ms)))
}

#[test]
#[ignore = "a tier of its own: as long as KAVI_SOAK_MINUTES says"]
fn soak() {
    door::build_guests();
    let minutes: u64 = std::env::var("KAVI_SOAK_MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(30);
    let runtime = Runtime::new(&Row::BENIGN.limits()).unwrap();
    let mut attacks = attacks(&runtime);
    // Attacks on the clock meet real time, so that it can be seen how late they end.
    attacks.iter_mut().for_each(|attack| {
        if attack.row.outcome.starts_with("timeout") {
            attack.limits = Limits { wall_ms: 100, cpu_ms: 10_000, ..attack.limits.clone() };
        }
    });
    let echo = door::compile(&runtime, "echo", Row::BENIGN.checked).unwrap();
    let (start, mut said) = (Instant::now(), Instant::now());
    let (mut benign, mut hostile, mut overdue) = (0_u64, 0_usize, Vec::new());
    println!("start: {}", level());
    while start.elapsed() < Duration::from_secs(minutes * 60) {
        for _ in 0..BENIGN {
            assert_eq!(door::run(&echo, Row::BENIGN, &Folders::new(), &Row::BENIGN.limits()), Row::BENIGN.outcome);
            benign += 1;
        }
        let Attack { row, compiled, limits } = &attacks[hostile % attacks.len()];
        let folders = Folders::new();
        let began = Instant::now();
        let outcome = door::run(compiled, row, &folders, limits);
        overdue.extend(late(&outcome, began.elapsed(), limits));
        let expected = if row.outcome.starts_with("timeout") { "timeout wall_ms" } else { row.outcome };
        assert!(outcome.starts_with(expected), "{}: {outcome}", row.name);
        hostile += 1;
        if said.elapsed() > EVERY {
            println!("{} s, {benign} benign, {hostile} hostile: {}", start.elapsed().as_secs(), level());
            said = Instant::now();
        }
    }
    println!("end: {benign} benign, {hostile} hostile: {}", level());
    overdue.sort();
    let at = |share: f64| overdue[((overdue.len() - 1) as f64 * share) as usize];
    println!(
        "{} deadlines, late by: median {:?}, 99th percentile {:?}, 99.9th {:?}, most {:?}",
        overdue.len(),
        at(0.5),
        at(0.99),
        at(0.999),
        at(1.0)
    );
}
