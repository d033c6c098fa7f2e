//! How jobs start and end, and that nothing of them stays.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use kavi::ledger::{Create, Ledger};
use kavi::model::switch::{Halt, Stopped, Watch};
use kavi::model::time::Timestamp;

use super::*;

#[test]
fn exit_codes_and_signals_are_told_apart() {
    assert_eq!(run(&shell("exit 7")).exit, Exit::Code(7));
    assert_eq!(run(&shell("exit 143")).exit, Exit::Code(143));
    assert_eq!(run(&shell("kill -TERM $$")).exit, Exit::Signal(15));
    assert_eq!(run(&shell("kill -KILL $$")).exit, Exit::Signal(9));
    assert_eq!(run(&shell("kill -ABRT $$")).exit, Exit::Signal(6));
}

#[test]
fn a_program_that_cannot_start_is_an_error_that_names_it() {
    let job = Job::new("/usr/bin/no-such-program").mount(Mount::read_only("/usr/bin", "/usr/bin"));
    for outcome in [cage().run(&job, &mut |_, _| {}), cage().run_tool(&job, &mut |_, _| {})] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, CageError::Start { .. }), "{error}");
        assert!(error.to_string().contains("no-such-program"), "{error}");
    }
}

#[test]
fn nothing_outlives_a_run() {
    let (left, killed) = (mark(1), mark(2));
    assert_eq!(text(&run(&shell(&daemon(&left))).stdout), "up");
    assert!(!alive(&left));
    let job = shell(&format!("{}; sleep {killed}", daemon(&killed))).limits(seconds(1));
    assert_eq!(run(&job).exit, Exit::WallClock);
    assert!(!alive(&killed));
}

#[test]
fn nothing_outlives_a_tool_or_an_unconfined_job() {
    let bare = Cage::new(exe(), Confinement::Unconfined);
    let (left, killed) = (mark(3), mark(4));
    assert_eq!(text(&bare.run(&shell(&daemon(&left)), &mut |_, _| {}).unwrap().stdout), "up");
    assert!(!alive(&left));
    let job = shell(&format!("{}; sleep {killed}", daemon(&killed))).limits(seconds(1));
    assert_eq!(bare.run_tool(&job, &mut |_, _| {}).unwrap().exit, Exit::WallClock);
    assert!(!alive(&killed));
}

/// Lets work go on until it is told otherwise, and writes into a pipe when it is asked.
#[derive(Debug)]
struct Told {
    stop: AtomicBool,
    asked: fs::File,
}

impl Watch for Told {
    fn look(&self) -> Result<(), Halt> {
        (&self.asked).write_all(b"\n").unwrap();
        match self.stop.load(Ordering::Relaxed) {
            true => Err(Stopped::Unreadable("told so".to_owned()).into()),
            false => Ok(()),
        }
    }
}

#[test]
fn a_job_that_may_not_go_on_is_killed_with_its_whole_tree() {
    for (number, confinement) in [(8, Confinement::Required), (9, Confinement::Unconfined)] {
        let place = folder();
        let pipe = pipe(place.path());
        // Open for both, so that what is written stays there until the job reads it.
        let asked = fs::File::options().read(true).write(true).open(&pipe).unwrap();
        let told = Arc::new(Told { stop: AtomicBool::new(false), asked });
        let watched = Cage::new(exe(), confinement).watched(told.clone());
        let inside = if confinement == Confinement::Required { Path::new("/out/pipe") } else { &pipe };
        // It ends when it was asked about twice and might go on.
        let patient = shell(&format!("exec <{}; read one; read two; exit 7", inside.display()));
        let patient = patient.mount(Mount::read_write(place.path(), "/out"));
        assert_eq!(watched.run(&patient, &mut |_, _| {}).unwrap().exit, Exit::Code(7));
        let mark = mark(number);
        let job = shell(&format!("{}; sleep {mark}", daemon(&mark)));
        // Once it has said something, it runs.
        let outcome = watched.run(&job, &mut |_, _| told.stop.store(true, Ordering::Relaxed));
        assert!(matches!(outcome, Err(CageError::Halted(Halt::Stopped(_)))), "{outcome:?}");
        assert!(!alive(&mark));
    }
}

#[test]
fn a_cage_that_stays_over_a_stop_and_its_end_follows_the_switch_for_each_job() {
    let folder = folder();
    let ledger = Ledger::open(&folder.path().join("ledger.db"), Create::IfMissing).unwrap();
    let at = Timestamp::from_millis(0).unwrap();
    for (number, confinement) in [(10, Confinement::Required), (11, Confinement::Unconfined)] {
        ledger.stop("ada", "it smells", at).unwrap();
        // Made while everything is stopped, as by a server that starts then.
        let cage = Cage::new(exe(), confinement).watched_by(Arc::new(ledger.watch_source()));
        let mark = mark(number);
        let refused = cage.run(&shell(&format!("{}; exit 7", daemon(&mark))), &mut |_, _| panic!("it was started"));
        assert!(matches!(refused, Err(CageError::Halted(Halt::Stopped(_)))), "{refused:?}");
        ledger.resume("ada", at).unwrap();
        assert_eq!(cage.run(&shell("sleep 0.3; exit 7"), &mut |_, _| {}).unwrap().exit, Exit::Code(7));
        // Once it has said something, it runs. Also a stop that is taken back at once ends it.
        let job = shell(&format!("{}; sleep {mark}", daemon(&mark)));
        let halted = cage.run(&job, &mut |_, _| {
            ledger.stop("ada", "it smells", at).unwrap();
            ledger.resume("ada", at).unwrap();
        });
        assert!(matches!(halted, Err(CageError::Halted(Halt::Stopped(_)))), "{halted:?}");
        assert!(!alive(&mark));
        assert_eq!(cage.run(&shell("sleep 0.3; exit 7"), &mut |_, _| {}).unwrap().exit, Exit::Code(7));
    }
}

#[test]
fn a_killed_kavi_takes_its_jobs_along() {
    // This test binary again, as the one that is killed.
    if let (Ok(mark), Some(place)) = (std::env::var("KAVI_TEST_VICTIM"), std::env::var_os("KAVI_TEST_PLACE")) {
        // Every process of a job holds the pipe open, until the last of them is dead.
        let holding =
            |pipe: &Path| format!("exec 9>{}; echo up >&9; setsid sleep {mark} & sleep {mark}", pipe.display());
        let place = PathBuf::from(place);
        let caged = shell(&holding(Path::new("/out/pipe"))).mount(Mount::read_write(&place, "/out"));
        let tool = shell(&holding(&place.join("pipe")));
        std::thread::scope(|scope| {
            scope.spawn(|| cage().run_tool(&tool, &mut |_, _| {}));
            run(&caged);
        });
        return;
    }
    let (mark, place) = (mark(5), folder());
    let pipe = pipe(place.path());
    let mut victim = crate::support::alone(module_path!(), "a_killed_kavi_takes_its_jobs_along")
        .env("KAVI_TEST_VICTIM", &mark)
        .env("KAVI_TEST_PLACE", place.path())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut said = BufReader::new(fs::File::open(&pipe).unwrap());
    for _ in 0..2 {
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert_eq!(line, "up\n");
    }
    assert!(alive(&format!("sleep\0{mark}")));
    victim.kill().unwrap();
    victim.wait().unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "");
    assert!(!alive(&format!("sleep\0{mark}")));
}

#[test]
fn a_tool_gets_an_empty_environment_and_its_limits() {
    let job = Job::new("/usr/bin/sh").args(["-c", "/usr/bin/env; ulimit -c; ulimit -n; /usr/bin/cat; exit 3"]);
    let job = job.stdin(b"input".to_vec()).limits(JobLimits { open_files: 99, ..seconds(60) });
    let done = cage().run_tool(&job, &mut |_, _| {}).unwrap();
    assert_eq!((text(&done.stdout), done.exit), ("PWD=/\n0\n99\ninput".to_owned(), Exit::Code(3)));
    assert_eq!(done.confinement, AppliedConfinement::Unconfined);
}

#[test]
fn a_missing_stage_makes_no_cage() {
    let cage = Cage::new("/nonexistent/kavi".into(), Confinement::Required);
    assert!(matches!(cage.run(&shell("true"), &mut |_, _| {}), Err(CageError::Io { .. })));
    // A program that is no stage: the job does not run.
    let cage = Cage::new("/usr/bin/true".into(), Confinement::Required);
    let error = cage.run(&shell("true"), &mut |_, _| {}).unwrap_err();
    assert!(matches!(error, CageError::NoCage { .. }), "{error}");
    assert!(error.hint().is_some());
}

#[test]
fn all_of_it_holds_for_an_ordinary_user() {
    use std::os::unix::process::CommandExt;
    // When an ordinary user runs the tests, the others have shown it.
    if !is_root() {
        return;
    }
    let place = folder();
    let (tests, binary) = (place.path().join("tests"), place.path().join("kavi"));
    fs::copy(std::env::current_exe().unwrap(), &tests).unwrap();
    fs::copy(exe(), &binary).unwrap();
    let output = std::process::Command::new(&tests)
        .arg("cage::")
        .env_clear()
        .env("KAVI_TEST_EXE", &binary)
        .current_dir("/")
        .uid(1234)
        .gid(1234)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("test cage::life::"), "no test ran: {}", text(&output.stdout));
}
