//! Kavi's side of a running stage: pipes, clocks, and the end of both.
//!
//! One thread, one `poll` loop. The reports of the stage say how the job ended; the clocks and the output limit only decide
//! that it must end now. Closing the control socket kills: the stage answers it by killing the whole tree. This loop does
//! not return before the stage is reaped.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use serde::Serialize;

use super::clocks::{JobClocks, JobDeadline, SETUP_TIME};
use super::error::{CageError, SetupStep};
use super::job::Job;
use super::outcome::{AppliedConfinement, Exit, Finished, Stream};
use super::wire::{self, JobOrder, StageReport};
use crate::model::switch::{Halt, Watch};
use crate::sync::uninterrupted;

/// How long a stage may take to kill its tree before it is killed itself.
// Generous, because a killed process stays until the kernel has finished its last disk access.
const LAST_GRACE: Duration = Duration::from_secs(20);
/// How often the loop asks whether a job may go on.
const LOOK: Duration = Duration::from_millis(50);
/// How much of a stage's own error output is kept.
const STAGE_STDERR: usize = 4096;
/// How much output is still read once the job must end.
const LAST_OUTPUT: usize = 256 * 1024;

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
    // Our ends must not block the loop; the ends of the job block as any program expects.
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

/// A job, and who says when it must end.
#[derive(Debug, Clone, Copy)]
pub(super) struct WatchedJob<'a> {
    pub(super) job: &'a Job,
    /// Asked every [`LOOK`]; none where only the limits end the job.
    pub(super) halt: Option<&'a dyn Watch>,
    /// Where its standard output goes instead of here.
    pub(super) output: Option<BorrowedFd<'a>>,
}

/// Starts a stage, sends its orders and watches it until everything is dead.
///
/// `first` is the order of a stage in front of the one that starts the job, if there is one.
pub(super) fn run<T: Serialize>(
    mut stage: Command,
    first: Option<&T>,
    order: &JobOrder,
    WatchedJob { job, halt, output }: WatchedJob<'_>,
    watch: &mut dyn FnMut(Stream, &[u8]),
) -> Result<Finished, CageError> {
    let Pipes { job: job_ends, stdin, stdout, stderr } = pipes().map_err(CageError::io("make the job's pipes"))?;
    let (control, stage_end) = UnixStream::pair().map_err(CageError::io("make a control socket"))?;
    // A stage that reads no orders would otherwise block this thread before any clock runs.
    control.set_write_timeout(Some(SETUP_TIME)).map_err(CageError::io("set up the control socket"))?;
    stage
        // The caller's environment may hold secrets, and `LD_PRELOAD` would load code into the
        // stage.
        .env_clear()
        .current_dir("/")
        .stdin(OwnedFd::from(stage_end))
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    // As a whole: the change of folder before the exec can be interrupted too, and then nothing was started.
    let mut child = uninterrupted(|| stage.spawn()).map_err(CageError::io("start a stage of the cage"))?;
    // The command holds a copy of the stage's end. Until it is dropped, the socket never reads as closed.
    drop(stage);
    let words = child.stderr.take().map(|pipe| File::from(OwnedFd::from(pipe)));
    let [job_stdin, job_stdout, job_stderr] = job_ends.each_ref().map(AsFd::as_fd);
    let job_fds = [job_stdin, output.unwrap_or(job_stdout), job_stderr];
    // Both orders are sent at once. Each stage reads exactly its own and leaves the next in the
    // socket.
    let sent = first
        .map_or(Ok(()), |first| wire::send_order(&control, first, &[]))
        .and_then(|()| wire::send_order(&control, order, &job_fds));
    // The stage has its own copies. While ours are open, the end of the job's output would never
    // show.
    drop(job_ends);
    // A pipe that would block the loop is worth less than the stage's error text.
    let words = words.filter(|pipe| rustix::io::ioctl_fionbio(pipe, true).is_ok());
    let mut stage_watch = StageWatch {
        control: Some(control),
        // Dropped at once when there is no input: the job then reads an end instead of waiting.
        stdin: Some(stdin).filter(|_| !job.stdin.is_empty()),
        stdout: Some(stdout),
        stderr: Some(stderr),
        stage_stderr: words,
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
        clocks: JobClocks::start(Instant::now()),
        applied: None,
        reported: None,
        verdict: None,
    };
    let watched = ignore_broken_socket(sent).and_then(|()| ignore_broken_socket(stage_watch.watch_until_closed()));
    // On every path, also after an error: closing this socket is what makes the stage kill its
    // tree.
    stage_watch.close_control();
    // The rest of the output is read after the tree is dead, when no process of a cage can add to
    // it.
    let reaped = reap(&mut child);
    stage_watch.drain();
    watched.and(reaped).map_err(CageError::io("watch a stage of the cage"))?;
    stage_watch.judge()
}

/// A stage that dies breaks the socket. That is not the error to report: what the stage reported before says more.
fn ignore_broken_socket(outcome: io::Result<()>) -> io::Result<()> {
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
        if uninterrupted(|| child.try_wait())?.is_some() {
            return Ok(());
        }
        std::thread::sleep(nap);
        nap = (nap * 2).min(Duration::from_millis(20));
    }
    // In a cage the inner stage has a parent-death signal, so killing the outer one still ends the
    // namespace.
    child.kill()?;
    child.wait().map(drop)
}

struct StageWatch<'a> {
    control: Option<UnixStream>,
    stdin: Option<File>,
    stdout: Option<File>,
    stderr: Option<File>,
    stage_stderr: Option<File>,
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
    clocks: JobClocks,
    applied: Option<AppliedConfinement>,
    reported: Option<StageReport>,
    verdict: Option<Exit>,
}

/// Which descriptor became ready.
#[derive(Clone, Copy)]
enum ReadySource {
    Control,
    Stdin,
    Output(Stream),
    StageStderr,
}

impl StageWatch<'_> {
    /// Runs until the stage has closed its end, or until a clock or a limit ends the job.
    fn watch_until_closed(&mut self) -> io::Result<()> {
        while self.control.is_some() && self.verdict.is_none() {
            let deadline = self.clocks.next(&self.job.limits).map(|(at, _)| at);
            let look = self.halt.map(|_| self.looked + LOOK);
            let next = [deadline, look].into_iter().flatten().min();
            let ready = self.poll(next.map(|at| at.saturating_duration_since(Instant::now())))?;
            for source in ready {
                self.serve(source)?;
            }
            // Also after output only: a job that prints all the time must not keep the loop from
            // asking.
            if self.must_halt() {
                return Ok(());
            }
            let over = self.clocks.next(&self.job.limits).filter(|(at, _)| *at <= Instant::now());
            match over.map(|(_, deadline)| (deadline.missed(), deadline)) {
                Some((None, JobDeadline::Job(exit))) => self.verdict = self.verdict.or(Some(exit)),
                Some((missed, _)) => {
                    self.reported = missed;
                    return Ok(());
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Asks, at most every [`LOOK`], whether the job may go on.
    fn must_halt(&mut self) -> bool {
        // A look opens the ledger. Once for each wake-up would slow down a job that prints much.
        let due = self.halt.filter(|_| self.looked.elapsed() >= LOOK);
        if let Some(halt) = due {
            self.looked = Instant::now();
            self.halted = halt.look().err();
        }
        self.halted.is_some()
    }

    fn poll(&self, timeout: Option<Duration>) -> io::Result<Vec<ReadySource>> {
        let sources = [
            (ReadySource::Control, self.control.as_ref().map(AsFd::as_fd), PollFlags::IN),
            (ReadySource::Output(Stream::Stdout), self.stdout.as_ref().map(AsFd::as_fd), PollFlags::IN),
            (ReadySource::Output(Stream::Stderr), self.stderr.as_ref().map(AsFd::as_fd), PollFlags::IN),
            (ReadySource::Stdin, self.stdin.as_ref().map(AsFd::as_fd), PollFlags::OUT),
            (ReadySource::StageStderr, self.stage_stderr.as_ref().map(AsFd::as_fd), PollFlags::IN),
        ];
        let open: Vec<_> = sources.into_iter().filter_map(|(source, fd, flags)| Some((source, fd?, flags))).collect();
        let mut fds: Vec<_> = open.iter().map(|(_, fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
        let timeout = timeout.and_then(|time| Timespec::try_from(time).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) => {}
            // The caller computes its timeouts again, so a stream of signals cannot postpone a
            // deadline.
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            Err(error) => return Err(error.into()),
        }
        // Any event counts, also a hang-up or an error: the read that follows finds out which.
        let ready = open.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty());
        Ok(ready.map(|((source, ..), _)| *source).collect())
    }

    fn serve(&mut self, source: ReadySource) -> io::Result<()> {
        match source {
            ReadySource::Control => self.hear(),
            ReadySource::Stdin => self.feed(),
            ReadySource::Output(stream) => self.take_output(stream).map(drop),
            ReadySource::StageStderr => self.read_stage_stderr(),
        }
    }

    /// Reads reports of the stage.
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
        // The socket is a stream: a read may end within a report, or hold more than one.
        self.line.extend(&buffer[..got]);
        while let Some(end) = self.line.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.line.drain(..=end).collect();
            match serde_json::from_slice(&line)? {
                StageReport::Ready(applied) => {
                    self.applied = Some(applied);
                    // The clocks of the job start here: building the cage is not its time.
                    let now = Instant::now();
                    (self.clocks.started, self.clocks.heard) = (Some(now), now);
                    match self.control.as_mut() {
                        Some(control) => control.write_all(&[wire::GO])?,
                        None => return Ok(()),
                    }
                }
                // The clocks end with the report. Cleaning up after the job is not the job's time.
                report => {
                    self.clocks.ended = Some(Instant::now());
                    self.reported = Some(report);
                }
            }
        }
        Ok(())
    }

    /// Writes as much to the job's standard input as it takes now.
    fn feed(&mut self) -> io::Result<()> {
        let Some(stdin) = self.stdin.as_mut() else { return Ok(()) };
        match stdin.write(&self.job.stdin[self.written..]) {
            Ok(wrote) => self.written += wrote,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The job has closed its input, which is not an error.
            Err(_) => self.written = self.job.stdin.len(),
        }
        if self.written >= self.job.stdin.len() {
            self.stdin = None;
        }
        Ok(())
    }

    /// Reads one buffer of output. False when there is none now.
    fn take_output(&mut self, stream: Stream) -> io::Result<bool> {
        let (pipe, kept) = match stream {
            Stream::Stdout => (&mut self.stdout, &mut self.kept[0]),
            Stream::Stderr => (&mut self.stderr, &mut self.kept[1]),
        };
        let Some(file) = pipe.as_mut() else { return Ok(false) };
        // One buffer for each turn of the loop, so that one full pipe does not starve the clocks.
        let mut buffer = [0u8; 16 * 1024];
        let got = match file.read(&mut buffer) {
            Ok(0) => {
                *pipe = None;
                return Ok(false);
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            // There may still be some: the last output of a job must not get lost to a signal.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(true),
            other => other?,
        };
        // All output is counted, also what is not kept. The limit protects whoever reads the
        // stream.
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

    fn read_stage_stderr(&mut self) -> io::Result<()> {
        let mut buffer = [0u8; 1024];
        let Some(pipe) = self.stage_stderr.as_mut() else { return Ok(()) };
        match pipe.read(&mut buffer) {
            Ok(0) => self.stage_stderr = None,
            Ok(got) if self.said.len() < STAGE_STDERR => self.said.push_str(&String::from_utf8_lossy(&buffer[..got])),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Tells the stage to kill everything.
    fn close_control(&mut self) {
        self.stdin = None;
        self.control = None;
    }

    /// Reads what is left in the pipes. Only an unconfined process that escaped could still write, so this never waits and
    /// reads a limited amount.
    fn drain(&mut self) {
        let until = self.seen.saturating_add(LAST_OUTPUT as u64);
        for stream in [Stream::Stdout, Stream::Stderr] {
            while self.seen < until && matches!(self.take_output(stream), Ok(true)) {}
        }
        for _ in 0..8 {
            if self.stage_stderr.is_none() || self.read_stage_stderr().is_err() {
                break;
            }
        }
    }

    fn judge(self) -> Result<Finished, CageError> {
        // A stop outranks everything that the stage reported: the result of a stopped job must not
        // count.
        if let Some(halt) = self.halted {
            return Err(CageError::Halted(halt));
        }
        let program = || self.job.program.clone();
        let said = || match self.said.trim() {
            "" => "it printed no error".to_owned(),
            said => said.to_owned(),
        };
        // A failed start comes before a verdict: if the program never ran, no limit of it was
        // exceeded.
        let exit = match (self.verdict, &self.reported) {
            (_, Some(StageReport::Failed { step: SetupStep::Start, why })) => {
                return Err(CageError::Start { program: program(), why: why.clone() });
            }
            (_, Some(StageReport::Failed { step: SetupStep::Watch, why })) => {
                return Err(CageError::Lost { program: program(), why: why.clone() });
            }
            (_, Some(StageReport::Failed { step, why })) => {
                return Err(CageError::Setup { step: *step, why: why.clone() });
            }
            // A job that was told to end may still report a code of its own. The reason that Kavi
            // ended it comes first.
            (Some(verdict), _) => verdict,
            (None, Some(StageReport::Exited(code))) => Exit::Code(*code),
            (None, Some(StageReport::Signalled(signal))) => Exit::Signal(*signal),
            // The stage died without a report. The job may have run, so this is not an error of the
            // set-up.
            (None, Some(StageReport::Ready(_)) | None) if self.applied.is_some() => {
                return Err(CageError::Lost { program: program(), why: said() });
            }
            (None, Some(StageReport::Ready(_)) | None) => {
                return Err(CageError::Setup { step: SetupStep::Namespaces, why: said() });
            }
        };
        // A result without a report of its walls must not be recorded as confined.
        let Some(confinement) = self.applied else {
            return Err(CageError::Setup { step: SetupStep::SelfCheck, why: said() });
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
