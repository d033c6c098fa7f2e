//! What a verification costs: `cargo bench --bench verify`.
//!
//! After a one-line change to write_note, with every dependency built, it takes the wall time of
//!
//! - plain cargo: `cargo test` (native) and `cargo build --release --target wasm32-wasip2`, and
//! - Kavi: `kavi verify-skill`, the whole process with every gate,
//!
//! in turn, several times, and prints the medians, their ratio and the time of each gate. Then it verifies each of the larger
//! skills for notes.
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
/// The skills for notes with more than two hundred lines, and how long the verification of each may take, in seconds.
const LARGER: [&str; 7] = [
    "create_daily_note",
    "edit_note",
    "list_notes",
    "move_note",
    "read_notes_by_tag",
    "search_notes",
    "summarize_note",
];
const LARGER_WANTED: f64 = 2.5;
const LARGER_ROUNDS: usize = 3;
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

    /// Proposes a skill that comes with Kavi, builds it from this crate, and verifies it.
    fn verify(&self, name: &str, krate: &Path) -> Verified {
        let spec = shipped(name).join("spec.json").display().to_string();
        let id = self.json(&["propose-skill", "--spec", &spec])["id"].as_str().unwrap().to_owned();
        self.kavi(&["build-skill", &id, "--builder", "import", "--from", &krate.display().to_string()]);
        let start = Instant::now();
        let document = self.json(&["verify-skill", &id, "--fresh"]);
        let wall = start.elapsed();
        let gates = document["gates"].as_array().unwrap();
        let time = |gate: &Value| Duration::from_millis(gate["duration_ms"].as_u64().unwrap());
        let gates = gates.iter().map(|gate| (gate["gate"].as_str().unwrap().to_owned(), time(gate))).collect();
        // Several open proposals of one name would be ambiguous to whoever looks into the workspace.
        self.kavi(&["reject", &id, "--why", "It was measured."]);
        Verified { wall, gates }
    }
}

/// One verification: its wall time, and that of each gate.
struct Verified {
    wall: Duration,
    gates: BTreeMap<String, Duration>,
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("skills").join(name)
}

/// The times of gates over all rounds.
#[derive(Default)]
struct GateTimes(BTreeMap<String, Vec<Duration>>);

impl GateTimes {
    fn add(&mut self, gates: BTreeMap<String, Duration>) {
        gates.into_iter().for_each(|(gate, time)| self.0.entry(gate).or_default().push(time));
    }

    /// Without the first `warm_up` rounds.
    fn print(self, title: &str, warm_up: usize) {
        let series = self.0.into_iter().map(|(gate, times)| Series::new(&gate, times[warm_up..].to_vec()));
        support::print_times(title, 1.0, &series.collect::<Vec<_>>());
    }
}

/// Each of the larger skills, as it comes.
fn larger(bench: &Bench) {
    let mut wall = Vec::new();
    for name in LARGER {
        let mut gates = GateTimes::default();
        let mut walls = Vec::new();
        for round in 0..=LARGER_ROUNDS {
            let verified = bench.verify(name, &shipped(name));
            gates.add(verified.gates);
            // The first one builds what the skill depends on.
            if round > 0 {
                walls.push(verified.wall);
            }
        }
        gates.print(&format!("each gate of {name}, {LARGER_ROUNDS} rounds"), 1);
        wall.push(Series::new(name, walls));
    }
    support::print_times("verifications of the larger skills", 1.0, &wall);
    for one in &wall {
        support::print_figure(&one.name, one.spread().median, "s", Bar::AtMost(LARGER_WANTED));
    }
}

fn main() {
    let bench = Bench { folder: tempfile::tempdir().unwrap() };
    bench.kavi(&["init", "."]);
    bench.kavi(&["new", "write_note"]);
    bench.kavi(&["setup"]);
    let gates: RefCell<GateTimes> = RefCell::default();
    let plain = |round| {
        bench.change(round);
        bench.plain()
    };
    let verify = |round| {
        bench.change(round);
        let verified = bench.verify("write_note", &bench.krate());
        gates.borrow_mut().add(verified.gates);
        verified.wall
    };
    let contenders =
        vec![Contender::timed("cargo test + cargo build", plain), Contender::timed("kavi verify-skill", verify)];
    let rounds = support::rounds(ROUNDS);
    support::print_machine();
    let series = support::measure(WARM_UP, rounds, contenders);
    gates.take().print("each gate", WARM_UP);
    support::print_times(&format!("after a one-line change, {rounds} rounds"), 1.0, &series);
    support::print_ratio("verify, in times of plain cargo", series[1].times_of(&series[0]), Bar::AtMost(WANTED));
    larger(&bench);
}
