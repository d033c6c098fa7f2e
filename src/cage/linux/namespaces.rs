//! Makes the namespaces, and decides which user makes them.

use std::fs;

use nix::sched::{CloneFlags, unshare};
use rustix::thread::{CapabilitySet, capabilities};

use super::{CAGE_ID, call};
use crate::cage::error::{SetupStep, StageError};

/// As which user the cage is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SetupUser {
    /// Real root: builds as itself and becomes another user afterwards.
    Root,
    /// Any other user: a user namespace gives the rights.
    User,
}

/// Building as root needs the capabilities to build and to become [`CAGE_ID`], and that id must be mapped. In a container
/// root may lack either, and is then treated as any other user.
pub(super) fn setup_user() -> SetupUser {
    let needed = CapabilitySet::SYS_ADMIN
        | CapabilitySet::SETUID
        | CapabilitySet::SETGID
        | CapabilitySet::SETPCAP
        | CapabilitySet::CHOWN
        | CapabilitySet::DAC_OVERRIDE
        | CapabilitySet::NET_ADMIN;
    let held = capabilities(None).is_ok_and(|sets| sets.effective.contains(needed));
    // An id without a mapping cannot be taken on: `setresuid` would fail in the middle of the
    // set-up.
    let mapped = |file| fs::read_to_string(file).is_ok_and(|map| maps(&map, CAGE_ID));
    if rustix::process::geteuid().is_root() && held && mapped("/proc/self/uid_map") && mapped("/proc/self/gid_map") {
        SetupUser::Root
    } else {
        SetupUser::User
    }
}

/// Whether an id is within a namespace's map.
fn maps(map: &str, id: u32) -> bool {
    map.lines().any(|line| {
        let mut fields = line.split_whitespace().filter_map(|field| field.parse::<u64>().ok());
        let (Some(inside), Some(_), Some(count)) = (fields.next(), fields.next(), fields.next()) else { return false };
        (inside..inside.saturating_add(count)).contains(&u64::from(id))
    })
}

/// Leaves the host's namespaces. The new process namespace applies to children only.
pub(super) fn leave(user: SetupUser) -> Result<(), StageError> {
    let ids = OwnIds::now();
    // All in one call: with a user namespace among them, the kernel makes that one first and it
    // owns the others.
    let common = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    match user {
        SetupUser::Root => call(SetupStep::Namespaces, "unshare", || unshare(common)),
        SetupUser::User => {
            call(SetupStep::Namespaces, "unshare", || unshare(common | CloneFlags::CLONE_NEWUSER))?;
            // Root of this namespace, so that the inner stage still has the rights to build after its exec.
            map(0, ids)
        }
    }
}

/// Moves this process into one more user namespace, which owns none of the other namespaces. A job that gained every
/// capability in it would still have none over its mounts, its network and its processes.
pub(super) fn nest() -> Result<(), StageError> {
    let ids = OwnIds::now();
    // In the new namespace this process has every capability again. `drop_all` must therefore come
    // after it.
    call(SetupStep::Namespaces, "unshare the inner user namespace", || unshare(CloneFlags::CLONE_NEWUSER))?;
    map(CAGE_ID, ids)
}

/// The user and group of this process outside of the new namespace.
#[derive(Clone, Copy)]
struct OwnIds {
    uid: u32,
    gid: u32,
}

impl OwnIds {
    /// To be asked before the namespace is made: in it they are not mapped yet.
    fn now() -> Self {
        Self { uid: rustix::process::geteuid().as_raw(), gid: rustix::process::getegid().as_raw() }
    }
}

/// Makes this process's user and group appear as one id, the only one of the new user namespace.
fn map(inside: u32, OwnIds { uid, gid }: OwnIds) -> Result<(), StageError> {
    let write = |file: &str, text: String| call(SetupStep::Namespaces, file, || fs::write(file, &text));
    // The kernel requires this before an unprivileged process may map a group.
    write("/proc/self/setgroups", "deny".to_owned())?;
    // One id only: any other owner shows as `nobody`, and files cannot be given to another user.
    write("/proc/self/uid_map", format!("{inside} {uid} 1"))?;
    write("/proc/self/gid_map", format!("{inside} {gid} 1"))
}

#[cfg(test)]
mod tests {
    use super::maps;

    #[test]
    fn an_id_is_mapped_when_a_range_holds_it() {
        assert!(maps("         0          0 4294967295\n", 65534));
        assert!(maps("0 1000 1\n1 100000 65536\n", 65534));
        assert!(!maps("0 1000 1\n", 65534));
        assert!(!maps("", 65534));
        assert!(!maps("0 1000\n", 0));
    }
}
