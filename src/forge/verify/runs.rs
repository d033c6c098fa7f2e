//! One run of a component for a gate: a fresh instance, a staging folder of its own, and what came of it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::plan::SWITCH_ZERO_MS;
use super::{Subject, VerifyError};
use crate::model::{
    capabilities::SkillCapabilities,
    execution::{Determinism, Effect},
    json::{self, JsonLimits},
    limits::Limits,
    spec::SkillSpec,
    time::Timestamp,
    vault_path::VaultPath,
};
use crate::runtime::collect_output;
use crate::runtime::{CompiledComponent, GuestError, GuestRequest, RunError, RunFailure};

/// The clock and the seed of the runs of a verification: any, but always the same. What a changed program looks at is
/// in the clock.
pub(super) fn switched(number: u32) -> Determinism {
    Determinism { clock: at(SWITCH_ZERO_MS + i64::from(number) * 1_000), seed: [7; 32] }
}

/// Another clock and another seed: what an outcome must not depend on. A skill that may ask for the time has to see the
/// same one.
pub(super) fn elsewhere(spec: &SkillSpec) -> Determinism {
    let clock = if spec.reads_clock { at(SWITCH_ZERO_MS) } else { at(ELSEWHERE_MS) };
    Determinism { clock, seed: [211; 32] }
}

/// A time between 2001 and 2101, for a skill that asks for it: its outcome may be another one, and must keep its word.
pub(super) fn some_day(number: u64) -> Determinism {
    let seconds = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    let millis = i64::try_from(seconds % CENTURY_S).unwrap_or(0) * 1_000;
    Determinism { clock: at(FIRST_DAY_MS + millis), seed: [7; 32] }
}

/// 2027-02-05: nothing special.
const ELSEWHERE_MS: i64 = 1_801_785_600_000;
/// 2001-01-01, the first day that a skill can see.
const FIRST_DAY_MS: i64 = 978_307_200_000;
/// A hundred years, in seconds.
const CENTURY_S: u64 = 3_155_760_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis).unwrap_or_else(|_| unreachable!("a time of this century"))
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// With an output.
    Output(String),
    /// With an error of the skill's own.
    Refused(GuestError),
    /// A trap, a limit, an exit: in words, and whether time had a part in it.
    Stopped(String, Hurry),
}

/// Whether a run ended for want of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hurry {
    Yes,
    No,
}

/// What came of one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CheckedRun {
    pub(super) ended: Ended,
    /// What it staged, or why that cannot go into a vault.
    pub(super) staged: Result<Vec<Effect>, String>,
}

/// A component that is run many times.
pub(super) struct Runner<'a> {
    subject: &'a Subject<'a>,
    compiled: &'a CompiledComponent,
    capabilities: SkillCapabilities,
    limits: Limits,
    /// A staging folder that the run before left empty, as most do.
    empty: RefCell<Option<TempDir>>,
}

impl<'a> Runner<'a> {
    pub(super) fn new(subject: &'a Subject<'a>, compiled: &'a CompiledComponent, limits: Limits) -> Self {
        let capabilities = SkillCapabilities::of(&subject.proposal.spec);
        Self::with(subject, compiled, capabilities, limits)
    }

    /// The same for a component of another proposal.
    pub(super) fn with(
        subject: &'a Subject<'a>,
        compiled: &'a CompiledComponent,
        capabilities: SkillCapabilities,
        limits: Limits,
    ) -> Self {
        Self { subject, compiled, capabilities, limits, empty: RefCell::default() }
    }

    /// One instance, one staging folder, a vault that it can only read.
    pub(super) fn run(&self, input: &str, vault: &Path, determinism: Determinism) -> Result<CheckedRun, VerifyError> {
        let out = match self.empty.take() {
            Some(out) => out,
            None => tempfile::tempdir_in(self.subject.scratch).map_err(VerifyError::Folder)?,
        };
        let request = GuestRequest {
            input,
            capabilities: &self.capabilities,
            vault: self.capabilities.reads_vault().then_some(vault),
            out: self.capabilities.writes_files().then(|| out.path()),
            determinism,
            limits: &self.limits,
            watch: self.subject.watch,
        };
        let ended = match self.compiled.run(&request) {
            Ok(outcome) => match outcome.result {
                Ok(output) => Ended::Output(output),
                Err(error) => Ended::Refused(error),
            },
            Err(RunFailure { error: RunError::Stopped(stopped), .. }) => return Err(stopped.into()),
            Err(failure) => {
                let hurry = if matches!(failure.error, RunError::Timeout { .. }) { Hurry::Yes } else { Hurry::No };
                Ended::Stopped(failure.to_string(), hurry)
            }
        };
        let staged = collect_output::collect(out.path(), &self.limits).map_err(|error| error.to_string());
        if fs::read_dir(out.path()).map_err(VerifyError::Folder)?.next().is_none() {
            self.empty.replace(Some(out));
        }
        Ok(CheckedRun { ended, staged })
    }
}

/// A rule that is broken, and how.
pub(super) type Broken = (&'static str, String);

/// What holds of every run, whatever the input.
pub(super) fn broken(spec: &SkillSpec, ran: &CheckedRun) -> Option<Broken> {
    let staged = match &ran.staged {
        Ok(staged) => staged,
        Err(error) => return Some(("path", error.clone())),
    };
    if let Some(effect) = staged.iter().find(|effect| !spec.may_write(&effect.path)) {
        return Some(("path", format!("it wrote `{}`, outside the folders of its spec", effect.path)));
    }
    match &ran.ended {
        Ended::Stopped(why, Hurry::No) => Some(("trap", why.clone())),
        Ended::Stopped(why, Hurry::Yes) => Some(("time", why.clone())),
        Ended::Refused(error) if !staged.is_empty() => {
            Some(("write-then-fail", format!("it wrote {} files and then failed: {}", staged.len(), error.message)))
        }
        Ended::Refused(_) => None,
        Ended::Output(text) => {
            let value = match json::parse(text.as_bytes(), JsonLimits::default()) {
                Ok(value) => value,
                Err(error) => return Some(("output", format!("the output is not JSON: {error}"))),
            };
            let off = spec.io.check_output(&value).err()?;
            Some(("output", format!("the output is off its schema: {off}")))
        }
    }
}

/// Whether two runs of the same input were the same run.
pub(super) fn differ(first: &CheckedRun, second: &CheckedRun) -> Option<String> {
    // Where time ran out is where the machine was busy.
    if matches!((&first.ended, &second.ended), (Ended::Stopped(..), _) | (_, Ended::Stopped(..))) {
        return None;
    }
    if first.ended != second.ended {
        return Some("the same input gave another outcome in a second instance".to_owned());
    }
    (first.staged != second.staged).then(|| "the same input wrote other files in a second instance".to_owned())
}

/// Puts files into a fresh vault.
pub(super) fn seed(vault: &Path, files: &BTreeMap<VaultPath, String>) -> std::io::Result<()> {
    for (path, contents) in files {
        let path = vault.join(path.as_str());
        fs::create_dir_all(path.parent().unwrap_or(vault))?;
        fs::write(path, contents)?;
    }
    Ok(())
}
