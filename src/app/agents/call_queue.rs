//! Calls that wait for a thread, and the replies that they wait for.
//!
//! Guarantees: first in, first out. Every accepted call is answered once, also when the last call thread has ended. At most
//! [`MOST_WAITING`] calls wait. A thread that waits is told when nobody has called for long. Deliberately never: runs a call.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::api::ReplyFn;
use crate::error::Error;
use crate::invoke::resident::{QueueTurn, QueuedRequest, RequestQueue};
use crate::invoke::{InvokeError, RunRequest, RunResult};
use crate::sync::lock;

/// Most calls that wait; the next one is refused.
const MOST_WAITING: usize = 256;

/// Most threads that serve calls. More than there are processors: while one waits for the disk or runs a guest that never
/// ends, others continue.
pub(super) const MOST_THREADS: usize = 16;

/// Calls for the call threads.
pub(super) struct CallQueue {
    state: Mutex<QueueState>,
    call_added: Condvar,
    /// How long nobody calls before the threads are told.
    idle: Duration,
}

struct QueueState {
    waiting: VecDeque<QueuedRequest>,
    replies: BTreeMap<u64, ReplyFn<RunResult>>,
    accepted: u64,
    /// Threads that serve calls, or are about to.
    threads: usize,
    /// Those of them that have a call.
    busy: usize,
    /// Why no call is served anymore.
    closed: Option<String>,
}

impl QueueState {
    /// How many more threads would have a call to serve.
    fn missing_threads(&self) -> usize {
        // A closed queue gives out no calls.
        let most = if self.closed.is_some() { 0 } else { MOST_THREADS.saturating_sub(self.threads) };
        // Free threads will take the calls that wait. Only calls beyond that need another thread.
        let free = self.threads.saturating_sub(self.busy);
        self.waiting.len().saturating_sub(free).min(most)
    }

    /// Whether nothing waits and nothing runs. While one thread runs a call, the next is likely to want what others have.
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.busy == 0 && self.closed.is_none()
    }
}

/// Whether calls wait that another thread could serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ThreadDemand {
    Enough,
    More,
}

impl CallQueue {
    /// A queue that this many threads will serve. They are told when nobody has called for so long.
    pub(super) fn new(threads: usize, idle: Duration) -> Self {
        let state = QueueState {
            waiting: VecDeque::new(),
            replies: BTreeMap::new(),
            accepted: 0,
            threads,
            busy: 0,
            closed: None,
        };
        Self { state: Mutex::new(state), call_added: Condvar::new(), idle }
    }

    /// Accepts a call and numbers it. Says whether more threads are needed.
    pub(super) fn put(&self, request: RunRequest, reply: ReplyFn<RunResult>) -> ThreadDemand {
        let mut state = lock(&self.state);
        if let Some(why) = &state.closed {
            let why = format!("no skill can be called: {why}");
            drop(state);
            // After the lock is released: a reply may run code that calls into the queue again.
            reply(Err(Error::Refused(why)));
            return ThreadDemand::Enough;
        }
        // Refused at once. An agent that learns this can wait, and one that hangs cannot.
        if state.waiting.len() >= MOST_WAITING {
            drop(state);
            reply(Err(Error::Refused(format!("{MOST_WAITING} calls are waiting: try again later"))));
            return ThreadDemand::Enough;
        }
        state.accepted += 1;
        let number = state.accepted;
        state.waiting.push_back(QueuedRequest { number, request });
        // The replies are apart from the calls, so that one can be answered also after its thread
        // has ended.
        state.replies.insert(number, reply);
        let demand = if state.missing_threads() > 0 { ThreadDemand::More } else { ThreadDemand::Enough };
        drop(state);
        self.call_added.notify_one();
        demand
    }

    /// How many more threads would have a call to serve. They count as threads from now on.
    pub(super) fn more_threads(&self) -> usize {
        let mut state = lock(&self.state);
        let more = state.missing_threads();
        // Counted before they start. Otherwise two looks in a row would start them twice.
        state.threads += more;
        more
    }

    /// A thread ends. When it was the last one, the queue closes.
    pub(super) fn leave(&self, why: Option<String>) {
        let mut state = lock(&self.state);
        state.threads = state.threads.saturating_sub(1);
        // Another thread still serves the calls that wait.
        if state.threads > 0 || state.closed.is_some() {
            return;
        }
        let why = why.unwrap_or_else(|| "no thread serves calls".to_owned());
        state.closed = Some(why.clone());
        state.waiting.clear();
        // Also those of calls that a thread had taken and never finished.
        let replies = std::mem::take(&mut state.replies);
        drop(state);
        replies.into_values().for_each(|reply| reply(Err(Error::Refused(format!("no skill can be called: {why}")))));
    }

    /// The server has ended: ends the threads, and refuses the waiting calls.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        let ending = "the server is ending";
        state.closed.get_or_insert_with(|| ending.to_owned());
        // Only the waiting ones. Calls that run report their own end through `done`.
        let waiting: Vec<u64> = state.waiting.drain(..).map(|call| call.number).collect();
        let replies: Vec<_> = waiting.iter().filter_map(|number| state.replies.remove(number)).collect();
        drop(state);
        // All threads must see that the queue is closed, not only one.
        self.call_added.notify_all();
        replies.into_iter().for_each(|reply| reply(Err(Error::Refused(ending.to_owned()))));
    }
}

impl RequestQueue for CallQueue {
    fn next(&self) -> Option<QueueTurn> {
        let mut state = lock(&self.state);
        loop {
            if let Some(call) = state.waiting.pop_front() {
                state.busy += 1;
                return Some(QueueTurn::Request(call));
            }
            if state.closed.is_some() {
                return None;
            }
            let (after, wait) = self.call_added.wait_timeout(state, self.idle).unwrap_or_else(PoisonError::into_inner);
            if wait.timed_out() && after.is_idle() {
                return Some(QueueTurn::Idle);
            }
            state = after;
        }
    }

    fn done(&self, number: u64, ran: Result<RunResult, InvokeError>) {
        let mut state = lock(&self.state);
        state.busy = state.busy.saturating_sub(1);
        let reply = state.replies.remove(&number);
        drop(state);
        if let Some(reply) = reply {
            reply(ran.map_err(Error::from));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, mpsc};

    use super::*;
    use crate::ledger::LedgerError;
    use crate::model::{
        channel::{Caller, Channel},
        name::{InvalidName, SkillName},
    };

    fn call(name: &str) -> Result<RunRequest, InvalidName> {
        let caller = Caller { channel: Channel::Mcp, name: "a test".to_owned() };
        Ok(RunRequest::new(SkillName::parse(name)?, Vec::new(), Arc::new(caller)))
    }

    /// A queue on which nobody waits long enough to be told.
    fn queue_for(threads: usize) -> CallQueue {
        CallQueue::new(threads, Duration::from_hours(1))
    }

    fn taken(queue: &CallQueue) -> Option<String> {
        match queue.next()? {
            QueueTurn::Request(queued) => Some(queued.request.skill.to_string()),
            QueueTurn::Idle => None,
        }
    }

    fn reply(answers: &mpsc::Sender<String>) -> ReplyFn<RunResult> {
        let answers = answers.clone();
        Box::new(move |ran| {
            let _ = answers.send(ran.map_or_else(|error| error.to_string(), |_| "ran".to_owned()));
        })
    }

    #[test]
    fn calls_come_in_order_and_one_too_many_is_refused_at_once() -> Result<(), Box<dyn std::error::Error>> {
        let (answers, heard) = mpsc::channel();
        let queue = queue_for(1);
        queue.put(call("first")?, reply(&answers));
        for _ in 1..MOST_WAITING {
            queue.put(call("another")?, reply(&answers));
        }
        assert!(heard.try_recv().is_err());
        queue.put(call("late")?, reply(&answers));
        assert!(heard.try_recv()?.contains("256 calls are waiting"));
        assert_eq!(taken(&queue).as_deref(), Some("first"));
        queue.put(call("later")?, reply(&answers));
        assert!(heard.try_recv().is_err(), "there was room");
        Ok(())
    }

    #[test]
    fn calls_that_wait_are_worth_threads_up_to_the_most() -> Result<(), Box<dyn std::error::Error>> {
        let (answers, _heard) = mpsc::channel();
        let queue = queue_for(2);
        assert_eq!(queue.put(call("first")?, reply(&answers)), ThreadDemand::Enough);
        assert_eq!(queue.put(call("second")?, reply(&answers)), ThreadDemand::Enough, "there are two threads");
        assert_eq!(queue.more_threads(), 0);
        assert!(queue.next().is_some() && queue.next().is_some());
        assert_eq!(queue.put(call("third")?, reply(&answers)), ThreadDemand::More, "both are at work");
        assert_eq!((queue.more_threads(), queue.more_threads()), (1, 0));
        for _ in 0..100 {
            queue.put(call("another")?, reply(&answers));
        }
        assert_eq!((queue.more_threads(), queue.more_threads()), (MOST_THREADS - 3, 0));
        queue.leave(None);
        assert_eq!(queue.more_threads(), 1, "the place of one that left");
        Ok(())
    }

    #[test]
    fn when_the_last_thread_leaves_or_the_server_ends_everybody_is_told() -> Result<(), Box<dyn std::error::Error>> {
        let (answers, heard) = mpsc::channel();
        let queue = queue_for(2);
        queue.put(call("first")?, reply(&answers));
        queue.leave(Some("no memory".to_owned()));
        assert!(heard.try_recv().is_err(), "there is another thread");
        queue.leave(Some("no memory".to_owned()));
        assert_eq!(heard.try_recv()?, "no skill can be called: no memory");
        queue.put(call("second")?, reply(&answers));
        assert_eq!(heard.try_recv()?, "no skill can be called: no memory");
        let queue = queue_for(1);
        queue.put(call("first")?, reply(&answers));
        queue.put(call("second")?, reply(&answers));
        assert!(queue.next().is_some());
        queue.close();
        assert_eq!(heard.try_recv()?, "the server is ending");
        assert!(queue.next().is_none() && heard.try_recv().is_err(), "the first is still replies its answer");
        Ok(())
    }

    #[test]
    fn threads_are_told_when_nobody_calls_and_nothing_runs() -> Result<(), Box<dyn std::error::Error>> {
        let (answers, _heard) = mpsc::channel();
        let queue = CallQueue::new(2, Duration::from_millis(1));
        assert!(matches!(queue.next(), Some(QueueTurn::Idle)));
        queue.put(call("first")?, reply(&answers));
        assert_eq!(taken(&queue).as_deref(), Some("first"), "a call comes before that");
        assert!(!lock(&queue.state).is_idle(), "it runs");
        queue.done(1, Err(InvokeError::Ledger(LedgerError::NoWriter)));
        assert!(matches!(queue.next(), Some(QueueTurn::Idle)));
        queue.close();
        assert!(queue.next().is_none());
        Ok(())
    }
}
