//! The stage without walls: for Kavi's own trusted tools, and for a caller who chose to go unconfined.
//!
//! It gives an emptied environment, a session of its own, limits, and the death of the whole tree: as the reaper of its
//! descendants it finds also those that left the process group. It gives no protection from a job that means harm.

use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use rustix::process::{Pid, Signal};

use super::error::Step;
use super::launch::{self, Fate, OwnGroup};
use super::outcome::Applied;
use super::wire::{self, JobOrder, Report};

/// The stage's life.
pub(super) fn stage() -> ExitCode {
    if launch::close_strays().is_err() {
        return ExitCode::FAILURE;
    }
    let Ok(control) = launch::control_socket() else { return ExitCode::FAILURE };
    let report = match live(&control) {
        Ok(Some(report)) => report,
        Ok(None) => return ExitCode::SUCCESS,
        Err((step, why)) => Report::Failed { step, why },
    };
    match wire::send_report(&control, &report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn live(control: &UnixStream) -> Result<Option<Report>, (Step, String)> {
    let at = |step: Step| move |error: std::io::Error| (step, error.to_string());
    let (order, fds) = wire::receive_order::<JobOrder>(control).map_err(at(Step::Orders))?;
    let Some(program) = order.job.program.clone() else { return Ok(None) };
    rustix::process::setsid().map_err(|error| (Step::Start, error.to_string()))?;
    become_reaper().map_err(at(Step::Watch))?;
    launch::limit(&order.job.limits).map_err(at(Step::Limits))?;
    wire::send_report(control, &Report::Ready(Applied::Unconfined)).map_err(at(Step::Orders))?;
    if !wire::wait_for_go(control) {
        return Ok(None);
    }
    let job = launch::start(&order.job, &program, fds, OwnGroup::Yes).map_err(at(Step::Start))?;
    let fate = launch::supervise(control, job);
    kill_tree(job);
    match fate.map_err(at(Step::Watch))? {
        Fate::Ended(report) => Ok(Some(report)),
        Fate::LeashCut => Ok(None),
    }
}

/// Makes orphans of the job children of this stage.
#[cfg(target_os = "linux")]
fn become_reaper() -> std::io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?)
}

#[cfg(not(target_os = "linux"))]
fn become_reaper() -> std::io::Result<()> {
    Ok(())
}

/// Kills the job's group, then whoever is left, until nobody is.
fn kill_tree(job: Pid) {
    let _ = rustix::process::kill_process_group(job, Signal::KILL);
    sweep();
}

#[cfg(target_os = "linux")]
fn sweep() {
    use rustix::process::{WaitOptions, kill_process, wait};
    // Each round kills all children; their children become ours. A tree that outgrows the rounds is left to the
    // operator: without a cage nothing better is to be had.
    for _ in 0..2000 {
        let children = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
        for child in children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
            let _ = kill_process(child, Signal::KILL);
        }
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

#[cfg(not(target_os = "linux"))]
fn sweep() {
    // Only the group can be found here; it is dead already. Its leader still has to be reaped.
    let _ = rustix::process::wait(rustix::process::WaitOptions::NOHANG);
}
