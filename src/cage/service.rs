//! A process of Kavi's own that serves one run over a socket, and ends with it.
//!
//! Unlike a job it is Kavi's own code, and it needs the network. So it is no cage. It starts with nothing but its socket,
//! and gives up by itself what it does not need ([`confine_service`]). That is before it reads anything that a stranger
//! wrote.
//!
//! Guarantees: empty environment, one descriptor, no core dump, no reader of its memory; it dies with the thread that started
//! it, and when the [`ServiceProcess`] is dropped. Confined, it opens the named files and no others, writes none, connects to
//! the named ports and to no others, listens nowhere and starts no program.
//!
//! Deliberately never: takes an argument, or restarts.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};

use rustix::process::{Resource, Rlimit, setrlimit};

use super::service_scope::ServiceScope;
use super::{Cage, launch};
use crate::sync::uninterrupted;

/// A service that runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct ServiceProcess {
    child: Child,
    socket: UnixStream,
}

impl ServiceProcess {
    /// Our end of its socket.
    pub fn socket(&self) -> &UnixStream {
        &self.socket
    }

    /// Its process number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for ServiceProcess {
    fn drop(&mut self) {
        // It keeps nothing that an orderly end would save, and may be waiting for a server.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Cage {
    /// Starts this binary again with a hidden verb, as a service.
    ///
    /// # Errors
    /// When the system gives no socket or no process.
    pub fn start_service(&self, verb: &str) -> io::Result<ServiceProcess> {
        let (socket, theirs) = UnixStream::pair()?;
        let mut command = Command::new(self.exe());
        command
            .arg(verb)
            .env_clear()
            .current_dir("/")
            // Its standard input, so that no number of a descriptor has to be agreed on.
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let child = uninterrupted(|| command.spawn())?;
        Ok(ServiceProcess { child, socket })
    }
}

/// The service's end of its socket. To be called first, by the service itself.
///
/// # Errors
/// When the process cannot be closed to others.
pub fn service_socket() -> io::Result<UnixStream> {
    launch::close_strays()?;
    close_to_others()?;
    // One byte and not zero: with zero the kernel still pipes a dump to the host's crash handler.
    setrlimit(Resource::Core, Rlimit { current: Some(1), maximum: Some(1) })?;
    launch::control_socket()
}

#[cfg(target_os = "linux")]
fn close_to_others() -> io::Result<()> {
    super::linux::close_service().map_err(|error| io::Error::other(error.why))
}

#[cfg(not(target_os = "linux"))]
fn close_to_others() -> io::Result<()> {
    Ok(())
}

/// Gives up everything else, for good. To be called by the service, before it starts a thread.
///
/// # Errors
/// When the system refuses, or is none that can confine.
#[cfg(target_os = "linux")]
pub fn confine_service(scope: ServiceScope<'_>) -> io::Result<()> {
    super::linux::confine_service(scope).map_err(|error| io::Error::other(format!("{}: {}", error.step, error.why)))
}

/// Gives up everything else. No other system than Linux can do this.
///
/// # Errors
/// Always.
#[cfg(not(target_os = "linux"))]
pub fn confine_service(_: ServiceScope<'_>) -> io::Result<()> {
    Err(io::Error::other("this system cannot confine a process"))
}
