//! Verify: every gate over one snapshot and the component that it compiles to.
//!
//! Guarantees: all gates run and report, not only up to the first failure; sources are read from the snapshot's
//! digest, not from a workspace; the component whose examples ran is the one whose digest is recorded; a gate that
//! could not do its work is an error or a failure, never a pass; a result of before stands only for the very same inputs.
//!
//! Deliberately never: runs anything of the snapshot outside wasm, believes a summary that a guest printed, or
//! promotes.
//!
//! `docs/GATES.md` says of each gate what it checks, within which limits.

mod conformance;
mod examples;
mod gate;
mod harness;
mod invariants;
mod lanes;
mod limits;
mod mutation;
mod plan;
mod policy;
mod programs;
mod replay;
mod report;
mod reuse;
mod runs;
mod test;
mod vectors;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::compile::{Bench, CompileError, Product};
use super::toolchain::Toolchain;
use super::{Forge, snapshots};
use crate::artifacts::{ArtifactError, StoredKind};
use crate::cage::Cage;
use crate::ledger::{Build, LedgerError, Proposal, Verification};
use crate::model::{
    artifact::ArtifactKind,
    digest::Digest,
    finding::Finding,
    id::VerificationId,
    lifecycle::{BuildStatus, Verdict},
    limits::Limits,
    snapshot::Snapshot,
    switch::{Halt, Stopped, Watch},
    time::Clock,
};
use crate::runtime::{Runtime, RuntimeError};

use gate::Gate;
pub use gate::{ASKS, GATES, VERSIONS};
pub use replay::SUMMARY as REPLAYED;
pub use reuse::Reuse;

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
    /// Nothing may run in this workspace.
    #[error(transparent)]
    Stopped(#[from] Stopped),
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
    /// The executable on disk is not this process's any more.
    #[error("the compiler's process is of another kavi than this one: was it replaced on disk just now?")]
    Replaced,
    /// A folder for a test's vault could not be made.
    #[error("a folder for a run could not be made: {0}")]
    Folder(std::io::Error),
    /// The source scan could not be run.
    #[error("the source scan could not be run: {0}")]
    Scan(String),
}

impl From<Halt> for VerifyError {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Stopped(stopped) => Self::Stopped(stopped),
            Halt::Revoked(revoked) => Self::Scan(revoked.to_string()),
            Halt::Cancelled(cancelled) => Self::Scan(cancelled.to_string()),
        }
    }
}

/// Performs the work of a child when this process was started as one: what it is given from `input`, its answer to `output`.
///
/// `args` are the process's arguments, the program's name included. `None` means that this is no child.
pub fn child_entry(
    args: impl IntoIterator<Item = std::ffi::OsString>,
    input: impl std::io::Read,
    output: impl std::io::Write,
) -> Option<std::process::ExitCode> {
    match args.into_iter().nth(1)?.to_str()? {
        policy::VERB => Some(policy::child(input, output)),
        _ => None,
    }
}

/// What every gate looks at.
struct Subject<'a> {
    /// Not the whole forge: gates run in several threads, and none of them has business with the ledger.
    cage: &'a Cage,
    clock: &'a dyn Clock,
    toolchain: &'a Toolchain,
    proposal: &'a Proposal,
    snapshot: &'a Snapshot,
    limits: &'a Limits,
    runtime: &'a Runtime,
    /// Whether the work may go on.
    watch: &'a dyn Watch,
    /// For sources, vaults and staging folders.
    scratch: &'a Path,
}

impl Subject<'_> {
    /// Ends a verification that may not go on: what guests that were stopped would have shown is not known.
    fn go_on(&self) -> Result<(), VerifyError> {
        self.watch.look().map_err(VerifyError::from)
    }

    /// A place to compile these sources in.
    fn bench(&self, sources: &Snapshot) -> Result<Bench<'_>, VerifyError> {
        Ok(Bench::new(self.cage, self.toolchain, &self.proposal.spec.name, sources, self.scratch)?)
    }

    /// Another place for the same sources, deeper down.
    fn bench_elsewhere(&self) -> Result<Bench<'_>, VerifyError> {
        let place = self.scratch.join("elsewhere/and/longer");
        Ok(Bench::new(self.cage, self.toolchain, &self.proposal.spec.name, self.snapshot, &place)?)
    }
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
    reuse: Reuse,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Verified, VerifyError> {
    let (build, digest) = buildable(forge, proposal)?;
    on_subject(forge, proposal, digest, (toolchain, limits), |subject| {
        let earlier = replay::find(forge, subject)?;
        let keys = reuse::keys(subject, earlier.as_ref());
        let before = reuse::find(forge, &keys, reuse)?;
        let todo: Vec<&'static str> = GATES.into_iter().filter(|name| !before.has(name)).collect();
        let checked = lanes::run((subject, earlier.as_ref()), &todo, before.verdict(), progress)?;
        subject.go_on()?;
        let outcome = Outcome {
            confinement: before.confinement.or(checked.confinement).unwrap_or_default(),
            component_sha256: checked.component.as_deref().map(Digest::of).or(before.component_sha256),
            component: checked.component,
            gates: in_order(before.gates, checked.gates),
        };
        record(forge, subject, &build, &keys, outcome)
    })
}

fn in_order(before: Vec<Gate>, now: Vec<Gate>) -> Vec<Gate> {
    let mut gates = before;
    gates.extend(now);
    gates.sort_by_key(|gate| GATES.iter().position(|name| *name == gate.name));
    gates
}

/// Puts together what gates look at, for as long as `work` takes: one snapshot, and a folder that goes away with it.
fn on_subject<T>(
    forge: &Forge<'_>,
    proposal: &Proposal,
    digest: Digest,
    (toolchain, limits): (&Toolchain, &Limits),
    work: impl FnOnce(&Subject<'_>) -> Result<T, VerifyError>,
) -> Result<T, VerifyError> {
    let authorization = forge.ledger.authorize()?;
    let watch = forge.ledger.watch(authorization);
    let snapshot = snapshots::load(forge.store, digest)?;
    // Others may read the folder: what runs in the cage may be somebody else.
    let root = forge.layout.state().join("scratch");
    std::fs::create_dir_all(&root).map_err(VerifyError::Folder)?;
    sweep(&root);
    let scratch = tempfile::Builder::new().prefix("verify-").tempdir_in(&root).map_err(VerifyError::Folder)?;
    let runtime = Runtime::new(limits)?;
    work(&Subject {
        cage: forge.cage,
        clock: forge.clock,
        toolchain,
        proposal,
        snapshot: &snapshot,
        limits,
        runtime: &runtime,
        watch: &watch,
        scratch: scratch.path(),
    })
}

/// How long a folder of a verification that was killed stays: far longer than one takes.
const LEFT_BEHIND: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// Removes what verifications left behind that were killed. One that cannot be removed is in nobody's way.
fn sweep(root: &Path) {
    let folders = std::fs::read_dir(root).into_iter().flatten().flatten();
    let old = |entry: &std::fs::DirEntry| {
        let changed = entry.metadata().and_then(|meta| meta.modified());
        changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|age| age > LEFT_BEHIND))
    };
    for entry in folders.filter(old) {
        let _ = std::fs::remove_dir_all(entry.path());
    }
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

/// What came of all gates, whether they were run or not.
struct Outcome {
    gates: Vec<Gate>,
    component: Option<Vec<u8>>,
    component_sha256: Option<Digest>,
    confinement: String,
}

fn record(
    forge: &Forge<'_>,
    subject: &Subject<'_>,
    build: &Build,
    keys: &BTreeMap<&'static str, Digest>,
    outcome: Outcome,
) -> Result<Verified, VerifyError> {
    let (proposal, toolchain) = (subject.proposal, subject.toolchain);
    let id = VerificationId::new(forge.ids);
    // Every gate by name: one that is not there has not passed.
    let passes = |name: &&str| outcome.gates.iter().any(|gate| gate.name == *name && gate.verdict == Verdict::Passed);
    let passed = GATES.iter().all(passes);
    // A component goes to the store only when it may be promoted; its digest is known in either case.
    if let Some(bytes) = outcome.component.as_deref().filter(|_| passed) {
        forge.store.put(StoredKind::Component, bytes)?;
    }
    let gates = outcome.gates.into_iter().filter_map(|gate| {
        let key = *keys.get(gate.name)?;
        Some(gate.into_row(key))
    });
    let mut verification = Verification {
        id,
        proposal_id: proposal.id,
        build_id: build.id,
        status: if passed { Verdict::Passed } else { Verdict::Failed },
        snapshot_sha256: subject.snapshot.digest(),
        component_sha256: outcome.component_sha256,
        toolchain: toolchain.version.clone(),
        sdk_sha256: toolchain.kit_sha256,
        confinement: outcome.confinement,
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

/// The invariants and the examples, on a component compiled afresh from the newest build. Records nothing.
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
    on_subject(forge, proposal, digest, (toolchain, limits), |subject| {
        if let Some(refused) = lanes::refused_uncaged(subject)? {
            return Ok(refused);
        }
        let compiled = subject.bench(subject.snapshot)?.compile(Product::Release)?;
        let Some(component) = &compiled.component else { return Ok(compiled.findings) };
        let mut findings = Vec::new();
        if proposal.trust.is_some_and(|trust| Digest::of(component) != trust.component_sha256) {
            let message = "compiled afresh, the sources do not give the promoted bytes (another toolchain?)";
            findings.push(Finding::new("invariants/reproducible", message));
        }
        let (found, code) = limits::check(subject, component)?;
        findings.extend(found);
        findings.extend(invariants::check(subject, component));
        if let Some(code) = code.filter(|_| findings.is_empty()) {
            let compiled = subject.runtime.load(&code)?;
            let none = plan::Hints::default();
            findings.extend(examples::check(subject, &compiled, || &none)?.findings);
        }
        Ok(findings)
    })
}
