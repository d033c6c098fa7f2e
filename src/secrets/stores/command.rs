//! What a program prints: `pass show`, `op read`, `age -d`, `secret-tool lookup`.
//!
//! Guarantees: program and arguments are those of kavi.toml, without a shell. The program gets the named variables and nothing
//! else, no input and no terminal, 10 seconds and 64 KiB. A program that others could have written or can replace is not
//! started.
//!
//! Deliberately never: searches a program in PATH, repeats what it printed, or takes the output of one that failed.

use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use zeroize::Zeroizing;

use super::super::error::ReadRefusal;
use super::asker::Asker;
use super::environment;
use crate::cage::{Cage, Confinement, Exit, Job, JobLimits};

/// How long the program may take.
pub(super) const WALL: Duration = Duration::from_secs(10);
/// How much it may print, errors included.
const OUTPUT_BYTES: u64 = 64 * 1024;

/// What the program printed.
pub(super) fn read(
    command: &[String],
    variables: &[String],
    asker: Asker<'_>,
) -> Result<Zeroizing<Vec<u8>>, ReadRefusal> {
    let none = String::new();
    let (program, arguments) = command.split_first().unwrap_or((&none, &[]));
    let failed = |why: String| ReadRefusal::Command { program: program.clone(), why };
    check_program(Path::new(program))?;
    let mut job = Job::new(program)
        .args(arguments)
        .capture(usize::try_from(OUTPUT_BYTES).unwrap_or(usize::MAX))
        .limits(JobLimits { wall: WALL, output_bytes: OUTPUT_BYTES, file_size: None, ..JobLimits::default() });
    if !variables.is_empty() {
        let environment = environment::of_process(asker.process)?;
        for name in variables {
            if let Some(value) = environment::variable(&environment, name) {
                job = job.env(name, std::ffi::OsStr::from_bytes(&value));
            }
        }
    }
    // Its stage has a session of its own, without a terminal. So a store that is locked fails, instead of asking a person who
    // may not be there, or of reading what was typed for something else.
    let cage = Cage::new(asker.exe.to_owned(), Confinement::Unconfined);
    let finished = cage.run_tool(&job, &mut |_, _| {}).map_err(|error| failed(format!("could not be run: {error}")))?;
    let (stdout, _stderr) = (Zeroizing::new(finished.stdout), Zeroizing::new(finished.stderr));
    match finished.exit {
        Exit::Code(0) => Ok(stdout),
        Exit::Code(code) => Err(failed(format!("ended with code {code}"))),
        Exit::Signal(signal) => Err(failed(format!("was ended by signal {signal}"))),
        Exit::WallClock | Exit::Idle => Err(failed(format!("took more than {} s", WALL.as_secs()))),
        Exit::OutputLimit => Err(failed(format!("printed more than {OUTPUT_BYTES} bytes"))),
    }
}

/// Whoever can write or replace the program can make it print, or send away, what they like.
fn check_program(path: &Path) -> Result<(), ReadRefusal> {
    let unsafe_program = |why: &str| ReadRefusal::Unsafe { path: path.display().to_string(), why: why.to_owned() };
    // Links are followed: tools are often links to their newest version.
    let meta = std::fs::metadata(path)
        .map_err(|error| ReadRefusal::Unreadable { path: path.display().to_string(), why: error.to_string() })?;
    if !meta.is_file() {
        return Err(unsafe_program("it is not a program"));
    }
    if ![0, rustix::process::geteuid().as_raw()].contains(&meta.uid()) {
        return Err(unsafe_program("the program belongs to another user"));
    }
    if meta.mode() & 0o022 != 0 {
        return Err(unsafe_program("others can write the program"));
    }
    // The folder of the link, and that of what it leads to.
    let found = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    for folder in [path.parent(), found.parent()].into_iter().flatten() {
        let meta = std::fs::metadata(folder)
            .map_err(|error| ReadRefusal::Unreadable { path: folder.display().to_string(), why: error.to_string() })?;
        let is_strangers = ![0, rustix::process::geteuid().as_raw()].contains(&meta.uid());
        // With the sticky bit only the owner of a file can replace it.
        let is_open = meta.mode() & 0o002 != 0 && meta.mode() & 0o1000 == 0;
        if is_strangers || is_open {
            return Err(unsafe_program("others can replace the program: they can write its folder"));
        }
    }
    Ok(())
}
