//! Giving up what one is and may do, for good.

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use rustix::process::{DumpableBehavior, Signal, set_dumpable_behavior, set_parent_process_death_signal};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use super::{CAGE_ID, Failed, at};
use crate::cage::error::Step;

/// Root becomes the cage's user.
pub(super) fn become_cage_user() -> Result<(), Failed> {
    let failed = |what| at(Step::Privileges, what);
    empty_bounding_set()?;
    let (uid, gid) = (Uid::from_raw(CAGE_ID), Gid::from_raw(CAGE_ID));
    setgroups(&[]).map_err(failed("setgroups"))?;
    setresgid(gid, gid, gid).map_err(failed("setresgid"))?;
    setresuid(uid, uid, uid).map_err(failed("setresuid"))?;
    // Changing user made this process's own files in /proc root's; it still has its namespace's map to write there.
    set_dumpable_behavior(DumpableBehavior::Dumpable).map_err(at(Step::Privileges, "prctl dumpable"))
}

/// Gives up every capability and the way to new ones.
pub(super) fn drop_all(bounding: Bounding) -> Result<(), Failed> {
    let failed = |what| at(Step::Privileges, what);
    if bounding == Bounding::Drop {
        empty_bounding_set()?;
    }
    rustix::thread::clear_ambient_capability_set().map_err(failed("ambient capabilities"))?;
    let none = CapabilitySet::empty();
    set_capabilities(None, CapabilitySets { effective: none, permitted: none, inheritable: none })
        .map_err(failed("capset"))?;
    rustix::thread::set_no_new_privs(true).map_err(failed("no_new_privs"))
}

/// Whether the bounding set is this process's to empty; bubblewrap empties it beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bounding {
    Drop,
    Gone,
}

/// Ties this process's life to the outer stage, and closes its files in `/proc` to the job. A change of user undoes
/// both, so this comes after it.
pub(super) fn tie_and_close() -> Result<(), Failed> {
    let failed = |what| at(Step::Privileges, what);
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(failed("parent-death signal"))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed("prctl dumpable"))
}

fn empty_bounding_set() -> Result<(), Failed> {
    for number in 0..u64::BITS {
        match rustix::thread::remove_capability_from_bounding_set(CapabilitySet::from_bits_retain(1 << number)) {
            Ok(()) => {}
            // Past the last capability that this kernel knows.
            Err(rustix::io::Errno::INVAL) => break,
            Err(error) => return Err(at(Step::Privileges, "bounding set")(error)),
        }
    }
    Ok(())
}
