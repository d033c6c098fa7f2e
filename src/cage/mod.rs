//! Every child process of Kavi.
//!
//! [`Cage::run`] is for whatever reads what a model wrote: compilers on its sources, the coding agent itself.
//! [`Cage::run_tool`] is for our own trusted tools. Both start our own binary again with a hidden verb
//! ([`child_entry`]) and let that *stage* prepare, start and watch the job, so that nothing here needs `unsafe`.
//!
//! Guarantees of `run` where it is confined:
//! - The job sees a tree of its own: system libraries and its mounts, a private `/tmp` and home, a minimal `/dev`, a
//!   `/proc` of its own with `/proc/sys` read-only. No network but an own loopback, on which one port may lead to one
//!   Unix socket of the host ([`Job::loopback_forward`]). No other process, no capability, no
//!   new privilege, no new namespace, no inherited descriptor or environment variable, no controlling terminal.
//! - Two walls: namespaces, and Landlock with a system call filter inside them. The stage inside checks them before the
//!   job is started and its findings are in [`Finished::confinement`].
//! - When `run` returns, every process of the job is dead, however it ended.
//! - Fails closed: without a cage, [`Confinement::Required`] refuses.
//!
//! What it does not bound: the memory of all processes together (the limits are per process, and no cgroup is assumed),
//! and the groups of an ordinary user, which stay with the job though only its mounts can make use of them. As root, the
//! job is `nobody`: what it is to read must be readable by others, while writable mounts change hands for the run.
//!
//! On other systems than Linux nothing is confined: `Required` refuses there, always.
//!
//! Deliberately never: look a program up in a search path, pass an environment variable on, start a shell, retry.

// What only Linux can use is still checked everywhere.
#![cfg_attr(not(target_os = "linux"), allow(dead_code))]

mod bare;
#[cfg(target_os = "linux")]
mod bwrap;
mod error;
#[cfg(target_os = "linux")]
mod forward;
mod job;
mod launch;
#[cfg(target_os = "linux")]
mod linux;
mod outcome;
mod watch;
mod wire;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, OnceLock};

use crate::model::switch::Watch;

pub use error::{CageError, Step};
pub use job::{Access, INSIDE_HOME, INSIDE_TMP, Job, Limits, Mount};
pub use outcome::{Applied, CageReport, Exit, Finished, Maker, Stream};

use job::View;
use wire::JobOrder;

const VERB_BARE: &str = "__cage-bare";
#[cfg(target_os = "linux")]
const VERB_OUTER: &str = "__cage-outer";
#[cfg(target_os = "linux")]
const VERB_INIT: &str = "__cage-init";

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

/// What a job is looked after with while it runs.
type Halting<'a> = &'a dyn Watch;

/// Whether untrusted jobs must be confined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confinement {
    /// Without a cage nothing is run.
    Required,
    /// Jobs run without walls. A choice that the caller puts on record.
    Unconfined,
}

/// How a cage is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// By Kavi itself.
    Own,
    /// By the `bwrap` program.
    Bubblewrap,
}

/// The place from which child processes are started.
#[derive(Debug)]
pub struct Cage {
    exe: PathBuf,
    confinement: Confinement,
    method: OnceLock<Method>,
    watch: Option<Arc<dyn Watch + Send>>,
}

impl Cage {
    /// A cage whose stages are this binary, which must call [`child_entry`]. Takes our own cage where it works, else
    /// bubblewrap.
    #[must_use]
    pub fn new(exe: PathBuf, confinement: Confinement) -> Self {
        Self { exe, confinement, method: OnceLock::new(), watch: None }
    }

    /// A cage that is made in one way only.
    #[must_use]
    pub fn only_by(exe: PathBuf, method: Method) -> Self {
        Self { exe, confinement: Confinement::Required, method: OnceLock::from(method), watch: None }
    }

    /// The same place for work that may have to end: a job that is watched is killed when it may not go on.
    #[must_use]
    pub fn watched(mut self, watch: Arc<dyn Watch + Send>) -> Self {
        self.watch = Some(watch);
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

    /// Runs one of Kavi's own trusted tools: not confined and with the network, but with nothing in its environment
    /// that the job does not set, a session of its own, limits, clocks, and the death of its whole tree.
    ///
    /// # Errors
    /// When the job cannot be passed on or the program cannot be started. A job that ran and failed is no error.
    pub fn run_tool(&self, job: &Job, watch: &mut dyn FnMut(Stream, &[u8])) -> Result<Finished, CageError> {
        self.run_bare(job, watch)
    }

    fn run_bare(&self, job: &Job, watch: &mut dyn FnMut(Stream, &[u8])) -> Result<Finished, CageError> {
        let plan = job.plan(View::Host)?;
        let order = JobOrder { binds: Vec::new(), job: plan.spec };
        watch::run(
            self.stage(VERB_BARE),
            None::<&()>,
            &order,
            (job, self.watch.as_deref().map(|watch| watch as Halting<'_>)),
            watch,
        )
    }

    fn stage(&self, verb: &str) -> Command {
        let mut command = Command::new(&self.exe);
        command.arg(verb);
        command
    }
}

#[cfg(not(target_os = "linux"))]
impl Cage {
    /// What this machine gives.
    #[must_use]
    pub fn probe(&self) -> CageReport {
        CageReport::None { why: NO_LINUX.to_owned() }
    }

    fn run_caged(&self, _job: &Job, _watch: &mut dyn FnMut(Stream, &[u8])) -> Result<Finished, CageError> {
        Err(CageError::NoCage { why: NO_LINUX.to_owned() })
    }
}

#[cfg(not(target_os = "linux"))]
const NO_LINUX: &str = "on this operating system Kavi can confine nothing";

#[cfg(target_os = "linux")]
mod caged {
    use super::linux::inner::Mode;
    use super::wire::{JobSpec, OuterOrder, Rlimits};
    use super::*;

    impl Cage {
        /// What this machine gives. Builds a cage around nothing to find out.
        #[must_use]
        pub fn probe(&self) -> CageReport {
            let own = match self.probe_by(Method::Own) {
                Ok(Applied::Caged { by, landlock_abi, .. }) => {
                    return CageReport::Own { landlock_abi, as_root: by == Maker::OwnAsRoot };
                }
                Ok(Applied::Unconfined) => "it confined nothing".to_owned(),
                Err(error) => error.to_string(),
            };
            match self.probe_by(Method::Bubblewrap) {
                Ok(Applied::Caged { landlock_abi, .. }) => CageReport::Bubblewrap { landlock_abi, why_not_own: own },
                Ok(Applied::Unconfined) => CageReport::None { why: own },
                Err(error) => CageReport::None { why: format!("own cage: {own}; bubblewrap: {error}") },
            }
        }

        pub(super) fn run_caged(&self, job: &Job, watch: &mut dyn FnMut(Stream, &[u8])) -> Result<Finished, CageError> {
            let halt = self.watch.as_deref().map(|watch| watch as Halting<'_>);
            let plan = job.plan(View::Caged)?;
            let order = JobOrder { binds: plan.binds, job: plan.spec };
            if let Some(method) = self.method.get() {
                return self.run_by(*method, &order, (job, halt), watch);
            }
            match self.run_by(Method::Own, &order, (job, halt), watch) {
                // Nothing of the job has run. Is it this job, or this machine?
                Err(error @ CageError::Setup { .. }) => match self.probe() {
                    CageReport::Own { .. } => Err(error),
                    CageReport::Bubblewrap { .. } => {
                        let method = self.method.get_or_init(|| Method::Bubblewrap);
                        self.run_by(*method, &order, (job, halt), watch)
                    }
                    CageReport::None { why } => Err(CageError::NoCage { why }),
                },
                done => {
                    if done.is_ok() {
                        self.method.get_or_init(|| Method::Own);
                    }
                    done
                }
            }
        }

        fn run_by(
            &self,
            method: Method,
            order: &JobOrder,
            (job, halt): (&Job, Option<Halting<'_>>),
            watch: &mut dyn FnMut(Stream, &[u8]),
        ) -> Result<Finished, CageError> {
            let scratch_bytes = job.limits.scratch_bytes;
            match method {
                Method::Own => {
                    let first = OuterOrder { binds: order.binds.clone(), scratch_bytes };
                    watch::run(self.stage(VERB_OUTER), Some(&first), order, (job, halt), watch)
                }
                Method::Bubblewrap => {
                    let stage = bwrap::command(&self.exe, &order.binds, scratch_bytes)?;
                    watch::run(stage, None::<&()>, order, (job, halt), watch)
                }
            }
        }

        /// Builds a cage with no job in it and hears what stands.
        fn probe_by(&self, method: Method) -> Result<Applied, CageError> {
            let limits = Rlimits {
                cpu_seconds: None,
                address_space: None,
                data: None,
                file_size: None,
                processes: None,
                open_files: 64,
            };
            let spec = JobSpec { program: None, args: vec![], env: vec![], cwd: "/".to_owned(), limits, forward: None };
            let order = JobOrder { binds: Vec::new(), job: spec };
            self.run_by(method, &order, (&Job::new("/"), None), &mut |_, _| {}).map(|finished| finished.confinement)
        }
    }

    /// The verb and mode with which the stage inside is started.
    pub(super) fn init_args(mode: Mode) -> [&'static str; 2] {
        [VERB_INIT, mode.word()]
    }
}
#[cfg(target_os = "linux")]
use caged::init_args;
