//! Making the namespaces, and who one is in them.

use std::fs;

use nix::sched::{CloneFlags, unshare};
use rustix::thread::{CapabilitySet, capabilities};

use super::{CAGE_ID, Failed, at};
use crate::cage::error::Step;

/// By what right the cage is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Right {
    /// Real root: builds as itself and becomes another user afterwards.
    Root,
    /// Anybody else: a user namespace lends the rights.
    User,
}

/// Root's way needs the capabilities to build and to become [`CAGE_ID`], and that user must exist here: in a container
/// root may lack both, and is then treated as anybody else.
pub(super) fn right() -> Right {
    let needed = CapabilitySet::SYS_ADMIN
        | CapabilitySet::SETUID
        | CapabilitySet::SETGID
        | CapabilitySet::SETPCAP
        | CapabilitySet::CHOWN
        | CapabilitySet::DAC_OVERRIDE
        | CapabilitySet::NET_ADMIN;
    let held = capabilities(None).is_ok_and(|sets| sets.effective.contains(needed));
    let mapped = |file| fs::read_to_string(file).is_ok_and(|map| maps(&map, CAGE_ID));
    if rustix::process::geteuid().is_root() && held && mapped("/proc/self/uid_map") && mapped("/proc/self/gid_map") {
        Right::Root
    } else {
        Right::User
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

/// Leaves the host's namespaces. The process namespace holds for children only.
pub(super) fn leave(right: Right) -> Result<(), Failed> {
    let ids = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let common = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWCGROUP;
    match right {
        Right::Root => unshare(common).map_err(at(Step::Namespaces, "unshare")),
        Right::User => {
            unshare(common | CloneFlags::CLONE_NEWUSER).map_err(at(Step::Namespaces, "unshare"))?;
            // Root of this namespace, so that the inner stage still has the rights to build after its exec.
            map(0, ids)
        }
    }
}

/// Puts this process into one more user namespace, which owns none of the other namespaces: whatever the job might
/// become in it, it is nothing towards its mounts, its network and its processes.
pub(super) fn nest() -> Result<(), Failed> {
    let ids = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(at(Step::Namespaces, "unshare the inner user namespace"))?;
    map(CAGE_ID, ids)
}

/// Makes this process's user and group appear as one id, the only one of the new user namespace.
fn map(inside: u32, (uid, gid): (u32, u32)) -> Result<(), Failed> {
    let write = |file: &str, text: String| fs::write(file, text).map_err(at(Step::Namespaces, file));
    // Without this the kernel lets nobody unprivileged map a group.
    write("/proc/self/setgroups", "deny".to_owned())?;
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
