//! The stage that does not confine: for Kavi's own trusted tools, and for a caller who chose to run unconfined.
//!
//! It gives an empty environment, a session of its own, limits, and the death of the whole tree. As the reaper of its
//! descendants it also finds those that left the process group. It does not protect against a malicious job.

use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use rustix::process::Signal;

use super::error::{SetupStep, StageError};
use super::launch::{self, OwnGroup, SupervisionEnd};
use super::outcome::AppliedConfinement;
use super::wire::{self, JobOrder, StageReport};

/// Runs the stage from its start to its end.
pub(super) fn stage() -> ExitCode {
    if launch::close_strays().is_err() {
        return ExitCode::FAILURE;
    }
    let Ok(control) = launch::control_socket() else { return ExitCode::FAILURE };
    let report = match live(&control) {
        Ok(Some(report)) => report,
        Ok(None) => return ExitCode::SUCCESS,
        Err(StageError { step, why }) => StageReport::Failed { step, why },
    };
    match wire::send_report(&control, &report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn live(control: &UnixStream) -> Result<Option<StageReport>, StageError> {
    let at = |step: SetupStep| move |error: std::io::Error| StageError::new(step, error.to_string());
    let (order, fds) = wire::receive_order::<JobOrder>(control).map_err(at(SetupStep::Orders))?;
    let Some(program) = order.job.program.clone() else { return Ok(None) };
    // A session of its own has no terminal, so the job cannot read from or type into the caller's.
    rustix::process::setsid().map_err(|error| StageError::new(SetupStep::Start, error.to_string()))?;
    // Before the job starts: a descendant whose parent died earlier would go to another process and
    // be lost.
    become_reaper().map_err(at(SetupStep::Watch))?;
    launch::limit(&order.job.limits).map_err(at(SetupStep::Limits))?;
    wire::send_report(control, &StageReport::Ready(AppliedConfinement::Unconfined)).map_err(at(SetupStep::Orders))?;
    if !wire::wait_for_go(control) {
        return Ok(None);
    }
    let job = launch::start(&order.job, &program, fds, OwnGroup::Yes).map_err(at(SetupStep::Start))?;
    let fate = launch::supervise(control, job, OwnGroup::Yes);
    // Only where the first process of the job is not reaped yet: after that the number could be another group's.
    if !matches!(fate, Ok(SupervisionEnd::Ended(_))) {
        let _ = rustix::process::kill_process_group(job, Signal::KILL);
    }
    // Before the result is looked at, so that also a failed watch leaves nothing running.
    sweep();
    match fate.map_err(at(SetupStep::Watch))? {
        SupervisionEnd::Ended(report) => Ok(Some(report)),
        SupervisionEnd::ControlClosed => Ok(None),
    }
}

/// Orphans of the job become children of this stage.
#[cfg(target_os = "linux")]
fn become_reaper() -> std::io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

#[cfg(not(target_os = "linux"))]
fn become_reaper() -> std::io::Result<()> {
    Ok(())
}

/// Kills the remaining descendants until there are none.
#[cfg(target_os = "linux")]
fn sweep() {
    use rustix::process::{WaitOptions, kill_process, wait};
    // Each round kills all children of this stage, and their children become ours. A tree that grows faster than the rounds
    // survives: only a cage can prevent that.
    for _ in 0..2000 {
        for child in launch::children() {
            let _ = kill_process(child, Signal::KILL);
        }
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => break,
                // No child is left, or none can be waited for.
                Err(_) => return,
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[cfg(not(target_os = "linux"))]
fn sweep() {
    // Only the group can be found here, and it is dead already. Its leader still has to be reaped.
    let _ = rustix::process::wait(rustix::process::WaitOptions::NOHANG);
}
