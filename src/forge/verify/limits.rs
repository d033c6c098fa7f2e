//! The limits gate: what it costs to load the component. Its size, the memory it declares, and its compile time, which
//! is taken in a child that may be killed.

use std::io::{Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use super::{Subject, VerifyError};
use crate::cage::{Exit, Job, Limits as ChildLimits, Mount};
use crate::forge::compile::CompileError;
use crate::model::{finding::Finding, limits::Limits};
use crate::runtime::{Runtime, Tier, inspect};

/// The hidden verb of the child.
pub(super) const VERB: &str = "__compile";
/// Processor time of the compilation.
const COMPILE_CPU: Duration = Duration::from_secs(10);
/// Real time of the compilation.
const COMPILE_WALL: Duration = Duration::from_secs(30);
/// Memory of the compilation.
const COMPILE_DATA: u64 = 1 << 30;

pub(super) fn check(subject: &Subject<'_>, component: &[u8]) -> Result<Vec<Finding>, VerifyError> {
    let size = component.len() as u64;
    if size > subject.limits.component_bytes {
        let most = subject.limits.component_bytes;
        return Ok(vec![Finding::new(
            "limits/size",
            format!("the component has {size} bytes, at most {most} are taken"),
        )]);
    }
    let mut findings = match inspect::interface(component) {
        Ok(interface) => memory(&interface.memories, subject.limits).into_iter().collect::<Vec<_>>(),
        Err(error) => return Ok(vec![Finding::new("limits/component", error.to_string())]),
    };
    findings.extend(compile(subject, component)?);
    Ok(findings)
}

/// What the component asks for before its first instruction.
fn memory(memories: &[inspect::Memory], limits: &Limits) -> Option<Finding> {
    let declared = memories.iter().fold(0_u64, |sum, memory| sum.saturating_add(memory.minimum_bytes));
    let most = limits.memory_bytes;
    (declared > most).then(|| {
        Finding::new("limits/memory", format!("it declares {declared} bytes of memory, at most {most} are given"))
    })
}

fn compile(subject: &Subject<'_>, component: &[u8]) -> Result<Option<Finding>, VerifyError> {
    let limits =
        ChildLimits { wall: COMPILE_WALL, cpu: Some(COMPILE_CPU), data: Some(COMPILE_DATA), ..ChildLimits::default() };
    let exe = subject.cage.exe();
    let job = Job::new(exe).mount(Mount::read_only(exe, "/kavi")).arg(VERB).stdin(component.to_vec()).limits(limits);
    let done = subject.cage.run(&job, &mut |_, _| {}).map_err(CompileError::from)?;
    Ok(match done.exit {
        Exit::Code(0) => None,
        Exit::Code(1) => {
            let said = crate::model::text::line(&String::from_utf8_lossy(&done.stdout), 500);
            Some(Finding::new("limits/component", said))
        }
        how => {
            let (cpu, wall, data) = (COMPILE_CPU.as_secs(), COMPILE_WALL.as_secs(), COMPILE_DATA >> 20);
            let bounds = format!("{cpu} s of processor time, {wall} s in all, {data} MiB");
            Some(Finding::new("limits/compile", format!("it cannot be compiled within {bounds} ({how:?})")))
        }
    })
}

/// The child: a component from `from`; nothing to `to`, or why it cannot be compiled.
pub(super) fn child(mut from: impl Read, mut to: impl Write) -> ExitCode {
    let mut component = Vec::new();
    if from.read_to_end(&mut component).is_err() {
        return ExitCode::from(2);
    }
    // The parent has checked the size against its own limit.
    let limits = Limits { component_bytes: u64::MAX, ..Limits::default() };
    let made = Runtime::new(&limits).and_then(|runtime| runtime.compile(&component, Tier::Optimised));
    match made {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => match to.write_all(error.to_string().as_bytes()).and_then(|()| to.flush()) {
            Ok(()) => ExitCode::FAILURE,
            Err(_) => ExitCode::from(2),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::inspect::Memory;

    #[test]
    fn memories_count_together() {
        let memories = |sizes: &[u64]| -> Vec<Memory> {
            sizes.iter().map(|bytes| Memory { minimum_bytes: *bytes, maximum_bytes: None }).collect()
        };
        let limits = Limits { memory_bytes: 100, ..Limits::default() };
        assert!(memory(&memories(&[60, 40]), &limits).is_none());
        assert!(memory(&memories(&[60, 41]), &limits).is_some());
        assert!(memory(&memories(&[u64::MAX, u64::MAX]), &limits).is_some());
    }
}
