//! Group commit: many threads hand in execution records, one thread writes what waits in one transaction.
//!
//! A durable commit costs a wait for the disk, and the wait is the same for one record as for a hundred. So each caller
//! blocks until the transaction that its record is in has been committed, and while the disk works for one batch the
//! next one gathers.
//!
//! Records of runs that changed nothing outside need not wait for the disk, if the ledger says so. They are in the log when
//! their callers get an answer, and on the disk a little later (`log_sync`).
//!
//! Guarantees: a call that returns without an error is as durable as with [`Ledger::insert_execution`]. A record that
//! SQLite refuses fails alone, because each has a savepoint. A transaction that fails reaches every caller whose record
//! was in it, and leaves none of them behind. The queue has an end, and callers wait in front of it. Dropping the
//! recorder writes what was handed in, signs a checkpoint over it, and then ends the thread.
//!
//! Deliberately never: says yes before the commit, steps the order of one caller's steps, tries a failed batch again,
//! or decides in which state a record is written.

use std::cell::OnceCell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use super::change_detector::IndexHead;
use super::durability::{Durability, WriteAheadLog};
use super::executions::RecordStep;
use super::log_sync::LogSync;
use super::write_transaction;
use super::{Allowance, ChangeDetector, Journal, Ledger, LedgerError, OwnCommits, RunAuthorization, Settled};
use crate::model::{commit::Commit, execution::ExecutionRecord, id::CommitId};

/// Changes that may wait for the writer. Whoever comes later waits until there is room.
// The limit makes callers wait when the disk is slower than the runs. Without it, records would
// fill the memory, and a crash would lose all of them.
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
    step: RecordStep,
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
            Writer { ledger: &ledger, change_detector, own_commits: &ours, log_sync: OnceCell::new() }.run(&waiting);
        };
        let writer = thread::Builder::new().name("kavi-records".into()).spawn(write)?;
        Ok(Self { queue: Some(queue), writer: Some(writer), own_commits })
    }

    /// Hands a step in and waits until it is written.
    fn submit(&self, step: RecordStep) -> Answer {
        // Room for one answer, so that the writer never waits for a caller that is slow or gone.
        let (answer, answered) = sync_channel(1);
        let queue = self.queue.as_ref().ok_or(LedgerError::NoWriter)?;
        queue.send(Job { step, answer }).map_err(|_| LedgerError::NoWriter)?;
        // A writer that ended without an answer may or may not have committed. The caller must not
        // report success, so the silence is an error.
        answered.recv().unwrap_or(Err(LedgerError::NoWriter))
    }
}

impl Journal for Recorder {
    fn insert_execution(&self, record: &ExecutionRecord) -> Result<(), LedgerError> {
        // Values become SQLite's text on the caller's thread. The one writer should only write.
        self.insert_failure(record, None)
    }

    fn insert_failure(&self, record: &ExecutionRecord, used: Option<Allowance>) -> Result<(), LedgerError> {
        self.submit(RecordStep::failure(record, used)?)
    }

    fn insert_success(
        &self,
        record: &ExecutionRecord,
        commit: Option<&Commit>,
        authorization: RunAuthorization,
    ) -> Result<(), LedgerError> {
        self.submit(RecordStep::success(record, commit, authorization)?)
    }

    fn settle(&self, id: CommitId, settled: &Settled) -> Result<(), LedgerError> {
        self.submit(RecordStep::Settle(id, settled.clone()))
    }

    fn own_commits(&self) -> Option<&OwnCommits> {
        Some(&self.own_commits)
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // The order matters: the writer ends when the last sender is gone, and `join` before that
        // would wait for ever.
        self.queue = None;
        if let Some(writer) = self.writer.take() {
            // It gave everybody an answer or none; there is nobody left to tell.
            let _ = writer.join();
        }
    }
}

/// What the writing thread works with.
struct Writer<'a> {
    ledger: &'a Ledger,
    /// Sees the index of the write-ahead log, where it can be watched.
    change_detector: Option<ChangeDetector>,
    own_commits: &'a OwnCommits,
    /// Started by the first batch that need not wait for the disk. None where it cannot be.
    log_sync: OnceCell<Option<LogSync>>,
}

impl Writer<'_> {
    /// Writes until every sender is gone and the queue is empty.
    fn run(&self, waiting: &Receiver<Job>) {
        // After the senders are gone, `recv` still gives what is queued. So nothing handed in is
        // lost.
        while let Ok(first) = waiting.recv() {
            // Yielding costs microseconds, a second wait for the disk milliseconds. Where nobody waits for the disk, the others
            // queue while this batch is written, and need not be waited for.
            let patience = if self.may_wait(&first.step) { 0 } else { PATIENCE };
            let jobs = gather(first, waiting, patience);
            // Kept apart so that every answer is sent after the commit, also when one step of the
            // batch failed.
            let (steps, answers): (Vec<_>, Vec<_>) = jobs.into_iter().map(|job| (job.step, job.answer)).unzip();
            for (result, answer) in self.write(&steps).into_iter().zip(answers) {
                // A caller that is gone does not need its answer.
                let _ = answer.send(result);
            }
        }
        // The end of a process of many runs. Without a checkpoint its last runs could be cut off unseen until somebody
        // decides something. One that cannot be signed now is signed with the next event.
        let _ = self.ledger.sign_tail();
    }

    /// Writes a batch in one transaction, and returns the result of each step.
    fn write(&self, steps: &[RecordStep]) -> Vec<Answer> {
        let mut before = None;
        let log_sync = self.log_sync_for(steps);
        let durability = if log_sync.is_some() { Durability::Soon } else { Durability::Now };
        // One wait for the disk covers the batch. A savepoint for each step keeps one refused
        // record from taking the others with it.
        let written = write_transaction::write_with(self.ledger, durability, |tx| {
            // Under the write lock: until the end no other connection can commit.
            before = self.head();
            steps.iter().map(|step| tx.attempt(|tx| step.apply(tx))).collect::<Result<Vec<_>, _>>()
        });
        match written {
            Ok(answers) => {
                log_sync.into_iter().for_each(LogSync::announce);
                // Other batches may change trust or the switch, so readers must look again after them.
                let only_records = steps.iter().all(RecordStep::is_record);
                if let (Some(before), Some(after), true) = (before, self.head(), only_records) {
                    self.own_commits.step(before, after);
                }
                answers
            }
            // The transaction was lost as a whole, so no step of it is durable and each caller must
            // learn that.
            Err(error) => steps.iter().map(|_| Err(error.again())).collect(),
        }
    }

    /// What syncs this batch later, if none of its steps must be on the disk first.
    fn log_sync_for(&self, steps: &[RecordStep]) -> Option<&LogSync> {
        if !steps.iter().all(|step| self.may_wait(step)) {
            return None;
        }
        let start = || WriteAheadLog::of(&self.ledger.conn).and_then(|log| LogSync::start(log).ok());
        self.log_sync.get_or_init(start).as_ref().filter(|log_sync| !log_sync.has_failed())
    }

    /// Whether this step may be on the disk later than its caller goes on.
    fn may_wait(&self, step: &RecordStep) -> bool {
        step.durability(self.ledger.record_sync) == Durability::Soon
    }

    fn head(&self) -> Option<IndexHead> {
        self.change_detector.as_ref().and_then(ChangeDetector::head)
    }
}

/// What waits now, and what comes while the others are let go first, `most` times.
fn gather(first: Job, waiting: &Receiver<Job>, most: usize) -> Vec<Job> {
    let mut jobs = vec![first];
    let mut patience = most;
    while jobs.len() < BATCH {
        match waiting.try_recv() {
            Ok(job) => {
                jobs.push(job);
                patience = most;
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

#[cfg(test)]
#[path = "group_commit_tests.rs"]
mod tests;
