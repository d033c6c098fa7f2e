//! Signals: a call of the operating system that a signal interrupts is made again.
//!
//! `strace` makes every second call of each kind fail with `EINTR`, so that each call fails once. SQLite's own `fsync` is left
//! out: it fails the transaction, which is told as not done.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::fs;
use std::process::Command;

use crate::kills::{VERBS, traced, vault, works};
use crate::support::Workspace;

/// Calls that may be interrupted: by the standard, or on a file system over a network or in another process. A lock that is
/// only tried waits for nothing, and so is never interrupted: `flock` is left out.
const CALLS: &str = "mkdir,mkdirat,rename,renameat,renameat2,link,linkat,unlink,unlinkat,rmdir,openat2,ftruncate,fallocate,\
                     fchmod,fchmodat,utimensat,write,pwrite64,poll,ppoll,wait4,waitid,sendmsg,recvmsg,sendto,recvfrom,connect,\
                     fchownat,statfs";

/// Calls with which a cage is built, besides. The manual lists no such error for `mount`, and a file system in another process
/// gives it all the same. `chdir` is left out: a new process makes it first, and would be made to fail each time.
const CAGE_CALLS: &str = "mount,umount2,pivot_root,unshare,symlink,symlinkat,chmod,chown,setresuid,setresgid,setgroups";

/// Whether calls can be made to fail here.
fn can_interrupt(test: &str) -> bool {
    let tried = Command::new("strace").args(["-f", "-qq", "-o", "/dev/null", "true"]).status();
    let can = tried.is_ok_and(|status| status.success());
    if !can {
        eprintln!("{test} is skipped: there is no `strace`, or it may trace nothing here");
    }
    can
}

/// Calls that failed so.
fn interrupted(workspace: &Workspace) -> usize {
    let log = fs::read_to_string(workspace.path().join("calls")).unwrap();
    log.lines().filter(|line| line.contains("EINTR") && line.contains("(INJECTED)")).count()
}

fn inject(calls: &str) -> [String; 4] {
    ["-e".to_owned(), format!("trace={calls}"), "-e".to_owned(), format!("inject={calls}:error=EINTR:when=1+2")]
}

#[test]
fn an_interrupted_call_is_made_again_in_every_verb_that_changes_a_workspace() {
    if !can_interrupt("an_interrupted_call_is_made_again_in_every_verb_that_changes_a_workspace") {
        return;
    }
    let inject = inject(CALLS);
    let options: Vec<&str> = inject.iter().map(String::as_str).collect();
    for verb in VERBS {
        let [quiet, disturbed] = [Workspace::trusted(), Workspace::trusted()];
        (verb.prepare)(&quiet);
        (verb.prepare)(&disturbed);
        let args = (verb.args)(&quiet);
        quiet.call(&args.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
        let args = (verb.args)(&disturbed);
        let status = traced(&disturbed, &options, &args).status().unwrap();
        assert!(status.success() && interrupted(&disturbed) > 0, "{}: {status}", verb.name);
        assert_eq!(vault(&disturbed), vault(&quiet), "{}", verb.name);
        works(&disturbed, verb.name);
    }
}

#[test]
fn an_interrupted_call_is_made_again_where_a_cage_is_built() {
    if !can_interrupt("an_interrupted_call_is_made_again_where_a_cage_is_built") {
        return;
    }
    let workspace = Workspace::trusted();
    // Without machine code the run has it compiled, in a cage.
    fs::remove_dir_all(workspace.path().join(".kavi/cache")).unwrap();
    fs::write(workspace.vault("Inbox/AI/a.md"), "old\n").unwrap();
    let inject = inject(&format!("{CALLS},{CAGE_CALLS}"));
    let options: Vec<&str> = inject.iter().map(String::as_str).collect();
    let args = ["run-skill", "peek", "--json", r#"{"path":"Inbox/AI/a.md"}"#].map(str::to_owned);
    let status = traced(&workspace, &options, &args).status().unwrap();
    let log = fs::read_to_string(workspace.path().join("calls")).unwrap();
    assert!(status.success(), "{status}: {log}");
    // Without a cage of its own, as with bubblewrap, the calls are made by another program.
    let failed = |call: &str| log.lines().any(|line| line.contains(&format!(" {call}(")) && line.contains("EINTR"));
    assert!(failed("mount") || !log.contains(" mount("), "{log}");
    assert!(failed("mkdir"), "{log}");
}
