//! Runs in a process that stays: `cargo bench --bench resident`.
//!
//! A skill that needs no file, called through the library with everything that a call does (without a record, and with a durable
//! one), beside a bare loop of wasmtime over the same component and the same work as a native function; one thread and two;
//! a skill that writes notes; the memory of a process with a hundred loaded skills; and what 100,000 calls leave behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, clippy::print_stderr)]

#[path = "resident/bare.rs"]
mod bare;
#[path = "scale/fill.rs"]
mod fill;
#[path = "resident/pump.rs"]
mod pump;
mod support;

use std::path::Path;
use std::thread;
use std::time::Duration;

use bare::Bare;
use kavi::artifacts::Store;
use kavi::cage::{Cage, Confinement};
use kavi::context::reader::ContextReader;
use kavi::invoke::{NoObserver, SharedContext, resident::Resident};
use kavi::ledger::{Create, Journal, Ledger, LedgerError, Recorder, RunAuthorization, Settled};
use kavi::model::{
    commit::Commit,
    execution::ExecutionRecord,
    id::{CommitId, RandomIds},
    name::SkillName,
    time::SystemClock,
};
use kavi::workspace::{Config, Environment};

use kavi::runtime::{CodeCache, Loader, import_table_version};
use pump::{Make, Pump};
use rusqlite::Connection;
use support::workspace::Workspace;
use support::{Bar, Contender};

const ROUNDS: usize = 20;
const WARM_UP: usize = 3;
/// Calls of one round.
const CALLS: u64 = 1_000;
/// The same where each of them waits for the disk.
const SLOW: u64 = 100;
/// Threads that there is room for.
const SEATS: u32 = 16;
/// Skills that a process has loaded, and what it may take then.
const LOADED: usize = 100;
const WANTED_MIB: f64 = 150.0;
const SOAK: u64 = 100_000;

/// Keeps no record: for what a call costs without it.
#[derive(Debug)]
struct Unrecorded;

impl Journal for Unrecorded {
    fn insert_execution(&self, _: &ExecutionRecord) -> Result<(), LedgerError> {
        Ok(())
    }

    fn insert_success(&self, _: &ExecutionRecord, _: Option<&Commit>, _: RunAuthorization) -> Result<(), LedgerError> {
        Ok(())
    }

    fn settle(&self, _: CommitId, _: &Settled) -> Result<(), LedgerError> {
        Ok(())
    }
}

fn text() -> String {
    "A line of the usual length that somebody wants to know something about. ".repeat(8)
}

/// What the skill does, as a native function.
fn native(input: &str) -> String {
    let input: serde_json::Value = serde_json::from_str(input).unwrap();
    let (mut words, mut letters, mut longest) = (0, 0, 0);
    for word in input["text"].as_str().unwrap().split_whitespace() {
        words += 1;
        letters += word.len();
        longest = longest.max(word.len());
    }
    serde_json::json!({ "words": words, "letters": letters, "longest": longest }).to_string()
}

fn tally() -> Make {
    let (name, input) = (SkillName::parse("tally").unwrap(), serde_json::json!({ "text": text() }).to_string());
    Box::new(move |_| (name.clone(), input.clone().into_bytes()))
}

fn note() -> Make {
    let name = SkillName::parse("write_note").unwrap();
    Box::new(move |number| {
        let path = format!("Inbox/AI/{number}.md");
        (name.clone(), serde_json::json!({ "path": path, "title": "Title", "body": text() }).to_string().into_bytes())
    })
}

/// What this process takes: resident MiB and descriptors.
fn taken() -> (f64, usize) {
    support::taken("self")
}

fn main() {
    let workspace = Workspace::trusted();
    workspace.trust_tally();
    let connection = Connection::open(workspace.ledger()).unwrap();
    fill::skills(&connection, LOADED);
    let sql = "SELECT component_sha256 FROM skill_proposals WHERE name = 'tally'";
    let digest: String = connection.query_row(sql, [], |row| row.get(0)).unwrap();
    connection.close().unwrap();

    let config = Config::load(workspace.path(), &Environment::default()).unwrap();
    let (layout, limits) = (&config.layout, &config.limits);
    let store = Store::open(layout).unwrap();
    let cage = Cage::new(Path::new(env!("CARGO_BIN_EXE_kavi")).to_owned(), Confinement::Required);
    let key = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kavi-cache/code.key");
    let cache = CodeCache::new(layout.code_cache(), Some(key), import_table_version());
    let loader = Loader { cage: &cage, cache: &cache };
    let recorder = Recorder::start(Ledger::open(&layout.ledger(), Create::Never).unwrap()).unwrap();
    let shared = SharedContext {
        anchor: None,
        layout,
        linked: &[],
        store: &store,
        channels: &config.channels,
        governance: &ContextReader::default(),
        hold: config.effects.held(),
        observer: &NoObserver,
        clock: &SystemClock,
        ids: &RandomIds,
        loader,
        roots_file: None,
        secrets: const { &std::collections::BTreeMap::new() },
        limits,
    };

    support::print_machine();
    memory(shared);
    let component =
        store.get(kavi::artifacts::StoredKind::Component, kavi::model::digest::Digest::parse(&digest).unwrap());
    let bare = Bare::new(&component.unwrap(), limits, SEATS);
    let unrecorded = Resident::new(shared, &Unrecorded, SEATS).unwrap();
    let recorded = Resident::new(shared, &recorder, SEATS).unwrap();
    speed(&bare, &unrecorded, &recorded);
    soak(&unrecorded, &recorded);
}

/// Pumps with their threads: who measures gets them all, and they are let go when it is done.
fn with_pumps(served: Vec<(&Resident<'_>, Make, usize)>, measure: impl FnOnce(&[Pump])) {
    let (places, makes): (Vec<_>, Vec<_>) =
        served.into_iter().map(|(resident, make, threads)| ((resident, threads), make)).unzip();
    let pumps: Vec<Pump> = makes.into_iter().map(Pump::new).collect();
    thread::scope(|scope| {
        for (pump, (resident, threads)) in pumps.iter().zip(places) {
            (0..threads).for_each(|_| drop(scope.spawn(|| resident.serve(pump).unwrap())));
        }
        measure(&pumps);
        pumps.iter().for_each(Pump::stop);
    });
}

/// So many bare calls on each of two threads.
fn bare_on_two(bare: &Bare, input: &str, calls: u64) {
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| (0..calls / 2).for_each(|_| drop(bare.call(input))));
        }
    });
}

fn speed(bare: &Bare, unrecorded: &Resident<'_>, recorded: &Resident<'_>) {
    let input = serde_json::json!({ "text": text() }).to_string();
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&bare.call(&input)).unwrap(),
        serde_json::from_str::<serde_json::Value>(&native(&input)).unwrap(),
    );
    let rounds = support::rounds(ROUNDS);
    let served = vec![
        (unrecorded, tally(), 1),
        (unrecorded, tally(), 2),
        (recorded, tally(), 1),
        (recorded, tally(), 12),
        (recorded, note(), 1),
        (recorded, note(), 2),
    ];
    // Not more than there are seats: each resident serves its own.
    with_pumps(served, |pumps| {
        let per_call = |pump: &Pump, calls: u64, counted: u64| -> Duration {
            pump.round(calls).mul_f64(counted as f64 / calls as f64)
        };
        let contenders = vec![
            Contender::new("native function", |_| (0..CALLS).for_each(|_| drop(std::hint::black_box(native(&input))))),
            Contender::new("bare wasmtime", |_| (0..CALLS).for_each(|_| drop(bare.call(&input)))),
            Contender::new("bare wasmtime, 2 threads", |_| bare_on_two(bare, &input, CALLS)),
            Contender::timed("kavi without a record", |_| pumps[0].round(CALLS)),
            Contender::timed("kavi without a record, 2 threads", |_| pumps[1].round(CALLS)),
            Contender::timed("kavi, durable record", |_| per_call(&pumps[2], SLOW, CALLS)),
            Contender::timed("kavi, durable record, 12 threads", |_| per_call(&pumps[3], CALLS, CALLS)),
            Contender::timed("kavi, a note in the vault, durable", |_| per_call(&pumps[4], SLOW, CALLS)),
            Contender::timed("kavi, a note in the vault, 2 threads", |_| per_call(&pumps[5], SLOW, CALLS)),
        ];
        let series = support::measure(WARM_UP, rounds, contenders);
        support::print_times(&format!("time per call, {rounds} rounds of {CALLS} calls"), CALLS as f64, &series);
        println!("\nratios (median of the rounds' ratios, p10 to p90)");
        let ratio = |what: &str, of: usize, by: usize, bar| {
            support::print_ratio(what, series[of].times_of(&series[by]), bar);
        };
        ratio("without a record, in times of bare wasmtime", 3, 1, Bar::AtMost(1.5));
        ratio("without a record, in times of the native function", 3, 0, Bar::None);
        ratio("with a durable record, in times of bare wasmtime", 5, 1, Bar::None);
        ratio("12 threads, durable, in times of bare wasmtime", 6, 1, Bar::None);
        ratio("two threads get more done than one, times", 3, 4, Bar::AtLeast(1.7));
        ratio("bare wasmtime: two threads against one, times", 1, 2, Bar::None);
        ratio("notes: two threads against one, times", 7, 8, Bar::None);
    });
}

/// A process with many loaded skills.
fn memory(shared: SharedContext<'_>) {
    let before = taken();
    let resident = Resident::new(shared, &Unrecorded, SEATS).unwrap();
    let make: Make = Box::new(|number| {
        let name = fill::name(usize::try_from(number - 1).unwrap() % LOADED);
        // A file of its own each time: with no record nobody can tell that the last one is Kavi's.
        let path = format!("Inbox/AI/loaded-{number}.md");
        let input = serde_json::json!({ "path": path, "title": "Title", "body": "Body" });
        (SkillName::parse(&name).unwrap(), input.to_string().into_bytes())
    });
    with_pumps(vec![(&resident, make, 2)], |pumps| {
        pumps[0].round(2 * LOADED as u64);
        let (mib, descriptors) = taken();
        let verdict = if mib < WANTED_MIB { "reached" } else { "NOT REACHED" };
        println!("\nmemory with {LOADED} loaded skills, each called twice");
        println!(
            "  {mib:.0} MiB resident (before: {:.0}), {descriptors} descriptors  wanted: under {WANTED_MIB} MiB: {verdict}",
            before.0
        );
    });
}

/// Many calls, and what they leave behind.
fn soak(unrecorded: &Resident<'_>, recorded: &Resident<'_>) {
    println!("\n{SOAK} calls of tally, half of them recorded: memory and descriptors of the process");
    with_pumps(vec![(unrecorded, tally(), 2), (recorded, tally(), 12)], |pumps| {
        for tenth in 0..=10 {
            let (mib, descriptors) = taken();
            println!("  after {:>6} calls: {mib:>6.1} MiB, {descriptors:>3} descriptors", tenth * SOAK / 10);
            if tenth < 10 {
                pumps[0].round(SOAK / 20);
                pumps[1].round(SOAK / 20);
            }
        }
    });
}
