//! Runs Claude Code once, on one packet, in one workspace.
//!
//! Guarantees: the run has its own home and its own folder for temporary files, which are removed afterwards. Its environment is
//! the list in [`super::command`]. It has limits on time, on silence and on output. When this returns, every process of the
//! run is dead. The API key stays with the [gateway], which is the only network that the agent can reach.
//!
//! Without a cage, which is a person's recorded choice, the agent has the network of the machine. It could then look for the key
//! like any other program of that person.
//!
//! Deliberately never: reads what was written (the intake does), runs again after a failure, or believes the agent.

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
    command::{AgentEnvironment, ClaudeConfig, CommandLine, command},
    stream::{AgentEvent, StreamParser, StreamSummary, shown},
    verdict::{AcceptedAttempt, ClaudeExit, ClaudeFailure, decide_with_account},
};
use crate::forge::gateway::{self, GatewayError, GatewayReport, GatewaySettings, ListenAddress, ListenMode};
use crate::model::{id::IdSource, time::Clock};
use crate::sync::uninterrupted;

/// The path of the workspace in the cage.
const INSIDE_WORKSPACE: &str = "/work";

/// The path of the program in the cage.
const INSIDE_PROGRAM: &str = "/opt/kavi/claude";

/// The loopback port in the cage that leads to the gateway.
const INSIDE_PORT: u16 = 7717;

/// The output limit. The output contains every file that the agent writes twice.
const OUTPUT_BYTES: u64 = 32 * 1024 * 1024;

/// The largest file that it may write.
const FILE_BYTES: u64 = 64 * 1024 * 1024;

/// One run of the agent.
#[derive(Debug)]
pub struct ClaudeAttempt {
    /// What it printed, without the key: one JSON object per line as a rule, but any bytes at all in principle.
    pub transcript: Vec<u8>,
    /// What it printed on standard error, without the key.
    pub stderr: Vec<u8>,
    /// The summary of the transcript.
    pub summary: StreamSummary,
    /// Whether the intake may read the workspace.
    pub verdict: Result<AcceptedAttempt, ClaudeFailure>,
    /// How long it ran.
    pub duration: Duration,
    /// The confinement of the run.
    pub confinement: AppliedConfinement,
    /// The gateway's account of the requests.
    pub account: GatewayReport,
}

/// The parts that a run of Claude Code needs.
#[derive(Debug, Clone, Copy)]
pub struct ClaudeContext<'a> {
    /// Where it runs.
    pub cage: &'a Cage,
    /// The time.
    pub clock: &'a dyn Clock,
    /// The source of its word for the gateway.
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
    context: ClaudeContext<'_>,
    config: &ClaudeConfig,
    workspace: &Path,
    packet: &str,
    tell: &mut dyn FnMut(AgentEvent),
) -> Result<ClaudeAttempt, ClaudeError> {
    // Before the gateway is opened: the most common mistake should be reported at once.
    let program = native_program(&config.executable)?;
    let _entered = tracing::info_span!("coding_agent", model = %config.model).entered();
    let confinement = context.cage.confinement();
    let folders = AgentFolders::new(confinement, workspace)?;
    let listen = match confinement {
        Confinement::Required => ListenMode::UnixSocket,
        Confinement::Unconfined => ListenMode::LoopbackPort,
    };
    let token = gateway::attempt_token(context.ids);
    let mut parser = StreamParser::new(&folders.workspace);
    // A second defence: an agent without a cage may find the key elsewhere, and must not print it into the transcript.
    let mut redactor = config.provider.key.redactor();
    // Standard error is no stream of events. It is read as a whole at the end.
    let mut watch = |stream: Stream, bytes: &[u8]| {
        if stream == Stream::Stdout {
            parser.push(&redactor.push(bytes), tell);
        }
    };
    let agent = AgentRun { config, program: &program, workspace, packet, folders: &folders, token: &token };
    let settings = GatewaySettings {
        provider: &config.provider,
        limits: config.limits,
        mode: listen,
        token: &token,
        clock: context.clock,
    };
    let (finished, account) = gateway::serve(settings, |address| context.cage.run(&agent.job(address), &mut watch))?;
    // After the gateway has closed, so that its report is complete on every path.
    let finished = finished?;
    // What the redactor held back was no key after all.
    parser.push(&redactor.finish(), tell);
    let summary = parser.finish(tell);
    Ok(conclude(config, finished, summary, account))
}

/// The paths of a run as the agent sees them, and the folders that are removed with it.
#[derive(Debug)]
struct AgentFolders {
    home: String,
    tmp: String,
    workspace: String,
    _scratch: Option<tempfile::TempDir>,
}

impl AgentFolders {
    fn new(confinement: Confinement, workspace: &Path) -> Result<Self, ClaudeError> {
        // The cage makes its own home and scratch folders, at paths that are the same on every
        // machine.
        if confinement == Confinement::Required {
            let [home, tmp, workspace] = [INSIDE_HOME, INSIDE_TMP, INSIDE_WORKSPACE].map(String::from);
            return Ok(Self { home, tmp, workspace, _scratch: None });
        }
        let scratch = tempfile::Builder::new().prefix("kavi-agent-").tempdir().map_err(ClaudeError::Scratch)?;
        let folder = |name: &str| {
            let path = scratch.path().join(name);
            uninterrupted(|| std::fs::create_dir(&path)).map_err(ClaudeError::Scratch)?;
            Ok::<_, ClaudeError>(path.to_string_lossy().into_owned())
        };
        let (home, tmp, workspace) = (folder("home")?, folder("tmp")?, workspace.to_string_lossy().into_owned());
        Ok(Self { home, tmp, workspace, _scratch: Some(scratch) })
    }
}

/// The agent of one attempt.
#[derive(Debug)]
struct AgentRun<'a> {
    config: &'a ClaudeConfig,
    program: &'a Path,
    workspace: &'a Path,
    packet: &'a str,
    folders: &'a AgentFolders,
    /// The token that it shows to the gateway instead of a key.
    token: &'a str,
}

impl AgentRun<'_> {
    /// The job for the cage, where the gateway listens at `address`.
    fn job(&self, address: &ListenAddress) -> Job {
        let port = match address {
            ListenAddress::Socket(_) => INSIDE_PORT,
            ListenAddress::Port(port) => *port,
        };
        let base_url = format!("http://127.0.0.1:{port}");
        let private = AgentEnvironment {
            home: &self.folders.home,
            tmp: &self.folders.tmp,
            base_url: &base_url,
            word: self.token,
        };
        let CommandLine { args, env } = command(self.config, private);
        let limits = JobLimits {
            wall: self.config.wall,
            idle: Some(self.config.idle),
            output_bytes: OUTPUT_BYTES,
            file_size: Some(FILE_BYTES),
            ..JobLimits::default()
        };
        let job = Job::new(self.program)
            .args(args)
            .cwd(self.workspace)
            // On standard input: a packet can be longer than an argument, and arguments are visible to
            // other users.
            .stdin(self.packet.as_bytes().to_vec())
            .mount(Mount::read_only(self.program, INSIDE_PROGRAM))
            // Writable and not executable: nothing that the agent writes can be run in its cage.
            .mount(Mount::read_write(self.workspace, INSIDE_WORKSPACE))
            .limits(limits)
            .capture(usize::try_from(OUTPUT_BYTES).unwrap_or(usize::MAX));
        let job = env.into_iter().fold(job, |job, (name, value)| job.env(name, value));
        match address {
            ListenAddress::Socket(socket) => job.loopback_forward(INSIDE_PORT, socket),
            ListenAddress::Port(_) => job,
        }
    }
}

/// The program behind the links of package managers. It must be a native program: in the cage there is no
/// interpreter for a script.
fn native_program(path: &Path) -> Result<PathBuf, ClaudeError> {
    let unreadable = |source| ClaudeError::Unreadable { path: path.to_owned(), source };
    // Package managers install a link, and the cage does not follow links.
    let program = path.canonicalize().map_err(unreadable)?;
    let mut magic = [0; 2];
    match File::open(&program).map_err(unreadable)?.read_exact(&mut magic) {
        Ok(()) if magic != *b"#!" => Ok(program),
        _ => Err(ClaudeError::NotNative { path: program }),
    }
}

fn conclude(
    config: &ClaudeConfig,
    finished: Finished,
    mut summary: StreamSummary,
    account: GatewayReport,
) -> ClaudeAttempt {
    let key = &config.provider.key;
    // Redacted before anything is made of it: the first line becomes part of messages.
    let stderr = key.redact(&finished.stderr);
    let complaint = String::from_utf8_lossy(&stderr).lines().map(str::trim).find(|line| !line.is_empty()).map(shown);
    summary.complaint = complaint;
    let exit = match finished.exit {
        Exit::Code(code) => ClaudeExit::Code(code),
        Exit::Signal(signal) => ClaudeExit::Signal(signal),
        Exit::WallClock => ClaudeExit::WallClock(config.wall),
        Exit::Idle => ClaudeExit::Idle(config.idle),
        Exit::OutputLimit => ClaudeExit::OutputLimit,
    };
    ClaudeAttempt {
        transcript: key.redact(&finished.stdout),
        stderr,
        verdict: decide_with_account(exit, &summary, &account),
        summary,
        duration: finished.duration,
        confinement: finished.confinement,
        account,
    }
}
