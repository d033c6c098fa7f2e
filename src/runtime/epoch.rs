//! The heartbeat that makes running guests check their deadlines.
//!
//! One thread per process advances the epoch of every engine while at least one guest runs, and sleeps otherwise. It decides
//! nothing: the store that a beat reaches decides what it means.

use std::{
    sync::{Condvar, LazyLock, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use wasmtime::{Engine, EngineWeak};

use crate::sync::lock;

/// How late a guest can notice that its deadline has passed.
const BEAT: Duration = Duration::from_millis(2);

static TICKER: LazyLock<EpochTicker> = LazyLock::new(EpochTicker::default);

#[derive(Default)]
struct EpochTicker {
    state: Mutex<EpochState>,
    wake: Condvar,
}

#[derive(Default)]
struct EpochState {
    engines: Vec<EngineWeak>,
    running: usize,
    asleep: bool,
    started: bool,
}

impl EpochTicker {
    fn lock(&self) -> MutexGuard<'_, EpochState> {
        lock(&self.state)
    }

    fn beat_forever(&self) {
        loop {
            let mut state = self.lock();
            // An idle process must not wake 500 times a second.
            while state.running == 0 {
                state.asleep = true;
                state = self.wake.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            // The list holds weak references: an engine that nobody uses any more drops out here.
            state.engines.retain(|engine| match engine.upgrade() {
                Some(engine) => {
                    engine.increment_epoch();
                    true
                }
                None => false,
            });
            // Without the lock: a run that starts or ends must not wait for a beat.
            drop(state);
            thread::sleep(BEAT);
        }
    }
}

/// Advances the epoch of `engine` from now on whenever a guest runs.
///
/// # Errors
/// When the operating system gives no thread.
pub(super) fn watch(engine: &Engine) -> std::io::Result<()> {
    let mut state = TICKER.lock();
    // Under the lock, so that two engines that are made together start one thread.
    if !state.started {
        thread::Builder::new().name("kavi-epoch".into()).spawn(|| TICKER.beat_forever())?;
        state.started = true;
    }
    state.engines.push(engine.weak());
    Ok(())
}

/// A running guest. The epoch advances while one of these lives.
pub(super) struct Running(());

impl Running {
    pub(super) fn start() -> Self {
        let mut state = TICKER.lock();
        // Counted under the same lock that the thread sleeps on, so no wake-up can be lost.
        state.running += 1;
        // The thread waits only after it has said so. Waking a thread that does not wait would still be a system call.
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
