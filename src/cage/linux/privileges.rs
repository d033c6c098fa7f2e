//! Gives up identity, capabilities and the way to new ones, for good.

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use rustix::process::{DumpableBehavior, Signal, set_dumpable_behavior, set_parent_process_death_signal};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use super::{CAGE_ID, at, call};
use crate::cage::error::{SetupStep, StageError};

/// Root becomes the cage's user.
pub(super) fn become_cage_user() -> Result<(), StageError> {
    // Before the change of user, which takes the capability that this needs.
    empty_bounding_set()?;
    let (uid, gid) = (Uid::from_raw(CAGE_ID), Gid::from_raw(CAGE_ID));
    // The groups go first: without root's rights they could not be given up any more.
    call(SetupStep::Privileges, "setgroups", || setgroups(&[]))?;
    call(SetupStep::Privileges, "setresgid", || setresgid(gid, gid, gid))?;
    call(SetupStep::Privileges, "setresuid", || setresuid(uid, uid, uid))?;
    // After a change of user, root owns this process's files in /proc. The map of the next namespace still has to be written
    // there.
    set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(at(SetupStep::Privileges, "prctl dumpable"))
}

/// Gives up every capability and the way to new ones.
pub(super) fn drop_all(bounding: Bounding) -> Result<(), StageError> {
    let failed = |what| at(SetupStep::Privileges, what);
    // A new user namespace starts with a full bounding set, whatever was dropped outside of it.
    if bounding == Bounding::Drop {
        empty_bounding_set()?;
    }
    // Ambient capabilities survive an exec of an ordinary program, so they are cleared as well.
    rustix::thread::clear_ambient_capability_set().map_err(failed("ambient capabilities"))?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .map_err(failed("capset"))?;
    // Last and for good: no set-id program can give a capability back. Landlock and the filter
    // require it.
    rustix::thread::set_no_new_privs(true).map_err(failed("no_new_privs"))
}

/// Whether this process empties the bounding set; bubblewrap has emptied it already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bounding {
    Drop,
    Gone,
}

/// Kills this process when the outer stage dies, and closes its files in `/proc` to the job. A change of user undoes both,
/// so this comes after it.
pub(super) fn tie_and_close() -> Result<(), StageError> {
    let failed = |what| at(SetupStep::Privileges, what);
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed("parent-death signal"))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed("prctl dumpable"))
}

fn empty_bounding_set() -> Result<(), StageError> {
    for number in 0..u64::BITS {
        match rustix::thread::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            Ok(()) => {}
            // The last capability that this kernel knows was the one before.
            Err(rustix::io::Errno::INVAL) => break,
            Err(error) => return Err(at(SetupStep::Privileges, "bounding set")(error)),
        }
    }
    Ok(())
}
