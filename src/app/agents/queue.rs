//! Calls that wait for a thread, and the answers that are owed for them.
//!
//! Guarantees: first come, first served; every call that was taken in is answered once, also when nobody can serve calls any
//! more; no more wait than [`WAITING`]. Deliberately never: runs anything.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use super::Reply;
use crate::error::Error;
use crate::invoke::resident::{Call, Work};
use crate::invoke::run::{InvokeError, Ran};
use crate::model::{door::Asked, lock::lock, name::SkillName, switch::Cancel};

/// Most calls that wait; the next is refused.
const WAITING: usize = 256;

/// What is wanted: the skill, its input, who asks, and where they can take it back.
pub(super) type Wanted = (SkillName, Vec<u8>, Arc<Asked>, Cancel);

/// Calls for many threads.
pub(super) struct Queue {
    state: Mutex<State>,
    more: Condvar,
}

struct State {
    waiting: VecDeque<Call>,
    owed: BTreeMap<u64, Reply<Ran>>,
    taken: u64,
    /// Threads that serve calls, or will.
    threads: usize,
    /// Why no call is served any more.
    closed: Option<String>,
}

impl Queue {
    /// A queue that so many threads will serve.
    pub(super) fn new(threads: usize) -> Self {
        let state = State { waiting: VecDeque::new(), owed: BTreeMap::new(), taken: 0, threads, closed: None };
        Self { state: Mutex::new(state), more: Condvar::new() }
    }

    /// Takes a call in.
    pub(super) fn put(&self, (name, input, asked, cancel): Wanted, reply: Reply<Ran>) {
        let mut state = lock(&self.state);
        if let Some(why) = &state.closed {
            let why = format!("no skill can be called: {why}");
            drop(state);
            return reply(Err(Error::Refused(why)));
        }
        if state.waiting.len() >= WAITING {
            drop(state);
            return reply(Err(Error::Refused(format!("{WAITING} calls wait already: call again later"))));
        }
        state.taken += 1;
        let number = state.taken;
        state.waiting.push_back(Call { number, name, input, asked, cancel: Some(cancel) });
        state.owed.insert(number, reply);
        drop(state);
        self.more.notify_one();
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

    /// Sends the threads home once what waits is done.
    pub(super) fn close(&self) {
        lock(&self.state).closed.get_or_insert_with(|| "the server is ending".to_owned());
        self.more.notify_all();
    }
}

impl Work for Queue {
    fn next(&self) -> Option<Call> {
        let mut state = lock(&self.state);
        loop {
            if let Some(call) = state.waiting.pop_front() {
                return Some(call);
            }
            if state.closed.is_some() {
                return None;
            }
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self, number: u64, ran: Result<Ran, InvokeError>) {
        let reply = lock(&self.state).owed.remove(&number);
        if let Some(reply) = reply {
            reply(ran.map_err(Error::from));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::model::{door::Door, name::InvalidName};

    fn wanted(name: &str) -> Result<Wanted, InvalidName> {
        let asked = Asked { door: Door::Mcp, by: "a test".to_owned() };
        Ok((SkillName::parse(name)?, Vec::new(), Arc::new(asked), Cancel::default()))
    }

    fn reply(answers: &mpsc::Sender<String>) -> Reply<Ran> {
        let answers = answers.clone();
        Box::new(move |ran| {
            let _ = answers.send(ran.map_or_else(|error| error.to_string(), |_| "ran".to_owned()));
        })
    }

    #[test]
    fn calls_come_in_order_and_one_too_many_is_refused_at_once() -> Result<(), Box<dyn std::error::Error>> {
        let (answers, heard) = mpsc::channel();
        let queue = Queue::new(1);
        queue.put(wanted("first")?, reply(&answers));
        (1..WAITING).try_for_each(|_| wanted("another").map(|wanted| queue.put(wanted, reply(&answers))))?;
        assert!(heard.try_recv().is_err());
        queue.put(wanted("late")?, reply(&answers));
        assert!(heard.try_recv()?.contains("256 calls wait already"));
        assert_eq!(queue.next().map(|call| call.name.to_string()).as_deref(), Some("first"));
        queue.put(wanted("later")?, reply(&answers));
        assert!(heard.try_recv().is_err(), "there was room");
        Ok(())
    }

    #[test]
    fn when_the_last_thread_leaves_everybody_is_told_and_what_ends_is_done_first()
    -> Result<(), Box<dyn std::error::Error>> {
        let (answers, heard) = mpsc::channel();
        let queue = Queue::new(2);
        queue.put(wanted("first")?, reply(&answers));
        queue.leave(Some("no memory".to_owned()));
        assert!(heard.try_recv().is_err(), "there is another thread");
        queue.leave(Some("no memory".to_owned()));
        assert_eq!(heard.try_recv()?, "no skill can be called: no memory");
        queue.put(wanted("second")?, reply(&answers));
        assert_eq!(heard.try_recv()?, "no skill can be called: no memory");
        let queue = Queue::new(1);
        queue.put(wanted("first")?, reply(&answers));
        queue.close();
        assert!(queue.next().is_some() && queue.next().is_none());
        Ok(())
    }
}
