//! Kavi's side of a running stage: pipes, clocks, and the end of both.
//!
//! One thread, one `poll` loop. The stage's reports decide how the job ended; the clocks and the output limit decide
//! only that it must end now. Closing the control socket is what kills: the stage answers it with the death of the
//! whole tree, and this loop does not return before the stage is reaped.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use super::error::{CageError, Step};
use super::job::{Job, Limits};
use super::outcome::{Applied, Exit, Finished, Stream};
use super::wire::{self, JobOrder, Report};
use crate::model::switch::{Halt, Watch};

/// How long a stage may take to build its walls.
const SETUP_TIME: Duration = Duration::from_secs(30);
/// How long a stage may take to kill its tree before it is killed itself.
const LAST_GRACE: Duration = Duration::from_secs(20);
/// How often is looked whether a job may go on.
const LOOK: Duration = Duration::from_millis(50);
/// How much of a stage's own error output is kept.
const STAGE_WORDS: usize = 4096;
/// How much output is still taken once the job must end.
const LAST_WORDS: usize = 256 * 1024;

/// The job's ends of its three pipes and ours.
struct Pipes {
    job: [OwnedFd; 3],
    stdin: File,
    stdout: File,
    stderr: File,
}

fn pipes() -> io::Result<Pipes> {
    let (stdin_job, stdin) = io::pipe()?;
    let (stdout, stdout_job) = io::pipe()?;
    let (stderr, stderr_job) = io::pipe()?;
    let ours = |fd: OwnedFd| -> io::Result<File> {
        rustix::io::ioctl_fionbio(&fd, true)?;
        Ok(File::from(fd))
    };
    Ok(Pipes {
        job: [stdin_job.into(), stdout_job.into(), stderr_job.into()],
        stdin: ours(stdin.into())?,
        stdout: ours(stdout.into())?,
        stderr: ours(stderr.into())?,
    })
}

/// Starts a stage, hands it its orders and stays with it until everything is dead. `halt` says when it must be.
///
/// `first` is the order of a stage in front of the one that starts the job, if there is one.
pub(super) fn run<T: Serialize>(
    mut stage: Command,
    first: Option<&T>,
    order: &JobOrder,
    (job, halt): (&Job, Option<&dyn Watch>),
    watch: &mut dyn FnMut(Stream, &[u8]),
) -> Result<Finished, CageError> {
    let Pipes { job: job_ends, stdin, stdout, stderr } = pipes().map_err(CageError::io("make the job's pipes"))?;
    let (control, stage_end) = UnixStream::pair().map_err(CageError::io("make a control socket"))?;
    control.set_write_timeout(Some(SETUP_TIME)).map_err(CageError::io("set up the control socket"))?;
    let mut child = stage
        .env_clear()
        .current_dir("/")
        .stdin(OwnedFd::from(stage_end))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(CageError::io("start a stage of the cage"))?;
    // The command holds our copy of the stage's end; while it lives, the socket never reads as closed.
    drop(stage);
    let words = child.stderr.take().map(|pipe| File::from(OwnedFd::from(pipe)));
    let sent = first
        .map_or(Ok(()), |first| wire::send_order(&control, first, &[]))
        .and_then(|()| wire::send_order(&control, order, &job_ends.each_ref().map(AsFd::as_fd)));
    drop(job_ends);
    let words = words.filter(|pipe| rustix::io::ioctl_fionbio(pipe, true).is_ok());
    let mut session = Session {
        control: Some(control),
        stdin: Some(stdin).filter(|_| !job.stdin.is_empty()),
        stdout: Some(stdout),
        stderr: Some(stderr),
        words,
        said: String::new(),
        line: Vec::new(),
        written: 0,
        job,
        watch,
        halt,
        looked: Instant::now(),
        halted: None,
        kept: [Vec::new(), Vec::new()],
        seen: 0,
        clocks: Clocks { made: Instant::now(), started: None, heard: Instant::now(), ended: None },
        applied: None,
        reported: None,
        verdict: None,
    };
    let watched = forgive_death(sent).and_then(|()| forgive_death(session.watch_until_closed()));
    session.close_control();
    let reaped = reap(&mut child);
    session.last_words();
    watched.and(reaped).map_err(CageError::io("watch a stage of the cage"))?;
    session.judge()
}

/// A stage that dies while it is spoken to breaks the socket. That is no error of ours: what it said before tells more.
fn forgive_death(outcome: io::Result<()>) -> io::Result<()> {
    match outcome {
        Err(error) if matches!(error.kind(), io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset) => Ok(()),
        other => other,
    }
}

/// Waits for the stage to end; kills it when it does not.
fn reap(child: &mut Child) -> io::Result<()> {
    let until = Instant::now() + LAST_GRACE;
    let mut nap = Duration::from_micros(200);
    while Instant::now() < until {
        if child.try_wait()?.is_some() {
            return Ok(());
        }
        std::thread::sleep(nap);
        nap = (nap * 2).min(Duration::from_millis(20));
    }
    child.kill()?;
    child.wait().map(drop)
}

struct Clocks {
    made: Instant,
    started: Option<Instant>,
    heard: Instant,
    ended: Option<Instant>,
}

impl Clocks {
    /// When the next clock runs out, and what that means. Nothing runs once the job has ended.
    fn next(&self, limits: &Limits) -> Option<(Instant, Option<Exit>)> {
        if self.ended.is_some() {
            return None;
        }
        let Some(started) = self.started else { return Some((self.made + SETUP_TIME, None)) };
        let wall = started.checked_add(limits.wall).map(|at| (at, Some(Exit::WallClock)));
        let idle = limits.idle.and_then(|idle| self.heard.checked_add(idle)).map(|at| (at, Some(Exit::Idle)));
        [wall, idle].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}

struct Session<'a> {
    control: Option<UnixStream>,
    stdin: Option<File>,
    stdout: Option<File>,
    stderr: Option<File>,
    words: Option<File>,
    said: String,
    line: Vec<u8>,
    written: usize,
    job: &'a Job,
    watch: &'a mut dyn FnMut(Stream, &[u8]),
    halt: Option<&'a dyn Watch>,
    looked: Instant,
    halted: Option<Halt>,
    kept: [Vec<u8>; 2],
    seen: u64,
    clocks: Clocks,
    applied: Option<Applied>,
    reported: Option<Report>,
    verdict: Option<Exit>,
}

/// Which descriptor became ready.
#[derive(Clone, Copy)]
enum Source {
    Control,
    Stdin,
    Output(Stream),
    Words,
}

impl Session<'_> {
    /// Runs until the stage has closed its end, or a clock or limit says that it must.
    fn watch_until_closed(&mut self) -> io::Result<()> {
        while self.control.is_some() && self.verdict.is_none() {
            let deadline = self.clocks.next(&self.job.limits).map(|(at, _)| at);
            let look = self.halt.map(|_| self.looked + LOOK);
            let next = [deadline, look].into_iter().flatten().min();
            let ready = self.poll(next.map(|at| at.saturating_duration_since(Instant::now())))?;
            for source in ready {
                self.serve(source)?;
            }
            if self.must_halt() {
                return Ok(());
            }
            match self.clocks.next(&self.job.limits) {
                Some((at, Some(exit))) if at <= Instant::now() => self.verdict = self.verdict.or(Some(exit)),
                Some((at, None)) if at <= Instant::now() => {
                    let why = format!("it took more than {} s", SETUP_TIME.as_secs());
                    self.reported = Some(Report::Failed { step: Step::SelfCheck, why });
                    return Ok(());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Looks, not too often, whether the job may go on.
    fn must_halt(&mut self) -> bool {
        let due = self.halt.filter(|_| self.looked.elapsed() >= LOOK);
        if let Some(halt) = due {
            self.looked = Instant::now();
            self.halted = halt.look().err();
        }
        self.halted.is_some()
    }

    fn poll(&self, timeout: Option<Duration>) -> io::Result<Vec<Source>> {
        let sources = [
            (Source::Control, self.control.as_ref().map(AsFd::as_fd), PollFlags::IN),
            (Source::Output(Stream::Stdout), self.stdout.as_ref().map(AsFd::as_fd), PollFlags::IN),
            (Source::Output(Stream::Stderr), self.stderr.as_ref().map(AsFd::as_fd), PollFlags::IN),
            (Source::Stdin, self.stdin.as_ref().map(AsFd::as_fd), PollFlags::OUT),
            (Source::Words, self.words.as_ref().map(AsFd::as_fd), PollFlags::IN),
        ];
        let open: Vec<_> = sources.into_iter().filter_map(|(source, fd, flags)| Some((source, fd?, flags))).collect();
        let mut fds: Vec<_> = open.iter().map(|(_, fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
        let timeout = timeout.and_then(|time| Timespec::try_from(time).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        let ready = open.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty());
        Ok(ready.map(|((source, ..), _)| *source).collect())
    }

    fn serve(&mut self, source: Source) -> io::Result<()> {
        match source {
            Source::Control => self.hear(),
            Source::Stdin => self.feed(),
            Source::Output(stream) => self.take_output(stream).map(drop),
            Source::Words => self.take_words(),
        }
    }

    /// Reads what the stage reports.
    fn hear(&mut self) -> io::Result<()> {
        let mut buffer = [0u8; 4096];
        let Some(control) = self.control.as_mut() else { return Ok(()) };
        let got = match control.read(&mut buffer) {
            Ok(0) => {
                self.control = None;
                return Ok(());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            other => other?,
        };
        self.line.extend(&buffer[..got]);
        while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.line.drain(..=end).collect();
            match serde_json::from_slice(&line)? {
                Report::Ready(applied) => {
                    self.applied = Some(applied);
                    let now = Instant::now();
                    (self.clocks.started, self.clocks.heard) = (Some(now), now);
                    match self.control.as_mut() {
                        Some(control) => control.write_all(&[wire::GO])?,
                        None => return Ok(()),
                    }
                }
                report => {
                    self.clocks.ended = Some(Instant::now());
                    self.reported = Some(report);
                }
            }
        }
        Ok(())
    }

    /// Writes what the job's standard input takes now.
    fn feed(&mut self) -> io::Result<()> {
        let Some(stdin) = self.stdin.as_mut() else { return Ok(()) };
        match stdin.write(&self.job.stdin[self.written..]) {
            Ok(wrote) => self.written += wrote,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The job has closed its input; that is its right.
            Err(_) => self.written = self.job.stdin.len(),
        }
        if self.written >= self.job.stdin.len() {
            self.stdin = None;
        }
        Ok(())
    }

    /// Takes one buffer of output. False when there is none now.
    fn take_output(&mut self, stream: Stream) -> io::Result<bool> {
        let (pipe, kept) = match stream {
            Stream::Stdout => (&mut self.stdout, &mut self.kept[0]),
            Stream::Stderr => (&mut self.stderr, &mut self.kept[1]),
        };
        let Some(file) = pipe.as_mut() else { return Ok(false) };
        let mut buffer = [0u8; 16 * 1024];
        let got = match file.read(&mut buffer) {
            Ok(0) => {
                *pipe = None;
                return Ok(false);
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {
                return Ok(false);
            }
            other => other?,
        };
        self.seen += got as u64;
        let room = self.job.capture.saturating_sub(kept.len()).min(got);
        kept.extend(&buffer[..room]);
        (self.watch)(stream, &buffer[..got]);
        self.clocks.heard = Instant::now();
        if self.seen > self.job.limits.output_bytes && self.verdict.is_none() {
            self.verdict = Some(Exit::OutputLimit);
        }
        Ok(true)
    }

    fn take_words(&mut self) -> io::Result<()> {
        let mut buffer = [0u8; 1024];
        let Some(words) = self.words.as_mut() else { return Ok(()) };
        match words.read(&mut buffer) {
            Ok(0) => self.words = None,
            Ok(got) if self.said.len() < STAGE_WORDS => self.said.push_str(&String::from_utf8_lossy(&buffer[..got])),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Tells the stage to end everything.
    fn close_control(&mut self) {
        self.stdin = None;
        self.control = None;
    }

    /// Takes what is left in the pipes. Nobody writes any more, except an unconfined process that got away: so this
    /// never waits and is bounded.
    fn last_words(&mut self) {
        let until = self.seen.saturating_add(LAST_WORDS as u64);
        for stream in [Stream::Stdout, Stream::Stderr] {
            while self.seen < until && matches!(self.take_output(stream), Ok(true)) {}
        }
        for _ in 0..8 {
            if self.words.is_none() || self.take_words().is_err() {
                break;
            }
        }
    }

    fn judge(self) -> Result<Finished, CageError> {
        if let Some(halt) = self.halted {
            return Err(CageError::Halted(halt));
        }
        let program = || self.job.program.clone();
        let said = || match self.said.trim() {
            "" => "it said nothing".to_owned(),
            said => said.to_owned(),
        };
        let exit = match (self.verdict, &self.reported) {
            (_, Some(Report::Failed { step: Step::Start, why })) => {
                return Err(CageError::Start { program: program(), why: why.clone() });
            }
            (_, Some(Report::Failed { step: Step::Watch, why })) => {
                return Err(CageError::Lost { program: program(), why: why.clone() });
            }
            (_, Some(Report::Failed { step, why })) => {
                return Err(CageError::Setup { step: *step, why: why.clone() });
            }
            (Some(verdict), _) => verdict,
            (None, Some(Report::Exited(code))) => Exit::Code(*code),
            (None, Some(Report::Signalled(signal))) => Exit::Signal(*signal),
            (None, Some(Report::Ready(_)) | None) if self.applied.is_some() => {
                return Err(CageError::Lost { program: program(), why: said() });
            }
            (None, Some(Report::Ready(_)) | None) => {
                return Err(CageError::Setup { step: Step::Namespaces, why: said() });
            }
        };
        let Some(confinement) = self.applied else {
            return Err(CageError::Setup { step: Step::SelfCheck, why: said() });
        };
        let ended = self.clocks.ended.unwrap_or_else(Instant::now);
        let [stdout, stderr] = self.kept;
        let kept = (stdout.len() + stderr.len()) as u64;
        Ok(Finished {
            exit,
            stdout,
            stderr,
            dropped_bytes: self.seen.saturating_sub(kept),
            duration: self.clocks.started.map_or(Duration::ZERO, |started| ended.duration_since(started)),
            confinement,
        })
    }
}
