//! A test program in wasm: lists its tests, and runs one of them in its own instance with its own vault.
//!
//! Guarantees: output of the guest decides nothing but the list of test names.
//! Deliberately never: decides whether a failed test fails the gate.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use tempfile::TempDir;

use super::context::GateContext;
use super::error::VerifyError;
use super::source_analysis::switch;
use crate::dir::FolderHandle;
use crate::model::{capabilities::SkillCapabilities, finding::Finding, limits::Limits, text};
use crate::runtime::{CompiledComponent, GuestCommand, GuestRequest, RunError, TestExit, TestOutcome};
use crate::sync::lock;

/// A compiled test program.
pub(super) struct TestHarness<'a> {
    context: &'a GateContext<'a>,
    compiled: CompiledComponent,
    capabilities: SkillCapabilities,
    /// The processor time that each test took when it passed, in milliseconds.
    honest_ms: Mutex<BTreeMap<String, u64>>,
    /// The branches that tests took when they passed.
    taken: Mutex<BTreeSet<u32>>,
}

/// Which limits a run of a test has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunLimits {
    /// The limits of every run.
    Full,
    /// Short ones, for a program that may loop.
    Short,
}

impl<'a> TestHarness<'a> {
    /// Compiles a test program and lists its tests.
    pub(super) fn open(
        context: &'a GateContext<'a>,
        component: &[u8],
    ) -> Result<Result<(Self, Vec<String>), Finding>, VerifyError> {
        Ok(match Self::new(context, component) {
            Ok(harness) => harness.names()?.map(|names| (harness, names)),
            Err(finding) => Err(finding),
        })
    }

    /// Compiles a test program.
    fn new(context: &'a GateContext<'a>, component: &[u8]) -> Result<Self, Finding> {
        let compiled = context.runtime.compile_tests(component);
        let compiled = compiled.map_err(|error| Finding::new("test/component", error.to_string()))?;
        let capabilities = SkillCapabilities::of(&context.proposal.spec);
        Ok(Self { context, compiled, capabilities, honest_ms: Mutex::default(), taken: Mutex::default() })
    }

    /// The names of the tests.
    fn names(&self) -> Result<Result<Vec<String>, Finding>, VerifyError> {
        let all = ["--list", "--format", "terse"];
        Ok(match self.start(&TestRun { arguments: &all, test: "", number: 0, limits: RunLimits::Full })? {
            Ok(TestOutcome { exit: TestExit::Returned, observed }) => Ok(names(&observed.stdout)),
            Ok(outcome) => Err(Finding::new("test/list", format!("the tests cannot be listed: {}", how(&outcome)))),
            Err(error) => Err(Finding::new("test/component", error.to_string())),
        })
    }

    /// Runs one test with the switch of the program on `number`. `None` when it passed.
    pub(super) fn failure(&self, name: &str, number: u32, limits: RunLimits) -> Result<Option<Finding>, VerifyError> {
        let arguments = ["--exact", name, "--nocapture"];
        Ok(match self.start(&TestRun { arguments: &arguments, test: name, number, limits })? {
            Ok(TestOutcome { exit: TestExit::Returned, observed }) => {
                if number == 0 {
                    lock(&self.honest_ms).insert(name.to_owned(), observed.usage.cpu_us / 1_000);
                    lock(&self.taken).extend(switch::counted(&observed.stderr, &self.mark()).taken);
                }
                None
            }
            Ok(outcome) => Some(failed(name, &outcome, &self.mark())),
            Err(error) => Some(Finding::new("test/component", error.to_string()).in_test(text::line(name, 200))),
        })
    }

    /// The branches that the tests took.
    pub(super) fn taken(&self) -> BTreeSet<u32> {
        lock(&self.taken).clone()
    }

    fn mark(&self) -> String {
        self.context.draw.mark()
    }

    /// Starts the program in a new instance with a new vault and staging folder.
    fn start(&self, run: &TestRun<'_>) -> Result<Result<TestOutcome, RunError>, VerifyError> {
        let vault = tempfile::tempdir_in(self.context.scratch).map_err(VerifyError::Folder)?;
        let out = tempfile::tempdir_in(self.context.scratch).map_err(VerifyError::Folder)?;
        let open = |folder: &TempDir| FolderHandle::open(folder.path()).map_err(VerifyError::Folder);
        let (vault_handle, out_handle) = (open(&vault)?, open(&out)?);
        let limits = match run.limits {
            RunLimits::Full => self.context.limits.clone(),
            RunLimits::Short => {
                let honest = lock(&self.honest_ms).get(run.test).copied().unwrap_or(0);
                short(self.context.limits, honest)
            }
        };
        let request = GuestRequest {
            input: "",
            capabilities: &self.capabilities,
            vault: self.capabilities.reads_vault().then_some(&vault_handle),
            linked: &[],
            out: self.capabilities.writes_files().then_some(&out_handle),
            // All runs of a test have the same clock and seed, so that it can notice nothing but the change.
            determinism: self.context.draw.determinism(&format!("test {}", run.test), 0),
            limits: &limits,
            watch: self.context.watch,
        };
        let environment =
            if run.number == 0 { switch::counting(&self.mark()) } else { switch::environment(run.number) };
        let command_line = GuestCommand::new(run.arguments, &environment);
        match self.compiled.run_test_in(&command_line, &request) {
            Ok(TestOutcome { exit: TestExit::Trap(RunError::Stopped(stopped)), .. }) => Err(stopped.into()),
            outcome => Ok(outcome),
        }
    }
}

/// One start of the program.
struct TestRun<'a> {
    arguments: &'a [&'a str],
    /// The test that is run.
    test: &'a str,
    /// The number of the switch.
    number: u32,
    limits: RunLimits,
}

/// Limits for a run that may loop. A test that takes `honest_ms` by itself gets several times as much: it must not count as
/// one that notices a change, only because it is slow.
pub(super) fn short(limits: &Limits, honest_ms: u64) -> Limits {
    let cpu_ms = honest_ms.saturating_mul(4).max(500).min(limits.cpu_ms);
    Limits { cpu_ms, wall_ms: cpu_ms.saturating_mul(4).min(limits.wall_ms), ..limits.clone() }
}

/// The names in lines like `tests::works: test`.
fn names(stdout: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(stdout);
    text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

fn failed(name: &str, outcome: &TestOutcome, mark: &str) -> Finding {
    let panic = panic_message(&switch::counted(&outcome.observed.stderr, mark).rest);
    let said = panic.message.map(|message| format!(": {message}")).unwrap_or_default();
    let message = format!("{}{said}", how(outcome));
    let rule = match outcome.exit {
        TestExit::GuestExit(_) => "test/exit",
        TestExit::Trap(RunError::Timeout { .. }) => "test/time",
        _ => "test/failed",
    };
    let finding = Finding::new(rule, text::line(&message, 600)).in_test(text::line(name, 200));
    match panic.place {
        Some((file, line)) => finding.at(file, line),
        None => finding,
    }
}

fn how(outcome: &TestOutcome) -> String {
    match &outcome.exit {
        TestExit::Returned => "it returned".to_owned(),
        TestExit::ReturnedErr => "it returned an error".to_owned(),
        TestExit::GuestExit(code) => format!("it ended its process with code {code}"),
        TestExit::Trap(error) => error.to_string(),
    }
}

/// The panic of a Rust program, as far as its stderr tells.
#[derive(Debug, Default, PartialEq, Eq)]
struct PanicMessage {
    place: Option<(String, u32)>,
    message: Option<String>,
}

/// Reads `thread '…' panicked at FILE:LINE:COLUMN:` and the lines below it.
fn panic_message(stderr: &str) -> PanicMessage {
    let Some((_, rest)) = stderr.split_once("panicked at ") else { return PanicMessage::default() };
    let (place, below) = rest.split_once('\n').unwrap_or((rest, ""));
    let mut parts = place.trim_end_matches(':').rsplitn(3, ':').skip(1);
    let line = parts.next().and_then(|line| line.parse().ok());
    let file = parts.next().map(|path| path.find("src/").map_or(path, |at| &path[at..]).to_owned());
    let message = below.lines().take_while(|line| !line.starts_with("note:")).collect::<Vec<_>>().join(" ");
    let message = Some(message.trim().to_owned()).filter(|message| !message.is_empty());
    PanicMessage { place: file.zip(line), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_tells_its_place_and_its_words() {
        let text =
            "\nthread 'tests::a' (1) panicked at /s/src/lib.rs:12:5:\nassertion failed: x\n  left: 1\nnote: run with\n";
        let panic = panic_message(text);
        assert_eq!(panic.place, Some(("src/lib.rs".to_owned(), 12)));
        assert_eq!(panic.message.as_deref(), Some("assertion failed: x   left: 1"));
        assert_eq!(panic_message("nothing"), PanicMessage::default());
    }

    #[test]
    fn a_slow_test_is_not_cut_off_when_it_takes_no_longer_than_before() {
        let limits = Limits { cpu_ms: 10_000, wall_ms: 30_000, ..Limits::default() };
        assert_eq!((short(&limits, 0).cpu_ms, short(&limits, 0).wall_ms), (500, 2_000));
        assert_eq!(short(&limits, 600).cpu_ms, 2_400);
        assert_eq!(short(&limits, 9_000).cpu_ms, 10_000);
    }

    #[test]
    fn only_tests_are_listed() {
        assert_eq!(names(b"tests::a: test\nbenches::b: bench\nx\n"), ["tests::a"]);
    }
}
