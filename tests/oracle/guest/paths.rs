//! Every way to spell a path, with every operation that takes one.

use crate::{
    bindings::wasi::filesystem::types::{Descriptor, ErrorCode, OpenFlags, PathFlags},
    report::{NOFOLLOW, NONE, READ, WRITE, clear, done, folder, line, put, root, told, tree},
};

const FOLLOW: PathFlags = PathFlags::SYMLINK_FOLLOW;

/// Spellings of what is there, what is not, and what must not be named.
const PATHS: &[&str] = &[
    "a.md",
    "./a.md",
    "a.md/",
    "a.md/.",
    "a.md/x",
    "sub",
    "sub/",
    "sub/.",
    "sub//b.md",
    "sub/../a.md",
    "sub/..",
    "empty",
    "empty/",
    "empty/..",
    "missing",
    "missing/",
    "missing/x",
    "missing/../a.md",
    "a.md/../a.md",
    ".",
    "./",
    "..",
    "../",
    "../a.md",
    "sub/../../a.md",
    "/",
    "/a.md",
    "/vault/a.md",
    "",
    " ",
    "a\\b",
    "a.md\0",
    "ümlaut",
    "...",
    "LONG",
    "LONGER",
    "DEEP",
];

/// Paths of the vault that meet a link. The pipe is not among them: the stock implementation waits for its writer.
const LINKS: &[&str] = &[
    "link-in",
    "link-in/",
    "link-folder",
    "link-folder/",
    "link-folder/b.md",
    "link-folder/../a.md",
    "link-out",
    "link-out/outside.md",
    "link-absolute",
    "link-loop",
    "link-missing",
];

fn spelled(path: &str) -> String {
    match path {
        "LONG" => "n".repeat(255),
        "LONGER" => "n".repeat(256),
        "DEEP" => "d/".repeat(2500),
        path => path.to_owned(),
    }
}

type Operation = fn(&Descriptor, &str) -> String;

/// What changes nothing.
const LOOKS: &[(&str, Operation)] = &[
    ("stat", |at, path| told(at.stat_at(NOFOLLOW, path).map(|stat| format!("{:?}", stat.type_)))),
    ("stat-follow", |at, path| told(at.stat_at(FOLLOW, path).map(|stat| format!("{:?}", stat.type_)))),
    ("open", |at, path| opened(at.open_at(NOFOLLOW, path, NONE, READ))),
    ("open-follow", |at, path| opened(at.open_at(FOLLOW, path, NONE, READ))),
    ("open-folder", |at, path| opened(at.open_at(NOFOLLOW, path, OpenFlags::DIRECTORY, READ))),
    ("hash", |at, path| done(at.metadata_hash_at(NOFOLLOW, path))),
    ("readlink", |at, path| told(at.readlink_at(path))),
];

/// What changes something.
const CHANGES: &[(&str, Operation)] = &[
    ("create", |at, path| opened(at.open_at(NOFOLLOW, path, OpenFlags::CREATE, WRITE))),
    ("create-new", |at, path| opened(at.open_at(NOFOLLOW, path, OpenFlags::CREATE | OpenFlags::EXCLUSIVE, WRITE))),
    ("open-write", |at, path| opened(at.open_at(NOFOLLOW, path, NONE, READ | WRITE))),
    ("truncate", |at, path| opened(at.open_at(NOFOLLOW, path, OpenFlags::TRUNCATE, WRITE))),
    ("mkdir", |at, path| done(at.create_directory_at(path))),
    ("rmdir", |at, path| done(at.remove_directory_at(path))),
    ("unlink", |at, path| done(at.unlink_file_at(path))),
    ("rename-from", |at, path| done(at.rename_at(path, at, "renamed"))),
    ("rename-to", |at, path| done(at.rename_at("a.md", at, path))),
    ("rename-folder-to", |at, path| done(at.rename_at("sub", at, path))),
    ("link", |at, path| done(at.link_at(NOFOLLOW, "a.md", at, path))),
    ("symlink", |at, path| done(at.symlink_at("a.md", path))),
];

fn opened(answer: Result<Descriptor, ErrorCode>) -> String {
    told(answer.and_then(|descriptor| descriptor.get_type()).map(|kind| format!("{kind:?}")))
}

pub fn report() {
    let vault = root("/vault");
    for (operation, run) in LOOKS {
        for path in PATHS.iter().chain(LINKS) {
            line(format_args!("vault {operation} {path:?}"), run(&vault, &spelled(path)));
        }
    }
    for (operation, run) in CHANGES {
        for path in ["a.md", "sub", "empty", "new", "missing/x", "../a.md"] {
            line(format_args!("vault {operation} {path:?}"), run(&vault, path));
        }
    }
    let out = root("/out");
    out.create_directory_at("paths").expect("the folder is made");
    let at = folder(&out, "paths");
    for (operation, run) in LOOKS.iter().chain(CHANGES) {
        for path in PATHS {
            fill(&at);
            let before = tree(&at);
            let told = run(&at, &spelled(path));
            let after = tree(&at);
            let change = if before == after { String::new() } else { format!(", then {}", shortened(&after)) };
            line(format_args!("out {operation} {path:?}"), format_args!("{told}{change}"));
            clear(&at);
        }
    }
    drop(at);
    out.remove_directory_at("paths").expect("the folder is removed");
}

fn shortened(tree: &str) -> String {
    tree.replace(&"n".repeat(255), "LONG")
}

fn fill(at: &Descriptor) {
    put(at, "a.md", "alpha");
    at.create_directory_at("empty").expect("the folder is made");
    at.create_directory_at("sub").expect("the folder is made");
    put(at, "sub/b.md", "beta");
}
