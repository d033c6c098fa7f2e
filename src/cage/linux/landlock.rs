//! The second wall around files: Landlock repeats what the mounts allow. No mount can undo it.

use std::path::Path;

use landlock::{
    ABI, Access as _, AccessFs, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreated, RulesetCreatedAttr, Scope,
};

use super::at;
use crate::cage::error::{SetupStep, StageError};
use crate::cage::job::{INSIDE_HOME, INSIDE_TMP, SYSTEM, SYSTEM_ALIASES};
use crate::cage::mount::MountAccess;
use crate::cage::wire::Bind;

/// The newest version that this code handles. An older kernel enforces what it has.
const KNOWN: ABI = ABI::V6;

/// Confines this process and its children. Returns the version in force; none where the kernel has no Landlock.
pub(super) fn confine(binds: &[Bind]) -> Result<Option<u32>, StageError> {
    let failed = |what: &str| at(SetupStep::Landlock, what.to_owned());
    let mut rules = Ruleset::default()
        // An older kernel enforces the part that it knows. The version in force is reported and
        // recorded.
        .set_compatibility(CompatLevel::BestEffort)
        // Everything that is handled and not allowed below is refused.
        .handle_access(AccessFs::from_all(KNOWN))
        .map_err(failed("handle"))?
        // The scopes keep signals and abstract Unix sockets within the cage. Neither has a path, so
        // no rule about files covers them.
        .scope(Scope::from_all(KNOWN))
        .map_err(failed("scope"))?
        .create()
        .map_err(failed("create"))?;
    // The tree contains only what was put there, so listing its folders reveals nothing.
    rules = allow(rules, "/", AccessFs::ReadDir.into())?;
    let run = AccessFs::from_read(KNOWN);
    for system in SYSTEM.iter().chain(&SYSTEM_ALIASES) {
        rules = allow(rules, system, run)?;
    }
    // Without Execute: nothing in these folders is a program that a job needs.
    for read in ["/etc", "/proc"] {
        rules = allow(rules, read, AccessFs::ReadFile | AccessFs::ReadDir)?;
    }
    for device in ["null", "zero", "full", "random", "urandom"] {
        rules = allow(rules, &format!("/dev/{device}"), AccessFs::ReadFile | AccessFs::WriteFile)?;
    }
    for scratch in [INSIDE_TMP, INSIDE_HOME, "/dev/shm"] {
        rules = allow(rules, scratch, writing())?;
    }
    for bind in binds {
        let rights = match bind.access {
            MountAccess::ReadOnly => run,
            MountAccess::ReadWrite => writing(),
            MountAccess::ReadWriteExecute => writing() | AccessFs::Execute,
        };
        rules = allow(rules, &bind.inside, rights)?;
    }
    let status = rules.restrict_self().map_err(failed("restrict"))?;
    Ok(match status.landlock {
        LandlockStatus::Available { effective_abi, .. } => Some(effective_abi as u32),
        LandlockStatus::NotEnabled | LandlockStatus::NotImplemented => None,
    })
}

/// Takes every file and folder below `/proc` away, from this process too. The self-check reads
/// there, so this comes after it.
pub(super) fn hide_proc() -> Result<(), StageError> {
    let failed = |what: &str| at(SetupStep::Landlock, what.to_owned());
    // Every layer denies moving a file to another folder unless it says otherwise, and the first
    // layer has already decided that.
    let reading = AccessFs::ReadFile | AccessFs::ReadDir | AccessFs::Refer;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(reading)
        .map_err(failed("handle reading"))?
        .create()
        .map_err(failed("create a second layer"))?;
    // A ruleset only allows. So everything else below the root is named.
    for entry in std::fs::read_dir("/").map_err(at(SetupStep::Landlock, "list the root"))? {
        let name = entry.map_err(at(SetupStep::Landlock, "list the root"))?.file_name();
        if name != "proc" {
            rules = allow(rules, &format!("/{}", name.to_string_lossy()), reading)?;
        }
    }
    rules.restrict_self().map(|_| ()).map_err(failed("restrict reading"))
}

/// Everything except executing, making devices, and controlling devices.
fn writing() -> BitFlags<AccessFs> {
    AccessFs::from_all(KNOWN) & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev)
}

/// Allows the rights that the path can have. A path that the machine does not have needs no rule.
pub(super) fn allow(
    rules: RulesetCreated,
    place: &str,
    rights: BitFlags<AccessFs>,
) -> Result<RulesetCreated, StageError> {
    let Ok(metadata) = std::fs::metadata(Path::new(place)) else { return Ok(rules) };
    // The kernel refuses a rule that gives a file the rights of a folder.
    let rights = if metadata.is_dir() { rights } else { rights & AccessFs::from_file(KNOWN) };
    let fd = PathFd::new(place).map_err(at(SetupStep::Landlock, place))?;
    rules.add_rule(PathBeneath::new(fd, rights)).map_err(at(SetupStep::Landlock, place))
}
