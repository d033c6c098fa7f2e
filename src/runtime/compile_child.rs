//! The child that compiles: Kavi's own executable, started again with a hidden verb, a component on its standard input,
//! machine code on its standard output.
//!
//! Guarantees: what a component does to the compiler, it does to a process that has an empty environment, can open no
//! file, has limits on processor time, wall clock, memory and output of its own, and is dead when [`compile`] returns.
//! Parent and child make their engine by one function, and the child names the engine that it had, so that code of
//! another version (Kavi was replaced on disk while it ran) is refused.
//!
//! Deliberately never: compiles in Kavi's own process, tries again, or keeps anything.

use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};

use super::{
    code::MachineCode,
    engine::{EngineId, Runtime, Tier, chain, engine},
    error::RuntimeError,
};
use crate::cage::{Cage, CageError, Exit, Finished, Job, Limits as JobLimits, Mount};
use crate::model::{limits::Limits, text};

/// The hidden verb.
const VERB: &str = "__compile";
/// The child could not do its work.
const BROKEN: u8 = 2;

/// How much one compilation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Processor time.
    pub cpu: Duration,
    /// Real time.
    pub wall: Duration,
    /// Private writable memory.
    pub memory_bytes: u64,
    /// Machine code.
    pub output_bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            cpu: Duration::from_secs(10),
            wall: Duration::from_secs(30),
            memory_bytes: 1 << 30,
            output_bytes: MAX_CODE_BYTES,
        }
    }
}

/// The most machine code that any component may become.
pub(super) const MAX_CODE_BYTES: u64 = 64 << 20;

impl std::fmt::Display for Bounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (cpu, wall) = (self.cpu.as_secs_f64(), self.wall.as_secs_f64());
        let (memory, output) = (self.memory_bytes >> 20, self.output_bytes >> 20);
        write!(f, "{cpu} s of processor time, {wall} s in all, {memory} MiB of memory, {output} MiB of code")
    }
}

/// What is known of the bytes that are to be compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodePurpose {
    /// Nobody trusts them yet: only behind the walls that the workspace asks for.
    Untrusted,
    /// They were promoted: on a machine that gives no walls, the child has its limits alone.
    Promoted,
}

/// Why there is no machine code.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// The component is none that may be compiled.
    #[error(transparent)]
    Component(RuntimeError),
    /// The engine refuses it.
    #[error("the component cannot be compiled: {0}")]
    Refused(String),
    /// The child was ended by a limit, or by the component's effect on the compiler.
    #[error("the component cannot be compiled within {bounds} ({how:?})")]
    Stopped {
        /// What it had.
        bounds: Bounds,
        /// How it ended.
        how: Exit,
    },
    /// The child is of another Kavi than this process.
    #[error("the compiler's process gave code for another engine: was kavi replaced while it runs?")]
    OtherEngine,
    /// The child could not be run.
    #[error("the compiler could not be run: {0}")]
    Cage(#[from] CageError),
}

/// Has a component compiled. Nothing of the child is left when this returns.
///
/// # Errors
/// [`CodeError`] says why there is no code.
pub fn compile(
    cage: &Cage,
    runtime: &Runtime,
    component: &[u8],
    (purpose, bounds): (CodePurpose, Bounds),
) -> Result<MachineCode, CodeError> {
    let interface = runtime.examine(component, Tier::Optimised).map_err(CodeError::Component)?;
    let job = job(cage, component, bounds);
    let done = match (cage.run(&job, &mut |_, _| {}), purpose) {
        // A machine that confines nothing still runs what was promoted; the component was looked at in a cage before.
        (Err(CageError::NoCage { .. }), CodePurpose::Promoted) => cage.run_tool(&job, &mut |_, _| {})?,
        (done, _) => done?,
    };
    let Finished { exit, stdout, dropped_bytes, .. } = done;
    match exit {
        Exit::Code(0) if dropped_bytes == 0 => {
            if !stdout.starts_with(runtime.engine_id().as_bytes()) {
                return Err(CodeError::OtherEngine);
            }
            Ok(MachineCode::believed(stdout, EngineId::BYTES, interface, runtime.engine_id()))
        }
        Exit::Code(1) => Err(CodeError::Refused(text::line(&String::from_utf8_lossy(&stdout), 500))),
        how => Err(CodeError::Stopped { bounds, how }),
    }
}

fn job(cage: &Cage, component: &[u8], bounds: Bounds) -> Job {
    let limits = JobLimits {
        wall: bounds.wall,
        cpu: Some(bounds.cpu),
        data: Some(bounds.memory_bytes),
        file_size: Some(0),
        // What starting a program takes; the child itself then gives even these up.
        open_files: 64,
        output_bytes: bounds.output_bytes.saturating_add(EngineId::BYTES as u64),
        scratch_bytes: 1 << 20,
        ..JobLimits::default()
    };
    let exe = cage.exe();
    let capture = usize::try_from(limits.output_bytes).unwrap_or(usize::MAX);
    Job::new(exe)
        .mount(Mount::read_only(exe, "/kavi"))
        .arg(VERB)
        .stdin(component.to_vec())
        .limits(limits)
        .capture(capture)
}

/// Performs the work of the child when this process was started as one.
///
/// `args` are the process's arguments, the program's name included. `None` means that this is no child.
pub fn child_entry(
    args: impl IntoIterator<Item = std::ffi::OsString>,
    input: impl Read,
    output: impl Write,
) -> Option<ExitCode> {
    (args.into_iter().nth(1)? == VERB).then(|| child(input, output).unwrap_or(ExitCode::from(BROKEN)))
}

fn child(mut from: impl Read, mut to: impl Write) -> io::Result<ExitCode> {
    // The three descriptors that it has are all that it ever gets: no file, socket or pipe can be opened any more.
    setrlimit(Resource::Nofile, Rlimit { current: Some(3), maximum: Some(3) })?;
    let mut component = Vec::new();
    from.read_to_end(&mut component)?;
    let (code, said) = match precompile(&component) {
        Ok(code) => (ExitCode::SUCCESS, code),
        Err(RuntimeError::Compile(why)) => (ExitCode::FAILURE, why.into_bytes()),
        Err(error) => (ExitCode::FAILURE, error.to_string().into_bytes()),
    };
    to.write_all(&said)?;
    to.flush()?;
    Ok(code)
}

/// The engine's id and the machine code.
pub(super) fn precompile(component: &[u8]) -> Result<Vec<u8>, RuntimeError> {
    // Nothing of these limits has a part in the code; the parent has looked at size and effort.
    let engine = engine(Tier::Optimised, &Limits::default())?;
    let code = engine.precompile_component(component).map_err(|error| RuntimeError::Compile(chain(&error)))?;
    Ok([EngineId::of(&engine).as_bytes().as_slice(), &code].concat())
}
