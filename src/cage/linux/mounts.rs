//! The file tree of a cage.
//!
//! Sources are opened before anything is covered, and bound by descriptor, so that the checked file is the bound file. Mount
//! points are created only in the cage's own memory file system, never through a mount in a folder of the host. Mounts
//! inside a source come along and get the restrictions of the source.

use std::collections::HashSet;
use std::ffi::CString;
use std::fs;
use std::io::ErrorKind;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_bind_recursive, mount_change,
    mount_remount, unmount,
};

use super::namespaces::SetupUser;
use super::{CAGE_ID, at, call};
use crate::cage::error::{SetupStep, StageError};
use crate::cage::job::{INSIDE_HOME, INSIDE_TMP, SYSTEM, SYSTEM_ALIASES};
use crate::cage::mount::{MountAccess, ProcAccess};
use crate::cage::wire::{Bind, OuterOrder};
use crate::sync::uninterrupted;

/// Where the new tree is built. It covers `/tmp` only in our own mount namespace.
const BASE: &str = "/tmp";
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
/// Parts of `/proc` that show or do more than a job needs.
pub(in crate::cage) const HIDDEN_FOLDERS: [&str; 3] = ["acpi", "scsi", "asound"];
pub(in crate::cage) const HIDDEN_FILES: [&str; 8] =
    ["kcore", "keys", "key-users", "kallsyms", "kmsg", "sysrq-trigger", "timer_list", "sched_debug"];
pub(in crate::cage) const FROZEN: [&str; 4] = ["sys", "fs", "irq", "bus"];

/// What the outer stage keeps of a built tree.
#[derive(Debug)]
pub(super) struct MountTree {
    /// The writable sources.
    pub writable: Vec<OwnedFd>,
}

/// Links to make, and what they say.
type Links = Vec<(String, PathBuf)>;

/// A source, opened.
struct OpenedMount {
    bind: Bind,
    fd: OwnedFd,
    kind: FileType,
}

/// Builds everything except `/proc`, which must be mounted from inside the process namespace.
pub(super) fn build(order: &OuterOrder, user: SetupUser) -> Result<MountTree, StageError> {
    // Otherwise mounts of the cage would appear in the host's namespace.
    let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    call(SetupStep::Mounts, "make mounts private", || mount_change("/", private))?;
    // Known by their ids: mounts that the host has below `/tmp` have paths like those of the new
    // tree.
    let before: HashSet<u64> = table()?.into_iter().map(|entry| entry.id).collect();
    let (binds, links) = with_system(&order.binds)?;
    // Opened before `BASE` is covered: sources may lie below `/tmp`.
    let opened = binds.into_iter().map(|bind| open(bind, user)).collect::<Result<Vec<_>, _>>()?;
    let devices = DEVICES.map(|name| open(device(name), SetupUser::User)).into_iter().collect::<Result<Vec<_>, _>>()?;

    rustix::process::umask(Mode::from_raw_mode(0o022));
    // Small, because it holds mount points, links and a few lines of text.
    memory(BASE, MountFlags::NOSUID | MountFlags::NODEV, "mode=0755,size=1m,nr_inodes=8192")?;
    for (link, target) in links {
        call(SetupStep::Mounts, &link, || symlink(&target, under(&link)))?;
    }
    for source in opened.iter().chain(&devices) {
        // Parents come before children, so a covering mount is in place by the time its child is
        // bound.
        let covered = opened.iter().any(|other| beneath(&source.bind.inside, &other.bind.inside));
        place(source, covered)?;
    }
    furnish(order.scratch_bytes, user)?;
    // A bind mount ignores restrictions at its creation. Only a remount sets them, and it must
    // reach the mounts inside too.
    tighten(&opened, &before)?;
    let writable = opened.into_iter().filter(|source| source.bind.access.writable()).map(|source| source.fd);
    Ok(MountTree { writable: writable.collect() })
}

/// The job's mounts and the system's, from the root downwards, and the links to make.
fn with_system(job: &[Bind]) -> Result<(Vec<Bind>, Links), StageError> {
    let mut binds = job.to_vec();
    let mut links = Vec::new();
    for system in SYSTEM.iter().chain(&SYSTEM_ALIASES).chain(&["/etc/ld.so.cache"]) {
        let Ok(metadata) = fs::symlink_metadata(system) else { continue };
        let given = job.iter().any(|bind| bind.inside == **system || beneath(system, &bind.inside));
        if metadata.is_symlink() {
            let target = fs::read_link(system).map_err(at(SetupStep::Mounts, system))?;
            links.push(((*system).to_owned(), target));
        } else if !given {
            let host = (*system).to_owned();
            binds.push(Bind { inside: host.clone(), host, access: MountAccess::ReadOnly });
        }
    }
    // A parent that is mounted after its child would hide it.
    binds.sort_by_key(|bind| Path::new(&bind.inside).components().count());
    Ok((binds, links))
}

fn device(name: &str) -> Bind {
    let path = format!("/dev/{name}");
    Bind { host: path.clone(), inside: path, access: MountAccess::ReadWrite }
}

fn beneath(path: &str, folder: &str) -> bool {
    path != folder && Path::new(path).starts_with(folder)
}

fn open(bind: Bind, user: SetupUser) -> Result<OpenedMount, StageError> {
    let failed = |why: &str| StageError::new(SetupStep::Mounts, format!("{}: {why}", bind.host));
    // A descriptor without access rights is enough to bind. Opening for reading could block on a
    // pipe.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd = call(SetupStep::Mounts, &bind.host, || openat(CWD, &bind.host, flags, Mode::empty()))?;
    let stat = call(SetupStep::Mounts, &bind.host, || fstat(&fd))?;
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind == FileType::Symlink {
        return Err(failed("it is a symbolic link; give the path that it points to"));
    }
    // The job of root becomes another user. Without this check it would fail later with an error that explains nothing.
    let needed = if kind == FileType::Directory { 0o005 } else { 0o004 };
    if user == SetupUser::Root && !bind.access.writable() && stat.st_mode & needed != needed && stat.st_uid != CAGE_ID {
        return Err(failed("the user inside the cage cannot read it; allow others to read it"));
    }
    Ok(OpenedMount { bind, fd, kind })
}

fn under(inside: &str) -> String {
    format!("{BASE}{inside}")
}

fn place(source: &OpenedMount, covered: bool) -> Result<(), StageError> {
    let inside = &source.bind.inside;
    let target = under(inside);
    // A mount point below another mount would be made in a folder of the host, so there it must
    // exist.
    if !covered {
        let parent = Path::new(&target).parent().unwrap_or(Path::new(BASE));
        make_folders(parent)?;
        if source.kind == FileType::Directory {
            make_folders(Path::new(&target))?;
        } else {
            fs::File::create(&target).map_err(at(SetupStep::Mounts, inside))?;
        }
    } else if fs::symlink_metadata(&target).is_err() {
        return Err(StageError::new(SetupStep::Mounts, format!("{inside}: the mount that covers it has no such path")));
    }
    // The path may lead elsewhere since it was checked. The descriptor cannot.
    let by_descriptor = format!("/proc/self/fd/{}", source.fd.as_raw_fd());
    call(SetupStep::Mounts, format!("bind {inside}"), || mount_bind_recursive(&by_descriptor, &target))
}

fn make_folders(path: &Path) -> Result<(), StageError> {
    // One by one from the top. Made again as a whole, a folder and the one above it could be interrupted in turn for ever.
    let below: Vec<&Path> = path.ancestors().take_while(|folder| *folder != Path::new(BASE)).collect();
    for folder in below.into_iter().rev() {
        let made = uninterrupted(|| fs::DirBuilder::new().mode(0o755).create(folder));
        // A file in its place makes the next step fail, which names it.
        made.or_else(|error| if error.kind() == ErrorKind::AlreadyExists { Ok(()) } else { Err(error) })
            .map_err(at(SetupStep::Mounts, folder.display()))?;
    }
    Ok(())
}

fn memory(target: &str, flags: MountFlags, options: &str) -> Result<(), StageError> {
    let options = CString::new(options).map_err(at(SetupStep::Mounts, target))?;
    call(SetupStep::Mounts, format!("tmpfs {target}"), || {
        mount("kavi", target, "tmpfs", flags, Some(options.as_c_str()))
    })
}

/// The cage's own places: private scratch, links in `/dev`, a few files in `/etc`, the mount point of `/proc`.
fn furnish(scratch_bytes: u64, user: SetupUser) -> Result<(), StageError> {
    for folder in [INSIDE_TMP, INSIDE_HOME, "/dev/shm", "/etc", "/proc"] {
        make_folders(Path::new(&under(folder)))?;
    }
    let scratch = under(INSIDE_TMP);
    // One file system for all scratch places, so that one limit covers them together.
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    // `size` limits the pages only; without `nr_inodes` empty files could fill the memory.
    memory(&scratch, flags, &format!("mode=0755,size={scratch_bytes},nr_inodes=64k"))?;
    for (name, mode, place) in [("home", 0o700, INSIDE_HOME), ("shm", 0o1777, "/dev/shm"), ("tmp", 0o1777, INSIDE_TMP)]
    {
        let folder = format!("{scratch}/{name}");
        call(SetupStep::Mounts, place, || fs::create_dir(&folder))?;
        call(SetupStep::Mounts, place, || fs::set_permissions(&folder, fs::Permissions::from_mode(mode)))?;
        if user == SetupUser::Root {
            call(SetupStep::Mounts, place, || std::os::unix::fs::chown(&folder, Some(CAGE_ID), Some(CAGE_ID)))?;
        }
        // The last one covers the scratch folder itself, so it must come last.
        call(SetupStep::Mounts, place, || mount_bind(&folder, under(place)))?;
    }
    for (link, target) in [("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")] {
        let from = under(&format!("/dev/{link}"));
        call(SetupStep::Mounts, link, || symlink(format!("/proc/self/fd{target}"), &from))?;
    }
    let passwd = format!("kavi:x:{CAGE_ID}:{CAGE_ID}::{INSIDE_HOME}:/nonexistent\n");
    let group = format!("kavi:x:{CAGE_ID}:\n");
    for (file, text) in [("passwd", &*passwd), ("group", &*group), ("hosts", "127.0.0.1 localhost\n::1 localhost\n")] {
        fs::write(under(&format!("/etc/{file}")), text).map_err(at(SetupStep::Mounts, file))?;
    }
    Ok(())
}

/// One line of `/proc/self/mountinfo`.
struct MountInfo {
    id: u64,
    point: String,
    flags: MountFlags,
}

fn table() -> Result<Vec<MountInfo>, StageError> {
    let text = fs::read_to_string("/proc/self/mountinfo").map_err(at(SetupStep::Mounts, "mountinfo"))?;
    Ok(text.lines().filter_map(parse_entry).collect())
}

fn parse_entry(line: &str) -> Option<MountInfo> {
    let mut fields = line.split(' ');
    let id = fields.next()?.parse().ok()?;
    // Id, parent, device and root come before it. Blanks within fields are escaped, so splitting is
    // safe.
    let point = unescape(fields.nth(3)?);
    let mut flags = MountFlags::empty();
    for option in fields.next()?.split(',') {
        flags |= match option {
            "ro" => MountFlags::RDONLY,
            "nosuid" => MountFlags::NOSUID,
            "nodev" => MountFlags::NODEV,
            "noexec" => MountFlags::NOEXEC,
            // Flags for access times stay as they are when a remount names none.
            _ => MountFlags::empty(),
        };
    }
    Some(MountInfo { id, point, flags })
}

/// Undoes the kernel's octal escapes of blank, tab, line end and backslash.
fn unescape(field: &str) -> String {
    // The backslash comes last: in the other order an escaped backslash would be unescaped twice.
    field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

/// Gives every bound mount, and mounts inside it, the restrictions of its source. Restrictions are only added: an
/// unprivileged namespace may not remove one.
fn tighten(opened: &[OpenedMount], before: &HashSet<u64>) -> Result<(), StageError> {
    for entry in table()?.iter().filter(|entry| !before.contains(&entry.id)) {
        let Some(inside) = entry.point.strip_prefix(BASE) else { continue };
        // Mounts inside a source have no entry of their own, so the deepest source above decides.
        let covering = opened.iter().filter(|source| Path::new(inside).starts_with(&source.bind.inside));
        let Some(source) = covering.max_by_key(|source| source.bind.inside.len()) else { continue };
        let wanted = MountFlags::NOSUID
            | MountFlags::NODEV
            | match source.bind.access {
                MountAccess::ReadOnly => MountFlags::RDONLY,
                MountAccess::ReadWrite => MountFlags::NOEXEC,
                MountAccess::ReadWriteExecute => MountFlags::empty(),
            };
        call(SetupStep::Mounts, format!("tighten {inside}"), || {
            mount_remount(&entry.point, MountFlags::BIND | entry.flags | wanted, "")
        })?;
    }
    Ok(())
}

/// Mounts `/proc` for this process namespace and covers the parts that show or control the host.
pub(super) fn mount_proc(access: ProcAccess) -> Result<(), StageError> {
    // Before the root changes: a user namespace may mount `/proc` only while it still sees a
    // complete one.
    let proc = under("/proc");
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    // Of a hidden `/proc` not even the files about the machine are mounted. Kernels before 5.8 do
    // not know the option.
    let mount_it = |options| call(SetupStep::Mounts, "/proc", || mount("proc", &proc, "proc", flags, options));
    let processes_only = access == ProcAccess::Hidden && mount_it(Some(c"subset=pid")).is_ok();
    if !processes_only {
        mount_it(None)?;
    }
    for name in FROZEN {
        let place = format!("{proc}/{name}");
        if fs::symlink_metadata(&place).is_ok() {
            // Bound over itself, because only a mount can be read-only and these are folders of one
            // file system.
            call(SetupStep::Mounts, name, || mount_bind(&place, &place))?;
            call(SetupStep::Mounts, name, || mount_remount(&place, MountFlags::BIND | MountFlags::RDONLY | flags, ""))?;
        }
    }
    for name in HIDDEN_FOLDERS {
        let place = format!("{proc}/{name}");
        if fs::symlink_metadata(&place).is_ok() {
            memory(&place, flags | MountFlags::RDONLY, "mode=0555,size=4k,nr_inodes=2")?;
        }
    }
    for name in HIDDEN_FILES {
        let place = format!("{proc}/{name}");
        if fs::symlink_metadata(&place).is_ok() {
            call(SetupStep::Mounts, name, || mount_bind(under("/dev/null"), &place))?;
        }
    }
    Ok(())
}

/// Makes the tree the root and detaches the old root.
pub(super) fn enter() -> Result<(), StageError> {
    call(SetupStep::Pivot, "chdir", || rustix::process::chdir(BASE))?;
    // Both arguments are the new root: the kernel stacks the old root on top of it, where it can be unmounted at once. So the
    // tree needs no folder for it.
    call(SetupStep::Pivot, "pivot_root", || rustix::process::pivot_root(".", "."))?;
    // DETACH, because the old root still has mounts below it, with which a plain unmount fails.
    call(SetupStep::Pivot, "unmount the old root", || unmount(".", UnmountFlags::DETACH))?;
    call(SetupStep::Pivot, "chdir", || rustix::process::chdir("/"))?;
    // At the end, since `/proc` was mounted on a point within this file system.
    let flags = MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NODEV;
    call(SetupStep::Pivot, "make the root read-only", || mount_remount("/", flags, ""))
}

#[cfg(test)]
mod tests {
    use super::{MountFlags, beneath, parse_entry};

    #[test]
    fn a_mount_line_gives_its_place_and_its_restrictions() {
        let line = r"31 23 0:27 / /run/a\040b rw,nosuid,nodev,relatime shared:5 - tmpfs tmpfs rw,size=5k";
        let entry = parse_entry(line);
        let entry = entry.as_ref().map(|entry| (entry.id, &*entry.point, entry.flags));
        assert_eq!(entry, Some((31, "/run/a b", MountFlags::NOSUID | MountFlags::NODEV)));
        assert!(parse_entry("nonsense").is_none());
    }

    #[test]
    fn a_folder_is_not_beneath_itself_or_its_namesake() {
        assert!(beneath("/usr/lib", "/usr"));
        assert!(!beneath("/usr", "/usr"));
        assert!(!beneath("/usr/library", "/usr/lib"));
    }
}
