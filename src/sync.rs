//! Waiting: mutexes whose poison is ignored, and calls that a signal interrupted.
//!
//! Guarantees: a value stays reachable after a thread panicked with its lock. Only values that are whole after every
//! statement may use this, because then a panic cannot have broken them. Deliberately never: repairs a value.

use std::io::{self, ErrorKind};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits for the lock.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes a call of the operating system again when a signal interrupted it. Where a call may have been made after all, as a
/// rename on a network file system, the caller looks at what is there.
///
/// # Errors
/// Any other error of the call.
pub fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            ended => return ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn an_interrupted_call_is_made_again_and_any_other_error_is_given() {
        let mut left = vec![Err(ErrorKind::NotFound.into()), Ok(7), Err(ErrorKind::Interrupted.into())];
        let mut call = || left.pop().unwrap_or_else(|| Err(ErrorKind::Other.into()));
        assert_eq!(uninterrupted(&mut call).ok(), Some(7));
        assert_eq!(uninterrupted(&mut call).map_err(|error: io::Error| error.kind()), Err(ErrorKind::NotFound));
    }

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
