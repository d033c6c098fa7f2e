//! Waits for what other processes do: for changes of files, and for the end of a child.
//!
//! Every wait blocks until the kernel reports something, so a test neither sleeps nor asks again and again. A wait that
//! lasts longer than [`PATIENCE`] fails its test.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::Child;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, Reader, WatchFlags};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// The longest wait, in seconds: far more than any machine needs.
pub const PATIENCE: i64 = 120;

/// Everything that a process can do to files of a folder.
const CHANGES: WatchFlags = WatchFlags::CREATE
    .union(WatchFlags::MODIFY)
    .union(WatchFlags::CLOSE_WRITE)
    .union(WatchFlags::MOVED_FROM)
    .union(WatchFlags::MOVED_TO)
    .union(WatchFlags::DELETE);

/// Whether there was a change, or the child has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    Change,
    End,
}

/// A folder and all folders below it, also those that are made later.
#[derive(Debug)]
pub struct Tree {
    inotify: OwnedFd,
    root: PathBuf,
    watched: BTreeSet<PathBuf>,
    flags: WatchFlags,
}

impl Tree {
    /// Watches the files below `root` for changes from now on.
    pub fn new(root: &Path) -> Self {
        Self::with(root, CHANGES)
    }

    /// Watches the files below `root` for being opened as well.
    pub fn and_opened(root: &Path) -> Self {
        Self::with(root, CHANGES.union(WatchFlags::OPEN))
    }

    fn with(root: &Path, flags: WatchFlags) -> Self {
        let inotify = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).expect("an inotify instance");
        let mut tree = Self { inotify, root: root.to_owned(), watched: BTreeSet::new(), flags };
        tree.add_folders();
        tree
    }

    /// Watches the folders that are new. One that goes away meanwhile needs no watch.
    fn add_folders(&mut self) {
        let mut folders = vec![self.root.clone()];
        while let Some(folder) = folders.pop() {
            if self.watched.insert(folder.clone()) {
                let _ = inotify::add_watch(&self.inotify, &folder, self.flags | WatchFlags::ONLYDIR);
            }
            let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
            folders.extend(entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|e| e.path()));
        }
    }

    /// Waits for the next changes, or for the end of `child`. Changes come first.
    fn wait(&mut self, child: Option<&OwnedFd>) -> Seen {
        let mut ready = vec![PollFd::new(&self.inotify, PollFlags::IN)];
        ready.extend(child.map(|child| PollFd::new(child, PollFlags::IN)));
        let patience = Timespec { tv_sec: PATIENCE, tv_nsec: 0 };
        let count = retry(|| poll(&mut ready, Some(&patience))).expect("to wait");
        assert!(count > 0, "nothing happened below {} for {PATIENCE} s", self.root.display());
        if ready[0].revents().is_empty() { Seen::End } else { Seen::Change }
    }

    /// The names that changed since the last call. A name that was created, opened or moved may be there twice.
    fn names(&mut self) -> Vec<String> {
        let mut buffer = [MaybeUninit::uninit(); 16_384];
        let mut reader = Reader::new(self.inotify.as_fd(), &mut buffer);
        let mut names = Vec::new();
        while let Ok(event) = reader.next() {
            let gone = event.events().contains(ReadFlags::IGNORED);
            let name = event.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            names.extend((!gone).then_some(name));
        }
        names
    }

    /// Waits until `done` holds; it is asked after every change below the folder. Fails when `child` ends first.
    #[track_caller]
    pub fn until(&mut self, child: &mut Child, mut done: impl FnMut() -> bool) {
        let end = end_of(child);
        loop {
            // New folders are watched before the question, so that no change after it is missed.
            self.add_folders();
            if done() {
                return;
            }
            let seen = self.wait(Some(&end));
            self.names();
            if seen == Seen::End && !done() {
                panic!("the process ended before it did what this test waits for: {:?}", child.wait());
            }
        }
    }

    /// Waits until a file of this name was changed or opened below the folder. Fails when `child` ends first.
    #[track_caller]
    pub fn until_touched(&mut self, child: &mut Child, name: &str) {
        let end = end_of(child);
        loop {
            self.add_folders();
            let seen = self.wait(Some(&end));
            if self.names().iter().any(|touched| touched == name) {
                return;
            }
            assert_ne!(seen, Seen::End, "the process ended before it touched {name}: {:?}", child.wait());
        }
    }

    /// Waits until there were so many changes below the folder, or until `child` has ended. Gives the number of changes.
    pub fn changes(&mut self, child: &Child, most: usize) -> usize {
        let end = end_of(child);
        let mut changes = 0;
        while changes < most {
            self.add_folders();
            if self.wait(Some(&end)) == Seen::End {
                break;
            }
            changes += self.names().len();
        }
        changes
    }

    /// Calls `look` now and after every change below the folder, until `child` has ended.
    pub fn each_change(&mut self, child: &OwnedFd, mut look: impl FnMut()) {
        loop {
            self.add_folders();
            look();
            if self.wait(Some(child)) == Seen::End {
                return;
            }
            self.names();
        }
    }
}

/// Whether a file of this name is somewhere below a folder that may change meanwhile.
pub fn is_below(folder: &Path, name: &str) -> bool {
    fs::read_dir(folder).into_iter().flatten().flatten().any(|entry| {
        let folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if folder { is_below(&entry.path(), name) } else { entry.file_name() == name }
    })
}

/// A descriptor that becomes readable when a child has ended.
pub fn end_of(child: &Child) -> OwnedFd {
    pidfd_open(Pid::from_child(child), PidfdFlags::empty()).expect("a descriptor of a child")
}

/// Waits for the end of a child, but no longer than so many milliseconds. Says whether it has ended.
pub fn ends_within(child: &Child, milliseconds: i64) -> bool {
    is_over_within(&end_of(child), milliseconds)
}

/// Waits for the end of any process. Fails when it takes longer than [`PATIENCE`].
pub fn wait_for_the_end_of(process: u32) {
    let id = Pid::from_raw(process.try_into().expect("a process number")).expect("a process number");
    match pidfd_open(id, PidfdFlags::empty()) {
        Ok(end) => assert!(is_over_within(&end, PATIENCE * 1_000), "process {process} goes on"),
        // It is over already.
        Err(error) => assert_eq!(error, rustix::io::Errno::SRCH),
    }
}

fn is_over_within(end: &OwnedFd, milliseconds: i64) -> bool {
    let timeout = Timespec { tv_sec: milliseconds / 1_000, tv_nsec: milliseconds % 1_000 * 1_000_000 };
    retry(|| poll(&mut [PollFd::new(end, PollFlags::IN)], Some(&timeout))).expect("to wait") > 0
}

/// A call again when a signal came.
fn retry<T>(mut call: impl FnMut() -> rustix::io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(rustix::io::Errno::INTR) => {}
            other => return Ok(other?),
        }
    }
}
