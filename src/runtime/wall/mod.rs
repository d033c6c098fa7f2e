//! The wall around WASI: all that a guest can reach of this machine.
//!
//! Plain WASI 0.2 on the guest's side, so that a skill is plain Rust with `std::fs`. On this side there is no asynchrony, no
//! thread and no stock implementation: a host call either answers at once or ends the run. Clocks are virtual, random
//! numbers are seeded, standard input is closed, environment and arguments are empty. Files are opened with `openat2`
//! beneath `/vault`, its linked folders and `/out`, and are regular files and folders only. Everything that could differ
//! between two machines (order, times, inode numbers) is replaced.
//!
//! Deliberately never: follow or make a symbolic or hard link, set a time, open a device, a pipe or a socket. The links that
//! kavi.toml names are resolved before a run (`linked_folders`).
//! What it cannot do: end a file call that hangs in the kernel.

pub(super) mod bindings;
pub(super) mod clocks_random;
pub(super) mod descriptor;
mod files;
pub(super) mod io;
mod names;
mod path;
pub(super) mod staging;
pub(super) mod state;

use rustix::io::Errno;
use wasmtime::component::HasData;

use super::error::Stop;
use bindings::filesystem::types::ErrorCode;
use state::GuestState;

/// Tells the linker that host functions work on the store's [`GuestState`].
pub(super) struct Wall;

impl HasData for Wall {
    type Data<'a> = &'a mut GuestState;
}

/// A file operation that did not work: the guest is told, or the run ends.
#[derive(Debug)]
pub enum FsError {
    /// Told to the guest.
    Code(ErrorCode),
    /// Ends the run.
    Trap(wasmtime::Error),
}

/// A stream operation that did not work: the guest is told, or the run ends.
#[derive(Debug)]
pub enum StreamError {
    /// The stream is at its end.
    Closed,
    /// Told to the guest.
    Failed(ErrorCode),
    /// Ends the run.
    Trap(wasmtime::Error),
}

impl From<ErrorCode> for FsError {
    fn from(code: ErrorCode) -> Self {
        Self::Code(code)
    }
}

impl From<wasmtime::Error> for FsError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

impl From<Stop> for FsError {
    fn from(stop: Stop) -> Self {
        Self::Trap(stop.into())
    }
}

impl From<Errno> for FsError {
    fn from(errno: Errno) -> Self {
        match errno {
            // How full the host's disk is says nothing about the skill, so it ends the run.
            Errno::NOSPC | Errno::DQUOT => Stop::DiskFull.into(),
            errno => Self::Code(code_of(errno)),
        }
    }
}

impl From<std::io::Error> for FsError {
    fn from(error: std::io::Error) -> Self {
        Errno::from_io_error(&error).map_or(Self::Code(ErrorCode::Io), Self::from)
    }
}

impl From<wasmtime::Error> for StreamError {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

impl From<Stop> for StreamError {
    fn from(stop: Stop) -> Self {
        Self::Trap(stop.into())
    }
}

impl From<FsError> for StreamError {
    fn from(error: FsError) -> Self {
        match error {
            FsError::Code(code) => Self::Failed(code),
            FsError::Trap(error) => Self::Trap(error),
        }
    }
}

#[cfg(test)]
#[test]
fn a_full_disk_ends_the_run_instead_of_being_told_to_the_guest() {
    for errno in [Errno::NOSPC, Errno::DQUOT] {
        let told = [FsError::from(errno), FsError::from(std::io::Error::from(errno))];
        for error in told {
            let FsError::Trap(error) = error else { unreachable!("the guest would be told") };
            assert_eq!(error.downcast_ref::<Stop>(), Some(&Stop::DiskFull));
        }
    }
}

/// What the guest is told. Errors that would describe the host's state beyond the folders are all `io`.
fn code_of(errno: Errno) -> ErrorCode {
    match errno {
        Errno::ACCESS => ErrorCode::Access,
        Errno::BADF => ErrorCode::BadDescriptor,
        Errno::BUSY => ErrorCode::Busy,
        Errno::EXIST => ErrorCode::Exist,
        Errno::FBIG => ErrorCode::FileTooLarge,
        Errno::INVAL => ErrorCode::Invalid,
        Errno::ISDIR => ErrorCode::IsDirectory,
        Errno::LOOP => ErrorCode::Loop,
        Errno::NAMETOOLONG => ErrorCode::NameTooLong,
        Errno::NOENT => ErrorCode::NoEntry,
        Errno::NOTDIR => ErrorCode::NotDirectory,
        Errno::NOTEMPTY => ErrorCode::NotEmpty,
        Errno::PERM | Errno::XDEV => ErrorCode::NotPermitted,
        Errno::ROFS => ErrorCode::ReadOnly,
        _ => ErrorCode::Io,
    }
}
