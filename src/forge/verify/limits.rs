//! The limits gate: the cost of loading the component. Its size, the memory that it declares, and its compile time.
//!
//! Guarantees: the component is compiled in a child process that may be killed, never in this one. The gates that run the
//! component run the machine code of that child.

use super::context::GateContext;
use super::error::VerifyError;
use crate::forge::compile::CompileError;
use crate::model::{finding::Finding, limits::Limits};
use crate::runtime::{self, CodeError, CompileLimits, ComponentTrust, MachineCode, inspect};

/// The cost of loading a component.
pub(super) struct LoadingCost {
    /// The limits that it exceeds.
    pub(super) findings: Vec<Finding>,
    /// Its machine code, if it could be compiled.
    pub(super) code: Option<MachineCode>,
}

impl LoadingCost {
    fn refused(rule: &str, message: String) -> Self {
        Self { findings: vec![Finding::new(rule, message)], code: None }
    }
}

/// Checks the component against the limits and compiles it to machine code.
pub(super) fn check(context: &GateContext<'_>, component: &[u8]) -> Result<LoadingCost, VerifyError> {
    let size = component.len() as u64;
    if size > context.limits.component_bytes {
        let most = context.limits.component_bytes;
        let message = format!("the component has {size} bytes, the limit is {most}");
        return Ok(LoadingCost::refused("limits/size", message));
    }
    let mut findings = match inspect::interface(component) {
        Ok(interface) => memory(&interface.memories, context.limits).into_iter().collect::<Vec<_>>(),
        Err(error) => return Ok(LoadingCost::refused("limits/component", error.to_string())),
    };
    match compile(context, component) {
        Ok(code) => Ok(LoadingCost { findings, code: Some(code) }),
        Err(error) => {
            findings.push(finding(error)?);
            Ok(LoadingCost { findings, code: None })
        }
    }
}

/// The memory that the component needs before its first instruction.
fn memory(memories: &[inspect::LinearMemory], limits: &Limits) -> Option<Finding> {
    let declared = memories.iter().fold(0_u64, |sum, memory| sum.saturating_add(memory.minimum_bytes));
    let most = limits.memory_bytes;
    (declared > most)
        .then(|| Finding::new("limits/memory", format!("it declares {declared} bytes of memory, the limit is {most}")))
}

/// Compiles the component in the child process, confined like every tool that reads untrusted input.
pub(super) fn compile(context: &GateContext<'_>, component: &[u8]) -> Result<MachineCode, CodeError> {
    runtime::compile(context.cage, context.runtime, component, ComponentTrust::Untrusted, CompileLimits::default())
}

/// The finding about the component when its compilation failed, or an error when the failure is not the component's.
pub(super) fn finding(error: CodeError) -> Result<Finding, VerifyError> {
    match error {
        CodeError::Cage(error) => Err(CompileError::from(error).into()),
        CodeError::OtherEngine => Err(VerifyError::Replaced),
        error @ CodeError::Stopped { .. } => Ok(Finding::new("limits/compile", error.to_string())),
        error => Ok(Finding::new("limits/component", error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::inspect::LinearMemory;

    #[test]
    fn memories_count_together() {
        let memories = |sizes: &[u64]| -> Vec<LinearMemory> {
            sizes.iter().map(|bytes| LinearMemory { minimum_bytes: *bytes, maximum_bytes: None }).collect()
        };
        let limits = Limits { memory_bytes: 100, ..Limits::default() };
        assert!(memory(&memories(&[60, 40]), &limits).is_none());
        assert!(memory(&memories(&[60, 41]), &limits).is_some());
        assert!(memory(&memories(&[u64::MAX, u64::MAX]), &limits).is_some());
    }
}
