//! The second wall: Landlock restricts the thread that runs a guest.
//!
//! Guarantees: where the kernel has Landlock, the thread can read the run's vault and write its staging folder. It can open
//! nothing else, connect to nothing and signal no process outside, whatever a guest finds in the engine or in the first
//! wall. The restriction comes before anything of the guest is instantiated and cannot be undone. So a thread that was
//! restricted to the folders of one run must never serve a run with others. Other threads of the process are not restricted.
//!
//! Deliberately never: replaces the first wall. Without Landlock a run goes on behind the first wall alone, and its record
//! says so. With Landlock, a run whose thread cannot be restricted does not start.

use crate::dir::{FolderHandle, FolderId};
use crate::model::execution::SecondWall;

use super::{
    error::RunError,
    linked_folders::LinkedFolder,
    request::{ComponentKind, GuestRequest},
};

/// What a restricted thread can still access. Two runs can share a thread only if their scopes are equal. A staging folder
/// belongs to one run, so a thread with one serves only that run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct LandlockScope<'a> {
    vault: Option<(&'a FolderHandle, VaultAccess)>,
    linked: &'a [LinkedFolder],
    out: Option<&'a FolderHandle>,
}

/// The folders of a scope, by what they are and not by their paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ScopeId {
    vault: Option<(FolderId, VaultAccess)>,
    linked: Vec<FolderId>,
    out: Option<FolderId>,
}

/// What the run does with the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum VaultAccess {
    Read,
    /// Tests put files into a vault of their own.
    Seed,
}

impl<'a> LandlockScope<'a> {
    /// A skill that reads this vault with its linked folders, and writes nothing.
    pub(super) fn reading(vault: &'a FolderHandle, linked: &'a [LinkedFolder]) -> Self {
        Self { vault: Some((vault, VaultAccess::Read)), linked, out: None }
    }

    /// What a request needs, by its capabilities.
    pub(super) fn of(request: &GuestRequest<'a>, world: ComponentKind) -> Self {
        let access = match world {
            ComponentKind::Skill => VaultAccess::Read,
            ComponentKind::Tests => VaultAccess::Seed,
        };
        let vault = request.granted_vault().map(|vault| (vault, access));
        Self { vault, linked: request.granted_linked(), out: request.granted_out() }
    }

    /// What two scopes must have in common to be one.
    pub(super) fn id(&self) -> Result<ScopeId, RunError> {
        let vault = self.vault.map(|(vault, access)| id("/vault", vault).map(|id| (id, access))).transpose()?;
        let linked = self.linked.iter().map(|linked| id("/vault", linked.handle())).collect::<Result<_, _>>()?;
        Ok(ScopeId { vault, linked, out: self.out.map(|out| id("/out", out)).transpose()? })
    }
}

fn id(guest: &'static str, folder: &FolderHandle) -> Result<FolderId, RunError> {
    folder.id().map_err(|source| RunError::Folder { guest, path: folder.path().into(), source })
}

/// Which second wall this machine has.
///
/// # Errors
/// When the kernel has Landlock and does not let it be used.
pub fn probe() -> Result<SecondWall, RunError> {
    // On a thread of its own: the restriction stays with the thread until it ends.
    let asked = std::thread::scope(|scope| scope.spawn(|| put_up(LandlockScope::default())).join());
    asked.unwrap_or_else(|_| Err(RunError::SecondWall("the thread that probes for it ended early".to_owned())))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn put_up(_: LandlockScope<'_>) -> Result<SecondWall, RunError> {
    Ok(SecondWall::Missing)
}

#[cfg(target_os = "linux")]
pub(super) use linux::put_up;

#[cfg(target_os = "linux")]
mod linux {
    use landlock::{
        ABI, Access as _, AccessFs, AccessNet, BitFlags, CompatLevel, Compatible, LandlockStatus, PathBeneath,
        RestrictionStatus, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus, Scope,
    };

    use super::*;

    /// The newest version that this code handles. An older kernel enforces what it has.
    const KNOWN: ABI = ABI::V6;

    /// Restricts the calling thread for good.
    pub(in super::super) fn put_up(reach: LandlockScope<'_>) -> Result<SecondWall, RunError> {
        let mut rules = nothing().map_err(refused)?;
        // A rule is about the folder that is held open, whatever lies at its path by now.
        if let Some((folder, vault)) = reach.vault {
            let rights = match vault {
                VaultAccess::Read => reading(),
                VaultAccess::Seed => reading() | writing(),
            };
            rules = rules.add_rule(PathBeneath::new(folder, rights)).map_err(refused)?;
        }
        for linked in reach.linked {
            rules = rules.add_rule(PathBeneath::new(linked.handle(), reading())).map_err(refused)?;
        }
        if let Some(folder) = reach.out {
            rules = rules.add_rule(PathBeneath::new(folder, reading() | writing())).map_err(refused)?;
        }
        // Only the calling thread is restricted. Kavi's other threads must still write the ledger
        // and the vault.
        judge(&rules.restrict_self().map_err(refused)?)
    }

    fn refused(error: impl std::fmt::Display) -> RunError {
        RunError::SecondWall(error.to_string())
    }

    /// Handles every right that Landlock knows and allows none of them.
    fn nothing() -> Result<RulesetCreated, landlock::RulesetError> {
        Ruleset::default()
            // What the kernel does not know is left out; `judge` then says what is enforced.
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(KNOWN))?
            .handle_access(AccessNet::from_all(KNOWN))?
            // Abstract Unix sockets and signals: they have no path that a rule could name.
            .scope(Scope::from_all(KNOWN))?
            .create()
    }

    fn reading() -> BitFlags<AccessFs> {
        AccessFs::ReadFile | AccessFs::ReadDir
    }

    /// What the first wall needs in a folder that a guest may write: no links, no devices, nothing to execute.
    fn writing() -> BitFlags<AccessFs> {
        AccessFs::WriteFile
            | AccessFs::Truncate
            | AccessFs::MakeReg
            | AccessFs::MakeDir
            | AccessFs::RemoveFile
            | AccessFs::RemoveDir
            // Moving a file between two folders of the same tree.
            | AccessFs::Refer
    }

    fn judge(status: &RestrictionStatus) -> Result<SecondWall, RunError> {
        match (&status.landlock, &status.ruleset) {
            (LandlockStatus::NotEnabled | LandlockStatus::NotImplemented, _) => Ok(SecondWall::Missing),
            // A kernel that has the wall and does not use it is no reason to run with one wall
            // fewer.
            (LandlockStatus::Available { .. }, RulesetStatus::NotEnforced) => {
                Err(refused("the kernel has Landlock but enforces nothing"))
            }
            (LandlockStatus::Available { effective_abi, .. }, _) => Ok(SecondWall::Landlock(*effective_abi as u32)),
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::{fs, io::ErrorKind, net, thread};

    use super::*;

    /// What host code finds when it opens a path.
    fn kind<T>(outcome: std::io::Result<T>) -> Result<(), ErrorKind> {
        outcome.map(drop).map_err(|error| error.kind())
    }

    const DENIED: Result<(), ErrorKind> = Err(ErrorKind::PermissionDenied);

    #[test]
    fn a_thread_reaches_its_folders_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for folder in ["vault", "staging/mine/out", "staging/other/out"] {
            fs::create_dir_all(at(folder)).unwrap();
        }
        for file in ["vault/a.md", "ledger.db", "staging/mine/lock", "staging/other/out/b.md"] {
            fs::write(at(file), "text").unwrap();
        }
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap();
        let (vault, out) = (at("vault"), at("staging/mine/out"));
        let folders = (FolderHandle::open(&vault).unwrap(), FolderHandle::open(&out).unwrap());
        let seen = thread::scope(|scope| {
            let restricted = scope.spawn(|| {
                let vault = Some((&folders.0, VaultAccess::Read));
                let wall = put_up(LandlockScope { vault, linked: &[], out: Some(&folders.1) }).unwrap();
                assert!(matches!(wall, SecondWall::Landlock(_)), "the tests need a kernel with Landlock: {wall}");
                assert_eq!(kind(fs::read(at("vault/a.md"))), Ok(()));
                assert_eq!(kind(fs::read_dir(at("vault"))), Ok(()));
                assert_eq!(kind(fs::write(out.join("c.md"), "text")), Ok(()));
                assert_eq!(kind(fs::create_dir_all(out.join("d/e"))), Ok(()));
                assert_eq!(kind(fs::rename(out.join("c.md"), out.join("d/e/c.md"))), Ok(()));
                assert_eq!(kind(fs::read(out.join("d/e/c.md"))), Ok(()));
                assert_eq!(kind(fs::remove_dir_all(out.join("d"))), Ok(()));
                for closed in ["ledger.db", "staging/mine/lock", "staging/other/out/b.md", "vault/../ledger.db"] {
                    assert_eq!(kind(fs::read(at(closed))), DENIED, "{closed}");
                    assert_eq!(kind(fs::write(at(closed), "x")), DENIED, "{closed}");
                }
                for closed in ["vault/a.md", "vault/new.md", "staging/new.md"] {
                    assert_eq!(kind(fs::write(at(closed), "x")), DENIED, "{closed}");
                }
                for folder in ["/", "/etc", "/proc/self"] {
                    assert_eq!(kind(fs::read_dir(folder)), DENIED, "{folder}");
                }
                for closed in ["/etc/passwd", "/proc/self/environ", "/proc/self/mem", "/dev/zero"] {
                    assert_eq!(kind(fs::read(closed)), DENIED, "{closed}");
                }
                assert_eq!(kind(fs::remove_file(at("vault/a.md"))), DENIED);
                // A link out of the folder cannot be made, and one that lies there leads nowhere.
                assert_eq!(kind(std::os::unix::fs::symlink("/etc/passwd", out.join("link"))), DENIED);
                if matches!(wall, SecondWall::Landlock(version) if version >= 4) {
                    assert_eq!(kind(net::TcpStream::connect(port)), DENIED);
                }
                // What a restricted thread starts is restricted as well.
                assert_eq!(thread::spawn(|| kind(fs::read("/etc/passwd"))).join().unwrap(), DENIED);
            });
            // The threads beside it are not, neither while it stands nor afterwards.
            restricted.join().unwrap();
            kind(fs::read("/etc/passwd"))
        });
        assert_eq!(seen, Ok(()));
        assert_eq!(fs::read_to_string(at("ledger.db")).unwrap(), "text");
    }

    #[test]
    fn a_thread_that_needs_nothing_reaches_nothing() {
        thread::scope(|scope| {
            let restricted = scope.spawn(|| {
                put_up(LandlockScope::default()).unwrap();
                assert_eq!(kind(fs::read("/etc/passwd")), DENIED);
            });
            restricted.join().unwrap();
        });
        assert!(matches!(probe(), Ok(SecondWall::Landlock(_))));
    }

    #[test]
    fn a_rule_is_about_the_folder_that_is_open() {
        let root = tempfile::tempdir().unwrap();
        let (vault, moved) = (root.path().join("vault"), root.path().join("moved"));
        fs::create_dir(&vault).unwrap();
        fs::write(vault.join("a.md"), "mine").unwrap();
        let handle = FolderHandle::open(&vault).unwrap();
        // Somebody puts another folder at its path.
        fs::rename(&vault, &moved).unwrap();
        fs::create_dir(&vault).unwrap();
        fs::write(vault.join("a.md"), "theirs").unwrap();
        let restricted = thread::spawn(move || {
            put_up(LandlockScope::reading(&handle, &[])).unwrap();
            (kind(fs::read(moved.join("a.md"))), kind(fs::read(vault.join("a.md"))))
        });
        assert_eq!(restricted.join().unwrap(), (Ok(()), DENIED));
    }
}
