//! The limits gate: what it costs to load the component. Its size, the memory it declares, and its compile time, which
//! is taken in a child that may be killed. What the child gives is what the gates after this one run.

use super::{Subject, VerifyError};
use crate::forge::compile::CompileError;
use crate::model::{finding::Finding, limits::Limits};
use crate::runtime::{self, CodeError, CompileLimits, ComponentTrust, MachineCode, inspect};

/// What is wrong with the component, and its machine code if it has any.
pub(super) fn check(
    subject: &Subject<'_>,
    component: &[u8],
) -> Result<(Vec<Finding>, Option<MachineCode>), VerifyError> {
    let size = component.len() as u64;
    if size > subject.limits.component_bytes {
        let most = subject.limits.component_bytes;
        let message = format!("the component has {size} bytes, at most {most} are taken");
        return Ok((vec![Finding::new("limits/size", message)], None));
    }
    let mut findings = match inspect::interface(component) {
        Ok(interface) => memory(&interface.memories, subject.limits).into_iter().collect::<Vec<_>>(),
        Err(error) => return Ok((vec![Finding::new("limits/component", error.to_string())], None)),
    };
    match compile(subject, component) {
        Ok(code) => Ok((findings, Some(code))),
        Err(error) => {
            findings.push(finding(error)?);
            Ok((findings, None))
        }
    }
}

/// What the component asks for before its first instruction.
fn memory(memories: &[inspect::LinearMemory], limits: &Limits) -> Option<Finding> {
    let declared = memories.iter().fold(0_u64, |sum, memory| sum.saturating_add(memory.minimum_bytes));
    let most = limits.memory_bytes;
    (declared > most).then(|| {
        Finding::new("limits/memory", format!("it declares {declared} bytes of memory, at most {most} are given"))
    })
}

/// The code of the component, by the child, behind the walls that tools on untrusted input have.
pub(super) fn compile(subject: &Subject<'_>, component: &[u8]) -> Result<MachineCode, CodeError> {
    runtime::compile(subject.cage, subject.runtime, component, ComponentTrust::Untrusted, CompileLimits::default())
}

/// What the failure of a compilation says of the component. An error when it says nothing of it.
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
