//! The last steps of every stage: limits, the start of the job, and watching it until it ends or Kavi closes the control
//! socket.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;
use rustix::process::{Pid, Resource, Rlimit, Signal, WaitOptions, WaitStatus, getrlimit, setrlimit};

use super::wire::{JobSpec, Rlimits, StageReport};
use crate::sync::uninterrupted;

/// Our end of the control socket, which is this stage's standard input.
pub(super) fn control_socket() -> io::Result<UnixStream> {
    // A copy that is closed on exec: while the job held it, the socket would stay open after this stage ended.
    Ok(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Closes descriptors that were inherited by accident: one that the caller's parent left open would bypass the cage. To be
/// called before this process opens anything.
pub(super) fn close_strays() -> io::Result<()> {
    let listing = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
    // Collected first: closing while the folder is read would change the listing under its reader.
    let open: Vec<i32> = std::fs::read_dir(listing)?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|fd| *fd > 2)
        .collect();
    // Descriptors 0 to 2 were set by Kavi at the start of this stage.
    for fd in open {
        close_number(fd);
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn close_number(fd: i32) {
    // The descriptor of the listing itself is among them and closed already, so errors do not matter.
    let _ = nix::unistd::close(fd);
}

#[cfg(not(target_os = "linux"))]
fn close_number(_fd: i32) {
    // There is no safe call for this here. Kavi's own descriptors are closed on exec anyway.
}

/// Sets the limits of this process and so of the job.
///
/// The stage itself is limited too: an address space that is too small for it shows as a failed set-up or start.
pub(super) fn limit(limits: &Rlimits) -> io::Result<()> {
    // With zero the kernel writes no file but still pipes the dump to the host's crash handler. With one byte it does neither.
    cap(Resource::Core, Some(1), 0)?;
    // SIGXCPU comes first and may be caught; SIGKILL follows one second later.
    cap(Resource::Cpu, limits.cpu_seconds, 1)?;
    cap(Resource::Fsize, limits.file_size, 0)?;
    cap(Resource::Nofile, Some(limits.open_files), 0)?;
    cap(Resource::Data, limits.data, 0)?;
    cap(Resource::As, limits.address_space, 0)?;
    // This stage counts as one of the processes.
    cap(Resource::Nproc, limits.processes.map(|count| count.saturating_add(1)), 0)
}

fn cap(resource: Resource, limit: Option<u64>, grace: u64) -> io::Result<()> {
    let Some(limit) = limit else { return Ok(()) };
    // Raising a limit above the own maximum would fail.
    let ceiling = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let maximum = Some(limit.saturating_add(grace).min(ceiling));
    Ok(setrlimit(resource, Rlimit { current: Some(limit.min(ceiling)), maximum })?)
}

/// Starts the job with its three descriptors. Its arguments are in its own view already.
pub(super) fn start(job: &JobSpec, program: &str, fds: Vec<OwnedFd>, own_group: OwnGroup) -> io::Result<Pid> {
    // Without all three the job would inherit the stage's own, and its standard input is the
    // control socket.
    let [stdin, stdout, stderr] =
        <[OwnedFd; 3]>::try_from(fds).map_err(|_| io::Error::other("the orders arrived without three descriptors"))?;
    let mut command = Command::new(program);
    command
        .args(&job.args)
        .env_clear()
        .envs(job.env.iter().map(|(key, value)| (key, value)))
        .current_dir(&job.cwd)
        .stdin(Stdio::from(stdin))
        .stdout(Stdio::from(stdout))
        .stderr(Stdio::from(stderr));
    // Outside of a cage the group is the handle by which the job's processes are killed together.
    if matches!(own_group, OwnGroup::Yes) {
        use std::os::unix::process::CommandExt;
        command.process_group(0);
    }
    let child = uninterrupted(|| command.spawn())?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| io::Error::other("the system gave a process number out of range"))
}

/// Whether the job gets a process group of its own.
#[derive(Debug, Clone, Copy)]
pub(super) enum OwnGroup {
    Yes,
    #[cfg(target_os = "linux")]
    No,
}

/// How the watch over a job ended.
#[derive(Debug)]
pub(super) enum SupervisionEnd {
    /// The job's first process is gone.
    Ended(StageReport),
    /// Kavi closed the control socket, or died.
    ControlClosed,
}

/// Watches until the job's first process ends or Kavi closes the control socket. Reaps orphans meanwhile.
///
/// A job that ends in a group of its own takes that group along. In every other case its first process is not reaped
/// yet, so the caller can still kill the group by its number.
pub(super) fn supervise(control: &UnixStream, job: Pid, own_group: OwnGroup) -> io::Result<SupervisionEnd> {
    // Taken before anything is reaped: afterwards the number could belong to another process.
    let handle = handle(job)?;
    loop {
        // First in the loop, because the job may have ended before the first wait.
        let ended = match own_group {
            OwnGroup::Yes => end_with_group(job)?,
            #[cfg(target_os = "linux")]
            OwnGroup::No => reap_all(job)?,
        };
        if let Some(report) = ended {
            return Ok(SupervisionEnd::Ended(report));
        }
        // No events are asked for: the kernel reports a hang-up in any case, and bytes are of no
        // interest here.
        let mut fds = vec![PollFd::new(control, PollFlags::empty())];
        fds.extend(handle.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
        // The wait has a limit, because nothing but a signal announces the end of an orphan.
        let nap = Timespec { tv_sec: 0, tv_nsec: if handle.is_some() { 200_000_000 } else { 10_000_000 } };
        match poll(&mut fds, Some(&nap)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR) {
            return Ok(SupervisionEnd::ControlClosed);
        }
    }
}

/// A descriptor that becomes readable when the process ends, where the system has such a thing.
#[cfg(target_os = "linux")]
pub(super) fn handle(pid: Pid) -> io::Result<Option<OwnedFd>> {
    Ok(Some(rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn handle(_pid: Pid) -> io::Result<Option<OwnedFd>> {
    Ok(None)
}

/// Reaps whatever has ended, in the first process of a namespace.
#[cfg(target_os = "linux")]
fn reap_all(job: Pid) -> io::Result<Option<StageReport>> {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            // Every child is waited for, not the job alone. As the first process of its namespace
            // this stage inherits orphans, and zombies would fill the limit of processes.
            Ok(Some((pid, status))) if pid == job => return Ok(Some(report(status))),
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Kills the job's group and reaps the job, once its first process has ended. Reaps orphans before that.
fn end_with_group(job: Pid) -> io::Result<Option<StageReport>> {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    let peek = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    if retry_on_intr(|| waitid(WaitId::Pid(job), peek))?.is_some() {
        return kill_group_and_reap(job).map(Some);
    }
    // One by one and never the job: `wait` for any child could reap it before its group is killed.
    for orphan in children().into_iter().filter(|child| *child != job) {
        let _ = rustix::process::waitpid(Some(orphan), WaitOptions::NOHANG);
    }
    Ok(None)
}

/// Kills the group of a job whose first process has ended, then reaps that process.
fn kill_group_and_reap(job: Pid) -> io::Result<StageReport> {
    // In this order. As long as the first process is not reaped, the number of the group is taken. Afterwards it could be
    // the number of a group of somebody else's.
    let killed = rustix::process::kill_process_group(job, Signal::KILL);
    let reaped = loop {
        match rustix::process::waitpid(Some(job), WaitOptions::empty()) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    match (killed, reaped) {
        // Some systems refuse a signal to a group in which only an ended process is left.
        (Ok(()) | Err(rustix::io::Errno::PERM), Some((_, status))) => Ok(report(status)),
        (Err(error), _) => Err(error.into()),
        (_, None) => Err(io::Error::other("the job ended and cannot be waited for")),
    }
}

/// The children of this stage.
#[cfg(target_os = "linux")]
pub(super) fn children() -> Vec<Pid> {
    // The kernel keeps this list for each thread that started a child. A stage has one thread.
    let children = std::fs::read_to_string("/proc/thread-self/children").unwrap_or_default();
    children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect()
}

#[cfg(not(target_os = "linux"))]
fn children() -> Vec<Pid> {
    // Only Linux gives orphans to this stage.
    Vec::new()
}

fn report(status: WaitStatus) -> StageReport {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => StageReport::Exited(code),
        (None, Some(signal)) => StageReport::Signalled(signal),
        (None, None) => StageReport::Signalled(0),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::CommandExt as _;

    use rustix::process::{WaitId, WaitIdOptions, waitid};

    use super::*;

    #[test]
    fn the_group_of_a_job_is_killed_before_its_number_is_free() -> Result<(), Box<dyn std::error::Error>> {
        // No member but the first process: once that is reaped, no group has this number.
        let child = Command::new("/bin/sh").args(["-c", "exit 7"]).process_group(0).spawn()?;
        let job = Pid::from_raw(i32::try_from(child.id())?).ok_or("no process number")?;
        waitid(WaitId::Pid(job), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT)?;
        assert!(matches!(kill_group_and_reap(job)?, StageReport::Exited(7)));
        Ok(())
    }
}
