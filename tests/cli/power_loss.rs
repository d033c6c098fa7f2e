//! Power-loss images: what a disk can hold when the power fails at any moment of a verb, and a person edits notes afterwards.
//!
//! `strace` writes down every call of one verb that changes a file, with its bytes. The calls are made again on a model of the
//! disk. The model keeps two things apart: what was written, and what an `fsync` has put on the disk. After every call it gives
//! two images, as file systems with a journal leave them. In both a file has the bytes of its last `fsync`. In the first, names
//! are those of the last `fsync` too. In the second, all names so far are there. Equal images are tried once.
//!
//! Each image replaces the workspace. In two of three a person then edits, or removes, what the verb has brought into the vault.
//! Then the workspace must answer, with all or nothing of the verb in the vault, and with every edit. Where the verb changes no
//! file of the vault, the edits are those of all others, and all or nothing is decided.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use kavi::model::digest::Digest;

use crate::kill_decisions::{DECISIONS, decided};
use crate::kills::{FOLDER, MINE, TRUST_VERBS, TrustVerb, VERBS, Vaults, traced, vault, works};
use crate::support::Workspace;

/// Verbs that change the vault, and verbs with which a person decides.
const TRIED: [&str; 7] = ["run", "run-in-new-folder", "approve", "undo", "chain", "promote", "prune-old"];

const TRACED: &str = "trace=openat,openat2,write,pwrite64,writev,ftruncate,fallocate,fsync,fdatasync,rename,renameat,renameat2,link,\
                      linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,copy_file_range,sendfile";

/// A call that changed the disk. Paths are those of the call.
#[derive(Debug)]
enum DiskCall {
    Open { path: PathBuf, flags: String },
    Write { path: PathBuf, at: Option<usize>, bytes: Vec<u8> },
    Resize { path: PathBuf, size: usize, shrinks: bool },
    Move { from: PathBuf, to: PathBuf, exchange: bool },
    Link { from: PathBuf, to: PathBuf },
    Remove(PathBuf),
    MakeFolder(PathBuf),
    Sync { path: PathBuf, names: bool },
}

/// The bytes of a text in which every character is written as `\xNN`.
fn unhex(text: &str) -> Vec<u8> {
    text.split("\\x").skip(1).map(|digits| u8::from_str_radix(&digits[..2], 16).unwrap()).collect()
}

fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8(bytes.to_vec()).unwrap())
}

/// The path that strace gives for an open file: `7<\x2f…>`.
fn of_fd(argument: &str) -> PathBuf {
    let text = argument.split_once('<').map_or("", |(_, path)| path.trim_end_matches('>'));
    path_of(&unhex(text))
}

/// The bytes between each pair of quotes.
fn quoted(arguments: &str) -> Vec<u8> {
    arguments.split('"').skip(1).step_by(2).flat_map(unhex).collect()
}

/// Reads one line of strace; none for a call that failed.
fn parse(line: &str) -> Option<DiskCall> {
    let (call, rest) = line.split_once('(')?;
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let result: i64 = result.split([' ', '<']).next()?.parse().ok()?;
    if result < 0 {
        return None;
    }
    let arguments = arguments.trim_end().trim_end_matches(')');
    let parts: Vec<&str> = arguments.split(", ").collect();
    let plain = |number: usize| path_of(&quoted(parts[number]));
    let below = |folder: usize| of_fd(parts[folder]).join(plain(folder + 1));
    let number = |part: usize| parts[part].parse::<usize>().unwrap();
    Some(match call {
        "openat" | "openat2" => DiskCall::Open { path: below(0), flags: parts[2].to_owned() },
        "write" | "writev" | "pwrite64" => {
            let mut bytes = quoted(arguments);
            bytes.truncate(usize::try_from(result).unwrap());
            let at = (call == "pwrite64").then(|| number(3));
            DiskCall::Write { path: of_fd(parts[0]), at, bytes }
        }
        "ftruncate" => DiskCall::Resize { path: of_fd(parts[0]), size: number(1), shrinks: true },
        "fallocate" => DiskCall::Resize { path: of_fd(parts[0]), size: number(2) + number(3), shrinks: false },
        "fsync" | "fdatasync" => DiskCall::Sync { path: of_fd(parts[0]), names: call == "fsync" },
        "rename" => DiskCall::Move { from: plain(0), to: plain(1), exchange: false },
        "renameat" | "renameat2" => {
            let exchange = parts.get(4).is_some_and(|flags| flags.contains("EXCHANGE"));
            DiskCall::Move { from: below(0), to: below(2), exchange }
        }
        "link" => DiskCall::Link { from: plain(0), to: plain(1) },
        "linkat" => DiskCall::Link { from: below(0), to: below(2) },
        "unlink" | "rmdir" => DiskCall::Remove(plain(0)),
        "unlinkat" => DiskCall::Remove(below(0)),
        "mkdir" => DiskCall::MakeFolder(plain(0)),
        "mkdirat" => DiskCall::MakeFolder(below(0)),
        other => panic!("the model has no {other}: {line}"),
    })
}

/// Reads a whole log. A call that another thread interrupted has two lines, and counts when it ended.
fn calls(log: &str) -> Vec<DiskCall> {
    let mut begun: BTreeMap<&str, String> = BTreeMap::new();
    let mut found = Vec::new();
    for line in log.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let rest = rest.trim_start();
        if let Some(start) = rest.strip_suffix("<unfinished ...>") {
            begun.insert(thread, start.to_owned());
        } else if let Some((_, end)) = rest.strip_prefix("<... ").and_then(|rest| rest.split_once("resumed>")) {
            let whole = begun.remove(thread).unwrap_or_default() + end;
            found.extend(parse(&whole));
        } else {
            found.extend(parse(rest));
        }
    }
    found
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Node {
    Folder,
    File(usize),
}

#[derive(Debug, Clone)]
struct Inode {
    mode: u32,
    written: Vec<u8>,
    synced: Vec<u8>,
}

type Names = BTreeMap<PathBuf, Node>;

/// The workspace on a disk. Names are relative to it.
#[derive(Debug, Clone)]
struct Disk {
    root: PathBuf,
    names: Names,
    synced: Names,
    inodes: Vec<Inode>,
}

/// The files and folders of a disk after the power came back; none for a folder.
type Image = BTreeMap<PathBuf, Option<(u32, Vec<u8>)>>;

impl Disk {
    /// The disk with what is in a folder, all of it synced.
    fn of(root: &Path) -> Self {
        let mut disk = Self { root: root.to_owned(), names: Names::new(), synced: Names::new(), inodes: Vec::new() };
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
                let (path, meta) = (entry.path(), entry.metadata().unwrap());
                let name = path.strip_prefix(root).unwrap().to_owned();
                if meta.is_dir() {
                    folders.push(path);
                    disk.names.insert(name, Node::Folder);
                } else {
                    let bytes = fs::read(&path).unwrap();
                    disk.add(name, meta.permissions().mode(), bytes);
                }
            }
        }
        disk.synced = disk.names.clone();
        disk
    }

    fn add(&mut self, name: PathBuf, mode: u32, bytes: Vec<u8>) {
        self.inodes.push(Inode { mode, written: bytes.clone(), synced: bytes });
        self.names.insert(name, Node::File(self.inodes.len() - 1));
    }

    /// The name in the workspace. None for any other file of the machine, and for the index that SQLite keeps in memory.
    fn name(&self, path: &Path) -> Option<PathBuf> {
        let name = path.strip_prefix(&self.root).ok()?;
        (!name.to_string_lossy().ends_with("-shm")).then(|| name.to_owned())
    }

    fn inode(&mut self, path: &Path) -> Option<&mut Inode> {
        match *self.names.get(&self.name(path)?)? {
            Node::File(number) => self.inodes.get_mut(number),
            Node::Folder => None,
        }
    }

    fn take(&mut self, path: &Path) -> Option<Node> {
        let name = self.name(path)?;
        self.names.remove(&name)
    }

    fn put(&mut self, path: &Path, node: Option<Node>) {
        if let (Some(name), Some(node)) = (self.name(path), node) {
            self.names.insert(name, node);
        }
    }

    fn apply(&mut self, call: &DiskCall) {
        match call {
            DiskCall::Open { path, flags } => match self.name(path) {
                Some(name) if flags.contains("O_CREAT") && !self.names.contains_key(&name) => {
                    self.add(name, 0o600, Vec::new());
                }
                Some(_) if flags.contains("O_TRUNC") => self.inode(path).unwrap().written.clear(),
                _ => {}
            },
            DiskCall::Write { path, at, bytes } => {
                let Some(inode) = self.inode(path) else { return };
                let at = at.unwrap_or(inode.written.len());
                let end = at + bytes.len();
                inode.written.resize(inode.written.len().max(end), 0);
                inode.written[at..end].copy_from_slice(bytes);
            }
            DiskCall::Resize { path, size, shrinks } => {
                let Some(inode) = self.inode(path) else { return };
                let size = if *shrinks { *size } else { inode.written.len().max(*size) };
                inode.written.resize(size, 0);
            }
            DiskCall::Move { from, to, exchange } => {
                let (moved, replaced) = (self.take(from), self.take(to));
                assert!(moved.is_some() || self.name(from).is_none(), "the model does not know {}", from.display());
                self.put(to, moved);
                self.put(from, replaced.filter(|_| *exchange));
            }
            DiskCall::Link { from, to } => {
                let node = self.name(from).and_then(|name| self.names.get(&name).copied());
                assert!(node.is_some() || self.name(from).is_none(), "the model does not know {}", from.display());
                self.put(to, node);
            }
            DiskCall::Remove(path) => drop(self.take(path)),
            DiskCall::MakeFolder(path) => self.put(path, Some(Node::Folder)),
            DiskCall::Sync { path, names } => {
                if let Some(inode) = self.inode(path) {
                    inode.synced.clone_from(&inode.written);
                }
                if *names && path.starts_with(&self.root) {
                    self.synced.clone_from(&self.names);
                }
            }
        }
    }

    fn image(&self, names: &Names) -> Image {
        let content = |node: &Node| match node {
            Node::Folder => None,
            Node::File(number) => Some((self.inodes[*number].mode, self.inodes[*number].synced.clone())),
        };
        // A name in a folder that is not there yet is not there either.
        let is_reached = |name: &Path| name.ancestors().skip(1).all(|up| up == Path::new("") || names.contains_key(up));
        names.iter().filter(|(name, _)| is_reached(name)).map(|(name, node)| (name.clone(), content(node))).collect()
    }
}

/// Makes the folder hold exactly the image.
fn lay_down(root: &Path, image: &Image) {
    for entry in fs::read_dir(root).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let removed =
            if entry.file_type().unwrap().is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.unwrap();
    }
    // Folders come before what is in them.
    for (name, content) in image {
        let path = root.join(name);
        match content {
            None => fs::create_dir(&path).unwrap(),
            Some((mode, bytes)) => {
                fs::write(&path, bytes).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
            }
        }
    }
}

/// What a person does after the power came back.
#[derive(Debug, Clone, Copy)]
enum Edit {
    Nothing,
    Writes,
    Removes,
}

/// Edits what the verb brought so far. Gives how many files.
fn edit(workspace: &Workspace, vaults: Vaults<'_>, edit: Edit, what: &str) -> usize {
    let Vaults { before, after } = vaults;
    let now = vault(workspace);
    let mine = Digest::of(MINE.as_bytes()).to_string();
    let brought = after.iter().filter(|(path, digest)| *digest != FOLDER && before.get(*path) != Some(digest));
    let brought: Vec<&String> = match before == after {
        true => after.iter().filter(|(_, digest)| *digest != FOLDER).map(|(path, _)| path).collect(),
        false => brought.filter(|(path, digest)| now.get(*path) == Some(digest)).map(|(path, _)| path).collect(),
    };
    let mut expected = after.clone();
    let mut edits = 0;
    for path in brought {
        match edit {
            Edit::Nothing => continue,
            Edit::Writes => {
                fs::write(workspace.vault(path), MINE).unwrap();
                expected.insert(path.clone(), mine.clone());
            }
            Edit::Removes => {
                fs::remove_file(workspace.vault(path)).unwrap();
                expected.remove(path);
            }
        }
        edits += 1;
    }
    works(workspace, what);
    let found = vault(workspace);
    assert!(found == expected || found == *before, "{what}: neither all nor none: {found:?}");
    edits
}

#[test]
#[ignore = "a longer tier: needs strace, and some minutes a verb"]
fn power_loss_images() {
    let only = std::env::var("KAVI_POWER_LOSS_VERBS").ok();
    let wanted = |name: &str| only.as_ref().is_none_or(|only| only.split(',').any(|one| one == name));
    let (mut built, mut edited) = (0, 0);
    for verb in VERBS.iter().chain(DECISIONS).filter(|verb| TRIED.contains(&verb.name) && wanted(verb.name)) {
        let decides = DECISIONS.iter().any(|one| one.name == verb.name);
        let standing = |workspace: &Workspace, what: &str| {
            if decides { decided(workspace, what) } else { Vec::new() }
        };
        let workspace = (verb.start)();
        (verb.prepare)(&workspace);
        let before = vault(&workspace);
        let first = standing(&workspace, verb.name);
        let args = (verb.args)(&workspace);
        let mut disk = Disk::of(workspace.path());
        let options = ["-y", "-xx", "-e", TRACED, "-s", "16777216"];
        assert!(traced(&workspace, &options, &args).status().expect("strace").success(), "{}", verb.name);
        let log = fs::read_to_string(workspace.path().join("calls")).unwrap();
        let after = vault(&workspace);
        let decided_then = standing(&workspace, verb.name);
        assert!(before != after || first != decided_then, "{}: it changes nothing", verb.name);
        let (mut tried, mut edits, mut last) = (BTreeSet::new(), 0, Image::new());
        for (number, call) in calls(&log).iter().enumerate() {
            disk.apply(call);
            for names in [&disk.synced, &disk.names] {
                let image = disk.image(names);
                if !tried.insert(Digest::of(format!("{image:?}").as_bytes()).to_string()) {
                    continue;
                }
                let what = format!("{}: power lost after call {number}, {call:?}", verb.name);
                let how = [Edit::Nothing, Edit::Writes, Edit::Removes][tried.len() % 3];
                lay_down(workspace.path(), &image);
                edits += edit(&workspace, Vaults { before: &before, after: &after }, how, &format!("{what}, {how:?}"));
                let found = standing(&workspace, &what);
                assert!(
                    found == first || found == decided_then,
                    "{what}: neither all nor nothing is decided: {found:#?}"
                );
            }
            last = disk.image(&disk.synced);
        }
        // What was reported as done is on the disk.
        lay_down(workspace.path(), &last);
        works(&workspace, verb.name);
        assert_eq!(vault(&workspace), after, "{}: reported as done, and lost", verb.name);
        assert_eq!(standing(&workspace, verb.name), decided_then, "{}: reported as done, and lost", verb.name);
        println!("{}: {} images, {edits} files edited or removed", verb.name, tried.len());
        built += tried.len();
        edited += edits;
    }
    println!(
        "{built} images, {edited} files edited or removed after them: blocked 0, half done 0, lost 0, phantom 0, edits lost 0"
    );
}

#[test]
#[ignore = "a longer tier: needs strace, and some minutes a verb"]
fn power_loss_images_of_trust() {
    let only = std::env::var("KAVI_POWER_LOSS_VERBS").ok();
    let wanted = |one: &&TrustVerb| only.as_ref().is_none_or(|only| only.split(',').any(|name| name == one.verb.name));
    let (mut built, mut done) = (0, 0);
    for TrustVerb { verb, base, left } in TRUST_VERBS.iter().filter(wanted) {
        let workspace = base();
        (verb.prepare)(&workspace);
        let (before, args) = (workspace.count(left), (verb.args)(&workspace));
        let mut disk = Disk::of(workspace.path());
        let options = ["-y", "-xx", "-e", TRACED, "-s", "16777216"];
        assert!(traced(&workspace, &options, &args).status().expect("strace").success(), "{}", verb.name);
        let log = fs::read_to_string(workspace.path().join("calls")).unwrap();
        let after = workspace.count(left);
        assert_ne!(before, after, "{}: it leaves nothing", verb.name);
        let (mut tried, mut heads, mut of_done) = (BTreeSet::new(), BTreeSet::new(), 0);
        let mut last = Image::new();
        for (number, call) in calls(&log).iter().enumerate() {
            disk.apply(call);
            for names in [&disk.synced, &disk.names] {
                let image = disk.image(names);
                if !tried.insert(Digest::of(format!("{image:?}").as_bytes()).to_string()) {
                    continue;
                }
                heads.extend(image.iter().filter(|(name, _)| name.ends_with("head")).map(|(_, file)| file.clone()));
                lay_down(workspace.path(), &image);
                works(&workspace, &format!("{}: power lost after call {number}, {call:?}", verb.name));
                let now = workspace.count(left);
                assert!(now >= before, "{}: call {number}: lost what was there", verb.name);
                of_done += usize::from(now >= after);
            }
            last = disk.image(&disk.synced);
        }
        // What was reported as done is on the disk.
        lay_down(workspace.path(), &last);
        works(&workspace, verb.name);
        assert!(workspace.count(left) >= after, "{}: reported as done, and lost", verb.name);
        println!("{}: {} images with {} heads, in {of_done} the work was done", verb.name, tried.len(), heads.len());
        built += tried.len();
        done += of_done;
    }
    println!("{built} images, in {done} the work was done: false alarms 0, lost 0");
}

#[test]
fn a_log_is_read_as_the_calls_that_it_is_of() {
    let log = "7 openat(AT_FDCWD<\\x2f\\x77>, \"\\x61\", O_WRONLY|O_CREAT, 0600) = 3<\\x2f\\x77\\x2f\\x61>\n\
               7 write(3<\\x2f\\x77\\x2f\\x61>, \"\\x68\\x69\", 2 <unfinished ...>\n\
               8 mkdir(\"\\x2f\\x77\\x2f\\x64\", 0777) = -1 EEXIST (File exists)\n\
               7 <... write resumed>) = 2\n\
               7 pwrite64(3<\\x2f\\x77\\x2f\\x61>, \"\\x6f\", 1, 1) = 1\n\
               7 fsync(3<\\x2f\\x77\\x2f\\x61>) = 0\n\
               7 write(3<\\x2f\\x77\\x2f\\x61>, \"\\x21\", 1) = 1\n\
               7 renameat2(4<\\x2f\\x77>, \"\\x61\", 4<\\x2f\\x77>, \"\\x62\", RENAME_NOREPLACE) = 0\n";
    let root = tempfile::tempdir().unwrap();
    let mut disk = Disk { root: "/w".into(), ..Disk::of(root.path()) };
    let calls = calls(log);
    assert_eq!(calls.len(), 6, "{calls:?}");
    calls.iter().for_each(|call| disk.apply(call));
    let file = |name: &str, bytes: &[u8]| Image::from([(PathBuf::from(name), Some((0o600, bytes.to_vec())))]);
    assert_eq!(disk.image(&disk.synced), file("a", b"ho"));
    assert_eq!(disk.image(&disk.names), file("b", b"ho"));
    assert_eq!(disk.inodes[0].written, b"ho!");
}
