//! A test program in wasm: which tests it has, and how one of them ends in an instance and a vault of its own. What a
//! guest prints decides nothing but the list of names.

use super::runs::switched;
use super::{Subject, VerifyError};
use crate::model::{capabilities::SkillCapabilities, finding::Finding, limits::Limits, text};
use crate::runtime::{CompiledComponent, GuestRequest, RunError, TestExit, TestOutcome};

/// A compiled test program.
pub(super) struct Harness<'a> {
    subject: &'a Subject<'a>,
    compiled: CompiledComponent,
    capabilities: SkillCapabilities,
    /// For runs whose outcome only has to differ: a sabotaged program may well loop.
    short: Limits,
}

/// Which limits a run has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Those of every run.
    Full,
    /// Little.
    Short,
}

impl<'a> Harness<'a> {
    /// Compiles a test program and lists its tests.
    pub(super) fn open(
        subject: &'a Subject<'a>,
        component: &[u8],
    ) -> Result<Result<(Self, Vec<String>), Finding>, VerifyError> {
        Ok(match Self::new(subject, component) {
            Ok(harness) => harness.names()?.map(|names| (harness, names)),
            Err(finding) => Err(finding),
        })
    }

    /// Compiles a test program.
    fn new(subject: &'a Subject<'a>, component: &[u8]) -> Result<Self, Finding> {
        let compiled = subject.runtime.compile_tests(component);
        let compiled = compiled.map_err(|error| Finding::new("test/component", error.to_string()))?;
        let limits = subject.limits;
        Ok(Self {
            subject,
            compiled,
            capabilities: SkillCapabilities::of(&subject.proposal.spec),
            short: short(limits),
        })
    }

    /// The names of the tests.
    fn names(&self) -> Result<Result<Vec<String>, Finding>, VerifyError> {
        Ok(match self.start(&["--list", "--format", "terse"], 0, Patience::Full)? {
            Ok(TestOutcome { exit: TestExit::Returned, observed }) => Ok(names(&observed.stdout)),
            Ok(outcome) => Err(Finding::new("test/list", format!("the tests cannot be listed: {}", how(&outcome)))),
            Err(error) => Err(Finding::new("test/component", error.to_string())),
        })
    }

    /// Runs one test, the program's switch on `number`. `None` when it passed.
    pub(super) fn failure(&self, name: &str, number: u32, patience: Patience) -> Result<Option<Finding>, VerifyError> {
        Ok(match self.start(&["--exact", name, "--nocapture"], number, patience)? {
            Ok(TestOutcome { exit: TestExit::Returned, .. }) => None,
            Ok(outcome) => Some(failed(name, &outcome)),
            Err(error) => Some(Finding::new("test/component", error.to_string()).in_test(text::line(name, 200))),
        })
    }

    /// One instance, one vault, one staging folder.
    fn start(
        &self,
        arguments: &[&str],
        number: u32,
        patience: Patience,
    ) -> Result<Result<TestOutcome, RunError>, VerifyError> {
        let vault = tempfile::tempdir_in(self.subject.scratch).map_err(VerifyError::Folder)?;
        let out = tempfile::tempdir_in(self.subject.scratch).map_err(VerifyError::Folder)?;
        let request = GuestRequest {
            input: "",
            capabilities: &self.capabilities,
            vault: self.capabilities.reads_vault().then(|| vault.path()),
            out: self.capabilities.writes_files().then(|| out.path()),
            determinism: switched(number),
            limits: if patience == Patience::Full { self.subject.limits } else { &self.short },
            watch: self.subject.watch,
        };
        match self.compiled.run_test(arguments, &request) {
            Ok(TestOutcome { exit: TestExit::Trap(RunError::Stopped(stopped)), .. }) => Err(stopped.into()),
            ran => Ok(ran),
        }
    }
}

/// Limits for a run that may loop.
pub(super) fn short(limits: &Limits) -> Limits {
    Limits { cpu_ms: limits.cpu_ms.min(500), wall_ms: limits.wall_ms.min(2_000), ..limits.clone() }
}

/// `tests::works: test`, one a line.
fn names(stdout: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(stdout);
    text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

fn failed(name: &str, outcome: &TestOutcome) -> Finding {
    let stderr = String::from_utf8_lossy(&outcome.observed.stderr);
    let (place, said) = panic_message(&stderr);
    let message = format!("{}{}", how(outcome), said.map(|said| format!(": {said}")).unwrap_or_default());
    let rule = match outcome.exit {
        TestExit::GuestExit(_) => "test/exit",
        TestExit::Trap(RunError::Timeout { .. }) => "test/time",
        _ => "test/failed",
    };
    let finding = Finding::new(rule, text::line(&message, 600)).in_test(text::line(name, 200));
    match place {
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

/// Where and with what words a Rust program panicked: `thread '…' panicked at FILE:LINE:COLUMN:` and the lines below it.
fn panic_message(stderr: &str) -> (Option<(String, u32)>, Option<String>) {
    let Some((_, rest)) = stderr.split_once("panicked at ") else { return (None, None) };
    let (place, below) = rest.split_once('\n').unwrap_or((rest, ""));
    let mut parts = place.trim_end_matches(':').rsplitn(3, ':').skip(1);
    let line = parts.next().and_then(|line| line.parse().ok());
    let file = parts.next().map(|path| path.find("src/").map_or(path, |at| &path[at..]).to_owned());
    let said = below.lines().take_while(|line| !line.starts_with("note:")).collect::<Vec<_>>().join(" ");
    let said = Some(said.trim().to_owned()).filter(|said| !said.is_empty());
    (file.zip(line), said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_tells_its_place_and_its_words() {
        let text =
            "\nthread 'tests::a' (1) panicked at /s/src/lib.rs:12:5:\nassertion failed: x\n  left: 1\nnote: run with\n";
        let (place, said) = panic_message(text);
        assert_eq!(place, Some(("src/lib.rs".to_owned(), 12)));
        assert_eq!(said.as_deref(), Some("assertion failed: x   left: 1"));
        assert_eq!(panic_message("nothing"), (None, None));
    }

    #[test]
    fn only_tests_are_listed() {
        assert_eq!(names(b"tests::a: test\nbenches::b: bench\nx\n"), ["tests::a"]);
    }
}
