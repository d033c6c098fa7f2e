//! One skill over many inputs, one input a line, with the answers in the order of the lines.
//!
//! Guarantees: every line that was read is answered, in its order, whatever became of the others. Memory holds only a window
//! of lines, also when the reader of the answers is slow. When the reader is gone no further line is read, and the runs
//! under way are finished and recorded.
//!
//! Deliberately never: runs a line twice, or repairs a line that is no JSON.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read as _};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;

use super::error::InvokeError;
use super::request::RunRequest;
use super::resident::{QueueTurn, QueuedRequest, RequestQueue, Resident, ResidentError};
use super::result::RunResult;
use crate::model::{
    id::{ExecutionId, IdSource},
    json::JsonLimits,
};
use crate::sync::lock;

/// Lines in memory for each thread: read, running, or done and waiting for an earlier one.
const WINDOW: u64 = 4;

/// The answer to one line.
#[derive(Debug)]
pub struct BatchAnswer {
    /// The number of the line, from 1.
    pub number: u64,
    /// The id that its record has, if there is one.
    pub run: ExecutionId,
    /// What the run gave.
    pub ran: Result<RunResult, InvokeError>,
}

/// Takes the answers in order; an error when the reader of the answers is gone.
pub type Sink<'a> = dyn FnMut(BatchAnswer) -> io::Result<()> + Send + 'a;

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// Lines that were answered.
    pub lines: u64,
    /// Why reading stopped before the end of the input.
    pub unread: Option<io::Error>,
    /// Why an answer could not be written.
    pub unheard: Option<io::Error>,
}

/// Runs `template` with every line of `input` as its input, on `threads` threads.
///
/// # Errors
/// [`ResidentError`] when not even one thread can serve.
pub fn run(
    resident: &Resident<'_>,
    template: &RunRequest,
    threads: u32,
    input: &mut (dyn BufRead + Send),
    sink: &mut Sink<'_>,
) -> Result<Batch, ResidentError> {
    let progress = Progress {
        sink,
        waiting: BTreeMap::new(),
        runs: BTreeMap::new(),
        read: 0,
        over: false,
        batch: Batch::default(),
    };
    let lines = Lines {
        template,
        ids: resident.ids(),
        window: WINDOW * u64::from(threads),
        input: Mutex::new(input),
        progress: Mutex::new(progress),
        room: Condvar::new(),
    };
    // The calling thread serves too, so one thread needs no other to be made.
    let served: Vec<Result<(), ResidentError>> = thread::scope(|scope| {
        let serving: Vec<_> = (1..threads).map(|_| scope.spawn(|| resident.serve(&lines))).collect();
        let mine = resident.serve(&lines);
        let theirs = serving.into_iter().filter_map(|thread| thread.join().ok());
        std::iter::once(mine).chain(theirs).collect()
    });
    // One thread that serves is enough: it answers the lines that the others cannot.
    if served.iter().all(Result::is_err) {
        served.into_iter().next().unwrap_or(Ok(()))?;
    }
    Ok(lines.progress.into_inner().unwrap_or_else(PoisonError::into_inner).batch)
}

/// The lines of a batch, as a queue for many threads.
struct Lines<'a, 's> {
    template: &'a RunRequest,
    ids: &'a dyn IdSource,
    window: u64,
    input: Mutex<&'a mut (dyn BufRead + Send)>,
    progress: Mutex<Progress<'a, 's>>,
    room: Condvar,
}

struct Progress<'a, 's> {
    sink: &'a mut Sink<'s>,
    /// Answers that wait for the answer of an earlier line.
    waiting: BTreeMap<u64, Result<RunResult, InvokeError>>,
    /// The ids of the runs of lines that have no answer yet.
    runs: BTreeMap<u64, ExecutionId>,
    read: u64,
    over: bool,
    batch: Batch,
}

impl Lines<'_, '_> {
    /// Waits until there is room for one more line. Gives its number; `None` when no other is to be read.
    fn room(&self) -> Option<u64> {
        let mut progress = lock(&self.progress);
        while !progress.over && progress.read - progress.batch.lines >= self.window {
            progress = self.room.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
        (!progress.over).then_some(progress.read + 1)
    }
}

impl RequestQueue for Lines<'_, '_> {
    fn next(&self) -> Option<QueueTurn> {
        // Two locks: a thread that waits for a line does not stop others from handing in their answers.
        let mut input = lock(&self.input);
        let number = self.room()?;
        let line = read_line(&mut **input);
        let mut progress = lock(&self.progress);
        match line {
            Ok(Some(input)) => {
                progress.read = number;
                // Chosen here, because a failed run returns no record, and the answer names its id.
                let id = ExecutionId::new(self.ids);
                progress.runs.insert(number, id);
                let request = RunRequest { input, id: Some(id), ..self.template.clone() };
                return Some(QueueTurn::Request(QueuedRequest { number, request }));
            }
            Ok(None) => {}
            Err(error) => progress.batch.unread = Some(error),
        }
        // The other threads wait in `room` for a line that never comes: `over` sends them home.
        progress.over = true;
        None
    }

    fn done(&self, number: u64, ran: Result<RunResult, InvokeError>) {
        let mut progress = lock(&self.progress);
        progress.waiting.insert(number, ran);
        loop {
            let next = progress.batch.lines + 1;
            // After an answer could not be written, no other is: the reader would miss one without noticing.
            let Some(ran) = progress.waiting.remove(&next).filter(|_| progress.batch.unheard.is_none()) else { break };
            let Some(run) = progress.runs.remove(&next) else { break };
            match (progress.sink)(BatchAnswer { number: next, run, ran }) {
                Ok(()) => progress.batch.lines = next,
                Err(error) => {
                    progress.batch.unheard = Some(error);
                    progress.over = true;
                }
            }
        }
        // Each answer makes room for one line, so one thread is woken.
        drop(progress);
        self.room.notify_one();
    }
}

/// One line without its end. Of a line that is too long for an input, only so much that the parser sees that.
fn read_line(input: &mut dyn BufRead) -> io::Result<Option<Vec<u8>>> {
    let most = JsonLimits::default().max_bytes as u64 + 1;
    let mut line = Vec::new();
    // A line without an end must not fill the memory: no more is read than the parser accepts, and one byte.
    if input.take(most + 1).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.last() == Some(&b'\n') {
        line.pop();
    } else if line.len() as u64 > most {
        input.skip_until(b'\n')?;
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ends_where_it_ends_and_holds_no_more_than_an_input_may() -> io::Result<()> {
        let most = JsonLimits::default().max_bytes;
        let long = "x".repeat(3 * most);
        let mut input = io::Cursor::new(format!("{{}}\n\n{long}\nlast"));
        let mut next = || read_line(&mut input);
        assert_eq!(next()?.as_deref(), Some(&b"{}"[..]));
        assert_eq!(next()?.as_deref(), Some(&b""[..]));
        assert!(next()?.is_some_and(|line| line.len() > most && line.len() < most + 10));
        assert_eq!(next()?.as_deref(), Some(&b"last"[..]));
        assert_eq!(next()?, None);
        Ok(())
    }
}
