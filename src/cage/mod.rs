//! Every child process of Kavi, and the sandbox (the *cage*) around it.
//!
//! [`Cage::run`] is for programs that read what a model wrote: compilers on its sources, the coding agent itself.
//! [`Cage::run_tool`] is for Kavi's own trusted tools. Both start Kavi's own binary again with a hidden verb
//! ([`child_entry`]). That process, a *stage*, prepares, starts and watches the job, so that nothing here needs `unsafe`.
//!
//! Guarantees of `run` where it confines:
//! - The job sees a file tree of its own: system libraries and its mounts, a private `/tmp` and home, a minimal `/dev`, a
//!   `/proc` of its own with `/proc/sys` read-only. Its network is a loopback of its own, on which one port may lead to one
//!   Unix socket of the host ([`Job::loopback_forward`]). It has no other process, capability, new privilege, new namespace,
//!   inherited descriptor, inherited environment variable or controlling terminal.
//! - Two walls: namespaces, and inside them a system call filter, and Landlock where the kernel has it. The stage inside checks
//!   them before the job starts and reports them in [`Finished::confinement`].
//! - When `run` returns, every process of the job is dead, however it ended.
//! - It fails closed: without a cage, [`Confinement::Required`] refuses.
//!
//! What it does not limit: the memory of all processes together, because limits are per process and no cgroup is assumed.
//! The groups of an ordinary user stay with the job, though only its mounts can make use of them. As root, the job is
//! `nobody`: what it reads must be readable by others, and writable mounts change owner for the run.
//!
//! On systems other than Linux nothing is confined, and `Required` always refuses.
//!
//! Deliberately never: searches a program in `PATH`, passes an environment variable on, starts a shell, or retries.

// What only Linux uses is still compiled and linted everywhere.
#![cfg_attr(not(target_os = "linux"), allow(dead_code))]

mod bare;
#[cfg(target_os = "linux")]
mod bwrap;
mod clocks;
mod error;
#[cfg(target_os = "linux")]
mod forward;
mod job;
mod launch;
#[cfg(target_os = "linux")]
mod linux;
mod mount;
mod outcome;
mod person_tool;
mod service;
mod service_scope;
mod stage_verbs;
mod watch;
mod wire;

use std::ffi::OsString;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, OnceLock};

use crate::model::switch::{Halt, Watch, WatchSource};

pub use error::{CageError, SetupStep};
pub use job::{INSIDE_HOME, INSIDE_TMP, Job, JobLimits};
pub use mount::{Mount, MountAccess, ProcAccess};
pub use outcome::{AppliedConfinement, CageReport, Exit, Finished, NamespaceMaker, Stream};
pub use person_tool::{PersonTool, PersonToolEnd};

pub use service::{ServiceProcess, confine_service, service_socket};
pub use service_scope::ServiceScope;

use job::PathView;
use stage_verbs::VERB_BARE;
#[cfg(target_os = "linux")]
use stage_verbs::{VERB_INIT, VERB_OUTER};
use watch::WatchedJob;
use wire::JobOrder;

/// Performs a stage when the process was started as one. To be called first thing in `main`, before any thread.
///
/// `args` are the process's arguments, the program's name included. `None` means that this is no stage.
pub fn child_entry(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    let mut args = args.into_iter().skip(1);
    let verb = args.next()?;
    match verb.to_str()? {
        VERB_BARE => Some(bare::stage()),
        #[cfg(target_os = "linux")]
        VERB_OUTER => Some(linux::outer::stage()),
        #[cfg(target_os = "linux")]
        VERB_INIT => Some(linux::inner::stage(args.next().and_then(|mode| mode.into_string().ok()).as_deref())),
        _ => None,
    }
}

/// Whether untrusted jobs must be confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confinement {
    /// Without a cage nothing is run.
    Required,
    /// Jobs run unconfined. The caller records this choice.
    Unconfined,
}

/// How a cage is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CageMethod {
    /// By Kavi itself.
    Own,
    /// By the `bwrap` program.
    Bubblewrap,
}

/// Starts child processes. A clone shares what was learned about the machine.
#[derive(Debug, Clone)]
pub struct Cage {
    exe: PathBuf,
    confinement: Confinement,
    method: Arc<OnceLock<CageMethod>>,
    watch: JobWatch,
}

/// Who says that a job must end.
#[derive(Debug, Clone)]
enum JobWatch {
    /// Only the limits of the job.
    None,
    /// One watch for all jobs: they are parts of one piece of work.
    Work(Arc<dyn Watch + Send>),
    /// A watch for each job: every one is work of its own.
    EachJob(Arc<dyn WatchSource>),
}

impl JobWatch {
    /// The watch of a job that starts now.
    fn begin(&self) -> Result<Option<Arc<dyn Watch + Send>>, Halt> {
        match self {
            Self::None => Ok(None),
            Self::Work(watch) => Ok(Some(Arc::clone(watch))),
            Self::EachJob(source) => source.begin().map(Some),
        }
    }
}

impl Cage {
    /// A cage whose stages are this binary, which must call [`child_entry`]. It is made by Kavi itself where that works, or
    /// else by bubblewrap.
    #[must_use]
    pub fn new(exe: PathBuf, confinement: Confinement) -> Self {
        Self { exe, confinement, method: Arc::default(), watch: JobWatch::None }
    }

    /// A cage that is made in one way only.
    #[must_use]
    pub fn only_by(exe: PathBuf, method: CageMethod) -> Self {
        let method = Arc::new(OnceLock::from(method));
        Self { exe, confinement: Confinement::Required, method, watch: JobWatch::None }
    }

    /// The same cage, for one piece of work that may have to stop: its jobs are killed when `watch` says so.
    #[must_use]
    pub fn watched(mut self, watch: Arc<dyn Watch + Send>) -> Self {
        self.watch = JobWatch::Work(watch);
        self
    }

    /// The same cage, for jobs that each may have to stop. A job that may not begin is not started.
    #[must_use]
    pub fn watched_by(mut self, source: Arc<dyn WatchSource>) -> Self {
        self.watch = JobWatch::EachJob(source);
        self
    }

    /// The same cage, for jobs that a stop does not concern: they handle nothing of an agent.
    #[must_use]
    pub fn unwatched(mut self) -> Self {
        self.watch = JobWatch::None;
        self
    }

    /// This binary, for jobs that are a hidden verb of it.
    #[must_use]
    pub fn exe(&self) -> &Path {
        &self.exe
    }

    /// The choice that was made for untrusted jobs.
    #[must_use]
    pub fn confinement(&self) -> Confinement {
        self.confinement
    }

    /// Runs a job that handles untrusted input. `watch` sees its output while it runs.
    ///
    /// # Errors
    /// When the job cannot be passed on, when there is no cage though one is required, when the walls cannot be built
    /// or the program cannot be started. A job that ran and failed is no error.
    pub fn run(&self, job: &Job, watch: &mut dyn FnMut(Stream, &[u8])) -> Result<Finished, CageError> {
        match self.confinement {
            Confinement::Unconfined => self.run_bare(job, watch),
            Confinement::Required => self.run_caged(job, watch),
        }
    }

    /// Runs one of Kavi's own trusted tools. It is not confined and has the network. Its environment has nothing
    /// that the job does not set. It has a session of its own, limits and clocks, and its whole tree dies with it.
    ///
    /// # Errors
    /// When the job cannot be passed on or the program cannot be started. A job that ran and failed is no error.
    pub fn run_tool(&self, job: &Job, watch: &mut dyn FnMut(Stream, &[u8])) -> Result<Finished, CageError> {
        self.run_bare(job, watch)
    }

    /// The same for a tool whose standard output this process must not see: it goes straight to `output`.
    ///
    /// # Errors
    /// As for [`Self::run_tool`].
    pub fn run_tool_into(&self, job: &Job, output: BorrowedFd<'_>) -> Result<Finished, CageError> {
        let halt = self.watch.begin().map_err(CageError::Halted)?;
        let watched = WatchedJob { output: Some(output), ..watched_job(job, halt.as_ref()) };
        self.run_bare_watched(watched, &mut |_, _| {})
    }

    fn run_bare(&self, job: &Job, watch: &mut dyn FnMut(Stream, &[u8])) -> Result<Finished, CageError> {
        let halt = self.watch.begin().map_err(CageError::Halted)?;
        self.run_bare_watched(watched_job(job, halt.as_ref()), watch)
    }

    fn run_bare_watched(
        &self,
        watched: WatchedJob<'_>,
        watch: &mut dyn FnMut(Stream, &[u8]),
    ) -> Result<Finished, CageError> {
        let plan = watched.job.plan(PathView::Host)?;
        let order = JobOrder { binds: Vec::new(), job: plan.spec };
        watch::run(self.stage(VERB_BARE), None::<&()>, &order, watched, watch)
    }

    fn stage(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.exe);
        command.arg(verb);
        command
    }
}

fn watched_job<'a>(job: &'a Job, halt: Option<&'a Arc<dyn Watch + Send>>) -> WatchedJob<'a> {
    WatchedJob { job, halt: halt.map(|watch| &**watch as &dyn Watch), output: None }
}

#[cfg(not(target_os = "linux"))]
impl Cage {
    /// What this machine supports.
    #[must_use]
    pub fn probe(&self) -> CageReport {
        CageReport::None { why: NO_LINUX.to_owned() }
    }

    fn run_caged(&self, _job: &Job, _watch: &mut dyn FnMut(Stream, &[u8])) -> Result<Finished, CageError> {
        Err(CageError::NoCage { why: NO_LINUX.to_owned() })
    }
}

#[cfg(not(target_os = "linux"))]
const NO_LINUX: &str = "Kavi cannot confine processes on this operating system";

#[cfg(target_os = "linux")]
mod caged {
    use super::wire::{JobSpec, OuterOrder, Rlimits};
    use super::*;

    impl Cage {
        /// What this machine supports. Builds a cage without a job to find out.
        #[must_use]
        pub fn probe(&self) -> CageReport {
            let own = match self.probe_by(CageMethod::Own) {
                Ok(AppliedConfinement::Caged { by, landlock_abi, .. }) => {
                    return CageReport::Own { landlock_abi, as_root: by == NamespaceMaker::OwnAsRoot };
                }
                Ok(AppliedConfinement::Unconfined) => "it did not confine".to_owned(),
                Err(error) => error.to_string(),
            };
            match self.probe_by(CageMethod::Bubblewrap) {
                Ok(AppliedConfinement::Caged { landlock_abi, .. }) => {
                    CageReport::Bubblewrap { landlock_abi, why_not_own: own }
                }
                Ok(AppliedConfinement::Unconfined) => CageReport::None { why: own },
                Err(error) => CageReport::None { why: format!("own cage: {own}; bubblewrap: {error}") },
            }
        }

        pub(super) fn run_caged(&self, job: &Job, watch: &mut dyn FnMut(Stream, &[u8])) -> Result<Finished, CageError> {
            let halt = self.watch.begin().map_err(CageError::Halted)?;
            let watched = watched_job(job, halt.as_ref());
            let plan = job.plan(PathView::Caged)?;
            let order = JobOrder { binds: plan.binds, job: plan.spec };
            if let Some(method) = self.method.get() {
                return self.run_by(*method, &order, watched, watch);
            }
            // The first job tries our own cage without a probe before it: on most machines the
            // probe would only cost time.
            match self.run_by(CageMethod::Own, &order, watched, watch) {
                // Nothing of the job has run. A probe tells whether this job or this machine is the reason.
                Err(error @ CageError::Setup { .. }) => match self.probe() {
                    CageReport::Own { .. } => Err(error),
                    CageReport::Bubblewrap { .. } => {
                        // Remembered, because this machine will refuse our own cage for the next
                        // job too.
                        let method = self.method.get_or_init(|| CageMethod::Bubblewrap);
                        self.run_by(*method, &order, watched, watch)
                    }
                    CageReport::None { why } => Err(CageError::NoCage { why }),
                },
                done => {
                    // A job that failed to start says nothing about the machine, so the choice
                    // stays open.
                    if done.is_ok() {
                        self.method.get_or_init(|| CageMethod::Own);
                    }
                    done
                }
            }
        }

        fn run_by(
            &self,
            method: CageMethod,
            order: &JobOrder,
            watched: WatchedJob<'_>,
            watch: &mut dyn FnMut(Stream, &[u8]),
        ) -> Result<Finished, CageError> {
            let scratch_bytes = watched.job.limits.scratch_bytes;
            match method {
                CageMethod::Own => {
                    let first = OuterOrder { binds: order.binds.clone(), scratch_bytes };
                    watch::run(self.stage(VERB_OUTER), Some(&first), order, watched, watch)
                }
                CageMethod::Bubblewrap => {
                    let stage = bwrap::command(&self.exe, &order.binds, scratch_bytes)?;
                    watch::run(stage, None::<&()>, order, watched, watch)
                }
            }
        }

        /// Builds a cage without a job and returns what its stage reports.
        fn probe_by(&self, method: CageMethod) -> Result<AppliedConfinement, CageError> {
            let limits = Rlimits {
                cpu_seconds: None,
                address_space: None,
                data: None,
                file_size: None,
                processes: None,
                open_files: 64,
            };
            let spec = JobSpec {
                program: None,
                args: vec![],
                env: vec![],
                cwd: "/".to_owned(),
                limits,
                forward: None,
                proc: ProcAccess::OwnProcesses,
            };
            let order = JobOrder { binds: Vec::new(), job: spec };
            // Without a program the inner stage ends after its self-check, so this reports walls
            // that were really built.
            self.run_by(method, &order, WatchedJob { job: &Job::new("/"), halt: None, output: None }, &mut |_, _| {})
                .map(|finished| finished.confinement)
        }
    }
}
