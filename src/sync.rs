//! Mutexes whose poison is ignored.
//!
//! Guarantees: a value stays reachable after a thread panicked with its lock. Only values that are whole after every
//! statement may use this, because then a panic cannot have broken them. Deliberately never: repairs a value.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits for the lock.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn a_thread_that_panics_leaves_what_it_wrote() {
        let shared = Mutex::new(1);
        let ended = thread::scope(|scope| {
            let break_off = || {
                let mut held = lock(&shared);
                *held = 2;
                std::panic::resume_unwind(Box::new(()));
            };
            scope.spawn(break_off).join()
        });
        assert!(ended.is_err() && shared.is_poisoned());
        assert_eq!(*lock(&shared), 2);
    }
}
