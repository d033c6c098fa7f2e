//! Whether anything can have happened to the ledger since the last look, for two short calls into the kernel.
//!
//! Asking SQLite whether somebody has committed costs a read transaction: locks are taken and given back, the file is looked for.
//! Many calls in one process can do without, because what SQLite would find out shows elsewhere:
//!
//! - *A commit* is visible to a reader when the head of the write-ahead log's index has changed, two copies of 48 bytes at the
//!   start of `ledger.db-shm`. SQLite compares them with what it saw the last time, and so does a [`ChangeDetector`], through a
//!   descriptor of its own. What is half written differs as well.
//! - *Another file in the ledger's place, and the mark of a stop*, are changes of names in the ledger's folder, or of that folder's
//!   own place. The kernel queues an event for each before whoever made it goes on; an empty queue means that there was none.
//!
//! Guarantees: [`ChangeDetector::unchanged`] is true only if neither has changed since it was asked the last time. What cannot be read, a
//! queue that overflowed, a watch that the kernel took back: not quiet. It never says what has changed; that is for the ledger.
//!
//! Deliberately never: stands in for a look into the ledger after something has changed, or in the transaction that records
//! a success.

use std::fmt;

use super::{Ledger, OwnCommits};

/// The two copies of the head of the index.
const HEAD: usize = 96;
/// The form of the index that is known here, which stands first in it. A file that a shared memory stands for has the byte
/// order of the machine.
#[cfg(target_os = "linux")]
const FORM: [u8; 4] = 3_007_000_u32.to_ne_bytes();

/// The head of the index, as it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IndexHead([u8; HEAD]);

impl IndexHead {
    /// How often a transaction was committed, as SQLite counts it. `None` while somebody is writing it.
    fn change(&self) -> Option<u32> {
        let (one, other) = self.0.split_at(HEAD / 2);
        let count = one.get(8..12).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes);
        // SQLite writes the second copy before the first, without a lock that readers respect.
        // Copies that differ are a header in the middle of a change, so their count means nothing.
        count.filter(|_| one == other)
    }

    /// Whether exactly one transaction was committed between the other and this one.
    pub(super) fn is_next_of(&self, other: &Self) -> bool {
        // SQLite lets the count wrap, so plain addition would fail after 2^32 commits. Exactly one
        // more proves that no other connection committed between the two readings.
        other.change().zip(self.change()).is_some_and(|(before, after)| after == before.wrapping_add(1))
    }

    #[cfg(test)]
    pub(super) fn with_change(change: u32) -> Self {
        let mut head = [0; HEAD];
        for copy in [8, HEAD / 2 + 8] {
            head[copy..copy + 4].copy_from_slice(&change.to_ne_bytes());
        }
        Self(head)
    }
}

/// Keeps an eye on one ledger that is open in this process.
pub struct ChangeDetector {
    #[cfg(target_os = "linux")]
    names: rustix::fd::OwnedFd,
    #[cfg(target_os = "linux")]
    index: &'static std::fs::File,
    #[cfg_attr(not(target_os = "linux"), expect(dead_code, reason = "there is nothing to compare it with"))]
    seen: Option<IndexHead>,
}

impl fmt::Debug for ChangeDetector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChangeDetector(..)")
    }
}

impl Ledger {
    /// Something that says when there is no need to look. `None` where the system has no such thing, or where this ledger's
    /// folder or index cannot be watched: then look each time.
    pub fn change_detector(&self) -> Option<ChangeDetector> {
        // A ledger in memory has an empty path: there is no file that another process could change.
        let path = self.conn.path().filter(|path| !path.is_empty())?;
        ChangeDetector::new(std::path::Path::new(path))
    }
}

#[cfg(not(target_os = "linux"))]
impl ChangeDetector {
    fn new(_: &std::path::Path) -> Option<Self> {
        None
    }

    /// Never.
    pub fn unchanged(&mut self) -> bool {
        false
    }

    /// Never.
    pub fn unchanged_except(&mut self, _: Option<&OwnCommits>) -> bool {
        false
    }

    pub(super) fn head(&self) -> Option<IndexHead> {
        None
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs::{self, File};
    use std::os::unix::fs::{FileExt as _, MetadataExt as _};
    use std::path::Path;
    use std::sync::Mutex;

    use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
    use rustix::io::Errno;

    use super::{ChangeDetector, FORM, HEAD, IndexHead, OwnCommits};
    use crate::sync::lock;

    /// Files that are open for good, by device and inode: see [`index`].
    static OPEN: Mutex<Vec<((u64, u64), &File)>> = Mutex::new(Vec::new());

    fn identity(meta: &fs::Metadata) -> (u64, u64) {
        (meta.dev(), meta.ino())
    }

    /// The index that SQLite has open in this process, to be read.
    ///
    /// It is never closed: closing *any* descriptor of a file takes all locks of the process on that file away, and SQLite's
    /// own are on this one. So there is one for each ledger that a process ever looked out for.
    fn index(ledger: &Path) -> Option<&'static File> {
        let mut path = ledger.as_os_str().to_owned();
        path.push("-shm");
        // Not followed: a link in the index's place is nothing that SQLite opened.
        let wanted = identity(&fs::symlink_metadata(&path).ok()?);
        // One that merely lies there, while SQLite goes on with another that was removed, would stay as it is for ever.
        let is_open = |entry: fs::DirEntry| fs::metadata(entry.path()).is_ok_and(|meta| identity(&meta) == wanted);
        fs::read_dir("/proc/self/fd").ok()?.flatten().any(is_open).then_some(())?;
        // The lock covers the opening as well, so that two threads cannot leak two descriptors of
        // one file.
        let mut open = lock(&OPEN);
        if let Some((_, file)) = open.iter().find(|(known, _)| *known == wanted) {
            return Some(file);
        }
        let file: &File = Box::leak(Box::new(File::open(&path).ok()?));
        // The name can have changed hands since the first check. The descriptor is kept in any
        // case, because closing it would take SQLite's locks away if it is the right file after
        // all.
        let found = identity(&file.metadata().ok()?);
        open.push((found, file));
        (found == wanted).then_some(file)
    }

    impl ChangeDetector {
        pub(super) fn new(ledger: &Path) -> Option<Self> {
            let index = index(ledger)?;
            let mut form = [0; FORM.len()];
            // An index of another version may keep its header elsewhere. Without a detector each
            // call reads the ledger, which is slower and still correct.
            index.read_exact_at(&mut form, 0).ok().filter(|()| form == FORM)?;
            // NONBLOCK, because the empty queue is the common case and must answer instead of wait.
            let names = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok()?;
            // A path leads elsewhere when any folder on it is moved or removed, so every one of
            // them is watched.
            let moved = WatchFlags::MOVE_SELF | WatchFlags::DELETE_SELF;
            let within = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVED_FROM | WatchFlags::MOVED_TO;
            // A watch follows the folder's inode. Through a link it would watch the target, and a
            // link that is pointed elsewhere would make no event.
            let real = WatchFlags::ONLYDIR | WatchFlags::DONT_FOLLOW;
            let mut flags = moved | within | real;
            for folder in ledger.parent()?.ancestors() {
                inotify::add_watch(&names, folder, flags).ok()?;
                // Above the ledger's folder it matters only that each one stays where it is.
                flags = moved | real;
            }
            // Nothing has been seen yet, so the first question is answered with a change. The
            // caller then reads the ledger after the watches exist, and no event falls between the
            // two.
            Some(Self { names, index, seen: None })
        }

        /// Whether nothing has changed since this was asked the last time. The first time it is not.
        pub fn unchanged(&mut self) -> bool {
            self.unchanged_except(None)
        }

        /// The same, except what is among these commits.
        pub fn unchanged_except(&mut self, own_commits: Option<&OwnCommits>) -> bool {
            // What is left of a longer queue is found the next time.
            let unnamed = matches!(rustix::io::read(&self.names, &mut [0_u8; 4096]), Err(Errno::AGAIN));
            // The queue is read before the header. A commit in between shows in the header, and a
            // name that changes in between stays in the queue for the next question.
            let head = self.head();
            // Two failed readings are equal as well, and must not count as unchanged.
            let same = head.is_some() && head == self.seen;
            let ours = || {
                let ends = self.seen.as_ref().zip(head.as_ref()).zip(own_commits);
                ends.is_some_and(|((seen, head), own_commits)| own_commits.cover(seen, head))
            };
            // Own commits explain a new header only. They change no name, so an event always
            // counts.
            let unchanged = unnamed && (same || ours());
            // Kept also after a change: the caller now reads the ledger, and that reading is the
            // new basis.
            self.seen = head;
            unchanged
        }

        /// The head as it is now.
        pub(in super::super) fn head(&self) -> Option<IndexHead> {
            let mut head = [0; HEAD];
            self.index.read_exact_at(&mut head, 0).ok().map(|()| IndexHead(head))
        }
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::{Path, PathBuf};

    use rusqlite::Connection;

    use super::*;
    use crate::ledger::Create;

    type Tested = Result<(), Box<dyn std::error::Error>>;

    /// A ledger in a folder of its own within another, and somebody who looks out.
    struct Watched {
        root: tempfile::TempDir,
        ledger: Ledger,
        change_detector: ChangeDetector,
    }

    impl Watched {
        fn new() -> Result<Self, Box<dyn std::error::Error>> {
            let root = tempfile::tempdir()?;
            fs::create_dir_all(root.path().join("workspace/.kavi"))?;
            let ledger = Ledger::open(&Self::path(root.path()), Create::IfMissing)?;
            let mut change_detector = ledger.change_detector().ok_or("no change detector")?;
            assert!(!change_detector.unchanged(), "nothing is known at first");
            assert!(change_detector.unchanged() && change_detector.unchanged());
            Ok(Self { root, ledger, change_detector })
        }

        fn path(root: &Path) -> PathBuf {
            root.join("workspace/.kavi/ledger.db")
        }

        fn at(&self, name: &str) -> PathBuf {
            self.root.path().join("workspace/.kavi").join(name)
        }

        fn other(&self) -> Result<Connection, rusqlite::Error> {
            Connection::open(self.at("ledger.db"))
        }
    }

    /// A commit that changes no name.
    fn change(conn: &Connection, why: &str) -> rusqlite::Result<usize> {
        conn.execute("UPDATE switch_turns SET why = ?1", [why])
    }

    #[test]
    fn every_commit_is_noticed_whoever_makes_it_and_only_once() -> Tested {
        let mut watched = Watched::new()?;
        let other = watched.other()?;
        for number in 0..50 {
            change(&other, &format!("theirs {number}"))?;
            assert!(!watched.change_detector.unchanged());
            assert!(watched.change_detector.unchanged());
            // Its own connection's commits count as well.
            change(&watched.ledger.conn, &format!("ours {number}"))?;
            assert!(!watched.change_detector.unchanged());
            assert!(watched.change_detector.unchanged());
        }
        Ok(())
    }

    #[test]
    fn a_commit_is_noticed_when_it_can_be_seen_not_when_it_is_written() -> Tested {
        let mut watched = Watched::new()?;
        let other = watched.other()?;
        other.execute_batch("PRAGMA cache_size = 1; BEGIN IMMEDIATE")?;
        // More than the cache holds: the log is written before the commit.
        for number in 2..400 {
            let turn = "INSERT INTO switch_turns (number, position, turned_by, why, created_at)
                 VALUES (?1, 'STOPPED', 'ada', ?2, '1970-01-01T00:00:00.000Z')";
            other.execute(turn, rusqlite::params![number, "why ".repeat(200)])?;
        }
        assert!(fs::metadata(watched.at("ledger.db-wal"))?.len() > 200_000);
        let _ = watched.change_detector.unchanged();
        assert!(watched.ledger.authorize().is_ok());
        other.execute_batch("COMMIT")?;
        assert!(!watched.change_detector.unchanged());
        assert!(watched.ledger.authorize().is_err());
        Ok(())
    }

    #[test]
    fn checkpoints_and_a_log_that_begins_again_hide_no_commit() -> Tested {
        let mut watched = Watched::new()?;
        let other = watched.other()?;
        for mode in ["PASSIVE", "FULL", "RESTART", "TRUNCATE"] {
            other.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))?;
            // Whatever that changed: from here on it is quiet until somebody commits.
            let _ = watched.change_detector.unchanged();
            assert!(watched.change_detector.unchanged(), "{mode}");
            change(&other, mode)?;
            assert!(!watched.change_detector.unchanged(), "{mode}");
        }
        Ok(())
    }

    #[test]
    fn names_that_come_go_and_change_are_noticed() -> Tested {
        type Change = fn(&Watched) -> std::io::Result<()>;
        let changes: [(&str, Change); 7] = [
            ("the mark of a stop", |w| fs::write(w.at("stop"), "")),
            ("the mark is gone", |w| fs::remove_file(w.at("stop"))),
            ("another ledger in its place", |w| {
                fs::copy(w.at("ledger.db"), w.root.path().join("copy"))?;
                fs::rename(w.root.path().join("copy"), w.at("ledger.db"))
            }),
            ("the ledger is gone", |w| fs::remove_file(w.at("ledger.db"))),
            ("the folder is moved", |w| {
                fs::rename(w.at(""), w.root.path().join("workspace/moved"))?;
                fs::rename(w.root.path().join("workspace/moved"), w.at(""))
            }),
            ("the workspace is moved", |w| {
                fs::rename(w.root.path().join("workspace"), w.root.path().join("away"))?;
                fs::create_dir_all(w.at(""))
            }),
            ("all of it is gone", |w| fs::remove_dir_all(w.root.path())),
        ];
        let mut watched = Watched::new()?;
        for (what, change) in changes {
            change(&watched)?;
            assert!(!watched.change_detector.unchanged(), "{what}");
            while !watched.change_detector.unchanged() {}
        }
        Ok(())
    }

    #[test]
    fn more_events_than_the_queue_holds_are_not_silence() -> Tested {
        let mut watched = Watched::new()?;
        for number in 0..10_000 {
            let name = watched.at(&format!("{number}"));
            fs::write(&name, "")?;
            fs::remove_file(&name)?;
        }
        assert!(!watched.change_detector.unchanged());
        while !watched.change_detector.unchanged() {}
        fs::write(watched.at("stop"), "")?;
        assert!(!watched.change_detector.unchanged());
        Ok(())
    }

    #[test]
    fn another_index_than_the_one_in_use_is_not_watched() -> Tested {
        let watched = Watched::new()?;
        fs::rename(watched.at("ledger.db-shm"), watched.at("elsewhere"))?;
        assert!(watched.ledger.change_detector().is_none(), "there is none");
        fs::copy(watched.at("elsewhere"), watched.at("ledger.db-shm"))?;
        assert!(watched.ledger.change_detector().is_none(), "one that nobody has open");
        assert!(Ledger::in_memory()?.change_detector().is_none());
        Ok(())
    }

    /// Locks to write that this process holds on the index. They do not keep the process itself out, so the kernel is asked.
    fn write_locks(watched: &Watched) -> Result<usize, std::io::Error> {
        let inode = fs::metadata(watched.at("ledger.db-shm"))?.ino();
        let locks = fs::read_to_string("/proc/locks")?;
        // The same number may be a file of another file system, and another process's.
        let (held, of) = (format!(" WRITE {} ", std::process::id()), format!(":{inode} "));
        let ours = |line: &&str| line.contains(&held) && line.contains(&of);
        Ok(locks.lines().filter(ours).count())
    }

    #[test]
    fn looking_out_takes_no_lock_of_sqlite_away() -> Tested {
        let watched = Watched::new()?;
        watched.ledger.conn.execute_batch("BEGIN IMMEDIATE; UPDATE switch_turns SET why = 'mine'")?;
        assert_eq!(write_locks(&watched)?, 1);
        drop(watched.ledger.change_detector().ok_or("no change detector")?);
        assert_eq!(write_locks(&watched)?, 1);
        // What it must never do.
        drop(fs::File::open(watched.at("ledger.db-shm"))?);
        assert_eq!(write_locks(&watched)?, 0);
        Ok(())
    }
}
