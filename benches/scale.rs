//! How much slower a large workspace is: `cargo bench --bench scale`.
//!
//! A run, a start, `tail-executions` and `list-skills` as whole processes, in workspaces of 10, 1,000 and 10,000 trusted skills and 0,
//! 100,000 and 1,000,000 execution records. The rows are copied straight into the ledger; the component is the same under
//! every name.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "scale/fill.rs"]
mod fill;
mod support;

use rusqlite::Connection;
use support::workspace::{Workspace, run};
use support::{Bar, Contender, Series};

const ROUNDS: usize = 60;
const WARM_UP: usize = 5;
/// Trusted skills and records. The first is what the others are compared with.
const SIZES: [(usize, usize); 6] =
    [(10, 0), (1_000, 0), (10_000, 0), (10, 100_000), (10, 1_000_000), (10_000, 1_000_000)];
/// What a run, a start or a look at the newest records may cost more than in the smallest workspace.
const WANTED: f64 = 1.1;

struct Sized {
    skills: usize,
    name: String,
    workspace: Workspace,
}

impl Sized {
    fn call(&self, args: &[&str]) {
        run(self.workspace.command().args(args));
    }
}

fn make(template: &Workspace, (skills, records): (usize, usize)) -> Sized {
    let workspace = Workspace::copy_of(template);
    let ledger = Connection::open(workspace.ledger()).unwrap();
    fill::skills(&ledger, skills);
    fill::records(&ledger, records);
    ledger.close().unwrap();
    Sized { skills, name: format!("{skills} skills, {records} records"), workspace }
}

/// Measures one verb in every workspace.
fn compare(what: &str, sized: &[Sized], rounds: usize, call: impl Fn(&Sized, usize)) -> Vec<Series> {
    let call = &call;
    let contenders = sized.iter().map(|one| Contender::new(&one.name, move |round| call(one, round))).collect();
    let series = support::measure(WARM_UP, rounds, contenders);
    support::print_times(what, 1.0, &series);
    series
}

fn against_the_smallest(series: &[Series], bar: Bar) {
    println!("  in times of the smallest (median of the rounds' ratios, p10 to p90)");
    for one in &series[1..] {
        support::print_ratio(&one.name, one.times_of(&series[0]), bar);
    }
}

fn main() {
    let template = Workspace::trusted();
    let sized: Vec<Sized> = SIZES.iter().map(|size| make(&template, *size)).collect();
    let rounds = support::rounds(ROUNDS);
    support::print_machine();
    println!("{rounds} rounds");

    let runs = compare("run-skill", &sized, rounds, |one, round| {
        let note = serde_json::json!({ "path": format!("Inbox/AI/{round}.md"), "title": "Title", "body": "Body" });
        one.call(&["run-skill", &fill::name(one.skills / 2), "--json", &note.to_string()]);
    });
    against_the_smallest(&runs, Bar::AtMost(WANTED));
    let start = compare("start-up: show one skill by its name", &sized, rounds, |one, _| {
        one.call(&["show", &fill::name(one.skills / 2), "--json"]);
    });
    against_the_smallest(&start, Bar::AtMost(WANTED));

    // The smallest workspace has by now a record of each run that was measured, so that all of them show as many.
    let tail = compare("tail-executions, the newest 20", &sized, rounds, |one, _| one.call(&["tail-executions"]));
    against_the_smallest(&tail, Bar::AtMost(WANTED));

    let few = rounds.min(15);
    let list = compare("list-skills --json, whole", &sized, few, |one, _| one.call(&["list-skills", "--json"]));
    println!("  per skill listed, against the smallest");
    for (one, sized) in list.iter().zip(&sized).skip(1) {
        let more = sized.skills as f64 / SIZES[0].0 as f64;
        let ratio = one.times_of(&list[0]).divided_by(more);
        support::print_ratio(&one.name, ratio, Bar::AtMost(WANTED));
    }
    let status = compare("status, which reads the whole ledger to check it", &sized, few.min(5), |one, _| {
        one.call(&["status", "--json"]);
    });
    against_the_smallest(&status, Bar::None);
}
