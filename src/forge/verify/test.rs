//! The test gate: the skill's own tests, in wasm, each in an instance and a vault of its own, under the grants of the
//! skill's class. What a guest prints decides nothing: a test passed when its export returned.

use super::{Subject, VerifyError};
use crate::forge::compile::{Bench, Product};
use crate::model::{execution::Determinism, finding::Finding, text, time::Timestamp};
use crate::policy::grants;
use crate::runtime::{Request, RunError, TestExit, TestOutcome, Tier};

/// Fewest tests of a skill.
const MIN_TESTS: usize = 1;
/// Most tests of a skill.
const MAX_TESTS: usize = 200;

pub(super) fn check(subject: &Subject<'_>, bench: &Bench<'_>) -> Result<Vec<Finding>, VerifyError> {
    let made = bench.compile(Product::Tests)?;
    let Some(component) = made.component else {
        let rename =
            |finding: Finding| Finding { rule: finding.rule.replacen("compile/", "test/compile/", 1), ..finding };
        return Ok(made.findings.into_iter().map(rename).collect());
    };
    let compiled = match subject.runtime.compile(&component, Tier::Fast) {
        Ok(compiled) => compiled,
        Err(error) => return Ok(vec![Finding::new("test/component", error.to_string())]),
    };
    let run = |arguments: &[&str]| run_one(subject, &compiled, arguments);
    let listed = match run(&["--list", "--format", "terse"])? {
        Ok(TestOutcome { exit: TestExit::Returned, observed }) => names(&observed.stdout),
        Ok(outcome) => {
            return Ok(vec![Finding::new("test/list", format!("the tests cannot be listed: {}", how(&outcome)))]);
        }
        Err(error) => return Ok(vec![Finding::new("test/component", error.to_string())]),
    };
    let mut findings = count(listed.len());
    if !findings.is_empty() {
        return Ok(findings);
    }
    for name in &listed {
        match run(&["--exact", name, "--nocapture"])? {
            Ok(TestOutcome { exit: TestExit::Returned, .. }) => {}
            Ok(outcome) => findings.push(failed(name, &outcome)),
            Err(error) => findings.push(Finding::new("test/component", error.to_string()).in_test(name)),
        }
    }
    Ok(findings)
}

fn count(tests: usize) -> Vec<Finding> {
    match tests {
        n if n < MIN_TESTS => vec![Finding::new("test/count", format!("{n} tests, at least {MIN_TESTS} are wanted"))],
        n if n > MAX_TESTS => vec![Finding::new("test/count", format!("{n} tests, at most {MAX_TESTS} are run"))],
        _ => Vec::new(),
    }
}

/// One instance, one vault, one staging folder.
fn run_one(
    subject: &Subject<'_>,
    compiled: &crate::runtime::Compiled,
    arguments: &[&str],
) -> Result<Result<TestOutcome, RunError>, VerifyError> {
    let grants = grants::of(subject.proposal.spec.side_effect_class);
    let vault = tempfile::tempdir_in(subject.scratch).map_err(VerifyError::Folder)?;
    let out = tempfile::tempdir_in(subject.scratch).map_err(VerifyError::Folder)?;
    let request = Request {
        input: "",
        grants: &grants,
        vault: grants.vault.then(|| vault.path()),
        out: grants.out.then(|| out.path()),
        determinism: fixed(),
        limits: subject.limits,
    };
    Ok(compiled.run_test(arguments, &request))
}

/// The clock and the seed of every run in a verification: any, but always the same.
pub(super) fn fixed() -> Determinism {
    let clock = Timestamp::from_millis(1_767_225_600_000).unwrap_or_else(|_| unreachable!("2026-01-01 is a time"));
    Determinism { clock, seed: [7; 32] }
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
    let finding = Finding::new("test/failed", text::line(&message, 600)).in_test(text::line(name, 200));
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
        assert_eq!(count(0).len(), 1);
        assert_eq!(count(MAX_TESTS + 1).len(), 1);
        assert!(count(3).is_empty());
    }
}
