//! The inner stage: first process of the cage's process namespace. It closes the last doors behind itself, looks
//! whether they are shut, starts the job, and takes everything with it when it ends.

use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use super::privileges::{self, Bounding};
use super::{Failed, at, check, landlock, loopback, mounts, namespaces, seccomp};
use crate::cage::error::Step;
use crate::cage::forward;
use crate::cage::launch::{self, Fate, OwnGroup};
use crate::cage::outcome::{Applied, Maker};
use crate::cage::wire::{self, JobOrder, Report};

/// Who made the namespaces that this stage finds itself in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cage) enum Mode {
    Own,
    OwnAsRoot,
    Bubblewrap,
}

impl Mode {
    /// The word that stands for it on the stage's command line.
    pub(in crate::cage) fn word(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::OwnAsRoot => "own-as-root",
            Self::Bubblewrap => "bubblewrap",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [Self::Own, Self::OwnAsRoot, Self::Bubblewrap].into_iter().find(|mode| mode.word() == word)
    }
}

/// The stage's life.
pub(in crate::cage) fn stage(mode: Option<&str>) -> ExitCode {
    if launch::close_strays().is_err() {
        return ExitCode::FAILURE;
    }
    let (Some(mode), Ok(control)) = (mode.and_then(Mode::parse), launch::control_socket()) else {
        return ExitCode::FAILURE;
    };
    let report = match live(&control, mode) {
        Ok(Some(report)) => report,
        Ok(None) => return ExitCode::SUCCESS,
        Err((step, why)) => Report::Failed { step, why },
    };
    match wire::send_report(&control, &report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn live(control: &UnixStream, mode: Mode) -> Result<Option<Report>, Failed> {
    let (order, fds) = wire::receive_order::<JobOrder>(control).map_err(at(Step::Orders, "orders"))?;
    let user_namespace = settle(mode)?;
    let landlock_abi = landlock::confine(&order.binds)?;
    launch::limit(&order.job.limits).map_err(at(Step::Limits, "limits"))?;
    seccomp::filter()?;
    check::walls()?;
    if let Some(order) = &order.job.forward {
        forward::open(order).map_err(at(Step::Forward, format!("port {}", order.port)))?;
    }
    let by = match mode {
        Mode::Own => Maker::Own,
        Mode::OwnAsRoot => Maker::OwnAsRoot,
        Mode::Bubblewrap => Maker::Bubblewrap,
    };
    let applied = Applied::Caged { by, landlock_abi, user_namespace };
    wire::send_report(control, &Report::Ready(applied)).map_err(at(Step::Orders, "report"))?;
    if !wire::wait_for_go(control) {
        return Ok(None);
    }
    let Some(program) = &order.job.program else { return Ok(Some(Report::Exited(0))) };
    let job = launch::start(&order.job, program, fds, OwnGroup::No).map_err(at(Step::Start, program))?;
    // Either way this process returns from here and ends, and the kernel ends its namespace with it.
    match launch::supervise(control, job).map_err(at(Step::Watch, program))? {
        Fate::Ended(report) => Ok(Some(report)),
        Fate::LeashCut => Ok(None),
    }
}

/// Enters the tree and gives up identity and privileges. Says whether a user namespace surrounds the job.
fn settle(mode: Mode) -> Result<bool, Failed> {
    if mode != Mode::Bubblewrap {
        mounts::mount_proc()?;
        mounts::enter()?;
        rustix::process::setsid().map_err(at(Step::Pivot, "setsid"))?;
        nix::unistd::sethostname("kavi").map_err(at(Step::Pivot, "host name"))?;
        loopback::raise()?;
    }
    let user_namespace = match mode {
        Mode::OwnAsRoot => {
            privileges::become_cage_user()?;
            // The walls that root made stand without one, where the machine has none to give.
            namespaces::nest().is_ok()
        }
        Mode::Own => namespaces::nest().map(|()| true)?,
        Mode::Bubblewrap => true,
    };
    privileges::tie_and_close()?;
    let bounding = if mode != Mode::Bubblewrap && user_namespace { Bounding::Drop } else { Bounding::Gone };
    privileges::drop_all(bounding)?;
    Ok(user_namespace)
}
