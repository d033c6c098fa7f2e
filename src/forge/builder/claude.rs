//! Runs Claude Code once, on one packet, in one workspace.
//!
//! Guarantees: a home and a folder for temporary files of this attempt alone, gone afterwards; an environment
//! of nothing but what [`super::command`] lists; a wall clock, an idle clock and a limit on output; when this
//! returns, every process of the attempt is dead; it never had the API key, which stays with the
//! [gateway], and has no network but the way there. Without a cage, which is a person's
//! recorded choice, it has the machine's network and could look for the key as any program of that person's could.
//! Never: looks at what was written (the gate does), asks again after a failure (an attempt is one run), or
//! takes the agent's word for anything.

use std::{
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::Duration,
};

use crate::cage::{
    AppliedConfinement, Cage, CageError, Confinement, Exit, Finished, INSIDE_HOME, INSIDE_TMP, Job, JobLimits, Mount,
    Stream,
};

use super::{
    command::{ClaudeConfig, CommandLine, Private, command},
    judge::{Accepted, AgentExit, AgentFailure, judge_with},
    stream::{Progress, StreamParser, Summary, shown},
};
use crate::forge::gateway::{self, GatewayError, GatewayReport, ListenAddress, ListenMode};
use crate::model::{id::IdSource, time::Clock};

/// Where the agent finds its workspace in a cage.
const INSIDE_WORKSPACE: &str = "/work";

/// Where the agent's program lies in a cage.
const INSIDE_PROGRAM: &str = "/opt/kavi/claude";

/// The port of the cage's loopback at which the agent finds its provider.
const INSIDE_PORT: u16 = 7717;

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
    pub confinement: AppliedConfinement,
    /// What passed at the gateway.
    pub account: GatewayReport,
}

/// What an attempt needs of its surroundings.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// Where it runs.
    pub cage: &'a Cage,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Where its word for the gateway comes from.
    pub ids: &'a dyn IdSource,
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
    /// The gateway could not be opened.
    #[error(transparent)]
    Gateway(#[from] GatewayError),
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
            Self::Scratch(_) | Self::Gateway(_) => {
                Some("check the space and the permissions of the folder for temporary files")
            }
            Self::Cage(error) => error.hint(),
        }
    }
}

/// Runs the agent on `packet` in `workspace`, an absolute path to a folder of this attempt alone.
///
/// # Errors
/// [`ClaudeError`] when it could not be run at all. An agent that ran and failed is an attempt with a verdict.
pub fn run(
    around: Surroundings<'_>,
    config: &ClaudeConfig,
    workspace: &Path,
    packet: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<ClaudeAttempt, ClaudeError> {
    let program = native_program(&config.executable)?;
    let confinement = around.cage.confinement();
    let place = Place::new(confinement, workspace)?;
    let listen_mode = match confinement {
        Confinement::Required => ListenMode::UnixSocket,
        Confinement::Unconfined => ListenMode::LoopbackPort,
    };
    let word = gateway::attempt_token(around.ids);
    let mut parser = StreamParser::new(&place.workspace);
    // The second wall: an agent without a cage could come by the key in other ways than through the gateway.
    let mut redactor = config.provider.key.redactor();
    let mut watch = |stream: Stream, bytes: &[u8]| {
        if stream == Stream::Stdout {
            parser.push(&redactor.push(bytes), progress);
        }
    };
    let (finished, account) =
        gateway::serve(&config.provider, config.limits, listen_mode, &word, around.clock, |address| {
            let job = job(config, &program, workspace, packet, &place, address, &word);
            around.cage.run(&job, &mut watch)
        })?;
    let finished = finished?;
    parser.push(&redactor.finish(), progress);
    let summary = parser.finish(progress);
    Ok(conclude(config, finished, summary, account))
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
    fn new(confinement: Confinement, workspace: &Path) -> Result<Self, ClaudeError> {
        if confinement == Confinement::Required {
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

fn job(
    config: &ClaudeConfig,
    program: &Path,
    workspace: &Path,
    packet: &str,
    place: &Place,
    address: &ListenAddress,
    word: &str,
) -> Job {
    let port = match address {
        ListenAddress::Socket(_) => INSIDE_PORT,
        ListenAddress::Port(port) => *port,
    };
    let base_url = format!("http://127.0.0.1:{port}");
    let private = Private { home: &place.home, tmp: &place.tmp, base_url: &base_url, word };
    let CommandLine { args, env } = command(config, private);
    let limits = JobLimits {
        wall: config.wall,
        idle: Some(config.idle),
        output_bytes: OUTPUT_BYTES,
        file_size: Some(FILE_BYTES),
        ..JobLimits::default()
    };
    let job = Job::new(program)
        .args(args)
        .cwd(workspace)
        .stdin(packet.as_bytes().to_vec())
        .mount(Mount::read_only(program, INSIDE_PROGRAM))
        .mount(Mount::read_write(workspace, INSIDE_WORKSPACE))
        .limits(limits)
        .capture(usize::try_from(OUTPUT_BYTES).unwrap_or(usize::MAX));
    let job = env.into_iter().fold(job, |job, (name, value)| job.env(name, value));
    match address {
        ListenAddress::Socket(socket) => job.loopback_forward(INSIDE_PORT, socket),
        ListenAddress::Port(_) => job,
    }
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

fn conclude(config: &ClaudeConfig, finished: Finished, mut summary: Summary, account: GatewayReport) -> ClaudeAttempt {
    let key = &config.provider.key;
    let stderr = key.redact(&finished.stderr);
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
        transcript: key.redact(&finished.stdout),
        stderr,
        verdict: judge_with(exit, &summary, &account),
        summary,
        duration: finished.duration,
        confinement: finished.confinement,
        account,
    }
}
