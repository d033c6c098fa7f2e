//! The outer stage: makes the namespaces and the file tree, starts the inner stage and waits for its end.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::Pid;

use super::inner::NamespaceMode;
use super::mounts::{self, MountTree};
use super::namespaces::{self, SetupUser};
use super::ownership::{self, OwnershipChange};
use super::{at, call};
use crate::cage::error::{SetupStep, StageError};
use crate::cage::launch;
use crate::cage::wire::{self, OuterOrder, StageReport};

/// Runs the stage from its start to its end.
pub(in crate::cage) fn stage() -> ExitCode {
    if launch::close_strays().is_err() {
        return ExitCode::FAILURE;
    }
    let Ok(control) = launch::control_socket() else { return ExitCode::FAILURE };
    match live(&control) {
        Ok(()) => ExitCode::SUCCESS,
        Err(StageError { step, why }) => {
            let _ = wire::send_report(&control, &StageReport::Failed { step, why });
            ExitCode::FAILURE
        }
    }
}

fn live(control: &UnixStream) -> Result<(), StageError> {
    let (order, _) = wire::receive_order::<OuterOrder>(control).map_err(at(SetupStep::Orders, "orders"))?;
    // A signal of the caller's terminal must not end the stages before they have cleaned up.
    rustix::process::setsid().map_err(at(SetupStep::Namespaces, "setsid"))?;
    let user = namespaces::setup_user();
    namespaces::leave(user)?;
    let tree = mounts::build(&order, user)?;
    // No `?` here: a hand-over that failed halfway has changed some owners, and they must be
    // changed back.
    let handed = hand(&tree, user, OwnershipChange::ToCage);
    let lived = handed.and_then(|()| inner(control, user));
    // Whatever happened, files must not stay with the cage's user. The job may have run, so a failure here is not one of the
    // set-up.
    let back =
        hand(&tree, user, OwnershipChange::BackToRoot).map_err(|failed| StageError::new(SetupStep::Watch, failed.why));
    lived.and(back)
}

fn hand(tree: &MountTree, user: SetupUser, change: OwnershipChange) -> Result<(), StageError> {
    if user == SetupUser::User {
        return Ok(());
    }
    // All of them, even after a failure: each one that changes back is one less that stays with the cage's user.
    let outcomes: Vec<_> = tree.writable.iter().map(|root| ownership::hand(root, change)).collect();
    let what = match change {
        OwnershipChange::ToCage => "giving a writable mount to the cage's user",
        OwnershipChange::BackToRoot => "taking a writable mount back",
    };
    outcomes.into_iter().collect::<Result<(), _>>().map_err(at(SetupStep::Ownership, what))
}

/// Starts the inner stage and waits until it, and with it every process of its namespace, is dead.
fn inner(control: &UnixStream, user: SetupUser) -> Result<(), StageError> {
    let mode = match user {
        SetupUser::Root => NamespaceMode::OwnAsRoot,
        SetupUser::User => NamespaceMode::Own,
    };
    let stdin = control.as_fd().try_clone_to_owned().map_err(at(SetupStep::Start, "control socket"))?;
    // The file of this process, even if its path now leads to another file.
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("kavi")
        .args(crate::cage::stage_verbs::init_args(mode))
        .env_clear()
        .stdin(stdin)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit());
    let mut child = call(SetupStep::Namespaces, "start the inner stage", || command.spawn())?;
    // It has a copy of the control socket, which nobody needs any more.
    drop(command);
    let watched = watch(control, &child);
    // Killing the first process ends the whole namespace. It can be reaped only after all other processes are gone.
    let killed = child.kill();
    child.wait().and(killed).map(drop).and(watched).map_err(at(SetupStep::Watch, "inner stage"))
}

/// Returns when the inner stage has ended or Kavi has closed the control socket.
fn watch(control: &UnixStream, child: &Child) -> io::Result<()> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
    let handle = launch::handle(pid)?;
    loop {
        let mut fds = vec![PollFd::new(control, PollFlags::empty())];
        fds.extend(handle.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
        // No timeout: both ends make an event, and the clocks are Kavi's.
        match poll(&mut fds, None) {
            Ok(_) if fds.iter().any(|fd| !fd.revents().is_empty()) => return Ok(()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
