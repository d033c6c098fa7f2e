//! The digest of everything that decides what may run: one leaf for each skill, and one each for the switch,
//! the role charter, policy with capabilities, and the trust policy.
//!
//! Guarantees: two states have the same digest only if they have the same keys with the same leaves. Deliberately never: knows
//! what a leaf is about; whoever makes one puts its key into the bytes.

use std::collections::BTreeMap;

use super::Hash;
use super::merkle::{leaf_hash, root};

/// The key of the switch.
pub const SWITCH: &str = "switch";

/// The key of the role charter.
pub const CHARTER: &str = "charter";

/// The key of policy values and capability grants.
pub const POLICY: &str = "policy";

/// The key of the trust policy in force.
pub const TRUST_POLICY: &str = "trust-policy";

/// What the key of a skill begins with.
pub const SKILL: &str = "skill/";

/// The key of a skill.
pub fn skill_key(name: &str) -> String {
    format!("{SKILL}{name}")
}

/// The leaves of a state, by their keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrustState(BTreeMap<String, Hash>);

impl TrustState {
    /// The state with these leaves.
    pub fn new(leaves: BTreeMap<String, Hash>) -> Self {
        Self(leaves)
    }

    /// The leaf of a key.
    pub fn get(&self, key: &str) -> Option<&Hash> {
        self.0.get(key)
    }

    /// Every key and its leaf, in the order of the keys.
    pub fn leaves(&self) -> impl Iterator<Item = (&str, &Hash)> {
        self.0.iter().map(|(key, leaf)| (key.as_str(), leaf))
    }

    /// Puts a leaf in the place of the one that the key had.
    pub fn set(&mut self, key: &str, leaf: Hash) {
        self.0.insert(key.to_owned(), leaf);
    }

    /// The digest: the root of a tree over keys and leaves, in the order of the keys.
    pub fn digest(&self) -> Hash {
        let entries: Vec<Hash> =
            // No key has a zero byte. So no pair of key and leaf has the bytes of another pair.
            self.0.iter().map(|(key, leaf)| leaf_hash(&[key.as_bytes(), &[0], leaf].concat())).collect();
        root(&entries)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn swapped_leaves_and_other_keys_are_another_state() {
        let state = |pairs: &[(&str, u8)]| {
            TrustState::new(pairs.iter().map(|(key, leaf)| ((*key).to_owned(), [*leaf; 32])).collect()).digest()
        };
        let digest = state(&[("skill/a", 1), ("skill/b", 2)]);
        for other in [&[("skill/a", 2), ("skill/b", 1)][..], &[("skill/a", 1)], &[("skill/a", 1), ("skill/c", 2)], &[]]
        {
            assert_ne!(state(other), digest, "{other:?}");
        }
    }

    proptest! {
        #[test]
        fn equal_digests_are_equal_states(
            one in prop::collection::btree_map("[a-c]{1,2}", any::<[u8; 32]>(), 0..5),
            other in prop::collection::btree_map("[a-c]{1,2}", any::<[u8; 32]>(), 0..5),
        ) {
            let (one, other) = (TrustState::new(one), TrustState::new(other));
            prop_assert_eq!(one == other, one.digest() == other.digest());
        }
    }
}
