//! Room in a queue that several share.
//!
//! Guarantees: whoever has as many places as one may have loses its own oldest, and nobody else's; only a queue that is full of others
//! loses its very oldest. Deliberately never: adds anything.

use std::collections::VecDeque;

/// How many places there are, and how many of them one may have.
#[derive(Debug, Clone, Copy)]
pub struct Places {
    /// All of them.
    pub all: usize,
    /// Those of one.
    pub of_one: usize,
}

/// Makes room for one more of somebody, who is told by `is_theirs`.
pub fn make_room<T>(queue: &mut VecDeque<T>, places: Places, is_theirs: impl Fn(&T) -> bool) {
    if queue.iter().filter(|one| is_theirs(one)).count() >= places.of_one {
        queue.iter().position(is_theirs).and_then(|oldest| queue.remove(oldest));
    } else if queue.len() >= places.all {
        queue.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_many_loses_its_own_and_only_a_full_queue_its_oldest() {
        let places = Places { all: 4, of_one: 2 };
        let mut queue = VecDeque::new();
        for (number, name) in ["a", "b", "b", "b", "c", "d"].into_iter().enumerate() {
            make_room(&mut queue, places, |(_, other)| *other == name);
            queue.push_back((number, name));
        }
        assert_eq!(queue, [(2, "b"), (3, "b"), (4, "c"), (5, "d")]);
    }
}
