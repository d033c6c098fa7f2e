//! A job: which program, with which arguments, which view of the host, and which limits.
//!
//! A job is written in *host* paths. [`Job::plan`] renders them once: inside a cage as the path under the mount that covers
//! them, outside as they are. Fixed mount points therefore give the same command line, and so the same compiled bytes, on
//! every machine. Nothing here makes a system call.

use std::ffi::OsString;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::error::CageError;
use super::mount::{Mount, ProcAccess};
use super::wire::{Bind, Forward, JobSpec, Rlimits};

/// The private home directory in every cage: empty, writable, removed afterwards. The caller sets `HOME` to it.
pub const INSIDE_HOME: &str = "/home/kavi";
/// The private temporary directory in every cage.
pub const INSIDE_TMP: &str = "/tmp";

/// System folders that every cage sees read-only at their own place, as far as the machine has them: what a
/// dynamically linked program needs to start.
pub(super) const SYSTEM: [&str; 3] = ["/usr/lib", "/usr/lib32", "/usr/lib64"];
/// The usual names of the above, which are links on a merged `/usr` and folders elsewhere.
pub(super) const SYSTEM_ALIASES: [&str; 3] = ["/lib", "/lib32", "/lib64"];

/// Paths inside that belong to the cage itself.
const RESERVED: [&str; 6] = ["/proc", "/dev", "/sys", INSIDE_TMP, INSIDE_HOME, "/etc/passwd"];

const MIB: u64 = 1024 * 1024;

/// How much a job may use. A wall clock and an output limit always apply. Core dumps are always off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobLimits {
    /// Time from the start of the program to its death.
    pub wall: Duration,
    /// Longest silence on standard output and error together.
    pub idle: Option<Duration>,
    /// Processor time of each process, rounded up to seconds.
    pub cpu: Option<Duration>,
    /// Address space of each process, in bytes. Not for programs that reserve much (node, wasmtime).
    pub address_space: Option<u64>,
    /// Private writable memory of each process, in bytes.
    pub data: Option<u64>,
    /// Largest file, in bytes.
    pub file_size: Option<u64>,
    /// Processes and threads together. Needs the cage: outside, the system counts all that the user runs.
    pub processes: Option<u64>,
    /// Open files of each process.
    pub open_files: u64,
    /// Bytes on standard output and error together; more ends the job.
    pub output_bytes: u64,
    /// Size of the private `/tmp`, home and `/dev/shm` together, in bytes.
    pub scratch_bytes: u64,
}

impl Default for JobLimits {
    fn default() -> Self {
        Self {
            wall: Duration::from_secs(300),
            idle: None,
            cpu: None,
            address_space: None,
            data: None,
            file_size: Some(1024 * MIB),
            processes: Some(256),
            open_files: 1024,
            output_bytes: 64 * MIB,
            scratch_bytes: 512 * MIB,
        }
    }
}

/// Where a job sees the socket of its forward.
const INSIDE_SOCKET: &str = "/.kavi/gate";
/// Connections that a forward carries at a time.
pub(super) const FORWARD_CONNECTIONS: u64 = 16;
/// Threads that a forward takes: one that listens, two for each connection.
const FORWARD_THREADS: u64 = 1 + 2 * FORWARD_CONNECTIONS;

/// A text that becomes part of a command line or an environment.
#[derive(Debug, Clone, PartialEq, Eq)]
enum JobText {
    Text(OsString),
    Path { prefix: String, host: PathBuf },
}

/// A program to run, with everything it may see. What is not set is absent: the environment is empty, standard input is at
/// its end, the working directory is `/`. The `Debug` form shows the program and its mounts, but not arguments, environment
/// values or input, which may be secret or huge.
#[derive(Clone, PartialEq, Eq)]
pub struct Job {
    pub(super) program: PathBuf,
    args: Vec<JobText>,
    env: Vec<(String, JobText)>,
    cwd: Option<PathBuf>,
    pub(super) stdin: Vec<u8>,
    mounts: Vec<Mount>,
    pub(super) limits: JobLimits,
    forward: Option<(u16, PathBuf)>,
    proc: ProcAccess,
    pub(super) capture: usize,
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        f.debug_struct("Job")
            .field("program", &self.program)
            .field("env", &names)
            .field("cwd", &self.cwd)
            .field("stdin_bytes", &self.stdin.len())
            .field("mounts", &self.mounts)
            .field("limits", &self.limits)
            .field("forward", &self.forward)
            .field("capture", &self.capture)
            .finish()
    }
}

impl Job {
    /// A job that runs the program at this host path.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            cwd: None,
            stdin: Vec::new(),
            mounts: Vec::new(),
            limits: JobLimits::default(),
            forward: None,
            proc: ProcAccess::OwnProcesses,
            capture: 4 * 1024 * 1024,
        }
    }

    /// Adds a plain argument.
    #[must_use]
    pub fn arg(mut self, text: impl Into<OsString>) -> Self {
        self.args.push(JobText::Text(text.into()));
        self
    }

    /// Adds plain arguments.
    #[must_use]
    pub fn args<T: Into<OsString>>(mut self, texts: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(texts.into_iter().map(|text| JobText::Text(text.into())));
        self
    }

    /// Adds an argument that is a host path, seen by the job under its mount.
    #[must_use]
    pub fn path_arg(self, host: impl Into<PathBuf>) -> Self {
        self.prefixed_path_arg("", host)
    }

    /// Adds an argument that ends in a host path, as in `dependency=PATH`.
    #[must_use]
    pub fn prefixed_path_arg(mut self, prefix: impl Into<String>, host: impl Into<PathBuf>) -> Self {
        self.args.push(JobText::Path { prefix: prefix.into(), host: host.into() });
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, key: impl Into<String>, value: impl Into<OsString>) -> Self {
        self.env.push((key.into(), JobText::Text(value.into())));
        self
    }

    /// Sets an environment variable to a host path, seen by the job under its mount.
    #[must_use]
    pub fn env_path(mut self, key: impl Into<String>, host: impl Into<PathBuf>) -> Self {
        self.env.push((key.into(), JobText::Path { prefix: String::new(), host: host.into() }));
        self
    }

    /// Sets the working directory, a host path.
    #[must_use]
    pub fn cwd(mut self, host: impl Into<PathBuf>) -> Self {
        self.cwd = Some(host.into());
        self
    }

    /// What the job reads from its standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: Vec<u8>) -> Self {
        self.stdin = bytes;
        self
    }

    /// Lets the job see a host file or folder.
    #[must_use]
    pub fn mount(mut self, mount: Mount) -> Self {
        self.mounts.push(mount);
        self
    }

    /// Lets the job reach one Unix socket of the host, by connecting to this port of its own loopback. Needs a cage:
    /// without one the port would be open to the whole machine. The user inside the cage must be allowed to write to the
    /// socket, so protect it by a closed folder and not by its mode.
    #[must_use]
    pub fn loopback_forward(mut self, port: u16, socket: impl Into<PathBuf>) -> Self {
        let socket = socket.into();
        self.mounts.push(Mount::read_only(&socket, INSIDE_SOCKET));
        self.forward = Some((port, socket));
        self
    }

    /// Hides `/proc` from the job, which [`ProcAccess::Hidden`] describes.
    #[must_use]
    pub fn hide_proc(mut self) -> Self {
        self.proc = ProcAccess::Hidden;
        self
    }

    /// Replaces the limits.
    #[must_use]
    pub fn limits(mut self, limits: JobLimits) -> Self {
        self.limits = limits;
        self
    }

    /// How many bytes of each output stream are kept for [`super::Finished`]; the rest is seen by the watcher only.
    #[must_use]
    pub fn capture(mut self, bytes: usize) -> Self {
        self.capture = bytes;
        self
    }

    /// Renders the job for one view.
    pub(super) fn plan(&self, view: PathView) -> Result<RenderedJob, CageError> {
        let forward = match (&self.forward, view) {
            (None, _) => None,
            (Some((port, socket)), PathView::Caged) => {
                Some(Forward { port: *port, socket: inside_path(&self.mounts, socket)? })
            }
            // Refused and not ignored: without the forward an agent would look for another way to
            // its model.
            (Some(_), PathView::Host) => return Err(CageError::ForwardOutside),
        };
        let binds = match view {
            PathView::Caged => check_mounts(&self.mounts)?,
            PathView::Host => Vec::new(),
        };
        let render = |host: &Path| match view {
            PathView::Caged => inside_path(&self.mounts, host),
            PathView::Host => text_path(host),
        };
        // A stage gets its orders as JSON, which holds only UTF-8, and the kernel ends a text at a
        // NUL.
        let word = |what: &str, word: &JobText| match word {
            JobText::Text(text) => plain(what, text),
            JobText::Path { prefix, host } => plain(what, &OsString::from(format!("{prefix}{}", render(host)?))),
        };
        let args = self.args.iter().enumerate().map(|(i, arg)| word(&format!("argument {}", i + 1), arg));
        let mut env = Vec::with_capacity(self.env.len());
        for (key, value) in &self.env {
            // With `=` in a name, a value could set another variable than the one that was named.
            if key.is_empty() || key.contains(['=', '\0']) {
                let what = format!("environment variable {key:?}");
                return Err(CageError::BadText { what, why: "a name must not be empty or contain `=` or NUL" });
            }
            env.push((key.clone(), word(&format!("environment variable {key}"), value)?));
        }
        let spec = JobSpec {
            program: Some(render(&self.program)?),
            args: args.collect::<Result<_, _>>()?,
            env,
            cwd: self.cwd.as_deref().map(render).transpose()?.unwrap_or_else(|| "/".to_owned()),
            limits: self.rlimits(view),
            forward,
            proc: self.proc,
        };
        Ok(RenderedJob { binds, spec })
    }

    fn rlimits(&self, view: PathView) -> Rlimits {
        let limits = &self.limits;
        Rlimits {
            // The kernel counts whole seconds, and a limit of zero would end the job at its first
            // one.
            cpu_seconds: limits.cpu.map(|time| time.as_secs() + u64::from(time.subsec_nanos() > 0)),
            address_space: limits.address_space,
            data: limits.data,
            file_size: limits.file_size,
            processes: match view {
                PathView::Caged => limits.processes.map(|count| match self.forward {
                    // The threads of the forward run in the stage inside and count as its
                    // processes.
                    Some(_) => count.saturating_add(FORWARD_THREADS),
                    None => count,
                }),
                // The kernel counts all processes of the user here, also those of other programs.
                PathView::Host => None,
            },
            open_files: limits.open_files,
        }
    }
}

/// Whether paths are rendered as the job sees them in a cage, or as the host sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathView {
    Caged,
    Host,
}

/// A rendered job.
#[derive(Debug)]
pub(super) struct RenderedJob {
    pub binds: Vec<Bind>,
    pub spec: JobSpec,
}

fn plain(what: &str, text: &OsString) -> Result<String, CageError> {
    let bad = |why| CageError::BadText { what: what.to_owned(), why };
    let text = text.to_str().ok_or_else(|| bad("it is not UTF-8"))?;
    if text.contains('\0') { Err(bad("it contains a NUL")) } else { Ok(text.to_owned()) }
}

/// The path as text, if it is absolute, does not climb and is UTF-8.
fn text_path(path: &Path) -> Result<String, CageError> {
    let bad = |why| CageError::BadPath { path: path.to_owned(), why };
    if !path.is_absolute() {
        return Err(bad("it is not absolute"));
    }
    // `..` after a link leads elsewhere than the text says, so a check of prefixes would be wrong.
    if path.components().any(|part| matches!(part, Component::ParentDir)) {
        return Err(bad("it contains `..`"));
    }
    let text = path.to_str().ok_or_else(|| bad("it is not UTF-8"))?;
    if text.contains('\0') { Err(bad("it contains a NUL")) } else { Ok(text.to_owned()) }
}

/// Where the job sees a host path: under the mount that covers it most closely.
fn inside_path(mounts: &[Mount], host: &Path) -> Result<String, CageError> {
    text_path(host)?;
    let covering = mounts.iter().filter(|mount| host.starts_with(&mount.host));
    // The deepest one, because it hides what the others show at that place.
    if let Some(mount) = covering.max_by_key(|mount| mount.host.components().count()) {
        let rest = host.strip_prefix(&mount.host).unwrap_or(Path::new(""));
        let joined = if rest.as_os_str().is_empty() { mount.inside.clone() } else { mount.inside.join(rest) };
        return text_path(&joined);
    }
    if SYSTEM.iter().chain(&SYSTEM_ALIASES).any(|system| host.starts_with(system)) {
        return text_path(host);
    }
    Err(CageError::Unmounted { path: host.to_owned() })
}

/// Refuses mounts that would cover the cage's own places, and orders the rest from the root downwards.
fn check_mounts(mounts: &[Mount]) -> Result<Vec<Bind>, CageError> {
    let mut binds = Vec::with_capacity(mounts.len());
    for mount in mounts {
        let bad = |why| CageError::BadMount { host: mount.host.clone(), inside: mount.inside.clone(), why };
        let host = text_path(&mount.host)?;
        let inside = text_path(&mount.inside)?;
        // One component is the root alone.
        if mount.host.components().count() < 2 {
            return Err(bad("it would expose the whole host"));
        }
        if mount.inside.components().count() < 2 {
            return Err(bad("it would cover the whole tree"));
        }
        // In both directions: a mount above a reserved place hides it as much as one below changes
        // it.
        let covers = |own: &str| mount.inside.starts_with(own) || Path::new(own).starts_with(&mount.inside);
        if RESERVED.iter().chain(&SYSTEM_ALIASES).any(|own| covers(own)) {
            return Err(bad("that path belongs to the cage"));
        }
        if mounts.iter().filter(|other| other.inside == mount.inside).count() > 1 {
            return Err(bad("another mount has the same path"));
        }
        binds.push(Bind { host, inside, access: mount.access });
    }
    // A mount inside another one must come later, or the outer one would cover it.
    binds.sort_by_key(|bind| Path::new(&bind.inside).components().count());
    Ok(binds)
}
