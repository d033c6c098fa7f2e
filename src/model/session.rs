//! Runs that follow from one another, as a tree.
//!
//! Guarantees: whatever the runs say of their parents, each has exactly one place and none is above itself. One whose
//! parent is not there begins a tree of its own. Nothing recurses, however deep they go.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    channel::Channel,
    id::ExecutionId,
    lifecycle::{CommitState, Purpose},
    name::SkillName,
    time::Timestamp,
};

/// What a list or a tree says of one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RunEntry {
    /// Its id.
    pub execution_id: ExecutionId,
    /// The run that it follows from.
    pub parent_execution_id: Option<ExecutionId>,
    /// The skill.
    pub skill_name: SkillName,
    /// Its revision; none where nothing trusted was found.
    pub revision: Option<u32>,
    /// What it was for.
    pub purpose: Purpose,
    /// The channel that it came through.
    #[serde(rename = "door")]
    pub channel: Channel,
    /// Whether it succeeded.
    pub success: bool,
    /// `Kind: message` of a failure.
    pub error: Option<String>,
    /// Whether its files are in the vault; none where nothing is to be committed.
    pub commit_state: Option<CommitState>,
    /// Whether a person undid its files.
    pub undone: bool,
    /// When it started.
    pub started_at: Timestamp,
    /// When it was over.
    pub finished_at: Timestamp,
}

impl RunEntry {
    /// How it ended, in a word.
    pub fn ended(&self) -> &'static str {
        match (self.success, self.commit_state) {
            (false, _) => "failed",
            (true, Some(CommitState::Applied)) if self.undone => "undone",
            (true, None | Some(CommitState::Applied)) => "ok",
            (true, Some(CommitState::Pending)) => "pending",
            (true, Some(CommitState::Reverted)) => "reverted",
            (true, Some(CommitState::Held)) => "held",
            (true, Some(CommitState::Rejected)) => "rejected",
            (true, Some(CommitState::Expired)) => "expired",
        }
    }

    /// How long it took.
    pub fn millis(&self) -> u64 {
        self.finished_at.millis_since(self.started_at)
    }
}

/// A run and its place in a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunNode {
    /// The run.
    pub entry: RunEntry,
    /// How many are above it.
    pub depth: usize,
    /// Whether no other run with the same parent comes after it.
    pub last: bool,
}

/// Runs as trees: each above those that follow from it; side by side they go by when they started.
pub fn trees(mut entries: Vec<RunEntry>) -> Vec<RunNode> {
    // The id breaks ties, so that the same runs always give the same tree.
    entries.sort_by_key(|entry| (entry.started_at, entry.execution_id));
    let parents = parents(&entries);
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); entries.len()];
    let mut roots = Vec::new();
    for (at, parent) in parents.iter().enumerate() {
        parent.map_or(&mut roots, |parent| &mut children[parent]).push(at);
    }
    // What is still to be placed, the next one last.
    // A stack of its own instead of recursion: an edited ledger can hold a chain of any length.
    let mut waiting: Vec<(usize, usize, bool)> = Vec::new();
    let wait = |waiting: &mut Vec<_>, side_by_side: &[usize], depth: usize| {
        let last = side_by_side.last().copied();
        waiting.extend(side_by_side.iter().rev().map(|at| (*at, depth, Some(*at) == last)));
    };
    wait(&mut waiting, &roots, 0);
    let mut entries: Vec<Option<RunEntry>> = entries.into_iter().map(Some).collect();
    let mut placed = Vec::with_capacity(entries.len());
    while let Some((at, depth, last)) = waiting.pop() {
        wait(&mut waiting, &children[at], depth + 1);
        // Taken out, so that no run can be placed twice.
        placed.extend(entries[at].take().map(|entry| RunNode { entry, depth, last }));
    }
    placed
}

/// Where the parent of each is, if it is there. In a circle the one that started first has none.
fn parents(entries: &[RunEntry]) -> Vec<Option<usize>> {
    let places: BTreeMap<ExecutionId, usize> =
        entries.iter().enumerate().map(|(at, entry)| (entry.execution_id, at)).collect();
    let parent = |entry: &RunEntry| entry.parent_execution_id.and_then(|id| places.get(&id).copied());
    let mut parents: Vec<Option<usize>> = entries.iter().map(parent).collect();
    // From whom each was reached first on the way up.
    let mut reached_from: Vec<Option<usize>> = vec![None; entries.len()];
    for start in 0..entries.len() {
        let mut at = Some(start);
        while let Some(here) = at.filter(|here| reached_from[*here].is_none()) {
            reached_from[here] = Some(start);
            at = parents[here];
        }
        // Come back to where this very way has been: once round to find the first.
        if let Some(again) = at.filter(|here| reached_from[*here] == Some(start)) {
            let (mut first, mut here) = (again, parents[again]);
            while let Some(other) = here.filter(|other| *other != again) {
                first = first.min(other);
                here = parents[other];
            }
            parents[first] = None;
        }
    }
    parents
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::model::id::IdSource;

    #[derive(Debug)]
    struct Fixed(u128);

    impl IdSource for Fixed {
        fn next(&self) -> Uuid {
            Uuid::from_u128(self.0)
        }
    }

    fn id(number: usize) -> ExecutionId {
        ExecutionId::new(&Fixed(number as u128))
    }

    fn entry(number: usize, parent: Option<usize>, at: i64) -> Result<RunEntry, Box<dyn std::error::Error>> {
        let time = Timestamp::from_millis(at)?;
        Ok(RunEntry {
            execution_id: id(number),
            parent_execution_id: parent.map(id),
            skill_name: SkillName::parse("note")?,
            revision: Some(1),
            purpose: Purpose::Run,
            channel: Channel::Chain,
            success: true,
            error: None,
            commit_state: None,
            undone: false,
            started_at: time,
            finished_at: time,
        })
    }

    /// Number, depth, and whether it is the last.
    type Place = (usize, usize, bool);

    /// Where runs are placed, each given with its parent and its time.
    fn placed(runs: &[(Option<usize>, i64)]) -> Result<Vec<Place>, Box<dyn std::error::Error>> {
        let entries = runs.iter().enumerate().map(|(at, (parent, time))| entry(at, *parent, *time));
        let number = |entry: &RunEntry| u128::from_be_bytes(*entry.execution_id.as_bytes()) as usize;
        let trees = trees(entries.collect::<Result<_, _>>()?);
        Ok(trees.iter().map(|one| (number(&one.entry), one.depth, one.last)).collect())
    }

    type Done = Result<(), Box<dyn std::error::Error>>;

    #[test]
    fn side_by_side_they_go_by_their_start() -> Done {
        let found = placed(&[(None, 0), (Some(0), 9), (Some(0), 5), (Some(2), 7), (Some(1), 9)])?;
        assert_eq!(found, [(0, 0, true), (2, 1, false), (3, 2, true), (1, 1, true), (4, 2, true)]);
        Ok(())
    }

    #[test]
    fn a_parent_that_is_not_there_makes_a_tree_of_its_own() -> Done {
        assert_eq!(placed(&[(Some(77), 5), (None, 3), (Some(0), 6)])?, [(1, 0, false), (0, 0, true), (2, 1, true)]);
        assert_eq!(placed(&[])?, []);
        Ok(())
    }

    #[test]
    fn a_circle_is_opened_where_it_started() -> Done {
        assert_eq!(placed(&[(Some(0), 0)])?, [(0, 0, true)], "its own parent");
        // 3 hangs on the circle and started before all of it.
        let found = placed(&[(Some(2), 5), (Some(0), 4), (Some(1), 6), (Some(2), 1)])?;
        assert_eq!(found, [(1, 0, true), (2, 1, true), (3, 2, false), (0, 2, true)]);
        Ok(())
    }

    #[test]
    fn a_chain_may_be_as_deep_as_it_likes() -> Done {
        let deep: Vec<_> = (0..100_000_usize).map(|at| (at.checked_sub(1), at as i64)).collect();
        let found = placed(&deep)?;
        assert!(found.iter().enumerate().all(|(at, found)| *found == (at, at, true)));
        let round: Vec<_> = (0..100_000_usize).map(|at| (Some((at + 1) % 100_000), at as i64)).collect();
        let found = placed(&round)?;
        assert_eq!((found.len(), found[0], found[1].0), (100_000, (0, 0, true), 99_999));
        Ok(())
    }

    proptest! {
        #[test]
        fn each_has_one_place_below_its_parent(
            runs in prop::collection::vec((prop::option::weighted(0.8, 0..40_usize), 0..20_i64), 0..60)
        ) {
            let found = placed(&runs).map_err(|error| TestCaseError::fail(error.to_string()))?;
            let mut numbers: Vec<usize> = found.iter().map(|(number, ..)| *number).collect();
            numbers.sort_unstable();
            prop_assert_eq!(numbers, (0..runs.len()).collect::<Vec<_>>());
            let mut above: Vec<usize> = Vec::new();
            for (at, (number, depth, last)) in found.iter().enumerate() {
                prop_assert!(*depth <= above.len());
                above.truncate(*depth);
                let parent = runs[*number].0.filter(|parent| *parent < runs.len());
                match above.last() {
                    Some(over) => prop_assert_eq!(parent, Some(*over)),
                    // Its parent is not there, or goes back to itself.
                    None => if let Some(parent) = parent {
                        let up = |one: &usize| runs[*one].0.filter(|parent| *parent < runs.len());
                        let mut way = std::iter::successors(Some(parent), up).take(runs.len());
                        prop_assert!(way.any(|one| one == *number));
                    },
                }
                let next = found[at + 1..].iter().find(|(_, other, _)| other <= depth);
                prop_assert_eq!(*last, next.is_none_or(|(_, other, _)| other < depth));
                if let Some((next, ..)) = next.filter(|(_, other, _)| other == depth) {
                    prop_assert!((runs[*number].1, *number) < (runs[*next].1, *next));
                }
                above.push(*number);
            }
        }
    }
}
