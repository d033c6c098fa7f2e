//! Work for threads that serve calls, let loose a round at a time.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use kavi::invoke::resident::{QueueTurn, QueuedRequest, RequestQueue};
use kavi::invoke::{InvokeError, RunRequest, RunResult};
use kavi::model::{
    channel::{Caller, Channel},
    name::SkillName,
};

/// Makes the name and the input of a call out of its number.
pub type Make = Box<dyn Fn(u64) -> (SkillName, Vec<u8>) + Send + Sync>;

/// A source of calls. Who serves it waits between two rounds.
pub struct Pump {
    make: Make,
    caller: Arc<Caller>,
    state: Mutex<State>,
    go: Condvar,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    caller: u64,
    left: u64,
    owed: u64,
    over: bool,
}

impl Pump {
    pub fn new(make: Make) -> Self {
        let caller = Arc::new(Caller { channel: Channel::Cli, name: "bench".to_owned() });
        Self { make, caller, state: Mutex::default(), go: Condvar::new(), ended: Condvar::new() }
    }

    /// Has so many calls served, and waits for the last answer.
    pub fn round(&self, calls: u64) -> Duration {
        let mut state = self.state.lock().unwrap();
        (state.left, state.owed) = (calls, calls);
        let start = Instant::now();
        self.go.notify_all();
        while state.owed > 0 {
            state = self.ended.wait(state).unwrap();
        }
        start.elapsed()
    }

    /// Lets the threads go.
    pub fn stop(&self) {
        self.state.lock().unwrap().over = true;
        self.go.notify_all();
    }
}

impl RequestQueue for Pump {
    fn next(&self) -> Option<QueueTurn> {
        let mut state = self.state.lock().unwrap();
        while state.left == 0 && !state.over {
            state = self.go.wait(state).unwrap();
        }
        if state.left == 0 {
            return None;
        }
        state.left -= 1;
        state.caller += 1;
        let number = state.caller;
        drop(state);
        let (name, input) = (self.make)(number);
        let request = RunRequest::new(name, input, Arc::clone(&self.caller));
        Some(QueueTurn::Request(QueuedRequest { number, request }))
    }

    fn done(&self, _: u64, ran: Result<RunResult, InvokeError>) {
        if let Err(error) = ran {
            // A panic would leave the others waiting for this thread.
            eprintln!("a call failed: {error}");
            std::process::exit(1);
        }
        let mut state = self.state.lock().unwrap();
        state.owed -= 1;
        if state.owed == 0 {
            self.ended.notify_one();
        }
    }
}
