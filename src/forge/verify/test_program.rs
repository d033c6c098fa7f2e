//! The instrumented test program of one verification. The test gate makes it, and the gates after it use it again.

use super::context::GateContext;
use super::error::VerifyError;
use super::instrument::{self, InstrumentedProgram};
use super::source_analysis::SourceAnalysis;
use super::test_calls::TestedComponents;
use super::test_harness::{RunLimits, TestHarness, TestedProgram};
use crate::forge::compile::ProgramKind;
use crate::model::finding::Finding;

/// The program and its tests.
pub(super) struct TestProgram<'a> {
    pub(super) program: InstrumentedProgram,
    pub(super) harness: TestHarness<'a>,
    /// The names of the tests.
    pub(super) names: Vec<String>,
}

impl<'a> TestProgram<'a> {
    /// Compiles the program and lists its tests. `None` when it does not compile, a finding when its tests cannot be listed.
    /// `components` is asked for afterwards, because it may have to wait for them.
    pub(super) fn make(
        context: &'a GateContext<'a>,
        analysis: &SourceAnalysis,
        components: impl FnOnce() -> Result<TestedComponents, VerifyError>,
    ) -> Result<Option<Result<Self, Finding>>, VerifyError> {
        let Some(program) = instrument::compile(context, analysis, ProgramKind::Tests)? else { return Ok(None) };
        let opened = TestHarness::open(context, &program.component, components()?)?;
        Ok(Some(opened.map(|(harness, names)| Self { program, harness, names })))
    }

    /// Runs every test once, so that it is known how long each takes and which branches it takes. For gates that run without
    /// the test gate before them.
    pub(super) fn run_once(&self) -> Result<(), VerifyError> {
        for name in &self.names {
            self.harness.failure(name, TestedProgram::Counted, RunLimits::Full)?;
        }
        Ok(())
    }
}
