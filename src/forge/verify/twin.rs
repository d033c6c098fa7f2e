//! The twin of the component: the same sources with counters, compiled as a component of their own.
//!
//! Guarantees: it runs with the inputs, vaults, clocks and seeds of the component. Deliberately never: stands for the component
//! in a gate that decides about its outcomes.

use std::sync::Arc;

use tempfile::TempDir;

use super::context::GateContext;
use super::error::VerifyError;
use super::exchanges::TrialExchanges;
use super::instrument::{self, InstrumentedProgram};
use super::source_analysis::{Mutant, SourceAnalysis, switch, switch::Taken};
use super::trial::{Trial, TrialInput, TrialRunner};
use crate::forge::compile::ProgramKind;
use crate::model::{
    example::{ExampleExchange, ExampleSignature},
    execution::Determinism,
    limits::Limits,
};
use crate::runtime::CompiledComponent;

/// The twin, ready to run. It has the mutants and the sabotage as well.
pub(super) struct Twin {
    pub(super) compiled: CompiledComponent,
    program: InstrumentedProgram,
}

/// One run of the component, to be repeated with the twin.
pub(super) struct RecordedTrial {
    /// The example or input, for people.
    pub(super) name: String,
    pub(super) input: String,
    pub(super) vault: Arc<TempDir>,
    pub(super) determinism: Determinism,
    /// What an example declares.
    pub(super) exchanges: Vec<ExampleExchange>,
    /// The signatures that it gets.
    pub(super) signatures: Vec<ExampleSignature>,
    /// What the component did.
    pub(super) trial: Trial,
    pub(super) origin: InputOrigin,
}

/// Where the input of a run comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum InputOrigin {
    /// An example. Only of these it is known what a run must give.
    Example,
    /// The inputs of tests, and drawn ones.
    Drawn,
    /// A literal of the source, put into a field. What only such an input reaches is no work of the skill that anything asks
    /// for.
    Mined,
}

/// How much longer the twin may take: it is not optimized, and counts.
const SLOWER: u64 = 20;
/// Room for what a counted program reports.
const REPORT_BYTES: u64 = 4 << 20;

impl Twin {
    /// Compiles it. `None` when that fails.
    pub(super) fn make(context: &GateContext<'_>, analysis: &SourceAnalysis) -> Result<Option<Self>, VerifyError> {
        let Some(program) = instrument::compile(context, analysis, ProgramKind::Instrumented)? else {
            return Ok(None);
        };
        let compiled = context.runtime.compile_tests(&program.component).ok();
        Ok(compiled.map(|compiled| Self { compiled, program }))
    }

    /// The changed texts that it contains.
    pub(super) fn texts<'a>(&self, analysis: &'a SourceAnalysis) -> Vec<&'a Mutant> {
        self.program.texts(analysis)
    }

    /// A runner for it.
    pub(super) fn runner<'a>(&'a self, context: &'a GateContext<'a>) -> TwinRunner<'a> {
        let limits = slower(context.limits);
        TwinRunner { runner: TrialRunner::new(context, &self.compiled, limits), mark: context.draw.mark() }
    }
}

/// The limits of a program that is not optimized and counts.
pub(super) fn slower(limits: &Limits) -> Limits {
    Limits {
        cpu_ms: limits.cpu_ms.saturating_mul(SLOWER),
        wall_ms: limits.wall_ms.saturating_mul(SLOWER),
        // Its reports are long, and no output of the skill.
        stderr_bytes: limits.stderr_bytes.max(REPORT_BYTES),
        ..limits.clone()
    }
}

/// Runs the twin.
pub(super) struct TwinRunner<'a> {
    runner: TrialRunner<'a>,
    mark: String,
}

/// What the twin did, and the branches that it took.
pub(super) struct CountedTrial {
    pub(super) trial: Trial,
    pub(super) taken: Taken,
}

impl TwinRunner<'_> {
    /// Repeats a run of the component.
    pub(super) fn repeat(&self, recorded: &RecordedTrial) -> Result<CountedTrial, VerifyError> {
        let trial = self.start(recorded, &switch::counting(&self.mark))?;
        let taken = switch::counted(&trial.stderr, &self.mark).taken;
        Ok(CountedTrial { trial, taken })
    }

    /// Repeats a run of the component with a change.
    pub(super) fn changed(&self, recorded: &RecordedTrial, number: u32) -> Result<Trial, VerifyError> {
        self.start(recorded, &switch::environment(number))
    }

    fn start(&self, recorded: &RecordedTrial, environment: &[(String, String)]) -> Result<Trial, VerifyError> {
        let RecordedTrial { input, vault, determinism, exchanges, signatures, origin, .. } = recorded;
        let exchanges = match origin {
            InputOrigin::Example => TrialExchanges::Declared { exchanges, signatures },
            InputOrigin::Drawn | InputOrigin::Mined => TrialExchanges::Drawn,
        };
        let given = TrialInput { input, vault: vault.path(), determinism: *determinism, exchanges };
        self.runner.run_instrumented(&given, environment)
    }
}
