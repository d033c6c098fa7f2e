//! One trial: a run of a component for a gate, in a fresh instance, with an empty staging folder.
//!
//! Guarantees: a trial sees only its input, the vault that it is given (read-only) and its own staging folder. Nothing that it
//! writes leaves that folder. Deliberately never: decides what the outcome means for a gate.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use tempfile::TempDir;

use super::context::GateContext;
use super::error::VerifyError;
use super::exchanges::{ExchangeSource, TrialExchanges};
use crate::dir::FolderHandle;
use crate::model::{
    capabilities::SkillCapabilities,
    execution::{Determinism, Effect},
    json::{self, JsonLimits},
    limits::Limits,
    spec::SkillSpec,
    vault_path::VaultPath,
};
use crate::runtime::collect_output;
use crate::runtime::{CompiledComponent, GuestError, GuestRequest, LogLine, RunError, RunFailure};
use crate::sync::uninterrupted;

/// How a trial ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TrialEnd {
    /// With an output.
    Output(String),
    /// With an error that the skill returned.
    Refused(GuestError),
    /// By a trap, a limit or an exit.
    Stopped {
        /// The reason, as text.
        why: String,
        /// Whether it was the time limit.
        timed_out: TimedOut,
    },
}

/// Whether a trial exceeded its time. That may depend on how busy the machine was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimedOut {
    Yes,
    No,
}

/// The outcome of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trial {
    pub(super) end: TrialEnd,
    /// The files that it wrote, or why they cannot go into a vault.
    pub(super) staged: Result<Vec<Effect>, String>,
    /// Its log.
    pub(super) logs: Vec<LogLine>,
    /// What it printed to its error stream. Only inserted code can.
    pub(super) stderr: Vec<u8>,
    /// A checksum over its calls for files.
    pub(super) calls: u64,
}

/// What one run is given besides the component.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrialInput<'a> {
    /// The input, as JSON.
    pub(super) input: &'a str,
    pub(super) vault: &'a Path,
    pub(super) determinism: Determinism,
    /// What answers its requests.
    pub(super) exchanges: TrialExchanges<'a>,
}

/// Runs one component many times.
pub(super) struct TrialRunner<'a> {
    context: &'a GateContext<'a>,
    compiled: &'a CompiledComponent,
    capabilities: SkillCapabilities,
    limits: Limits,
    exchanges: ExchangeSource,
    /// A staging folder that an earlier run left empty. Most do, and making a folder takes longer than most runs.
    empty: RefCell<Option<TempDir>>,
}

impl<'a> TrialRunner<'a> {
    pub(super) fn new(context: &'a GateContext<'a>, compiled: &'a CompiledComponent, limits: Limits) -> Self {
        let capabilities = SkillCapabilities::of(&context.proposal.spec);
        Self::with_capabilities(context, compiled, capabilities, limits)
    }

    /// A runner for a component of another proposal, with the grants of that one.
    pub(super) fn with_capabilities(
        context: &'a GateContext<'a>,
        compiled: &'a CompiledComponent,
        capabilities: SkillCapabilities,
        limits: Limits,
    ) -> Self {
        let exchanges = ExchangeSource::new(&context.proposal.spec, &capabilities.hosts, &context.draw);
        Self { context, compiled, capabilities, limits, exchanges, empty: RefCell::default() }
    }

    /// Runs the component once, in a new instance, as a run outside of a verification does.
    pub(super) fn run(&self, given: &TrialInput<'_>) -> Result<Trial, VerifyError> {
        self.start(given, None)
    }

    /// Runs an instrumented component once. Its inserted code reads `environment`.
    pub(super) fn run_instrumented(
        &self,
        given: &TrialInput<'_>,
        environment: &[(String, String)],
    ) -> Result<Trial, VerifyError> {
        self.start(given, Some(environment))
    }

    fn start(&self, given: &TrialInput<'_>, instrumented: Option<&[(String, String)]>) -> Result<Trial, VerifyError> {
        let TrialInput { input, vault, determinism, exchanges } = *given;
        let http = self.exchanges.port(exchanges, input);
        let out = match self.empty.take() {
            Some(out) => out,
            None => tempfile::tempdir_in(self.context.scratch).map_err(VerifyError::Folder)?,
        };
        let staging = FolderHandle::open(out.path()).map_err(VerifyError::Folder)?;
        let vault = self.capabilities.reads_vault().then(|| FolderHandle::open(vault)).transpose();
        let vault = vault.map_err(VerifyError::Folder)?;
        let request = GuestRequest {
            input,
            capabilities: &self.capabilities,
            vault: vault.as_ref(),
            // A verification never reads the person's own folders. Linked ones are outside of what
            // a check may see.
            linked: &[],
            out: self.capabilities.writes_files().then_some(&staging),
            http: http.as_ref(),
            determinism,
            limits: &self.limits,
            watch: self.context.watch,
        };
        let ran = match instrumented {
            None => self.compiled.run(&request),
            Some(environment) => self.compiled.run_instrumented(environment, &request),
        };
        let (end, observed) = match ran {
            Ok(outcome) => match outcome.result {
                Ok(output) => (TrialEnd::Output(output), outcome.observed),
                Err(error) => (TrialEnd::Refused(error), outcome.observed),
            },
            // A person stopped the verification. That says nothing about the skill.
            Err(RunFailure { error: RunError::Stopped(stopped), .. }) => return Err(stopped.into()),
            Err(failure) => {
                let timeout = matches!(failure.error, RunError::Timeout { .. });
                let timed_out = if timeout { TimedOut::Yes } else { TimedOut::No };
                (TrialEnd::Stopped { why: failure.to_string(), timed_out }, *failure.observed)
            }
        };
        // Also after a failure: what a failed run wrote is checked, although it would not be
        // committed.
        let staged = collect_output::collect(&staging, &self.limits).map_err(|error| error.to_string());
        // Only a folder without anything in it is used again: the next run must not find what this
        // one wrote.
        if staging.is_empty().map_err(VerifyError::Folder)? {
            self.empty.replace(Some(out));
        }
        Ok(Trial { end, staged, logs: observed.logs, stderr: observed.stderr, calls: observed.calls })
    }
}

/// A rule of every trial that was broken.
#[derive(Debug)]
pub(super) struct RuleViolation {
    /// The last part of the finding's rule.
    pub(super) rule: &'static str,
    pub(super) message: String,
}

impl RuleViolation {
    fn found(rule: &'static str, message: impl Into<String>) -> Option<Self> {
        Some(Self { rule, message: message.into() })
    }
}

/// Checks the rules that hold for every trial, whatever its input.
pub(super) fn violation(spec: &SkillSpec, trial: &Trial) -> Option<RuleViolation> {
    // Files before the end: a run that wrote outside of its folders has done so, however it ended.
    let staged = match &trial.staged {
        Ok(staged) => staged,
        Err(error) => return RuleViolation::found("path", error.clone()),
    };
    if let Some(effect) = staged.iter().find(|effect| !spec.may_write(&effect.path)) {
        return RuleViolation::found("path", format!("it wrote `{}`, outside the folders of its spec", effect.path));
    }
    if let Some(path) = spec.first_removed(staged) {
        return RuleViolation::found("path", format!("it removed `{path}`, and its spec does not say `removes_files`"));
    }
    match &trial.end {
        TrialEnd::Stopped { why, timed_out: TimedOut::No } => RuleViolation::found("trap", why.clone()),
        TrialEnd::Stopped { why, timed_out: TimedOut::Yes } => RuleViolation::found("time", why.clone()),
        TrialEnd::Refused(error) if !staged.is_empty() => {
            let message = format!("it wrote {} files and then failed: {}", staged.len(), error.message);
            RuleViolation::found("write-then-fail", message)
        }
        TrialEnd::Refused(_) => None,
        TrialEnd::Output(text) => {
            let value = match json::parse(text.as_bytes(), JsonLimits::default()) {
                Ok(value) => value,
                Err(error) => return RuleViolation::found("output", format!("the output is not JSON: {error}")),
            };
            let mismatch = spec.io.check_output(&value).err()?;
            RuleViolation::found("output", format!("the output does not match the output schema: {mismatch}"))
        }
    }
}

/// The rule that a second trial of the same input broke, after a first one that kept all rules. A second trial that is stopped
/// breaks one whatever stopped it: nothing but the guest itself can have made it slower or greedier than the first.
pub(super) fn repeat_violation(spec: &SkillSpec, first: &Trial, second: &Trial) -> Option<RuleViolation> {
    // Also a timeout counts here. The first run of the same input kept the limit on the same
    // machine.
    if matches!(second.end, TrialEnd::Stopped { .. }) {
        return violation(spec, second);
    }
    if !same_end(&first.end, &second.end) {
        return RuleViolation::found("repeat", "the same input gave another outcome in a second instance");
    }
    if first.staged == second.staged {
        None
    } else {
        RuleViolation::found("repeat", "the same input wrote other files in a second instance")
    }
}

/// Whether two trials ended alike. Outputs are compared as JSON values, so that `2` and `2.0` are
/// the same.
fn same_end(first: &TrialEnd, second: &TrialEnd) -> bool {
    match (first, second) {
        (TrialEnd::Output(first), TrialEnd::Output(second)) => {
            let value = |text: &str| json::parse(text.as_bytes(), JsonLimits::default());
            first == second
                || matches!((value(first), value(second)), (Ok(first), Ok(second)) if json::same(&first, &second))
        }
        (first, second) => first == second,
    }
}

/// Writes files into a new vault.
pub(super) fn seed(vault: &Path, files: &BTreeMap<VaultPath, impl AsRef<[u8]>>) -> std::io::Result<()> {
    for (path, contents) in files {
        let path = vault.join(path.as_str());
        uninterrupted(|| fs::create_dir_all(path.parent().unwrap_or(vault)))?;
        fs::write(path, contents)?;
    }
    Ok(())
}

/// A vault with these files.
pub(super) fn vault(
    context: &GateContext<'_>,
    files: &BTreeMap<VaultPath, impl AsRef<[u8]>>,
) -> Result<Arc<TempDir>, VerifyError> {
    let vault = tempfile::tempdir_in(context.scratch).map_err(VerifyError::Folder)?;
    seed(vault.path(), files).map_err(VerifyError::Folder)?;
    Ok(Arc::new(vault))
}

/// The files of a vault that [`seed`] filled.
pub(super) fn files_of(vault: &Path) -> std::io::Result<BTreeMap<VaultPath, Vec<u8>>> {
    let (mut files, mut folders) = (BTreeMap::new(), vec![vault.to_path_buf()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let below = path.strip_prefix(vault).ok().and_then(Path::to_str);
            if let Some(Ok(name)) = below.map(VaultPath::parse) {
                files.insert(name, fs::read(path)?);
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::schema::IoSchema;
    use serde_json::json;

    fn spec() -> Result<SkillSpec, Box<dyn std::error::Error>> {
        let io = IoSchema::from_value(&json!({ "input": { "text": "str" }, "output": { "text": "str" } }))?;
        Ok(serde_json::from_value(json!({
            "v": 1, "name": "tried", "description": "x", "side_effect_class": "READ_ONLY", "paths": [],
            "required_secrets": [], "examples": [], "io": io,
        }))?)
    }

    #[test]
    fn a_second_trial_that_is_stopped_breaks_a_rule_whatever_stopped_it() -> Result<(), Box<dyn std::error::Error>> {
        let ended = |end| Trial { end, staged: Ok(Vec::new()), logs: Vec::new(), stderr: Vec::new(), calls: 0 };
        let first = ended(TrialEnd::Output("{\"text\":\"a\"}".to_owned()));
        for (timed_out, rule) in [(TimedOut::No, "trap"), (TimedOut::Yes, "time")] {
            let second = ended(TrialEnd::Stopped { why: "it".to_owned(), timed_out });
            let broken = repeat_violation(&spec()?, &first, &second).map(|broken| broken.rule);
            assert_eq!(broken, Some(rule));
        }
        assert!(repeat_violation(&spec()?, &first, &first.clone()).is_none());
        let other = ended(TrialEnd::Output("{\"text\":\"b\"}".to_owned()));
        assert_eq!(repeat_violation(&spec()?, &first, &other).map(|broken| broken.rule), Some("repeat"));
        Ok(())
    }
}
