//! Answers the calls of the exported function that a test makes: each runs the component in an instance of its own.
//!
//! So a test of the skill tests the bytes that are promoted, and each of its calls is a first one, as every run is. Where the
//! test program is changed or counted, the twin answers, with the same switch.
//!
//! Guarantees: time that a call takes counts against the test. Deliberately never: answers for another function than the
//! exported one; that stays in the test program.

use std::io;
use std::path::Path;
use std::sync::{Arc, mpsc};

use super::context::GateContext;
use super::source_analysis::switch;
use super::test_files::{self, CallFiles};
use super::told_answers::ToldAnswers;
use super::twin::Twin;
use crate::dir::FolderHandle;
use crate::model::{
    capabilities::SkillCapabilities, exchange::HttpPort, execution::Determinism, limits::Limits, name::SkillName,
    time::Timestamp,
};
use crate::runtime::{CompiledComponent, GuestRequest, RunError, SkillOutcome, TestCall, TestCallAnswer, TestCallEnd};

/// The components that answer the calls of tests.
#[derive(Clone, Default)]
pub(super) struct TestedComponents {
    /// The release component. `None` when there is none that may run.
    pub(super) released: Option<Arc<CompiledComponent>>,
    /// Its twin. `None` when it does not compile.
    pub(super) twin: Option<Arc<Twin>>,
    /// The names that the exported function may have, without that of the crate.
    pub(super) exported: Vec<String>,
}

/// Which component answers a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answering {
    /// The component that is to be promoted.
    Release,
    /// Its twin, with this environment.
    Twin(Vec<(String, String)>),
}

/// What one start of the test program is given.
pub(super) struct TestSurroundings<'a> {
    /// The folder that the test sees as its vault.
    pub(super) vault: &'a Path,
    /// The folder that it writes to.
    pub(super) out: &'a Path,
    /// The name of the test.
    pub(super) test: &'a str,
    pub(super) capabilities: &'a SkillCapabilities,
    /// The limits of the test. Its calls share them.
    pub(super) limits: &'a Limits,
    /// The clock and seed of the test.
    pub(super) determinism: Determinism,
}

/// Answers the calls of one start of the test program.
pub(super) struct CallAnswers<'a> {
    context: &'a GateContext<'a>,
    components: &'a TestedComponents,
    answering: Answering,
    surroundings: &'a TestSurroundings<'a>,
    /// What the calls did so far.
    pub(super) done: CallsDone,
}

/// What the calls of one start did.
#[derive(Default)]
pub(super) struct CallsDone {
    /// How many calls a component answered.
    pub(super) count: u64,
    /// The processor time they took.
    pub(super) cpu_us: u64,
    /// The wall time they took.
    pub(super) wall_us: u64,
    /// What the components printed: a counted one reports its branches there.
    pub(super) stderr: Vec<u8>,
    /// Why the last call has no answer, if it has none.
    pub(super) stopped: Option<RunError>,
}

impl<'a> CallAnswers<'a> {
    /// `None` when there is no component to answer with.
    pub(super) fn new(
        context: &'a GateContext<'a>,
        components: &'a TestedComponents,
        answering: Answering,
        surroundings: &'a TestSurroundings<'a>,
    ) -> Option<Self> {
        let there = match answering {
            Answering::Release => components.released.is_some(),
            Answering::Twin(_) => components.twin.is_some(),
        };
        there.then(|| Self { context, components, answering, surroundings, done: CallsDone::default() })
    }

    /// Answers calls until the test program has ended.
    pub(super) fn serve(mut self, calls: &mpsc::Receiver<TestCall>) -> CallsDone {
        while let Ok(call) = calls.recv() {
            let answer = self.answer(&call);
            // A test program that was ended in the meantime waits for no answer.
            let _ = call.reply.send(answer);
        }
        self.done
    }

    fn answer(&mut self, call: &TestCall) -> TestCallAnswer {
        if !is_exported(&self.context.proposal.spec.name, &self.components.exported, &call.function) {
            return TestCallAnswer::not_taken();
        }
        let number = self.done.count;
        self.done.count += 1;
        match self.run(call, number) {
            Ok(Ok(SkillOutcome { result, observed })) => {
                self.done.cpu_us = self.done.cpu_us.saturating_add(observed.usage.cpu_us);
                self.done.wall_us = self.done.wall_us.saturating_add(observed.usage.wall_us);
                self.done.stderr.extend(observed.stderr);
                TestCallAnswer { end: TestCallEnd::Returned(result), logs: observed.logs }
            }
            Ok(Err(error)) => self.stopped(error),
            Err(error) => self.stopped(RunError::Host(format!("the files of the test cannot be copied: {error}"))),
        }
    }

    fn stopped(&mut self, error: RunError) -> TestCallAnswer {
        let why = error.to_string();
        self.done.stopped = Some(error);
        TestCallAnswer { end: TestCallEnd::Stopped(why), logs: Vec::new() }
    }

    /// Runs the component over the files of the test, and puts what it writes where the test finds it.
    fn run(&self, call: &TestCall, number: u64) -> io::Result<Result<SkillOutcome, RunError>> {
        let TestSurroundings { vault, out, test, capabilities, determinism, .. } = *self.surroundings;
        let clock = match call.now.map(|seconds| Timestamp::from_millis(seconds.saturating_mul(1_000))) {
            Some(Ok(set)) => set,
            Some(Err(_)) | None => determinism.clock,
        };
        let seed = self.context.draw.determinism(&format!("call of {test}"), number).seed;
        let staged = tempfile::tempdir_in(self.context.scratch)?;
        let merged = test_files::merged(self.context.scratch, vault, out)?;
        let seen = merged.as_ref().map_or(vault, |merged| merged.path());
        let (seen_handle, staged_handle) = (FolderHandle::open(seen)?, FolderHandle::open(staged.path())?);
        let limits = self.limits();
        let http: Arc<dyn HttpPort> = Arc::new(ToldAnswers::new(call.answers.clone()));
        let request = GuestRequest {
            input: &call.input,
            capabilities,
            vault: capabilities.reads_vault().then_some(&seen_handle),
            linked: &[],
            out: capabilities.writes_files().then_some(&staged_handle),
            http: Some(&http),
            determinism: Determinism { clock, seed },
            limits: &limits,
            watch: self.context.watch,
        };
        let outcome = match &self.answering {
            Answering::Release => self.components.released.as_ref().map(|released| released.run(&request)),
            Answering::Twin(environment) => {
                let environment = switch::of_call(environment, number);
                self.components.twin.as_ref().map(|twin| twin.compiled.run_instrumented(&environment, &request))
            }
        };
        let Some(outcome) = outcome else { return Err(io::Error::other("there is no component")) };
        // Also after an error: a test that looks finds what was written before it.
        test_files::hand_over(&CallFiles { vault, staged: staged.path(), out })?;
        Ok(outcome.map_err(RunError::from))
    }

    /// What is left of the limits of the test.
    fn limits(&self) -> Limits {
        let all = self.surroundings.limits;
        let left = |all_ms: u64, us: u64| all_ms.saturating_sub(us / 1_000).max(1);
        Limits {
            cpu_ms: left(all.cpu_ms, self.done.cpu_us),
            wall_ms: left(all.wall_ms, self.done.wall_us),
            ..all.clone()
        }
    }
}

/// Whether the compiler gives this name to the exported function: the crate, its modules, and the function.
fn is_exported(skill: &SkillName, exported: &[String], function: &str) -> bool {
    let Some((root, path)) = function.split_once("::") else { return false };
    root == skill.as_str() && exported.iter().any(|name| name == path)
}
