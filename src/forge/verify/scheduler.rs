//! The scheduler of the gates: which of them run at the same time, and what waits for what.
//!
//! Two tracks have about the same length, so each gets a thread:
//!
//! | track | gates, in this order |
//! |---|---|
//! | release | compile → limits → invariants → examples → conformance → replay |
//! | tests | test, with the twin of the component |
//!
//! The policy gate comes before both, alone. Sources that it finds unsafe to compile reach no other tool.
//!
//! The test track waits for the component before it runs a test. Tasks that need neither (second build, lint) lie in a queue. A thread that has finished its track takes from it,
//! and so do further threads where the machine has more processors. The gates coverage and mutation run last, at the same time,
//! and only when all others passed.
//!
//! Guarantees: no thread waits for a value that is never set. The first error of any thread ends the verification.
//! Deliberately never: decides what a gate checks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::context::GateContext;
use super::coverage::{self, Evidence};
use super::error::VerifyError;
use super::gate::{GateOutcome, GateResult};
use super::mutation::{self, Programs};
use super::policy::{self, ScanOutput};
use super::replay::{self, Baseline};
use super::source_analysis::SourceAnalysis;
use super::test::{self, Tested};
use super::test_calls::TestedComponents;
use super::test_program::TestProgram;
use super::twin::Twin;
use super::{conformance, examples, invariants, limits};
use crate::cage::{AppliedConfinement, Confinement};
use crate::forge::compile::{CompileOutput, LintOutput, ProgramKind};
use crate::log_targets::STAGE;
use crate::model::{digest::Digest, finding::Finding, lifecycle::Verdict};
use crate::policy::scan::CompileSafety;
use crate::runtime::{CodeError, CompiledComponent};
use crate::sync::lock;

/// Most threads that run gates. More of them would only wait for the two tracks.
const MOST_THREADS: usize = 4;

/// The gates that run the tests. Their tests call the component.
const TESTED: [&str; 3] = ["test", "coverage", "mutation"];

/// Why the gates that run the component are skipped when there is none.
const NO_COMPONENT: &str = "the sources do not compile: there is no component";

/// What is to be run.
pub(super) struct Schedule<'a> {
    pub(super) context: &'a GateContext<'a>,
    /// The trusted revision and its recorded runs.
    pub(super) baseline: Option<&'a Baseline>,
    /// The gates that are to run.
    pub(super) due: &'a [&'static str],
    /// Whether every gate that does not run again has passed.
    pub(super) reused: Verdict,
}

/// The results of the gates that ran.
pub(super) struct ScheduledGates {
    pub(super) gates: Vec<GateResult>,
    /// The release component, if one was compiled.
    pub(super) component: Option<Vec<u8>>,
    /// The confinement of its compilation.
    pub(super) confinement: Option<String>,
}

/// A task that waits for nothing, or for little. The longest comes first, so that it is not the last to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SideTask {
    SecondBuild,
    Lint,
}

/// The release component after the compilation.
struct ReleaseBuild {
    component: Option<Vec<u8>>,
    confinement: String,
}

impl From<CompileOutput> for ReleaseBuild {
    fn from(output: CompileOutput) -> Self {
        Self { component: output.component, confinement: output.confinement.to_string() }
    }
}

/// The state that the threads share.
struct Scheduler<'a> {
    schedule: &'a Schedule<'a>,
    /// The span of the verification. Its gates run on other threads too.
    span: tracing::Span,
    context: &'a GateContext<'a>,
    /// How many gates have begun.
    begun: AtomicUsize,
    gates: Mutex<Vec<GateResult>>,
    side_tasks: Mutex<VecDeque<SideTask>>,
    /// `None` when there is none. It is set in every case, also on an error: the second build waits for it.
    release: OnceLock<Option<ReleaseBuild>>,
    /// The same, ready to run. `None` when there is none that may run. It is set in every case, also on an error: the tests
    /// wait for it.
    released: OnceLock<Option<Arc<CompiledComponent>>>,
    /// The source scan, or `None` when no gate is due.
    scan: Option<ScanOutput>,
    /// The instrumented test program, once the test gate has made it.
    tests: OnceLock<TestProgram<'a>>,
    /// The twin of the component, when its task has made one.
    twin: OnceLock<Arc<Twin>>,
    /// What the gates did that the coverage gate counts.
    evidence: Mutex<Evidence>,
}

/// Runs the gates that are due.
pub(super) fn run(schedule: &Schedule<'_>) -> Result<ScheduledGates, VerifyError> {
    let mut scheduler = Scheduler {
        schedule,
        span: tracing::Span::current(),
        context: schedule.context,
        begun: AtomicUsize::new(0),
        gates: Mutex::default(),
        side_tasks: Mutex::new([SideTask::SecondBuild, SideTask::Lint].into()),
        release: OnceLock::new(),
        released: OnceLock::new(),
        scan: None,
        tests: OnceLock::new(),
        twin: OnceLock::new(),
        evidence: Mutex::default(),
    };
    // First and alone: what the scan refuses must not reach a compiler.
    scheduler.scan = scheduler.policy()?;
    if let Some(why) = scheduler.scan.as_ref().and_then(|scan| refuses_compilation(schedule.context, scan)) {
        return Ok(scheduler.not_compiled(why));
    }
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(MOST_THREADS);
    std::thread::scope(|scope| {
        let release = scope.spawn(|| scheduler.release_track());
        // Two tracks run in any case: this thread and the release track. With two cores there is no
        // helper, and the tracks take the side tasks when they are done.
        let helpers: Vec<_> = (2..threads).map(|_| scope.spawn(|| scheduler.run_side_tasks())).collect();
        // The test track runs on this thread: it would otherwise only wait.
        let tests = scheduler.test_track();
        let joined = helpers.into_iter().chain([release]).map(|thread| thread.join());
        // A panic goes on in this thread, after all others have ended: they borrow the scheduler.
        let joined: Vec<_> = joined.map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect();
        joined.into_iter().chain([tests]).collect::<Result<(), VerifyError>>()
    })?;
    // After both tracks: coverage and mutation count what the other gates ran.
    scheduler.last_gates()?;
    let gates = scheduler.gates.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (component, confinement) = match scheduler.release.into_inner().flatten() {
        Some(release) => (release.component, Some(release.confinement)),
        None => (None, None),
    };
    Ok(ScheduledGates { gates, component, confinement })
}

/// The findings of the source scan, where they forbid to compile the sources.
pub(super) fn refused_sources(context: &GateContext<'_>) -> Result<Option<Vec<Finding>>, VerifyError> {
    let scan = policy::scan_source(context)?;
    Ok(refuses_compilation(context, &scan).map(|_| scan.findings))
}

/// Why no tool may read the sources, if so.
///
/// The compiler reads files that a source names and can copy them into its messages. The cage
/// limits what it can read, but a message with the mounts or the kernel's command line is already
/// too much. Without a cage any file would be readable, so there every finding counts.
fn refuses_compilation(context: &GateContext<'_>, scan: &ScanOutput) -> Option<&'static str> {
    let uncaged = context.cage.confinement() == Confinement::Unconfined;
    if uncaged && !scan.findings.is_empty() {
        return Some("not run: there is no cage, and the policy gate refused these sources");
    }
    let reason =
        "not run: the policy gate refused these sources, and compiling them could read or use what they must not";
    (scan.safety == CompileSafety::Unsafe).then_some(reason)
}

impl Scheduler<'_> {
    fn is_due(&self, gate: &str) -> bool {
        self.schedule.due.contains(&gate)
    }

    /// Runs a gate if it is due, and tells whether it passed. One that is not due has passed before.
    fn gate(
        &self,
        name: &'static str,
        work: impl FnOnce() -> Result<GateOutcome, VerifyError>,
    ) -> Result<Verdict, VerifyError> {
        if !self.is_due(name) {
            return Ok(Verdict::Passed);
        }
        // Before each gate, because a gate can take minutes and the jobs of some are too short to
        // be stopped in between.
        self.context.check_halted()?;
        let gate = self.run_gate(name, work)?;
        let verdict = gate.verdict;
        lock(&self.gates).push(gate);
        Ok(verdict)
    }

    /// Runs a gate in a span of its own.
    fn run_gate(
        &self,
        name: &'static str,
        work: impl FnOnce() -> Result<GateOutcome, VerifyError>,
    ) -> Result<GateResult, VerifyError> {
        let span = tracing::info_span!(parent: &self.span, "gate", gate = name, verdict = tracing::field::Empty);
        let _entered = span.enter();
        let begun = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        tracing::info!(target: STAGE, "{begun}/{} {name}", self.schedule.due.len());
        let gate = GateResult::run(self.context.clock, name, work)?;
        span.record("verdict", gate.verdict.as_str());
        Ok(gate)
    }

    fn skip(&self, names: &[&'static str], why: &str) {
        let skipped = names.iter().filter(|name| self.is_due(name)).map(|name| GateResult::skipped(name, why));
        lock(&self.gates).extend(skipped);
    }

    /// compile → limits → invariants → examples → conformance → replay.
    fn release_track(&self) -> Result<(), VerifyError> {
        let done = self.release_gates();
        // Set before an error is returned: the tests may already wait for it.
        let _ = self.released.set(None);
        done.and_then(|()| self.run_side_tasks())
    }

    fn release_gates(&self) -> Result<(), VerifyError> {
        const ALL: [&str; 7] = ["compile", "reproducible", "limits", "invariants", "examples", "conformance", "replay"];
        if !ALL.iter().chain(&TESTED).any(|gate| self.is_due(gate)) {
            let _ = self.release.set(None);
            return Ok(());
        }
        // Set before an error is returned: the second build may already wait for it.
        let (release, failed) = match self.compile() {
            Ok(release) => (Some(release), None),
            Err(error) => (None, Some(error)),
        };
        let release = self.release.get_or_init(|| release);
        if let Some(error) = failed {
            return Err(error);
        }
        match release.as_ref().and_then(|release| release.component.as_deref()) {
            Some(component) => self.check_component(component)?,
            None => self.skip(&["limits", "invariants", "examples", "conformance", "replay"], NO_COMPONENT),
        }
        Ok(())
    }

    fn compile(&self) -> Result<ReleaseBuild, VerifyError> {
        let mut output = None;
        self.gate("compile", || {
            let compiled = self.context.sandbox(self.context.snapshot)?.compile(ProgramKind::Release)?;
            let findings = compiled.findings.clone();
            output = Some(compiled);
            Ok(findings.into())
        })?;
        // The result of the gate may be reused, and the component still be needed.
        match output {
            Some(output) => Ok(output.into()),
            None => Ok(self.context.sandbox(self.context.snapshot)?.compile(ProgramKind::Release)?.into()),
        }
    }

    fn check_component(&self, component: &[u8]) -> Result<(), VerifyError> {
        const RUNS: [&str; 3] = ["examples", "conformance", "replay"];
        let mut code = None;
        let within_limits = self.gate("limits", || {
            let cost = limits::check(self.context, component)?;
            code = cost.code;
            Ok(cost.findings.into())
        })?;
        let sound = self.gate("invariants", || Ok(invariants::check(self.context, component).into()))?;
        if !RUNS.iter().chain(&TESTED).any(|gate| self.is_due(gate)) {
            return Ok(());
        }
        if within_limits != Verdict::Passed || sound != Verdict::Passed {
            self.skip(&RUNS, "the component must not be run: see the gates limits and invariants");
            return Ok(());
        }
        // The machine code of the limits gate is what runs. If the result of that gate was reused, it is compiled now.
        let code = code.map_or_else(|| limits::compile(self.context, component), Ok);
        let loaded = code.and_then(|code| self.context.runtime.load(&code).map_err(CodeError::Component));
        let compiled = match loaded {
            Ok(compiled) => Arc::new(compiled),
            Err(error) => {
                let why = limits::finding(error)?.message;
                for name in RUNS {
                    self.gate(name, || Ok(vec![Finding::new(format!("{name}/component"), why.clone())].into()))?;
                }
                return Ok(());
            }
        };
        let _ = self.released.set(Some(Arc::clone(&compiled)));
        // Without an analysis of the source the inputs come from the schema alone.
        let none = SourceAnalysis::default();
        let hints = || {
            let scan = self.scan.as_ref();
            &scan.and_then(|scan| scan.analysis.as_ref().ok()).unwrap_or(&none).hints
        };
        let mut trials = Vec::new();
        self.gate("examples", || examples::check(self.context, &compiled, hints, &mut trials))?;
        self.gate("conformance", || conformance::check(self.context, &compiled, hints(), &mut trials))?;
        lock(&self.evidence).trials.append(&mut trials);
        self.gate("replay", || replay::check(self.context, &compiled, self.schedule.baseline))?;
        Ok(())
    }

    /// Scans the sources, and records the gate if it is due. Every other gate depends on the scan.
    fn policy(&self) -> Result<Option<ScanOutput>, VerifyError> {
        if self.schedule.due.is_empty() {
            return Ok(None);
        }
        if !self.is_due("policy") {
            return policy::scan_source(self.context).map(Some);
        }
        let mut scan = None;
        self.gate("policy", || {
            let output = policy::scan_source(self.context)?;
            let findings = output.findings.clone();
            scan = Some(output);
            Ok(findings.into())
        })?;
        Ok(scan)
    }

    /// The result when no tool may read the sources.
    fn not_compiled(self, why: &str) -> ScheduledGates {
        let others: Vec<&'static str> = self.schedule.due.iter().copied().filter(|name| *name != "policy").collect();
        self.skip(&others, why);
        let confinement = match self.context.cage.confinement() {
            Confinement::Unconfined => Some(AppliedConfinement::Unconfined.to_string()),
            Confinement::Required => Some("the cage of the source scan; nothing else was started".to_owned()),
        };
        ScheduledGates {
            gates: self.gates.into_inner().unwrap_or_else(PoisonError::into_inner),
            component: None,
            confinement,
        }
    }

    fn test_track(&self) -> Result<(), VerifyError> {
        self.gate("test", || {
            let analysis = self.scan.as_ref().map_or(Err("the source was not scanned"), |scan| match &scan.analysis {
                Ok(analysis) => Ok(analysis),
                Err(why) => Err(why.as_str()),
            });
            let Tested { outcome, program } =
                test::check(self.context, analysis, |analysis| self.tested_components(analysis))?;
            if let Some(program) = program {
                // Set once: this gate runs once.
                let _ = self.tests.set(program);
            }
            Ok(outcome)
        })?;
        self.run_side_tasks()
    }

    /// Takes tasks from the queue until it is empty.
    fn run_side_tasks(&self) -> Result<(), VerifyError> {
        loop {
            let Some(task) = lock(&self.side_tasks).pop_front() else { return Ok(()) };
            match task {
                SideTask::Lint => {
                    self.gate("lint", || {
                        let LintOutput { findings, remarks } = self.context.sandbox(self.context.snapshot)?.lint()?;
                        Ok(GateOutcome { remarks, ..findings.into() })
                    })?;
                }
                SideTask::SecondBuild if self.is_due("reproducible") => self.reproducible()?,
                SideTask::SecondBuild => {}
            }
        }
    }

    /// The same sources, compiled at another path, give the same bytes.
    fn reproducible(&self) -> Result<(), VerifyError> {
        let mut compared = false;
        let gate = self.run_gate("reproducible", || {
            let second = self.context.sandbox_elsewhere()?.compile(ProgramKind::Release)?.component;
            // This wait ends: the release track sets the value in every case, and no thread of that track gets here before.
            let first = self.release.wait().as_ref().and_then(|release| release.component.as_ref());
            let (Some(first), Some(second)) = (first, second) else { return Ok(Vec::new().into()) };
            compared = true;
            let (first, second) = (Digest::of(first), Digest::of(&second));
            let message = format!("built at two paths, the sources gave {first} and {second}");
            let differ = (first != second).then(|| Finding::new("reproducible/bytes", message));
            Ok(differ.into_iter().collect::<Vec<_>>().into())
        })?;
        if compared {
            lock(&self.gates).push(gate);
        } else {
            self.skip(&["reproducible"], NO_COMPONENT);
        }
        Ok(())
    }

    fn analysis(&self) -> Option<&SourceAnalysis> {
        self.scan.as_ref().and_then(|scan| scan.analysis.as_ref().ok())
    }

    /// What answers the calls of the tests. The twin is made here, on the thread that needs it first.
    fn tested_components(&self, analysis: &SourceAnalysis) -> Result<TestedComponents, VerifyError> {
        if self.twin.get().is_none()
            && let Some(twin) = Twin::make(self.context, analysis)?
        {
            let _ = self.twin.set(Arc::new(twin));
        }
        // This wait ends: the release track sets the value in every case, and no thread of that track gets here.
        let released = self.released.wait().clone();
        Ok(TestedComponents { released, twin: self.twin.get().cloned(), exported: analysis.exported.clone() })
    }

    /// coverage and mutation, when everything else passed: only tests that pass can notice a change.
    fn last_gates(&self) -> Result<(), VerifyError> {
        const LAST: [&str; 2] = ["coverage", "mutation"];
        if !LAST.iter().any(|gate| self.is_due(gate)) {
            return Ok(());
        }
        let all_passed = lock(&self.gates).iter().all(|gate| gate.verdict == Verdict::Passed);
        let passed = self.schedule.reused == Verdict::Passed && all_passed;
        let ready = match self.analysis().filter(|_| passed) {
            Some(analysis) => self.test_program(analysis)?.map(|tests| (analysis, tests)),
            None => None,
        };
        let Some((analysis, tests)) = ready else {
            self.skip(&LAST, "not run: it needs sources that pass every other gate");
            return Ok(());
        };
        lock(&self.evidence).tests = tests.harness.taken();
        let evidence = std::mem::take(&mut *lock(&self.evidence));
        let twin = self.twin.get().map(Arc::as_ref);
        std::thread::scope(|scope| {
            let coverage = scope
                .spawn(|| self.gate("coverage", || coverage::check(self.context, analysis, &evidence, twin)).map(drop));
            let programs = Programs { tests, twin, trials: &evidence.trials };
            let mutation = self.gate("mutation", || mutation::check(self.context, analysis, &programs)).map(drop);
            let coverage = coverage.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            coverage.and(mutation)
        })
    }

    /// The instrumented test program: that of the test gate, or a new one when the result of that gate is reused.
    fn test_program(&self, analysis: &SourceAnalysis) -> Result<Option<&TestProgram<'_>>, VerifyError> {
        let components = || self.tested_components(analysis);
        if self.tests.get().is_none()
            && let Some(Ok(program)) = TestProgram::make(self.context, analysis, components)?
        {
            program.run_once()?;
            let _ = self.tests.set(program);
        }
        Ok(self.tests.get())
    }
}
