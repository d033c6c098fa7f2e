//! The compile child: Kavi's own executable, started again with a hidden verb. It reads a component from standard input and
//! writes machine code to standard output.
//!
//! Guarantees: a component that attacks the compiler attacks a process with an empty environment and no file that it can
//! open. That process has limits of its own on processor time, wall clock, memory and output. That process is dead when
//! [`compile`] returns. Parent and child make their engine with one function. The child names the engine that it had, so
//! that code of another version is refused: Kavi may have been replaced on disk while it was running.
//!
//! Deliberately never: compiles in Kavi's own process, retries, or keeps anything.

use std::io::{self, Read, Write};
use std::process::ExitCode;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};

use super::{
    code::MachineCode,
    engine::{Runtime, Tier, chain, engine},
    engine_id::EngineId,
    error::RuntimeError,
};
use crate::cage::{Cage, CageError, Exit, Finished, Job, JobLimits, Mount};
use crate::model::{limits::Limits, text};

/// The hidden verb.
const VERB: &str = "__compile";
/// The exit code of a child that could not read, compile or write.
const BROKEN: u8 = 2;

/// How much one compilation may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Processor time.
    pub cpu: Duration,
    /// Real time.
    pub wall: Duration,
    /// Private writable memory.
    pub memory_bytes: u64,
    /// Machine code.
    pub output_bytes: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            cpu: Duration::from_secs(10),
            // Five times the processor time: on a busy machine the clock goes on, and no verdict may rest on
            // that.
            wall: Duration::from_secs(50),
            memory_bytes: 1 << 30,
            output_bytes: MAX_CODE_BYTES,
        }
    }
}

/// The most machine code that any component may become.
pub(super) const MAX_CODE_BYTES: u64 = 64 << 20;

impl std::fmt::Display for CompileLimits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (cpu, wall) = (self.cpu.as_secs_f64(), self.wall.as_secs_f64());
        let (memory, output) = (self.memory_bytes >> 20, self.output_bytes >> 20);
        write!(f, "{cpu} s of processor time, {wall} s in all, {memory} MiB of memory, {output} MiB of code")
    }
}

/// Whether a person has promoted the bytes that are to be compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ComponentTrust {
    /// Nobody has: they are compiled only with the confinement that the workspace requires.
    Untrusted,
    /// A person has: on a machine that cannot confine, the limits of the child are enough.
    Promoted,
}

/// Why there is no machine code.
#[derive(Debug, thiserror::Error)]
pub enum CodeError {
    /// The component may not be compiled.
    #[error(transparent)]
    Component(RuntimeError),
    /// The engine refuses it.
    #[error("the component cannot be compiled: {0}")]
    Refused(String),
    /// A limit ended the child, or the component made the compiler crash.
    #[error("the component cannot be compiled within {limits} ({how:?})")]
    Stopped {
        /// The limits it had.
        limits: CompileLimits,
        /// How it ended.
        how: Exit,
    },
    /// The child is not of the same Kavi as this process.
    #[error("the compiler process returned code for a different engine: was kavi replaced while it was running?")]
    OtherEngine,
    /// The child could not be run.
    #[error("the compiler could not be run: {0}")]
    Cage(#[from] CageError),
}

/// Compiles a component in a child. Nothing of the child is left when this returns.
///
/// # Errors
/// [`CodeError`] says why there is no code.
pub fn compile(
    cage: &Cage,
    runtime: &Runtime,
    component: &[u8],
    trust: ComponentTrust,
    limits: CompileLimits,
) -> Result<MachineCode, CodeError> {
    // Before a child is started: what cannot be compiled in time should not cost a process.
    let interface = runtime.examine(component, Tier::Optimised).map_err(CodeError::Component)?;
    let job = job(cage, component, limits);
    let done = match (cage.run(&job, &mut |_, _| {}), trust) {
        // A machine that cannot confine still runs what was promoted: it was compiled in a cage before its promotion.
        (Err(CageError::NoCage { .. }), ComponentTrust::Promoted) => cage.run_tool(&job, &mut |_, _| {})?,
        (done, _) => done?,
    };
    let Finished { exit, stdout, dropped_bytes, .. } = done;
    match exit {
        // Output that was cut may still begin with the right id, and its end would be missing.
        Exit::Code(0) if dropped_bytes == 0 => {
            // The executable is looked up again for the child, so it may be a newer Kavi than this process.
            if !stdout.starts_with(runtime.engine_id().as_bytes()) {
                return Err(CodeError::OtherEngine);
            }
            Ok(MachineCode::trusted(stdout, EngineId::BYTES, interface, runtime.engine_id()))
        }
        // The text comes from a process that handled hostile bytes, so it is shortened to one clean
        // line.
        Exit::Code(1) => Err(CodeError::Refused(text::line(&String::from_utf8_lossy(&stdout), 500))),
        // A crash is reported like a limit: for the component both mean that it is not compiled.
        how => Err(CodeError::Stopped { limits, how }),
    }
}

fn job(cage: &Cage, component: &[u8], most: CompileLimits) -> Job {
    let limits = JobLimits {
        wall: most.wall,
        cpu: Some(most.cpu),
        data: Some(most.memory_bytes),
        // The code leaves by a pipe, which this limit does not concern. The child has no file to
        // write.
        file_size: Some(0),
        // Starting a program needs some; the child lowers this to three itself.
        open_files: 64,
        output_bytes: most.output_bytes.saturating_add(EngineId::BYTES as u64),
        scratch_bytes: 1 << 20,
        ..JobLimits::default()
    };
    let exe = cage.exe();
    let capture = usize::try_from(limits.output_bytes).unwrap_or(usize::MAX);
    Job::new(exe)
        .mount(Mount::read_only(exe, "/kavi"))
        .arg(VERB)
        // By a pipe and not as a mount, so that the child has no path to open at all.
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
    // Only standard input, output and error remain: no file, socket or pipe can be opened any more.
    setrlimit(Resource::Nofile, Rlimit { current: Some(3), maximum: Some(3) })?;
    // The parent has checked the size, and this process has its own limit of memory.
    let mut component = Vec::new();
    from.read_to_end(&mut component)?;
    let (code, output) = match precompile(&component) {
        Ok(code) => (ExitCode::SUCCESS, code),
        Err(RuntimeError::Compile(why)) => (ExitCode::FAILURE, why.into_bytes()),
        Err(error) => (ExitCode::FAILURE, error.to_string().into_bytes()),
    };
    to.write_all(&output)?;
    to.flush()?;
    Ok(code)
}

/// The engine's id and the machine code.
pub(super) fn precompile(component: &[u8]) -> Result<Vec<u8>, RuntimeError> {
    // The limits do not influence the code. The parent has checked size and effort already.
    let engine = engine(Tier::Optimised, &Limits::default())?;
    let code = engine.precompile_component(component).map_err(|error| RuntimeError::Compile(chain(&error)))?;
    Ok([EngineId::of(&engine).as_bytes().as_slice(), &code].concat())
}
