//! Changes of the ledger that this process made and that nobody has to look for: records that were added.
//!
//! Whoever keeps what the ledger said about trust and the switch looks again when anything has been committed ([`super::ChangeDetector`]).
//! In a process of many runs that would be after every batch of its own records, which change neither. So the [`super::Recorder`] keeps a list: the
//! heads of the log's index between which there were only such batches.
//!
//! Guarantees: two heads are in it one after the other only if exactly one transaction was committed between them. SQLite
//! counts them in the head. That one inserted records and nothing else, under the ledger's write lock.
//!
//! Deliberately never: holds a transaction with a commit of files in it, or one that it did not see whole.

use std::collections::VecDeque;
use std::sync::Mutex;

use super::change_detector::IndexHead;
use crate::sync::lock;

/// Heads that are remembered. Whoever has not looked for longer looks into the ledger.
const LONGEST: usize = 256;

/// The heads between which only this process committed, and only records; oldest first.
#[derive(Debug, Default)]
pub struct OwnCommits(Mutex<VecDeque<IndexHead>>);

impl OwnCommits {
    /// A transaction of records, by the heads before its first change and after its end.
    pub(super) fn step(&self, before: IndexHead, after: IndexHead) {
        let mut heads = lock(&self.0);
        if !after.is_next_of(&before) {
            // Somebody else has committed since.
            return heads.clear();
        }
        // A commit of another connection lies between the list and this batch. A link across it
        // would hide that commit, so the list starts again.
        if heads.back() != Some(&before) {
            heads.clear();
            heads.push_back(before);
        }
        heads.push_back(after);
        // Dropping the oldest is safe: a thread that last saw it finds no start, and reads the
        // ledger.
        if heads.len() > LONGEST {
            heads.pop_front();
        }
    }

    /// Whether all that happened from one head to the other was such transactions.
    pub(super) fn cover(&self, from: &IndexHead, to: &IndexHead) -> bool {
        let heads = lock(&self.0);
        // Searched from the end, because the newest header is nearly always the one that was asked
        // for.
        let to = heads.iter().rposition(|head| head == to);
        to.is_some_and(|to| heads.range(..=to).any(|head| head == from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(change: u32) -> IndexHead {
        IndexHead::with_change(change)
    }

    #[test]
    fn a_trail_leads_from_one_head_to_a_later_one_and_ends_where_somebody_else_went() {
        let own_commits = OwnCommits::default();
        assert!(!own_commits.cover(&head(1), &head(1)));
        (1..5).for_each(|change| own_commits.step(head(change), head(change + 1)));
        assert!(
            own_commits.cover(&head(1), &head(5))
                && own_commits.cover(&head(2), &head(3))
                && own_commits.cover(&head(4), &head(4))
        );
        assert!(
            !own_commits.cover(&head(3), &head(2))
                && !own_commits.cover(&head(0), &head(3))
                && !own_commits.cover(&head(3), &head(6))
        );
        own_commits.step(head(6), head(7));
        assert!(
            own_commits.cover(&head(6), &head(7)) && !own_commits.cover(&head(5), &head(7)),
            "the sixth was not ours"
        );
        own_commits.step(head(7), head(9));
        assert!(!own_commits.cover(&head(6), &head(7)) && !own_commits.cover(&head(7), &head(9)));
        own_commits.step(head(u32::MAX), head(0));
        assert!(own_commits.cover(&head(u32::MAX), &head(0)));
    }

    #[test]
    fn a_long_trail_is_forgotten_from_its_beginning() {
        let own_commits = OwnCommits::default();
        (0..1_000).for_each(|change| own_commits.step(head(change), head(change + 1)));
        assert!(own_commits.cover(&head(900), &head(1_000)) && !own_commits.cover(&head(100), &head(1_000)));
        assert_eq!(lock(&own_commits.0).len(), LONGEST);
    }
}
