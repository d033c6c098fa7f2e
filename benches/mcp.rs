//! Skills as an agent's tools: `cargo bench --bench mcp`.
//!
//! `kavi mcp` beside two servers that somebody would write by hand with the same SDK, all over pipes, driven by one client. One of
//! them keeps no record; the other one writes the same records in the same mode. A skill touches nothing, another one writes a
//! note (policy allows it), one call after the other and sixteen at a time. It also prints how long it takes from the start of the
//! program to its first answer with a hundred trusted skills, and what a hundred thousand calls leave behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "scale/fill.rs"]
mod fill;
mod support;

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};
use support::workspace::{Workspace, native};
use support::{Bar, Contender};

const ROUNDS: usize = 40;
const WARM_UP: usize = 5;
/// Calls of one round: of a skill that touches nothing, and of one that writes a note.
const CALLS: usize = 200;
const NOTES: usize = 50;
/// Calls that are under way at one time, where they are not one after the other.
const TOGETHER: usize = 16;
/// Trusted skills, and how long the first answer may take then.
const TRUSTED: usize = 100;
const WANTED_MS: f64 = 10.0;
/// Calls after which memory is level.
const SOAK: usize = 100_000;

/// A server and the two ends of its pipes.
struct Server {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    sent: usize,
}

impl Server {
    /// Starts it and waits for its first answer.
    fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut server = Self { child, input, output, sent: 0 };
        let client = json!({ "name": "a benchmark", "version": "1" });
        server
            .send("initialize", &json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": client }));
        server.answer();
        let line = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string();
        writeln!(server.input.as_mut().unwrap(), "{line}").unwrap();
        server
    }

    fn send(&mut self, method: &str, params: &Value) {
        self.sent += 1;
        let line = json!({ "jsonrpc": "2.0", "id": self.sent, "method": method, "params": params }).to_string();
        self.input.as_mut().unwrap().write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    fn answer(&mut self) {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(line.contains("\"result\"") && !line.contains("\"isError\":true"), "{line}");
    }

    /// Makes these calls, so many at one time.
    fn call(&mut self, calls: &[Value], together: usize) {
        for (number, call) in calls.iter().enumerate() {
            if number >= together {
                self.answer();
            }
            self.send("tools/call", call);
        }
        (0..together.min(calls.len())).for_each(|_| self.answer());
    }

    /// The processor time that it used so far.
    fn processor(&self) -> Duration {
        support::processor(self.child.id())
    }

    /// Memory in MiB, and open descriptors.
    fn taken(&self) -> (f64, usize) {
        support::taken(&self.child.id().to_string())
    }

    fn end(mut self) {
        drop(self.input.take());
        self.child.wait().unwrap();
    }
}

fn text() -> String {
    "A line of the usual length that somebody wants to know something about. ".repeat(14)
}

fn tally(_: usize) -> Value {
    json!({ "name": "tally", "arguments": { "text": text() } })
}

fn note(number: usize) -> Value {
    let path = format!("Inbox/AI/{number}.md");
    json!({ "name": "write_note", "arguments": { "path": path, "title": "Title", "body": text() } })
}

/// One comparison of servers that get the same calls.
struct Comparison<'a> {
    what: &'a str,
    make: fn(usize) -> Value,
    /// Calls of one round, and how many of them are under way at one time.
    calls: usize,
    together: usize,
    /// Where its numbers begin, so that no note is written twice.
    offset: usize,
    rivals: &'a [Rival<'a>],
    /// What a call may take of the processors, in µs.
    processor_bar: Bar,
}

/// A server that Kavi is compared with, and the bar.
struct Rival<'a> {
    name: &'a str,
    server: &'a RefCell<Server>,
    bar: Bar,
}

impl Comparison<'_> {
    fn run(&self, kavi: &RefCell<Server>) {
        let mut all = vec![self.contender("kavi mcp", kavi)];
        all.extend(self.rivals.iter().map(|rival| self.contender(rival.name, rival.server)));
        let before = kavi.borrow().processor();
        let rounds = support::rounds(ROUNDS);
        let series = support::measure(WARM_UP, rounds, all);
        let used = kavi.borrow().processor() - before;
        support::print_times(self.what, self.calls as f64, &series);
        for (rival, times) in self.rivals.iter().zip(&series[1..]) {
            support::print_ratio(&format!("kavi, in times of {}", rival.name), series[0].times_of(times), rival.bar);
        }
        let each = used.as_secs_f64() * 1e6 / ((WARM_UP + rounds) * self.calls) as f64;
        support::print_figure("processor time of kavi, a call", each, "µs", self.processor_bar);
    }

    fn contender<'a>(&'a self, name: &str, server: &'a RefCell<Server>) -> Contender<'a> {
        Contender::new(name, |round| {
            let first = self.offset + round * self.calls;
            let calls: Vec<Value> = (first..first + self.calls).map(self.make).collect();
            server.borrow_mut().call(&calls, self.together);
        })
    }
}

fn main() {
    let workspace = Workspace::trusted();
    workspace.trust_tally();
    fill::skills(&Connection::open(workspace.ledger()).unwrap(), TRUSTED - 1);
    let path = workspace.path().join("kavi.toml");
    let toml = fs::read_to_string(&path).unwrap();
    let own = "[policy.mcp]\nREAD_ONLY = \"allow\"\nFILE_WRITE = \"ask\"";
    assert!(toml.contains(own));
    fs::write(&path, toml.replace(own, &own.replace("ask", "allow"))).unwrap();
    // The native servers have a folder and a ledger of their own.
    let (plain, recorded) = (Workspace::copy_of(&workspace), Workspace::copy_of(&workspace));
    for one in [&plain, &recorded] {
        fs::create_dir_all(one.path().join("vault_out/Inbox/AI")).unwrap();
    }
    let program = native("kavi-native-mcp");
    let mut without_records = Command::new(&program);
    without_records.arg(plain.path());
    let mut with_records = Command::new(&program);
    with_records.arg(recorded.path()).arg("recorded");
    support::print_machine();
    first_answer(workspace.command().arg("mcp"), &mut without_records);
    let kavi = RefCell::new(Server::start(workspace.command().arg("mcp")));
    let plain = RefCell::new(Server::start(&mut without_records));
    let recorded = RefCell::new(Server::start(&mut with_records));
    let rivals = |plain_bar, recorded_bar| {
        [
            Rival { name: "native, no records", server: &plain, bar: plain_bar },
            Rival { name: "native, the same records", server: &recorded, bar: recorded_bar },
        ]
    };
    let one_by_one = rivals(Bar::AtMost(4.0), Bar::AtMost(1.7));
    let together = rivals(Bar::AtMost(3.0), Bar::None);
    let notes = rivals(Bar::None, Bar::AtMost(2.0));
    let notes_together = rivals(Bar::None, Bar::None);
    let touches_nothing = Comparison {
        what: "a skill that touches nothing, one call after the other",
        make: tally,
        calls: CALLS,
        together: 1,
        offset: 0,
        rivals: &one_by_one,
        processor_bar: Bar::AtMost(80.0),
    };
    touches_nothing.run(&kavi);
    let what = "the same, sixteen at a time";
    Comparison { what, together: TOGETHER, rivals: &together, processor_bar: Bar::None, ..touches_nothing }.run(&kavi);
    let what = "a note, one call after the other";
    let note =
        Comparison { what, make: note, calls: NOTES, rivals: &notes, processor_bar: Bar::None, ..touches_nothing };
    note.run(&kavi);
    let what = "the same, sixteen at a time";
    Comparison { what, together: TOGETHER, offset: 1_000_000, rivals: &notes_together, ..note }.run(&kavi);
    plain.into_inner().end();
    recorded.into_inner().end();
    let mut kavi = kavi.into_inner();
    soak(&mut kavi);
    kavi.end();
}

fn first_answer(kavi: &mut Command, rival: &mut Command) {
    let first = |command: &mut Command| {
        let start = Instant::now();
        let server = Server::start(command);
        let answered = start.elapsed();
        server.end();
        answered
    };
    let starts =
        vec![Contender::timed("kavi mcp", |_| first(kavi)), Contender::timed("native, no records", |_| first(rival))];
    let series = support::measure(WARM_UP, support::rounds(ROUNDS), starts);
    support::print_times(&format!("from the start to the first answer, {TRUSTED} trusted skills"), 1.0, &series);
    let median = series[0].spread().median * 1000.0;
    support::print_figure("kavi, the first answer", median, "ms", Bar::AtMost(WANTED_MS));
}

/// Memory and descriptors of the server in the course of many calls.
fn soak(server: &mut Server) {
    println!("\n{SOAK} calls of tally, {TOGETHER} at a time: memory and descriptors of the server");
    for tenth in 0..=10 {
        let (mib, descriptors) = server.taken();
        println!("  after {:>6} calls: {mib:>6.1} MiB, {descriptors:>3} descriptors", tenth * SOAK / 10);
        if tenth < 10 {
            let calls: Vec<Value> = (0..SOAK / 10).map(tally).collect();
            server.call(&calls, TOGETHER);
        }
    }
}
