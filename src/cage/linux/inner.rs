//! The inner stage: the first process of the cage's process namespace. It gives up every privilege, checks the confinement,
//! starts the job, and ends the whole namespace when it ends.

use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use super::privileges::{self, Bounding};
use super::{at, call, check, landlock, loopback, mounts, namespaces, seccomp};
use crate::cage::error::{SetupStep, StageError};
use crate::cage::forward;
use crate::cage::launch::{self, OwnGroup, SupervisionEnd};
use crate::cage::mount::ProcAccess;
use crate::cage::outcome::{AppliedConfinement, NamespaceMaker};
use crate::cage::wire::{self, JobOrder, StageReport};

/// Who made the namespaces that this stage finds itself in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cage) enum NamespaceMode {
    Own,
    OwnAsRoot,
    Bubblewrap,
}

impl NamespaceMode {
    /// Its name on the command line of the stage.
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

/// Runs the stage from its start to its end.
pub(in crate::cage) fn stage(mode: Option<&str>) -> ExitCode {
    if launch::close_strays().is_err() {
        return ExitCode::FAILURE;
    }
    let (Some(mode), Ok(control)) = (mode.and_then(NamespaceMode::parse), launch::control_socket()) else {
        return ExitCode::FAILURE;
    };
    let report = match live(&control, mode) {
        Ok(Some(report)) => report,
        Ok(None) => return ExitCode::SUCCESS,
        Err(StageError { step, why }) => StageReport::Failed { step, why },
    };
    match wire::send_report(&control, &report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn live(control: &UnixStream, mode: NamespaceMode) -> Result<Option<StageReport>, StageError> {
    let (order, fds) = wire::receive_order::<JobOrder>(control).map_err(at(SetupStep::Orders, "orders"))?;
    let user_namespace = settle(mode, order.job.proc)?;
    // After the tree is entered, because rules name folders by descriptors of the final tree.
    let landlock_abi = landlock::confine(&order.binds)?;
    launch::limit(&order.job.limits).map_err(at(SetupStep::Limits, "limits"))?;
    // The filter comes after everything that sets up: setting limits and namespaces are calls that it restricts.
    seccomp::filter()?;
    // After the filter and before anything of the job exists, so that it sees what the job will
    // see.
    check::walls()?;
    if let Some(order) = &order.job.forward {
        // Its threads start under the filter and under Landlock, and so are confined like the job.
        forward::open(order).map_err(at(SetupStep::Forward, format!("port {}", order.port)))?;
    }
    if order.job.proc == ProcAccess::Hidden {
        landlock::hide_proc()?;
    }
    let by = match mode {
        NamespaceMode::Own => NamespaceMaker::Own,
        NamespaceMode::OwnAsRoot => NamespaceMaker::OwnAsRoot,
        NamespaceMode::Bubblewrap => NamespaceMaker::Bubblewrap,
    };
    let applied = AppliedConfinement::Caged { by, landlock_abi, user_namespace };
    // Kavi starts the job's clocks at this report, and records what is in it.
    wire::send_report(control, &StageReport::Ready(applied)).map_err(at(SetupStep::Orders, "report"))?;
    if !wire::wait_for_go(control) {
        return Ok(None);
    }
    // After `GO` as well, so that a probe takes the same way as a job.
    let Some(program) = &order.job.program else { return Ok(Some(StageReport::Exited(0))) };
    let job = launch::start(&order.job, program, fds, OwnGroup::No).map_err(at(SetupStep::Start, program))?;
    // Either way this process ends, and with its first process the kernel ends the whole namespace.
    match launch::supervise(control, job, OwnGroup::No).map_err(at(SetupStep::Watch, program))? {
        SupervisionEnd::Ended(report) => Ok(Some(report)),
        SupervisionEnd::ControlClosed => Ok(None),
    }
}

/// Enters the tree and gives up identity and privileges. Returns whether the job is in a user namespace of its own.
fn settle(mode: NamespaceMode, proc: ProcAccess) -> Result<bool, StageError> {
    if mode != NamespaceMode::Bubblewrap {
        // bubblewrap has done all of this. The order is fixed: each step needs a capability that a
        // later one gives up.
        mounts::mount_proc(proc)?;
        mounts::enter()?;
        call(SetupStep::Pivot, "setsid", rustix::process::setsid)?;
        call(SetupStep::Pivot, "host name", || nix::unistd::sethostname("kavi"))?;
        // A new network namespace starts with its loopback down, and programs expect one that
        // works.
        loopback::raise()?;
    }
    let user_namespace = match mode {
        NamespaceMode::OwnAsRoot => {
            privileges::become_cage_user()?;
            // The namespaces that root made hold without one, on machines that allow no user namespaces.
            namespaces::nest().is_ok()
        }
        NamespaceMode::Own => namespaces::nest().map(|()| true)?,
        NamespaceMode::Bubblewrap => true,
    };
    // After `nest`: a change of credentials resets both settings.
    privileges::tie_and_close()?;
    let bounding = if mode != NamespaceMode::Bubblewrap && user_namespace { Bounding::Drop } else { Bounding::Gone };
    privileges::drop_all(bounding)?;
    Ok(user_namespace)
}
