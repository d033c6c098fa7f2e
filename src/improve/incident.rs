//! Incidents: many failures of one kind in a short time. They say something about the environment, and nothing about a skill.
//!
//! An agent that learns from an outage learns not to use a skill that works. So the failures of an incident are set aside, and
//! shown.
//!
//! Guarantees: failures that are spread over a longer time are never an incident, however alike they are.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::time::Timestamp;

/// The length of an incident.
const WITHIN: Duration = Duration::from_secs(3_600);
/// The fewest failures of an incident. Fewer cannot make a candidate, so nothing is lost.
const FEWEST: usize = 5;
/// The share of the failures in its time that an incident has at least, in percent.
const SHARE: usize = 80;

/// One failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailureMark<'a> {
    /// When.
    pub at: Timestamp,
    /// What it was, without what differs from run to run.
    pub fingerprint: &'a str,
}

/// Failures of one kind within an hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// What they were.
    pub fingerprint: String,
    /// When the first of them was.
    pub since: Timestamp,
    /// Their places among the failures that were given.
    pub failures: Vec<usize>,
}

/// The incidents among failures, in order of time. No failure is part of two.
pub fn find(failures: &[FailureMark<'_>]) -> Vec<Incident> {
    let mut order: Vec<usize> = (0..failures.len()).collect();
    // The order of records is not the order of time where a clock was set back.
    order.sort_by_key(|place| failures.get(*place).map(|failure| failure.at));
    let mut found = Vec::new();
    let mut rest = order.as_slice();
    while let Some(first) = rest.first().and_then(|place| failures.get(*place)) {
        let end = first.at.after(WITHIN);
        let inside = rest.iter().take_while(|place| failures.get(**place).is_some_and(|mark| mark.at < end)).count();
        let (window, later) = rest.split_at(inside);
        match dominant(failures, window) {
            Some((fingerprint, alike)) => {
                found.push(Incident { fingerprint: fingerprint.to_owned(), since: first.at, failures: alike });
                rest = later;
            }
            // The incident may begin with the next failure.
            None => rest = rest.get(1..).unwrap_or_default(),
        }
    }
    found
}

/// The fingerprint that most failures of a window have, if they are enough for an incident.
fn dominant<'a>(failures: &[FailureMark<'a>], window: &[usize]) -> Option<(&'a str, Vec<usize>)> {
    let mut by_kind: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for place in window {
        let failure = failures.get(*place)?;
        by_kind.entry(failure.fingerprint).or_default().push(*place);
    }
    let most = by_kind.into_iter().max_by_key(|(_, places)| places.len())?;
    (most.1.len() >= FEWEST && most.1.len() * 100 >= window.len() * SHARE).then_some(most)
}

/// What a failure was, without numbers and quoted text, which differ from run to run.
pub fn fingerprint(error: &str) -> String {
    let mut out = String::new();
    let mut quote = None;
    for c in error.chars().take(400) {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '`' | '"') => {
                quote = Some(c);
                out.push('_');
            }
            (None, c) if c.is_ascii_digit() => {
                if !out.ends_with('#') {
                    out.push('#');
                }
            }
            (None, c) => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_millis(1_800_000_000_000 + minutes * 60_000).unwrap_or_else(|_| unreachable!())
    }

    fn marks<'a>(all: &[(i64, &'a str)]) -> Vec<FailureMark<'a>> {
        all.iter().map(|(minute, fingerprint)| FailureMark { at: at(*minute), fingerprint }).collect()
    }

    #[test]
    fn failures_of_one_kind_within_an_hour_are_an_incident() {
        let outage = marks(&[(0, "a"), (1, "a"), (2, "a"), (3, "b"), (59, "a")]);
        assert_eq!(find(&outage), []);
        let outage = marks(&[(-90, "b"), (0, "a"), (1, "a"), (2, "a"), (3, "b"), (4, "a"), (59, "a"), (61, "a")]);
        let [incident] = &find(&outage)[..] else { unreachable!() };
        assert_eq!((incident.fingerprint.as_str(), &incident.failures[..]), ("a", &[1, 2, 3, 5, 6][..]));
        assert_eq!(incident.since, at(0));
    }

    #[test]
    fn the_same_failure_over_days_is_the_skill() {
        let spread: Vec<_> = (0..40).map(|day| (day * 24 * 60, "a")).collect();
        assert_eq!(find(&marks(&spread)), []);
        let mixed: Vec<_> = (0..40).map(|minute| (minute, ["a", "b"][minute as usize % 2])).collect();
        assert_eq!(find(&marks(&mixed)), []);
    }

    #[test]
    fn numbers_and_quotes_do_not_make_another_kind() {
        let same = ["NotFound: no note `a.md` at 12", "NotFound: no note `b c.md` at 7"].map(fingerprint);
        assert_eq!(same[0], same[1]);
        assert_ne!(fingerprint("NotFound: x"), fingerprint("Denied: x"));
    }

    proptest! {
        #[test]
        fn no_failure_is_part_of_two_incidents(all in prop::collection::vec((0_i64..300, 0_usize..3), 0..80)) {
            let all: Vec<_> = all.into_iter().map(|(minute, kind)| (minute, ["a", "b", "c"][kind])).collect();
            let given = marks(&all);
            let mut seen = std::collections::BTreeSet::new();
            for incident in find(&given) {
                prop_assert!(incident.failures.len() >= FEWEST);
                for place in incident.failures {
                    prop_assert!(seen.insert(place));
                    prop_assert_eq!(given[place].fingerprint, &incident.fingerprint);
                    prop_assert!(given[place].at.millis_since(incident.since) < 3_600_000);
                }
            }
        }

        #[test]
        fn no_text_breaks_the_fingerprint(text in "(.|\n)*") {
            let _ = fingerprint(&text);
        }
    }
}
