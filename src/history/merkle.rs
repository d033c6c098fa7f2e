//! The Merkle tree of RFC 6962 over the leaves of a history.
//!
//! Guarantees: [`verify_inclusion`] accepts a path only for that leaf at that place of a tree with that root.
//! [`verify_consistency`] accepts one only for two trees of which the smaller one is the beginning of the larger
//! one.
//!
//! Deliberately never: keeps the leaves. A [`Frontier`] holds one hash for each complete subtree, which is enough to go on.

use super::{Hash, sha256};

/// Most hashes of a path: the depth of a tree with 2^63 leaves.
pub const MAX_PATH: usize = 63;

/// The hash of a leaf. The first byte keeps a leaf from being taken for a node.
pub fn leaf_hash(bytes: &[u8]) -> Hash {
    sha256(&[&[0], bytes])
}

/// The hash of an inner node.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    sha256(&[&[1], left, right])
}

/// The root of the empty tree.
pub fn empty_root() -> Hash {
    sha256(&[])
}

/// The complete subtrees of a tree, largest first: what one needs to append to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The frontier of a tree with `size` leaves, if there are as many peaks as such a tree has.
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        // Each one bit of the size is one complete subtree. Stored peaks of another number were
        // changed.
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of its complete subtrees, largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Adds a leaf.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        // Each trailing one of the size is a complete subtree that the new leaf completes a larger one with.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.peaks.pop() {
                node = node_hash(&left, &node);
            }
        }
        self.peaks.push(node);
        self.size += 1;
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return empty_root() };
        // From the smallest to the largest: the smaller subtrees lie to the right, so each is the
        // right child.
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }

    /// The path of the leaf that is pushed next, in the tree that it then is the last leaf of.
    pub fn path_of_next(&self) -> Vec<Hash> {
        self.peaks.iter().rev().copied().collect()
    }
}

/// The root over some leaf hashes.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut frontier = Frontier::default();
    leaves.iter().for_each(|leaf| frontier.push(*leaf));
    frontier.root()
}

/// The largest power of two below `size`, which is at least 2.
fn split(size: usize) -> usize {
    // RFC 6962 splits so that the left side is complete, and never changes when leaves are added.
    size.next_power_of_two() / 2
}

/// The path from the leaf at `index` to the root, or `None` when there is no such leaf.
pub fn inclusion_path(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    if index >= leaves.len() {
        return None;
    }
    let (mut rest, mut index, mut path) = (leaves, index, Vec::new());
    while rest.len() > 1 {
        let (left, right) = rest.split_at(split(rest.len()));
        if index < left.len() {
            path.push(root(right));
            rest = left;
        } else {
            path.push(root(left));
            index -= left.len();
            rest = right;
        }
    }
    path.reverse();
    Some(path)
}

/// Whether `path` leads from `leaf` at `index` to `root` in a tree of `size` leaves (RFC 9162, 2.1.3.2).
pub fn verify_inclusion(leaf: &Hash, index: u64, size: u64, path: &[Hash], root: &Hash) -> bool {
    // Also keeps `size - 1` from an empty tree.
    if index >= size || path.len() > MAX_PATH {
        return false;
    }
    let (mut node_index, mut last, mut node) = (index, size - 1, *leaf);
    for hash in path {
        // The root was reached and hashes are left: a longer path could lead elsewhere.
        if last == 0 {
            return false;
        }
        // A right child, or the last node of its level, which has no sibling to the right.
        if node_index & 1 == 1 || node_index == last {
            node = node_hash(hash, &node);
            // A last node without a sibling is not hashed on its level. It rises until it is a
            // right child.
            while node_index & 1 == 0 && node_index != 0 {
                node_index >>= 1;
                last >>= 1;
            }
        } else {
            node = node_hash(&node, hash);
        }
        node_index >>= 1;
        last >>= 1;
    }
    last == 0 && node == *root
}

/// The proof that the tree over the first `size` leaves is the beginning of the one over all of them.
pub fn consistency_path(leaves: &[Hash], size: usize) -> Option<Vec<Hash>> {
    if size == 0 || size > leaves.len() {
        return None;
    }
    let (mut rest, mut size, mut whole, mut path) = (leaves, size, true, Vec::new());
    while size < rest.len() {
        let (left, right) = rest.split_at(split(rest.len()));
        if size <= left.len() {
            path.push(root(right));
            rest = left;
        } else {
            path.push(root(left));
            size -= left.len();
            rest = right;
            whole = false;
        }
    }
    // The root of the smaller tree itself is known to whoever asks, unless it became a part of another subtree.
    if !whole {
        path.push(root(rest));
    }
    path.reverse();
    Some(path)
}

/// A tree, as a checkpoint names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// How many leaves.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// Whether `path` shows that the tree `old` is the beginning of the tree `new` (RFC 9162, 2.1.4.2).
pub fn verify_consistency(old: TreeHead, new: TreeHead, path: &[Hash]) -> bool {
    if old.size > new.size || old.size == 0 || path.len() > MAX_PATH + 1 {
        return false;
    }
    // An equal tree needs no proof. A proof in spite of that is not ignored.
    if old.size == new.size {
        return path.is_empty() && old.root == new.root;
    }
    let mut hashes = path.iter();
    // A complete old tree is itself a node of the new one, so its root begins the path and is not
    // sent.
    let first = if old.size.is_power_of_two() { Some(&old.root) } else { hashes.next() };
    let Some(first) = first else { return false };
    let (mut node_index, mut last) = (old.size - 1, new.size - 1);
    while node_index & 1 == 1 {
        node_index >>= 1;
        last >>= 1;
    }
    let (mut old_root, mut new_root) = (*first, *first);
    for hash in hashes {
        if last == 0 {
            return false;
        }
        if node_index & 1 == 1 || node_index == last {
            old_root = node_hash(hash, &old_root);
            new_root = node_hash(hash, &new_root);
            while node_index & 1 == 0 && node_index != 0 {
                node_index >>= 1;
                last >>= 1;
            }
        } else {
            new_root = node_hash(&new_root, hash);
        }
        node_index >>= 1;
        last >>= 1;
    }
    last == 0 && old_root == old.root && new_root == new.root
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{hex, parse_hex};
    use proptest::prelude::*;

    fn leaves(count: usize) -> Vec<Hash> {
        (0..count).map(|number| leaf_hash(number.to_string().as_bytes())).collect()
    }

    /// The definition of RFC 6962, word by word.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(split(leaves.len()));
                node_hash(&by_definition(left), &by_definition(right))
            }
        }
    }

    /// The test vectors of the Certificate Transparency implementations: roots over these eight leaves.
    #[test]
    fn roots_are_those_of_other_implementations() {
        let inputs =
            ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let mut frontier = Frontier::default();
        for (input, root) in inputs.iter().zip(roots) {
            frontier.push(leaf_hash(&::hex::decode(input).unwrap_or_default()));
            assert_eq!(hex(&frontier.root()), root);
        }
        assert_eq!(parse_hex(roots[0]).map(|root| hex(&root)).as_deref(), Some(roots[0]));
    }

    #[test]
    fn every_proof_of_small_trees_holds_and_only_for_its_leaf_and_tree() {
        for size in 1..40_usize {
            let all = leaves(size);
            let whole = TreeHead { size: size as u64, root: root(&all) };
            assert_eq!(whole.root, by_definition(&all));
            for index in 0..size {
                let path = inclusion_path(&all, index).unwrap_or_default();
                for (other, leaf) in all.iter().enumerate() {
                    let fits = verify_inclusion(leaf, index as u64, whole.size, &path, &whole.root);
                    assert_eq!(fits, other == index, "{index} of {size}, {other}");
                }
                assert!(index == 0 || !verify_inclusion(&all[index], index as u64 - 1, whole.size, &path, &whole.root));
            }
            for smaller in 1..=size {
                let old = TreeHead { size: smaller as u64, root: root(&all[..smaller]) };
                let path = consistency_path(&all, smaller).unwrap_or_default();
                assert!(verify_consistency(old, whole, &path), "{smaller} of {size}");
                let forked = TreeHead { root: root(&leaves(smaller + 1)[1..]), ..old };
                assert!(!verify_consistency(forked, whole, &path), "{smaller} of {size}");
            }
            let before = all.split_last().map(|(_, before)| before).unwrap_or_default();
            let mut frontier = Frontier::default();
            before.iter().for_each(|leaf| frontier.push(*leaf));
            assert_eq!(frontier.path_of_next(), inclusion_path(&all, size - 1).unwrap_or_default());
            assert_eq!(Frontier::from_peaks(frontier.size(), frontier.peaks().to_vec()), Some(frontier));
        }
        assert_eq!((inclusion_path(&leaves(3), 3), consistency_path(&leaves(3), 4)), (None, None));
        assert_eq!(Frontier::from_peaks(3, leaves(1)), None);
    }

    proptest! {
        #[test]
        fn a_changed_proof_never_holds(size in 2_usize..300, pick in any::<(usize, usize, u8)>()) {
            let (index, place, bit) = pick;
            let all = leaves(size);
            let (index, root) = (index % size, root(&all));
            let mut path = inclusion_path(&all, index).unwrap_or_default();
            prop_assert!(verify_inclusion(&all[index], index as u64, size as u64, &path, &root));
            let place = place % path.len();
            path[place][usize::from(bit) % 32] ^= 1 << (bit % 8);
            prop_assert!(!verify_inclusion(&all[index], index as u64, size as u64, &path, &root));
            path.pop();
            prop_assert!(!verify_inclusion(&all[index], index as u64, size as u64, &path, &root));
        }

        #[test]
        fn no_input_makes_a_check_panic(
            numbers in any::<(u64, u64)>(), path in prop::collection::vec(any::<[u8; 32]>(), 0..70), root in any::<[u8; 32]>(),
        ) {
            let (index, size) = numbers;
            prop_assert!(!verify_inclusion(&root, index, size, &path, &root) || size == 1);
            let (old, new) = (TreeHead { size: index, root }, TreeHead { size, root });
            prop_assert!(!verify_consistency(old, new, &path) || index == size);
        }
    }
}
