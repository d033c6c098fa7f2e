//! Values that choose something, and were the same in every run of the skill.
//!
//! A remark of the coverage gate. Data can be chosen without a branch: `[path, other][k]`. Then it is the value that tells what
//! no run reached.
//!
//! Guarantees: only runs of the whole skill count. Deliberately never: refuses a skill, because an honest value can be constant.

use std::collections::{BTreeMap, BTreeSet};

use super::source_analysis::{Branch, BranchKind};
use crate::model::finding::Finding;

/// Most values that are listed.
const LISTED: usize = 30;

/// One remark for each value that never changed, and for each table with an element that was never chosen. Within such a value
/// no other one is listed.
pub(super) fn unchanged(branches: &[Branch], values: &BTreeMap<u32, BTreeSet<u64>>) -> Vec<Finding> {
    let mut remarks: Vec<Finding> = Vec::new();
    let mut last: Option<&Branch> = None;
    for branch in branches.iter().filter(|branch| branch.place.kind == BranchKind::Value) {
        let place = &branch.place;
        let Some(seen) = values.get(&branch.number) else { continue };
        let unquoted = place.source.trim_matches('`');
        if last.is_some_and(|last| last.place.file == place.file && last.place.source.contains(unquoted)) {
            continue;
        }
        let message = match never_chosen(&place.elements, seen) {
            Some(never) => format!("{} never chooses {never}", place.source),
            None if seen.len() == 1 && place.elements.is_empty() => {
                format!("{} {} in every run", place.source, place.what)
            }
            None => continue,
        };
        last = Some(branch);
        remarks.push(Finding::new("coverage/value", message).at(place.file.clone(), place.line));
    }
    remarks.truncate(LISTED);
    remarks
}

/// The elements that were never chosen.
fn never_chosen(elements: &[String], seen: &BTreeSet<u64>) -> Option<String> {
    let never = (0..).zip(elements).filter(|(at, _)| !seen.contains(at)).map(|(_, element)| format!("`{element}`"));
    let never: Vec<String> = never.collect();
    (!never.is_empty()).then(|| crate::model::text::line(&never.join(", "), 300))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::forge::verify::source_analysis::BranchPlace;

    fn value(number: u32, source: &str, elements: &[&str]) -> Branch {
        let (file, what) = ("src/lib.rs".to_owned(), "is always the same".to_owned());
        let elements = elements.iter().map(|element| (*element).to_owned()).collect();
        let (source, kind) = (format!("`{source}`"), BranchKind::Value);
        Branch { number, place: BranchPlace { file, line: 3, what, source, effects: false, kind, elements } }
    }

    #[test]
    fn a_value_that_never_changed_is_shown_and_the_values_in_it_are_not() {
        let branches = [value(0, "(a.len() >> 19) * 2", &[]), value(1, "a.len() >> 19", &[]), value(2, "b * 2", &[])];
        let seen = [(0, [0].into()), (1, [0].into()), (2, [2, 4].into())].into();
        let shown = unchanged(&branches, &seen);
        assert_eq!(
            shown.iter().map(|one| one.message.as_str()).collect::<Vec<_>>(),
            ["`(a.len() >> 19) * 2` is always the same in every run"]
        );
        // What no run evaluated is the business of the branch around it.
        assert_eq!(unchanged(&branches, &BTreeMap::new()), []);
    }

    #[test]
    fn an_element_that_was_never_chosen_is_named() {
        let branches = [value(0, "k", &["\"a.md\"", "PRIVATE"])];
        assert_eq!(unchanged(&branches, &[(0, [0, 1].into())].into()), []);
        let shown = unchanged(&branches, &[(0, [0].into())].into());
        assert_eq!(shown[0].message, "`k` never chooses `PRIVATE`");
    }
}
