//! A test program in wasm: lists its tests, and runs one of them in its own instance with its own vault.
//!
//! Guarantees: output of the guest decides nothing but the list of test names.
//! Deliberately never: decides whether a failed test fails the gate.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tempfile::TempDir;

use super::context::GateContext;
use super::error::VerifyError;
use super::source_analysis::switch::{self, Taken};
use super::test_calls::{Answering, CallAnswers, CallsDone, TestSurroundings, TestedComponents};
use super::twin;
use crate::dir::FolderHandle;
use crate::model::{capabilities::SkillCapabilities, finding::Finding, limits::Limits, text};
use crate::runtime::{CompiledComponent, GuestCommand, GuestRequest, RunError, TestCalls, TestExit, TestOutcome};
use crate::sync::lock;

/// A compiled test program.
pub(super) struct TestHarness<'a> {
    context: &'a GateContext<'a>,
    compiled: CompiledComponent,
    /// What answers when a test calls the exported function.
    components: TestedComponents,
    capabilities: SkillCapabilities,
    /// The processor time that each test took when it passed, in milliseconds.
    honest_ms: Mutex<BTreeMap<String, u64>>,
    /// What tests took when they passed.
    taken: Mutex<TakenByTests>,
}

/// What the tests took.
#[derive(Debug, Clone, Default)]
pub(super) struct TakenByTests {
    /// In calls of the exported function.
    pub(super) calls: Taken,
    /// Within the test program: in tests of other functions.
    pub(super) inner: Taken,
}

/// Which limits a run of a test has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RunLimits {
    /// The limits of every run.
    Full,
    /// Short ones, for a program that may loop.
    Short,
}

/// What is tried with a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TestedProgram {
    /// The skill as it is: its component answers the calls.
    Released,
    /// The same sources with counters: the twin answers the calls.
    Counted,
    /// The twin and the test program with this change.
    Changed(u32),
    /// Only the twin has this change, so only a test that calls the exported function can notice it.
    TwinChanged(u32),
}

impl TestedProgram {
    /// How much longer it may take. The twin is not optimized, and counts.
    fn limits(self, limits: &Limits) -> Limits {
        match self {
            Self::Released => limits.clone(),
            Self::Counted | Self::Changed(_) | Self::TwinChanged(_) => twin::slower(limits),
        }
    }
}

impl<'a> TestHarness<'a> {
    /// Compiles a test program and lists its tests.
    pub(super) fn open(
        context: &'a GateContext<'a>,
        component: &[u8],
        components: TestedComponents,
    ) -> Result<Result<(Self, Vec<String>), Finding>, VerifyError> {
        Ok(match Self::new(context, component, components) {
            Ok(harness) => harness.names()?.map(|names| (harness, names)),
            Err(finding) => Err(finding),
        })
    }

    /// Compiles a test program.
    fn new(context: &'a GateContext<'a>, component: &[u8], components: TestedComponents) -> Result<Self, Finding> {
        let compiled = context.runtime.compile_tests(component);
        let compiled = compiled.map_err(|error| Finding::new("test/component", error.to_string()))?;
        let capabilities = SkillCapabilities::of(&context.proposal.spec);
        Ok(Self { context, compiled, components, capabilities, honest_ms: Mutex::default(), taken: Mutex::default() })
    }

    /// The names of the tests.
    fn names(&self) -> Result<Result<Vec<String>, Finding>, VerifyError> {
        let all = ["--list", "--format", "terse"];
        let run = TestRun { arguments: &all, test: "", program: TestedProgram::Released, limits: RunLimits::Full };
        Ok(match self.start(&run)? {
            Ok((TestOutcome { exit: TestExit::Returned, observed }, _)) => Ok(names(&observed.stdout)),
            Ok((outcome, _)) => {
                Err(Finding::new("test/list", format!("the tests cannot be listed: {}", how(&outcome))))
            }
            Err(error) => Err(Finding::new("test/component", error.to_string())),
        })
    }

    /// Runs one test. `None` when it passed.
    pub(super) fn failure(
        &self,
        name: &str,
        program: TestedProgram,
        limits: RunLimits,
    ) -> Result<Option<Finding>, VerifyError> {
        let arguments = ["--exact", name, "--nocapture"];
        Ok(match self.start(&TestRun { arguments: &arguments, test: name, program, limits })? {
            Ok((TestOutcome { exit: TestExit::Returned, observed }, calls)) => {
                if program == TestedProgram::Counted {
                    let cpu_us = observed.usage.cpu_us.saturating_add(calls.cpu_us);
                    lock(&self.honest_ms).insert(name.to_owned(), cpu_us / 1_000);
                    let mut taken = lock(&self.taken);
                    taken.calls.extend(&switch::counted(&calls.stderr, &self.mark()).taken);
                    taken.inner.extend(&switch::counted(&observed.stderr, &self.mark()).taken);
                }
                None
            }
            Ok((outcome, _)) => Some(failed(name, &outcome, &self.mark())),
            Err(error) => Some(Finding::new("test/component", error.to_string()).in_test(text::line(name, 200))),
        })
    }

    /// What the tests took.
    pub(super) fn taken(&self) -> TakenByTests {
        lock(&self.taken).clone()
    }

    fn mark(&self) -> String {
        self.context.draw.mark()
    }

    /// Starts the program in a new instance with a new vault and staging folder.
    fn start(&self, run: &TestRun<'_>) -> Result<Result<(TestOutcome, CallsDone), RunError>, VerifyError> {
        let vault = tempfile::tempdir_in(self.context.scratch).map_err(VerifyError::Folder)?;
        let out = tempfile::tempdir_in(self.context.scratch).map_err(VerifyError::Folder)?;
        let open = |folder: &TempDir| FolderHandle::open(folder.path()).map_err(VerifyError::Folder);
        let (vault_handle, out_handle) = (open(&vault)?, open(&out)?);
        let mut limits = run.program.limits(self.context.limits);
        if run.limits == RunLimits::Short {
            let honest = lock(&self.honest_ms).get(run.test).copied().unwrap_or(0);
            // Known by now: a test runs changed programs only after it has passed with the
            // unchanged one.
            limits = short(&limits, honest);
        }
        // All runs of a test have the same clock and seed, so that it can notice nothing but the change.
        let determinism = self.context.draw.determinism(&format!("test {}", run.test), 0);
        let request = GuestRequest {
            input: "",
            capabilities: &self.capabilities,
            vault: self.capabilities.reads_vault().then_some(&vault_handle),
            linked: &[],
            out: self.capabilities.writes_files().then_some(&out_handle),
            // A test never reaches a host. What one answers is told by the test itself.
            http: None,
            determinism,
            limits: &limits,
            watch: self.context.watch,
        };
        let (environment, answering) = match run.program {
            TestedProgram::Released => (switch::environment(0), Answering::Release),
            TestedProgram::Counted => (switch::counting(&self.mark()), Answering::Twin(switch::counting(&self.mark()))),
            TestedProgram::Changed(number) => {
                (switch::environment(number), Answering::Twin(switch::environment(number)))
            }
            TestedProgram::TwinChanged(number) => {
                (switch::environment(0), Answering::Twin(switch::environment(number)))
            }
        };
        let command_line = GuestCommand::new(run.arguments, &environment);
        let surroundings = TestSurroundings {
            vault: vault.path(),
            out: out.path(),
            test: run.test,
            capabilities: &self.capabilities,
            limits: &limits,
            determinism,
        };
        let answers = CallAnswers::new(self.context, &self.components, answering, &surroundings);
        let (outcome, calls) = match answers {
            Some(answers) => self.run_with_calls(command_line, &request, answers),
            None => (self.compiled.run_test_in(&command_line, &request), CallsDone::default()),
        };
        let outcome = match (outcome, calls.stopped) {
            // The test ended because the component did.
            (Ok(TestOutcome { observed, .. }), Some(error)) => {
                Ok(TestOutcome { exit: TestExit::Trap(error), observed })
            }
            (outcome, None) => outcome,
            (outcome @ Err(_), Some(_)) => outcome,
        };
        match outcome {
            Ok(TestOutcome { exit: TestExit::Trap(RunError::Stopped(stopped)), .. }) => Err(stopped.into()),
            outcome => Ok(outcome.map(|outcome| (outcome, CallsDone { stopped: None, ..calls }))),
        }
    }

    /// Runs the program, and answers its calls on another thread: that of the guest is restricted to the folders of the test.
    fn run_with_calls(
        &self,
        command_line: GuestCommand,
        request: &GuestRequest<'_>,
        answers: CallAnswers<'_>,
    ) -> (Result<TestOutcome, RunError>, CallsDone) {
        let (calls, asked) = TestCalls::new();
        let command_line = command_line.with_calls(calls);
        std::thread::scope(|scope| {
            let answering = scope.spawn(move || answers.serve(&asked));
            let outcome = self.compiled.run_test_in(&command_line, request);
            // Nobody asks any more, so the other thread ends.
            drop(command_line);
            (outcome, answering.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
        })
    }
}

/// One start of the program.
struct TestRun<'a> {
    arguments: &'a [&'a str],
    /// The test that is run.
    test: &'a str,
    program: TestedProgram,
    limits: RunLimits,
}

/// Limits for a run that may loop. A test that takes `honest_ms` by itself gets several times as much: it must not count as
/// one that notices a change, only because it is slow.
pub(super) fn short(limits: &Limits, honest_ms: u64) -> Limits {
    // Four times: a busy machine makes a test slower, and a timeout counts as a test that noticed
    // something.
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
