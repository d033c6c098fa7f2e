//! What a test says that the host answers: for each name some answers, each given once, in their order.

use std::cell::RefCell;
use std::collections::VecDeque;

/// The answers of one kind. `T` is what the call gives.
pub(crate) struct TestAnswers<T>(RefCell<VecDeque<(String, T)>>);

impl<T> TestAnswers<T> {
    pub(crate) const fn new() -> Self {
        Self(RefCell::new(VecDeque::new()))
    }

    /// Adds an answer for this name.
    pub(crate) fn push(&self, name: &str, answer: T) {
        self.0.borrow_mut().push_back((name.to_owned(), answer));
    }

    /// The next answer for this name.
    pub(crate) fn take(&self, name: &str) -> Option<T> {
        let mut answers = self.0.borrow_mut();
        let index = answers.iter().position(|(of, _)| of == name)?;
        answers.remove(index).map(|(_, answer)| answer)
    }

    /// All that are left, for the host that runs the call.
    #[cfg(target_family = "wasm")]
    pub(crate) fn told<U>(&self, each: impl Fn(String, &T) -> U) -> Vec<U> {
        self.0.borrow().iter().map(|(name, answer)| each(name.clone(), answer)).collect()
    }

    /// Drops what the test has said: it was about one call.
    pub(crate) fn forget(&self) {
        self.0.borrow_mut().clear();
    }
}
