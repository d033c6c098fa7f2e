//! The last steps of every stage: limits, the start of the job, and the watch over it until it ends or the leash is cut.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Resource, Rlimit, WaitOptions, WaitStatus, getrlimit, setrlimit};

use super::wire::{JobSpec, Report, Rlimits};

/// Our end of the control socket, which is this stage's standard input.
pub(super) fn control_socket() -> io::Result<UnixStream> {
    // A copy that is closed on exec: the job must never hold the leash.
    Ok(UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?))
}

/// Closes what was inherited by accident: a descriptor that the caller's own parent left open would be a hole in any
/// cage. To be called before this process opens anything.
pub(super) fn close_strays() -> io::Result<()> {
    let listing = if cfg!(target_os = "linux") { "/proc/self/fd" } else { "/dev/fd" };
    let open: Vec<i32> = std::fs::read_dir(listing)?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|fd| *fd > 2)
        .collect();
    for fd in open {
        close_number(fd);
    }
    Ok(())
}

#[cfg(target_os = "linux")]
fn close_number(fd: i32) {
    // The listing's own descriptor is among them and gone already.
    let _ = nix::unistd::close(fd);
}

#[cfg(not(target_os = "linux"))]
fn close_number(_fd: i32) {
    // No safe call here; Kavi's own descriptors are closed on exec anyway.
}

/// Sets the limits of this process and so of the job.
///
/// The stage itself has to live within them: an address space too small for it is told as a failed set-up or start.
pub(super) fn limit(limits: &Rlimits) -> io::Result<()> {
    // Zero would keep the kernel from writing a file, but not from piping the dump to the host's crash handler. One byte
    // stops both.
    cap(Resource::Core, Some(1), 0)?;
    // One second between the signal that a program may catch and the one that it may not.
    cap(Resource::Cpu, limits.cpu_seconds, 1)?;
    cap(Resource::Fsize, limits.file_size, 0)?;
    cap(Resource::Nofile, Some(limits.open_files), 0)?;
    cap(Resource::Data, limits.data, 0)?;
    cap(Resource::As, limits.address_space, 0)?;
    // This stage is one of the processes that are counted.
    cap(Resource::Nproc, limits.processes.map(|count| count.saturating_add(1)), 0)
}

fn cap(resource: Resource, limit: Option<u64>, grace: u64) -> io::Result<()> {
    let Some(limit) = limit else { return Ok(()) };
    // Never above what this process has itself.
    let ceiling = getrlimit(resource).maximum.unwrap_or(u64::MAX);
    let maximum = Some(limit.saturating_add(grace).min(ceiling));
    Ok(setrlimit(resource, Rlimit { current: Some(limit.min(ceiling)), maximum })?)
}

/// Starts the job with its three descriptors. Its arguments are in its own view already.
pub(super) fn start(job: &JobSpec, program: &str, fds: Vec<OwnedFd>, own_group: OwnGroup) -> io::Result<Pid> {
    let [stdin, stdout, stderr] =
        <[OwnedFd; 3]>::try_from(fds).map_err(|_| io::Error::other("the orders came without three descriptors"))?;
    let mut command = Command::new(program);
    command
        .args(&job.args)
        .env_clear()
        .envs(job.env.iter().map(|(key, value)| (key, value)))
        .current_dir(&job.cwd)
        .stdin(Stdio::from(stdin))
        .stdout(Stdio::from(stdout))
        .stderr(Stdio::from(stderr));
    if matches!(own_group, OwnGroup::Yes) {
        use std::os::unix::process::CommandExt;
        command.process_group(0);
    }
    let child = command.spawn()?;
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
pub(super) enum Fate {
    /// The job's first process is gone.
    Ended(Report),
    /// Kavi wants it dead, or is dead itself.
    LeashCut,
}

/// Watches until the job's first process ends or the leash is cut, and reaps whoever ends meanwhile.
pub(super) fn supervise(control: &UnixStream, job: Pid) -> io::Result<Fate> {
    let handle = handle(job)?;
    loop {
        if let Some(report) = reap_all(job)? {
            return Ok(Fate::Ended(report));
        }
        let mut fds = vec![PollFd::new(control, PollFlags::empty())];
        fds.extend(handle.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
        // A bounded wait, because orphans that end are announced by nothing but a signal.
        let nap = Timespec { tv_sec: 0, tv_nsec: if handle.is_some() { 200_000_000 } else { 10_000_000 } };
        match poll(&mut fds, Some(&nap)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR) {
            return Ok(Fate::LeashCut);
        }
    }
}

/// Something to poll that tells the end of a process, where the system has such a thing.
#[cfg(target_os = "linux")]
pub(super) fn handle(pid: Pid) -> io::Result<Option<OwnedFd>> {
    Ok(Some(rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn handle(_pid: Pid) -> io::Result<Option<OwnedFd>> {
    Ok(None)
}

fn reap_all(job: Pid) -> io::Result<Option<Report>> {
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == job => return Ok(Some(report(status))),
            Ok(Some(_)) | Err(rustix::io::Errno::INTR) => {}
            Ok(None) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
}

fn report(status: WaitStatus) -> Report {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => Report::Exited(code),
        (None, Some(signal)) => Report::Signalled(signal),
        (None, None) => Report::Signalled(0),
    }
}
