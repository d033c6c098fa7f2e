//! The cage made by bubblewrap, for machines on which `bwrap` may make namespaces and Kavi may not.
//!
//! Bubblewrap makes the namespaces and the file tree. Our own inner stage runs inside as the first process. It adds Landlock,
//! the system call filter, the limits and the self-check, exactly as in our own cage. Two things differ: the tree has no
//! `/etc` of its own, and only Landlock keeps writable mounts from executing.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::error::{CageError, SetupStep};
use super::job::{INSIDE_HOME, INSIDE_TMP, SYSTEM, SYSTEM_ALIASES};
use super::linux::inner::NamespaceMode;
use super::linux::{CAGE_ID, mounts};
use super::mount::MountAccess;
use super::stage_verbs;
use super::wire::Bind;

/// Where the program may be. `PATH` is never searched.
const PLACES: [&str; 3] = ["/usr/bin/bwrap", "/usr/local/bin/bwrap", "/run/current-system/sw/bin/bwrap"];
/// Where our own binary is mounted inside.
const STAGE: &str = "/.kavi/kavi";

/// The command that makes the cage and starts our inner stage in it.
pub(super) fn command(exe: &Path, binds: &[Bind], scratch_bytes: u64) -> Result<Command, CageError> {
    let Some(bwrap) = PLACES.iter().find(|place| fs::metadata(place).is_ok_and(|metadata| metadata.is_file())) else {
        return Err(CageError::NoCage { why: format!("bubblewrap is at none of {}", PLACES.join(", ")) });
    };
    let mut command = Command::new(bwrap);
    let id = CAGE_ID.to_string();
    // `--as-pid-1`: our inner stage must be the first process, so that its end is the end of all
    // others. `--new-session` takes the terminal away, into which a job could otherwise type
    // commands.
    command.args(["--unshare-user", "--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]);
    command.args(["--unshare-cgroup-try", "--die-with-parent", "--new-session", "--clearenv", "--as-pid-1"]);
    command.args(["--cap-drop", "ALL", "--uid", &id, "--gid", &id, "--hostname", "kavi"]);
    for system in SYSTEM.iter().chain(&SYSTEM_ALIASES) {
        let Ok(metadata) = fs::symlink_metadata(system) else { continue };
        // On a merged `/usr` the name is a link. A bind would follow it and mount the same folder
        // twice.
        if metadata.is_symlink() {
            let target = fs::read_link(system).map_err(CageError::io("read a system link"))?;
            command.arg("--symlink").arg(target).arg(system);
        } else {
            command.args(["--ro-bind", system, system]);
        }
    }
    // Inside, the kernel still treats root's id as the owner of `/proc/sys`.
    command.args(["--dev", "/dev", "--proc", "/proc"]);
    cover_proc(&mut command);
    let size = scratch_bytes.to_string();
    for scratch in [INSIDE_TMP, INSIDE_HOME] {
        command.args(["--size", &size, "--tmpfs", scratch]);
    }
    // bubblewrap works through its arguments in order, so the job's mounts come after what they may
    // cover.
    for bind in binds {
        check(bind, binds)?;
        let how = match bind.access {
            MountAccess::ReadOnly => "--ro-bind",
            MountAccess::ReadWrite | MountAccess::ReadWriteExecute => "--bind",
        };
        command.args([how, &bind.host, &bind.inside]);
    }
    command.arg("--ro-bind").arg(exe).arg(STAGE);
    // Last, because mount points can be made only while the root is writable.
    command
        .args(["--remount-ro", "/", "--chdir", "/", "--", STAGE])
        .args(stage_verbs::init_args(NamespaceMode::Bubblewrap));
    Ok(command)
}

/// Refuses what bubblewrap would do and our own cage does not: following a link, making a mount point in a host folder.
fn check(bind: &Bind, all: &[Bind]) -> Result<(), CageError> {
    let refuse = |path: &Path, why: &str| {
        Err(CageError::Setup { step: SetupStep::Mounts, why: format!("{}: {why}", path.display()) })
    };
    let host = Path::new(&bind.host);
    match fs::symlink_metadata(host) {
        Err(error) => return refuse(host, &error.to_string()),
        Ok(metadata) if metadata.is_symlink() => {
            return refuse(host, "it is a symbolic link; give the path that it points to");
        }
        Ok(_) => {}
    }
    let inside = Path::new(&bind.inside);
    // Of several mounts that cover the place, the deepest one is what bubblewrap would write into.
    let covering = all.iter().filter(|other| other.inside != bind.inside && inside.starts_with(&other.inside));
    let Some(covering) = covering.max_by_key(|other| other.inside.len()) else { return Ok(()) };
    let point = inside.strip_prefix(&covering.inside).map(|rest| Path::new(&covering.host).join(rest));
    match point {
        Ok(point) if fs::symlink_metadata(&point).is_ok() => Ok(()),
        _ => refuse(inside, "the mount that covers it has no such path"),
    }
}

/// Covers the parts of `/proc` that show or control the host.
fn cover_proc(command: &mut Command) {
    let there = |names: &'static [&'static str]| {
        // A kernel without one of these has nothing to cover, and bubblewrap fails on a missing
        // mount point.
        names.iter().map(|name| format!("/proc/{name}")).filter(|place| fs::symlink_metadata(place).is_ok())
    };
    for place in there(&mounts::FROZEN) {
        command.args(["--ro-bind", &place, &place]);
    }
    for place in there(&mounts::HIDDEN_FOLDERS) {
        // An empty folder that stays writable would be scratch space without a limit.
        command.args(["--tmpfs", &place, "--remount-ro", &place]);
    }
    for place in there(&mounts::HIDDEN_FILES) {
        command.args(["--ro-bind", "/dev/null", &place]);
    }
}
