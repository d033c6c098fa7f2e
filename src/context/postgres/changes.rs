//! What has to be added to a store so that it has the decisions of the history.
//!
//! Guarantees: a store that has them gets nothing. Deliberately never: reads or writes.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::governance::{CharterRow, GovernanceRows, GrantRow};

/// One row that is added, or the end of the active charters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RowChange<'a> {
    /// No charter is active any more.
    RetireCharters,
    /// A charter becomes active.
    Charter(&'a CharterRow),
    /// A key has this value, or its default again.
    Policy {
        /// The key.
        key: &'a str,
        /// The JSON text.
        value: Option<&'a str>,
    },
    /// An actor has a capability or not, or its default again.
    Grant {
        /// The actor.
        actor: &'a str,
        /// The capability.
        capability: &'a str,
        /// Whether it is granted.
        granted: Option<bool>,
    },
}

/// The changes from what a store has to what is wanted. Nothing where it cannot be read: then all is added again.
pub(super) fn between<'a>(theirs: Option<&'a GovernanceRows>, wanted: &'a GovernanceRows) -> Vec<RowChange<'a>> {
    let mut changes = Vec::new();
    if theirs.is_none_or(|theirs| theirs.charters != wanted.charters) {
        // First, so that the old charter and the new one are never active together.
        changes.push(RowChange::RetireCharters);
        changes.extend(wanted.charters.iter().map(RowChange::Charter));
    }
    let their_policy = theirs.map(|theirs| &theirs.policy);
    let their_keys = their_policy.into_iter().flat_map(BTreeMap::keys);
    // Of both sides: a key that the store has and the history does not gets its default again.
    let keys: BTreeSet<&String> = their_keys.chain(wanted.policy.keys()).collect();
    for key in keys {
        let value = wanted.policy.get(key);
        if their_policy.and_then(|policy| policy.get(key)) != value {
            changes.push(RowChange::Policy { key, value: value.map(String::as_str) });
        }
    }
    let their_grants = grants(theirs.map_or(&[], |theirs| theirs.grants.as_slice()));
    let our_grants = grants(&wanted.grants);
    let pairs: BTreeSet<_> = their_grants.keys().chain(our_grants.keys()).copied().collect();
    for pair in pairs {
        let granted = our_grants.get(&pair).copied();
        if their_grants.get(&pair).copied() != granted {
            changes.push(RowChange::Grant { actor: pair.0, capability: pair.1, granted });
        }
    }
    changes
}

fn grants(rows: &[GrantRow]) -> BTreeMap<(&str, &str), bool> {
    rows.iter().map(|row| ((row.actor.as_str(), row.capability.as_str()), row.granted)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(policy: &[(&str, &str)], granted: &[(&str, &str, bool)]) -> GovernanceRows {
        let grant = |(actor, capability, granted): &(&str, &str, bool)| GrantRow {
            actor: (*actor).to_owned(),
            capability: (*capability).to_owned(),
            granted: *granted,
        };
        GovernanceRows {
            policy: policy.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            grants: granted.iter().map(grant).collect(),
            ..GovernanceRows::default()
        }
    }

    #[test]
    fn only_what_differs_is_added() {
        let wanted = rows(&[("a", "1"), ("b", "2")], &[("agent", "run_skill", false)]);
        assert_eq!(between(Some(&wanted), &wanted), []);
        let theirs = rows(&[("b", "3"), ("c", "4")], &[("agent", "run_skill", true), ("chain", "run_skill", true)]);
        let policy = |key, value| RowChange::Policy { key, value };
        let grant = |actor, granted| RowChange::Grant { actor, capability: "run_skill", granted };
        assert_eq!(
            between(Some(&theirs), &wanted),
            [
                policy("a", Some("1")),
                policy("b", Some("2")),
                policy("c", None),
                grant("agent", Some(false)),
                grant("chain", None)
            ]
        );
        assert_eq!(between(None, &rows(&[], &[])), [RowChange::RetireCharters]);
    }
}
