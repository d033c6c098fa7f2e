//! The outer stage: namespaces, the file tree, the inner stage's birth and death.

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::process::Pid;

use super::inner::Mode;
use super::mounts::{self, Tree};
use super::namespaces::{self, Right};
use super::ownership::{self, Way};
use super::{Failed, at};
use crate::cage::error::Step;
use crate::cage::launch;
use crate::cage::wire::{self, OuterOrder, Report};

/// The stage's life.
pub(in crate::cage) fn stage() -> ExitCode {
    if launch::close_strays().is_err() {
        return ExitCode::FAILURE;
    }
    let Ok(control) = launch::control_socket() else { return ExitCode::FAILURE };
    match live(&control) {
        Ok(()) => ExitCode::SUCCESS,
        Err((step, why)) => {
            let _ = wire::send_report(&control, &Report::Failed { step, why });
            ExitCode::FAILURE
        }
    }
}

fn live(control: &UnixStream) -> Result<(), Failed> {
    let (order, _) = wire::receive_order::<OuterOrder>(control).map_err(at(Step::Orders, "orders"))?;
    rustix::process::setsid().map_err(at(Step::Namespaces, "setsid"))?;
    let right = namespaces::right();
    namespaces::leave(right)?;
    let tree = mounts::build(&order, right)?;
    let handed = hand(&tree, right, Way::ToCage);
    let lived = handed.and_then(|()| inner(control, right));
    // Whatever happened, what the cage's user owns now is not left to it. The job may have run, so a failure here is
    // none of the set-up.
    let back = hand(&tree, right, Way::BackToRoot).map_err(|(_, why)| (Step::Watch, why));
    lived.and(back)
}

fn hand(tree: &Tree, right: Right, way: Way) -> Result<(), Failed> {
    if right == Right::User {
        return Ok(());
    }
    // All of them, also after one that failed.
    let outcomes: Vec<_> = tree.writable.iter().map(|root| ownership::hand(root, way)).collect();
    let what = match way {
        Way::ToCage => "giving a writable mount to the cage's user",
        Way::BackToRoot => "taking a writable mount back",
    };
    outcomes.into_iter().collect::<Result<(), _>>().map_err(at(Step::Ownership, what))
}

/// Starts the inner stage and stays until it, and with it every process of its namespace, is dead.
fn inner(control: &UnixStream, right: Right) -> Result<(), Failed> {
    let mode = match right {
        Right::Root => Mode::OwnAsRoot,
        Right::User => Mode::Own,
    };
    let stdin = control.as_fd().try_clone_to_owned().map_err(at(Step::Start, "control socket"))?;
    // This very file, even if another has taken its name meanwhile.
    let mut child = Command::new("/proc/self/exe")
        .arg0("kavi")
        .args(crate::cage::init_args(mode))
        .env_clear()
        .stdin(stdin)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(at(Step::Namespaces, "start the inner stage"))?;
    let watched = watch(control, &child);
    // A kill of the first process ends the whole namespace; it is reaped only when all the others are gone.
    let killed = child.kill();
    child.wait().and(killed).map(drop).and(watched).map_err(at(Step::Watch, "inner stage"))
}

/// Returns when the inner stage has ended or the leash is cut.
fn watch(control: &UnixStream, child: &Child) -> io::Result<()> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidData)?;
    let handle = launch::handle(pid)?;
    loop {
        let mut fds = vec![PollFd::new(control, PollFlags::empty())];
        fds.extend(handle.as_ref().map(|fd| PollFd::new(fd, PollFlags::IN)));
        match poll(&mut fds, None) {
            Ok(_) if fds.iter().any(|fd| !fd.revents().is_empty()) => return Ok(()),
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
