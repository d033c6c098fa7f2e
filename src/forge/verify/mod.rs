//! Verify: every gate over one snapshot and the component that it compiles to.
//!
//! Guarantees: all gates run and report, not only up to the first failure; sources are read from the snapshot's
//! digest, not from a workspace; the component whose examples ran is the one whose digest is recorded; a gate that
//! could not do its work is an error or a failure, never a pass.
//!
//! Deliberately never: runs anything of the snapshot outside wasm, believes a summary that a guest printed, or
//! promotes.

mod examples;
mod invariants;
mod policy;
mod report;
mod test;

use std::path::{Path, PathBuf};

use super::compile::{Bench, CompileError, Compiled, Product};
use super::toolchain::Toolchain;
use super::{Forge, snapshots};
use crate::artifacts::{ArtifactError, Kind};
use crate::cage::{Applied, Cage, Confinement};
use crate::ledger::{Build, GateRow, LedgerError, Proposal, Verification};
use crate::model::{
    artifact::ArtifactKind,
    digest::Digest,
    finding::Finding,
    id::VerificationId,
    lifecycle::{BuildStatus, Verdict},
    limits::Limits,
    snapshot::Snapshot,
    time::Clock,
};
use crate::runtime::{Runtime, RuntimeError};

/// Why a verification gave no verdict. Nothing is recorded then.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is nothing to verify.
    #[error("proposal {id} is {status}: only BUILT or VERIFIED proposals can be verified")]
    NotBuilt {
        /// Which.
        id: String,
        /// Where it stands.
        status: String,
    },
    /// A stored file.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A tool could not be run.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The runtime could not be set up.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// A folder for a test's vault could not be made.
    #[error("a folder for a run could not be made: {0}")]
    Folder(std::io::Error),
    /// The source scan could not be run.
    #[error("the source scan could not be run: {0}")]
    Scan(String),
}

/// Performs the source scan when this process was started as one: sources from `input`, findings to `output`.
///
/// `args` are the process's arguments, the program's name included. `None` means that this is no child.
pub fn child_entry(
    args: impl IntoIterator<Item = std::ffi::OsString>,
    input: impl std::io::Read,
    output: impl std::io::Write,
) -> Option<std::process::ExitCode> {
    (args.into_iter().nth(1)? == policy::VERB).then(|| policy::child(input, output))
}

/// The gates, in the order they are shown.
pub const GATES: [&str; 6] = ["format", "lint", "compile", "test", "policy", "invariants"];

/// What a gate found and how long it took.
#[derive(Debug)]
struct Gate {
    name: &'static str,
    verdict: Verdict,
    findings: Vec<Finding>,
    millis: u64,
}

impl Gate {
    /// Runs a gate and takes its time.
    fn run(
        clock: &dyn Clock,
        name: &'static str,
        work: impl FnOnce() -> Result<Vec<Finding>, VerifyError>,
    ) -> Result<Self, VerifyError> {
        let start = clock.now();
        let findings = work()?;
        let verdict = if findings.is_empty() { Verdict::Passed } else { Verdict::Failed };
        let millis = u64::try_from(clock.now().as_millis() - start.as_millis()).unwrap_or(0);
        Ok(Self { name, verdict, findings, millis })
    }

    fn skipped(name: &'static str, why: &str) -> Self {
        let findings = vec![Finding::new(format!("{name}/skipped"), why)];
        Self { name, verdict: Verdict::Skipped, findings, millis: 0 }
    }
}

/// What every gate looks at.
struct Subject<'a> {
    /// Not the whole forge: gates run in several threads, and none of them has business with the ledger.
    cage: &'a Cage,
    clock: &'a dyn Clock,
    proposal: &'a Proposal,
    snapshot: &'a Snapshot,
    limits: &'a Limits,
    runtime: &'a Runtime,
    /// For vaults and staging of runs.
    scratch: &'a Path,
}

/// A finished verification and where its report lies.
#[derive(Debug)]
pub struct Verified {
    /// As the ledger has it.
    pub verification: Verification,
    /// The report.
    pub report: PathBuf,
}

/// Verifies the newest build of a proposal and records the outcome.
///
/// # Errors
/// [`VerifyError`] when there is nothing to verify or a gate could not do its work.
pub fn run(
    forge: &Forge<'_>,
    proposal: &Proposal,
    toolchain: &Toolchain,
    limits: &Limits,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Verified, VerifyError> {
    let (build, digest) = buildable(forge, proposal)?;
    let checked =
        on_bench(forge, proposal, digest, (toolchain, limits), |subject, bench| check(subject, bench, progress))?;
    record(forge, proposal, &build, digest, toolchain, checked)
}

/// Lays the sources of one snapshot out, with what the gates need beside them, for as long as `work` takes.
fn on_bench<T>(
    forge: &Forge<'_>,
    proposal: &Proposal,
    digest: Digest,
    (toolchain, limits): (&Toolchain, &Limits),
    work: impl FnOnce(&Subject<'_>, &Bench<'_>) -> Result<T, VerifyError>,
) -> Result<T, VerifyError> {
    let snapshot = snapshots::load(forge.store, digest)?;
    let scratch_root = forge.layout.state().join("scratch");
    let bench = Bench::new(forge.cage, toolchain, &proposal.spec.name, &snapshot, &scratch_root)?;
    let scratch = tempfile::Builder::new().prefix("runs-").tempdir_in(&scratch_root).map_err(VerifyError::Folder)?;
    let runtime = Runtime::new(limits)?;
    let subject = Subject {
        cage: forge.cage,
        clock: forge.clock,
        proposal,
        snapshot: &snapshot,
        limits,
        runtime: &runtime,
        scratch: scratch.path(),
    };
    work(&subject, &bench)
}

fn buildable(forge: &Forge<'_>, proposal: &Proposal) -> Result<(Build, Digest), VerifyError> {
    let not_built = || VerifyError::NotBuilt { id: proposal.id.short(), status: proposal.status.to_string() };
    if !proposal.status.is_verifiable() {
        return Err(not_built());
    }
    let build = forge.ledger.builds_of(proposal.id)?.pop().filter(|build| build.status == BuildStatus::Succeeded);
    let build = build.ok_or_else(not_built)?;
    let digest = build.snapshot_sha256.ok_or_else(not_built)?;
    Ok((build, digest))
}

/// What came of the gates.
struct Checked {
    gates: Vec<Gate>,
    component: Option<Vec<u8>>,
    confinement: String,
}

/// Runs all gates: first the scan, then the two compilations and what hangs on each in two threads.
fn check(subject: &Subject<'_>, bench: &Bench<'_>, progress: &(dyn Fn(&str) + Sync)) -> Result<Checked, VerifyError> {
    progress("policy");
    let policy = Gate::run(subject.clock, "policy", || policy::check(subject))?;
    if policy.verdict != Verdict::Passed && subject.cage.confinement() == Confinement::Unconfined {
        return Ok(not_compiled(policy));
    }
    let (release, tests) = std::thread::scope(|scope| {
        let release = scope.spawn(|| release_side(subject, bench, progress));
        let tests = test_side(subject, bench, progress);
        (release.join(), tests)
    });
    let release = release.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    let (mut gates, compiled) = release?;
    gates.extend(tests?);
    gates.push(policy);
    gates.sort_by_key(|gate| GATES.iter().position(|name| *name == gate.name));
    let confinement = compiled.confinement.to_string();
    Ok(Checked { gates, component: compiled.component, confinement })
}

/// Without a cage, a compiler would read any file that a source names into its messages. What the scan refused is not
/// given to it then.
fn not_compiled(policy: Gate) -> Checked {
    let why = "not run: there is no cage, and the policy gate refused these sources";
    let others = GATES.into_iter().filter(|name| *name != policy.name).map(|name| Gate::skipped(name, why));
    let mut gates: Vec<Gate> = others.collect();
    gates.push(policy);
    gates.sort_by_key(|gate| GATES.iter().position(|name| *name == gate.name));
    Checked { gates, component: None, confinement: Applied::Unconfined.to_string() }
}

/// compile and invariants.
fn release_side(
    subject: &Subject<'_>,
    bench: &Bench<'_>,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<(Vec<Gate>, Compiled), VerifyError> {
    progress("compile");
    let mut compiled = None;
    let compile = Gate::run(subject.clock, "compile", || {
        let made = bench.compile(Product::Release)?;
        let findings = made.findings.clone();
        compiled = Some(made);
        Ok(findings)
    })?;
    let compiled = compiled.ok_or_else(|| VerifyError::Scan("the compiler was not run".to_owned()))?;
    progress("invariants");
    let invariants = match &compiled.component {
        Some(component) => Gate::run(subject.clock, "invariants", || invariants::check(subject, component))?,
        None => Gate::skipped("invariants", "there is no component to look at: the sources do not compile"),
    };
    Ok((vec![compile, invariants], compiled))
}

/// format, lint and test.
fn test_side(
    subject: &Subject<'_>,
    bench: &Bench<'_>,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Vec<Gate>, VerifyError> {
    progress("format");
    let format = Gate::run(subject.clock, "format", || Ok(bench.format()?))?;
    progress("lint");
    let lint = Gate::run(subject.clock, "lint", || Ok(bench.lint()?))?;
    progress("test");
    let test = Gate::run(subject.clock, "test", || test::check(subject, bench))?;
    Ok(vec![format, lint, test])
}

fn record(
    forge: &Forge<'_>,
    proposal: &Proposal,
    build: &Build,
    snapshot: Digest,
    toolchain: &Toolchain,
    checked: Checked,
) -> Result<Verified, VerifyError> {
    let id = VerificationId::new(forge.ids);
    let passed = checked.gates.iter().all(|gate| gate.verdict == Verdict::Passed);
    // A component goes to the store only when it may be promoted; its digest is known in either case.
    let component_sha256 = match &checked.component {
        Some(bytes) if passed => Some(forge.store.put(Kind::Component, bytes)?),
        Some(bytes) => Some(Digest::of(bytes)),
        None => None,
    };
    let gates = checked.gates.into_iter().map(|gate| GateRow {
        gate: gate.name.to_owned(),
        status: gate.verdict,
        findings: gate.findings,
        duration_ms: gate.millis,
    });
    let mut verification = Verification {
        id,
        proposal_id: proposal.id,
        build_id: build.id,
        status: if passed { Verdict::Passed } else { Verdict::Failed },
        snapshot_sha256: snapshot,
        component_sha256,
        toolchain: toolchain.version.clone(),
        sdk_sha256: toolchain.kit_sha256,
        confinement: checked.confinement,
        report_path: String::new(),
        created_at: forge.clock.now(),
        gates: gates.collect(),
    };
    let text = report::render(proposal, build, &verification);
    let path = Path::new(proposal.spec.name.as_str())
        .join(proposal.id.to_string())
        .join(format!("VERIFICATION_REPORT-{}.md", id));
    let artifact = forge.write_artifact(ArtifactKind::VerificationReport, &path, text.as_bytes(), id.to_string())?;
    verification.report_path = artifact.path.clone();
    forge.ledger.insert_verification(&verification, &artifact)?;
    let report = forge.layout.root.join(&artifact.path);
    Ok(Verified { verification, report })
}

/// The invariants gate alone, on a component compiled afresh from the newest build. Records nothing.
///
/// # Errors
/// [`VerifyError`] when there is nothing to check or a tool could not be run.
pub fn check_invariants(
    forge: &Forge<'_>,
    proposal: &Proposal,
    toolchain: &Toolchain,
    limits: &Limits,
) -> Result<Vec<Finding>, VerifyError> {
    let digest = match proposal.trust {
        Some(trust) => trust.snapshot_sha256,
        None => buildable(forge, proposal)?.1,
    };
    on_bench(forge, proposal, digest, (toolchain, limits), |subject, bench| {
        if subject.cage.confinement() == Confinement::Unconfined {
            let refused = policy::check(subject)?;
            if !refused.is_empty() {
                return Ok(refused);
            }
        }
        fresh_invariants(subject, bench)
    })
}

fn fresh_invariants(subject: &Subject<'_>, bench: &Bench<'_>) -> Result<Vec<Finding>, VerifyError> {
    let compiled = bench.compile(Product::Release)?;
    match (&compiled.component, subject.proposal.trust) {
        (None, _) => Ok(compiled.findings),
        (Some(component), Some(trust)) if Digest::of(component) != trust.component_sha256 => {
            let message = "compiled afresh, the sources do not give the promoted bytes (another toolchain?)";
            let mut findings = vec![Finding::new("invariants/reproducible", message)];
            findings.extend(invariants::check(subject, component)?);
            Ok(findings)
        }
        (Some(component), _) => invariants::check(subject, component),
    }
}
