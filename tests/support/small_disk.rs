//! A small file system of a test's own, which can be filled and made read-only.
//!
//! A file system can be mounted only in a mount namespace of one's own. So the test that wants one starts its program again in
//! such a namespace, with itself alone, and does its work there.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use super::alone;

/// Where the disk is mounted, for the program that is started again.
const INSIDE: &str = "KAVI_TEST_SMALL_DISK";
/// The workspace that it copies onto the disk.
const GIVEN: &str = "KAVI_TEST_GIVEN_WORKSPACE";
const READY: &str = "the disk is mounted";
const BYTES: u64 = 96 << 20;

/// The kind of file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// In memory; any user may mount it in a namespace of their own.
    Tmpfs,
    /// On a file; only the administrator may mount it.
    Ext4,
}

/// A small disk that is mounted.
#[derive(Debug)]
pub struct SmallDisk {
    root: PathBuf,
    /// The workspace that was given along.
    pub given: PathBuf,
}

impl SmallDisk {
    /// In the program that a test starts: nothing, after the test was done inside, or was skipped. Inside: the disk.
    pub fn mount(module: &str, test: &str, kind: Kind, given: impl FnOnce() -> PathBuf) -> Option<Self> {
        if let (Some(root), Some(given)) = (std::env::var_os(INSIDE), std::env::var_os(GIVEN)) {
            return Some(Self { root: root.into(), given: given.into() });
        }
        let folder = super::folder();
        let root = folder.path().join("disk");
        fs::create_dir(&root).expect("a folder");
        let mut command = Command::new("unshare");
        let mount = match kind {
            Kind::Tmpfs => {
                command.args(["--user", "--map-root-user", "--mount"]);
                format!("mount -t tmpfs -o size={BYTES},mode=755 small \"$1\"")
            }
            Kind::Ext4 => {
                let image = folder.path().join("image");
                File::create(&image).and_then(|image| image.set_len(BYTES)).expect("an image");
                let made = Command::new("mkfs.ext4").args(["-q", "-m", "0"]).arg(&image).output();
                if !made.is_ok_and(|made| made.status.success()) {
                    eprintln!("{test} is skipped on ext4: there is no `mkfs.ext4`");
                    return None;
                }
                command.arg("--mount");
                format!("mount -o loop '{}' \"$1\"", image.display())
            }
        };
        let alone = alone(module, test);
        command.args(["sh", "-c", &format!("{mount} && echo '{READY}' && shift && exec \"$@\""), "sh"]).arg(&root);
        command.arg(alone.get_program()).args(alone.get_args());
        let output = match command.env(INSIDE, &root).env(GIVEN, given()).output() {
            Ok(output) => output,
            Err(error) => {
                eprintln!("{test} is skipped on {kind:?}: `unshare` does not start: {error}");
                return None;
            }
        };
        let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if !said.contains(READY) {
            eprintln!("{test} is skipped on {kind:?}: this machine mounts no such disk for a test: {errors}");
            return None;
        }
        assert!(output.status.success() && said.contains("1 passed"), "on {kind:?}: {said}{errors}");
        None
    }

    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Fills it, but for so many bytes.
    pub fn fill(&self, but_for: u64) {
        let mut file = File::options().append(true).create(true).open(self.filler()).expect("the filler");
        for size in [1 << 20, 4 << 10, 1] {
            let block = vec![0; size];
            loop {
                // Put on the disk at once: a file system may promise blocks that it does not have.
                match file.write_all(&block).and_then(|()| if size > 1 { file.sync_data() } else { Ok(()) }) {
                    Ok(()) => {}
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::StorageFull, "{error}");
                        break;
                    }
                }
            }
        }
        let full = file.metadata().expect("the filler").len();
        file.set_len(full.saturating_sub(but_for)).and_then(|()| file.sync_all()).expect("room");
    }

    /// Gives the room back.
    pub fn empty(&self) {
        fs::remove_file(self.filler()).expect("the filler");
    }

    fn filler(&self) -> PathBuf {
        self.root.join("filler")
    }

    /// Makes it read-only, or writable again.
    pub fn remount(&self, mode: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,{mode}")]).arg(&self.root).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}
