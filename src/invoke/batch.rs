//! One skill over many inputs: a line each, answers in the order of the lines.
//!
//! Guarantees: every line that was read is answered, in its place, whatever became of the others; no more lines are
//! held than a window, however many there are and however slow whoever takes the answers is; once nobody takes them any
//! more no further line is read, and what runs by then is finished and recorded.
//!
//! Deliberately never: tries a line again, or guesses what a line that is no JSON was to mean.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read as _};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use super::error::InvokeError;
use super::request::RunResult;
use super::resident::{Call, Resident, ResidentError, Work};
use crate::model::{channel::Caller, json::JsonLimits, lock::lock, name::SkillName};

/// Lines that are held for each thread that runs them: read, running, or done and waiting for an earlier one.
const WINDOW: u64 = 4;

/// Takes answers in order; an error when nobody wants them any more.
pub type Sink<'a> = dyn FnMut(u64, Result<RunResult, InvokeError>) -> io::Result<()> + Send + 'a;

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Batch {
    /// Lines that were answered.
    pub lines: u64,
    /// Why no more lines could be read, if that is not their end.
    pub unread: Option<io::Error>,
    /// Why answers could not be given any more.
    pub unheard: Option<io::Error>,
}

/// Runs a skill over every line of `input`, on so many threads.
///
/// # Errors
/// [`ResidentError`] when not even one thread can serve.
pub fn run(
    resident: &Resident<'_>,
    (name, caller): (&SkillName, &Arc<Caller>),
    threads: u32,
    (input, sink): (&mut (dyn BufRead + Send), &mut Sink<'_>),
) -> Result<Batch, ResidentError> {
    let progress = Progress { sink, waiting: BTreeMap::new(), read: 0, over: false, batch: Batch::default() };
    let lines = Lines {
        name,
        caller,
        window: WINDOW * u64::from(threads),
        input: Mutex::new(input),
        progress: Mutex::new(progress),
        room: Condvar::new(),
    };
    let served: Vec<Result<(), ResidentError>> = thread::scope(|scope| {
        let serving: Vec<_> = (1..threads).map(|_| scope.spawn(|| resident.serve(&lines))).collect();
        let mine = resident.serve(&lines);
        let theirs = serving.into_iter().filter_map(|thread| thread.join().ok());
        std::iter::once(mine).chain(theirs).collect()
    });
    if served.iter().all(Result::is_err) {
        served.into_iter().next().unwrap_or(Ok(()))?;
    }
    Ok(lines.progress.into_inner().unwrap_or_else(PoisonError::into_inner).batch)
}

/// The lines of a batch, as work for many threads.
struct Lines<'a, 's> {
    name: &'a SkillName,
    caller: &'a Arc<Caller>,
    window: u64,
    input: Mutex<&'a mut (dyn BufRead + Send)>,
    progress: Mutex<Progress<'a, 's>>,
    room: Condvar,
}

struct Progress<'a, 's> {
    sink: &'a mut Sink<'s>,
    /// Answers that an earlier one has to go before.
    waiting: BTreeMap<u64, Result<RunResult, InvokeError>>,
    read: u64,
    over: bool,
    batch: Batch,
}

impl Lines<'_, '_> {
    /// Waits until one more line may be held. Gives its number; `None` when there shall be no other.
    fn room(&self) -> Option<u64> {
        let mut progress = lock(&self.progress);
        while !progress.over && progress.read - progress.batch.lines >= self.window {
            progress = self.room.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
        (!progress.over).then_some(progress.read + 1)
    }
}

impl Work for Lines<'_, '_> {
    fn next(&self) -> Option<Call> {
        // Whoever waits for a line does not keep the others from giving answers.
        let mut input = lock(&self.input);
        let number = self.room()?;
        let line = read_line(&mut **input);
        let mut progress = lock(&self.progress);
        match line {
            Ok(Some(input)) => {
                progress.read = number;
                return Some(Call {
                    number,
                    name: self.name.clone(),
                    input,
                    caller: Arc::clone(self.caller),
                    cancel: None,
                });
            }
            Ok(None) => {}
            Err(error) => progress.batch.unread = Some(error),
        }
        progress.over = true;
        None
    }

    fn done(&self, number: u64, ran: Result<RunResult, InvokeError>) {
        let mut progress = lock(&self.progress);
        progress.waiting.insert(number, ran);
        loop {
            let next = progress.batch.lines + 1;
            let Some(ran) = progress.waiting.remove(&next).filter(|_| progress.batch.unheard.is_none()) else { break };
            match (progress.sink)(next, ran) {
                Ok(()) => progress.batch.lines = next,
                Err(error) => {
                    progress.batch.unheard = Some(error);
                    progress.over = true;
                }
            }
        }
        drop(progress);
        self.room.notify_one();
    }
}

/// One line without its end. Of one that is longer than any input may be, as much as shows that.
fn read_line(input: &mut dyn BufRead) -> io::Result<Option<Vec<u8>>> {
    let most = JsonLimits::default().max_bytes as u64 + 1;
    let mut line = Vec::new();
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
