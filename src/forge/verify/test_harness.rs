//! A test program in wasm: lists its tests, and runs one of them in its own instance with its own vault.
//!
//! Guarantees: output of the guest decides nothing but the list of test names.
//! Deliberately never: decides whether a failed test fails the gate.

use tempfile::TempDir;

use super::context::GateContext;
use super::determinism::with_switch;
use super::error::VerifyError;
use crate::dir::FolderHandle;
use crate::model::{capabilities::SkillCapabilities, finding::Finding, limits::Limits, text};
use crate::runtime::{CompiledComponent, GuestRequest, RunError, TestExit, TestOutcome};

/// A compiled test program.
pub(super) struct TestHarness<'a> {
    context: &'a GateContext<'a>,
    compiled: CompiledComponent,
    capabilities: SkillCapabilities,
    /// Limits for sabotaged runs, which may well loop.
    short: Limits,
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
        let limits = context.limits;
        Ok(Self {
            context,
            compiled,
            capabilities: SkillCapabilities::of(&context.proposal.spec),
            short: short(limits),
        })
    }

    /// The names of the tests.
    fn names(&self) -> Result<Result<Vec<String>, Finding>, VerifyError> {
        Ok(match self.start(&["--list", "--format", "terse"], 0, RunLimits::Full)? {
            Ok(TestOutcome { exit: TestExit::Returned, observed }) => Ok(names(&observed.stdout)),
            Ok(outcome) => Err(Finding::new("test/list", format!("the tests cannot be listed: {}", how(&outcome)))),
            Err(error) => Err(Finding::new("test/component", error.to_string())),
        })
    }

    /// Runs one test with the switch of the program on `number`. `None` when it passed.
    pub(super) fn failure(&self, name: &str, number: u32, limits: RunLimits) -> Result<Option<Finding>, VerifyError> {
        Ok(match self.start(&["--exact", name, "--nocapture"], number, limits)? {
            Ok(TestOutcome { exit: TestExit::Returned, .. }) => None,
            Ok(outcome) => Some(failed(name, &outcome)),
            Err(error) => Some(Finding::new("test/component", error.to_string()).in_test(text::line(name, 200))),
        })
    }

    /// Starts the program in a new instance with a new vault and staging folder.
    fn start(
        &self,
        arguments: &[&str],
        number: u32,
        limits: RunLimits,
    ) -> Result<Result<TestOutcome, RunError>, VerifyError> {
        let vault = tempfile::tempdir_in(self.context.scratch).map_err(VerifyError::Folder)?;
        let out = tempfile::tempdir_in(self.context.scratch).map_err(VerifyError::Folder)?;
        let open = |folder: &TempDir| FolderHandle::open(folder.path()).map_err(VerifyError::Folder);
        let (vault_handle, out_handle) = (open(&vault)?, open(&out)?);
        let request = GuestRequest {
            input: "",
            capabilities: &self.capabilities,
            vault: self.capabilities.reads_vault().then_some(&vault_handle),
            linked: &[],
            out: self.capabilities.writes_files().then_some(&out_handle),
            determinism: with_switch(number),
            limits: if limits == RunLimits::Full { self.context.limits } else { &self.short },
            watch: self.context.watch,
        };
        match self.compiled.run_test(arguments, &request) {
            Ok(TestOutcome { exit: TestExit::Trap(RunError::Stopped(stopped)), .. }) => Err(stopped.into()),
            outcome => Ok(outcome),
        }
    }
}

/// Limits for a run that may loop.
pub(super) fn short(limits: &Limits) -> Limits {
    Limits { cpu_ms: limits.cpu_ms.min(500), wall_ms: limits.wall_ms.min(2_000), ..limits.clone() }
}

/// The names in lines like `tests::works: test`.
fn names(stdout: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(stdout);
    text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

fn failed(name: &str, outcome: &TestOutcome) -> Finding {
    let stderr = String::from_utf8_lossy(&outcome.observed.stderr);
    let panic = panic_message(&stderr);
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
    fn only_tests_are_listed() {
        assert_eq!(names(b"tests::a: test\nbenches::b: bench\nx\n"), ["tests::a"]);
    }
}
