//! Group commit: many threads hand in execution records, one thread writes what waits in one transaction.
//!
//! A durable commit costs a wait for the disk, and the wait is the same for one record as for a hundred. So each caller
//! blocks until the transaction that its record is in has been committed, and while the disk works for one batch the
//! next one gathers.
//!
//! Guarantees: a call that returns without an error is durable, exactly as with [`Ledger::insert_execution`]; a record that
//! SQLite refuses fails alone (a savepoint for each); a transaction that fails reaches every caller whose record was in
//! it, and leaves none of them behind; the queue has an end, and callers wait in front of it; dropping the recorder
//! writes what was handed in and then ends the thread.
//!
//! Deliberately never: says yes before the commit, steps the order of one caller's steps, tries a failed batch again,
//! or decides in which state a record is written.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::{Connection, Transaction, TransactionBehavior};

use super::executions::Step;
use super::{ChangeDetector, Journal, Ledger, LedgerError, OwnCommits, RunAuthorization, Settled};
use crate::model::{commit::Commit, execution::ExecutionRecord, id::CommitId};

/// Changes that may wait for the writer. Whoever comes later waits until there is room.
const QUEUE: usize = 1_024;
/// Most steps in one transaction, so that nobody waits for all the others.
const BATCH: usize = 256;
/// How often the writer lets others go first while the batch still grows. Callers whose records were committed just now
/// come back one by one: without this the first of them would get a transaction of its own, and the rest the next.
const PATIENCE: usize = 4;

/// What becomes of one step.
type Answer = Result<(), LedgerError>;

/// A step, and who waits for it.
struct Job {
    step: Step,
    answer: SyncSender<Answer>,
}

/// Writes execution records for many threads at once. One for a process.
#[derive(Debug)]
pub struct Recorder {
    // `None` only while it is dropped: the writer ends when nobody can hand anything in.
    queue: Option<SyncSender<Job>>,
    writer: Option<JoinHandle<()>>,
    own_commits: Arc<OwnCommits>,
}

impl Recorder {
    /// Starts the writer on a connection of its own.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub fn start(ledger: Ledger) -> std::io::Result<Self> {
        let (queue, waiting) = sync_channel(QUEUE);
        let own_commits = Arc::new(OwnCommits::default());
        let ours = Arc::clone(&own_commits);
        let write = move || {
            let change_detector = ledger.change_detector();
            write_all(&ledger.conn, &waiting, (change_detector.as_ref(), &ours));
        };
        let writer = thread::Builder::new().name("kavi-records".into()).spawn(write)?;
        Ok(Self { queue: Some(queue), writer: Some(writer), own_commits })
    }

    /// Hands a step in and waits until it is durable.
    fn submit(&self, step: Step) -> Answer {
        let (answer, answered) = sync_channel(1);
        let queue = self.queue.as_ref().ok_or(LedgerError::NoWriter)?;
        queue.send(Job { step, answer }).map_err(|_| LedgerError::NoWriter)?;
        answered.recv().unwrap_or(Err(LedgerError::NoWriter))
    }
}

impl Journal for Recorder {
    fn insert_execution(&self, record: &ExecutionRecord) -> Result<(), LedgerError> {
        self.submit(Step::insert(record)?)
    }

    fn insert_success(
        &self,
        record: &ExecutionRecord,
        commit: Option<&Commit>,
        authorization: RunAuthorization,
    ) -> Result<(), LedgerError> {
        self.submit(Step::success(record, commit, authorization)?)
    }

    fn settle(&self, id: CommitId, settled: &Settled) -> Result<(), LedgerError> {
        self.submit(Step::Settle(id, settled.clone()))
    }

    fn own_commits(&self) -> Option<&OwnCommits> {
        Some(&self.own_commits)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // It gave everybody an answer or none; there is nobody left to tell.
            let _ = writer.join();
        }
    }
}

/// The writer's life: until nobody can hand anything in any more and the queue is empty.
fn write_all(conn: &Connection, waiting: &Receiver<Job>, path: (Option<&ChangeDetector>, &OwnCommits)) {
    while let Ok(first) = waiting.recv() {
        let (steps, answers): (Vec<_>, Vec<_>) =
            gather(first, waiting).into_iter().map(|job| (job.step, job.answer)).unzip();
        for (result, answer) in write(conn, &steps, path).into_iter().zip(answers) {
            // A caller that is gone does not need its answer.
            let _ = answer.send(result);
        }
    }
}

/// What waits now, and what comes while the others are let go first.
fn gather(first: Job, waiting: &Receiver<Job>) -> Vec<Job> {
    let mut jobs = vec![first];
    let mut patience = PATIENCE;
    while jobs.len() < BATCH {
        match waiting.try_recv() {
            Ok(job) => {
                jobs.push(job);
                patience = PATIENCE;
            }
            Err(_) if patience > 0 => {
                patience -= 1;
                thread::yield_now();
            }
            Err(_) => break,
        }
    }
    jobs
}

/// Writes a batch in one transaction and says what became of each step.
fn write(
    conn: &Connection,
    steps: &[Step],
    (change_detector, own_commits): (Option<&ChangeDetector>, &OwnCommits),
) -> Vec<Answer> {
    let lost = |error: &LedgerError| steps.iter().map(|_| Err(error.again())).collect();
    let tx = match Transaction::new_unchecked(conn, TransactionBehavior::Immediate) {
        Ok(tx) => tx,
        Err(error) => return lost(&error.into()),
    };
    // Nobody else can commit from here to the end.
    let before = change_detector.and_then(ChangeDetector::head);
    let mut answers = Vec::with_capacity(steps.len());
    for step in steps {
        match write_one(&tx, step) {
            Ok(answer) => answers.push(answer),
            Err(error) => return lost(&error),
        }
    }
    match tx.commit() {
        Ok(()) => {
            let after = change_detector.and_then(ChangeDetector::head);
            if let (Some(before), Some(after), true) = (before, after, steps.iter().all(Step::is_record)) {
                own_commits.step(before, after);
            }
            answers
        }
        Err(error) => lost(&error.into()),
    }
}

/// One step, that leaves nothing behind when it is refused.
///
/// # Errors
/// When the whole transaction is lost: SQLite took it back (a full or failing disk), or cannot undo this one step.
fn write_one(tx: &Transaction<'_>, step: &Step) -> Result<Answer, LedgerError> {
    tx.prepare_cached("SAVEPOINT one")?.execute([])?;
    let answer = step.apply(tx);
    if let Err(error) = &answer {
        if tx.is_autocommit() {
            return Err(error.again());
        }
        tx.prepare_cached("ROLLBACK TO one")?.execute([])?;
    }
    tx.prepare_cached("RELEASE one")?.execute([])?;
    Ok(answer)
}

#[cfg(test)]
#[path = "recorder_tests.rs"]
mod tests;
