//! Durable execution records: `cargo bench --bench records`.
//!
//! Records that are committed one by one, by one caller and by 16 that take turns, beside the group commit
//! (`ledger::Recorder`) with 1, 2 and 16 callers. Each record is durable when its caller goes on, in all of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::sync::Mutex;
use std::thread;

use kavi::ledger::{Create, Journal, Ledger, Recorder};
use kavi::model::{
    execution::ExecutionRecord,
    id::{ExecutionId, RandomIds},
    time::{Clock as _, SystemClock},
};
use serde_json::json;
use support::{Bar, Contender, Series};

const ROUNDS: usize = 15;
const WARM_UP: usize = 2;
/// Records of one round, over all callers.
const RECORDS: usize = 480;

fn record() -> ExecutionRecord {
    let record = serde_json::from_str(include_str!("../tests/support/record.json")).unwrap();
    let now = SystemClock.now();
    ExecutionRecord {
        execution_id: ExecutionId::new(&RandomIds),
        input_json: json!({ "path": "Inbox/AI/note.md", "words": ["some", "words", "of", "an", "input"] }),
        output_json: Some(json!({ "found": 3, "text": "A line of the usual length that a skill could have found." })),
        clock: now,
        started_at: now,
        finished_at: now,
        ..record
    }
}

/// So many callers, each of whom waits for its record before it makes the next.
fn record_all(callers: usize, write: &(dyn Fn(&ExecutionRecord) + Sync)) {
    thread::scope(|scope| {
        for _ in 0..callers {
            scope.spawn(|| (0..RECORDS / callers).for_each(|_| write(&record())));
        }
    });
}

fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let open = |name: &str| Ledger::open(&folder.path().join(name), Create::IfMissing).unwrap();
    let (alone, shared) = (open("alone.db"), Mutex::new(open("shared.db")));
    let recorder = Recorder::start(open("grouped.db")).unwrap();
    let grouped = |record: &ExecutionRecord| recorder.insert_execution(record).unwrap();
    let in_turn = |record: &ExecutionRecord| {
        shared.lock().unwrap().insert_execution(record).unwrap();
    };
    let contenders = vec![
        Contender::new("one by one, 1 caller", |_| {
            (0..RECORDS).for_each(|_| alone.insert_execution(&record()).unwrap());
        }),
        Contender::new("one by one, 16 callers in turn", |_| record_all(16, &in_turn)),
        Contender::new("group commit, 1 caller", |_| record_all(1, &grouped)),
        Contender::new("group commit, 2 callers", |_| record_all(2, &grouped)),
        Contender::new("group commit, 16 callers", |_| record_all(16, &grouped)),
    ];
    let rounds = support::rounds(ROUNDS);
    support::print_machine();
    let series: Vec<Series> = support::measure(WARM_UP, rounds, contenders);
    let title = format!("time per durable record, {rounds} rounds of {RECORDS} records");
    support::print_times(&title, RECORDS as f64, &series);
    println!("\nrecords a second, in times of one by one (median of the rounds' ratios, p10 to p90)");
    support::print_ratio(
        "16 callers: group commit against 1 caller one by one",
        series[0].times_of(&series[4]),
        Bar::AtLeast(3.0),
    );
    support::print_ratio(
        "16 callers: group commit against 16 in turn",
        series[1].times_of(&series[4]),
        Bar::AtLeast(3.0),
    );
    support::print_ratio(
        "2 callers: group commit against 1 caller one by one",
        series[0].times_of(&series[3]),
        Bar::None,
    );
    support::print_ratio(
        "1 caller: group commit against 1 caller one by one",
        series[0].times_of(&series[2]),
        Bar::None,
    );
}
