//! What the cage promises, asked from the inside with shell scripts, as the user who runs the tests and, when that is
//! root, once more as an ordinary user.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

mod files;
mod forward;
mod life;
mod limits;
mod walls;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use kavi::cage::{
    AppliedConfinement, Cage, CageError, CageMethod, CageReport, Confinement, Exit, Finished, INSIDE_HOME, Job,
    JobLimits, Mount, MountAccess, NamespaceMaker, SetupStep, Stream,
};
use rustix::fs::{CWD, FileType, Mode, mknodat};

/// The binary whose stages are tested; a copy of it that an ordinary user can reach when this is the second round.
fn exe() -> PathBuf {
    std::env::var_os("KAVI_TEST_EXE").map_or_else(|| env!("CARGO_BIN_EXE_kavi").into(), PathBuf::from)
}

fn cage() -> Cage {
    Cage::new(exe(), Confinement::Required)
}

fn our_id() -> u32 {
    fs::metadata("/proc/self").unwrap().uid()
}

fn is_root() -> bool {
    our_id() == 0
}

/// A folder that others may enter, as root's jobs must.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn seconds(wall: u64) -> JobLimits {
    JobLimits { wall: Duration::from_secs(wall), ..JobLimits::default() }
}

fn shell(script: &str) -> Job {
    Job::new("/usr/bin/sh")
        .args(["-c", script])
        .env("PATH", "/usr/bin")
        .mount(Mount::read_only("/usr/bin", "/usr/bin"))
        .limits(seconds(60))
}

fn run(job: &Job) -> Finished {
    cage().run(job, &mut |_, _| {}).unwrap()
}

/// Output of a script that must succeed.
fn says(script: &str) -> String {
    let done = run(&shell(script));
    assert_eq!(done.exit, Exit::Code(0), "{script}: {}", text(&done.stderr));
    text(&done.stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

fn limited(script: &str, change: impl FnOnce(&mut JobLimits)) -> Finished {
    let mut limits = seconds(60);
    change(&mut limits);
    run(&shell(script).limits(limits))
}

/// The system's python, where there is one.
fn python(script: &str) -> Option<Job> {
    let there = Path::new("/usr/bin/python3").exists();
    let job = Job::new("/usr/bin/python3").mount(Mount::read_only("/usr/bin", "/usr/bin"));
    there.then(|| job.args(["-I", "-c", script]))
}

/// Whether a process with this in its command line lives on the host.
fn alive(mark: &str) -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        fs::read(entry.path().join("cmdline")).is_ok_and(|line| String::from_utf8_lossy(&line).contains(mark))
    })
}

/// Leaves its session and its parent, ignores what can be ignored, and closes what it was given. The shell goes on when
/// all processes of it have done so: what it substitutes ends when the last of them closes its output.
fn daemon(mark: &str) -> String {
    let deaf = format!("trap \"\" TERM HUP; exec >/dev/null; sleep {mark}");
    let other = format!("exec >/dev/null; sleep {mark}");
    format!("true $(setsid sh -c '({deaf}) & {other}' <&- 2>/dev/null &); echo up")
}

/// A pipe that a job can be shown in a folder.
fn pipe(folder: &Path) -> PathBuf {
    let path = folder.join("pipe");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    // A job is another user.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    path
}

/// A number that no other run of these tests has.
fn mark(number: u32) -> String {
    format!("{}{:02}{number}", 31_415, std::process::id() % 10_000)
}
