//! Runs Claude Code once, on one packet, in one workspace.
//!
//! Guarantees: a home and a folder for temporary files of this attempt alone, gone afterwards; an environment
//! of nothing but what [`super::command`] lists; a wall clock, an idle clock and a limit on output; when this
//! returns, every process of the attempt is dead; the API key is in nothing that is handed back.
//! Never: looks at what was written (the gate does), asks again after a failure (an attempt is one run), or
//! takes the agent's word for anything.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::cage::{Applied, Cage, CageError, Exit, Finished, INSIDE_HOME, INSIDE_TMP, Job, Limits, Mount, Stream};

use super::{
    command::{ClaudeConfig, CommandLine, Network, command},
    judge::{Accepted, AgentExit, AgentFailure, judge},
    secret::Redactor,
    stream::{Progress, StreamParser, Summary, shown},
};

/// Where the agent finds its workspace in a cage.
const INSIDE_WORKSPACE: &str = "/work";

/// Where the agent's program lies in a cage.
const INSIDE_PROGRAM: &str = "/opt/kavi/claude";

/// The most it may print. Every file it writes is in there twice.
const OUTPUT_BYTES: u64 = 32 * 1024 * 1024;

/// The largest file it may write.
const FILE_BYTES: u64 = 64 * 1024 * 1024;

/// One run of the agent.
#[derive(Debug)]
pub struct ClaudeAttempt {
    /// What it printed, without the key: one JSON object per line as a rule, but any bytes at all in principle.
    pub transcript: Vec<u8>,
    /// What it printed on standard error, without the key.
    pub stderr: Vec<u8>,
    /// What was understood of the transcript.
    pub summary: Summary,
    /// Whether the gate may look at the workspace.
    pub verdict: Result<Accepted, AgentFailure>,
    /// How long it ran.
    pub duration: Duration,
    /// The walls that stood around it.
    pub confinement: Applied,
}

/// The agent could not be run.
#[derive(Debug, thiserror::Error)]
pub enum ClaudeError {
    /// The program cannot be opened.
    #[error("the claude code program {} cannot be read: {source}", path.display())]
    Unreadable {
        /// The program.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The program is a script or something else that needs more than its own file.
    #[error("{} is not a native program", path.display())]
    NotNative {
        /// The program.
        path: PathBuf,
    },
    /// A private folder could not be made.
    #[error("cannot make a private folder for claude code: {0}")]
    Scratch(io::Error),
    /// The cage refused or failed.
    #[error(transparent)]
    Cage(#[from] CageError),
}

impl ClaudeError {
    /// What to do next, where something can be done.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Unreadable { .. } => {
                Some("install it with `npm install @anthropic-ai/claude-code` and name the program in kavi.toml")
            }
            Self::NotNative { .. } => Some(
                "name the native program in kavi.toml, e.g. node_modules/@anthropic-ai/claude-code-linux-x64/claude",
            ),
            Self::Scratch(_) => Some("check the space and the permissions of the folder for temporary files"),
            Self::Cage(error) => error.hint(),
        }
    }
}

/// Runs the agent on `packet` in `workspace`, an absolute path to a folder of this attempt alone.
///
/// # Errors
/// [`ClaudeError`] when it could not be run at all. An agent that ran and failed is an attempt with a verdict.
pub fn run(
    cage: &Cage,
    config: &ClaudeConfig,
    workspace: &Path,
    packet: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<ClaudeAttempt, ClaudeError> {
    let redactor = Redactor::new(config.api_key.clone());
    let program = native_program(&config.executable)?;
    let place = Place::new(config.network, workspace)?;
    let job = job(config, &program, workspace, &place, packet);
    let mut parser = StreamParser::new(&place.workspace, &redactor);
    let mut watch = |stream: Stream, bytes: &[u8]| {
        if stream == Stream::Stdout {
            parser.push(bytes, progress);
        }
    };
    let finished = match config.network {
        Network::None => cage.run(&job, &mut watch)?,
        Network::Host => cage.run_tool(&job, &mut watch)?,
    };
    let summary = parser.finish(progress);
    Ok(conclude(config, finished, summary, &redactor))
}

/// The paths of an attempt as the agent sees them, and the folders that go away with it.
#[derive(Debug)]
struct Place {
    home: String,
    tmp: String,
    workspace: String,
    _scratch: Option<tempfile::TempDir>,
}

impl Place {
    fn new(network: Network, workspace: &Path) -> Result<Self, ClaudeError> {
        if network == Network::None {
            let [home, tmp, workspace] = [INSIDE_HOME, INSIDE_TMP, INSIDE_WORKSPACE].map(String::from);
            return Ok(Self { home, tmp, workspace, _scratch: None });
        }
        let scratch = tempfile::Builder::new().prefix("kavi-agent-").tempdir().map_err(ClaudeError::Scratch)?;
        let folder = |name: &str| {
            let path = scratch.path().join(name);
            std::fs::create_dir(&path).map_err(ClaudeError::Scratch)?;
            Ok::<_, ClaudeError>(path.to_string_lossy().into_owned())
        };
        let (home, tmp, workspace) = (folder("home")?, folder("tmp")?, workspace.to_string_lossy().into_owned());
        Ok(Self { home, tmp, workspace, _scratch: Some(scratch) })
    }
}

fn job(config: &ClaudeConfig, program: &Path, workspace: &Path, place: &Place, packet: &str) -> Job {
    let CommandLine { args, env } = command(config, &place.home, &place.tmp);
    let limits = Limits {
        wall: config.wall,
        idle: Some(config.idle),
        output_bytes: OUTPUT_BYTES,
        file_size: Some(FILE_BYTES),
        ..Limits::default()
    };
    let job = Job::new(program)
        .args(args)
        .cwd(workspace)
        .stdin(packet.as_bytes().to_vec())
        .mount(Mount::read_only(program, INSIDE_PROGRAM))
        .mount(Mount::read_write(workspace, INSIDE_WORKSPACE))
        .limits(limits)
        .capture(usize::try_from(OUTPUT_BYTES).unwrap_or(usize::MAX));
    env.into_iter().fold(job, |job, (name, value)| job.env(name, value))
}

/// The program behind the links that package managers make, if it needs nothing but its own file and the
/// system's libraries: in a cage there is no interpreter for it.
fn native_program(path: &Path) -> Result<PathBuf, ClaudeError> {
    let unreadable = |source| ClaudeError::Unreadable { path: path.to_owned(), source };
    let program = path.canonicalize().map_err(unreadable)?;
    let mut magic = [0; 2];
    match File::open(&program).map_err(unreadable)?.read_exact(&mut magic) {
        Ok(()) if magic != *b"#!" => Ok(program),
        _ => Err(ClaudeError::NotNative { path: program }),
    }
}

fn conclude(config: &ClaudeConfig, finished: Finished, mut summary: Summary, redactor: &Redactor) -> ClaudeAttempt {
    let stderr = redactor.redact(&finished.stderr).into_owned();
    let complaint = String::from_utf8_lossy(&stderr).lines().map(str::trim).find(|line| !line.is_empty()).map(shown);
    summary.complaint = complaint;
    let exit = match finished.exit {
        Exit::Code(code) => AgentExit::Code(code),
        Exit::Signal(signal) => AgentExit::Signal(signal),
        Exit::WallClock => AgentExit::WallClock(config.wall),
        Exit::Idle => AgentExit::Idle(config.idle),
        Exit::OutputLimit => AgentExit::OutputLimit,
    };
    ClaudeAttempt {
        transcript: redactor.redact(&finished.stdout).into_owned(),
        stderr,
        verdict: judge(exit, &summary),
        summary,
        duration: finished.duration,
        confinement: finished.confinement,
    }
}
