//! A bounded queue that several owners share.
//!
//! Guarantees: an entry is displaced only when it is older than [`QueueLimits::kept`] and its place is needed. Where an
//! owner has reached its limit, its own oldest entry goes. Where the queue is full, the oldest of all goes. A new entry
//! without a place is refused. So no owner can displace what another one still waits for, whatever names it gives itself.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::time::Timestamp;

/// The limits of a [`FairQueue`].
#[derive(Debug, Clone, Copy)]
pub struct QueueLimits {
    /// Most entries of all owners.
    pub total: usize,
    /// Most entries of one owner.
    pub per_owner: usize,
    /// How long an entry has its place for sure.
    pub kept: Duration,
}

/// There is no place for this new entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueFull<T>(pub OwnedEntry<T>);

/// Entries of several owners, oldest first.
#[derive(Debug)]
pub struct FairQueue<T> {
    limits: QueueLimits,
    entries: VecDeque<(Timestamp, OwnedEntry<T>)>,
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

    /// Adds an entry, in the place of one that is too old where a limit is reached.
    ///
    /// # Errors
    /// [`QueueFull`], with the entry, when there is none.
    pub fn push(&mut self, entry: OwnedEntry<T>, now: Timestamp) -> Result<(), QueueFull<T>> {
        let is_theirs = |(_, other): &(Timestamp, OwnedEntry<T>)| other.owner == entry.owner;
        let in_the_way = if self.entries.iter().filter(|other| is_theirs(other)).count() >= self.limits.per_owner {
            // The owner's own oldest entry, also while there is room: the limit of an owner does
            // not depend on the others.
            self.entries.iter().position(is_theirs)
        } else {
            (self.entries.len() >= self.limits.total).then_some(0)
        };
        if let Some(oldest) = in_the_way {
            let since = self.entries.get(oldest).map(|(since, _)| *since);
            if since.is_some_and(|since| now < since.after(self.limits.kept)) {
                return Err(QueueFull(entry));
            }
            self.entries.remove(oldest);
        }
        self.entries.push_back((now, entry));
        Ok(())
    }

    /// Puts back an entry that was taken out. It keeps its place, whatever has come since.
    pub fn put_back(&mut self, entry: OwnedEntry<T>, now: Timestamp) {
        self.entries.push_back((now, entry));
    }

    /// The oldest entry that matches.
    pub fn find(&self, matches: impl Fn(&OwnedEntry<T>) -> bool) -> Option<&OwnedEntry<T>> {
        self.entries.iter().map(|(_, entry)| entry).find(|entry| matches(entry))
    }

    /// Removes the oldest entry that matches.
    pub fn take(&mut self, matches: impl Fn(&OwnedEntry<T>) -> bool) -> Option<OwnedEntry<T>> {
        let position = self.entries.iter().position(|(_, entry)| matches(entry))?;
        self.entries.remove(position).map(|(_, entry)| entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Tested = Result<(), Box<dyn std::error::Error>>;

    const LIMITS: QueueLimits = QueueLimits { total: 4, per_owner: 2, kept: Duration::from_secs(60) };

    fn values(queue: &FairQueue<usize>) -> Vec<(usize, &str)> {
        queue.entries.iter().map(|(_, entry)| (entry.value, entry.owner.as_str())).collect()
    }

    #[test]
    fn what_is_waited_for_is_displaced_by_nobody_under_no_name() -> Tested {
        let (mut queue, now) = (FairQueue::new(LIMITS), Timestamp::from_millis(0)?);
        let mut refused = Vec::new();
        for (number, name) in ["a", "b", "b", "b", "c", "d", "e", "a"].into_iter().enumerate() {
            let pushed = queue.push(OwnedEntry { owner: name.to_owned(), value: number }, now);
            refused.extend(pushed.err().map(|_| number));
        }
        assert_eq!(values(&queue), [(0, "a"), (1, "b"), (2, "b"), (4, "c")]);
        assert_eq!(refused, [3, 5, 6, 7]);
        Ok(())
    }

    #[test]
    fn what_is_too_old_makes_room_of_the_same_owner_first() -> Tested {
        let (mut queue, now) = (FairQueue::new(LIMITS), Timestamp::from_millis(0)?);
        let later = now.after(LIMITS.kept);
        for (number, name, at) in [
            (0, "a", now),
            (1, "b", now),
            (2, "b", later),
            (3, "b", later),
            (4, "c", later),
            (5, "d", later),
            (6, "e", later),
        ] {
            let _ = queue.push(OwnedEntry { owner: name.to_owned(), value: number }, at);
        }
        assert_eq!(values(&queue), [(2, "b"), (3, "b"), (4, "c"), (5, "d")]);
        Ok(())
    }

    #[test]
    fn what_is_put_back_has_its_place() -> Tested {
        let (mut queue, now) = (FairQueue::new(QueueLimits { total: 1, ..LIMITS }), Timestamp::from_millis(0)?);
        assert_eq!(queue.push(OwnedEntry { owner: "a".to_owned(), value: 1 }, now), Ok(()));
        let taken = queue.take(|entry| entry.value == 1);
        assert_eq!(queue.push(OwnedEntry { owner: "b".to_owned(), value: 2 }, now), Ok(()));
        taken.into_iter().for_each(|taken| queue.put_back(taken, now));
        assert_eq!(values(&queue), [(2, "b"), (1, "a")]);
        Ok(())
    }
}
