//! Skills as an agent's tools: `cargo bench --bench mcp`.
//!
//! `kavi mcp` beside a server that somebody would write by hand with the same SDK, both over pipes, driven by one client: a
//! skill that touches nothing, a skill that writes a note (policy allows it), one call after the other and sixteen at a time,
//! how long it takes from the start of the program to its first answer with a hundred trusted skills, and what a hundred thousand
//! calls leave behind.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "scale/fill.rs"]
mod fill;
mod support;

use std::cell::RefCell;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use rusqlite::Connection;
use serde_json::{Value, json};
use support::workspace::{Workspace, native};
use support::{Bar, Contender, Series};

const ROUNDS: usize = 40;
const WARM_UP: usize = 5;
/// Calls of one round.
const CALLS: usize = 50;
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

/// Both servers with the same calls.
fn compare(what: &str, servers: &RefCell<[Server; 2]>, make: fn(usize) -> Value, together: usize, wanted: f64) {
    let contender = |name: &str, which: usize, offset: usize| {
        let name = name.to_owned();
        Contender::new(&name, move |round| {
            let calls: Vec<Value> = (0..CALLS).map(|call| make(offset + round * CALLS + call)).collect();
            servers.borrow_mut()[which].call(&calls, together);
        })
    };
    let offset = if together > 1 { 1_000_000 } else { 0 };
    let both = vec![contender("kavi mcp", 0, offset), contender("native, the same SDK, one thread", 1, offset)];
    let series = support::measure(WARM_UP, support::rounds(ROUNDS), both);
    support::print_times(what, CALLS as f64, &series);
    ratio(&series, wanted);
}

fn ratio(series: &[Series], wanted: f64) {
    support::print_ratio("kavi, in times of native", series[0].times_of(&series[1]), Bar::AtMost(wanted));
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
    let program = native("kavi-native-mcp");
    let folder = workspace.path().join("native");
    fs::create_dir_all(folder.join("Inbox/AI")).unwrap();
    let mut kavi = workspace.command();
    kavi.arg("mcp");
    let mut rival = Command::new(program);
    rival.arg(&folder);
    support::print_machine();
    first_answer(&mut kavi, &mut rival);
    let servers = RefCell::new([Server::start(workspace.command().arg("mcp")), Server::start(&mut rival)]);
    compare("a skill that touches nothing, one call after the other", &servers, tally, 1, 1.5);
    compare("the same, sixteen at a time", &servers, tally, TOGETHER, 1.5);
    compare("a note, one call after the other", &servers, note, 1, 3.0);
    compare("the same, sixteen at a time", &servers, note, TOGETHER, 3.0);
    let [mut served, native] = servers.into_inner();
    native.end();
    soak(&mut served);
    served.end();
}

fn first_answer(kavi: &mut Command, rival: &mut Command) {
    let first = |command: &mut Command| {
        let start = Instant::now();
        let server = Server::start(command);
        let answered = start.elapsed();
        server.end();
        answered
    };
    let starts = vec![
        Contender::timed("kavi mcp", |_| first(kavi)),
        Contender::timed("native, the same SDK, one thread", |_| first(rival)),
    ];
    let series = support::measure(WARM_UP, support::rounds(ROUNDS), starts);
    support::print_times(&format!("from the start to the first answer, {TRUSTED} trusted skills"), 1.0, &series);
    let median = series[0].spread().median * 1000.0;
    let verdict = if median <= WANTED_MS { "reached" } else { "NOT REACHED" };
    println!("  {median:.1} ms  wanted: at most {WANTED_MS} ms: {verdict}");
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
