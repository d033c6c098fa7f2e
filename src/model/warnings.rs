//! What went wrong without stopping the work: kept here by the library, shown by a front.

use std::sync::{Arc, Mutex};

use crate::sync::lock;

/// Warnings of one call, in order. Copies share one list.
#[derive(Debug, Clone, Default)]
pub struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// Adds one sentence.
    pub fn add(&self, text: impl Into<String>) {
        lock(&self.0).push(text.into());
    }

    /// Takes what has come together so far.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_share_one_list_and_a_warning_is_taken_once() {
        let warnings = Warnings::default();
        warnings.clone().add("a");
        warnings.add("b");
        assert_eq!(warnings.take(), ["a", "b"]);
        assert!(warnings.take().is_empty());
    }
}
