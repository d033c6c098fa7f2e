//! The messages between Kavi and its stages.
//!
//! A stage is Kavi's own binary, started again with a hidden verb. Its standard input is one end of a Unix socket pair. Over
//! this control socket the stage receives its orders and the three descriptors of the job, and reports its progress. The
//! socket is also how a stage is ended: when Kavi closes its end or dies, the stage kills everything that it started.

use std::fmt;
use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::io::retry_on_intr;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::SetupStep;
use super::mount::{MountAccess, ProcAccess};
use super::outcome::AppliedConfinement;
use crate::sync::uninterrupted;

/// Largest order. The longest command line that the kernel accepts fits.
const MAX_ORDER: usize = 16 * 1024 * 1024;

/// A mount as a stage sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bind {
    pub host: String,
    pub inside: String,
    pub access: MountAccess,
}

/// Resource limits of the job's processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Rlimits {
    pub cpu_seconds: Option<u64>,
    pub address_space: Option<u64>,
    pub data: Option<u64>,
    pub file_size: Option<u64>,
    pub processes: Option<u64>,
    pub open_files: u64,
}

/// A port on the cage's loopback and the socket that it leads to, as the cage sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Forward {
    pub port: u16,
    pub socket: String,
}

/// A command line in the job's own view. No program means a probe: walls only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct JobSpec {
    pub program: Option<String>,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub cwd: String,
    pub limits: Rlimits,
    pub forward: Option<Forward>,
    pub proc: ProcAccess,
}

impl fmt::Debug for JobSpec {
    /// Names of the environment only: a value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        f.debug_struct("JobSpec")
            .field("program", &self.program)
            .field("args", &self.args)
            .field("env", &names)
            .finish_non_exhaustive()
    }
}

/// Orders for the outer stage.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct OuterOrder {
    pub binds: Vec<Bind>,
    pub scratch_bytes: u64,
}

/// Orders for the stage that starts the job.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct JobOrder {
    pub binds: Vec<Bind>,
    pub job: JobSpec,
}

/// What a stage reports, one JSON text per line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum StageReport {
    /// The confinement is in force and nothing of the job has run. The stage waits for [`GO`].
    Ready(AppliedConfinement),
    /// The job's first process ended by itself.
    Exited(i32),
    /// The job's first process was ended by a signal.
    Signalled(i32),
    /// Nothing of the job has run; at [`SetupStep::Watch`] it may have, and its end is unknown.
    Failed { step: SetupStep, why: String },
}

/// The byte that lets a ready stage start the job.
pub(super) const GO: u8 = b'g';

/// Sends an order, with descriptors. They travel with the first byte, so that no read can separate them from the order.
pub(super) fn send_order<T: Serialize>(mut socket: &UnixStream, order: &T, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
    let body = serde_json::to_vec(order)?;
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX_ORDER);
    let length = length.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the order is too long"))?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
        return Err(io::Error::other("too many descriptors for one order"));
    }
    retry_on_intr(|| rustix::net::sendmsg(socket, &[IoSlice::new(b"o")], &mut control, SendFlags::empty()))?;
    socket.write_all(&length.to_le_bytes())?;
    socket.write_all(&body)
}

/// Receives one order and its descriptors. It reads not a byte more: the next order may be for another stage.
pub(super) fn receive_order<T: DeserializeOwned>(mut socket: &UnixStream) -> io::Result<(T, Vec<OwnedFd>)> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    // One byte, because the kernel delivers descriptors with the byte that they were sent with. A
    // longer read could take bytes of the next stage's order.
    let mut first = [0u8; 1];
    let mut receive =
        || rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut first)], &mut control, RecvFlags::empty());
    let got = retry_on_intr(&mut receive)?;
    if got.bytes != 1 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(received) = message {
            for fd in received {
                // Not every Unix can set this while receiving. A stage has one thread, so no child is started in between.
                rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC)?;
                fds.push(fd);
            }
        }
    }
    let mut length = [0u8; 4];
    socket.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length) as usize;
    // Checked before the buffer is made, so that a broken length cannot take gigabytes.
    if length > MAX_ORDER {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the order is too long"));
    }
    let mut body = vec![0u8; length];
    socket.read_exact(&mut body)?;
    Ok((serde_json::from_slice(&body)?, fds))
}

/// Sends one report.
pub(super) fn send_report(mut socket: &UnixStream, report: &StageReport) -> io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    socket.write_all(&line)
}

/// Waits for [`GO`]. False when Kavi closes the socket instead.
pub(super) fn wait_for_go(mut socket: &UnixStream) -> bool {
    let mut byte = [0u8; 1];
    // An explicit byte: if Kavi died meanwhile, the socket reads as closed and nothing may start.
    matches!(uninterrupted(|| socket.read(&mut byte)), Ok(1)) && byte[0] == GO
}
