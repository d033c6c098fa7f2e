//! In which order and beside what the gates run: two lanes, one along the release component and one along the test
//! program, about as long as each other, and small work that whoever is done first takes up.

use std::collections::VecDeque;
use std::sync::{Mutex, OnceLock, PoisonError};

use super::gate::{Gate, Said};
use super::plan::Plan;
use super::policy::{self, Answer};
use super::replay::{self, Earlier};
use super::{Subject, VerifyError, conformance, examples, invariants, limits, mutation, test};
use crate::cage::{AppliedConfinement, Confinement};
use crate::forge::compile::{Compiled, Product};
use crate::model::{digest::Digest, finding::Finding, lifecycle::Verdict};
use crate::runtime::CodeError;
use crate::sync::lock;

/// Most threads that run gates. More of them would only wait for the two lanes.
const MOST_THREADS: usize = 4;

/// What came of the gates that were run.
pub(super) struct Checked {
    pub(super) gates: Vec<Gate>,
    /// The release component, if one was compiled.
    pub(super) component: Option<Vec<u8>>,
    /// The cage that it was compiled in.
    pub(super) confinement: Option<String>,
}

/// Work that hangs on nothing, the longest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    SecondBuild,
    Lint,
    Format,
}

/// The release component, once its sources were compiled.
struct Release {
    component: Option<Vec<u8>>,
    confinement: String,
}

/// What the lanes share.
struct Board<'a> {
    subject: &'a Subject<'a>,
    /// The trusted version, and runs of it.
    earlier: Option<&'a Earlier>,
    /// The gates that are to run.
    todo: &'a [&'static str],
    progress: &'a (dyn Fn(&str) + Sync),
    gates: Mutex<Vec<Gate>>,
    side: Mutex<VecDeque<Side>>,
    /// `None` when it could not be had. Always set in the end, so that nobody waits for ever.
    release: OnceLock<Option<Release>>,
    /// The same.
    read: OnceLock<Option<Answer>>,
}

/// Runs the gates that `todo` names. `others` tells whether those that are not run have passed.
pub(super) fn run(
    (subject, earlier): (&Subject<'_>, Option<&Earlier>),
    todo: &[&'static str],
    others: Verdict,
    progress: &(dyn Fn(&str) + Sync),
) -> Result<Checked, VerifyError> {
    if let Some(refused) = refused_uncaged(subject)? {
        return not_compiled(subject, todo, &refused);
    }
    let board = Board {
        subject,
        earlier,
        todo,
        progress,
        gates: Mutex::default(),
        side: Mutex::new([Side::SecondBuild, Side::Lint, Side::Format].into()),
        release: OnceLock::new(),
        read: OnceLock::new(),
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from).min(MOST_THREADS);
    std::thread::scope(|scope| {
        let release = scope.spawn(|| board.release_lane());
        let helpers: Vec<_> = (2..threads).map(|_| scope.spawn(|| board.side_work())).collect();
        let tests = board.test_lane();
        let joined = helpers.into_iter().chain([release]).map(|lane| lane.join());
        let joined: Vec<_> = joined.map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect();
        joined.into_iter().chain([tests]).collect::<Result<(), VerifyError>>()
    })?;
    board.mutation(others)?;
    let gates = board.gates.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (component, confinement) = match board.release.into_inner().flatten() {
        Some(release) => (release.component, Some(release.confinement)),
        None => (None, None),
    };
    Ok(Checked { gates, component, confinement })
}

/// What the scan refuses, where there is no cage. A compiler would read any file that a source names into its messages
/// then, so nothing of it is compiled, not even looked at by another tool.
pub(super) fn refused_uncaged(subject: &Subject<'_>) -> Result<Option<Vec<Finding>>, VerifyError> {
    if subject.cage.confinement() != Confinement::Unconfined {
        return Ok(None);
    }
    Ok(Some(policy::read(subject)?.findings).filter(|findings| !findings.is_empty()))
}

fn not_compiled(subject: &Subject<'_>, todo: &[&'static str], refused: &[Finding]) -> Result<Checked, VerifyError> {
    let why = "not run: there is no cage, and the policy gate refused these sources";
    let gate = |name: &&'static str| match *name {
        "policy" => Gate::run(subject.clock, name, || Ok(refused.to_vec().into())),
        name => Ok(Gate::skipped(name, why)),
    };
    let gates = todo.iter().map(gate).collect::<Result<_, _>>()?;
    Ok(Checked { gates, component: None, confinement: Some(AppliedConfinement::Unconfined.to_string()) })
}

impl Board<'_> {
    fn wants(&self, gate: &str) -> bool {
        self.todo.contains(&gate)
    }

    /// Runs a gate if it is to run, and tells whether it passed. One that is not to run has.
    fn gate(
        &self,
        name: &'static str,
        work: impl FnOnce() -> Result<Said, VerifyError>,
    ) -> Result<Verdict, VerifyError> {
        if !self.wants(name) {
            return Ok(Verdict::Passed);
        }
        self.subject.go_on()?;
        (self.progress)(name);
        let gate = Gate::run(self.subject.clock, name, work)?;
        let verdict = gate.verdict;
        lock(&self.gates).push(gate);
        Ok(verdict)
    }

    fn skip(&self, names: &[&'static str], why: &str) {
        let skipped = names.iter().filter(|name| self.wants(name)).map(|name| Gate::skipped(name, why));
        lock(&self.gates).extend(skipped);
    }

    /// compile → limits → invariants → examples → conformance → replay.
    fn release_lane(&self) -> Result<(), VerifyError> {
        const ALL: [&str; 7] = ["compile", "reproducible", "limits", "invariants", "examples", "conformance", "replay"];
        if !ALL.iter().any(|gate| self.wants(gate)) {
            let _ = self.release.set(None);
            return self.side_work();
        }
        let made = self.compile();
        let (release, failed) = match made {
            Ok(release) => (Some(release), None),
            Err(error) => (None, Some(error)),
        };
        let release = self.release.get_or_init(|| release);
        if let Some(error) = failed {
            return Err(error);
        }
        match release.as_ref().and_then(|release| release.component.as_deref()) {
            Some(component) => self.judge(component)?,
            None => {
                self.skip(
                    &["limits", "invariants", "examples", "conformance", "replay"],
                    "the sources do not compile: there is no component",
                );
            }
        }
        self.side_work()
    }

    fn compile(&self) -> Result<Release, VerifyError> {
        let build = || -> Result<Compiled, VerifyError> {
            Ok(self.subject.bench(self.subject.snapshot)?.compile(Product::Release)?)
        };
        if !self.wants("compile") {
            let made = build()?;
            return Ok(Release { component: made.component, confinement: made.confinement.to_string() });
        }
        let mut release = None;
        self.gate("compile", || {
            let made = build()?;
            release = Some(Release { component: made.component, confinement: made.confinement.to_string() });
            Ok(made.findings.into())
        })?;
        release.ok_or_else(|| VerifyError::Scan("the compiler was not run".to_owned()))
    }

    fn judge(&self, component: &[u8]) -> Result<(), VerifyError> {
        const RUNS: [&str; 3] = ["examples", "conformance", "replay"];
        let mut code = None;
        let within = self.gate("limits", || {
            let (findings, made) = limits::check(self.subject, component)?;
            code = made;
            Ok(findings.into())
        })?;
        let sound = self.gate("invariants", || Ok(invariants::check(self.subject, component).into()))?;
        if !RUNS.iter().any(|gate| self.wants(gate)) {
            return Ok(());
        }
        if within != Verdict::Passed || sound != Verdict::Passed {
            self.skip(&RUNS, "the component is not fit to be run: see the gates limits and invariants");
            return Ok(());
        }
        // What is run is what the gate compiled; where its result is one of before, it is compiled now.
        let code = code.map_or_else(|| limits::compile(self.subject, component), Ok);
        let loaded = code.and_then(|code| self.subject.runtime.load(&code).map_err(CodeError::Component));
        let compiled = match loaded {
            Ok(compiled) => compiled,
            Err(error) => {
                let why = limits::finding(error)?.message;
                let broken = |name: &str| vec![Finding::new(format!("{name}/component"), why.clone())];
                self.gate("examples", || Ok(broken("examples").into()))?;
                self.gate("conformance", || Ok(broken("conformance").into()))?;
                self.gate("replay", || Ok(broken("replay").into()))?;
                return Ok(());
            }
        };
        // Without a plan the inputs are those of the schema alone.
        let none = Plan::default();
        let hints = || {
            let read = self.read.wait().as_ref();
            &read.and_then(|read| read.plan.as_ref().ok()).unwrap_or(&none).hints
        };
        self.gate("examples", || examples::check(self.subject, &compiled, hints))?;
        self.gate("conformance", || conformance::check(self.subject, &compiled, hints()))?;
        self.gate("replay", || replay::check(self.subject, &compiled, self.earlier))?;
        Ok(())
    }

    /// policy → test.
    fn test_lane(&self) -> Result<(), VerifyError> {
        const ALL: [&str; 5] = ["policy", "test", "examples", "conformance", "mutation"];
        if !ALL.iter().any(|gate| self.wants(gate)) {
            let _ = self.read.set(None);
            return self.side_work();
        }
        let mut read = None;
        let done = if self.wants("policy") {
            self.gate("policy", || {
                let found = policy::read(self.subject)?;
                let findings = found.findings.clone();
                read = Some(found);
                Ok(findings.into())
            })
            .map(|_| ())
        } else {
            policy::read(self.subject).map(|found| read = Some(found))
        };
        let read = self.read.get_or_init(|| read);
        done?;
        self.gate("test", || {
            let plan = read.as_ref().map_or(Err("the source was not read"), |read| match &read.plan {
                Ok(plan) => Ok(plan),
                Err(why) => Err(why.as_str()),
            });
            test::check(self.subject, plan)
        })?;
        self.side_work()
    }

    /// Takes up what is left until nothing is.
    fn side_work(&self) -> Result<(), VerifyError> {
        loop {
            let Some(work) = lock(&self.side).pop_front() else { return Ok(()) };
            match work {
                Side::Lint => {
                    self.gate("lint", || Ok(self.subject.bench(self.subject.snapshot)?.lint()?.into()))?;
                }
                Side::Format => {
                    self.gate("format", || Ok(self.subject.bench(self.subject.snapshot)?.format()?.into()))?;
                }
                Side::SecondBuild if self.wants("reproducible") => self.reproducible()?,
                Side::SecondBuild => {}
            }
        }
    }

    /// The same sources in another place give the same bytes.
    fn reproducible(&self) -> Result<(), VerifyError> {
        (self.progress)("reproducible");
        let mut compared = false;
        let gate = Gate::run(self.subject.clock, "reproducible", || {
            let second = self.subject.bench_elsewhere()?.compile(Product::Release)?.component;
            let first = self.release.wait().as_ref().and_then(|release| release.component.as_ref());
            let (Some(first), Some(second)) = (first, second) else { return Ok(Vec::new().into()) };
            compared = true;
            let (first, second) = (Digest::of(first), Digest::of(&second));
            let message = format!("built in two places, the sources gave {first} and {second}");
            let differ = (first != second).then(|| Finding::new("reproducible/bytes", message));
            Ok(differ.into_iter().collect::<Vec<_>>().into())
        })?;
        if compared {
            lock(&self.gates).push(gate);
        } else {
            self.skip(&["reproducible"], "the sources do not compile: there is no component");
        }
        Ok(())
    }

    /// mutation, when everything else passed: what tests notice means something only of tests that pass.
    fn mutation(&self, others: Verdict) -> Result<(), VerifyError> {
        if !self.wants("mutation") {
            return Ok(());
        }
        let passed = others == Verdict::Passed && lock(&self.gates).iter().all(|gate| gate.verdict == Verdict::Passed);
        let plan = self.read.get().and_then(Option::as_ref).and_then(|read| read.plan.as_ref().ok());
        match plan {
            Some(plan) if passed => self.gate("mutation", || mutation::check(self.subject, plan)).map(|_| ()),
            _ => {
                self.skip(&["mutation"], "it is tried on what passes every other gate");
                Ok(())
            }
        }
    }
}
