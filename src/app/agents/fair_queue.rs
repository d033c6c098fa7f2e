//! A bounded queue that several owners share.
//!
//! Guarantees: an owner that has reached its own limit loses its own oldest entry. Only when the whole queue is full does
//! the oldest entry of all go. So one busy owner cannot displace the few entries of another.

use std::collections::VecDeque;

/// The limits of a [`FairQueue`].
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    /// Most entries of all owners.
    pub total: usize,
    /// Most entries of one owner.
    pub per_owner: usize,
}

/// Entries of several owners, oldest first.
#[derive(Debug)]
pub struct FairQueue<T> {
    limits: QueueLimits,
    entries: VecDeque<OwnedEntry<T>>,
}

/// An entry and its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedEntry<T> {
    /// The owner.
    pub owner: String,
    /// The entry.
    pub value: T,
}

impl<T> FairQueue<T> {
    /// An empty queue.
    pub fn new(limits: QueueLimits) -> Self {
        Self { limits, entries: VecDeque::new() }
    }

    /// Adds an entry, and removes another where a limit is reached.
    pub fn push(&mut self, entry: OwnedEntry<T>) {
        let is_theirs = |other: &OwnedEntry<T>| other.owner == entry.owner;
        if self.entries.iter().filter(|other| is_theirs(other)).count() >= self.limits.per_owner {
            // The owner's own oldest entry, also while there is room: the limit of an owner does
            // not depend on the others.
            self.entries.iter().position(is_theirs).and_then(|oldest| self.entries.remove(oldest));
        } else if self.entries.len() >= self.limits.total {
            self.entries.pop_front();
        }
        self.entries.push_back(entry);
    }

    /// The oldest entry that matches.
    pub fn find(&self, matches: impl Fn(&OwnedEntry<T>) -> bool) -> Option<&OwnedEntry<T>> {
        self.entries.iter().find(|entry| matches(entry))
    }

    /// Removes the oldest entry that matches.
    pub fn take(&mut self, matches: impl Fn(&OwnedEntry<T>) -> bool) -> Option<OwnedEntry<T>> {
        let position = self.entries.iter().position(matches)?;
        self.entries.remove(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_many_loses_its_own_and_only_a_full_queue_its_oldest() {
        let mut queue = FairQueue::new(QueueLimits { total: 4, per_owner: 2 });
        for (number, name) in ["a", "b", "b", "b", "c", "d"].into_iter().enumerate() {
            queue.push(OwnedEntry { owner: name.to_owned(), value: number });
        }
        let left: Vec<_> = queue.entries.iter().map(|entry| (entry.value, entry.owner.as_str())).collect();
        assert_eq!(left, [(2, "b"), (3, "b"), (4, "c"), (5, "d")]);
    }
}
