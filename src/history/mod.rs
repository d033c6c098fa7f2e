//! One append-only history: leaves, their hash chain, the Merkle tree over them, and signed checkpoints.
//!
//! - `merkle.rs`: the tree of RFC 6962, its frontier, inclusion and consistency proofs.
//! - `note.rs`: signed notes of C2SP, and Ed25519 keys.
//! - `checkpoint.rs`: a checkpoint of C2SP `tlog-checkpoint`: origin, size and root, signed.
//! - `event.rs`: the bytes of a leaf.
//! - `proof.rs`: proof files, and their check. `statement.rs`: what a promotion states about a component, in DSSE envelopes.
//!   `source_files.rs`: the source of a skill in a proof. `bundle.rs`: a skill with its proof, in one file.
//! - `state.rs`: the digest of everything that decides trust.
//! - `anchor.rs`: what a ledger needs from the place where its newest checkpoint is kept.
//! - `trust_policy.rs`: what decisions need, and who may sign them. `rules.rs`: what of that comes from outside of the ledger.
//! - `approval.rs`: a person's signature over one event. `approval_walk.rs`: whether each event has the one that it needed.
//! - `witness.rs`: what a witness is asked, decides and signs.
//! - `ssh_key.rs`, `sshsig.rs`, `signers.rs`: the forms of OpenSSH.
//!
//! Guarantees: pure functions of their arguments. A malformed, oversized or foreign text is a typed error, and never "valid".
//! Nothing of Kavi but this folder is used, so a checker of its own shares it.
//!
//! Deliberately never: reads a file, a clock or a database, or holds a private key.

pub mod anchor;
pub mod approval;
pub mod approval_walk;
pub mod bundle;
pub mod checkpoint;
pub mod event;
pub mod merkle;
pub mod note;
pub mod proof;
pub mod rules;
pub mod signers;
pub mod source_files;
pub mod ssh_key;
pub mod sshsig;
pub mod state;
pub mod statement;
pub mod trust_policy;
pub mod witness;

/// A SHA-256 value: a leaf, a node, a root or a link of the chain.
pub type Hash = [u8; 32];

/// The SHA-256 of some bytes.
pub fn sha256(parts: &[&[u8]]) -> Hash {
    use sha2::Digest as _;
    let mut hasher = sha2::Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

/// The value of the chain before the first leaf.
pub const CHAIN_START: Hash = [0; 32];

/// The value of the chain after one more leaf.
pub fn chain(before: &Hash, leaf: &Hash) -> Hash {
    sha256(&[before, leaf])
}

/// A hash as lower-case hexadecimal.
pub fn hex(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A hash out of 64 characters of lower-case hexadecimal.
pub fn parse_hex(text: &str) -> Option<Hash> {
    let bytes = text.as_bytes();
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if bytes.len() != 64 {
        return None;
    }
    let mut hash = [0; 32];
    for (place, pair) in hash.iter_mut().zip(bytes.chunks_exact(2)) {
        *place = pair.iter().try_fold(0_u8, |value, byte| Some(value << 4 | digit(*byte)?))?;
    }
    Some(hash)
}
