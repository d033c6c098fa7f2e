//! Calls that wait for a thread, and the answers that are owed for them.
//!
//! Guarantees: first come, first served; every call that was taken in is answered once, also when nobody can serve calls any
//! more; no more wait than [`WAITING`]. Deliberately never: runs anything.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Condvar, Mutex, PoisonError};

use super::Reply;
use crate::error::Error;
use crate::invoke::resident::{QueuedRequest, RequestQueue};
use crate::invoke::{InvokeError, RunRequest, RunResult};
use crate::model::lock::lock;

/// Most calls that wait; the next is refused.
const WAITING: usize = 256;

/// Most threads that serve calls. More than there are processors: while one waits for the disk, or for a guest that is never
/// done, others go on.
pub(super) const MOST_AT_WORK: usize = 16;

/// Calls for many threads.
pub(super) struct Queue {
    state: Mutex<State>,
    more: Condvar,
}

struct State {
    waiting: VecDeque<QueuedRequest>,
    owed: BTreeMap<u64, Reply<RunResult>>,
    taken: u64,
    /// Threads that serve calls, or will.
    threads: usize,
    /// Those of them that have a call.
    at_work: usize,
    /// Why no call is served any more.
    closed: Option<String>,
}

impl State {
    fn short(&self) -> usize {
        // Of a queue that nobody serves any more, nobody takes a call.
        let most = if self.closed.is_some() { 0 } else { MOST_AT_WORK.saturating_sub(self.threads) };
        let free = self.threads.saturating_sub(self.at_work);
        self.waiting.len().saturating_sub(free).min(most)
    }
}

/// Whether calls wait that another thread could serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Crowd {
    None,
    Some,
}

impl Queue {
    /// A queue that so many threads will serve.
    pub(super) fn new(threads: usize) -> Self {
        let state =
            State { waiting: VecDeque::new(), owed: BTreeMap::new(), taken: 0, threads, at_work: 0, closed: None };
        Self { state: Mutex::new(state), more: Condvar::new() }
    }

    /// Takes a call in. Says whether more wait now than there are threads for.
    pub(super) fn put(&self, request: RunRequest, reply: Reply<RunResult>) -> Crowd {
        let mut state = lock(&self.state);
        if let Some(why) = &state.closed {
            let why = format!("no skill can be called: {why}");
            drop(state);
            reply(Err(Error::Refused(why)));
            return Crowd::None;
        }
        if state.waiting.len() >= WAITING {
            drop(state);
            reply(Err(Error::Refused(format!("{WAITING} calls wait already: call again later"))));
            return Crowd::None;
        }
        state.taken += 1;
        let number = state.taken;
        state.waiting.push_back(QueuedRequest { number, request });
        state.owed.insert(number, reply);
        let crowd = if state.short() > 0 { Crowd::Some } else { Crowd::None };
        drop(state);
        self.more.notify_one();
        crowd
    }

    /// So many threads more would find a call to serve. They count from now on.
    pub(super) fn more_threads(&self) -> usize {
        let mut state = lock(&self.state);
        let more = state.short();
        state.threads += more;
        more
    }

    /// A thread does not serve calls any more. When it was the last, nobody does.
    pub(super) fn leave(&self, why: Option<String>) {
        let mut state = lock(&self.state);
        state.threads = state.threads.saturating_sub(1);
        if state.threads > 0 || state.closed.is_some() {
            return;
        }
        let why = why.unwrap_or_else(|| "nobody serves calls any more".to_owned());
        state.closed = Some(why.clone());
        state.waiting.clear();
        let owed = std::mem::take(&mut state.owed);
        drop(state);
        owed.into_values().for_each(|reply| reply(Err(Error::Refused(format!("no skill can be called: {why}")))));
    }

    /// Nobody is there any more to be answered: sends the threads home, and forgets what waits.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        let ending = "the server is ending";
        state.closed.get_or_insert_with(|| ending.to_owned());
        let waiting: Vec<u64> = state.waiting.drain(..).map(|call| call.number).collect();
        let owed: Vec<_> = waiting.iter().filter_map(|number| state.owed.remove(number)).collect();
        drop(state);
        self.more.notify_all();
        owed.into_iter().for_each(|reply| reply(Err(Error::Refused(ending.to_owned()))));
    }
}

impl RequestQueue for Queue {
    fn next(&self) -> Option<QueuedRequest> {
        let mut state = lock(&self.state);
        loop {
            if let Some(call) = state.waiting.pop_front() {
                state.at_work += 1;
                return Some(call);
            }
            if state.closed.is_some() {
                return None;
            }
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self, number: u64, ran: Result<RunResult, InvokeError>) {
        let mut state = lock(&self.state);
        state.at_work = state.at_work.saturating_sub(1);
        let reply = state.owed.remove(&number);
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
    use crate::model::{
        channel::{Caller, Channel},
        name::{InvalidName, SkillName},
    };

    fn request(name: &str) -> Result<RunRequest, InvalidName> {
        let caller = Caller { channel: Channel::Mcp, name: "a test".to_owned() };
        Ok(RunRequest::new(SkillName::parse(name)?, Vec::new(), Arc::new(caller)))
    }

    fn reply(answers: &mpsc::Sender<String>) -> Reply<RunResult> {
        let answers = answers.clone();
        Box::new(move |ran| {
            let _ = answers.send(ran.map_or_else(|error| error.to_string(), |_| "ran".to_owned()));
        })
    }

    #[test]
    fn calls_come_in_order_and_one_too_many_is_refused_at_once() -> Result<(), Box<dyn std::error::Error>> {
        let (answers, heard) = mpsc::channel();
        let queue = Queue::new(1);
        queue.put(request("first")?, reply(&answers));
        for _ in 1..WAITING {
            queue.put(request("another")?, reply(&answers));
        }
        assert!(heard.try_recv().is_err());
        queue.put(request("late")?, reply(&answers));
        assert!(heard.try_recv()?.contains("256 calls wait already"));
        assert_eq!(queue.next().map(|call| call.request.skill.to_string()).as_deref(), Some("first"));
        queue.put(request("later")?, reply(&answers));
        assert!(heard.try_recv().is_err(), "there was room");
        Ok(())
    }

    #[test]
    fn calls_that_wait_are_worth_threads_up_to_the_most() -> Result<(), Box<dyn std::error::Error>> {
        let (answers, _heard) = mpsc::channel();
        let queue = Queue::new(2);
        assert_eq!(queue.put(request("first")?, reply(&answers)), Crowd::None);
        assert_eq!(queue.put(request("second")?, reply(&answers)), Crowd::None, "there are two threads");
        assert_eq!(queue.more_threads(), 0);
        assert!(queue.next().is_some() && queue.next().is_some());
        assert_eq!(queue.put(request("third")?, reply(&answers)), Crowd::Some, "both are at work");
        assert_eq!((queue.more_threads(), queue.more_threads()), (1, 0));
        for _ in 0..100 {
            queue.put(request("another")?, reply(&answers));
        }
        assert_eq!((queue.more_threads(), queue.more_threads()), (MOST_AT_WORK - 3, 0));
        queue.leave(None);
        assert_eq!(queue.more_threads(), 1, "the place of one that left");
        Ok(())
    }

    #[test]
    fn when_the_last_thread_leaves_or_the_server_ends_everybody_is_told() -> Result<(), Box<dyn std::error::Error>> {
        let (answers, heard) = mpsc::channel();
        let queue = Queue::new(2);
        queue.put(request("first")?, reply(&answers));
        queue.leave(Some("no memory".to_owned()));
        assert!(heard.try_recv().is_err(), "there is another thread");
        queue.leave(Some("no memory".to_owned()));
        assert_eq!(heard.try_recv()?, "no skill can be called: no memory");
        queue.put(request("second")?, reply(&answers));
        assert_eq!(heard.try_recv()?, "no skill can be called: no memory");
        let queue = Queue::new(1);
        queue.put(request("first")?, reply(&answers));
        queue.put(request("second")?, reply(&answers));
        assert!(queue.next().is_some());
        queue.close();
        assert_eq!(heard.try_recv()?, "the server is ending");
        assert!(queue.next().is_none() && heard.try_recv().is_err(), "the first is still owed its answer");
        Ok(())
    }
}
