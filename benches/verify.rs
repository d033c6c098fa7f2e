//! What a verification costs: `cargo bench --bench verify`.
//!
//! After a one-line change to write_note, with every dependency built, it takes the wall time of
//!
//! - plain cargo: `cargo test` (native) and `cargo build --release --target wasm32-wasip2`, and
//! - Kavi: `kavi verify-skill`, the whole process with every gate,
//!
//! in turn, several times, and prints the medians, their ratio and the time of each gate.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use support::{Bar, Contender, Series};

const ROUNDS: usize = 7;
const WARM_UP: usize = 1;
/// What a verification may cost, in wall times of plain cargo.
const WANTED: f64 = 2.0;
const SCHEMA: &str =
    r#"{"input":{"path":"str","title":"str","body":"str"},"output":{"written_path":"str","sha256":"str"}}"#;
const SOURCE: &str = include_str!("../skills/write_note/src/lib.rs");

struct Bench {
    folder: tempfile::TempDir,
}

impl Bench {
    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn krate(&self) -> PathBuf {
        self.root().join("skills/write_note")
    }

    fn kavi(&self, args: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kavi"));
        command.args(args).env("KAVI_CACHE_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("kavi-cache"));
        command.env("KAVI_STATE_DIR", self.root().join(".kavi/bench-state"));
        self.finish(command.current_dir(self.root()))
    }

    fn cargo(&self, args: &[&str]) {
        let mut command = Command::new("cargo");
        command.args(args).args(["--offline", "--quiet"]).env("CARGO_TARGET_DIR", self.root().join("target"));
        command.env("KAVI_STATE_DIR", self.root().join(".kavi/bench-state"));
        self.finish(command.current_dir(self.krate()));
    }

    fn finish(&self, command: &mut Command) -> Output {
        let done = command.stdin(Stdio::null()).output().expect("the program starts");
        let said = || format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        assert!(done.status.success(), "{command:?}: {}", said());
        done
    }

    fn json(&self, args: &[&str]) -> Value {
        let done = self.kavi(&[args, &["--output", "json"]].concat());
        serde_json::from_slice(&done.stdout).expect("JSON")
    }

    /// A one-line change that no test minds.
    fn change(&self, round: usize) {
        let from = "\"replaced\" } else { \"wrote\" }";
        assert!(SOURCE.contains(from));
        let changed = SOURCE.replace(from, &format!("\"replaced\" }} else {{ \"put {round}\" }}"));
        fs::write(self.krate().join("src/lib.rs"), changed).unwrap();
    }

    fn plain(&self) -> Duration {
        let start = Instant::now();
        self.cargo(&["test"]);
        self.cargo(&["build", "--release", "--target", "wasm32-wasip2"]);
        start.elapsed()
    }

    /// The wall time, and that of each gate.
    fn verify(&self) -> (Duration, BTreeMap<String, Duration>) {
        let from = self.krate().display().to_string();
        let more = ["--path", "Inbox/AI", "--side-effect", "FILE_WRITE", "--io-schema-json", SCHEMA];
        let proposed = ["propose-skill", "--name", "write_note", "--desc", "Writes a note."];
        let id = self.json(&[&proposed[..], &more].concat())["id"].as_str().unwrap().to_owned();
        self.kavi(&["build-skill", &id, "--builder", "import", "--from", &from]);
        let start = Instant::now();
        let document = self.json(&["verify-skill", &id, "--fresh"]);
        let wall = start.elapsed();
        let gates = document["gates"].as_array().unwrap();
        let time = |gate: &Value| Duration::from_millis(gate["duration_ms"].as_u64().unwrap());
        let times: BTreeMap<String, Duration> =
            gates.iter().map(|gate| (gate["gate"].as_str().unwrap().to_owned(), time(gate))).collect();
        (wall, times)
    }
}

fn main() {
    let bench = Bench { folder: tempfile::tempdir().unwrap() };
    bench.kavi(&["init", "."]);
    bench.kavi(&["new", "write_note"]);
    bench.kavi(&["setup"]);
    let gates: RefCell<BTreeMap<String, Vec<Duration>>> = RefCell::default();
    let plain = |round| {
        bench.change(round);
        bench.plain()
    };
    let verify = |round| {
        bench.change(round);
        let (wall, times) = bench.verify();
        times.into_iter().for_each(|(gate, time)| gates.borrow_mut().entry(gate).or_default().push(time));
        wall
    };
    let contenders =
        vec![Contender::timed("cargo test + cargo build", plain), Contender::timed("kavi verify-skill", verify)];
    let rounds = support::rounds(ROUNDS);
    support::print_machine();
    let series = support::measure(WARM_UP, rounds, contenders);
    let each: Vec<Series> =
        gates.take().into_iter().map(|(gate, times)| Series::new(&gate, times[WARM_UP..].to_vec())).collect();
    support::print_times("each gate", 1.0, &each);
    support::print_times(&format!("after a one-line change, {rounds} rounds"), 1.0, &series);
    support::print_ratio("verify, in times of plain cargo", series[1].times_of(&series[0]), Bar::AtMost(WANTED));
}
