//! The heartbeat that makes running guests look at their deadlines.
//!
//! One thread per process advances the epoch of every engine while at least one guest runs, and sleeps
//! otherwise. It decides nothing: what a beat means is decided by the store it reaches.

use std::{
    sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use wasmtime::{Engine, EngineWeak};

use crate::sync::lock;

/// How late a guest can notice that its time is over.
const BEAT: Duration = Duration::from_millis(2);

static TICKER: LazyLock<Ticker> = LazyLock::new(Ticker::default);

#[derive(Default)]
struct Ticker {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    engines: Vec<EngineWeak>,
    running: usize,
    asleep: bool,
    started: bool,
}

impl Ticker {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn beat_forever(&self) {
        loop {
            let mut state = self.lock();
            while state.running == 0 {
                state.asleep = true;
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            state.engines.retain(|engine| match engine.upgrade() {
                Some(engine) => {
                    engine.increment_epoch();
                    true
                }
                None => false,
            });
            drop(state);
            thread::sleep(BEAT);
        }
    }
}

/// Has the epoch of `engine` advanced whenever a guest runs.
///
/// # Errors
/// When the operating system gives no thread.
pub(super) fn watch(engine: &Engine) -> std::io::Result<()> {
    let mut state = TICKER.lock();
    if !state.started {
        thread::Builder::new().name("kavi-epoch".into()).spawn(|| TICKER.beat_forever())?;
        state.started = true;
    }
    state.engines.push(engine.weak());
    Ok(())
}

/// A running guest. The heart beats while one of these lives.
pub(super) struct Running(());

impl Running {
    pub(super) fn start() -> Self {
        let mut state = TICKER.lock();
        state.running += 1;
        // Only then does the heart wait: waking nobody would still be a call into the kernel.
        if state.running == 1 && std::mem::take(&mut state.asleep) {
            TICKER.wake.notify_one();
        }
        Self(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        TICKER.lock().running -= 1;
    }
}
